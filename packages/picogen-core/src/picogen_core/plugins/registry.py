"""Backbones, heads, losses, metrics and sources by name."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar, overload

from pydantic import BaseModel

from picogen_core.errors import ConfigError, PicogenError, PluginError, UnknownName, missing_package
from picogen_core.plugins.discovery import Discovery, Failure, Plugin, discover, kind_of
from picogen_core.plugins.options import parse_options
from picogen_core.plugins.specs import (
    KINDS,
    BackboneSpec,
    HeadSpec,
    LossSpec,
    MetricSpec,
    ShippedWeights,
    SourceSpec,
    Spec,
)
from picogen_core.plugins.suggest import did_you_mean

S_co = TypeVar("S_co", bound=Spec, covariant=True)

SHIPPED = frozenset({"picogen-core", "picogen-backbones", "picogen-metrics"})
"""Distributions that own their plain names: no other plugin changes the meaning of `rwkv`."""


@dataclass(frozen=True)
class Entry(Generic[S_co]):
    """A spec and its distribution."""

    kind: str
    spec: S_co
    distribution: str
    version: str

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def address(self) -> str:
        """The unambiguous name: `lstm@picogen-foo`."""
        return f"{self.spec.name}@{self.distribution}"

    @property
    def shipped(self) -> bool:
        """Whether PiCo-Gen itself brings it."""
        return _normal(self.distribution) in SHIPPED

    @property
    def where(self) -> str:
        """The name in messages: `backbone 'rwkv' (picogen-backbones 0.2.0)`."""
        return f"{self.kind} {self.spec.name!r} ({self.distribution} {self.version})"

    def config(self) -> type[BaseModel]:
        """Return the class of its options.

        Raises:
            PluginError: a required package is not installed, or it is no class of options.
        """
        try:
            cls = self.spec.config()
        except ImportError as error:
            raise PluginError(
                f"{self.where} lacks a module: {missing_package(error) or error}."
            ) from error
        except Exception as error:
            raise PluginError(f"{self.where}: config() raised {error!r}.") from error
        if not (isinstance(cls, type) and issubclass(cls, BaseModel)):
            raise PluginError(f"{self.where}: config() returned {cls!r}, not a class of Options.")
        return cls

    def options(self, values: Mapping[str, Any]) -> BaseModel:
        """Return its options from `values`. Raises `ConfigError` if they do not fit."""
        return parse_options(self.config(), values, self.where)

    def build(self, values: Mapping[str, Any], *arguments: Any) -> Any:
        """Return the built object; backbones and heads take `d_model` as a further argument.

        Raises:
            ConfigError: options that do not exist, or do not fit each other or the width.
            PluginError: a required module is not installed.
        """
        options = self.options(values)
        try:
            return self.spec.build(options, *arguments)
        except ImportError as error:
            raise PluginError(
                f"{self.where} lacks a module: {missing_package(error) or error}."
            ) from error
        except ConfigError as error:
            if f"{self.kind} {self.name!r}" in str(error):
                raise
            raise ConfigError(f"{self.where}: {error}") from error
        except PicogenError:
            raise
        except Exception as error:
            raise PluginError(f"{self.where}: build() raised {error!r}.") from error


class Registry:
    """The specs of the given plugins."""

    def __init__(self, plugins: Iterable[Plugin], failures: Iterable[Failure] = ()) -> None:
        self.plugins = tuple(plugins)
        self.failures = tuple(failures)
        self._sort()

    def _sort(self) -> None:
        entries = [
            Entry(kind_of(spec), spec, plugin.distribution, plugin.version)
            for plugin in self.plugins
            for spec in plugin.specs
        ]
        self._entries = sorted(entries, key=lambda entry: (entry.name, entry.distribution))

    def include(self, module: ModuleType, distribution: str, version: str = "0") -> None:
        """Add the specs of a module's hooks without installing it, for a study or a notebook."""
        added = Registry.from_modules({distribution: module}, version)
        self.plugins += added.plugins
        self.failures += added.failures
        self._sort()

    @classmethod
    def from_modules(cls, modules: Mapping[str, ModuleType], version: str = "0") -> Registry:
        """Return a registry of modules alone, keyed by the names of their distributions."""
        discovery = Discovery()
        for distribution, module in modules.items():
            discovery.add_module(module, distribution, distribution, version)
        return cls(discovery.plugins, discovery.failures)

    def all(self, kind: str) -> tuple[Entry[Any], ...]:
        """Return every entry of a kind, by name. Raises `UnknownName` for an unknown kind."""
        if kind not in KINDS:
            hint = did_you_mean(kind, KINDS)
            raise UnknownName(f"there is no kind {kind!r}.{hint} Kinds: {', '.join(KINDS)}.")
        return tuple(entry for entry in self._entries if entry.kind == kind)

    @overload
    def get(self, kind: Literal["backbone"], name: str) -> Entry[BackboneSpec]: ...
    @overload
    def get(self, kind: Literal["head"], name: str) -> Entry[HeadSpec]: ...
    @overload
    def get(self, kind: Literal["loss"], name: str) -> Entry[LossSpec]: ...
    @overload
    def get(self, kind: Literal["metric"], name: str) -> Entry[MetricSpec]: ...
    @overload
    def get(self, kind: Literal["source"], name: str) -> Entry[SourceSpec]: ...
    @overload
    def get(self, kind: str, name: str) -> Entry[Any]: ...
    def get(self, kind: str, name: str) -> Entry[Any]:
        """Return the entry of that name, `lstm` or `lstm@picogen-foo`.

        A plain name that PiCo-Gen ships is the shipped one, even if others claim it.

        Raises:
            UnknownName: no plugin has the name, or several have it and the name is ambiguous.
        """
        plain, _, distribution = name.partition("@")
        found = [
            entry
            for entry in self.all(kind)
            if entry.name == plain and _same_distribution(entry, distribution)
        ]
        found = [entry for entry in found if entry.shipped] or found
        if not found:
            raise UnknownName(self._unknown(kind, name))
        if len(found) > 1:
            raise UnknownName(_clash(found))
        return found[0]

    def weights(self) -> dict[str, ShippedWeights]:
        """Return the trained models of backbones, by name: `tunes` or `tunes@picogen-foo`.

        The second form is used if two distributions have that name. PiCo-Gen's models keep their
        plain names.
        """
        brought = [
            (name, entry, weights)
            for entry in self.all("backbone")
            for name, weights in entry.spec.weights.items()
        ]
        names = [name for name, _, _ in brought]
        return {
            name if names.count(name) == 1 or entry.shipped else f"{name}@{entry.distribution}": w
            for name, entry, w in brought
        }

    def clashes(self) -> tuple[str, ...]:
        """Return one line for each name that two distributions claim."""
        same: dict[tuple[str, str], list[Entry[Any]]] = {}
        for entry in self._entries:
            same.setdefault((entry.kind, entry.name), []).append(entry)
        return tuple(_clash(entries) for entries in same.values() if len(entries) > 1)

    def label(self, entry: Entry[Any]) -> str:
        """Return the shortest name that `get` takes: plain if possible, else with distribution."""
        namesakes = [other for other in self.all(entry.kind) if other.name == entry.name]
        return entry.name if len(namesakes) == 1 or entry.shipped else entry.address

    def _unknown(self, kind: str, name: str) -> str:
        labels = [self.label(entry) for entry in self.all(kind)]
        message = f"no {kind} is called {name!r}.{did_you_mean(name, labels)}"
        message += f" Installed: {', '.join(labels) or 'none'}."
        suspects = [str(failure) for failure in self.failures if failure.kind in (None, kind)]
        if suspects:
            message += f" Failed, and might have provided it: {'; '.join(suspects)}."
        return message


@functools.cache
def registry() -> Registry:
    """Return the registry of all installed plugins, built once per process."""
    found = discover()
    return Registry(found.plugins, found.failures)


def build(kind: str, name: str, options: Mapping[str, Any], *arguments: Any) -> Any:
    """Return a built object by name: `build("backbone", "rwkv", {"layers": 4}, 512)`.

    Raises:
        UnknownName, ConfigError, PluginError: as `Registry.get` and `Entry.build`.
    """
    return registry().get(kind, name).build(options, *arguments)


def _same_distribution(entry: Entry[Any], distribution: str) -> bool:
    return not distribution or _normal(entry.distribution) == _normal(distribution)


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _clash(entries: list[Entry[Any]]) -> str:
    kind, name = entries[0].kind, entries[0].name
    sides = " and ".join(f"{entry.distribution} {entry.version}" for entry in entries)
    owner = next((entry for entry in entries if entry.shipped), None)
    if owner is not None:
        others = ", ".join(entry.address for entry in entries if not entry.shipped)
        return (
            f"{kind} {name!r} comes from {sides}. {name!r} means that of {owner.distribution}; "
            f"name the other in full: {others}."
        )
    addresses = " or ".join(entry.address for entry in entries)
    return f"{kind} {name!r} comes from {sides}. Name one: {addresses}."
