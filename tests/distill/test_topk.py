import pytest
import torch

from softlabels.distill import restore_soft_labels, top_k_soft_labels

SOFT = torch.softmax(2 * torch.randn(40, 24, generator=torch.Generator().manual_seed(0)), dim=-1)


@pytest.mark.parametrize("k", [1, 2, 5, 23, 24])
def test_mass_is_kept_and_the_top_classes_stay(k):
    top = top_k_soft_labels(SOFT, k)
    assert top.classes.shape == top.probs.shape == (40, k) and top.tail.shape == (40,)
    assert (top.probs.diff(dim=-1) <= 0).all() and (top.tail >= 0).all()
    whole = restore_soft_labels(top, 24)
    torch.testing.assert_close(whole.sum(dim=-1), torch.ones(40))
    torch.testing.assert_close(whole.gather(-1, top.classes), SOFT.gather(-1, top.classes))
    others = torch.ones_like(SOFT, dtype=torch.bool).scatter(-1, top.classes, False)
    if k < 24:
        rest = whole[others].view(40, 24 - k)
        torch.testing.assert_close(rest, rest[:, :1].expand_as(rest))  # shared equally


def test_all_classes_kept_is_the_soft_label_itself():
    torch.testing.assert_close(restore_soft_labels(top_k_soft_labels(SOFT, 24), 24), SOFT)


def test_a_plain_tuple_will_do():
    top = top_k_soft_labels(SOFT, 3)
    assert torch.equal(restore_soft_labels(tuple(top), 24), restore_soft_labels(top, 24))


@pytest.mark.parametrize("k", [0, -1, 25])
def test_an_impossible_k_is_refused(k):
    with pytest.raises(ValueError, match="k must be from 1 to 24"):
        top_k_soft_labels(SOFT, k)
