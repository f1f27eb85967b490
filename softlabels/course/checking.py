"""The check: judge the learner's function, show the outcome, record it, and hand back a function that works.

Four outcomes: not attempted, crashed (with the learner's own line), correct, wrong (with the cause named).
"""

from __future__ import annotations

import contextlib
import io
import random
import warnings
from collections.abc import Callable

import numpy as np

from softlabels.course import record
from softlabels.course.exercises import Exercise, find
from softlabels.course.judging import judge
from softlabels.course.wording import Outcome, put_into_words, title

__all__ = ["Outcome", "check", "examine", "points"]

# What was handed to `check` in this kernel, by exercise name. Points follow it, never the fallback.
_handed: dict[str, Outcome] = {}


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
        _display(Outcome("not attempted", exercise.name, text, title=title(exercise)))
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
        kind, finding = judge(exercise, fn, seed, after_first_call)
    return put_into_words(exercise, kind, finding)


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
