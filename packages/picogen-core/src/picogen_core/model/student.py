"""GenericStudent: patch embedding, backbone, head. NotaGen is the same class with other parts.

B rows  S patches  P = 16 characters per patch  V = 128 codes  D width  E teacher's width
N valid target patches of a batch (patches 1 … length − 1 of each row)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from picogen_core.abc.patches import BOS, EOS, PAD, PATCH_SIZE, VOCABULARY
from picogen_core.errors import PluginError
from picogen_core.model.config import ModelConfig
from picogen_core.model.heads.forgetful import as_remembering
from picogen_core.model.heads.teacher import TeacherHead
from picogen_core.plugins.protocols import Backbone, RememberingHead
from picogen_core.plugins.registry import registry

if TYPE_CHECKING:

    class BackboneModule(nn.Module, Backbone[Any]):
        """A backbone as `build` returns it."""

        def __call__(self, x: Tensor) -> Tensor: ...


PARTS = {"embedding": "patch_embedding", "backbone": "backbone", "head": "head"}
"""Parts that can be frozen, with the names of their modules."""


class PatchEmbedding(nn.Module):
    """NotaGen's Linear over the one-hot codes of a patch, as a sum of table rows.

    weight: [P · V, D], row j · V + c for code c at place j; bias: [D].
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(PATCH_SIZE * VOCABULARY, d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.offsets: Tensor
        self.register_buffer("offsets", torch.arange(PATCH_SIZE) * VOCABULARY, persistent=False)
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, patches: Int[Tensor, "*rows P"]) -> Float[Tensor, "*rows D"]:
        rows = (patches + self.offsets).reshape(-1, PATCH_SIZE)
        summed = F.embedding_bag(rows, self.weight, mode="sum") + self.bias
        return summed.reshape(*patches.shape[:-1], -1)


def counted(patches: Int[Tensor, "*rows P"]) -> Bool[Tensor, "*rows P"]:
    """Return the mask of characters that a loss counts: those up to the EOS of a patch of text.

    The closing patch, BOS and 15 times EOS, counts as a whole, as in NotaGen.
    """
    ends = patches == EOS
    text_goes_on = ends.cumsum(-1) - ends.long() == 0
    return (patches != PAD) & (text_goes_on | (patches[..., :1] == BOS))


@dataclass(frozen=True)
class Output:
    """Teacher-forced predictions for the N target patches of a batch.

    The logits of a character that is not `valid` are arbitrary.
    """

    logits: Float[Tensor, "N P V"]
    hidden: Float[Tensor, "N D"]
    characters: Int[Tensor, "N P"]
    valid: Bool[Tensor, "N P"]
    row: Int[Tensor, " N"]
    patch: Int[Tensor, " N"]


class GenericStudent(nn.Module):
    """A model of any backbone and any head.

    `config` holds every option, with defaults, so that it rebuilds the same model.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        backbone = registry().get("backbone", config.backbone)
        head = registry().get("head", config.head)
        self.config = config.model_copy(
            update={
                "backbone_options": backbone.options(config.backbone_options).model_dump(
                    mode="json"
                ),
                "head_options": head.options(config.head_options).model_dump(mode="json"),
            }
        )
        self.patch_embedding = PatchEmbedding(config.d_model)
        self.backbone: BackboneModule = backbone.build(config.backbone_options, config.d_model)
        self.head: nn.Module = head.build(config.head_options, config.d_model)
        self._head_entry = head
        for part, entry in ((self.backbone, backbone), (self.head, head)):
            if not isinstance(part, nn.Module):
                raise PluginError(f"{entry.where}: build() returned {part!r}, not a torch module.")
        self.frozen: tuple[str, ...] = ()
        self.manifest: dict[str, Any] = {}
        self.projector: nn.Linear | None = None
        if config.teacher_width and not isinstance(self.head, TeacherHead):
            self.projector = nn.Linear(config.d_model, config.teacher_width)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, device: torch.device | str = "cpu"
    ) -> GenericStudent:
        """Return a student of a local path, or of a repository OWNER/NAME of the hub.

        Raises:
            BadCheckpoint: there is none, or it cannot be fetched.
        """
        from picogen_core.model.locate import FolderCheckpoint, locate

        text = str(name)
        local = Path(name).exists() or text.startswith("hf:") or text.count("/") != 1
        where = text if local else f"hf:{text}"
        found = locate(f"{where}@{revision}" if revision else where)
        student = found.model(device)
        student.manifest = found.manifest() if isinstance(found, FolderCheckpoint) else {}
        return student

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the student as a checkpoint folder. Raises `BadInput` if it cannot be written."""
        from picogen_core.model.checkpoint import save_checkpoint

        components_now = {
            "components": components(self.config),
            "parameters": self.parameter_count(),
        }
        save_checkpoint(Path(folder), self, self.manifest or components_now)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        licence: str = "other",
        commit_message: str = "Upload with PiCo-Gen",
    ) -> str:
        """Upload the student with a model card; return the URL of the commit.

        Raises:
            ConfigError: `repo_id` is not OWNER/NAME.
            BadCheckpoint: no login, no network, or the hub refuses it.
        """
        from tempfile import TemporaryDirectory

        from picogen_core.model.locate import FolderCheckpoint
        from picogen_core.model.publish import check_repo, upload, write_folder

        check_repo(repo_id)
        with TemporaryDirectory(prefix="picogen-") as room:
            saved, folder = Path(room) / "student", Path(room) / "upload"
            self.save_pretrained(saved)
            write_folder(FolderCheckpoint(saved, saved), folder, repo_id, licence)
            return upload(
                folder,
                repo_id,
                private=private,
                token=token,
                branch=branch,
                message=commit_message,
            )

    @property
    def speller(self) -> RememberingHead[Any, Any]:
        """The head as a `RememberingHead`; if it does not remember, its memory is empty."""
        return as_remembering(self.head, self._head_entry)

    @property
    def remembers(self) -> bool:
        """Whether the head sees earlier patches."""
        return self._head_entry.spec.remembers

    @property
    def device(self) -> torch.device:
        """Device of its parameters."""
        return self.patch_embedding.weight.device

    def parameter_count(self) -> int:
        """Return the number of parameters used in generation: all but the projector."""
        return sum(
            p.numel() for name, p in self.named_parameters() if not name.startswith("projector.")
        )

    def trained_parameter_count(self) -> int:
        """Return how many parameters of `parameter_count` get a gradient."""
        return sum(
            p.numel()
            for name, p in self.named_parameters()
            if p.requires_grad and not name.startswith("projector.")
        )

    def freeze(self, parts: Iterable[str]) -> None:
        """Freeze some of `PARTS`: no gradient, and no dropout in training either."""
        self.frozen = tuple(parts)
        for part in self.frozen:
            getattr(self, PARTS[part]).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> GenericStudent:
        super().train(mode)
        for part in self.frozen:
            module = getattr(self, PARTS[part]).eval()
            for inner in module.modules():
                if isinstance(inner, nn.RNNBase) and not inner.dropout:
                    inner.train(mode)  # cuDNN's backward pass needs training mode
        return self

    def to_teacher(self, hidden: Float[Tensor, "N D"]) -> Float[Tensor, "N E"]:
        """Return hidden states at the teacher's width, by the projector of head or model."""
        projector = self.head.projector if isinstance(self.head, TeacherHead) else self.projector
        assert projector is not None, "the model was built without teacher_width"
        projected: Tensor = projector(hidden)
        return projected

    def states(self, patches: Int[Tensor, "B S P"]) -> Float[Tensor, "B S D"]:
        """Return the hidden state after every patch."""
        return self.backbone(self.patch_embedding(patches))

    def hidden(
        self, patches: Int[Tensor, "B S P"], lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "N D"], Bool[Tensor, "B T"]]:
        """Return the hidden states that predict a target, and the mask of valid targets."""
        states = self.states(patches)
        places = torch.arange(1, patches.shape[1], device=patches.device)
        is_target = places < lengths[:, None]
        return states[:, :-1][is_target], is_target

    def forward(self, patches: Int[Tensor, "B S P"], lengths: Int[Tensor, " B"]) -> Output:
        """Predict every patch but the first of each row from those before it."""
        hidden, is_target = self.hidden(patches, lengths)
        targets = patches[:, 1:][is_target]
        row, place = is_target.nonzero(as_tuple=True)
        return Output(
            logits=self.speller(hidden, targets, row, place + 1),
            hidden=hidden,
            characters=targets,
            valid=counted(targets),
            row=row,
            patch=place + 1,
        )

    def initial_state(self, batch: int, max_patches: int) -> Any:
        """Return the backbone's empty state for `batch` rows."""
        weight = self.patch_embedding.weight
        return self.backbone.initial_state(batch, max_patches, weight.device, weight.dtype)

    def initial_memory(self, batch: int, max_patches: int) -> Any:
        """Return the head's empty memory for `batch` rows."""
        weight = self.patch_embedding.weight
        return self.speller.initial_memory(batch, max_patches, weight.device, weight.dtype)

    def prefill(
        self, patches: Int[Tensor, "B S P"], lengths: Int[Tensor, " B"], state: Any
    ) -> tuple[Float[Tensor, "B D"], Any]:
        """Read right-padded prompts; return the hidden state after each row's last patch."""
        hidden, state = self.backbone.prefill(self.patch_embedding(patches), lengths, state)
        return hidden, state

    def step(self, patch: Int[Tensor, "B P"], state: Any) -> tuple[Float[Tensor, "B D"], Any]:
        """Read one more patch for every row."""
        hidden, state = self.backbone.step(self.patch_embedding(patch), state)
        return hidden, state


def components(config: ModelConfig) -> dict[str, dict[str, Any]]:
    """Return distribution, version and options of backbone and head."""
    found = {kind: registry().get(kind, getattr(config, kind)) for kind in ("backbone", "head")}
    return {
        kind: {
            "name": entry.name,
            "distribution": entry.distribution,
            "version": entry.version,
            "config": getattr(config, f"{kind}_options"),
        }
        for kind, entry in found.items()
    }
