"""Whisper's encoder (arXiv 2212.04356) over utterances of any length, without the padding to 30 s.

It has position encodings for 30 s and was never trained on more: what is said later than that leaves states of little
use, so longer utterances go through it in windows that overlap.

B batch, T rows of features, F mel bins, N states, D width, H heads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.functional import gelu, pad, scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from typing_extensions import Self

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.ops.masks import length_mask
from jointst.pretrained.ctranslate2 import read_whisper
from jointst.pretrained.encoder import FeatureKind, PretrainedEncoder
from jointst.pretrained.hub_folder import check_kind, fill, read_config, read_weights

WINDOW, HOP, RATE = 400, 160, 16000
"""Of its features: samples, samples, hertz."""
RANGE = 8.0
"""Features further below the loudest of their utterance, in powers of ten, are raised to that."""
OVERLAP = 6
"""Windows of a long utterance have at least this part of their states, one in six, in common with the next."""
MODEL_BIN = "model.bin"
"""CTranslate2's file of weights."""
FIX = "name the folder of a Whisper model: config.json and model.safetensors, or CTranslate2's model.bin"


def whisper_mel(waveform: Tensor, bins: int) -> Tensor:
    """Whisper's log-mel features of an utterance, which it does not pad.

    Args:
        waveform: (T,) in [-1, 1] at 16 kHz.
        bins: F, 80 or 128.

    Returns:
        (T // 160, F); none where it is shorter than a window.
    """
    if waveform.shape[0] < WINDOW:
        return waveform.new_zeros(0, bins)
    window, filters = _window_and_filters(bins)
    spectrum = torch.stft(waveform, WINDOW, HOP, window=window, return_complex=True)[:, :-1]
    power = spectrum.real.square() + spectrum.imag.square()  # (201, T')
    features = (power.T @ filters).clamp_min(1e-10).log10()
    features = torch.maximum(features, features.max() - RANGE)
    return (features + 4.0) / 4.0


@lru_cache(maxsize=4)
def _window_and_filters(bins: int) -> tuple[Tensor, Tensor]:
    from torchaudio.functional import melscale_fbanks

    filters: Tensor = melscale_fbanks(
        WINDOW // 2 + 1, f_min=0.0, f_max=RATE / 2, n_mels=bins, sample_rate=RATE, norm="slaney", mel_scale="slaney"
    )
    return torch.hann_window(WINDOW), filters


class _Attention(nn.Module):
    """Self-attention whose keys have no bias."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.v_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(3))
        self.k_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, N, D) to the same, over the keys of a mask (B, 1, 1, N); None for all."""
        query, key, value = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj)
        )  # (B, N, D) -> (B, H, N, D / H)
        found = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        out: Tensor = self.out_proj(found.transpose(1, 2).flatten(2))
        return out


class _Layer(nn.Module):
    def __init__(self, dim: int, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn = _Attention(dim, heads)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.fc1, self.fc2 = nn.Linear(dim, inner), nn.Linear(inner, dim)
        self.final_layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, N, D) to the same."""
        x = x + self.self_attn(self.self_attn_layer_norm(x), mask)
        out: Tensor = x + self.fc2(gelu(self.fc1(self.final_layer_norm(x))))
        return out


class _Table(nn.Module):
    """Numbers that are no weights: they are never trained."""

    weight: Tensor

    def __init__(self, rows: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(rows, dim))


class WhisperEncoder(PretrainedEncoder):
    """Whisper's encoder; its weights have the names that the Hugging Face hub gives them.

    Args:
        mel_bins: F.
        dim: D.
        layers: number of layers.
        heads: H.
        inner: width of the feed-forward modules.
        positions: of the table of position encodings, the states of a window.
    """

    kind: ClassVar[str] = "whisper"
    features: ClassVar[FeatureKind] = "whisper_mel"
    version: ClassVar[int] = 2  # windows beyond 30 s

    def __init__(self, *, mel_bins: int, dim: int, layers: int, heads: int, inner: int, positions: int = 1500) -> None:
        super().__init__()
        self.mel_bins, self.dim, self.heads, self.inner = mel_bins, dim, heads, inner
        self.row_width, self.frames_per_state = mel_bins, 2
        self.conv1 = nn.Conv1d(mel_bins, dim, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(dim, dim, kernel_size=3, stride=2, padding=1)
        self.embed_positions = _Table(positions, dim)
        self.layers = nn.ModuleList(_Layer(dim, heads, inner) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode: see :meth:`PretrainedEncoder.forward`; N is half of T, rounded up."""
        count, positions = (features.shape[1] + 1) // 2, len(self.embed_positions.weight)
        if count <= positions:
            return self._encode(features, lengths), self.state_lengths(lengths)
        utterances = [own[:length] for own, length in zip(features, lengths.tolist(), strict=True)]
        begins = [self._begins(len(own)) for own in utterances]
        windows = [(own, begin) for own, found in zip(utterances, begins, strict=True) for begin in found]
        encoded = iter(self._encode_windows([own[2 * begin : 2 * (begin + positions)] for own, begin in windows]))
        joined = [self._joined(len(own), found, encoded) for own, found in zip(utterances, begins, strict=True)]
        states = [pad(own, (0, 0, 0, count - len(own))) for own in joined]
        return torch.stack(states), self.state_lengths(lengths)

    def _begins(self, rows: int) -> list[int]:
        """The first state of each window over an utterance of so many rows."""
        count, positions = (rows + 1) // 2, len(self.embed_positions.weight)
        overlap = positions // OVERLAP
        windows = max(1, -(-(count - overlap) // (positions - overlap)))
        return [i * (count - positions) // (windows - 1) for i in range(windows)] if windows > 1 else [0]

    def _encode_windows(self, parts: list[Tensor]) -> list[Tensor]:
        """Windows (T, F) to (N, D): one by one, save in training, where several processes may share one model and each
        must call its layers as often as the others, whatever it hears."""
        device = parts[0].device
        if not self.training:
            return [self._encode(part[None], torch.tensor([len(part)], device=device))[0] for part in parts]
        lengths = torch.tensor([len(part) for part in parts], device=device)
        return list(self._encode(pad_sequence(parts, batch_first=True), lengths))

    def _joined(self, rows: int, begins: list[int], encoded: Iterator[Tensor]) -> Tensor:
        """An utterance of so many rows, (N, D): each state comes from the window whose middle is nearer."""
        count, positions = (rows + 1) // 2, len(self.embed_positions.weight)
        kept, done = [], 0
        for begin, following in zip(begins, [*begins[1:], None], strict=True):
            states = next(encoded)
            end = count if following is None else (following + begin + positions) // 2  # the middle of what both hear
            kept.append(states[done - begin : end - begin])
            done = end
        return torch.cat(kept)

    def _encode(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Utterances (B, T, F) that fit into a window to (B, N, D)."""
        x = features * length_mask(lengths, features.shape[1])[:, :, None]
        x = gelu(self.conv1(x.transpose(1, 2)))  # (B, T, F) -> (B, D, T)
        x = x * length_mask(lengths, x.shape[2])[:, None]  # as the zeros that follow an utterance on its own
        x = gelu(self.conv2(x)).transpose(1, 2)  # (B, D, T) -> (B, N, D)
        x = x + self.embed_positions.weight[: x.shape[1]]
        valid = length_mask(self.state_lengths(lengths), x.shape[1])
        mask = None if bool(valid.all()) else valid[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        states: Tensor = self.layer_norm(x)
        return states

    def state_lengths(self, lengths: Tensor) -> Tensor:
        """Half of the rows, rounded up."""
        return (lengths + 1) // 2

    def blocks(self) -> list[nn.Module]:
        """Both convolutions, then the layers."""
        return [self.conv1, self.conv2, *self.layers]

    @classmethod
    def pack(cls, folder: Path, packed: Path) -> None:
        """As the hub has it, whichever way it was read."""
        if not (folder / MODEL_BIN).is_file():
            super().pack(folder, packed)
            return
        encoder = cls.open(folder)
        state = {f"encoder.{name}": weight.half().contiguous() for name, weight in encoder.state_dict().items()}
        write_atomically(packed / "model.safetensors", save(state))
        write_atomically(packed / "config.json", json.dumps(encoder.settings, indent=1) + "\n")

    @property
    def settings(self) -> dict[str, Any]:
        """Its sizes under the names that the hub's ``config.json`` gives them."""
        return {
            "model_type": self.kind,
            "num_mel_bins": self.mel_bins,
            "d_model": self.dim,
            "encoder_layers": len(self.layers),
            "encoder_attention_heads": self.heads,
            "encoder_ffn_dim": self.inner,
            "max_source_positions": len(self.embed_positions.weight),
        }

    @classmethod
    def open(cls, folder: Path) -> Self:
        """From ``config.json`` and ``model.safetensors`` of the hub, or from CTranslate2's ``model.bin``."""
        if cls._is_ctranslate2(folder):
            sizes, state = read_whisper(folder / MODEL_BIN)
            return cls._with(sizes, state, folder / MODEL_BIN)
        sizes = cls._sizes(folder)
        state = read_weights(folder, ("model.encoder.", "encoder.", ""), FIX)
        return cls._with(sizes, state, folder)

    @staticmethod
    def _is_ctranslate2(folder: Path) -> bool:
        return (folder / MODEL_BIN).is_file() and not any(folder.glob("*.safetensors"))

    @classmethod
    def without_weights(cls, folder: Path) -> Self:
        """See :meth:`PretrainedEncoder.without_weights`; of CTranslate2 all is read."""
        if cls._is_ctranslate2(folder):
            return cls.open(folder)
        return cls._shaped(cls._sizes(folder), folder / "config.json")

    @classmethod
    def _sizes(cls, folder: Path) -> dict[str, int]:
        """What ``config.json`` tells."""
        config = read_config(folder, FIX)
        check_kind(config, (cls.kind,), folder, FIX)
        try:
            return {
                "mel_bins": int(config["num_mel_bins"]),
                "dim": int(config["d_model"]),
                "layers": int(config["encoder_layers"]),
                "heads": int(config["encoder_attention_heads"]),
                "inner": int(config["encoder_ffn_dim"]),
                "positions": int(config["max_source_positions"]),
            }
        except (KeyError, TypeError, ValueError) as error:
            problem = f"does not tell the sizes of a Whisper encoder: {error!r}"
            raise DataError(problem, path=folder / "config.json", fix=FIX) from None

    @classmethod
    def _with(cls, sizes: dict[str, int], state: dict[str, Tensor], path: Path) -> Self:
        """The encoder of these sizes with these weights, fitted in one by one.

        Raises:
            DataError: sizes that cannot be, or a weight that is missing or has another shape.
        """
        with torch.device("meta"):
            encoder = cls._shaped(sizes, path)
        fill(encoder, state, path, FIX)
        return encoder.eval()

    @classmethod
    def _shaped(cls, sizes: dict[str, int], path: Path) -> Self:
        wrong = [name for name, size in sizes.items() if size < 1]
        if wrong or sizes["dim"] % (2 * sizes["heads"]) or sizes["layers"] > 1000:
            told = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise DataError(f"tells of sizes that no Whisper encoder has: {told}", path=path, fix=FIX)
        return cls(**sizes)
