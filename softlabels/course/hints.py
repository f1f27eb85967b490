"""The hint ladder: a question, then the formula, then pseudocode. How far it was climbed is recorded."""

from __future__ import annotations

import html
from dataclasses import dataclass

from softlabels.course import record, show
from softlabels.course.exercises import find, number

__all__ = ["STEPS", "Hint", "hint"]

STEPS = ("a question", "the formula", "pseudocode")


@dataclass(frozen=True)
class Hint:
    """The hints of one exercise up to step ``n``; displays as HTML and as text."""

    exercise: str
    title: str
    texts: tuple[str, ...]

    @property
    def _next(self) -> str:
        if len(self.texts) < len(STEPS):
            return f'Run `hint("{self.exercise}")` again for the next step: {STEPS[len(self.texts)]}.'
        return "That was the last step; the fold below the exercise holds a solution."

    def __repr__(self) -> str:
        lines = [f"{show.ICONS['note']} Hints: {self.title}"]
        for n, text in enumerate(self.texts, 1):
            lines.append(f"{n}. {STEPS[n - 1]}\n" + "\n".join("   " + line for line in text.strip().splitlines()))
        return "\n".join([*lines, self._next])

    def _repr_html_(self) -> str:
        parts = []
        for n, text in enumerate(self.texts, 1):
            said = show.inline(text.strip()) if n < len(STEPS) else show.code(text)
            parts.append(f"<strong>{n}. {html.escape(STEPS[n - 1])}</strong><br>{said}")
        return show.box("note", f"Hints: {self.title}", *parts, f"<small>{show.inline(self._next)}</small>")


def hint(name: str, n: int | None = None) -> Hint:
    """The next hint for exercise ``name``, with those before it; or the hints up to step ``n`` (1 to 3).

    Raises UnknownExercise for an unknown name, ValueError for a step that does not exist.
    """
    exercise = find(name)
    if n is None:
        n = min(record.load()["hints"].get(name, {}).get("used", 0) + 1, len(STEPS))
    if n not in range(1, len(STEPS) + 1):
        raise ValueError(f"there are {len(STEPS)} hints, 1 to {len(STEPS)}; not {n}")
    used = max(n, record.load()["hints"].get(name, {}).get("used", 0))
    trouble = record.save("hints", name, {"used": used})
    if trouble:
        print(trouble)
    return Hint(name, f"exercise {number(exercise)}, `{name}`", tuple(exercise.hints[:n]))
