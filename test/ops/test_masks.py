import torch

from jointst.ops.masks import attention_mask, chunk_mask, length_mask, right_context_mask


def test_length_mask() -> None:
    expected = [[True, False, False], [True, True, True], [False, False, False]]
    assert length_mask(torch.tensor([1, 3, 0]), 3).tolist() == expected


def test_chunk_mask_sees_its_chunk_and_the_chunks_before_it() -> None:
    mask = chunk_mask(6, chunk=2, left_chunks=1)
    assert mask[0].tolist() == [True, True, False, False, False, False]
    assert mask[3].tolist() == [True, True, True, True, False, False]
    assert mask[4].tolist() == [False, False, True, True, True, True]


def test_right_context_mask() -> None:
    assert right_context_mask(4, 1)[0].tolist() == [True, True, False, False]
    assert right_context_mask(4, 1)[3].tolist() == [True, True, True, True]
    assert right_context_mask(4, -1).all()


def test_attention_mask_hides_padding_but_never_everything() -> None:
    mask = attention_mask(torch.tensor([2, 3]), torch.ones(3, 3, dtype=torch.bool))
    assert mask[0, 0].tolist() == [[True, True, False], [True, True, False], [True, True, True]]
    assert mask[1, 0].all()
