"""Conversion of checks to pytest tests. pytest is loaded only when tests are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from picogen_core.plugins.registry import Entry, registry
from picogen_core.plugins.renamed import new_checks
from picogen_core.plugins.specs import Spec
from picogen_core.plugins.suggest import did_you_mean

if TYPE_CHECKING:
    import pytest

DEVICES = ("cpu", "cuda")
NOT_INSTALLED = "not installed"  # in place of a spec's distribution

Check = Callable[[Any], None]
"""A property: raises `AssertionError` if the subject lacks it. Its docstring describes it."""


class Skipped(Exception):
    """A check that cannot run on this machine, with the reason."""


class NotApplicable(Exception):
    """A check of something that the plugin does not have, with the reason."""


@dataclass(frozen=True)
class Case:
    """One check of one subject, which is built when the test runs, not when it is collected."""

    check: Check
    subject: Callable[[], Any]
    expected_failure: str | None

    def __call__(self) -> None:
        """Run the check; an expected failure is reported as pytest's xfail."""
        import pytest

        subject = self.subject()
        try:
            self.check(subject)
        except Skipped as why:
            pytest.skip(str(why))
        except NotApplicable:
            pass  # the plugin promises nothing that could be broken
        except Exception as fault:
            if self.expected_failure is None:
                raise
            pytest.xfail(f"{self.expected_failure} ({type(fault).__name__}: {fault})")
        if self.expected_failure is None:
            return
        pytest.fail(
            f"{self.check.__name__} was expected to fail ({self.expected_failure}) and passed: "
            "take it out of expected_failures",
            pytrace=False,
        )


def parametrise(
    checks: Sequence[Check],
    subject: Callable[[str], Any],
    expected_failures: Mapping[str, str] | None,
    devices: Sequence[str] = ("cpu",),
    cpu_only: Sequence[Check] = (),
) -> pytest.MarkDecorator:
    """Return a decorator that runs a test with `check` bound to each check on each device.

    Checks in `cpu_only` run on the CPU. Without CUDA, its tests are reported as skipped.

    Raises:
        ValueError: an expected failure names no check.
    """
    import pytest

    known = [check.__name__ for check in checks]
    expected = new_checks(expected_failures or {})
    for name in expected.keys() - set(known):
        hint = did_you_mean(name, known)
        raise ValueError(f"there is no check {name!r}.{hint} Checks: {', '.join(known)}.")
    skip = "cuda" in devices and not _cuda()
    without = [pytest.mark.skip(reason="this machine has no CUDA")] if skip else []
    cases = [
        pytest.param(
            Case(check, lambda device=device: subject(device), expected.get(check.__name__)),  # type: ignore[misc]
            id=check.__name__ if device == "cpu" else f"{check.__name__}-{device}",
            marks=without if device == "cuda" else [],
        )
        for device in devices
        for check in checks
        if device == "cpu" or check not in cpu_only
    ]
    return pytest.mark.parametrize("check", cases)


def resolve(kind: str, what: str | Spec) -> Entry[Any]:
    """Return the entry of an installed name, or of a spec that need not be installed."""
    if isinstance(what, str):
        return registry().get(kind, what)
    return Entry(kind, what, NOT_INSTALLED, "0")


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()
