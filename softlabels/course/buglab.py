"""The bug lab of lesson 03: broken distillation losses, each with a real thread in which its bug was found.

The functions are the course's own short models of those bugs, not the code of the projects. All have the six parameters
of `softlabels.distill.distillation_loss`. `mend_1` to `mend_8` are the same functions, mended.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch.nn import functional as F


def bug_1(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    student_probs = F.softmax(student_logits / temperature, dim=-1)
    soft = F.kl_div(student_probs, soft_labels, reduction="batchmean")
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def mend_1(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    student_log_probs = F.log_softmax(student_logits / temperature, dim=-1)
    soft = F.kl_div(student_log_probs, soft_labels, reduction="batchmean")
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def bug_2(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    student_log_probs = F.log_softmax(student_logits / temperature, dim=-1)
    soft = F.kl_div(student_log_probs, soft_labels, reduction="none").mean()
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def mend_2(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    student_log_probs = F.log_softmax(student_logits / temperature, dim=-1)
    soft = F.kl_div(student_log_probs, soft_labels, reduction="batchmean")
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def bug_3(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    soft = F.cross_entropy(student_logits / temperature, soft_labels)
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * soft + hard_weight * hard


def mend_3(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    soft = F.cross_entropy(student_logits / temperature, soft_labels)
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def bug_4(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    target = F.log_softmax(teacher_logits.detach() / temperature, dim=-1)
    prediction = F.log_softmax(teacher_logits.detach() / temperature, dim=-1)
    soft = F.kl_div(prediction, target, reduction="batchmean", log_target=True)
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def mend_4(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    target = F.log_softmax(teacher_logits.detach() / temperature, dim=-1)
    prediction = F.log_softmax(student_logits / temperature, dim=-1)
    soft = F.kl_div(prediction, target, reduction="batchmean", log_target=True)
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def bug_5(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    student_probs = F.softmax(student_logits / temperature, dim=-1)
    soft = F.cross_entropy(student_probs, soft_labels)
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def mend_5(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    soft = F.cross_entropy(student_logits / temperature, soft_labels)
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def bug_6(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    teacher_log_probs = F.log_softmax(teacher_logits.detach() / temperature, dim=-1)
    student_log_probs = F.log_softmax(student_logits / temperature, dim=-1)
    gap = student_log_probs - teacher_log_probs
    soft = (student_log_probs.exp() * gap).sum(dim=-1).mean()
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def mend_6(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    teacher_log_probs = F.log_softmax(teacher_logits.detach() / temperature, dim=-1)
    student_log_probs = F.log_softmax(student_logits / temperature, dim=-1)
    gap = teacher_log_probs - student_log_probs
    soft = (teacher_log_probs.exp() * gap).sum(dim=-1).mean()
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def bug_7(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    soft = F.cross_entropy(student_logits / temperature, soft_labels)
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + (hard_weight or 0.5) * hard


def mend_7(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    soft = F.cross_entropy(student_logits / temperature, soft_labels)
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def bug_8(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    student_log_probs = F.log_softmax(student_logits / temperature, dim=-1)
    soft = F.kl_div(student_log_probs, soft_labels, reduction="batchmean")
    loss = hard_weight * F.cross_entropy(student_logits, labels)
    return loss + soft_weight * temperature**2 * soft.item()


def mend_8(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    student_log_probs = F.log_softmax(student_logits / temperature, dim=-1)
    soft = F.kl_div(student_log_probs, soft_labels, reduction="batchmean")
    loss = hard_weight * F.cross_entropy(student_logits, labels)
    return loss + soft_weight * temperature**2 * soft


def bug_9(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach() / temperature, dim=-1)
    student_probs = F.softmax(student_logits / temperature, dim=-1)
    soft = F.mse_loss(student_probs, soft_labels)
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


def bug_10(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
    soft_labels = F.softmax(teacher_logits.detach(), dim=-1)
    soft = F.cross_entropy(student_logits / temperature, soft_labels)
    hard = F.cross_entropy(student_logits, labels)
    return soft_weight * temperature**2 * soft + hard_weight * hard


class Bug(NamedTuple):
    """A broken loss. key: what `diagnose` must find in it. thread: where it was met. story: what stands there."""

    number: int
    loss: Callable
    key: str
    thread: str
    url: str
    story: str


def _bug(number: int, loss: Callable, key: str, thread: str, kind: str, story: str) -> Bug:
    repository, _, place = thread.partition("#")
    path = kind if "/" in kind else f"{kind}/{place}"  # a file at the commit that was read, or a thread
    return Bug(number, loss, key, thread, f"https://github.com/{repository}/{path}", story)


# Every thread and file was read at its source; the stories say only what stands there.
BUGS = (
    _bug(1, bug_1, "probabilities-as-input", "microsoft/ProDA#20", "issues",
         "A reader asked why the logarithm was left out; an author answered that it was a bug. Reported again in #43."),
    _bug(2, bug_2, "mean-over-classes", "yuanli2333/Teacher-free-Knowledge-Distillation#41", "issues",
         "A user printed both terms and saw that the weight does not balance them. In #5 the author had held that the "
         "hyper-parameters must be searched for whichever reduction is used."),
    _bug(3, bug_3, "t2-missing", "IntelLabs/distiller#122", "issues",
         "A user asked for T², citing the paper; a maintainer agreed that he had overlooked it."),
    _bug(4, bug_4, "same-logits", "labmlai/annotated_deep_learning_paper_implementations#66", "issues",
         "Reported as a small error; the author found that it stopped distillation altogether, and that it came in "
         "with a later clean-up, by copy and paste."),
    _bug(5, bug_5, "double-softmax", "ariecattan/SciCo#2", "issues",
         "Met in a classifier's validation loss: probabilities went into a cross-entropy that applies softmax itself, "
         "so the loss stuck near 1 and could not have come close to 0."),
    _bug(6, bug_6, "reverse", "paiml/aprender#2153", "pull",
         "The loss was KL(student || teacher) while the gradient written by hand was that of KL(teacher || student)."),
    _bug(7, bug_7, "hidden-hard-term", "huggingface/trl#5731", "pull",
         "A fused kernel's default weights added half a cross-entropy to what should have been a pure divergence."),
    _bug(8, bug_8, "no-soft-gradient", "CuriousCat-7/born-again-neural-network#1", "issues",
         "A mend proposed in the thread adds the second term as a Python number, which carries no gradient."),
    _bug(9, bug_9, "mse-on-probabilities", "SforAiDl/KD_Lib",
         "blob/d00c232de5a16bcd2a81b896a35ec3f20c2f9fa8/KD_Lib/KD/vision/vanilla/vanilla_kd.py",
         "The default loss of its VanillaKD class compares the two softmaxes by squared error."),
    _bug(10, bug_10, "one-sided-temperature", "huawei-noah/Pretrained-Language-Model#11", "issues",
         "The paper's formula divided only the student's logits; the authors answered that the code, which divides "
         "both, is right and the paper has a slip (they used T = 1, where it makes no difference)."),
)  # fmt: skip
