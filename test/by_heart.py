"""Toy models that have learned a few spoken sentences by heart, in seconds: what they write can be told from noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from jointst.common.files import write_atomically
from jointst.common.languages import LANGUAGES
from jointst.common.threads import set_threads
from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.data.corpora.espeak import SAMPLING_RATE, Synthesiser
from jointst.export.pack import run as export
from jointst.kaldi.audio import resample
from jointst.kaldi.log_mel import log_mel
from jointst.losses.transducer import transducer_loss
from jointst.models.build import build_model, digest_symbols, read_symbols
from jointst.ops.ctc import ctc_losses
from jointst.text.front_ends import SPOKEN

RATE = 16_000
UPDATES = 800
"""At most."""
ALONE = 80
"""Updates of CTC alone, which gives each label its time: greedy search gets stuck in a sentence learned without."""
RATE_OF_LEARNING = 4e-3
LEARNED, BY_HEART = 0.06, 0.02
"""Of all three losses a label, with variants and without."""
RUNNING = 40
"""Updates for which it must have been learned, where each hears other variants."""


def say(text: str, lang: str = "en", rate: float = RATE) -> Any:
    """A sentence as eSpeak NG says it, (T,) float32."""
    spoken = SPOKEN["zh"](text) if lang == "zh" else text
    assert spoken is not None
    with Synthesiser() as engine:
        samples = engine.speak(spoken, LANGUAGES[lang].voice).astype(np.float32) / 2**15
    return resample(samples, SAMPLING_RATE, rate)


def learn(
    toy: Context, spoken: Sequence[tuple[Any, str]], *, variants: int = 0, rate: float = RATE_OF_LEARNING
) -> Path:
    """Train the model of a toy experiment on some sentences and pack it.

    Args:
        toy: the experiment.
        spoken: samples (T,) and text of each sentence.
        variants: of each sentence in each update: how loud it is, how soon it begins, and noise; 0 for as it is.
        rate: of learning.
    """
    set_threads(1)  # numba's own wait for each other, busily
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    symbols = read_symbols(toy.config, toy.data)
    listening = replace(toy.config.model.decoder, context=1)  # so that it listens, and does not only remember
    config = replace(toy.config, model=replace(toy.config.model, decoder=listening))
    write_atomically(toy.exp / "config.yaml", to_yaml(config))
    model = build_model(config, symbols).train()

    def features(samples: Any) -> torch.Tensor:
        return log_mel(torch.from_numpy(samples.astype(np.float32)), config.features)

    asked = [torch.tensor(symbols.tokenizer.encode(text)) for _, text in spoken for _ in range(variants or 1)]
    labels = torch.nn.utils.rnn.pad_sequence(asked, batch_first=True, padding_value=1)
    counts = torch.tensor([len(row) for row in asked])
    heard = [features(samples) for samples, _ in spoken]
    if config.features.cmvn == "global":
        model.normalisation.mean.copy_(torch.cat(heard).mean(0))
        model.normalisation.inverse_std.copy_(1 / torch.cat(heard).std(0))
    optimiser = torch.optim.Adam(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda update: min(1.0, (update + 1) / 30))
    low = 0
    for update in range(UPDATES):
        if variants:
            heard = [features(_varied(samples, generator)) for samples, _ in spoken for _ in range(variants)]
        lengths = torch.tensor([len(frames) for frames in heard])
        front, positions = model.encode_audio(torch.nn.utils.rnn.pad_sequence(heard, batch_first=True), lengths)
        encoded = model.encode_shared(front, positions)
        loss = ctc_losses(model.ctc(front).log_softmax(-1), labels, positions, counts).sum() / counts.sum()
        for decoder, states in (
            (model.streaming_decoder, encoded.streaming),
            (model.full_context_decoder, encoded.full_context),
        ):
            if update >= ALONE:
                loss = loss + transducer_loss(decoder, states, encoded.lengths, labels, counts)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        low = low + 1 if update >= ALONE and loss.item() < (LEARNED if variants else BY_HEART) else 0
        if low == (RUNNING if variants else 1):
            break
    save_file(model.state_dict(), str(toy.exp / "model.safetensors"), {"symbols": digest_symbols(toy.data)})
    return export(toy).where.resolve()


def _varied(samples: Any, generator: np.random.Generator) -> Any:
    """A sentence as a browser might give it."""
    before, gain = round(generator.uniform(0, 0.4) * RATE), generator.uniform(0.3, 1.2)
    heard = gain * np.pad(samples, (before, round(generator.uniform(0, 0.8) * RATE)))
    return heard + generator.integers(2) * 10 ** generator.uniform(-5, -3) * generator.standard_normal(len(heard))
