"""The command `picogen`: its commands, and one line with exit code 2 for what a user can mend."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from picogen_core import PicogenError, __version__
from picogen_core.errors import missing_package, reason
from picogen_core.runtime.signals import Signals, Stopped, catch_signals, nothing_swallowed
from typer.exceptions import TyperException

from picogen_cli.commands.compare import compare
from picogen_cli.commands.convert import convert
from picogen_cli.commands.data import data
from picogen_cli.commands.demo import demo
from picogen_cli.commands.evaluate import evaluate
from picogen_cli.commands.export import export
from picogen_cli.commands.generate import generate
from picogen_cli.commands.plugin_check import check
from picogen_cli.commands.plugin_new import new
from picogen_cli.commands.plugins import plugins, show
from picogen_cli.commands.train import RESUME, distill, train

GOES_ON = {
    "data": "The same command goes on with --resume.",
    "train": "The same command goes on with --resume auto.",
    "distill": "The same command goes on with --resume auto.",
    "generate": "What is finished is whole; with --jobs the same command goes on.",
    "eval": "The same command goes on: what was measured is kept.",
    "convert": "What is written is whole; the same command with --force writes all of it.",
    "compare": "The same command goes on: samples and measurements are kept.",
    "export": "Nothing half written is left; begin again with --force.",
    "demo": "Begin again in another folder.",
}
"""What to do after a signal."""

PLUGINS = ("list", "show", "check", "new")
"""What `picogen plugins` does; `list` where nothing else is named."""

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
_plugins = typer.Typer(
    help="List the installed plugins, show or check one, or begin one of your own."
)
_plugins.command("list")(plugins)
_plugins.command()(show)
_plugins.command()(check)
_plugins.command()(new)
app.add_typer(_plugins, name="plugins")
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
    with catch_signals() as signals, nothing_swallowed(signals):
        code = _run([word for word in arguments if word != "--debug"], debug, signals)
    if code in (130, 143):
        said = "interrupted" if code == 130 else "terminated"
        command = next((word for word in arguments if word in GOES_ON), "")
        typer.echo(f"picogen: {said}. {GOES_ON.get(command, '')}".rstrip(), err=True)
    sys.exit(code)


def _run(arguments: list[str], debug: bool, signals: Signals) -> int:
    """One command; its exit code."""
    try:
        code = app(arguments, standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except Stopped as stop:
        return stop.exit_code
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        if signals.raised:  # some libraries make other errors of what a signal raises
            return 128 + signals.raised[0]
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            os._exit(1)
        if isinstance(error, TyperException):
            return _fault(_usage(error))
        if isinstance(error, typer.Abort):
            return 130
        if debug:
            raise
        return _fault(_told(error))


def _told(error: BaseException) -> str:
    """A fault that a user can mend as it is, any other with a way to see where it was met."""
    if isinstance(error, PicogenError):
        return str(error)
    if missing := missing_package(error):
        return f"{missing}."
    if isinstance(error, OSError):  # such as a full disk under stdout
        where = error.filename or "the output"
        return f"{where}: {error.strerror or error}. --debug shows where that was met."
    return f"unexpected {reason(error)}. --debug shows where that was met."


def _spelt_out(arguments: list[str]) -> list[str]:
    """`train --resume` is `train --resume auto`: typer has no option with a value to leave out.
    `plugins [KIND [NAME]]` is `plugins list …`."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    found = list(arguments)
    if command == "plugins":
        place = found.index("plugins") + 1
        words = [word for word in found[place:] if not word.startswith("-")]
        asked_for_help = not words and "--help" in found[place:]
        if not asked_for_help and words[:1] not in [[one] for one in PLUGINS]:
            found.insert(place, "list")
        return found
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
