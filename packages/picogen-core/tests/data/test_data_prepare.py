"""Preparation: keys, processes, interruptions."""

import multiprocessing
import os
import re
import shutil
import signal
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from picogen_core import BadInput, ConfigError
from picogen_core.abc.counters import strip_counters
from picogen_core.abc.patches import decode
from picogen_core.abc.pitch.transpose import KEYS
from picogen_core.data import FORMAT
from picogen_core.data.chunks import Settings, cut_chunks, make_chunks
from picogen_core.data.corpora import corpus_files, read_corpus
from picogen_core.data.piece import Task
from picogen_core.data.prepare import prepare, prepare_shard
from picogen_core.data.prepared.index import open_data
from picogen_core.data.prepared.info import describe
from picogen_core.data.types import SourcePiece
from picogen_core.runtime.shards import Shard
from picogen_core.score.files.reader import FileReader

FILES = ("digests.json", "index.jsonl", "notes.npy", "note_offsets.npy", "patches.npy",
         "patch_offsets.npy", "report.json")  # fmt: skip


def tunes(count: int) -> list[SourcePiece]:
    """Real tunes: the first of Aird's."""
    pieces = []
    for piece in read_corpus("airds"):
        pieces.append(piece)
        if len(pieces) == count:
            break
    return pieces


def contents(folder: Path) -> dict[str, bytes]:
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    return {name: (folder / name).read_bytes() for name in FILES}


def test_all_keys_share_cluster_and_split(tmp_path: Path):
    prepared = prepare(tunes(12), tmp_path, keys="all", eval_ratio=0.3)
    rows = prepared.dataset.rows
    assert len(rows) == 12 * 15 and prepared.report["pieces"] == 12
    assert prepared.report["format"] == FORMAT
    by_piece = defaultdict(list)
    for row in rows:
        by_piece[row["path"]].append(row)
    for versions in by_piece.values():
        assert [row["original"] for row in versions] == [True] + [False] * 14
        assert versions[0]["semitones"] == 0
        assert len({(row["cluster"], row["split"]) for row in versions}) == 1
        assert len({row["key"] for row in versions}) == 15
    assert prepared.report["splits"] == {"train": 8, "eval": 4}
    text = strip_counters(decode(prepared.dataset[4].patches))
    assert re.search(r"^K:(.*)$", text, re.M).group(1) == rows[4]["key"]


def test_a_number_of_keys_is_drawn_for_each_piece(tmp_path: Path):
    rows = prepare(tunes(12), tmp_path / "a", keys="3").dataset.rows
    assert Counter(row["path"] for row in rows).most_common()[-1][1] == 3
    again = prepare(tunes(12), tmp_path / "b", keys="3").dataset.rows
    other = prepare(tunes(12), tmp_path / "c", keys="3", seed=1).dataset.rows
    assert [row["key"] for row in rows] == [row["key"] for row in again]
    assert [row["key"] for row in rows] != [row["key"] for row in other]


@pytest.mark.parametrize("keys", ["", "none", "0", "16", "-1", "C"])
def test_keys_that_make_no_sense_are_refused(tmp_path: Path, keys):
    with pytest.raises(ConfigError, match=r"--keys .*a number from 1 to 15"):
        prepare(tunes(1), tmp_path, keys=keys)


def test_keys_that_fail_are_counted(tmp_path: Path):
    bad = SourcePiece("bad", "X:1\nL:1/4\nK:C\n^^c'CDE|FGAB|cdef|\n", "", "")
    report = prepare([bad], tmp_path, keys="all").report
    assert report["keys_left_out"] == {"a note would need three sharps or flats": 2}
    assert report["rows"] == len(KEYS) - 2


def test_two_workers_give_what_one_gives(tmp_path: Path):
    pieces = tunes(150)
    prepare(pieces, tmp_path / "one", keys="2")
    prepare(pieces, tmp_path / "two", keys="2", jobs=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_shards_and_their_merge_give_what_one_process_gives(tmp_path: Path):
    pieces = tunes(300)
    prepare(pieces, tmp_path / "one", keys="2")
    made = [
        prepare_shard(pieces, tmp_path / "many", Shard(i, 3), keys="2", jobs=i % 2 + 1)
        for i in (3, 1, 2)
    ]
    assert sorted(made) == [64, 108, 128]
    prepare(pieces, tmp_path / "many", keys="2", merge=True)
    assert contents(tmp_path / "one") == contents(tmp_path / "many")


def test_a_merge_names_what_no_shard_has_made(tmp_path: Path):
    pieces = tunes(100)
    prepare_shard(pieces, tmp_path, Shard(2, 2))
    (there,) = (tmp_path / "parts").iterdir()
    assert there.name.startswith("000001-")
    with pytest.raises(BadInput, match=r"000000-\w+\.npz is missing: a shard is not done"):
        prepare(pieces, tmp_path, merge=True)
    assert there.is_file() and not (tmp_path / "index.jsonl").exists()
    time = there.stat().st_mtime_ns
    prepare_shard(pieces, tmp_path, Shard(2, 2))
    assert there.stat().st_mtime_ns == time
    prepare_shard(pieces, tmp_path, Shard(1, 2))
    assert len(prepare(pieces, tmp_path, merge=True).dataset) == 100


def test_workers_are_processes_of_their_own(tmp_path: Path):
    settings = Settings("original", 0)
    tasks = [Task(piece, "") for piece in tunes(128)]
    before = {child.pid for child in multiprocessing.active_children()}
    at_work = set()
    for chunk in make_chunks(cut_chunks(tasks, settings, tmp_path), 2):
        at_work |= {child.pid for child in multiprocessing.active_children()} - before
        assert chunk.path.is_file()
    assert len(at_work) == 2 and os.getpid() not in at_work


def killed_after_two_parts(folder: str) -> None:
    """Prepares until two parts lie there, then dies without a word."""

    def dying() -> object:
        for number, piece in enumerate(tunes(200)):
            if number == 140:
                os.kill(os.getpid(), signal.SIGKILL)
            yield piece

    prepare(dying(), Path(folder), keys="2")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_preparation_goes_on_with_nothing_lost(tmp_path: Path, jobs, monkeypatch):
    process = multiprocessing.get_context("fork").Process(
        target=killed_after_two_parts, args=(str(tmp_path / "killed"),)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    parts = sorted((tmp_path / "killed" / "parts").glob("*.npz"))
    assert len(parts) == 2 and not (tmp_path / "killed" / "index.jsonl").exists()
    times = [path.stat().st_mtime_ns for path in parts]
    seen = []
    rmtree = "picogen_core.data.prepare.shutil.rmtree"

    remove = shutil.rmtree

    def look(path, **options):
        if path.name == "parts":
            seen.extend(p.stat().st_mtime_ns for p in parts)
        else:
            remove(path, **options)

    monkeypatch.setattr(rmtree, look)
    prepare(tunes(200), tmp_path / "killed", keys="2", jobs=jobs)
    assert seen == times  # they were not made again
    monkeypatch.undo()
    prepare(tunes(200), tmp_path / "killed", keys="2", jobs=jobs)
    prepare(tunes(200), tmp_path / "whole", keys="2")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_parts_of_other_settings_are_not_taken(tmp_path: Path):
    tasks = [Task(piece, "") for piece in tunes(2)]
    names = {
        chunk.path.name
        for settings in (Settings("original", 0), Settings("all", 0), Settings("original", 1))
        for chunk in cut_chunks(tasks, settings, tmp_path)
    }
    tagged = [Task(piece, "%a\n") for piece in tunes(2)]
    names |= {chunk.path.name for chunk in cut_chunks(tagged, Settings("original", 0), tmp_path)}
    assert len(names) == 4


def test_pieces_of_the_same_name_stay_apart(tmp_path: Path):
    first, second, third = tunes(3)
    alike = [SourcePiece("movement1", p.abc, "", "") for p in (first, second, third)]
    rows = prepare(alike, tmp_path).dataset.rows
    assert [row["path"] for row in rows] == ["movement1", "movement1~2", "movement1~3"]


def test_scores_are_read_in_the_workers_and_faults_cost_one_piece(tmp_path: Path, monkeypatch):
    _, files = corpus_files("bach")
    bad = tmp_path / "bad.xml"
    bad.write_text("<score")
    pieces = [
        SourcePiece("bad", "", "", "", bad),
        *(SourcePiece(name, "", "", "", file) for name, file in files[:2]),
    ]
    report = prepare(pieces, tmp_path / "data", jobs=2).report
    assert report["pieces"] == 2
    assert "not well-formed XML" in report["rejected"][0]["reason"]

    def fault(self: FileReader, path: Path) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(FileReader, "read", fault)
    report = prepare([*pieces, *tunes(1)], tmp_path / "more").report
    assert report["pieces"] == 1
    assert {r["reason"] for r in report["rejected"]} == {"ZeroDivisionError: a fault of ours"}


def test_info_counts_pieces_and_rows(tmp_path: Path):
    prepare(tunes(10), tmp_path, keys="2", eval_ratio=0.2)
    facts = describe(open_data(tmp_path))
    assert facts["pieces"] == 10 and facts["rows"] == 20 and facts["voices"] == {"1": 10}
    assert sum(facts["keys"].values()) == 20 and sum(facts["meters"].values()) == 10
    assert facts["splits"] == {"train": 8, "eval": 2}
    lengths = facts["lengths"]
    assert lengths["shortest"] <= lengths["median"] <= lengths["95th percentile"]
    assert sum(facts["licences"].values()) == 10


HEAD = "X:1\nL:1/8\nM:4/4\nK:C\n"


@pytest.mark.parametrize(
    ("tune", "reason"),
    [
        (HEAD + "Z99999999|abcdefgab|", "'Z99999999' rests over 999 bars"),
        (HEAD + "Z999|\n" * 21 + "abcdefgab|", "a voice has more than 20,000 bars"),
        (HEAD + "[" + "ceg" * 17_000 + "]4|abcdefgab|", "a line has 51,014 characters"),
        (HEAD + "[" * 30_000 + "abc" + "]" * 30_000 + "|", "a line has 60,004 characters"),
        (HEAD + "abcd|" * 20_000, "a line has 100,000 characters"),
        (HEAD + "abc\n" * 1_000_001, "it has 4,000,024 characters"),
        (HEAD, "the tune has no note"),
        ("X:1\nT:no key\n", "it has no K: line, so no body"),
        (HEAD + "abcd[efg|\n" + "\\\n{", "only 7 notes"),
    ],
)
def test_hostile_tunes_are_refused_and_the_others_go_on(tmp_path: Path, tune, reason):
    report = prepare([SourcePiece("bad", tune, "", ""), *tunes(1)], tmp_path).report
    assert report["pieces"] == 1
    assert report["rejected"][0]["reason"].startswith(reason)


def test_no_file_that_a_tune_names_is_read(tmp_path: Path):
    secret = tmp_path / "secret.abc"
    secret.write_text("ABABABABAB|\n")
    tune = f"%%abc-include {secret}\nX:1\nI:abc-include {secret}\nL:1/8\nK:C\n" + "cdefgabc|" * 2
    data = prepare([SourcePiece("a", tune, "", "")], tmp_path / "data").dataset
    assert "ABAB" not in decode(data[0].patches) and data.rows[0]["notes"] == 16
