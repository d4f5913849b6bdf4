"""The training loop, top to bottom. Losses are nats per character inside, bits are shown."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from picogen_core import __version__
from picogen_core.data.batches import Batch, train_batches
from picogen_core.data.index import open_data, shared_pieces
from picogen_core.data.store import Dataset
from picogen_core.devices import autocast, pick_device
from picogen_core.errors import BadInput, ConfigError
from picogen_core.files import write_atomic
from picogen_core.model.checkpoint import digest, load_model, save_checkpoint
from picogen_core.model.student import GenericStudent, components
from picogen_core.progress import Quiet, Reporter
from picogen_core.protocols import Value
from picogen_core.toml import dump_toml
from picogen_core.training.config import TrainConfig
from picogen_core.training.evaluate import Likelihood, evaluate
from picogen_core.training.interrupt import finish_step_on_interrupt
from picogen_core.training.objective import Objective, build_objective
from picogen_core.training.resume import check_origin, restore
from picogen_core.training.state import STATE, Progress, make_optimizer, pack_optimizer

REPORT_SECONDS = 1.0


@dataclass(frozen=True)
class RunResult:
    """Where a run lies and how good its best checkpoint is on the evaluation pieces."""

    run_dir: Path
    bits_per_character: Value
    steps: int
    epochs: float
    characters: int
    seconds: float
    parameters: int


def run_training(
    config: TrainConfig,
    *,
    resume: bool = False,
    force: bool = False,
    reporter: Reporter | None = None,
) -> RunResult:
    """Train a student, from a teacher if `teacher_ckpt` names one. Ends with best/ and last/.

    Raises:
        PicogenError: anything in the configuration that cannot work, before the first step.
        KeyboardInterrupt: after last/ was written.
    """
    reporter = reporter or Quiet()
    run_dir = config.run_dir
    _claim(run_dir, resume, force)
    train, held_out = _open_splits(config, reporter)
    device = pick_device(config.device)
    torch.manual_seed(config.seed)
    teacher = None
    if config.teacher_ckpt:
        teacher = load_model(config.teacher_ckpt, device, reporter, config.teacher_storage)
    objective = build_objective(config.loss, teacher is not None)
    model = GenericStudent(config.model_config_for(teacher.config.d_model if teacher else None))
    model.to(device).train()
    if teacher is not None:
        _check_context(config, teacher)
    optimizer = make_optimizer(model, config.lr, config.weight_decay)
    progress = Progress()
    if resume:
        progress = restore(config, model, optimizer)
    run = _Run(config, model, teacher, objective, optimizer, progress, train, held_out, reporter)
    if resume:
        check_origin(run_dir, run.origin)
    if force and not resume:
        _clear(run_dir)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{run_dir} cannot be made: {error.strerror}.") from None
    write_atomic(run_dir / "config.toml", dump_toml(config.model_dump(mode="json")).encode())
    with finish_step_on_interrupt() as stop:
        try:
            run.train(stop)
        except KeyboardInterrupt:
            run.save("last")
            config_file = run_dir / "config.toml"
            reporter.message(
                f"Interrupted after {progress.step} steps; all of them are saved. "
                f"Go on with: picogen train --config {config_file} --resume"
            )
            raise
    best = load_model(run_dir / "best", device)
    score = evaluate(best, held_out, config.batch_size, config.max_patches)
    return RunResult(
        run_dir, score.value(), progress.step, run.epochs_done, progress.characters,
        progress.seconds, model.parameter_count(),
    )  # fmt: skip


class _Run:
    """One run's moving parts."""

    def __init__(
        self,
        config: TrainConfig,
        model: GenericStudent,
        teacher: GenericStudent | None,
        objective: Objective,
        optimizer: torch.optim.AdamW,
        progress: Progress,
        train: Dataset,
        held_out: Dataset,
        reporter: Reporter,
    ) -> None:
        self.config, self.model, self.teacher = config, model, teacher
        self.objective, self.optimizer, self.progress = objective, optimizer, progress
        self.data, self.held_out, self.reporter = train, held_out, reporter
        self.steps_per_epoch = math.ceil(len(train) / config.batch_size)
        self.total_steps = config.epochs * self.steps_per_epoch
        self.device = model.device
        self.autocast = autocast(config.precision, self.device)
        self.origin = {
            "teacher": {"path": str(config.teacher_ckpt), "sha256": digest(config.teacher_ckpt)}
            if config.teacher_ckpt
            else None,
            "data": {"path": str(config.data), "pieces": len(train), "sha256": train.digest()},
        }
        self.evaluated_step = -1
        self.last_report = 0.0

    @property
    def epochs_done(self) -> float:
        return self.progress.step / self.steps_per_epoch

    @property
    def fraction(self) -> float:
        """How much of the run is over, 0 … 1, by steps or by the clock, whichever is further."""
        by_clock = (
            self.progress.seconds / self.config.max_seconds if self.config.max_seconds else 0.0
        )
        return min(1.0, max(self.progress.step / self.total_steps, by_clock))

    def train(self, stop: Callable[[], bool]) -> None:
        """All epochs that are left. Raises `KeyboardInterrupt` after a step if `stop` says so."""
        kind = "Distilling" if self.teacher else "Training"
        self.reporter.start(f"{kind} {self.config.exp_name}", 1.0, "run")
        while self.progress.epoch < self.config.epochs and self.fraction < 1:
            for batch in self._batches():
                self.step(batch.to(self.device))
                if stop():
                    raise KeyboardInterrupt
                if self.fraction >= 1:
                    break
            else:
                self.progress.epoch += 1
                self.progress.batch = 0
            if self.fraction >= 1 or self.progress.epoch % self.config.eval_every == 0:
                self.evaluate()
        if self.evaluated_step != self.progress.step:
            self.evaluate()
        self.reporter.finish()

    def _batches(self) -> Iterator[Batch]:
        config, progress = self.config, self.progress
        batches = train_batches(
            self.data, config.batch_size, config.max_patches, config.seed, progress.epoch
        )
        return islice(batches, progress.batch, None)

    def step(self, batch: Batch) -> None:
        begun = time.monotonic()
        progress, config = self.progress, self.config
        torch.manual_seed(config.seed * 1_000_003 + progress.step)
        rate = config.lr * self._rate(self.fraction)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with self.autocast:
            loss, parts, characters = self.objective(self.model, batch, self.teacher, self.fraction)
        if not torch.isfinite(loss):
            saved = config.run_dir / "last"
            kept = f" The last checkpoint is whole: {saved}." if saved.exists() else ""
            raise BadInput(
                f"the loss is {float(loss.detach())} at step {progress.step}.{kept} "
                "Try a lower --lr, or smaller weights of losses."
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        self.optimizer.step()
        progress.step += 1
        progress.batch += 1
        progress.characters += characters
        progress.seconds += time.monotonic() - begun
        self.log({"loss": float(loss.detach()), **parts, "lr": rate, "grad_norm": float(norm)})
        if progress.seconds - self.last_report > REPORT_SECONDS:
            self.last_report = progress.seconds
            bits = parts.pop("ce") / math.log(2)
            shown = {name: f"{x:.3f}" for name, x in parts.items() if "/" not in name}
            speed = progress.characters / progress.seconds
            self.reporter.advance(
                self.fraction,
                {"bits/char": f"{bits:.3f}", **shown, "chars/s": f"{speed:,.0f}"},
            )

    def _rate(self, fraction: float) -> float:
        """Linear warm-up, then a cosine down to a twentieth."""
        warmup = self.config.warmup
        if fraction < warmup:
            return max(fraction / warmup, 1e-2)
        done = (fraction - warmup) / (1 - warmup)
        return 0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2

    def evaluate(self) -> Likelihood:
        config, progress = self.config, self.progress
        score = evaluate(self.model, self.held_out, config.batch_size, config.max_patches)
        self.evaluated_step = progress.step
        self.log({"eval_loss": score.nats_per_character, "eval_bits": score.bits_per_character})
        better = score.nats_per_character < progress.best
        progress.best = min(progress.best, score.nats_per_character)
        if better:
            self.save("best")
        self.save("last")
        self.reporter.advance(
            self.fraction, {"held-out bits/char": f"{score.bits_per_character:.3f}"}
        )
        return score

    def log(self, values: dict[str, Any]) -> None:
        row = {"step": self.progress.step, "epoch": round(self.epochs_done, 4)}
        row |= {"seconds": round(self.progress.seconds, 3), **values}
        with (self.config.run_dir / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def save(self, name: str) -> None:
        config = self.config
        manifest = {
            "picogen": __version__,
            "progress": self.progress.as_dict(),
            "components": components(self.model.config),
            "parameters": self.model.parameter_count(),
            "seed": config.seed,
            **self.origin,
        }
        extra = {STATE: pack_optimizer(self.optimizer)} if name == "last" else None
        save_checkpoint(config.run_dir / name, self.model, manifest, extra)


def _claim(run_dir: Path, resume: bool, force: bool) -> None:
    if run_dir.exists() and not run_dir.is_dir():
        raise BadInput(f"the run folder {run_dir} is a file. Choose another --exp-name.")
    if run_dir.exists() and any(run_dir.iterdir()) and not (resume or force):
        raise BadInput(
            f"the run folder {run_dir} is not empty. Choose another --exp-name, go on with "
            "--resume, or start over it with --force."
        )


def original_keys(data: Dataset) -> Dataset:
    """Each piece once, in the key its source has: evaluation does not count transpositions."""
    return data.select([i for i, row in enumerate(data.rows) if row.get("original", True)])


def _clear(run_dir: Path) -> None:
    """Take away an older run's own files, and no others."""
    for name in ("last", "best"):
        shutil.rmtree(run_dir / name, ignore_errors=True)
    (run_dir / "metrics.jsonl").unlink(missing_ok=True)


def _open_splits(config: TrainConfig, reporter: Reporter) -> tuple[Dataset, Dataset]:
    assert config.data is not None
    data = open_data(config.data)
    if config.eval_data is None:
        train, held_out = data.split("train"), original_keys(data.split("eval"))
        if not len(held_out) or not len(train):
            raise BadInput(
                f"{config.data}: its rows name no splits `train` and `eval`. "
                "Give --eval-data, or prepare it with picogen data."
            )
        return train, held_out
    held_out = open_data(config.eval_data)
    shared = shared_pieces(data, held_out)
    if shared:
        reporter.message(
            f"Warning: {shared} pieces of {config.eval_data} are in {config.data} too; "
            "the evaluation is not of unseen music."
        )
    return data, held_out


def _check_context(config: TrainConfig, teacher: GenericStudent) -> None:
    if config.max_patches > teacher.config.max_patches:
        raise ConfigError(
            f"max_patches={config.max_patches} is more than the teacher "
            f"{config.teacher_ckpt} has positions for ({teacher.config.max_patches}). "
            f"Use --set max_patches={teacher.config.max_patches}."
        )
