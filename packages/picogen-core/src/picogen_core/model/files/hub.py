"""Checkpoints by name: those of plugins (`tunes`), and those of the Hugging Face hub,
`hf:OWNER/REPO[@revision]` (a run or checkpoint) and `hf:OWNER/REPO/path/in/repo[@revision]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from picogen_core.errors import BadCheckpoint, reason
from picogen_core.model.config import CONFIG, MANIFEST, WEIGHTS
from picogen_core.plugins.registry import registry

_NAME = re.compile(r"hf:(?P<repo>[^/@]+/[^/@]+)(?:/(?P<file>[^@]+?))?(?:@(?P<revision>[^@]+))?")
_FOLDERS = ("", "best/", "last/")
PLACES = ("", "best", "last", "best.before", "last.before")
"""Where a run or checkpoint has its weights, the first that is there."""
MOST = {CONFIG: 1 << 20, MANIFEST: 64_000_000, WEIGHTS: 64 << 30}
"""Files that are fetched of a repository, with the most bytes of each."""


def local_path(path: Path | str) -> Path:
    """Return the local path of a checkpoint.

    It is a file or a folder with a checkpoint, a plugin's folder of weights with this name, or the
    file or folder of an `hf:` name, fetched if needed. Any other path is returned unchanged. A file
    is fetched once and then read from the hub's cache, without a check for newer versions.
    `HF_HOME` sets the folder of that cache; `HF_HUB_OFFLINE=1` forbids downloads.

    Raises:
        BadCheckpoint: there is no such file, access is denied, or it cannot be fetched.
    """
    name = Path(path).as_posix()
    if not name.startswith("hf:"):
        shipped = None if _is_checkpoint(Path(path)) else registry().weights().get(name)
        return shipped.folder if shipped else Path(path)
    found = _NAME.fullmatch(name)
    if not found:
        raise BadCheckpoint(
            f"{name}: write it as hf:OWNER/REPO, hf:OWNER/REPO/FILE, or either with @REVISION."
        )
    repo, file, revision = found["repo"], found["file"], found["revision"]
    with hub_faults(name, repo, file or WEIGHTS, revision):
        return _fetch(repo, file, revision) if file else _fetch_folder(name, repo, revision)
    raise AssertionError("unreachable")


def _is_checkpoint(path: Path) -> bool:
    """Whether the path is a file, or a run or checkpoint folder; music may lie in `tunes/`."""
    return path.is_file() or any((path / folder / CONFIG).is_file() for folder in PLACES)


def _fetch(repo: str, file: str, revision: str | None) -> Path:
    from huggingface_hub import errors, hf_hub_download

    try:
        return Path(hf_hub_download(repo, file, revision=revision, local_files_only=True))
    except errors.LocalEntryNotFoundError:
        return Path(hf_hub_download(repo, file, revision=revision))


def _fetch_folder(name: str, repo: str, revision: str | None) -> Path:
    """Return the folder of weights, configuration and manifest; no other file is fetched."""
    from huggingface_hub import HfApi, constants, errors, hf_hub_download

    for folder in _FOLDERS:
        try:
            for file in (CONFIG, WEIGHTS):
                there = hf_hub_download(
                    repo, folder + file, revision=revision, local_files_only=True
                )
            return Path(there).parent
        except errors.LocalEntryNotFoundError:
            continue
    if constants.HF_HUB_OFFLINE:
        raise errors.OfflineModeIsEnabled
    info = HfApi().model_info(repo, revision=revision, files_metadata=True)
    sizes = {one.rfilename: one.size for one in info.siblings or ()}
    for folder in _FOLDERS:
        if {folder + CONFIG, folder + WEIGHTS} <= sizes.keys():
            break
    else:
        raise BadCheckpoint(
            f"{name}: no {WEIGHTS} with a {CONFIG} in it, so no student of PiCo-Gen. For a file of "
            f"it, add its path: hf:{repo}/FILE."
        )
    for file, most in MOST.items():
        size = sizes.get(folder + file)
        if folder + file in sizes and (size is None or size > most):
            raise BadCheckpoint(f"{name}: {folder + file} has {size} bytes; at most {most:,}.")
    at = Path(hf_hub_download(repo, folder + CONFIG, revision=revision))
    commit = at.parents[folder.count("/")].name  # all files are of one commit
    for file in (MANIFEST, WEIGHTS):  # the weights last, as the mark of a whole folder
        if folder + file in sizes:
            hf_hub_download(repo, folder + file, revision=commit)
    return at.parent


@contextmanager
def hub_faults(name: str, repo: str, file: str, revision: str | None = None) -> Iterator[None]:
    """Context that raises `BadCheckpoint`, one line with a way on, for what the hub refuses."""
    try:
        from huggingface_hub import constants, errors
    except ImportError:
        raise BadCheckpoint(
            f"{name}: huggingface_hub is not installed. Run: pip install huggingface_hub"
        ) from None
    try:
        yield
        return
    except errors.GatedRepoError:
        why = (
            f"the owner of {repo} has to grant access. Request it on the repository's page, "
            "then run: hf auth login"
        )
    except errors.RepositoryNotFoundError:
        why = (
            f"the hub has no repository {repo}, or it is private. Check the name, or: hf auth login"
        )
    except errors.RevisionNotFoundError:
        why = f"{repo} has no revision {revision}. Leave @{revision} out for the newest."
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, ConnectionError):
        at = f" --revision {revision}" if revision else ""
        state = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
        why = (
            f"not in {constants.HF_HUB_CACHE}, and {state}. On a machine with network, run "
            f"hf download {repo} {file}{at}; copy the file here and give its path instead."
        )
    except errors.EntryNotFoundError:
        why = f"{repo} has no file {file}. The repository's page lists its files."
    except errors.HFValidationError as error:
        why = f"no name of a repository ({reason(error)})."
    except errors.LocalTokenNotFoundError:
        why = "you are not logged in. Run hf auth login, or set HF_TOKEN."
    except errors.HfHubHTTPError as error:
        why = _refused(error, repo)
    except Exception as error:
        if _is_net(error):
            why = (
                f"the hub cannot be reached ({reason(error)[:200]}). Check network and HF_ENDPOINT."
            )
        elif isinstance(error, OSError):
            why = f"cannot be fetched ({reason(error)[:200]})."
        else:
            raise
    raise BadCheckpoint(f"{name}: {why}")


def _refused(error: Any, repo: str) -> str:
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status == 401:
        return "you are not logged in, or the token is not valid. Run: hf auth login"
    if status == 403:
        return f"you may not write to {repo}. Check the owner, or the rights of your token."
    return f"cannot be fetched ({reason(error)[:200]})."


def _is_net(error: BaseException) -> bool:
    """Return whether the hub's HTTP library, or an upload with it, failed on the way."""
    from huggingface_hub.errors import HfHubHTTPError

    libraries = {base.__module__.partition(".")[0] for base in HfHubHTTPError.__mro__}
    libraries -= {"builtins", "huggingface_hub"}
    found = (error, error.__cause__)
    return any(type(one).__module__.partition(".")[0] in libraries for one in found)
