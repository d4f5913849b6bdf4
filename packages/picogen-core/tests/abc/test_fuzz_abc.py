"""Whatever the text, the readers of ABC keep their promises. Bounded, and the same on every run."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from picogen_core.abc.counters import strip_counters
from picogen_core.abc.patches import (
    decode,
    encode,
    encode_prompt,
    split_bars,
    split_body,
)
from picogen_core.abc.reading.lexer import lex
from picogen_core.abc.reading.notes import read_notes
from picogen_core.abc.repair import repair
from picogen_core.errors import BadInput

NASTY = sorted((Path(__file__).parents[1] / "data" / "nasty").glob("*.abc"))
HEADER = "%%score { 1 | 2 }\nL:1/8\nQ:1/4=90\nM:4/4\nK:Eb\nV:1 treble\nV:2 bass\n"
bounded = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Pieces of ABC, whole and broken, so that random joins come near to music.
_NOTES = "C D E2 F/ G// A3/2 ^c _d' =B,, z z4 x2 Z Z9 y [CEG] [CE [C4E2]3 {d} {/ef} ] [ { }"
_BARS = "| || |] |: :| :: [| |1 :|2 [1 [2 [V:1] [V:2] [V:3] [V: V:1] [r:0/9] [r: & $ \\"
_FIELDS = "[K:G] [K:H] [M:3/4] [M:0/4] [L:1/16] [Q:1/4=99] [I:abc-include w:la T:x K: % %%"
_SIGNS = '(3 (3:2:4 (9 ( ) .( > < >> - .- ! !f! !trill! !a + " "Am" "^x" ~ . T u v J ` \''
_ODD = ", / // 0 99999999 * ? # é \x00 \x1f \r \t"
_SCRAPS = " ".join((_NOTES, _BARS, _FIELDS, _SIGNS, _ODD)).split(" ")
scraps = st.lists(st.sampled_from([*_SCRAPS, " ", "\n", "\n[V:1]", "|\n[V:1]"]), max_size=60)
texts = st.one_of(
    st.text(max_size=200),
    st.text(st.characters(max_codepoint=127), max_size=200),
    scraps.map("".join),
    scraps.map(lambda parts: HEADER + "[V:1]" + "".join(parts) + "|\n"),
)
ascii_texts = st.one_of(
    st.text(st.characters(min_codepoint=3, max_codepoint=127), max_size=200),
    scraps.map("".join).filter(lambda text: all("\x02" < c < "\x80" for c in text)),
)


@bounded
@given(texts)
def test_every_character_is_in_one_token(text):
    tokens = list(lex(text))
    assert "".join(token.text for token in tokens) == text
    assert all(text.startswith(token.text, token.start) for token in tokens)


@bounded
@given(texts)
def test_notes_are_read_and_traced_to_their_letters(text):
    for notes in read_notes(text).values():
        for note in notes:
            if note.pitch is not None:
                assert text[note.start].upper() in "ABCDEFG"
                assert 0 <= note.pitch <= 127
            assert note.duration > 0 and note.onset >= 0


@bounded
@given(texts)
@example("[V0(3::1A[V0")
@example(HEADER + "[V:1]" + "[" * 300 + "C" + "]" * 300 + "|\n")
@example(HEADER + "[V:1]G3 ZAB|[V:2]z6|\n")
def test_repair_refuses_or_ends_where_it_stays(text):
    try:
        mended = repair(text)
    except BadInput as error:
        assert "\n" not in str(error)
        return
    assert all(c == "\n" or c == "\t" or " " <= c <= "~" for c in mended.text)
    assert repair(mended.text).text == mended.text
    assert (mended.text == text) or mended.repairs
    assert "abc-include" not in mended.text


@bounded
@given(ascii_texts)
def test_patches_lose_nothing(text):
    assert strip_counters(decode(encode(text))) == strip_counters(text)


@bounded
@given(ascii_texts)
def test_patches_are_the_cuts_of_split_bars(text):
    """The one pattern that cuts a whole body cuts as the function does that is written out."""
    header, body = split_body(strip_counters(text))
    lines = re.findall(r"[^\n]*\n|[^\n]+", body)
    cuts = re.findall(r"[^\n]*\n|[^\n]+", header)
    for i, line in enumerate(lines):
        cuts += split_bars(f"[r:{i}/{len(lines) - 1 - i}]{line}")
    rows = b"".join(cut.encode() + (b"\x02" + bytes(15))[: -len(cut) % 16] for cut in cuts)
    assert encode(text)[1:-1].tobytes() == rows


@bounded
@given(ascii_texts)
def test_prompts_lose_nothing_and_gain_no_counter(text):
    prompt = encode_prompt(text)
    assert decode(prompt.patches[1:]) + prompt.tail == text
    assert len(prompt.tail) < 16


@pytest.mark.parametrize("name", ["tune", "chorale"])
def test_a_prompt_may_end_anywhere_in_a_piece(name):
    """Its patches are those of the whole piece, and its tail begins the next one."""
    piece = (NASTY[0].parent / f"{name}.abc").read_text()
    whole = encode_prompt(piece + "[V:1]").patches
    body = len(split_body(piece)[0])
    for end in range(body + 3, len(piece)):
        prompt = encode_prompt(piece[:end])
        done = len(prompt.patches)
        assert decode(prompt.patches[1:]) + prompt.tail == piece[:end]
        assert (whole[:done] == prompt.patches).all(), piece[:end][-40:]
        if prompt.tail:
            assert bytes(whole[done]).startswith(prompt.tail.encode()), piece[:end][-40:]


@pytest.mark.parametrize("file", NASTY, ids=lambda file: file.stem)
def test_nasty_files_are_mended_or_refused(file):
    text = file.read_text()
    try:
        mended = repair(text)
    except BadInput as error:
        assert "\n" not in str(error)
        return
    assert repair(mended.text).text == mended.text
