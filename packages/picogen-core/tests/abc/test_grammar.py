from fractions import Fraction

import pytest
from picogen_core.abc.grammar import Constraint, least_patches
from picogen_core.abc.grammar.bar import advance, end_bar, rare_in, wanted_in
from picogen_core.abc.grammar.bar_state import BarState
from picogen_core.abc.grammar.lengths import Room, lengths, tuplets
from picogen_core.abc.patches import BOS, EOS, encode_prompt
from picogen_core.abc.reading.notes import read_tune
from picogen_core.abc.reading.timing import bar_length

from .grammar_pieces import (
    CHORALE,
    HEADER,
    TUNE,
    UNEVEN,
    behind,
    characters,
    codes_of,
    draw_blindly,
)


def read(text, *, bars=None, max_patches=None):
    """(legal, wanted) of every code behind the opening patch."""
    constraint = Constraint(max_patches, grammar=True, bars=bars)
    found = []
    for code in codes_of(text):
        if constraint.patches:
            legal, wanted, _ = constraint.codes()
            found.append((chr(code), bool(legal >> code & 1), bool(wanted >> code & 1)))
        constraint.take(code)
    return found


def after(text, *, bars=None):
    """(characters that are wanted next, whether the cut may close) behind a prompt."""
    legal, wanted, _ = behind(text, bars=bars).codes()
    return characters(legal & wanted), bool((legal & wanted) >> EOS & 1)


@pytest.mark.parametrize("text", [TUNE, CHORALE])
def test_sound_music_is_wanted(text):
    found = read(text)
    assert len(found) > 200
    assert [step for step in found if not (step[1] and step[2])] == []


@pytest.mark.parametrize(
    ("written", "rare", "never"),
    [
        ("C2", ")", "2}"),
        ("C2>", " )-", "{|<"),
        ("(3:2:3C>", ")-", "{|"),
        ("{cd}C4 D4", "{u)", "C(>"),  # it is full
        ("C{d}", ")-", "><"),  # the converter would take the grace note for the rhythm's
    ],
)
def test_what_is_rare_may_come_and_time_goes_on(written, rare, never):
    bar = BarState(Fraction(1, 8), "4/4", False)
    bar.follow("4/4", 32)
    for character in written:
        assert wanted_in(bar) >> ord(character) & 1
        advance(bar, character)
    assert not rare_in(bar) & wanted_in(bar)
    for character in never:
        assert not (rare_in(bar) | wanted_in(bar)) >> ord(character) & 1
    for character in rare:
        assert rare_in(bar) >> ord(character) & 1
        after = bar.copy()
        advance(after, character)
        assert not after.lost and wanted_in(after)


def test_uneven_voices_are_legal_and_not_wanted():
    found = read(UNEVEN)
    assert all(legal for _, legal, _ in found)
    unwanted = [i for i, (_, _, wanted) in enumerate(found) if not wanted]
    text = "".join(character for character, _, _ in found)
    assert text[: unwanted[0]].endswith("D4 E3")
    assert "[V:3]" in text[unwanted[-1] :]  # the next voice is steered again


def test_odd_spelling_is_legal():
    odd = TUNE.replace("|]", "&G2 Z4 y ||: [1 A8/3 -")
    assert odd != TUNE
    assert all(legal for _, legal, _ in read(odd))


def test_no_control_code_is_ever_legal():
    control = sum(1 << code for code in range(32) if code not in (BOS, EOS, 9, 10)) | 1 << 127
    constraint = Constraint()
    for code in codes_of(CHORALE):
        legal, *_ = constraint.codes()
        assert not legal & control
        constraint.take(code)
    assert constraint.done


def test_letters_without_a_meaning_are_refused_in_music_and_kept_in_strings():
    constraint = Constraint()
    for code in codes_of(CHORALE)[: codes_of(CHORALE).index(ord("S"))]:
        constraint.take(code)
    assert constraint.codes()[0] >> ord("q") & 1
    music, _ = after(HEADER + "[r:0/3][V:1]C")
    assert "q" not in music and "D" in music


def test_a_patch_ends_behind_a_line_and_before_a_barline():
    assert after(HEADER + "[r:0/3][V:1]C4 D4|[V:2]C4 D4")[1] is False  # no voice would follow
    assert after(HEADER + "[r:0/3][V:1]C4 D4")[1] is True
    assert after(HEADER + "[r:0/3][V:1](C4 D4-")[1] is True
    assert after(HEADER + "[r:0/3][V:1]C4 {D")[1] is False


@pytest.mark.parametrize(
    ("written", "wanted", "refused"),
    [
        ("C,6", "DEz[", "|2"),  # two units are left
        ("C,6D,", "2/", "4|"),
        ("C,4 D,4", "|-", "Czx2{"),
        ("C,8", "|-", "Czx 1"),
        ("(3C,2D,2E,2z", "4/", "8|"),  # the tuplet took four
    ],
)
def test_voices_of_a_line_last_equally_long(written, wanted, refused):
    characters, _ = after(HEADER + "[r:0/3][V:1]C4 D4|[V:2]" + written)
    assert set(wanted) <= characters
    assert not set(refused) & characters


def test_a_tuplet_is_completed_and_fits():
    characters, cut = after(HEADER + "[r:0/3][V:1]C4 D4|[V:2]C,6 (3:2:3D,")
    assert not cut and "|" not in characters and "E" in characters
    inside = Room(8, 0, 3, 2, 3)
    assert inside.fits(4) and inside.after(4).after(4).fits(4)
    assert not inside.after(4).after(4).fits(3)  # 11 steps in the time of two thirds are none
    assert tuplets(Room(8), False)["(3"][1] is not None
    assert tuplets(Room(1), False).get("(3", (0, None))[1] is None


def test_lengths_are_those_that_fit():
    spelt = {text for text, (_, steps) in lengths(64 * 4, Room(8)).items() if steps is not None}
    assert {"", "2", "3/2", "/", "//", "/4", "7/4"} <= spelt
    assert not {"3", "4", "/8", "5/2"} & spelt  # longer than 8 grid steps, finer than one


@pytest.mark.parametrize(
    "text",
    [
        "C>D E<F", "(3CDE F", "[CE]3/2G/", "A>>BC2", "[C2E2][DF]", "z4", "(3D>EF G", "(3:2z>EF",
        "(GA)>B c", "A>)B c.>d", "A> B", "[a2c]B", "Td6({cd})", 'A>"x"B', "{d}c1d1",
    ],
)  # fmt: skip
def test_a_bar_counts_as_the_converter_does(text):
    bar = BarState(Fraction(1, 8), "4/4", True)
    for character in text:
        advance(bar, character)
    assert not bar.lost
    counted = bar_length(text)
    assert end_bar(bar) == counted * 4


def test_bars_asked_for_are_forced_from_the_first_counter_on():
    assert after(HEADER + "[r:0/", bars=12)[0] == {"1"}
    assert after(HEADER + "[r:0/1", bars=12)[0] == {"1"}
    assert after(HEADER + "[r:0/11]", bars=12)[0] == {"["}
    assert after(HEADER + "[r:0/11][V:1]C8|\n", bars=12)[0] == set()  # EOS behind the line
    constraint = Constraint(bars=1)
    for code in codes_of(HEADER + "[V:1]C8|[V:2]C,8|\n"):
        last = constraint.codes()
        constraint.take(code)
        if code == BOS and constraint.done:
            break
    assert last[1] == 1 << BOS


def lengths_by_line(text):
    """Of each line the length of every voice's one bar."""
    lines = {}
    for name, bars in read_tune(text)[1].items():
        for bar in bars:
            assert name not in lines.setdefault(bar.line, {})
            lines[bar.line][name] = bar.length
    return list(lines.values())


@pytest.mark.parametrize("seed", range(8))
def test_blind_drawing_gives_the_bars_asked_for(seed):
    prompt = ["", HEADER, HEADER + "[r:0/5][V:1]C4 (3D", "L:1/16\nM:7/8\nK:Gmin\n"][seed % 4]
    draft = draw_blindly(seed, 120, 6, prompt)
    assert draft.complete, draft.text
    lines = [line for line in draft.text.splitlines() if line.startswith("[r:")]
    assert [line.split("]")[0] for line in lines] == [f"[r:{i}/{5 - i}" for i in range(6)]
    bars = lengths_by_line(draft.text)
    assert len(bars) == 6
    assert all(len(set(lengths.values())) == 1 for lengths in bars)


@pytest.mark.parametrize("bars", [1, 9, 40])
def test_a_piece_closes_within_its_patches(bars):
    prompt = HEADER
    limit = len(encode_prompt(prompt).patches) + least_patches(bars) + 3
    for seed in range(3):
        draft = draw_blindly(seed, limit, bars, prompt)
        assert draft.complete and len(lengths_by_line(draft.text)) == bars


def test_without_a_number_the_counter_leaves_room():
    constraint = Constraint(20, grammar=True)
    for code in codes_of(HEADER + "[V:1]C8|\n"):
        if constraint.text.place == "total":
            break
        constraint.take(code)
    digits = {chr(code) for code in range(48, 58) if constraint.codes()[1] >> code & 1}
    patches = constraint.patches
    assert digits == {str(n) for n in range(10) if 2 * (n + 1) <= 20 - patches - 1}
    assert "0" in digits and "9" not in digits


def test_the_body_waits_for_all_voices_of_the_score():
    head = "%%score ( 1 2 )\nL:1/8\nM:4/4\nK:C\n"
    assert after(head)[0] == {"V"}
    assert "[" not in after(head + "V:1 treble\n")[0]
    assert after(head + "V:1 treble\nV:2 bass\n")[0] == {"["}


def test_slurs_never_leave_a_place_where_nothing_is_wanted():
    for opened in ("((((((", "((((((3", "(((((3(", "((((((C"):
        characters, _ = after(HEADER + "[r:0/3][V:1]" + opened)
        assert "D" in characters
    assert "(" not in after(HEADER + "[r:0/3][V:1]((((((3(")[0]


BAR = "L:1/8\nM:4/4\nK:C\nV:1 treble\n[r:0/7][V:1]"


def test_decorations_are_those_that_readers_know():
    begun = after(f"{BAR}c2 !")[0]
    assert set("fmpst0<D") <= begun and not set("xz|! ") & begun
    assert after(f"{BAR}c2 !fermat")[0] == set("a")
    assert after(f"{BAR}c2 !trill")[0] == set("()!")
    assert "c" in after(f"{BAR}c2 !trill!")[0]


def test_a_decoration_of_another_name_is_never_music_between_two_line_breaks():
    _, free, rare = behind(f"{BAR}c2 !c", bars=8).codes()
    assert not set("123456789/") & (characters(free) | characters(rare))


def test_names_of_voices_hold_no_music():
    name = after('L:1/8\nM:4/4\nK:C\nV:1 treble nm="Vi')[0]
    assert set('olin" 1()') <= name and not set("[]|!") & name


def test_a_second_field_in_a_row_is_rare():
    text = f"{BAR}c2 [K:D]["
    _, free, rare = behind(text, bars=8).codes()
    assert set("CEG") <= characters(free) and not set("KLQ") & characters(free)
    assert set("KLQ") <= characters(rare)
    assert set("KLQ") <= after(f"{BAR}c2 [")[0]
