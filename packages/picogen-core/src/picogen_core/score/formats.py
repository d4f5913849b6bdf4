"""The formats of scores: which suffixes are read, what `--to` may name, what makes each.

A format to write is one entry here and its writer. Options, help, the files that go when a piece is
written anew, and the tables of docs/formats.md follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from picogen_core.errors import BadInput


@dataclass(frozen=True)
class Format:
    """A format of scores.

    summary: of the source that reads it, for `picogen plugins source`; "" if it is not read.
    reads:   suffixes, in small letters, by which files of a folder are chosen. What a file is, its
             content says (`score.file.kind_of`).
    writes:  suffix of files made by `--to`; "" if it is not written.
    paged:   one file per page: `NAME.svg`, `NAME-2.svg`, …
    binary:  bytes, else UTF-8 text.
    made_of: the format that `writer` takes; "" for those that abc2xml, xml2abc and verovio make.
    writer:  "module:function": takes str, or bytes if `made_of` is binary, and returns bytes. A
             worker process calls it, under limits. It raises `ConversionError`.
    made_by: for docs/formats.md.
    """

    summary: str = ""
    reads: tuple[str, ...] = ()
    writes: str = ""
    paged: bool = False
    binary: bool = False
    made_of: str = ""
    writer: str = ""
    made_by: str = ""

    def end_of(self, page: int) -> str:
        """What follows the piece's name in that of a file: `.mid`, `-2.svg`."""
        return self.writes if page == 1 else f"-{page}{self.writes}"


FORMATS: dict[str, Format] = {
    "abc": Format(
        summary="ABC files and folders of them, tune books included.",
        reads=(".abc",),
        writes=".abc",
        made_by="abctoolkit's xml2abc, from MusicXML that was straightened; "
        "our own writer, from kern and MIDI",
    ),
    "musicxml": Format(
        summary="MusicXML files, compressed or not, and folders of them.",
        reads=(".musicxml", ".mxl", ".xml"),
        writes=".musicxml",
        made_by="abctoolkit's abc2xml, after repair",
    ),
    "kern": Format(summary="Humdrum **kern files and folders of them.", reads=(".krn",)),
    "svg": Format(writes=".svg", paged=True, made_by="verovio"),
    "png": Format(
        writes=".png",
        paged=True,
        binary=True,
        made_of="svg",
        writer="picogen_core.score.raster:png_page",
        made_by="resvg, from the SVG",
    ),
    "midi": Format(
        summary="MIDI files and folders of them, on a grid of 1/32 and its triplets.",
        reads=(".mid", ".midi"),
        writes=".mid",
        binary=True,
        made_by="verovio",
    ),
    "wav": Format(
        writes=".wav",
        binary=True,
        made_of="midi",
        writer="picogen_core.score.synth:midi_to_wav",
        made_by="our own synthesiser, from the MIDI: eight harmonics under an ADSR envelope, "
        "no soundfont",
    ),
}
"""In this order one is taken of the files of a folder that share a name."""

TARGETS = tuple(name for name, made in FORMATS.items() if made.writes)
"""What `--to` may name."""

BESIDE = tuple(name for name in TARGETS if name != "abc")
"""Those of which files may lie beside the ABC of a generated piece."""

SUFFIXES = tuple(suffix for made in FORMATS.values() for suffix in made.reads)
"""What is looked for in folders; a file that is named may have any suffix."""


def refuse_unknown(targets: Iterable[str]) -> None:
    """Raises `BadInput` for a target that is not in `TARGETS`."""
    unknown = next((target for target in targets if target not in TARGETS), None)
    if unknown is not None:
        raise BadInput(f"there is no format {unknown!r}. Choose from {', '.join(TARGETS)}.")


def engraving_of(target: str) -> str:
    """The format at the beginning of the writers that make a target: `wav` -> `midi`."""
    while FORMATS[target].made_of:
        target = FORMATS[target].made_of
    return target
