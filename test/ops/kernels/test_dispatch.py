"""Kernels on the CPU may be called from several Python threads, whatever threading layer numba has."""

import os
import subprocess
import sys

PROGRAM = """
import threading, torch
from jointst.ops.depthwise import depthwise
from jointst.ops.transducer import lattice_loss

scores = torch.randn(8, 100, 30, 3).log_softmax(-1)
lengths = torch.full((8,), 100), torch.full((8,), 29)
x, weight, bias = torch.randn(8, 200, 64, requires_grad=True), torch.randn(64, 1, 15), torch.randn(64)

def work():
    for _ in range(30):
        lattice_loss(scores[..., 0], scores[:, :, :-1, 1], *lengths)
        depthwise(x, weight, bias).sum().backward()

threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_two_threads_do_not_end_the_process() -> None:
    environment = {**os.environ, "NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
