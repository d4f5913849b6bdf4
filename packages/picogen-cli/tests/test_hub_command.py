"""Students on the hub: uploaded to a server on loopback and read from it again."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from picogen_core.model.checkpoint import save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent

_SPEC = importlib.util.spec_from_file_location(
    "hub_server", Path(__file__).parent / "hub_server.py"
)
assert _SPEC is not None and _SPEC.loader is not None
hub_server = importlib.util.module_from_spec(_SPEC)
sys.modules["hub_server"] = hub_server
_SPEC.loader.exec_module(hub_server)

FILES = ("config.json", "manifest.json", "model.safetensors")
MANIFEST = {
    "parameters": 12345, "seed": 7,
    "progress": {"step": 40, "characters": 9000},
    "data": {"path": "/home/me/data/jigs", "pieces": 30, "sha256": "ab" * 32, "licences": ["CC0"]},
    "init": {"path": "hf:them/base@v1", "sha256": "cd" * 32},
    "teacher": {"path": "/home/me/teacher", "sha256": "ef" * 32},
}  # fmt: skip
BITS = {"value": 1.25, "unit": "bit/character", "n": 8, "low": 1.125, "high": 1.5}


@pytest.fixture
def hub() -> Iterator["hub_server.Hub"]:
    with hub_server.serving() as server:
        yield server


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with best/ and the result in its manifest."""
    torch.manual_seed(0)
    config = ModelConfig(
        d_model=32, max_patches=32, backbone="llama",
        backbone_options={"layers": 1, "heads": 2, "kv_heads": 1}, head="char-gru",
        head_options={"width": 32},
    )  # fmt: skip
    save_checkpoint(tmp_path / "run" / "best", GenericStudent(config), MANIFEST)
    result = {"result": {"bits_per_character": BITS}}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(MANIFEST | result))
    return tmp_path / "run"


@pytest.fixture
def call(tmp_path: Path, hub: "hub_server.Hub") -> Callable[..., subprocess.CompletedProcess[str]]:
    """`picogen WORDS`, or Python code, with this hub and an empty cache."""

    def run(
        *words: str | Path, token: str = hub_server.TOKEN, **more: str
    ) -> subprocess.CompletedProcess[str]:
        own = {
            "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": token,
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "*",
            "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1",
            "PICOGEN_CACHE": str(tmp_path / "cache"),
        } | more  # fmt: skip
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | own
        if not environment["HF_TOKEN"]:
            del environment["HF_TOKEN"]
        start = ["-c", words[1]] if words[0] == "python" else ["-m", "picogen_cli", *words]
        return subprocess.run(
            [sys.executable, *map(str, start)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


def test_a_run_goes_to_the_hub_and_comes_back_as_it_was(run: Path, hub, call, tmp_path: Path):
    metrics = {"metrics": {"beta": {"values": {"beta": {**BITS, "unit": ""}}}}}
    (tmp_path / "eval.json").write_text(json.dumps(metrics))
    done = call(
        "export", run, "--to", "hub", "--repo", "me/jigs", "--licence", "MIT",
        "--metrics", tmp_path / "eval.json", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tree = hub.repos["me/jigs"]["main"]
    assert sorted(tree) == ["README.md", *FILES]
    assert json.loads(done.stdout)["url"].startswith(f"{hub.url}/me/jigs/commit/")
    for name in FILES:
        assert tree[name] == (run / "best" / name).read_bytes()
    assert any(request.startswith("PUT /blobs/") for request in hub.seen)
    card = tree["README.md"].decode()
    for line in (
        'license: "mit"', 'base_model: ["them/base"]', "| parameters | 12,345 |",
        "| data | jigs, 30 pieces (sha256 abababababababab…); licences: CC0 |",
        "| teacher | teacher (sha256 efefefefefefefef…) |",
        "| held-out bits per character | 1.250 [1.125, 1.500], n = 8 |",
        "| `beta` | 1.250 [1.125, 1.500]  | 8 |", "| licence | MIT |",
        "picogen generate --weights-path hf:me/jigs",
    ):  # fmt: skip
        assert line in card
    assert "/home/me" not in card
    hub.commit("me/jigs", {"evil.py": b"raise SystemExit(9)", "pytorch_model.bin": b"\x80\x04."})
    hub.seen.clear()
    written = call(
        "generate", "--weights-path", "hf:me/jigs", "--num-samples", "1", "--max-length", "24",
        "--engine", "torch", "--output-dir", "out", token="",
    )  # fmt: skip
    assert "hub" not in written.stderr and (tmp_path / "out" / "0001.json").is_file()
    fetched = {request.rpartition("/")[2] for request in hub.seen if "/resolve/" in request}
    assert fetched == set(FILES)
    (snapshot,) = (tmp_path / "home").rglob("model.safetensors")
    for name in FILES:
        assert (snapshot.parent / name).read_bytes() == (run / "best" / name).read_bytes()


PYTHON = """
from picogen_core.model.student import GenericStudent
import torch
student = GenericStudent.from_pretrained("run")
print(student.push_to_hub("me/python", private=True, licence="MIT"))
again = GenericStudent.from_pretrained("me/python")
assert again.manifest == student.manifest and again.manifest["seed"] == 7
for name, tensor in student.state_dict().items():
    assert torch.equal(tensor, again.state_dict()[name])
GenericStudent.from_pretrained("me/python", revision="main").save_pretrained("saved")
"""


def test_python_pushes_and_loads(run: Path, hub, call, tmp_path: Path):
    done = call("python", PYTHON)
    assert done.returncode == 0, done.stderr
    assert f"{hub.url}/me/python/commit/" in done.stdout
    tree = hub.repos["me/python"]["main"]
    for name in FILES:
        assert tree[name] == (tmp_path / "saved" / name).read_bytes()
    assert tree["model.safetensors"] == (run / "best" / "model.safetensors").read_bytes()


def test_faults_are_one_line_with_a_way_on(run: Path, hub, call, tmp_path: Path):
    hub.commit("me/empty", {"README.md": b"none"})
    hub.commit("me/whole", {name: (run / "best" / name).read_bytes() for name in FILES})
    hub.commit("me/big", {"config.json": b" " * (1 << 21), "model.safetensors": b"0"})
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    up = ("export", run, "--to", "hub", "--repo")
    down = ("generate", "--output-dir", "out", "--weights-path")
    for words, message, more in (
        ((*up, "me/new"), "hf:me/new: you are not logged in", {"token": ""}),
        ((*up, "me/new"), "hf:me/new: you are not logged in, or the token", {"token": "hf_x"}),
        ((*up, "others/new"), "hf:others/new: you may not write to others/new.", {}),
        ((*up, "jigs"), "--repo jigs: write it as OWNER/NAME", {}),
        ((*up, "me/new"), "hf:me/new: the hub cannot be reached (", {"HF_ENDPOINT": nowhere}),
        ((*down, "hf:me/none"), "hf:me/none: the hub has no repository me/none", {}),
        ((*down, "hf:me/whole@v9"), "hf:me/whole@v9: me/whole has no revision v9.", {}),
        ((*down, "hf:me/empty"), "hf:me/empty: no model.safetensors with a config.json", {}),
        ((*down, "hf:me/big"), "hf:me/big: config.json has 2097152 bytes; at most 1,048", {}),
        ((*down, "hf:me"), "hf:me: write it as hf:OWNER/REPO, hf:OWNER/REPO/FILE", {}),
        ((*down, "hf:me/whole"), "hf:me/whole: the hub cannot", {"HF_ENDPOINT": nowhere}),
    ):  # fmt: skip
        done = call(*words, **more)
        assert done.returncode == 2, (words, done.stdout, done.stderr)
        (line,) = [one for one in done.stderr.splitlines() if one.startswith("picogen: ")]
        assert line.startswith(f"picogen: {message}"), line
        assert "Traceback" not in done.stderr
    assert set(hub.repos) == {"me/empty", "me/whole", "me/big"}
    shutil.rmtree(tmp_path / "home", ignore_errors=True)
