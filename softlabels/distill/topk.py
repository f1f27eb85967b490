"""Soft labels that take less room: the k largest probabilities, and the mass of all others as one number.

With 24 classes a whole soft label is small; with a vocabulary of 30,000 it is not, and top-k is how soft labels of
language models are kept. What is thrown away matters: without the tail's mass the student is told that the classes left
out are impossible.
"""

from typing import NamedTuple

from torch import Tensor


class TopK(NamedTuple):
    """Soft labels cut to their k largest probabilities."""

    classes: Tensor  # int64 (texts, k), most likely first
    probs: Tensor  # float (texts, k)
    tail: Tensor  # float (texts,): the mass of the classes left out, 0 when none is


def top_k_soft_labels(soft_labels: Tensor, k: int) -> TopK:
    """Keep the k largest probabilities of each soft label, and the mass of the rest as one number.

    soft_labels: float tensor (texts, classes), rows summing to 1. k: from 1 to classes, else ValueError.
    """
    total = soft_labels.shape[-1]
    if not 1 <= k <= total:
        raise ValueError(f"k must be from 1 to {total}, the number of classes, not {k}")
    probs, classes = soft_labels.topk(k, dim=-1)
    tail = (1 - probs.sum(dim=-1)).clamp(min=0)  # rounding can leave it a hair below 0
    return TopK(classes, probs, tail)


def restore_soft_labels(top: TopK, classes: int) -> Tensor:
    """Make whole soft labels again: the k probabilities in their places, the tail's mass shared equally by the others.

    classes: how many there are in all. Returns a float tensor (texts, classes), rows summing to 1.
    """
    kept, probs, tail = top
    share = tail / max(1, classes - kept.shape[-1])  # when all classes are kept, there is no tail to share
    soft_labels = share[:, None].repeat(1, classes)
    return soft_labels.scatter(-1, kept, probs)
