"""From a prompt to pieces: prompts, sampling, the decoder, and the files it writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from picogen_core.generation.student import Student


def load(path: Path | str, *, engine: str = "auto", device: str = "cpu") -> Student:
    """Return a loaded model: shipped weights by name, a run or checkpoint folder, a NotaGen `.pth`
    or hf:OWNER/REPO[/FILE].

        student = picogen_core.generation.load("checkpoints/rwkv_distill_v1")
        piece = student.generate("M:6/8\\nK:G\\n", seed=1, bars=16)

    Raises:
        PicogenError: there is no model, it is damaged, or there is no such engine.
    """
    from picogen_core.generation.student import Student

    return Student(path, engine=engine, device=device)
