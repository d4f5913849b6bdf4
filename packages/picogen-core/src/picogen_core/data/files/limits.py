"""What a score file may ask of the machine while it is read."""

from __future__ import annotations

from picogen_core.sandbox import Limits

MAX_FILE = 32 << 20
MAX_EXPANDED = 200_000_000  # of an .mxl; a late quartet of Beethoven has 20 MB
LIMITS = Limits(cpu_seconds=120, wall_seconds=300, memory_bytes=4 << 30)
