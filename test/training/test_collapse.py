import pytest
import torch

from jointst.common.errors import CollapseError
from jointst.data.batch import TextBatch
from jointst.models.joint import Encoded
from jointst.training.collapse import check_ratios, check_spreads, other_texts, spread, true_to_mismatched

AROUND = [(0, 1), (1, 2), (2, 3), (3, 0)]


def encoded(states: torch.Tensor, lengths: torch.Tensor) -> Encoded:
    return Encoded(front=states, states=[states, states], streaming=states, full_context=states, lengths=lengths)


def text_batch(labels: torch.Tensor, lengths: torch.Tensor) -> TextBatch:
    names = [str(place) for place in range(len(lengths))]
    return TextBatch(utterances=names, phones=labels, phone_lengths=lengths, labels=labels, label_lengths=lengths)


def test_spread_of_alike_and_of_independent_states() -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([50, 20])
    assert spread(torch.randn(2, 50, 32), lengths) == pytest.approx(1.0, abs=0.05)
    alike = torch.randn(32) + 0.01 * torch.randn(2, 50, 32)
    assert spread(alike, lengths) < 0.03
    alike[1, 20:] = 100 * torch.randn(30, 32)  # padding does not count
    assert spread(alike, lengths) < 0.03


def test_ratio_tells_states_that_carry_speech_from_states_that_do_not() -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([12, 12, 12, 12])
    text = torch.randn(4, 12, 16)
    own = encoded(text + 0.1 * torch.randn_like(text), lengths)
    assert max(true_to_mismatched(own, encoded(text, lengths), AROUND)) < 0.3
    unrelated = encoded(torch.randn(4, 12, 16), lengths)
    assert min(true_to_mismatched(unrelated, encoded(text, lengths), AROUND)) > 0.9
    with pytest.raises(CollapseError, match="its own text as from another"):
        check_ratios(true_to_mismatched(unrelated, encoded(text, lengths), AROUND), ["a", "b"], 0.9, 7)


def test_a_sentence_that_a_batch_holds_twice_is_no_other_text() -> None:
    labels = torch.tensor([[5, 6, 0], [5, 6, 9], [5, 6, 7]])
    lengths = torch.tensor([2, 2, 3])  # the first two say the same
    texts = text_batch(labels, lengths)
    assert other_texts(texts) == [(0, 2), (1, 2), (2, 0)]
    assert other_texts(text_batch(labels[:2], lengths[:2])) == []
    torch.manual_seed(0)
    states = torch.randn(3, 8, 16)
    states[1] = states[0]
    places = torch.tensor([8, 8, 8])
    speech = encoded(states + 0.1 * torch.randn_like(states), places)
    assert max(true_to_mismatched(speech, encoded(states, places), other_texts(texts))) < 0.3


def test_alarm_names_the_layer_and_what_to_do() -> None:
    check_spreads([0.5, 0.06], ["first", "second"], 0.05, 3)
    with pytest.raises(CollapseError, match=r"update 3: .*'second'.*start_update"):
        check_spreads([0.5, 0.04], ["first", "second"], 0.05, 3)


def test_one_good_layer_keeps_the_ratio_alarm_off() -> None:
    check_ratios([0.99, 0.6], ["a", "b"], 0.97, 1)
    with pytest.raises(CollapseError):
        check_ratios([0.99, 0.98], ["a", "b"], 0.97, 1)


def test_only_utterances_with_transcripts_count_and_padding_does_not() -> None:
    torch.manual_seed(0)
    text = torch.randn(3, 8, 16)
    speech = torch.cat([text[:2], torch.randn(1, 8, 16)])
    transcripts = encoded(text[:2], torch.tensor([8, 8]))
    assert max(true_to_mismatched(encoded(speech, torch.tensor([8, 8, 8])), transcripts, [(0, 1), (1, 0)])) < 0.05
    shorter = encoded(speech, torch.tensor([8, 3, 1]))
    assert max(true_to_mismatched(shorter, transcripts, [(0, 1), (1, 0)])) < 0.05
