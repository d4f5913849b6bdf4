"""`picogen plugins new`: a package with one plugin and its test, as a start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from picogen_core.plugins.specs import KINDS

from picogen_cli.options import Json, one_of, print_json


def new(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits and -.")],
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "-o", help="The folder to write; left out, picogen-NAME."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a package with a working plugin and its test. An existing folder is refused."""
    from picogen_cli.new_plugin import plan_package, write_package

    package = plan_package(one_of("KIND", kind, tuple(KINDS)), name)
    folder = output_dir or Path(package.distribution)
    files = write_package(package, folder)
    if as_json:
        print_json({"folder": folder, "distribution": package.distribution, "files": files})
        return
    typer.echo(
        f"{folder}: {kind} {name!r} in {len(files)} files. Install and check it with: "
        f"pip install -e {folder} && picogen plugins check {kind} {name}"
        + (f" --which {folder / 'tests/three.jsonl'}" if kind == "source" else "")
    )
