"""Guesses at characters, and that a piece is the same with them as without."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picogen_core.abc.grammar import Constraint
from picogen_core.abc.patches import BOS, EOS, encode
from picogen_core.generation.decoding import draft_tokens
from picogen_core.generation.decoding.decode import Limits, write
from picogen_core.generation.decoding.draft_tokens import Drafter, NGrams
from picogen_core.generation.decoding.piece import Draft, PieceWriter
from picogen_core.generation.engines import Verifying
from picogen_core.generation.engines.choose import EngineChoice, open_engine
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.model.checkpoint import save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.locate import locate
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.registry import Registry, registry
from picogen_core.runtime.progress import Quiet

torch.set_num_threads(1)

TUNE = "L:1/8\nK:G\nV:1 treble\n" + "".join(
    f"[V:1]{bar}|\n" for bar in ("GABc d2g2", "e2dB A2G2", "GABc d2g2", "fgaf g4") * 3
)


def told(text: str) -> Drafter:
    drafter = Drafter(NGrams())
    for code in text.encode():
        drafter.take(EOS if code == ord("$") else code)
    return drafter


def test_guesses_go_on_as_the_text_did():
    assert told("abcdefgh abcd").draft(3) == b"efg"
    assert told("abcdefgh abcd").draft(0) == b""
    assert told("").draft(5) == b""
    assert told("abababab").draft(7).startswith(b"abab")


def test_a_guess_ends_where_it_gets_unlikely():
    # behind `x` came four characters, each once: a chance of 1 / 4.5
    assert told("xaxbxcxdx").draft(7) == b""
    assert told("xaxaxaxbx").draft(1) == b"a"


def test_no_guess_goes_beyond_the_patch():
    assert told("ab$ab$a").draft(7) == b"b"
    assert told("ab$ab$ab").draft(7) == b""


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ("[r:9/11][V:1]c|\n$", b"[r:10/10]"),
        ("[r:9/11][V:1]c|\n$[r:1", b"0/10]"),
        ("[r:9/11][V:1]c|\n$[r:2", b""),  # this line does not count
        ("[r:9/11][V:1]c|\n", b""),  # what comes is EOS
        ("[r:9/x][V:1]c|\n$", b""),
        ("[r:9/0][V:1]c|\n$", b""),  # it was the last
        ("V:1\n$", b""),
    ],
)
def test_counters_count(text: str, guess: bytes):
    drafter = told(text)
    drafter._grams = NGrams()  # nothing but the counter is known
    assert drafter.draft(16) == guess
    assert drafter.draft(3) == guess[:3]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(draft_tokens, "MEMORY", 50)
    grams = NGrams()
    rng = np.random.default_rng(0)
    for _ in range(300):
        grams.add(bytes(rng.integers(32, 127, 4).tolist()), 65)
    assert len(grams._counts) <= 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    torch.manual_seed(3)
    config = ModelConfig(
        d_model=48, max_patches=64, backbone="rwkv", head="char-transformer",
        backbone_options={"layers": 1, "head_size": 16},
        head_options={"layers": 2, "width": 32, "heads": 2},
    )  # fmt: skip
    model = GenericStudent(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    path = tmp_path_factory.mktemp("checkpoint") / "student"
    save_checkpoint(path, model, {})
    return path


def open_one(path: Path, slots: int, cached: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """With `cached` 0 the head reads draft tokens, however small it is."""
    monkeypatch.setattr("picogen_core.compiled.heads.CACHED", cached)
    engine = open_engine(locate(path, Quiet()), EngineChoice("numba", "cpu"), slots, 64, Quiet())
    assert isinstance(engine, Verifying) == (cached == 0)
    return engine


def pieces(engine: Any, starts: Sequence[PieceWriter], **options: Any) -> dict[int, Draft]:
    sampling = SamplingOptions(top_k=0, top_p=0, **options)
    written = write(engine, starts, sampling, Limits(40), likelihood=True)
    return {one.number: one.draft for one in written if one.draft}


def same(some: dict[int, Draft], others: dict[int, Draft]) -> bool:
    return some.keys() == others.keys() and all(
        (a.text, a.complete, a.stopped, a.nll, a.characters)
        == (
            others[k].text,
            others[k].complete,
            others[k].stopped,
            others[k].nll,
            others[k].characters,
        )
        for k, a in some.items()
    )


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0}, {"mask": False}, {"temperature": 0.3, "min_p": 0.01}]
)
def test_pieces_are_the_same_with_guesses(folder: Path, options, monkeypatch):
    starts = [PieceWriter(k, ("K:C\n", TUNE, "")[k % 3], seed=5) for k in range(6)]
    plain = pieces(open_one(folder, 9, 1 << 30, monkeypatch), starts, **options)
    assert len(plain) == 6
    for slots in (1, 3, 9):  # seven, two and one guess a piece
        engine = open_one(folder, slots, 0, monkeypatch)
        assert same(pieces(engine, starts, **options), plain)


def test_a_backbone_in_torch_keeps_its_states(folder: Path, monkeypatch):
    starts = [PieceWriter(k, TUNE[: 30 + k], seed=5) for k in range(4)]
    expected = pieces(open_one(folder, 3, 0, monkeypatch), starts)
    entry = registry().get("backbone", "rwkv")
    plain = replace(entry, spec=replace(entry.spec, compiled_step=None))
    get = Registry.get
    monkeypatch.setattr(
        Registry,
        "get",
        lambda self, kind, name: plain if kind == "backbone" else get(self, kind, name),
    )
    engine = open_one(folder, 3, 0, monkeypatch)
    assert type(engine._patches).__name__ == "TorchPatches"
    found = pieces(engine, starts)
    assert [d.text for d in found.values()] == [d.text for d in expected.values()]


def test_and_under_a_grammar_that_forces_characters(folder: Path, monkeypatch):
    starts = [
        PieceWriter(k, guides=lambda: [Constraint(40, grammar=True, bars=4)], seed=5)
        for k in range(4)
    ]
    plain = pieces(open_one(folder, 1, 1 << 30, monkeypatch), starts)
    assert all(draft.complete for draft in plain.values())
    assert same(pieces(open_one(folder, 1, 0, monkeypatch), starts), plain)


class Follow:
    """A guide that lets nothing come but a text, as a model would write it that knows it."""

    def __init__(self, text: str) -> None:
        self._codes = [code for row in encode(text)[1:-1] for code in row[: _end(row)].tolist()]
        self._codes.append(BOS)
        self._at: int | None = None

    def limit(self, place: int) -> int:
        self._at = self._at or 0
        return self._codes[self._at]

    def take(self, code: int) -> None:
        if self._at is not None:  # not of the prompt
            self._at += 1


def _end(row: np.ndarray) -> int:
    return int((row == EOS).argmax()) + 1 if EOS in row else len(row)


def test_music_takes_half_as_many_calls(folder: Path, monkeypatch):
    engine = open_one(folder, 1, 0, monkeypatch)
    calls, verify = [], engine.verify

    def counted(slots: np.ndarray, chars: np.ndarray) -> np.ndarray:
        calls.append(len(chars))
        return verify(slots, chars)

    engine.verify = counted
    (draft,) = pieces(engine, [PieceWriter(1, guides=lambda: [Follow(TUNE)])]).values()
    assert draft.complete
    assert draft.characters > 2 * len(calls)
    assert max(calls) <= 1 + engine.draft_tokens


def test_weights_that_are_no_numbers_stop_it_at_the_same_place(folder: Path, monkeypatch):
    found = []
    for cached in (1 << 30, 0):
        engine = open_one(folder, 1, cached, monkeypatch)
        engine._head._embed[ord("c")] = np.nan
        guides = lambda: [Follow("K:C\nV:1 treble\n[V:1]ABc def|\n")]  # noqa: E731
        (draft,) = pieces(engine, [PieceWriter(1, guides=guides)]).values()
        found.append(draft)
    assert "not finite at patch 3, character 15" in found[0].stopped
    assert found[0].stopped == found[1].stopped
    assert found[0].text == found[1].text
