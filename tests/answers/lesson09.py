"""Answers to lesson 09's exercises. The wrong ones are written as learners write them, not as the imitations are."""

import math
from operator import itemgetter

import torch
from torch import nn
from torch.nn import functional as F

from softlabels.distill.bert import Levels, attention, split_heads
from softlabels.distill.levels import attention_loss, matched_levels
from tests.answers import Honest, Wrong

# --- matched_levels: wrong --------------------------------------------------------------------------------------------


def all_less_one(teacher, layers):
    logits, hidden, attentions, values = teacher
    return Levels(
        logits,
        (hidden[0], *[hidden[n - 1] for n in layers]),
        tuple(attentions[n - 1] for n in layers),
        tuple(values[n - 1] for n in layers),
    )


def all_less_one_without_embeddings(teacher, layers):
    pick = lambda x: tuple(x[n - 1] for n in layers)  # noqa: E731
    return Levels(teacher.logits, pick(teacher.hidden_states), pick(teacher.attentions), pick(teacher.values))


def same_number_for_all(teacher, layers):
    hidden = [teacher.hidden_states[0]] + [teacher.hidden_states[n] for n in layers]
    return Levels(
        teacher.logits,
        tuple(hidden),
        tuple([teacher.attentions[n] for n in layers]),
        tuple([teacher.values[n] for n in layers]),
    )


def values_too_high(teacher, layers):
    good = matched_levels(teacher, layers)
    return good._replace(values=tuple(teacher.values[n] for n in layers))


def attentions_too_high(teacher, layers):
    good = matched_levels(teacher, layers)
    return good._replace(attentions=tuple(teacher.attentions[n] for n in layers))


def from_zero(teacher, layers):
    hidden = [teacher.hidden_states[0]]
    attentions, values = [], []
    for n in layers:
        hidden.append(teacher.hidden_states[n + 1])
        attentions.append(teacher.attentions[n])
        values.append(teacher.values[n])
    return Levels(teacher.logits, tuple(hidden), tuple(attentions), tuple(values))


def no_embeddings(teacher, layers):
    hidden = tuple(teacher.hidden_states[n] for n in layers)
    return matched_levels(teacher, layers)._replace(hidden_states=hidden)


def the_same_index_everywhere(teacher, layers):
    parts = [tuple(part[n] for n in layers) for part in teacher[1:]]
    return Levels(teacher.logits, *parts)


def by_enumeration(teacher, layers):
    hidden, attentions, values = [teacher.hidden_states[0]], [], []
    for i, _ in enumerate(layers):
        hidden.append(teacher.hidden_states[i + 1])
        attentions.append(teacher.attentions[i])
        values.append(teacher.values[i])
    return Levels(teacher.logits, tuple(hidden), tuple(attentions), tuple(values))


def everything(teacher, layers):
    return Levels(teacher.logits, teacher.hidden_states, teacher.attentions, teacher.values)


def in_rising_order(teacher, layers):
    return matched_levels(teacher, sorted(set(layers)))


def by_slices(teacher, layers):
    first, last = layers[0], layers[-1]
    good = matched_levels(teacher, layers)
    if last - first + 1 == len(layers):
        return good
    return good._replace(values=teacher.values[first - 1 : last])


def the_other_way_round(teacher, layers):
    hidden = (teacher.hidden_states[0], *(teacher.hidden_states[n - 1] for n in layers))
    return Levels(
        teacher.logits,
        hidden,
        tuple(teacher.attentions[n] for n in layers),
        tuple(teacher.values[n] for n in layers),
    )


def values_not_picked(teacher, layers):
    return teacher._replace(
        hidden_states=tuple(teacher.hidden_states[n] for n in [0, *layers]),
        attentions=tuple(teacher.attentions[n - 1] for n in layers),
    )


def hidden_states_not_picked(teacher, layers):
    attentions, values = ([part[n - 1] for n in layers] for part in (teacher.attentions, teacher.values))
    return Levels(teacher.logits, teacher.hidden_states, attentions, values)


def in_a_plain_tuple(teacher, layers):
    hidden = [teacher.hidden_states[0]] + [teacher.hidden_states[n] for n in layers]
    return teacher.logits, hidden, [teacher.attentions[n - 1] for n in layers], [teacher.values[n - 1] for n in layers]


def without_the_last(teacher, layers):
    good = matched_levels(teacher, layers)
    return Levels(good.logits, good.hidden_states[:-1], good.attentions, good.values)


# --- matched_levels: honest -------------------------------------------------------------------------------------------


def loops(teacher, layers):
    hidden, attentions, values = [teacher.hidden_states[0]], [], []
    for n in layers:
        hidden.append(teacher.hidden_states[n])
        attentions.append(teacher.attentions[n - 1])
        values.append(teacher.values[n - 1])
    return Levels(teacher.logits, hidden, attentions, values)


def with_replace(teacher, layers):
    states = tuple(teacher.hidden_states[n] for n in (0, *layers))
    below = [n - 1 for n in layers]
    return teacher._replace(
        hidden_states=states,
        attentions=tuple(map(teacher.attentions.__getitem__, below)),
        values=tuple(map(teacher.values.__getitem__, below)),
    )


def layers_as_pairs(teacher, layers):
    made = list(zip(teacher.hidden_states[1:], teacher.attentions, teacher.values, strict=True))
    hidden, attentions, values = zip(*(made[n - 1] for n in layers), strict=True)
    return Levels(teacher.logits, teacher.hidden_states[:1] + hidden, attentions, values)


def with_an_itemgetter(teacher, layers):
    states = itemgetter(0, *layers)(teacher.hidden_states)
    attentions = tuple(teacher.attentions[i - 1] for i in layers)
    return Levels(teacher.logits, states, attentions, [teacher.values[i - 1] for i in layers])


# --- teacher_levels: wrong --------------------------------------------------------------------------------------------


def no_grad_alone(teacher, input_ids, attention_mask, layers):
    with torch.no_grad():
        return matched_levels(teacher(input_ids, attention_mask, levels=True), layers)


def eval_afterwards(teacher, input_ids, attention_mask, layers):
    with torch.no_grad():
        levels = teacher(input_ids, attention_mask, True)
    teacher.eval()
    return matched_levels(levels, layers)


def eval_alone(teacher, input_ids, attention_mask, layers):
    return matched_levels(teacher.eval()(input_ids, attention_mask, levels=True), layers)


def no_grad_too_late(teacher, input_ids, attention_mask, layers):
    teacher.eval()
    levels = teacher(input_ids, attention_mask, levels=True)
    with torch.no_grad():
        return matched_levels(levels, layers)


def a_mask_of_ones(teacher, input_ids, attention_mask, layers):
    teacher.eval()
    with torch.no_grad():
        levels = teacher(input_ids, torch.ones(input_ids.shape), levels=True)
    return matched_levels(levels, layers)


def not_matched(teacher, input_ids, attention_mask, layers):
    teacher.eval()
    with torch.no_grad():
        return teacher(input_ids, attention_mask, levels=True)


def inference_mode(teacher, input_ids, attention_mask, layers):
    teacher.eval()
    with torch.inference_mode():
        return matched_levels(teacher(input_ids, attention_mask, levels=True), layers)


def asked_in_a_plain_tuple(teacher, input_ids, attention_mask, layers):
    teacher.eval()
    with torch.no_grad():
        return tuple(matched_levels(teacher(input_ids, attention_mask, levels=True), layers))


# --- teacher_levels: honest -------------------------------------------------------------------------------------------


def mode_put_back(teacher, input_ids, attention_mask, layers):
    before = teacher.training
    teacher.eval()
    with torch.no_grad():
        levels = teacher(input_ids, attention_mask, levels=True)
    teacher.train(before)
    return matched_levels(levels, layers)


@torch.no_grad()
def decorated(teacher, input_ids, attention_mask, layers):
    return matched_levels(teacher.train(False)(input_ids, attention_mask, levels=True), layers)


def frozen_for_good(teacher, input_ids, attention_mask, layers):
    teacher.eval().requires_grad_(False)
    return matched_levels(teacher(input_ids, attention_mask.long(), levels=True), layers)


def detached_one_by_one(teacher, input_ids, attention_mask, layers):
    teacher.eval()
    levels = matched_levels(teacher(input_ids, attention_mask, levels=True), layers)
    return Levels(levels.logits.detach(), *(tuple(x.detach() for x in part) for part in levels[1:]))


def gradients_off(teacher, input_ids, attention_mask, layers):
    for module in teacher.modules():
        module.training = False
    with torch.set_grad_enabled(False):
        levels = teacher(input_ids, attention_mask, levels=True)
    return matched_levels(levels, list(layers))


# --- hidden_state_loss: wrong -----------------------------------------------------------------------------------------


def mse(student_states, teacher_states, mask, projection):
    return F.mse_loss(projection(student_states), teacher_states)


def zeroed_then_mean(student_states, teacher_states, mask, projection):
    real = mask.unsqueeze(-1).float()
    return F.mse_loss(projection(student_states) * real, teacher_states * real)


def inverted(student_states, teacher_states, mask, projection):
    return F.mse_loss(projection(student_states)[mask == 0], teacher_states[mask == 0])


def per_token(student_states, teacher_states, mask, projection):
    squares = (projection(student_states) - teacher_states).pow(2).sum(-1)
    return (squares * mask).sum() / mask.sum()


def total(student_states, teacher_states, mask, projection):
    return F.mse_loss(projection(student_states)[mask], teacher_states[mask], reduction="sum")


def text_by_text(student_states, teacher_states, mask, projection):
    losses = []
    for i in range(len(mask)):
        gap = projection(student_states[i][mask[i]]) - teacher_states[i][mask[i]]
        losses.append((gap**2).mean())
    return sum(losses) / len(losses)


def l1(student_states, teacher_states, mask, projection):
    return F.l1_loss(projection(student_states)[mask], teacher_states[mask])


def rmse(student_states, teacher_states, mask, projection):
    return torch.sqrt(F.mse_loss(projection(student_states)[mask], teacher_states[mask]))


def norms(student_states, teacher_states, mask, projection):
    return torch.linalg.vector_norm(projection(student_states)[mask] - teacher_states[mask], dim=1).mean()


def mean_first(student_states, teacher_states, mask, projection):
    return (projection(student_states)[mask] - teacher_states[mask]).mean() ** 2


def teacher_not_detached(student_states, teacher_states, mask, projection):
    return F.mse_loss(projection(student_states[mask]), teacher_states[mask])


def under_no_grad(student_states, teacher_states, mask, projection):
    with torch.no_grad():
        return F.mse_loss(projection(student_states[mask]), teacher_states[mask])


def weight_detached(student_states, teacher_states, mask, projection):
    moved = F.linear(student_states, projection.weight.detach())
    return F.mse_loss(moved[mask], teacher_states[mask].detach())


def the_first_token(student_states, teacher_states, mask, projection):
    return F.mse_loss(projection(student_states[:, 0]), teacher_states[:, 0].detach())


def cosine_distance(student_states, teacher_states, mask, projection):
    return 1 - F.cosine_similarity(projection(student_states)[mask], teacher_states[mask].detach(), dim=-1).mean()


def one_number_a_token(student_states, teacher_states, mask, projection):
    return (projection(student_states) - teacher_states.detach()).square().mean(-1)


# --- hidden_state_loss: honest ----------------------------------------------------------------------------------------


def mse_of_the_real(student_states, teacher_states, mask, projection):
    return F.mse_loss(projection(student_states[mask]), teacher_states[mask].detach())


def sums_and_counts(student_states, teacher_states, mask, projection):
    squares = (projection(student_states) - teacher_states.detach()).pow(2)
    return (squares * mask[..., None]).sum() / (mask.sum() * teacher_states.size(-1))


def token_by_token(student_states, teacher_states, mask, projection):
    total, count = 0.0, 0
    for b, t in torch.nonzero(mask).tolist():
        gap = projection(student_states[b, t]) - teacher_states[b, t].detach()
        total, count = total + (gap * gap).sum(), count + gap.numel()
    return total / count


def einsum_of_gaps(student_states, teacher_states, mask, projection):
    with torch.no_grad():
        target = teacher_states.clone()
    gap = (projection(student_states) - target) * mask.unsqueeze(2)
    return torch.einsum("btw,btw->", gap, gap) / mask.sum() / gap.shape[2]


def masked_select(student_states, teacher_states, mask, projection):
    squares = nn.MSELoss(reduction="none")(projection(student_states), teacher_states.detach())
    return squares.masked_select(mask.unsqueeze(-1)).mean()


# --- make_projections: wrong ------------------------------------------------------------------------------------------


def plain_list(layers, student_width, teacher_width):
    return [nn.Linear(student_width, teacher_width, bias=False) for _ in range(layers)]


def plain_tuple(layers, student_width, teacher_width):
    return tuple(nn.Linear(student_width, teacher_width, bias=False) for _ in range(layers))


def plain_dict(layers, student_width, teacher_width):
    return {n: nn.Linear(student_width, teacher_width, bias=False) for n in range(layers)}


def generator(layers, student_width, teacher_width):
    return (nn.Linear(student_width, teacher_width, bias=False) for _ in range(layers))


def with_bias(layers, student_width, teacher_width):
    maps = nn.ModuleList()
    for _ in range(layers):
        maps.append(nn.Linear(student_width, teacher_width))
    return maps


def backwards(layers, student_width, teacher_width):
    return nn.ModuleList([nn.Linear(teacher_width, student_width, bias=False) for _ in range(layers)])


def backwards_with_bias(layers, student_width, teacher_width):
    return nn.ModuleList([nn.Linear(teacher_width, student_width) for _ in range(layers)])


def the_same_map(layers, student_width, teacher_width):
    projection = nn.Linear(student_width, teacher_width, bias=False)
    return nn.ModuleList(projection for _ in range(layers))


def the_same_map_with_bias(layers, student_width, teacher_width):
    maps, projection = nn.ModuleList(), nn.Linear(student_width, teacher_width)
    for _ in range(layers):
        maps.append(projection)
    return maps


def with_a_relu(layers, student_width, teacher_width):
    return nn.ModuleList(
        nn.Sequential(nn.Linear(student_width, teacher_width, bias=False), nn.ReLU()) for _ in range(layers)
    )


def with_a_tanh(layers, student_width, teacher_width):
    maps = [nn.Sequential(nn.Linear(student_width, teacher_width, bias=False), nn.Tanh()) for _ in range(layers)]
    return nn.ModuleList(maps)


def by_name(layers, student_width, teacher_width):
    return nn.ModuleDict({str(n): nn.Linear(student_width, teacher_width, bias=False) for n in range(layers)})


def matrices(layers, student_width, teacher_width):
    return nn.ParameterList(nn.Parameter(torch.randn(teacher_width, student_width)) for _ in range(layers))


def one_block(layers, student_width, teacher_width):
    return nn.Parameter(torch.randn(layers, student_width, teacher_width))


def lazy(layers, student_width, teacher_width):
    return nn.ModuleList(nn.LazyLinear(teacher_width, bias=False) for _ in range(layers))


def embeddings_too(layers, student_width, teacher_width):
    return nn.ModuleList(nn.Linear(student_width, teacher_width, bias=False) for _ in range(layers + 1))


def only_one(layers, student_width, teacher_width):
    return nn.Linear(student_width, teacher_width, bias=False)


def frozen(layers, student_width, teacher_width):
    return nn.ModuleList(nn.Linear(student_width, teacher_width, bias=False) for _ in range(layers)).requires_grad_(
        False
    )


# --- make_projections: honest -----------------------------------------------------------------------------------------


def appended(layers, student_width, teacher_width):
    maps = nn.ModuleList()
    for _ in range(layers):
        maps.append(nn.Linear(student_width, teacher_width, bias=False))
    return maps


def from_a_list(layers, student_width, teacher_width):
    maps = [nn.Linear(student_width, teacher_width, bias=False) for _ in range(layers)]
    for m in maps:
        nn.init.normal_(m.weight, std=0.02)
    return nn.ModuleList(maps)


def bias_taken_away(layers, student_width, teacher_width):
    maps = []
    for _ in range(layers):
        m = nn.Linear(student_width, teacher_width)
        m.bias = None
        maps.append(m)
    return nn.ModuleList(maps)


def extended(layers, student_width, teacher_width):
    maps = nn.ModuleList([])
    maps.extend(nn.Linear(in_features=student_width, out_features=teacher_width, bias=False) for _ in range(layers))
    return maps


# --- attention_loss: wrong --------------------------------------------------------------------------------------------


def grouped(weights, groups):
    batch, heads, length, _ = weights.shape
    return weights.reshape(batch, groups, heads // groups, length, length).mean(2)


def both(student_weights, teacher_weights):
    groups = math.gcd(student_weights.size(1), teacher_weights.size(1))
    return grouped(student_weights, groups), grouped(teacher_weights.detach(), groups)


def safe(student, teacher):
    return F.kl_div(student.clamp_min(1e-10).log(), teacher, reduction="none")


def log_of_zero(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return (t * (t.log() - s.log())).sum(-1).mean(1)[mask].mean()


def kl_div_of_zero(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    rows = nn.KLDivLoss(reduction="none")(torch.log(s), t).sum(-1)
    return rows.mean(1)[mask].mean()


def kl_div_of_weights(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return F.kl_div(s, t, reduction="none").sum(-1).mean(1)[mask].mean()


def kl_div_by_default(student_weights, teacher_weights, mask):
    return F.kl_div(*both(student_weights, teacher_weights))


def batchmean(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return F.kl_div(torch.log(s + 1e-12), t, reduction="batchmean")


def batchmean_of_zero(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return nn.KLDivLoss(reduction="batchmean")(s.log(), t)


def cross_entropy_of_zero(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return -(t * s.log()).sum(-1).mean(1)[mask].mean()


def heads_repeated(student_weights, teacher_weights, mask):
    heads = math.lcm(student_weights.size(1), teacher_weights.size(1))
    s = student_weights.repeat_interleave(heads // student_weights.size(1), 1)
    t = teacher_weights.detach().repeat_interleave(heads // teacher_weights.size(1), 1)
    return safe(s, t).sum(-1).mean(1)[mask].mean()


def groups_summed(student_weights, teacher_weights, mask):
    groups = math.gcd(student_weights.size(1), teacher_weights.size(1))
    s = torch.stack([part.sum(1) for part in student_weights.chunk(groups, 1)], 1)
    t = torch.stack([part.sum(1) for part in teacher_weights.detach().chunk(groups, 1)], 1)
    return safe(s, t).sum(-1).mean(1)[mask].mean()


def unmasked(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return safe(s, t).sum(-1).mean()


def rows_zeroed(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return (safe(s, t).sum(-1) * mask[:, None, :]).mean()


def other_direction(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return safe(t, s).sum(-1).mean(1)[mask].mean()


def cross_entropy(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return -(t * torch.log(s + 1e-12)).sum(-1).mean(1)[mask].mean()


def upside_down(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    rows = (t * torch.log((s + 1e-12) / (t + 1e-12))).sum(-1)
    return rows.mean(1)[mask].mean()


def zipped_heads(student_weights, teacher_weights, mask):
    rows = []
    for h in range(min(student_weights.shape[1], teacher_weights.shape[1])):
        rows.append(safe(student_weights[:, h], teacher_weights[:, h].detach()).sum(-1)[mask])
    return torch.stack(rows).mean()


def strided_groups(student_weights, teacher_weights, mask):
    groups = math.gcd(student_weights.size(1), teacher_weights.size(1))
    s = torch.stack([student_weights[:, g::groups].mean(1) for g in range(groups)], 1)
    t = torch.stack([teacher_weights[:, g::groups].mean(1) for g in range(groups)], 1)
    return safe(s, t.detach()).sum(-1).mean(1)[mask].mean()


def one_average(student_weights, teacher_weights, mask):
    return safe(student_weights.mean(1), teacher_weights.mean(1).detach()).sum(-1)[mask].mean()


def heads_summed(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    rows = safe(s, t).sum(-1)
    return (rows * mask[:, None]).sum() / mask.sum()


def mean_of_entries(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return safe(s, t).transpose(1, 2)[mask].mean()


def text_means(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    rows = safe(s, t).sum(-1).mean(1)
    return ((rows * mask).sum(1) / mask.sum(1)).mean()


def softmaxed(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    rows = F.kl_div(F.log_softmax(s, -1), F.softmax(t, -1), reduction="none").sum(-1)
    return rows.mean(1)[mask].mean()


def squares(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return ((s - t) ** 2).transpose(1, 2)[mask].mean()


def squares_everywhere(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return ((s - t) ** 2).sum(-1).mean()


def teacher_attached(student_weights, teacher_weights, mask):
    groups = math.gcd(student_weights.size(1), teacher_weights.size(1))
    s, t = grouped(student_weights, groups), grouped(teacher_weights, groups)
    return (t * ((t + 1e-12).log() - (s + 1e-12).log())).sum(-1).mean(1)[mask].mean()


def nan_hidden(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    gap = torch.nan_to_num(t * (t.log() - s.log()))
    return gap.sum(-1).mean(1)[mask].mean()


def without_gradient(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return safe(s, t).sum(-1).mean(1)[mask].mean().item()


def jensen_shannon(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    m = (s + t) / 2
    return (safe(m, s) + safe(m, t)).sum(-1).mean(1)[mask].mean() / 2


# --- attention_loss: honest -------------------------------------------------------------------------------------------


def kl_div_clamped(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    return safe(s, t).sum(-1).mean(1)[mask].mean()


def small_number_added(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    rows = (t * torch.log((t + 1e-12) / (s + 1e-12))).sum(dim=3).mean(dim=1)
    return (rows * mask).sum() / mask.sum()


def zeros_filled(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    hidden = ~mask[:, None, None, :]
    s, t = s.masked_fill(hidden, 1.0), t.masked_fill(hidden, 1.0)
    rows = (t * (t.log() - s.log())).sum(-1)
    return rows.transpose(1, 2)[mask].mean()


def reader_by_reader(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    losses = []
    for b in range(len(mask)):
        real = mask[b].nonzero().flatten()
        for g in range(s.shape[1]):
            for i in real:
                p, q = t[b, g, i][real], s[b, g, i][real]
                losses.append((p * (p / q).log()).sum())
    return torch.stack(losses).mean()


def torch_distributions(student_weights, teacher_weights, mask):
    s, t = both(student_weights, teacher_weights)
    tiny = 1e-12
    p, q = (torch.distributions.Categorical(probs=x + tiny) for x in (t, s))
    return torch.distributions.kl_divergence(p, q).mean(1)[mask].mean()


def groups_by_chunks(student_weights, teacher_weights, mask):
    groups = math.gcd(student_weights.size(1), teacher_weights.size(1))
    loss = 0
    pairs = zip(student_weights.chunk(groups, 1), teacher_weights.detach().chunk(groups, 1), strict=True)
    for s, t in pairs:
        s, t = s.mean(1)[mask], t.mean(1)[mask]
        loss = loss + torch.where(t > 0, t * (t.clamp(min=1e-30).log() - s.clamp(min=1e-30).log()), 0.0).sum(-1).mean()
    return loss / groups


# --- relation_loss: wrong ---------------------------------------------------------------------------------------------


def related(values, mask, heads, scale=None, keys=True):
    split = split_heads(values, heads)
    scores = split @ split.transpose(-1, -2) / (scale or split.shape[-1] ** 0.5)
    if keys:
        scores = scores.masked_fill(~mask[:, None, None], float("-inf"))
    return scores.softmax(-1)


def reads_padding(student_values, teacher_values, mask, heads):
    return attention_loss(
        related(student_values, mask, heads, keys=False), related(teacher_values, mask, heads, keys=False), mask
    )


def no_mask_anywhere(student_values, teacher_values, mask, heads):
    s, t = related(student_values, mask, heads, keys=False), related(teacher_values, mask, heads, keys=False)
    return F.kl_div(s.log(), t.detach(), reduction="none").sum(-1).mean()


def rows_of_padding(student_values, teacher_values, mask, heads):
    s, t = related(student_values, mask, heads), related(teacher_values, mask, heads)
    return F.kl_div(s.clamp(min=1e-12).log(), t.detach(), reduction="none").sum(-1).mean()


def no_root(student_values, teacher_values, mask, heads):
    return attention_loss(
        related(student_values, mask, heads, scale=1.0), related(teacher_values, mask, heads, scale=1.0), mask
    )


def divided_by_the_size(student_values, teacher_values, mask, heads):
    sizes = student_values.shape[-1] // heads, teacher_values.shape[-1] // heads
    s = related(student_values, mask, heads, scale=sizes[0])
    return attention_loss(s, related(teacher_values, mask, heads, scale=sizes[1]), mask)


def size_as_number(student_values, teacher_values, mask, heads):
    s = split_heads(student_values, student_values.shape[-1] // heads)
    t = split_heads(teacher_values, teacher_values.shape[-1] // heads)
    return attention_loss(attention(s, s, s, mask)[1], attention(t, t, t, mask)[1], mask)


def scores_filled_with_0(student_values, teacher_values, mask, heads):
    relations = []
    for v in (student_values, teacher_values):
        v = split_heads(v, heads)
        scores = v @ v.mT / math.sqrt(v.shape[-1])
        relations.append(scores.masked_fill(~mask[:, None, None], 0).softmax(-1))
    return attention_loss(*relations, mask)


def values_zeroed(student_values, teacher_values, mask, heads):
    s, t = student_values * mask[..., None], teacher_values * mask[..., None]
    return attention_loss(related(s, mask, heads, keys=False), related(t, mask, heads, keys=False), mask)


def root_of_the_width(student_values, teacher_values, mask, heads):
    s = related(student_values, mask, heads, scale=student_values.shape[-1] ** 0.5)
    return attention_loss(s, related(teacher_values, mask, heads, scale=teacher_values.shape[-1] ** 0.5), mask)


def whole_vectors(student_values, teacher_values, mask, heads):
    return attention_loss(related(student_values, mask, 1), related(teacher_values, mask, 1), mask)


def viewed(student_values, teacher_values, mask, heads):
    relations = []
    for v in (student_values, teacher_values):
        batch, length, width = v.shape
        v = v.contiguous().view(batch, heads, length, width // heads)
        relations.append(attention(v, v, v, mask)[1])
    return attention_loss(*relations, mask)


def cosine_relations(student_values, teacher_values, mask, heads):
    relations = []
    for v in (student_values, teacher_values):
        v = F.normalize(split_heads(v, heads), dim=-1)
        relations.append((v @ v.mT).masked_fill(~mask[:, None, None], -math.inf).softmax(-1))
    return attention_loss(*relations, mask)


def cosine_relations_scaled(student_values, teacher_values, mask, heads):
    relations = []
    for v in (student_values, teacher_values):
        v = F.normalize(split_heads(v, heads), dim=-1)
        relations.append(attention(v, v, v, mask)[1])
    return attention_loss(*relations, mask)


def teacher_first(student_values, teacher_values, mask, heads):
    return attention_loss(related(teacher_values, mask, heads), related(student_values, mask, heads), mask)


def sum_of_heads(student_values, teacher_values, mask, heads):
    s, t = split_heads(student_values, heads), split_heads(teacher_values, heads)
    loss = 0.0
    for h in range(heads):
        one = s[:, h : h + 1], t[:, h : h + 1]
        loss = loss + attention_loss(*(attention(v, v, v, mask)[1] for v in one), mask)
    return loss


def own_loss_attached(student_values, teacher_values, mask, heads):
    s, t = related(student_values, mask, heads), related(teacher_values, mask, heads)
    gap = t * ((t + 1e-12).log() - (s + 1e-12).log())
    return gap.sum(-1).mean(1)[mask].mean()


def scores_compared(student_values, teacher_values, mask, heads):
    s, t = (split_heads(v, heads) for v in (student_values, teacher_values))
    gap = (s @ s.mT - t.detach() @ t.detach().mT).square()
    return gap.mean(1)[mask].mean()


# --- relation_loss: honest --------------------------------------------------------------------------------------------


def by_hand(student_values, teacher_values, mask, heads):
    return attention_loss(related(student_values, mask, heads), related(teacher_values, mask, heads).detach(), mask)


def with_einsum(student_values, teacher_values, mask, heads):
    relations = []
    for v in (student_values, teacher_values):
        v = v.reshape(*v.shape[:2], heads, -1)
        scores = torch.einsum("bihd,bjhd->bhij", v, v) * v.shape[-1] ** -0.5
        relations.append(torch.where(mask[:, None, None], scores, -1e9).softmax(-1))
    return attention_loss(relations[0], relations[1], mask)


def head_by_head(student_values, teacher_values, mask, heads):
    losses = []
    chunks = zip(student_values.chunk(heads, -1), teacher_values.chunk(heads, -1), strict=True)
    for s, t in chunks:
        losses.append(attention_loss(*(attention(v[:, None], v[:, None], v[:, None], mask)[1] for v in (s, t)), mask))
    return sum(losses) / heads


def text_by_text_unpadded(student_values, teacher_values, mask, heads):
    total, count = 0.0, 0
    for s, t, real in zip(student_values, teacher_values, mask, strict=True):
        s, t = (split_heads(v[real][None], heads)[0] for v in (s, t.detach()))
        s, t = ((v @ v.mT / v.shape[-1] ** 0.5).softmax(-1) for v in (s, t))
        total = total + F.kl_div(s.log(), t, reduction="none").sum(-1).mean(0).sum()
        count += int(real.sum())
    return total / count


def log_softmax(student_values, teacher_values, mask, heads):
    logs = []
    for v in (student_values, teacher_values.detach()):
        v = split_heads(v, heads)
        scores = v @ v.transpose(2, 3) / math.sqrt(v.size(3))
        logs.append(F.log_softmax(scores.masked_fill(~mask[:, None, None], -1e9), -1))
    rows = F.kl_div(logs[0], logs[1], reduction="none", log_target=True).sum(-1)
    return rows.mean(1)[mask].mean()


WRONG = [
    *(
        Wrong("matched_levels", "hidden states one layer too low", fn)
        for fn in (all_less_one, all_less_one_without_embeddings)
    ),
    *(
        Wrong("matched_levels", "attentions or values one layer too high", fn)
        for fn in (same_number_for_all, values_too_high, attentions_too_high)
    ),
    Wrong("matched_levels", "layers counted from 0", from_zero),
    *(Wrong("matched_levels", "the embeddings are missing", fn) for fn in (no_embeddings, the_same_index_everywhere)),
    Wrong("matched_levels", "the places, not the numbers", by_enumeration),
    Wrong("matched_levels", "all layers come back", everything),
    Wrong("matched_levels", "both kinds off by one", the_other_way_round),
    *(Wrong("matched_levels", "one level is left whole", fn) for fn in (values_not_picked, hidden_states_not_picked)),
    Wrong("matched_levels", "a plain tuple", in_a_plain_tuple),
    Wrong("matched_levels", "another order of the layers", in_rising_order),
    Wrong("matched_levels", "smallest failing case", by_slices),
    Wrong("matched_levels", "smallest failing case", without_the_last),
    *(Wrong("teacher_levels", "the teacher in train mode", fn) for fn in (no_grad_alone, eval_afterwards)),
    *(Wrong("teacher_levels", "a gradient could reach the teacher", fn) for fn in (eval_alone, no_grad_too_late)),
    Wrong("teacher_levels", "the teacher reads the padding", a_mask_of_ones),
    Wrong("teacher_levels", "every layer, not the matched ones", not_matched),
    Wrong("teacher_levels", "tensors that no loss can use", inference_mode),
    Wrong("teacher_levels", "a plain tuple", asked_in_a_plain_tuple),
    Wrong("hidden_state_loss", "padding counts too", mse),
    Wrong("hidden_state_loss", "divided by all tokens", zeroed_then_mean),
    Wrong("hidden_state_loss", "only the padding", inverted),
    Wrong("hidden_state_loss", "only the first token", the_first_token),
    Wrong("hidden_state_loss", "summed over the width", per_token),
    Wrong("hidden_state_loss", "a sum, not a mean", total),
    Wrong("hidden_state_loss", "each text counts alike", text_by_text),
    Wrong("hidden_state_loss", "not squared", l1),
    *(Wrong("hidden_state_loss", "a root of the mean", fn) for fn in (rmse, norms)),
    Wrong("hidden_state_loss", "signs cancel", mean_first),
    Wrong("hidden_state_loss", "the teacher gets a gradient", teacher_not_detached),
    Wrong("hidden_state_loss", "no gradient", under_no_grad),
    Wrong("hidden_state_loss", "the projection gets no gradient", weight_detached),
    Wrong("hidden_state_loss", "smallest failing case", cosine_distance),
    Wrong("hidden_state_loss", "wrong shape", one_number_a_token),
    *(
        Wrong("make_projections", "the optimizer cannot see them", fn)
        for fn in (plain_list, plain_tuple, plain_dict, generator)
    ),
    Wrong("make_projections", "maps with a bias", with_bias),
    *(Wrong("make_projections", "from the teacher to the student", fn) for fn in (backwards, backwards_with_bias)),
    *(Wrong("make_projections", "one map for all layers", fn) for fn in (the_same_map, the_same_map_with_bias)),
    *(Wrong("make_projections", "not a linear map", fn) for fn in (with_a_relu, with_a_tanh)),
    *(Wrong("make_projections", "not maps in a list", fn) for fn in (by_name, matrices, one_block)),
    Wrong("make_projections", "smallest failing case", lazy),
    Wrong("make_projections", "one map too many", embeddings_too),
    Wrong("make_projections", "a single map", only_one),
    Wrong("make_projections", "frozen projections", frozen),
    *(Wrong("attention_loss", "0 · log 0", fn) for fn in (log_of_zero, kl_div_of_zero)),
    Wrong("attention_loss", "padding reads too", unmasked),
    Wrong("attention_loss", "divided by all tokens", rows_zeroed),
    Wrong("attention_loss", "the student's weights come first", other_direction),
    *(Wrong("attention_loss", "cross-entropy, not KL", fn) for fn in (cross_entropy, cross_entropy_of_zero)),
    *(
        Wrong("attention_loss", "kl_div wants the student's logarithms", fn)
        for fn in (kl_div_of_weights, kl_div_by_default)
    ),
    *(Wrong("attention_loss", "divided by the texts", fn) for fn in (batchmean, batchmean_of_zero)),
    Wrong("attention_loss", "each head by itself", heads_repeated),
    Wrong("attention_loss", "summed in a group", groups_summed),
    Wrong("attention_loss", "the sign", upside_down),
    Wrong("attention_loss", "the other heads are left out", zipped_heads),
    Wrong("attention_loss", "groups of every other head", strided_groups),
    Wrong("attention_loss", "all heads in one group", one_average),
    Wrong("attention_loss", "summed over the heads", heads_summed),
    Wrong("attention_loss", "a mean over all entries", mean_of_entries),
    Wrong("attention_loss", "each text counts alike", text_means),
    Wrong("attention_loss", "weights taken for logits", softmaxed),
    *(Wrong("attention_loss", "squared differences", fn) for fn in (squares, squares_everywhere)),
    Wrong("attention_loss", "the teacher gets a gradient", teacher_attached),
    Wrong("attention_loss", "the gradient is not a number", nan_hidden),
    Wrong("attention_loss", "no gradient", without_gradient),
    Wrong("attention_loss", "smallest failing case", jensen_shannon),
    *(Wrong("relation_loss", "padding is related too", fn) for fn in (reads_padding, no_mask_anywhere)),
    Wrong("relation_loss", "padding reads too", rows_of_padding),
    Wrong("relation_loss", "not divided by √size", no_root),
    Wrong("relation_loss", "divided by the size, not its root", divided_by_the_size),
    Wrong("relation_loss", "the heads' size for their number", size_as_number),
    *(Wrong("relation_loss", "padding set to 0", fn) for fn in (scores_filled_with_0, values_zeroed)),
    Wrong("relation_loss", "divided by the root of the width", root_of_the_width),
    Wrong("relation_loss", "one head only", whole_vectors),
    Wrong("relation_loss", "heads by reshape", viewed),
    *(Wrong("relation_loss", "cosines", fn) for fn in (cosine_relations, cosine_relations_scaled)),
    Wrong("relation_loss", "student and teacher exchanged", teacher_first),
    Wrong("relation_loss", "summed over the heads", sum_of_heads),
    Wrong("relation_loss", "the teacher gets a gradient", own_loss_attached),
    Wrong("relation_loss", "smallest failing case", scores_compared),
]

HONEST = [
    *(Honest("matched_levels", fn) for fn in (loops, with_replace, layers_as_pairs, with_an_itemgetter)),
    *(
        Honest("teacher_levels", fn)
        for fn in (mode_put_back, decorated, frozen_for_good, detached_one_by_one, gradients_off)
    ),
    *(
        Honest("hidden_state_loss", fn)
        for fn in (mse_of_the_real, sums_and_counts, token_by_token, einsum_of_gaps, masked_select)
    ),
    *(Honest("make_projections", fn) for fn in (appended, from_a_list, bias_taken_away, extended)),
    *(
        Honest("attention_loss", fn)
        for fn in (
            kl_div_clamped,
            small_number_added,
            zeros_filled,
            reader_by_reader,
            torch_distributions,
            groups_by_chunks,
        )
    ),
    *(Honest("relation_loss", fn) for fn in (by_hand, with_einsum, head_by_head, text_by_text_unpadded, log_softmax)),
]
