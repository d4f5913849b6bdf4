"""Communication between the processes of a run; no-ops in a single process."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

from picogen_core.errors import ConfigError, PicogenError, Reported, reason
from picogen_core.runtime.devices import pick_device

if TYPE_CHECKING:
    from accelerate import Accelerator

T = TypeVar("T")
PATIENCE = timedelta(hours=6)
"""Process 0 may save, generate and measure while the others wait for it."""


class LostProcess(PicogenError):
    """Another process of the run is gone. The step that it was in has changed nothing."""


@dataclass(frozen=True)
class Processes:
    """This process among those of the run; only `rank` 0 prints, logs and saves."""

    device: torch.device
    rank: int = 0
    count: int = 1
    accelerator: Accelerator | None = None

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        """Wait for all processes (barrier)."""
        if self.accelerator:
            with _linked():
                self.accelerator.wait_for_everyone()

    def share(self, value: T) -> T:
        """Return the value of process 0."""
        if self.accelerator is None:
            return value
        from accelerate.utils import broadcast_object_list

        values = [value]
        with _linked():
            broadcast_object_list(values)
        return values[0]

    @contextmanager
    def agreeing(self) -> Iterator[None]:
        """Context after which a fault of one process is the fault of all.

        Raises:
            PicogenError: the first fault, in process 0.
            Reported: in the others.
        """
        fault: PicogenError | None = None
        try:
            yield
        except PicogenError as error:
            fault = error
        for rank, text in enumerate(self._gather("" if fault is None else str(fault))):
            if not text:
                continue
            if not self.is_main:
                raise Reported(text) from fault
            if fault is not None:
                raise fault
            raise PicogenError(f"process {rank} of {self.count}: {text}")

    def _gather(self, text: str) -> list[str]:
        if self.accelerator is None:
            return [text]
        from accelerate.utils import gather_object

        with _linked():
            found: list[str] = gather_object([text])
        return found

    def leave(self) -> None:
        """Leave the process group."""
        if self.accelerator:
            self.accelerator.end_training()

    def sum(self, values: Sequence[float]) -> list[float]:
        """Return the sum of each number over all processes (all-reduce)."""
        if self.accelerator is None:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        with _linked():
            added: list[float] = self.accelerator.reduce(tensor, "sum").tolist()
        return added

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum gradients in one message. A parameter without one in all processes gets none.

        Gradients are summed here, once per step, not by hooks of DistributedDataParallel. So a
        process may have fewer micro-batches than another, and a loss may skip any parameter.
        """
        if self.accelerator is None:
            return
        chosen = [p for p in parameters if p.requires_grad]
        found = [float(p.grad is not None) for p in chosen]
        parts = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in chosen]
        flat = torch.cat([*parts, torch.tensor(found, device=self.device)])
        with _linked():
            summed = self.accelerator.reduce(flat, "sum")
        *added, holders = summed.split([*(p.numel() for p in chosen), len(chosen)])
        for parameter, gradient, holding in zip(chosen, added, holders.tolist(), strict=True):
            parameter.grad = gradient.view_as(parameter).to(parameter.dtype) if holding else None


@contextmanager
def _linked() -> Iterator[None]:
    """Context that raises `LostProcess` for what torch raises if another process has ended."""
    try:
        yield
    except RuntimeError as error:
        raise LostProcess(f"another process of the run is gone ({reason(error)}).") from error


def check_device(device: torch.device, count: int) -> None:
    """Raise `ConfigError` if `count` processes cannot train on the device."""
    if count > 1 and device.type not in ("cpu", "cuda"):
        raise ConfigError(f"nproc above 1 needs --device cpu or cuda, not {device.type}.")
    present = torch.cuda.device_count()
    if device.type == "cuda" and count > present:
        raise ConfigError(f"nproc={count}: this machine has {present} CUDA devices, one for each.")


def join(device_name: str) -> Processes:
    """Join the process group that a launcher set up: gloo on the CPU, nccl on CUDA."""
    from accelerate import Accelerator, InitProcessGroupKwargs

    device = pick_device(device_name)
    check_device(device, int(os.environ["LOCAL_WORLD_SIZE"]))
    accelerator = Accelerator(
        cpu=device.type == "cpu", kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)]
    )
    return Processes(
        accelerator.device, accelerator.process_index, accelerator.num_processes, accelerator
    )
