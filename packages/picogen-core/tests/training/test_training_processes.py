"""Several processes equal one that accumulates as much; what one of them says is heard."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from picogen_core import BadInput, PicogenError
from picogen_core.data.batches import Sampling, train_steps
from picogen_core.data.prepared.index import open_data
from picogen_core.model.checkpoint import load_model
from picogen_core.runtime.progress import Quiet
from picogen_core.runtime.signals import Stopped
from picogen_core.training.config import TrainConfig
from picogen_core.training.loop import run_training
from picogen_core.training.processes import Processes
from picogen_core.training.processes.launch import ElsewhereError, _Team
from picogen_core.training.setup import build_parts
from picogen_core.training.step import accumulate_gradients, count_characters
from picogen_core.training.step_batches import StepBatches

NO_CAST = torch.autocast("cpu", enabled=False)
LOSS = """
from picogen_core import LossSpec, LossValue, Options, hookimpl


def evenness(batch):
    import torch

    entropy = torch.distributions.Categorical(logits=batch.student_logits[batch.valid]).entropy()
    return LossValue(entropy.mean(), {"patches": float(len(batch.row))})


@hookimpl
def picogen_losses():
    yield LossSpec(name="evenness", summary="Entropy.", config=lambda: Options,
                   build=lambda options: evenness)
"""


@pytest.fixture
def evenness(offer: Any) -> None:
    """A loss of a third party."""
    offer("picogen-t-evenness", LOSS)


def config_of(data: Path, out: Path, **changes: Any) -> TrainConfig:
    values: dict[str, Any] = {
        "output_dir": out, "data": data, "d_model": 32, "max_patches": 24, "epochs": 2,
        "backbone": {"name": "rwkv", "layers": 1, "head_size": 16},
        "head": {"name": "char-gru", "width": 32}, "optimizer": "sgd", "lr": 0.5, "batch_size": 3,
    }  # fmt: skip
    return TrainConfig(**values | changes)


class Terminator(Quiet):
    """A reporter that stops the run when its first step is reported, as a scheduler does."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def start(self, title: str, total: float | None, unit: str) -> None:
        signal.raise_signal(signal.SIGTERM)

    def message(self, text: str) -> None:
        self.said.append(text)


def rows(config: TrainConfig) -> list[dict[str, Any]]:
    log = config.run_dir / "metrics.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_two_processes_equal_twice_the_accumulation(ragged: Path, tmp_path: Path, evenness: None):
    torch.set_num_threads(1)
    loss = {"evenness": {"weight": 0.3, "schedule": "cosine"}}
    alone = config_of(ragged, tmp_path, exp_name="alone", accumulate=2, loss=loss)
    two = config_of(ragged, tmp_path, exp_name="two", nproc=2, loss=loss)
    result = run_training(alone)
    heard = Terminator()
    with pytest.raises(Stopped) as stop:
        run_training(two, reporter=heard)
    assert stop.value.exit_code == 143
    stopped_after = rows(two)[-1]["step"] if (two.run_dir / "metrics.jsonl").read_text() else 0
    assert stopped_after < result.steps == 14  # 40 pieces: 7 steps of 6, the last of 4
    assert f"Stopped after {stopped_after} steps" in heard.said[0]
    other = run_training(two, resume="always")
    assert (other.steps, other.characters) == (result.steps, result.characters)
    start, mine, theirs = (
        model.state_dict()
        for model in (
            build_parts(alone, torch.device("cpu"), Quiet()).model,
            load_model(two.run_dir / "last"),
            load_model(alone.run_dir / "last"),
        )
    )
    assert max(float((start[key] - theirs[key]).abs().max()) for key in start) > 1e-2
    assert max(float((mine[key] - theirs[key]).abs().max()) for key in mine) < 1e-5
    for a, b in zip(rows(two), rows(alone), strict=True):
        for name in ("step", "loss", "ce", "evenness", "grad_norm", "eval_loss"):
            assert a.get(name) == pytest.approx(b.get(name), abs=1e-5)


def accumulate(parts, batches, processes: Processes) -> dict[str, float]:
    """The terms of one step in float32; the gradients are the model's."""
    off = torch.autocast("cpu", enabled=False)
    characters = count_characters(batches)
    return accumulate_gradients(
        parts, StepBatches(batches), characters, 0.0, (0, 0), off, processes
    )


def test_the_gradient_is_of_the_mean_over_all_characters(ragged: Path, tmp_path: Path):
    """Ragged micro-batches against one formula on all their characters at once."""
    config = config_of(ragged, tmp_path)
    alone = Processes(torch.device("cpu"))
    parts = build_parts(config, alone.device, Quiet())
    data = open_data(ragged).split("train")
    (batches, *_) = train_steps(data, None, Sampling(3, 3, 24, seed=1), epoch=0)
    characters = count_characters(batches)
    terms = accumulate(parts, batches, alone)
    got = [parameter.grad.clone() for parameter in parts.model.parameters()]
    parts.model.zero_grad()
    outputs = [parts.model(batch.patches, batch.lengths) for _, batch in batches]
    total = sum(
        torch.nn.functional.cross_entropy(o.logits[o.valid], o.characters[o.valid], reduction="sum")
        for o in outputs
    )
    assert sum(int(o.valid.sum()) for o in outputs) == characters
    assert len({int(o.valid.sum()) for o in outputs}) == 3
    (total / characters).backward()
    for mine, parameter in zip(got, parts.model.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, atol=1e-6, rtol=1e-4)
    assert terms["loss"] == pytest.approx(total.item() / characters, rel=1e-5)


def test_recomputed_layers_give_the_same_gradient(ragged: Path, tmp_path: Path):
    head = {"name": "char-transformer", "layers": 2, "dropout": 0.3}
    alone = Processes(torch.device("cpu"))
    (batches, *_) = train_steps(
        open_data(ragged).split("train"), None, Sampling(3, 1, 24, seed=1), epoch=0
    )
    found = []
    for again in (False, True):
        config = config_of(ragged, tmp_path, head=head, checkpoint_gradients=again)
        parts = build_parts(config, alone.device, Quiet())
        if again:
            assert "forward" in vars(parts.model.backbone.blocks[0])
        accumulate(parts, batches, alone)
        found.append([parameter.grad for parameter in parts.model.parameters()])
    for plain, recomputed in zip(*found, strict=True):
        torch.testing.assert_close(plain, recomputed)


class Ended:
    """A torchrun that is over."""

    stdin = None

    def poll(self) -> int:
        return 1


def team(room: Path, *events: list[list[Any]]) -> _Team:
    (room / "output.txt").write_text("W 1 torch noise\n\n")
    for rank, lines in enumerate(events):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (room / f"{rank}.jsonl").write_text(text + '["message", "half')
    found = _Team(room, Ended(), len(events))  # type: ignore[arg-type]
    found.relay(Quiet())
    return found


def test_the_process_to_blame_is_named(tmp_path: Path):
    lost = ["crash", 12.5, "RuntimeError('Connection closed by peer')", "a traceback"]
    broke = ["crash", 12.1, "ValueError('odd')", "Traceback of odd"]
    crash = team(tmp_path, [["pid", 1], lost], [["pid", 2], broke]).fault()
    assert str(crash) == ("process 1 of 2 failed: ValueError('odd'). See it with: picogen --debug.")
    assert isinstance(crash.__cause__, ElsewhereError)
    assert "Traceback of odd" in str(crash.__cause__) and "torch noise" in str(crash.__cause__)
    fault = team(tmp_path, [lost], [["fault", "BadInput", "no room", "a traceback"]]).fault()
    assert type(fault) is BadInput and str(fault) == "no room"
    assert issubclass(BadInput, PicogenError)
