"""Answers to lesson 05's exercises: cut_by_length, rows_of, top_k_soft_labels and restore_soft_labels."""

import bisect

import numpy as np
import torch

from softlabels.distill.topk import TopK

from . import Honest, Wrong

# --- cut_by_length: wrong ---------------------------------------------------------------------------------------------


def slices(order, size):
    return [order[i : i + size] for i in range(0, len(order), size)]


def full_batches_only(order, lengths, batch_size, pool_size):
    rows = in_a_loop(order, lengths, len(order), pool_size)[0]
    return list(rows[: len(rows) // batch_size * batch_size].reshape(-1, batch_size))


def as_it_came(order, lengths, batch_size, pool_size):
    return [order[i : i + batch_size].tolist() for i in range(0, len(order), batch_size)]


def sorts_its_batches(order, lengths, batch_size, pool_size):
    return [sorted(batch, key=lambda row: lengths[row]) for batch in slices(order, batch_size)]


def sorts_everything(order, lengths, batch_size, pool_size):
    return slices(sorted(order.tolist(), key=lambda row: lengths[row]), batch_size)


def pool_of_batches(order, lengths, batch_size, pool_size):
    rows = []
    for pool in slices(order.tolist(), pool_size * batch_size):
        rows += sorted(pool, key=lengths.__getitem__)
    return slices(rows, batch_size)


def forgets_the_order(order, lengths, batch_size, pool_size):
    rows = []
    for pool in slices(np.arange(len(lengths)), pool_size):
        rows.extend(pool[np.argsort(lengths[pool])])
    return slices(rows, batch_size)


def length_of_the_place(order, lengths, batch_size, pool_size):
    pool = np.arange(len(order)) // pool_size
    return slices(order[np.lexsort((lengths, pool))], batch_size)


def forgets_to_look_up(order, lengths, batch_size, pool_size):
    rows = np.concatenate([np.argsort(lengths[pool]) for pool in slices(order, pool_size)])
    return slices(rows, batch_size)


def places_in_the_order(order, lengths, batch_size, pool_size):
    pool = np.arange(len(order)) // pool_size
    return slices(np.lexsort((lengths[order], pool)), batch_size)


def descending(order, lengths, batch_size, pool_size):
    rows = np.concatenate([pool[np.argsort(lengths[pool])[::-1]] for pool in slices(order, pool_size)])
    return slices(rows, batch_size)


def sorted_lengths(order, lengths, batch_size, pool_size):
    return slices(np.concatenate([np.sort(lengths[pool]) for pool in slices(order, pool_size)]), batch_size)


def never_cut(order, lengths, batch_size, pool_size):
    return np.concatenate([pool[np.argsort(lengths[pool])] for pool in slices(order, pool_size)])


def whole_pools(order, lengths, batch_size, pool_size):
    return [pool[np.argsort(lengths[pool])] for pool in slices(order, pool_size)]


def looked_up_by_length(order, lengths, batch_size, pool_size):
    rows = []
    for pool in slices(order.tolist(), pool_size):
        row_of = {lengths[row]: row for row in pool}  # rows of one length overwrite each other
        rows += [row_of[length] for length in sorted(lengths[pool])]
    return slices(rows, batch_size)


def snake(order, lengths, batch_size, pool_size):
    pools = [pool[np.argsort(lengths[pool])] for pool in slices(order, pool_size)]
    return slices(np.concatenate([pool[::-1] if i % 2 else pool for i, pool in enumerate(pools)]), batch_size)


def sorts_in_place(order, lengths, batch_size, pool_size):
    for i in range(0, len(order), pool_size):
        pool = order[i : i + pool_size]
        pool[:] = pool[np.argsort(lengths[pool])]
    return slices(order, batch_size)


# --- cut_by_length: honest --------------------------------------------------------------------------------------------


def in_a_loop(order, lengths, batch_size, pool_size):
    rows = np.concatenate([pool[np.argsort(lengths[pool])] for pool in slices(order, pool_size)])
    return slices(rows, batch_size)


def with_lists(order, lengths, batch_size, pool_size):
    rows = []
    for start in range(0, len(order), pool_size):
        rows.extend(sorted(order[start : start + pool_size].tolist(), key=lambda row: int(lengths[row])))
    return [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]


def pool_by_pool(order, lengths, batch_size, pool_size):
    batches = []
    for pool in slices(order, pool_size):
        ranked = np.take(pool, lengths.take(pool).argsort(kind="stable"))
        batches += np.array_split(ranked, range(batch_size, len(ranked), batch_size))
    return batches


def with_torch(order, lengths, batch_size, pool_size):
    order, lengths = torch.from_numpy(order), torch.from_numpy(lengths)
    pools = [pool[lengths[pool].argsort()] for pool in order.split(pool_size)]
    return torch.cat(pools).split(batch_size)


def by_one_key(order, lengths, batch_size, pool_size):
    pool = np.arange(len(order)) // pool_size
    key = pool * (lengths.max() + 1) + lengths[order]
    return slices(order[np.argsort(key)], batch_size)


def as_tuples(order, lengths, batch_size, pool_size):
    ranked = sorted((place // pool_size, lengths[row], place, row) for place, row in enumerate(order))
    rows = [row for *_, row in ranked]
    return tuple(rows[i : i + batch_size] for i in range(0, len(rows), batch_size))


# --- rows_of: wrong ---------------------------------------------------------------------------------------------------


def counts(ids, known_ids):
    return list(range(len(ids)))


def identity(ids, known_ids):
    return [int(i) for i in ids]


def searched_unsorted(ids, known_ids):
    return [bisect.bisect_left(known_ids, i) for i in ids]


def searched_unsorted_and_capped(ids, known_ids):
    return np.minimum(np.searchsorted(known_ids, ids), len(known_ids) - 1)


def place_among_sorted(ids, known_ids):
    ranked = sorted(known_ids.tolist())
    return np.array([bisect.bisect_left(ranked, i) for i in ids.tolist()])


def found_in_their_order(ids, known_ids):
    wanted = set(ids.tolist())
    return [row for row, known in enumerate(known_ids.tolist()) if known in wanted]


def intersected(ids, known_ids):
    return np.intersect1d(ids, known_ids, return_indices=True)[2]


def backwards(ids, known_ids):
    ids = ids.tolist()
    return np.array([ids.index(known) for known in known_ids.tolist() if known in ids])


def membership(ids, known_ids):
    wanted = ids.tolist()
    return np.array([known in wanted for known in known_ids.tolist()])


def first_row_when_unknown(ids, known_ids):
    row = {known: i for i, known in enumerate(known_ids.tolist())}
    return np.array([row.get(i, 0) for i in ids.tolist()])


def minus_one_when_unknown(ids, known_ids):
    known = known_ids.tolist()
    return [known.index(i) if i in known else -1 for i in ids.tolist()]


def nearest_neighbour(ids, known_ids):
    return np.abs(known_ids[None, :] - ids[:, None]).argmin(axis=1)


def skips_unknown(ids, known_ids):
    row = {known: i for i, known in enumerate(known_ids.tolist())}
    return np.array([row[i] for i in ids.tolist() if i in row], dtype=int)


def skips_what_is_not_found(ids, known_ids):
    return np.nonzero(ids[:, None] == known_ids)[1]


def complains_otherwise(ids, known_ids):
    return np.array([known_ids.tolist().index(i) for i in ids.tolist()])  # a ValueError


def one_too_far(ids, known_ids):
    row = {known: i + 1 for i, known in enumerate(known_ids.tolist())}
    return np.array([row[i] for i in ids.tolist()])


# --- rows_of: honest --------------------------------------------------------------------------------------------------


def numpy_keys(ids, known_ids):
    row = dict(zip(known_ids, range(len(known_ids)), strict=True))
    return [row[i] for i in ids]


def sorted_search(ids, known_ids):
    order = np.argsort(known_ids)
    places = np.searchsorted(known_ids, ids, sorter=order)
    rows = order[np.minimum(places, len(order) - 1)]
    if not np.array_equal(known_ids[rows], ids):
        raise KeyError("an id has no soft label")
    return rows


def compared_pairwise(ids, known_ids):
    same = ids[:, None] == known_ids[None, :]
    if not same.any(axis=1).all():
        raise KeyError(ids[~same.any(axis=1)][0])
    return same.argmax(axis=1)


def looped(ids, known_ids):
    rows = []
    for wanted in ids:
        found = np.flatnonzero(known_ids == wanted)
        if len(found) == 0:
            raise KeyError(f"{wanted} is not known")
        rows.append(found[0])
    return np.array(rows)


def with_pandas(ids, known_ids):
    import pandas as pd

    return pd.Series(np.arange(len(known_ids)), index=known_ids).loc[ids].to_numpy()


def tensor_of_rows(ids, known_ids):
    row = {int(known): i for i, known in enumerate(known_ids)}
    return torch.tensor([row[int(i)] for i in ids])


# --- top_k_soft_labels: wrong -----------------------------------------------------------------------------------------


def guarded(function):
    """The same answer with the guard in front, so that what is wrong is wrong alone."""

    def top_k_soft_labels(soft_labels, k):
        if not 0 < k <= soft_labels.size(-1):
            raise ValueError(k)
        return function(soft_labels, k)

    top_k_soft_labels.__name__ = function.__name__
    return top_k_soft_labels


@guarded
def values_first(soft_labels, k):
    values, indices = torch.topk(soft_labels, k)
    return values, indices, 1 - values.sum(-1)


def scaled_up(soft_labels, k):
    if k < 1 or k > soft_labels.shape[1]:
        raise ValueError("k")
    order = soft_labels.argsort(descending=True)[:, :k]
    probs = soft_labels.gather(1, order)
    return TopK(order, probs / probs.sum(1, keepdim=True), 1 - probs.sum(1))


@guarded
def scaled_up_without_tail(soft_labels, k):
    probs, classes = soft_labels.topk(k)
    probs = probs / probs.sum(-1, keepdim=True)
    return TopK(classes, probs, 1 - probs.sum(-1))


@guarded
def ascending(soft_labels, k):
    classes = torch.argsort(soft_labels, dim=-1)[:, -k:]
    probs = soft_labels.gather(-1, classes)
    return TopK(classes, probs, 1 - probs.sum(-1))


@guarded
def wrong_end(soft_labels, k):
    classes = torch.argsort(soft_labels, dim=-1)[:, :k]
    probs = soft_labels.gather(-1, classes)
    return TopK(classes, probs, 1 - probs.sum(-1))


@guarded
def wrong_end_reversed(soft_labels, k):
    classes = torch.argsort(soft_labels, dim=-1)[:, :k].flip(-1)
    probs = soft_labels.gather(-1, classes)
    return TopK(classes, probs, 1 - probs.sum(-1))


@guarded
def softened_again(soft_labels, k):
    probs, classes = soft_labels.exp().div(soft_labels.exp().sum(-1, keepdim=True)).topk(k)
    return TopK(classes, probs, 1 - probs.sum(-1))


@guarded
def kept_mass(soft_labels, k):
    probs, classes = soft_labels.sort(descending=True)
    return TopK(classes[:, :k], probs[:, :k], probs[:, :k].sum(dim=1))


@guarded
def share_of_the_tail(soft_labels, k):
    probs, classes = soft_labels.sort(descending=True)
    rest = probs[:, k:]
    tail = rest.mean(dim=1) if rest.shape[1] else torch.zeros_like(probs[:, 0])
    return TopK(classes[:, :k], probs[:, :k], tail)


@guarded
def tail_of_zeros(soft_labels, k):
    probs, classes = soft_labels.topk(k)
    return TopK(classes, probs, soft_labels.new_zeros(len(soft_labels)))


@guarded
def tail_of_the_batch(soft_labels, k):
    probs, classes = soft_labels.topk(k)
    return TopK(classes, probs, 1 - probs.sum())


@guarded
def mean_tail(soft_labels, k):
    probs, classes = soft_labels.topk(k)
    return TopK(classes, probs, (1 - probs.sum(-1)).mean())


@guarded
def tail_in_a_column(soft_labels, k):
    probs, classes = soft_labels.topk(k)
    return TopK(classes, probs, 1 - probs.sum(-1, keepdim=True))


@guarded
def leading_columns(soft_labels, k):
    kept = soft_labels[:, :k]
    return TopK(torch.arange(k).repeat(len(kept), 1), kept, soft_labels[:, k:].sum(-1))


@guarded
def next_probability(soft_labels, k):
    probs, classes = soft_labels.sort(descending=True)
    tail = probs[:, k] if k < probs.shape[1] else 1 - probs.sum(-1)
    return TopK(classes[:, :k], probs[:, :k], tail)


def takes_any_k(soft_labels, k):
    k = min(max(k, 1), soft_labels.shape[-1])
    probs, classes = soft_labels.topk(k)
    return TopK(classes, probs, 1 - probs.sum(-1))


# --- top_k_soft_labels: honest ----------------------------------------------------------------------------------------


@guarded
def by_topk(soft_labels, k):
    found = soft_labels.topk(k)
    return TopK(found.indices, found.values, 1 - found.values.sum(-1))


@guarded
def by_sorting(soft_labels, k):
    probs, classes = soft_labels.sort(dim=-1, descending=True)
    return TopK(classes=classes[:, :k], probs=probs[:, :k], tail=probs[:, k:].sum(dim=-1))


@guarded
def by_numpy(soft_labels, k):
    p = soft_labels.numpy()
    classes = np.argsort(-p, axis=1)[:, :k]
    probs = np.take_along_axis(p, classes, axis=1)
    return classes, probs, np.maximum(0, 1 - probs.sum(axis=1))


@guarded
def row_by_row(soft_labels, k):
    rows = soft_labels.tolist()
    classes = [sorted(range(len(row)), key=lambda c, row=row: -row[c])[:k] for row in rows]
    probs = [[row[c] for c in kept] for row, kept in zip(rows, classes, strict=True)]
    return TopK(torch.tensor(classes), torch.tensor(probs), torch.tensor([1 - sum(p) for p in probs]))


@guarded
def in_double(soft_labels, k):
    p = soft_labels.double()
    classes = p.argsort(dim=1, descending=True)[:, :k]
    probs = torch.gather(p, 1, classes)
    return [classes, probs, (p.sum(dim=1) - probs.sum(dim=1)).clamp_min(0)]


# --- restore_soft_labels: wrong ---------------------------------------------------------------------------------------


def zeros_elsewhere(top, classes):
    return torch.zeros(len(top.tail), classes, dtype=top.probs.dtype).scatter_(1, top.classes, top.probs)


def normalised(top, classes):
    whole = zeros_elsewhere(top, classes)
    return whole / whole.sum(dim=1, keepdim=True)


def tail_for_each(top, classes):
    whole = top.tail.reshape(-1, 1).expand(-1, classes).clone()
    whole[torch.arange(len(whole))[:, None], top.classes] = top.probs
    return whole


def over_all_classes(top, classes):
    return zeros_elsewhere(top, classes) + top.tail[:, None] / classes


def over_all_classes_then_written(top, classes):
    whole = (top.tail / classes)[:, None].repeat(1, classes)
    return whole.scatter(1, top.classes, top.probs)


def over_k(top, classes):
    whole = (top.tail / top.classes.shape[1])[:, None].repeat(1, classes)
    return whole.scatter(1, top.classes, top.probs)


def to_the_first(top, classes):
    whole = zeros_elsewhere(top, classes)
    for row, kept, tail in zip(whole, top.classes.tolist(), top.tail, strict=True):
        others = [c for c in range(classes) if c not in kept]
        if others:
            row[others[0]] = tail
    return whole


def to_the_last(top, classes):
    whole = zeros_elsewhere(top, classes)
    for row, kept, tail in zip(whole, top.classes.tolist(), top.tail, strict=True):
        others = [c for c in range(classes) if c not in kept]
        if others:
            row[others[-1]] = tail
    return whole


def first_columns(top, classes):
    k = top.probs.shape[1]
    whole = (top.tail / max(classes - k, 1))[:, None].repeat(1, classes)
    whole[:, :k] = top.probs
    return whole


def softened_at_the_end(top, classes):
    return scattered(top, classes).softmax(dim=1)


def zero_over_zero(top, classes):
    kept = zeros_elsewhere(top, classes)
    share = top.tail[:, None] / (classes - top.classes.shape[1])
    return kept + share * (kept == 0)  # 0/0 when all classes are kept


def tail_by_weight(top, classes):
    whole = scattered(top, classes)
    weights = torch.arange(1, classes + 1, dtype=whole.dtype)
    rest = torch.ones_like(whole).scatter(1, top.classes, 0.0) * weights
    return zeros_elsewhere(top, classes) + top.tail[:, None] * rest / rest.sum(1, keepdim=True).clamp(min=1e-9)


# --- restore_soft_labels: honest --------------------------------------------------------------------------------------


def scattered(top, classes):
    share = top.tail / max(1, classes - top.classes.shape[-1])
    return share[:, None].expand(-1, classes).scatter(-1, top.classes, top.probs)


def nan_overwritten(top, classes):
    whole = (top.tail / (classes - top.classes.shape[1]))[:, None].repeat(1, classes)
    whole[torch.arange(len(whole))[:, None], top.classes] = top.probs
    return whole


def one_by_one(top, classes):
    whole = []
    for kept, probs, tail in zip(top.classes.tolist(), top.probs.tolist(), top.tail.tolist(), strict=True):
        others = classes - len(kept)
        row = [tail / others if others else 0.0] * classes
        for c, p in zip(kept, probs, strict=True):
            row[c] = p
        whole.append(row)
    return torch.tensor(whole)


def numpy_style(top, classes):
    kept, probs, tail = (np.asarray(part) for part in top)
    rest = np.ones((len(kept), classes))
    np.put_along_axis(rest, kept, 0.0, axis=1)
    whole = tail[:, None] * rest / np.maximum(rest.sum(axis=1, keepdims=True), 1)
    np.put_along_axis(whole, kept, probs, axis=1)
    return whole


def one_hot_einsum(top, classes):
    hot = torch.nn.functional.one_hot(top.classes, classes).to(top.probs.dtype)
    left = 1 - hot.sum(dim=1)
    share = top.tail / left.sum(dim=1).clamp(min=1)
    return torch.einsum("tk,tkc->tc", top.probs, hot) + share[:, None] * left


def doubled(top, classes):
    top = TopK(top.classes, top.probs.double(), top.tail.double())
    return scattered(top, classes)


WRONG = [
    Wrong("cut_by_length", "the last batch is dropped", full_batches_only),
    Wrong("cut_by_length", "not sorted at all", as_it_came),
    Wrong("cut_by_length", "sorted inside each batch only", sorts_its_batches),
    Wrong("cut_by_length", "one pool for everything", sorts_everything),
    Wrong("cut_by_length", "the pool counted in batches", pool_of_batches),
    Wrong("cut_by_length", "the order is ignored", forgets_the_order),
    Wrong("cut_by_length", "lengths looked up by place, not by row", length_of_the_place),
    *(Wrong("cut_by_length", "places instead of rows", fn) for fn in (forgets_to_look_up, places_in_the_order)),
    Wrong("cut_by_length", "longest first", descending),
    Wrong("cut_by_length", "lengths instead of rows", sorted_lengths),
    Wrong("cut_by_length", "sorted, but not cut into batches", never_cut),
    Wrong("cut_by_length", "one batch for each pool", whole_pools),
    Wrong("cut_by_length", "a row is missing or there twice", looked_up_by_length),
    Wrong("cut_by_length", "a pool is not sorted", snake),
    Wrong("cut_by_length", "changes its inputs", sorts_in_place),
    Wrong("rows_of", "kept by position", counts),
    Wrong("rows_of", "ids taken for rows", identity),
    Wrong("rows_of", "searchsorted in what is not sorted", searched_unsorted),
    Wrong("rows_of", "searchsorted in what is not sorted", searched_unsorted_and_capped),
    Wrong("rows_of", "places in the sorted ids", place_among_sorted),
    *(Wrong("rows_of", "the order asked for is lost", fn) for fn in (found_in_their_order, intersected)),
    Wrong("rows_of", "searched the other way round", backwards),
    Wrong("rows_of", "a mask instead of rows", membership),
    Wrong("rows_of", "an unknown id gets an answer", first_row_when_unknown),
    Wrong("rows_of", "an unknown id gets an answer", minus_one_when_unknown),
    Wrong("rows_of", "an unknown id gets an answer", nearest_neighbour),
    *(Wrong("rows_of", "unknown ids are left out", fn) for fn in (skips_unknown, skips_what_is_not_found)),
    Wrong("rows_of", "no KeyError", complains_otherwise),
    Wrong("rows_of", "smallest failing case", one_too_far),
    Wrong("top_k_soft_labels", "classes and probabilities changed places", values_first),
    *(Wrong("top_k_soft_labels", "renormalised", fn) for fn in (scaled_up, scaled_up_without_tail)),
    Wrong("top_k_soft_labels", "least likely first", ascending),
    *(Wrong("top_k_soft_labels", "the k smallest", fn) for fn in (wrong_end, wrong_end_reversed)),
    Wrong("top_k_soft_labels", "softmax of what are probabilities already", softened_again),
    Wrong("top_k_soft_labels", "the tail is what was kept", kept_mass),
    Wrong("top_k_soft_labels", "the tail already shared out", share_of_the_tail),
    Wrong("top_k_soft_labels", "no tail", tail_of_zeros),
    *(Wrong("top_k_soft_labels", "one tail for all texts", fn) for fn in (tail_of_the_batch, mean_tail)),
    Wrong("top_k_soft_labels", "the tail keeps its axis", tail_in_a_column),
    Wrong("top_k_soft_labels", "the first k classes", leading_columns),
    Wrong("top_k_soft_labels", "smallest failing case", next_probability),
    Wrong("top_k_soft_labels", "no ValueError", takes_any_k),
    Wrong("restore_soft_labels", "the tail is left out", zeros_elsewhere),
    Wrong("restore_soft_labels", "renormalised instead of a tail", normalised),
    Wrong("restore_soft_labels", "the whole tail for each class", tail_for_each),
    Wrong("restore_soft_labels", "the tail spread over all classes", over_all_classes),
    Wrong("restore_soft_labels", "the tail spread over all classes", over_all_classes_then_written),
    Wrong("restore_soft_labels", "the tail divided by k", over_k),
    *(Wrong("restore_soft_labels", "the tail given to one class", fn) for fn in (to_the_first, to_the_last)),
    Wrong("restore_soft_labels", "the probabilities in the first columns", first_columns),
    Wrong("restore_soft_labels", "softmax of what are probabilities already", softened_at_the_end),
    Wrong("restore_soft_labels", "not a finite number", zero_over_zero),
    Wrong("restore_soft_labels", "smallest failing case", tail_by_weight),
]

HONEST = [
    *(Honest("cut_by_length", fn) for fn in (in_a_loop, with_lists, pool_by_pool, with_torch, by_one_key, as_tuples)),
    *(
        Honest("rows_of", fn)
        for fn in (numpy_keys, sorted_search, compared_pairwise, looped, with_pandas, tensor_of_rows)
    ),
    *(Honest("top_k_soft_labels", fn) for fn in (by_topk, by_sorting, by_numpy, row_by_row, in_double)),
    *(
        Honest("restore_soft_labels", fn)
        for fn in (scattered, nan_overwritten, one_by_one, numpy_style, one_hot_einsum, doubled)
    ),
]
