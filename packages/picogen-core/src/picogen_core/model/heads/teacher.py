"""The teacher's own head, frozen, behind a projector: the student has to learn hidden states only.

N patches  D width of the student  E width of the teacher  P = 16 characters  V = 128 codes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from picogen_core.model.config import ModelConfig
from picogen_core.registry import registry

if TYPE_CHECKING:
    from picogen_core.model.student import GenericStudent

NAME = "teacher"


class TeacherHead(nn.Module):
    """The projector learns; the inner head gets no gradient and is never in training mode.

    The state is the inner head's.
    """

    def __init__(
        self, d_model: int, width: int, inner: str, inner_options: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.projector = nn.Linear(d_model, width)
        self.inner: Any = registry().get("head", inner).build(inner_options, width)
        self.inner.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> TeacherHead:
        super().train(mode)
        self.inner.eval()
        return self

    def forward(
        self, hidden: Float[Tensor, "N D"], patch: Int[Tensor, "N P"]
    ) -> Float[Tensor, "N P V"]:
        """The inner head's teacher-forced logits."""
        return self.inner(self.projector(hidden), patch)  # type: ignore[no-any-return]

    def begin(self, hidden: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N V"], Any]:
        return self.inner.begin(self.projector(hidden))  # type: ignore[no-any-return]

    def step(self, chars: Int[Tensor, " N"], state: Any) -> tuple[Float[Tensor, "N V"], Any]:
        return self.inner.step(chars, state)  # type: ignore[no-any-return]


def with_teacher_head(student: ModelConfig, teacher: ModelConfig) -> ModelConfig:
    """The student's parts; a head `teacher` has its options filled in from the teacher."""
    if student.head.partition("@")[0] != NAME:
        return student
    options = {
        "inner": teacher.head,
        "inner_options": teacher.head_options,
        "width": teacher.d_model,
    }
    return student.model_copy(update={"head_options": options})


def copy_teacher_head(student: GenericStudent, teacher: GenericStudent | None) -> None:
    """Give a head `teacher` its weights."""
    if teacher is not None and isinstance(student.head, TeacherHead):
        student.head.inner.load_state_dict(teacher.head.state_dict())
