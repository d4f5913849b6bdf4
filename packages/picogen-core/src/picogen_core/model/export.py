"""Export of a student's backbone to other programs, by its plugin's `export`, with a README."""

from __future__ import annotations

from pathlib import Path
from string import Template

import torch
from jaxtyping import Int
from safetensors.torch import save_file
from torch import Tensor

from picogen_core.abc.patches import BOS_PATCH, EOS, EOS_PATCH, PATCH_SIZE, VOCABULARY
from picogen_core.model.export_formats import check_format
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.registry import registry
from picogen_core.runtime.files import written_aside

EMBEDDING, README = "patch_embedding.safetensors", "README.md"

_README = Template("""# A $name backbone written by PiCo-Gen

This folder holds the patch-level model alone: embedded patches in, hidden states of width $width
out. The head, which spells the next patch from a hidden state, stays in the checkpoint.

```python
$opening
```

Inputs are patches of $size characters. Row c of the token table is the patch that holds the one
character with code c, row 1 the patch that begins a piece, row 2 the patch that ends it. There are
$vocabulary^$size patches, so most have no row. Their embedding is a sum of rows of
`$embedding`:

```python
import torch
from safetensors.torch import load_file

embedding = load_file("$embedding")


def embed(patches):
    # [..., $size] character codes -> [..., $width]
    rows = patches + torch.arange($size) * $vocabulary
    return embedding["weight"][rows].sum(-2) + embedding["bias"]
```

A program with embeddings as input (`inputs_embeds`) takes these. For a program with tokens alone,
replace the table in the file by `embed(patches)` of the patches that it will read.
""")


def token_patches() -> Int[Tensor, "T P"]:
    """Return the patches of the token table: [128, 16] character codes."""
    patches = torch.zeros(VOCABULARY, PATCH_SIZE, dtype=torch.long)
    patches[:, 0], patches[:, 1] = torch.arange(VOCABULARY), EOS
    patches[0] = 0
    patches[1], patches[2] = torch.tensor(list(BOS_PATCH)), torch.tensor(list(EOS_PATCH))
    return patches


@torch.no_grad()
def export_backbone(model: GenericStudent, to: str, folder: Path) -> tuple[str, ...]:
    """Write the backbone of `model` into an empty folder; return the names of the files.

    Raises:
        UnknownName: its plugin does not write this format.
        BadInput: the folder cannot be written to.
    """
    entry = registry().get("backbone", model.config.backbone)
    check_format((entry,), to)
    model = model.to("cpu").eval()
    table = model.patch_embedding(token_patches())
    with written_aside(folder) as aside:
        opening = entry.spec.export[to](model.backbone, table, aside)
        weights = model.patch_embedding.state_dict()
        save_file({name: t.contiguous() for name, t in weights.items()}, aside / EMBEDDING)
        text = _README.substitute(
            name=model.config.backbone,
            width=model.config.d_model,
            opening=opening.strip(),
            size=PATCH_SIZE,
            vocabulary=VOCABULARY,
            embedding=EMBEDDING,
        )
        (aside / README).write_bytes(text.encode())
        return tuple(sorted(file.name for file in aside.iterdir()))
