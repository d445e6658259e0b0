import pytest
import torch

from jointst.common.errors import JointstError
from jointst.config import TextEncoderConfig
from jointst.nn.conformer import Chunked, ConformerStack
from jointst.nn.text_encoder import TextEncoder, draw_repeats, span_mask, upsample


def test_upsample_repeats_and_leaves_padding_out() -> None:
    x = torch.tensor([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]]])
    upsampled, lengths = upsample(x, torch.tensor([3, 1]), torch.tensor([[2, 0, 1], [2, 9, 9]]))
    assert lengths.tolist() == [3, 2]
    assert upsampled[:, :, 0].tolist() == [[1.0, 1.0, 3.0], [4.0, 4.0, 0.0]]


def test_repeats_of_each_kind() -> None:
    shape = torch.Size([40, 50])

    def draw(kind: str, training: bool = True) -> torch.Tensor:
        config = TextEncoderConfig(upsampling=kind, repeats=3, spread=0.8)  # type: ignore[arg-type]
        return draw_repeats(config, shape, training)

    assert (draw("none") == 1).all()
    assert (draw("fixed") == 3).all()
    assert set(draw("uniform").unique().tolist()) == {1, 2, 3}
    gaussian = draw("gaussian")
    assert gaussian.min() >= 1
    assert gaussian.float().mean().item() == pytest.approx(3, abs=0.1)
    assert gaussian.float().std().item() == pytest.approx(0.85, abs=0.15)
    assert (draw("uniform", False) == 2).all()
    assert (draw("gaussian", False) == 3).all()


def test_span_mask_covers_about_its_share_in_whole_spans() -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([400, 100] * 50)
    masked = span_mask(lengths, 400, share=0.15, span=5)
    assert not masked[1, 100:].any()
    valid = masked[0::2].float().mean().item()
    assert 0.11 < valid < 0.16
    runs = "".join("x" if value else "." for value in masked[0].tolist()).split(".")
    assert all(len(run) >= 5 for run in runs[:-1] if run)


@pytest.mark.parametrize("positions", [1, 2, 3])
def test_span_mask_of_texts_shorter_than_a_span(positions: int) -> None:
    masked = span_mask(torch.tensor([positions, 1]), positions, share=0.9, span=9)
    assert masked.shape == (2, positions)


def test_masks_only_while_training() -> None:
    torch.manual_seed(0)
    layers = ConformerStack(
        0, 8, Chunked(4, 1), heads=2, feed_forward_multiplier=2, kernel_size=3, dropout=0.0, causal=True
    )
    encoder = TextEncoder(20, 8, TextEncoderConfig(mask_share=0.5), layers)
    phones, lengths = torch.randint(3, 20, (4, 30)), torch.full((4,), 30)

    def masked_positions() -> int:
        return int((encoder(phones, lengths)[0] == encoder.mask_embedding).all(-1).sum())

    assert masked_positions() > 0
    encoder.eval()
    assert masked_positions() == 0


def test_durations_are_given_or_not() -> None:
    layers = ConformerStack(
        0, 8, Chunked(4, 1), heads=2, feed_forward_multiplier=2, kernel_size=3, dropout=0.0, causal=True
    )
    phones, lengths = torch.randint(3, 20, (1, 4)), torch.tensor([4])
    with pytest.raises(JointstError, match="upsampling is fixed"):
        TextEncoder(20, 8, TextEncoderConfig(), layers)(phones, lengths, torch.ones(1, 4, dtype=torch.int64))
    given = TextEncoder(20, 8, TextEncoderConfig(upsampling="durations"), layers)
    with pytest.raises(JointstError, match="upsampling is durations"):
        given(phones, lengths)
    repeated = given(phones, lengths, torch.tensor([[1, 0, 3, 2]]))[1]
    assert repeated.tolist() == [7], "a phone of no duration keeps one position"
