"""docs/fine-tuning.md, walked from MusicXML of two made-up composers to music that obeys its tags.

A small model with NotaGen's parts stands for its weights: the file is of the same format. Numbers
of the commands are made small; nothing else is changed.
"""

import json
import random
import re
import shlex
import statistics
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from picogen_cli.main import main
from picogen_core.abc.reading.notes import melody
from picogen_core.model.checkpoint import load_model
from picogen_core.model.files.notagen import write_notagen
from picogen_core.score.reading import Piece, read_pieces

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "fine-tuning.md").read_text("utf-8")
SMALL_NOTAGEN = Path(__file__).parent / "data" / "notagen-small"
SMALL = {"--keys": "original", "--epochs": "7", "--lr": "1e-3", "--num-samples": "12"}
STEPS = "CDEFGAB"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def commands() -> list[list[str]]:
    """The page's, at small scale."""
    found = []
    for line in "".join(blocks("sh")).replace("\\\n", " ").splitlines():
        words = shlex.split(line)
        assert words[0] == "picogen", line
        for option, value in SMALL.items():
            if option in words:
                words[words.index(option) + 1] = value
        found.append(words[1:])
    return found


def note(step: str, octave: int, kind: str, duration: int) -> str:
    pitch = f"<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
    return f"<note>{pitch}<duration>{duration}</duration><type>{kind}</type></note>"


def musicxml(bars: list[str], beats: int) -> str:
    attributes = (
        "<attributes><divisions>2</divisions><key><fifths>0</fifths></key>"
        f"<time><beats>{beats}</beats><beat-type>4</beat-type></time>"
        "<clef><sign>G</sign><line>2</line></clef></attributes>"
    )
    measures = "".join(
        f'<measure number="{i + 1}">{"" if i else attributes}{bar}</measure>'
        for i, bar in enumerate(bars)
    )
    return (
        '<score-partwise version="4.0"><part-list><score-part id="P1"><part-name>Part</part-name>'
        f'</score-part></part-list><part id="P1">{measures}</part></score-partwise>'
    )


def climber(rng: random.Random) -> str:
    """Rising scales in quarters, 3/4."""
    firsts = [rng.randint(0, 8) for _ in range(rng.randint(4, 6))]
    bars = [[first, first + 1, first + 2] for first in firsts]
    notes = [[note(STEPS[n % 7], 4 + n // 7, "quarter", 2) for n in bar] for bar in bars]
    return musicxml(["".join(bar) for bar in notes], 3)


def drummer(rng: random.Random) -> str:
    """One low note a bar, in eighths, 4/4."""
    bars = [8 * note(rng.choice("CDEFG"), 3, "eighth", 1) for _ in range(rng.randint(4, 6))]
    return musicxml(bars, 4)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all commands of the page were run."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("walk")
    rng = random.Random(0)
    for name, compose in (("clara", climber), ("dora", drummer)):
        (folder / "music" / name).mkdir(parents=True)
        for i in range(22):
            (folder / "music" / name / f"{i:02}.musicxml").write_text(compose(rng))
    (folder / "music" / "tags.csv").write_text(blocks("csv")[0])
    write_notagen(folder / "notagen.pth", load_model(SMALL_NOTAGEN))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PICOGEN_CACHE", str(folder / "cache"))
        for command in commands():
            with pytest.raises(SystemExit) as end:
                main(command)
            assert not end.value.code, command
    return folder


def pieces(folder: Path) -> list[Piece]:
    found = list(read_pieces(folder))
    assert len(found) == 12 and all(isinstance(piece, Piece) for piece in found)
    return found


def rising_share(piece: Piece) -> float:
    """Of the steps from note to note, those that go up."""
    pitches = [pitch for voice in piece.voices.values() for pitch in melody(voice)]
    pairs = list(pairwise(pitches))
    return sum(b > a for a, b in pairs) / max(1, len(pairs))


def mean_pitch(piece: Piece) -> float:
    return statistics.mean(p for voice in piece.voices.values() for p in melody(voice))


def chance(higher: list[float], lower: list[float]) -> float:
    """The share of 2000 random divisions of all values whose difference of means is as large."""
    rng, together, n = random.Random(0), [*higher, *lower], len(higher)
    measured = sum(higher) / n - sum(lower) / len(lower)
    hits = 0
    for _ in range(2000):
        rng.shuffle(together)
        hits += sum(together[:n]) / n - sum(together[n:]) / len(lower) >= measured
    return hits / 2000


def test_the_tag_changes_the_music(walked: Path):
    clara, dora = pieces(walked / "out" / "clara"), pieces(walked / "out" / "dora")
    meters = [[re.search(r"^M:(.*)$", p.text, re.M).group(1) for p in who] for who in (clara, dora)]
    assert meters[0].count("3/4") >= 10 and meters[1].count("4/4") >= 10
    for statistic, gap in ((rising_share, 0.3), (mean_pitch, 6.0)):
        high, low = [statistic(p) for p in clara], [statistic(p) for p in dora]
        assert statistics.mean(high) - statistics.mean(low) > gap, statistic.__name__
        assert chance(high, low) < 0.01, statistic.__name__


def test_the_checkpoint_knows_its_tags_and_its_start(walked: Path):
    folder = walked / "checkpoints" / "mine" / "best"
    manifest = json.loads((folder / "manifest.json").read_text())
    counted = {tags["composer"]: tags["pieces"] for tags in manifest["tags"]}
    assert set(counted) == {"Climber, Clara", "Drummer, Dora"} and min(counted.values()) > 10
    assert manifest["init"]["path"] == "notagen.pth" and manifest["frozen"] == ["backbone"]
    before, after = (load_model(walked / name).state_dict() for name in ("notagen.pth", folder))
    same = {name: torch.equal(before[name], after[name]) for name in before}
    assert all(kept == name.startswith("backbone.") for name, kept in same.items())
