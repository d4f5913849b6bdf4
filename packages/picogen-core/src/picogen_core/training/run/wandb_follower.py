"""Weights & Biases tracker: `-m picogen_core.training.run.wandb_follower RUN_DIR OFFSET`.

It is offline unless WANDB_MODE is set, and keeps its files in RUN_DIR/wandb. A resumed run keeps
its id. `tracking` describes stdin and stdout.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import tomllib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from picogen_core.model.config import MANIFEST
from picogen_core.training.run.tracking import PATIENCE

INIT_SECONDS = 15.0
"""Timeout of the server; the offline start that follows has to fit into `PATIENCE` too."""
POLL_SECONDS = 0.5


def main(run_dir: Path, offset: int) -> int:
    """Follow the run until it is over, or until W&B takes too long after that."""
    voice = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # W&B's own output is not for the user

    def show(text: str) -> None:
        voice.write(" ".join(text.split()) + "\n")

    over = threading.Event()
    words: list[str] = []
    threading.Thread(target=_listen, args=[over, words], daemon=True).start()
    try:
        run, wandb = _begin(run_dir, show)
        with (run_dir / "metrics.jsonl").open("rb") as log:
            log.seek(offset)
            _follow(log, over, lambda row: _log(run, wandb, run_dir, row))
        run.finish(exit_code=0 if words == ["done"] else 1)
    except Exception as error:
        show(f"W&B failed ({error!r}); the run continues, and metrics.jsonl has all rows.")
        return 1
    return 0


def _listen(over: threading.Event, words: list[str]) -> None:
    words.append(sys.stdin.readline().strip())
    over.set()
    # The run may be dead, so a hanging process must end itself.
    timer = threading.Timer(2 * PATIENCE, os._exit, [1])
    timer.daemon = True
    timer.start()


def _begin(run_dir: Path, show: Callable[[str], None]) -> tuple[Any, Any]:
    """Return the W&B run, new or resumed, and the module."""
    import wandb

    kept = run_dir / "wandb" / "run-id"
    kept.parent.mkdir(exist_ok=True)
    if not kept.is_file():
        kept.write_text(uuid.uuid4().hex[:8] + "\n")
    config = tomllib.loads((run_dir / "config.toml").read_text(encoding="utf-8"))
    config["manifest"] = json.loads((run_dir / MANIFEST).read_text())

    def init(mode: Any) -> Any:
        return wandb.init(
            project=os.environ.get("WANDB_PROJECT", "picogen"),
            name=config["exp_name"],
            id=kept.read_text().strip(),
            resume="allow",
            dir=str(run_dir),
            config=config,
            mode=mode,
            settings=wandb.Settings(
                silent=True, console="off", save_code=False, init_timeout=INIT_SECONDS
            ),
        )

    mode = os.environ.get("WANDB_MODE") or "offline"
    try:
        run = init(mode)
    except Exception as error:
        if mode == "offline":
            raise
        show(f"W&B cannot be reached ({str(error)[:160]}). Continuing offline.")
        wandb.teardown()  # or the id is still in use
        mode, run = "offline", init("offline")
    run.define_metric("*", step_metric="step")
    if mode == "offline":
        show(f"W&B writes offline; upload with: wandb sync {Path(run.dir).parent}")
    elif run.url:
        show(f"W&B: {run.url}")
    return run, wandb


def _follow(log: Any, over: threading.Event, use: Callable[[dict[str, Any]], None]) -> None:
    rest = b""
    while True:
        last = over.is_set()  # before reading: all rows were written when the run ended
        *lines, rest = (rest + log.read()).split(b"\n")
        for line in lines:
            use(json.loads(line))
        if last:
            return
        over.wait(POLL_SECONDS)


def _log(run: Any, wandb: Any, run_dir: Path, row: dict[str, Any]) -> None:
    """Log a row; samples become a table of texts."""
    folder = row.pop("samples", None)
    if folder is not None:
        texts = sorted((run_dir / folder).glob("*.abc"))
        pieces = [[row["step"], text.stem, text.read_text()] for text in texts]
        row["samples"] = wandb.Table(columns=["step", "piece", "abc"], data=pieces)
    run.log(row)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
