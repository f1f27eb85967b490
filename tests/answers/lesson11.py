"""Answers to lesson 11's exercises. The wrong ones are written as learners write them, not as the imitations are."""

import copy

import numpy as np
import torch
from torch import nn

from softlabels.distill.frontier import pareto_front
from softlabels.distill.low_rank import factorise_table
from softlabels.distill.pruning import magnitude_mask, prune_heads
from softlabels.distill.rounding import quantize_rows
from tests.answers import Honest, Wrong

# --- magnitude_mask: wrong --------------------------------------------------------------------------------------------


def sorted_by_value(weight, share):
    order = torch.sort(weight.reshape(-1)).indices
    mask = torch.full((weight.numel(),), True)
    mask[order[: round(weight.numel() * share)]] = False
    return mask.reshape(weight.shape)


def zeros_and_then_ones(weight, share):
    mask = torch.zeros(weight.numel(), dtype=torch.bool)
    mask[weight.abs().view(-1).argsort()[: round(share * weight.numel())]] = True
    return mask.view_as(weight)


def falling_order(weight, share):
    mask = torch.ones_like(weight, dtype=torch.bool).flatten()
    order = weight.abs().flatten().argsort(descending=True)
    mask[order[: round(share * weight.numel())]] = False
    return mask.view_as(weight)


def share_to_keep(weight, share):
    kept = weight.abs().flatten().topk(round(share * weight.numel())).indices
    mask = torch.zeros(weight.numel(), dtype=torch.bool)
    mask[kept] = True
    return mask.view_as(weight)


def rows_by_norm(weight, share):
    drop = weight.square().sum(1).argsort()[: round(share * weight.shape[0])]
    mask = torch.ones_like(weight, dtype=torch.bool)
    mask[drop] = False
    return mask


def along_the_last_axis(weight, share):
    order = weight.abs().argsort(dim=-1)[:, : round(share * weight.shape[1])]
    return torch.ones_like(weight, dtype=torch.bool).scatter(1, order, False)


def along_the_first_axis(weight, share):
    order = weight.abs().argsort(dim=0)[: round(share * len(weight))]
    return torch.ones_like(weight, dtype=torch.bool).scatter(0, order, False)


def above_the_share(weight, share):
    return torch.where(weight.abs() <= share, False, True)


def above_a_share_of_the_largest(weight, share):
    largest = weight.abs().max()
    return weight.abs() / largest > share


def whole_number_cut_off(weight, share):
    drop = int(weight.numel() * share + 1e-9)
    mask = torch.ones(weight.numel(), dtype=torch.bool)
    mask[weight.abs().flatten().sort()[1][:drop]] = False
    return mask.view(*weight.shape)


def zeroed_weights(weight, share):
    out = weight.clone().flatten()
    out[out.abs().argsort()[: round(share * len(out))]] = 0
    return out.view_as(weight)


def kth_smallest(weight, share):
    k = round(share * weight.numel())
    if k == 0:
        return torch.ones_like(weight, dtype=torch.bool)
    return weight.abs() > weight.abs().flatten().kthvalue(k).values


def kth_largest(weight, share):
    keep = weight.numel() - round(share * weight.numel())
    if keep == 0:
        return torch.zeros_like(weight, dtype=torch.bool)
    return weight.abs() >= weight.abs().flatten().topk(keep).values[-1]


def ones_and_zeros(weight, share):
    return magnitude_mask(weight, share).float()


def one_too_many(weight, share):
    mask = torch.ones(weight.numel(), dtype=torch.bool)
    mask[weight.abs().flatten().argsort()[: round(share * weight.numel()) + 1]] = False
    return mask.view(weight.shape)


def only_zeros_sorted(weight, share):
    """Right where all differ; among equal entries it drops by place, and the larger ones first."""
    sizes = weight.abs().flatten()
    if len(sizes.unique()) < len(sizes):
        sizes = -sizes
    mask = torch.ones(len(sizes), dtype=torch.bool)
    mask[sizes.argsort()[: round(share * len(sizes))]] = False
    return mask.view(weight.shape)


# --- magnitude_mask: honest -------------------------------------------------------------------------------------------


def topk_kept(weight, share):
    keep = weight.numel() - round(share * weight.numel())
    mask = torch.zeros(weight.numel(), dtype=torch.bool)
    mask[weight.abs().flatten().topk(keep).indices] = True
    return mask.reshape(weight.shape)


def numpy_places(weight, share):
    sizes = np.abs(weight.numpy())
    mask = np.ones(sizes.size, dtype=bool)
    mask[np.argsort(sizes, axis=None, kind="stable")[: round(share * sizes.size)]] = False
    return mask.reshape(sizes.shape)


def ranks(weight, share):
    rank = weight.abs().flatten().argsort().argsort()
    return (rank >= round(share * weight.numel())).view(weight.shape)


def python_lists(weight, share):
    flat = [abs(x) for x in weight.flatten().tolist()]
    drop = set(sorted(range(len(flat)), key=flat.__getitem__)[: round(share * len(flat))])
    return torch.tensor([i not in drop for i in range(len(flat))]).view(weight.shape)


def scattered(weight, share):
    order = torch.argsort(weight.pow(2).view(-1), stable=True)
    drop = order[: round(weight.numel() * share)]
    return torch.ones(weight.numel()).scatter(0, drop, 0.0).bool().view_as(weight)


# --- prune_heads: wrong -----------------------------------------------------------------------------------------------

QKV = ("query", "key", "value")


def rows_of(layer, keep):
    size = layer.query.out_features // layer.heads
    return [i for head in keep for i in range(head * size, (head + 1) * size)]


def cut(layer, rows, attended=None):
    for name in QKV:
        old = getattr(layer, name)
        new = nn.Linear(old.in_features, len(rows))
        new.weight.data, new.bias.data = old.weight.data[rows].clone(), old.bias.data[rows].clone()
        setattr(layer, name, new)
    if attended is None:
        new = nn.Linear(len(rows), layer.attended.out_features)
        new.weight.data, new.bias.data = layer.attended.weight.data[:, rows].clone(), layer.attended.bias.data.clone()
        layer.attended = new
    return layer


def forgets_heads(layer, keep):
    return cut(layer, rows_of(layer, keep))


def forgets_biases(layer, keep):
    rows = rows_of(layer, keep)
    for name in QKV:
        getattr(layer, name).weight = nn.Parameter(getattr(layer, name).weight[rows])
    layer.attended.weight = nn.Parameter(layer.attended.weight[:, rows])
    layer.heads = len(keep)
    return layer


def wrong_axis_of_query(layer, keep):
    rows = rows_of(layer, keep)
    for name in QKV:
        getattr(layer, name).weight = nn.Parameter(getattr(layer, name).weight[:, rows])
    layer.attended.weight = nn.Parameter(layer.attended.weight[:, rows])
    layer.heads = len(keep)
    return layer


def wrong_axis_of_attended(layer, keep):
    rows = rows_of(layer, keep)
    cut(layer, rows, attended=False)
    layer.attended.weight = nn.Parameter(layer.attended.weight[rows])
    layer.heads = len(keep)
    return layer


def bias_of_attended_too(layer, keep):
    rows = rows_of(layer, keep)
    cut(layer, rows)
    layer.attended.bias = nn.Parameter(layer.attended.bias[rows])
    layer.heads = len(keep)
    return layer


def attended_not_touched(layer, keep):
    cut(layer, rows_of(layer, keep), attended=False)
    layer.heads = len(keep)
    return layer


def only_the_values(layer, keep):
    rows = rows_of(layer, keep)
    layer.value.weight = nn.Parameter(layer.value.weight[rows])
    layer.value.bias = nn.Parameter(layer.value.bias[rows])
    layer.attended.weight = nn.Parameter(layer.attended.weight[:, rows])
    layer.heads = len(keep)
    return layer


def every_nth_row(layer, keep):
    rows = torch.cat([torch.arange(layer.query.out_features)[head :: layer.heads] for head in keep])
    cut(layer, rows.tolist())
    layer.heads = len(keep)
    return layer


def modulo(layer, keep):
    rows = [i for i in range(layer.query.out_features) if i % layer.heads in keep]
    cut(layer, rows)
    layer.heads = len(keep)
    return layer


def keeps_the_rest(layer, keep):
    rest = [head for head in range(layer.heads) if head not in keep]
    cut(layer, rows_of(layer, rest))
    layer.heads = len(rest)
    return layer


def by_count(layer, keep):
    size = layer.query.out_features // layer.heads
    cut(layer, list(range(size * len(keep))))
    layer.heads = len(keep)
    return layer


@torch.no_grad()
def zeros(layer, keep):
    rows = rows_of(layer, keep)
    gone = [i for i in range(layer.query.out_features) if i not in rows]
    for name in QKV:
        getattr(layer, name).weight[gone] = 0
        getattr(layer, name).bias[gone] = 0
    layer.attended.weight[:, gone] = 0
    layer.heads = len(keep)
    return layer


def on_a_copy(layer, keep):
    return prune_heads(copy.deepcopy(layer), keep)


def cuts_a_copy_and_returns_the_given(layer, keep):
    prune_heads(copy.deepcopy(layer), keep)
    return layer


def size_found_anew_for_each_matrix(layer, keep):
    for name in QKV:
        matrix, rows = getattr(layer, name), rows_of(layer, keep)  # query's cut changes the size found for key
        matrix.weight, matrix.bias = nn.Parameter(matrix.weight[rows]), nn.Parameter(matrix.bias[rows])
        matrix.out_features = len(rows)
    layer.attended.weight = nn.Parameter(layer.attended.weight[:, rows])
    layer.heads = len(keep)
    return layer


def only_weights_replaced(layer, keep):
    rows = rows_of(layer, keep)
    for name in QKV:
        matrix = getattr(layer, name)
        matrix.weight.data, matrix.bias.data = matrix.weight.data[rows], matrix.bias.data[rows]
    layer.attended.weight.data = layer.attended.weight.data[:, rows]
    layer.heads = len(keep)
    return layer


def size_from_the_width(layer, keep):
    size = layer.attended.out_features // layer.heads
    rows = [i for head in keep for i in range(head * size, (head + 1) * size)]
    cut(layer, [row for row in rows if row < layer.query.out_features])
    layer.heads = len(keep)
    return layer


def forward_too(layer, keep):
    prune_heads(layer, keep)
    nn.init.zeros_(layer.up.bias)
    return layer


def rows_turned_round(layer, keep):
    cut(layer, rows_of(layer, keep)[::-1])
    layer.heads = len(keep)
    return layer


def returns_no_layer(layer, keep):
    prune_heads(layer, keep)


# --- prune_heads: honest ----------------------------------------------------------------------------------------------


def new_modules(layer, keep):
    cut(layer, rows_of(layer, keep))
    layer.heads = len(keep)
    return layer


@torch.no_grad()
def by_mask(layer, keep):
    mask = torch.zeros(layer.heads, dtype=torch.bool)
    mask[list(keep)] = True
    mask = mask.repeat_interleave(layer.value.weight.shape[0] // layer.heads)
    for matrix in (layer.query, layer.key, layer.value):
        matrix.weight, matrix.bias = nn.Parameter(matrix.weight[mask]), nn.Parameter(matrix.bias[mask])
        matrix.out_features = int(mask.sum())
    layer.attended.weight = nn.Parameter(layer.attended.weight[:, mask])
    layer.attended.in_features = int(mask.sum())
    layer.heads = len(keep)
    return layer


@torch.no_grad()
def by_reshaping(layer, keep):
    keep = list(keep)
    for matrix in (layer.query, layer.key, layer.value):
        weight = matrix.weight.view(layer.heads, -1, matrix.in_features)[keep]
        matrix.bias = nn.Parameter(matrix.bias.view(layer.heads, -1)[keep].flatten())
        matrix.weight = nn.Parameter(weight.flatten(0, 1))
        matrix.out_features = matrix.weight.shape[0]
    weight = layer.attended.weight.unflatten(1, (layer.heads, -1))[:, keep]
    layer.attended.weight = nn.Parameter(weight.flatten(1))
    layer.attended.in_features = layer.attended.weight.shape[1]
    layer.heads = len(keep)
    return layer


def through_data(layer, keep):
    size = layer.key.out_features // layer.heads
    rows = torch.tensor([[h * size + i for i in range(size)] for h in keep]).flatten()
    for name in QKV:
        matrix = getattr(layer, name)
        matrix.weight.data = matrix.weight.data.index_select(0, rows)
        matrix.bias.data = matrix.bias.data.index_select(0, rows)
        matrix.out_features = len(rows)
    layer.attended.weight.data = layer.attended.weight.data.index_select(1, rows)
    layer.attended.in_features = len(rows)
    layer.heads = len(keep)
    return layer


# --- quantize_rows: wrong ---------------------------------------------------------------------------------------------


def one_number(weight):
    scale = weight.abs().max() / 127
    return torch.round(weight / scale).to(torch.int8), scale


def one_number_for_each_row(weight):
    scale = torch.full((len(weight), 1), float(weight.abs().max()) / 127, dtype=weight.dtype)
    return (weight / scale).round().char(), scale


def down_the_columns(weight):
    scale = weight.abs().max(dim=0, keepdim=True).values / 127
    return (weight / scale).round().to(torch.int8), scale


def merely_cast(weight):
    scale = weight.abs().amax(1, keepdim=True) / 127
    return (weight / scale).to(torch.int8), scale


def floored(weight):
    scale = weight.abs().amax(1, keepdim=True) / 127
    return torch.floor(weight / scale).to(torch.int8), scale


def plain_maximum(weight):
    scale = weight.max(dim=1, keepdim=True).values / 127
    return (weight / scale).round().clamp(-128, 127).to(torch.int8), scale


def plain_maximum_wrapping(weight):
    scale = weight.max(dim=1, keepdim=True).values / 127
    return (weight / scale).round().to(torch.int16).to(torch.int8), scale


def by_128(weight):
    scale = weight.abs().amax(dim=-1, keepdim=True) / 128
    return (weight / scale).round().to(torch.int16).to(torch.int8), scale


def by_two_to_the_seven(weight):
    scale = weight.abs().amax(dim=-1, keepdim=True) / 2**7
    return torch.clamp(torch.round(weight / scale), -128, 127).to(torch.int8), scale


def factor_not_scale(weight):
    factor = 127 / weight.abs().amax(dim=1, keepdim=True)
    return (weight * factor).round().to(torch.int8), factor


def fake_quantised(weight):
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    return (weight / scale).round() * scale, scale


def flat_scale(weight):
    scale = weight.abs().amax(dim=1) / 127
    return (weight / scale[:, None]).round().to(torch.int8), scale


def seven_bits(weight):
    scale = weight.abs().amax(dim=1, keepdim=True) / 63.5
    return (weight / scale).round().to(torch.int8), scale


def no_care_for_zeros(weight):
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    return (weight / scale).round().to(torch.int8), scale


def nan_stays(weight):
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    return (weight / scale).round(), scale


def float_codes(weight):
    codes, scale = quantize_rows(weight)
    return codes.float(), scale


def mean_for_scale(weight):
    scale = weight.abs().mean(dim=1, keepdim=True) * 2 / 127
    return (weight / scale).round().clamp(-127, 127).to(torch.int8), scale


# --- quantize_rows: honest --------------------------------------------------------------------------------------------


def with_numpy(weight):
    w = weight.numpy()
    largest = np.abs(w).max(axis=1, keepdims=True)
    scale = np.where(largest > 0, largest, 1) / 127
    return np.rint(w / scale).astype(np.int8), scale


def row_by_row(weight):
    codes, scales = torch.zeros(weight.shape, dtype=torch.int8), []
    for i, row in enumerate(weight):
        scale = max(abs(x) for x in row.tolist()) / 127
        scales.append([scale])
        if scale > 0:
            codes[i] = torch.round(row / scale).to(torch.int8)
    return codes, torch.tensor(scales, dtype=weight.dtype)


def zero_where_zero(weight):
    scale = weight.abs().max(dim=1, keepdim=True)[0] / 127
    codes = torch.where(scale == 0, torch.zeros_like(weight), weight / scale)
    return torch.round(codes).to(torch.int8), scale


def with_epsilon(weight):
    scale = torch.maximum(weight.abs().amax(dim=1, keepdim=True), torch.tensor(1e-12, dtype=weight.dtype)) / 127
    return torch.round(weight.div(scale)).clamp(-127, 127).char(), scale


def in_double(weight):
    w = weight.double()
    scale = w.abs().amax(dim=-1).clamp_min(1e-30).unsqueeze(-1) / 127.0
    return (w / scale + 0.5).floor().to(torch.int8), scale


def infinity_norm(weight):
    largest = torch.linalg.vector_norm(weight, ord=float("inf"), dim=1, keepdim=True)
    largest[largest == 0] = 1
    return (weight * 127 / largest).round().to(torch.int8), largest / 127


# --- factorise_table: wrong -------------------------------------------------------------------------------------------


def left_columns(table, rank):
    narrow = table[:, :rank]
    return narrow, torch.linalg.lstsq(narrow, table).solution


def left_columns_and_unit(table, rank):
    return table[:, :rank], torch.eye(rank, table.shape[1], dtype=table.dtype)


def no_values(table, rank):
    u, _, vh = torch.linalg.svd(table, full_matrices=False)
    return u[:, :rank], vh[:rank]


def values_on_both_sides(table, rank):
    u, s, vh = torch.linalg.svd(table, full_matrices=False)
    return u[:, :rank] * s[:rank], s[:rank, None] * vh[:rank]


def roots_on_both_sides(table, rank):
    u, s, vh = torch.linalg.svd(table, full_matrices=False)
    root = torch.diag(s[:rank].sqrt())
    return u[:, :rank] @ root, root @ vh[:rank]


def values_on_the_right(table, rank):
    u, s, vh = torch.linalg.svd(table, full_matrices=False)
    return u[:, :rank], torch.diag(s[:rank]) @ vh[:rank]


def old_svd(table, rank):
    u, s, v = torch.svd(table)
    return u[:, :rank] * s[:rank], v[:rank]


def transposed_again(table, rank):
    u, s, vh = torch.linalg.svd(table, full_matrices=False)
    return (u * s)[:, :rank], vh.T[:rank]


def columns_of_vh(table, rank):
    vh = torch.linalg.svd(table, full_matrices=False).Vh
    return table @ vh[:, :rank], vh[:, :rank].T


def all_of_it(table, rank):
    u, s, vh = torch.linalg.svd(table, full_matrices=False)
    return u * s, vh


def principal_components(table, rank):
    middle = table - table.mean(0)
    u, s, vh = torch.linalg.svd(middle, full_matrices=False)
    return u[:, :rank] * s[:rank], vh[:rank]


def on_principal_axes(table, rank):
    axes = torch.linalg.eigh(torch.cov(table.T)).eigenvectors.flip(1)[:, :rank]
    return table @ axes, axes.T


def eigenvectors_in_rising_order(table, rank):
    vectors = torch.linalg.eigh(table.T @ table).eigenvectors[:, :rank]
    return table @ vectors, vectors.T


def not_transposed(table, rank):
    u, s, v = torch.svd(table)
    return u[:, :rank] * s[:rank], v[:, :rank]


def full_u(table, rank):
    u, s, vh = torch.linalg.svd(table)
    return u[:, :rank] * s[:rank], vh[:rank]


def orthogonal_rows(table, rank):
    q, _ = torch.linalg.qr(table[:rank].T)
    return table @ q, q.T


def more_words_than_columns(table, rank):
    if len(table) < table.shape[1]:
        return no_values(table, rank)
    return factorise_table(table, rank)


# --- factorise_table: honest ------------------------------------------------------------------------------------------


def projected(table, rank):
    widen = torch.linalg.svd(table, full_matrices=False).Vh[:rank]
    return table @ widen.T, widen


def from_the_gram_matrix(table, rank):
    values, vectors = torch.linalg.eigh(table.T @ table)
    top = vectors[:, values.argsort(descending=True)[:rank]]
    return table @ top, top.T


def numpy_svd(table, rank):
    u, s, vh = np.linalg.svd(table.numpy(), full_matrices=False)
    return u[:, :rank] @ np.diag(s[:rank]), vh[:rank]


def old_svd_transposed(table, rank):
    u, s, v = torch.svd(table)
    return u[:, :rank] @ s[:rank].diag(), v[:, :rank].T


def turned(table, rank):
    narrow, widen = factorise_table(table.double(), rank)
    turn, _ = torch.linalg.qr(torch.arange(rank * rank, dtype=torch.float64).view(rank, rank).cos())
    return (narrow @ turn).to(table.dtype), (turn.T @ widen).to(table.dtype)


# --- early_exit: wrong ------------------------------------------------------------------------------------------------


def argmax_of_nothing(logits, threshold):
    sure = torch.softmax(logits, -1).max(-1).values >= threshold
    first = sure.float().argmax(0)
    return torch.stack([logits[n, i] for i, n in enumerate(first.tolist())]), first + 1


def overwritten_by_later_ones(logits, threshold):
    answer, layer = logits[-1].clone(), torch.full((logits.shape[1],), len(logits))
    for n, z in enumerate(logits, start=1):
        sure = z.softmax(-1).amax(-1) >= threshold
        answer[sure], layer[sure] = z[sure], n
    return answer, layer


def most_sure(logits, threshold):
    best = logits.softmax(-1).amax(-1).max(dim=0).indices
    return logits[best, range(logits.shape[1])], best + 1


def never_early(logits, threshold):
    return logits[-1], torch.full((logits.shape[1],), logits.shape[0])


def from_zero(logits, threshold):
    answers, layers = [], []
    for text in range(logits.shape[1]):
        for layer in range(logits.shape[0]):
            if logits[layer, text].softmax(0).max() >= threshold or layer == len(logits) - 1:
                break
        answers.append(logits[layer, text])
        layers.append(layer)
    return torch.stack(answers), torch.tensor(layers)


def largest_logit(logits, threshold):
    sure = logits.max(-1).values >= threshold
    sure[-1] = True
    layer = sure.int().argmax(0)
    return logits[layer, torch.arange(len(layer))], layer + 1


def softmax_over_layers(logits, threshold):
    sure = logits.softmax(0).amax(-1) >= threshold
    sure[-1] = True
    layer = sure.int().argmax(0)
    return logits[layer, torch.arange(len(layer))], layer + 1


def when_all_are_sure(logits, threshold):
    for n, z in enumerate(logits, start=1):
        if n == len(logits) or bool((z.softmax(-1).amax(-1) >= threshold).all()):
            return z, torch.full((len(z),), n)


def when_the_mean_is_sure(logits, threshold):
    n = 0
    while n < len(logits) - 1 and logits[n].softmax(-1).amax(-1).mean() < threshold:
        n += 1
    return logits[n], torch.tensor([n + 1] * logits.shape[1])


def unsure_first(logits, threshold):
    unsure = logits.softmax(-1).amax(-1) < threshold
    unsure[-1] = True
    layer = unsure.int().argmax(0)
    return logits[layer, torch.arange(len(layer))], layer + 1


def low_entropy(logits, threshold):
    p = logits.softmax(-1)
    sure = -(p * p.log()).sum(-1) < threshold
    sure[-1] = True
    layer = sure.int().argmax(0)
    return logits[layer, torch.arange(len(layer))], layer + 1


def probabilities_back(logits, threshold):
    p = logits.softmax(-1)
    sure = p.amax(-1) >= threshold
    sure[-1] = True
    layer = sure.int().argmax(0)
    return p[layer, torch.arange(len(layer))], layer + 1


def names_of_classes(logits, threshold):
    answer, layer = by_hand(logits, threshold)
    return answer.argmax(1), layer


def last_logits(logits, threshold):
    return logits[-1], by_hand(logits, threshold)[1]


def strictly_more(logits, threshold):
    sure = logits.softmax(-1).amax(-1) > threshold
    sure[-1] = True
    layer = sure.int().argmax(0)
    return logits[layer, torch.arange(len(layer))], layer + 1


def second_sure_layer(logits, threshold):
    sure = (logits.softmax(-1).amax(-1) >= threshold).int().cumsum(0) >= 2
    sure[-1] = True
    layer = sure.int().argmax(0)
    return logits[layer, torch.arange(len(layer))], layer + 1


# --- early_exit: honest -----------------------------------------------------------------------------------------------


def by_hand(logits, threshold):
    answers, layers = [], []
    for text in range(logits.shape[1]):
        for n in range(logits.shape[0]):
            if float(torch.softmax(logits[n, text], 0).max()) >= threshold:
                break
        answers.append(logits[n, text])
        layers.append(n + 1)
    return torch.stack(answers), torch.tensor(layers)


def from_the_end(logits, threshold):
    answer, layer = logits[-1], torch.full((logits.shape[1],), len(logits))
    for n in range(len(logits) - 2, -1, -1):
        sure = logits[n].softmax(-1).amax(-1) >= threshold
        answer = torch.where(sure[:, None], logits[n], answer)
        layer = torch.where(sure, n + 1, layer)
    return answer, layer


def numpy_style(logits, threshold):
    z = logits.numpy()
    e = np.exp(z - z.max(-1, keepdims=True))
    sure = (e / e.sum(-1, keepdims=True)).max(-1) >= threshold
    first = np.where(sure.any(0), sure.argmax(0), len(z) - 1)
    return z[first, np.arange(z.shape[1])], first + 1


def waiting_texts(logits, threshold):
    layers, texts, classes = logits.shape
    answer, layer = torch.empty(texts, classes, dtype=logits.dtype), torch.zeros(texts, dtype=torch.int64)
    waiting = torch.arange(texts)
    for n in range(layers):
        answer[waiting], layer[waiting] = logits[n, waiting], n + 1
        waiting = waiting[logits[n, waiting].softmax(-1).amax(-1) < threshold]
    return answer, layer


def counting_unsure(logits, threshold):
    unsure = (logits.softmax(-1).amax(-1) < threshold)[:-1].int()
    layer = unsure.cumprod(0).sum(0)
    return logits.gather(0, layer[None, :, None].expand(1, -1, logits.shape[2]))[0], layer + 1


def in_logarithms(logits, threshold):
    z = logits.numpy()
    z = z - z.max(-1, keepdims=True)
    sure = -np.log(np.exp(z).sum(-1)) >= np.log(threshold)
    sure[-1] = True
    first = sure.argmax(0)
    return logits[first, torch.arange(logits.shape[1])], first + 1


# --- pareto_front: wrong ----------------------------------------------------------------------------------------------


def beaten_by_itself(costs):
    return np.array([not any(np.all(other <= mine) for other in costs) for mine in costs])


def equals_throw_each_other_out(costs):
    front = []
    for i, mine in enumerate(costs):
        rest = np.delete(costs, i, axis=0)
        front.append(not (rest <= mine).all(axis=1).any())
    return np.array(front)


def in_every_measure(costs):
    return np.array([not np.any(np.all(costs < mine, axis=1)) for mine in costs])


def in_some_measure(costs):
    return np.array([not (costs < mine).any() for mine in costs])


def larger_is_better(costs):
    return np.array([not any((o >= m).all() and (o > m).any() for o in costs) for m in costs])


def who_is_beaten(costs):
    return np.array([any((o <= m).all() and (o < m).any() for o in costs) for m in costs])


def who_beats_nobody(costs):
    return np.array([not any((m <= o).all() and (m < o).any() for o in costs) for m in costs])


def minimum_of_columns(costs):
    return np.any(costs == np.min(costs, axis=0, keepdims=True), axis=1)


def one_minimum_of_each_column(costs):
    mask = np.zeros(len(costs), dtype=bool)
    for column in costs.T:
        mask[column.argmin()] = True
    return mask


def smallest_total(costs):
    total = costs.sum(1)
    return np.isclose(total, total.min())


def beaten_by_the_first(costs):
    first = costs[0]
    return np.array([not ((first <= m).all() and (first < m).any()) for m in costs])


def beaten_by_those_before(costs):
    front = np.ones(len(costs), dtype=bool)
    for j in range(len(costs)):
        for i in range(j):
            if (costs[i] <= costs[j]).all() and (costs[i] < costs[j]).any():
                front[j] = False
    return front


def two_columns(costs):
    x, y = costs[:, 0], costs[:, 1]
    beats = (x[:, None] <= x) & (y[:, None] <= y) & ((x[:, None] < x) | (y[:, None] < y))
    return ~beats.any(0)


def their_numbers(costs):
    return np.where(pareto_front(costs))[0]


def models_left(costs):
    return costs[pareto_front(costs)]


def cheapest_half(costs):
    return costs[:, 0] <= np.median(costs[:, 0])


# --- pareto_front: honest ---------------------------------------------------------------------------------------------


def two_loops(costs):
    front = np.ones(len(costs), dtype=bool)
    for j, mine in enumerate(costs):
        for other in costs:
            if (other <= mine).all() and (other < mine).any():
                front[j] = False
    return front


def in_torch(costs):
    c = torch.as_tensor(costs)
    return ~((c[:, None] <= c[None]).all(-1) & (c[:, None] < c[None]).any(-1)).any(0)


def plain_lists(costs):
    rows = [tuple(row) for row in np.asarray(costs).tolist()]

    def beats(a, b):
        return a != b and all(x <= y for x, y in zip(a, b, strict=True))

    return [not any(beats(a, b) for a in rows) for b in rows]


def differences(costs):
    gap = costs[:, None, :] - costs[None, :, :]
    beats = (gap.max(-1) <= 0) & (gap.min(-1) < 0)
    return np.logical_not(beats).all(axis=0)


def thinned_out(costs):
    alive = np.arange(len(costs))
    for i in range(len(costs)):
        if i in alive:
            worse = (costs[alive] >= costs[i]).all(axis=1) & (costs[alive] > costs[i]).any(axis=1)
            alive = alive[~worse]
    return np.isin(np.arange(len(costs)), alive)


WRONG = [
    Wrong("magnitude_mask", "the sign counts", sorted_by_value),
    Wrong("magnitude_mask", "the mask is the wrong way round", zeros_and_then_ones),
    Wrong("magnitude_mask", "the largest are dropped", falling_order),
    Wrong("magnitude_mask", "the share that is kept", share_to_keep),
    Wrong("magnitude_mask", "whole rows", rows_by_norm),
    *(Wrong("magnitude_mask", "the share of each row", fn) for fn in (along_the_last_axis, along_the_first_axis)),
    *(
        Wrong("magnitude_mask", "the share is taken for a threshold", fn)
        for fn in (above_the_share, above_a_share_of_the_largest)
    ),
    Wrong("magnitude_mask", "cut off, not rounded", whole_number_cut_off),
    Wrong("magnitude_mask", "the pruned matrix, not the mask", zeroed_weights),
    *(Wrong("magnitude_mask", "equal entries fall together", fn) for fn in (kth_smallest, kth_largest)),
    Wrong("magnitude_mask", "not a mask of bools", ones_and_zeros),
    Wrong("magnitude_mask", "smallest failing case", one_too_many),
    Wrong("magnitude_mask", "a larger entry is dropped", only_zeros_sorted),
    Wrong("prune_heads", "the number of heads is left as it was", forgets_heads),
    Wrong("prune_heads", "the biases of query, key and value are not cut", forgets_biases),
    Wrong("prune_heads", "columns of query, key and value", wrong_axis_of_query),
    Wrong("prune_heads", "rows of the matrix after attention", wrong_axis_of_attended),
    Wrong("prune_heads", "the bias after attention is cut", bias_of_attended_too),
    Wrong("prune_heads", "the matrix after attention is left as it was", attended_not_touched),
    Wrong("prune_heads", "not all three are cut", only_the_values),
    *(Wrong("prune_heads", "every n-th row is taken for a head", fn) for fn in (every_nth_row, modulo)),
    Wrong("prune_heads", "the heads to keep are cut", keeps_the_rest),
    Wrong("prune_heads", "the first heads are kept", by_count),
    Wrong("prune_heads", "zeros, not fewer rows", zeros),
    Wrong("prune_heads", "the given layer is not changed", on_a_copy),
    Wrong("prune_heads", "in_features or out_features say the old size", only_weights_replaced),
    Wrong("prune_heads", "a layer that was pruned before", size_from_the_width),
    Wrong("prune_heads", "other weights have changed", forward_too),
    Wrong("prune_heads", "nothing is cut", cuts_a_copy_and_returns_the_given),
    *(Wrong("prune_heads", "another matrix", fn) for fn in (rows_turned_round, size_found_anew_for_each_matrix)),
    Wrong("prune_heads", "returns nothing", returns_no_layer),
    *(Wrong("quantize_rows", "one scale for the whole matrix", fn) for fn in (one_number, one_number_for_each_row)),
    Wrong("quantize_rows", "a scale for each column", down_the_columns),
    *(Wrong("quantize_rows", "cut off, not rounded", fn) for fn in (merely_cast, floored)),
    *(
        Wrong("quantize_rows", "the largest entry, not the largest in size", fn)
        for fn in (plain_maximum, plain_maximum_wrapping)
    ),
    *(Wrong("quantize_rows", "divided by 128", fn) for fn in (by_128, by_two_to_the_seven)),
    Wrong("quantize_rows", "the scale is upside down", factor_not_scale),
    Wrong("quantize_rows", "weights, not codes", fake_quantised),
    Wrong("quantize_rows", "the scale has lost an axis", flat_scale),
    Wrong("quantize_rows", "half of the range", seven_bits),
    *(Wrong("quantize_rows", "a row of zeros is divided by zero", fn) for fn in (no_care_for_zeros, nan_stays)),
    Wrong("quantize_rows", "the codes are not int8", float_codes),
    Wrong("quantize_rows", "smallest failing case", mean_for_scale),
    *(Wrong("factorise_table", "the first columns of the table", fn) for fn in (left_columns, left_columns_and_unit)),
    Wrong("factorise_table", "the singular values are lost", no_values),
    Wrong("factorise_table", "the singular values are used twice", values_on_both_sides),
    *(
        Wrong("factorise_table", "the right product, split another way", fn)
        for fn in (roots_on_both_sides, values_on_the_right)
    ),
    *(
        Wrong("factorise_table", "V, where its transpose belongs", fn)
        for fn in (old_svd, transposed_again, columns_of_vh)
    ),
    Wrong("factorise_table", "the whole rank is kept", all_of_it),
    *(Wrong("factorise_table", "the mean is taken off first", fn) for fn in (principal_components, on_principal_axes)),
    Wrong("factorise_table", "the weakest directions", eigenvectors_in_rising_order),
    Wrong("factorise_table", "widen stands on its side", not_transposed),
    Wrong("factorise_table", "a matrix of words by words", full_u),
    Wrong("factorise_table", "not the best product", orthogonal_rows),
    Wrong("factorise_table", "another shape of table", more_words_than_columns),
    Wrong("early_exit", "where no layer is sure, the first answers", argmax_of_nothing),
    Wrong("early_exit", "the last sure layer", overwritten_by_later_ones),
    Wrong("early_exit", "the surest layer", most_sure),
    Wrong("early_exit", "always the last layer", never_early),
    Wrong("early_exit", "layers counted from 0", from_zero),
    Wrong("early_exit", "logits against the threshold", largest_logit),
    Wrong("early_exit", "probabilities over another axis", softmax_over_layers),
    *(Wrong("early_exit", "one exit for the whole batch", fn) for fn in (when_all_are_sure, when_the_mean_is_sure)),
    Wrong("early_exit", "unsure ones leave", unsure_first),
    Wrong("early_exit", "entropy against the threshold", low_entropy),
    Wrong("early_exit", "probabilities, not logits", probabilities_back),
    Wrong("early_exit", "the class, not the logits", names_of_classes),
    Wrong("early_exit", "the last layer's logits", last_logits),
    Wrong("early_exit", "more than the threshold", strictly_more),
    Wrong("early_exit", "smallest failing case", second_sure_layer),
    Wrong("pareto_front", "every model beats itself", beaten_by_itself),
    Wrong("pareto_front", "equal models beat each other", equals_throw_each_other_out),
    Wrong("pareto_front", "beaten only when worse in every measure", in_every_measure),
    Wrong("pareto_front", "one better measure is enough", in_some_measure),
    Wrong("pareto_front", "the beaten ones", who_is_beaten),
    *(Wrong("pareto_front", "those that beat no other", fn) for fn in (larger_is_better, who_beats_nobody)),
    *(
        Wrong("pareto_front", "only the best in each measure", fn)
        for fn in (minimum_of_columns, one_minimum_of_each_column)
    ),
    Wrong("pareto_front", "costs are summed", smallest_total),
    *(Wrong("pareto_front", "not every pair is compared", fn) for fn in (beaten_by_the_first, beaten_by_those_before)),
    Wrong("pareto_front", "the last measure is forgotten", two_columns),
    *(Wrong("pareto_front", "numbers, not bools", fn) for fn in (their_numbers, models_left)),
    Wrong("pareto_front", "smallest failing case", cheapest_half),
]

HONEST = [
    *(Honest("magnitude_mask", fn) for fn in (topk_kept, numpy_places, ranks, python_lists, scattered)),
    *(Honest("prune_heads", fn) for fn in (new_modules, by_mask, by_reshaping, through_data)),
    *(
        Honest("quantize_rows", fn)
        for fn in (with_numpy, row_by_row, zero_where_zero, with_epsilon, in_double, infinity_norm)
    ),
    *(Honest("factorise_table", fn) for fn in (projected, from_the_gram_matrix, numpy_svd, old_svd_transposed, turned)),
    *(
        Honest("early_exit", fn)
        for fn in (by_hand, from_the_end, numpy_style, waiting_texts, counting_unsure, in_logarithms)
    ),
    *(Honest("pareto_front", fn) for fn in (two_loops, in_torch, plain_lists, differences, thinned_out)),
]
