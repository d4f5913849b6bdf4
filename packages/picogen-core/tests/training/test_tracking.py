"""A tracker follows a run and costs it nothing, whatever it does."""

import json
import math
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from picogen_core import ConfigError, PicogenError
from picogen_core.runtime.progress import Quiet
from picogen_core.training.config import TrainConfig
from picogen_core.training.loop import run_training
from picogen_core.training.run import tracking

FAKE = """
import json, os, sys, time
from pathlib import Path

CALLS = Path(os.environ["CALLS"])


def tell(*call):
    with CALLS.open("a") as file:
        file.write(json.dumps(call, default=str) + chr(10))


def Settings(**values):
    return values


def Table(columns, data):
    return [columns, data]


def teardown():
    tell("teardown")


class Run:
    url, dir = "https://made.up", "files/of/run"

    def define_metric(self, name, step_metric):
        tell("define", name, step_metric)

    def log(self, row):
        {log}
        tell("log", row)

    def finish(self, exit_code):
        {finish}
        tell("finish", exit_code)


def init(**options):
    tell("init", options)
    {init}
    return Run()
"""


class Heard(Quiet):
    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`fake(init="raise OSError")` puts such a wandb before the real one; `calls()` of it."""
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    (tmp_path / "fakes").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "fakes")

    def install(init: str = "pass", log: str = "pass", finish: str = "pass") -> None:
        source = FAKE.replace("{init}", init).replace("{log}", log).replace("{finish}", finish)
        (tmp_path / "fakes" / "wandb.py").write_text(source)

    return install


def calls(tmp_path: Path, name: str) -> list[Any]:
    lines = map(json.loads, (tmp_path / "calls").read_text().splitlines())
    return [rest for first, *rest in lines if first == name]


def config_of(data: Path, out: Path, **changes: Any) -> TrainConfig:
    torch.set_num_threads(1)
    values: dict[str, Any] = {
        "output_dir": out, "data": data, "d_model": 32, "max_patches": 24, "epochs": 1,
        "backbone": {"name": "rwkv", "layers": 1, "head_size": 16}, "track": "wandb",
        "head": {"name": "char-gru", "width": 32}, "batch_size": 8, "samples": 2,
        "sample_share": 1e6,
    }  # fmt: skip
    return TrainConfig(**values | changes)


def rows_of(config: TrainConfig) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (config.run_dir / "metrics.jsonl").open()]


def test_rows_samples_and_configuration_reach_the_tracker(ragged: Path, tmp_path: Path, fake: Any):
    fake()
    config = config_of(ragged, tmp_path)
    run_training(config)
    run_training(config.model_copy(update={"epochs": 2}), resume="always")
    rows = rows_of(config)
    logged = [row for (row,) in calls(tmp_path, "log")]
    tables = [row.pop("samples") for row in logged if "samples" in row]
    for row in rows:
        row.pop("samples", None)
    assert logged == rows and len(rows) == 12
    steps = [row for row in rows if "ce" in row]
    assert all(row["bits"] == row["ce"] / math.log(2) for row in steps)
    written = sorted((config.run_dir / "samples" / "step-5").glob("*.abc"))
    columns, pieces = tables[0]
    assert columns == ["step", "piece", "abc"]
    assert pieces == [[5, path.stem, path.read_text()] for path in written]
    (first,), (second,) = calls(tmp_path, "init")
    assert first["mode"] == "offline" and first["dir"] == str(config.run_dir)
    assert first["id"] == second["id"] and second["resume"] == "allow"
    assert first["config"]["backbone"] == config.backbone
    assert first["config"]["manifest"]["components"]["backbone"]["name"] == "rwkv"
    run_training(config, force=True)
    *_, (third,) = calls(tmp_path, "init")
    assert third["id"] != first["id"]  # another run, of which the old one's files are gone
    assert calls(tmp_path, "finish") == [[0], [0], [0]]


def test_the_configuration_offers_what_the_table_has():
    assert get_args(TrainConfig.model_fields["track"].annotation) == ("none", *tracking.TRACKERS)


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"init": "raise RuntimeError('no')"}, "W&B failed (RuntimeError('no'))"),
        ({"init": "time.sleep(9999)"}, "was stopped"),
        ({"log": "raise RuntimeError('full')"}, "W&B failed (RuntimeError('full'))"),
        ({"log": "time.sleep(9999)"}, "was stopped"),
        ({"finish": "time.sleep(9999)"}, "was stopped"),
        ({"init": "os._exit(3)"}, None),
    ],
)
def test_a_tracker_that_fails_or_hangs_costs_only_a_line(
    faults: dict[str, str], said: str | None, ragged: Path, tmp_path: Path, fake: Any,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    fake(**faults)
    monkeypatch.setattr(tracking, "PATIENCE", 1.5)
    heard = Heard()
    config = config_of(ragged, tmp_path, samples=0)
    assert run_training(config, reporter=heard).steps == 5
    assert len(rows_of(config)) == 6
    if said:
        assert any(said in line for line in heard.said), heard.said


def test_without_an_answer_of_the_server_it_goes_on_offline(
    ragged: Path, tmp_path: Path, fake: Any, monkeypatch: pytest.MonkeyPatch
):
    fake(init="if options['mode'] == 'online': raise TimeoutError('no network')")
    monkeypatch.setenv("WANDB_MODE", "online")
    heard = Heard()
    run_training(config_of(ragged, tmp_path, samples=0), reporter=heard)
    assert [options["mode"] for (options,) in calls(tmp_path, "init")] == ["online", "offline"]
    assert len(calls(tmp_path, "log")) == 6 and calls(tmp_path, "teardown")
    assert "no network" in heard.said[0] and "wandb sync" in heard.said[1]


def test_a_run_that_ends_early_says_so(ragged: Path, tmp_path: Path, fake: Any):
    fake()
    with pytest.raises(PicogenError, match="at step"):
        run_training(config_of(ragged, tmp_path, lr=1e30, clip=1e30, epochs=9))
    assert calls(tmp_path, "finish") == [[1]]


def test_a_missing_package_is_told_before_the_run(
    ragged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r'pip install "picogen-core\[wandb\]"'):
        run_training(config_of(ragged, tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_real_one_offline(ragged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its file holds what metrics.jsonl holds."""
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(tracking, "PATIENCE", 120.0)
    config = config_of(ragged, tmp_path, samples=0)
    run_training(config)
    (file,) = config.run_dir.glob("wandb/offline-run-*/run-*.wandb")
    assert (config.run_dir / "wandb" / "run-id").read_text().strip() in file.name
    data = file.read_bytes()
    bits = [row["bits"] for row in rows_of(config) if "bits" in row]
    assert len(bits) == 5 and all(json.dumps(value).encode() in data for value in bits)


BOARD = """
import json, os, sys, types


class SummaryWriter:
    def __init__(self, folder):
        self.file = open(os.environ["CALLS"], "a")
        self.tell("folder", folder)

    def tell(self, *call):
        self.file.write(json.dumps(call) + chr(10))

    def add_scalar(self, *call):
        self.tell("scalar", *call)

    def add_text(self, *call):
        self.tell("text", *call)

    def close(self):
        self.tell("close")
        self.file.close()


module = types.ModuleType("torch.utils.tensorboard")
module.SummaryWriter = SummaryWriter
sys.modules["torch.utils.tensorboard"] = module
"""


def test_numbers_and_samples_reach_tensorboard(ragged: Path, tmp_path: Path, fake: Any):
    (tmp_path / "fakes" / "tensorboard.py").write_text("")
    (tmp_path / "fakes" / "sitecustomize.py").write_text(BOARD)
    config = config_of(ragged, tmp_path, track="tensorboard")
    heard = Heard()
    run_training(config, reporter=heard)
    assert calls(tmp_path, "folder") == [[str(config.run_dir / "tensorboard")]]
    assert f"TensorBoard: tensorboard --logdir {config.run_dir / 'tensorboard'}" in heard.said
    scalars = {(name, step): value for name, value, step in calls(tmp_path, "scalar")}
    rows = rows_of(config)
    for row in rows:
        for name in {"ce", "eval_loss", "lr", "characters"} & row.keys():
            assert scalars[name, row["step"]] == row[name]
    texts = {name: text for name, text, _ in calls(tmp_path, "text")}
    assert "    exp_name = " in texts["config"]
    written = sorted((config.run_dir / "samples").rglob("*.abc"))
    assert {f"samples/{one.stem}" for one in written} == texts.keys() - {"config"}
    assert calls(tmp_path, "close") == [[]]
