"""Process groups of torchrun, SLURM and others, found in the environment."""

import pytest
from picogen_core.errors import ConfigError
from picogen_core.runtime.group import Group, find_group, first_host

TORCHRUN = {
    "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500",
}  # fmt: skip
SRUN = {
    "SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "5",
    "SLURM_STEP_NODELIST": "gpu[03-05]", "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
    "SLURM_PROCID": "4", "SLURM_LOCALID": "0", "SLURM_NODEID": "2",
}  # fmt: skip


def test_torchrun():
    found = find_group(TORCHRUN)
    assert found == Group(3, 4, 1, 2, "10.0.0.1", 29500)
    assert str(found) == "process 3 of 4"
    assert find_group({**SRUN, **TORCHRUN}) == found


def test_a_step_of_slurm():
    found = find_group(SRUN)
    assert found == Group(4, 5, 0, 1, "gpu03", 20_000 + 4711 * 7 % 10_000)
    assert find_group({**SRUN, "SLURM_PROCID": "0", "SLURM_NODEID": "0"}).local_count == 2
    own = find_group({**SRUN, "MASTER_ADDR": "head", "MASTER_PORT": "1234"})
    assert (own.address, own.port) == ("head", 1234)
    entered = {"RANK": "left over"}
    found.enter_into(entered)
    assert find_group(entered) == found


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"RANK": "0", "WORLD_SIZE": "1"},
        {"SLURM_JOB_ID": "1", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"},  # a batch script
        {**SRUN, "SLURM_STEP_NUM_TASKS": "1"},
        {"OMPI_COMM_WORLD_SIZE": "1"},
    ],
)
def test_a_process_alone(environment):
    assert find_group(environment) is None


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RANK": "1", "WORLD_SIZE": "2"}, "RANK and WORLD_SIZE are set, but not LOCAL_RANK, "),
        ({**TORCHRUN, "RANK": "4"}, "RANK=4, WORLD_SIZE=4, .*no process group can be joined"),
        ({**TORCHRUN, "MASTER_PORT": "x"}, "MASTER_PORT=x: no process group can be joined"),
        ({**SRUN, "SLURM_STEP_NODELIST": ""}, "SLURM_STEP_NODELIST='' names no host"),
        ({**SRUN, "SLURM_PROCID": ""}, "SLURM_PROCID=, SLURM_STEP_NUM_TASKS=5"),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, "mpirun started 4 processes .OMPI_COMM_WORLD_SIZE."),
    ],
)
def test_a_group_that_cannot_be_joined_is_refused(environment, message):
    with pytest.raises(ConfigError, match=message):
        find_group(environment)


def test_hosts():
    assert [first_host(name) for name in ("a", "a,b", "n[1-3]", "n[007,9],x", "n[1-2].lan")] == [
        "a", "a", "n1", "n007", "n1.lan",
    ]  # fmt: skip
