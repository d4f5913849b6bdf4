"""The properties of a plugin module as a whole."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from picogen_core.plugins.discovery import Discovery
from picogen_core.plugins.hookspecs import PROJECT
from picogen_core.plugins.options import option_faults
from picogen_core.plugins.registry import Registry
from picogen_core.plugins.specs import KINDS
from picogen_core.testing.kit import Check

# Runs in a separate process, in which no heavy library is loaded.
IMPORT = """
import sys
from importlib.metadata import EntryPoint
from picogen_core.plugins.discovery import Discovery
from picogen_core.plugins.guard import HEAVY
discovery = Discovery()
discovery.add_entry_point(EntryPoint("plugin", {module!r}, "picogen"))
reasons = [failure.reason for failure in discovery.failures]
loaded = sorted(HEAVY & set(sys.modules))
sys.exit("; ".join(reasons) or (f"it loads {{', '.join(loaded)}}" if loaded else 0))
"""


@dataclass(frozen=True)
class PluginSubject:
    """A distribution or a module of hookimpls."""

    what: str

    def entries(self) -> list[EntryPoint]:
        """Return the installed entry points of the subject."""
        installed = entry_points(group=PROJECT)
        of_distribution = [e for e in installed if e.dist and e.dist.name == self.what]
        return of_distribution or [e for e in installed if e.module == self.what]

    def modules(self) -> list[str]:
        return [entry.module for entry in self.entries()] or [self.what]

    def discovery(self) -> Discovery:
        discovery = Discovery()
        for name in self.modules():
            discovery.add_module(importlib.import_module(name), name, name, "0")
        return discovery


def has_an_entry_point(subject: PluginSubject) -> None:
    """`[project.entry-points.picogen]` of an installed distribution names the module."""
    assert subject.entries(), f"no entry point of group {PROJECT!r} names {subject.what}"


def imports_light(subject: PluginSubject) -> None:
    """Importing the module and calling its hooks loads no torch, transformers, numpy, …"""
    for module in subject.modules():
        code = IMPORT.format(module=module)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        lines = done.stderr.strip().splitlines()
        assert done.returncode == 0, f"{module}: {lines[-1] if lines else done.returncode}"


def hooks_are_sound(subject: PluginSubject) -> None:
    """Hooks are spelt right, take no arguments, and yield specs of their kind with valid names."""
    discovery = subject.discovery()
    assert not discovery.failures, "; ".join(failure.reason for failure in discovery.failures)
    found = [spec for plugin in discovery.plugins for spec in plugin.specs]
    assert found, f"{subject.what} yields nothing"


def summaries_are_one_line(subject: PluginSubject) -> None:
    """Every spec has a summary of one line."""
    for plugin in subject.discovery().plugins:
        for spec in plugin.specs:
            one_line = spec.summary.strip() and "\n" not in spec.summary
            assert one_line, f"{spec.name}: the summary is {spec.summary!r}"


def configs_are_closed(subject: PluginSubject) -> None:
    """The options of every spec are frozen, forbid unknown keys and are described."""
    known = Registry(subject.discovery().plugins)
    for entry in (entry for kind in KINDS for entry in known.all(kind)):
        faults = option_faults(entry.config())
        assert not faults, f"config of {entry.where} {'; '.join(faults)}"


CHECKS: Sequence[Check] = (
    has_an_entry_point,
    imports_light,
    hooks_are_sound,
    summaries_are_one_line,
    configs_are_closed,
)
