"""Make the reference statistics that picogen-metrics ships: numbers of real music, no tunes.

    python studies/reference_statistics.py [NAME …]

Provenance: the corpora inside the installed music21: O'Neill's Music of Ireland (oneills1850),
Ryan's Mammoth Collection (ryansMammoth), Aird's Airs (airdsAirs) and Bach's chorales and other
vocal pieces (bach), every file as it stands. Each file written records music21's version.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import picogen_metrics
from picogen_core.evaluation.measuring import build_metric, make_plan, measure_all
from picogen_core.plugins.protocols import NAME, Row
from picogen_core.plugins.registry import registry
from picogen_core.runtime.progress import Quiet
from picogen_core.score.reading import open_scores

CORPORA = {
    "oneills": "oneills1850",
    "ryans": "ryansMammoth",
    "airds": "airdsAirs",
    "bach": "bach",
}
OPTIONS = {
    "powerlaw": {},
    "musicality": {},
    "counterpoint": {},
    "distribution": {},
    "validity": {"convert": False},
}
LEFT_OUT = {"n_short", "valid", "aligned"}  # they say something of the files, not of the music
SEED = 0


def statistics(corpus: str, folder: Path) -> dict[str, object]:
    """The reference file of one corpus, see `picogen_core.evaluation.references`."""
    plans = [make_plan(registry().get("metric", name), given) for name, given in OPTIONS.items()]
    found = measure_all(open_scores(folder), plans, None, 2, Quiet(), corpus)
    metrics = {}
    for plan in plans:
        metric = build_metric(plan)
        rows: list[Row] = [{**row, NAME: str(i)} for i, row in found.rows[plan.name].items()]
        condense = getattr(metric, "condense", None)
        values = {}
        if plan.name != "distribution":  # which only compares
            summary = metric.summarise(rows, None, np.random.default_rng(SEED))
            values = {
                key: _short([value.value, value.low, value.high])
                for key, value in summary.values.items()
                if not value.detail and key not in LEFT_OUT
            }
        metrics[plan.name] = {
            "values": values,
            "condensed": condense and _short(condense(rows, np.random.default_rng(SEED))),
        }
    return {
        "name": corpus,
        "pieces": len(found.readable),
        "provenance": f"{folder.name} of music21 {metadata.version('music21')}, every file; "
        "made by studies/reference_statistics.py",
        "metrics": metrics,
    }


def _short(data: object) -> object:
    """Six significant digits are more than the data bear."""
    if isinstance(data, float):
        return float(f"{data:.6g}")
    if isinstance(data, dict):
        return {key: _short(value) for key, value in data.items()}
    return [_short(item) for item in data] if isinstance(data, list) else data


def main(names: list[str]) -> None:
    spec = find_spec("music21")
    assert spec is not None and spec.submodule_search_locations
    corpus = Path(spec.submodule_search_locations[0]) / "corpus"
    target = Path(picogen_metrics.__path__[0]) / "reference_statistics"
    target.mkdir(exist_ok=True)
    for name in names or CORPORA:
        data = json.dumps(statistics(name, corpus / CORPORA[name]), separators=(",", ":"))
        (target / f"{name}.json").write_text(data + "\n", encoding="utf-8")
        print(f"{name}: {len(data):,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
