"""The page that composes, in Chromium: it composes, draws, sounds, saves, and refuses harm."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from picogen_core.abc.patches import split_body
from picogen_core.abc.reading.notes import read_notes
from picogen_core.generation.request.options import GenerateRequest
from picogen_core.generation.run import write_scores
from picogen_core.html.page import build_page
from picogen_core.html.student import read_student
from picogen_core.score.midi import read_midi

from .browser import MISSING, Browser, open_browser

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

TAB, ENTER, RIGHT = "\ue004", "\ue007", "\ue014"
ENDED = "document.getElementById('stop').disabled && document.getElementById('text').textContent"
HOSTILE = {
    "markup": "T:<img src=x onerror=hacked=1><script>hacked=1</script>\nK:C\n",
    "chord": 'K:C\n"<img src=x onerror=hacked=1>"CDEF|',
    "include": "%%include /etc/passwd\nK:C\nCDEF|",
    "link": 'K:C\n"@1,1 <a href=javascript:hacked=1>x</a>"CDEF|!<svg onload=hacked=1>!G4|',
    "zero": "K:C\nCD\x00EF|\x00",
    "deep": "K:C\n" + "[" * 5000 + "C" + "(" * 5000 + "{" * 5000,
    "long": "C" * 50_000 + "\n" + "K:" + "#" * 40_000,
    "signs": "K:C\n\u202e\u0000\U0001f600 \u4f5c\u66f2 CDEF|",
    "prototype": "V:__proto__ x\nK:C\n[V:__proto__]!constructor!CDEF|[V:toString][M:valueOf]GABc|",
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_bytes(build_page([read_student("tunes")]).data)
    with open_browser(folder / "profile") as one:
        one.open("about:blank")
        one.requests()  # of the browser's own first tab
        one.open((folder / "index.html").as_uri())
        one.wait("!document.getElementById('compose').disabled")
        yield one


def _compose(browser: Browser, **settings: object) -> str:
    plain = {"prompt": "", "bars": 8, "key": "", "meter": "", "tempo": "", "seed": 1}
    browser.run(
        "document.getElementById('text').textContent = '';"
        "for (const [id, value] of Object.entries(arguments[0])) at(id).value = value; compose();",
        {name: str(value) for name, value in {**plain, **settings}.items()},
    )
    return str(browser.wait(ENDED))


def test_twenty_pieces_are_composed_and_drawn_note_for_note(
    browser: Browser, tmp_path: Path
) -> None:
    kinds: list[dict[str, Any]] = [
        {"meter": "6/8"},
        {"key": "D"},
        {"bars": 4},
        {"prompt": "M:3/4\nK:G\nG2 B2 d2|"},
    ]
    for seed in range(20):
        abc = _compose(browser, **{"seed": seed, "bars": 6, **kinds[seed % 4]})
        (notes,) = read_notes(abc).values()
        browser.wait("shown.notes.length === arguments[0]", len(notes))
        bars = len(split_body(abc)[1].splitlines())
        assert browser.run("return document.querySelectorAll('.score .bar').length") == bars
        pitched = sum(note.pitch is not None for note in notes)
        heads = "return document.querySelectorAll('.note use[href*=notehead]').length"
        assert browser.run(heads) >= pitched
        if seed < 4:
            options: dict[str, Any] = {"bars": 6, **kinds[seed]}
            request = GenerateRequest(num_samples=1, seed=seed, device="cpu", **options)
            assert write_scores(request, tmp_path / str(seed))[0].abc == abc


def test_it_sounds_and_lights_notes_up(browser: Browser) -> None:
    _compose(browser, bars=4)
    browser.click("#play")
    loud = (
        "(() => { globalThis.heard ??= (() => { const one = audio.createAnalyser();"
        "speaker.connect(one); return one; })(); const wave = new Float32Array(2048);"
        "heard.getFloatTimeDomainData(wave); return Math.max(...wave) > 0.01; })()"
    )
    assert browser.wait(loud)
    assert browser.wait("document.querySelectorAll('.note.lit').length === 1")
    browser.click("#play")
    assert not browser.run("return player.playing || document.querySelector('.note.lit')")


def test_what_is_saved_has_the_notes_of_the_score(browser: Browser, tmp_path: Path) -> None:
    abc = _compose(browser, seed=3)
    browser.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.click("#abc")
    browser.click("#midi")
    for _ in range(200):
        if all((tmp_path / f"picogen.{kind}").is_file() for kind in ("abc", "mid")):
            break
        browser.run("return 0")
    assert (tmp_path / "picogen.abc").read_text() == abc
    sounds = read_midi((tmp_path / "picogen.mid").read_bytes())
    (notes,) = read_notes(abc).values()
    pitches = [one.pitch for one in notes if one.pitch is not None]
    tied = sum(note.tied for note in notes)
    assert len(sounds) == len(pitches) - tied
    assert {one.pitch for one in sounds} == set(pitches)


def test_hostile_prompts_do_nothing(browser: Browser) -> None:
    for name, prompt in HOSTILE.items():
        browser.run("at('prompt').value = arguments[0]; at('bars').value = 4; compose();", prompt)
        browser.wait("document.getElementById('stop').disabled")
        harm = (
            "return globalThis.hacked || document.querySelector('img, section script, section a')"
        )
        assert not browser.run(harm), name
    browser.run("at('prompt').value = 'C'.repeat(10_000_000); compose();")
    assert "100 kB" in browser.wait("at('status').textContent")
    browser.run("at('prompt').value = ''; at('status').textContent = ''")
    paste = (
        "const data = new DataTransfer(); data.setData('text', 'C'.repeat(10_000_000));"
        "const event = new ClipboardEvent('paste', { clipboardData: data, cancelable: true });"
        "at('prompt').dispatchEvent(event); return event.defaultPrevented"
    )
    assert browser.run(paste)
    assert "100 kB" in browser.run("return at('status').textContent")
    file = "const data = new DataTransfer(); data.items.add(new File([arguments[0]], 'x.abc'));"
    drop = "document.dispatchEvent(new DragEvent('drop', { dataTransfer: data }))"
    browser.run(f"{file} {drop}", HOSTILE["markup"])
    browser.wait("at('prompt').value.includes('onerror')")
    assert not browser.run("return globalThis.hacked || document.querySelector('img')")
    assert _compose(browser)


def test_the_keyboard_is_enough(browser: Browser) -> None:
    _compose(browser, bars=4)
    browser.run("at('seed').focus()")
    seen = []
    for _ in range(24):
        browser.press(TAB)
        seen.append(
            browser.run(
                "return document.activeElement.id || document.activeElement.getAttribute('class')"
            )
        )
        if seen[-1] == "bar":
            break
    assert {"compose", "next", "play", "speed", "abc", "midi", "link"} <= set(seen)
    browser.press(RIGHT, ENTER)
    kept = browser.run("return at('prompt').value")
    assert len(split_body(kept)[1].splitlines()) == 2
    browser.run("at('text').textContent = ''; at('compose').focus()")
    browser.press(ENTER)
    assert split_body(browser.wait(ENDED))[1].startswith(split_body(kept)[1])


def test_the_score_has_the_signs_of_the_music(browser: Browser) -> None:
    music = '(3ABc d2 "D"[DFA]2 {g}f2|~e3 d .c.B TA2|1 d2-d2 (d4|A4) z4:|2 d8|'
    abc = _compose(browser, prompt=f"L:1/8\nM:4/4\nK:D\n{music}", bars=6)
    (notes,) = read_notes(abc).values()
    assert [note.pitch for note in notes[:3]] == [69, 71, 73]
    browser.wait("shown.music.drawn.length === 6 && shown.notes.length")
    texts = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
    assert browser.run(texts, ".ending")[:2] == ["1.", "2."]
    assert browser.run(texts, ".chord-text")[0] == "D"
    assert browser.run(texts, ".tuplet")[0] == "3"
    count = "return document.querySelectorAll(arguments[0]).length"
    for sign in ("ornamentTrill", "ornamentTurn", "articStaccatoAbove", "gClef", "timeSig4"):
        assert browser.run(count, f"use[href='#g-{sign}']"), sign
    assert browser.run(count, ".curve") >= 2
    sharps = browser.run(count, "use[href='#g-accidentalSharp']")
    assert sharps >= 2 * browser.run(count, "use[href='#g-gClef']")


def test_a_score_that_grew_is_the_one_drawn_at_once(browser: Browser) -> None:
    _compose(browser, bars=24, seed=4)
    browser.wait("shown.score.lines.length === shown.music.lines.length")
    again = "const one = new Score(shown.score.full, ''); one.draw(shown.music);"
    places = "(score) => score.notes.map(({ element }) => element.outerHTML)"
    browser.run(f"{again} globalThis.both = [one, shown.score].map({places})")
    grown, whole = browser.run("return both")
    assert grown == whole and len(whole) > 50


def test_stop_keeps_the_bars_that_are_there(browser: Browser) -> None:
    browser.run(
        "at('text').textContent = ''; at('prompt').value = ''; at('bars').value = 400; compose();"
    )
    browser.wait("shown.music")
    browser.click("#stop")
    abc = browser.wait(ENDED)
    assert 1 <= len(split_body(abc)[1].splitlines()) < 400
    assert browser.run("return at('abc').disabled") is False


def test_a_link_holds_the_settings(browser: Browser) -> None:
    abc = _compose(browser, seed=9, bars=4, key="D")
    address = browser.run("return location.href")
    browser.open("about:blank")
    browser.open(address)
    browser.wait("!document.getElementById('compose').disabled")
    browser.click("#compose")
    assert browser.wait(ENDED) == abc


def test_nothing_was_requested_or_logged(browser: Browser) -> None:
    assert [
        one for one in browser.requests() if not one.startswith(("file:", "blob:", "data:"))
    ] == []
    assert [json.dumps(one) for one in browser.log("browser")] == []
