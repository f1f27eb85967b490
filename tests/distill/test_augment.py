"""New texts from old ones: what may change, what must stay, and that it can be repeated."""

import numpy as np
import pytest

from softlabels.distill import augment, augment_texts
from softlabels.distill.augment import MASK

TEXT = np.array([101, *range(2001, 2011), 102], dtype=np.int32)


def test_shares_of_0_and_1():
    rng = np.random.default_rng(0)
    assert (augment(TEXT, rng, 0, 0) == TEXT).all()
    assert augment(TEXT, rng, 1, 0).tolist() == [101, *[MASK] * 10, 102]
    assert all(len(augment(TEXT, rng, 0, 1)) <= 7 for _ in range(50))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 6, 30])
def test_ends_stay_and_order_is_kept(length):
    rng, text = np.random.default_rng(length), np.array([101, *range(5000, 5000 + length), 102])
    for _ in range(200):
        copy = augment(text, rng, 0.3, 0.5)
        inner = copy[1:-1]
        known = inner[inner != MASK]
        assert (copy[0], copy[-1]) == (101, 102) and len(copy) <= len(text)
        assert (np.diff(known) > 0).all() and set(known) <= set(text)
        assert len(inner) >= min(length, 1)
    assert text.tolist() == [101, *range(5000, 5000 + length), 102], "the original is untouched"


def test_every_stretch_is_possible():
    rng = np.random.default_rng(0)
    drawn = {tuple(augment(TEXT, rng, 0, 1)[1:-1]) for _ in range(2_000)}
    assert drawn == {tuple(TEXT[i : i + size]) for size in range(1, 6) for i in range(1, 12 - size)}


def test_copies_of_many_texts_are_ragged_and_repeatable():
    values, offsets = np.concatenate([TEXT, TEXT[:1], TEXT[-1:]]), np.array([0, len(TEXT), len(TEXT) + 2])
    (first, places), (again, _) = (augment_texts((values, offsets), 3, seed=7) for _ in range(2))
    assert len(places) == 7 and places[-1] == len(first)
    assert (first == again).all()
    assert not np.array_equal(first, augment_texts((values, offsets), 3, seed=8)[0])
    assert first[places[3] :].tolist() == [101, 102] * 3, "the copies of one text stand together"
    assert first.dtype == np.int32


@pytest.mark.parametrize(("offsets", "copies"), [([0, 12], 0), ([0], 2)])
def test_nothing_to_copy_is_said(offsets, copies):
    with pytest.raises(ValueError, match="at least"):
        augment_texts((TEXT, np.array(offsets)), copies, seed=0)
