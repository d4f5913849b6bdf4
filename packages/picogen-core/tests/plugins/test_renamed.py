"""Names of 0.1 in compiled heads and in tests with the conformance kit."""

import pytest
from picogen_core.plugins.protocols import VerifyingHead
from picogen_core.plugins.renamed import CHECKS, new_checks, with_new_names
from picogen_core.testing.heads import CHECKS as KNOWN


class Old:
    """A `VerifyingHead` by the names of 0.1."""

    guesses = 7

    def allocate(self, slots): ...

    def begin(self, hidden, slots): ...

    def step(self, chars, slots): ...

    def extend(self, hidden, chars, slots): ...

    def forget(self, slots, counts):
        return "dropped"


def test_a_head_of_before_verifies_draft_tokens():
    assert not isinstance(Old(), VerifyingHead)
    with pytest.warns(FutureWarning, match="here: in Old, `guesses` is `draft_tokens`"):
        head = with_new_names(Old(), "here")
    assert isinstance(head, VerifyingHead)
    assert head.draft_tokens == 7 and head.roll_back([], []) == "dropped"


def test_another_head_stays_as_it_is():
    head = object()
    assert with_new_names(head, "here") is head


def test_old_names_of_checks_are_those_of_today():
    assert set(CHECKS.values()) <= {check.__name__ for check in KNOWN}
    for old, new in CHECKS.items():
        with pytest.warns(FutureWarning, match=f"the check {old} is {new} since 0.2"):
            assert new_checks({old: "why", "is_causal": "so"}) == {new: "why", "is_causal": "so"}
    assert new_checks({"is_causal": "so"}) == {"is_causal": "so"}
