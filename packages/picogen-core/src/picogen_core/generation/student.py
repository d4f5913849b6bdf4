"""A model in Python: `load(path).generate(prompt, seed=1).musicxml()`."""

from __future__ import annotations

import base64
import html
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from picogen_core.errors import BadInput, ConfigError, PicogenError
from picogen_core.generation.request.options import EngineName, PieceRequest
from picogen_core.generation.session import Lines, Session
from picogen_core.plugins.options import parse_options
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.score.convert import convert_text
from picogen_core.score.formats import FORMATS
from picogen_core.score.helper import Converter


@dataclass(frozen=True)
class Music:
    """A generated piece. A notebook shows its score.

    abc:    a tune that every program reads.
    record: the JSON beside a file: seed, settings, checkpoint, timings, repairs.
    """

    abc: str
    record: dict[str, Any]

    @property
    def complete(self) -> bool:
        """Whether the model closed the piece; `record["stopped"]` says why not."""
        return bool(self.record["complete"])

    def musicxml(self) -> str:
        """Return MusicXML 4.0. Raises `ConversionError` if it cannot be converted."""
        return self._files[FORMATS["musicxml"].writes].decode()

    def midi(self) -> bytes:
        """Return a standard MIDI file. Raises `ConversionError` if it cannot be converted."""
        return self._files[FORMATS["midi"].writes]

    def svg(self) -> list[str]:
        """Return its pages. Raises `ConversionError` if it cannot be converted."""
        svg = FORMATS["svg"].writes
        pages = {name: page for name, page in self._files.items() if name.endswith(svg)}
        return [page.decode() for page in pages.values()]

    @cached_property
    def _files(self) -> dict[str, bytes]:
        with Converter() as converter:
            return convert_text(self.abc, ("musicxml", "svg", "midi"), converter).files

    def _repr_html_(self) -> str:
        """Return the score, if it can be engraved, above the text."""
        shown, note = [], "" if self.complete else f"<p>{html.escape(self.record['stopped'])}</p>"
        try:
            for page in self.svg():
                data = base64.b64encode(page.encode()).decode()  # a picture runs no script
                shown.append(f'<img alt="score" src="data:image/svg+xml;base64,{data}">')
        except PicogenError as error:
            note += f"<p>{html.escape(str(error))}</p>"
        return f"{''.join(shown)}{note}<pre>{html.escape(self.abc)}</pre>"


class Student:
    """A loaded model that generates pieces."""

    def __init__(self, path: Path | str, *, engine: str = "auto", device: str = "cpu") -> None:
        known: tuple[EngineName, ...] = get_args(EngineName)
        if engine not in known:
            raise ConfigError(
                f"engine {engine!r}: no such engine.{did_you_mean(engine, known)} "
                f"Known: {', '.join(known)}."
            )
        name = next(one for one in known if one == engine)
        self._session = Session(path, engine=name, device=device)

    def generate(self, prompt: str | PieceRequest = "", **options: Any) -> Music:
        """Return one piece. Equal options give the same piece, that of
        `picogen generate --num-samples 1`.

        `options` are the fields of `PieceRequest`: `seed=1, bars=16, meter="6/8"`, and so on. In
        place of `prompt` a whole `PieceRequest` may be given.

        Raises:
            PicogenError: an option or the prompt does not fit, or the draft cannot be repaired.
        """
        job = self._session.prepare(_request(prompt, options))
        score = next(one.score for one in self._session.write([job]) if one.score)
        if not score.abc:
            raise BadInput(f"the draft cannot be repaired ({score.reason}). Try another seed.")
        return Music(score.abc, score.record)

    def stream(self, prompt: str | PieceRequest = "", **options: Any) -> Iterator[str]:
        """Yield the piece of `generate` while it is generated, before any repair.

        These are the header lines, then bar by bar, each a line of all voices. `options` are those
        of `generate`, except `candidates`.

        Raises:
            PicogenError: an option or the prompt does not fit.
        """
        request = _request(prompt, options)
        if request.candidates > 1:
            raise ConfigError("candidates: a stream has one draft. Use generate, or leave it out.")
        job = self._session.prepare(request)
        lines = Lines(job)
        for one in self._session.write([job]):
            yield from lines.push(one.text).splitlines(keepends=True)
        if rest := lines.rest():
            yield rest


def _request(prompt: str | PieceRequest, options: Mapping[str, Any]) -> PieceRequest:
    """Return the request of a call. `sampling=SamplingOptions(…)` is the form of 0.1."""
    given = dict(options)
    sampling = given.pop("sampling", None)
    if sampling is not None:
        warnings.warn(
            "sampling=SamplingOptions(…): give its options by name, such as temperature=0.9.",
            FutureWarning,
            stacklevel=3,
        )
        given = {**sampling.model_dump(), **given}
    if isinstance(prompt, PieceRequest):
        begun = {name: getattr(prompt, name) for name in PieceRequest.model_fields}
        return parse_options(PieceRequest, {**begun, **given}, "generate")
    return parse_options(PieceRequest, {"prompt": prompt, **given}, "generate")


def _show_options(method: Callable[..., Any]) -> None:
    """Give help() and notebooks the fields of `PieceRequest` in place of `**options`."""
    first = list(inspect.signature(method).parameters.values())[:2]
    named = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
        for name, field in PieceRequest.model_fields.items()
        if name != "prompt"
    ]
    method.__signature__ = inspect.Signature([*first, *named])  # type: ignore[attr-defined]


_show_options(Student.generate)
_show_options(Student.stream)
