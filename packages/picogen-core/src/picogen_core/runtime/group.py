"""The process group that torchrun, srun or `accelerate launch` set up around this process."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from picogen_core.errors import ConfigError

_FIRST_PORT, _PORTS = 20_000, 10_000
_NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_MPI = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")


@dataclass(frozen=True)
class Group:
    """This process is number `rank` of `count`, on this machine number `local` of `local_count`.

    Process 0 listens at `address` and `port`.
    """

    rank: int
    count: int
    local: int
    local_count: int
    address: str
    port: int

    def enter_into(self, environment: MutableMapping[str, str]) -> None:
        """Set the variables that torch.distributed reads."""
        values = (self.rank, self.count, self.local, self.local_count, self.address, self.port)
        environment.update(zip(_NEEDED, map(str, values), strict=True))

    def __str__(self) -> str:
        return f"process {self.rank} of {self.count}"


def find_group(environment: Mapping[str, str] = os.environ) -> Group | None:
    """Return the group of several processes that a launcher made; None for a process alone.

    The variables of torchrun (and of `accelerate launch`) come before those of SLURM. Those of
    SLURM count in a step that `srun` made; a batch script is alone.

    Raises:
        ConfigError: there is a group that cannot be joined.
    """
    found = _torchrun(environment) or _slurm(environment)
    if found is not None:
        return found if found.count > 1 else None
    for name in _MPI:
        if "RANK" not in environment and environment.get(name, "1") != "1":
            raise ConfigError(
                f"mpirun started {environment[name]} processes ({name}), which cannot be joined. "
                "Start them with torchrun or srun."
            )
    return None


def _torchrun(environment: Mapping[str, str]) -> Group | None:
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return None
    if environment["WORLD_SIZE"] == "1":
        return Group(0, 1, 0, 1, "", 0)
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        raise ConfigError(
            f"RANK and WORLD_SIZE are set, but not {', '.join(missing)}: no process group can be "
            "joined. Start with torchrun, or unset them."
        )
    return _group(environment, *_NEEDED)


def _slurm(environment: Mapping[str, str]) -> Group | None:
    count = environment.get("SLURM_STEP_NUM_TASKS", "1")
    if "SLURM_STEP_ID" not in environment or count == "1":
        return None
    nodes = environment.get("SLURM_STEP_NODELIST", "")
    job = environment.get("SLURM_JOB_ID", "0")
    step = environment["SLURM_STEP_ID"]
    if not (job.isdecimal() and step.isdecimal()):
        raise ConfigError(f"SLURM_JOB_ID={job}, SLURM_STEP_ID={step}: these are no numbers.")
    port = _FIRST_PORT + (int(job) * 7 + int(step)) % _PORTS
    per_node = _per_node(environment.get("SLURM_STEP_TASKS_PER_NODE", ""))
    node = environment.get("SLURM_NODEID", "0")
    here = per_node[int(node)] if node.isdecimal() and int(node) < len(per_node) else 1
    known = {
        "MASTER_ADDR": first_host(nodes),
        "MASTER_PORT": str(port),
        **environment,
        "SLURM_STEP_NUM_TASKS": count,
        "LOCAL_WORLD_SIZE": str(here),
    }
    names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", *_NEEDED[3:])
    return _group(known, *names)


def _group(environment: Mapping[str, str], *names: str) -> Group:
    rank, count, local, local_count, address, port = (environment.get(name, "") for name in names)
    numbers = (rank, count, local, local_count, port)
    if not all(re.fullmatch(r"[0-9]{1,6}", one) for one in numbers) or int(rank) >= int(count):
        shown = ", ".join(f"{name}={environment.get(name)}" for name in names)
        raise ConfigError(f"{shown}: no process group can be joined. Start with torchrun or srun.")
    return Group(int(rank), int(count), int(local), int(local_count), address, int(port))


def _per_node(text: str) -> list[int]:
    """Return the numbers of SLURM's `2(x3),1`: [2, 2, 2, 1]."""
    found: list[int] = []
    for number, times in re.findall(r"([0-9]{1,6})(?:\(x([0-9]{1,6})\))?", text):
        found += [int(number)] * int(times or 1)
    return found


def first_host(nodes: str) -> str:
    """Return the first host of SLURM's list: `gpu03` of `gpu[03-05,09],cpu1`.

    Raises:
        ConfigError: it is no such list.
    """
    found = re.match(r"([A-Za-z0-9._-]+)(?:\[([0-9]+)[^\]]*\]([A-Za-z0-9._-]*))?", nodes)
    if found is None:
        raise ConfigError(
            f"SLURM_STEP_NODELIST={nodes!r} names no host. Set MASTER_ADDR and MASTER_PORT."
        )
    return "".join(part or "" for part in found.groups())
