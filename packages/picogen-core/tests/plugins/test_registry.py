"""Things by name, and messages that say what to do about a wrong one."""

from pathlib import Path
from types import ModuleType

import pytest
from picogen_core import (
    BackboneSpec,
    ConfigError,
    MetricSpec,
    Options,
    PluginError,
    ShippedWeights,
    UnknownName,
    hookimpl,
)
from picogen_core.plugins.discovery import Failure
from picogen_core.plugins.registry import Registry, build, registry
from pydantic import Field


class GruOptions(Options):
    layers: int = Field(2, ge=1, description="Layers.")


def build_gru(config, d_model):
    if d_model % 2:
        raise ConfigError(f"d_model={d_model} is odd.")
    return f"{config.layers} layers of {d_model}"


def plugin(*names, config=lambda: GruOptions, build=build_gru):
    """A plugin module with a backbone of each name."""

    @hookimpl
    def picogen_backbones():
        for name in names:
            yield BackboneSpec(name=name, summary="GRU.", config=config, build=build)

    @hookimpl
    def picogen_metrics():
        yield MetricSpec(
            name=f"{names[0]}-metric",
            summary="A metric.",
            config=lambda: GruOptions,
            build=lambda config: config.layers,
            unit="1",
            better="higher",
        )

    module = ModuleType(f"plugin_{names[0]}")
    module.picogen_backbones = picogen_backbones
    module.picogen_metrics = picogen_metrics
    return module


def one(*names, **parts):
    return Registry.from_modules({"picogen-gru": plugin(*names, **parts)}, version="0.1.0")


def test_get_and_build():
    entry = one("gru", "lstm").get("backbone", "gru")
    assert entry.where == "backbone 'gru' (picogen-gru 0.1.0)"
    assert entry.address == "gru@picogen-gru"
    assert entry.options({"layers": 3}) == GruOptions(layers=3)
    assert entry.build({"layers": 3}, 64) == "3 layers of 64"
    assert one("gru").get("metric", "gru-metric").build({}) == 2


def test_all_is_sorted_and_of_one_kind():
    assert [entry.name for entry in one("lstm", "gru").all("backbone")] == ["gru", "lstm"]
    assert [entry.name for entry in one("lstm").all("metric")] == ["lstm-metric"]
    assert one("lstm").all("head") == ()


def test_an_unknown_name_says_what_there_is_and_who_may_have_failed():
    failures = [
        Failure("foo", "picogen-foo", "0.3", "ModuleNotFoundError: No module named 'foo'"),
        Failure("bar", "picogen-bar", "0.4", "picogen_heads: OSError", "head"),
    ]
    known = Registry(one("gpt2", "llama", "rwkv").plugins, failures)
    with pytest.raises(UnknownName) as error:
        known.get("backbone", "rwvk")
    assert str(error.value) == (
        "no backbone is called 'rwvk'. Did you mean 'rwkv'? Installed: gpt2, llama, rwkv. "
        "Failed, and might have provided it: picogen-foo 0.3 "
        "(ModuleNotFoundError: No module named 'foo')."
    )


def test_an_unknown_name_where_nothing_is_installed():
    with pytest.raises(UnknownName) as error:
        one("gru").get("head", "char-gru")
    assert str(error.value) == "no head is called 'char-gru'. Installed: none."


def test_an_unknown_kind():
    with pytest.raises(UnknownName) as error:
        one("gru").all("bacbone")
    assert str(error.value) == (
        "there is no kind 'bacbone'. Did you mean 'backbone'? "
        "Kinds: backbone, head, loss, metric, source."
    )


@pytest.fixture
def two():
    modules = {"picogen-gru": plugin("gru", "lstm"), "other": plugin("gru", "minlstm")}
    return Registry.from_modules(modules, version="0.2")


def test_a_name_of_two_distributions_needs_its_full_form(two):
    with pytest.raises(UnknownName) as error:
        two.get("backbone", "gru")
    assert str(error.value) == (
        "backbone 'gru' comes from other 0.2 and picogen-gru 0.2. "
        "Name one: gru@other or gru@picogen-gru."
    )
    assert two.get("backbone", "gru@other").distribution == "other"
    assert two.get("backbone", "gru@picogen_gru").distribution == "picogen-gru"
    assert two.get("backbone", "lstm").distribution == "picogen-gru"
    assert str(error.value) in two.clashes()
    assert [two.label(entry) for entry in two.all("backbone")] == [
        "gru@other",
        "gru@picogen-gru",
        "lstm",
        "minlstm",
    ]


def test_a_full_name_of_the_wrong_distribution_is_unknown(two):
    with pytest.raises(UnknownName, match="no backbone is called 'lstm@other'"):
        two.get("backbone", "lstm@other")


@pytest.fixture
def claimed():
    """A plugin that comes first in every order claims what PiCo-Gen ships."""
    modules = {
        "a-rival": plugin("gru", "lstm"), "picogen-backbones": plugin("gru"),
        "z-rival": plugin("gru", "lstm"),
    }  # fmt: skip
    return Registry.from_modules(modules, version="0.2")


def test_a_name_that_picogen_ships_keeps_its_meaning(claimed):
    assert claimed.get("backbone", "gru").distribution == "picogen-backbones"
    assert claimed.get("metric", "gru-metric").distribution == "picogen-backbones"
    assert claimed.get("backbone", "gru@a-rival").distribution == "a-rival"
    with pytest.raises(UnknownName, match="Name one: lstm@a-rival or lstm@z-rival"):
        claimed.get("backbone", "lstm")
    assert [claimed.label(entry) for entry in claimed.all("backbone")] == [
        "gru@a-rival", "gru", "gru@z-rival", "lstm@a-rival", "lstm@z-rival",
    ]  # fmt: skip
    assert claimed.clashes()[0] == (
        "backbone 'gru' comes from a-rival 0.2 and picogen-backbones 0.2 and z-rival 0.2. "
        "'gru' means that of picogen-backbones; name the other in full: gru@a-rival, gru@z-rival."
    )


def test_weights_that_picogen_ships_keep_their_names():
    def bringing(folder):
        @hookimpl
        def picogen_backbones():
            brought = {"tunes": ShippedWeights(Path(folder), "Tunes.")}
            yield BackboneSpec(
                name="gru", summary="A.", config=lambda: GruOptions, build=build_gru,
                weights=brought,
            )  # fmt: skip

        module = ModuleType(f"weights_{folder}")
        module.picogen_backbones = picogen_backbones
        return module

    both = Registry.from_modules(
        {"a-rival": bringing("theirs"), "picogen-backbones": bringing("ours")}
    )
    assert {name: str(one.folder) for name, one in both.weights().items()} == {
        "tunes": "ours",
        "tunes@a-rival": "theirs",
    }


def test_faults_in_options_say_where():
    entry = one("gru").get("backbone", "gru")
    with pytest.raises(ConfigError) as error:
        entry.build({"layer": 3}, 64)
    assert str(error.value) == (
        "backbone 'gru' (picogen-gru 0.1.0): there is no option 'layer'. "
        "Did you mean 'layers'? Options: layers."
    )
    with pytest.raises(ConfigError) as error:
        entry.build({}, 63)
    assert str(error.value) == "backbone 'gru' (picogen-gru 0.1.0): d_model=63 is odd."


def test_what_is_not_installed_is_a_plugin_error():
    def needs_foo(*arguments):
        import no_such_thing  # noqa: F401

    for parts in ({"config": needs_foo}, {"build": needs_foo}):
        with pytest.raises(PluginError) as error:
            one("gru", **parts).get("backbone", "gru").build({}, 64)
        assert str(error.value) == (
            "backbone 'gru' (picogen-gru 0.1.0) lacks a module: No module named 'no_such_thing'."
        )


def test_config_must_return_a_class_of_options():
    with pytest.raises(PluginError, match="config\\(\\) returned 3, not a class of Options"):
        one("gru", config=lambda: 3).get("backbone", "gru").config()


def test_the_default_registry_is_cached_and_builds_by_name():
    assert registry() is registry()
    with pytest.raises(UnknownName, match="no loss is called 'no-such-loss'"):
        build("loss", "no-such-loss", {})
