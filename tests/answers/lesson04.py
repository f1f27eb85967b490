"""Answers to lesson 04's exercises. The wrong ones are written as learners write them, not as the imitations are."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from softlabels.distill import bert
from softlabels.distill.bert import merge_heads, split_heads
from tests.answers import Honest, Wrong

# --- attention: wrong -------------------------------------------------------------------------------------------------


def no_root(query, key, value, mask, dropout=0.0):
    scores = torch.matmul(query, key.transpose(2, 3))
    scores = scores.masked_fill(~mask[:, None, None], -1e9)
    weights = torch.softmax(scores, dim=-1)
    return F.dropout(weights, dropout) @ value, weights


def by_the_size(query, key, value, mask, dropout=0.0):
    scores = torch.einsum("bhqd,bhkd->bhqk", query, key) / key.size(-1)
    weights = F.softmax(scores.masked_fill(~mask[:, None, None], float("-inf")), -1)
    return weights @ value, weights


def times_the_root(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT * math.sqrt(query.size(-1))
    weights = scores.masked_fill(~mask[:, None, None, :], -math.inf).softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def root_of_the_length(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(key.shape[2])
    weights = scores.masked_fill(~mask[:, None, None, :], -math.inf).softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def root_of_the_width(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[1] * query.shape[3])
    weights = scores.masked_fill(mask[:, None, None, :] == 0, -1e9).softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def root_of_the_heads(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[1])
    weights = scores.masked_fill(mask[:, None, None, :] == 0, -1e9).softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def fills_the_real(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(mask[:, None, None, :], float("-inf")).softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def fills_the_real_finitely(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = torch.where(mask.view(len(mask), 1, 1, -1), -1e9, scores).softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def softmax_over_readers(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(~mask[:, None, None, :], -1e9).softmax(dim=2)
    return F.dropout(weights, dropout) @ value, weights


def softmax_over_heads(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = nn.Softmax(dim=1)(scores.masked_fill(~mask[:, None, None, :], -math.inf))
    return F.dropout(weights, dropout) @ value, weights


def masks_the_readers(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    scores[~mask.unsqueeze(1).expand(-1, query.shape[1], -1)] = -1e9
    weights = scores.softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def masks_the_readers_for_good(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(~mask[:, None, :, None], -math.inf).softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def masks_both(query, key, value, mask, dropout=0.0):
    pairs = mask[:, None, :, None] * mask[:, None, None, :]
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(pairs == 0, -math.inf).softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def masks_both_finitely(query, key, value, mask, dropout=0.0):
    pairs = mask[:, :, None] & mask[:, None, :]
    scores = (query @ key.mT / math.sqrt(query.shape[-1])).masked_fill(~pairs[:, None], -1e9)
    weights = scores.softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def masks_afterwards(query, key, value, mask, dropout=0.0):
    weights = (query @ key.mT / math.sqrt(query.shape[-1])).softmax(-1)
    weights = weights.masked_fill(~mask[:, None, None, :], 0.0)
    return F.dropout(weights, dropout) @ value, weights


def zero_scores(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(~mask[:, None, None, :], 0).softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def adds_the_mask(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1]) + mask.float()[:, None, None, :]
    weights = scores.softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def takes_one_away(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1]) - (1 - mask.int())[:, None, None, :]
    weights = scores.softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def minus_ten(query, key, value, mask, dropout=0.0):
    scores = torch.where(mask[:, None, None, :], query @ key.mT / math.sqrt(query.shape[-1]), -10.0)
    weights = scores.softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def ignores_the_mask(query, key, value, mask, dropout=0.0):
    weights = F.softmax(torch.matmul(query, key.permute(0, 1, 3, 2)) / query.size(-1) ** 0.5, dim=-1)
    return torch.matmul(F.dropout(weights, dropout), value), weights


def views_the_key(query, key, value, mask, dropout=0.0):
    b, h, n, d = key.shape
    scores = query @ key.contiguous().view(b, h, d, n) / math.sqrt(d)
    weights = scores.masked_fill(~mask[:, None, None, :], -math.inf).softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def hands_out(query, key, value, mask, dropout=0.0):
    weights = bert.attention(query, key, value, mask)[1]
    return torch.einsum("bhqk,bhqd->bhkd", weights, value), weights


def weights_first(query, key, value, mask, dropout=0.0):
    gathered, weights = bert.attention(query, key, value, mask, dropout)
    return weights, gathered


def gathered_only(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    return F.dropout(scores.masked_fill(~mask[:, None, None, :], -math.inf).softmax(-1), dropout) @ value


def weights_only(query, key, value, mask, dropout=0.0):
    return bert.attention(query, key, value, mask)[1]


def no_dropout(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(~mask[:, None, None, :], -math.inf).softmax(-1)
    return weights @ value, weights


def returns_the_dropped(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = F.dropout(scores.masked_fill(~mask[:, None, None, :], -math.inf).softmax(-1), dropout)
    return weights @ value, weights


def drops_the_gathered(query, key, value, mask, dropout=0.0):
    gathered, weights = no_dropout(query, key, value, mask)
    return F.dropout(gathered, dropout), weights


def drops_unscaled(query, key, value, mask, dropout=0.0):
    _, weights = no_dropout(query, key, value, mask)
    return (weights * (torch.rand_like(weights) >= dropout)) @ value, weights


def drops_scores(query, key, value, mask, dropout=0.0):
    scores = F.dropout(query @ key.mT / math.sqrt(query.shape[-1]), dropout)
    dropped = scores.masked_fill(~mask[:, None, None, :], -math.inf).softmax(-1)
    return dropped @ value, no_dropout(query, key, value, mask)[1]


def sigmoid(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = torch.sigmoid(scores.masked_fill(~mask[:, None, None, :], -math.inf))
    return weights @ value, weights


def scales_in_place(query, key, value, mask, dropout=0.0):
    query /= math.sqrt(query.shape[-1])
    weights = (query @ key.mT).masked_fill(~mask[:, None, None, :], -math.inf).softmax(-1)
    return F.dropout(weights, dropout) @ value, weights


def without_the_mask_parameter(query, key, value):
    weights = (query @ key.mT / math.sqrt(query.shape[-1])).softmax(-1)
    return weights @ value, weights


# --- attention: honest ------------------------------------------------------------------------------------------------


def einsum(query, key, value, mask, dropout=0.0):
    scores = torch.einsum("bhqd,bhkd->bhqk", query, key) * query.shape[-1] ** -0.5
    weights = torch.softmax(scores.masked_fill(mask[:, None, None, :].logical_not(), float("-inf")), dim=3)
    return torch.einsum("bhqk,bhkd->bhqd", F.dropout(weights, p=dropout), value), weights


def additive_mask(query, key, value, mask, dropout=0.0):
    bias = (1.0 - mask[:, None, None, :].to(query.dtype)) * torch.finfo(query.dtype).min
    weights = nn.functional.softmax(query @ key.transpose(-1, -2) / np.sqrt(query.size(-1)) + bias, dim=-1)
    return torch.matmul(nn.Dropout(dropout)(weights), value), weights


def scaled_query(query, key, value, mask, dropout=0.0):
    query = query / math.sqrt(query.size(-1))
    scores = torch.where(mask[:, None, None, :], query @ key.mT, -1e9)
    weights = scores.softmax(-1)
    return torch.dropout(weights, dropout, True) @ value, weights


def by_hand(query, key, value, mask, dropout=0.0):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    powers = torch.exp(scores - scores.amax(-1, keepdim=True)) * mask[:, None, None, :]
    weights = powers / powers.sum(-1, keepdim=True)
    kept = torch.rand_like(weights) >= dropout
    return (weights * kept / (1 - dropout)) @ value, weights


def renormalised(query, key, value, mask, dropout=0.0):
    weights = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1) * mask[:, None, None, :]
    weights = weights / weights.sum(-1, keepdim=True)
    return F.dropout(weights, dropout) @ value, weights


def loops(query, key, value, mask, dropout=0.0):
    weights = torch.zeros(*query.shape[:3], key.shape[2], dtype=query.dtype)
    for b in range(query.shape[0]):
        for h in range(query.shape[1]):
            for i in range(query.shape[2]):
                scores = (key[b, h] * query[b, h, i]).sum(-1) / math.sqrt(query.shape[-1])
                scores[~mask[b]] = -math.inf
                weights[b, h, i] = scores.softmax(0)
    return [F.dropout(weights, dropout) @ value, weights]


def flattened(query, key, value, mask, dropout=0.0):
    b, h, n, d = query.shape
    scores = torch.bmm(query.reshape(b * h, n, d), key.reshape(b * h, n, d).transpose(1, 2)) / math.sqrt(d)
    hidden = ~mask.repeat_interleave(h, dim=0)[:, None, :]
    weights = scores.masked_fill(hidden, -1e9).softmax(-1)
    gathered = torch.bmm(F.dropout(weights, dropout), value.reshape(b * h, n, d))
    return gathered.view(b, h, n, d), weights.view(b, h, n, n)


# --- split_heads, merge_heads -----------------------------------------------------------------------------------------


def one_view(x, heads):
    return x.view(x.size(0), heads, x.size(1), x.size(2) // heads)


def interleaved(x, heads):
    return torch.stack([x[..., h::heads] for h in range(heads)], dim=1)


def size_then_heads(x, heads):
    size = x.shape[-1] // heads
    return x.reshape(*x.shape[:2], size, heads).transpose(1, 2)


def behind_the_tokens(x, heads):
    return x.reshape(x.shape[0], x.shape[1], heads, -1)


def turned(x, heads):
    return x.transpose(1, 2).reshape(len(x), heads, -1, x.shape[1])


def heads_first(x, heads):
    return torch.stack(x.chunk(heads, dim=-1))


def viewed(x, heads):
    b, n, w = x.shape
    return x.view(b, n, heads, w // heads).permute(0, 2, 1, 3)


def chunked(x, heads):
    return torch.stack(torch.chunk(x, heads, dim=-1), dim=1)


def sliced(x, heads):
    size = x.shape[-1] // heads
    return torch.stack([x[:, :, h * size : (h + 1) * size] for h in range(heads)], dim=1)


def numpy_split(x, heads):
    return np.stack(np.split(np.asarray(x), heads, axis=-1), axis=1)


def swapped(x, heads):
    return torch.swapaxes(x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads), -2, -3)


def merged_in_one_view(x):
    b, h, n, d = x.shape
    return x.contiguous().view(b, n, h * d)


def merged_by_size(x):
    _, h, _, d = x.shape
    return torch.stack([x[:, i, :, j] for j in range(d) for i in range(h)], dim=-1)


def stacked_below(x):
    return torch.cat(list(x.unbind(dim=1)), dim=1)


def only_transposed(x):
    return x.permute(0, 2, 1, 3)


def summed(x):
    return torch.einsum("bhnd->bnd", x)


def averaged(x):
    return sum(x[:, h] for h in range(x.shape[1])) / x.shape[1]


def joined(x):
    return torch.cat(x.unbind(1), dim=-1)


def permuted(x):
    b, h, n, d = x.shape
    return x.permute(0, 2, 1, 3).contiguous().view(b, n, h * d)


def numpy_merge(x):
    return np.concatenate(list(np.asarray(x).swapaxes(0, 1)), axis=-1)


def written_in(x):
    b, h, n, d = x.shape
    result = torch.empty(b, n, h * d, dtype=x.dtype)
    for i in range(h):
        result[:, :, i * d : (i + 1) * d] = x[:, i]
    return result


# --- encoder_layer: wrong ---------------------------------------------------------------------------------------------


def heads_of(layer, x, mask, attend=bert.attention):
    """The right first block, before its sum, for the answers that go wrong later."""
    q, k, v = [split_heads(linear(x), layer.heads) for linear in (layer.query, layer.key, layer.value)]
    gathered, weights = attend(q, k, v, mask, layer.dropout.p if layer.training else 0.0)
    return layer.dropout(layer.attended(merge_heads(gathered))), weights


def block_of(layer, x):
    return layer.dropout(layer.down(F.gelu(layer.up(x))))


def before_each_block(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, layer.attended_norm(x), mask, attend)
    x = x + block
    return x + block_of(layer, layer.norm(x)), weights


def adds_the_normalised(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    x = x + layer.attended_norm(block)
    return x + layer.norm(block_of(layer, x)), weights


def adds_the_normalised_once(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    x = layer.attended_norm(x + block)
    return x + layer.norm(block_of(layer, x)), weights


def no_first_residual(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    x = layer.attended_norm(block)
    return layer.norm(x + block_of(layer, x)), weights


def no_residuals(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    return layer.norm(block_of(layer, layer.attended_norm(block))), weights


def second_from_the_input(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    attended = layer.attended_norm(x + block)
    return layer.norm(x + block_of(layer, attended)), weights


def feeds_the_input(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    attended = layer.attended_norm(x + block)
    return layer.norm(attended + block_of(layer, x)), weights


def norms_swapped(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    x = layer.norm(x + block)
    return layer.attended_norm(x + block_of(layer, x)), weights


def one_norm_twice(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    x = layer.norm(x + block)
    return layer.norm(x + block_of(layer, x)), weights


def first_norm_missing(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    x = x + block
    return layer.norm(x + block_of(layer, x)), weights


def _with(activation):
    def answer(layer, x, mask, attend=bert.attention):
        block, weights = heads_of(layer, x, mask, attend)
        x = layer.attended_norm(x + block)
        hidden = activation(layer.up(x))
        return layer.norm(x + layer.dropout(layer.down(hidden))), weights

    return answer


def _named(name, fn):
    fn.__name__ = name
    return fn


def tanh_by_hand(h):
    return 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))


with_relu = _named("with_relu", _with(lambda h: h.clamp(min=0)))
with_tanh_gelu = _named("with_tanh_gelu", _with(tanh_by_hand))
with_silu = _named("with_silu", _with(lambda h: h * torch.sigmoid(h)))
with_nothing = _named("with_nothing", _with(lambda h: h))
with_softplus = _named("with_softplus", _with(F.softplus))


def gelu_last(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    x = layer.attended_norm(x + block)
    return layer.norm(x + layer.dropout(F.gelu(layer.down(layer.up(x))))), weights


def not_combined(layer, x, mask, attend=bert.attention):
    q, k, v = [split_heads(linear(x), layer.heads) for linear in (layer.query, layer.key, layer.value)]
    gathered, weights = attend(q, k, v, mask, layer.dropout.p if layer.training else 0.0)
    x = layer.attended_norm(x + layer.dropout(merge_heads(gathered)))
    return layer.norm(x + block_of(layer, x)), weights


def key_before_query(layer, x, mask, attend=bert.attention):
    k, q, v = [split_heads(linear(x), layer.heads) for linear in (layer.query, layer.key, layer.value)]
    gathered, weights = attend(q, k, v, mask, layer.dropout.p if layer.training else 0.0)
    x = layer.attended_norm(x + layer.dropout(layer.attended(merge_heads(gathered))))
    return layer.norm(x + block_of(layer, x)), weights


def key_twice(layer, x, mask, attend=bert.attention):
    q, k, v = split_heads(layer.query(x), layer.heads), *[split_heads(layer.key(x), layer.heads)] * 2
    gathered, weights = attend(q, k, v, mask, layer.dropout.p if layer.training else 0.0)
    x = layer.attended_norm(x + layer.dropout(layer.attended(merge_heads(gathered))))
    return layer.norm(x + block_of(layer, x)), weights


def single_head(layer, x, mask, attend=bert.attention):
    q, k, v = layer.query(x)[:, None], layer.key(x)[:, None], layer.value(x)[:, None]
    gathered, weights = attend(q, k, v, mask, layer.dropout.p if layer.training else 0.0)
    x = layer.attended_norm(x + layer.dropout(layer.attended(gathered[:, 0])))
    return layer.norm(x + block_of(layer, x)), weights


def merged_by_view(layer, x, mask, attend=bert.attention):
    q, k, v = [split_heads(linear(x), layer.heads) for linear in (layer.query, layer.key, layer.value)]
    gathered, weights = attend(q, k, v, mask, layer.dropout.p if layer.training else 0.0)
    x = layer.attended_norm(x + layer.dropout(layer.attended(gathered.contiguous().view(x.shape))))
    return layer.norm(x + block_of(layer, x)), weights


def no_weights(layer, x, mask, attend=bert.attention):
    x = layer.attended_norm(x + heads_of(layer, x, mask, attend)[0])
    return layer.norm(x + block_of(layer, x))


def its_own_attention(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, bert.attention)
    x = layer.attended_norm(x + block)
    return layer.norm(x + block_of(layer, x)), weights


def always_drops(layer, x, mask, attend=bert.attention):
    q, k, v = [split_heads(linear(x), layer.heads) for linear in (layer.query, layer.key, layer.value)]
    gathered, weights = attend(q, k, v, mask, 0.0)
    if not layer.training:
        attend(q, k, v, mask, layer.dropout.p)
    x = layer.attended_norm(x + layer.dropout(layer.attended(merge_heads(gathered))))
    return layer.norm(x + block_of(layer, x)), weights


def never_drops_weights(layer, x, mask, attend=bert.attention):
    q, k, v = [split_heads(linear(x), layer.heads) for linear in (layer.query, layer.key, layer.value)]
    gathered, weights = attend(q, k, v, mask)
    x = layer.attended_norm(x + layer.dropout(layer.attended(merge_heads(gathered))))
    return layer.norm(x + block_of(layer, x)), weights


def drops_one_block(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    x = layer.attended_norm(x + block)
    return layer.norm(x + layer.down(F.gelu(layer.up(x)))), weights


def drops_the_sum(layer, x, mask, attend=bert.attention):
    q, k, v = [split_heads(linear(x), layer.heads) for linear in (layer.query, layer.key, layer.value)]
    gathered, weights = attend(q, k, v, mask, layer.dropout.p if layer.training else 0.0)
    x = layer.attended_norm(layer.dropout(x + layer.attended(merge_heads(gathered))))
    return layer.norm(layer.dropout(x + layer.down(F.gelu(layer.up(x))))), weights


# --- encoder_layer: honest --------------------------------------------------------------------------------------------


def step_by_step(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    attended = layer.attended_norm(block + x)
    hidden = torch.nn.GELU()(layer.up(attended))
    out = layer.norm(layer.dropout(layer.down(hidden)) + attended)
    return [out, weights]


def with_functions(layer, x, mask, attend=bert.attention):
    b, n, w = x.shape

    def heads(linear):
        return F.linear(x, linear.weight, linear.bias).view(b, n, layer.heads, -1).permute(0, 2, 1, 3)

    p = layer.dropout.p * layer.training
    gathered, weights = attend(heads(layer.query), heads(layer.key), heads(layer.value), mask, dropout=p)
    block = layer.attended(gathered.permute(0, 2, 1, 3).reshape(b, n, w))
    x = layer.attended_norm(x + F.dropout(block, layer.dropout.p, layer.training))
    block = layer.down(F.gelu(layer.up(x)))
    return layer.norm(x + F.dropout(block, layer.dropout.p, layer.training)), weights


def gelu_by_erf(layer, x, mask, attend=bert.attention):
    block, weights = heads_of(layer, x, mask, attend)
    x = layer.attended_norm(x + block)
    h = layer.up(x)
    h = h * 0.5 * (1 + torch.erf(h / math.sqrt(2)))
    return layer.norm(x + layer.dropout(layer.down(h))), weights


def norms_by_hand(layer, x, mask, attend=bert.attention):
    def normal(norm, x):
        centred = x - x.mean(-1, keepdim=True)
        spread = torch.sqrt((centred**2).mean(-1, keepdim=True) + norm.eps)
        return norm.weight * centred / spread + norm.bias

    block, weights = heads_of(layer, x, mask, attend)
    x = normal(layer.attended_norm, x + block)
    return normal(layer.norm, x + block_of(layer, x)), weights


def by_keywords(layer, x, mask, attend=bert.attention):
    q, k, v = (split_heads(getattr(layer, n)(x), layer.heads) for n in ("query", "key", "value"))
    p = 0.0
    if layer.training:
        p = layer.dropout.p
    gathered, weights = attend(query=q, key=k, value=v, mask=mask, dropout=p)
    x = layer.attended_norm(x + layer.dropout(layer.attended(merge_heads(gathered))))
    return layer.norm(x + block_of(layer, x)), weights


# --- mean_pooling -----------------------------------------------------------------------------------------------------


def over_everything(x, mask):
    return x.sum(1) / x.shape[1]


def by_the_length(x, mask):
    return torch.einsum("bnd,bn->bd", x, mask.to(x.dtype)) / x.size(1)


def sums_the_padding(x, mask):
    return x.sum(dim=1) / mask.to(x.dtype).sum(dim=1, keepdim=True)


def added(x, mask):
    return (x * mask.unsqueeze(-1)).sum(dim=1)


def last_by_count(x, mask):
    return x[range(len(x)), mask.sum(1) - 1]


def cls_token(x, mask):
    return x[:, 0, :]


def last_real(x, mask):
    return torch.stack([rows[real][-1] for rows, real in zip(x, mask, strict=True)])


def last_of_all(x, mask):
    return x[:, -1]


def max_pooling(x, mask):
    return torch.stack([rows[real].max(dim=0).values for rows, real in zip(x, mask, strict=True)])


def max_with_padding(x, mask):
    return x.max(dim=1)[0]


def whole_batch(x, mask):
    return x[mask].mean(0)


def shared_count(x, mask):
    return torch.stack([rows[real].sum(dim=0) for rows, real in zip(x, mask, strict=True)]) / mask.sum()


def only_padding(x, mask):
    return torch.stack([rows[~real].mean(dim=0) for rows, real in zip(x, mask, strict=True)])


def across_the_vector(x, mask):
    return (x * mask[:, :, None]).mean(dim=2)


def keeps_the_axis(x, mask):
    real = mask.to(x.dtype).unsqueeze(-1)
    return (x * real).sum(dim=1, keepdim=True) / real.sum(dim=1, keepdim=True)


def norm_of_the_mean(x, mask):
    return F.normalize(bert.mean_pooling(x, mask), dim=-1)


def zeroes_the_padding(x, mask):
    x[~mask] = 0
    return x.sum(dim=1) / mask.sum(dim=1, keepdim=True)


def row_by_row(x, mask):
    return torch.stack([rows[real].mean(dim=0) for rows, real in zip(x, mask, strict=True)])


def by_einsum(x, mask):
    shares = mask.to(x.dtype)
    shares = shares / shares.sum(dim=-1, keepdim=True)
    return torch.einsum("bn,bnd->bd", shares, x)


def by_nanmean(x, mask):
    return x.masked_fill(~mask[..., None], torch.nan).nanmean(dim=1)


def as_numpy(x, mask):
    x, mask = np.asarray(x), np.asarray(mask)
    return np.stack([x[i, mask[i]].mean(axis=0) for i in range(len(x))])


def clamped(x, mask):
    real = mask.float()[:, :, None]
    return torch.sum(x * real, 1) / torch.clamp(real.sum(1), min=1e-9)


WRONG = [
    Wrong("attention", "not divided by √size", no_root),
    Wrong("attention", "divided by the size, not by its root", by_the_size),
    Wrong("attention", "multiplied by √size", times_the_root),
    *(Wrong("attention", "the root of another axis", f)
      for f in (root_of_the_length, root_of_the_width, root_of_the_heads)),
    *(Wrong("attention", "the mask is inverted", f) for f in (fills_the_real, fills_the_real_finitely)),
    *(Wrong("attention", "softmax over the wrong axis", f) for f in (softmax_over_readers, softmax_over_heads)),
    *(Wrong("attention", "the mask is on the readers", f) for f in (masks_the_readers, masks_the_readers_for_good)),
    *(Wrong("attention", "rows and columns are both masked", f) for f in (masks_both, masks_both_finitely)),
    Wrong("attention", "the mask comes after the softmax", masks_afterwards),
    Wrong("attention", "scores of 0 instead of minus infinity", zero_scores),
    *(Wrong("attention", "the mask is added", f) for f in (adds_the_mask, takes_one_away)),
    Wrong("attention", "a score that is not low enough", minus_ten),
    Wrong("attention", "the mask is not used", ignores_the_mask),
    Wrong("attention", "reshaped, not transposed", views_the_key),
    Wrong("attention", "gathered the wrong way round", hands_out),
    Wrong("attention", "the two results changed places", weights_first),
    *(Wrong("attention", "only one of the two results", f) for f in (gathered_only, weights_only)),
    Wrong("attention", "dropout is not used", no_dropout),
    Wrong("attention", "the weights come back after dropout", returns_the_dropped),
    Wrong("attention", "dropout of the values, not of the weights", drops_the_gathered),
    Wrong("attention", "the kept weights are not scaled up", drops_unscaled),
    Wrong("attention", "dropout in another place", drops_scores),
    Wrong("attention", "smallest failing case", sigmoid),
    Wrong("attention", "changes its inputs", scales_in_place),
    Wrong("attention", "wrong parameters", without_the_mask_parameter),
    Wrong("split_heads", "reshaped in one go", one_view),
    Wrong("split_heads", "every n-th number", interleaved),
    Wrong("split_heads", "heads and size changed places", size_then_heads),
    Wrong("split_heads", "the heads stay behind the tokens", behind_the_tokens),
    Wrong("split_heads", "tokens and size exchanged", turned),
    Wrong("split_heads", "heads before the batch", heads_first),
    Wrong("merge_heads", "reshaped in one go", merged_in_one_view),
    Wrong("merge_heads", "the heads are interleaved", merged_by_size),
    Wrong("merge_heads", "heads one below the other", stacked_below),
    Wrong("merge_heads", "two axes too many", only_transposed),
    *(Wrong("merge_heads", "the heads are added up", f) for f in (summed, averaged)),
    Wrong("encoder_layer", "pre-norm", before_each_block),
    *(Wrong("encoder_layer", "normalised before it is added", f)
      for f in (adds_the_normalised, adds_the_normalised_once)),
    *(Wrong("encoder_layer", "a residual is missing", f) for f in (no_first_residual, no_residuals)),
    Wrong("encoder_layer", "the second sum starts from the layer's input", second_from_the_input),
    Wrong("encoder_layer", "the feed-forward block reads the layer's input", feeds_the_input),
    *(Wrong("encoder_layer", "the two norms changed places", f) for f in (norms_swapped, one_norm_twice)),
    Wrong("encoder_layer", "a norm is missing", first_norm_missing),
    Wrong("encoder_layer", "ReLU instead of GELU", with_relu),
    Wrong("encoder_layer", "GELU by tanh", with_tanh_gelu),
    Wrong("encoder_layer", "another activation", with_silu),
    Wrong("encoder_layer", "smallest failing case", with_softplus),
    Wrong("encoder_layer", "no activation", with_nothing),
    Wrong("encoder_layer", "GELU at the end of the block", gelu_last),
    Wrong("encoder_layer", "`attended` is not called", not_combined),
    *(Wrong("encoder_layer", "query, key and value changed places", f) for f in (key_before_query, key_twice)),
    Wrong("encoder_layer", "one head for all", single_head),
    Wrong("encoder_layer", "heads merged by a reshape", merged_by_view),
    Wrong("encoder_layer", "only x comes back", no_weights),
    Wrong("encoder_layer", "attend is not called", its_own_attention),
    Wrong("encoder_layer", "dropout outside training", always_drops),
    Wrong("encoder_layer", "attention without dropout", never_drops_weights),
    *(Wrong("encoder_layer", "the blocks are not dropped", f) for f in (drops_one_block, drops_the_sum)),
    Wrong("mean_pooling", "padding is in the mean", over_everything),
    Wrong("mean_pooling", "divided by the padded length", by_the_length),
    Wrong("mean_pooling", "padding is in the sum", sums_the_padding),
    Wrong("mean_pooling", "the sum, not the mean", added),
    Wrong("mean_pooling", "the first token alone", cls_token),
    *(Wrong("mean_pooling", "the last token alone", f) for f in (last_real, last_by_count, last_of_all)),
    *(Wrong("mean_pooling", "the largest, not the mean", f) for f in (max_pooling, max_with_padding)),
    *(Wrong("mean_pooling", "one mean for the whole batch", f) for f in (whole_batch, shared_count)),
    Wrong("mean_pooling", "the mask is inverted", only_padding),
    Wrong("mean_pooling", "the mean over the width", across_the_vector),
    Wrong("mean_pooling", "the token axis is kept", keeps_the_axis),
    Wrong("mean_pooling", "smallest failing case", norm_of_the_mean),
    Wrong("mean_pooling", "changes its inputs", zeroes_the_padding),
]  # fmt: skip

HONEST = [
    *(Honest("attention", f)
      for f in (einsum, additive_mask, scaled_query, by_hand, renormalised, loops, flattened)),
    *(Honest("split_heads", f) for f in (viewed, chunked, sliced, numpy_split, swapped)),
    *(Honest("merge_heads", f) for f in (joined, permuted, numpy_merge, written_in)),
    *(Honest("encoder_layer", f) for f in (step_by_step, with_functions, gelu_by_erf, norms_by_hand, by_keywords)),
    *(Honest("mean_pooling", f) for f in (row_by_row, by_einsum, by_nanmean, as_numpy, clamped)),
]  # fmt: skip
