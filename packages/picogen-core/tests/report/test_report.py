"""The report's page: one file that makes no request, draws, plays, and runs no text of others."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree, html
from picogen_core.errors import ConfigError
from picogen_core.evaluation.scoring import ScoreReport, ScoreRequest, score_folder
from picogen_core.evaluation.summaries import HeatMap, Plot
from picogen_core.report.build import Page, build_page
from picogen_core.report.cards import zip_mxl
from picogen_core.report.charts import draw, heat_map, lines, standalone
from picogen_core.report.drawing import SVG, Series
from picogen_core.report.pages import Glyphs, page_parts
from picogen_core.report.sections import PageRequest
from picogen_core.report.shown_pieces import choose, in_order, partner
from picogen_core.score.helper import Converter
from picogen_core.score.xml.notes import unzip_mxl

from .chromium import Chromium, find_chromium

METRICS = ("powerlaw", "musicality", "validity")
BARS = ("GABc dcBA", "GBdg fdcA", "BdgB cAFD", "G2B2 d2g2", "gfed cBAG", "FGAB c2A2")
TITLES = {
    "a": "<script>alert(1)</script>",
    "b": "</style><img src=x onerror=alert(2)>",
    "c": "javascript:alert(3)//&amp;\"'>",
    "d": "\u202etxet desrever",
    "e": "]]></script><svg onload=alert(4)>",
    "f": "Plain",
    'g"><b onclick=alert(5)>': "name",
}


def tune(number: int, title: str, tail: str = "") -> str:
    order = [BARS[(number * k + k * k) % len(BARS)] for k in range(1, 9)]
    words = "w: <script>alert(6)</script> &lt;b&gt;\n"
    return (
        f"X:1\nT:{title}\nC:{title}\nM:4/4\nL:1/8\nK:G\n"
        f'"<img onerror=alert(7)>"|:{"|".join(order)}:|{tail}\n{words}'
    )


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[ScoreReport, ScoreReport]:
    """Hostile pieces, one that cannot be converted, one of MusicXML, and junk; and a baseline."""
    folder = tmp_path_factory.mktemp("report")
    for number, (name, title) in enumerate(TITLES.items()):
        for place in ("new", "old"):
            file = folder / place / f"{name}.abc"
            file.parent.mkdir(exist_ok=True)
            file.write_text(tune(number + (place == "old"), title), encoding="utf-8")
    (folder / "new" / "long.abc").write_text(tune(3, "rests", "Z99|]"))
    (folder / "new" / "junk.abc").write_text("\0 no music <i>")
    with Converter() as converter:
        xml = converter.to_musicxml(tune(5, "<script>alert(8)</script>"))
    (folder / "new" / "notes.musicxml").write_bytes(xml)
    request = ScoreRequest(METRICS)
    return score_folder(folder / "new", request), score_folder(folder / "old", request)


@pytest.fixture(scope="module")
def page(scored: tuple[ScoreReport, ScoreReport]) -> Page:
    report, baseline = scored
    request = PageRequest("<script>x</script>", "picogen eval '<script>'", pieces=3)
    return build_page(report, request, baseline)


@pytest.fixture(scope="module")
def tree(page: Page) -> etree._Element:
    return html.document_fromstring(page.html.decode())


def test_nothing_but_one_script_and_one_style_sheet_may_act(tree: etree._Element):
    policy = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy and "http" not in policy
    code = [s.text for s in tree.iter("script") if s.get("type") != "application/json"]
    sheets = [s.text for s in tree.iter("style")]
    assert len(code) == len(sheets) == 1
    for text in (*code, *sheets):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    for element in tree.iter(etree.Element):
        assert not [a for a in element.attrib if a.startswith("on") or a == "style"], element.tag


def test_every_reference_is_within_the_page(tree: etree._Element):
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids)) > 100
    targets = tree.xpath("//@href | //@src | //@*[name()='xlink:href']")
    assert len(targets) > 100
    for target in targets:
        assert target.startswith("data:") or (target[0] == "#" and target[1:] in ids), target
    assert tree.get("lang") == "en"
    assert not {"img", "b", "i", "iframe", "object", "foreignobject"} & {e.tag for e in tree.iter()}


def test_text_of_others_is_text(tree: etree._Element):
    headings = [h.text_content() for h in tree.iter("h3")]
    assert {*TITLES.values()} - {"name"} <= {*headings}
    assert tree.findtext("head/title") == "Scores of <script>x</script>"
    reasons = " ".join(p.text_content() for p in tree.find_class("reason"))
    assert "'Z99' rests over 64 bars" in reasons
    assert "junk.abc: no ABC" in tree.text_content()


def test_lights_and_sounds_belong_to_the_notes_drawn(tree: etree._Element):
    players = tree.find_class("player")
    assert len(players) >= 2 * len(TITLES)  # a repeated tune and the baseline's beside it
    for player in players:
        music = json.loads(player.find("script").text)
        drawn = player.getparent().find_class("note")
        numbers = {light[2] for light in music["lights"]}
        assert {f"{player.get('data-prefix')}{n}" for n in numbers} == {n.get("id") for n in drawn}
        assert len(music["sounds"]) == len(music["lights"]) == 2 * len(drawn)  # the repeat
        starts = [light[0] for light in music["lights"]]
        assert sorted(starts) == pytest.approx([s[0] for s in music["sounds"]], abs=0.002)


def test_files_can_be_taken_away(tree: etree._Element):
    saved = {a.get("download"): a.get("href") for a in tree.xpath("//a[@download]")}
    assert {"a.abc", "a.musicxml", "notes.musicxml", "long.abc"} <= saved.keys()
    assert "notes.abc" not in saved and all(re.fullmatch(r"[\w.#-]+", name) for name in saved)
    kept = base64.b64decode(saved["long.abc"].partition(",")[2]).decode()
    assert kept.startswith("X:1\nT:rests") and "Z99|]" in kept
    xml = base64.b64decode(saved["a.musicxml"].partition(",")[2])
    assert b"<score-partwise" in xml
    assert unzip_mxl(zip_mxl(xml)) == xml and zip_mxl(xml) == zip_mxl(xml)


def test_best_median_worst_and_failed(scored: tuple[ScoreReport, ScoreReport]):
    report, baseline = scored
    ordered = in_order(report)
    odd = [piece.facts["powerlaw"].rank for piece in ordered]
    assert odd == sorted(odd) and len(odd) == 9
    chosen = choose(report, 1)
    assert [(one.group, one.place) for one in chosen[:3]] == [
        ("best", 1),
        ("median", 5),
        ("worst", 9),
    ]
    (failed,) = [one for one in chosen if "Z99" in "".join(one.reasons)]
    assert failed.piece.score.name == "long.abc"
    everything = choose(report, 9)
    assert len({one.piece.score.name for one in everything}) == len(everything) == 9
    named = next(one for one in everything if one.piece.score.name == "b.abc")
    twin = partner(named, baseline)
    assert twin is not None and twin.score.name == "b.abc"
    only_new = next(one for one in everything if one.piece.score.name == "notes.musicxml")
    assert only_new.place is not None
    twin = partner(only_new, baseline)
    assert twin is in_order(baseline)[round((only_new.place - 1) / 8 * 6)]


def test_a_page_keeps_its_size_and_tells(scored: tuple[ScoreReport, ScoreReport], page: Page):
    report, _ = scored
    assert page.left_out == () and page.cards == 9 and len(page.html) < 2_500_000
    whole = build_page(report, PageRequest("x", "y", pieces=1))
    assert whole.left_out == () and whole.cards == 4
    limit = int(len(whole.html) * 0.7)
    less = build_page(report, PageRequest("x", "y", pieces=1, limit=limit))
    assert len(less.html) <= limit and 0 < less.cards < 4
    assert less.cards + len(less.left_out) == 4
    assert f"{len(less.left_out)} more pieces would make this page larger" in less.html.decode()
    with pytest.raises(ConfigError, match="MB without any piece"):
        build_page(report, PageRequest("x", "y", limit=20_000))


def test_without_an_order_the_first_are_shown(tmp_path: Path):
    (tmp_path / "one.abc").write_text("X:1\nK:C\nCDEF|\n")
    report = score_folder(tmp_path, ScoreRequest(["powerlaw"]))  # too short to have a place
    made = build_page(report, PageRequest("x", "y"))
    assert made.cards == 1 and "No metric here orders the pieces" in made.html.decode()
    empty = build_page(report, PageRequest("x", "y", pieces=0))
    assert empty.cards == 0 and "There is no piece to show." in empty.html.decode()


def test_an_engraving_keeps_nothing_that_acts():
    hostile = f"""<svg xmlns="{SVG}" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"
      onload="alert(1)"><style>*{{}}</style><script>alert(1)</script>
      <defs><g id="E1"><path d="M0 0" onclick="x"/></g></defs>
      <g class="note" id="n1" style="x" fill="url(http://x)"><use xlink:href="#E1"/>
      <use xlink:href="http://x/#a"/><a href="javascript:x"><text>gone</text></a>
      <text x="1" stroke="expression(alert)">A&lt;b&gt;&#x202e;</text><image href="x"/>
      <animate attributeName="href" to="javascript:x"/><foreignObject/></g></svg>"""
    glyphs = Glyphs()
    (part,), numbers = page_parts([hostile], "p", glyphs)
    assert numbers == {"n1": 0}
    text = etree.tostring(part, encoding="unicode")
    assert "A&lt;b&gt;" in text and 'href="#glyph-0"' in text and 'id="p0"' in text
    for bad in ("script", "style", "onload", "onclick", "url", "http://x", "javascript", "gone",
                "image", "animate", "foreign"):  # fmt: skip
        assert bad not in text + etree.tostring(glyphs.sheet, encoding="unicode"), bad


def test_charts_draw_their_numbers():
    plot = Plot("T", "x", "y", ["a", "b", "c"], [0, 1, 2], reference=[2, 1, 0])
    chart = draw(plot)
    texts = [text.text for text in chart.iter(f"{{{SVG}}}text")]
    assert {"T", "x", "y", "a", "b", "c", "these scores", "reference", "0", "2"} <= {*texts}
    shapes = [p.get("d") for p in chart.iter(f"{{{SVG}}}path") if "bar" in p.get("class")]
    assert [d.count("M") for d in shapes] == [2, 2]  # a bar of 0 is none
    line = lines("T", "x", "y", [Series("s", [0, 1, 2], [0.0, None, 4.0], [0, 0, 3], [1, 1, 5])])
    d = next(p.get("d") for p in line.iter(f"{{{SVG}}}path") if "line" in p.get("class"))
    assert d.count("M") == 2 and "L" not in d  # the gap is no line
    log = lines("T", "x", "y", [Series("s", [0.01, 0.1, 1], [1, 10, 100])], log=True)
    d = next(p.get("d") for p in log.iter(f"{{{SVG}}}path") if "line" in p.get("class"))
    (x1, y1), (x2, y2), (x3, y3) = (map(float, p.split()) for p in d[1:].split("L"))
    assert x2 - x1 == pytest.approx(x3 - x2) and y2 - y1 == pytest.approx(y3 - y2)
    nothing = lines("T", "x", "y", [Series("s", [1], [float("nan")])])
    assert "nothing to draw" in etree.tostring(nothing, encoding="unicode")
    square = heat_map(HeatMap("T", "bar", [[1, 0], [0, None]]))
    kinds = [p.get("class") for p in square.iter(f"{{{SVG}}}path")]
    assert sorted(kinds) == ["cell", "none"]
    assert etree.fromstring(standalone([line, log], ["s"])).get("height") == "588"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium here; name one in PICOGEN_CHROMIUM")
    chromium = Chromium(program, tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


LISTEN = """
(() => {
  const connect = AudioNode.prototype.connect, meters = [];
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) {
      const meter = new AnalyserNode(this.context);
      connect.call(this, meter);
      meters.push(meter);
    }
    return connect.call(this, target, ...rest);
  };
  window.loudness = () => Math.max(0, ...meters.map((meter) => {
    const wave = new Float32Array(meter.fftSize);
    meter.getFloatTimeDomainData(wave);
    return Math.max(...wave.map(Math.abs));
  }));
})();
"""


def test_in_chromium_it_draws_plays_and_stays_silent(browser: Chromium, page: Page, tmp_path: Path):
    """No request but the file, nothing on the console, no dialog, whatever the titles say."""
    file = tmp_path / "report.html"
    file.write_bytes(page.html)
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=LISTEN)
    browser.open(file)
    sizes = browser.evaluate(
        "[...document.querySelectorAll('.score .page')].map(e => e.querySelector('.note')"
        ".getBoundingClientRect().width)"
    )
    assert len(sizes) >= 14 and all(width > 2 for width in sizes)
    assert browser.evaluate(
        "[...document.querySelectorAll('.score use')].every(e => e.getBBox().width > 0)"
    )
    assert browser.evaluate("window.loudness()") == 0
    browser.click(".player button")
    browser.until("document.querySelector('.player').dataset.sounding > 0")
    assert browser.evaluate("document.querySelectorAll('.sounding').length") > 0
    browser.until("window.loudness() > 0.01")
    first = browser.evaluate("document.querySelector('.sounding').id")
    browser.until(
        f"document.querySelector('.sounding')?.id && !document.querySelector('#{first}.sounding')"
    )
    assert (
        browser.evaluate(
            "(b => { const s = b.querySelector('input'); s.value = s.max * 0.999; "
            "s.dispatchEvent(new Event('input')); return b.dataset.state; })"
            "(document.querySelector('.player'))"
        )
        == "playing"
    )
    browser.until("document.querySelector('.player').dataset.state === 'ready'")
    assert browser.evaluate("document.querySelectorAll('.sounding').length") == 0
    browser.evaluate("document.querySelectorAll('.player button')[1].focus()")
    for kind in ("rawKeyDown", "char", "keyUp"):
        browser.call(
            "Input.dispatchKeyEvent", type=kind, key=" ", code="Space", text=" ",
            windowsVirtualKeyCode=32,
        )  # fmt: skip
    browser.until("document.querySelectorAll('.player')[1].dataset.sounding > 0")
    assert browser.said == []
    assert browser.requested == [file.as_uri()]


def test_chromium_would_have_told(browser: Chromium, page: Page, tmp_path: Path):
    """What the page must not do is seen where it is done."""
    file = tmp_path / "report.html"
    bad = b"<img src=http://127.0.0.1:9/x><p style=color:red>x</p><script>alert(1)</script>"
    file.write_bytes(page.html.replace(b"<footer>", bad + b"<footer>"))
    browser.open(file)
    told = " ".join(browser.said)
    for refused in ("127.0.0.1:9", "inline style", "inline script"):
        assert refused in told
