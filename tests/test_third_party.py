"""A plugin that no package here knows of: built, installed and used as its author would publish it.

The environment is a new venv. The four packages and the plugin are installed into it from wheels;
their dependencies are read from the environment that runs the tests, whose folders a .pth file puts
last on the path. Such a line does not process that environment's own .pth files, so its editable
installs stay out.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = sorted((ROOT / "packages").iterdir())
PLUGIN = ROOT / "examples" / "picogen-gru"
PURELIB = "import sysconfig; print(sysconfig.get_path('purelib'))"
FILES = "import importlib, sys; [print(importlib.import_module(m).__file__) for m in sys.argv[1:]]"


def run(python: Path, *arguments: str | Path, cwd: Path) -> str:
    """Standard output of `python arguments`; a failure shows standard error."""
    command = [python, *arguments]
    # A PYTHONPATH would come before the environment's own packages.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def third_party_env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment with PiCo-Gen and picogen-gru from wheels."""
    folder = tmp_path_factory.mktemp("third_party")
    here, wheels = Path(sys.executable), folder / "wheels"
    pip = ("-m", "pip", "--quiet", "--disable-pip-version-check")
    build = (*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels)
    run(here, *build, *PACKAGES, PLUGIN, cwd=folder)
    venv.create(folder / "venv", with_pip=False, symlinks=sys.platform != "win32")
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    python = folder / "venv" / scripts / Path(sys.executable).name
    site = Path(run(python, "-c", PURELIB, cwd=folder).strip())
    install = (*pip, "--python", python, "install", "--no-deps", "--no-index")
    run(here, *install, *sorted(wheels.glob("*.whl")), cwd=folder)
    outer = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (site / "dependencies.pth").write_text("\n".join(outer))
    return python


def test_it_is_the_wheels_that_are_tested(third_party_env, tmp_path):
    names = [package.name.replace("-", "_") for package in [*PACKAGES, PLUGIN]]
    files = run(third_party_env, "-c", FILES, *names, cwd=tmp_path).splitlines()
    environment = third_party_env.parent.parent
    assert len(files) == 5
    assert all(Path(file).is_relative_to(environment) for file in files), files


def test_the_command_lists_the_plugin(third_party_env, tmp_path):
    arguments = ("-m", "picogen_cli", "plugins", "backbone", "gru", "--json")
    shown = json.loads(run(third_party_env, *arguments, cwd=tmp_path))
    assert (shown["name"], shown["distribution"], shown["version"]) == (
        "gru",
        "picogen-gru",
        "0.1.0",
    )
    assert {option["name"]: option["default"] for option in shown["options"]} == {
        "layers": 2,
        "dropout": 0.0,
    }


def test_every_plugin_loads_from_its_wheel(third_party_env, tmp_path):
    shown = json.loads(run(third_party_env, "-m", "picogen_cli", "plugins", "--json", cwd=tmp_path))
    assert shown["failures"] == []
    assert shown["clashes"] == []


def test_the_plugins_own_tests_pass(third_party_env, tmp_path):
    """Its author's tests, conformance kit and all."""
    shutil.copytree(PLUGIN / "tests", tmp_path / "tests")
    arguments = ("-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests")
    printed = run(third_party_env, *arguments, cwd=tmp_path)
    skips = [line for line in printed.splitlines() if line.startswith("SKIPPED")]
    assert " passed" in printed, printed
    assert all(line.endswith("this machine has no CUDA") for line in skips), printed


def test_no_package_knows_the_plugin():
    for package in PACKAGES:
        for path in (package / "src").rglob("*.py"):
            assert "picogen_gru" not in path.read_text(), path


def test_the_backbone_is_distilled_into(third_party_env, tmp_path):
    """`picogen distill --backbone gru`, from a NotaGen file, where only wheels are installed."""
    notagen = ROOT / "packages/picogen-core/tests/data/notagen"
    text = json.loads((notagen / "expected.json").read_text())["case"]["abc"]
    (tmp_path / "tune.abc").write_text(text)
    (tmp_path / "train.jsonl").write_text('{"path": "tune.abc"}\n' * 8)
    (tmp_path / "eval.jsonl").write_text('{"path": "tune.abc"}\n')
    arguments = ("distill", "--backbone", "gru", "--teacher-ckpt", next(notagen.glob("*.pth")))
    arguments += ("--data", "train.jsonl", "--eval-data", "eval.jsonl", "--exp-name", "mine")
    arguments += ("--epochs", "2", "--batch-size", "4", "--set", "d_model=64", "--json")
    arguments += ("--set", "max_patches=64", "--set", "backbone.layers=1")
    printed = run(third_party_env, "-m", "picogen_cli", *arguments, cwd=tmp_path)
    assert json.loads(printed)["steps"] == 4
    manifest = json.loads((tmp_path / "checkpoints/mine/best/manifest.json").read_text())
    assert manifest["components"]["backbone"] == {
        "name": "gru",
        "distribution": "picogen-gru",
        "version": "0.1.0",
        "config": {"layers": 1, "dropout": 0.0},
    }
    generate = ("generate", "--weights-path", "checkpoints/mine", "--backbone", "gru")
    generate += ("--num-samples", "1", "--max-length", "12")
    generate += ("--prompt", r"K:C\nCDEF|GABc|", "--json")
    shown = json.loads(run(third_party_env, "-m", "picogen_cli", *generate, cwd=tmp_path))
    assert shown["written"] == ["0001"]
    (record,) = tmp_path.rglob("0001.json")
    assert json.loads(record.read_text())["engine"] == "numba"
