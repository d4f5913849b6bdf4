"""The kit passes a right plugin, and each check fails one that is wrong in that way; and how
checks become tests: expected failures are named and strict."""

import pytest
from picogen_core import BackboneSpec, Options, PluginError
from picogen_core.testing import backbone_checks, plugin_checks
from picogen_core.testing.kit import Case, NotApplicable, Skipped, parametrise
from picogen_core.testing.plugins import CHECKS, PluginSubject
from picogen_core.testing.run import Suite

RIGHT = """
from picogen_core import BackboneSpec, Options, hookimpl
from pydantic import Field
class SomeOptions(Options):
    layers: int = Field(2, description="Layers.")
def build(config, d_model):
    import torch
    return torch.nn.Identity()
@hookimpl
def picogen_backbones():
    yield BackboneSpec(name="t", summary="A thing.", config=lambda: SomeOptions, build=build)
"""

WRONG = [
    ("imports_light", "import torch\n" + RIGHT, "it imports torch while it loads"),
    (
        "imports_light",
        "try:\n    import torch\nexcept Exception:\n    torch = None\n" + RIGHT,
        "it imports torch while it loads",
    ),
    ("imports_light", RIGHT.replace("    yield", "    import numpy\n    yield"), "imports numpy"),
    ("hooks_are_sound", RIGHT.replace("def picogen_b", "def picogen_p"), "there is no hook"),
    ("hooks_are_sound", RIGHT.replace('name="t"', 'name="T T"'), "'T T' is no name"),
    ("hooks_are_sound", RIGHT.split("    yield")[0] + "    return ()", "yields nothing"),
    ("summaries_are_one_line", RIGHT.replace("A thing.", "A\\nthing."), "the summary is"),
    ("summaries_are_one_line", RIGHT.replace("A thing.", " "), "the summary is"),
    (
        "configs_are_closed",
        RIGHT.replace("(Options)", "(__import__('pydantic').BaseModel)"),
        "is not frozen; does not forbid unknown options",
    ),
    ("configs_are_closed", RIGHT.replace(', description="Layers."', ""), "does not describe"),
]


@pytest.fixture
def plugin(install, monkeypatch, tmp_path):
    """Installs a source as `picogen_t_plugin`, for subprocesses too."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def plugin(source):
        install("picogen-t-plugin", "0.1", source)

    return plugin


def run(name, what="picogen-t-plugin"):
    next(check for check in CHECKS if check.__name__ == name)(PluginSubject(what))


@pytest.mark.parametrize("what", ["picogen-t-plugin", "picogen_t_plugin"])
@plugin_checks("")
def test_right(check, what, plugin):
    plugin(RIGHT)
    check.check(PluginSubject(what))


@pytest.mark.parametrize(("name", "source", "reason"), WRONG)
def test_wrong(name, source, reason, plugin):
    plugin(source)
    with pytest.raises(AssertionError, match=reason):
        run(name)


def test_a_plugin_without_an_entry_point(tmp_path, monkeypatch):
    with pytest.raises(AssertionError, match="no entry point of group 'picogen' names"):
        run("has_an_entry_point", "picogen_core.errors")


def test_every_check_of_plugins_is_proven():
    assert {name for name, *_ in WRONG} | {"has_an_entry_point"} == {c.__name__ for c in CHECKS}


def holds(subject):
    assert subject == 1


def fails(subject):
    assert subject == 2


def test_a_case_runs_its_check_on_a_fresh_subject():
    made = []
    Case(holds, lambda: made.append(1) or 1, None)()
    assert made == [1]
    with pytest.raises(AssertionError):
        Case(fails, lambda: 1, None)()


def test_an_expected_failure_must_fail():
    with pytest.raises(pytest.xfail.Exception, match=r"by design \(AssertionError: "):
        Case(fails, lambda: 1, "by design")()
    with pytest.raises(pytest.fail.Exception, match="holds was expected to fail \\(by design\\)"):
        Case(holds, lambda: 1, "by design")()


def cannot_run(subject):
    raise Skipped("numba is not installed")


@pytest.mark.parametrize("expected", [None, "by design"])
def test_a_check_that_cannot_run_is_a_skip_and_no_failure(expected):
    ends = pytest.skip.Exception, pytest.xfail.Exception  # an xfail here would hide a fault
    with pytest.raises(ends, match="numba is not installed") as end:
        Case(cannot_run, lambda: 1, expected)()
    assert isinstance(end.value, pytest.skip.Exception)


def does_not_apply(subject):
    """Something that it may have."""
    raise NotApplicable("it has no compiled step")


def test_what_a_plugin_does_not_have_is_named_so():
    Case(does_not_apply, lambda: 1, None)()
    with pytest.raises(pytest.fail.Exception, match="take it out of expected_failures"):
        Case(does_not_apply, lambda: 1, "by design")()
    (outcome,) = Suite([does_not_apply], lambda: 1).outcomes()
    assert (outcome.verdict, outcome.reason) == ("not applicable", "it has no compiled step")


def test_an_expected_failure_must_be_the_name_of_a_check():
    with pytest.raises(ValueError, match=r"there is no check 'hold'\. Did you mean 'holds'\?"):
        parametrise([holds, fails], lambda device: 1, {"hold": "typo"})


def test_checks_are_named_after_the_property_and_the_device():
    mark = parametrise([holds, fails], lambda device: device, None, ("cpu", "cuda")).mark
    assert [case.id for case in mark.args[1]] == ["holds", "fails", "holds-cuda", "fails-cuda"]
    assert [case.values[0].subject() for case in mark.args[1]] == ["cpu", "cpu", "cuda", "cuda"]
    mark = parametrise([holds, fails], lambda device: 1, None, ("cpu", "cuda"), [fails]).mark
    assert [case.id for case in mark.args[1]] == ["holds", "fails", "holds-cuda"]


def test_a_name_that_is_not_installed_fails_the_test_not_the_collection():
    mark = backbone_checks("no-such-backbone").mark
    with pytest.raises(Exception, match="no backbone is called 'no-such-backbone'"):
        mark.args[1][0].values[0]()


def test_options_reach_the_builder():
    built = []

    class Layers(Options):
        layers: int = 1

    def build(config, d_model):
        built.append((config.layers, d_model))
        raise RuntimeError("enough")

    spec = BackboneSpec(name="x", summary="A.", config=lambda: Layers, build=build)
    mark = backbone_checks(spec, options={"layers": 3}, d_model=48).mark
    with pytest.raises(PluginError, match="enough"):
        mark.args[1][0].values[0]()
    assert built == [(3, 48)]
