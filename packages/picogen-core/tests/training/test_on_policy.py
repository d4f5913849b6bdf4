"""Steps of music that the student writes itself: what is drawn, scored, and done again alike."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picogen_core import ConfigError
from picogen_core.abc.counters import FIRST, START
from picogen_core.abc.patches import BOS, PATCH_SIZE, decode, encode
from picogen_core.data.batches import Sampling, collate, train_steps
from picogen_core.data.prepared.index import open_data
from picogen_core.data.prepared.store import encode_piece, read_patches
from picogen_core.model.checkpoint import load_model
from picogen_core.model.student import Output
from picogen_core.runtime.progress import Quiet
from picogen_core.training import loop
from picogen_core.training.config import TrainConfig
from picogen_core.training.loop import run_training
from picogen_core.training.objective import loss_batch, note_index
from picogen_core.training.own_text.on_policy import bernoulli_step, on_policy_batches
from picogen_core.training.processes import Processes
from picogen_core.training.setup import build_parts
from picogen_core.training.step import Diverged, accumulate_gradients, count_characters
from picogen_core.training.step_batches import StepBatches
from picogen_core.training.teacher.outputs import SampleTeacher
from torch.nn import functional as F

BODY = START + FIRST
ALONE = Processes(torch.device("cpu"))
NO_CAST = torch.autocast("cpu", enabled=False)
KD: dict[str, Any] = {"logit-kd": {}, "hidden-mse": {"weight": 0.5}, "physics": {"weight": 0.3}}


def make_config(data: Path, out: Path, **changes: Any) -> TrainConfig:
    torch.set_num_threads(1)
    values: dict[str, Any] = {
        "output_dir": out, "data": data, "d_model": 32, "max_patches": 24, "epochs": 1,
        "backbone": {"name": "rwkv", "layers": 1, "head_size": 16}, "batch_size": 4, "lr": 3e-3,
        "head": {"name": "char-transformer", "layers": 1, "dropout": 0.2}, "eval_every": 9,
        "cache_dir": out / "cache", "sample_patches": 12,
    }  # fmt: skip
    return TrainConfig(**values | changes)


@pytest.fixture(scope="module")
def teacher(ragged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("teacher")
    return run_training(make_config(ragged, out, d_model=48, epochs=3)).run_dir


def rows(config: TrainConfig) -> list[dict[str, Any]]:
    log = (config.run_dir / "metrics.jsonl").read_text()
    return [row for row in map(json.loads, log.splitlines()) if "loss" in row]


def data_batches(data: Path, size: int = 4) -> list[Any]:
    return next(train_steps(open_data(data).split("train"), None, Sampling(size, 2, 24, 0), 0))


class Heard(Quiet):
    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)


class Killed(Exception):
    pass


def cut_and_resumed(config: TrainConfig, after: int, monkeypatch: Any) -> None:
    original = loop._Run.step

    def step(self: Any, batches: Any) -> None:
        if self.progress.step == after:
            raise Killed
        original(self, batches)

    monkeypatch.setattr(loop._Run, "step", step)
    with pytest.raises(Killed):
        run_training(config)
    monkeypatch.setattr(loop._Run, "step", original)
    run_training(config, resume="always")


@pytest.mark.parametrize("kind", ["on-policy", "feedback"])
def test_a_run_that_was_cut_ends_with_the_same_weights(
    kind: str, ragged: Path, teacher: Path, tmp_path: Path, monkeypatch: Any, letters: None
):
    options: dict[str, Any] = {"save_every": 2}
    if kind == "on-policy":
        options |= {"teacher_ckpt": teacher, "loss": KD, "on_policy": 0.5}
    else:
        options |= {"loss": {"letters": {"weight": 2.0}}}
    whole = make_config(ragged, tmp_path, exp_name="whole", **options)
    cut = make_config(ragged, tmp_path, exp_name="cut", **options)
    run_training(whole)
    cut_and_resumed(cut, 7, monkeypatch)
    mine, other = (load_model(c.run_dir / "last").state_dict() for c in (cut, whole))
    assert all(torch.equal(mine[key], other[key]) for key in other)
    kept = ["step", "loss", "logit-kd", "physics", "grad_norm", "on_policy"]
    kept += ["letters/surrogate", "letters/share"]
    mine_rows, other_rows = ([[r.get(k) for k in kept] for r in rows(c)] for c in (cut, whole))
    assert mine_rows == other_rows
    if kind == "on-policy":
        own = [row.get("on_policy", False) for row in rows(whole)]
        assert own == [bernoulli_step(0.5, 0, step, 1) for step in range(10)]
        assert 2 <= sum(own) <= 8
        assert [("ce" in row) for row in rows(whole)] == [not each for each in own]
        for row in rows(whole):
            expected = row.get("ce", 0) + row["logit-kd"] + 0.5 * row["hidden-mse"]
            assert row["loss"] == pytest.approx(expected + 0.3 * row["physics"], rel=1e-4)
    else:
        shares = [row["letters/share"] for row in rows(whole) if "letters/share" in row]
        assert 2 <= len(shares) <= 8 and min(shares) > 0
        assert all("ce" in row for row in rows(whole))
        assert all(row["letters/surrogate"] != 0 for row in rows(whole) if "letters/share" in row)


def test_two_processes_write_what_one_writes_that_accumulates(
    ragged: Path, teacher: Path, tmp_path: Path, letters: None
):
    loss = {"logit-kd": {}, "letters": {"weight": 0.5}}
    options: dict[str, Any] = {
        "teacher_ckpt": teacher, "loss": loss, "on_policy": 0.5, "batch_size": 3, "lr": 0.1,
        "optimizer": "sgd", "head": {"name": "char-gru", "width": 32},
    }  # fmt: skip
    alone = make_config(ragged, tmp_path, exp_name="alone", accumulate=2, **options)
    two = make_config(ragged, tmp_path, exp_name="two", nproc=2, **options)
    results = [run_training(config) for config in (alone, two)]
    assert results[0].characters == results[1].characters
    for a, b in zip(rows(alone), rows(two), strict=True):
        for name in ("loss", "ce", "logit-kd", "letters/surrogate", "letters/share", "grad_norm"):
            assert (name in a) == (name in b)
            assert a.get(name, 0.0) == pytest.approx(b.get(name, 0.0), rel=1e-3, abs=1e-5), name
    assert {"on_policy", "letters/share"} <= {name for row in rows(two) for name in row}


def test_samples_depend_on_seed_step_and_row_alone(ragged: Path, teacher: Path, tmp_path: Path):
    config = make_config(ragged, tmp_path, teacher_ckpt=teacher, loss=KD, on_policy=1.0)
    model = load_model(teacher).train()
    batches = data_batches(ragged)
    written = on_policy_batches(config, model, batches, step=3)
    assert written is not None and model.training
    assert [number for number, _ in written] == [0, 1]
    (alone,) = on_policy_batches(config, model, batches[1:], step=3) or []
    assert torch.equal(alone[1].patches, written[1][1].patches)
    other = on_policy_batches(config, model, batches, step=4) or []
    assert not torch.equal(other[0][1].patches[:, -1], written[0][1].patches[:, -1])
    for (_, batch), (_, source) in zip(written, batches, strict=True):
        for i, length in enumerate(batch.lengths.tolist()):
            text = decode(batch.patches[i, :length].numpy())
            header = decode(source.patches[i].numpy()).split(BODY)[0]
            assert "\nK:" in header and text.startswith(header + BODY)
            assert int(batch.given[i]) == len(encode(header)[:-1]) * PATCH_SIZE + len(BODY)
            assert length <= 12
    # No header is a target, and every character behind it is.
    first = written[0][1]
    flat = first.patches.reshape(len(first.lengths), -1)
    for row, given in zip(flat, first.given.tolist(), strict=True):
        assert bytes(row[given - 5 : given].tolist()) == b"[r:0/"
    counts = [(row[given:] != 0).sum() for row, given in zip(flat, first.given, strict=True)]
    assert count_characters([written[0]]) == sum(counts)
    assert (
        on_policy_batches(config.model_copy(update={"on_policy": 0.0}), model, batches, 3) is None
    )


def test_a_row_without_a_header_is_written_from_nothing(
    ragged: Path, teacher: Path, tmp_path: Path
):
    config = make_config(ragged, tmp_path, teacher_ckpt=teacher, loss=KD, on_policy=1.0)
    piece = encode_piece("L:1/4\nM:4/4\nK:C\nV:1 treble\n[V:1]CDEF|\n[V:1]GFED|\n")
    body = read_patches(piece.patches[5:])[0]
    ((_, batch),) = on_policy_batches(config, load_model(teacher), [(0, collate([body]))], 0) or []
    assert batch.given.tolist() == [PATCH_SIZE] and batch.patches[0, 0, 0] == BOS


def test_the_gradient_is_zero_where_the_student_is_its_teacher(
    ragged: Path, teacher: Path, tmp_path: Path
):
    options = {"d_model": 48, "head": {"name": "char-transformer", "layers": 1, "dropout": 0.0}}
    config = make_config(
        ragged, tmp_path, teacher_ckpt=teacher, on_policy=1.0, **options,
        loss={"logit-kd": {}, "physics": {"weight": 0.3}},
    )  # fmt: skip
    parts = build_parts(config, ALONE.device, Quiet())
    model, batches = parts.model, data_batches(ragged)

    def gradient() -> tuple[dict[str, float], float]:
        model.zero_grad()
        own = on_policy_batches(config, model, batches, 0) or []
        count = count_characters(own)
        sampled = StepBatches(own, parts.source.live, sampled=True)
        terms = accumulate_gradients(parts, sampled, count, 0.0, (0, 0), NO_CAST, ALONE)
        return terms, max(float(p.grad.abs().max()) for p in model.parameters())

    terms, largest = gradient()
    assert terms["logit-kd"] > 0.05 and largest > 1e-3
    model.load_state_dict(load_model(teacher).state_dict())
    terms, largest = gradient()
    assert terms["loss"] == pytest.approx(0, abs=1e-6) and largest < 1e-6
    assert "ce" not in terms


def test_the_divergence_is_jensen_shannon_at_the_students_own_characters(
    ragged: Path, teacher: Path, tmp_path: Path
):
    config = make_config(
        ragged, tmp_path, teacher_ckpt=teacher, on_policy=1.0, loss={"logit-kd": {}}
    )
    parts = build_parts(config, ALONE.device, Quiet())
    model = parts.model.eval()
    live = parts.source.live
    assert isinstance(live, SampleTeacher)
    ((_, batch), *_) = on_policy_batches(config, model, data_batches(ragged), 0) or []
    loss, terms = parts.objective(model, batch, live, 0.0, sampled=True)
    total, count = 0.0, 0
    both = [m(batch.patches, batch.lengths) for m in (model, load_model(teacher))]
    for n, (row, patch) in enumerate(
        zip(both[0].row.tolist(), both[0].patch.tolist(), strict=True)
    ):
        for place in range(PATCH_SIZE):
            code = int(batch.patches[row, patch, place])
            closing = int(batch.patches[row, patch, 0]) == BOS
            if patch * PATCH_SIZE + place < int(batch.given[row]) or code == 0:
                continue
            assert closing or code != BOS
            p, q = (np.exp(F.log_softmax(o.logits[n, place].double(), -1).detach()) for o in both)
            middle = (p + q) / 2
            total += float((p * np.log(p / middle) + q * np.log(q / middle)).sum()) / 2
            count += 1
    assert count == count_characters([(0, batch)])
    assert loss.item() == pytest.approx(total / count, rel=1e-4) and total > 0
    assert set(terms) == {"logit-kd"}


def test_notes_of_a_sample_point_at_its_letters(ragged: Path, teacher: Path, tmp_path: Path):
    config = make_config(ragged, tmp_path, teacher_ckpt=teacher, loss=KD, on_policy=1.0)
    model = load_model(teacher)
    ((_, batch), *_) = on_policy_batches(config, model, data_batches(ragged), 0) or []
    output = model(batch.patches, batch.lengths)
    context = loss_batch(model, batch, output, None, sampled=True)
    letters = context.characters.flatten()[context.notes.position]
    assert len(letters) > 20
    assert {chr(code) for code in letters.tolist()} <= set("CDEFGABcdefgab")
    assert len(context.valid) < len(output.valid) and bool(context.valid.any(1).all())


def test_notes_in_the_first_patch_of_a_crop_are_no_targets():
    piece = encode_piece("L:1/4\nM:4/4\nK:C\nV:1 treble\n[V:1]CDEFGABcde|\n[V:1]GFED|\n")
    crop, _ = read_patches(piece.patches[5:])
    batch = collate([crop])
    notes = note_index(batch, output_of(batch))
    assert len(notes.row) == len(crop.notes) - 4 and int(notes.position.min()) == 0


def output_of(batch: Any) -> Output:
    """Its targets, predicted by nobody."""
    count = batch.patches.shape[1] - 1
    return Output(
        logits=torch.zeros(count, 16, 128), hidden=torch.zeros(count, 1),
        characters=batch.patches[0, 1:], valid=batch.patches[0, 1:] > 0,
        row=torch.zeros(count, dtype=torch.long), patch=torch.arange(1, count + 1),
    )  # fmt: skip


def test_what_cannot_work_is_refused_and_the_cache_is_spoken_of_once(
    ragged: Path, teacher: Path, tmp_path: Path
):
    with pytest.raises(ConfigError, match="needs a teacher for the student"):
        run_training(make_config(ragged, tmp_path, on_policy=0.5))
    with pytest.raises(ConfigError, match="needs a loss that compares the student"):
        run_training(make_config(ragged, tmp_path, on_policy=0.5, teacher_ckpt=teacher))
    heard = Heard()
    config = make_config(ragged, tmp_path, on_policy=1.0, teacher_ckpt=teacher, loss=KD)
    build_parts(config, ALONE.device, heard)
    (said,) = heard.said
    assert "scores them without a cache" in said and "100%" in said


def test_a_student_that_writes_nothing_has_diverged(ragged: Path, teacher: Path, tmp_path: Path):
    config = make_config(
        ragged, tmp_path, on_policy=1.0, teacher_ckpt=teacher, loss=KD, lr=1e30, clip=1e30
    )
    with pytest.raises(Diverged):
        run_training(config)
