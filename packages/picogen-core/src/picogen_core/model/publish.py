"""A student on the Hugging Face hub: its card from the manifest, its weights and configuration."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from picogen_core.errors import BadCheckpoint, BadInput, ConfigError
from picogen_core.model.config import CONFIG, MANIFEST, WEIGHTS, ModelConfig
from picogen_core.model.files.folder import read_shapes
from picogen_core.model.files.hub import hub_faults
from picogen_core.model.locate import FolderCheckpoint
from picogen_core.runtime.files import written_aside
from picogen_core.runtime.reading import read_json

CARD = "README.md"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_LICENCE = re.compile(r"[A-Za-z0-9.+-]{1,40}")


def check_repo(repo: str) -> None:
    """Raise `ConfigError` unless it is `OWNER/NAME`."""
    if not _REPO.fullmatch(repo) or "--" in repo or ".." in repo:
        raise ConfigError(f"--repo {repo}: write it as OWNER/NAME, in letters, digits, - _ and .")


def read_metrics(file: Path) -> Mapping[str, Any]:
    """Return the metrics in what `picogen eval --json` printed.

    Raises:
        BadInput: the file is something else.
    """
    try:
        metrics = read_json(file)["metrics"]
        for metric in metrics.values():
            for value in metric["values"].values():
                _interval(value)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BadInput(f"{file}: not what picogen eval --json prints.") from None
    found: Mapping[str, Any] = metrics
    return found


def write_folder(
    checkpoint: FolderCheckpoint,
    folder: Path,
    repo: str = "OWNER/NAME",
    licence: str = "other",
    metrics: Mapping[str, Any] | None = None,
) -> tuple[str, ...]:
    """Write card, weights, configuration and manifest; return their names.

    Raises:
        BadCheckpoint: the checkpoint is damaged.
        BadInput: the folder cannot be written to.
    """
    if not _LICENCE.fullmatch(licence):
        raise ConfigError(f"--licence {licence}: give an SPDX name, such as MIT or CC-BY-4.0.")
    read_shapes(checkpoint.file)
    text = card(checkpoint, repo, licence, metrics or {})
    with written_aside(folder) as aside:
        for name in (WEIGHTS, CONFIG, MANIFEST):
            if (checkpoint.folder / name).is_file():
                shutil.copyfile(checkpoint.folder / name, aside / name)
        (aside / CARD).write_bytes(text.encode())
        return tuple(sorted(file.name for file in aside.iterdir()))


def upload(
    folder: Path,
    repo: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    branch: str | None = None,
    message: str = "Upload with PiCo-Gen",
) -> str:
    """Make the repository if it is not there and upload the folder; return the commit's URL.

    Raises:
        BadCheckpoint: no login, no network, or the hub refuses it.
    """
    check_repo(repo)
    name = f"hf:{repo}"
    with hub_faults(name, repo, CARD, branch):
        from huggingface_hub import HfApi
        from huggingface_hub.errors import RepositoryNotFoundError

        api = HfApi(token=token)
        try:
            api.create_repo(repo, private=private, exist_ok=True)
        except RepositoryNotFoundError:  # how a request without a login is answered
            raise BadCheckpoint(
                f"{name}: you are not logged in, or may not make it. Run: hf auth login"
            ) from None
        if branch:
            api.create_branch(repo, branch=branch, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo, folder_path=folder, revision=branch, commit_message=message
        )
        return str(done.commit_url)
    raise AssertionError("unreachable")


def card(checkpoint: FolderCheckpoint, repo: str, licence: str, metrics: Mapping[str, Any]) -> str:
    """Return the model card: what the manifest has on model, data, teacher and training."""
    manifest, run = checkpoint.manifest(), _run_manifest(checkpoint)
    meta: dict[str, Any] = {
        "license": licence.lower(),
        "library_name": "picogen",
        "tags": ["music", "abc-notation", "symbolic-music", checkpoint.config.backbone],
    }
    if base := [name for name in map(_hub_name, _ancestors(manifest)) if name]:
        meta["base_model"] = base
    rows = [*_model_rows(checkpoint.config, manifest), *_training_rows(manifest, run)]
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in meta.items()), "---", ""]
    lines += [
        f"# {repo.partition('/')[2]}",
        "",
        "A student of PiCo-Gen, which writes sheet music.",
        "",
    ]
    lines += ["| | |", "|---|---|", *(f"| {_cell(a)} | {_cell(b)} |" for a, b in rows)]
    lines += [f"| licence | {licence} |", ""]
    if metrics:
        lines += ["## Its music", "", "| metric | value [95 %] | n |", "|---|---|---|"]
        for metric in metrics.values():
            lines += [
                f"| `{_cell(name)}` | {_interval(value)} {_cell(value.get('unit') or '')} "
                f"| {value.get('n', '')} |"
                for name, value in metric["values"].items()
                if not value.get("detail")
            ]
        lines.append("")
    lines += ["## Use", "", "```sh", f"picogen generate --weights-path hf:{repo}", "```", ""]
    lines += ["```python", "from picogen_core.model.student import GenericStudent", ""]
    lines += [f'student = GenericStudent.from_pretrained("{repo}")', "```", ""]
    return "\n".join(lines)


def _model_rows(config: ModelConfig, manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    size = manifest.get("parameters")
    parts = f"backbone `{config.backbone}`, head `{config.head}`, width {config.d_model}"
    return [
        ("parameters", f"{size:,}" if isinstance(size, int) else "not recorded"),
        ("model", f"{parts}, {config.max_patches} patches"),
    ]


def _training_rows(manifest: Mapping[str, Any], run: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for title, key in (("data", "data"), ("held-out data", "eval_data")):
        source = manifest.get(key)
        if isinstance(source, Mapping):
            licences = ", ".join(map(str, source.get("licences") or ()))
            of = f"; licences: {licences}" if licences else ""
            digest = str(source.get("sha256"))[:16]
            name = Path(str(source.get("path"))).name
            rows.append((title, f"{name}, {source.get('pieces')} pieces (sha256 {digest}…){of}"))
    for title, key in (("base model", "init"), ("teacher", "teacher")):
        source = manifest.get(key)
        if isinstance(source, Mapping) and source.get("path"):
            digest = str(source.get("sha256"))[:16]
            rows.append((title, f"{_shown(str(source['path']))} (sha256 {digest}…)"))
    progress = manifest.get("progress")
    if isinstance(progress, Mapping):
        steps, characters = progress.get("step"), progress.get("characters")
        rows.append(
            ("training", f"{steps} steps, {characters} characters, seed {manifest.get('seed')}")
        )
    bits = run.get("bits_per_character")
    if isinstance(bits, Mapping):
        rows.append(("held-out bits per character", f"{_interval(bits)}, n = {bits.get('n')}"))
    return rows


def _run_manifest(checkpoint: FolderCheckpoint) -> Mapping[str, Any]:
    """Return the result in the manifest of the run that the checkpoint is of."""
    for folder in (checkpoint.folder, checkpoint.folder.parent):
        try:
            result = read_json(folder / MANIFEST)["result"]
            return result if isinstance(result, Mapping) else {}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return {}


def _ancestors(manifest: Mapping[str, Any]) -> list[str]:
    found = [manifest.get(key) for key in ("init", "teacher")]
    return [str(one.get("path")) for one in found if isinstance(one, Mapping)]


def _hub_name(path: str) -> str | None:
    """Return OWNER/NAME of an `hf:` path."""
    found = re.fullmatch(r"hf:([^/@]+/[^/@]+).*", path)
    return found[1] if found else None


def _shown(path: str) -> str:
    """Return a hub name as it is, and of another path the name alone."""
    return path if path.startswith("hf:") else Path(path).name


def _interval(value: Mapping[str, Any]) -> str:
    if value["value"] is None:
        return "undefined"
    shown = f"{float(value['value']):.3f}"
    low, high = value.get("low"), value.get("high")
    return (
        shown if low is None or high is None else f"{shown} [{float(low):.3f}, {float(high):.3f}]"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
