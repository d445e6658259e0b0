"""ESPnet's side (``espnet2.asr_transducer``, release 202511): offline conformer, stateless decoder, beam size 1."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from decode_bench.task import DIM, DONE, MEL_BINS, VOCABULARY, Task, encoder_scale, output_weights

_LAYERS, _INNER = 7, 352
"""Sizes that give as many parameters as our encoders have."""


def available() -> bool:
    """Whether ESPnet is installed."""
    return importlib.util.find_spec("espnet2") is not None


def version() -> str:
    """Its release."""
    return importlib.metadata.version("espnet")


class System:
    """A fresh encoder, and a decoder and joint network set by hand."""

    def __init__(self) -> None:
        from espnet2.asr_transducer.beam_search_transducer import BeamSearchTransducer
        from espnet2.asr_transducer.encoder.encoder import Encoder

        torch.manual_seed(0)
        layer = {"block_type": "conformer", "hidden_size": DIM, "linear_size": _INNER, "conv_mod_kernel_size": 15}
        front = {"block_type": "conv2d", "conv_size": 32, "subsampling_factor": 4, "vgg_like": False}
        self._encoder = Encoder(MEL_BINS, [{**layer, "heads": 4} for _ in range(_LAYERS)], input_conf=front).eval()
        self.parameters = sum(parameter.numel() for parameter in self._encoder.parameters())
        self._search_one = BeamSearchTransducer(*_forced(), beam_size=1)

    def encoders(self, task: Task) -> dict[str, Callable[[], object]]:
        """Ways to encode all utterances; its own inference takes one at a time."""
        return {
            "one by one": lambda: self._encode(task.features, 1),
            "in batches": lambda: self._encode(task.features, 32),
        }

    def searches(self, task: Task) -> dict[str, Callable[[], object]]:
        """The one way to search all utterances; it gives their labels."""
        return {"one by one": lambda: self._search(task.states)}

    @torch.inference_mode()
    def _encode(self, features: Tensor, batch: int) -> None:
        for part in features.split(batch):
            self._encoder(part, torch.full((len(part),), part.shape[1]))

    @torch.inference_mode()
    def _search(self, states: Tensor) -> list[list[int]]:
        return [self._search_one(utterance)[0].yseq[1:] for utterance in states]


@torch.no_grad()
def _forced() -> tuple[Any, Any]:
    from espnet2.asr_transducer.decoder.stateless_decoder import StatelessDecoder
    from espnet2.asr_transducer.joint_network import JointNetwork

    decoder = StatelessDecoder(VOCABULARY, embed_size=DIM).eval()
    joint = JointNetwork(VOCABULARY, DIM, DIM, joint_space_size=DIM).eval()
    for parameter in (*decoder.parameters(), *joint.parameters()):
        parameter.zero_()
    decoder.embed.weight[0::2, 0] = 1.0
    decoder.embed.weight[1::2, 1] = 1.0
    decoder.embed.weight[0] = decoder.embed.weight[1]  # the start counts as odd
    joint.lin_dec.weight[:2, :2] = DONE * torch.eye(2)
    joint.lin_enc.weight.copy_(encoder_scale().diag())
    weight, bias = output_weights()
    joint.lin_out.weight.copy_(weight)
    joint.lin_out.bias.copy_(bias)
    return decoder, joint
