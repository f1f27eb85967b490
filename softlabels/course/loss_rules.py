"""From a `Reading` of a loss to the mistakes in it: (key of content/diagnose.toml, what was measured) pairs."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from .loss_reading import Call, Coefficient, Power, Reading, ask, coefficient, power_law
from .loss_terms import Probe, divergence, log_p, p

Found = tuple[str, dict]

# For these terms a power of T, or of the number of classes, in front is not what is wrong with them.
SCALED_BY_T = {
    "right", "reverse", "probabilities-as-input", "swapped-probabilities", "logits-as-input", "log-targets",
    "exponential-targets", "raw-targets", "double-softmax", "mse-on-probabilities",
}  # fmt: skip
SCALED_BY_CLASSES = SCALED_BY_T - {"mse-on-probabilities"}
OWN_SCALE = {
    "batch-axis",
    "symmetric",
    "jensen-shannon",
    "student-entropy",
}  # softmaxes over the batch, halves and doubles


def kind_of(term: str) -> str:
    return term.split(".")[0]


def weights(soft: Coefficient, hard: Coefficient) -> Iterator[Found]:
    """Say where the two weights go."""
    pair = (soft.pattern, hard.pattern)
    shares = "soft share" in pair or "hard share" in pair
    plain = tuple(pattern.replace(" share", "") if pattern else None for pattern in pair)
    if ("hard" == plain[0] and plain[1] in ("soft", "1 - hard", "absent")) or plain == ("1 - soft", "soft"):
        yield "weights-reversed", {}
    elif plain[1] == "soft" and plain[0] == "absent":
        yield "weights-reversed", {}
    else:
        if plain[0] == "none":
            yield "soft-weight-ignored", {}
        elif plain[0] == "1 - hard":
            yield "one-minus-hard-weight", {}
        elif plain[0] not in ("soft", "absent"):
            yield "weights-tangled", {}
        if plain[1] == "none":
            yield "hard-weight-not-applied", {}
        elif plain[1] == "1 - soft":
            yield "one-minus-soft-weight", {}
        elif plain[1] not in ("hard", "absent") and plain[0] in ("soft", "absent", "none", "1 - hard"):
            yield "weights-tangled", {}
    if soft.hidden:
        yield "hidden-soft-term", {"hidden": soft.hidden}
    if hard.hidden:
        yield "hidden-hard-term", {"hidden": hard.hidden}
    if shares:
        yield "normalised-weights", {}


def law(power: Power) -> str:
    """Say in words what a scale follows, apart from its constant factor."""
    names = (("temperature", power.T), ("batch size", power.N), ("number of classes", power.C))
    parts = [name if k == 1 else f"{name}^{k}" for name, k in names if k]
    return f", times {' · '.join(parts)}" if parts else ("" if power.fits else " in the median, and unevenly so")


def soft_scale(term: str, scale: np.ndarray, tolerance: float) -> Iterator[Found]:
    """Say what the soft term is multiplied by that it should not be."""
    power, kind = power_law(scale, 2 * tolerance), kind_of(term)
    facts = {"T": power.T, "factor": abs(power.factor), "law": law(power)}
    if not power.fits:
        if kind == "right":
            yield "size-of-soft-term", facts | {"factor": float(np.median(np.abs(scale)))}
        return
    if power.factor < 0 and kind != "student-entropy":
        yield "soft-sign", facts
    if kind in SCALED_BY_T and power.T:
        key = {-2: "t2-missing", -1: "t-not-squared", 2: "t2-twice"}.get(power.T, "t-power")
        yield key, facts | {"beside": " beside the hard one" if kind == "right" else ""}
    if kind in SCALED_BY_CLASSES and power.C == -1:
        yield "mean-over-classes", facts
    if power.N and kind not in OWN_SCALE and power.N in (-1, 1):
        yield "sum-over-batch" if power.N == 1 else "batch-mean-twice", facts
    if kind == "right" and (
        abs(abs(power.factor) - 1) > tolerance or power.C not in (0, -1) or power.N not in (-1, 0, 1)
    ):
        yield "size-of-soft-term", facts


def hard_scale(term: str, scale: np.ndarray, tolerance: float) -> Iterator[Found]:
    """Say what the hard term is multiplied by that it should not be."""
    power = power_law(scale, 2 * tolerance)
    facts = {"factor": power.factor, "law": law(power)}
    if not power.fits:
        facts["factor"] = float(np.median(scale))
    if power.fits and power.T == 2:
        yield "t2-on-hard-term", facts
        power = power._replace(T=0)
        facts["law"] = law(power)
    if term == "right" and (not power.fits or power.T or power.N or power.C or abs(power.factor - 1) > tolerance):
        yield "size-of-hard-term", facts


def absent_soft_term(loss_fn: Callable, probe: Probe) -> Found:
    """Say why no soft gradient arrives, from how the soft term's value moves."""
    other = probe._replace(student=probe.student.roll(1, 0) + probe.student)
    taught = probe._replace(teacher=probe.teacher.roll(1, 0) + probe.teacher)
    value, for_student, for_teacher = (ask(loss_fn, x, (1.0, 0.0)).value for x in (probe, other, taught))
    moves, taught_moves = abs(value - for_student) > 1e-6, abs(value - for_teacher) > 1e-6
    if moves and taught_moves:
        teacher_grad = ask(loss_fn, probe, (1.0, 0.0), teacher=True).teacher_grad
        reached = teacher_grad is not None and teacher_grad.abs().max() > 1e-9
        return ("roles-swapped" if reached else "no-soft-gradient"), {}
    if moves:
        return "same-logits", {"evidence": "its value follows the student alone"}
    if taught_moves:
        return "same-logits", {"evidence": "its value follows the teacher alone"}
    if abs(value) > 1e-6:
        return "soft-absent", {}
    return "same-logits", {
        "evidence": "its value is 0 for every student and every teacher (as it is when the term is left out altogether)"
    }


def absent_hard_term(loss_fn: Callable, probe: Probe) -> Found:
    """Say why no hard gradient arrives, from how the hard term's value moves."""
    other = probe._replace(student=probe.student.roll(1, 0) + probe.student)
    taught = probe._replace(teacher=probe.teacher.roll(1, 0) + probe.teacher)
    value, for_student, for_teacher = (ask(loss_fn, x, (0.0, 1.0)).value for x in (probe, other, taught))
    if abs(value - for_student) > 1e-6:
        return "no-hard-gradient", {}
    return ("hard-on-teacher" if abs(value - for_teacher) > 1e-6 else "hard-absent"), {}


def found_in(loss_fn: Callable, reading: Reading, probe: Probe) -> Iterator[Found]:
    """Name everything that a reading shows to be wrong. reading: one with both terms recognised."""
    tolerance = 1e-2 if reading.precise else 0.1
    soft = coefficient(reading.alpha, "soft", tolerance)
    hard = coefficient(reading.beta, "hard", tolerance)
    if soft.pattern == "absent" and hard.pattern != "soft":
        yield absent_soft_term(loss_fn, probe)
    elif soft.pattern != "absent":
        if reading.soft != "right":
            yield kind_of(reading.soft), {}
        if soft.pattern:
            yield from soft_scale(reading.soft, soft.scale, tolerance)
    if hard.pattern == "absent" and soft.pattern != "hard":
        yield absent_hard_term(loss_fn, probe)
    elif hard.pattern != "absent":
        if reading.hard != "right":
            yield kind_of(reading.hard), {}
        if hard.pattern:
            yield from hard_scale(reading.hard, hard.scale, tolerance)
    yield from weights(soft, hard)


def value_disagrees(loss_fn: Callable, probe: Probe) -> Found | None:
    """Check that the value of a loss with the right gradient moves as that gradient says, up to a constant."""
    student, teacher, labels, T = probe
    moved = probe._replace(student=student.roll(1, 0) + 0.5 * student)
    for pair in ((1.0, 0.0), (0.0, 1.0)):
        mine = [ask(loss_fn, x, pair).value for x in (probe, moved)]
        right = []
        for logits in (student, moved.student):
            soft = T * T * divergence(log_p(logits, T), p(teacher, T)) / len(labels)
            hard = torch.nn.functional.cross_entropy(logits, labels)
            right.append(float(pair[0] * soft + pair[1] * hard))
        if not np.isfinite(mine).all():
            return "value-not-finite", {}
        if abs((mine[1] - mine[0]) - (right[1] - right[0])) > 3e-2 * max(map(abs, right)):
            return "value-disagrees", {}
    return None


def soft_values(loss_fn: Callable, batches: tuple[Probe, ...]) -> dict:
    """Return the facts that symptoms quote: the soft term at student = teacher, and the lowest value seen."""
    equal = [ask(loss_fn, x._replace(student=x.teacher), (1.0, 0.0)) for x in batches]
    values = [call.value for call in equal] + [ask(loss_fn, x, (1.0, 0.0)).value for x in batches]
    return {"match": equal[-2].value, "lowest": min(values), "at_rest": all(_still(call) for call in equal)}


def _still(call: Call) -> bool:
    return call.student_grad is None or bool(call.student_grad.abs().max() < 1e-5)
