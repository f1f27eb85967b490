"""A doctor for anyone's distillation loss: `diagnose(loss_fn)` says what is wrong with it, by what it does.

The loss is a black box with six parameters, called by position: student logits, teacher logits, labels, temperature,
soft weight, hard weight. A sound one has, with respect to the student's logits, the gradient

    soft_weight · T · (p_student - p_teacher) / N  +  hard_weight · (p_student at T = 1 - one-hot label) / N

(p at temperature T, N the batch size; Hinton, Vinyals and Dean 2015, section 2, with T² on the soft term), whatever its
value's constant offset: the cross-entropy and the KL form are equally right. The mistakes it knows are in
content/diagnose.toml, most of them shipped in public code.
"""

import html
import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import torch
from torch.nn import functional as F

from .exercises import base
from .loss_reading import EXACT, WEIGHTS, NotScalar, ask, measure, read
from .loss_rules import Found, found_in, kind_of, soft_values, value_disagrees
from .loss_terms import p, probes


@dataclass(frozen=True)
class Finding(base.Finding):
    """One thing found in a loss: .name, .symptom (what it does), .question (which leads to the mend).

    key: its key in content/diagnose.toml. kind: "bug"; "objective" (a sound loss of another kind than the one asked
    for); or "condition" (it matters only under a condition that the symptom names).
    """

    key: str = ""
    kind: str = "bug"


class Diagnosis:
    """What `diagnose` found. .findings: a tuple of Finding, empty when there is nothing to say about the loss.

    .sound: whether the loss is the distillation loss, with no finding but conditional ones. A Diagnosis has no truth
    value of its own (does True mean "sound" or "something was found"?): ask .sound or .findings.
    """

    def __init__(self, findings: tuple[Finding, ...] = (), name: str = "the loss"):
        self.findings, self.name = tuple(findings), name

    @property
    def sound(self) -> bool:
        return all(finding.kind == "condition" for finding in self.findings)

    def __bool__(self):
        raise TypeError("a Diagnosis is neither true nor false: ask .sound, or look at .findings")

    @property
    def verdict(self) -> str:
        if not self.findings:
            return f"{self.name}: sound. Nothing found."
        if self.sound:
            return f"{self.name}: sound, with {_count(len(self.findings), 'remark')}."
        if all(finding.kind != "bug" for finding in self.findings):
            return f"{self.name}: a sound objective, but not the distillation loss of Hinton, Vinyals and Dean (2015)."
        return f"{self.name}: {_count(len(self.findings), 'finding')}."

    def __repr__(self):
        lines = [self.verdict]
        for finding in self.findings:
            lines += [f"- {finding.name}", f"  {finding.symptom}", f"  {finding.question}"]
            if finding.inputs:
                lines += [f"    {k}: {v}" for k, v in finding.inputs.items()]
                lines += [f"    your gradient: {finding.yours}", f"    expected: {finding.expected}"]
        return "\n".join(lines)

    def _repr_html_(self):
        mark = "✓" if self.sound else "✗"
        parts = [f"<p><b>{mark} {html.escape(self.verdict)}</b></p>"]
        for finding in self.findings:
            text = f"<b>{html.escape(finding.name)}</b><br>{html.escape(finding.symptom)}"
            parts.append(f"<li>{text}<br><i>{html.escape(finding.question)}</i>")
            if finding.inputs:
                rows = {**finding.inputs, "your gradient": finding.yours, "expected": finding.expected}
                cells = (f"<tr><td>{html.escape(k)}</td><td>{html.escape(str(v))}</td></tr>" for k, v in rows.items())
                parts.append(f"<table>{''.join(cells)}</table>")
            parts.append("</li>")
        return f'<div class="softlabels-diagnosis">{parts[0]}<ul>{"".join(parts[1:])}</ul></div>'


def diagnose(loss_fn: Callable, *, seed: int = 0) -> Diagnosis:
    """Examine a distillation loss.

    loss_fn: callable(student_logits (batch, classes), teacher_logits (batch, classes), labels int64 (batch,),
    temperature, soft_weight, hard_weight) -> scalar tensor; called by position, on CPU, some 60 times, with batches of
    4 to 7 examples and 2 to 50 classes. seed: of the logits it is tried on. Errors raised by loss_fn become findings.
    """
    name = getattr(loss_fn, "__name__", type(loss_fn).__name__)
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        found = _examine(loss_fn, seed)
    # A key is reported once; what is certain comes before what is conditional.
    unique = {key: facts for key, facts in reversed(found)}
    findings = [_finding(key, unique[key]) for key in dict.fromkeys(key for key, _ in found)]
    return Diagnosis(tuple(sorted(findings, key=lambda f: f.kind == "condition")), name)


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Return what can be found: key -> name, symptom (with {braces}), question, kind."""
    return tomllib.loads(files(__package__).joinpath("content/diagnose.toml").read_text(encoding="utf-8"))


def _finding(key: str, facts: dict) -> Finding:
    entry = catalogue()[key]
    evidence = {name: facts[name] for name in ("inputs", "yours", "expected") if name in facts}
    symptom = entry["symptom"].format_map(facts).strip()
    return Finding(entry["name"], symptom, entry["question"], **evidence, key=key, kind=entry.get("kind", "bug"))


def _count(n: int, word: str) -> str:
    return f"{n} {word}" + ("" if n == 1 else "s")


def _examine(loss_fn: Callable, seed: int) -> list[Found]:
    dtype, calls = torch.float64, None
    try:
        try:
            calls = measure(loss_fn, seed, torch.float64)
        except NotScalar:
            raise
        except Exception:  # a loss may be written for single precision only
            dtype, calls = torch.float32, measure(loss_fn, seed, torch.float32)
    except NotScalar as error:
        return [("not-scalar", {"evidence": error})]
    except Exception as error:
        message = f"{type(error).__name__}: {error}".split("\n")[0]
        left = "numpy()" in message or "__array__" in message
        return [("leaves-torch" if left else "raises", {"evidence": message.rstrip(".") + "."})]
    batches = probes(seed, dtype)
    early = _call_problems(loss_fn, calls, batches)
    if early:
        return early
    facts = soft_values(loss_fn, batches)
    reading = read(calls, seed)
    if reading.soft is None:
        found = _unexplained(loss_fn, calls, seed, facts)
    else:
        found = [(key, facts | more) for key, more in found_in(loss_fn, reading, batches[1])]
        keys = {key for key, _ in found}
        if {"no-soft-gradient", "no-hard-gradient"} <= keys:
            found = [("no-gradient", {})]
        if not keys - {"normalised-weights"}:
            if not reading.precise:
                found.append(("low-precision", {"error": _error(calls, seed)}))
            found += [x for x in [value_disagrees(loss_fn, batches[1])] if x and reading.precise]
    return found + _conditions(loss_fn, batches, {key for key, _ in found})


def _call_problems(loss_fn, calls, batches) -> list[Found]:
    for row, probe in zip(calls, batches, strict=True):
        for call in row:
            if call and call.student_grad is not None and not call.student_grad.isfinite().all():
                return [("not-finite", {"T": probe.temperature})]
    first, again = calls[1][3].value, ask(loss_fn, batches[1], WEIGHTS[3]).value
    if abs(first - again) > 1e-6 * max(1, abs(first)):
        return [("not-repeatable", {"first": first, "second": again})]
    probe = batches[1]
    student, teacher, labels = probe.student.clone().requires_grad_(), probe.teacher.clone(), probe.labels.clone()
    loss_fn(student, teacher, labels, probe.temperature, *WEIGHTS[3])
    pairs = {
        "student's logits": (student, probe.student),
        "teacher's logits": (teacher, probe.teacher),
        "labels": (labels, probe.labels),
    }
    changed = [name for name, (after, before) in pairs.items() if not torch.equal(after.detach(), before)]
    return [("changes-its-inputs", {"evidence": " and ".join(changed)})] if changed else []


def _conditions(loss_fn, batches, keys) -> list[Found]:
    found = []
    if "roles-swapped" not in keys:
        grads = [ask(loss_fn, batches[1], pair, teacher=True).teacher_grad for pair in ((1.0, 0.0), (0.0, 1.0))]
        if any(grad is not None and grad.abs().max() > 1e-9 for grad in grads):
            found.append(("teacher-gradient", {}))
    wide = batches[2]._replace(student=500 * batches[2].student, teacher=500 * batches[2].teacher, temperature=1.0)
    call = ask(loss_fn, wide._replace(student=wide.student.float(), teacher=wide.teacher.float()), (1.0, 1.0))
    finite = torch.tensor(call.value).isfinite() and (call.student_grad is None or call.student_grad.isfinite().all())
    return found if finite or "value-not-finite" in keys else [*found, ("overflow", {})]


def _expected(probe, pair) -> torch.Tensor:
    student, teacher, labels, T = probe
    onehot = F.one_hot(labels, student.shape[1])
    soft, hard = T * (p(student, T) - p(teacher, T)), p(student) - onehot
    return (pair[0] * soft + pair[1] * hard) / len(labels)


def _error(calls, seed) -> float:
    errors = []
    for row, probe in zip(calls, probes(seed), strict=True):
        for call, pair in zip(row, WEIGHTS, strict=True):
            if call and call.student_grad is not None and any(pair):
                right = _expected(probe, pair)
                errors.append(float((call.student_grad - right).norm() / right.norm()))
    return max(errors, default=0.0)


def _unexplained(loss_fn, calls, seed, facts) -> list[Found]:
    """Say which term is unknown, and show the smallest batch on which it goes wrong."""
    found = []
    for index, key in ((0, "unknown-soft-term"), (1, "unknown-hard-term")):
        alone = read([[row[index]] * len(WEIGHTS) for row in calls], seed)
        if alone.precise:  # this term is known, by itself
            known = kind_of(alone.hard if index else alone.soft)
            found += [(known, facts)] if known != "right" else []
            continue
        for row, probe in zip(calls, probes(seed), strict=True):
            right, mine = _expected(probe, WEIGHTS[index]), row[index].student_grad
            mine = torch.zeros_like(right) if mine is None else mine.double()
            if (mine - right).norm() > EXACT * right.norm():
                found.append((key, {**facts, **_evidence(probe, mine, right, index), "evidence": _signs(facts, index)}))
                break
    return found or [("weights-tangled", {})]


def _evidence(probe, mine, right, index) -> dict:
    table = {"student logits, row 0": _row(probe.student), "temperature": probe.temperature}
    table |= {"label, row 0": int(probe.labels[0])} if index else {"teacher logits, row 0": _row(probe.teacher)}
    return {"inputs": {**table, "batch size": len(probe.labels)}, "yours": _row(mine), "expected": _row(right)}


def _row(values) -> list[float]:
    return [round(v, 4) for v in values[0].tolist()]


def _signs(facts, index) -> str:
    if index:
        return ""
    signs = [] if facts["at_rest"] else ["At student = teacher it still pushes."]
    if facts["lowest"] < -1e-6:
        signs.append(f"It goes below zero ({facts['lowest']:.3g}).")
    return " ".join(signs)
