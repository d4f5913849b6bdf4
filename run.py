#!/usr/bin/env python3
"""Set up and run PiCo-Gen with nothing but Python: `python3 run.py demo`, `page`, `test`.

The first call makes `.venv` and installs the workspace into it, with uv if it is there, else with
pip. Later calls skip that as long as what is installed has not changed. `page` writes the page in
which the shipped student composes into page/; it needs no node. `test` also installs what the tests
need. Anything else is passed on to `picogen`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENV = ROOT / ".venv"
PYTHON = ENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = ENV / "installed.sha256"
PACKAGES = ("picogen-core", "picogen-backbones", "picogen-metrics", "picogen-cli[all]")
PAGE = ("export", "tunes", "--to", "html", "--output-dir", "page", "--force")
GROUP = "dev"  # of [dependency-groups] in pyproject.toml


def requirements(group: str = GROUP) -> list[str]:
    """Return the requirements of a dependency group, those of included groups among them."""
    import tomllib

    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    found = []
    for item in groups[group]:
        found += requirements(item["include-group"]) if isinstance(item, dict) else [item]
    return found


def fingerprint(wanted: list[str]) -> str:
    """Return a digest of all that decides what is installed."""
    parts = [sys.version, str(ROOT), *wanted, (ROOT / "constraints.txt").read_text()]
    folders = [name.partition("[")[0] for name in PACKAGES]
    parts += [(ROOT / "packages" / name / "pyproject.toml").read_text() for name in folders]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def installer() -> list[str]:
    """Return the command that installs. uv takes a CPU build of torch where there is no GPU."""
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--torch-backend=auto"]
    return [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def set_up(tests: bool) -> None:
    """Make one virtual environment with one call of the installer; with `tests` their tools too."""
    developing = requirements()
    stamp = STAMP.read_text() if STAMP.is_file() else ""
    wanted = developing if tests or stamp.startswith("tests ") else []
    done = f"{'tests' if wanted else 'plain'} {fingerprint(wanted)}"
    if stamp == done:
        return
    print("Setting up .venv; this takes a few minutes once.", file=sys.stderr, flush=True)
    venv.create(ENV, with_pip=True, clear=ENV.exists() and not PYTHON.exists())
    command = [*installer(), "-c", str(ROOT / "constraints.txt"), *wanted]
    for name in PACKAGES:
        command += ["-e", str(ROOT / "packages" / name)]
    subprocess.run(command, check=True)
    STAMP.write_text(done)


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 (run by whatever Python there is)
        print("PiCo-Gen needs Python 3.11 or newer.", file=sys.stderr)
        return 2
    arguments = sys.argv[1:] or ["--help"]
    try:
        set_up(tests=arguments[0] == "test")
    except subprocess.CalledProcessError as error:
        print(
            f"The installer failed (exit {error.returncode}); its messages are above.",
            file=sys.stderr,
        )
        return 2
    if arguments[0] == "test":
        environment = {"OMP_NUM_THREADS": "1", **os.environ}
        command = [str(PYTHON), "-m", "pytest", "-n", "2", "--dist", "loadfile", *arguments[1:]]
        return subprocess.run(command, cwd=ROOT, env=environment).returncode
    if arguments[0] == "page":
        arguments = [*PAGE, *arguments[1:]]
    try:
        return subprocess.run([str(PYTHON), "-m", "picogen_cli", *arguments]).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
