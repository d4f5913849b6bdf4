"""Checkpoints by name: those of plugins (`tunes`), and those of the Hugging Face hub,
`hf:OWNER/REPO/path/in/repo[@revision]`."""

from __future__ import annotations

import re
from pathlib import Path

from picogen_core.errors import BadCheckpoint
from picogen_core.plugins.registry import registry

_NAME = re.compile(r"hf:(?P<repo>[^/@]+/[^/@]+)/(?P<file>[^@]+?)(?:@(?P<revision>[^@]+))?")


def local_path(path: Path | str) -> Path:
    """Return the local path of a checkpoint.

    It is a path that exists, a plugin's folder of weights with this name, or the file of an `hf:`
    name, fetched if needed. Any other path is returned unchanged. A file is fetched once and then
    read from the hub's cache, without a check for newer versions. `HF_HOME` sets the folder of that
    cache; `HF_HUB_OFFLINE=1` forbids downloads.

    Raises:
        BadCheckpoint: there is no such file, access is denied, or it cannot be fetched.
    """
    name = Path(path).as_posix()
    if not name.startswith("hf:"):
        shipped = None if Path(path).exists() else registry().weights().get(name)
        return shipped.folder if shipped else Path(path)
    found = _NAME.fullmatch(name)
    if not found:
        raise BadCheckpoint(
            f"{name}: write it as hf:OWNER/REPO/FILE, or hf:OWNER/REPO/FILE@REVISION."
        )
    return _fetch(name, **found.groupdict())


def _fetch(name: str, repo: str, file: str, revision: str | None) -> Path:
    try:
        from huggingface_hub import constants, errors, hf_hub_download
    except ImportError:
        raise BadCheckpoint(
            f"{name}: huggingface_hub is not installed. Run: pip install huggingface_hub"
        ) from None

    try:
        try:
            there = hf_hub_download(repo, file, revision=revision, local_files_only=True)
        except errors.LocalEntryNotFoundError:
            there = hf_hub_download(repo, file, revision=revision)
        return Path(there)
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
    except (errors.HFValidationError, errors.HfHubHTTPError, OSError) as error:
        why = f"cannot be fetched ({' '.join(str(error).split())[:200]})."
    raise BadCheckpoint(f"{name}: {why}")
