"""Lesson 00's practice exercise: votes into a soft label."""

import torch
from torch import Tensor
from torch.nn import functional as F

from softlabels.course.exercises.base import Exercise, Mistake, Probe


def to_probabilities(votes: Tensor) -> Tensor:
    """Turn votes into soft labels: each row divided by its sum.

    votes: tensor (..., classes) of counts or other numbers that are never negative; each row has at least one above 0.
    Returns a float tensor of the same shape whose last axis sums to 1.
    """
    return votes / votes.sum(dim=-1, keepdim=True)


def _winner_only(votes: Tensor) -> Tensor:
    return F.one_hot(votes.argmax(dim=-1), votes.shape[-1]).float()


PROBES = [
    Probe((torch.tensor([3.0, 1.0]),), "two classes"),
    Probe((torch.tensor([6, 4, 0]),), "whole numbers, and a class without a vote"),
    Probe((torch.tensor([[5.0, 4.0, 1.0], [2.0, 7.0, 3.0]]),), "two rows at once"),
    Probe((torch.tensor([[0.2, 0.3, 0.1, 0.9], [3.0, 2.0, 2.0, 0.0], [1.0, 1.0, 1.0, 2.0]]),), "small numbers too"),
    Probe((torch.arange(1.0, 25.0).reshape(2, 3, 4),), "three axes"),
]

MISTAKES = [
    Mistake(
        "integer division",
        "Shares that lie between 0 and 1 come out as 0: the division drops what is after the point.",
        "Which of Python's two division signs keeps the fraction?",
        imitation=lambda votes: votes // votes.sum(dim=-1, keepdim=True),
    ),
    Mistake(
        "one sum for the whole table",
        "A single row is right, but in a table with several rows each row sums to less than 1: they share one sum.",
        "Along which axis does each row need a sum of its own?",
        imitation=lambda votes: votes / votes.sum(),
    ),
    Mistake(
        "sums over the wrong axis",
        "Your columns sum to 1, not your rows: each class is divided by its total over the glosses.",
        "The classes lie along the last axis; which `dim` is that?",
        imitation=lambda votes: votes / votes.sum(dim=0, keepdim=True),
    ),
    Mistake(
        "divides by the largest vote",
        "The winner always gets exactly 1, and the rows sum to more than 1: you divide by the largest vote.",
        "What must a row be divided by for its shares to add up to 1?",
        imitation=lambda votes: votes / votes.amax(dim=-1, keepdim=True),
    ),
    Mistake(
        "softmax instead of shares",
        "A class without a single vote gets a probability above 0, and the winner gets too much: this is softmax.",
        "Softmax is for logits, which may be negative. Do votes need the exponential?",
        imitation=lambda votes: torch.softmax(votes.float(), dim=-1),
    ),
    Mistake(
        "divides by the number of classes",
        "The rows do not sum to 1: you divide by how many classes there are, not by how many votes were cast.",
        "Twice as many readers, same opinions: what should happen to the soft label, and what happens to yours?",
        imitation=lambda votes: votes / votes.shape[-1],
    ),
    Mistake(
        "keeps only the winner",
        "Every row is one-hot: you return a hard label, and the second opinions are lost.",
        "Four of ten readers said something else; where are they in your answer?",
        imitation=_winner_only,
    ),
    Mistake(
        "per cent",
        "Your rows sum to 100: these are per cent.",
        "A probability of certainty is written as which number?",
        imitation=lambda votes: 100 * to_probabilities(votes),
    ),
]

EXERCISES = [
    Exercise(
        name="to_probabilities",
        lesson="00",
        title="Votes into a soft label",
        points=1,
        minutes=3,
        difficulty=1,
        reference=to_probabilities,
        probes=PROBES,
        mistakes=MISTAKES,
        hints=(
            "Ten readers voted, six of them for food. Which number did you divide by, in your head, to get 0.6?",
            "$p_c = \\dfrac{\\text{votes}_c}{\\sum_j \\text{votes}_j}$, for each row on its own.",
            "# total: the sum over the last axis, that axis kept (keepdim) so that it divides row by row\n"
            "# return votes divided by total",
        ),
    )
]
