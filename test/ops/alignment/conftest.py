"""Every test of kernels runs on the CPU and, where there is one, on a GPU.

With NUMBA_ENABLE_CUDASIM=1 what is called cpu here goes through the CUDA kernels in numba's simulator.
"""

import importlib.util

import pytest
import torch

HAS_GPU = torch.cuda.is_available() and importlib.util.find_spec("numba_cuda") is not None


@pytest.fixture(params=["cpu", "cuda"] if HAS_GPU else ["cpu"])
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)
