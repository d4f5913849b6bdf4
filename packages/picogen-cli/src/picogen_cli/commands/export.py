"""`picogen export`: a student as a page or ONNX, or its backbone for other programs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import typer
from picogen_core import ConfigError
from picogen_core.model.export_formats import HUB

from picogen_cli.options import Force, Json, print_json
from picogen_cli.reporter import make_reporter


def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CKPT", help="Run or checkpoint folder, NotaGen .pth or hf:OWNER/REPO."
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            help="html (a page that composes), onnx (backbone and head), hub (the Hugging Face "
            "hub), or for the backbone alone hf, rwkv or mamba-ssm; which of these depends on the "
            "backbone."
        ),
    ],
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "-o", help="Where the files go; with --repo only a copy."),
    ] = None,
    max_patches: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=1_048_576,
            help="With --to onnx: capacity of the first state in patches, prompt included; left "
            "out, the length in training.",
        ),
    ] = None,
    second: Annotated[
        Path | None,
        typer.Option(
            "--with", metavar="CKPT", help="With --to html: another student to switch to."
        ),
    ] = None,
    weights: Annotated[
        Literal["float", "int8"],
        typer.Option(help="With --to html: float, with as many bits as fit the page, or int8."),
    ] = "float",
    repo: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME",
            help="Repository to upload to, made if needed.",
            rich_help_panel=HUB,
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make it private.", rich_help_panel=HUB)
    ] = False,
    licence: Annotated[
        str,
        typer.Option(help="SPDX name of the weights' licence for the card.", rich_help_panel=HUB),
    ] = "other",
    metrics: Annotated[
        Path | None,
        typer.Option(help="What picogen eval --json printed, for the card.", rich_help_panel=HUB),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the student in a format of other programs, with a README on how to open it."""
    from picogen_core.model.export_formats import HTML, ONNX, check_format
    from picogen_core.plugins.registry import registry
    from picogen_core.runtime.files import output_folder

    if max_patches and to != ONNX:
        raise ConfigError(f"--max-patches is for --to {ONNX}. Leave it out.")
    if (second or weights != "float") and to != HTML:
        raise ConfigError(f"--with and --weights are for --to {HTML}. Leave them out.")
    if (repo or private or metrics or licence != "other") and to != HUB:
        raise ConfigError(f"--repo, --private, --licence and --metrics are for --to {HUB}.")
    if output_dir is None and not repo:
        where = "--repo OWNER/NAME" if to == HUB else "--output-dir DIR"
        raise ConfigError(f"the files need a place. Add {where}.")
    check_format(registry().all("backbone"), to)
    if to == HUB:
        _publish(checkpoint, output_dir, repo, private, licence, metrics, force, as_json)
        return
    assert output_dir is not None
    if to == HTML:
        _write_page(
            [checkpoint, *([second] if second else [])], output_dir, weights, force, as_json
        )
        return
    from picogen_core.model.checkpoint import load_model
    from picogen_core.model.export import export_backbone

    model = load_model(checkpoint)
    check_format((registry().get("backbone", model.config.backbone),), to)
    facts: dict[str, Any] = {"backbone": model.config.backbone, "to": to}
    what = model.config.backbone
    with output_folder(output_dir, force):
        if to == ONNX:
            from picogen_core.onnx.write import export_onnx

            with make_reporter() as reporter:
                written = export_onnx(model, output_dir, max_patches, reporter)
            facts["difference_from_torch"] = written["difference_from_torch"]
            what = f"{what} with {model.config.head}"
            files = tuple(sorted(file.name for file in output_dir.iterdir()))
        else:
            files = export_backbone(model, to, output_dir)
    if as_json:
        print_json({**facts, "output_dir": output_dir, "files": files})
    else:
        typer.echo(f"{what} as {to} in {output_dir}: {', '.join(files)}.")


def _publish(
    checkpoint: Path,
    output_dir: Path | None,
    repo: str | None,
    private: bool,
    licence: str,
    metrics: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write card, weights and configuration, and upload them if there is a repository."""
    from picogen_core.model.locate import FolderCheckpoint, locate
    from picogen_core.model.publish import check_repo, read_metrics, upload, write_folder
    from picogen_core.runtime.files import output_folder

    if repo:
        check_repo(repo)
    found = locate(checkpoint)
    if not isinstance(found, FolderCheckpoint):
        raise ConfigError(f"{checkpoint} is a .pth. Export a run or checkpoint folder.")
    values = read_metrics(metrics) if metrics else None
    with ExitStack() as stack:
        if output_dir is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="picogen-")))
        else:
            folder = output_dir
            stack.enter_context(output_folder(folder, force))
        files = write_folder(found, folder, repo or "OWNER/NAME", licence, values)
        url = upload(folder, repo, private=private or None) if repo else None
    if as_json:
        print_json({"to": HUB, "repo": repo, "url": url, "output_dir": output_dir, "files": files})
    else:
        typer.echo(f"{', '.join(files)} in {url or output_dir}.")


def _write_page(
    checkpoints: list[Path],
    output_dir: Path,
    weights: Literal["float", "int8"],
    force: bool,
    as_json: bool,
) -> None:
    from picogen_core.html.page import FILE, build_page
    from picogen_core.html.student import read_student
    from picogen_core.runtime.files import prepare_output_dir, write_atomic

    page = build_page([read_student(path) for path in checkpoints], weights)
    prepare_output_dir(output_dir, force)
    write_atomic(output_dir / FILE, page.data)
    facts = page.facts()
    if as_json:
        print_json({"to": "html", "output_dir": output_dir, "files": [FILE], **facts})
        return
    students = "; ".join(f"{one['name']}, {_precision(one)}" for one in facts["students"])
    typer.echo(f"{output_dir / FILE}: {facts['bytes'] / 1e6:.2f} MB ({students}).")


def _precision(student: dict[str, Any]) -> str:
    """Return the precision of a student's weights in the page, in words."""
    if student["exact"]:
        return "exact"
    if student["bits"] == 8:
        return "weights of 8 bits"
    return f"weights rounded to {student['bits']} of 23 bits of the mantissa"
