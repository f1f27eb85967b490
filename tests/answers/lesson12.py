"""Answers to lesson 12's exercises. The wrong ones are written as learners write them, not as the imitations are."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from tests.answers import Honest, Wrong

# --- calibration_temperature: wrong -----------------------------------------------------------------------------------

GRID = [0.05 * 1.02**i for i in range(303)]  # 0.05 to 20, in steps of two per cent: no answer is off by more than one


def _lowest(loss, grid=GRID):
    return min(grid, key=lambda t: float(loss(t)))


def multiplied(logits, labels):
    return _lowest(lambda t: F.cross_entropy(logits * t, labels))


def one_over(logits, labels):
    return 1 / _lowest(lambda t: F.cross_entropy(logits / t, labels))


def _adam(logits, labels, steps=150):
    log_t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([log_t], lr=0.1)
    for _ in range(steps):
        loss = F.cross_entropy(logits.double() / log_t.exp(), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return log_t.detach(), loss.detach()


def log_t_itself(logits, labels):
    return _adam(logits, labels)[0].item()


def the_last_loss(logits, labels):
    return _adam(logits, labels)[1].item()


def _naive(logits, t):
    powers = torch.exp(logits / t)
    return powers / powers.sum(dim=1, keepdim=True)


def naive_bisection(logits, labels):
    z = logits.double()
    low, high = 0.05, 20
    for _ in range(50):
        t = (low * high) ** 0.5
        if (_naive(z, t) * z).sum(dim=1).mean() > z[torch.arange(len(z)), labels].mean():
            low = t
        else:
            high = t
    return t


def naive_grid(logits, labels):
    return _lowest(lambda t: -_naive(logits, t)[range(len(labels)), labels].log().mean())


def most_right(logits, labels):
    best, at = -1.0, None
    for t in GRID:
        right = ((logits / t).argmax(dim=1) == labels).double().mean().item()
        if right > best:
            best, at = right, t
    return at


def no_labels(logits, labels):
    return _lowest(lambda t: F.cross_entropy(logits / t, logits.argmax(dim=1)))


def one_and_a_half(logits, labels):
    return 1.5


def _bisect(too_sure):
    low, high = 0.05, 20.0
    for _ in range(40):
        middle = math.sqrt(low * high)
        if too_sure(middle):
            low = middle
        else:
            high = middle
    return middle


def _gap(logits, labels, probs):
    at = torch.arange(len(labels))
    return ((probs * logits).sum(dim=1) - logits[at, labels]).mean()


def turned_round(logits, labels):
    return _bisect(lambda t: _gap(logits, labels, (logits / t).softmax(dim=1)) < 0)


def label_less_expected(logits, labels):
    return _bisect(lambda t: -_gap(logits, labels, (logits / t).softmax(dim=1)) > 0)


def forgot_to_divide(logits, labels):
    return _bisect(lambda t: _gap(logits, labels, logits.softmax(dim=1)) > 0)


def divides_by_one_over(logits, labels):
    return _bisect(lambda t: _gap(logits, labels, (logits * t).softmax(dim=1)) > 0)


def no_normaliser(logits, labels):
    return _lowest(lambda t: F.nll_loss(logits / t, labels))


def softmax_then_cross_entropy(logits, labels):
    return _lowest(lambda t: F.cross_entropy(torch.softmax(logits / t, dim=-1), labels))


def smallest_ece(logits, labels):
    def ece(t, bins=15):
        sure, answer = torch.softmax(logits.double() / t, dim=-1).max(dim=-1)
        total = 0.0
        for b in range(bins):
            inside = (sure > b / bins) & (sure <= (b + 1) / bins)
            if inside.any():
                gap = (answer == labels)[inside].double().mean() - sure[inside].mean()
                total += inside.double().mean() * gap.abs()
        return total

    return _lowest(ece, [0.3 + 0.04 * i for i in range(120)])


def likelihood(logits, labels):
    return _lowest(lambda t: -F.softmax(logits / t, dim=1)[range(len(labels)), labels].mean())


def distance(logits, labels):
    hard = torch.eye(logits.shape[1])[labels]
    return _lowest(lambda t: F.mse_loss(F.softmax(logits / t, dim=1), hard))


def sure_as_right(logits, labels):
    right = (logits.argmax(dim=1) == labels).float().mean()
    return _bisect(lambda t: F.softmax(logits / t, dim=1).max(dim=1).values.mean() > right)


def a_fifth_too_high(logits, labels):
    return 1.2 * _lowest(lambda t: F.cross_entropy(logits / t, labels))


def all_losses(logits, labels):
    return torch.stack([F.cross_entropy(logits / t, labels) for t in GRID])


# --- calibration_temperature: honest ----------------------------------------------------------------------------------


def by_two_per_cent(logits, labels):
    return _lowest(lambda t: F.cross_entropy(logits / t, labels))


def by_a_hundredth(logits, labels):
    grid = np.arange(0.05, 5, 0.01).tolist()
    losses = [F.cross_entropy(logits / t, labels) for t in grid]
    return grid[int(torch.stack(losses).argmin())]


def by_sharpness(logits, labels):
    logits = logits.double()
    given = logits.gather(1, labels[:, None]).squeeze(1)
    low, high = math.log(0.05), math.log(20)
    for _ in range(40):
        middle = (low + high) / 2
        expected = (torch.softmax(logits * math.exp(middle), dim=-1) * logits).sum(dim=-1)
        if (expected - given).mean() > 0:
            high = middle
        else:
            low = middle
    return math.exp(-middle)


def by_gradient(logits, labels):
    return _adam(logits, labels)[0].exp()


def by_lbfgs(logits, labels):
    sharpness = torch.ones(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([sharpness], lr=0.5, max_iter=100)
    shifted = logits - logits.max(dim=1, keepdim=True).values

    def closure():
        optimiser.zero_grad()
        loss = F.cross_entropy(shifted * sharpness, labels, reduction="sum")
        loss.backward()
        return loss

    optimiser.step(closure)
    return 1 / sharpness.detach()


def golden_section(logits, labels):
    def loss(x):
        return F.cross_entropy(logits.double() / math.exp(x), labels).item()

    a, b, g = math.log(0.05), math.log(20), (math.sqrt(5) - 1) / 2
    while b - a > 1e-5:
        c, d = b - g * (b - a), a + g * (b - a)
        if loss(c) < loss(d):
            b = d
        else:
            a = c
    return math.exp((a + b) / 2)


def newton_in_numpy(logits, labels):
    z = logits.numpy().astype(np.float64)
    z = z - z.max(axis=1, keepdims=True)
    beta = 0.1
    for _ in range(60):
        p = np.exp(beta * z)
        p /= p.sum(axis=1, keepdims=True)
        mean = (p * z).sum(axis=1)
        slope = (mean - z[np.arange(len(z)), labels.numpy()]).mean()
        beta -= slope / ((p * z**2).sum(axis=1) - mean**2).mean()
    return np.float64(1 / beta)


def narrowing_grids(logits, labels):
    low, high = 0.05, 20.0
    for _ in range(6):
        grid = torch.linspace(low, high, 41, dtype=torch.float64)
        losses = [F.cross_entropy(logits.double() / t, labels) for t in grid]
        i = int(torch.stack(losses).argmin())
        low, high = grid[max(i - 1, 0)].item(), grid[min(i + 1, 40)].item()
    return (low + high) / 2


# --- recall_by_class: wrong -------------------------------------------------------------------------------------------


def _loop(logits, labels, share):
    said = logits.argmax(dim=1)
    return torch.tensor([float(share(said, labels, c)) for c in range(logits.shape[1])])


def of_those_named(logits, labels):
    return _loop(logits, labels, lambda s, y, c: (y[s == c] == c).float().mean())


def of_those_named_or_0(logits, labels):
    return _loop(logits, labels, lambda s, y, c: ((s == c) & (y == c)).sum() / max((s == c).sum(), 1))


def of_all(logits, labels):
    return _loop(logits, labels, lambda s, y, c: ((s == c) & (y == c)).float().mean())


def zeros_first(logits, labels):
    recall = torch.zeros(logits.shape[1])
    for c in labels.unique():
        recall[c] = (logits[labels == c].argmax(dim=1) == c).float().mean()
    return recall


def with_an_epsilon(logits, labels):
    hit = (logits.argmax(dim=1) == labels).double()
    hard = F.one_hot(labels, logits.shape[1]).double()
    return hit @ hard / (hard.sum(dim=0) + 1e-9)


def ones_first(logits, labels):
    recall = torch.ones(logits.shape[1])
    for c in labels.unique():
        recall[c] = (logits[labels == c].argmax(dim=1) == c).float().mean()
    return recall


def from_the_labels(logits, labels):
    classes = int(labels.max()) + 1
    said = logits.argmax(dim=1)
    return torch.stack([(said[labels == c] == c).double().mean() for c in range(classes)])


def those_that_occur(logits, labels):
    said = logits.argmax(dim=1)
    return torch.stack([(said[labels == c] == c).double().mean() for c in labels.unique()])


def balanced(logits, labels):
    said = logits.argmax(dim=1)
    return torch.stack([(said[labels == c] == c).double().mean() for c in labels.unique()]).mean()


def plain_accuracy(logits, labels):
    return (logits.argmax(dim=1) == labels).float().mean()


def how_many(logits, labels):
    return _loop(logits, labels, lambda s, y, c: ((s == c) & (y == c)).sum())


def missed(logits, labels):
    return _loop(logits, labels, lambda s, y, c: (s[y == c] != c).float().mean())


def binary_accuracy(logits, labels):
    return _loop(logits, labels, lambda s, y, c: ((s == c) == (y == c)).float().mean())


def named_per_text(logits, labels):
    return _loop(logits, labels, lambda s, y, c: (s == c).sum() / (y == c).sum())


def harmonic_mean(logits, labels):
    return _loop(logits, labels, lambda s, y, c: 2 * ((s == c) & (y == c)).sum() / ((s == c).sum() + (y == c).sum()))


def per_cent(logits, labels):
    return _loop(logits, labels, lambda s, y, c: 100 * (s[y == c] == c).double().mean())


def of_the_label(logits, labels):
    probs = logits.softmax(dim=1)
    return _loop(logits, labels, lambda s, y, c: probs[y == c, c].mean())


# --- recall_by_class: honest ------------------------------------------------------------------------------------------


def class_by_class(logits, labels):
    return _loop(logits, labels, lambda s, y, c: (s[y == c] == c).float().mean())


def confusion(logits, labels):
    classes = logits.shape[1]
    table = torch.zeros(classes, classes, dtype=torch.float64)
    for label, answer in zip(labels, logits.argmax(dim=1), strict=True):
        table[label, answer] += 1
    return table.diagonal() / table.sum(dim=1)


def one_hots(logits, labels):
    right = F.one_hot(labels, logits.shape[1]).float()
    said = F.one_hot(logits.argmax(dim=1), logits.shape[1]).float()
    return (right * said).sum(dim=0) / right.sum(dim=0)


def in_numpy(logits, labels):
    z, y = logits.numpy(), labels.numpy()
    hit, k = z.argmax(axis=1) == y, z.shape[1]
    return np.bincount(y, weights=hit, minlength=k) / np.bincount(y, minlength=k)


def plain_python(logits, labels):
    said, out = logits.argmax(dim=1).tolist(), []
    for c in range(logits.shape[1]):
        mine = [s == c for s, y in zip(said, labels.tolist(), strict=True) if y == c]
        out.append(sum(mine) / len(mine) if mine else float("nan"))
    return out


def nans_first(logits, labels):
    recall = torch.full((logits.shape[1],), math.nan)
    for c in labels.unique().tolist():
        recall[c] = (logits[labels == c].argmax(dim=1) == c).float().mean()
    return recall


# --- rank_of_target: wrong --------------------------------------------------------------------------------------------


def better_ones_and_one(scores, targets):
    return torch.tensor([1 + int((row > row[t]).sum()) for row, t in zip(scores, targets, strict=True)])


def better_ones(scores, targets):
    right = scores[torch.arange(len(targets)), targets]
    return (scores > right.unsqueeze(1)).long().sum(1)


def at_least_as_good_others(scores, targets):
    return torch.tensor([int((row >= row[t]).sum()) - 1 for row, t in zip(scores, targets, strict=True)])


def index_in_the_order(scores, targets):
    order = torch.sort(scores, dim=1, descending=True, stable=True).indices
    return torch.tensor([row.tolist().index(t) for row, t in zip(order, targets.tolist(), strict=True)])


def mean_of_ties(scores, targets):
    right = scores.gather(1, targets[:, None])
    return 1 + (scores > right).sum(1) + ((scores == right).sum(1) - 1) / 2


def dense(scores, targets):
    return torch.tensor(
        [
            sorted(set(row.tolist()), reverse=True).index(row[t].item()) + 1
            for row, t in zip(scores, targets, strict=True)
        ]
    )


def double_argsort(scores, targets):
    ranks = (-scores.numpy()).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") + 1
    return ranks[np.arange(len(ranks)), targets.numpy()]


def last_of_equal_columns(scores, targets):
    order = scores.flip(1).argsort(dim=1, descending=True, stable=True)
    return (order == scores.shape[1] - 1 - targets[:, None]).nonzero()[:, 1] + 1


def worse_ones(scores, targets):
    return (scores <= scores.gather(1, targets.unsqueeze(1))).sum(1)


def upwards(scores, targets):
    order = np.argsort(scores.numpy(), axis=1, kind="stable")
    return np.array([list(row).index(t) + 1 for row, t in zip(order, targets.numpy(), strict=True)])


def one_argsort(scores, targets):
    return torch.tensor(
        [int(row.argsort(descending=True, stable=True)[t]) + 1 for row, t in zip(scores, targets, strict=True)]
    )


def one_argsort_upwards(scores, targets):
    return np.argsort(scores.numpy(), axis=1, kind="stable")[np.arange(len(targets)), targets.numpy()]


def one_over_the_place(scores, targets):
    return [1 / int((row >= row[t]).sum()) for row, t in zip(scores, targets, strict=True)]


def the_first(scores, targets):
    return scores.max(dim=1).indices


def hit(scores, targets):
    return (scores.argmax(dim=1) == targets).float()


def the_score(scores, targets):
    return scores[torch.arange(len(scores)), targets]


def mean_rank(scores, targets):
    return sum((row >= row[t]).sum() for row, t in zip(scores, targets, strict=True)) / len(targets)


def mrr(scores, targets):
    return np.mean(one_over_the_place(scores, targets))


def everywhere(scores, targets):
    return [int((scores >= row[t]).sum()) for row, t in zip(scores, targets, strict=True)]


def a_table(scores, targets):
    return scores >= scores.gather(1, targets[:, None])


def capped(scores, targets):
    return (scores >= scores.gather(1, targets[:, None])).sum(1).clamp(max=2)


# --- rank_of_target: honest -------------------------------------------------------------------------------------------


def sorted_list(scores, targets):
    ranks = []
    for row, t in zip(scores.tolist(), targets.tolist(), strict=True):
        worst_first = sorted(row)
        ranks.append(len(row) - worst_first.index(row[t]))
    return ranks


def numpy_take(scores, targets):
    s = scores.numpy()
    right = np.take_along_axis(s, targets.numpy()[:, None], axis=1)
    return (s >= right).sum(axis=1)


def others_and_itself(scores, targets):
    right = scores[torch.arange(len(targets)), targets]
    better = (scores > right[:, None]).sum(1)
    equal = (scores == right[:, None]).sum(1) - 1
    return better + equal + 1


def one_hot_einsum(scores, targets):
    hard = F.one_hot(targets, scores.shape[1]).to(scores.dtype)
    right = torch.einsum("qc,qc->q", scores, hard)
    return (scores >= right[:, None]).float().sum(dim=1)


def stable_with_the_right_one_last(scores, targets):
    rows = torch.arange(len(targets))
    moved = torch.cat([scores, scores[rows, targets][:, None]], dim=1)
    moved[rows, targets] = -math.inf
    order = moved.argsort(dim=1, descending=True, stable=True)
    place = (order == scores.shape[1]).int().argmax(dim=1)
    return place + 1


def search_sorted(scores, targets):
    ascending = scores.sort(dim=1).values
    right = scores.gather(1, targets[:, None])
    return (scores.shape[1] - torch.searchsorted(ascending, right, right=False))[:, 0]


WRONG = [
    *(Wrong("calibration_temperature", "1/T, not T", fn) for fn in (multiplied, one_over)),
    Wrong("calibration_temperature", "the logarithm of T", log_t_itself),
    Wrong("calibration_temperature", "the loss, not the temperature", the_last_loss),
    *(Wrong("calibration_temperature", "overflow", fn) for fn in (naive_bisection, naive_grid)),
    *(
        Wrong("calibration_temperature", "the same for every classifier", fn)
        for fn in (most_right, no_labels, one_and_a_half)
    ),
    *(
        Wrong("calibration_temperature", "each step goes the wrong way", fn)
        for fn in (turned_round, label_less_expected)
    ),
    *(Wrong("calibration_temperature", "it never turns round", fn) for fn in (forgot_to_divide, divides_by_one_over)),
    Wrong("calibration_temperature", "the label's logit alone", no_normaliser),
    Wrong("calibration_temperature", "softmax twice", softmax_then_cross_entropy),
    Wrong("calibration_temperature", "the calibration error is minimised", smallest_ece),
    Wrong("calibration_temperature", "the probability, not its logarithm", likelihood),
    Wrong("calibration_temperature", "squared distance", distance),
    Wrong("calibration_temperature", "mean confidence made equal to accuracy", sure_as_right),
    Wrong("calibration_temperature", "smallest failing case", a_fifth_too_high),
    Wrong("calibration_temperature", "wrong shape", all_losses),
    *(Wrong("recall_by_class", "precision", fn) for fn in (of_those_named, of_those_named_or_0)),
    Wrong("recall_by_class", "a share of all texts", of_all),
    *(Wrong("recall_by_class", "0 for a class without texts", fn) for fn in (zeros_first, with_an_epsilon)),
    Wrong("recall_by_class", "1 for a class without texts", ones_first),
    Wrong("recall_by_class", "classes are counted from the labels", from_the_labels),
    Wrong("recall_by_class", "classes without texts are left out", those_that_occur),
    *(Wrong("recall_by_class", "one number for all classes", fn) for fn in (balanced, plain_accuracy)),
    Wrong("recall_by_class", "counts, not shares", how_many),
    Wrong("recall_by_class", "what is missed", missed),
    Wrong("recall_by_class", "one class against all others", binary_accuracy),
    Wrong("recall_by_class", "how often it is named", named_per_text),
    Wrong("recall_by_class", "the F1 score", harmonic_mean),
    Wrong("recall_by_class", "in percent", per_cent),
    Wrong("recall_by_class", "smallest failing case", of_the_label),
    Wrong("rank_of_target", "ties count in favour", better_ones_and_one),
    *(
        Wrong("rank_of_target", "counted from 0", fn)
        for fn in (better_ones, at_least_as_good_others, index_in_the_order)
    ),
    Wrong("rank_of_target", "ties are shared", mean_of_ties),
    Wrong("rank_of_target", "equal scores share one place", dense),
    *(Wrong("rank_of_target", "ties are left to the sort", fn) for fn in (double_argsort, last_of_equal_columns)),
    *(Wrong("rank_of_target", "the lowest score comes first", fn) for fn in (worse_ones, upwards)),
    *(Wrong("rank_of_target", "an order is taken for ranks", fn) for fn in (one_argsort, one_argsort_upwards)),
    Wrong("rank_of_target", "the reciprocal", one_over_the_place),
    Wrong("rank_of_target", "which candidate comes first", the_first),
    Wrong("rank_of_target", "first or not", hit),
    Wrong("rank_of_target", "its score, not its place", the_score),
    *(Wrong("rank_of_target", "one number for all queries", fn) for fn in (mean_rank, mrr)),
    Wrong("rank_of_target", "compared with all queries", everywhere),
    Wrong("rank_of_target", "wrong shape", a_table),
    Wrong("rank_of_target", "smallest failing case", capped),
]

HONEST = [
    *(
        Honest("calibration_temperature", fn)
        for fn in (
            by_two_per_cent,
            by_a_hundredth,
            by_sharpness,
            by_gradient,
            by_lbfgs,
            golden_section,
            newton_in_numpy,
            narrowing_grids,
        )
    ),
    *(
        Honest("recall_by_class", fn)
        for fn in (class_by_class, confusion, one_hots, in_numpy, plain_python, nans_first)
    ),
    *(
        Honest("rank_of_target", fn)
        for fn in (
            sorted_list,
            numpy_take,
            others_and_itself,
            one_hot_einsum,
            stable_with_the_right_one_last,
            search_sorted,
        )
    ),
]
