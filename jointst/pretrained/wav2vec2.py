"""wav2vec 2.0 (arXiv 2006.11477), XLS-R, MMS, HuBERT and WavLM: transformers over convolutions over waveforms.

B batch, T rows of samples, S samples, C channels, N states, D width.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from jointst.common.errors import DataError
from jointst.ops.masks import length_mask
from jointst.pretrained.encoder import WAVEFORM_ROW, FeatureKind
from jointst.pretrained.hub_encoder import HubEncoder
from jointst.pretrained.hub_folder import ADAPTERS

PREPROCESSOR = "preprocessor_config.json"
"""Says whether waveforms are normalised by utterance."""
SMALLEST = 1e-7
"""Added to a variance."""


class Wav2Vec2Encoder(HubEncoder):
    """Wav2Vec2Model: wav2vec 2.0, XLS-R, and MMS with the adapters of a language, if there are some.

    There is a state for each row of samples: the last one hears some zeros behind the end, where the original has one
    state less.
    """

    kind = "wav2vec2"
    features: ClassVar[FeatureKind] = "waveform"
    causal = False
    model_types = ("wav2vec2",)
    library_class = "Wav2Vec2Model"
    prefixes = ("wav2vec2.", "")
    overruled: ClassVar[Mapping[str, Any]] = {
        "add_adapter": False,
        "layerdrop": 0.0,
        "mask_time_prob": 0.0,
        "mask_feature_prob": 0.0,
    }
    frames_per_state = 1
    row_width = WAVEFORM_ROW

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.normalises = bool(settings.get("do_normalize", True))

    @classmethod
    def _sizes(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in super()._sizes(settings).items() if name != "do_normalize"}

    @classmethod
    def read_settings(cls, folder: Path) -> dict[str, Any]:
        """``config.json``, and of the preprocessor's whether waveforms are normalised; they are, if it is not there."""
        settings = super().read_settings(folder)
        path = folder / PREPROCESSOR
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                settings["do_normalize"] = bool(found.get("do_normalize", True))
                rate = found.get("sampling_rate", 16000)
            except (ValueError, AttributeError) as error:
                raise DataError(f"is no JSON of settings: {error}", path=path, fix="download it again") from None
            if rate != 16000:
                raise DataError(f"hears at {rate} hertz, not at 16000", path=path, fix=cls.fix())
        return settings

    @classmethod
    def read_weights(cls, folder: Path) -> dict[str, Tensor]:
        """The weights, and of MMS the adapters of the language whose file is there.

        Raises:
            DataError: there are adapters of several languages, or a damaged file.
        """
        state = super().read_weights(folder)
        files = sorted(folder.glob(ADAPTERS))
        if len(files) > 1:
            problem = f"has adapters of {len(files)} languages: {' '.join(path.name for path in files[:5])}"
            raise DataError(problem, path=folder, fix="leave the file of the language of your speech alone there")
        for path in files:
            try:
                adapters = load_file(path)
            except (SafetensorError, OSError) as error:
                problem = f"is no whole file of safetensors: {error}"
                raise DataError(problem, path=path, fix="copy or download it again") from None
            state |= {name.removeprefix(cls.prefixes[0]): weight for name, weight in adapters.items()}
        return state

    def check(self) -> None:
        """Its states must be 20 ms apart."""
        stride = math.prod(self.config.conv_stride)
        if stride != WAVEFORM_ROW or self._tail() < 0:
            raise DataError(f"has a state for each {stride} samples, not for each {WAVEFORM_ROW}", fix=self.fix())
        if getattr(self.config, "conv_pos_batch_norm", False):
            problem = "normalises by batch (conv_pos_batch_norm), so that states depend on batch mates"
            raise DataError(problem, fix="take another model")

    def _tail(self) -> int:
        """Samples that a state hears beyond its row."""
        heard = 1
        for kernel, stride in zip(reversed(self.config.conv_kernel), reversed(self.config.conv_stride), strict=True):
            heard = (heard - 1) * stride + kernel
        return int(heard) - WAVEFORM_ROW

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode: see :meth:`PretrainedEncoder.forward`; N is T."""
        x, count = features.flatten(1), lengths * WAVEFORM_ROW  # (B, T, 320) -> (B, S)
        valid = length_mask(count, x.shape[1])
        x = _normalised(x, valid) if self.normalises else x.where(valid, 0.0)
        x, count = nn.functional.pad(x, (0, self._tail()))[:, None], count + self._tail()
        for layer in self.model.feature_extractor.conv_layers:
            if isinstance(getattr(layer, "layer_norm", None), nn.GroupNorm):
                x = layer.conv(x)
                count = (count - layer.conv.kernel_size[0]) // layer.conv.stride[0] + 1
                x = layer.activation(_normalised_channels(x, count, layer.layer_norm))
            else:
                x = layer(x)  # (B, C, S) -> (B, C', S')
        projected = self.model.feature_projection(x.transpose(1, 2))
        x = projected[0] if isinstance(projected, tuple) else projected  # (B, N, D)
        states: Tensor = self.model.encoder(x, attention_mask=length_mask(lengths, x.shape[1])).last_hidden_state
        return states, lengths

    def state_lengths(self, lengths: Tensor) -> Tensor:
        """As many as rows."""
        return lengths

    def blocks(self) -> list[nn.Module]:
        """The convolutions, their projection, the positions, then the layers."""
        convolutions = list(self.model.feature_extractor.conv_layers)
        return [*convolutions, self.model.feature_projection, self.model.encoder.pos_conv_embed, *self.layers()]


class HubertEncoder(Wav2Vec2Encoder):
    """HubertModel: HuBERT (arXiv 2106.07447) and its kin."""

    kind = "hubert"
    model_types = ("hubert",)
    library_class = "HubertModel"
    prefixes = ("hubert.", "")
    overruled: ClassVar[Mapping[str, Any]] = {"layerdrop": 0.0, "mask_time_prob": 0.0, "mask_feature_prob": 0.0}


class WavLmEncoder(Wav2Vec2Encoder):
    """WavLMModel: WavLM (arXiv 2110.13900)."""

    kind = "wavlm"
    model_types = ("wavlm",)
    library_class = "WavLMModel"
    prefixes = ("wavlm.", "")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        # Its attention has a mask of numbers beside one of truth values, which torch likes no more.
        warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
        super().__init__(settings)


def _normalised(samples: Tensor, valid: Tensor) -> Tensor:
    """Waveforms (B, S) with the mean 0 and the variance 1, and zeros where they are not valid (B, S)."""
    count = valid.sum(1, keepdim=True).clamp_min(1).to(samples.dtype)
    mean = samples.where(valid, 0.0).sum(1, keepdim=True) / count
    centred = (samples - mean).where(valid, 0.0)
    return centred * torch.rsqrt(centred.square().sum(1, keepdim=True) / count + SMALLEST)


def _normalised_channels(x: Tensor, count: Tensor, norm: nn.GroupNorm) -> Tensor:
    """A group norm of one channel a group over the valid part of each utterance alone.

    Args:
        x: (B, C, S).
        count: (B,) valid places.
        norm: with its weights.
    """
    wide = x.float()
    valid = length_mask(count, x.shape[2])[:, None]
    among = count[:, None, None].clamp_min(1).to(wide.dtype)
    mean = wide.where(valid, 0.0).sum(2, keepdim=True) / among
    centred = (wide - mean).where(valid, 0.0)
    scale = torch.rsqrt(centred.square().sum(2, keepdim=True) / among + norm.eps)
    return (centred * scale * norm.weight[:, None] + norm.bias[:, None]).to(x.dtype)
