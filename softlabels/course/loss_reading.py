"""Read a loss from the outside: which soft term, which hard term, how each is scaled, which weight reaches it.

The loss is called on small batches with several pairs of weights. Each gradient that comes back is written as
alpha · soft term + beta · hard term, by least squares over the terms of `loss_terms`; the pair of terms that explains
all gradients is the one the loss uses. How alpha and beta move with the weights says where the weights go; how they
move with temperature, batch size and number of classes says what the term is multiplied or divided by.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .loss_terms import HARD, SHAPES, SOFT, Probe, gradients, probes

# (soft weight, hard weight). Pure ones first; the rest tell w from 1 - w, from 1 and from w².
WEIGHTS = ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (2.0, 0.5), (0.3, 0.6))
EXACT, COARSE = 1e-3, 0.1  # relative errors: of single precision, and of half precision, both with a wide margin


class Call(NamedTuple):
    """What one call gave. The gradients are None where the loss has none to give."""

    value: float
    student_grad: Tensor | None
    teacher_grad: Tensor | None


class NotScalar(TypeError):
    """The loss returned something else than one number."""


def ask(loss_fn: Callable, probe: Probe, weights: tuple[float, float], teacher: bool = False) -> Call:
    """Call the loss once on copies of a probe and take its gradient (with respect to the teacher too if asked)."""
    student = probe.student.clone().requires_grad_()
    teacher_logits = probe.teacher.clone().requires_grad_(teacher)
    loss = loss_fn(student, teacher_logits, probe.labels.clone(), probe.temperature, *weights)
    if isinstance(loss, (int, float)) or (isinstance(loss, np.ndarray | np.generic) and loss.size == 1):
        return Call(float(loss), None, None)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise NotScalar(f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__)
    if not loss.requires_grad:
        return Call(float(loss), None, None)
    wanted = [student, teacher_logits] if teacher else [student]
    grads = torch.autograd.grad(loss.sum(), wanted, allow_unused=True)
    return Call(float(loss.detach()), grads[0], grads[1] if teacher else None)


class Reading(NamedTuple):
    """What the gradients say. soft, hard: keys of `loss_terms`, or None when no known pair of terms explains them.

    alpha, beta: arrays (probes, weights), the coefficients of the two terms, NaN where a call gave nothing.
    precise: False when the loss computes in half precision, and the right terms explain its gradients within its error.
    """

    soft: str | None
    hard: str | None
    alpha: np.ndarray
    beta: np.ndarray
    precise: bool = True


def measure(loss_fn: Callable, seed: int, dtype: torch.dtype) -> list[list[Call | None]]:
    """Call the loss on every probe with every pair of weights. Both weights 0 may fail: it asks for nothing."""
    calls = []
    for probe in probes(seed, dtype):
        row = []
        for weights in WEIGHTS:
            try:
                row.append(ask(loss_fn, probe, weights))
            except Exception:
                if any(weights):
                    raise
                row.append(None)
        calls.append(row)
    return calls


def stack(calls: list[Call | None], size: int) -> np.ndarray:
    """Return the student's gradients, (weights, batch · classes): 0 where there is none, NaN where the call failed."""
    rows = []
    for call in calls:
        if call is None:
            rows.append(np.full(size, np.nan))
        else:
            rows.append(np.zeros(size) if call.student_grad is None else call.student_grad.double().flatten().numpy())
    return np.stack(rows)


def explain(soft: np.ndarray, hard: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write every observed gradient as alpha · soft + beta · hard, for every pair of terms.

    soft (S, D), hard (H, D), observed (W, D) -> alpha, beta, relative error, each (S, H, W).
    """
    # einsum rather than @: so small a matrix product is slower on several threads than on one
    ss, hh = (soft**2).sum(1)[:, None, None], (hard**2).sum(1)[None, :, None]
    sh = np.einsum("sd,hd->sh", soft, hard)[..., None]
    so, ho = np.einsum("sd,wd->sw", soft, observed)[:, None], np.einsum("hd,wd->hw", hard, observed)[None]
    determinant = ss * hh - sh**2 + 1e-12 * ss * hh
    alpha, beta = (hh * so - sh * ho) / determinant, (ss * ho - sh * so) / determinant
    size = (observed**2).sum(1)
    left = size - 2 * (alpha * so + beta * ho) + alpha**2 * ss + beta**2 * hh + 2 * alpha * beta * sh
    error = np.sqrt(np.maximum(left, 0.0) / np.where(size < 1e-18, 1.0, size))
    return alpha, beta, error


def read(calls: list[list[Call | None]], seed: int) -> Reading:
    """Find the pair of terms that explains every gradient; the right pair first, then those with one right term."""
    alphas, betas, errors = [], [], []
    for row, (soft, hard) in zip(calls, gradients(seed), strict=True):
        alpha, beta, error = explain(soft.numpy(), hard.numpy(), stack(row, soft.shape[1]))
        alphas.append(alpha), betas.append(beta), errors.append(error)
    alpha, beta = (np.moveaxis(np.stack(x), 0, 2) for x in (alphas, betas))  # (soft, hard, probes, weights)
    error = np.stack(errors)  # (probes, soft, hard, weights)
    asked = ~np.isnan(error).all(axis=(0, 1, 2))  # both weights 0 may have failed
    worst = np.where(np.isfinite(error), error, np.inf)[..., asked].max(axis=(0, 3))
    soft_names, hard_names = list(SOFT), list(HARD)
    for i, j in sorted(np.ndindex(worst.shape), key=lambda ij: ((ij[0] > 0) + (ij[1] > 0), ij)):
        if worst[i, j] < EXACT:
            return Reading(soft_names[i], hard_names[j], alpha[i, j], beta[i, j])
    near = worst[0, 0] < COARSE and in_half_precision(calls)
    return Reading("right" if near else None, "right", alpha[0, 0], beta[0, 0], precise=False)


def in_half_precision(calls: list[list[Call | None]]) -> bool:
    """Whether every gradient is made of numbers that a 16-bit float can hold, as those that went through one are."""
    grads = [call.student_grad for row in calls for call in row if call and call.student_grad is not None]
    return any(all(torch.equal(g, g.to(half).to(g)) for g in grads) for half in (torch.bfloat16, torch.float16))


# --- where the weights go ------------------------------------------------------------

A, B = np.array(WEIGHTS).T
PATTERNS = {
    "soft": A, "hard": B, "none": np.ones(len(A)), "1 - soft": 1 - A, "1 - hard": 1 - B,
    "soft share": A / np.where(A + B == 0, 1, A + B), "hard share": B / np.where(A + B == 0, 1, A + B),
}  # fmt: skip


class Coefficient(NamedTuple):
    """pattern: what multiplies the term (a key of PATTERNS, "absent" or None: unknown). scale: (probes,), what is left.

    hidden: what is added when the weight is 0, as a share of the term with weight 1.
    """

    pattern: str | None
    scale: np.ndarray
    hidden: float = 0.0


def coefficient(values: np.ndarray, own: str, tolerance: float = 1e-2) -> Coefficient:
    """Say how a term's coefficient, (probes, weights), depends on the weights. own: the weight that should reach it."""
    asked = ~np.isnan(values).any(axis=0)
    seen = values[:, asked]
    if np.abs(seen).max() < 1e-6:
        return Coefficient("absent", np.zeros(len(seen)))
    limit = tolerance * np.abs(seen).max(axis=1)
    order = [own, *(name for name in PATTERNS if name != own)]
    for name in order:
        f = PATTERNS[name][asked]
        scale = seen @ f / (f @ f)
        if (np.abs(seen - scale[:, None] * f).max(axis=1) <= limit).all():
            return Coefficient(name, scale)
    weight = PATTERNS[own][asked]
    for constant in (np.ones_like(weight), (weight == 0).astype(float)):  # weight + k, or `weight or k`
        basis = np.stack([weight, constant], 1)
        fit = np.linalg.lstsq(basis, seen.T, rcond=None)[0]
        if (np.abs(seen.T - basis @ fit).max(axis=0) <= limit).all() and (np.abs(fit[0]) > 1e-6).all():
            return Coefficient(own, fit[0], float(np.median(fit[1] / fit[0])))
    return Coefficient(None, np.abs(seen).max(axis=1))


class Power(NamedTuple):
    """scale = factor · temperature^T · batch^N · classes^C; `fits` is False when no such law holds."""

    factor: float
    T: int
    N: int
    C: int
    fits: bool


def power_law(scale: np.ndarray, tolerance: float = 2e-2) -> Power:
    """Find the powers of temperature, batch size and number of classes that a scale, (probes,), follows."""
    if np.abs(scale).min() < 1e-9:
        return Power(1.0, 0, 0, 0, fits=False)
    N, C, T = np.log(np.array(SHAPES)).T
    basis, logs = np.stack([np.ones_like(T), T, N, C], 1), np.log(np.abs(scale))
    powers = np.round(np.linalg.lstsq(basis, logs, rcond=None)[0][1:]).astype(int)
    left = logs - basis[:, 1:] @ powers
    factor = float(np.sign(scale[0]) * np.exp(np.median(left)))
    fits = bool(np.abs(left - np.median(left)).max() < tolerance and len(set(np.sign(scale))) == 1)
    return Power(factor, *(int(p) for p in powers), fits=fits)
