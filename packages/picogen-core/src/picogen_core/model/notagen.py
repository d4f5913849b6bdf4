"""NotaGen's `.pth` files: every size read by the shapes of its tensors, and written back.

NotaGen is `GenericStudent` with backbone `gpt2` and head `char-transformer`, so reading its
weights is a renaming.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from picogen_core.abc.patches import PATCH_SIZE, VOCABULARY
from picogen_core.errors import BadCheckpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent

HEAD_WIDTH = 64  # NotaGen: attention heads = hidden / 64; the tensors cannot tell

_PATCH = "patch_level_decoder."
_CHAR = "char_level_decoder.base."
_IGNORED = re.compile(r"\.attn\.(masked_)?bias$")
_UNUSED = _PATCH + "base.wte.weight"  # [1, h]: GPT-2's token table, of which nothing is read
_TIED = _CHAR + "lm_head.weight"  # is char wte


def read_notagen(path: Path) -> GenericStudent:
    """A NotaGen checkpoint as a model; nothing in it is executed.

    Raises:
        BadCheckpoint: what the file is instead, or which tensor does not fit.
    """
    tensors = _renamed(_read_tensors(path), path)
    model = GenericStudent(_deduce_config(tensors, path))
    from picogen_core.model.checkpoint import check_tensors

    check_tensors(model, tensors, path)
    model.load_state_dict(tensors)
    return model


def write_notagen(path: Path, model: GenericStudent) -> None:
    """A model with NotaGen's parts as a `.pth` in NotaGen's names.

    Raises:
        BadCheckpoint: the model has another backbone or head.
    """
    config = model.config
    if (config.backbone, config.head) != ("gpt2", "char-transformer"):
        raise BadCheckpoint(
            f"{path}: only a gpt2 backbone with a char-transformer head is NotaGen, "
            f"this model has {config.backbone} with {config.head}."
        )
    tensors = {}
    for name, tensor in model.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        if name == "patch_embedding.weight":
            tensors[_PATCH + name] = tensor.T.contiguous()
        elif name.startswith("patch_embedding."):
            tensors[_PATCH + name] = tensor
        elif name.startswith("backbone."):
            tensors[_PATCH + "base." + name.removeprefix(BACKBONE_PREFIX)] = tensor
        elif name.startswith("head."):
            tensors[_CHAR + name.removeprefix("head.")] = tensor
    tensors[_UNUSED] = torch.zeros(1, config.d_model)
    tensors[_TIED] = tensors[_CHAR + "transformer.wte.weight"]
    torch.save({"model": tensors}, path)


BACKBONE_PREFIX = "backbone.model."


def _read_tensors(path: Path) -> dict[str, Tensor]:
    wanted = "A NotaGen checkpoint is a .pth file with a 'model' in it."
    try:
        stored: Any = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except FileNotFoundError:
        raise BadCheckpoint(f"{path}: there is no such file. {wanted}") from None
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, OSError):
        raise BadCheckpoint(f"{path}: not a file of plain tensors. {wanted}") from None
    model = stored.get("model") if isinstance(stored, Mapping) else None
    if not isinstance(model, Mapping) or not all(isinstance(t, Tensor) for t in model.values()):
        raise BadCheckpoint(f"{path}: it holds no 'model' with tensors. {wanted}")
    return {str(name): tensor for name, tensor in model.items()}


def _renamed(stored: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    tensors = {}
    for name, tensor in stored.items():
        name = name.removeprefix("module.")
        if _IGNORED.search(name) or name in (_UNUSED, _TIED):
            continue
        if name == _PATCH + "patch_embedding.weight" and tensor.dim() == 2:
            tensors["patch_embedding.weight"] = tensor.T.contiguous()
        elif name.startswith(_PATCH + "base."):
            tensors[BACKBONE_PREFIX + name.removeprefix(_PATCH + "base.")] = tensor
        elif name.startswith(_PATCH):
            tensors[name.removeprefix(_PATCH)] = tensor
        elif name.startswith(_CHAR):
            tensors["head." + name.removeprefix(_CHAR)] = tensor
        else:
            raise BadCheckpoint(
                f"{path}: tensor {name} is not NotaGen's. A NotaGen checkpoint has only "
                "patch_level_decoder.* and char_level_decoder.*."
            )
        if not torch.isfinite(tensor).all():
            raise BadCheckpoint(
                f"{path}: tensor {name} holds NaN or infinity. Fetch the file again."
            )
    return tensors


def _deduce_config(tensors: dict[str, Tensor], path: Path) -> ModelConfig:
    def rows(name: str) -> torch.Size:
        if name not in tensors or tensors[name].dim() != 2:
            raise BadCheckpoint(f"{path}: no NotaGen checkpoint: it has no table {name}.")
        return tensors[name].shape

    table, width = rows("patch_embedding.weight")
    if table != PATCH_SIZE * VOCABULARY:
        raise BadCheckpoint(
            f"{path}: its patches are {table} wide; NotaGen's are {PATCH_SIZE} × {VOCABULARY}."
        )
    context, _ = rows(BACKBONE_PREFIX + "wpe.weight")
    if width % HEAD_WIDTH:
        raise BadCheckpoint(f"{path}: its width {width} is no multiple of {HEAD_WIDTH}.")
    heads = width // HEAD_WIDTH
    layers = _count(tensors, BACKBONE_PREFIX + "h.")
    char_layers = _count(tensors, "head.transformer.h.")
    if not (heads and context and layers and char_layers):
        raise BadCheckpoint(f"{path}: no NotaGen checkpoint: it lacks layers, width or positions.")
    return ModelConfig(
        d_model=width,
        max_patches=context,
        backbone="gpt2",
        backbone_options={
            "layers": layers,
            "heads": heads,
            "max_patches": context,
        },
        head="char-transformer",
        head_options={"layers": char_layers, "heads": heads},
    )


def _count(tensors: dict[str, Tensor], prefix: str) -> int:
    """How many layers are numbered below a prefix."""
    return len({name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix)})
