"""The exported folder run by sherpa-onnx itself.

T samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jointst.common.threads import chosen_threads
from jointst.common.units import samples_in
from jointst.config import Decoder, FeatureConfig
from jointst.export.onnx.files import STREAMING, Graphs, Precision, check_tokens, graph_file
from jointst.export.onnx.limits import require_packages
from jointst.kaldi.audio import Samples

PIECE = 0.1
"""Seconds of a stream that come in at a time."""
AFTER = 0.025
"""Seconds of zeros beyond the last chunk: it is taken when the next one has begun."""
BEAM = 4
"""Hypotheses of sherpa-onnx's beam search."""


class Sherpa:
    """A recogniser of sherpa-onnx over the graphs of one pass.

    Args:
        folder: the exported folder.
        kind: which pass.
        precision: of the weights.
        features: of the model.
        beam: search with a beam of :data:`BEAM`; else greedily.

    Raises:
        EnvironmentFault: sherpa-onnx is missing.
        DataError: a file is missing, damaged, or lacks what sherpa-onnx needs, which would end this process.
    """

    def __init__(
        self, folder: Path, kind: Decoder, precision: Precision, features: FeatureConfig, *, beam: bool = False
    ) -> None:
        require_packages("sherpa_onnx")
        graphs = Graphs(folder, kind, precision)
        check_tokens(folder, graphs.numbers["vocab_size"])
        self.rate = round(features.sampling_rate)
        self._chunk = samples_in(graphs.numbers.get("T", 0) * features.hop / 1000, self.rate)
        files = {part: str(graph_file(folder, kind, part, precision)) for part in ("encoder", "decoder", "joiner")}
        own = own_features(features) if graphs.shift == 0 else {}
        heard: dict[str, Any] = {"feature_dim": features.mel_bins, **own}
        search = {"decoding_method": "modified_beam_search" if beam else "greedy_search", "max_active_paths": BEAM}
        make = _streaming if kind == STREAMING else _full_context
        self._recogniser = make(files, str(folder / "tokens.txt"), self.rate, heard, search)
        self._streams = kind == STREAMING

    def texts(self, recordings: Sequence[Samples]) -> list[str]:
        """The texts of recordings (T,), in [-1, 1] at :attr:`rate`, all in one batch."""
        streams = [self._recogniser.create_stream() for _ in recordings]
        if self._streams:
            self._feed(streams, recordings)
            return [self._recogniser.get_result(stream).strip() for stream in streams]
        for stream, samples in zip(streams, recordings, strict=True):
            stream.accept_waveform(self.rate, samples)
        self._recogniser.decode_streams(streams)
        return [stream.result.text.strip() for stream in streams]

    def _feed(self, streams: list[Any], recordings: Sequence[Samples]) -> None:
        """Let all come in at once, piece by piece, and run those that have a chunk."""
        after, step = samples_in(AFTER, self.rate), samples_in(PIECE, self.rate)
        padded = [np.pad(samples, (0, -len(samples) % self._chunk + after)) for samples in recordings]
        for start in range(0, max(map(len, padded)), step):
            for stream, samples in zip(streams, padded, strict=True):
                if start < len(samples):
                    stream.accept_waveform(self.rate, samples[start : start + step])
            while ready := [stream for stream in streams if self._recogniser.is_ready(stream)]:
                self._recogniser.decode_streams(ready)


def own_features(features: FeatureConfig) -> dict[str, Any]:
    """How sherpa-onnx is told to compute features as ours."""
    snip = features.edges == "snip"
    return {"normalize_samples": False, "snip_edges": snip, "high_freq": features.high_frequency}


def _streaming(files: dict[str, str], tokens: str, rate: int, heard: dict[str, Any], search: dict[str, Any]) -> Any:
    import sherpa_onnx

    return sherpa_onnx.OnlineRecognizer.from_transducer(
        tokens=tokens,
        **files,
        num_threads=chosen_threads(),
        sample_rate=rate,
        **heard,
        **search,
        model_type="ebranchformer",
    )


def _full_context(files: dict[str, str], tokens: str, rate: int, heard: dict[str, Any], search: dict[str, Any]) -> Any:
    """By sherpa-onnx's inner classes: features as ours are no option of ``from_transducer``."""
    import sherpa_onnx
    from sherpa_onnx.lib import _sherpa_onnx as inner

    transducer = sherpa_onnx.OfflineTransducerModelConfig(**{f"{part}_filename": path for part, path in files.items()})
    return inner.OfflineRecognizer(
        sherpa_onnx.OfflineRecognizerConfig(
            feat_config=sherpa_onnx.FeatureExtractorConfig(sampling_rate=rate, **heard),
            model_config=sherpa_onnx.OfflineModelConfig(
                transducer=transducer, tokens=tokens, num_threads=chosen_threads(), model_type="transducer"
            ),
            **search,
        )
    )
