"""`picogen plugins` against a registry of the test's own."""

import json
import subprocess
import sys
from types import ModuleType

import pytest
import typer
from picogen_cli.commands import plugins as command
from picogen_core import BackboneSpec, MetricSpec, Options, UnknownName, hookimpl
from picogen_core.plugins.discovery import Failure
from picogen_core.plugins.registry import Registry
from pydantic import BaseModel, Field
from typer.testing import CliRunner


class GruOptions(Options):
    layers: int = Field(2, ge=1, description="Stacked [GRU] layers.")
    sizes: list[int] = Field(description="Sizes.")


class Bare(Options):
    pass


class Loose(BaseModel):
    layers: int = 2


def plugin(name, config):
    @hookimpl
    def picogen_backbones():
        yield BackboneSpec(name=name, summary="A mixer.", config=lambda: config, build=print)

    @hookimpl
    def picogen_metrics():
        yield MetricSpec(
            name=f"{name}-metric",
            summary="A metric.",
            config=lambda: Bare,
            build=print,
            unit="1",
            better="closer",
            needs=("reference",),
        )

    module = ModuleType(f"plugin_{name}")
    module.picogen_backbones = picogen_backbones
    module.picogen_metrics = picogen_metrics
    return module


@pytest.fixture
def run(monkeypatch):
    """`run(known, *arguments)`: the command's result over the registry `known`."""
    app = typer.Typer()
    app.command()(command.plugins)

    def run(known, *arguments):
        monkeypatch.setattr(command, "registry", lambda: known)
        return CliRunner().invoke(app, arguments, env={"COLUMNS": "120"})

    return run


GOOD = Registry.from_modules({"picogen-gru": plugin("gru", GruOptions)}, version="0.1.0")
FAILED = Registry(GOOD.plugins, [Failure("foo", "picogen-foo", "0.3", "OSError: [disk]")])


def test_the_list_names_everything_and_where_it_is_from(run):
    result = run(GOOD)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [
        ["kind", "name", "from", "what", "it", "is"],
        ["backbone", "gru", "picogen-gru", "0.1.0", "A", "mixer."],
        ["metric", "gru-metric", "picogen-gru", "0.1.0", "A", "metric."],
    ]


def test_one_kind(run):
    shown = json.loads(run(GOOD, "metric", "--json").stdout)
    assert [plugin["name"] for plugin in shown["plugins"]] == ["gru-metric"]


def test_the_options_of_one(run):
    result = run(GOOD, "backbone", "gru")
    lines = result.stdout.splitlines()
    assert lines[0] == "backbone gru (picogen-gru 0.1.0): A mixer."
    assert lines[1:4] == ["compiled step: no", "export: nothing", "recurrent: no"]
    assert lines[4:6] == ["script: no", "weights: nothing"]
    assert lines[7].split() == ["layers", "int,", ">=", "1", "2", "Stacked", "[GRU]", "layers."]
    assert lines[8].split() == ["sizes", "list[int]", "required", "Sizes."]


def test_a_metric_shows_its_unit_direction_and_needs(run):
    lines = run(GOOD, "metric", "gru-metric").stdout.splitlines()
    assert lines[1:] == ["better: closer", "needs: reference", "unit: 1", "It has no options."]


def test_the_options_of_one_as_json(run):
    result = run(GOOD, "backbone", "gru", "--json")
    assert json.loads(result.stdout) == {
        "kind": "backbone",
        "name": "gru",
        "summary": "A mixer.",
        "distribution": "picogen-gru",
        "version": "0.1.0",
        "export": [],
        "compiled_step": False,
        "recurrent": False,
        "script": False,
        "weights": [],
        "options": [
            {
                "name": "layers",
                "type": "int, >= 1",
                "required": False,
                "default": 2,
                "description": "Stacked [GRU] layers.",
            },
            {
                "name": "sizes",
                "type": "list[int]",
                "required": True,
                "default": None,
                "description": "Sizes.",
            },
        ],
    }


def test_failures_are_shown_and_only_check_minds(run):
    shown = run(FAILED)
    assert shown.exit_code == 0
    last = shown.stdout.splitlines()[-1].split()
    assert last == ["foo", "picogen-foo", "0.3", "OSError:", "[disk]"]
    checked = run(FAILED, "--check", "--json")
    assert checked.exit_code == 1
    assert json.loads(checked.stdout)["failures"][0]["reason"] == "OSError: [disk]"
    assert checked.stderr == "check failed: picogen-foo 0.3 (OSError: [disk])\n"


def test_check_passes_where_nothing_is_wrong(run):
    checked = run(GOOD, "--check")
    assert (checked.exit_code, checked.stderr) == (0, "")


def test_check_reads_the_options(run):
    loose = Registry.from_modules({"picogen-loose": plugin("loose", Loose)})
    checked = run(loose, "backbone", "loose", "--check")
    assert checked.exit_code == 1
    where = "check failed: backbone 'loose' (picogen-loose 0): its config"
    assert checked.stderr.splitlines() == [
        f"{where} is not frozen.",
        f"{where} does not forbid unknown options.",
        f"{where} does not describe option 'layers'.",
    ]


def test_a_name_claimed_twice_is_shown_in_full(run):
    modules = {"picogen-gru": plugin("gru", GruOptions), "other": plugin("gru", GruOptions)}
    known = Registry.from_modules(modules)
    shown = json.loads(run(known, "backbone", "--json").stdout)
    assert [plugin["name"] for plugin in shown["plugins"]] == ["gru@other", "gru@picogen-gru"]
    assert shown["clashes"][0].startswith("backbone 'gru' comes from other 0 and picogen-gru 0.")
    assert run(known, "--check").exit_code == 1


def test_an_unknown_name_is_left_to_main(run):
    result = run(GOOD, "backbone", "grue")
    assert isinstance(result.exception, UnknownName)
    assert "Did you mean 'gru'?" in str(result.exception)


def test_it_loads_no_heavy_library():
    code = (
        "import sys, typer; from picogen_cli.commands.plugins import plugins;"
        "from picogen_core.plugins.guard import HEAVY; app = typer.Typer(); app.command()(plugins);"
        "app(['backbone', 'rwkv', '--json'], standalone_mode=False);"
        "assert not HEAVY & set(sys.modules), HEAVY & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "rwkv"
