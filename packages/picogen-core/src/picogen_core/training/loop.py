"""The training loop, top to bottom. Losses are nats per character inside, bits are shown."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TypeVar

from picogen_core.data.batches import Sampling, train_steps
from picogen_core.errors import BadInput, ConfigError, PicogenError, Reported
from picogen_core.model.checkpoint import load_model
from picogen_core.runtime.devices import pick_device
from picogen_core.runtime.group import Group, find_group
from picogen_core.runtime.progress import Quiet, Reporter
from picogen_core.runtime.signals import Signals, Stopped, catch_signals
from picogen_core.training.budget import Spent, make_budget
from picogen_core.training.config import TrainConfig
from picogen_core.training.evaluate import evaluate
from picogen_core.training.initial_weights import adopt
from picogen_core.training.processes import LostProcess, Processes, join
from picogen_core.training.run.folder import Resume, claim, held, prepare
from picogen_core.training.run.manifest import write_manifest, write_result
from picogen_core.training.run.recorder import MetricsLog, ProgressLine, Recorder
from picogen_core.training.run.resume import check_origin, restore
from picogen_core.training.run.samples import Sampler
from picogen_core.training.run.tracking import Following, check_tracker
from picogen_core.training.setup import RunParts, build_parts
from picogen_core.training.state import Progress, RunResult
from picogen_core.training.step import Diverged, GradientStep
from picogen_core.training.step_batches import MicroBatches

Item = TypeVar("Item")


def run_training(
    config: TrainConfig,
    *,
    resume: Resume = "never",
    force: bool = False,
    reporter: Reporter | None = None,
) -> RunResult:
    """Train a student, with a teacher if `teacher_ckpt` names one, and write best/ and last/.

    Raises:
        PicogenError: a wrong configuration, before the first step; a loss that is not finite; a
            full disk. The last checkpoint stays readable.
        Stopped: after Ctrl-C or SIGTERM, once last/ is written.
    """
    config = adopt(config, resume, reporter)
    group = find_group()
    if group is not None:
        return _train_in_group(config, resume, force, reporter or Quiet(), group)
    if config.nproc > 1:
        from picogen_core.training.processes.launch import launch

        with held(config):
            return launch(config, resume, force, reporter or Quiet())
    alone = Processes(pick_device(config.device))
    with held(config), catch_signals() as signals:
        result = train_in_process(config, resume, force, reporter or Quiet(), alone, signals)
    assert result is not None
    return result


def _train_in_group(
    config: TrainConfig, resume: Resume, force: bool, reporter: Reporter, group: Group
) -> RunResult:
    """Run this process of a group that torchrun or srun set up; process 0 alone reports.

    Raises:
        ConfigError: `nproc` is another number of processes.
        Reported: process 0 reports the fault.
    """
    if config.nproc not in (1, group.count):
        raise ConfigError(
            f"nproc={config.nproc}, but the launcher started {group.count} processes. Leave out "
            f"--nproc, or start {config.nproc}."
        )
    group.enter_into(os.environ)
    processes = join(config.device)
    reporter = reporter if processes.is_main else Quiet()
    config = processes.share(config.model_copy(update={"nproc": group.count}))
    with ExitStack() as stack, catch_signals(note_only=True) as signals:
        with processes.agreeing():
            if processes.is_main:
                stack.enter_context(held(config))
        try:
            result = train_in_process(config, resume, force, reporter, processes, signals)
        except Diverged as error:
            raise (error if processes.is_main else Reported(str(error))) from error.__cause__
        shared = processes.share(result)
    processes.leave()
    assert shared is not None
    return shared


def train_in_process(
    config: TrainConfig,
    resume: Resume,
    force: bool,
    reporter: Reporter,
    processes: Processes,
    signals: Signals,
) -> RunResult | None:
    """Run one process of `run_training`; only process 0 returns a result."""
    with processes.agreeing():
        check_tracker(config.track)
        checkpoint = claim(config.run_dir, resume, force)
        parts = build_parts(config, processes.device, reporter, checkpoint)
        progress = Progress()
        if checkpoint is not None:
            progress = restore(config, checkpoint, parts.model, parts.optimizer)
            check_origin(checkpoint, parts.origin)
            reporter.message(f"Resuming {config.run_dir} after step {progress.step}.")
    with processes.agreeing():
        _check_same(config, parts, progress, processes)
    log = None
    if processes.is_main:
        prepare(config, resumed=checkpoint is not None)
        write_manifest(config, parts, processes, progress.step, resumed=checkpoint is not None)
        log = MetricsLog(config.run_dir / "metrics.jsonl", progress.log_bytes)
    recorder = Recorder(config, parts, progress, signals, log)
    run = _Run(config, parts, progress, recorder, reporter, processes, signals)
    following = None
    if log is not None and config.track != "none":
        following = Following(config.track, config.run_dir, log.flush(), reporter)
    done = False
    try:
        run.train()
        done = True
    except Stopped as stop:
        reporter.message(recorder.stopped(stop))
        raise
    except PicogenError as error:
        if not processes.is_main:
            raise
        if isinstance(error, LostProcess):
            recorder.save_rest()
        way_on = "" if isinstance(error, Diverged) else f" {recorder.way_on}"
        raise type(error)(f"{error} {recorder.kept}{way_on}") from error
    finally:
        if following is not None:
            following.finish(failed=not done)
    return run.result() if processes.is_main else None


def _check_same(
    config: TrainConfig, parts: RunParts, progress: Progress, processes: Processes
) -> None:
    """Raise `BadInput` if this process read other data, weights or checkpoints than process 0."""
    sources = ("data", "eval_data", "teacher", "init")
    seen = {name: (parts.origin[name] or {}).get("sha256") for name in sources}
    seen["last checkpoint"] = progress.step
    for name, value in processes.share(seen).items():
        if seen[name] != value:
            raise BadInput(
                f"the {name} here is not that of process 0. {config.run_dir} and the data have to "
                "be in folders that all machines share."
            )


class _Run:
    """State of one run."""

    def __init__(
        self,
        config: TrainConfig,
        parts: RunParts,
        progress: Progress,
        recorder: Recorder,
        reporter: Reporter,
        processes: Processes,
        signals: Signals,
    ) -> None:
        self.config, self.parts, self.progress = config, parts, progress
        self.recorder, self.reporter = recorder, reporter
        self.processes, self.signals = processes, signals
        self.sampling = Sampling(
            config.batch_size,
            config.micro_batches,
            config.max_patches,
            config.seed,
            processes.rank,
            processes.count,
        )
        self.steps_per_epoch = self.sampling.steps(
            len(parts.train if parts.crops is None else parts.crops)
        )
        self.budget = make_budget(config, self.steps_per_epoch)
        self.held_out_shard = parts.held_out
        if processes.count > 1:
            mine = range(processes.rank, len(parts.held_out), processes.count)
            self.held_out_shard = parts.held_out.select(mine)
        self.take_step = GradientStep(config, parts, processes, signals)
        self.spent = Spent()
        self.sampler = Sampler(config, parts.model, reporter)
        self.line = ProgressLine(progress, reporter)

    @property
    def epochs_done(self) -> float:
        return self.progress.step / self.steps_per_epoch

    @property
    def fraction(self) -> float:
        """The share of the run that is over, 0 … 1, the same in all processes."""
        return self.budget.fraction(self.progress)

    @property
    def evaluation_is_due(self) -> bool:
        step, every = self.progress.step, self.config.eval_every * self.steps_per_epoch
        return step != self.progress.evaluated and (self.fraction >= 1 or step % every == 0)

    def train(self) -> None:
        """Train the remaining epochs. Raises `Stopped` between two steps after a signal."""
        kind = "Distilling" if self.parts.teacher_outputs else "Training"
        self.reporter.start(f"{kind} {self.config.exp_name}", 1.0, "run")
        self.reporter.advance(self.fraction)  # a resumed run does not start at 0 %
        if self.evaluation_is_due:
            self.evaluate()
        while self.fraction < 1:
            epoch, first = divmod(self.progress.step, self.steps_per_epoch)
            for batches in self.timed(
                train_steps(self.parts.train, self.parts.crops, self.sampling, epoch, first)
            ):
                with self.signals.held():
                    self.step(batches)
                if self.evaluation_is_due:
                    self.evaluate()
                else:
                    self.recorder.save_if_due()
                if self.fraction >= 1:
                    break
        self.reporter.finish()

    def timed(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield the items, and add the time spent waiting for them."""
        while True:
            before = self.spent.seconds
            with self.spent:
                item = next(items, None)
            if item is None:
                return
            self.progress.waited += self.spent.seconds - before
            yield item

    def step(self, batches: MicroBatches) -> None:
        with self.spent:
            row, terms = self.take_step(batches, self.progress, self.fraction)
        try:
            self.account()
        finally:  # the step is taken, whether or not another process is still there
            self.recorder.record({"epoch": round(self.epochs_done, 4), **row})
        self.line.after_step(self.fraction, terms)

    def account(self) -> None:
        """Add the time of the step and of the wait for it; the same in all processes."""
        clock, cpu = self.spent.take()
        clock, cpu = self.processes.sum([clock * self.processes.is_main, cpu])
        self.progress.seconds += clock
        self.progress.cpu_seconds += cpu

    def evaluate(self) -> None:
        """Evaluate fixed pieces, a share in each process; then save checkpoints."""
        config, progress = self.config, self.progress
        score = evaluate(
            self.parts.model, self.held_out_shard, config.batch_size, config.max_patches
        )
        nats, characters = self.processes.sum([sum(score.nats), float(sum(score.characters))])
        loss = nats / characters
        epoch, bits = round(self.epochs_done, 4), loss / math.log(2)
        samples = self.sampler(progress) if self.processes.is_main else {}
        with self.signals.held():
            progress.evaluated = progress.step
            self.recorder.record({"epoch": epoch, "eval_loss": loss, "eval_bits": bits, **samples})
            if progress.best is None or loss < progress.best:
                progress.best = loss
                self.recorder.save("best")
            self.recorder.save("last")
        self.line.after_evaluation(self.fraction, bits, samples)

    def result(self) -> RunResult:
        """Return the score of best/ on all evaluation pieces."""
        config, progress = self.config, self.progress
        best = load_model(config.run_dir / "best", self.processes.device)
        score = evaluate(best, self.parts.held_out, config.batch_size, config.max_patches)
        result = RunResult(
            run_dir=config.run_dir,
            bits_per_character=score.value(),
            steps=progress.step,
            epochs=self.epochs_done,
            characters=progress.characters,
            seconds=progress.seconds,
            cpu_seconds=progress.cpu_seconds,
            loader_share=progress.waited / progress.seconds,
            parameters=self.parts.model.parameter_count(),
        )
        write_result(result)
        return result
