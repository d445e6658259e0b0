"""FSDP2: each process holds a share of the weights, of their gradients and of the optimiser's moments.

A pretrained encoder's layers are units: the weights of one are gathered when it is computed, forward and backward, and
let go of afterwards. All else is one more unit, whose weights are there from the beginning of an update to its end.
Gathering takes all processes, in the same order, so each of them must call the same units in each update: the branch
that a batch lacks is none of them (:func:`jointst.models.objective.joint_loss`), and evaluation is the same for all.

Checkpoints are whole, and the same as those of processes with a copy of the model each: a training may go on with
either, and with any number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_map

from jointst.pretrained.encoder import PretrainedEncoder
from jointst.training.module import JointModule


def units(encoder: PretrainedEncoder) -> list[nn.Module]:
    """The layers of an encoder that are gathered one by one: of its blocks, those like the uppermost.

    What is below them is small, and not always called as a whole.
    """
    blocks = encoder.blocks()
    return [block for block in blocks if type(block) is type(blocks[-1])]


def shard(module: JointModule, mesh: DeviceMesh) -> None:
    """Share a module out, on its way to the devices of a mesh. Names of weights stay the same."""
    encoder = module.model.pretrained
    for layer in [] if encoder is None else units(encoder):
        fully_shard(layer, mesh=mesh)
    fully_shard(module, mesh=mesh)
    register_fsdp_forward_method(module, "validation_step")


def _cut(kept: Any, weight: torch.Tensor) -> Any:
    """This process's share of what an optimiser keeps for a weight, if it is cut up like that."""
    if isinstance(weight, DTensor) and isinstance(kept, torch.Tensor) and kept.shape == weight.shape:
        return distribute_tensor(kept, weight.device_mesh, weight.placements, src_data_rank=None)
    return kept


class Sharded(DDPStrategy):
    """Lightning's way with several processes, in which they share one model instead of holding a copy each."""

    def model_to_device(self) -> None:
        """Nothing: the shares go there, one unit after the other, so that no device ever holds all."""

    def configure_ddp(self) -> None:
        """Share the model out."""
        assert isinstance(self.model, JointModule)
        shard(self.model, init_device_mesh(self.root_device.type, (self.world_size,)))

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """See lightning. Under autocast no copies of weights are kept for a second use: they would be whole ones."""
        kept = torch.is_autocast_cache_enabled()
        torch.set_autocast_cache_enabled(False)
        try:
            return super().training_step(*args, **kwargs)
        finally:
            torch.set_autocast_cache_enabled(kept)

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        """See lightning; afterwards the weights are shares again, as they are after an update."""
        found = super().validation_step(*args, **kwargs)
        assert isinstance(self.model, FSDPModule)
        self.model.reshard()
        return found

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The whole weights on the first process, which writes them; all must ask."""
        return self._whole(super().lightning_module_state_dict())

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The whole state on the first process, which writes it; all must ask."""
        return self._whole(super().optimizer_state(optimizer))

    def _whole(self, state: dict[str, Any]) -> dict[str, Any]:
        def gathered(value: Any) -> Any:
            if not isinstance(value, DTensor):
                return value
            whole = value.full_tensor()
            return whole.detach().cpu() if self.is_global_zero else None

        found: dict[str, Any] = tree_map(gathered, state)
        return found

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take this process's share of whole states. Weights were loaded before they were shared out."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            kept = {
                number: {name: _cut(value, weights[number]) for name, value in own.items()}
                for number, own in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": kept})

    def teardown(self) -> None:
        """End; lightning would move all weights to the CPU, which shares cannot be."""
        assert self.cluster_environment is not None
        assert self.accelerator is not None
        self.cluster_environment.teardown()
        self.precision_plugin.teardown()
        self.accelerator.teardown()
        self.checkpoint_io.teardown()
