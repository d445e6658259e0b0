import pytest
import torch
from reference.costs import ragged

from jointst.common.errors import JointstError
from jointst.ops.alignment import align, durations_of, framewise_alignment, random_alignment


def test_framewise_goes_from_end_to_end_and_stays_inside() -> None:
    speech_lengths, text_lengths = torch.tensor([5, 3, 1]), torch.tensor([9, 2, 4])
    index = framewise_alignment(speech_lengths, text_lengths, 5)
    assert index.tolist() == [[0, 2, 4, 6, 8], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]


def test_random_is_sorted_seeded_and_inside() -> None:
    speech_lengths, text_lengths = torch.tensor([50, 20]), torch.tensor([10, 3])
    index = random_alignment(speech_lengths, text_lengths, 50, torch.Generator().manual_seed(1))
    again = random_alignment(speech_lengths, text_lengths, 50, torch.Generator().manual_seed(1))
    other = random_alignment(speech_lengths, text_lengths, 50, torch.Generator().manual_seed(2))
    assert torch.equal(index, again)
    assert not torch.equal(index, other)
    assert (index.diff(dim=1)[0] >= 0).all()
    assert index[0].max() == 9
    assert index[1, :20].max() <= 2
    assert (index[1, 20:] == 0).all()


def test_random_seed_and_torch_state() -> None:
    cost, *lengths = ragged(0, 3, 8, 6)
    seeded = [align("random", cost, *lengths, seed=3).index for _ in range(2)]
    assert torch.equal(*seeded)
    torch.manual_seed(1)
    first = align("random", cost, *lengths).index
    second = align("random", cost, *lengths).index
    torch.manual_seed(1)
    assert torch.equal(first, align("random", cost, *lengths).index)
    assert not torch.equal(first, second)


def test_totals_sum_the_cost_along_the_positions(device: torch.device) -> None:
    cost, speech_lengths, text_lengths = ragged(5, 4, 7, 5, longer_speech=True)
    for kind in ("framewise", "random", "nearest", "best", "mas"):
        result = align(kind, cost.to(device), speech_lengths, text_lengths)
        for b in range(4):
            n = int(speech_lengths[b])
            along = sum(cost[b, i, j].item() for i, j in enumerate(result.index[b, :n].tolist()))
            assert result.total[b].item() == along


def test_nearest_takes_the_lowest_of_the_nearest(device: torch.device) -> None:
    cost = torch.tensor([[[2.0, 1.0, 1.0], [3.0, 3.0, 3.0], [5.0, 1.0, 0.0]]], device=device)
    lengths = torch.tensor([3]), torch.tensor([3])
    assert align("nearest", cost, *lengths).index.tolist() == [[1, 0, 2]]
    cost = cost.flip(1)
    assert align("nearest", cost, *lengths).index.tolist() == [[2, 0, 1]]
    assert align("nearest", cost, *lengths, band=1).index.tolist() == [[1, 0, 1]]


def test_forced_follows_durations_which_can_be_read_off_an_alignment(device: torch.device) -> None:
    cost, speech_lengths, text_lengths = ragged(6, 4, 9, 5)
    durations = torch.zeros(4, 5, dtype=torch.int64)
    durations[0] = torch.tensor([2, 0, 3, 3, 1])
    for b in range(1, 4):
        durations[b, 0] = speech_lengths[b]
        durations[b, text_lengths[b] :] = 99  # padding is not read
    result = align("forced", cost.to(device), speech_lengths, text_lengths, durations=durations)
    assert result.index[0].tolist() == [0, 0, 2, 2, 2, 3, 3, 3, 4]
    best = align("best", cost.to(device), speech_lengths, text_lengths)
    again = durations_of(best.index, speech_lengths.to(device), 5)
    forced = align("forced", cost.to(device), speech_lengths, text_lengths, durations=again)
    assert torch.equal(forced.index, best.index)
    assert torch.equal(forced.total, best.total)


def test_forced_refuses_durations_by_the_utterance() -> None:
    cost, lengths = torch.rand(2, 4, 3), (torch.tensor([4, 3]), torch.tensor([3, 2]))
    with pytest.raises(JointstError, match="utterance 1 with 3 speech and 2 text positions.*sum to 4"):
        align("forced", cost, *lengths, durations=torch.tensor([[1, 2, 1], [2, 2, 0]]))
    with pytest.raises(JointstError, match="utterance 0"):
        align("forced", cost, *lengths, durations=torch.tensor([[5, -2, 1], [2, 1, 0]]))
    with pytest.raises(JointstError, match="shape"):
        align("forced", cost, *lengths, durations=torch.tensor([[5], [2]]))
