"""What the mask and the grammar do to pieces as a model writes them, before any repair.

    python studies/grammar.py --run RUN --count 200 [--bars 32] [--random] [--seed 0]
    python studies/grammar.py --run RUN --cost [--count 20] [--bars 32]
    python studies/grammar.py --real DATA [--every 10]

The first writes pieces with the mask alone and with the grammar, and counts: complete, valid
(converts, MusicXML 4.0 schema, voices of a measure equal, as many measures as bars), and bars whose
voices differ in length. Undone is only what the format does to every piece: counters and tags go,
voices that a line leaves out rest. `--random` takes the run's model with random weights. The second
writes pieces one at a time with the numba engine, steered by nothing, the mask and the grammar in
turns, and gives the CPU time of a patch. The third reads real music: characters that are not legal,
and those that the grammar would steer away from.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from picogen_core.abc.counters import strip_counters
from picogen_core.abc.grammar import Constraint, QuickConstraint
from picogen_core.abc.interleaved.rests import complete_line, rest_symbols
from picogen_core.abc.patches import EOS, PATCH_SIZE, split_body
from picogen_core.abc.pitch.keys import default_unit, meter_length, unit_length
from picogen_core.abc.reading.notes import read_tune
from picogen_core.data.prepared.store import read_dataset
from picogen_core.errors import PicogenError
from picogen_core.generation.decoding.decode import Limits
from picogen_core.generation.decoding.decode import write as write_pieces
from picogen_core.generation.decoding.piece import Draft, PieceWriter
from picogen_core.generation.engines.choose import EngineChoice, open_engine
from picogen_core.generation.engines.torch import TorchEngine
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.generation.request.prompt import place_prompt
from picogen_core.model.checkpoint import load_model
from picogen_core.model.locate import locate
from picogen_core.runtime.progress import Quiet
from picogen_core.score.helper import Converter
from picogen_core.score.validity import count_bars, validity_faults
from picogen_metrics.validity import align_bars

SAMPLING = SamplingOptions()
BATCH = 50


def undo_format(text: str) -> str:
    """Without counters and tags, with a rest for each voice that a line leaves out."""
    header, body = split_body(strip_counters(text))
    lines = [line for line in header.splitlines() if line[:1] != "%" or line[:2] == "%%"]
    fields = {line[0]: line[2:] for line in lines if line[1:2] == ":" and line[0] in "LM"}
    names = [line[2:].split()[0] for line in lines if line.startswith("V:") and line[2:].split()]
    score = next((line[7:] for line in lines if line.startswith("%%score")), "")
    meter = fields.get("M", "none")
    unit = unit_length(fields.get("L", "")) or default_unit(meter)
    default = (meter_length(meter) or 1) / unit
    symbols = rest_symbols(score, names)
    whole = [complete_line(line, symbols, default) for line in body.splitlines()]
    return "\n".join(["X:1", *lines, *whole]) + "\n"


def fault(text: str, converter: Converter) -> str:
    """What keeps a piece from being valid; "" for a valid one."""
    whole = undo_format(text)
    try:
        faults = validity_faults(converter.to_musicxml(whole), whole)
    except PicogenError as error:
        return str(error)
    return faults[0] if faults else ""


def judge(drafts: list[Draft], bars: int | None, converter: Converter) -> dict[str, Any]:
    """Counts over the pieces."""
    wrong = total = exact = 0
    faults: Counter[str] = Counter()
    for draft in drafts:
        written = draft.text if draft.complete else draft.text[: draft.text.rfind("\n") + 1]
        text = undo_format(written)
        reason = fault(draft.text, converter) if draft.complete else "not complete"
        faults[reason[:70]] += 1
        if text.count("\nV:") > 1:
            found = align_bars(read_tune(text)[1])
            total, wrong = total + found.bars, wrong + len(found.wrong)
        exact += draft.complete and count_bars(text) == bars
    made = {
        "pieces": len(drafts),
        "complete": sum(draft.complete for draft in drafts),
        "valid": faults.pop("", 0),
        "bars_of_several_voices": total,
        "misaligned_percent": round(100 * wrong / total, 3) if total else None,
        "faults": {reason: count for reason, count in faults.most_common(6) if count},
    }
    return made | ({"bars_as_asked": exact} if bars else {})


def write(args: argparse.Namespace, converter: Converter) -> dict[str, Any]:
    """The pieces of one model under each of the two."""
    model = load_model(args.run)
    if args.random:
        torch.manual_seed(args.seed)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    report: dict[str, Any] = {"run": str(args.run), "bars": args.bars, "random": args.random}
    ways: dict[str, dict[str, Any]] = {"mask": {"grammar": False}, "grammar": {"grammar": True}}
    if args.bars:
        ways = {"grammar": {"grammar": True, "bars": args.bars}}
    for name, way in ways.items():
        length = args.max_length or model.config.max_patches
        guides = partial(_guides, length, way)
        prompt = place_prompt(args.prompt).text
        starts = [PieceWriter(k, prompt, args.seed, guides) for k in range(1, args.count + 1)]
        begun = time.process_time()
        written = write_pieces(TorchEngine(model, BATCH, length), starts, SAMPLING, Limits(length))
        drafts = [done.draft for done in written if done.draft]
        seconds = time.process_time() - begun
        patches = sum(draft.patches for draft in drafts)
        report[name] = judge(drafts, args.bars, converter) | {
            "ms_per_patch": round(1000 * seconds / patches, 2)
        }
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            for draft in drafts:
                (args.keep / f"{name}-{draft.number:03d}.txt").write_text(draft.text)
    return report


def cost(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of CPU a patch, of one piece at a time: medians over pieces, ways in turns."""
    checkpoint = locate(args.run, Quiet())
    length = args.max_length or checkpoint.config.max_patches
    engine = open_engine(checkpoint, EngineChoice("numba", "cpu"), 1, length, Quiet())
    ways: dict[str, dict[str, Any] | None] = {
        "nothing": None, "mask": {}, "grammar": {"grammar": True},
    }  # fmt: skip
    if args.bars:
        ways["bars"] = {"grammar": True, "bars": args.bars}
    prompt = place_prompt(args.prompt).text
    times: dict[str, list[float]] = {name: [] for name in ways}
    for k in range(args.count + 1):
        for name, way in ways.items():
            guides = tuple if way is None else partial(_guides, length, way)
            begun = time.process_time()
            start = PieceWriter(k, prompt, args.seed, guides)
            patches = sum(1 for _ in write_pieces(engine, [start], SAMPLING, Limits(length)))
            if k:  # the first warms up
                times[name].append(1000 * (time.process_time() - begun) / patches)
    medians = {name: statistics.median(found) for name, found in times.items()}
    return {
        "run": str(args.run),
        "pieces": args.count,
        "ms_per_patch": {name: round(value, 3) for name, value in medians.items()},
        "ratio": {name: round(value / medians["mask"], 3) for name, value in medians.items()},
    }


def _guides(length: int, way: dict[str, Any]) -> list[QuickConstraint]:
    return [QuickConstraint(length, **way)]


def read_real(folder: Path, every: int) -> dict[str, Any]:
    """Real music under the mask and the grammar, character by character."""
    data = read_dataset(folder)
    characters = illegal = rarely = refused = 0
    illegal_pieces = refused_pieces = 0
    begun = time.process_time()
    numbers = range(0, len(data), every)
    for number in numbers:
        before = illegal, refused
        for legal, wanted, rare in _under(data[number].patches):
            characters += 1
            illegal += not legal
            rarely += rare
            refused += not (wanted or rare)
        illegal_pieces += illegal > before[0]
        refused_pieces += refused > before[1]
    return {
        "data": str(folder),
        "pieces": len(numbers),
        "codes": characters,
        "illegal": illegal,
        "illegal_pieces": illegal_pieces,
        "rare_percent": round(100 * rarely / characters, 4),
        "refused_percent": round(100 * refused / characters, 4),
        "refused_pieces": refused_pieces,
        "us_per_code": round(1e6 * (time.process_time() - begun) / characters, 1),
    }


def _under(patches: Any) -> Iterator[tuple[bool, bool, bool]]:
    constraint = Constraint(grammar=True)
    for row in patches.tolist():
        for code in row[: row.index(EOS) + 1 if EOS in row else PATCH_SIZE]:
            if constraint.patches:
                legal, wanted, rare = constraint.codes()
                yield bool(legal >> code & 1), bool(wanted >> code & 1), bool(rare >> code & 1)
            constraint.take(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--bars", type=int)
    parser.add_argument("--max-length", type=int)
    parser.add_argument("--prompt", default="")
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the texts")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.real:
        made = read_real(args.real, args.every)
    else:
        made = cost(args) if args.cost else write(args, Converter())
    print(json.dumps(made, indent=1))


if __name__ == "__main__":
    main()
