"""What generation costs without an engine: prefill, a patch step at each position, state, heads.

    OMP_WAIT_POLICY=passive python benchmarks/decode_step.py

One piece, fp32, random weights, every installed backbone and head with its default options, all
in turns. A patch step takes one embedded patch; a head writes the 16 characters of one patch.
`--quick` takes a minute, `--json` gives every figure.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import measure
import torch
from picogen_core.model.heads.forgetful import as_remembering
from picogen_core.model.state_tree import tree_map
from picogen_core.plugins.registry import registry
from train_step import BASE, build_part, names, numbers

STEPS = 10  # patch steps a timing
CHARACTERS = 16


@dataclass(frozen=True)
class Case:
    """`prefill` of so many patches, `step` with so many behind it, or `head`: one patch."""

    part: str
    name: str
    patches: int
    threads: int
    width: int

    def __str__(self) -> str:
        return f"{self.part} {self.name}, {self.patches} patches, {self.threads} thread(s)"


@torch.no_grad()
def prepare(case: Case, longest: int) -> Callable[[], None]:
    """What is timed; for `step` the prompt is read beforehand."""
    if case.part == "head":
        return functools.partial(_write_patch, case, longest)
    module: Any = build_part("backbone", case.name, case.width, longest).eval()
    x = torch.randn(1, case.patches, case.width)
    lengths = torch.tensor([case.patches])
    state = _empty_state(module, case)
    if case.part == "prefill":
        return functools.partial(_prefill, case, module, x, lengths, state)
    _, state = module.prefill(x, lengths, state)
    return functools.partial(_steps, case, module, x[:, 0], state)


def _empty_state(module: Any, case: Case) -> Any:
    return module.initial_state(1, case.patches + STEPS, torch.device("cpu"), torch.float32)


@torch.no_grad()
def _prefill(case: Case, module: Any, x: torch.Tensor, lengths: torch.Tensor, state: Any) -> None:
    torch.set_num_threads(case.threads)
    module.prefill(x, lengths, state)


@torch.no_grad()
def _steps(case: Case, module: Any, x: torch.Tensor, state: Any) -> None:
    torch.set_num_threads(case.threads)
    for _ in range(STEPS):
        _, state = module.step(x, state)


@torch.no_grad()
def _write_patch(case: Case, longest: int) -> None:
    torch.set_num_threads(case.threads)
    module = build_part("head", case.name, case.width, longest).eval()
    head = as_remembering(module, registry().get("head", case.name))
    memory = head.initial_memory(1, case.patches, torch.device("cpu"), torch.float32)
    _, state = head.begin(torch.zeros(1, case.width), memory)
    for _ in range(CHARACTERS - 1):
        _, state = head.step(torch.tensor([65]), state)


def once(case: Case) -> None:
    """What the memory of a case is measured on: the model, a prefill and steps, or a patch."""
    prepare(case, case.patches + STEPS)()


def state_bytes(name: str, width: int, patches: int) -> int:
    """Bytes of the state of one piece that may grow to so many patches."""
    module: Any = build_part("backbone", name, width, patches)
    sizes: list[int] = []
    state = module.initial_state(1, patches, torch.device("cpu"), torch.float32)
    tree_map(lambda tensor: sizes.append(tensor.numel() * tensor.element_size()), state)
    return sum(sizes)


def measure_decoding(given: argparse.Namespace) -> dict[str, Any]:
    """Records of all cases, and the bytes of state by backbone and length."""
    backbones = given.backbones or [entry.name for entry in registry().all("backbone")]
    heads = given.heads or measure.plain_heads()
    todo = [
        Case(part, name, n, threads, given.width)
        for threads in given.threads
        for name, n, part in itertools.product(backbones, given.lengths, ("prefill", "step"))
    ]
    todo += [Case("head", name, 1, n, given.width) for n in given.threads for name in heads]
    longest = max(given.lengths) + STEPS
    memory = {}
    with measure.fresh_processes() as peak_mib:
        for case in todo:
            if case.threads == given.threads[0]:
                measure.progress(f"memory of {case}")
                memory[case.part, case.name, case.patches] = peak_mib(once, case)
    tasks = {case: prepare(case, longest) for case in todo}
    for case, task in tasks.items():
        if case.patches <= min(given.lengths):  # the first call of a kernel is slower
            task()
    times = measure.in_turns(tasks, given.rounds, given.budget)
    records = []
    for case in todo:
        share = STEPS if case.part == "step" else 1
        records.append(
            asdict(case)
            | {
                "cpu_s": times[case].median_cpu / share,
                "wall_s": times[case].median_wall / share,
                "runs": len(times[case].cpu),
                "peak_mib": memory[case.part, case.name, case.patches],
            }
        )
    states = {
        name: {n: state_bytes(name, given.width, n) for n in given.lengths} for name in backbones
    }
    return {"decoding": records, "state_bytes": states}


def report(result: dict[str, Any]) -> str:
    """Markdown."""
    records = result["decoding"]
    parts = [f"Machine: {result['machine']}."]
    what = {
        "prefill": "Reading a prompt of so many patches",
        "step": "One more patch after so many",
    }
    for part, threads in itertools.product(what, sorted({r["threads"] for r in records})):
        mine = [r for r in records if (r["part"], r["threads"]) == (part, threads)]
        kind = "cpu_s" if threads == 1 else "wall_s"
        lengths = sorted({r["patches"] for r in mine})
        cost = {(r["name"], r["patches"]): r[kind] for r in mine}
        rows = []
        for name in dict.fromkeys(r["name"] for r in mine):
            seconds = [cost[name, n] for n in lengths]
            row: list[object] = [f"`{name}`", *map(measure.seconds, seconds)]
            if len(lengths) > 1:
                row.append(f"{measure.exponent(lengths, seconds):.2f}")
            if (BASE, lengths[-1]) in cost:
                row.append(f"{seconds[-1] / cost[BASE, lengths[-1]]:.2f}")
            peak = max(r["peak_mib"] for r in mine if r["name"] == name)
            rows.append([*row, f"{peak:,.0f} MiB"])
        head = ["backbone", *(f"{n:,}" for n in lengths)]
        head += ["exponent"] if len(lengths) > 1 else []
        head += [f"to {BASE} at {lengths[-1]:,}"] if len(rows[0]) > len(head) + 1 else []
        timed = "one thread, CPU time" if threads == 1 else f"{threads} threads, wall time"
        parts += [f"{what[part]}, {timed}.", measure.table([*head, "peak memory"], rows)]
    return "\n\n".join([*parts, *_states(result["state_bytes"]), *_heads(records)])


def _states(states: dict[str, dict[int, int]]) -> list[str]:
    rows = []
    for name, sizes in states.items():
        (few, small), (many, large) = min(sizes.items()), max(sizes.items())
        growth = (large - small) // max(1, many - few)
        kib = [f"{size / 1024:,.0f} KiB" for size in sizes.values()]
        rows.append([f"`{name}`", *kib, f"{growth:,} B" if growth else "none"])
    head = ["state of one piece", *(f"{n:,}" for n in next(iter(states.values())))]
    return ["Bytes kept for one piece, fp32.", measure.table([*head, "growth a patch"], rows)]


def _heads(records: list[dict[str, Any]]) -> list[str]:
    mine = [r for r in records if r["part"] == "head"]
    threads = sorted({r["threads"] for r in mine})
    rows = []
    for name in dict.fromkeys(r["name"] for r in mine):
        row: list[object] = [f"`{name}`"]
        for n in threads:
            record = next(r for r in mine if (r["name"], r["threads"]) == (name, n))
            row.append(measure.seconds(record["wall_s" if n > 1 else "cpu_s"]))
        peak = statistics.median(r["peak_mib"] for r in mine if r["name"] == name)
        rows.append([*row, f"{peak:,.0f} MiB"])
    head = ["head, 16 characters of one patch", *(f"{n} thread{'s' * (n > 1)}" for n in threads)]
    return ["A patch written by a head (no sampling).", measure.table([*head, "peak"], rows)]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--lengths", type=numbers, default=[64, 256, 1024, 4096])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--backbones", type=names, help="default: all installed")
    parser.add_argument("--heads", type=names, help="default: all installed")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--budget", type=float, default=15, help="wall seconds a case")
    parser.add_argument("--quick", action="store_true", help="small sizes, a minute")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if given.quick:
        given.lengths, given.width, given.rounds, given.budget = [64, 256], 128, 3, 2.0
    return given


def main() -> None:
    given = parse()
    result = {"machine": measure.machine(), **measure_decoding(given)}
    print(json.dumps(result, indent=1) if given.json else report(result))


if __name__ == "__main__":
    main()
