"""The whole training loss through the kernels against the whole of it without them."""

import pytest
import torch
from torch import Tensor

from jointst.config import ConsistencyConfig, DecoderConfig, LossConfig, ModelConfig
from jointst.data.batch import JointBatch, PairedBatch, TextBatch
from jointst.models.joint import JointModel
from jointst.models.objective import joint_loss
from jointst.ops import ctc, joint_lattice, transducer
from jointst.ops.kernels.triton import interpreted

DEVICE = "cpu" if interpreted() else "cuda"
CONFIG = LossConfig(ctc_only_updates=0, fastemit=0.1, consistency=ConsistencyConfig(weight=0.0))


def batch() -> JointBatch:
    text = TextBatch(
        utterances=["a", "b"],
        phones=torch.randint(3, 12, (2, 6)),
        phone_lengths=torch.tensor([6, 4]),
        labels=torch.randint(1, 9, (2, 7)),
        label_lengths=torch.tensor([7, 3]),
    )
    speech = {"languages": ["en", "en"], "features": torch.randn(2, 30, 8), "feature_lengths": torch.tensor([30, 17])}
    paired = PairedBatch(**{**vars(text), **speech})
    return JointBatch(paired=paired, transcripts=text, unpaired=text)


def outcome(kind: str, band: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    torch.manual_seed(0)
    decoder = DecoderConfig(kind=kind, band=band, embedding_dim=16, joint_dim=16)  # type: ignore[arg-type]
    sizes = {"audio_layers": 1, "streaming_layers": 1, "full_context_layers": 1}
    config = ModelConfig(dim=16, full_context_dim=16, heads=2, dropout=0.0, decoder=decoder, **sizes)
    model = JointModel(config, mel_bins=8, vocabulary=9, symbols=12).eval().to(DEVICE)
    torch.manual_seed(1)
    loss = joint_loss(model, batch().to(DEVICE), CONFIG, update=0)
    loss.total.backward()
    gradients = {name: part.grad for name, part in model.named_parameters() if part.grad is not None}
    return {"total": loss.total, **loss.parts}, gradients


@pytest.mark.parametrize(("kind", "band"), [("hat", 3), ("rnnt", 0)])
def test_losses_and_gradients_are_those_without_kernels(kind: str, band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fused = outcome(kind, band)
    for module in (ctc, joint_lattice, transducer):
        monkeypatch.setattr(module, "usable", lambda _: False)
    monkeypatch.setattr(transducer, "interpreted", lambda: False)
    plain = outcome(kind, band)
    assert ("outside/text_streaming" in fused[0]) == (band == 3)
    for ours, theirs in zip(fused, plain, strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            torch.testing.assert_close(value, theirs[name], atol=1e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")
