"""The check: four outcomes, and a message that leads to the mend.

Order: not attempted, crashed, correct, wrong. A wrong answer is told the known mistake whose behaviour it shares, else
the property it breaks, else the smallest failing case. What a learner sees never holds the reference's source.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from softlabels.course import record, show
from softlabels.course.exercises import Exercise, Finding, find, number
from softlabels.course.exercises.base import Mistake, Probe, Result, call, finite, same, size, to_array
from softlabels.course.source import Line, is_blank, own_line, placeholder_line

__all__ = ["Outcome", "check", "examine", "points"]

# What was handed to `check` in this kernel, by exercise name. Points follow it, never the fallback.
_handed: dict[str, Outcome] = {}

SMALLEST = "smallest failing case"


@dataclass(frozen=True)
class Outcome:
    """The result of a check. It displays as HTML in a notebook and as text elsewhere.

    kind: "not attempted", "correct", "wrong" or "crashed". exercise: the exercise's name. message: plain text, with
    code in backticks. mistake: the name of the known mistake, property or general finding; None unless wrong.
    """

    kind: str
    exercise: str
    message: str
    mistake: str | None = None
    title: str = ""
    question: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    caption: str = ""
    closing: str = ""

    @property
    def _head(self) -> str:
        head = f"{self.kind.capitalize()}: {self.title or self.exercise}"
        return f"{head} ({self.mistake})" if self.mistake and self.mistake != SMALLEST else head

    def __repr__(self) -> str:
        parts = [f"{show.ICONS[self.kind]} {self._head}", self.message, self.question]
        if self.rows:
            parts.append(show.text_table(list(self.rows), self.caption))
        return "\n".join(p.replace("**", "") for p in [*parts, self.closing] if p)

    def _repr_html_(self) -> str:
        rows = show.table(list(self.rows), self.caption) if self.rows else ""
        question = f"<em>{show.inline(self.question)}</em>" if self.question else ""
        closing = f'<small style="opacity:0.85">{show.inline(self.closing)}</small>' if self.closing else ""
        return show.box(self.kind, self._head, show.inline(self.message), question, rows, closing)


def check(fn: Callable) -> Callable:
    """Judge the learner's function, show the outcome and record it.

    The exercise is found by ``fn.__name__``. Returns ``fn`` itself when it is correct, otherwise the library's function
    of the same name, so that the lesson can go on; the message says which.

    Raises:
        TypeError: what was handed over is not a function.
        UnknownExercise: no exercise has its name.
    """
    if not callable(fn) or not hasattr(fn, "__name__"):
        raise TypeError("check wants the function itself, without calling it: `soften = check(soften)`")
    exercise = find(fn.__name__)
    if fn is exercise.reference:
        # The last line of the cell was run alone, when the name stood for the course's function: nothing to record.
        text = f"This is the course's own `{exercise.name}`. Run the whole cell that holds your `def {exercise.name}`."
        _display(Outcome("not attempted", exercise.name, text, title=_title(exercise)))
        return fn
    outcome = examine(exercise, fn)
    _handed[exercise.name] = outcome
    _display(outcome)
    trouble = record.save("checks", exercise.name, {"outcome": outcome.kind, "mistake": outcome.mistake})
    if trouble:
        print(trouble)
    return fn if outcome.kind == "correct" else exercise.reference


def points(*names: str) -> float:
    """The points earned in this kernel for the exercises ``names``: an exercise's own points if what was last handed to
    `check` is correct, else 0.0. Never raises, so a grading cell runs in an unsolved lesson too; nbgrader reads the
    float as the cell's grade."""
    earned = 0.0
    for name in names:
        try:
            outcome = _handed.get(name)
            earned += float(find(name).points) if outcome is not None and outcome.kind == "correct" else 0.0
        except Exception:  # a grading cell that raises would lose the points of its other exercises too
            continue
    return earned


def examine(exercise: Exercise, fn: Callable, seed: int = 0) -> Outcome:
    """Judge ``fn``; nothing is displayed or recorded, and the random generators are left as they were."""
    with _left_as_found(), _quiet() as after_first_call:
        kind, finding = _judge(exercise, fn, seed, after_first_call)
    return _outcome(exercise, fn, kind, finding)


@dataclass(frozen=True)
class _Crash:
    error: BaseException
    line: Line | None
    inputs: dict[str, Any]
    note: str = ""


def _judge(exercise: Exercise, fn: Callable, seed: int, after_first_call: Callable) -> tuple[str, Any]:
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
        text = f"Your `{exercise.name}` takes {_count(count, 'parameter')}; the specification has {right}: `{wanted}`."
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
        if mistake.matches is not None and mistake.matches(fn, [p for p, _ in expected]):
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


def _violated_property(exercise: Exercise, fn: Callable) -> tuple[str, Any] | None:
    for holds in exercise.properties:
        try:
            finding = holds(fn)
        except (Exception, SystemExit) as error:
            line = own_line(error, fn)
            if line is not None:
                return "crashed", _Crash(error, line, {}, _first_line(holds.__doc__))
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


def _crash(exercise: Exercise, fn: Callable, probe: Probe, error: BaseException) -> _Crash:
    inputs = dict(zip(exercise.parameters, probe.args, strict=False))
    return _Crash(error, own_line(error, fn), inputs, probe.note)


# --- words ------------------------------------------------------------------------------------------------------------

_WORDS = {
    "NameError": "Python met a name it does not know here. Is it spelt as in the signature, or imported above?",
    "UnboundLocalError": "A variable is read before your function gives it a value. Is it set on every path?",
    "TypeError": "A value of one kind met an operation made for another. What type has each name on this line?",
    "AttributeError": "The object on this line has no such attribute. Is it the kind of object that you expect?",
    "IndexError": "An index is outside its axis. What is the shape of what is indexed?",
    "KeyError": "A key is not there. Which keys are?",
    "ValueError": "A value or a shape does not suit this operation. What are the shapes on this line?",
    "RuntimeError": "An operation refused its inputs. What are the shapes and types on this line?",
    "ZeroDivisionError": "Something is divided by zero here. Can this divisor be zero?",
    "RecursionError": "Your function calls itself without an end. Which call did you mean?",
    "SystemExit": "`exit()` would end the whole notebook. Would a `return` do?",
    "AssertionError": "An assertion of yours did not hold for these inputs. Which part of it is false?",
    "ModuleNotFoundError": "That package is not installed here. Does the exercise need it?",
}


def _outcome(exercise: Exercise, fn: Callable, kind: str, finding: Any) -> Outcome:
    name, title = exercise.name, _title(exercise)
    fallback = f"The lesson goes on with the course's own `{name}`; yours takes its place as soon as it is correct."
    if kind == "not attempted":
        text = (
            finding.symptom if finding and finding.symptom else "The body is still blank: write it whenever you like."
        )
        return Outcome(kind, name, text, title=title, closing=fallback)
    if kind == "correct":
        text = f"Your `{name}` holds in {_count(finding, 'case')}"
        text += f" and has {_count(len(exercise.properties), 'further property')}." if exercise.properties else "."
        return Outcome(kind, name, text, title=title, closing=f"The lesson goes on with your own `{name}`.")
    if kind == "crashed":
        where = f"Line {finding.line.number} of your cell" if finding.line else "Your function"
        where += f", in `{finding.line.function}`," if finding.line and finding.line.function != name else ""
        text = f"{where} stopped with `{type(finding.error).__name__}: {_short(finding.error)}`"
        text += f"\n`{finding.line.text}`" if finding.line and finding.line.text else ""
        words = next((_WORDS[c.__name__] for c in type(finding.error).__mro__ if c.__name__ in _WORDS), "")
        rows = tuple((n, show.compact(v)) for n, v in finding.inputs.items())
        if finding.note and not rows:
            text += f"\nIt happened while this was checked: {finding.note}."
        caption = "It was called with" + (f" ({finding.note}):" if finding.note else ":")
        return Outcome(kind, name, text, None, title, words, rows, caption if rows else "", fallback)
    rows, caption = (), ""
    if getattr(finding, "inputs", None):
        rows = tuple((n, show.compact(v)) for n, v in finding.inputs.items())
        if finding.expected is not None:
            rows, caption = tuple(show.case_rows(finding.inputs, finding.yours, finding.expected)), "The case:"
    return Outcome("wrong", name, finding.symptom, finding.name, title, finding.question, rows, caption, fallback)


def _title(exercise: Exercise) -> str:
    return f"exercise {number(exercise)}, `{exercise.name}`"


def _count(n: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{n} {noun if n == 1 else plural}"


def _kind_of(array: np.ndarray) -> str:
    return "a single number" if array.shape == () else f"an array of shape {tuple(array.shape)}"


def _short(error: BaseException, limit: int = 200) -> str:
    text = " ".join(str(error).split()).replace("`", "'")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().split("\n")[0].rstrip(".")


def _display(outcome: Outcome) -> None:
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        get_ipython = None
    if get_ipython is not None and get_ipython() is not None:
        display(outcome)
    else:
        print(outcome)


# --- surroundings -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _quiet():
    """No warnings; the learner's prints are shown for the first call only (a check makes dozens)."""
    sink, redirected = io.StringIO(), []
    with contextlib.ExitStack() as stack, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")

        def after_first_call():
            if not redirected:
                redirected.append(stack.enter_context(contextlib.redirect_stdout(sink)))
                stack.enter_context(contextlib.redirect_stderr(sink))

        yield after_first_call


@contextlib.contextmanager
def _left_as_found():
    """A check draws no random number from the lesson's generators, and gradients are on during it."""
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        with torch.enable_grad():
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
