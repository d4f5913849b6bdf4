"""The cache of teacher outputs on disk: folder, size, and read-through.

CACHE/teacher/KEY/  cache.json   what KEY stands for; its mtime is the last use
                    characters-*.bin, hidden-*.bin and their .crc   see `records`
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.patches import PATCH_SIZE, VOCABULARY
from picogen_core.data.batches import Batch
from picogen_core.data.crops import Crops
from picogen_core.data.prepared.store import Dataset
from picogen_core.model.student import GenericStudent
from picogen_core.runtime.cache import cache_dir
from picogen_core.runtime.files import write_atomic
from picogen_core.runtime.progress import Reporter
from picogen_core.training.config import TrainConfig
from picogen_core.training.objective import Objective
from picogen_core.training.teacher.outputs import (
    BatchOutputs,
    CropOutputs,
    Format,
    LiveTeacher,
    OutputSource,
    decode,
)
from picogen_core.training.teacher.records import Records

VERSION = 1
LABEL = "cache.json"
SPARE = 1 << 28  # bytes that a cache leaves free on its disk
UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class CachedTeacher:
    """Reads cached outputs; computes and writes missing ones. A full disk only ends writing."""

    def __init__(
        self, live: LiveTeacher, records: Mapping[str, Records], reporter: Reporter
    ) -> None:
        self.live, self.records = live, records  # by their name in `CropOutputs`
        self.reporter, self.writing = reporter, True

    def __call__(self, batch: Batch) -> BatchOutputs:
        items = batch.items.tolist()
        return decode(self.live.format, batch, lambda row: self._answer(batch, row, items[row]))

    def _answer(self, batch: Batch, row: int, item: int) -> CropOutputs:
        kept = {name: records.read(item) for name, records in self.records.items()}
        if all(data is not None for data in kept.values()):
            return CropOutputs(**kept)
        answer = self.live.compute(batch, row)
        if self.writing:
            try:
                for name, records in self.records.items():
                    records.write(item, getattr(answer, name))
            except OSError as error:
                self.writing = False
                self.reporter.message(
                    f"The teacher cache cannot grow ({error.strerror}); "
                    "the teacher computes the rest in every epoch."
                )
        return answer


def open_outputs(
    config: TrainConfig,
    model: GenericStudent,
    teacher_digest: str,
    data: Dataset,
    crops: Crops | None,
    objective: Objective,
    reporter: Reporter,
) -> OutputSource:
    """Return the teacher behind its cache, or without one if it cannot be kept; report which."""
    width = model.config.d_model if objective.wants_hidden else None
    live = LiveTeacher(model, Format(config.cache_top_k, width, objective.wants_logits))
    limit = parse_size(config.cache_limit)
    if crops is None or limit == 0:
        why = "crops are random" if crops is None else "--cache-limit is 0"
        reporter.message(f"No teacher cache, since {why}: the teacher runs in every step.")
        return live
    sizes = cache_sizes(data, crops, live.format)
    needed = sum(int(size.sum()) for size in sizes.values())
    label = {
        "version": VERSION,
        "teacher": teacher_digest,
        "storage": config.teacher_storage,
        "data": data.digest(),
        "codec": f"{PATCH_SIZE} characters of {VOCABULARY} codes",
        "crops": hashlib.sha256(np.stack(list(vars(crops).values())).tobytes()).hexdigest(),
        "top_k": config.cache_top_k,
    }
    root = (config.cache_dir or cache_dir()) / "teacher"
    folder = root / hashlib.sha256(json.dumps(label).encode()).hexdigest()[:24]
    effect = "the teacher runs in every epoch."
    if needed > limit:
        reporter.message(
            f"No teacher cache: it would take {show_size(needed)}, and --cache-limit is "
            f"{show_size(limit)}; {effect}"
        )
        return live
    try:
        root.mkdir(parents=True, exist_ok=True)
        missing = needed - _bytes_of(folder)
        _make_room(root, folder, limit - needed, reporter)
        free = shutil.disk_usage(root).free
        if missing > free - SPARE:
            reporter.message(
                f"No teacher cache: it needs {show_size(missing)} more in {root}, where "
                f"{show_size(free)} are free; {effect} Choose another folder: --set cache_dir=DIR."
            )
            return live
        _claim(folder, label)
        records = {name: Records(folder, name, size) for name, size in sizes.items()}
    except OSError as error:
        reporter.message(f"No teacher cache in {root} ({error.strerror}); {effect}")
        return live
    filled = 1 - max(each.missing() for each in records.values()) / max(1, len(crops))
    reporter.message(
        f"Teacher cache: {show_size(needed)} for {len(crops)} crops, {filled:.0%} filled, {folder}."
    )
    return CachedTeacher(live, records, reporter)


def cache_sizes(data: Dataset, crops: Crops, format: Format) -> dict[str, NDArray[np.int64]]:
    """Return the bytes [K] of each crop's outputs, by kind."""
    sizes = {}
    if format.logits:
        sizes["characters"] = crops.characters(data) * format.character_bytes
    if format.width:
        sizes["hidden"] = (crops.lengths() - 1) * format.hidden_bytes
    return sizes


def parse_size(text: str) -> int:
    """Return `4GB` in bytes; units are powers of 1000."""
    number = text.rstrip("kKMGTB ")
    return int(float(number) * UNITS[text[len(number) :].strip(" B")])


def show_size(count: int) -> str:
    """Return a size like `1.3 GB`."""
    for unit, name in ((10**9, "GB"), (10**6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1000:.0f} kB"


def _claim(folder: Path, label: Mapping[str, Any]) -> None:
    """Label the cache, and mark it as used now."""
    write_atomic(folder / LABEL, (json.dumps(label, indent=1) + "\n").encode())


def _bytes_of(folder: Path) -> int:
    """Return the size of a cache on disk; holes take no space."""
    stats = [file.stat() for file in folder.iterdir()] if folder.is_dir() else []
    return sum(getattr(s, "st_blocks", -(-s.st_size // 512)) * 512 for s in stats)


def _make_room(root: Path, mine: Path, room: int, reporter: Reporter) -> None:
    """Remove the least recently used caches until the others fit into `room` bytes.

    Only files of a cache are removed; a folder that holds other files stays.
    """
    others = [path.parent for path in root.glob(f"*/{LABEL}") if path.parent != mine]
    others.sort(key=lambda folder: (folder / LABEL).stat().st_mtime, reverse=True)
    for folder in others:
        size = _bytes_of(folder)
        room -= size
        if room >= 0:
            continue
        room += size
        for pattern in (LABEL, "*.bin", "*.crc"):
            for file in folder.glob(pattern):
                file.unlink(missing_ok=True)
        with suppress(OSError):  # it holds other files, or another process was faster
            folder.rmdir()
        reporter.message(f"Removed an old teacher cache ({show_size(size)}): {folder}.")
