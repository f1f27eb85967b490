import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import ragged

from softlabels.distill import batching, length_buckets, pad

lengths = st.lists(st.integers(1, 64), min_size=1, max_size=300)


@given(lengths, st.integers(1, 40), st.none() | st.integers(0, 99))
def test_every_row_is_in_exactly_one_batch(lengths, batch_size, seed):
    batches = length_buckets(lengths, batch_size, seed)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert sorted(map(len, batches))[1:] == [batch_size] * (len(batches) - 1)  # one may be smaller


def test_buckets_are_deterministic_shuffled_and_of_like_length():
    many = np.random.default_rng(0).integers(3, 64, 20_000)
    first, again, other = (length_buckets(many, 32, seed) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(first, other, strict=True))
    longest = np.array([many[rows].max() for rows in first])
    waste = 1 - many.sum() / sum(len(rows) * many[rows].max() for rows in first)
    assert waste < 0.03  # unsorted batches of these lengths waste nearly half
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.1  # batches come in no order of length
    lengths_in_order = many[np.concatenate(length_buckets(many, 32))]
    assert (np.diff(lengths_in_order) >= 0).all()


def test_pools_are_sorted_one_by_one():
    order, lengths = np.array([5, 0, 3, 1, 4, 2]), np.array([7, 2, 9, 1, 4, 7])
    batches = batching.cut_by_length(order, lengths, batch_size=2, pool_size=4)
    assert [b.tolist() for b in batches] == [[3, 1], [5, 0], [4, 2]]  # rows 5 and 0 are as long: they keep their order
    assert order.tolist() == [5, 0, 3, 1, 4, 2]


@given(lengths, st.integers(0, 99))
def test_pad_is_what_a_loop_would_do(lengths, seed):
    values, offsets = ragged(lengths)
    rows = np.random.default_rng(seed).integers(len(lengths), size=7)
    input_ids, mask = pad((values, offsets), rows)
    assert input_ids.dtype == torch.int64 and mask.dtype == torch.bool
    for row, ids, real in zip(rows, input_ids, mask, strict=True):
        text = values[offsets[row] : offsets[row + 1]]
        assert ids[real].tolist() == text.tolist()
        assert not ids[~real].any() and real[: len(text)].all() and real.sum() == len(text)
    assert mask.any(dim=0).all()  # no column of padding alone


@pytest.mark.parametrize("slow, expected", [(torch.bfloat16, torch.float32), (torch.float32, torch.bfloat16)])
def test_precision_follows_the_clock(monkeypatch, slow, expected):
    monkeypatch.setattr(batching, "seconds", lambda dtype, device: 2.0 if dtype == slow else 1.0)
    assert batching.best_precision.__wrapped__() == expected


def test_precision_falls_back_where_bfloat16_fails(monkeypatch):
    def seconds(dtype, device):
        if dtype == torch.bfloat16:
            raise RuntimeError("not implemented")
        return 1.0

    monkeypatch.setattr(batching, "seconds", seconds)
    assert batching.best_precision.__wrapped__() == torch.float32


def test_precision_is_measured_once_and_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    assert batching.best_precision() in (torch.float32, torch.bfloat16)
    assert batching.best_precision() is batching.best_precision()
    assert torch.equal(before, torch.get_rng_state())
