"""Which process of a training this one is, by the words of each launcher."""

from __future__ import annotations

import pytest

from jointst.common import place as module
from jointst.common.errors import ConfigError, EnvironmentFault
from jointst.common.place import Place, check_asked, find_place, tell_torch

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "1"}
BATCH = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
SRUN = {
    **BATCH,
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NODELIST": "localhost",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURMD_NODENAME": "node2",
}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (TORCHRUN, (3, 4, 1, 2, 1)),
        ({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}, (1, 2, 1, 2, 0)),
        ({**TORCHRUN, "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}, None),
        (BATCH, None),  # a batch script, which has not called srun
        (SRUN, (3, 4, 1, 2, 1)),
        ({**SRUN, "SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"}, None),
        ({**SRUN, **TORCHRUN, "RANK": "2", "LOCAL_RANK": "0"}, (2, 4, 0, 2, 1)),  # torchrun started by srun
    ],
)
def test_places(environment: dict[str, str], expected: tuple[int, ...] | None) -> None:
    found = find_place(environment)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (found.rank, found.world, found.local_rank, found.local_world, found.node) == expected


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({**SRUN, "SLURM_STEP_NUM_TASKS": "3"}, "every node needs as many processes"),
        ({**SRUN, "SLURM_PROCID": "2"}, "numbered node by node"),  # -m cyclic
        ({**TORCHRUN, "LOCAL_RANK": "x"}, "LOCAL_RANK is 'x'"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "LOCAL_RANK is None"),
    ],
)
def test_places_that_make_no_sense(environment: dict[str, str], message: str) -> None:
    with pytest.raises(EnvironmentFault, match=message):
        find_place(environment)


PLACE = Place(rank=3, world=4, local_rank=1, local_world=2, node=1, node_name="b")


@pytest.mark.parametrize("asked", [(None, 1, 0), (2, 2, 0), (None, 1, 2), (1, 1, 0)])
def test_what_is_asked_is_there(asked: tuple[int | None, int, int]) -> None:
    check_asked(PLACE, nodes=asked[0], nproc=asked[1], ngpu=asked[2])


@pytest.mark.parametrize(("asked", "key"), [((3, 1, 0), "nodes"), ((2, 4, 0), "nproc"), ((None, 1, 4), "ngpu")])
def test_what_is_asked_is_not_there(asked: tuple[int | None, int, int], key: str) -> None:
    with pytest.raises(ConfigError, match=f"--{key}: is"):
        check_asked(PLACE, nodes=asked[0], nproc=asked[1], ngpu=asked[2])


def test_torch_is_told_what_slurm_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "environ", dict(SRUN))
    found = find_place()
    assert found is not None
    tell_torch(found)
    environment = module.os.environ
    assert {key: environment[key] for key in TORCHRUN} == TORCHRUN
    assert environment["MASTER_ADDR"] == "localhost"
    assert find_place(environment) == Place(**{**vars(found), "node_name": find_place(environment).node_name})  # type: ignore[union-attr]


def test_an_address_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "environ", {**SRUN, "SLURM_STEP_NODELIST": "no.such.host.invalid"})
    with pytest.raises(EnvironmentFault, match="export MASTER_ADDR"):
        tell_torch(PLACE)
