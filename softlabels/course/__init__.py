"""The teaching: exercises and their checks, hints, quizzes, reflection, and the progress card.

A notebook needs one line: ``from softlabels.course import check, hint, points, quiz, match, reflect, predict``.
Names are loaded on first use, so that the command line stays quick.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

_HOMES = {
    "check": "checking", "points": "checking", "Outcome": "checking", "examine": "checking",
    "hint": "hints", "quiz": "questions", "match": "questions", "reflect": "questions", "predict": "questions",
    "recall": "questions", "progress": "card", "diagnose": "diagnose", "case": "clinic", "memo": "clinic",
    "review": "clinic",
}  # fmt: skip
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


class _Course(ModuleType):
    # Importing a submodule binds it as an attribute of the package. For `diagnose` that would hide the function of the
    # same name, so the function is bound in its place.
    def __setattr__(self, name, value):
        if name in _HOMES and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Course
