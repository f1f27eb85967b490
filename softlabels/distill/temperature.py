"""Temperature: how soft a soft label is.

A teacher's logits become probabilities through softmax(logits / T). T = 1 is the teacher as it was trained; a larger T
lifts the small probabilities, where the teacher says which wrong answers are nearly right (Hinton, Vinyals and Dean
2015, section 2).
"""

import math

import torch
from torch import Tensor


def soften(logits: Tensor, temperature: float) -> Tensor:
    """Turn logits into probabilities at a temperature: softmax(logits / temperature) along the last axis.

    logits: float tensor (..., classes). temperature: a positive, finite number; below 1 sharpens, above 1 flattens.
    Returns a tensor of the same shape whose last axis sums to 1, finite for logits of any size.
    Raises ValueError when the temperature is zero, negative, infinite or not a number.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be positive and finite, not {temperature}")
    shifted = logits - logits.max(dim=-1, keepdim=True).values  # the largest is now 0, so exp cannot overflow
    powers = torch.exp(shifted / temperature)
    return powers / powers.sum(dim=-1, keepdim=True)


def entropy_bits(probs: Tensor) -> Tensor:
    """Return the entropy of each distribution in bits: the sum of p · log2(1/p) along the last axis, with 0 · log 0 =
    0.

    probs: float tensor (..., classes), each last axis summing to 1. Returns a tensor (...): 0 for a hard (one-hot)
    label, log2(classes) for a uniform one.
    """
    logs = torch.log2(torch.where(probs > 0, probs, 1.0))  # log2(1) = 0 stands in where p is 0
    return (-probs * logs).sum(dim=-1)


def temperature_for_entropy(logits: Tensor, bits: float) -> float:
    """Find the temperature at which one example's soft label carries a given number of bits, by bisection.

    logits: float tensor (classes,). bits: the entropy wanted; entropy never falls as the temperature rises, so there is
    one answer. Returns a temperature between 0.001 and 10,000, as exact as the logits' own precision allows. Raises
    ValueError when no temperature in that range gives so many bits (more than log2(classes), say).
    """
    low, high = 0.001, 10_000.0
    least, most = (entropy_bits(soften(logits, t)) for t in (low, high))
    if not least <= bits <= most:
        raise ValueError(f"no temperature from {low} to {high} gives {bits} bits")
    for _ in range(40):
        middle = math.sqrt(low * high)  # halfway on a logarithmic scale
        if entropy_bits(soften(logits, middle)) < bits:
            low = middle
        else:
            high = middle
    return middle


def calibration_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the one temperature at which a classifier's confidence fits best: temperature scaling (Guo et al. 2017).

    logits: float tensor (examples, classes), of examples that nothing was trained on, and that are not reported on.
    labels: int64 tensor (examples,). Best is the smallest mean of -log p(label). In 1 / T that mean is convex, and its
    slope is the logit expected under the model's own probabilities less the label's logit, on average; so bisection
    finds where the slope is 0. Returns a temperature from 0.05 to 20; no answer changes by it, only the confidence.
    """
    logits = logits.double()
    at_label = logits.gather(1, labels[:, None]).mean()
    low, high = 0.05, 20.0
    for _ in range(40):
        middle = math.sqrt(low * high)  # halfway on a logarithmic scale
        expected = (soften(logits, middle) * logits).sum(dim=-1).mean()
        if expected > at_label:  # too sure of itself
            low = middle
        else:
            high = middle
    return middle
