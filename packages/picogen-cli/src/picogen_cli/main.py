"""The command `picogen`: its commands, and one line with exit code 2 for faults of a user."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from picogen_core import PicogenError, __version__
from picogen_core.errors import ConfigError, Reported, missing_package, reason
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.runtime.behind import end_behind
from picogen_core.runtime.group import find_group
from picogen_core.runtime.signals import Signals, Stopped, catch_signals, nothing_swallowed
from typer.exceptions import TyperException

from picogen_cli.commands.compare import compare
from picogen_cli.commands.convert import convert
from picogen_cli.commands.data import data, info
from picogen_cli.commands.demo import demo
from picogen_cli.commands.evaluate import evaluate
from picogen_cli.commands.export import export
from picogen_cli.commands.generate import generate
from picogen_cli.commands.plugin_check import check
from picogen_cli.commands.plugin_new import new
from picogen_cli.commands.plugins import plugins, show
from picogen_cli.commands.train import RESUME, distill, train
from picogen_cli.help import ENVIRONMENT, EXAMPLES, Command, Group
from picogen_cli.streams import guarded

GOES_ON = {
    "data": "The same command goes on with --resume.",
    "train": "The same command goes on with --resume auto.",
    "distill": "The same command goes on with --resume auto.",
    "generate": "Finished pieces are whole; with --list the same command goes on.",
    "eval": "The same command goes on: measurements are kept.",
    "convert": "Written files are whole; the same command with --force writes all of them.",
    "compare": "The same command goes on: samples and measurements are kept.",
    "export": "No file is half written; begin again with --force.",
    "demo": "Begin again in another folder.",
}
"""The line after a signal."""

SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "PICOGEN"}

app = typer.Typer(
    name="picogen",
    cls=Group,
    help="Distil NotaGen into small students, write scores with them, and measure the music.",
    epilog=ENVIRONMENT,
    context_settings=SETTINGS,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _add(to: typer.Typer, name: str, command: Callable[..., None], address: str = "") -> None:
    """Add a command; its address is how people call it, such as `plugins check`."""
    address = address or name
    settings = {"auto_envvar_prefix": f"PICOGEN_{address}".upper().replace(" ", "_")}
    example = EXAMPLES[address]
    to.command(name, cls=Command, epilog=example, context_settings=settings)(command)


_add(app, "data", data)
_add(app, "data info", info)  # one word of two, so that both have options of their own
COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "distill": distill,
    "generate": generate,
    "eval": evaluate,
    "convert": convert,
    "compare": compare,
    "export": export,
    "demo": demo,
}
for _name, _command in COMMANDS.items():
    _add(app, _name, _command)
_plugins = typer.Typer(
    cls=Group, help="List the installed plugins, show or check one, or begin one of your own."
)
ON_PLUGINS: dict[str, Callable[..., None]] = {
    "list": plugins,
    "show": show,
    "check": check,
    "new": new,
}
for _name, _command in ON_PLUGINS.items():
    _add(_plugins, _name, _command, f"plugins {_name}")
app.add_typer(_plugins, name="plugins")


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
    # Waiting threads that spin cost 4 × the time on a machine that others use too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    arguments = _spelt_out(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    debug = "--debug" in arguments or os.environ.get("PICOGEN_DEBUG", "0") not in ("", "0")
    with guarded():
        with catch_signals() as signals, nothing_swallowed(signals):
            code = _run([word for word in arguments if word != "--debug"], debug, signals)
        if code in (130, 143):
            end_behind()
            if not _process(arguments):
                end = "interrupted" if code == 130 else "terminated"
                command = next((word for word in arguments if word in GOES_ON), "")
                typer.echo(f"picogen: {end}. {GOES_ON.get(command, '')}".rstrip(), err=True)
    sys.exit(code)


def _run(arguments: list[str], debug: bool, signals: Signals) -> int:
    """Run one command. Return its exit code."""
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
        if signals.raised:  # some libraries replace the exception that a signal raises
            return 128 + signals.raised[0]
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            os._exit(1)
        if isinstance(error, TyperException):
            return _fault(_usage(error), error, _process(arguments))
        if isinstance(error, typer.Abort):
            return 130
        if debug:
            raise
        return _fault(_line(error), error, _process(arguments))


def _line(error: BaseException) -> str:
    """Return the message of a fault. One that no user can mend says how to see its place."""
    if isinstance(error, PicogenError):
        return str(error)
    if missing := missing_package(error):
        return f"{missing}."
    if isinstance(error, OSError):  # such as a full disk under stdout
        where = error.filename or "the output"
        return f"{where}: {error.strerror or error}. --debug shows where."
    return f"unexpected {reason(error)}. --debug shows where."


def _spelt_out(arguments: list[str]) -> list[str]:
    """Return the command line in full.

    `train --resume` is `train --resume auto`, since typer has no option with an optional value.
    `plugins [KIND [NAME]]` is `plugins list …`. `data info` is one command, except where
    --output-dir makes `info` a source.
    """
    command = next((word for word in arguments if not word.startswith("-")), "")
    found = list(arguments)
    if command == "data":
        place = found.index("data") + 1
        written = any(word.partition("=")[0] in ("--output-dir", "-o") for word in found)
        if found[place : place + 1] == ["info"] and not written:
            found[place - 1 : place + 1] = ["data info"]
        return found
    if command == "plugins":
        place = found.index("plugins") + 1
        words = [word for word in found[place:] if not word.startswith("-")]
        wants_help = not words and {"--help", "-h"} & set(found[place:])
        if not wants_help and words[:1] not in [[one] for one in ON_PLUGINS]:
            found.insert(place, "list")
        return found
    if command not in ("train", "distill"):
        return found
    for i, argument in reversed(list(enumerate(arguments))):
        if argument == "--resume" and arguments[i + 1 : i + 2] not in [[how] for how in RESUME]:
            found.insert(i + 1, "auto")
    return found


def _fault(message: str, error: BaseException, who: str = "") -> int:
    """Print the message. Of several processes the first prints what all of them find."""
    if not (who and isinstance(error, TyperException | ConfigError | Reported)):
        typer.echo(f"picogen: {who}" + " ".join(message.split()), err=True)
    return 2


def _process(arguments: list[str]) -> str:
    """Return `process 1 of 2: ` if this is not the first process of a training; else nothing."""
    if not {"train", "distill"} & set(arguments[:2]):
        return ""
    try:
        group = find_group()
    except ConfigError:
        return ""
    return f"{group}: " if group and group.rank else ""


def _usage(error: TyperException) -> str:
    """Return typer's message about a wrong command line, and where its help is."""
    text = getattr(error, "format_message", lambda: str(error))().replace("Value error, ", "")
    choice = re.search(r"for '([^']*)': '([^']*)' is not one of (.+)", text)
    if choice:
        known = re.findall(r"'([^']*)'", choice[3])
        hint = did_you_mean(choice[2], known)
        return f"{choice[1]} {choice[2]}: no such choice.{hint} Known: {', '.join(known)}."
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "picogen"
    return f"{text.rstrip('.')}. See: {path} --help"


if __name__ == "__main__":
    main()
