"""What a score file may ask of the machine while it is read."""

from __future__ import annotations

from contextlib import suppress

MAX_FILE = 32 << 20
MAX_EXPANDED = 200_000_000  # of an .mxl; a late quartet of Beethoven has 20 MB
CPU_SECONDS = 120
WALL_SECONDS = 300
MEMORY_BYTES = 4 << 30


def limit_process() -> None:
    """Cap CPU time and memory of this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows: the wall clock alone limits it
        return
    caps = (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, value in caps:
        with suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
            resource.setrlimit(kind, (value, value))
