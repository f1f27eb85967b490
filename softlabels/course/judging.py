"""How an answer is judged: not attempted, crashed, correct or wrong, and why.

A wrong answer is told the known mistake whose behaviour it shares, else the property it breaks, else the smallest
failing case. Nothing here displays or records.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from softlabels.course.exercises.base import (
    Exercise,
    Finding,
    Mistake,
    Probe,
    Result,
    call,
    finite,
    same,
    size,
    to_array,
)
from softlabels.course.source import Line, is_blank, own_line, placeholder_line

__all__ = ["SMALLEST", "Crash", "judge"]

SMALLEST = "smallest failing case"


@dataclass(frozen=True)
class Crash:
    """Where the learner's code stopped, and what it had been called with."""

    error: BaseException
    line: Line | None
    inputs: dict[str, Any]
    note: str = ""


def judge(exercise: Exercise, fn: Callable, seed: int, after_first_call: Callable) -> tuple[str, Any]:
    """The kind of outcome, with the Finding, Mistake, Crash or number of cases behind it.

    ``after_first_call`` is called once the learner's function has been called for the first time.
    """
    if is_blank(fn):
        return "not attempted", None
    expected = exercise.expected(seed)
    signature = _signature_finding(exercise, fn, expected[0][0])
    if signature:
        return "wrong", signature

    results: list[Result] = []
    for probe, right in expected:
        result = call(fn, probe.args)
        after_first_call()
        blank = _unfinished(fn, result)
        if blank:
            return "not attempted", blank
        if result.error is not None and right.error is None:
            return "crashed", _crash(exercise, fn, probe, result.error)
        results.append(result)

    failing = [i for i, (p, right) in enumerate(expected) if not same(results[i], right, p, exercise.tolerance)]
    if failing:
        mistake = _known_mistake(exercise, fn, results, seed)
        if mistake:
            return "wrong", mistake
        smallest = min(failing, key=lambda i: (expected[i][1].error is not None, size(expected[i][0].args)))
        case = _failing_case(exercise, *expected[smallest], results[smallest])
        if case.name != SMALLEST:  # of the wrong kind altogether: properties could not even be asked
            return "wrong", case
    violated = _violated_property(exercise, fn)
    if violated is not None:
        return violated
    if failing:
        return "wrong", case
    return _inputs_changed(exercise, expected, results) or ("correct", len(expected))


def _unfinished(fn: Callable, result: Result) -> Finding | None:
    """Part of the blank is still there: an error of NotImplemented, or `...` left standing and no result."""
    if result.value is ... or isinstance(result.error, NotImplementedError):
        return Finding("unfinished", "Part of the blank is still there.")
    if result.error is None and result.value is not None:
        return None
    line = placeholder_line(fn)
    if line is not None:
        return Finding("unfinished", f"Line {line} of your cell still holds the placeholder `...`.")
    if result.error is None and is_blank(fn) is None:
        return Finding("unfinished", "")  # no source to read: a function that returns nothing is taken for blank
    return None


def _signature_finding(exercise: Exercise, fn: Callable, probe: Probe) -> Finding | None:
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return None
    wanted = ", ".join(exercise.parameters)
    try:
        signature.bind(*probe.args)
    except TypeError:
        count, right = len(signature.parameters), len(exercise.parameters)
        takes = f"{count} parameter{'s' * (count != 1)}"
        text = f"Your `{exercise.name}` takes {takes}; the specification has {right}: `{wanted}`."
        return Finding("wrong parameters", text, "Does the first line of your function match the exercise card?")
    names = [n for n in signature.parameters if n in exercise.parameters]
    order = [n for n in exercise.parameters if n in names]
    if names != order and set(names) == set(exercise.parameters):
        text = f"Your parameters stand in another order: `{', '.join(names)}`; the specification has `{wanted}`."
        return Finding("parameters in another order", text, "Which value does a call by position give to which name?")
    return None


def _known_mistake(exercise: Exercise, fn: Callable, results: list[Result], seed: int) -> Mistake | None:
    """The first listed mistake that agrees on every probe, else the first that agrees wherever it shows at all."""
    expected = exercise.expected(seed)
    partial = None
    for mistake in exercise.mistakes:
        if mistake.matches is not None and _matches(mistake, fn, [p for p, _ in expected]):
            return mistake
        if mistake.imitation is None:
            continue
        triples = list(zip(expected, exercise.imitated(mistake, seed), results, strict=True))
        shows = [not same(theirs, right, p, exercise.tolerance) for (p, right), theirs, _ in triples]
        agrees = [same(mine, theirs, p, exercise.tolerance) for (p, _), theirs, mine in triples]
        # Whether impossible inputs are refused is another matter than the arithmetic, unless it is all that differs.
        asked = [i for i, ((_, right), _, _) in enumerate(triples) if right.error is None]
        if not any(shows[i] for i in asked):
            asked = list(range(len(triples)))
        if all(agrees[i] for i in asked):
            return mistake
        shown = [i for i in asked if shows[i]]
        # One probe alone can agree by chance (two zeros, two NaN), so a partial match wants two.
        if len(shown) >= 2 and all(agrees[i] for i in shown):
            partial = partial or mistake
    return partial


def _matches(mistake: Mistake, fn: Callable, probes: list[Probe]) -> bool:
    try:
        return bool(mistake.matches(fn, probes))
    except (Exception, SystemExit):  # an answer that it cannot even look at is another mistake
        return False


def _violated_property(exercise: Exercise, fn: Callable) -> tuple[str, Any] | None:
    for holds in exercise.properties:
        try:
            finding = holds(fn)
        except (Exception, SystemExit) as error:
            line = own_line(error, fn)
            if line is not None:
                return "crashed", Crash(error, line, {}, _first_line(holds.__doc__))
            text = f"A property could not be checked on what your function returned: {type(error).__name__}: {error}"
            return "wrong", Finding("property not checkable", text, "Does it return what the exercise card says?")
        if finding is not None:
            return "wrong", finding
    return None


def _failing_case(exercise: Exercise, probe: Probe, right: Result, mine: Result) -> Finding:
    inputs = dict(zip(exercise.parameters, probe.args, strict=False))
    evidence = {"inputs": inputs, "yours": mine.value, "expected": right.value}
    if right.error is not None:
        kind = type(right.error).__name__
        did = "returns a result" if mine.error is None else f"stops with a `{type(mine.error).__name__}`"
        note = f" ({probe.note})" if probe.note else ""
        text = f"For these inputs{note} the specification asks for a `{kind}`; your function {did}."
        return Finding(f"no {kind}", text, "Which inputs does the exercise card forbid?", inputs)
    if mine.value is None:
        return Finding("returns nothing", "Your function returns `None`.", "Is there a `return`?", inputs)
    yours, expected = to_array(mine.value), to_array(right.value)
    if expected is not None and yours is None:
        text = f"Your function returns a `{type(mine.value).__name__}`; {_kind_of(expected)} is expected."
        return Finding("wrong type", text, "What does the exercise card say that it returns?", inputs)
    if expected is not None and yours.shape != expected.shape and not (expected.shape == () and yours.size == 1):
        text = f"Your result is {_kind_of(yours)}; {_kind_of(expected)} is expected."
        return Finding("wrong shape", text, "Along which axis do you sum or average, and is it kept?", **evidence)
    if not finite(mine.value) and finite(right.value):
        what = "NaN (not a number)" if np.isnan(yours).any() else "infinity"
        text = f"Your result holds {what}."
        return Finding(
            "not a finite number", text, "Can a logarithm of 0, a 0/0 or an overflow happen here?", **evidence
        )
    text = "No known mistake fits your answer, so here is the smallest case in which it differs."
    return Finding(SMALLEST, text, "Can you work this case out by hand and see where your code parts ways?", **evidence)


def _inputs_changed(exercise: Exercise, expected: list, results: list[Result]) -> tuple[str, Finding] | None:
    for result, (probe, right) in zip(results, expected, strict=True):
        changed = [i for i in result.changed if i not in right.changed]
        if changed and len(probe.args) > changed[0]:
            name = exercise.parameters[changed[0]] if changed[0] < len(exercise.parameters) else "input"
            text = f"The result is right, but your function changes its input `{name}` in place."
            return "wrong", Finding("changes its inputs", text, "Which operation writes into the tensor it was given?")
    return None


def _crash(exercise: Exercise, fn: Callable, probe: Probe, error: BaseException) -> Crash:
    inputs = dict(zip(exercise.parameters, probe.args, strict=False))
    return Crash(error, own_line(error, fn), inputs, probe.note)


def _kind_of(array: np.ndarray) -> str:
    return "a single number" if array.shape == () else f"an array of shape {tuple(array.shape)}"


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().split("\n")[0].rstrip(".")
