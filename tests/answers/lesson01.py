"""Answers to lesson 01's exercises. The wrong ones are written as learners write them, not as the imitations are."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from tests.answers import Honest, Wrong

# --- entropy_bits: wrong ----------------------------------------------------------------------------------------------


def nats(probs):
    return -torch.special.xlogy(probs, probs).sum(-1)


def nats_from_pytorch(probs):
    return torch.distributions.Categorical(probs=probs).entropy()


def nats_and_nan(probs):
    return -torch.sum(probs * torch.log(probs), dim=-1)


def nats_over_the_batch(probs):
    return -(probs * probs.clamp(min=1e-12).log()).sum()


def ten(probs):
    return -(probs * torch.log10(probs + 1e-12)).sum(dim=-1)


def no_minus(probs):
    safe = torch.where(probs > 0, probs, torch.ones_like(probs))
    return (probs * safe.log2()).sum(-1)


def no_minus_in_nats(probs):
    return (probs * torch.log(probs + 1e-9)).sum(dim=-1)


def no_minus_and_nan(probs):
    return (probs * torch.log2(probs)).sum(dim=-1)


def no_minus_over_all(probs):
    return torch.sum(probs * torch.log2(probs))


def nan_at_zero(probs):
    return (probs * torch.log2(1 / probs)).sum(dim=-1)


def mean_of_classes(probs):
    return -(probs * torch.log2(probs.clamp(min=1e-12))).mean(dim=-1)


def minus_mean_of_classes(probs):
    return torch.mean(probs * torch.log2(probs), dim=-1)


def batch_sum(probs):
    return -(probs * torch.log2(probs + 1e-12)).sum()


def batch_sum_nan(probs):
    return -torch.sum(probs * torch.log2(probs))


def batch_mean(probs):
    return -(probs * torch.log2(probs + 1e-12)).sum(-1).mean()


def masked_and_flat(probs):
    positive = probs[probs > 0]
    return -(positive * torch.log2(positive)).sum()


def first_axis(probs):
    return -(probs * torch.log2(probs + 1e-12)).sum(dim=0)


def kept_axis(probs):
    return -(probs * torch.log2(probs + 1e-12)).sum(dim=-1, keepdim=True)


def not_weighted(probs):
    return -torch.log2(probs).sum(dim=-1)


def mean_surprise(probs):
    return torch.log2(1 / probs).mean(dim=-1)


def top_surprise(probs):
    return -torch.log2(probs.max(dim=-1).values)


def top_term(probs):
    top = torch.max(probs, dim=-1)[0]
    return -top * torch.log2(top)


def of_a_softmax(probs):
    p = F.softmax(probs, dim=-1)
    return -(p * p.log2()).sum(-1)


def of_logits(probs):
    return torch.distributions.Categorical(logits=torch.softmax(probs, -1).log()).entropy() / math.log(2)


def from_zero_to_one(probs):
    return -(probs * torch.log2(probs + 1e-12)).sum(-1) / np.log2(probs.shape[-1])


def perplexity(probs):
    return 2 ** (-(probs * torch.log2(probs + 1e-12)).sum(-1))


def big_epsilon(probs):
    return -(probs * torch.log2(probs + 1e-3)).sum(-1)


def big_epsilon_everywhere(probs):
    p = probs + 0.01
    return -(p * torch.log2(p)).sum(-1)


def clamped_too_high(probs):
    p = torch.clamp(probs, min=1e-4)
    return -(p * torch.log2(p)).sum(-1)


def gini(probs):
    return 1 - (probs**2).sum(-1)


def terms(probs):
    return -(probs * torch.log2(probs + 1e-12))


def printed(probs):
    entropy = -(probs * torch.log2(probs + 1e-12)).sum(-1)
    print(entropy)


def fills_its_input(probs):
    probs[probs == 0] = 1e-12
    return -(probs * torch.log2(probs)).sum(-1)


# --- entropy_bits: honest ---------------------------------------------------------------------------------------------


def special_entr(probs):
    return torch.special.entr(probs).sum(-1) / math.log(2)


def nan_to_num(probs):
    return (probs * probs.log2()).nan_to_num().sum(-1).neg()


def nansum(probs):
    return -torch.nansum(probs * torch.log2(probs), dim=-1)


def clamped(probs):
    return torch.einsum("...c,...c->...", probs, -torch.log2(probs.clamp(min=1e-12)))


def small_epsilon(probs):
    return -torch.sum(probs * torch.log2(probs + 1e-9), axis=-1)


def categorical(probs):
    return torch.distributions.Categorical(probs=probs).entropy() / torch.log(torch.tensor(2.0))


def numpy_where(probs):
    p = np.asarray(probs)
    return -np.sum(np.where(p > 0, p * np.log2(np.where(p > 0, p, 1)), 0), axis=-1)


def loops(probs):
    if probs.dim() > 1:
        return [loops(row) for row in probs]
    total = 0.0
    for p in probs.tolist():
        if p > 0:
            total += p * math.log2(1 / p)
    return total


def stacked_loops(probs):
    flat = probs.reshape(-1, probs.shape[-1])
    out = torch.stack([-(row[row > 0] * row[row > 0].log2()).sum() for row in flat])
    return out.reshape(probs.shape[:-1])


def cross_entropy_with_itself(probs):
    flat = probs.reshape(-1, probs.shape[-1])
    bits = F.cross_entropy(torch.log(flat + 1e-12), flat, reduction="none") / math.log(2)
    return bits.reshape(probs.shape[:-1])


def distance_from_uniform(probs):
    classes = probs.shape[-1]
    return math.log2(classes) - torch.xlogy(probs, probs * classes).sum(-1) / math.log(2)


def double(probs):
    p = probs.double()
    return -torch.xlogy(p, p).sum(-1) / math.log(2)


# --- class_affinity: wrong --------------------------------------------------------------------------------------------


def one_hot(labels, soft_labels):
    return F.one_hot(labels, soft_labels.shape[1]).to(soft_labels.dtype)


def columns_are_classes(soft_labels, labels):
    hard = one_hot(labels, soft_labels)
    return soft_labels.T @ hard / hard.sum(0).clamp(min=1)


def columns_in_a_loop(soft_labels, labels):
    table = torch.zeros(soft_labels.shape[1], soft_labels.shape[1], dtype=soft_labels.dtype)
    for c in range(soft_labels.shape[1]):
        table[:, c] = soft_labels[labels == c].mean(0)
    return table


def added_up(soft_labels, labels):
    classes = soft_labels.shape[1]
    return torch.zeros(classes, classes, dtype=soft_labels.dtype).index_add(0, labels, soft_labels)


def added_up_transposed(soft_labels, labels):
    return torch.einsum("nk,nc->kc", soft_labels, one_hot(labels, soft_labels))


def over_everything(soft_labels, labels):
    return one_hot(labels, soft_labels).T @ soft_labels / soft_labels.shape[0]


def counts_meet_columns(soft_labels, labels):
    counts = torch.bincount(labels, minlength=soft_labels.shape[1])
    return one_hot(labels, soft_labels).T @ soft_labels / counts


def counts_meet_columns_safely(soft_labels, labels):
    hard = one_hot(labels, soft_labels)
    return (hard.T @ soft_labels) / (hard.sum(dim=0) + 1e-9)


def shares_of_the_teacher(soft_labels, labels):
    table = one_hot(labels, soft_labels).T @ soft_labels
    return table / table.sum(dim=0, keepdim=True)


def means_then_columns(soft_labels, labels):
    hard = one_hot(labels, soft_labels)
    table = hard.T @ soft_labels / hard.sum(0).clamp(min=1)[:, None]
    return table / table.sum(0)


def confusion_matrix(soft_labels, labels):
    table = torch.zeros(soft_labels.shape[1], soft_labels.shape[1])
    for truth, guess in zip(labels, soft_labels.argmax(-1), strict=True):
        table[truth, guess] += 1
    return table


def confusion_shares(soft_labels, labels):
    table = confusion_matrix(soft_labels, labels)
    return table / table.sum(dim=1, keepdim=True)


def confusion_transposed(soft_labels, labels):
    return confusion_matrix(soft_labels, labels).T


def by_the_top_class(soft_labels, labels):
    top = soft_labels.argmax(dim=1)
    return torch.stack([soft_labels[top == c].mean(dim=0) for c in range(soft_labels.shape[1])])


def softmax_first(soft_labels, labels):
    hard = one_hot(labels, soft_labels)
    return hard.T @ torch.softmax(soft_labels, dim=1) / hard.sum(0).clamp(min=1).unsqueeze(1)


def softmax_last(soft_labels, labels):
    table = torch.stack([soft_labels[labels == c].mean(dim=0) for c in range(soft_labels.shape[1])])
    return torch.softmax(table, dim=1)


def one_mean_for_all(soft_labels, labels):
    return torch.stack([soft_labels.mean(dim=0) for _ in range(soft_labels.shape[1])])


def scalar_mean(soft_labels, labels):
    table = torch.zeros(soft_labels.shape[1], soft_labels.shape[1])
    for c in range(soft_labels.shape[1]):
        table[c] = soft_labels[labels == c].mean()
    return table


def overwritten(soft_labels, labels):
    table = torch.zeros(soft_labels.shape[1], soft_labels.shape[1], dtype=soft_labels.dtype)
    table[labels] += soft_labels
    return table


def overwritten_and_divided(soft_labels, labels):
    table = torch.zeros(soft_labels.shape[1], soft_labels.shape[1], dtype=soft_labels.dtype)
    for label, row in zip(labels, soft_labels, strict=True):
        table[label] = row
    return table / torch.bincount(labels, minlength=soft_labels.shape[1]).unsqueeze(1)


def only_those_present(soft_labels, labels):
    return torch.stack([soft_labels[labels == c].mean(dim=0) for c in labels.unique()])


def up_to_the_largest_label(soft_labels, labels):
    return torch.stack([soft_labels[labels == c].mean(dim=0) for c in range(labels.max() + 1)])


def mean_of_nothing(soft_labels, labels):
    return torch.stack([soft_labels[labels == c].mean(dim=0) for c in range(soft_labels.shape[-1])])


def divided_by_zero(soft_labels, labels):
    hard = one_hot(labels, soft_labels)
    return hard.T @ soft_labels / hard.sum(0)[:, None]


def uniform_when_empty(soft_labels, labels):
    table = mean_of_nothing(soft_labels, labels)
    return torch.where(table.isnan(), 1 / soft_labels.shape[1], table)


def itself_when_empty(soft_labels, labels):
    table = mean_of_nothing(soft_labels, labels)
    for c in range(len(table)):
        if table[c].isnan().any():
            table[c] = torch.eye(len(table))[c]
    return table


def median(soft_labels, labels):
    table = torch.zeros(soft_labels.shape[1], soft_labels.shape[1], dtype=soft_labels.dtype)
    for c in labels.unique():
        table[c] = soft_labels[labels == c].median(dim=0).values
    return table


def per_example(soft_labels, labels):
    return soft_labels[labels.argsort()]


def wants_the_number_of_classes(soft_labels, labels, classes):
    table = torch.zeros(classes, classes, dtype=soft_labels.dtype)
    return table.index_add(0, labels, soft_labels)


def zeroes_its_input(soft_labels, labels):
    soft_labels /= soft_labels.sum(dim=-1, keepdim=True) * 1.000001
    return divided_safely(soft_labels, labels)


# --- class_affinity: honest -------------------------------------------------------------------------------------------


def divided_safely(soft_labels, labels):
    hard = one_hot(labels, soft_labels)
    return hard.T @ soft_labels / hard.sum(0).clamp(min=1)[:, None]


def nan_repaired(soft_labels, labels):
    return mean_of_nothing(soft_labels, labels).nan_to_num(0.0)


def index_add(soft_labels, labels):
    classes = soft_labels.size(1)
    table = soft_labels.new_zeros(classes, classes).index_add_(0, labels, soft_labels)
    return table / torch.bincount(labels, minlength=classes).clamp(min=1).reshape(-1, 1)


def scatter_reduced(soft_labels, labels):
    table = torch.zeros(soft_labels.shape[1], soft_labels.shape[1], dtype=soft_labels.dtype)
    index = labels[:, None].expand_as(soft_labels)
    return table.scatter_reduce(0, index, soft_labels, reduce="mean", include_self=False)


def einsum(soft_labels, labels):
    hard = one_hot(labels, soft_labels)
    weights = hard / torch.maximum(hard.sum(dim=0), torch.tensor(1.0))
    return torch.einsum("nc,nk->ck", weights, soft_labels)


def example_by_example(soft_labels, labels):
    classes = soft_labels.shape[1]
    table, counts = [[0.0] * classes for _ in range(classes)], [0] * classes
    for row, label in zip(soft_labels.tolist(), labels.tolist(), strict=True):
        counts[label] += 1
        for k, p in enumerate(row):
            table[label][k] += p
    return [[v / max(n, 1) for v in row] for row, n in zip(table, counts, strict=True)]


def running_mean(soft_labels, labels):
    table = torch.zeros(soft_labels.shape[1], soft_labels.shape[1])
    seen = torch.zeros(soft_labels.shape[1])
    for row, label in zip(soft_labels, labels, strict=True):
        seen[label] += 1
        table[label] += (row - table[label]) / seen[label]
    return table


def with_numpy(soft_labels, labels):
    p, y = np.asarray(soft_labels), np.asarray(labels)
    return np.stack([p[y == c].mean(0) if (y == c).any() else np.zeros(p.shape[1]) for c in range(p.shape[1])])


def doubled(soft_labels, labels):
    p = soft_labels.double()
    table = torch.zeros(p.shape[1], p.shape[1], dtype=torch.double)
    for c in labels.unique().tolist():
        table[c] = p[torch.where(labels == c)[0]].sum(dim=0) / (labels == c).sum()
    return table


def masked(soft_labels, labels):
    rows = []
    for c in range(soft_labels.shape[1]):
        mask = (labels == c).to(soft_labels.dtype)
        rows.append((mask @ soft_labels) / (mask.sum() + 1e-12))
    return torch.vstack(rows)


WRONG = [
    *(Wrong("entropy_bits", "natural logarithm", fn) for fn in (nats, nats_from_pytorch, nats_and_nan)),
    Wrong("entropy_bits", "natural logarithm", nats_over_the_batch),
    Wrong("entropy_bits", "logarithm to base 10", ten),
    *(Wrong("entropy_bits", "the minus is missing", fn) for fn in (no_minus, no_minus_in_nats, no_minus_and_nan)),
    *(Wrong("entropy_bits", "the minus is missing", fn) for fn in (no_minus_over_all, minus_mean_of_classes)),
    Wrong("entropy_bits", "0 · log 0 gives NaN", nan_at_zero),
    Wrong("entropy_bits", "mean over the classes instead of the sum", mean_of_classes),
    *(Wrong("entropy_bits", "one number for the whole batch", fn) for fn in (batch_sum, batch_sum_nan, batch_mean)),
    Wrong("entropy_bits", "one number for the whole batch", masked_and_flat),
    Wrong("entropy_bits", "sums over the wrong axis", first_axis),
    Wrong("entropy_bits", "the class axis is kept", kept_axis),
    *(Wrong("entropy_bits", "the terms are not weighted by p", fn) for fn in (not_weighted, mean_surprise)),
    *(Wrong("entropy_bits", "surprise of the top class alone", fn) for fn in (top_surprise, top_term)),
    *(Wrong("entropy_bits", "softmax of what are probabilities already", fn) for fn in (of_a_softmax, of_logits)),
    Wrong("entropy_bits", "scaled to lie between 0 and 1", from_zero_to_one),
    Wrong("entropy_bits", "two to the power of the entropy", perplexity),
    *(Wrong("entropy_bits", "the epsilon is too large", fn) for fn in (big_epsilon, big_epsilon_everywhere)),
    Wrong("entropy_bits", "the epsilon is too large", clamped_too_high),
    Wrong("entropy_bits", "smallest failing case", gini),
    Wrong("entropy_bits", "wrong shape", terms),
    Wrong("entropy_bits", "returns nothing", printed),
    Wrong("entropy_bits", "changes its inputs", fills_its_input),
    Wrong("class_affinity", "rows and columns changed places", columns_are_classes),
    Wrong("class_affinity", "rows and columns changed places", columns_in_a_loop),
    *(Wrong("class_affinity", "sums instead of means", fn) for fn in (added_up, added_up_transposed)),
    Wrong("class_affinity", "divided by all examples", over_everything),
    Wrong("class_affinity", "divided along the wrong axis", counts_meet_columns),
    Wrong("class_affinity", "divided along the wrong axis", counts_meet_columns_safely),
    *(Wrong("class_affinity", "columns made to sum to 1", fn) for fn in (shares_of_the_teacher, means_then_columns)),
    Wrong("class_affinity", "a confusion matrix: counts of the top class", confusion_matrix),
    Wrong("class_affinity", "a confusion matrix: counts of the top class", confusion_shares),
    Wrong("class_affinity", "a confusion matrix: counts of the top class", confusion_transposed),
    Wrong("class_affinity", "grouped by the teacher's top class", by_the_top_class),
    *(Wrong("class_affinity", "softmax of what are probabilities already", f) for f in (softmax_first, softmax_last)),
    Wrong("class_affinity", "every row the same", one_mean_for_all),
    Wrong("class_affinity", "one number for a whole row", scalar_mean),
    *(Wrong("class_affinity", "only the last example counts", f) for f in (overwritten, overwritten_and_divided)),
    Wrong("class_affinity", "classes without an example are missing", only_those_present),
    Wrong("class_affinity", "classes without an example are missing", up_to_the_largest_label),
    *(Wrong("class_affinity", "NaN for a class without an example", f) for f in (mean_of_nothing, divided_by_zero)),
    Wrong("class_affinity", "a class without an example is filled in", uniform_when_empty),
    Wrong("class_affinity", "a class without an example is filled in", itself_when_empty),
    Wrong("class_affinity", "smallest failing case", median),
    Wrong("class_affinity", "wrong shape", per_example),
    Wrong("class_affinity", "wrong parameters", wants_the_number_of_classes),
    Wrong("class_affinity", "changes its inputs", zeroes_its_input),
]

HONEST = [
    *(
        Honest("entropy_bits", fn)
        for fn in (
            special_entr,
            nan_to_num,
            nansum,
            clamped,
            small_epsilon,
            categorical,
            numpy_where,
            loops,
            stacked_loops,
            cross_entropy_with_itself,
            distance_from_uniform,
            double,
        )
    ),
    *(
        Honest("class_affinity", fn)
        for fn in (
            divided_safely,
            nan_repaired,
            index_add,
            scatter_reduced,
            einsum,
            example_by_example,
            running_mean,
            with_numpy,
            doubled,
            masked,
        )
    ),
]
