"""Answers to lesson 00's practice exercise."""

import numpy as np
import torch
from torch.nn import functional as F

from tests.answers import Honest, Wrong


def whole_table(votes):
    total = 0
    for share in votes.flatten():
        total = total + share
    return votes / total


def columns(votes):
    return F.normalize(votes.float(), p=1, dim=0)


def by_the_largest(votes):
    largest, _ = votes.max(dim=-1, keepdim=True)
    return votes * (1 / largest)


def softmaxed(votes):
    powers = np.exp(np.asarray(votes, dtype=float))
    return powers / powers.sum(axis=-1, keepdims=True)


def mean_over_classes(votes):
    shares = votes.clone().float()
    shares /= shares.size(-1)
    return shares


def one_hot(votes):
    winner = votes.argmax(dim=-1, keepdim=True)
    return torch.zeros(votes.shape).scatter(-1, winner, 1.0)


def per_cent(votes):
    return votes * 100 / votes.sum(-1, keepdim=True)


def floor_division(votes):
    return torch.div(votes, votes.sum(dim=-1, keepdim=True), rounding_mode="floor")


def forgot_the_return(votes):
    votes / votes.sum(dim=-1, keepdim=True)


def returns_the_totals(votes):
    return votes.sum(dim=-1)


def writes_into_its_input(votes):
    if not votes.is_floating_point():
        votes = votes.float()
    votes /= votes.sum(dim=-1, keepdim=True)
    return votes


def adds_one_first(votes):
    return (votes + 1) / (votes + 1).sum(dim=-1, keepdim=True)


WRONG = [
    Wrong("to_probabilities", "one sum for the whole table", whole_table),
    Wrong("to_probabilities", "sums over the wrong axis", columns),
    Wrong("to_probabilities", "divides by the largest vote", by_the_largest),
    Wrong("to_probabilities", "softmax instead of shares", softmaxed),
    Wrong("to_probabilities", "divides by the number of classes", mean_over_classes),
    Wrong("to_probabilities", "keeps only the winner", one_hot),
    Wrong("to_probabilities", "per cent", per_cent),
    Wrong("to_probabilities", "integer division", floor_division),
    Wrong("to_probabilities", "returns nothing", forgot_the_return),
    Wrong("to_probabilities", "wrong shape", returns_the_totals),
    Wrong("to_probabilities", "changes its inputs", writes_into_its_input),
    Wrong("to_probabilities", "smallest failing case", adds_one_first),
]


def unsqueezed(votes):
    return votes / votes.sum(-1).unsqueeze(-1)


def numpy_double(votes):
    counts = np.asarray(votes, dtype=np.float64)
    return counts / counts.sum(axis=-1, keepdims=True)


def nested_lists(votes):
    if votes.dim() > 1:
        return [nested_lists(row) for row in votes]
    total = float(votes.sum())
    return [float(v) / total for v in votes]


def einsum(votes):
    votes = votes.float()
    return votes / torch.einsum("...c->...", votes)[..., None]


def normalize(votes):
    return F.normalize(votes.double(), p=1, dim=-1)


def through_logarithms(votes):
    logs = torch.log(votes.float())
    return torch.exp(logs - torch.logsumexp(logs, dim=-1, keepdim=True))


def twice_the_votes(votes):
    doubled = votes + votes
    return doubled.true_divide(doubled.sum(dim=votes.dim() - 1, keepdim=True))


HONEST = [
    Honest("to_probabilities", fn)
    for fn in (unsqueezed, numpy_double, nested_lists, einsum, normalize, through_logarithms, twice_the_votes)
]
