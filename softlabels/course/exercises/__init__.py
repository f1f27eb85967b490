"""The registry: exercises are found by the name of their function, in the lesson modules beside this file."""

from __future__ import annotations

import difflib
import importlib
import pkgutil

from softlabels.course.exercises.base import Exercise, Finding, Mistake, Probe, close, to_array

__all__ = [
    "Exercise", "Finding", "Mistake", "Probe", "UnknownExercise", "all_exercises", "close", "find", "lesson_exercises",
    "lessons", "number", "to_array",
]  # fmt: skip


class UnknownExercise(LookupError):
    """No exercise has this name."""


def lessons() -> list[str]:
    """The lessons that have an exercise module, as two digits, in order."""
    names = (m.name for m in pkgutil.iter_modules(__path__))
    return sorted(n.removeprefix("lesson") for n in names if n.startswith("lesson"))


def lesson_exercises(lesson: str) -> list[Exercise]:
    """The exercises of a lesson ('02'), in order; an empty list if it has none."""
    if lesson not in lessons():
        return []
    return list(importlib.import_module(f"{__name__}.lesson{lesson}").EXERCISES)


def all_exercises() -> list[Exercise]:
    """Every exercise of the course, in order."""
    return [e for lesson in lessons() for e in lesson_exercises(lesson)]


def find(name: str) -> Exercise:
    """The exercise whose function is called ``name``. Raises UnknownExercise, with the nearest names."""
    known, broken = [], []
    for lesson in lessons():
        try:
            exercises = lesson_exercises(lesson)
        except Exception as error:  # one broken lesson must not take the others down with it
            broken.append(f"lesson {lesson} could not be loaded ({type(error).__name__}: {error})")
            continue
        for exercise in exercises:
            if exercise.name == name:
                return exercise
            known.append(exercise.name)
    near = difflib.get_close_matches(name, known, n=1)
    message = f"there is no exercise called {name!r}"
    message += f": did you mean {near[0]!r}?" if near else f". The exercises are: {', '.join(known) or 'none'}."
    raise UnknownExercise(" ".join([message, *broken]))


def number(exercise: Exercise) -> str:
    """The exercise's number as learners see it: lesson and place, such as '3.2'."""
    names = [e.name for e in lesson_exercises(exercise.lesson)]
    place = names.index(exercise.name) + 1 if exercise.name in names else "?"
    return f"{int(exercise.lesson)}.{place}"
