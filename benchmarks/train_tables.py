"""The figures of train_step.py as the tables of docs/benchmarks.md."""

from __future__ import annotations

import statistics
from typing import Any

from measure import seconds, table
from train_step import BASE, fit

Records = list[dict[str, Any]]


def report(result: dict[str, Any]) -> str:
    """Markdown."""
    steps: Records = result["steps"]
    parts = [f"Machine: {result['machine']}.", *_headline(steps)]
    for part in ("backbone", "head", "model"):
        parts += _by_length(steps, part)
    if result["notagen"]:
        parts.append(_notagen(result["notagen"]))
    return "\n\n".join(parts)


def _headline(steps: Records) -> list[str]:
    wide = [r for r in steps if r["part"] == "backbone" and r["rows"] > 1]
    if not wide:
        return []
    first = wide[0]
    threads = sorted({r["threads"] for r in wide})
    base = {r["threads"]: r for r in wide if r["name"] == BASE}
    head = ["backbone", "parameters"]
    for n in threads:
        head += [f"{n} thread{'s' if n > 1 else ''}", f"to {BASE}"]
    rows = []
    for name in dict.fromkeys(r["name"] for r in wide):
        mine = {r["threads"]: r for r in wide if r["name"] == name}
        row: list[object] = [f"`{name}`", f"{mine[threads[0]]['parameters']:,}"]
        for n in threads:
            row += [seconds(mine[n]["wall_s" if n > 1 else "cpu_s"]), _ratio(mine[n], base.get(n))]
        rows.append([*row, f"{mine[threads[0]]['peak_mib']:,.0f} MiB"])
    title = (
        f"Forward and backward of a backbone, {first['rows']} × {first['patches']:,} patches, "
        f"width {first['width']}, fp32. One thread is CPU time, more are wall time."
    )
    return [title, table([*head, "peak memory"], rows)]


def _ratio(record: dict[str, Any], base: dict[str, Any] | None) -> str:
    """The median of the rounds' ratios: both sides of a round ran within the same minute."""
    if base is None:
        return ""
    kind = "cpu_runs_s" if record["threads"] == 1 else "wall_runs_s"
    return f"{statistics.median(a / b for a, b in zip(record[kind], base[kind], strict=False)):.2f}"


def _by_length(steps: Records, part: str) -> list[str]:
    single = [r for r in steps if r["part"] == part and r["rows"] == 1]
    if not single:
        return []
    lengths = sorted({r["patches"] for r in single})
    used = [n for n in lengths if n >= 256] if sum(n >= 256 for n in lengths) > 1 else lengths
    tables = []
    for n in sorted({r["threads"] for r in single}):
        rows = []
        for name in dict.fromkeys(r["name"] for r in single):
            mine = {r["patches"]: r for r in single if (r["name"], r["threads"]) == (name, n)}
            kind = "wall_s" if n > 1 else "cpu_s"
            row: list[object] = [f"`{name}`", f"{mine[lengths[0]]['parameters']:,}"]
            row += [seconds(mine[length][kind]) for length in lengths]
            if len(lengths) > 1:
                row.append(f"{fit(steps, part, name, n):.2f}")
            if n == min(r["threads"] for r in single):
                row.append(" / ".join(f"{mine[length]['peak_mib']:,.0f}" for length in lengths))
            rows.append(row)
        head = [part, "parameters", *(f"{length:,}" for length in lengths)]
        head += ["exponent"] if len(lengths) > 1 else []
        head += ["peak MiB"] if len(head) < len(rows[0]) else []
        what = {
            "backbone": "Forward and backward of one row of so many patches",
            "head": "Forward and backward of a head over so many patches",
            "model": "A whole step of a student with the default head (AdamW included)",
        }[part]
        timed = "one thread, CPU time" if n == 1 else f"{n} threads, wall time"
        fitted = f"; exponent over {used[0]:,} … {used[-1]:,}" if len(lengths) > 1 else ""
        tables += [f"{what}, {timed}{fitted}.", table(head, rows)]
    return tables


def _notagen(found: dict[str, Any]) -> str:
    losses = ", ".join(f"{name} {value:.6f}" for name, value in found["losses"].items())
    rows = []
    for name, spent in found["cpu_s"].items():
        middle = statistics.median(spent)
        row: list[object] = [name, f"{middle:.2f} s", f"{found['characters'] / middle:,.0f}"]
        for mine in list(found["cpu_s"])[:2]:
            ratio = found["ratios"].get(f"{name} / {mine}")
            row.append(
                f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]" if ratio else ""
            )
        rows.append(row)
    title = (
        f"One pass over {found['tunes']} tunes of O'Neill ({found['characters']:,} characters) in "
        f"batches of {found['batch_size']}, {found['parameters']:,} parameters (gpt2 and "
        f"char-transformer of width {found['width']}): forward, backward, AdamW; one thread, CPU "
        f"time. Loss of one batch without dropout: {losses}."
    )
    head = ["training step", "a pass", "characters/s", "× ours, fp32", "× ours, bf16"]
    return title + "\n\n" + table(head, rows)
