"""The benchmarks run on tiny sizes, their figures agree with each other, and the page's commands
exist. No time is asserted."""

import importlib
import math
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
SCRIPTS = ("measure", "train_step", "train_tables", "decode_step", "notagen_step", "patches")

torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def on_path():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))
    for name in SCRIPTS:
        sys.modules.pop(name, None)


@pytest.fixture
def no_processes(monkeypatch):
    """Memory is measured in this process, which says nothing of memory and is quick."""
    from contextlib import contextmanager

    import measure

    @contextmanager
    def here():
        yield lambda function, *arguments: function(*arguments) or 1.0

    monkeypatch.setattr(measure, "fresh_processes", here)


TINY = "--lengths 2,4 --threads 1 --width 64 --rounds 2"


def test_train_step(no_processes):
    import train_step
    import train_tables

    given = train_step.parse(
        f"{TINY} --headline 2,4 --backbones llama,rwkv --heads char-memory".split()
    )
    steps = train_step.measure_steps(given)
    by_part = {part: [s for s in steps if s["part"] == part] for part in train_step.PARTS}
    assert {part: len(found) for part, found in by_part.items()} == {
        "backbone": 6, "head": 2, "model": 2,
    }  # fmt: skip
    assert all(s["cpu_s"] > 0 and s["runs"] == 2 and s["peak_mib"] == 1 for s in steps)
    parameters = {(s["part"], s["name"]): s["parameters"] for s in steps}
    embedding = 16 * 128 * 64 + 64
    for name in ("llama", "rwkv"):
        whole = parameters["backbone", name] + parameters["head", "char-memory"] + embedding
        assert parameters["model", name] == whole
    text = train_tables.report({"machine": "M", "steps": steps, "notagen": None})
    llama = next(line for line in text.splitlines() if line.startswith("| `llama`"))
    assert llama.split(" | ")[3] == "1.00"


def test_notagens_formulation_is_the_same_training_step():
    """Losses and gradients, without dropout, on rows of different length."""
    import notagen_step
    import train_step
    from patches import tunes

    data = notagen_step.tunes_dataset(tunes(3))
    torch.manual_seed(0)
    model = notagen_step.student(64, 1, 1, train_step.MAX_TUNE).eval()
    (batch,) = notagen_step.shuffled(data, 3, train_step.MAX_TUNE, 0)
    assert len(set(batch.lengths.tolist())) > 1
    notagen_step.our_loss(model, batch).backward()
    ours = model.patch_embedding.weight.grad
    for padded in (False, True):
        theirs = notagen_step.NotaGen(model, padded).eval()
        loss = notagen_step.notagen_loss(theirs, batch)
        loss.backward()
        assert float(loss) == pytest.approx(float(notagen_step.our_loss(model, batch)), abs=1e-5)
        gradient = theirs.patch_embedding.weight.grad.T
        torch.testing.assert_close(gradient, ours, atol=1e-5, rtol=1e-3)


def test_the_comparison_with_notagen_takes_the_same_tunes():
    import train_step

    sizes = "--tunes 4 --small 64 --batch-size 2 --passes 2"
    given = train_step.parse(shlex.split(sizes))
    found = train_step.measure_notagen(given)
    assert found["tunes"] == 4 and all(len(spent) == 2 for spent in found["cpu_s"].values())
    assert max(found["losses"].values()) - min(found["losses"].values()) < 1e-5
    assert all(r["low"] <= r["median"] <= r["high"] for r in found["ratios"].values())


def test_decode_step(no_processes):
    import decode_step

    given = decode_step.parse(f"{TINY} --backbones llama,rwkv --heads parallel".split())
    result = decode_step.measure_decoding(given)
    parts = [(r["part"], r["name"]) for r in result["decoding"]]
    assert len(parts) == 9 and parts.count(("step", "rwkv")) == 2
    rwkv, llama = result["state_bytes"]["rwkv"], result["state_bytes"]["llama"]
    assert rwkv[2] == rwkv[4] == 6 * 4 * (2 * 64 + 64 * 64)  # layers · float32 · (att, ffn, wkv)
    assert llama[4] - llama[2] == 2 * 6 * 2 * 64 * 4  # patches · layers · keys and values · width
    text = decode_step.report({"machine": "M", **result})
    assert re.search(r"^\| `rwkv` \| \S+ KiB \| \S+ KiB \| none \|$", text, re.M)


def test_exponents_and_turns():
    import measure

    assert measure.exponent([64, 256, 1024], [1.0, 16.0, 256.0]) == pytest.approx(2)
    order = []
    tasks = {name: (lambda name=name: order.append(name)) for name in "ab"}
    times = measure.in_turns(tasks, 3)
    assert order == list("ababab") and all(len(t.cpu) == len(t.wall) == 3 for t in times.values())
    measure.in_turns(tasks, 3, budget=0)
    assert order[6:] == ["a", "b"]


def test_a_fresh_process_measures_memory(monkeypatch):
    import measure

    monkeypatch.setattr(measure, "PRELOADED", ())
    with measure.fresh_processes() as peak_mib:
        few, many = (peak_mib(os.urandom, size << 20) for size in (1, 200))
    assert math.isnan(many) or 150 < many - few < 250


def test_the_machine_is_described_and_not_named():
    import platform

    import measure

    said = measure.machine()
    assert f"Python {platform.python_version()}" in said and "torch" in said
    assert platform.node() not in said


def test_the_page_s_commands_exist():
    commands = [
        shlex.split(line, comments=True)
        for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
        for line in block.splitlines()
    ]
    own = [c for c in commands if {"benchmarks/train_step.py", "benchmarks/decode_step.py"} & {*c}]
    assert len(own) >= 3
    for command in own:
        place = next(i for i, word in enumerate(command) if word.startswith("benchmarks/"))
        module = importlib.import_module(Path(command[place]).stem)
        module.parse(command[place + 1 :])
