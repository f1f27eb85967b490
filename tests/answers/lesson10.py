"""Answers to lesson 10's exercises. The wrong ones are written as learners write them, not as the imitations are."""

import math
import random
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional as F

from tests.answers import Honest, Wrong

# --- compare_answers: wrong -------------------------------------------------------------------------------------------


def student_first(teacher_logits, student_logits, labels):
    t, s = teacher_logits.argmax(1), student_logits.argmax(1)
    out = []
    for a, b, y in zip(t.tolist(), s.tolist(), labels.tolist(), strict=True):
        out.append(0 if a == y == b else 1 if b == y else 2 if a == y else 3 if a == b else 4)
    return torch.tensor(out)


def agreed_is_zero(teacher_logits, student_logits, labels):
    t, s = teacher_logits.argmax(1), student_logits.argmax(1)
    case = torch.full_like(t, 4)
    case[t == labels] = 1
    case[s == labels] = 2
    case[t == s] = 0
    return case


def both_first(teacher_logits, student_logits, labels):
    t, s = teacher_logits.argmax(1), student_logits.argmax(1)
    case = torch.where(t == s, 3, 4)
    case[(t == labels) & (s == labels)] = 0
    case[t == labels] = 1
    case[s == labels] = 2
    return case


def teacher_last(teacher_logits, student_logits, labels):
    t, s = teacher_logits.argmax(1), student_logits.argmax(1)
    case = torch.where(t == s, 3, 4)
    case = torch.where(s == labels, 2, case)
    return torch.where(t == labels, 1, case)


def four_cases(teacher_logits, student_logits, labels):
    t, s = teacher_logits.argmax(1) == labels, student_logits.argmax(1) == labels
    return torch.tensor([3, 1, 2, 0])[2 * s.long() + t.long()]


def never_alike(teacher_logits, student_logits, labels):
    t, s = teacher_logits.argmax(1) == labels, student_logits.argmax(1) == labels
    case = torch.full_like(labels, 4)
    case[t & ~s], case[s & ~t], case[t & s] = 1, 2, 0
    return case


def alike_is_four(teacher_logits, student_logits, labels):
    t, s = teacher_logits.argmax(1), student_logits.argmax(1)
    case = 3 + (t == s).long()
    case[t == labels] = 1
    case[s == labels] = 2
    case[(t == labels) & (s == labels)] = 0
    return case


def from_one(teacher_logits, student_logits, labels):
    return nested_where(teacher_logits, student_logits, labels) + 1


def counted_up(teacher_logits, student_logits, labels):
    cases = nested_where(teacher_logits, student_logits, labels)
    return torch.tensor([(cases == k).sum().item() for k in range(5)])


def shares(teacher_logits, student_logits, labels):
    return counted_up(teacher_logits, student_logits, labels) / len(labels)


def least_likely(teacher_logits, student_logits, labels):
    return nested_where(-teacher_logits, -student_logits, labels)


# --- compare_answers: honest ------------------------------------------------------------------------------------------


def nested_where(teacher_logits, student_logits, labels):
    t, s = teacher_logits.argmax(-1), student_logits.argmax(-1)
    right_t, right_s = t == labels, s == labels
    wrong = torch.where(t == s, 3, 4)
    return torch.where(right_t & right_s, 0, torch.where(right_t, 1, torch.where(right_s, 2, wrong)))


def loop(teacher_logits, student_logits, labels):
    cases = []
    for teacher, student, label in zip(teacher_logits, student_logits, labels, strict=True):
        t, s, y = int(teacher.argmax()), int(student.argmax()), int(label)
        if t == y:
            cases.append(0 if s == y else 1)
        elif s == y:
            cases.append(2)
        else:
            cases.append(3 if t == s else 4)
    return cases


def numpy_select(teacher_logits, student_logits, labels):
    t, s, y = teacher_logits.numpy().argmax(1), student_logits.numpy().argmax(1), labels.numpy()
    return np.select([(t == y) & (s == y), t == y, s == y, t == s], [0, 1, 2, 3], default=4)


def arithmetic(teacher_logits, student_logits, labels):
    t, s = teacher_logits.softmax(1).argmax(1), student_logits.softmax(1).argmax(1)
    a, b, same = (t == labels).float(), (s == labels).float(), (t == s).float()
    return a * (1 - b) + 2 * b * (1 - a) + (1 - a) * (1 - b) * (4 - same)


def table(teacher_logits, student_logits, labels):
    t, s = teacher_logits.argmax(1), student_logits.argmax(1)
    key = 4 * (t == labels).int() + 2 * (s == labels).int() + (t == s).int()
    return torch.tensor([4, 3, 2, 9, 1, 9, 9, 0])[key.long()]


# --- expected_calibration_error: wrong --------------------------------------------------------------------------------


def binned(logits, labels, bins):
    """(share, accuracy, confidence) of each bin that holds an answer: what the answers below get right."""
    probs = torch.softmax(torch.as_tensor(logits).double(), dim=1)
    sure, answer = probs.max(dim=1)
    right = (answer == torch.as_tensor(labels)).double()
    number = torch.clamp(torch.floor(sure * bins), max=bins - 1)
    out = []
    for b in range(bins):
        inside = number == b
        if inside.any():
            out.append((inside.double().mean().item(), right[inside].mean().item(), sure[inside].mean().item()))
    return out


def percent(logits, labels, bins=15):
    return sum(100 * n * abs(a - c) for n, a, c in binned(logits, labels, bins))


def no_size(logits, labels, bins=15):
    return sum(n * (a - c) for n, a, c in binned(logits, labels, bins))


def size_at_the_end(logits, labels, bins=15):
    return abs(sum(n * (c - a) for n, a, c in binned(logits, labels, bins)))


def mean_against_mean(logits, labels, bins=15):
    sure, answer = logits.softmax(1).max(1)
    return abs(sure.mean().item() - (answer == labels).to(sure.dtype).mean().item())


def one_by_one(logits, labels, bins=15):
    sure, answer = logits.softmax(1).max(1)
    return (sure - (answer == labels).to(sure.dtype)).abs().mean()


def mean_of_bins(logits, labels, bins=15):
    return float(np.mean([abs(a - c) for _, a, c in binned(logits, labels, bins)]))


def mean_of_all_bins(logits, labels, bins=15):
    gaps = np.zeros(bins)
    for b, (_, a, c) in enumerate(binned(logits, labels, bins)):
        gaps[b] = abs(a - c)
    return gaps.mean()


def worst(logits, labels, bins=15):
    return max(abs(a - c) for _, a, c in binned(logits, labels, bins))


def squares(logits, labels, bins=15):
    return sum(n * (a - c) ** 2 for n, a, c in binned(logits, labels, bins))


def root_of_squares(logits, labels, bins=15):
    return math.sqrt(squares(logits, labels, bins))


def sure_of_the_label(logits, labels, bins=15):
    probs = logits.softmax(1)
    sure, right = probs[torch.arange(len(labels)), labels], (probs.argmax(1) == labels).to(probs.dtype)
    total = 0.0
    for b in range(bins):
        inside = (sure >= b / bins) & (sure < (b + 1) / bins)
        if inside.any():
            total += inside.sum() / len(labels) * abs(right[inside].mean() - sure[inside].mean())
    return total


def half_open(logits, labels, bins=15):
    sure, answer = torch.as_tensor(logits).double().softmax(1).max(1)
    total = 0.0
    for b in range(bins):
        inside = (sure >= b / bins) & (sure < (b + 1) / bins)
        if inside.any():
            gap = (answer[inside] == labels[inside]).double().mean() - sure[inside].mean()
            total += float(inside.double().mean() * gap.abs())
    return total


def fifteen(logits, labels, bins=15):
    return sum(n * abs(a - c) for n, a, c in binned(logits, labels, 15))


def sigmoid(logits, labels, bins=15):
    sure, answer = torch.sigmoid(logits).double().max(1)
    number = (sure * bins).long().clamp(max=bins - 1)
    gap = (answer == labels).double() - sure
    return sum(abs(gap[number == b].sum().item()) for b in range(bins)) / len(labels)


def empty_bins(logits, labels, bins=15):
    sure, answer = torch.as_tensor(logits).double().softmax(1).max(1)
    right, total = (answer == labels).double(), 0.0
    for b in range(bins):
        inside = (sure > b / bins) & (sure <= (b + 1) / bins)
        total += inside.double().mean() * (right[inside].mean() - sure[inside].mean()).abs()
    return total


def empty_bins_with_numpy(logits, labels, bins=15):
    p = logits.softmax(1).numpy()
    sure, right = p.max(1), p.argmax(1) == labels.numpy()
    number = np.minimum((sure * bins).astype(int), bins - 1)
    count = np.bincount(number, minlength=bins)
    with np.errstate(invalid="ignore"):
        accuracy, mean = (np.bincount(number, weights=x, minlength=bins) / count for x in (right, sure))
    return (count / len(sure) * np.abs(accuracy - mean)).sum()


def own_softmax(logits, labels, bins=15):
    e = torch.exp(logits)  # infinite for large logits
    p = e / e.sum(dim=1, keepdim=True)
    sure, answer = p.max(1)
    gap, edges = (answer == labels).to(p.dtype) - sure, torch.arange(1, bins, dtype=p.dtype) / bins
    return (F.one_hot(torch.bucketize(sure, edges), bins).to(p.dtype).T @ gap).abs().sum() / len(sure)


def middles(logits, labels, bins=15):
    sure, answer = logits.double().softmax(1).max(1)
    total = 0.0
    for b in range(bins):
        inside = ((sure * bins).long().clamp(max=bins - 1)) == b
        if inside.any():
            accuracy = (answer == labels)[inside].double().mean().item()
            total += inside.double().mean().item() * abs(accuracy - (b + 0.5) / bins)
    return total


def sum_of_bins(logits, labels, bins=15):
    total = 0.0
    for _, accuracy, confidence in binned(logits, labels, bins):
        total += abs(accuracy - confidence)
    return total


def counts_for_weights(logits, labels, bins=15):
    return sum(round(n * len(labels)) * abs(a - c) for n, a, c in binned(logits, labels, bins))


def sums_of_differences(logits, labels, bins=15):
    p, answer = logits.double().softmax(1).max(1)
    number, right = (p * bins).long().clamp(max=bins - 1), (answer == labels).double()
    return sum(abs(right[number == b].sum() - p[number == b].sum()) for b in number.unique())


def misses(logits, labels, bins=15):
    return sum(n * abs(1 - a - c) for n, a, c in binned(logits, labels, bins))


# --- expected_calibration_error: honest -------------------------------------------------------------------------------


def weighted_sum(logits, labels, bins=15):
    return sum(n * abs(a - c) for n, a, c in binned(logits, labels, bins))


def right_closed(logits, labels, bins=15):
    probs = F.softmax(logits, dim=-1)
    sure, answer = probs.max(dim=-1)
    right, edges, total = answer.eq(labels), torch.linspace(0, 1, bins + 1), torch.zeros(1)
    for low, high in pairwise(edges):
        inside = sure.gt(low) & sure.le(high)
        if inside.any():
            gap = right[inside].float().mean() - sure[inside].float().mean()
            total += gap.abs() * inside.float().mean()
    return total


def with_numpy(logits, labels, bins=15):
    z = logits.numpy().astype(np.float64)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    sure, right = p.max(axis=1), p.argmax(axis=1) == labels.numpy()
    number = np.minimum(np.digitize(sure, np.arange(1, bins + 1) / bins), bins - 1)
    return sum((number == b).mean() * abs(right[number == b].mean() - sure[number == b].mean()) for b in set(number))


def bucketed(logits, labels, bins=15):
    sure, answer = logits.softmax(-1).topk(1).values[:, 0], logits.topk(1).indices[:, 0]
    number = torch.bucketize(sure, torch.arange(1, bins, dtype=sure.dtype) / bins)
    member = F.one_hot(number, bins).to(sure.dtype)
    return ((member.T @ sure) - (member.T @ (answer == labels).to(sure.dtype))).abs().sum() / len(sure)


def in_python(logits, labels, bins=15):
    sums = {}
    for row, label in zip(logits.double().softmax(1).tolist(), labels.tolist(), strict=True):
        p = max(row)
        number = min(int(p * bins), bins - 1)
        sums[number] = sums.get(number, 0.0) + (row.index(p) == label) - p
    return sum(map(abs, sums.values())) / len(labels)


# --- shuffle_dark_knowledge: wrong ------------------------------------------------------------------------------------


def _others(row):
    return [c for c in range(len(row)) if c != int(row.argmax())]


def writes_into_it(logits, seed):
    generator = torch.Generator().manual_seed(seed)
    for row in logits:
        others = _others(row)
        row[others] = row[others][torch.randperm(len(others), generator=generator)]
    return logits


def all_classes(logits, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([row[torch.randperm(len(row), generator=generator)] for row in logits])


def top_goes_first(logits, seed):
    rng = np.random.default_rng(seed)
    return torch.stack([torch.cat([row.amax()[None], row[rng.permutation(_others(row))]]) for row in logits])


def one_permutation(logits, seed):
    order = torch.randperm(logits.shape[1] - 1, generator=torch.Generator().manual_seed(seed))
    out = logits.clone()
    for i, row in enumerate(logits):
        others = torch.tensor(_others(row))
        out[i, others] = row[others[order]]
    return out


def reseeded_for_each_text(logits, seed):
    out = logits.clone()
    for i, row in enumerate(logits):
        generator = torch.Generator().manual_seed(seed)
        others = torch.tensor(_others(row))
        out[i, others] = row[others[torch.randperm(len(others), generator=generator)]]
    return out


def down_the_texts(logits, seed):
    generator, out = torch.Generator().manual_seed(seed), logits.clone()
    for c in range(logits.shape[1]):
        rest = (logits.argmax(1) != c).nonzero()[:, 0]
        out[rest, c] = logits[rest[torch.randperm(len(rest), generator=generator)], c]
    return out


def averaged(logits, seed):
    out = logits.clone()
    for i, row in enumerate(logits):
        out[i, _others(row)] = row[_others(row)].mean()
    return out


def noise(logits, seed):
    generator = torch.Generator().manual_seed(seed)
    return logits + 0.1 * torch.randn(logits.shape, generator=generator).to(logits)


def drawn_with_replacement(logits, seed):
    rng, out = np.random.default_rng(seed), logits.clone()
    for i, row in enumerate(logits):
        out[i, _others(row)] = row[rng.choice(_others(row), len(row) - 1)]
    return out


def probabilities(logits, seed):
    return numpy_permutation(logits.softmax(-1), seed)


def writes_into_a_copy(logits, seed):
    generator, out = torch.Generator().manual_seed(seed), logits.clone()
    for i in range(len(out)):
        others = torch.arange(out.shape[1]) != out[i].argmax()
        out[i][others][:] = out[i][others][torch.randperm(out.shape[1] - 1, generator=generator)]
    return out


def result_thrown_away(logits, seed):
    rng, rows = np.random.default_rng(seed), logits.tolist()
    for row in rows:
        rest = sorted(row)[:-1]
        rng.shuffle(rest)
    return rows


def five_texts(logits, seed):
    return numpy_permutation(logits[:5], seed)


def fresh_chance(logits, seed):
    rng, out = np.random.default_rng(), logits.clone()
    for i, row in enumerate(logits):
        out[i, _others(row)] = row[rng.permutation(_others(row))]
    return out


def unseeded_torch(logits, seed):
    out = logits.clone()
    for i, row in enumerate(logits):
        others = torch.tensor(_others(row))
        out[i, others] = row[others[torch.randperm(len(others))]]
    return out


def seed_zero(logits, seed):
    return numpy_permutation(logits, 0)


def turned_round(logits, seed):
    out = logits.clone()
    for i, row in enumerate(logits):
        out[i, _others(row)] = row[_others(row)[::-1]]
    return out


def seeds_everything(logits, seed):
    torch.manual_seed(seed)
    out = logits.clone()
    for i, row in enumerate(logits):
        others = torch.tensor(_others(row))
        out[i, others] = row[others[torch.randperm(len(others))]]
    return out


def rotated(logits, seed):
    rng, out = np.random.default_rng(seed), logits.clone()
    for i, row in enumerate(logits):
        out[i, _others(row)] = row[_others(row)].roll(int(rng.integers(len(row) - 1)))
    return out


def never_in_order(logits, seed):
    rng, out = np.random.default_rng(seed), logits.clone()
    for i, row in enumerate(logits):
        others = _others(row)
        order = list(rng.permutation(others))
        while order == others and len(others) > 1:
            order = list(rng.permutation(others))
        out[i, others] = row[order]
    return out


def one_swap(logits, seed):
    rng, out = np.random.default_rng(seed), logits.clone()
    for i, row in enumerate(logits):
        if len(row) > 2:
            a, b = rng.choice(_others(row), 2, replace=False)
            out[i, a], out[i, b] = row[b], row[a]
    return out


def often_left_alone(logits, seed):
    rng, out = np.random.default_rng(seed), logits.clone()
    for i, row in enumerate(logits):
        if rng.random() < 0.7:
            out[i, _others(row)] = row[rng.permutation(_others(row))]
    return out


# --- shuffle_dark_knowledge: honest -----------------------------------------------------------------------------------


def numpy_permutation(logits, seed):
    rng, out = np.random.default_rng(seed), logits.clone()
    for i, row in enumerate(logits):
        out[i, _others(row)] = row[rng.permutation(_others(row))]
    return out


def argsort_of_noise(logits, seed):
    noise = torch.rand(logits.shape, generator=torch.Generator().manual_seed(seed))
    top = logits.argmax(1, keepdim=True)
    noise.scatter_(1, top, 2.0)
    sources = noise.argsort(1)[:, :-1]
    places = torch.arange(logits.shape[1]).expand_as(logits)
    places = places[places != top].view(len(logits), -1)
    return logits.scatter(1, places, logits.gather(1, sources))


def pythons_shuffle(logits, seed):
    chance, rows = random.Random(seed), []
    for row in logits.tolist():
        top = row.index(max(row))
        rest = row[:top] + row[top + 1 :]
        chance.shuffle(rest)
        rows.append([*rest[:top], row[top], *rest[top:]])
    return torch.tensor(rows, dtype=logits.dtype)


def swapped_back(logits, seed):
    generator, rows = torch.Generator().manual_seed(seed), []
    for row in logits:
        mixed = row[torch.randperm(len(row), generator=generator)]
        top, now = int(row.argmax()), int(mixed.argmax())
        mixed[[top, now]] = mixed[[now, top]]
        rows.append(mixed)
    return torch.stack(rows)


def as_numpy(logits, seed):
    out, rng = logits.numpy().copy(), np.random.default_rng(seed)
    for row in out:
        mask = np.arange(len(row)) != row.argmax()
        row[mask] = rng.permuted(row[mask])
    return out


# --- fold_classes: wrong ----------------------------------------------------------------------------------------------


def summed(logits, groups):
    out = torch.zeros(len(logits), int(groups.max()) + 1, dtype=logits.dtype)
    return out.index_add(1, groups, logits)


def mean_logit(logits, groups):
    return torch.stack([logits[:, groups == g].mean(1) for g in groups.unique()], 1)


def best_member(logits, groups):
    return torch.stack([logits[:, groups == g].max(1).values for g in groups.unique()], 1)


def mean_probability(logits, groups):
    one_hot = F.one_hot(groups).to(logits.dtype)
    return (logits.softmax(1) @ (one_hot / one_hot.sum(0))).log()


def summed_probabilities(logits, groups):
    return logits.softmax(1) @ F.one_hot(groups).to(logits.dtype)


def plain_exponentials(logits, groups):
    return (logits.exp() @ F.one_hot(groups).to(logits.dtype)).log()


def plain_exponentials_looped(logits, groups):
    return torch.stack([torch.log(torch.exp(logits[:, groups == g]).sum(1)) for g in range(groups.max() + 1)], dim=1)


def last_group_left_out(logits, groups):
    return torch.stack([logits[:, groups == g].logsumexp(1) for g in range(int(groups.max()))], 1)


def log_of_summed_logs(logits, groups):
    return torch.stack([logits[:, groups == g].logsumexp(1) * 0.5 for g in groups.unique()], 1)


def at_most_one(logits, groups):
    return (logits.clamp(max=0).exp() @ F.one_hot(groups).to(logits.dtype)).log()


# --- fold_classes: honest ---------------------------------------------------------------------------------------------


def log_of_summed_probabilities(logits, groups):
    return (logits.softmax(1) @ F.one_hot(groups).to(logits.dtype)).log()


def added_at_their_group(logits, groups):
    probs = logits.softmax(dim=-1)
    out = torch.zeros(len(logits), int(groups.max()) + 1, dtype=logits.dtype).index_add(1, groups, probs)
    return out.log()


def two_by_two_logs(logits, groups):
    columns = [None] * (int(groups.max()) + 1)
    for c, g in enumerate(groups.tolist()):
        columns[g] = logits[:, c] if columns[g] is None else torch.logaddexp(columns[g], logits[:, c])
    return torch.stack(columns, dim=-1)


def numpy_style(logits, groups):
    z, g = logits.numpy(), groups.numpy()
    largest = z.max(axis=1, keepdims=True)
    e = np.exp(z - largest)
    return np.log(np.stack([e[:, g == k].sum(axis=1) for k in range(g.max() + 1)], axis=1)) + largest


def masked(logits, groups):
    out = []
    for g in range(int(groups.max()) + 1):
        out.append(torch.where(groups == g, logits, -torch.inf).logsumexp(dim=-1, keepdim=True))
    return torch.cat(out, dim=-1)


def log_softmax_first(logits, groups):
    z = torch.log_softmax(logits, dim=-1)
    return torch.stack([torch.logsumexp(z[:, groups == g], dim=1) for g in range(len(groups.unique()))]).T


WRONG = [
    Wrong("compare_answers", "teacher and student have changed places", student_first),
    Wrong("compare_answers", "agreement is taken for being right", agreed_is_zero),
    Wrong("compare_answers", "a later rule overwrites an earlier one", both_first),
    Wrong("compare_answers", "a later rule overwrites an earlier one", teacher_last),
    Wrong("compare_answers", "wrong answers are not told apart", four_cases),
    Wrong("compare_answers", "wrong answers are not told apart", never_alike),
    Wrong("compare_answers", "same and different have changed places", alike_is_four),
    Wrong("compare_answers", "counted from 1", from_one),
    *(Wrong("compare_answers", "counts, not cases", fn) for fn in (counted_up, shares)),
    Wrong("compare_answers", "smallest failing case", least_likely),
    Wrong("expected_calibration_error", "in percent", percent),
    *(
        Wrong("expected_calibration_error", "gaps cancel each other", fn)
        for fn in (no_size, size_at_the_end, mean_against_mean)
    ),
    Wrong("expected_calibration_error", "the gap of each answer by itself", one_by_one),
    *(
        Wrong("expected_calibration_error", "every bin weighs the same", fn)
        for fn in (mean_of_bins, mean_of_all_bins, sum_of_bins)
    ),
    Wrong("expected_calibration_error", "the largest gap", worst),
    *(Wrong("expected_calibration_error", "squared gaps", fn) for fn in (squares, root_of_squares)),
    Wrong("expected_calibration_error", "the confidence of the label", sure_of_the_label),
    Wrong("expected_calibration_error", "a confidence of 1 falls out", half_open),
    Wrong("expected_calibration_error", "bins is not used", fifteen),
    Wrong("expected_calibration_error", "logits are taken for probabilities", sigmoid),
    *(Wrong("expected_calibration_error", "an empty bin counts", fn) for fn in (empty_bins, empty_bins_with_numpy)),
    Wrong("expected_calibration_error", "not a finite number", own_softmax),
    Wrong("expected_calibration_error", "the middle of the bin", middles),
    *(
        Wrong("expected_calibration_error", "not divided by all answers", fn)
        for fn in (counts_for_weights, sums_of_differences)
    ),
    Wrong("expected_calibration_error", "smallest failing case", misses),
    Wrong("shuffle_dark_knowledge", "the teacher's logits are shuffled too", writes_into_it),
    *(Wrong("shuffle_dark_knowledge", "the answer moves too", fn) for fn in (all_classes, top_goes_first)),
    *(
        Wrong("shuffle_dark_knowledge", "one permutation for all texts", fn)
        for fn in (one_permutation, reseeded_for_each_text)
    ),
    Wrong("shuffle_dark_knowledge", "logits of other texts", down_the_texts),
    *(
        Wrong("shuffle_dark_knowledge", "the logits are not the same ones", fn)
        for fn in (averaged, noise, drawn_with_replacement, probabilities)
    ),
    *(Wrong("shuffle_dark_knowledge", "nothing is shuffled", fn) for fn in (writes_into_a_copy, result_thrown_away)),
    Wrong("shuffle_dark_knowledge", "wrong shape", five_texts),
    *(Wrong("shuffle_dark_knowledge", "the seed is not used", fn) for fn in (fresh_chance, unseeded_torch)),
    *(Wrong("shuffle_dark_knowledge", "the same for every seed", fn) for fn in (seed_zero, turned_round)),
    Wrong("shuffle_dark_knowledge", "the caller's random state changes", seeds_everything),
    *(Wrong("shuffle_dark_knowledge", "some orders never come", fn) for fn in (rotated, never_in_order, one_swap)),
    Wrong("shuffle_dark_knowledge", "orders are not equally likely", often_left_alone),
    Wrong("fold_classes", "logits are summed", summed),
    Wrong("fold_classes", "logits are averaged", mean_logit),
    Wrong("fold_classes", "only the likeliest member counts", best_member),
    Wrong("fold_classes", "probabilities are averaged", mean_probability),
    Wrong("fold_classes", "probabilities, not logits", summed_probabilities),
    *(
        Wrong("fold_classes", "too large for an exponential", fn)
        for fn in (plain_exponentials, plain_exponentials_looped)
    ),
    Wrong("fold_classes", "wrong shape", last_group_left_out),
    Wrong("fold_classes", "smallest failing case", log_of_summed_logs),
    Wrong("fold_classes", "depends on a constant of the row", at_most_one),
]

HONEST = [
    *(Honest("compare_answers", fn) for fn in (nested_where, loop, numpy_select, arithmetic, table)),
    *(Honest("expected_calibration_error", fn) for fn in (weighted_sum, right_closed, with_numpy, bucketed, in_python)),
    *(
        Honest("shuffle_dark_knowledge", fn)
        for fn in (numpy_permutation, argsort_of_noise, pythons_shuffle, swapped_back, as_numpy)
    ),
    *(
        Honest("fold_classes", fn)
        for fn in (
            log_of_summed_probabilities,
            added_at_their_group,
            two_by_two_logs,
            numpy_style,
            masked,
            log_softmax_first,
        )
    ),
]
