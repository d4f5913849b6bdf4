"""The command `picogen`: its commands, and one line with exit code 2 for what a user can mend."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from picogen_core import PicogenError, __version__
from picogen_core.training.interrupt import Stopped
from typer.exceptions import TyperException

from picogen_cli.commands.compare import compare
from picogen_cli.commands.convert import convert
from picogen_cli.commands.data import data
from picogen_cli.commands.demo import demo
from picogen_cli.commands.evaluate import evaluate
from picogen_cli.commands.export import export
from picogen_cli.commands.generate import generate
from picogen_cli.commands.plugins import plugins
from picogen_cli.commands.train import RESUME, distill, train

app = typer.Typer(
    name="picogen",
    help="Distil NotaGen into small students, write scores with them, and measure the music.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(data)
app.command()(train)
app.command()(distill)
app.command()(generate)
app.command("eval")(evaluate)
app.command()(convert)
app.command()(compare)
app.command()(export)
app.command()(plugins)
app.command()(demo)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"picogen {__version__}")
        raise typer.Exit()


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. Exit codes: 0 done, 1 a check failed, 2 the user can mend it."""
    # Threads that spin while they wait cost 4 × the time on a machine that others use too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    arguments = _spelt_out(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    debug = "--debug" in arguments  # before the command or after it
    try:
        code = app([word for word in arguments if word != "--debug"], standalone_mode=False)
    except PicogenError as error:
        if debug:
            raise
        sys.exit(_fault(str(error)))
    except TyperException as error:
        sys.exit(_fault(_usage(error)))
    except Stopped as stop:
        code = stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:  # of what no command expects, such as a full disk under stdout
        if debug:
            raise
        where = error.filename or "the output"
        sys.exit(_fault(f"{where}: {error.strerror or error}. --debug says where that was met."))
    if code in (130, 143):
        typer.echo(f"picogen: {'interrupted' if code == 130 else 'terminated'}.", err=True)
    sys.exit(code if isinstance(code, int) else 0)


def _spelt_out(arguments: list[str]) -> list[str]:
    """`train --resume` is `train --resume auto`: typer has no option with a value to leave out."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    found = list(arguments)
    if command not in ("train", "distill"):
        return found
    for i, argument in reversed(list(enumerate(arguments))):
        if argument == "--resume" and arguments[i + 1 : i + 2] not in [[how] for how in RESUME]:
            found.insert(i + 1, "auto")
    return found


def _fault(message: str) -> int:
    typer.echo("picogen: " + " ".join(message.split()), err=True)
    return 2


def _usage(error: TyperException) -> str:
    """What typer says of a wrong command line, and where its help is."""
    text = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "picogen"
    return f"{text.rstrip('.')}. See: {path} --help"


if __name__ == "__main__":
    main()
