"""Which of several processes this one is, by what torchrun, srun or ``jointst train --nproc`` says in the environment.

Nothing here imports torch: the command line asks before it knows whether there is anything to do.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from jointst.common.errors import ConfigError, EnvironmentFault

FIRST_PORT, PORTS = 15_000, 10_000
"""Ports of Slurm's jobs, by the last digits of their number: every task must come to the same one."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A process among others.

    Attributes:
        rank: its number among all.
        world: processes in all.
        local_rank: its number on its node.
        local_world: processes on each node.
        node: number of its node.
        node_name: what Slurm calls the node, or its host name.
    """

    rank: int
    world: int
    local_rank: int
    local_world: int
    node: int
    node_name: str

    def __str__(self) -> str:
        """For messages."""
        return f"rank {self.rank} of {self.world} (node {self.node}, {self.node_name})"

    @property
    def nodes(self) -> int:
        """Nodes in all."""
        return self.world // self.local_world


def _number(environment: Mapping[str, str], key: str) -> int:
    try:
        return int(environment[key])
    except (KeyError, ValueError):
        value = environment.get(key)
        raise EnvironmentFault(
            f"{key} is {value!r} in the environment: a number is needed there, as torchrun and srun set it"
        ) from None


def find_place(environment: Mapping[str, str] | None = None) -> Place | None:
    """The place of this process; None where it is alone, as in the batch script of a Slurm job before any ``srun``.

    Raises:
        EnvironmentFault: nodes have unlike numbers of processes, or what a launcher says makes no sense.
    """
    environment = os.environ if environment is None else environment
    if "RANK" in environment and "WORLD_SIZE" in environment:  # torchrun's, and our own
        rank, world = _number(environment, "RANK"), _number(environment, "WORLD_SIZE")
        local_world = int(environment.get("LOCAL_WORLD_SIZE", world))
        local_rank, node = _number(environment, "LOCAL_RANK"), int(environment.get("GROUP_RANK", rank // local_world))
        name = socket.gethostname()
    elif "SLURM_STEP_ID" in environment and environment.get("SLURM_PROCID", "").isdigit():
        rank, world = _number(environment, "SLURM_PROCID"), int(environment.get("SLURM_STEP_NUM_TASKS", "1"))
        nodes = int(environment.get("SLURM_STEP_NUM_NODES", "1"))
        local_world = world // nodes
        local_rank, node = _number(environment, "SLURM_LOCALID"), _number(environment, "SLURM_NODEID")
        name = environment.get("SLURMD_NODENAME", socket.gethostname())
    else:
        return None
    if world == 1:
        return None
    if local_world < 1 or world % local_world or rank != node * local_world + local_rank:
        raise EnvironmentFault(
            f"rank {rank} of {world} is number {local_rank} on node {node}: every node needs as many processes as the "
            "others, numbered node by node (srun --ntasks-per-node N, without -m cyclic; torchrun --nproc-per-node N)"
        )
    return Place(rank=rank, world=world, local_rank=local_rank, local_world=local_world, node=node, node_name=name)


def check_asked(place: Place, *, nodes: int | None, nproc: int, ngpu: int) -> None:
    """What the command line asks for is what the launcher has started.

    Args:
        place: of this process.
        nodes: as asked; None where the launcher's word is taken.
        nproc: processes of each node; 1 where the launcher's word is taken.
        ngpu: GPUs of each node, 0 for the CPU.

    Raises:
        ConfigError: it is not.
    """
    for key, asked, there in (("nodes", nodes, place.nodes), ("nproc", nproc, place.local_world)):
        if asked not in (None, 1, there):
            raise ConfigError(f"--{key}", f"is {asked}, and {there} were started", f"--{key} {there}, or leave it out")
    if ngpu not in (0, place.local_world):
        problem = f"is {ngpu}, and {place.local_world} processes were started on each node"
        raise ConfigError("--ngpu", problem, f"--ngpu {place.local_world}, or 0 for the CPU")


def tell_torch(place: Place) -> None:
    """Say in torch's own words, in the environment, what Slurm says in others.

    Raises:
        EnvironmentFault: the address of the first node is not known.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # that a connection broke is said once, by us
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        os.environ.setdefault("TORCHELASTIC_RUN_ID", "jointst")  # lightning's mark of such processes
        return
    values = {
        "RANK": place.rank,
        "WORLD_SIZE": place.world,
        "LOCAL_RANK": place.local_rank,
        "LOCAL_WORLD_SIZE": place.local_world,
        "GROUP_RANK": place.node,
        "TORCHELASTIC_RUN_ID": f"slurm-{os.environ.get('SLURM_JOB_ID', '')}",
    }
    os.environ.update({key: str(value) for key, value in values.items()})
    os.environ.setdefault("MASTER_ADDR", _address())
    job, step = (int(os.environ.get(key, "0")) for key in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    os.environ.setdefault("MASTER_PORT", str(FIRST_PORT + (job * 7 + step) % PORTS))


def _address() -> str:
    """Where the first node of a Slurm step is reached."""
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    name = SLURMEnvironment.resolve_root_node_address(os.environ.get("SLURM_STEP_NODELIST", ""))
    launched = os.environ.get("SLURM_LAUNCH_NODE_IPADDR", "")
    for address in (name, launched):  # the second is that of the batch script, which runs on the first node
        try:
            if address:
                socket.getaddrinfo(address, None)
                return address
        except OSError:
            continue
    raise EnvironmentFault(f"no address is known for {name or 'the first node'} (export MASTER_ADDR, its address)")
