"""`picogen`, also as `python -m picogen_cli`. A signal leaves no traceback while modules load or at
the end."""

import os
import signal


def run() -> None:
    """Run the command line."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    from picogen_cli.main import main

    main()


def _end(number: int, frame: object) -> None:
    """End at once: nothing has begun, or all is done."""
    interrupted = number == signal.SIGINT
    os.write(2, b"picogen: interrupted.\n" if interrupted else b"picogen: terminated.\n")
    os._exit(130 if interrupted else 143)


if __name__ == "__main__":
    run()
