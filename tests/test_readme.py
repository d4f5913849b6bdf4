"""What the README and the pages behind it show is run, and their links lead somewhere."""

import re
import shlex
import sys
import types
from pathlib import Path

import pytest
import torch
from picogen_cli.main import main
from picogen_core.generation.request.jobs import read_jobs
from picogen_core.generation.request.options import GenerateRequest, PieceRequest
from picogen_core.generation.run import write_scores
from picogen_core.model.checkpoint import save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.registry import Registry
from picogen_core.testing import backbone_checks
from picogen_core.testing.kit import resolve

ROOT = Path(__file__).parent.parent
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "packages/*/*.md", "examples/*/*.md")
    for path in sorted(ROOT.glob(pattern))
]
README, CHINESE, GENERATION, TRAINING = (
    (ROOT / name).read_text()
    for name in ("README.md", "README.zh.md", "docs/generation.md", "docs/training.md")
)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def commands() -> list[list[str]]:
    """Of all pages; `tools/run_docs.py` runs them."""
    text = "".join(page.read_text() for page in PAGES)
    lines = "".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
    lines += re.findall(r"^\| `(picogen [^`]*)`", README, re.M)
    words = [tuple(shlex.split(line, comments=True)) for line in lines]
    return [list(each[1:]) for each in dict.fromkeys(words) if each and each[0] == "picogen"]


def shown_backbone() -> types.ModuleType:
    """The module of "Write a backbone in 20 lines"."""
    source = next(block for block in blocks(README, "python") if "picogen_backbones" in block)
    assert sum(bool(line.strip()) for line in source.splitlines()) <= 20
    module = types.ModuleType("readme_backbone")
    sys.modules[module.__name__] = module
    exec(source, module.__dict__)
    return module


SPEC = next(iter(shown_backbone().picogen_backbones()))


@backbone_checks(SPEC)
def test_the_backbone_in_20_lines(check):
    check()


def test_the_backbone_in_20_lines_steps_in_torch_under_a_compiled_head(tmp_path, monkeypatch):
    assert SPEC.compiled_step is None
    entry, get = resolve("backbone", SPEC), Registry.get
    monkeypatch.setattr(
        Registry,
        "get",
        lambda self, kind, name: entry if name == SPEC.name else get(self, kind, name),
    )
    torch.manual_seed(0)
    config = ModelConfig(d_model=64, max_patches=32, backbone=SPEC.name, head="char-gru")
    save_checkpoint(tmp_path / "mine", GenericStudent(config), {})
    request = GenerateRequest(
        weights_path=tmp_path / "mine", num_samples=2, max_length=20,
        batch_size=2, seed=4, prompt="K:C\nCDEF GABc|", device="cpu",
    )  # fmt: skip
    written = {}
    for engine in ("numba", "torch"):
        (tmp_path / engine).mkdir()
        records = [
            s.record
            for s in write_scores(request.model_copy(update={"engine": engine}), tmp_path / engine)
        ]
        assert [record["engine"] for record in records] == [engine] * 2
        written[engine] = [record["raw"] for record in records]
    assert written["numba"] == written["torch"] and len(set(written["numba"])) == 2


def test_the_test_in_three_lines():
    source = next(block for block in blocks(README, "python") if "@backbone_checks" in block)
    shown: dict[str, object] = {}
    exec(source.replace('"my-gru"', "SPEC"), {"SPEC": SPEC}, shown)
    assert callable(shown["test_my_gru"])


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_and_option_exists(command: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main([command[0], "--help"])
    assert not end.value.code
    help_text = capsys.readouterr().out
    for word in command:
        if word.startswith("--"):
            assert f"{word} " in help_text, word


def test_students_in_python(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    source = next(iter(blocks(GENERATION, "python")))
    torch.manual_seed(0)
    config = ModelConfig(
        d_model=64, max_patches=32, backbone="rwkv", backbone_options={"layers": 1},
        head="char-gru",
    )  # fmt: skip
    save_checkpoint(tmp_path / "checkpoints" / "rwkv_distill_v1", GenericStudent(config), {})
    monkeypatch.chdir(tmp_path)
    exec(source, {})
    said = capsys.readouterr().out
    assert said.startswith("L:1/8\nM:6/8\nK:G\n") and "\nX:1\nT:PiCo-Gen 1\n" in said
    assert "\n True [" in said
    written = (tmp_path / "jig.musicxml").read_text()  # the seed may give it several voices
    assert written.count("<measure") == 8 * written.count("<part id=")


def test_the_list_of_pieces_can_be_read(tmp_path: Path):
    (tmp_path / "jobs.jsonl").write_text("".join(blocks(GENERATION, "json")))
    rows = read_jobs(tmp_path / "jobs.jsonl", PieceRequest())
    assert [row.id for row in rows.values()] == [
        "jig",
        "air",
    ]


def test_both_languages_show_the_same_code():
    for language in ("sh", "python", "toml", "json"):
        assert blocks(README, language) == blocks(CHINESE, language)


def prose(text: str) -> str:
    """Without what is fenced."""
    return re.sub(r"```.*?```", "", text, flags=re.S)


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings."""
    titles = re.findall(r"^#+ (.+)$", prose(text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)]+)\)", prose(page.read_text())):
        if not target.startswith("https://"):
            place, _, anchor = target.partition("#")
            file = page.parent / place if place else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file.read_text()), target
