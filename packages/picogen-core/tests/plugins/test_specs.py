"""Records of 0.1 are accepted with a warning that names the line to change."""

import warnings

import pytest
from picogen_core import LossSpec, Options
from picogen_core.plugins.discovery import _check_spec, _Fault


def loss(**fields) -> LossSpec:
    return LossSpec(
        name="sample", summary="A.", config=lambda: Options, build=lambda _: None, **fields
    )


@pytest.mark.parametrize(
    ("old", "reads"),
    [
        ({"needs_teacher": True}, {"teacher_hidden", "teacher_logits"}),
        ({"needs_teacher": True, "needs_hidden": False}, {"teacher_logits"}),
        ({"needs_teacher": True, "needs_logits": False}, {"teacher_hidden"}),
        ({"needs_hidden": False}, {"teacher_logits"}),
        ({"needs_hidden": False, "needs_logits": False}, set()),
    ],
)
def test_what_a_loss_needed_is_what_it_reads(old, reads):
    with pytest.warns(
        FutureWarning, match=r"loss 'sample': needs_hidden and needs_logits are reads="
    ):
        spec = loss(**old)
    assert set(spec.reads) == reads


@pytest.mark.parametrize("fields", [{}, {"reads": {"teacher_logits"}, "needs_teacher": True}])
def test_a_loss_of_today_is_taken_as_it_is(fields):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(loss(**fields).reads) == set(fields.get("reads", ()))


def test_a_loss_reads_what_a_teacher_has():
    with pytest.raises(_Fault, match="it may hold teacher_hidden, teacher_logits"):
        _check_spec(loss(reads={"logits"}), "loss")
