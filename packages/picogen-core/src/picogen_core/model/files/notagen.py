"""NotaGen's `.pth` files: reading (sizes follow from the tensors' shapes) and writing.

NotaGen is `GenericStudent` with backbone `gpt2` and head `char-transformer`, so its tensors are
only renamed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from picogen_core.abc.patches import PATCH_SIZE, VOCABULARY
from picogen_core.errors import BadCheckpoint, PicogenError
from picogen_core.model.config import ModelConfig
from picogen_core.model.files.pth import check_finite, check_numbers, read_pth
from picogen_core.model.files.weights import build_unset, check_tensors, fill
from picogen_core.model.student import GenericStudent

HEAD_WIDTH = 64  # NotaGen: attention heads = hidden / 64; not recorded in the tensors

_PATCH = "patch_level_decoder."
_CHAR = "char_level_decoder.base."
_BACKBONE = "backbone.model."
_IGNORED = re.compile(r"\.attn\.(masked_)?bias$")  # masks that older transformers stored
_UNUSED = _PATCH + "base.wte.weight"  # [1, h]: GPT-2's token table, which is never read
_TIED = _CHAR + "lm_head.weight"  # is char wte
_TABLE = "head.transformer.wte.weight"


@dataclass(frozen=True)
class NotaGenFile:
    """A file with NotaGen's names and shapes.

    `tensors`, by our names, may be mapped from the file in its precision; their values are not yet
    checked.
    """

    config: ModelConfig
    tensors: dict[str, Tensor]


def open_notagen(path: Path) -> NotaGenFile:
    """Return a NotaGen checkpoint, checked except for its values; nothing in it is executed.

    Raises:
        BadCheckpoint: the file is not NotaGen's, or a tensor does not fit.
    """
    tensors = _renamed(read_pth(path), path)
    config = _deduce_config(tensors, path)
    with torch.device("meta"):
        check_tensors(_build(config, tensors, path), tensors, path)
    return NotaGenFile(config, tensors)


def read_notagen(path: Path) -> GenericStudent:
    """Return a NotaGen checkpoint as a model in evaluation mode, float32.

    Raises:
        BadCheckpoint: the file is not NotaGen's, or a tensor does not fit.
    """
    file = open_notagen(path)
    for name, tensor in file.tensors.items():
        check_finite(name, tensor, path)
    return fill(_build(file.config, file.tensors, path), file.tensors, share=False)


def _build(config: ModelConfig, tensors: Mapping[str, Tensor], path: Path) -> GenericStudent:
    try:
        return build_unset(config, {name: tensor.shape for name, tensor in tensors.items()})
    except PicogenError as error:
        raise BadCheckpoint(f"{path}: {error}") from None


def write_notagen(path: Path, model: GenericStudent) -> None:
    """Write a model with NotaGen's parts as a `.pth` with NotaGen's names.

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
            tensors[_PATCH + "base." + name.removeprefix(_BACKBONE)] = tensor
        elif name.startswith("head."):
            tensors[_CHAR + name.removeprefix("head.")] = tensor
    tensors[_UNUSED] = torch.zeros(1, config.d_model)
    tensors[_TIED] = tensors[_CHAR + "transformer.wte.weight"]
    torch.save({"model": tensors}, path)


def _renamed(stored: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors by our names; the two redundant ones are checked and left out."""
    plain = {name.removeprefix("module."): tensor for name, tensor in stored.items()}
    plain = {name: tensor for name, tensor in plain.items() if not _IGNORED.search(name)}
    tensors = {}
    for name, tensor in plain.items():
        if name in (_UNUSED, _TIED):
            continue
        if name == _PATCH + "patch_embedding.weight" and tensor.dim() == 2:
            tensors["patch_embedding.weight"] = tensor.T
        elif name.startswith(_PATCH + "base."):
            tensors[_BACKBONE + name.removeprefix(_PATCH + "base.")] = tensor
        elif name.startswith(_PATCH):
            tensors[name.removeprefix(_PATCH)] = tensor
        elif name.startswith(_CHAR):
            tensors["head." + name.removeprefix(_CHAR)] = tensor
        else:
            raise BadCheckpoint(
                f"{path}: tensor {name[:80]!r} is not NotaGen's; it is another model's checkpoint. "
                "A NotaGen checkpoint has only patch_level_decoder.* and char_level_decoder.*."
            )
    check_numbers(plain, path)
    for name in (_UNUSED, _TIED):
        if name not in plain:
            raise BadCheckpoint(f"{path}: tensor {name} is missing. Fetch the file again.")
    width = plain[_UNUSED].shape[-1:]
    if plain[_UNUSED].shape != (1, *width):
        raise BadCheckpoint(
            f"{path}: tensor {_UNUSED} has {list(plain[_UNUSED].shape)}, not one row."
        )
    if _TABLE in tensors and not torch.equal(plain[_TIED], tensors[_TABLE]):
        raise BadCheckpoint(
            f"{path}: {_TIED} is not equal to the character table it is tied to. "
            "The file is damaged, or of a changed NotaGen."
        )
    return tensors


def _deduce_config(tensors: Mapping[str, Tensor], path: Path) -> ModelConfig:
    def rows(name: str) -> torch.Size:
        if name not in tensors or tensors[name].dim() != 2:
            raise BadCheckpoint(f"{path}: no NotaGen checkpoint: it has no table {name}.")
        return tensors[name].shape

    table, width = rows("patch_embedding.weight")
    if table != PATCH_SIZE * VOCABULARY:
        raise BadCheckpoint(
            f"{path}: its patches are {table} wide; NotaGen's are {PATCH_SIZE} × {VOCABULARY}."
        )
    context, _ = rows(_BACKBONE + "wpe.weight")
    if width % HEAD_WIDTH or not width:
        raise BadCheckpoint(f"{path}: its width {width} is no multiple of {HEAD_WIDTH}.")
    if context < 2:
        raise BadCheckpoint(f"{path}: it has positions for {context} patches.")
    layers = _count(tensors, _BACKBONE + "h.", path)
    return notagen_config(width, layers, _count(tensors, "head.transformer.h.", path), context)


def _count(tensors: Mapping[str, Tensor], prefix: str, path: Path) -> int:
    """Return the number of layers below a prefix, numbered from 0 without gaps."""
    numbers = {name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix)}
    for number in range(max(1, len(numbers))):
        if str(number) not in numbers:
            there = ", ".join(sorted(numbers, key=lambda n: (len(n), n))[:8]) or "none"
            raise BadCheckpoint(f"{path}: {prefix}{number} is missing; its layers are {there}.")
    return len(numbers)


def notagen_config(width: int, layers: int, char_layers: int, context: int) -> ModelConfig:
    """Return the configuration of NotaGen's parts in these sizes; `context` in patches."""
    heads = width // HEAD_WIDTH
    return ModelConfig(
        d_model=width,
        max_patches=context,
        backbone="gpt2",
        backbone_options={"layers": layers, "heads": heads, "max_patches": context},
        head="char-transformer",
        head_options={"layers": char_layers, "heads": heads},
    )
