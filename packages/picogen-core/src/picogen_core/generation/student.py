"""A model in Python: `load(path).generate(prompt, seed=1).musicxml()`."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from picogen_core.errors import BadInput, ConfigError, PicogenError
from picogen_core.generation.engines.choose import Name
from picogen_core.generation.output import Score
from picogen_core.generation.ranking import REFERENCE, Rank, Ranking
from picogen_core.generation.request.job import PieceRequest
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.generation.session import Candidates, Lines, Session
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.score.convert import convert_text
from picogen_core.score.formats import FORMATS
from picogen_core.score.helper import Converter


@dataclass(frozen=True)
class Music:
    """A piece that was written. `abc` is a tune that every program reads, `record` what the JSON
    beside a file says: seed, settings, checkpoint, timings, repairs. A notebook shows its score.
    """

    abc: str
    record: dict[str, Any]

    @property
    def complete(self) -> bool:
        """Whether the model closed the piece; `record["stopped"]` says why not."""
        return bool(self.record["complete"])

    def musicxml(self) -> str:
        """MusicXML 4.0. Raises `ConversionError` if it cannot be converted."""
        return self._files[FORMATS["musicxml"].writes].decode()

    def midi(self) -> bytes:
        """A standard MIDI file. Raises `ConversionError` if it cannot be converted."""
        return self._files[FORMATS["midi"].writes]

    def svg(self) -> list[str]:
        """Its pages. Raises `ConversionError` if it cannot be converted."""
        pages = {
            name: page for name, page in self._files.items() if name.endswith(FORMATS["svg"].writes)
        }
        return [page.decode() for page in pages.values()]

    @cached_property
    def _files(self) -> dict[str, bytes]:
        with Converter() as converter:
            return convert_text(self.abc, ("musicxml", "svg", "midi"), converter).files

    def _repr_html_(self) -> str:
        """The score, if it can be engraved, above the text."""
        shown, note = [], "" if self.complete else f"<p>{html.escape(self.record['stopped'])}</p>"
        try:
            for page in self.svg():
                data = base64.b64encode(page.encode()).decode()  # as a picture it runs no script
                shown.append(f'<img alt="score" src="data:image/svg+xml;base64,{data}">')
        except PicogenError as error:
            note += f"<p>{html.escape(str(error))}</p>"
        return f"{''.join(shown)}{note}<pre>{html.escape(self.abc)}</pre>"


class Student:
    """A model that is loaded once and written with often."""

    def __init__(self, path: Path | str, *, engine: str = "auto", device: str = "cpu") -> None:
        known: tuple[Name, ...] = get_args(Name)
        if engine not in known:
            raise ConfigError(
                f"engine {engine!r}: no such engine.{did_you_mean(engine, known)} "
                f"Known: {', '.join(known)}."
            )
        name = next(one for one in known if one == engine)
        self._session = Session(path, engine=name, device=device)

    def generate(
        self, prompt: str = "", *, seed: int = 0, bars: int | None = None,
        meter: str | None = None, key: str | None = None, tempo: str | None = None,
        grammar: bool | None = None, continued: Path | str | None = None,
        keep_bars: int | None = None, max_length: int | None = None,
        sampling: SamplingOptions | None = None, candidates: int = 1, rank: Rank = "nll",
        reference: str = REFERENCE,
    ) -> Music:  # fmt: skip
        """One piece; the same seed and settings give the same piece, that of
        `picogen generate --num-samples 1`.

        continued: a score whose first `keep_bars` bars are kept, all if None.
        bars:      in all; None leaves them to the model.
        meter, key, tempo: such as 6/8, Dmin, 1/4=120.

        Raises:
            PicogenError: the prompt does not fit, or nothing could be made of what was written.
        """
        request = PieceRequest(
            prompt=prompt, seed=seed, bars=bars, meter=meter, key=key, tempo=tempo,
            grammar=grammar, continued=None if continued is None else Path(continued),
            keep_bars=keep_bars, max_length=max_length, sampling=sampling or SamplingOptions(),
        )  # fmt: skip
        best_of = Candidates(candidates, Ranking(rank, reference))
        job = self._session.prepare(request, candidates=best_of)
        score = next(e.score for e in self._session.write([job], candidates=best_of) if e.score)
        return _music(score)

    def stream(
        self, prompt: str = "", *, seed: int = 0, bars: int | None = None,
        meter: str | None = None, key: str | None = None, tempo: str | None = None,
        grammar: bool | None = None, continued: Path | str | None = None,
        keep_bars: int | None = None, max_length: int | None = None,
        sampling: SamplingOptions | None = None,
    ) -> Iterator[str]:  # fmt: skip
        """The piece that `generate` gives, as the model writes it, before any repair: header
        lines, then bar by bar, each a line of all voices."""
        request = PieceRequest(
            prompt=prompt, seed=seed, bars=bars, meter=meter, key=key, tempo=tempo,
            grammar=grammar, continued=None if continued is None else Path(continued),
            keep_bars=keep_bars, max_length=max_length, sampling=sampling or SamplingOptions(),
        )  # fmt: skip
        job = self._session.prepare(request)
        lines = Lines(job)
        for event in self._session.write([job]):
            yield from lines.push(event.text).splitlines(keepends=True)
        if rest := lines.rest():
            yield rest


def _music(score: Score) -> Music:
    if not score.abc:
        raise BadInput(f"nothing could be made of the piece ({score.reason}). Try another seed.")
    return Music(score.abc, score.record)
