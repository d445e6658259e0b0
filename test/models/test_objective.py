"""The whole training loss: its parts, their weights, and when each is on."""

import dataclasses
import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from jointst.common.errors import ConfigError
from jointst.config import ALIGNMENT_OPTIONS, ConsistencyConfig, DecoderConfig, LossConfig, ModelConfig
from jointst.data.batch import JointBatch, PairedBatch, TextBatch
from jointst.losses.consistency import ConsistencyLoss
from jointst.models import objective
from jointst.models.joint import JointModel
from jointst.models.objective import consistency_weight, joint_loss
from jointst.ops.alignment import make_options

CONFIG = LossConfig(
    speech=0.7,
    text=0.3,
    streaming=0.4,
    ctc=0.2,
    ctc_only_updates=10,
    consistency=ConsistencyConfig(weight=0.5, start_update=20, ramp_updates=10),
)


@pytest.fixture
def model() -> JointModel:
    torch.manual_seed(0)
    config = ModelConfig(dim=16, full_context_dim=24, heads=2, dropout=0.0)
    return JointModel(config, mel_bins=8, vocabulary=9, symbols=12).eval()


@pytest.fixture
def batch() -> JointBatch:
    torch.manual_seed(1)
    text = TextBatch(
        utterances=["a", "b", "c"],
        phones=torch.randint(3, 12, (3, 6)),
        phone_lengths=torch.tensor([6, 4, 2]),
        labels=torch.randint(1, 9, (3, 5)),
        label_lengths=torch.tensor([5, 3, 1]),
    )
    paired = PairedBatch(
        **{**vars(text), "utterances": ["a", "b"], "phones": text.phones[:2], "phone_lengths": text.phone_lengths[:2]}
        | {"labels": text.labels[:2], "label_lengths": text.label_lengths[:2], "languages": ["en", "en"]}
        | {"features": torch.randn(2, 40, 8), "feature_lengths": torch.tensor([40, 25])}
    )
    transcripts = dataclasses.replace(
        text,
        utterances=["a", "b"],
        phones=text.phones[:2],
        phone_lengths=text.phone_lengths[:2],
        labels=text.labels[:2],
        label_lengths=text.label_lengths[:2],
    )
    return JointBatch(paired=paired, transcripts=transcripts, unpaired=text)


def test_ctc_alone_comes_first_and_trains_the_audio_encoder_alone(model: JointModel, batch: JointBatch) -> None:
    loss = joint_loss(model, batch, CONFIG, update=9)
    assert set(loss.parts) == {"ctc"}
    assert loss.total.item() == pytest.approx(0.2 * loss.parts["ctc"].item())
    loss.total.backward()
    assert model.audio_encoder.layers[0].norm.weight.grad is not None
    assert model.streaming_encoder.layers[0].norm.weight.grad is None


def test_ctc_may_spell_phones(batch: JointBatch) -> None:
    torch.manual_seed(0)
    sizes = ModelConfig(dim=16, full_context_dim=16, heads=2, dropout=0.0, ctc_target="phones")
    model = JointModel(sizes, mel_bins=8, vocabulary=9, symbols=12).eval()
    front, lengths = model.encode_audio(batch.paired.features, batch.paired.feature_lengths)
    log_probs = model.ctc(front).log_softmax(-1)
    expected = sum(
        torch.nn.functional.ctc_loss(own[:n], target[:p], n, p, blank=0, reduction="sum")
        for own, n, target, p in zip(log_probs, lengths, batch.paired.phones, batch.paired.phone_lengths)
    )
    part = joint_loss(model, batch, CONFIG, update=9).parts["ctc"]
    assert part.item() == pytest.approx(float(expected.detach()) / int(batch.paired.phone_lengths.sum()), rel=1e-4)


def test_total_is_the_weighted_sum_of_the_named_parts(model: JointModel, batch: JointBatch) -> None:
    loss = joint_loss(model, batch, CONFIG, update=100)
    parts = {name: part.item() for name, part in loss.parts.items()}
    expected = 0.2 * parts["ctc"] + 0.5 * parts["consistency"]
    for side, weight in (("speech", 0.7), ("text", 0.3)):
        for decoder, share in (("streaming", 0.4), ("full_context", 0.6)):
            name = f"{side}_{decoder}"
            expected += weight * share * (parts[name] + 0.5 * parts[f"additive/{name}"])
    assert loss.total.item() == pytest.approx(expected, rel=1e-5)
    layers = [parts[f"consistency/layer{i}"] for i in range(5)]
    assert parts["consistency"] == pytest.approx(sum(layers) / 5, rel=1e-5)


@pytest.mark.parametrize("band", [0, 2, 8])
def test_one_pass_for_all_branches_changes_nothing(
    batch: JointBatch, band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, passes = [], []
    stacked = objective._stacked

    def counted(tensors: Sequence[Tensor], value: float = 0.0) -> Tensor:
        passes.append(len(tensors))
        return stacked(tensors, value)

    monkeypatch.setattr(objective, "_stacked", counted)
    for most, launches in ((0.0, -1), (100.0, -1), (0.0, 1e9)):
        monkeypatch.setitem(objective.PADDING, "cpu", most)
        monkeypatch.setattr(objective, "LAUNCHES", launches)
        own = with_band(band)
        loss = joint_loss(own, batch, CONFIG, update=100)
        loss.total.backward()
        gradients = [parameter.grad for parameter in own.parameters() if parameter.grad is not None]
        results.append(([loss.total, *loss.parts.values()], gradients))
    assert passes[0] == 1
    assert passes[-1] == 3
    for together in results[1:]:
        for a, b in zip(itertools.chain(*results[0]), itertools.chain(*together), strict=True):
            torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


def with_band(band: int) -> JointModel:
    torch.manual_seed(0)
    decoder = DecoderConfig(band=band)
    config = ModelConfig(dim=16, full_context_dim=24, heads=2, dropout=0.0, decoder=decoder)
    return JointModel(config, mel_bins=8, vocabulary=9, symbols=12).eval()


def test_a_narrow_band_leaves_paths_out_and_says_so(batch: JointBatch) -> None:
    exact, wide, narrow = (joint_loss(with_band(band), batch, CONFIG, update=100).parts for band in (0, 8, 2))
    for name in ("speech_streaming", "text_full_context"):
        assert wide[name].item() == exact[name].item()
        assert narrow[name] > exact[name]
        assert 0 < narrow[f"outside/{name}"] < 1
    assert not any("outside" in name or "additive" in name for name in exact)
    assert not any("outside" in name for name in wide)


def test_the_additive_joiner_learns_and_does_not_teach(batch: JointBatch) -> None:
    gradients = []
    for weight in (1e-9, 1.0):
        model = with_band(8)  # all of the lattice
        joint_loss(model, batch, dataclasses.replace(CONFIG, additive=weight), update=100).total.backward()
        found = {name: part.grad for name, part in model.named_parameters() if part.grad is not None}
        gradients.append({name: part for name, part in found.items() if ".additive." not in name})
        own = [part for name, part in found.items() if ".additive." in name]
        assert len(own) == 6
        assert all(part.abs().max() > 1e-3 * weight for part in own)
    for name, part in gradients[0].items():
        torch.testing.assert_close(part, gradients[1][name])


def test_the_lattice_is_exact_at_first_where_asked_for(batch: JointBatch) -> None:
    config = dataclasses.replace(CONFIG, exact_updates=50)
    outside = [
        any("outside" in name for name in joint_loss(with_band(2), batch, config, update=update).parts)
        for update in (59, 60)
    ]
    assert outside == [False, True]


def test_no_text_gives_the_paired_system(model: JointModel, batch: JointBatch) -> None:
    without = dataclasses.replace(batch, transcripts=None, unpaired=None)
    loss = joint_loss(model, without, CONFIG, update=100)
    decoders = {"speech_streaming", "speech_full_context"}
    assert set(loss.parts) == {"ctc", *decoders, *(f"additive/{name}" for name in decoders)}
    muted = joint_loss(model, batch, dataclasses.replace(CONFIG, text=0.0), update=100)
    assert muted.total.item() == loss.total.item()


def test_chosen_layers_alone_are_compared(model: JointModel, batch: JointBatch) -> None:
    chosen = dataclasses.replace(CONFIG, consistency=dataclasses.replace(CONFIG.consistency, layers=(1, 4)))
    parts = joint_loss(model, batch, chosen, update=100).parts
    assert {name for name in parts if "consistency/" in name} == {"consistency/layer1", "consistency/layer4"}


def test_states_are_centred_where_asked_for(model: JointModel, batch: JointBatch) -> None:
    centred = dataclasses.replace(CONFIG, consistency=dataclasses.replace(CONFIG.consistency, centre=True))
    found, before = (joint_loss(model, batch, config, update=50) for config in (centred, CONFIG))
    compare = ConsistencyLoss(centred=True)
    lengths = found.speech.lengths[:2], found.transcripts.lengths
    expected = compare([s[:2] for s in found.speech.states], found.transcripts.states, *lengths).total
    assert torch.allclose(found.parts["consistency"], expected)
    assert not torch.allclose(found.parts["consistency"], before.parts["consistency"])


def test_consistency_ramps_in() -> None:
    weights = [consistency_weight(CONFIG, update) for update in (0, 19, 20, 24, 29, 30, 500)]
    assert weights == pytest.approx([0, 0, 0.05, 0.25, 0.5, 0.5, 0.5])


def test_consistency_may_end() -> None:
    ends = dataclasses.replace(CONFIG, consistency=dataclasses.replace(CONFIG.consistency, end_update=60))
    weights = [consistency_weight(ends, update) for update in (0, 19, 20, 29, 50, 55, 59, 60, 500)]
    assert weights == pytest.approx([0, 0, 0.05, 0.5, 0.5, 0.25, 0.05, 0, 0])
    with pytest.raises(ConfigError, match="end_update: is 30 .above 30, start_update and ramp_updates"):
        dataclasses.replace(CONFIG.consistency, end_update=30)


def test_more_labels_than_positions_and_an_empty_transcript_stay_finite(model: JointModel, batch: JointBatch) -> None:
    labels = torch.randint(1, 9, (2, 40))
    paired = dataclasses.replace(batch.paired, labels=labels, label_lengths=torch.tensor([40, 0]))
    loss = joint_loss(model, dataclasses.replace(batch, paired=paired), CONFIG, update=100)
    assert torch.isfinite(loss.total)
    loss.total.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_text_loss_is_for_each_label_over_both_text_batches(model: JointModel, batch: JointBatch) -> None:
    alone = {
        name: joint_loss(model, dataclasses.replace(batch, **{other: None}), CONFIG, update=15).parts
        for name, other in (("transcripts", "unpaired"), ("unpaired", "transcripts"))
    }
    both = joint_loss(model, batch, CONFIG, update=15).parts["text_streaming"]
    expected = (8 * alone["transcripts"]["text_streaming"] + 9 * alone["unpaired"]["text_streaming"]) / 17
    assert torch.allclose(both, expected, rtol=1e-5)


@pytest.mark.parametrize("alignment", sorted(set(ALIGNMENT_OPTIONS) - {"forced"}))  # which needs durations
def test_each_alignment_is_one_setting(alignment: str, model: JointModel, batch: JointBatch) -> None:
    chosen = dataclasses.replace(CONFIG, consistency=dataclasses.replace(CONFIG.consistency, alignment=alignment))
    loss = joint_loss(model, batch, chosen, update=100)
    loss.parts["consistency"].backward()
    assert model.streaming_encoder.layers[0].norm.weight.grad.isfinite().all()
    options = make_options(alignment, chosen.consistency.options.of(alignment))
    left_out = {"seed"} if alignment == "random" else set()
    assert set(vars(options)) - left_out == set(ALIGNMENT_OPTIONS[alignment])
