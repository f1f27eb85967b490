"""Lesson 03's exercises: the two forms of the soft term, its gradient, the distillation loss, and eight bugs to mend.

The checks ask `diagnose` what a loss does to its gradient; the mistakes listed here are those that a gradient cannot
show, because they change only the value.
"""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from softlabels.course import buglab
from softlabels.course.diagnose import catalogue, diagnose
from softlabels.course.exercises.base import Exercise, Finding, Mistake, Probe, call, close, to_array
from softlabels.distill.losses import distillation_loss, kl_divergence, soft_cross_entropy, soft_gradient
from softlabels.distill.temperature import soften

TEACHER, STUDENT = [0.8, 0.3, -0.6], [0.1, 0.4, -0.2]


def pairs(seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor, float, str]]:
    """Student and teacher logits with a temperature: near-tied and a few units wide, 2 to 50 classes."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(rows: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
        student, teacher = torch.randn(2, rows, classes, generator=generator)
        return student, 1.5 * teacher

    return [
        (torch.tensor([[0.2, -0.1]]), torch.tensor([[0.5, -0.4]]), 1.0, "one row, two classes, T = 1"),
        (torch.tensor([STUDENT]), torch.tensor([TEACHER]), 2.0, "one row, T = 2"),
        (torch.tensor([STUDENT, TEACHER]), torch.tensor([TEACHER, STUDENT]), 4.0, "two rows, T = 4"),
        (torch.tensor([TEACHER, STUDENT]), torch.tensor([TEACHER, STUDENT]), 3.0, "student equals teacher"),
        (*drawn(4, 24), 8.0, "24 classes, T = 8"),
        (*drawn(3, 50), 1.5, "50 classes"),
        (*drawn(6, 5), 0.5, "sharpened"),
    ]


def soft_probes(seed: int = 0) -> list[Probe]:
    return [Probe((student, teacher, T), note) for student, teacher, T, note in pairs(seed)]


def loss_probes(seed: int = 0) -> list[Probe]:
    weights = [(1.0, 0.0), (1.0, 0.0), (0.7, 0.3), (1.0, 0.0), (0.5, 0.5), (0.2, 2.0), (0.0, 1.0)]
    probes = []
    for i, ((student, teacher, T, note), pair) in enumerate(zip(pairs(seed), weights, strict=True)):
        labels = torch.arange(len(student)) % student.shape[1] + (i % 2)
        probes.append(Probe((student, teacher, labels, T, *pair), f"{note}; weights {pair[0]} and {pair[1]}"))
    return probes


# --- what diagnose finds, as the check of an exercise -------------------------------------------------------

DETACH = Finding(
    "the teacher gets a gradient",
    "backward() through your loss reaches the teacher's logits: it would train the teacher to please the student.",
    "How do you tell autograd that a tensor is a given, not something to improve?",
)
LARGE = Finding(
    "not finite for large logits",
    "With logits of several hundred the loss or its gradient is NaN or infinite: a probability underflows to 0, and "
    "its logarithm is minus infinity.",
    "Is there a function that gives the logarithm of a softmax in one step?",
)
STRICT = {"teacher-gradient": DETACH, "overflow": LARGE, "low-precision": None}
T2_INSIDE = Finding(
    "T² inside",
    "Your result grows with T²: it is already scaled for the mix with the hard term. That factor comes in exercise "
    "3.4.",
    "What does the exercise card say about T²?",
)


def no_findings(loss: Callable, instead: dict[str, Finding | None]) -> Finding | None:
    """Return the first thing that diagnose finds in a loss, in this exercise's words where `instead` has them."""
    for finding in diagnose(loss).findings:
        said = instead.get(finding.key, finding)
        if said is not None:
            return said
    return None


def sound(fn: Callable) -> Finding | None:
    """The gradient: T² · (p_student - p_teacher) / (T · N) for the soft term, nothing for the teacher."""
    return no_findings(fn, STRICT)


def soft_term_sound(fn: Callable) -> Finding | None:
    """The gradient of the soft term alone, which is right when T² times it is."""

    def loss(student_logits, teacher_logits, labels, temperature, soft_weight, hard_weight):
        soft = fn(student_logits, teacher_logits, temperature)
        soft = torch.as_tensor(soft, dtype=student_logits.dtype)
        return soft_weight * temperature**2 * soft + hard_weight * F.cross_entropy(student_logits, labels)

    twice = {"t2-twice": T2_INSIDE, "no-soft-gradient": _reworded("no-soft-gradient", "a loss without gradient")}
    return no_findings(loss, STRICT | twice)


def _reworded(key: str, name: str) -> Finding:
    entry = catalogue()[key]
    return Finding(name, entry["symptom"].replace("soft term's ", ""), entry["question"])


def _log_p(logits, temperature):
    return F.log_softmax(logits / temperature, dim=-1)


def _in_bits(reference: Callable) -> Mistake:
    return Mistake(
        "bits instead of nats",
        "Your result is 1 / ln 2 = 1.44 times too large: your logarithm has base 2. Losses use the natural one.",
        "Which base has the logarithm inside F.log_softmax?",
        imitation=lambda s, t, T: reference(s, t, T) / 0.6931471805599453,
    )


def _per_row(reference: Callable) -> Mistake:
    def matches(fn, probes):
        values = [to_array(call(fn, probe.args).value) for probe in probes]
        return all(
            v is not None and v.shape == (len(p.args[0]),) and close(v.mean(), reference(*p.args))
            for v, p in zip(values, probes, strict=True)
        )

    return Mistake(
        "one loss per row",
        "Each row's loss is right, but you return all of them; backward() needs a single number.",
        "What is left to do over the batch?",
        matches=matches,
    )


def _nan_mistake(key: str, imitation: Callable) -> Mistake:
    # Its value is NaN on every probe, which the engine would report before it asks for properties.
    entry = catalogue()[key]
    symptom = "F.kl_div takes its target for probabilities; a negative one gives NaN. Yours holds log-probabilities."
    return Mistake(entry["name"], symptom, entry["question"], imitation=imitation)


CE_FOR_KL = Mistake(
    "the cross-entropy, not the divergence",
    "The gradient is right, but the value is too large by the teacher's entropy: at student = teacher it is not 0, so "
    "it does not show when the student has arrived.",
    "What must be taken away from -sum(p · log q) so that it is 0 when q = p?",
    imitation=soft_cross_entropy,
)
KL_FOR_CE = Mistake(
    "the divergence, not the cross-entropy",
    "The gradient is right, but the teacher's entropy is missing from the value: this is the KL divergence of exercise "
    "3.2.",
    "Does the teacher's own logarithm occur in the cross-entropy?",
    imitation=kl_divergence,
)
SUM_KL = Mistake(
    "sum over the batch",
    "With one row you are right; with several your result is the sum of their losses, so it grows with the batch.",
    "By what is the sum over the rows divided?",
    imitation=lambda s, t, T: kl_divergence(s, t, T) * len(s),
)
SUM_CE = Mistake(SUM_KL.name, SUM_KL.symptom, SUM_KL.question, lambda s, t, T: soft_cross_entropy(s, t, T) * len(s))
LOG_TARGETS_KL = _nan_mistake(
    "log-targets", lambda s, t, T: F.kl_div(_log_p(s, T), _log_p(t, T), reduction="batchmean")
)

SOFT_CROSS_ENTROPY = Exercise(
    name="soft_cross_entropy", lesson="03", title="The soft cross-entropy", points=2, minutes=5, difficulty=2,
    reference=soft_cross_entropy, probes=soft_probes, properties=[soft_term_sound],
    mistakes=[KL_FOR_CE, _per_row(soft_cross_entropy), SUM_CE, _in_bits(soft_cross_entropy)],
    hints=(
        "With a hard label, cross-entropy is minus the log-probability of one class. What takes the place of "
        "'one class' when the label is a whole row of probabilities?",
        "$H(p^t, p^s) = -\\dfrac{1}{N}\\sum_n \\sum_c p^t_{nc} \\log p^s_{nc}$, both softened at $T$.",
        "# soft_labels: the teacher's logits (detached), softened\n# student_log_probs: log_softmax of the student's "
        "logits / temperature\n# multiply, sum over the classes, mean over the batch, change the sign",
    ),
)  # fmt: skip

KL_DIVERGENCE = Exercise(
    name="kl_divergence", lesson="03", title="The KL divergence", points=2, minutes=4, difficulty=2,
    reference=kl_divergence, probes=soft_probes, properties=[soft_term_sound],
    mistakes=[CE_FOR_KL, _per_row(kl_divergence), SUM_KL, _in_bits(kl_divergence), LOG_TARGETS_KL],
    hints=(
        "It is the soft cross-entropy less the teacher's own entropy. Which two log-probabilities does each class "
        "compare?",
        "$\\mathrm{KL}(p^t \\| p^s) = \\dfrac{1}{N}\\sum_n \\sum_c p^t_{nc}\\,(\\log p^t_{nc} - \\log p^s_{nc})$, "
        "both softened at $T$.",
        "# teacher_log_probs: log_softmax of the teacher's logits (detached) / temperature\n# student_log_probs: "
        "the same for the student\n# exp(teacher_log_probs) times the difference, sum over the classes, mean over the "
        "batch",
    ),
)  # fmt: skip


# --- the gradient ------------------------------------------------------------


def _gradient_mistake(name: str, symptom: str, question: str, wrong: Callable) -> Mistake:
    return Mistake(name, symptom, question, imitation=wrong)


def is_autograds(fn: Callable) -> Finding | None:
    """What autograd finds for T² · kl_divergence."""
    for student, teacher, T, _ in pairs(1):
        leaf = student.clone().requires_grad_()
        (right,) = torch.autograd.grad(T**2 * kl_divergence(leaf, teacher, T), leaf)
        if not close(fn(student.clone(), teacher.clone(), T), right):
            return Finding("not autograd's gradient", "autograd finds another gradient for the same loss.",
                           "Which line of the derivation does your code leave out?",
                           {"student_logits": student, "teacher_logits": teacher, "temperature": T},
                           fn(student.clone(), teacher.clone(), T), right)  # fmt: skip
    return None


SOFT_GRADIENT = Exercise(
    name="soft_gradient", lesson="03", title="The gradient, by hand", points=2, minutes=4, difficulty=2,
    reference=soft_gradient, probes=soft_probes, properties=[is_autograds],
    mistakes=[
        _gradient_mistake("the sign is flipped", "Your gradient points from the teacher to the student; following its "
                          "opposite would drive them apart.", "If the student gives a class too much, should the slope "
                          "of the loss along its logit be above or below 0?", lambda s, t, T: -soft_gradient(s, t, T)),
        _gradient_mistake("without T²", "This is the gradient of the plain KL divergence: it has 1/T where T belongs.",
                          "The derivation's last line multiplies by T². What is T² / T?",
                          lambda s, t, T: soft_gradient(s, t, T) / T**2),
        _gradient_mistake("no factor of T", "The difference of the probabilities is there, but nothing "
                          "multiplies it by T.",
                          "What is left of T² once the chain rule has taken its 1/T?",
                          lambda s, t, T: soft_gradient(s, t, T) / T),
        _gradient_mistake("T² instead of T", "Your gradient is T times too long: T² is there, but not the 1/T of the "
                          "chain rule.", "z enters the loss as z / T. What does that do to the derivative?",
                          lambda s, t, T: soft_gradient(s, t, T) * T),
        _gradient_mistake("not divided by the batch size", "With one row you are right; with more rows each one's "
                          "gradient is too long.", "The loss is a mean over N rows. How much of it belongs to one row?",
                          lambda s, t, T: soft_gradient(s, t, T) * len(s)),
        _gradient_mistake("divided by the number of classes", "Your gradient is divided by N · C: a mean over "
                          "everything.",
                          "Is a KL divergence a sum or a mean over the classes?",
                          lambda s, t, T: soft_gradient(s, t, T) / s.shape[-1]),
        _gradient_mistake("probabilities at T = 1", "Your two probabilities are not softened.",
                          "At which temperature are p_s and p_t in the loss that you differentiate?",
                          lambda s, t, T: T * (soften(s, 1.0) - soften(t, 1.0)) / len(s)),
        _gradient_mistake("logits instead of probabilities", "You compare the logits themselves. That is the limit at "
                          "high temperature, not the gradient at this one.", "What are p_s and p_t, given the logits?",
                          lambda s, t, T: T * (s - t) / len(s)),
    ],
    hints=(
        "Read the last line of the derivation aloud. Which function of lesson 02 gives p_s and p_t?",
        "$\\dfrac{\\partial}{\\partial z_{nc}} = \\dfrac{T}{N}\\,(p^s_{nc} - p^t_{nc})$",
        "# p_s, p_t: both logits softened at the temperature\n# temperature times their difference, divided by the "
        "number of rows",
    ),
)  # fmt: skip


# --- the distillation loss ------------------------------------------------------------


def _cross_entropy_form(s, t, y, T, soft_weight, hard_weight):
    loss = soft_weight * T**2 * soft_cross_entropy(s, t, T)
    return loss + hard_weight * F.cross_entropy(s, y) if hard_weight else loss


def works_without_labels(fn: Callable) -> Finding | None:
    """Labels that are None, as in a transfer set, when hard_weight is 0."""
    args = (torch.tensor([STUDENT]), torch.tensor([TEACHER]), None, 2.0, 1.0, 0.0)
    result = call(fn, args)
    if result.error is None and close(result.value, distillation_loss(*args)):
        return None
    return Finding(
        "labels may be None",
        "A transfer set has no labels. With hard_weight 0 they are None, and your function still looks at them.",
        "When hard_weight is 0, does the hard term have to be computed at all?",
    )


DISTILLATION_LOSS = Exercise(
    name="distillation_loss", lesson="03", title="The distillation loss", points=4, minutes=8, difficulty=3,
    reference=distillation_loss, probes=loss_probes, properties=[sound, works_without_labels],
    mistakes=[
        Mistake("the cross-entropy form", "Your loss trains exactly as it should: its gradient is right. But its value "
                "never comes down to 0, because the soft term is a cross-entropy; the card asks for the KL divergence.",
                "Which of your two soft terms is 0 when the student equals the teacher?",
                imitation=_cross_entropy_form),
        _nan_mistake("log-targets", lambda s, t, y, T, a, b: a * T**2
                     * F.kl_div(_log_p(s, T), _log_p(t, T), reduction="batchmean") + b * F.cross_entropy(s, y)),
    ],
    hints=(
        "Two terms, two weights. Which of them shrinks when T grows, and by which factor?",
        "$L = w_{soft}\\,T^2\\,\\mathrm{KL}(p^t_T \\| p^s_T) + w_{hard}\\,\\mathrm{CE}(\\text{label}, p^s_{1})$",
        "# loss: soft_weight times temperature squared times kl_divergence(...)\n# if there is a hard weight: add "
        "hard_weight times F.cross_entropy(student_logits, labels), logits as they are\n# return loss",
    ),
)  # fmt: skip


# --- the bug lab ------------------------------------------------------------

# Several mends are right (the KL form and the cross-entropy form, for two), so values are not compared: only that the
# result is one finite number. The gradient decides, in `diagnose`.
ANY_VALUE = (0.0, 1e9)
QUESTIONS = {
    1: ("What does F.kl_div take as its first argument?", "`F.log_softmax` where `F.softmax` stands"),
    2: ("Over which axis is a divergence a sum, and over which a mean?", "`reduction=\"batchmean\"`"),
    3: ("What makes up for the two factors 1/T in the soft gradient?", "$w_{soft}\\,T^2\\,H(p^t, p^s)$"),
    4: ("Whose logits does each of the two lines hold?", "`prediction` is the student's"),
    5: ("What does F.cross_entropy do first with its input?", "`F.cross_entropy` of the student's logits / T"),
    6: ("Whose probabilities weight the logarithms in KL(teacher || student)?",
        "$\\sum p^t (\\log p^t - \\log p^s)$"),
    7: ("What is `0 or 0.5` in Python?", "`hard_weight * hard`, for every hard_weight"),
    8: ("What does .item() return, and can a gradient come back through it?", "`soft`, not `soft.item()`"),
}  # fmt: skip


def _mend(number: int) -> Exercise:
    question, formula = QUESTIONS[number]
    return Exercise(
        name=f"mend_{number}", lesson="03", title=f"Mend bug {number}", points=1, minutes=1,
        difficulty=1 if number in (2, 3, 7, 8) else 2,
        reference=getattr(buglab, f"mend_{number}"), probes=loss_probes, properties=[sound], tolerance=ANY_VALUE,
        hints=(question, formula, f"# write bug_{number} down again\n# change that one thing, and nothing else"),
    )  # fmt: skip


EXERCISES = [
    SOFT_CROSS_ENTROPY, KL_DIVERGENCE, SOFT_GRADIENT, DISTILLATION_LOSS, *(_mend(n) for n in QUESTIONS),
]  # fmt: skip
