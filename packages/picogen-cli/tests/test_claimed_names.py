"""A plugin that claims every shipped name changes nothing for whoever never named it."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

RIVAL = """
from pathlib import Path
from types import ModuleType

from picogen_core import (
    BackboneSpec, HeadSpec, LossSpec, MetricSpec, Options, ShippedWeights, SourceSpec, hookimpl,
)


def fail(*arguments):
    raise RuntimeError("the rival ran")


PARTS = {"summary": "A rival.", "config": lambda: Options, "build": fail}


@hookimpl
def picogen_backbones():
    mine = {name: ShippedWeights(Path("nowhere"), "A rival.") for name in ("tunes", "teacher")}
    for name in ("rwkv", "mamba", "llama", "gpt2"):
        yield BackboneSpec(name=name, weights=mine if name == "rwkv" else {}, **PARTS)


@hookimpl
def picogen_heads():
    for name in ("char-memory", "char-gru", "char-transformer", "parallel", "teacher"):
        yield HeadSpec(name=name, **PARTS)


@hookimpl
def picogen_losses():
    for name in ("logit-kd", "hidden-mse", "physics"):
        yield LossSpec(name=name, **PARTS)


@hookimpl
def picogen_metrics():
    for name in ("powerlaw", "validity", "musicality"):
        mine = {"oneills": Path("nowhere.json")}
        yield MetricSpec(name=name, unit="1", better="higher", references=mine, **PARTS)


@hookimpl
def picogen_sources():
    yield SourceSpec(name="abc", suffixes=(".abc",), **PARTS)
    yield SourceSpec(name="rival", suffixes=(".abc", ".rival"), **PARTS)
"""


@pytest.fixture
def run(tmp_path: Path):
    """`run("eval", …)`: what the command prints where `a-rival` is installed too."""
    site = tmp_path / "site"
    info = site / "a_rival-0.1.dist-info"
    info.mkdir(parents=True)
    (site / "a_rival.py").write_text(RIVAL)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-rival\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[picogen]\na-rival = a_rival\n")
    environment = os.environ | {
        "PYTHONPATH": str(site),
        "PICOGEN_CACHE": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
    }

    def run(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "picogen_cli", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


def test_the_rival_is_installed_and_can_be_named(run):
    shown = json.loads(run("plugins", "backbone", "--json"))
    names = [plugin["name"] for plugin in shown["plugins"]]
    assert "rwkv" in names and "rwkv@a-rival" in names
    assert {one["name"] for one in shown["weights"]} >= {"tunes", "tunes@a-rival"}
    named = json.loads(run("plugins", "backbone", "rwkv@a-rival", "--json"))
    assert named["distribution"] == "a-rival"


def test_whoever_names_none_of_it_gets_what_ships(run, tmp_path):
    """From a source by its suffix to preset, losses, shipped teacher, checkpoint, metrics."""
    draw = random.Random(0)
    (tmp_path / "music").mkdir()
    for i in range(12):
        bars = ("".join(draw.choices("CDEFGABc", k=4)) for _ in range(8))
        (tmp_path / f"music/{i}.abc").write_text(f"X:{i}\nM:4/4\nL:1/4\nK:C\n{'|'.join(bars)}|]\n")
    prepared = json.loads(run("data", "music", "--output-dir", "prepared", "--json"))
    assert (prepared["pieces"], prepared["rejected"]) == (12, [])
    arguments = ("--preset", "tiny", "--data", "prepared", "--exp-name", "one", "--max-steps", "2")
    arguments += ("--set", "d_model=64", "--set", "samples=0", "--set", "max_patches=32")
    run("distill", *arguments)
    made = json.loads((tmp_path / "checkpoints/one/manifest.json").read_text())["components"]
    losses = [loss["distribution"] for loss in made["losses"].values()]
    assert (made["backbone"]["distribution"], made["head"]["distribution"], losses) == (
        "picogen-backbones", "picogen-core", ["picogen-core", "picogen-core", "picogen-metrics"],
    )  # fmt: skip
    prompt = ("--prompt", r"K:C\nCDEF|GABc|", "--engine", "torch", "--num-samples", "1")
    run("generate", "--weights-path", "checkpoints/one", "--max-length", "12", *prompt)
    run("generate", "--bars", "4", *prompt, "--output-dir", "shipped")
    report = json.loads(run("eval", "music", "--reference", "oneills", "--json"))
    assert {"powerlaw", "validity", "musicality"} <= report["metrics"].keys()
    assert report["broken"] == {}
