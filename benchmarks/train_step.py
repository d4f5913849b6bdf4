"""What a training step costs: every installed backbone and head, and ours against NotaGen's form.

    OMP_WAIT_POLICY=passive python benchmarks/train_step.py

All configurations take turns, so that their ratios hold on a busy machine too. `--quick` runs the
same in a minute on smaller sizes; `--json` gives every figure; what is printed else is Markdown,
the tables of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import measure
import notagen_step
import torch
from patches import tunes
from picogen_core.model.config import ModelConfig
from picogen_core.model.heads.forgetful import as_remembering
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.registry import registry
from picogen_core.training.optimizers import make_optimizer

BASE = "llama"
PARTS = "backbone", "head", "model"
NOTAGEN = "notagen"
MAX_TUNE = 256  # patches; longer tunes are cropped


@dataclass(frozen=True)
class Case:
    """A step of one part: rows × patches of it, on so many threads."""

    part: str
    name: str
    rows: int
    patches: int
    threads: int
    width: int

    def __str__(self) -> str:
        return f"{self.part} {self.name}, {self.rows} × {self.patches}, {self.threads} thread(s)"


@functools.cache
def build_part(part: str, name: str, width: int, longest: int) -> torch.nn.Module:
    """One module for all cases of a part, with the plugin's default options; `model` is the whole
    student with the default head."""
    torch.manual_seed(0)
    options: dict[str, Any] = {}
    if part != "head" and "max_patches" in registry().get("backbone", name).config().model_fields:
        options["max_patches"] = longest
    if part == "model":
        config = ModelConfig(
            d_model=width, max_patches=longest, backbone=name, backbone_options=options
        )
        return GenericStudent(config).train()
    module: torch.nn.Module = registry().get(part, name).build(options, width)
    return module.train()


def prepare(case: Case, longest: int) -> Callable[[], None]:
    """Forward and backward; of `model` the whole step, with cross-entropy and AdamW."""
    module = build_part(case.part, case.name, case.width, longest)
    count = case.rows * case.patches
    optimizer = None
    if case.part == "backbone":
        x = torch.randn(case.rows, case.patches, case.width, requires_grad=True)
        loss = functools.partial(_projection, module, x)
    elif case.part == "head":
        hidden = torch.randn(count, case.width, requires_grad=True)
        head = as_remembering(module, registry().get("head", case.name))
        rows = torch.arange(case.rows).repeat_interleave(case.patches)
        index = torch.arange(1, case.patches + 1).repeat(case.rows)
        chars = torch.randint(3, 127, (count, 16))
        loss = functools.partial(_projection, head, hidden, chars, rows, index)
    else:
        assert isinstance(module, GenericStudent)
        optimizer = make_optimizer("adamw", module, 1e-4, 0.1)
        patches = torch.randint(3, 127, (case.rows, case.patches, 16))
        loss = functools.partial(_cross_entropy, module, patches)

    def step() -> None:
        torch.set_num_threads(case.threads)
        loss().backward()  # type: ignore[no-untyped-call]
        if optimizer:
            optimizer.step()
        module.zero_grad(set_to_none=True)

    return step


def _projection(module: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> torch.Tensor:
    """A scalar that every output is in, at next to no cost."""
    return module(*inputs).sum()


def _cross_entropy(model: GenericStudent, patches: torch.Tensor) -> torch.Tensor:
    output = model(patches, torch.full((len(patches),), patches.shape[1]))
    return torch.nn.functional.cross_entropy(
        output.logits.flatten(0, 1), output.characters.flatten()
    )


def one_step(case: Case) -> None:
    """What the memory of a case is measured on."""
    prepare(case, case.patches)()


def cases(given: argparse.Namespace) -> list[Case]:
    backbones = given.backbones or [entry.name for entry in registry().all("backbone")]
    heads = given.heads or measure.plain_heads()
    rows, patches = given.headline
    listed = []
    for threads in given.threads:
        shapes = [(1, n) for n in given.lengths] + [(rows, patches)]
        for name, (b, s) in itertools.product(backbones, dict.fromkeys(shapes)):
            listed.append(Case("backbone", name, b, s, threads, given.width))
        for name, n in itertools.product(heads, given.lengths):
            listed.append(Case("head", name, 1, n, threads, given.width))
        for name in backbones:
            listed.append(Case("model", name, 1, patches, threads, given.width))
    return [case for case in listed if case.part in given.parts]


def _parameters(case: Case, longest: int) -> int:
    module = build_part(case.part, case.name, case.width, longest)
    return sum(p.numel() for p in module.parameters())


def measure_steps(given: argparse.Namespace) -> list[dict[str, Any]]:
    """One record a case."""
    todo = cases(given)
    with measure.fresh_processes() as peak_mib:
        memory = {}
        for case in todo:
            if case.threads == given.threads[0]:
                measure.progress(f"memory of {case}")
                memory[case.part, case.name, case.rows, case.patches] = peak_mib(one_step, case)
    longest = max(case.patches for case in todo)
    steps = {case: prepare(case, longest) for case in todo}
    for case, step in steps.items():  # the first call of a kernel is slower
        if case.patches <= min(given.lengths):
            step()
    times = measure.in_turns(steps, given.rounds, given.budget)
    return [
        asdict(case)
        | {
            "parameters": _parameters(case, longest),
            "cpu_s": times[case].median_cpu,
            "wall_s": times[case].median_wall,
            "runs": len(times[case].cpu),
            "cpu_runs_s": times[case].cpu,
            "wall_runs_s": times[case].wall,
            "peak_mib": memory[case.part, case.name, case.rows, case.patches],
        }
        for case in todo
    ]


def measure_notagen(given: argparse.Namespace) -> dict[str, Any]:
    """Passes over the same tunes by all sides, in turns batch by batch; CPU seconds a pass."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = notagen_step.tunes_dataset(tunes(given.tunes))
    model = notagen_step.student(given.small, 4, 2, MAX_TUNE)
    size = given.batch_size
    ours, published, padded = notagen_step.losses(
        model, notagen_step.shuffled(data, size, MAX_TUNE, 0)[0]
    )
    sides = notagen_step.sides(model)
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for epoch in range(given.passes):
        orders = {
            name: (notagen_step.bucketed if name.startswith("ours") else notagen_step.shuffled)(
                data, size, MAX_TUNE, epoch
            )
            for name in sides
        }
        tasks = {
            (name, i): functools.partial(sides[name], batches[i])
            for i in range(len(next(iter(orders.values()))))
            for name, batches in orders.items()
        }
        times = measure.in_turns(tasks, 1)
        for name in sides:
            spent[name].append(sum(t.cpu[0] for (side, _), t in times.items() if side == name))
    characters = sum(int((data[i].patches[1:] != 0).sum()) for i in range(len(data)))
    return {
        "parameters": model.parameter_count(),
        "width": given.small,
        "tunes": len(data),
        "batch_size": size,
        "characters": characters,
        "losses": {"ours": ours, "as published": published, "padded": padded},
        "cpu_s": spent,
        "ratios": {
            f"{theirs} / {mine}": _quartiles(
                [a / b for a, b in zip(spent[theirs], spent[mine], strict=True)]
            )
            for theirs, mine in itertools.product(list(sides)[2:], list(sides)[:2])
        },
    }


def _quartiles(values: Sequence[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": middle, "low": low, "high": high}


def fit(records: list[dict[str, Any]], part: str, name: str, threads: int) -> float:
    """Exponent of CPU time against length, over the lengths from 256 on (all, if too few)."""
    mine = [r for r in records if (r["part"], r["name"], r["threads"], r["rows"])
            == (part, name, threads, 1)]  # fmt: skip
    long = [r for r in mine if r["patches"] >= 256]
    used = long if len(long) >= 2 else mine
    if len(used) < 2:
        return math.nan
    return measure.exponent([r["patches"] for r in used], [r["cpu_s"] for r in used])


def numbers(text: str) -> list[int]:
    """`64,256` as a list."""
    return [int(part) for part in text.split(",")]


def names(text: str) -> list[str]:
    """`llama,rwkv` as a list."""
    return text.split(",")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])

    parser.add_argument("--lengths", type=numbers, default=[64, 256, 1024, 4096])
    parser.add_argument("--headline", type=numbers, default=[4, 1024], help="rows,patches")
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--backbones", type=names, help="default: all installed")
    parser.add_argument("--heads", type=names, help="default: all installed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=60, help="wall seconds a case")
    parser.add_argument("--tunes", type=int, default=256)
    parser.add_argument("--small", type=int, default=256, help="width of the NotaGen comparison")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--passes", type=int, default=5, help="over the tunes")
    parser.add_argument("--parts", type=names, default=[*PARTS, NOTAGEN], help="default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, a minute")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if given.quick:
        given.lengths, given.headline, given.width = [64, 256], [2, 128], 128
        given.rounds, given.budget, given.tunes, given.passes = 3, 2.0, 16, 3
    return given


def main() -> None:
    given = parse()
    result = {
        "machine": measure.machine(),
        "steps": measure_steps(given) if set(given.parts) & set(PARTS) else [],
        "notagen": measure_notagen(given) if NOTAGEN in given.parts else None,
    }
    if given.json:
        print(json.dumps(result, indent=1))
    else:
        from train_tables import report

        print(report(result))


if __name__ == "__main__":
    main()
