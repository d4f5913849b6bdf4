"""A broken plugin costs only itself, and says why."""

import json
import subprocess
import sys

import picogen_core.plugins.guard
import pytest
from picogen_core.plugins import hookspecs
from picogen_core.plugins.discovery import HOOKS, NAME, discover

GOOD = """
from picogen_core import BackboneSpec, HeadSpec, Options, hookimpl
class NoOptions(Options):
    pass
def spec(kind, name):
    return kind(name=name, summary="A thing.", config=lambda: NoOptions, build=lambda *a: None)
@hookimpl
def picogen_backbones():
    yield spec(BackboneSpec, "one")
    yield spec(BackboneSpec, "two")
"""


def names(discovery):
    return [spec.name for plugin in discovery.plugins for spec in plugin.specs]


def test_the_hooks_are_those_of_the_hookspecs():
    marked = {name for name in vars(hookspecs) if name.startswith("picogen_")}
    assert set(HOOKS) == marked


def test_a_good_plugin_is_recorded_with_its_origin(install, found):
    install("picogen-t-good", "1.2", GOOD)
    discovery = found()
    assert discovery.failures == []
    (plugin,) = discovery.plugins
    assert (plugin.name, plugin.distribution, plugin.version, plugin.module) == (
        "picogen-t-good",
        "picogen-t-good",
        "1.2",
        "picogen_t_good",
    )
    assert names(discovery) == ["one", "two"]


# What is wrong with the module costs the plugin.
MODULE_FAULTS = {
    "missing": ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
    "exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "base": ("raise BaseException('odd')", "BaseException: odd"),
    "lines": ("raise ValueError('one\\n  two')", "ValueError: one two"),
    "syntax": ("def (", "SyntaxError: invalid syntax"),
    "misspelt": (
        GOOD.replace("def picogen_backbones", "def picogen_backbone"),
        "there is no hook 'picogen_backbone'. Did you mean 'picogen_backbones'?",
    ),
    "specname": (
        GOOD.replace("@hookimpl", "@hookimpl(specname='picogen_mixers')"),
        "there is no hook 'picogen_mixers'.",
    ),
    "unmarked": (GOOD.replace("@hookimpl", ""), "picogen_backbones is not marked with @hookimpl"),
    "hookless": ("x = 1", "module picogen_t_bad has no hooks; mark them with @hookimpl"),
    "arguments": (
        GOOD.replace("picogen_backbones()", "picogen_backbones(config)"),
        "hooks take no arguments: PluginValidationError: ",
    ),
    "wrapper": (
        GOOD.replace("@hookimpl", "@hookimpl(wrapper=True)"),
        "picogen_backbones is a wrapper",
    ),
}


@pytest.mark.parametrize("fault", MODULE_FAULTS)
def test_a_faulty_module_costs_its_plugin_alone(install, found, fault):
    source, reason = MODULE_FAULTS[fault]
    install("picogen-t-bad", "0.3", source)
    install("picogen-t-good", "1.2", GOOD)
    discovery = found()
    assert names(discovery) == ["one", "two"]
    (failure,) = discovery.failures
    assert (failure.entry_point, failure.distribution, failure.version, failure.kind) == (
        "picogen-t-bad",
        "picogen-t-bad",
        "0.3",
        None,
    )
    assert failure.reason.startswith(reason)
    assert "\n" not in failure.reason


# What is wrong inside a hook costs that hook: "one" comes from another hook of the same module.
HOOK = """
@hookimpl
def picogen_heads():
"""
HOOK_FAULTS = {
    "raises": ("    raise OSError('disk')", "OSError: disk"),
    "half-way": ("    yield spec(HeadSpec, 'half')\n    raise OSError('disk')", "OSError: disk"),
    "exits": ("    raise SystemExit(1)", "SystemExit: 1"),
    "returns nothing": ("    pass", "returned None; yield a HeadSpec for each head"),
    "yields no spec": ("    yield 'gru'", "yields a str, not a HeadSpec"),
    "wrong kind": ("    yield spec(BackboneSpec, 'x')", "yields a BackboneSpec, not a HeadSpec"),
    "bad name": ("    yield spec(HeadSpec, 'a@b')", "'a@b' is no name"),
    "no name": ("    yield spec(HeadSpec, None)", "yields a HeadSpec whose name is None"),
    "twice": (
        "    yield spec(HeadSpec, 'x')\n    yield spec(HeadSpec, 'x')",
        "yields head 'x', which this distribution already has",
    ),
    "no step": (
        "    yield HeadSpec(name='x', summary='', config=lambda: NoOptions, build=len, "
        "compiled_step=3)",
        "compiled_step of head 'x' is a int, not a function",
    ),
    "no builder": (
        "    yield HeadSpec(name='x', summary='', config=lambda: NoOptions, build=None)",
        "build of head 'x' is None, not a function",
    ),
}


@pytest.mark.parametrize("fault", HOOK_FAULTS)
def test_a_faulty_hook_costs_that_hook_alone(install, found, fault):
    body, reason = HOOK_FAULTS[fault]
    install("picogen-t-bad", "0.3", GOOD + HOOK + body)
    discovery = found()
    assert names(discovery) == ["one", "two"]
    (failure,) = discovery.failures
    assert failure.kind == "head"
    assert failure.reason.startswith(f"picogen_heads: {reason}")


@pytest.mark.parametrize(
    ("export", "reason"),
    [
        ("len", "export of backbone 'x' is a builtin_function_or_method, not functions by format"),
        ("{'hf': None}", "export of backbone 'x' holds 'hf': None, not a function by a small name"),
        ("{'HF': len}", "export of backbone 'x' holds 'HF': "),
    ],
)
def test_exports_are_functions_by_format(install, found, export, reason):
    made = f"BackboneSpec(name='x', summary='', config=list, build=list, export={export})"
    source = GOOD.replace('yield spec(BackboneSpec, "two")', f"yield {made}")
    install("picogen-t-bad", "0.3", source)
    (failure,) = found().failures
    assert failure.reason.startswith(f"picogen_backbones: {reason}")


def test_two_modules_of_a_distribution_cannot_share_a_name(install, found):
    install("picogen-t-good", "1.2", GOOD)
    discovery = found()
    install("picogen-t-more", "1.2", GOOD)
    import picogen_t_more

    discovery.add_module(picogen_t_more, "more", "picogen-t-good", "1.2")
    (failure,) = discovery.failures
    assert "yields backbone 'one', which this distribution already has" in failure.reason


def test_one_module_behind_two_entry_points_counts_once(install, found):
    install("picogen-t-good", "1.2", GOOD)
    install("picogen-t-other", "1.0", "", entry="picogen_t_good")
    discovery = found()
    assert names(discovery) == ["one", "two"]
    assert discovery.failures[0].reason == "module picogen_t_good is behind two entry points"


def test_an_entry_point_must_name_a_module(install, found):
    install("picogen-t-good", "1.2", GOOD, entry="picogen_t_good:NoOptions")
    (failure,) = found().failures
    assert "not a module of hooks" in failure.reason


def test_a_rejected_module_leaves_nothing_behind_in_pluggy(install, found):
    """Pluggy adds `picogen_backbones` before it refuses `picogen_heads`, and keeps it."""
    install("picogen-t-bad", "0.3", GOOD + "@hookimpl\ndef picogen_heads(config): yield")
    discovery = found()
    assert discovery.plugins == []
    assert discovery._manager.get_plugins() == set()
    assert discovery._manager.hook.picogen_backbones.get_hookimpls() == []


def test_ctrl_c_passes(install, found):
    install("picogen-t-bad", "0.3", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        found()


def test_what_a_plugin_prints_leaves_stdout_alone(install, found, capsys):
    install("picogen-t-good", "1.2", "print('hello')\n" + GOOD)
    found()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


@pytest.fixture
def heavy(monkeypatch, tmp_path):
    """Makes `picogen_t_heavy` a heavy library; the real ones may be loaded in this process."""
    monkeypatch.setattr(picogen_core.plugins.guard, "HEAVY", frozenset({"picogen_t_heavy"}))
    (tmp_path / "picogen_t_heavy").mkdir()
    (tmp_path / "picogen_t_heavy" / "__init__.py").write_text("")
    (tmp_path / "picogen_t_heavy" / "nn.py").write_text("")


REFUSED = "it imports picogen_t_heavy while it loads; import it inside build() or config()"
HEAVY_IMPORTS = {
    "plain": "import picogen_t_heavy\n",
    "submodule": "from picogen_t_heavy.nn import x\n",
    "except ImportError": "try: import picogen_t_heavy\nexcept ImportError: pass\n",
    "except Exception": "try: import picogen_t_heavy\nexcept Exception: pass\n",
}


@pytest.mark.parametrize("way", HEAVY_IMPORTS)
def test_a_heavy_import_is_refused(install, found, heavy, way):
    install("picogen-t-bad", "0.3", HEAVY_IMPORTS[way] + GOOD)
    install("picogen-t-good", "1.2", GOOD)
    discovery = found()
    assert [failure.reason for failure in discovery.failures] == [REFUSED]
    assert names(discovery) == ["one", "two"]
    assert "picogen_t_heavy" not in sys.modules


def test_a_heavy_import_in_a_hook_is_refused(install, found, heavy):
    install("picogen-t-bad", "0.3", GOOD + HOOK + "    import picogen_t_heavy\n    return []")
    assert [failure.reason for failure in found().failures] == [f"picogen_heads: {REFUSED}"]


def test_heavy_imports_inside_builders_are_free(install, found, heavy):
    install("picogen-t-good", "1.2", GOOD.replace("lambda *a: None", "build") + BUILD)
    discovery = found()
    assert discovery.failures == []
    assert discovery.plugins[0].specs[0].build(None, 8) == "picogen_t_heavy"


BUILD = """
def build(config, d_model):
    import picogen_t_heavy
    return picogen_t_heavy.__name__
"""


def test_the_guard_is_silent_about_what_is_loaded_and_about_mere_questions(install, found, heavy):
    ask = "import importlib.util\nassert importlib.util.find_spec('picogen_t_heavy')\n"
    install("picogen-t-asks", "1.0", ask + GOOD)
    assert found().failures == []
    import picogen_t_heavy  # noqa: F401

    install("picogen-t-uses", "1.0", "import picogen_t_heavy.nn\n" + GOOD)
    assert found().failures == []


def test_discovery_loads_no_heavy_library():
    """In a process of its own: the guard says nothing about what is loaded already."""
    code = (
        "import json, sys; from picogen_core.plugins.registry import registry; r = registry();"
        "from picogen_core.plugins.guard import HEAVY;"
        "print(json.dumps([sorted(HEAVY & set(sys.modules)), [p.name for p in r.plugins]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, plugins = json.loads(done.stdout)
    assert loaded == []
    assert "picogen-backbones" in plugins


def test_real_torch_is_refused_in_a_fresh_process(install):
    path = install("picogen-t-torch", "0.1", "import torch\n" + GOOD)
    code = (
        f"import sys; sys.path.insert(0, {str(path.parent)!r});"
        "from picogen_core.plugins.discovery import discover;"
        "print([f.reason for f in discover().failures if f.entry_point == 'picogen-t-torch'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "it imports torch while it loads" in done.stdout


def test_installed_plugins_come_in_the_order_of_their_distributions():
    distributions = [plugin.distribution for plugin in discover().plugins]
    assert distributions == sorted(distributions) != []


@pytest.mark.parametrize("name", ["gru", "qwen3", "char-gru", "mamba_2", "v1.5", "7b"])
def test_names(name):
    assert NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "Gru", "a b", "a@b", "a:b", "-a", "é", "a\n"])
def test_no_names(name):
    assert not NAME.fullmatch(name)
