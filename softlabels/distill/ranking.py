"""How well candidates are ranked: the mean reciprocal rank, and how often the right one is among the first k."""

import torch
from torch import Tensor


def rank_of_target(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the place of the right candidate of every query, int64 (queries,): 1 is the best. Ties count against it.

    So a model that gives all candidates one score comes last, not first. scores: (queries, candidates), a higher one is
    better. targets: int64 (queries,), the column of the right candidate.
    """
    right = scores.gather(1, targets[:, None])
    return (scores >= right).sum(dim=1)


def reciprocal_rank(scores: Tensor, targets: Tensor) -> float:
    """Return the mean reciprocal rank (MRR): the average of 1 / rank_of_target, 1 at best.

    Raises:
        ValueError: the shapes do not fit, a target is no column, or a score is not a number.
    """
    _refuse(scores, targets)
    return (1 / rank_of_target(scores, targets).double()).mean().item()


def recall_at_k(scores: Tensor, targets: Tensor, k: int) -> float:
    """Return the share of queries whose right candidate is among the first k. ValueError as reciprocal_rank's."""
    if k < 1:
        raise ValueError(f"k is {k}; 1 asks for the right candidate in the first place")
    _refuse(scores, targets)
    return (rank_of_target(scores, targets) <= k).double().mean().item()


def _refuse(scores: Tensor, targets: Tensor) -> None:
    if scores.ndim != 2 or targets.shape != scores.shape[:1] or not len(targets):
        raise ValueError(
            f"scores {tuple(scores.shape)} and targets {tuple(targets.shape)}: (queries, candidates) and (queries,) "
            "are needed, of one query at least"
        )
    if targets.min() < 0 or targets.max() >= scores.shape[1]:
        raise ValueError(f"a target is none of the {scores.shape[1]} candidates")
    if torch.isnan(scores).any():
        raise ValueError("a score is not a number (nan), so nothing can be ranked by it")
