"""Which device to work on."""

from __future__ import annotations

import torch

from jointst.common.errors import EnvironmentFault


def choose_device(ngpu: int) -> torch.device:
    """The device to run on.

    Raises:
        EnvironmentFault: GPUs are asked for and there are fewer.
    """
    if ngpu == 0:
        return torch.device("cpu")
    if torch.cuda.device_count() < ngpu:
        raise EnvironmentFault(f"--ngpu {ngpu}: torch sees {torch.cuda.device_count()} GPUs (use --ngpu 0 for the CPU)")
    return torch.device("cuda")
