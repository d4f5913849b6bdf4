"""TensorBoard tracker: `-m picogen_core.training.run.tensorboard_follower RUN_DIR OFFSET`.

Its event files lie in RUN_DIR/tensorboard; a resumed run adds one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from picogen_core.training.run.follower import Log, Show, follow


class TensorBoardLog(Log):
    """Event files. Numbers of a row are scalars by step, samples are texts."""

    def __init__(self, run_dir: Path, show: Show) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run_dir / "tensorboard"
        self.writer: Any = SummaryWriter(str(folder))
        config = (run_dir / "config.toml").read_text(encoding="utf-8")
        self.writer.add_text("config", _verbatim(config), 0)
        show(f"TensorBoard: tensorboard --logdir {folder}")

    def row(self, row: dict[str, Any], samples: dict[str, str] | None) -> None:
        step = row.pop("step")
        for name, value in row.items():
            if isinstance(value, int | float):
                self.writer.add_scalar(name, value, step)
        for name, text in (samples or {}).items():
            self.writer.add_text(f"samples/{name}", _verbatim(text), step)

    def close(self, done: bool) -> None:
        self.writer.close()


def _verbatim(text: str) -> str:
    """Return Markdown that shows the text as it is."""
    return "".join(f"    {line}\n" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(follow("TensorBoard", TensorBoardLog))
