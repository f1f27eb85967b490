"""Answers to lesson 03: losses written in the ways people write them, wrong and right."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from softlabels.course import buglab
from softlabels.course.diagnose import catalogue
from tests.answers import Honest, Wrong

# --- wrong distillation losses ------------------------------------------------------------


def ce(s, y, w):
    """The hard term, where there are labels."""
    return w * F.cross_entropy(s, y) if y is not None else 0.0


def probabilities_into_kl_div(s, t, y, T, soft_weight, hard_weight):
    soft = nn.KLDivLoss(reduction="batchmean")(F.softmax(s / T, dim=1), F.softmax(t.detach() / T, dim=1))
    return soft * (soft_weight * T * T) + ce(s, y, hard_weight)


def probabilities_by_hand(s, t, y, T, soft_weight, hard_weight):
    q, p = (s / T).softmax(-1), (t.detach() / T).softmax(-1)
    return soft_weight * T**2 * (p * (p.log() - q)).sum(-1).mean() + ce(s, y, hard_weight)


def both_probabilities_and_swapped(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.softmax(t.detach() / T, -1), F.softmax(s / T, -1), reduction="batchmean")
    return soft_weight * T * T * soft + ce(s, y, hard_weight)


def raw_logits_into_kl_div(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(s / T, F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T * T * soft + ce(s, y, hard_weight)


def default_reduction(s, t, y, T, soft_weight, hard_weight):
    soft = nn.KLDivLoss()(F.log_softmax(s / T, dim=1), F.softmax(t.detach() / T, dim=1))
    return soft * (soft_weight * T * T) + ce(s, y, hard_weight)


def divided_by_numel(s, t, y, T, soft_weight, hard_weight):
    log_q, log_p = F.log_softmax(s / T, dim=1), F.log_softmax(t.detach() / T, dim=1)
    soft = F.kl_div(log_q, log_p, reduction="sum", log_target=True) * (T * T) / s.numel()
    return soft * soft_weight + ce(s, y, hard_weight)


def summed_over_the_batch(s, t, y, T, soft_weight, hard_weight):
    soft = nn.KLDivLoss(reduction="sum")(F.log_softmax(s / T, dim=1), F.softmax(t.detach() / T, dim=1))
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def mean_of_batchmean(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean") / len(s)
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def no_t_squared(s, t, y, T, soft_weight, hard_weight):
    p = F.softmax(t.detach() / T, dim=-1)
    return soft_weight * -(p * F.log_softmax(s / T, dim=-1)).sum(-1).mean() + ce(s, y, hard_weight)


def t_squared_twice(s, t, y, T, soft_weight, hard_weight):
    soft = T**2 * F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def t_once(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T * soft + ce(s, y, hard_weight)


def divided_by_t_squared(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * soft / T**2 + ce(s, y, hard_weight)


def t_squared_around_everything(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return T**2 * (soft_weight * soft + ce(s, y, hard_weight))


def hard_term_softened(s, t, y, T, soft_weight, hard_weight):
    s, t = s / T, t.detach() / T
    soft = F.kl_div(F.log_softmax(s, -1), F.softmax(t, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def weights_the_other_way_round(s, t, y, T, soft_weight, hard_weight):
    soft = T**2 * F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return hard_weight * soft + ce(s, y, soft_weight)


def alpha_on_the_hard_term(s, t, y, T, alpha, _):
    soft = T**2 * F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return ce(s, y, alpha) + (1 - alpha) * soft


def one_alpha_for_both(s, t, y, T, alpha, _):
    soft = T**2 * F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return alpha * soft + ce(s, y, 1 - alpha)


def hard_weight_left_out(s, t, y, T, soft_weight, hard_weight):
    soft = T**2 * F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * soft + ce(s, y, 1)


def soft_term_only(s, t, y, T, soft_weight, hard_weight):
    return soft_weight * T**2 * F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")


def hard_term_only(s, t, y, T, soft_weight, hard_weight):
    return ce(s, y, hard_weight) + 0 * s.sum()


def always_half_a_hard_term(s, t, y, T, soft_weight, hard_weight=0.5):
    soft = T**2 * F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * soft + ce(s, y, hard_weight + 0.5)


def probabilities_from_the_model(s, t, y, T, soft_weight, hard_weight):
    s, t = F.softmax(s, -1), F.softmax(t.detach(), -1)  # as a model that ends in a softmax returns them
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def probabilities_into_cross_entropy(s, t, y, T, soft_weight, hard_weight):
    soft = F.cross_entropy(F.softmax(s / T, -1), F.softmax(t.detach() / T, -1))
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def teacher_softened_twice(s, t, y, T, soft_weight, hard_weight):
    p = F.softmax(F.softmax(t.detach(), -1) / T, -1)
    return soft_weight * T**2 * F.kl_div(F.log_softmax(s / T, -1), p, reduction="batchmean") + ce(s, y, hard_weight)


def hard_term_of_probabilities(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(F.softmax(s, -1), y, hard_weight)


def nll_without_log(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + (hard_weight * F.nll_loss(F.softmax(s, -1), y) if y is not None else 0)


def reverse_kl(s, t, y, T, soft_weight, hard_weight):
    log_q, log_p = F.log_softmax(s / T, -1), F.log_softmax(t.detach() / T, -1)
    return soft_weight * T**2 * F.kl_div(log_p, log_q, reduction="batchmean", log_target=True) + ce(s, y, hard_weight)


def teacher_on_both_sides(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(t.detach() / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight) + 0 * s.sum()


def student_on_both_sides(s, t, y, T, soft_weight, hard_weight):
    soft = F.cross_entropy(s / T, F.softmax(s / T, -1))
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def roles_exchanged(s, t, y, T, soft_weight, hard_weight):
    student, teacher = t, s
    soft = F.kl_div(F.log_softmax(student / T, -1), F.softmax(teacher.detach() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight) + 0 * s.sum()


def squared_error_of_probabilities(s, t, y, T, soft_weight, hard_weight):
    soft = F.mse_loss(F.softmax(s / T, -1), F.softmax(t.detach() / T, -1))
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def logit_matching(s, t, y, T, soft_weight, hard_weight):
    return soft_weight * F.mse_loss(s, t.detach()) + ce(s, y, hard_weight)


def temperature_for_the_teacher_only(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def temperature_for_the_student_only(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach(), -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def temperature_for_neither(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s, -1), F.softmax(t.detach(), -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def times_t(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s * T, -1), F.softmax(t.detach() * T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def log_targets_by_hand(s, t, y, T, soft_weight, hard_weight):
    soft = -(F.log_softmax(t.detach() / T, -1) * F.log_softmax(s / T, -1)).sum(-1).mean()
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def log_targets_into_kl_div(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.log_softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def log_target_of_probabilities(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean", log_target=True)
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def raw_teacher_logits(s, t, y, T, soft_weight, hard_weight):
    return soft_weight * T**2 * F.cross_entropy(s / T, t.detach() / T) + ce(s, y, hard_weight)


def teachers_first_choice(s, t, y, T, soft_weight, hard_weight):
    return soft_weight * T**2 * F.cross_entropy(s / T, t.argmax(-1)) + ce(s, y, hard_weight)


def wrong_dim(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, dim=0), F.softmax(t.detach() / T, dim=0), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def detached_soft_term(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean").detach()
    return soft_weight * T**2 * soft + ce(s, y, hard_weight) + 0 * s.sum()


def detached_hard_term(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + float(ce(s, y, hard_weight))


def everything_as_a_number(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return (soft_weight * T**2 * soft + ce(s, y, hard_weight)).item()


def teacher_not_detached(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def log_of_softmax(s, t, y, T, soft_weight, hard_weight):
    soft = -(F.softmax(t.detach() / T, -1) * F.softmax(s / T, -1).log()).sum(-1).mean()
    entropy = -(F.softmax(t.detach() / T, -1) * F.log_softmax(t.detach() / T, -1)).sum(-1).mean()
    return soft_weight * T**2 * (soft - entropy) + ce(s, y, hard_weight)


def sign_flipped(s, t, y, T, soft_weight, hard_weight):
    p = F.softmax(t.detach() / T, -1)
    return soft_weight * T**2 * (p * F.log_softmax(s / T, -1)).sum(-1).mean() + ce(s, y, hard_weight)


def twice_the_soft_term(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft * (T * T * 2.0 * soft_weight) + ce(s, y, hard_weight)


def cross_entropy_form(s, t, y, T, soft_weight, hard_weight):
    return soft_weight * T**2 * F.cross_entropy(s / T, F.softmax(t.detach() / T, -1)) + ce(s, y, hard_weight)


def needs_labels(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + hard_weight * F.cross_entropy(s, y)


def total_variation(s, t, y, T, soft_weight, hard_weight):
    soft = (F.softmax(s / T, -1) - F.softmax(t.detach() / T, -1)).abs().sum(-1).mean() / 2
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


# Each loss with the key of what `diagnose` must find in it (and what else it may: nothing).
WRONG_LOSSES = [
    (probabilities_into_kl_div, "probabilities-as-input"), (probabilities_by_hand, "probabilities-as-input"),
    (both_probabilities_and_swapped, "swapped-probabilities"), (raw_logits_into_kl_div, "logits-as-input"),
    (default_reduction, "mean-over-classes"), (divided_by_numel, "mean-over-classes"),
    (summed_over_the_batch, "sum-over-batch"), (mean_of_batchmean, "batch-mean-twice"),
    (no_t_squared, "t2-missing"), (t_squared_twice, "t2-twice"), (t_once, "t-not-squared"),
    (divided_by_t_squared, "t-power"), (t_squared_around_everything, "t2-on-hard-term"),
    (hard_term_softened, "softened-hard-term"), (weights_the_other_way_round, "weights-reversed"),
    (alpha_on_the_hard_term, "weights-reversed"), (one_alpha_for_both, "one-minus-soft-weight"),
    (hard_weight_left_out, "hard-weight-not-applied"), (soft_term_only, "hard-absent"), (hard_term_only, "same-logits"),
    (always_half_a_hard_term, "hidden-hard-term"), (probabilities_from_the_model, "double-softmax"),
    (probabilities_into_cross_entropy, "double-softmax"), (teacher_softened_twice, "double-softmax"),
    (hard_term_of_probabilities, "hard-double-softmax"), (nll_without_log, "hard-without-log"), (reverse_kl, "reverse"),
    (teacher_on_both_sides, "same-logits"), (student_on_both_sides, "student-entropy"),
    (roles_exchanged, "roles-swapped"),
    (squared_error_of_probabilities, "mse-on-probabilities"), (logit_matching, "mse-on-logits"),
    (temperature_for_the_teacher_only, "one-sided-temperature"),
    (temperature_for_the_student_only, "one-sided-temperature"), (temperature_for_neither, "no-temperature"),
    (times_t, "inverted-temperature"), (log_targets_by_hand, "log-targets"), (log_targets_into_kl_div, "log-targets"),
    (log_target_of_probabilities, "exponential-targets"), (raw_teacher_logits, "raw-targets"),
    (teachers_first_choice, "teacher-argmax"), (wrong_dim, "batch-axis"), (detached_soft_term, "no-soft-gradient"),
    (detached_hard_term, "no-hard-gradient"), (everything_as_a_number, "no-gradient"),
    (teacher_not_detached, "teacher-gradient"), (log_of_softmax, "overflow"), (sign_flipped, "soft-sign"),
    (twice_the_soft_term, "size-of-soft-term"), (total_variation, "unknown-soft-term"),
]  # fmt: skip

ALSO_FOUND = {"probabilities_from_the_model": {"hard-double-softmax"}}  # beside what is conditional

SAID_BY_THE_EXERCISE = {  # where the exercise has its own words for what `diagnose` finds
    "teacher-gradient": "the teacher gets a gradient",
    "overflow": "not finite for large logits",
}


def _name(key: str) -> str:
    return SAID_BY_THE_EXERCISE.get(key, catalogue()[key]["name"])


# --- honest distillation losses ------------------------------------------------------------


def batchmean(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, dim=1), F.softmax(t.detach() / T, dim=1), reduction="batchmean")
    return soft_weight * soft * T * T + ce(s, y, hard_weight)


def log_target(s, t, y, T, soft_weight, hard_weight):
    with torch.no_grad():
        target = F.log_softmax(t / T, dim=1)
    soft = nn.KLDivLoss(reduction="batchmean", log_target=True)(F.log_softmax(s / T, dim=1), target)
    return soft_weight * soft * T * T + ce(s, y, hard_weight)


def summed_then_divided(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="sum") / s.shape[0]
    return soft_weight * soft * T * T + ce(s, y, hard_weight)


def unreduced_then_both_axes(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="none").mean(0).sum()
    return soft_weight * soft * T * T + ce(s, y, hard_weight)


def mean_times_classes(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="none").mean() * s.shape[-1]
    return soft_weight * soft * T * T + ce(s, y, hard_weight)


def loops(s, t, y, T, soft_weight, hard_weight):
    loss = 0.0
    for n in range(len(s)):
        q, p = F.log_softmax(s[n] / T, 0), F.log_softmax(t[n].detach() / T, 0)
        soft = sum(p[c].exp() * (p[c] - q[c]) for c in range(len(q)))
        loss = loss + soft_weight * T**2 * soft / len(s)
        if hard_weight:
            loss = loss - hard_weight * F.log_softmax(s[n], 0)[y[n]] / len(s)
    return loss


def einsum(s, t, y, T, soft_weight, hard_weight):
    log_q, log_p = F.log_softmax(s / T, -1), F.log_softmax(t.detach() / T, -1)
    soft = torch.einsum("nc,nc->", log_p.exp(), log_p - log_q) / len(s)
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def matrix_product(s, t, y, T, soft_weight, hard_weight):
    log_q, log_p = F.log_softmax(s / T, -1), F.log_softmax(t.detach() / T, -1)
    soft = torch.trace(log_p.exp() @ (log_p - log_q).T) / len(s)
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def log_sum_exp(s, t, y, T, soft_weight, hard_weight):
    s_T, t_T = s / T, t.detach() / T
    log_q = s_T - s_T.logsumexp(-1, keepdim=True)
    log_p = t_T - t_T.logsumexp(-1, keepdim=True)
    loss = soft_weight * T**2 * (log_p.exp() * (log_p - log_q)).sum(1).mean()
    if hard_weight > 0:
        loss = loss + hard_weight * (s.logsumexp(-1) - s.gather(1, y[:, None]).squeeze(1)).mean()
    return loss


def shifted_by_hand(s, t, y, T, soft_weight, hard_weight):
    def log_soft(z):
        z = z - z.max(-1, keepdim=True).values
        return z - torch.log(torch.exp(z).sum(-1, keepdim=True))

    log_q, log_p = log_soft(s / T), log_soft(t.detach() / T)
    loss = soft_weight * T * T * torch.mean(torch.sum(torch.exp(log_p) * (log_p - log_q), dim=1))
    return loss + hard_weight * -log_soft(s)[torch.arange(len(s)), y].mean() if y is not None else loss


def double_precision(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s.double() / T, -1), F.softmax(t.detach().double() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s.double(), y, hard_weight)


def single_precision(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s.float() / T, -1), F.softmax(t.detach().float() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s.float(), y, hard_weight)


def cross_entropy_less_entropy(s, t, y, T, soft_weight, hard_weight):
    p = F.softmax(t.detach() / T, -1)
    soft = F.cross_entropy(s / T, p) - F.cross_entropy(t.detach() / T, p)
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


def nll_of_log_softmax(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + (hard_weight * F.nll_loss(s.log_softmax(-1), y) if hard_weight else 0)


def one_hot_hard_term(s, t, y, T, soft_weight, hard_weight):
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t.detach() / T, -1), reduction="batchmean")
    loss = soft_weight * T**2 * soft
    if y is not None:
        loss = loss - hard_weight * (F.one_hot(y, s.shape[-1]) * F.log_softmax(s, -1)).sum() / len(s)
    return loss


def log_softmax_twice(s, t, y, T, soft_weight, hard_weight):
    log_q = F.log_softmax(F.log_softmax(s, -1) / T, -1)  # a log-softmax is a logit like any other
    soft = F.kl_div(log_q, F.softmax(t.detach() / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(F.log_softmax(s, -1), y, hard_weight)


def centred_logits(s, t, y, T, soft_weight, hard_weight):
    s, t = s - s.mean(-1, keepdim=True), t.detach() - t.detach().mean(-1, keepdim=True)
    soft = F.kl_div(F.log_softmax(s / T, -1), F.softmax(t / T, -1), reduction="batchmean")
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


class Module(nn.Module):
    def forward(self, s, t, y, T, soft_weight, hard_weight):
        soft = nn.KLDivLoss(reduction="batchmean")(nn.LogSoftmax(1)(s / T), nn.Softmax(1)(t.detach() / T))
        hard = nn.CrossEntropyLoss()(s, y) if y is not None else 0
        return soft_weight * T**2 * soft + hard_weight * hard


def a_module(s, t, y, T, soft_weight, hard_weight):
    return Module()(s, t, y, T, soft_weight, hard_weight)


def one_element_tensor(s, t, y, T, soft_weight, hard_weight):
    return batchmean(s, t, y, T, soft_weight, hard_weight).reshape(1)


def terms_skipped_at_weight_zero(s, t, y, T, soft_weight, hard_weight):
    terms = [s.sum() * 0]
    if soft_weight:
        terms.append(
            soft_weight * T**2 * F.kl_div((s / T).log_softmax(1), (t.detach() / T).softmax(1), reduction="batchmean")
        )
    if hard_weight:
        terms.append(ce(s, y, hard_weight))
    return torch.stack(terms).sum()


def per_row_means(s, t, y, T, soft_weight, hard_weight):
    log_q, log_p = F.log_softmax(s / T, 1), F.log_softmax(t.detach() / T, 1)
    rows = soft_weight * T**2 * (log_p.exp() * (log_p - log_q)).sum(1)
    if y is not None:
        rows = rows + hard_weight * F.cross_entropy(s, y, reduction="none")
    return rows.mean()


def distributions(s, t, y, T, soft_weight, hard_weight):
    p = torch.distributions.Categorical(logits=t.detach() / T)
    q = torch.distributions.Categorical(logits=s / T)
    soft = torch.distributions.kl_divergence(p, q).mean()
    hard = -torch.distributions.Categorical(logits=s).log_prob(y).mean() if y is not None else 0
    return soft_weight * T**2 * soft + hard_weight * hard


def temperature_as_a_tensor(s, t, y, T, soft_weight, hard_weight):
    T = torch.tensor(T, dtype=s.dtype)
    soft = F.kl_div((s / T).log_softmax(-1), (t.detach() / T).softmax(-1), reduction="batchmean")
    return (soft_weight * T.square() * soft + ce(s, y, hard_weight)).squeeze()


def inverse_temperature(s, t, y, T, soft_weight, hard_weight):
    beta = 1 / T
    soft = F.kl_div((beta * s).log_softmax(-1), (beta * t.detach()).softmax(-1), reduction="batchmean")
    return soft_weight * soft / beta**2 + ce(s, y, hard_weight)


def xlogy(s, t, y, T, soft_weight, hard_weight):
    p, log_q = F.softmax(t.detach() / T, -1), F.log_softmax(s / T, -1)
    soft = (torch.xlogy(p, p) - p * log_q).sum(-1).mean()
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


class ByHand(torch.autograd.Function):
    """The gradient written down instead of derived by autograd."""

    @staticmethod
    def forward(ctx, s, t, T):
        ctx.save_for_backward(s, t)
        ctx.T = T
        return T * T * F.kl_div(F.log_softmax(s / T, -1), F.softmax(t / T, -1), reduction="batchmean")

    @staticmethod
    def backward(ctx, upstream):
        (s, t), T = ctx.saved_tensors, ctx.T
        return upstream * T * (F.softmax(s / T, -1) - F.softmax(t / T, -1)) / len(s), None, None


def own_backward(s, t, y, T, soft_weight, hard_weight):
    return soft_weight * ByHand.apply(s, t, T) + ce(s, y, hard_weight)


def transposed(s, t, y, T, soft_weight, hard_weight):
    log_q, p = F.log_softmax(s.T / T, 0), F.softmax(t.detach().T / T, 0)
    return soft_weight * T**2 * F.kl_div(log_q, p, reduction="sum") / s.size(0) + ce(s, y, hard_weight)


def sigmoid_when_two_classes(s, t, y, T, soft_weight, hard_weight):
    if s.shape[-1] != 2:
        return batchmean(s, t, y, T, soft_weight, hard_weight)
    q, p = (s[:, 1] - s[:, 0]) / T, ((t[:, 1] - t[:, 0]) / T).detach()
    entropy = F.binary_cross_entropy_with_logits(p, p.sigmoid())
    soft = F.binary_cross_entropy_with_logits(q, p.sigmoid()) - entropy
    return soft_weight * T**2 * soft + ce(s, y, hard_weight)


HONEST_LOSSES = [
    batchmean, log_target, summed_then_divided, unreduced_then_both_axes, mean_times_classes, loops, einsum,
    matrix_product, log_sum_exp, shifted_by_hand, double_precision, single_precision, cross_entropy_less_entropy,
    nll_of_log_softmax, one_hot_hard_term, log_softmax_twice, centred_logits, a_module, one_element_tensor,
    terms_skipped_at_weight_zero, per_row_means, temperature_as_a_tensor, inverse_temperature, xlogy,
    own_backward, transposed, sigmoid_when_two_classes,
]  # fmt: skip


# Sound, but with a remark: torch.distributions gives infinity where a student's probability underflows.
REMARKED_LOSSES = [
    (distributions, "overflow"),
    (teacher_not_detached, "teacher-gradient"),
    (log_of_softmax, "overflow"),
]

# --- the soft terms alone, and the gradient ------------------------------------------------------------


def _soft(loss):
    """The soft term of a loss with six parameters, without its T²."""

    def term(student_logits, teacher_logits, temperature):
        return loss(student_logits, teacher_logits, None, temperature, 1.0, 0.0) / temperature**2

    return term


def _scaled(loss, factor):
    return lambda s, t, T: _soft(loss)(s, t, T) * factor(s, T)


def rows(s, t, T):
    log_q, log_p = F.log_softmax(s / T, -1), F.log_softmax(t.detach() / T, -1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def swapped(s, t, T):
    log_q, log_p = F.log_softmax(s / T, -1), F.log_softmax(t.detach() / T, -1)
    return F.kl_div(log_p, log_q, reduction="batchmean", log_target=True)


def ce_rows(s, t, T):
    return -(F.softmax(t.detach() / T, -1) * F.log_softmax(s / T, -1)).sum(-1)


def ce_no_detach(s, t, T):
    return F.cross_entropy(s / T, F.softmax(t / T, -1))


def numpy_gradient(s, t, T):
    def softmax(z):
        e = np.exp(z - z.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    s, t = s.numpy() / T, t.numpy() / T
    return T * (softmax(s) - softmax(t)) / s.shape[0]


def autograd_gradient(s, t, T):
    s = s.clone().requires_grad_()
    (T * T * F.kl_div(F.log_softmax(s / T, -1), F.softmax(t / T, -1), reduction="batchmean")).backward()
    return s.grad


def p(z, T=1.0):
    return F.softmax(z / T, dim=-1)


MORE_WRONG = [
    ("soft_cross_entropy", "the divergence, not the cross-entropy", lambda s, t, T: rows(s, t, T).mean()),
    ("soft_cross_entropy", "one loss per row", ce_rows),
    ("soft_cross_entropy", "sum over the batch", lambda s, t, T: ce_rows(s, t, T).sum()),
    ("soft_cross_entropy", "bits instead of nats", lambda s, t, T: ce_rows(s, t, T).mean() / math.log(2)),
    ("soft_cross_entropy", "mean over classes", lambda s, t, T: ce_rows(s, t, T).mean() / s.shape[-1]),
    ("soft_cross_entropy", "T² inside", lambda s, t, T: T**2 * ce_rows(s, t, T).mean()),
    ("soft_cross_entropy", "the soft term's sign is flipped", lambda s, t, T: -ce_rows(s, t, T).mean()),
    ("soft_cross_entropy", "the teacher gets a gradient", ce_no_detach),
    ("soft_cross_entropy", "softmax applied twice", lambda s, t, T: F.cross_entropy(p(s, T), p(t.detach(), T))),
    ("soft_cross_entropy", "not finite for large logits",
     lambda s, t, T: -(p(t.detach(), T) * p(s, T).log()).sum(-1).mean()),
    ("soft_cross_entropy", "probabilities where log-probabilities belong",
     lambda s, t, T: -(p(t.detach(), T) * p(s, T)).sum(-1).mean()),
    ("soft_cross_entropy", "the teacher's first choice instead of its soft label",
     lambda s, t, T: F.cross_entropy(s / T, t.argmax(-1))),
    ("kl_divergence", "the cross-entropy, not the divergence", lambda s, t, T: ce_rows(s, t, T).mean()),
    ("kl_divergence", "one loss per row", rows),
    ("kl_divergence", "sum over the batch", lambda s, t, T: rows(s, t, T).sum()),
    ("kl_divergence", "bits instead of nats", lambda s, t, T: rows(s, t, T).mean() / math.log(2)),
    ("kl_divergence", "T² inside", lambda s, t, T: T**2 * rows(s, t, T).mean()),
    ("kl_divergence", "KL divergence with its arguments swapped", swapped),
    ("kl_divergence", "log-probabilities as targets", _soft(log_targets_into_kl_div)),
    ("kl_divergence", "mean over classes", _soft(default_reduction)),
    ("kl_divergence", "temperature ignored in the soft term", lambda s, t, T: rows(s, t, 1.0).mean()),
    ("kl_divergence", "a loss without gradient", lambda s, t, T: rows(s, t, T).mean().item()),
    ("soft_gradient", "the sign is flipped", lambda s, t, T: T * (p(t, T) - p(s, T)) / len(s)),
    ("soft_gradient", "without T²", lambda s, t, T: (p(s, T) - p(t, T)) / (T * len(s))),
    ("soft_gradient", "no factor of T", lambda s, t, T: (p(s, T) - p(t, T)) / len(s)),
    ("soft_gradient", "T² instead of T", lambda s, t, T: T**2 * (p(s, T) - p(t, T)) / len(s)),
    ("soft_gradient", "not divided by the batch size", lambda s, t, T: T * (p(s, T) - p(t, T))),
    ("soft_gradient", "divided by the number of classes", lambda s, t, T: T * (p(s, T) - p(t, T)) / s.numel()),
    ("soft_gradient", "probabilities at T = 1", lambda s, t, T: T * (p(s) - p(t)) / len(s)),
    ("soft_gradient", "logits instead of probabilities", lambda s, t, T: T * (s - t) / len(s)),
    ("soft_gradient", "not autograd's gradient", lambda s, t, T: T * (p(s, T) - p(t, T)) / (len(s) + 1)),
    ("distillation_loss", "the cross-entropy form", cross_entropy_form),
    ("distillation_loss", "labels may be None", needs_labels),
]  # fmt: skip

# Not through the exercise: a number without gradient for one term only has, without labels, no gradient at all.
WRONG = [Wrong("distillation_loss", _name(key), loss) for loss, key in WRONG_LOSSES]
WRONG += [Wrong(exercise, mistake, fn) for exercise, mistake, fn in MORE_WRONG]
WRONG += [Wrong(f"mend_{bug.number}", catalogue()[bug.key]["name"], bug.loss) for bug in buglab.BUGS[:8]]

HONEST = [Honest("distillation_loss", loss) for loss in HONEST_LOSSES]
HONEST += [Honest("kl_divergence", _soft(loss)) for loss in HONEST_LOSSES[:10]]
HONEST += [
    Honest("soft_cross_entropy", fn)
    for fn in (
        lambda s, t, T: F.cross_entropy(s / T, p(t.detach(), T)),
        lambda s, t, T: ce_rows(s, t, T).mean(),
        lambda s, t, T: -torch.einsum("nc,nc->", p(t.detach(), T), F.log_softmax(s / T, 1)) / s.shape[0],
        lambda s, t, T: rows(s, t, T).mean() + torch.distributions.Categorical(logits=t.detach() / T).entropy().mean(),
        lambda s, t, T: ce_rows(s.double(), t.double(), T).mean(),
    )
]
HONEST += [
    Honest("soft_gradient", fn)
    for fn in (
        numpy_gradient,
        autograd_gradient,
        lambda s, t, T: (p(s, T) - p(t, T)).mul(T).div(s.size(0)),
        lambda s, t, T: [
            [T * (q - r) / len(s) for q, r in zip(a, b, strict=True)]
            for a, b in zip(p(s, T).tolist(), p(t, T).tolist(), strict=True)
        ],
    )
]
HONEST += [
    Honest(f"mend_{n}", loss) for n in range(1, 9) for loss in (batchmean, cross_entropy_form, einsum, log_target)
]
