"""`picogen train` on two machines: two torchrun on loopback, as on two nodes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from picogen_core.data.prepare import prepare
from picogen_core.data.types import SourcePiece

SETTINGS = (
    "train", "--data", "data", "--backbone", "rwkv", "--head", "char-gru",
    "--set", "backbone.layers=1", "--set", "backbone.head_size=16", "--set", "head.width=32",
    "--set", "d_model=32", "--set", "max_patches=24", "--set", "samples=0", "--batch-size", "2",
)  # fmt: skip
SECONDS = 240


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bars = ("CDEF", "GABc", "c4", "BAGF", "E2D2", "cBAG")
    pieces = []
    for i in range(24):
        body = "|".join(bars[(i * k + k) % 6] for k in range(1, 4 + i % 5))
        abc = f"X:1\nM:4/4\nL:1/4\nK:{'CDFG'[i % 4]}\n{bars[i % 6]}|{body}|C4|]\n"
        pieces.append(SourcePiece(f"p{i}", abc, "made up", "CC0"))
    prepare(pieces, tmp_path / "data", eval_ratio=0.2)
    return tmp_path


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def start(folder: Path, words: tuple[str, ...]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def two_nodes(folder: Path, *options: str) -> list[subprocess.Popen[str]]:
    port = free_port()
    launcher = ("torch.distributed.run", "--nnodes=2", "--nproc-per-node=1")
    where = ("--master-addr=127.0.0.1", f"--master-port={port}")
    return [
        start(
            folder,
            (*launcher, f"--node-rank={rank}", *where, "-m", "picogen_cli", *SETTINGS, *options),
        )
        for rank in (0, 1)
    ]


def alone(folder: Path, *options: str) -> str:
    process = start(folder, ("picogen_cli", *options))
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    return out


def weights(folder: Path, name: str) -> bytes:
    return (folder / "checkpoints" / name / "last" / "model.safetensors").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="gloo over loopback")
def test_two_nodes_are_one_process_bit_for_bit_and_the_first_reports(folder: Path):
    nodes = two_nodes(folder, "--max-steps", "6", "--exp-name", "two", "--json")
    (out, err), (silent, nothing) = (node.communicate(timeout=SECONDS) for node in nodes)
    assert [node.returncode for node in nodes] == [0, 0], err + nothing
    assert json.loads(out)["steps"] == 6
    assert "Training two" in err and silent == "" and "Training" not in nothing
    alone(folder, *SETTINGS, "--max-steps", "6", "--exp-name", "one", "--set", "accumulate=2")
    assert weights(folder, "two") == weights(folder, "one")
    nodes = two_nodes(folder, "--max-steps", "6", "--exp-name", "two")
    (_, err), (_, nothing) = (node.communicate(timeout=SECONDS) for node in nodes)
    assert err.count("picogen: ") == 1 and "picogen: " not in nothing
    assert "picogen: the run folder checkpoints/two is not empty." in err


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_node_ends_the_run_with_all_steps_saved(folder: Path):
    log = folder / "checkpoints" / "run" / "metrics.jsonl"
    nodes = two_nodes(folder, "--max-steps", "4000", "--exp-name", "run")
    until = time.monotonic() + SECONDS
    while not (log.is_file() and log.read_text().count("\n") > 3):
        assert nodes[0].poll() is None and time.monotonic() < until, nodes[0].communicate()
        time.sleep(0.05)
    for pid in (*children(nodes[1].pid), nodes[1].pid):
        os.kill(pid, signal.SIGKILL)
    _, err = nodes[0].communicate(timeout=SECONDS)
    nodes[1].communicate(timeout=SECONDS)
    assert nodes[0].returncode != 0
    (line,) = (line for line in err.splitlines() if line.startswith("picogen: "))
    assert line.startswith("picogen: another process of the run is gone (")
    steps = [row["step"] for row in map(json.loads, log.read_text().splitlines()) if "loss" in row]
    assert steps == list(range(1, steps[-1] + 1))
    assert f"The checkpoint of step {steps[-1]} in checkpoints/run/last is whole." in line
    command = line.partition("Resume with: picogen ")[2].split()
    more = ("--max-steps", str(steps[-1] + 3))
    alone(folder, *command, *more)
    rows = [json.loads(row) for row in log.read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, steps[-1] + 4))


def children(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True)
    return [int(pid) for pid in found.stdout.split()]
