"""Ranking: against a plain loop, with ties, and input that would otherwise flatter."""

import math

import pytest
import torch

from softlabels.distill.ranking import rank_of_target, recall_at_k, reciprocal_rank


def test_against_a_plain_loop():
    torch.manual_seed(0)
    scores, targets = torch.randn(40, 7), torch.randint(7, (40,))
    ranks = [
        sorted(row.tolist(), reverse=True).index(row[t].item()) + 1 for row, t in zip(scores, targets, strict=True)
    ]
    assert rank_of_target(scores, targets).tolist() == ranks
    assert math.isclose(reciprocal_rank(scores, targets), sum(1 / r for r in ranks) / 40)
    for k in (1, 3, 7):
        assert math.isclose(recall_at_k(scores, targets, k), sum(r <= k for r in ranks) / 40)
    assert recall_at_k(scores, targets, 7) == 1 and reciprocal_rank(scores.half().double(), targets) > 0


def test_ties_count_against_the_right_one():
    scores = torch.tensor([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0], [0.5, 0.1, 0.2]])
    assert rank_of_target(scores, torch.tensor([0, 1, 0])).tolist() == [2, 3, 1]
    assert reciprocal_rank(torch.zeros(5, 20), torch.arange(5)) == 1 / 20


def test_only_the_order_matters():
    scores, targets = torch.tensor([[0.1, 0.4, 0.2], [-3.0, -9.0, -4.0]]), torch.tensor([2, 0])
    assert reciprocal_rank(scores, targets) == reciprocal_rank(scores.exp() * 7, targets) == 0.75


@pytest.mark.parametrize(
    "scores, targets, said",
    [
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), r"\(3,\).*needed"),
        (torch.zeros(3, 4), torch.zeros(2, dtype=torch.int64), r"\(3, 4\).*\(2,\)"),
        (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), "one query at least"),
        (torch.zeros(1, 4), torch.tensor([4]), "none of the 4 candidates"),
        (torch.zeros(1, 4), torch.tensor([-1]), "none of the 4 candidates"),
        (torch.tensor([[0.0, float("nan")]]), torch.tensor([1]), "not a number"),
    ],
)
def test_bad_input_is_named(scores, targets, said):
    for measure in (reciprocal_rank, lambda s, t: recall_at_k(s, t, 1)):
        with pytest.raises(ValueError, match=said):
            measure(scores, targets)


def test_k_starts_at_one():
    with pytest.raises(ValueError, match="k is 0"):
        recall_at_k(torch.zeros(1, 4), torch.tensor([0]), 0)
