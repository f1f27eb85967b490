"""What a distillation loss can be made of: the two right terms and the wrong ones that people write.

Every term is written in the units of the right one, so that a loss which uses it unscaled has coefficient 1:
soft terms as T² · sum over classes / batch size, hard terms as sum over classes / batch size. `loss_reading` takes a
gradient apart into one soft and one hard term of this list.

All of them map (student_logits, teacher_logits, labels, temperature) to a scalar; logits are (batch, classes).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Term = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def log_p(logits: Tensor, temperature: float = 1.0, axis: int = -1) -> Tensor:
    return F.log_softmax(logits / temperature, axis)


def p(logits: Tensor, temperature: float = 1.0, axis: int = -1) -> Tensor:
    return F.softmax(logits / temperature, axis)


def divergence(log_q: Tensor, target: Tensor) -> Tensor:
    """Return KL(target || q) summed over everything; `target` holds probabilities."""
    return (torch.xlogy(target, target) - target * log_q).sum()


def best(logits: Tensor) -> Tensor:
    return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits)


def symmetric(s: Tensor, t: Tensor, T: float) -> Tensor:
    return divergence(log_p(s, T), p(t, T)) + divergence(log_p(t, T), p(s, T))


def jensen_shannon(s: Tensor, t: Tensor, T: float) -> Tensor:
    middle = ((p(s, T) + p(t, T)) / 2).log()
    return divergence(middle, p(s, T)) + divergence(middle, p(t, T))


def per_class(s: Tensor, t: Tensor, T: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(s / T, (t / T).sigmoid(), reduction="sum")


# key -> (student_logits, teacher_logits, temperature) -> sum over the batch. The keys are those of diagnose.toml; what
# follows a dot is a variant of the same mistake.
SOFT = {
    "right": lambda s, t, T: divergence(log_p(s, T), p(t, T)),
    "reverse": lambda s, t, T: divergence(log_p(t, T), p(s, T)),
    "probabilities-as-input": lambda s, t, T: -(p(t, T) * p(s, T)).sum(),
    "swapped-probabilities": lambda s, t, T: (p(s, T) * (log_p(s, T) - p(t, T))).sum(),
    "logits-as-input": lambda s, t, T: -(p(t, T) * s / T).sum(),
    "log-targets": lambda s, t, T: -(log_p(t, T) * log_p(s, T)).sum(),
    "exponential-targets": lambda s, t, T: -(p(t, T).exp() * log_p(s, T)).sum(),
    "raw-targets": lambda s, t, T: -(t / T * log_p(s, T)).sum(),
    "raw-targets.plain": lambda s, t, T: -(t * log_p(s, T)).sum(),
    "double-softmax": lambda s, t, T: divergence(log_p(p(s, T)), p(t, T)),
    "double-softmax.before": lambda s, t, T: divergence(log_p(p(s), T), p(t, T)),
    "double-softmax.both": lambda s, t, T: divergence(log_p(p(s, T)), p(p(t, T))),
    "double-softmax.both-before": lambda s, t, T: divergence(log_p(p(s), T), p(p(t), T)),
    "double-softmax.teacher": lambda s, t, T: divergence(log_p(s, T), p(p(t, T))),
    "double-softmax.teacher-before": lambda s, t, T: divergence(log_p(s, T), p(p(t), T)),
    "no-temperature": lambda s, t, T: divergence(log_p(s), p(t)),
    "one-sided-temperature": lambda s, t, T: divergence(log_p(s, T), p(t)),
    "one-sided-temperature.teacher": lambda s, t, T: divergence(log_p(s), p(t, T)),
    "inverted-temperature": lambda s, t, T: divergence(log_p(s, 1 / T), p(t, 1 / T)),
    "squared-temperature": lambda s, t, T: divergence(log_p(s, T * T), p(t, T * T)),
    "mse-on-probabilities": lambda s, t, T: (p(s, T) - p(t, T)).square().sum(),
    "mse-on-logits": lambda s, t, T: (s - t).square().sum(),
    "batch-axis": lambda s, t, T: divergence(log_p(s, T, 0), p(t, T, 0)),
    "batch-axis.student": lambda s, t, T: divergence(log_p(s, T, 0), p(t, T)),
    "batch-axis.teacher": lambda s, t, T: divergence(log_p(s, T), p(t, T, 0)),
    "teacher-argmax": lambda s, t, T: -(best(t) * log_p(s, T)).sum(),
    "teacher-argmax.plain": lambda s, t, T: -(best(t) * log_p(s)).sum(),
    "student-entropy": lambda s, t, T: -(p(s, T) * log_p(s, T)).sum(),
    "symmetric": symmetric,
    "jensen-shannon": jensen_shannon,
    "sigmoids": per_class,
}

# key -> (student_logits, one-hot labels, teacher_logits, temperature) -> sum over the batch.
HARD = {
    "right": lambda s, y, t, T: -(y * log_p(s)).sum(),
    "softened-hard-term": lambda s, y, t, T: -(y * log_p(s, T)).sum(),
    "hard-double-softmax": lambda s, y, t, T: -(y * log_p(p(s))).sum(),
    "hard-double-softmax.softened": lambda s, y, t, T: -(y * log_p(p(s, T))).sum(),
    "hard-without-log": lambda s, y, t, T: -(y * p(s)).sum(),
    "hard-without-log.softened": lambda s, y, t, T: -(y * p(s, T)).sum(),
    "hard-on-logits": lambda s, y, t, T: -(y * s).sum(),
    "hard-from-teacher": lambda s, y, t, T: -(best(t) * log_p(s)).sum(),
    "hard-batch-axis": lambda s, y, t, T: -(y * log_p(s, axis=0)).sum(),
    "brier": lambda s, y, t, T: (y - p(s)).square().sum(),
}


class Probe(NamedTuple):
    """One small batch: logits (batch, classes), labels (batch,), a temperature."""

    student: Tensor
    teacher: Tensor
    labels: Tensor
    temperature: float


# (batch, classes, temperature): the three vary independently, so that a wrong power of one cannot pass for another.
SHAPES = ((4, 2, 1.0), (5, 3, 2.0), (4, 5, 0.5), (7, 4, 8.0), (5, 10, 4.0), (4, 20, 3.0), (6, 50, 1.5))


@lru_cache(maxsize=16)
def probes(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Probe, ...]:
    """Draw the batches: logits of a few units, so that no softmax saturates and no mistake hides behind it."""
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for batch, classes, temperature in SHAPES:
        student, teacher = torch.randn(2, batch, classes, generator=generator, dtype=torch.float64)
        labels = torch.randint(classes, (batch,), generator=generator)
        drawn.append(Probe(student.to(dtype), (1.5 * teacher).to(dtype), labels, temperature))
    return tuple(drawn)


def gradient(term: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """Return d term / d logits."""
    leaf = logits.detach().clone().requires_grad_()
    return torch.autograd.grad(term(leaf), leaf)[0]


@lru_cache(maxsize=16)
def gradients(seed: int = 0) -> tuple[tuple[Tensor, Tensor], ...]:
    """Return for every probe the gradients of all terms: (soft terms, values) and (hard terms, values), flattened."""
    return tuple(_gradients_of(probe) for probe in probes(seed))


def _gradients_of(probe: Probe) -> tuple[Tensor, Tensor]:
    student, teacher, labels, T = probe
    batch, classes = student.shape
    onehot = F.one_hot(labels, classes).to(student)
    soft = [gradient(lambda s, f=f: T * T * f(s, teacher, T) / batch, student) for f in SOFT.values()]
    hard = [gradient(lambda s, f=f: f(s, onehot, teacher, T) / batch, student) for f in HARD.values()]
    return torch.stack(soft).flatten(1), torch.stack(hard).flatten(1)
