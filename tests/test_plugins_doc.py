"""docs/plugins.md: its examples meet the kit, its commands run as printed, its tables are true."""

import importlib
import random
import re
import shlex
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from picogen_cli.main import main
from picogen_core import LossBatch
from picogen_core.data.prepare import prepare
from picogen_core.data.types import SourcePiece
from picogen_core.plugins.discovery import HOOKS
from picogen_core.plugins.registry import Registry, registry
from picogen_core.testing import (
    backbone_checks,
    head_checks,
    loss_checks,
    metric_checks,
    source_checks,
)

ROOT = Path(__file__).parent.parent
TUNES = ROOT / "examples/picogen-gru/tests/three.jsonl"
PAGE, CHINESE = ((ROOT / "docs" / name).read_text() for name in ("plugins.md", "plugins.zh.md"))
TUNE = "X:1\nM:4/4\nL:1/4\nK:C\n"


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.S)


def shown() -> Registry:
    """The page's five examples, each a module of its own."""
    modules = {}
    for source in blocks("python"):
        if "@hookimpl" in source:
            name = re.findall(r"name=\"(.*?)\"", source)[0]
            module = types.ModuleType(f"shown_{name.replace('-', '_')}")
            sys.modules[module.__name__] = module
            exec(compile(source, f"docs/plugins.md:{name}", "exec"), module.__dict__)
            modules[f"picogen-{name}"] = module
    return Registry.from_modules(modules)


SHOWN = shown()
SPECS = {kind: entry.spec for kind in HOOKS.values() for entry in SHOWN.all(kind)}


def test_there_is_an_example_of_each_kind():
    assert SHOWN.failures == ()
    assert {kind: spec.name for kind, spec in SPECS.items()} == {
        "backbone": "my-gru",
        "head": "my-bigram",
        "loss": "my-entropy",
        "metric": "my-leaps",
        "source": "my-tunes",
    }


@backbone_checks(SPECS["backbone"])
def test_the_backbone(check):
    check()


@backbone_checks(SPECS["backbone"], options={"residual": False})
def test_the_backbone_without_residual(check):
    check()


@head_checks(SPECS["head"], options={"width": 64})
def test_the_head(check):
    check()


@loss_checks(SPECS["loss"])
def test_the_loss(check):
    check()


@metric_checks(SPECS["metric"])
def test_the_metric(check):
    check()


@source_checks(SPECS["source"], which=TUNES)
def test_the_source(check):
    check()


def test_the_generated_parts_are_up_to_date():
    command = [sys.executable, str(ROOT / "tools/plugin_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_both_languages_show_the_same():
    for language in ("sh", "python", "toml"):
        assert blocks(language) == blocks(language, CHINESE)
    options = re.compile(r"<!-- options: .*?<!-- end -->", re.S)
    assert options.findall(PAGE) == options.findall(CHINESE)
    assert set(re.findall(r"`(picogen [^`]*)`", PAGE)) == set(
        re.findall(r"`(picogen [^`]*)`", CHINESE)
    )


@pytest.mark.parametrize(("hook", "kind"), HOOKS.items())
def test_every_hook_is_in_the_table(hook, kind):
    for page in (PAGE, CHINESE):
        assert re.search(
            rf"^\| \[{kind}\]\(#.*\| `{hook}` \| `{kind.capitalize()}Spec` \|$", page, re.M
        )


def test_every_field_of_a_batch_is_in_the_table():
    wanted = {field.name for field in fields(LossBatch)} | {"student_log_probabilities"}
    for page in (PAGE, CHINESE):
        rows = re.findall(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| (?:\[[NM].*?\])? \|", page, re.M)
        assert set(re.findall(r"`(\w+)`", " ".join(rows))) == wanted


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to run the commands in, with the default data made up."""
    home = tmp_path_factory.mktemp("workshop")
    draw = random.Random(0)
    music = ["|".join("".join(draw.choices("CDEFGABc", k=4)) for _ in range(8)) for _ in range(12)]
    pieces = [SourcePiece(f"{i}", f"{TUNE}{m}|]\n", "made up", "CC0") for i, m in enumerate(music)]
    prepare(pieces, home / "cache" / "tunes-v3", eval_ratio=0.2)
    (home / "tunes.jsonl").write_text(TUNES.read_text())
    (home / "out").mkdir()
    (home / "out/one.abc").write_text(pieces[0].abc)
    return home


def commands() -> list[list[str]]:
    """Those of the first section, then those of the others, in their order."""
    lines = "".join(blocks("sh")).splitlines()
    lines += [c for c in re.findall(r"`(picogen [^`]*)`", PAGE) if "my-" in c and "--" in c]
    return [shlex.split(line) for line in lines]


@pytest.fixture
def picogen(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`picogen("plugins", …)` in the workshop, with what is installed there."""
    monkeypatch.chdir(workshop)
    monkeypatch.setenv("PICOGEN_CACHE", str(workshop / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(workshop / "site"))
    monkeypatch.syspath_prepend(str(workshop / "site"))

    def picogen(*words: str) -> None:
        registry.cache_clear()
        with pytest.raises(SystemExit) as end:
            main(list(words))
        assert end.value.code == 0, words

    yield picogen
    registry.cache_clear()
    for module in [name for name in sys.modules if name.startswith("picogen_my_")]:
        del sys.modules[module]


@pytest.mark.timeout(900)
def test_every_command_runs_as_printed(workshop, picogen):
    """With the other four kinds written and installed beside the first, and runs only planned."""
    seen = []
    for words in commands():
        if words[0] == "pip":
            assert words[1:] == ["install", "-e", "picogen-my-gru"]
            for kind in ("head", "loss", "metric", "source"):
                picogen("plugins", "new", kind, SPECS[kind].name)
            for folder in workshop.glob("picogen-my-*"):
                _install(workshop / "site", folder)
            importlib.invalidate_caches()
            continue
        plan = () if words[1] != "train" or "--dry-run" in words else ("--dry-run",)
        picogen(*words[1:], *plan)
        seen.append(words[1])
        if words[1] == "data":
            (workshop / "data").rename(workshop / f"data-{len(seen)}")
    assert {"plugins", "train", "eval", "data"} == set(seen) and len(seen) == 10


def _install(site: Path, folder: Path) -> None:
    """As `pip install -e` would, without the network."""
    module = folder.name.replace("-", "_")
    info = site / f"{module}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {folder.name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[picogen]\n{folder.name} = {module}\n")
    (site / module).symlink_to(folder / "src" / module)
