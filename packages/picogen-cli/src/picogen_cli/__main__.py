"""`picogen`, also as `python -m picogen_cli`: Ctrl-C has no traceback while modules load either."""

import sys


def run() -> None:
    """The command line."""
    try:
        from picogen_cli.main import main
    except KeyboardInterrupt:
        sys.exit(130)
    main()


if __name__ == "__main__":
    run()
