"""Errors that a user can fix. The message is one line: what, where, what to do next."""


class PicogenError(Exception):
    """Base of every fault that the command line reports as one line and exit code 2."""


class BadInput(PicogenError):
    """A file, folder or text that cannot be used."""


class BadCheckpoint(PicogenError):
    """A weights file that is not what it is taken for."""


class ConfigError(PicogenError):
    """An option that does not exist or does not fit."""


class UnknownName(PicogenError):
    """A backbone, head, loss, metric or source that nobody registered."""


class PluginError(PicogenError):
    """A plugin that breaks the contract."""


class PassingFault(PicogenError):
    """A fault of the machine, such as a process that was killed. The input may be good, so that
    nothing may be cached of it."""


class Reported(PicogenError):
    """A fault that process 0 of a run reports; this process only ends."""


class Undefined(Exception):
    """A metric has no value for this piece, for the reason in the message; it is counted."""


EXTRAS = {
    "accelerate": "train", "huggingface_hub": "train", "jaxtyping": "train", "torch": "train",
    "transformers": "train", "music21": "read",
}  # fmt: skip
"""Packages that arrive with an extra of picogen-cli."""


def missing_package(error: BaseException | None) -> str | None:
    """Return the pip command for a package of `EXTRAS` that an import did not find; else None."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    package = (name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return f'{package} is not installed: pip install "picogen-cli[{EXTRAS[package]}]"'


def reason(error: BaseException) -> str:
    """One line of at most 300 characters: the message, and the class of an unexpected error."""
    text = " ".join(str(error).split())
    if isinstance(error, PicogenError | Undefined):
        return text[:300]
    if missing := missing_package(error):
        return missing
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    if isinstance(error, ValueError) and "int_max_str_digits" in text:
        return "a number has too many digits"
    name = type(error).__name__
    return f"{name}: {text}"[:300] if text else name
