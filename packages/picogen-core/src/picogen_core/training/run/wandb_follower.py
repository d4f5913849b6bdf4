"""Weights & Biases tracker: `-m picogen_core.training.run.wandb_follower RUN_DIR OFFSET`.

It is offline unless WANDB_MODE is set, and keeps its files in RUN_DIR/wandb. A resumed run keeps
its id.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

from picogen_core.model.config import MANIFEST
from picogen_core.training.run.follower import Log, Show, follow

INIT_SECONDS = 15.0
"""Timeout of the server; the offline start that follows has to fit into `PATIENCE` too."""


class WandbLog(Log):
    """A W&B run, new or resumed."""

    def __init__(self, run_dir: Path, show: Show) -> None:
        import wandb

        self.wandb = wandb
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
            self.run = init(mode)
        except Exception as error:
            if mode == "offline":
                raise
            show(f"W&B cannot be reached ({str(error)[:160]}). Continuing offline.")
            wandb.teardown()  # or the id is still in use
            mode, self.run = "offline", init("offline")
        self.run.define_metric("*", step_metric="step")
        if mode == "offline":
            show(f"W&B writes offline; upload with: wandb sync {Path(self.run.dir).parent}")
        elif self.run.url:
            show(f"W&B: {self.run.url}")

    def row(self, row: dict[str, Any], samples: dict[str, str] | None) -> None:
        if samples is not None:
            pieces = [[row["step"], name, text] for name, text in samples.items()]
            row["samples"] = self.wandb.Table(columns=["step", "piece", "abc"], data=pieces)
        self.run.log(row)

    def close(self, done: bool) -> None:
        self.run.finish(exit_code=0 if done else 1)


if __name__ == "__main__":
    sys.exit(follow("W&B", WandbLog))
