"""Answers to lesson 13's exercises. The wrong ones are written as learners write them, not as the imitations are."""

import math
import random

import numpy as np
import pandas as pd
import torch

from softlabels.tasks.table import SPLITS, TEST, TRAIN, TRANSFER, VALIDATION
from tests.answers import Honest, Wrong

# --- split_by_hash: wrong ---------------------------------------------------------------------------------------------


def _groups(labels):
    return [(label, [i for i, x in enumerate(labels) if x == label]) for label in sorted(set(labels.tolist()) - {-1})]


def first_rows(ids, labels, share):
    out = [TRANSFER] * len(ids)
    for _, rows in _groups(labels):
        n = round(share * len(rows))
        for place, row in enumerate(rows):
            out[row] = TEST if place < n else VALIDATION if place < 2 * n else TRAIN
    return np.array(out)


def by_chance(ids, labels, share):
    draws = np.array([random.random() for _ in ids])
    out = np.where(draws < share, TEST, np.where(draws < 2 * share, VALIDATION, TRAIN))
    return np.where(labels == -1, TRANSFER, out)


def permuted(ids, labels, share):
    out = np.full(len(ids), TRANSFER)
    for _, rows in _groups(labels):
        rows = np.random.permutation(rows)
        n = round(share * len(rows))
        out[rows], out[rows[:n]], out[rows[n : 2 * n]] = TRAIN, TEST, VALIDATION
    return out


def seeded(ids, labels, share):
    rng, out = np.random.default_rng(0), np.full(len(ids), TRANSFER)
    for _, rows in _groups(labels):
        rows = rng.permutation(rows)
        n = round(share * len(rows))
        out[rows], out[rows[:n]], out[rows[n : 2 * n]] = TRAIN, TEST, VALIDATION
    return out


def one_ranking(ids, labels, share):
    rows = np.flatnonzero(labels >= 0)
    rows = rows[np.argsort(ids[rows])]
    n, out = round(share * len(rows)), np.full(len(ids), TRANSFER)
    out[rows] = TRAIN
    out[rows[:n]] = TEST
    out[rows[n : 2 * n]] = VALIDATION
    return out


def cut_at_a_value(ids, labels, share):
    place = (ids.astype(float) + 2.0**62) / 2.0**63
    out = np.where(place < share, TEST, np.where(place < 2 * share, VALIDATION, TRAIN))
    return np.where(labels < 0, TRANSFER, out)


def _by_rank(ids, labels, share, *, sign=1, to=(TEST, VALIDATION), count=round, skip=True, missing=TRANSFER):
    out = np.full(len(ids), missing)
    for label in set(labels.tolist()):
        if skip and label < 0:
            continue
        rows = sorted(np.flatnonzero(labels == label).tolist(), key=lambda i: sign * int(ids[i]))
        n = count(share * len(rows))
        for place, row in enumerate(rows):
            out[row] = to[0] if place < n else to[1] if place < 2 * n else TRAIN
    return out


def downwards(ids, labels, share):
    return _by_rank(ids, labels, share, sign=-1)


def validation_first(ids, labels, share):
    return _by_rank(ids, labels, share, to=(VALIDATION, TEST))


def int_of_it(ids, labels, share):
    return _by_rank(ids, labels, share, count=int)


def ceil_of_it(ids, labels, share):
    return _by_rank(ids, labels, share, count=lambda x: int(np.ceil(x)))


def at_least_one(ids, labels, share):
    return _by_rank(ids, labels, share, count=lambda x: max(round(x), 1))


def test_alone(ids, labels, share):
    out = np.where(labels == -1, TRANSFER, TRAIN)
    for label in np.unique(labels):
        if label != -1:
            mine = np.where(labels == label)[0]
            out[sorted(mine, key=lambda i: ids[i])[: round(share * len(mine))]] = TEST
    return out


def last_word(ids, labels, share):
    out = np.where(labels == -1, TRANSFER, TRAIN)
    for label in np.unique(labels):
        if label != -1:
            mine = np.where(labels == label)[0]
            mine, n = mine[ids[mine].argsort()], round(share * len(mine))
            out[mine[:n]] = TEST
            out[mine[: 2 * n]] = VALIDATION
    return out


def two_steps(ids, labels, share):
    out = np.where(labels == -1, TRANSFER, TRAIN)
    for label in np.unique(labels[labels != -1]):
        mine = np.where(labels == label)[0]
        mine = mine[ids[mine].argsort()]
        held, rest = mine[: round(share * len(mine))], mine[round(share * len(mine)) :]
        out[held] = TEST
        out[rest[: round(share * len(rest))]] = VALIDATION
    return out


def no_transfer(ids, labels, share):
    return _by_rank(ids, labels, share, missing=TRAIN)


def minus_one_too(ids, labels, share):
    return _by_rank(ids, labels, share, skip=False)


def argsort_for_rank(ids, labels, share):
    out = np.full(len(ids), TRANSFER)
    for label, rows in _groups(labels):
        rank, n = np.argsort(ids[rows]), round(share * len(rows))
        out[labels == label] = [TEST if r < n else VALIDATION if r < 2 * n else TRAIN for r in rank]
    return out


def not_indexed_back(ids, labels, share):
    out = np.where(labels == -1, TRANSFER, TRAIN)
    for label in np.unique(labels[labels != -1]):
        mine = labels == label
        order, n = ids[mine].argsort(), round(share * mine.sum())
        out[mine] = TRAIN
        out[order[:n]], out[order[n : 2 * n]] = TEST, VALIDATION
    return out


def part_of_the_table(ids, labels, share):
    out, n = np.where(labels == -1, TRANSFER, TRAIN), round(share * len(labels))
    for _, rows in _groups(labels):
        rows = sorted(rows, key=lambda i: ids[i])
        out[rows[n : 2 * n]] = VALIDATION
        out[rows[:n]] = TEST
    return out


def remainder(ids, labels, share):
    place = ids % 100
    out = np.where(place < 100 * share, TEST, np.where(place < 200 * share, VALIDATION, TRAIN))
    return np.where(labels < 0, TRANSFER, out)


def up_and_downwards(ids, labels, share):
    return _by_rank(ids, labels, share, sign=-1, count=math.ceil)


def a_fifth(ids, labels, share):
    return _by_rank(ids, labels, 0.2)


def one_too_few(ids, labels, share):
    return _by_rank(ids, labels, share, count=lambda x: max(0, round(x) - 1))


def names(ids, labels, share):
    return [SPLITS[k] for k in _by_rank(ids, labels, share)]


def without_the_unlabelled(ids, labels, share):
    return _by_rank(ids, labels, share)[labels >= 0]


# --- split_by_hash: honest --------------------------------------------------------------------------------------------


def loops(ids, labels, share):
    return _by_rank(ids, labels, share)


def all_sorted_at_once(ids, labels, share):
    labelled = np.flatnonzero(labels >= 0)
    out = np.full(len(ids), TRANSFER, dtype=np.int8)
    order = labelled[np.lexsort((ids[labelled], labels[labelled]))]
    size = np.bincount(labels[labelled])
    rank = np.arange(len(order)) - (np.cumsum(size) - size)[labels[order]]
    part = np.floor(share * size + 0.5)[labels[order]]
    out[order] = np.select([rank < part, rank < 2 * part], [TEST, VALIDATION], TRAIN)
    return out


def with_pandas(ids, labels, share):
    frame = pd.DataFrame({"id": ids, "label": labels})
    group = frame.groupby("label")["id"]
    rank, part = group.rank() - 1, (share * group.transform("size")).round()
    out = np.select([rank < part, rank < 2 * part], [TEST, VALIDATION], TRAIN)
    return pd.Series(np.where(frame["label"] < 0, TRANSFER, out)).to_numpy()


def a_list(ids, labels, share):
    out = [TRANSFER for _ in ids]
    for label in range(int(max(labels)) + 1):
        mine = sorted((int(ids[i]), i) for i in range(len(ids)) if labels[i] == label)
        part = int(len(mine) * share + 0.5)
        for place, (_, row) in enumerate(mine):
            out[row] = (TEST, VALIDATION, TRAIN)[min(2, place // part if part else 2)]
    return out


def with_torch(ids, labels, share):
    ids, labels = torch.from_numpy(ids), torch.from_numpy(labels)
    out = torch.full(labels.shape, TRANSFER)
    for label in labels[labels >= 0].unique():
        rows = (labels == label).nonzero().squeeze(1)
        rows = rows[ids[rows].argsort()]
        n = int(share * len(rows) + 0.5)
        out[rows] = torch.tensor([TEST] * n + [VALIDATION] * n + [TRAIN] * (len(rows) - 2 * n))
    return out


# --- best_that_fits: wrong --------------------------------------------------------------------------------------------


def _ok(c, mb, ms):
    return (mb is None or c["megabytes"] <= mb) and (ms is None or c["p50_ms"] <= ms)


def test_decides(candidates, megabytes, milliseconds):
    best = None
    for i, c in enumerate(candidates):
        if _ok(c, megabytes, milliseconds) and (best is None or c["test_accuracy"] > candidates[best]["test_accuracy"]):
            best = i
    return best


def either(candidates, megabytes, milliseconds):
    best = None
    for i, c in enumerate(candidates):
        small = megabytes is None or c["megabytes"] <= megabytes
        quick = milliseconds is None or c["p50_ms"] <= milliseconds
        if small or quick:
            key = (c["validation_accuracy"], -c["megabytes"])
            if best is None or key > best[0]:
                best = key, i
    return best[1] if best else None


def _loop(candidates, ok, key):
    best = None
    for i, c in enumerate(candidates):
        if ok(c) and (best is None or key(c) > key(candidates[best])):
            best = i
    return best


def _good(c):
    return c["validation_accuracy"], -c["megabytes"]


def any_size(candidates, megabytes, milliseconds):
    return _loop(candidates, lambda c: milliseconds is None or c["p50_ms"] <= milliseconds, _good)


def any_speed(candidates, megabytes, milliseconds):
    return _loop(candidates, lambda c: megabytes is None or c["megabytes"] <= megabytes, _good)


def no_limits(candidates, megabytes, milliseconds):
    return _loop(candidates, lambda c: True, _good)


def lightest(candidates, megabytes, milliseconds):
    return _loop(candidates, lambda c: _ok(c, megabytes, milliseconds), lambda c: -c["megabytes"])


def quickest(candidates, megabytes, milliseconds):
    return _loop(candidates, lambda c: _ok(c, megabytes, milliseconds), lambda c: -c["p50_ms"])


def lowest(candidates, megabytes, milliseconds):
    return _loop(candidates, lambda c: _ok(c, megabytes, milliseconds), lambda c: -c["validation_accuracy"])


def nearest_miss(candidates, megabytes, milliseconds):
    found = _loop(candidates, lambda c: _ok(c, megabytes, milliseconds), _good)
    over = lambda c: max(c["megabytes"] / (megabytes or math.inf), c["p50_ms"] / (milliseconds or math.inf))  # noqa: E731
    return found if found is not None else min(range(len(candidates)), key=lambda i: over(candidates[i]))


def zero_by_default(candidates, megabytes, milliseconds):
    best, score = 0, (-1.0, 0.0)
    for i, c in enumerate(candidates):
        if _ok(c, megabytes, milliseconds) and _good(c) > score:
            best, score = i, _good(c)
    return best


def masked_argmax(candidates, megabytes, milliseconds):
    found = _loop(candidates, lambda c: _ok(c, megabytes, milliseconds), _good)
    return found if found is not None else -1


def strictly(candidates, megabytes, milliseconds):
    mb, ms = (math.inf if x is None else x for x in (megabytes, milliseconds))
    return _loop(candidates, lambda c: c["megabytes"] < mb and c["p50_ms"] < ms, _good)


def none_is_zero(candidates, megabytes, milliseconds):
    mb, ms = megabytes or 0.0, milliseconds or 0.0
    return _loop(candidates, lambda c: c["megabytes"] <= mb and c["p50_ms"] <= ms, _good)


def filtered_first(candidates, megabytes, milliseconds):
    fitting = [c for c in candidates if _ok(c, megabytes, milliseconds)]
    return None if not fitting else fitting.index(max(fitting, key=_good))


def first_of_equals(candidates, megabytes, milliseconds):
    return _loop(candidates, lambda c: _ok(c, megabytes, milliseconds), lambda c: c["validation_accuracy"])


def larger_of_equals(candidates, megabytes, milliseconds):
    return _loop(
        candidates,
        lambda c: _ok(c, megabytes, milliseconds),
        lambda c: (c["validation_accuracy"], c["megabytes"]),
    )


def the_dict(candidates, megabytes, milliseconds):
    fitting = [c for c in candidates if _ok(c, megabytes, milliseconds)]
    return sorted(fitting, key=_good)[-1] if fitting else None


def second_best(candidates, megabytes, milliseconds):
    places = [i for i, c in enumerate(candidates) if _ok(c, megabytes, milliseconds)]
    places.sort(key=lambda i: _good(candidates[i]))
    return places[max(0, len(places) - 2)] if places else None


# --- best_that_fits: honest -------------------------------------------------------------------------------------------


def one_pass(candidates, megabytes, milliseconds):
    return _loop(candidates, lambda c: _ok(c, megabytes, milliseconds), _good)


def infinities(candidates, megabytes, milliseconds):
    mb, ms = (math.inf if x is None else x for x in (megabytes, milliseconds))
    places = [i for i in range(len(candidates)) if candidates[i]["megabytes"] <= mb and candidates[i]["p50_ms"] <= ms]
    if not places:
        return None
    return sorted(places, key=lambda i: (-candidates[i]["validation_accuracy"], candidates[i]["megabytes"]))[0]


def data_frame(candidates, megabytes, milliseconds):
    frame = pd.DataFrame(candidates)
    if megabytes is not None:
        frame = frame[frame["megabytes"] <= megabytes]
    if milliseconds is not None:
        frame = frame[frame["p50_ms"] <= milliseconds]
    if frame.empty:
        return None
    return frame.sort_values(["validation_accuracy", "megabytes"], ascending=[False, True]).index[0]


def arrays(candidates, megabytes, milliseconds):
    size, time, right = (
        np.array([c[name] for c in candidates]) for name in ("megabytes", "p50_ms", "validation_accuracy")
    )
    fits = (size <= (np.inf if megabytes is None else megabytes)) & (
        time <= (np.inf if milliseconds is None else milliseconds)
    )
    if not fits.any():
        return None
    best = np.where(fits, right, -np.inf).max()
    return int(np.where(fits & (right == best), size, np.inf).argmin())


def keeps_the_tuple(candidates, megabytes, milliseconds):
    rated = [(*_good(c), i) for i, c in enumerate(candidates) if _ok(c, megabytes, milliseconds)]
    return max(rated)[-1] if rated else None


# --- accuracy_interval: wrong -----------------------------------------------------------------------------------------


def textbook(share, examples, z=1.96):
    error = np.sqrt(share * (1 - share) / examples)
    return share - z * error, share + z * error


def textbook_clipped(share, examples, z=1.96):
    error = np.sqrt(share * (1 - share) / examples)
    return float(np.clip(share - z * error, 0, 1)), float(np.clip(share + z * error, 0, 1))


def _wilson(p, n, z, root=math.sqrt, scale=None):
    d = 1 + z * z / n if scale is None else scale
    m, h = p + z * z / (2 * n), z * root(p * (1 - p) / n + z * z / (4 * n * n))
    return m, h, d


def rootless(share, examples, z=1.96):
    m, h, d = _wilson(share, examples, z, root=float)
    return (m - h) / d, (m + h) / d


def undivided(share, examples, z=1.96):
    m, h, _ = _wilson(share, examples, z)
    return m - h, m + h


def even(share, examples, z=1.96):
    _, h, d = _wilson(share, examples, z)
    return share - h / d, share + h / d


def brackets(share, examples, z=1.96):
    m, h, d = _wilson(share, examples, z)
    return m / d - h, m / d + h


def one_deviation(share, examples, z=1.96):
    p, n = share, examples
    h = (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    return (p + z**2 / (2 * n) - h) / (1 + z**2 / n), (p + z**2 / (2 * n) + h) / (1 + z**2 / n)


def four_n(share, examples, z=1.96):
    p, n = share, examples
    h = z * (p * (1 - p) / n + z**2 / (4 * n)) ** 0.5
    return (p + z**2 / (2 * n) - h) / (1 + z**2 / n), (p + z**2 / (2 * n) + h) / (1 + z**2 / n)


def spread_of_one(share, examples, z=1.96):
    p, n = share, examples
    h = z * (p * (1 - p) + z**2 / (4 * n**2)) ** 0.5
    return (p + z**2 / (2 * n) - h) / (1 + z**2 / n), (p + z**2 / (2 * n) + h) / (1 + z**2 / n)


def plain_z(share, examples, z=1.96):
    p, n = share, examples
    h = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    return (p + z / (2 * n) - h) / (1 + z / n), (p + z / (2 * n) + h) / (1 + z / n)


def typed_in(share, examples, z=1.96):
    m, h, d = _wilson(share, examples, 1.96)
    return (m - h) / d, (m + h) / d


def per_cent(share, examples, z=1.96):
    m, h, d = _wilson(share, examples, z)
    return 100 * (m - h) / d, 100 * (m + h) / d


def high_first(share, examples, z=1.96):
    m, h, d = _wilson(share, examples, z)
    return (m + h) / d, (m - h) / d


def middle(share, examples, z=1.96):
    m, h, d = _wilson(share, examples, z)
    return m / d, h / d


def no_brackets(share, examples, z=1.96):
    p, n = share, examples
    h = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    return (p + z**2 / 2 * n - h) / (1 + z**2 / n), (p + z**2 / 2 * n + h) / (1 + z**2 / n)


def no_brackets_in_the_root(share, examples, z=1.96):
    p, n = share, examples
    h = z * (p * (1 - p) / n + z**2 / 4 * n**2) ** 0.5
    return (p + z**2 / (2 * n) - h) / (1 + z**2 / n), (p + z**2 / (2 * n) + h) / (1 + z**2 / n)


def short_root(share, examples, z=1.96):
    p, n = share, examples
    h = z * (np.sqrt(p * (1 - p) / n) + z**2 / (4 * n**2))
    return (p + z**2 / (2 * n) - h) / (1 + z**2 / n), (p + z**2 / (2 * n) + h) / (1 + z**2 / n)


def low_alone(share, examples, z=1.96):
    m, h, d = _wilson(share, examples, z)
    return (m - h) / d


def twice_as_wide(share, examples, z=1.96):
    m, h, d = _wilson(share, examples, z)
    return (m - 2 * h) / d, (m + 2 * h) / d


# --- accuracy_interval: honest ----------------------------------------------------------------------------------------


def with_numpy(share, examples, z=1.96):
    signs = np.array([-1, 1])
    root = np.sqrt(share * (1 - share) / examples + z**2 / (4 * examples**2))
    return tuple((share + z**2 / (2 * examples) + signs * z * root) / (1 + z**2 / examples))


def the_roots_of_a_parabola(share, examples, z=1.96):
    roots = np.roots([1 + z**2 / examples, -2 * share - z**2 / examples, share**2])
    return min(roots.real), max(roots.real)


def by_counts(share, examples, z=1.96):
    right, wrong = share * examples, (1 - share) * examples
    centre = (right + z**2 / 2) / (examples + z**2)
    half = z / (examples + z**2) * math.sqrt(right * wrong / examples + z**2 / 4)
    return [centre - half, centre + half]


def an_array(share, examples, z=1.96):
    m, h, d = _wilson(share, examples, z)
    return np.clip(np.array([m - h, m + h]) / d, 0, 1)


def a_tensor(share, examples, z=1.96):
    m, h, d = _wilson(torch.tensor(share), examples, z, root=torch.sqrt)
    return torch.stack([m - h, m + h]) / d


def tensors(share, examples, z=1.96):
    p, n = torch.tensor(share, dtype=torch.float64), torch.tensor(float(examples), dtype=torch.float64)
    centre, half = p + z**2 / (2 * n), z * (p * (1 - p) / n + z**2 / (4 * n**2)).sqrt()
    return (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)


WRONG = [
    *(Wrong("split_by_hash", "another split each time", fn) for fn in (by_chance, permuted)),
    *(Wrong("split_by_hash", "depends on the order of the rows", fn) for fn in (first_rows, seeded)),
    *(Wrong("split_by_hash", "a class does not get its share", fn) for fn in (one_ranking, cut_at_a_value, remainder)),
    Wrong("split_by_hash", "an order is taken for ranks", argsort_for_rank),
    Wrong("split_by_hash", "places within the class are taken for rows", not_indexed_back),
    Wrong("split_by_hash", "a share of all texts", part_of_the_table),
    *(Wrong("split_by_hash", "smallest failing case", fn) for fn in (up_and_downwards, a_fifth, one_too_few)),
    Wrong("split_by_hash", "the largest ids go to the test set", downwards),
    Wrong("split_by_hash", "test and validation have changed places", validation_first),
    Wrong("split_by_hash", "rounded down", int_of_it),
    *(Wrong("split_by_hash", "rounded up", fn) for fn in (ceil_of_it, at_least_one)),
    Wrong("split_by_hash", "no validation set", test_alone),
    Wrong("split_by_hash", "validation is written over test", last_word),
    Wrong("split_by_hash", "validation is a share of the rest", two_steps),
    Wrong("split_by_hash", "texts without a label are in train", no_transfer),
    Wrong("split_by_hash", "no label is taken for a class", minus_one_too),
    Wrong("split_by_hash", "wrong type", names),
    Wrong("split_by_hash", "wrong shape", without_the_unlabelled),
    Wrong("best_that_fits", "chosen on test", test_decides),
    Wrong("best_that_fits", "one limit is enough", either),
    Wrong("best_that_fits", "the size is not looked at", any_size),
    Wrong("best_that_fits", "the time is not looked at", any_speed),
    Wrong("best_that_fits", "the limits are not looked at", no_limits),
    Wrong("best_that_fits", "the smallest, not the best", lightest),
    Wrong("best_that_fits", "the fastest, not the best", quickest),
    Wrong("best_that_fits", "the worst that fits", lowest),
    *(Wrong("best_that_fits", "a miss is returned without a word", fn) for fn in (nearest_miss, zero_by_default)),
    Wrong("best_that_fits", "-1 for none", masked_argmax),
    Wrong("best_that_fits", "what lies on the limit is refused", strictly),
    Wrong("best_that_fits", "no limit is taken for a limit of nothing", none_is_zero),
    Wrong("best_that_fits", "the place among those that fit", filtered_first),
    *(Wrong("best_that_fits", "of equals, not the smallest", fn) for fn in (first_of_equals, larger_of_equals)),
    Wrong("best_that_fits", "the candidate, not its place", the_dict),
    Wrong("best_that_fits", "smallest failing case", second_best),
    *(
        Wrong("accuracy_interval", "the share plus and minus z standard errors", fn)
        for fn in (textbook, textbook_clipped)
    ),
    Wrong("accuracy_interval", "the square root is missing", rootless),
    Wrong("accuracy_interval", "the root ends too early", short_root),
    *(
        Wrong("accuracy_interval", "a product under a fraction line without brackets", fn)
        for fn in (no_brackets, no_brackets_in_the_root)
    ),
    Wrong("accuracy_interval", "the first fraction is missing", undivided),
    Wrong("accuracy_interval", "the centre stays at the share", even),
    Wrong("accuracy_interval", "the half width is not divided", brackets),
    Wrong("accuracy_interval", "z is missing before the root", one_deviation),
    Wrong("accuracy_interval", "n is not squared", four_n),
    Wrong("accuracy_interval", "the spread is not divided by n", spread_of_one),
    Wrong("accuracy_interval", "z is not squared", plain_z),
    Wrong("accuracy_interval", "z is not used", typed_in),
    Wrong("accuracy_interval", "in percent", per_cent),
    Wrong("accuracy_interval", "high before low", high_first),
    Wrong("accuracy_interval", "centre and half width, not the ends", middle),
    Wrong("accuracy_interval", "wrong shape", low_alone),
    Wrong("accuracy_interval", "smallest failing case", twice_as_wide),
]

HONEST = [
    *(Honest("split_by_hash", fn) for fn in (loops, all_sorted_at_once, with_pandas, a_list, with_torch)),
    *(Honest("best_that_fits", fn) for fn in (one_pass, infinities, data_frame, arrays, keeps_the_tuple)),
    *(
        Honest("accuracy_interval", fn)
        for fn in (with_numpy, the_roots_of_a_parabola, by_counts, tensors, an_array, a_tensor)
    ),
]
