"""Discovery of plugins: modules of hookimpls behind the entry points of group `picogen`.

A broken plugin costs only itself. A fault of the module costs the plugin: it cannot be imported,
loads a heavy library, misspells a hook, or gives one arguments. A fault inside a hook costs that
whole hook: it raises, yields no spec, another kind of spec, or a name twice. Half of a list would
be harder to explain than none. Both are kept as a `Failure`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, fields
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from picogen_core.plugins import hookspecs
from picogen_core.plugins.guard import HeavyImport, ImportGuard, refusal
from picogen_core.plugins.hookspecs import PROJECT
from picogen_core.plugins.specs import (
    KINDS,
    TEACHER_OUTPUTS,
    BackboneSpec,
    HeadSpec,
    LossSpec,
    Spec,
)
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.runtime.signals import Stopped

HOOKS = {
    "picogen_backbones": "backbone",
    "picogen_heads": "head",
    "picogen_losses": "loss",
    "picogen_metrics": "metric",
    "picogen_sources": "source",
}
NAME = re.compile(r"[a-z0-9][a-z0-9_.\-]*")  # no `@`, which picks a distribution, and no `:`


@dataclass(frozen=True)
class Plugin:
    """A loaded plugin: its entry point, its distribution, and its specs."""

    name: str
    distribution: str
    version: str
    module: str
    specs: tuple[Spec, ...]


@dataclass(frozen=True)
class Failure:
    """A plugin that did not load, or one failed hook, which would have brought `kind`."""

    entry_point: str
    distribution: str
    version: str
    reason: str
    kind: str | None = None

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.reason})"


class _Fault(Exception):
    """A fault of a plugin, described in one line."""


class Discovery:
    """Loads plugins one by one into `plugins` and `failures`."""

    def __init__(self) -> None:
        self.plugins: list[Plugin] = []
        self.failures: list[Failure] = []
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def add_entry_point(self, entry: EntryPoint) -> None:
        """Import the module of an entry point, and add it."""
        distribution = entry.dist.name if entry.dist else "unknown distribution"
        version = entry.dist.version if entry.dist else "unknown"
        try:
            with _isolated():
                module = entry.load()
        except _Fault as fault:
            self.failures.append(Failure(entry.name, distribution, version, str(fault)))
            return
        self.add_module(module, entry.name, distribution, version)

    def add_module(self, module: object, name: str, distribution: str, version: str) -> None:
        """Register a module that is already imported, and call its hooks."""
        try:
            with _isolated():
                self._register(module, f"{name}@{distribution}")
        except _Fault as fault:
            self.failures.append(Failure(name, distribution, version, str(fault)))
            return
        specs: list[Spec] = []
        for hook, kind in HOOKS.items():
            for implementation in getattr(self._manager.hook, hook).get_hookimpls():
                if implementation.plugin is not module:
                    continue
                taken = {(kind, spec.name) for spec in specs} | self._names_of(distribution)
                try:
                    specs += _call(hook, kind, implementation.function, taken)
                except _Fault as fault:
                    failure = Failure(name, distribution, version, f"{hook}: {fault}", kind)
                    self.failures.append(failure)
        where = getattr(module, "__name__", type(module).__name__)
        self.plugins.append(Plugin(name, distribution, version, where, tuple(specs)))

    def _register(self, module: object, name: str) -> None:
        if not isinstance(module, ModuleType):
            raise _Fault(f"the entry point names a {type(module).__name__}, not a module of hooks")
        _check_hook_names(self._manager, module)
        if self._manager.is_registered(module):
            raise _Fault(f"module {module.__name__} is behind two entry points")
        try:
            self._manager.register(module, name)
        except pluggy.PluginValidationError as error:
            if self._manager.is_registered(module):  # before pluggy 1.7 it stays, half registered
                self._manager.unregister(module)
            raise _Fault(f"hooks take no arguments: {_one_line(error)}") from error

    def _names_of(self, distribution: str) -> set[tuple[str, str]]:
        plugins = (plugin for plugin in self.plugins if plugin.distribution == distribution)
        return {(kind_of(spec), spec.name) for plugin in plugins for spec in plugin.specs}


def discover() -> Discovery:
    """Return the installed plugins, ordered by the names of their distributions."""
    discovery = Discovery()
    found = entry_points(group=PROJECT)
    for entry in sorted(found, key=lambda e: (e.dist.name if e.dist else "", e.name)):
        discovery.add_entry_point(entry)
    return discovery


def kind_of(spec: Spec) -> str:
    """Return the kind of a spec: `"backbone"` for a `BackboneSpec`, and so on."""
    return next(kind for kind, cls in KINDS.items() if isinstance(spec, cls))


def _check_hook_names(manager: pluggy.PluginManager, module: ModuleType) -> None:
    """Raise for names that pluggy accepts or ignores: unknown hooks and hooks without a mark."""
    marked = set()
    for name in dir(module):
        options = manager.parse_hookimpl_opts(module, name)
        if options is not None:
            marked.add(name)
            hook = options.get("specname") or name
            if hook not in HOOKS:
                suggestion = did_you_mean(hook, HOOKS) or f" Hooks: {', '.join(HOOKS)}."
                raise _Fault(f"there is no hook {hook!r}.{suggestion}")
            if options.get("wrapper") or options.get("hookwrapper"):
                raise _Fault(f"{hook} is a wrapper; hooks here only yield specs")
        elif name in HOOKS:
            raise _Fault(f"{name} is not marked with @hookimpl")
    if not marked:
        raise _Fault(f"module {module.__name__} has no hooks; mark them with @hookimpl")


def _call(
    hook: str, kind: str, function: Callable[[], Any], taken: set[tuple[str, str]]
) -> list[Spec]:
    """Return the specs of one hook. Pluggy's own call would stop all hooks if one raises."""
    with _isolated():
        yielded = function()
        if not hasattr(yielded, "__iter__"):
            raise _Fault(f"returned {_a(yielded)}; yield a {KINDS[kind].__name__} for each {kind}")
        specs = list(yielded)
        seen = set(taken)
        for spec in specs:
            _check_spec(spec, kind)
            if (kind, spec.name) in seen:
                raise _Fault(f"yields {kind} {spec.name!r}, which this distribution already has")
            seen.add((kind, spec.name))
    return specs


def _check_spec(spec: Any, kind: str) -> None:
    wanted = KINDS[kind]
    if not isinstance(spec, wanted):
        raise _Fault(f"yields {_a(spec)}, not a {wanted.__name__}")
    for field in fields(wanted):
        value = getattr(spec, field.name)
        if field.type is str and not isinstance(value, str):
            raise _Fault(f"yields a {wanted.__name__} whose {field.name} is {_a(value)}, not a str")
    if not NAME.fullmatch(spec.name):
        raise _Fault(f"{spec.name!r} is no name: small letters, digits, '-', '_' and '.' only")
    for part in ("config", "build"):
        value = getattr(spec, part)
        if not callable(value):
            raise _Fault(f"{part} of {kind} {spec.name!r} is {_a(value)}, not a function")
    if isinstance(spec, BackboneSpec | HeadSpec):
        step = spec.compiled_step
        if step is not None and not callable(step):
            what = f"compiled_step of {kind} {spec.name!r}"
            raise _Fault(f"{what} is {_a(step)}, not a function")
    if isinstance(spec, BackboneSpec):
        _check_export(spec)
    if isinstance(spec, LossSpec) and not set(spec.reads) <= TEACHER_OUTPUTS:
        known = ", ".join(sorted(TEACHER_OUTPUTS))
        raise _Fault(f"reads of loss {spec.name!r} is {spec.reads!r}; it may hold {known}")


def _check_export(spec: BackboneSpec) -> None:
    where = f"export of backbone {spec.name!r}"
    if not isinstance(spec.export, Mapping):
        raise _Fault(f"{where} is {_a(spec.export)}, not functions by format")
    for to, write in spec.export.items():
        if not (isinstance(to, str) and NAME.fullmatch(to) and callable(write)):
            raise _Fault(f"{where} holds {to!r}: {_a(write)}, not a function by a small name")


@contextmanager
def _isolated() -> Iterator[None]:
    """Context that turns exceptions of plugin code, `sys.exit` too, into a `_Fault`.

    Ctrl-C passes. Printed output goes to stderr: stdout belongs to the command's data.
    """
    try:
        with ImportGuard() as guard, redirect_stdout(sys.stderr):
            yield
        if guard.refused:
            raise HeavyImport(refusal(guard.refused[0]))
    except (KeyboardInterrupt, Stopped, _Fault):
        raise
    except HeavyImport as error:
        raise _Fault(str(error)) from error
    except BaseException as error:
        raise _Fault(_one_line(error)) from error


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _a(thing: object) -> str:
    return "None" if thing is None else f"a {type(thing).__name__}"
