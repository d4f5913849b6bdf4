import errno
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from picogen_core import BadInput, ConfigError
from picogen_core.generation.decoding.decode import generate
from picogen_core.generation.decoding.piece import Draft
from picogen_core.generation.output import finish, write_score
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.generation.request.prompt import place_prompt
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent


@pytest.fixture(scope="module")
def model() -> GenericStudent:
    torch.manual_seed(0)
    config = ModelConfig(d_model=64, backbone="rwkv", backbone_options={"layers": 1})
    return GenericStudent(config).eval()


def write(model: GenericStudent, numbers: list[int], max_patches: int = 12) -> list[Draft]:
    return generate(
        model, "L:1/8\nM:4/4\nK:C\nV:1 treble\n", seed=5, numbers=numbers,
        max_patches=max_patches, sampling=SamplingOptions(),
    )  # fmt: skip


def test_a_piece_does_not_depend_on_its_batch(model: GenericStudent):
    together = {draft.number: draft.text for draft in write(model, [1, 2, 3, 4])}
    assert write(model, [3])[0].text == together[3]
    assert len(set(together.values())) == 4


def test_length_counts_the_prompt(model: GenericStudent):
    drafts = write(model, [1, 2], max_patches=9)
    assert all(draft.patches <= 9 for draft in drafts)
    with pytest.raises(ConfigError, match="the prompt fills 5 patches"):
        write(model, [1], max_patches=5)


def test_forced_characters_and_the_first_counter(model: GenericStudent):
    drafts = generate(
        model, "K:C\nV:1 treble\n[r:0/9][V:1]CDE", seed=0, numbers=[1, 2], max_patches=6,
        sampling=SamplingOptions(),
    )  # fmt: skip
    assert all(draft.text.startswith("K:C\nV:1 treble\n[r:0/9][V:1]CDE") for draft in drafts)


def test_not_finite_logits_end_the_piece_and_keep_it(model: GenericStudent):
    broken = GenericStudent(model.config).eval()
    broken.load_state_dict(model.state_dict())
    with torch.no_grad():
        broken.head.embed.weight[ord("[")] = float("nan")
    draft = generate(
        broken, "K:C\nV:1 treble\n[r:0/9][V:1]CDE", seed=0, numbers=[1], max_patches=40,
        sampling=SamplingOptions(),
    )[0]  # fmt: skip
    assert re.fullmatch(
        r"the model's output is not finite at patch \d+, character \d+: .*", draft.stopped
    )
    assert not draft.complete
    assert draft.text.startswith("K:C\nV:1 treble\n") and len(draft.codes) == draft.patches - 3


def test_the_open_beginning_of_a_bar_is_never_drawn_again(model: GenericStudent):
    draft = generate(
        model,
        "K:C\n[r:5/3][V:1]C4|",
        seed=0,
        numbers=[1],
        max_patches=6,
        sampling=SamplingOptions(),
    )[0]
    assert draft.text.startswith("K:C\n[r:5/3][V:1]C4|")


PIECE = Draft(3, "L:1/8\nM:4/4\nK:C\nV:1 treble\n[r:0/0][V:1]C8|\n", 5, complete=True)


def test_an_older_piece_leaves_nothing_beside_the_new_one(tmp_path: Path):
    for name in ("0003.svg", "0003-2.svg", "0003.abc", "0004.abc", "0003-3.svg", "0003-3.json"):
        (tmp_path / name).write_text("old")
    write_score(tmp_path, finish(Draft(3, "L:1/8\nK:C\n", 3), (), {}))
    left = ["0003-3.json", "0003-3.svg", "0003.json", "0004.abc"]  # 0003-3 is a piece of its own
    assert sorted(path.name for path in tmp_path.iterdir()) == left


def test_of_a_piece_that_is_too_long_its_beginning_is_a_score():
    bars = "".join(f"[r:{i}/{29999 - i}][V:1]C8|\n" for i in range(30_000))
    score = finish(replace(PIECE, text=PIECE.text.partition("[r:")[0] + bars), (), {})
    assert score.abc.count("[V:1]C8|\n") == score.record["bars_written"] > 25_000
    assert not score.record["complete"] and "262,144 characters" in score.record["stopped"]


def test_an_older_piece_stays_if_the_new_one_cannot_be_written(tmp_path: Path, monkeypatch):
    write_score(tmp_path, finish(PIECE, (), {}))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BadInput, match="cannot be written: No space left on device"):
        write_score(tmp_path, finish(replace(PIECE, text=PIECE.text.replace("C8", "D8")), (), {}))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_first_pico_gens_prompt():
    placed = place_prompt(r"X:1\nT:My Song\nM:4/4\nK:C\n")
    assert placed.titles == ("X:1", "T:My Song")
    assert placed.text == "L:1/8\nM:4/4\nK:C\nV:1 treble\n"


HEAD = "L:1/8\nM:4/4\nK:C\nV:1 treble\n"


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("", ""),
        ("%Baroque\n%Bach, J. S.\n%Keyboard\n", "%Baroque\n%Bach, J. S.\n%Keyboard\n"),
        ("%A\n%B\n%C\nM:6/8\n", "%A\n%B\n%C\n%end\nL:1/8\nM:6/8\n"),
        ("%A\n%B\n%C\n%end\nK:C\nCDEF|", "%A\n%B\n%C\n%end\n" + HEAD + "[r:0/15][V:1]CDEF|\n"),
        ("M:6/8\n", "L:1/8\nM:6/8\n"),
        ("K:D dorian", "L:1/8\nM:4/4\nK:Ddor\nV:1 treble\n"),
        ("K:G\nQ:1/4=90\nM:C\nL:1/16", "L:1/16\nQ:1/4=90\nM:4/4\nK:G\nV:1 treble\n"),
        ("K:C\nCDEF|G", HEAD + "[r:0/15][V:1]CDEF|\n[r:1/14][V:1]G"),
        (
            "K:C\n|:CDEF GABc|cBAG\nFEDC|",
            HEAD + "[r:0/15][V:1]|:CDEF GABc|\n[r:1/14][V:1]cBAG FEDC|\n",
        ),
        ("K:C\n[r:5/3][V:1]C4|", HEAD + "[r:5/3][V:1]C4|"),
        (
            "K:C\nV:1\nCDEF|\nV:2\nC,4|\n",
            HEAD + "V:2 treble\n[r:0/15][V:1]CDEF|[V:2]C,4|\n",
        ),
    ],
)
def test_prompts_are_placed_as_in_training(prompt: str, text: str):
    assert place_prompt(prompt).text == text


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("K:H", "cannot be read"),
        ("Y:2\n", "Y: line does not belong to the model's headers"),
        ("hello world", "no key"),
        ("K:C\nhello|", "no ABC"),
        ("CDEF|", "no key"),
        ('K:C\n"é"A|', "line 5"),
    ],
)
def test_bad_prompts(prompt: str, message: str):
    with pytest.raises(BadInput, match=message):
        place_prompt(prompt)


def test_finish_strips_marks_and_sets_metadata_apart():
    text = "L:1/8\nM:4/4\nK:C\nV:1 treble\n[r:0/2][V:1]C8|\n[r:1/1][V:1]D8|\n[r:2/0][V:1]E"
    score = finish(Draft(3, text, 9), ("X:4", "T:Air"), {"seed": 1})
    assert score.abc == "X:4\nT:Air\nL:1/8\nM:4/4\nK:C\nV:1 treble\n[V:1]C8|\n[V:1]D8|\n"
    assert score.record["metadata"] == ["L:1/8", "M:4/4", "K:C", "V:1 treble"]
    assert score.record["body"] == ["[V:1]C8|", "[V:1]D8|"]
    assert score.record["complete"] is False and score.name == "0003"


def test_a_draft_without_music_is_told(capsys: pytest.CaptureFixture[str]):
    score = finish(Draft(1, "L:1/8\nK:C\n", 3), (), {})
    assert score.abc == "" and score.reason
