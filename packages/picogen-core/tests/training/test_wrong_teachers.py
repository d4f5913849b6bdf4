"""Files that are no teacher: one line that says what is wrong, and nothing run or allocated."""

import json
import os
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from picogen_core import BadCheckpoint
from picogen_core.model.checkpoint import load_model, save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.files.notagen import write_notagen
from picogen_core.model.student import GenericStudent
from safetensors.torch import save_file

torch.set_num_threads(1)

PATCH, CHAR = "patch_level_decoder.", "char_level_decoder.base."
WEIGHT = PATCH + "base.h.1.mlp.c_fc.weight"
LAYER = PATCH + "base.h.1."
Tensors = dict[str, torch.Tensor]


def notagen() -> GenericStudent:
    torch.manual_seed(0)
    return GenericStudent(
        ModelConfig(
            d_model=64, max_patches=24, backbone="gpt2",
            backbone_options={"layers": 2, "heads": 1, "max_patches": 24},
            head="char-transformer", head_options={"layers": 1, "heads": 1},
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "w.pth"
    write_notagen(path, notagen())
    return path.read_bytes()


@pytest.fixture
def tensors(good: bytes, tmp_path: Path) -> Tensors:
    (tmp_path / "good.pth").write_bytes(good)
    return dict(torch.load(tmp_path / "good.pth", weights_only=True)["model"])


class Harmful:
    def __reduce__(self):
        return (os.system, ("touch harmed",))


def refused(path: Path) -> str:
    with pytest.raises(BadCheckpoint) as raised:
        load_model(path)
    message = str(raised.value)
    assert "\n" not in message and path.name in message
    return message


CHANGED: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "missing": (lambda t: {k: v for k, v in t.items() if k != WEIGHT}, "c_fc.weight is missing"),
    "unused missing": (
        lambda t: {k: v for k, v in t.items() if k != PATCH + "base.wte.weight"},
        "base.wte.weight is missing",
    ),
    "extra": (lambda t: t | {PATCH + "base.more": torch.zeros(1)}, "are not in the model"),
    "extra of the head": (lambda t: t | {CHAR + "more": torch.zeros(1)}, "are not in the model"),
    "other model": (
        lambda t: {"model.layers.0.mlp.up_proj.weight": torch.zeros(2, 2)},
        "'model.layers.0.mlp.up_proj.weight' is not NotaGen's",
    ),
    "NaN": (lambda t: t | {WEIGHT: t[WEIGHT] * float("nan")}, "c_fc.weight holds NaN"),
    "infinite": (lambda t: t | {WEIGHT: t[WEIGHT] / 0}, "holds NaN or infinity"),
    "integers": (lambda t: t | {WEIGHT: t[WEIGHT].long()}, "is of int64"),
    "complex": (lambda t: t | {WEIGHT: t[WEIGHT] * 1j}, "is of complex64"),
    "sparse": (lambda t: t | {WEIGHT: t[WEIGHT].to_sparse()}, "holds no plain numbers"),
    "shape": (lambda t: t | {WEIGHT: t[WEIGHT][:, :7].clone()}, r"has shape \[64, 7\]"),
    "two widths": (
        lambda t: t | {k: torch.zeros([2 * n for n in v.shape])
                       for k, v in t.items() if k.startswith(LAYER)},
        r"h\.1\..* has shape \[128\]",
    ),
    "hole": (
        lambda t: {k.replace("base.h.1.", "base.h.2."): v for k, v in t.items()},
        "h.1 is missing; its layers are 0, 2",
    ),
    "no layers": (
        lambda t: {k: v for k, v in t.items() if ".h." not in k}, "h.0 is missing.* are none"
    ),
    "layer with a name": (
        lambda t: t | {PATCH + "base.h.last.ln_1.bias": torch.zeros(64)}, "h.2 is missing"
    ),
    "odd width": (
        lambda t: t | {PATCH + "patch_embedding.weight": torch.zeros(65, 2048)}, "no multiple of 64"
    ),
    "odd patches": (
        lambda t: t | {PATCH + "patch_embedding.weight": torch.zeros(64, 1024)}, "1024 wide"
    ),
    "no positions": (
        lambda t: t | {PATCH + "base.wpe.weight": torch.zeros(0, 64)}, "positions for 0"
    ),
    "untied": (
        lambda t: t | {CHAR + "lm_head.weight": torch.zeros(128, 64)}, "not equal to the character"
    ),
    "strides of 0": (
        lambda t: t | {PATCH + "patch_embedding.weight": torch.zeros(1).expand(1 << 26, 2048)},
        r"claim 549,7.* the file has",
    ),
    "one storage many times": (
        lambda t: t | {f"{LAYER}more{i}": torch.zeros(1).expand(1 << 20) for i in range(9)},
        "claim .* the file has",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CHANGED))
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_that_do_not_fit(tensors: Tensors, case: str, zipped: bool, tmp_path: Path):
    change, message = CHANGED[case]
    path = tmp_path / "changed.pth"
    torch.save({"model": change(tensors)}, path, _use_new_zipfile_serialization=zipped)
    told = refused(path)
    assert re.search(message, told), told


def test_files_that_are_something_else(good: bytes, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Harmful()}, "zip_with_code.pth")
    torch.save([1, 2], "list.pth")
    torch.save({"model": {}}, "no_tensors.pth")
    torch.save({"model": {"a": 1}}, "numbers.pth")
    save_file({"a": torch.zeros(3)}, "llama.safetensors")
    files = {
        "empty.pth": (b"", "is empty"),
        "text.pth": (b"hello", "not a file of plain tensors"),
        "code2.pth": (pickle.dumps(Harmful(), 2), "code (posix.system), which is never run"),
        "code5.pth": (pickle.dumps({"model": Harmful()}), "code (posix.system)"),
        "cut.pth": (good[: len(good) // 2], "cut off or damaged"),
        "cut_at_the_end.pth": (good[:-20], "cut off or damaged"),
        "pointer.pth": (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
    }
    for name, (content, _) in files.items():
        Path(name).write_bytes(content)
    told = {name: message for name, (_, message) in files.items()} | {
        "zip_with_code.pth": "code (posix.system), which is never run",
        "list.pth": "no 'model'",
        "no_tensors.pth": "no 'model'",
        "numbers.pth": "no 'model'",
        "llama.safetensors": "a safetensors file",
        "absent.pth": "no such file or folder",
        ".": "no model.safetensors with a config.json",
    }
    for name, message in told.items():
        assert message in refused(Path(name)), name
    assert not Path("harmed").exists()


def test_a_folder_of_another_program(tmp_path: Path):
    save_file({"model.embed_tokens.weight": torch.zeros(3)}, tmp_path / "model.safetensors")
    for config, message in (
        (
            {"architectures": ["Llama"], "model_type": "llama"},
            "not PiCo-Gen's but llama",
        ),
        ([1], "no table"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert message in refused(tmp_path)
        with pytest.raises(BadCheckpoint, match=message):
            load_model(tmp_path / "model.safetensors")


def test_a_folder_with_nan_or_whole_numbers_or_a_broken_manifest(tmp_path: Path):
    model = notagen()
    save_checkpoint(tmp_path / "ok", model, {})
    (tmp_path / "ok" / "manifest.json").write_text("[")
    again = load_model(tmp_path / "ok" / "model.safetensors")
    assert torch.equal(again.head.transformer.wte.weight, model.head.transformer.wte.weight)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for changed, message in (
        (state["patch_embedding.bias"] * float("nan"), "patch_embedding.bias holds NaN"),
        (state["patch_embedding.bias"].long(), "patch_embedding.bias is of int64"),
    ):
        save_file(state | {"patch_embedding.bias": changed}, tmp_path / "ok" / "model.safetensors")
        with pytest.raises(BadCheckpoint, match=message):
            load_model(tmp_path / "ok")


@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_files_give_one_line_or_a_model(tensors: Tensors, zipped: bool, tmp_path: Path):
    """Bytes flipped where the names and shapes are, as well as anywhere, and files cut off."""
    path = tmp_path / "w.pth"
    torch.save({"model": tensors}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    dense = [i for i in range(len(whole)) if 32 <= whole[i] < 127]
    rng = random.Random(1)
    refusals = 0
    for trial in range(100):
        data = bytearray(whole)
        if trial % 5 == 0:
            data = data[: rng.randrange(len(data))]
        else:
            places = dense if trial % 5 < 3 else range(len(data))
            for _ in range(rng.choice((1, 3, 20))):
                data[rng.choice(places) % (8000 if trial % 2 else len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            load_model(path)
        except BadCheckpoint as error:
            refusals += 1
            assert "\n" not in str(error)
    assert refusals >= 20


BOMBS = """
import resource, sys, torch
from pathlib import Path
from picogen_core import BadCheckpoint
from picogen_core.model.checkpoint import load_model
load_model(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[2:]:
    try:
        load_model(Path(name))
    except BadCheckpoint as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_small_file_takes_little_memory_whatever_it_claims(tensors: Tensors, tmp_path: Path):
    name = PATCH + "patch_embedding.weight"
    huge = torch.zeros(1).expand(1 << 20, 2048)
    bombs = []
    for zipped in (True, False):
        path = tmp_path / f"strides{zipped}.pth"
        torch.save({"model": tensors | {name: huge}}, path, _use_new_zipfile_serialization=zipped)
        bombs.append(path)
        path = tmp_path / f"claimed{zipped}.pth"
        torch.save({"model": tensors}, path, _use_new_zipfile_serialization=zipped)
        raw = path.read_bytes()
        count = (64 * 2048).to_bytes(4, "little")
        assert raw.count(b"J" + count) >= 1  # pickle's BININT of the storage's size
        path.write_bytes(raw.replace(b"J" + count, b"J" + (0x7FFFFFF0).to_bytes(4, "little")))
        bombs.append(path)
    done = subprocess.run(
        [sys.executable, "-c", BOMBS, tmp_path / "good.pth", *bombs],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    *lines, grown = done.stdout.splitlines()
    assert "strides" in lines[0] and sum("claim 8,590,579,200" in line for line in lines) == 2
    assert int(grown) < 100_000  # kilobytes
