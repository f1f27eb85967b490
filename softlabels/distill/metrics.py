"""What a student is measured by: is it right, is it faithful to its teacher, does it know when it is unsure?

The measures take tensors or numpy arrays, and return Python floats; the pictures' raw material (class_affinity) is a
tensor.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

CASES = (
    "both right",
    "only the teacher right",
    "only the student right",
    "both wrong, the same answer",
    "both wrong, different answers",
)


def class_affinity(soft_labels: Tensor, labels: Tensor) -> Tensor:
    """Return the mean soft label of each class: a picture of the teacher's dark knowledge.

    soft_labels: float tensor (examples, classes), rows summing to 1. labels: int64 tensor (examples,), the hard labels.
    Returns a tensor (classes, classes): row c is the mean soft label of the examples whose hard label is c, all zeros
    when there is no such example.
    """
    classes = soft_labels.shape[-1]
    affinity = soft_labels.new_zeros(classes, classes)
    for c in range(classes):
        members = soft_labels[labels == c]
        if len(members) > 0:
            affinity[c] = members.mean(dim=0)
    return affinity


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the share of examples (examples, classes) whose largest logit is at the label (examples,)."""
    return correct(logits, labels).double().mean().item()


def recall_by_class(logits: Tensor, labels: Tensor) -> Tensor:
    """Return for each class the share of its examples that are found, float64 (classes,); NaN for one without examples.

    logits (examples, classes), labels int64 (examples,). Its mean over the classes counts a class of two examples as
    much as one of a thousand ("balanced accuracy"); accuracy counts every example alike.
    """
    classes = logits.shape[-1]
    examples = torch.bincount(labels, minlength=classes)
    found = torch.bincount(labels[correct(logits, labels)], minlength=classes)
    return found.double() / examples


def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Return a bool tensor (examples,): is the largest logit at the label? The raw material of a verdict."""
    return torch.as_tensor(logits).argmax(dim=-1) == torch.as_tensor(labels)


def agreement(logits_a: Tensor, logits_b: Tensor) -> float:
    """Return the share of examples on which two models name the same class, right or wrong. Both (examples, classes).

    Between student and teacher this is top-1 fidelity, which accuracy does not show (Stanton et al. 2021).
    """
    chosen_a = torch.as_tensor(logits_a).argmax(dim=-1)
    chosen_b = torch.as_tensor(logits_b).argmax(dim=-1)
    return (chosen_a == chosen_b).double().mean().item()


def compare_answers(teacher_logits: Tensor, student_logits: Tensor, labels: Tensor) -> Tensor:
    """Tell for each example who is right, and whether two wrong answers are the same one.

    teacher_logits, student_logits: (examples, classes). labels: (examples,). Returns an int64 tensor (examples,), each
    number a place in CASES: 0 both are right, 1 only the teacher, 2 only the student, 3 both are wrong and say the
    same, 4 both are wrong and say different things. Cases 0 and 3 together are the agreement.
    """
    teacher, student = torch.as_tensor(teacher_logits).argmax(dim=-1), torch.as_tensor(student_logits).argmax(dim=-1)
    labels = torch.as_tensor(labels)
    case = torch.where(teacher == student, 3, 4)
    case[teacher == labels] = 1
    case[student == labels] = 2
    case[(teacher == labels) & (student == labels)] = 0
    return case


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> float:
    """Return the mean of -log p(label), in nats, at T = 1. logits (examples, classes), labels (examples,)."""
    return F.cross_entropy(torch.as_tensor(logits).double(), torch.as_tensor(labels).long()).item()


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Return how far confidence is from accuracy: the mean gap |accuracy - confidence| over equal-width bins of
    confidence, each weighted by its share of the examples (Naeini et al. 2015; Guo et al. 2017 use 15 bins).

    logits (examples, classes), labels (examples,). 0 is perfectly calibrated.
    """
    confidence, answer = torch.as_tensor(logits).double().softmax(dim=-1).max(dim=-1)
    gap = (answer == torch.as_tensor(labels)).double() - confidence
    which = (confidence * bins).long().clamp(max=bins - 1)  # a confidence of 1 belongs to the last bin
    # A bin's share of the examples times the mean gap in it: the sum of its gaps over the number of examples.
    return torch.bincount(which, weights=gap).abs().sum().item() / len(gap)


def accuracy_interval(share: float, examples: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval of true shares for which a share seen in so many examples is no surprise (Wilson 1927).

    share: of right answers, 0 to 1. z: how many standard deviations are no surprise; 1.96 for 95%. Unlike the share
    plus and minus z standard errors, it never leaves 0 to 1, and is not empty when every answer was right.
    """
    centre = share + z**2 / (2 * examples)
    half = z * math.sqrt(share * (1 - share) / examples + z**2 / (4 * examples**2))
    scale = 1 + z**2 / examples
    return (centre - half) / scale, (centre + half) / scale
