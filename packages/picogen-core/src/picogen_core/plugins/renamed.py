"""Names of 0.1 in plugins and their tests, accepted with a warning until 0.3."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

CHECKS = {
    "compiled_guesses_leave_no_trace": "compiled_draft_tokens_leave_no_trace",
    "compiled_guesses_are_not_remembered": "compiled_draft_tokens_are_not_remembered",
}
"""Old name of a check of the conformance kit -> new name."""


def with_new_names(head: T, where: str) -> T:
    """Return a compiled head; one that verifies draft tokens by 0.1's names gets the new ones."""
    old: Any = head
    if hasattr(old, "guesses") and not hasattr(old, "draft_tokens"):
        name = type(old).__name__
        _warn(f"{where}: in {name}, `guesses` is `draft_tokens` and `forget` is `roll_back`")
        old.draft_tokens, old.roll_back = old.guesses, old.forget
    return head


def new_checks(reasons: Mapping[str, str]) -> dict[str, str]:
    """Return reasons of expected failures by the new names of the checks."""
    for name in reasons.keys() & CHECKS.keys():
        _warn(f"the check {name} is {CHECKS[name]}")
    return {CHECKS.get(name, name): reason for name, reason in reasons.items()}


def _warn(fact: str) -> None:
    warnings.warn(f"{fact} since 0.2; 0.3 removes the old name", FutureWarning, stacklevel=4)
