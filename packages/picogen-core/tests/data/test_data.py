import json
from pathlib import Path

import numpy as np
import pytest
from picogen_core import BadInput
from picogen_core.abc.counters import strip_counters
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.patches import decode, line_starts
from picogen_core.data.batches import (
    Batch,
    Sampling,
    collate,
    eval_batches,
    train_steps,
)
from picogen_core.data.clusters import cluster, shingles, split_clusters
from picogen_core.data.crops import crop, fixed_crops
from picogen_core.data.prepare import prepare
from picogen_core.data.prepared.index import open_all, open_data, shared_pieces
from picogen_core.data.prepared.store import Dataset, characters_before, encode_piece
from picogen_core.data.types import SourcePiece

SCALE = "CDEFGABcdefg"


def tune(seed: int, bars: int = 12, key: str = "C") -> str:
    rng = np.random.default_rng(seed)
    body = "|".join("".join(rng.choice(list(SCALE), 4)) for _ in range(bars))
    return f"X:{seed}\nT:{seed}\nM:4/4\nL:1/4\nK:{key}\n{body}|]\n"


def pieces(count: int) -> list[SourcePiece]:
    return [SourcePiece(f"t{i}", tune(i), "made up", "CC0") for i in range(count)]


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    prepare(pieces(20), tmp_path / "data", eval_ratio=0.2)
    return tmp_path / "data"


def test_prepare_keeps_text_notes_and_provenance(prepared: Path):
    data = open_data(prepared)
    assert len(data) == 20
    assert data.rows[3]["provenance"] == "made up" and data.rows[3]["licence"] == "CC0"
    assert strip_counters(decode(data[3].patches)) == interleave(tune(3))
    letters = data[3].patches.reshape(-1)[data[3].notes[:, 0]].tobytes().decode()
    assert letters == tune(3).split("K:C\n")[1].replace("|", "").replace("]", "").strip()
    assert data[3].notes[:3, 2].tolist() == [28 + SCALE.index(letter) for letter in letters[:3]]


def test_splits_are_views_of_the_memory_map(prepared: Path):
    data = open_data(prepared)
    held = data.split("eval")
    i = next(i for i, row in enumerate(data.rows) if row["split"] == "eval")
    assert np.shares_memory(held[0].notes, data[i].notes)
    assert np.shares_memory(held[0].patches, data[i].patches)
    again = held.select([1, 0]).select([1])
    assert again.rows == [data.rows[i]] and again.lengths().tolist() == [len(data[i].patches)]


def test_several_folders_are_one_dataset(tmp_path: Path):
    prepare(pieces(9), tmp_path / "a", eval_ratio=0.3)
    prepare(pieces(14)[9:], tmp_path / "b", eval_ratio=0.3)
    both = open_all([tmp_path / "a", tmp_path / "b"])
    assert [row["path"] for row in both.rows] == [f"t{i}" for i in range(14)]
    for i in (0, 8, 9, 13):
        assert strip_counters(decode(both[i].patches)) == interleave(tune(i))
    prepare(pieces(14), tmp_path / "c")
    assert both.digest() == open_data(tmp_path / "c").digest()
    train = both.split("train")
    crops = fixed_crops(train, 64)
    one_by_one = [
        int(characters_before(train[i].patches)[-1] - characters_before(train[i].patches)[1])
        for i in range(len(train))
    ]
    assert crops.characters(train).sum() == sum(one_by_one)
    steps = train_steps(train, crops, Sampling(3, 1, 64, 0), 0)
    assert sum(len(batch.lengths) for step in steps for _, batch in step) == len(crops)


def test_every_rejected_tune_has_a_reason(tmp_path: Path):
    bad = [
        SourcePiece("short", "X:1\nK:C\nCD|\n", "", ""),
        SourcePiece("copy", tune(0), "", ""),
        SourcePiece("keyless", "X:1\nabc\n", "", ""),
    ]
    report = prepare([*pieces(4), *bad], tmp_path).report
    assert {entry["path"]: entry["reason"] for entry in report["rejected"]} == {
        "short": "only 2 notes",
        "copy": "a copy of t0",
        "keyless": "it has no K: line, so no body",
    }
    assert json.loads((tmp_path / "report.json").read_text())["pieces"] == 4


def test_near_duplicates_stay_on_one_side(tmp_path: Path):
    doubled = []
    for i in range(30):
        near = tune(i).replace("|]", "|G4|]")
        doubled += [pieces(30)[i], SourcePiece(f"n{i}", near, "", "")]
    rows = prepare(doubled, tmp_path, eval_ratio=0.3).dataset.rows
    for a, b in zip(rows[::2], rows[1::2], strict=True):
        assert a["cluster"] == b["cluster"] and a["split"] == b["split"]
    assert sum(row["split"] == "eval" for row in rows) == 18


def test_clusters_ignore_transposition_and_tell_tunes_apart():
    rng = np.random.default_rng(1)
    melodies = [list(rng.integers(60, 80, 60)) for _ in range(3)]
    moved = [pitch + 5 for pitch in melodies[0]]
    assert cluster([shingles(m) for m in [*melodies, moved]]) == [0, 1, 2, 0]
    assert split_clusters([0, 1, 2, 0], 0.5, 0).count("eval") == 2


def test_crop_keeps_header_and_follows_notes():
    piece = encode_piece(interleave(tune(1, bars=80)))
    starts = line_starts(piece.patches)
    cut = crop(piece, 40, np.random.default_rng(3))
    assert len(cut.patches) <= 40
    assert (cut.patches[: starts[0]] == piece.patches[: starts[0]]).all()
    assert decode(cut.patches[starts[0] :]).startswith("[r:")
    letters = cut.patches.reshape(-1)[cut.notes[:, 0]]
    assert set(letters.tobytes().decode()) <= set(SCALE) and len(letters) > 50
    assert crop(piece, 10_000, None) is piece


def flat_batches(data: Dataset, sampling: Sampling, epoch: int, first: int = 0) -> list[Batch]:
    steps = train_steps(data, None, sampling, epoch, first)
    return [batch for batches in steps for _, batch in batches]


def test_batches_hold_every_piece_once_and_depend_on_the_seed(prepared: Path):
    data = open_data(prepared)
    sampling = Sampling(batch_size=3, micro_batches=1, max_patches=64, seed=0)
    first, again = flat_batches(data, sampling, 0), flat_batches(data, sampling, 0)
    other = flat_batches(data, sampling, 1)
    assert len(first) == sampling.steps(20) == 7
    tail = flat_batches(data, sampling, 0, first=5)
    assert all((a.patches == b.patches).all() for a, b in zip(first[5:], tail, strict=True))
    assert sum(len(batch.lengths) for batch in first) == 20
    assert all((a.patches == b.patches).all() for a, b in zip(first, again, strict=True))
    assert any(
        a.patches.shape != b.patches.shape or (a.patches != b.patches).any()
        for a, b in zip(first, other, strict=True)
    )
    assert sum(len(batch.lengths) for batch in eval_batches(data, 7, 64)) == 20


def test_processes_deal_out_what_one_accumulates(prepared: Path):
    data = open_data(prepared)
    values = {"batch_size": 2, "micro_batches": 4, "max_patches": 12, "seed": 3}  # crops all
    alone = list(train_steps(data, None, Sampling(**values), epoch=1))
    shares = [
        list(train_steps(data, None, Sampling(**values, rank=rank, processes=3), epoch=1))
        for rank in range(3)
    ]
    assert [len(step) for step in alone] == [4, 2, 4]  # 20 pieces, 8 a step
    assert [len(step) for step in shares[2]] == [1, 0, 1]
    for whole, *dealt in zip(alone, *shares, strict=True):
        together = dict(pair for share in dealt for pair in share)
        assert sorted(together) == [number for number, _ in whole]
        assert all((together[number].patches == batch.patches).all() for number, batch in whole)


def test_collate_places_notes():
    batch = collate([encode_piece(interleave(tune(i, bars=5 + i))) for i in range(3)])
    codes = batch.patches[batch.note_row, batch.note_patch, batch.note_char]
    assert set(bytes(codes.tolist()).decode()) <= set(SCALE)
    assert batch.note_row.bincount().tolist() == [20, 24, 28]


def test_both_index_dialects(tmp_path: Path):
    text = interleave(tune(1))
    (tmp_path / "AUG" / "G").mkdir(parents=True)
    (tmp_path / "AUG" / "G" / "a_G.abc").write_text(text)
    (tmp_path / "b.abc").write_text(text)
    index = tmp_path / "index.jsonl"
    index.write_text('{"path": "AUG/a", "key": "G"}\n\n{"path": "b.abc", "key": "C"}\n')
    data = open_data(index)
    assert len(data) == 2 and (data[0].patches == data[1].patches).all()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"path": "gone.abc"}', "row 2: no file .*gone.abc"),
        ('{"key": "G"}', 'row 2: it has no "path"'),
        ("not json", "line 2: not JSON"),
        ('{"path": "accent.abc"}', "row 2.*accent.abc: line 5, column 7"),
        ('{"path": "plain.abc"}', "row 2.*no line that starts with"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, line: str, message: str):
    good = interleave(tune(1))
    (tmp_path / "good.abc").write_text(good)
    (tmp_path / "accent.abc").write_text(good.replace("[V:1]", "[V:1]Cé", 1))
    (tmp_path / "plain.abc").write_text(tune(1))
    index = tmp_path / "rows.jsonl"
    index.write_text('{"path": "good.abc"}\n' + line + "\n")
    with pytest.raises(BadInput, match=message):
        open_data(index)


def test_missing_index_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(BadInput, match="picogen data"):
        open_data(tmp_path / "none.jsonl")


def test_shared_pieces_are_found_in_another_key(tmp_path: Path):
    up = {letter: SCALE[(i + 2) % 12] for i, letter in enumerate(SCALE[:-2])}
    low = tune(2).translate(str.maketrans({"f": "B", "g": "A"}))
    head, music = low.split("K:C")
    moved = head + "K:E" + "".join(up.get(letter, letter) for letter in music)
    prepare([SourcePiece("low", low, "", ""), *pieces(2)], tmp_path / "a")
    prepare([SourcePiece("moved", moved, "", ""), pieces(9)[8]], tmp_path / "b")
    assert shared_pieces(open_data(tmp_path / "a"), open_data(tmp_path / "b")) == 1
