"""Deliberately wrong answers, and honest ones, for every exercise: one module a lesson.

Each ``lesson0N.py`` beside this file has ``WRONG = [Wrong(...), ...]`` and ``HONEST = [Honest(...), ...]``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Honest", "Wrong", "all_honest", "all_wrong"]


@dataclass(frozen=True)
class Wrong:
    """A wrong answer to ``exercise`` (its name) that must be told ``mistake``.

    mistake: the name of a Mistake of the exercise, of a Finding of one of its properties, or of a general finding such
        as "smallest failing case", "returns nothing", "wrong shape", "not a finite number", "changes its inputs".
    """

    exercise: str
    mistake: str
    fn: Callable


@dataclass(frozen=True)
class Honest:
    """A correct answer that is written in another way than the library's; it must pass."""

    exercise: str
    fn: Callable


def _collect(attribute: str) -> list:
    found = []
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        if module.startswith("lesson"):
            found += getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return found


def all_wrong() -> list[Wrong]:
    return _collect("WRONG")


def all_honest() -> list[Honest]:
    return _collect("HONEST")
