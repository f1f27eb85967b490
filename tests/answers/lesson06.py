"""Answers to lesson 06: schedules, training steps, agreements and bootstraps in the ways people write them."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from softlabels.distill.training import clip_gradients
from tests.answers import Honest, Wrong

# --- learning_rate: wrong ---------------------------------------------------------------------------------------------


def no_peak(update, updates, peak, warmup):
    w = max(1, int(warmup * updates))
    return min((update + 1) / w, 1.0, (updates - update) / max(1, updates - w))


def starts_at_zero(update, updates, peak, warmup):
    w = int(warmup * updates)
    if update < w:
        return peak * update / w
    return peak * (updates - update) / max(1, updates - w)


def starts_and_ends_at_zero(update, updates, peak, warmup):
    w = int(warmup * updates)
    if update < w:
        return peak * update / w
    return peak * (updates - 1 - update) / max(1, updates - w)


def ends_at_zero(update, updates, peak, warmup):
    w = int(warmup * updates)
    if update < w:
        return peak * (update + 1) / w
    return peak * (updates - update - 1) / (updates - w)


def reaches_zero(update, updates, peak, warmup):
    w = int(warmup * updates)
    if update + 1 <= w:
        return peak * (update + 1) / w
    return peak * (updates - 1 - update) / max(1, updates - 1 - w)


def warmup_in_updates(update, updates, peak, warmup):
    if update + 1 <= warmup:
        return peak * (update + 1) / warmup
    return peak * min(1.0, (updates - update) / max(1, updates - warmup))


def falls_from_the_start(update, updates, peak, warmup):
    return peak * (1 - update / updates)


def flat_then_falls(update, updates, peak, warmup):
    w = warmup * updates
    return peak if update < w else peak * (updates - update) / (updates - w)


def stays_up(update, updates, peak, warmup):
    w = warmup * updates
    return peak * (update + 1) / w if update + 1 < w else peak


def sawtooth(update, updates, peak, warmup):
    w = warmup * updates
    if update < w:
        return peak * (update + 1) / w
    return peak - peak * update / updates


def maximum(update, updates, peak, warmup):
    w = warmup * updates
    rising, falling = (update + 1) / max(w, 1), (updates - update) / max(updates - w, 1)
    return max(rising, falling) * peak


def floor_division(update, updates, peak, warmup):
    rising = (update + 1) // max(1, int(warmup * updates))
    falling = (updates - update) // max(1, updates - int(warmup * updates))
    return peak * min(1, rising, falling)


def half_a_cosine(update, updates, peak, warmup):
    w = warmup * updates
    if update + 1 <= w:
        return peak * (update + 1) / w
    done = (update - w) / (updates - w)
    return peak * (1 + math.cos(math.pi * done)) / 2


def squared(update, updates, peak, warmup):
    w = max(1, warmup * updates)
    return peak * min(1.0, (update + 1) / w, (updates - update) / max(1, updates - w)) ** 2


# --- learning_rate: honest --------------------------------------------------------------------------------------------


def two_branches(update, updates, peak, warmup):
    rising = round(warmup * updates)
    if update < rising:
        return peak * (update + 1) / rising
    return peak * (updates - update) / (updates - rising)


def product(update, updates, peak, warmup):
    w = warmup * updates
    up = 1.0 if w == 0 else min(1.0, (update + 1) / w)
    down = 1.0 if w == updates else min(1.0, (updates - update) / (updates - w))
    return up * down * peak


def interpolated(update, updates, peak, warmup):
    w = int(warmup * updates)
    xs, ys = [w, updates], [peak, 0.0]
    if w > 0:
        xs, ys = [-1, w - 1, w, updates], [0.0, peak, peak, 0.0]
    return float(np.interp(update, xs, ys))


def tensors(update, updates, peak, warmup):
    w = torch.tensor(warmup * updates, dtype=torch.float64)
    lines = torch.stack([torch.ones_like(w), (update + 1) / w.clamp(min=1), (updates - update) / (updates - w)])
    return peak * lines.min()


def numpy_scalar(update, updates, peak, warmup):
    w = np.float64(warmup) * updates
    with np.errstate(divide="ignore"):
        return np.minimum(np.minimum(peak, peak * (update + 1) / w), peak * (updates - update) / (updates - w))


def table(update, updates, peak, warmup):
    w = int(warmup * updates)
    rates = [peak * (i + 1) / w for i in range(w)] + [peak * (updates - i) / (updates - w) for i in range(w, updates)]
    return rates[update]


# --- training_step: wrong ---------------------------------------------------------------------------------------------


def set_rate(optimizers, learning_rate):
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate


def step_all(optimizers):
    for optimizer in optimizers:
        optimizer.step()


def zero_all(optimizers):
    for optimizer in optimizers:
        optimizer.zero_grad()


def loss_of(student, batch, objective):
    return objective(student(batch.input_ids, batch.attention_mask), batch)


def piled_up(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    if torch.isfinite(loss):
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), clip)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
    return loss.item()


def one_optimizer_emptied(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    if not math.isfinite(loss):
        return float(loss)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad  # noqa: B018
    return loss.item()


def emptied_too_early(student, batch, objective, optimizers, learning_rate, clip):
    set_rate(optimizers, learning_rate)
    loss = loss_of(student, batch, objective)
    loss.backward()
    zero_all(optimizers)
    clip_gradients(student, clip)
    step_all(optimizers)
    return loss.item()


def emptied_by_the_student(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    set_rate(optimizers, learning_rate)
    for optimizer in optimizers:
        student.zero_grad(set_to_none=False)
        optimizer.step()
    return loss.item()


def step_then_backward(student, batch, objective, optimizers, learning_rate, clip):
    set_rate(optimizers, learning_rate)
    zero_all(optimizers)
    loss = loss_of(student, batch, objective)
    step_all(optimizers)
    loss.backward()
    clip_gradients(student, clip)
    return loss.item()


def one_batch_late(student, batch, objective, optimizers, learning_rate, clip):
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    return loss.item()


def never_steps(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    zero_all(optimizers)
    return loss.item()


def never_goes_back(student, batch, objective, optimizers, learning_rate, clip):
    set_rate(optimizers, learning_rate)
    loss = loss_of(student, batch, objective)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item()


def first_optimizer_only(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    optimizer = optimizers[0]
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.step()
    student.zero_grad()
    return loss.item()


def returns_in_the_loop(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()


def steps_in_the_groups_loop(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    for optimizer in optimizers:
        for _ in optimizer.param_groups:
            optimizer.step()
        optimizer.zero_grad()
    return loss.item()


def rate_forgotten(student, batch, objective, optimizers, learning_rate, clip):
    zero_all(optimizers)
    loss = loss_of(student, batch, objective)
    if loss.isfinite():
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), clip)
        step_all(optimizers)
    return loss.item()


def rate_in_a_field_of_its_own(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    for optimizer in optimizers:
        optimizer.lr = learning_rate
        optimizer.defaults["lr"] = learning_rate
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


def rate_afterwards(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
    return loss.item()


def first_group_only(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = learning_rate
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


def rate_in_the_first_optimizer_only(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers[:1], learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item()


def clips_nothing(student, batch, objective, optimizers, learning_rate, clip):
    zero_all(optimizers)
    loss = loss_of(student, batch, objective)
    if loss.isfinite():
        loss.backward()
        set_rate(optimizers, learning_rate)
        step_all(optimizers)
    return loss.item()


def clips_after_the_step(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    clip_gradients(student, clip)
    zero_all(optimizers)
    return loss.item()


def clips_before_backward(student, batch, objective, optimizers, learning_rate, clip):
    student.zero_grad()
    loss = loss_of(student, batch, objective)
    nn.utils.clip_grad_norm_(student.parameters(), clip)
    loss.backward()
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    return loss.item()


def clips_values(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    nn.utils.clip_grad_value_(student.parameters(), clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item()


def clips_one_by_one(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    for parameter in student.parameters():
        nn.utils.clip_grad_norm_([parameter], clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item()


def clips_at_one(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), 1.0)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item()


def normalises(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    norm = torch.stack([p.grad.norm() for p in student.parameters()]).norm()
    for parameter in student.parameters():
        parameter.grad.mul_(clip / norm)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item()


def in_eval_mode(student, batch, objective, optimizers, learning_rate, clip):
    student.eval()
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item()


def evaluated_for_the_loss(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    with torch.no_grad():
        return loss_of(student.eval(), batch, objective).item()


def without_the_mask(student, batch, objective, optimizers, learning_rate, clip):
    loss = objective(student(batch.input_ids), batch)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item()


def cross_entropy_always(student, batch, objective, optimizers, learning_rate, clip):
    loss = F.cross_entropy(student(batch.input_ids, batch.attention_mask), batch.labels)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item()


def batch_first(student, batch, objective, optimizers, learning_rate, clip):
    loss = objective(batch, student(batch.input_ids, batch.attention_mask))
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item()


def keeps_the_graph(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    if loss.isfinite():
        loss.backward()
        clip_gradients(student, clip)
        set_rate(optimizers, learning_rate)
        step_all(optimizers)
        zero_all(optimizers)
    return loss


def loss_again(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    if loss.isfinite():
        loss.backward()
        clip_gradients(student, clip)
        set_rate(optimizers, learning_rate)
        step_all(optimizers)
        zero_all(optimizers)
    return loss_of(student, batch, objective).item()


def updates_anyway(student, batch, objective, optimizers, learning_rate, clip):
    zero_all(optimizers)
    loss = loss_of(student, batch, objective)
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    return loss.item()


def asks_too_late(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item() if loss.isfinite() else float("nan")


def leaves_nan_behind(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    if loss.isfinite():
        clip_gradients(student, clip)
        set_rate(optimizers, learning_rate)
        step_all(optimizers)
        zero_all(optimizers)
    return loss.item()


def half_the_loss(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective) / len(batch.input_ids)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item() * len(batch.input_ids)


def sum_of_the_batch(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)
    return loss.item() * len(batch.input_ids)


def says_nothing(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    loss.backward()
    clip_gradients(student, clip)
    set_rate(optimizers, learning_rate)
    step_all(optimizers)
    zero_all(optimizers)


# --- training_step: honest --------------------------------------------------------------------------------------------


def pytorch_idiom(student, batch, objective, optimizers, learning_rate, clip):
    for optimizer in optimizers:
        optimizer.zero_grad()
    output = student(batch.input_ids, attention_mask=batch.attention_mask)
    loss = objective(output, batch)
    if not torch.isfinite(loss):
        return loss.item()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(student.parameters(), max_norm=clip)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
    return loss.item()


def train_mode_made_sure(student, batch, objective, optimizers, learning_rate, clip):
    student.train()
    student.zero_grad(set_to_none=True)
    set_rate(optimizers, learning_rate)
    loss = objective(student(*batch[:2]), batch)
    if math.isfinite(loss.item()):
        loss.backward()
        clip_gradients(student, clip)
        [optimizer.step() for optimizer in optimizers]
    return float(loss.detach())


def clipped_by_hand(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    value = loss.item()
    if value == value and abs(value) != math.inf:
        loss.backward()
        norm = sum(float((p.grad**2).sum()) for p in student.parameters()) ** 0.5
        if norm > clip:
            for parameter in student.parameters():
                parameter.grad *= clip / norm
        set_rate(optimizers, learning_rate)
        step_all(optimizers)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=False)
    return value


def gradients_by_autograd(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    if loss.isfinite():
        parameters = [p for p in student.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(loss, parameters)
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient * (clip / (norm + 1e-6)).clamp(max=1.0)
        set_rate(optimizers, learning_rate)
        step_all(optimizers)
        student.zero_grad()
    return loss.detach().numpy()


def detached_tensor(student, batch, objective, optimizers, learning_rate, clip):
    loss = loss_of(student, batch, objective)
    if loss.detach().isfinite().item():
        for parameter in student.parameters():
            parameter.grad = None
        loss.backward()
        nn.utils.clip_grad_norm_(list(student.parameters()), clip)
        for optimizer in reversed(optimizers):
            optimizer.param_groups[0]["lr"] = learning_rate
            for group in optimizer.param_groups[1:]:
                group.update(lr=learning_rate)
            optimizer.step()
    return loss.detach()


# --- agreement --------------------------------------------------------------------------------------------------------


def share_of_differences(logits_a, logits_b):
    return (logits_a.argmax(-1) != logits_b.argmax(-1)).float().mean().item()


def percent(logits_a, logits_b):
    return (logits_a.argmax(-1) == logits_b.argmax(-1)).float().mean().item() * 100


def number_of_examples(logits_a, logits_b):
    return int((logits_a.argmax(1) == logits_b.argmax(1)).sum())


def equal_logits(logits_a, logits_b):
    return (logits_a == logits_b).float().mean().item()


def equal_probabilities(logits_a, logits_b):
    close = torch.isclose(logits_a.softmax(1), logits_b.softmax(1))
    return close.all(dim=1).float().mean().item()


def equal_maxima(logits_a, logits_b):
    return (logits_a.max(dim=1).values == logits_b.max(dim=1).values).float().mean()


def down_the_batch(logits_a, logits_b):
    return (logits_a.argmax(0) == logits_b.argmax(0)).float().mean().item()


def one_argmax(logits_a, logits_b):
    return float(torch.argmax(logits_a) == torch.argmax(logits_b))


def shared_probability(logits_a, logits_b):
    p, q = logits_a.softmax(-1), logits_b.softmax(-1)
    return (1 - (p - q).abs().sum(-1) / 2).mean().item()


def cosine(logits_a, logits_b):
    a, b = F.normalize(logits_a, dim=1), F.normalize(logits_b, dim=1)
    return (a * b).sum(dim=1).mean().item()


def least_likely(logits_a, logits_b):
    return (logits_a.argmin(-1) == logits_b.argmin(-1)).float().mean().item()


def example_by_example(logits_a, logits_b):
    return logits_a.argmax(-1) == logits_b.argmax(-1)


def counted(logits_a, logits_b):
    same = 0
    for a, b in zip(logits_a.tolist(), logits_b.tolist(), strict=True):
        same += a.index(max(a)) == b.index(max(b))
    return same / len(logits_a)


def with_numpy(logits_a, logits_b):
    return float(np.mean(np.argmax(logits_a.numpy(), 1) == np.argmax(logits_b.numpy(), 1)))


def of_probabilities(logits_a, logits_b):
    first, second = torch.softmax(logits_a, 1).max(1).indices, torch.softmax(logits_b, 1).topk(1).indices[:, 0]
    return torch.eq(first, second).sum().item() / first.numel()


def one_hot_products(logits_a, logits_b):
    classes = logits_a.shape[-1]
    a, b = (F.one_hot(x.argmax(-1), classes).float() for x in (logits_a, logits_b))
    return torch.einsum("nc,nc->n", a, b).mean()


def less_the_differences(logits_a, logits_b):
    return 1 - torch.count_nonzero(logits_a.argmax(1) - logits_b.argmax(1)).item() / logits_a.size(0)


# --- paired_bootstrap: wrong ------------------------------------------------------------------------------------------


def means(values, draws, rng, size=None):
    return np.array([rng.choice(values, size or len(values)).mean() for _ in range(draws)])


def without_replacement(a, b, draws, rng):
    d = a - b
    x, y = d.mean(0), d.mean(1)
    return np.array(
        [
            [rng.choice(x, len(x), replace=False).mean() for _ in range(draws)],
            [rng.permutation(y).mean() for _ in range(draws)],
        ]
    )


def means_of_the_mean(a, b, draws, rng):
    return np.array([[(a - b).mean() for _ in range(draws)]] * 2)


def unpaired(a, b, draws, rng):
    rows = []
    for axis in (0, 1):
        rows.append(means(a.mean(axis), draws, rng) - means(b.mean(axis), draws, rng))
    return np.stack(rows)


def unpaired_examples(a, b, draws, rng):
    n, per_seed = a.shape[1], (a - b).mean(axis=1)
    first = [a[:, rng.integers(n, size=n)].mean() - b[:, rng.integers(n, size=n)].mean() for _ in range(draws)]
    return np.array([first, means(per_seed, draws, rng)])


def other_way_round(a, b, draws, rng):
    d = a - b
    return np.array([means(d.mean(axis=1), draws, rng), means(d.mean(axis=0), draws, rng)])


def examples_twice(a, b, draws, rng):
    d = (a - b).mean(axis=0)
    return np.array([means(d, draws, rng), means(d, draws, rng)])


def seeds_fixed(a, b, draws, rng):
    d = a - b
    return np.array([means(d.mean(0), draws, rng), np.full(draws, d.mean())])


def seeds_twice(a, b, draws, rng):
    d = (a - b).mean(axis=1)
    return np.stack([means(d, draws, rng) for _ in range(2)])


def examples_fixed(a, b, draws, rng):
    d = a - b
    return np.array([np.repeat(d.mean(), draws), means(d.mean(1), draws, rng)])


def seeds_and_examples_at_once(a, b, draws, rng):
    d, out = a - b, np.empty((2, draws))
    for row in range(2):
        for i in range(draws):
            s, e = rng.integers(len(d), size=len(d)), rng.integers(d.shape[1], size=d.shape[1])
            out[row, i] = d[s][:, e].mean()
    return out


def all_cells(a, b, draws, rng):
    d = (a - b).ravel()
    return np.array([means(d, draws, rng), means(d, draws, rng)])


def cells_for_the_examples(a, b, draws, rng):
    d = a - b
    return np.array([means(d.flatten(), draws, rng), means(d.mean(1), draws, rng)])


def single_values(a, b, draws, rng):
    d = a - b
    return np.array([rng.choice(d.mean(0), draws), rng.choice(d.mean(1), draws)])


def as_many_as_draws(a, b, draws, rng):
    d = a - b
    return np.array([means(d.mean(axis), draws, rng, size=draws) for axis in (0, 1)])


def control_first(a, b, draws, rng):
    d = b - a
    return np.array([means(d.mean(0), draws, rng), means(d.mean(1), draws, rng)])


def deviations(a, b, draws, rng):
    d = a - b
    d = d - d.mean()
    return np.array([means(d.mean(0), draws, rng), means(d.mean(1), draws, rng)])


def method_alone(a, b, draws, rng):
    return np.array([means(a.mean(0), draws, rng), means(a.mean(1), draws, rng)])


def global_dice(a, b, draws, rng):
    d = a - b
    return np.array(
        [[np.random.choice(x, len(x)).mean() for _ in range(draws)] for x in (d.mean(axis=0), d.mean(axis=1))]
    )


def pytorch_dice(a, b, draws, rng):
    d = torch.as_tensor(a - b)
    rows = []
    for x in (d.mean(0), d.mean(1)):
        rows.append(x[torch.randint(len(x), (draws, len(x)))].mean(1))
    return torch.stack(rows)


def seeded_inside(a, b, draws, rng):
    rng, d = np.random.default_rng(0), a - b
    return np.array([means(d.mean(0), draws, rng), means(d.mean(1), draws, rng)])


def only_the_interval(a, b, draws, rng):
    d = a - b
    return np.quantile(means(d.mean(0), draws, rng), [0.025, 0.975])


def per_draw_rows(a, b, draws, rng):
    d = a - b
    return np.array([means(d.mean(0), draws, rng), means(d.mean(1), draws, rng)]).T


# --- paired_bootstrap: honest -----------------------------------------------------------------------------------------


def one_index_for_both_arms(a, b, draws, rng):
    (seeds, examples), out = a.shape, np.zeros((2, draws))
    for i in range(draws):
        e = rng.integers(0, examples, examples)
        s = rng.integers(0, seeds, seeds)
        out[0, i] = a[:, e].mean() - b[:, e].mean()
        out[1, i] = a[s].mean() - b[s].mean()
    return out


def as_matrices(a, b, draws, rng):
    d, rows = a - b, []
    for values in (d.mean(axis=0), d.mean(axis=1)):
        index = rng.integers(len(values), size=(draws, len(values)))
        rows.append(values[index].mean(axis=1))
    return rows[0], rows[1]


def multinomial(a, b, draws, rng):
    d = np.asarray(a) - np.asarray(b)
    (seeds, examples), cells = d.shape, d.size
    by_example = rng.multinomial(examples, np.full(examples, 1 / examples), size=draws) @ d.sum(axis=0) / cells
    by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) @ d.sum(axis=1) / cells
    return np.vstack([by_example, by_seed])


def in_python(a, b, draws, rng):
    seeds, examples = len(a), len(a[0])
    d = (a - b).tolist()
    columns = [sum(row[j] for row in d) / seeds for j in range(examples)]
    rows = [sum(row) / examples for row in d]

    def mean_of_a_draw(values):
        return sum(values[k] for k in rng.integers(len(values), size=len(values))) / len(values)

    return [[mean_of_a_draw(columns) for _ in range(draws)], [mean_of_a_draw(rows) for _ in range(draws)]]


def with_torch(a, b, draws, rng):
    d = torch.as_tensor(a) - torch.as_tensor(b)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    rows = []
    for values in (d.mean(dim=0), d.mean(dim=1)):
        index = torch.randint(len(values), (draws, len(values)), generator=generator)
        rows.append(values[index].mean(dim=1))
    return torch.stack(rows)


def sorted_draws(a, b, draws, rng):
    d = a - b
    return np.sort([means(d.mean(0), draws, rng), means(d.mean(1), draws, rng)], axis=1)


WRONG = [
    Wrong("learning_rate", "the factor, not the rate", no_peak),
    Wrong("learning_rate", "the first update gets 0", starts_at_zero),
    Wrong("learning_rate", "the first update gets 0", starts_and_ends_at_zero),
    *(Wrong("learning_rate", "the last update gets 0", fn) for fn in (ends_at_zero, reaches_zero)),
    Wrong("learning_rate", "warmup taken for a number of updates", warmup_in_updates),
    *(Wrong("learning_rate", "no warm-up", fn) for fn in (falls_from_the_start, flat_then_falls)),
    Wrong("learning_rate", "no decay", stays_up),
    Wrong("learning_rate", "a jump after the warm-up", sawtooth),
    Wrong("learning_rate", "the larger of the two lines", maximum),
    Wrong("learning_rate", "whole numbers only", floor_division),
    Wrong("learning_rate", "decay along a cosine", half_a_cosine),
    Wrong("learning_rate", "smallest failing case", squared),
    *(Wrong("training_step", "gradients pile up", fn) for fn in (piled_up, one_optimizer_emptied)),
    Wrong("training_step", "the gradients are emptied before the step", emptied_too_early),
    Wrong("training_step", "the gradients are emptied before the step", emptied_by_the_student),
    Wrong("training_step", "the step comes before the backward pass", step_then_backward),
    Wrong("training_step", "the step comes before the backward pass", one_batch_late),
    Wrong("training_step", "no optimizer step", never_steps),
    Wrong("training_step", "no backward pass", never_goes_back),
    *(Wrong("training_step", "not every optimizer steps", fn) for fn in (first_optimizer_only, returns_in_the_loop)),
    Wrong("training_step", "more than one step for a batch", steps_in_the_groups_loop),
    Wrong("training_step", "the learning rate is not set", rate_forgotten),
    Wrong("training_step", "the learning rate is not set", rate_in_a_field_of_its_own),
    Wrong("training_step", "the learning rate is set after the step", rate_afterwards),
    Wrong("training_step", "not every parameter group gets the rate", first_group_only),
    Wrong("training_step", "not every parameter group gets the rate", rate_in_the_first_optimizer_only),
    Wrong("training_step", "gradients are not clipped", clips_nothing),
    Wrong("training_step", "gradients are not clipped", clips_after_the_step),
    Wrong("training_step", "gradients are not clipped", clips_before_backward),
    Wrong("training_step", "clipped number by number", clips_values),
    Wrong("training_step", "each gradient clipped by itself", clips_one_by_one),
    Wrong("training_step", "always clipped at 1", clips_at_one),
    Wrong("training_step", "short gradients are made longer", normalises),
    *(Wrong("training_step", "the student is in eval mode", fn) for fn in (in_eval_mode, evaluated_for_the_loss)),
    Wrong("training_step", "no attention mask", without_the_mask),
    Wrong("training_step", "the objective is not asked", cross_entropy_always),
    Wrong("training_step", "the objective's arguments are swapped", batch_first),
    Wrong("training_step", "the loss comes with its graph", keeps_the_graph),
    Wrong("training_step", "the loss after the update", loss_again),
    *(Wrong("training_step", "a loss that is NaN reaches the weights", fn) for fn in (updates_anyway, asks_too_late)),
    Wrong("training_step", "a loss that is NaN reaches the weights", leaves_nan_behind),
    Wrong("training_step", "other weights", half_the_loss),
    Wrong("training_step", "another loss", sum_of_the_batch),
    Wrong("training_step", "returns nothing", says_nothing),
    Wrong("agreement", "disagreement", share_of_differences),
    Wrong("agreement", "in percent", percent),
    Wrong("agreement", "a count, not a share", number_of_examples),
    *(Wrong("agreement", "compares numbers, not choices", fn) for fn in (equal_logits, equal_probabilities)),
    Wrong("agreement", "the largest values, not their places", equal_maxima),
    Wrong("agreement", "argmax over the wrong axis", down_the_batch),
    Wrong("agreement", "one argmax for the whole batch", one_argmax),
    Wrong("agreement", "overlap of the probabilities", shared_probability),
    Wrong("agreement", "cosine of the logits", cosine),
    Wrong("agreement", "smallest failing case", least_likely),
    Wrong("agreement", "wrong shape", example_by_example),
    *(Wrong("paired_bootstrap", "the same for every draw", fn) for fn in (without_replacement, means_of_the_mean)),
    *(Wrong("paired_bootstrap", "the arms are drawn apart", fn) for fn in (unpaired, unpaired_examples)),
    Wrong("paired_bootstrap", "the rows changed places", other_way_round),
    *(Wrong("paired_bootstrap", "only the examples are drawn anew", fn) for fn in (examples_twice, seeds_fixed)),
    *(Wrong("paired_bootstrap", "only the seeds are drawn anew", fn) for fn in (seeds_twice, examples_fixed)),
    Wrong("paired_bootstrap", "both at once", seeds_and_examples_at_once),
    *(Wrong("paired_bootstrap", "all answers in one urn", fn) for fn in (all_cells, cells_for_the_examples)),
    Wrong("paired_bootstrap", "one value instead of a mean", single_values),
    Wrong("paired_bootstrap", "each draw has the wrong size", as_many_as_draws),
    Wrong("paired_bootstrap", "b minus a", control_first),
    Wrong("paired_bootstrap", "centred at 0", deviations),
    Wrong("paired_bootstrap", "the spread is off", method_alone),
    *(Wrong("paired_bootstrap", "chance from elsewhere", fn) for fn in (global_dice, pytorch_dice)),
    Wrong("paired_bootstrap", "a generator of its own", seeded_inside),
    *(Wrong("paired_bootstrap", "wrong shape", fn) for fn in (only_the_interval, per_draw_rows)),
]

HONEST = [
    *(Honest("learning_rate", fn) for fn in (two_branches, product, interpolated, tensors, numpy_scalar, table)),
    *(
        Honest("training_step", fn)
        for fn in (pytorch_idiom, train_mode_made_sure, clipped_by_hand, gradients_by_autograd, detached_tensor)
    ),
    *(
        Honest("agreement", fn)
        for fn in (counted, with_numpy, of_probabilities, one_hot_products, less_the_differences)
    ),
    *(
        Honest("paired_bootstrap", fn)
        for fn in (one_index_for_both_arms, as_matrices, multinomial, in_python, with_torch, sorted_draws)
    ),
]
