"""How checks become pytest's tests. pytest is loaded only where there are tests to make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from picogen_core.plugins.registry import Entry, registry
from picogen_core.plugins.specs import Spec
from picogen_core.plugins.suggest import did_you_mean

if TYPE_CHECKING:
    import pytest

DEVICES = ("cpu", "cuda")
NOT_INSTALLED = "not installed"  # in place of the distribution that brings a spec

Check = Callable[[Any], None]
"""A property: raises `AssertionError` if the subject lacks it. Its docstring says what it is."""


class Skipped(Exception):
    """A check that cannot run here, and why."""


@dataclass(frozen=True)
class Case:
    """One check of one subject, which is made when the test runs, not when it is collected."""

    check: Check
    subject: Callable[[], Any]
    expected_failure: str | None

    def __call__(self) -> None:
        """Run it; a failure that was expected is reported as pytest's xfail."""
        import pytest

        if self.expected_failure is None:
            try:
                self.check(self.subject())
            except Skipped as why:
                pytest.skip(str(why))
            return
        subject = self.subject()
        try:
            self.check(subject)
        except Exception:
            pytest.xfail(self.expected_failure)
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
    """A decorator that runs a test with `check` bound to each check on each device, those of
    `cpu_only` on the CPU; where there is no CUDA, its tests are skipped and say so.

    Raises:
        ValueError: an expected failure that is the name of no check.
    """
    import pytest

    expected = dict(expected_failures or {})
    known = [check.__name__ for check in checks]
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
    """An installed name, or a spec that need not be installed."""
    if isinstance(what, str):
        return registry().get(kind, what)
    return Entry(kind, what, NOT_INSTALLED, "0")


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()
