#!/usr/bin/env python3
"""Set up and run PiCo-Gen with nothing but Python: `python3 run.py demo`, `page`, `test`.

The first call makes `.venv` and installs the workspace into it, with uv if it is there, else with
pip. Later calls skip that as long as what is installed has not changed. `page` writes the page in
which the shipped student composes into page/; it needs no node. `test` also installs what the tests
need. `versions` runs the tests with the lowest and the newest dependencies. Anything else is passed
on to `picogen`.
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
EXTRAS = ("read", "train", "schema")
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


def installer(python: Path = PYTHON) -> list[str]:
    """Return the command that installs. uv takes a CPU build of torch where there is no GPU."""
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", str(python), "--torch-backend=auto"]
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def lowest() -> list[str]:
    """Return `name==version` for every lower bound of the packages but torch's."""
    import re
    import tomllib

    found = {}
    for name in PACKAGES:
        file = ROOT / "packages" / name.partition("[")[0] / "pyproject.toml"
        project = tomllib.loads(file.read_text())["project"]
        extras = project.get("optional-dependencies", {})
        for line in [
            *project["dependencies"],
            *(one for name in EXTRAS for one in extras.get(name, ())),
        ]:
            bound = re.match(r"([A-Za-z0-9_.-]+)(?:\[.*?\])?>=([0-9.]+)", line)
            if bound and bound[1] != "torch" and ";" not in line:
                found[bound[1]] = f"{bound[1]}=={bound[2]}"
    return sorted(found.values())


def try_versions(arguments: list[str]) -> int:
    """Run the tests in two new environments: lowest dependencies, then the newest.

    torch is that of constraints.txt in both, since few indices have a CPU build of older ones.
    """
    code = 0
    for which in ("lowest", "newest"):
        env = ROOT / f".venv-{which}"
        venv.create(env, with_pip=True, clear=True)
        python = env / PYTHON.relative_to(ENV)
        bounds = env / "constraints.txt"
        pinned = lowest() if which == "lowest" else []
        bounds.write_text("\n".join([(ROOT / "constraints.txt").read_text(), *pinned, ""]))
        command = [*installer(python), "-c", str(bounds), *requirements("test")]
        if which == "newest":
            command.append("--upgrade")
        for name in PACKAGES:
            command += ["-e", str(ROOT / "packages" / name)]
        print(f"{which}: {env}", file=sys.stderr, flush=True)
        subprocess.run(command, check=True)
        code |= run_tests(python, arguments)
    return code


def run_tests(python: Path, arguments: list[str]) -> int:
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    command = [str(python), "-m", "pytest", "-n", "2", "--dist", "loadfile", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


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
        if arguments[0] == "versions":
            return try_versions(arguments[1:])
        set_up(tests=arguments[0] == "test")
    except subprocess.CalledProcessError as error:
        print(
            f"The installer failed (exit {error.returncode}); its messages are above.",
            file=sys.stderr,
        )
        return 2
    if arguments[0] == "test":
        return run_tests(PYTHON, arguments[1:])
    if arguments[0] == "page":
        arguments = [*PAGE, *arguments[1:]]
    try:
        return subprocess.run([str(PYTHON), "-m", "picogen_cli", *arguments]).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
