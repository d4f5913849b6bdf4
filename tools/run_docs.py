"""Run every `picogen` command of README and docs as it is printed, in a folder made for it.

    python tools/run_docs.py                  # all pages
    python tools/run_docs.py docs/metrics.md  # one page, after the README

The commands of a page run in their order; all pages share a folder, which begins with what readers
are supposed to have. Variables of the environment end trainings after two steps. Then the shipped
student stands in for what two steps have learned. The default tunes are a few made-up ones. Other
programs (`python studies/…`) take long: their options are looked up in `--help`. What pip does is
left to the tests of installation. Both READMEs show the same commands, which a test checks. Exit
code 1 if a command fails.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from picogen_cli.defaults import DEFAULT_DATA, FORMAT
from picogen_core import SourcePiece, prepare
from picogen_core.model.checkpoint import load_model
from picogen_core.model.files.notagen import write_notagen

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = ("docs/*.md", "docs/studies/*.md")
OTHERS = ("docs/plugins.md", "docs/plugins.zh.md")  # run by tests/test_plugins_doc.py
SHIPPED = ROOT / "packages/picogen-backbones/src/picogen_backbones/weights/tunes"
LIMIT = 900
ENVIRONMENT = {
    "PICOGEN_TRAIN_MAX_STEPS": "2",
    "PICOGEN_DISTILL_MAX_STEPS": "2",
    "PICOGEN_CACHE": "cache",
    "WANDB_MODE": "offline",
    "OMP_NUM_THREADS": "1",
}
COPIES = {
    "checkpoints/rwkv_distill_v1": ("checkpoints/my-run", "checkpoints/one"),
    "checkpoints/llama_baseline_v1": ("checkpoints/two",),
    "data/oneills": ("oneills", "data-quartets"),
    "out": ("older",),
}
"""Made by the README's commands; other pages have them under these names."""


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="*", type=Path)
    given = parser.parse_args()
    pages = given.pages or [page for pattern in PAGES for page in sorted(ROOT.glob(pattern))]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="docs-") as place:
        folder = Path(place)
        provide(folder)
        for page in [README, *(page.resolve() for page in pages)]:
            name = str(page.relative_to(ROOT))
            if name in OTHERS:
                continue
            if page != README:  # a reader has pieces to measure, or an empty folder
                shutil.rmtree(folder / "out", ignore_errors=True)
                if "picogen eval out" in page.read_text():
                    shutil.copytree(folder / "older", folder / "out")
            for line in commands(page):
                failed += run(line, folder, name)
            if page == README:
                copy(folder)
    return 1 if failed else 0


def provide(folder: Path) -> None:
    """Write the default data and the files that the pages name."""
    draw = random.Random(0)
    tunes = [tune(draw) for _ in range(24)]
    pieces = [SourcePiece(f"{i}", text, "made up", "CC0") for i, text in enumerate(tunes)]
    for name in DEFAULT_DATA:
        prepare(pieces, folder / f"cache/{name}-{FORMAT}", eval_ratio=0.2)
    (folder / "tune.abc").write_text(tunes[0])
    (folder / "tunes.jsonl").write_text(
        (ROOT / "examples/picogen-gru/tests/three.jsonl").read_text()
    )
    for person in ("clara", "dora"):
        (folder / "music" / person).mkdir(parents=True)
        for i in range(12):
            (folder / f"music/{person}/{i:02}.abc").write_text(tune(draw))
    tags = 'path,period,composer,instrumentation\nclara,Modern,"Climber, Clara",Flute\n'
    (folder / "music/tags.csv").write_text(tags + 'dora,Modern,"Drummer, Dora",Cello\n')
    write_notagen(folder / "notagen.pth", load_model(ROOT / "tests/data/notagen-small"))
    listed = re.findall(r"```json\n(.*?)```", (ROOT / "docs/generation.md").read_text(), re.S)
    (folder / "jobs.jsonl").write_text("".join(listed))
    run("picogen convert tune.abc --to midi --output-dir given", folder, "given")
    (folder / "given/tune.mid").rename(folder / "air.mid")


def tune(draw: random.Random) -> str:
    bars = ("".join(draw.choices("CDEFGABc", k=4)) for _ in range(12))
    return f"X:1\nM:4/4\nL:1/4\nK:C\n{'|'.join(bars)}|]\n"


def copy(folder: Path) -> None:
    for source, names in COPIES.items():
        for name in names:
            shutil.copytree(folder / source, folder / name)


def commands(page: Path) -> Iterator[str]:
    """The lines of a page's `sh` blocks, and those commands of tables that are whole.

    Yield them without comments; a line that ends with a backslash goes on.
    """
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.join(shlex.split(line, comments=True))
            if words:
                yield words


def run(line: str, folder: Path, page: str) -> bool:
    """Run a command, or look its options up. Return whether it failed."""
    words = shlex.split(line)
    while "=" in words[0] or words[0] == "nice":
        words = words[1:]
    if words[0] == "picogen" and "DIR" not in line:  # the folder of a study's cells
        command = [sys.executable, "-m", "picogen_cli", *words[1:]]
    elif words[0].startswith("python") and words[1] != "run.py":
        return lacks_options(words, page)
    else:
        print(f"left out  {page}: {line}", flush=True)
        return False
    begun = time.monotonic()
    environment = os.environ | ENVIRONMENT | {"PICOGEN_CACHE": str(folder / "cache")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        stdin=subprocess.DEVNULL,
    )
    for best in folder.glob("checkpoints/*/best"):
        shutil.copytree(SHIPPED, best, dirs_exist_ok=True)
    word = "failed" if done.returncode else "ran"
    print(f"{word:9} {page}: {line} ({time.monotonic() - begun:.0f} s)", flush=True)
    if done.returncode:
        print(done.stdout[-2000:] + done.stderr[-2000:], flush=True)
    return bool(done.returncode)


def lacks_options(words: list[str], page: str) -> bool:
    """Whether a program of the repository does not know an option that a page shows."""
    program = ["-m", words[2]] if words[1] == "-m" else [words[1]]
    done = subprocess.run(
        [sys.executable, *program, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    unknown = [w for w in words if w.startswith("--") and not re.search(rf"{w}\b", done.stdout)]
    print(f"{'failed' if unknown else 'options'}   {page}: {shlex.join(words)}", flush=True)
    if unknown or done.returncode:
        print(f"{', '.join(unknown)} not in its --help\n{done.stderr[-1000:]}", flush=True)
    return bool(unknown or done.returncode)


if __name__ == "__main__":
    sys.exit(main())
