"""A toy model that has learned one spoken sentence by heart, in seconds: what it writes can be told from noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from jointst.build import build_model, digest_symbols, read_symbols
from jointst.data.audio import resample
from jointst.data.corpora.espeak import SAMPLING_RATE, Synthesiser
from jointst.data.features import log_mel
from jointst.export.pack import run as export
from jointst.load_config import to_yaml
from jointst.losses.transducer import transducer_loss
from jointst.ops.ctc import ctc_losses
from jointst.stage import Context, write_atomically
from jointst.threads import set_threads

SENTENCE = "open it now"
UPDATES = 800
"""At most."""
ALONE = 80
"""Updates of CTC alone, which gives each label its time: greedy search gets stuck in a sentence learned without."""
LEARNED = 0.06
"""Of all three losses a label, forty updates running."""
VARIANTS = 4
"""Of each update: how loud it is, how soon it begins, and noise; a browser changes them all."""


def say(text: str = SENTENCE, rate: float = 16_000) -> Any:
    """A sentence as eSpeak NG says it, (T,) float32."""
    with Synthesiser() as engine:
        samples = engine.speak(text, "en-us").astype(np.float32) / 2**15
    return resample(samples, SAMPLING_RATE, rate)


def learn(toy: Context, samples: Any, text: str = SENTENCE) -> Path:
    """Train the model of a toy experiment on one sentence and pack it."""
    set_threads(1)  # numba's own wait for each other, busily
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    symbols = read_symbols(toy.config, toy.data)
    listening = replace(toy.config.model.decoder, context=1)  # so that it listens, and does not only remember
    config = replace(toy.config, model=replace(toy.config.model, decoder=listening))
    write_atomically(toy.exp / "config.yaml", to_yaml(config))
    model = build_model(config, symbols).train()
    labels = torch.tensor([symbols.tokenizer.encode(text)] * VARIANTS)
    counts = torch.full((VARIANTS,), labels.shape[1])
    optimiser = torch.optim.Adam(model.parameters(), 4e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda update: min(1.0, (update + 1) / 30))
    low = 0
    for update in range(UPDATES):
        features = []
        for _ in range(VARIANTS):
            before, gain = round(generator.uniform(0, 0.4) * 16_000), generator.uniform(0.3, 1.2)
            heard = gain * np.pad(samples, (before, round(generator.uniform(0, 0.8) * 16_000)))
            heard += generator.integers(2) * 10 ** generator.uniform(-5, -3) * generator.standard_normal(len(heard))
            features.append(log_mel(torch.from_numpy(heard.astype(np.float32)), toy.config.features))
        lengths = torch.tensor([len(frames) for frames in features])
        front, positions = model.encode_audio(torch.nn.utils.rnn.pad_sequence(features, batch_first=True), lengths)
        encoded = model.encode_shared(front, positions)
        loss = ctc_losses(model.ctc(front).log_softmax(-1), labels, positions, counts).mean() / labels.shape[1]
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
        low = low + 1 if update >= ALONE and loss.item() < LEARNED else 0
        if low == 40:
            break
    save_file(model.state_dict(), str(toy.exp / "model.safetensors"), {"symbols": digest_symbols(toy.data)})
    return export(toy).where.resolve()
