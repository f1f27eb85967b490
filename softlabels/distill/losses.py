"""The distillation loss and the two forms of its soft term.

Conventions, kept everywhere: logits go in, never probabilities; the mean is over the batch, the sum over classes; the
teacher gets no gradient; the weights are called soft_weight and hard_weight, because papers and repositories disagree
about which of the two "alpha" multiplies.
"""

import math

from torch import Tensor
from torch.nn import functional as F

from .temperature import soften


def soft_cross_entropy(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of the student against the teacher's soft labels, both at the same temperature.

    student_logits, teacher_logits: float tensors (batch, classes). temperature: positive and finite, else ValueError.
    Returns a scalar: the mean over the batch of -sum(p_teacher · log p_student). There is no T² in it, and no gradient
    reaches the teacher. Its smallest value is the teacher's entropy (in nats), reached when the two agree.
    """
    soft_labels = soften(teacher_logits.detach(), temperature)
    student_log_probs = F.log_softmax(student_logits / temperature, dim=-1)
    return -(soft_labels * student_log_probs).sum(dim=-1).mean()


def kl_divergence(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Return KL(teacher || student), both at the same temperature: soft_cross_entropy less the teacher's entropy.

    student_logits, teacher_logits: float tensors (batch, classes). temperature: positive and finite, else ValueError.
    Returns a scalar: the mean over the batch of sum(p_teacher · (log p_teacher - log p_student)). Zero when student and
    teacher give the same probabilities, never negative. There is no T² in it, and no gradient reaches the teacher.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be positive and finite, not {temperature}")
    teacher_log_probs = F.log_softmax(teacher_logits.detach() / temperature, dim=-1)
    student_log_probs = F.log_softmax(student_logits / temperature, dim=-1)
    gap = teacher_log_probs - student_log_probs
    return (teacher_log_probs.exp() * gap).sum(dim=-1).mean()


def soft_gradient(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Return the gradient of T² · kl_divergence by the student's logits: T · (p_student - p_teacher) / batch.

    student_logits, teacher_logits: float tensors (batch, classes). temperature: positive and finite, else ValueError.
    Returns a tensor (batch, classes) whose rows sum to 0. At high temperature it nears the difference of the two
    centred logits, divided by batch · classes (Hinton, Vinyals and Dean 2015, equation 4).
    """
    p_student = soften(student_logits, temperature)
    p_teacher = soften(teacher_logits, temperature)
    return temperature * (p_student - p_teacher) / len(student_logits)


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor | None,
    temperature: float,
    soft_weight: float,
    hard_weight: float,
) -> Tensor:
    """Return soft_weight · T² · KL(teacher || student at T) + hard_weight · cross-entropy with the hard labels at T =
    1.

    student_logits, teacher_logits: float tensors (batch, classes). labels: int64 tensor (batch,), or None when
    hard_weight is 0. temperature: positive and finite, else ValueError. Returns a scalar; no gradient reaches the
    teacher.

    T² undoes the shrinking of the soft term's gradient, T · (p_student - p_teacher) / batch with it in place, so that
    the two weights keep their meaning when the temperature changes (Hinton, Vinyals and Dean 2015, section 2).
    """
    soft = kl_divergence(student_logits, teacher_logits, temperature)
    loss = soft_weight * temperature**2 * soft
    if hard_weight:
        loss = loss + hard_weight * F.cross_entropy(student_logits, labels)
    return loss
