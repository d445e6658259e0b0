import torch

from jointst.config import SpecAugmentConfig
from jointst.data.augmentation import silence_behind, spec_augment, utterance_means


def test_masks_whole_bands_and_frames_with_the_mean_within_the_lengths() -> None:
    torch.manual_seed(0)
    features, lengths, mean = torch.randn(20, 60, 16), torch.tensor([60, 30] * 10), torch.full((16,), 7.0)
    config = SpecAugmentConfig(frequency_masks=1, frequency_width=4, time_masks=2, time_share=0.2)
    masked = spec_augment(features, lengths, mean, config)
    changed = masked != features
    assert (masked[changed] == 7.0).all()
    bands, times = changed.all(1), changed.all(2)
    assert torch.equal(changed, bands[:, None, :] | times[:, :, None])
    assert bands.any()
    assert times.any()
    assert bands.sum(1).max() <= 4
    assert times[0::2].sum(1).max() <= 24
    assert not times[1::2, 30:].any()


def test_no_masks_change_nothing() -> None:
    features = torch.randn(3, 10, 8)
    config = SpecAugmentConfig(frequency_masks=0, time_masks=0)
    assert torch.equal(spec_augment(features, torch.tensor([10, 5, 1]), torch.zeros(8), config), features)


def test_masks_may_be_the_mean_of_each_utterance() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 10, 4) + torch.tensor([5.0, -5.0])[:, None, None]
    lengths = torch.tensor([10, 6])
    means = utterance_means(features, lengths)
    torch.testing.assert_close(means[0, 0], features[0].mean(0))
    torch.testing.assert_close(means[1, 0], features[1, :6].mean(0))
    config = SpecAugmentConfig(frequency_masks=4, frequency_width=4, time_masks=0)
    masked = spec_augment(features, lengths, means, config)
    changed = masked != features
    assert bool(changed.any())
    assert torch.equal(masked[changed], means.expand_as(features)[changed])


def test_silence_lies_behind_half_of_the_utterances() -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([7, 10, 1, 4] * 250)
    features = torch.randn(1000, 10, 3)
    longer, longer_lengths = silence_behind(features, lengths, most=5, value=2.5)
    added = longer_lengths - lengths
    assert longer.shape == (1000, 15, 3)
    assert set(added.tolist()) == {0, 1, 2, 3, 4, 5}
    assert 0.36 < float((added > 0).float().mean()) < 0.48, "half of them, of which a sixth gets none"
    for utterance, (length, most) in enumerate(zip(lengths.tolist(), longer_lengths.tolist(), strict=True)):
        assert torch.equal(longer[utterance, :length], features[utterance, :length])
        assert bool((longer[utterance, length:most] == 2.5).all())
