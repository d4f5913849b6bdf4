"""`picogen plugins new`: what it writes passes its own tests, and the kit on the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from picogen_cli.main import main
from picogen_cli.new_plugin import Package, plan_package, write_package
from picogen_core import BadInput, ConfigError
from picogen_core.plugins.specs import KINDS

PACKAGES = [plan_package(kind, f"my-{kind}.2") for kind in KINDS]


def install(site: Path, package: Package, folder: Path) -> None:
    """As `pip install` would: the module on the path, and the entry point that pyproject names."""
    entry = (folder / "pyproject.toml").read_text().split("entry-points.picogen]\n")[1]
    info = site / f"{package.module}-0.1.0.dist-info"
    info.mkdir(parents=True)
    about = f"Metadata-Version: 2.1\nName: {package.distribution}\nVersion: 0.1.0\n"
    (info / "METADATA").write_text(about)
    (info / "entry_points.txt").write_text(
        f"[picogen]\n{entry.splitlines()[0].replace(chr(34), '')}\n"
    )
    (site / package.module).symlink_to(folder / "src" / package.module)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the five packages, and `site`, where they are installed."""
    home = tmp_path_factory.mktemp("new")
    for package in PACKAGES:
        write_package(package, home / package.distribution)
        install(home / "site", package, home / package.distribution)
    return home


def python(written: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=written, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(written / "site"), "NO_COLOR": "1"},
    )  # fmt: skip


def test_what_is_written_passes_its_own_tests(written):
    tests = [f"{package.distribution}/tests" for package in PACKAGES]
    arguments = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-rs", "--rootdir=.")
    done = python(written, "pytest", *arguments, *tests)
    assert done.returncode == 0, done.stdout[-3000:]
    skips = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert all("this machine has no CUDA" in line for line in skips), skips
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 100


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_clean(written, kind):
    folder = written / plan_package(kind, f"my-{kind}.2").distribution
    for command in (["check", "--select", "E,F,I,UP,B"], ["format", "--check"]):
        done = python(written, "ruff", *command, "--line-length", "100", "--no-cache", str(folder))
        assert done.returncode == 0, done.stdout + done.stderr
    text = "".join(file.read_text() for file in folder.rglob("*") if file.is_file())
    blanks = ("MyOptions", "my-name", "my_module", "my-distribution", "KIND")
    assert [blank for blank in blanks if blank in text] == []


@pytest.mark.parametrize(
    ("kind", "more"),
    [("metric", ()), ("source", ("--which", "picogen-my-source-2/tests/three.jsonl"))],
)
def test_check_prints_a_line_for_each_check(written, kind, more):
    check = ("picogen_cli", "plugins", "check", kind, f"my-{kind}.2", *more)
    done = python(written, *check)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ok      has_an_entry_point: ")
    assert all(line.startswith("ok      ") for line in lines[:-1])
    where = f"{kind} 'my-{kind}.2' (picogen-my-{kind}-2 0.1.0)"
    assert lines[-1] == f"{where}: {len(lines) - 1} passed."


def test_a_failing_check_exits_with_1_unless_it_is_allowed(written):
    file = written / "site/picogen_my_metric_2/__init__.py"
    right = file.read_text()
    file.write_text(right.replace('unit="semitone"', 'unit="octave"'))
    try:
        check = ("picogen_cli", "plugins", "check", "metric", "my-metric.2")
        done = python(written, *check)
        said = [line for line in done.stdout.splitlines() if not line.startswith("ok ")]
        assert done.returncode == 1
        assert said == [
            "FAILED  headline_keeps_the_spec: the headline is in 'semitone', the spec in 'octave'",
            "metric 'my-metric.2' (picogen-my-metric-2 0.1.0): 16 passed, 1 failed.",
        ]
        shown = json.loads(python(written, *check, "--json").stdout)
        assert shown["failed"] == ["headline_keeps_the_spec"]
        (row,) = (row for row in shown["checks"] if row["verdict"] == "failed")
        assert row["reason"] == "the headline is in 'semitone', the spec in 'octave'"
        allowed = python(written, *check, "--allow", "headline_keeps_the_spec")
        assert allowed.returncode == 0
        assert "allowed headline_keeps_the_spec" in allowed.stdout
    finally:
        file.write_text(right)


def test_check_needs_no_pytest(written):
    code = "import sys; sys.modules['pytest'] = None; from picogen_cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "plugins", "check", "loss", "logit-kd"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "loss", "logit-kd", "--set", "divergense=jsd"), "Did you mean 'divergence'?"),
        (("check", "loss", "logit-kd", "--allow", "is_finite"), "no such check. Did you mean"),
        (("check", "source", "music21"), "Give which= to source_checks, or --which"),
        (("check", "lss", "logit-kd"), "there is no kind 'lss'. Did you mean 'loss'?"),
        (("new", "lss", "mine"), "KIND lss: no such choice. Did you mean 'loss'?"),
        (("new", "loss", "Mine"), "'Mine' is no name for a plugin"),
        (("new", "loss", "logit-kd"), "(picogen-core 0.2.0) is there already"),
    ],
)
def test_wrong_words_are_one_line(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["plugins", *arguments])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert said in message and len(message.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("mine", "link"):
        with pytest.raises(BadInput, match=r"exists\. Name another folder with --output-dir"):
            write_package(Package("loss", "mine"), tmp_path / name)
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_name_becomes_a_distribution_and_a_module():
    package = plan_package("head", "my_own.head-2")
    assert (package.distribution, package.module) == (
        "picogen-my-own-head-2", "picogen_my_own_head_2",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="begin with a small letter"):
        plan_package("head", "2heads")


@pytest.mark.parametrize(
    ("words", "same"),
    [
        (["plugins", "--json"], ["plugins", "list", "--json"]),
        (["plugins", "metric", "--json"], ["plugins", "list", "metric", "--json"]),
        (
            ["plugins", "--json", "head", "parallel"],
            ["plugins", "show", "head", "parallel", "--json"],
        ),
    ],
)
def test_the_short_form_goes_on_working(words, same, capsys):
    printed = []
    for arguments in (words, same):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
        printed.append(json.loads(capsys.readouterr().out))
    assert printed[0] == printed[1]
