"""The teacher's own head, frozen, after a projector: the student learns hidden states only.

N patches  B rows  S patches of a row  D width of the student  E width of the teacher
P = 16 characters  V = 128 codes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from picogen_core.model.config import ModelConfig
from picogen_core.model.heads.forgetful import as_remembering
from picogen_core.plugins.protocols import RememberingHead
from picogen_core.plugins.registry import registry

if TYPE_CHECKING:
    from picogen_core.model.student import GenericStudent

NAME = "teacher"


class TeacherHead(nn.Module):
    """A `RememberingHead` with a trained projector and a frozen inner head.

    The inner head gets no gradient and stays in evaluation mode. Memory and state are its own.
    """

    def __init__(
        self, d_model: int, width: int, inner: str, inner_options: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.projector = nn.Linear(d_model, width)
        self._entry = registry().get("head", inner)
        self.inner: Any = self._entry.build(inner_options, width)
        self.inner.requires_grad_(False).eval()

    @property
    def _inner(self) -> RememberingHead[Any, Any]:
        return as_remembering(self.inner, self._entry)

    def train(self, mode: bool = True) -> TeacherHead:
        super().train(mode)
        self.inner.eval()
        return self

    def forward(
        self,
        hidden: Float[Tensor, "N D"],
        patch: Int[Tensor, "N P"],
        row: Int[Tensor, " N"],
        index: Int[Tensor, " N"],
    ) -> Float[Tensor, "N P V"]:
        """Return the inner head's teacher-forced logits."""
        return self._inner(self.projector(hidden), patch, row, index)

    def initial_memory(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> Any:
        return self._inner.initial_memory(batch, max_patches, device, dtype)

    def read(
        self,
        hidden: Float[Tensor, "B S D"],
        patches: Int[Tensor, "B S P"],
        lengths: Int[Tensor, " B"],
        memory: Any,
    ) -> Any:
        return self._inner.read(self.projector(hidden), patches, lengths, memory)

    def begin(self, hidden: Float[Tensor, "N D"], memory: Any) -> tuple[Float[Tensor, "N V"], Any]:
        return self._inner.begin(self.projector(hidden), memory)

    def step(self, chars: Int[Tensor, " N"], state: Any) -> tuple[Float[Tensor, "N V"], Any]:
        return self._inner.step(chars, state)

    def close(self, patch: Int[Tensor, "N P"], state: Any) -> Any:
        return self._inner.close(patch, state)


def with_teacher_head(student: ModelConfig, teacher: ModelConfig) -> ModelConfig:
    """Return the student's configuration, with a head `teacher` filled in from the teacher."""
    if student.head.partition("@")[0] != NAME:
        return student
    options = {
        "inner": teacher.head,
        "inner_options": teacher.head_options,
        "width": teacher.d_model,
    }
    return student.model_copy(update={"head_options": options})


def copy_teacher_head(student: GenericStudent, teacher: GenericStudent | None) -> None:
    """Copy the teacher's weights into a head `teacher`."""
    if teacher is not None and isinstance(student.head, TeacherHead):
        student.head.inner.load_state_dict(teacher.head.state_dict())
