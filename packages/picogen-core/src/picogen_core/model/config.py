"""The configuration of a model, and the file names of a checkpoint folder."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from picogen_core.plugins.options import Options

WEIGHTS, CONFIG, MANIFEST = "model.safetensors", "config.json", "manifest.json"

Storage = Literal["fp32", "fp16"]
"""Precision of the cached weights of a big `.pth`."""


class ModelConfig(Options):
    """A patch embedding, a backbone and a head, and a projector when it was distilled."""

    d_model: int = Field(256, ge=8, le=65536, description="Width of the hidden state of a patch.")
    max_patches: int = Field(
        1024,
        ge=2,
        le=1_048_576,
        description="Longest piece of its training, in patches, header included.",
    )
    backbone: str = Field(description="Name of the backbone plugin.")
    backbone_options: dict[str, Any] = Field(default_factory=dict, description="All its options.")
    head: str = Field("char-memory", description="Name of the head plugin.")
    head_options: dict[str, Any] = Field(default_factory=dict, description="All its options.")
    teacher_width: int | None = Field(
        default=None,
        ge=1,
        le=65536,
        description="Width of the teacher, if a loss compared hidden states with it.",
    )
