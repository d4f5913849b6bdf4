"""`picogen export`: a student's backbone as transformers, rwkv or mamba-ssm read it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picogen_cli.options import Force, Json, print_json


def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CKPT", help="Run or checkpoint folder, NotaGen .pth or hf:OWNER/REPO/FILE."
        ),
    ],
    to: Annotated[
        str, typer.Option(help="hf, rwkv or mamba-ssm; what there is depends on the backbone.")
    ],
    output_dir: Annotated[Path, typer.Option(help="Where the files go.")],
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the backbone as other programs read it, with a README that says how to open it."""
    from picogen_core.exports import check_format
    from picogen_core.files import prepare_output_dir
    from picogen_core.registry import registry

    check_format(registry().all("backbone"), to)
    from picogen_core.model.checkpoint import load_model
    from picogen_core.model.export import export_backbone

    model = load_model(checkpoint)
    check_format((registry().get("backbone", model.config.backbone),), to)
    prepare_output_dir(output_dir, force)
    files = export_backbone(model, to, output_dir)
    if as_json:
        facts = {"backbone": model.config.backbone, "to": to}
        print_json({**facts, "output_dir": output_dir, "files": files})
    else:
        typer.echo(f"{model.config.backbone} as {to} in {output_dir}: {', '.join(files)}.")
