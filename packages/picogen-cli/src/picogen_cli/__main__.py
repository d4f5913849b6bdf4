"""`python -m picogen_cli` is `picogen`."""

from picogen_cli.main import main

if __name__ == "__main__":
    main()
