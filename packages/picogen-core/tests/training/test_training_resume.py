"""A run that is killed, stopped or out of room goes on to the weights of the undisturbed one."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from picogen_core import BadInput
from picogen_core.model.checkpoint import load_model, save_checkpoint
from picogen_core.runtime.signals import Signals, Stopped, catch_signals
from picogen_core.training import loop
from picogen_core.training import step as gradient_step
from picogen_core.training.config import TrainConfig
from picogen_core.training.loop import run_training
from picogen_core.training.run.recorder import MetricsLog, SaveClock
from picogen_core.training.run.resume import last_checkpoint
from picogen_core.training.state import read_progress

STEPS = 30  # three epochs of ten

CHILD = """
import os, signal, sys, time
import torch
from picogen_core.model import checkpoint
from picogen_core.training.config import TrainConfig
from picogen_core.training.loop import run_training

torch.set_num_threads(1)
left, pause = int(sys.argv[2]), float(sys.argv[3])
save_file = checkpoint.save_file

def save_or_die(tensors, path):
    global left
    left -= 1
    if left == 0:
        path.write_bytes(b"half a file")
        os.kill(os.getpid(), signal.SIGKILL)
    save_file(tensors, path)
    time.sleep(pause)

checkpoint.save_file = save_or_die
run_training(TrainConfig.model_validate_json(sys.argv[1]), resume="auto")
"""


class Heard:
    """A reporter that keeps the messages."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def start(self, *_: Any) -> None: ...
    def advance(self, *_: Any) -> None: ...
    def finish(self) -> None: ...
    def message(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def whole(ragged: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """The undisturbed run; its head has dropout."""
    torch.set_num_threads(1)
    config = TrainConfig(
        exp_name="whole",
        output_dir=tmp_path_factory.mktemp("runs"),
        data=ragged,
        d_model=32,
        max_patches=24,
        backbone={"name": "rwkv", "layers": 1, "head_size": 16},
        head={"name": "char-transformer", "layers": 1, "dropout": 0.2},
        epochs=3,
        lr=3e-3,
        save_every=2,
        samples=0,
    )
    run_training(config)
    return config


def start(
    config: TrainConfig, dies_at_save: int = 0, pause: float = 0.0
) -> subprocess.Popen[bytes]:
    """A process that dies while it writes that file; a pause after each leaves time to kill it."""
    arguments = [config.model_dump_json(), str(dies_at_save), str(pause)]
    return subprocess.Popen([sys.executable, "-c", CHILD, *arguments])


def rows(config: TrainConfig) -> list[dict[str, Any]]:
    log = config.run_dir / "metrics.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()]


def saved_step(config: TrainConfig) -> int:
    folder = last_checkpoint(config.run_dir)
    assert folder is not None
    step: int = json.loads((folder / "manifest.json").read_text())["progress"]["step"]
    return step


def assert_same_end(config: TrainConfig, whole: TrainConfig) -> None:
    """Weights of last/ and best/ bit for bit, and each step and evaluation once in the log."""
    for name in ("last", "best"):
        mine, other = (load_model(c.run_dir / name).state_dict() for c in (config, whole))
        assert all(torch.equal(mine[key], other[key]) for key in other)
    kept = ("step", "loss", "ce", "lr", "grad_norm", "eval_loss")
    mine, other = ([[row.get(k) for k in kept] for row in rows(c)] for c in (config, whole))
    assert mine == other
    assert [row["step"] for row in rows(config) if "loss" in row] == list(range(1, STEPS + 1))
    names = {path.name for path in config.run_dir.iterdir()}
    assert names == {"config.toml", "manifest.json", "metrics.jsonl", "last", "best"}


def test_sigkill_twice_once_while_saving(whole: TrainConfig):
    rng = random.Random(7)
    config = whole.model_copy(update={"exp_name": "killed"})
    first = start(config, pause=0.5)
    log, wanted = config.run_dir / "metrics.jsonl", rng.randint(4, 8)
    deadline = time.monotonic() + 120
    while not log.exists() or log.read_bytes().count(b"\n") < wanted:
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(rng.uniform(0, 0.02))
    first.kill()
    assert first.wait() == -signal.SIGKILL
    after_first = saved_step(config)
    assert 4 <= after_first < STEPS - 4
    before = [row for row in rows_up_to(log) if row["step"] <= after_first]

    # After one whole checkpoint of two files, before the last one: the run saves every two steps.
    second = start(config, dies_at_save=rng.randint(3, min(8, STEPS - after_first - 2)))
    assert second.wait(120) == -signal.SIGKILL
    assert [path.name for path in config.run_dir.glob("*.writing")] in (
        ["last.writing"],
        ["best.writing"],
    )
    after_second = saved_step(config)
    assert after_first < after_second < STEPS

    heard = Heard()
    result = run_training(config, resume="always", reporter=heard)
    assert heard.said == [f"Resuming {config.run_dir} after step {after_second}."]
    assert result.steps == STEPS
    assert_same_end(config, whole)
    # What was saved before the first kill was not done again: its clock is in the log.
    assert rows(config)[:after_first] == before[:after_first]


def rows_up_to(log: Path) -> list[dict[str, Any]]:
    """The whole lines; a kill may leave half of one."""
    whole_lines, _, _ = log.read_text().rpartition("\n")
    return [json.loads(line) for line in whole_lines.splitlines()]


def at_step(number: int, do: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Within step `number`, after the weights have changed, something happens."""
    original = gradient_step.learning_rate

    def learning_rate(*arguments: float) -> float:
        learning_rate.calls += 1  # type: ignore[attr-defined]
        if learning_rate.calls == number:  # type: ignore[attr-defined]
            do()
        return original(*arguments)

    learning_rate.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(gradient_step, "learning_rate", learning_rate)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_step_and_saves_it(
    number: int, code: int, whole: TrainConfig, monkeypatch: pytest.MonkeyPatch
):
    config = whole.model_copy(update={"exp_name": f"stopped-{code}"})
    at_step(15, lambda: signal.raise_signal(number), monkeypatch)
    heard = Heard()
    with pytest.raises(Stopped) as stop:
        run_training(config, reporter=heard)
    assert stop.value.exit_code == code and saved_step(config) == 15
    assert heard.said == [
        "Stopped after 15 steps; all of them are saved. "
        f"Resume with: picogen train --config {config.run_dir}/config.toml --resume auto"
    ]
    run_training(config, resume="auto")
    assert_same_end(config, whole)


def test_a_second_ctrl_c_saves_no_half_step(whole: TrainConfig, monkeypatch: pytest.MonkeyPatch):
    config = whole.model_copy(update={"exp_name": "cut"})

    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    at_step(16, twice, monkeypatch)
    heard = Heard()
    with pytest.raises(Stopped):
        run_training(config, reporter=heard)
    assert saved_step(config) == 14
    assert "The checkpoint of step 14" in heard.said[0] and "--resume auto" in heard.said[0]
    run_training(config, resume="auto")
    assert_same_end(config, whole)


@pytest.mark.parametrize("full", ["checkpoint", "log"])
def test_a_full_disk_leaves_the_last_checkpoint(
    full: str, whole: TrainConfig, monkeypatch: pytest.MonkeyPatch
):
    """The limit of a file's size stands for the disk's: a write fails halfway in the same way."""
    config = whole.model_copy(update={"exp_name": f"full-{full}"})
    log = config.run_dir / "metrics.jsonl"
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        room = 50_000 if full == "checkpoint" else log.stat().st_size + 20
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))

    at_step(13, fill, monkeypatch)
    try:
        with pytest.raises(BadInput) as fault:
            run_training(config)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    named = config.run_dir / ("last" if full == "checkpoint" else "metrics.jsonl")
    assert str(fault.value).startswith(f"{named} cannot be written: ")
    assert "The checkpoint of step 12 in" in str(fault.value)
    assert str(fault.value).endswith(f"--config {config.run_dir}/config.toml --resume auto")
    assert not list(config.run_dir.glob("*.writing")) and saved_step(config) == 12
    run_training(config, resume="auto")
    assert_same_end(config, whole)


def test_killed_between_saving_best_and_last(whole: TrainConfig, monkeypatch: pytest.MonkeyPatch):
    """best/ is a step ahead of last/; the way there is gone again and ends the same."""
    config = whole.model_copy(update={"exp_name": "between"})
    save = loop.Recorder.save

    def killed(self: loop.Recorder, name: str) -> None:
        if name == "last" and self.progress.step == 10:
            raise RuntimeError("killed")
        save(self, name)

    monkeypatch.setattr(loop.Recorder, "save", killed)
    with pytest.raises(RuntimeError):
        run_training(config)
    monkeypatch.setattr(loop.Recorder, "save", save)
    assert saved_step(config) == 8
    best = json.loads((config.run_dir / "best" / "manifest.json").read_text())
    assert best["progress"]["step"] == 10
    run_training(config, resume="auto")
    assert_same_end(config, whole)


def test_a_checkpoint_is_found_whatever_a_kill_has_left(whole: TrainConfig, tmp_path: Path):
    model = load_model(whole.run_dir)
    folder = tmp_path / "last"
    save_checkpoint(folder, model, {"n": 1})
    folder.rename(tmp_path / "last.before")  # between the two renames
    (tmp_path / "last.writing").mkdir()
    (tmp_path / "last.writing" / "model.safetensors").write_bytes(b"half")
    assert load_model(tmp_path).config == model.config
    save_checkpoint(folder, model, {"n": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["last"]
    assert json.loads((folder / "manifest.json").read_text()) == {"n": 2}


def test_auto_begins_where_nothing_was_saved(whole: TrainConfig):
    config = whole.model_copy(update={"exp_name": "early", "epochs": 1})
    config.run_dir.mkdir()
    (config.run_dir / "metrics.jsonl").write_text('{"step": 1}\n{"st')  # killed before a save
    assert run_training(config, resume="auto").steps == 10
    assert [row["step"] for row in rows(config)] == [*range(1, 11), 10]


def test_the_log_is_cut_where_the_checkpoint_ends(tmp_path: Path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log({"step": 1})
    size = log.flush()
    log({"step": 2})
    with log.path.open("a") as file:
        file.write('{"step": 3, "lo')
    MetricsLog(log.path, size)({"step": 2})
    assert log.path.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_checkpoints_cost_little_and_do_not_wait_long(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    clock = SaveClock(None, minutes=5)
    assert clock.due(1)
    clock.saved(seconds=1.0)
    now = 199.0
    assert not clock.due(2)
    now = 200.0
    assert clock.due(3)
    clock.saved(seconds=60.0)
    now = 499.0
    assert not clock.due(4)
    now = 500.0
    assert clock.due(5)
    by_steps = SaveClock(10, minutes=5)
    assert [step for step in range(1, 31) if by_steps.due(step)] == [10, 20, 30]
    now = 800.0
    assert by_steps.due(31)


def test_signals_wait_for_the_block_and_count_outside_at_once(request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with catch_signals() as signals:
        with pytest.raises(Stopped) as stop:
            signal.raise_signal(signal.SIGTERM)
        assert stop.value.whole and stop.value.exit_code == 143
        done = []
        with pytest.raises(Stopped) as stop, signals.held():
            with signals.held():
                signal.raise_signal(signal.SIGINT)
            done.append("the outer block")
        assert stop.value.whole and done == ["the outer block"]
    noted = Signals(note_only=True)
    noted.receive(signal.SIGINT)
    with noted.held():
        noted.receive(signal.SIGTERM)
    assert noted.requested == signal.SIGTERM
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_progress_of_before_is_read():
    old = {"step": 3, "seconds": 9.0, "sampling": 2.0, "sampled": 1.5, "evaluated": 2}
    found = read_progress({"progress": old})
    assert (found.step, found.own_text_seconds, found.sample_seconds) == (3, 2.0, 1.5)
    with pytest.raises(ValueError):
        read_progress({"progress": old | {"sampled": -1.0}})
    with pytest.raises(ValueError):
        read_progress({"progress": [3]})
