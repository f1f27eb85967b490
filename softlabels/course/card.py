"""The progress card: what is done, what helped, and what to do again. It is read from the learner's own file."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

from softlabels.course import cases, content, record, show
from softlabels.course.exercises import Exercise, lesson_exercises
from softlabels.course.exercises import lessons as exercise_lessons

__all__ = ["Card", "progress"]

_KINDS = {"quiz": "quizzes", "match": "matches", "reflect": "reflections", "predict": "predictions"}


@dataclass(frozen=True)
class Lesson:
    """One lesson's standing: exercises with (name, outcome, hints, points), and (done, all) for each other kind."""

    number: str
    title: str
    exercises: tuple[tuple[str, str, int, float], ...]
    counts: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Card:
    """The standing in every lesson; displays as HTML and as text."""

    lessons: tuple[Lesson, ...]
    again: tuple[str, ...]

    @property
    def points(self) -> tuple[float, float]:
        """Points earned and points in all."""
        every = [e for lesson in self.lessons for e in lesson.exercises]
        return sum(p for _, outcome, _, p in every if outcome == "correct"), sum(e[3] for e in every)

    @property
    def _total(self) -> str:
        return "{:g} of {:g} points".format(*self.points)

    @property
    def _next(self) -> str:
        return "To do again or next: " + "; ".join(self.again) + "." if self.again else "Nothing is left to do again."

    def __repr__(self) -> str:
        lines = [f"Your progress: {self._total}"]
        for lesson in self.lessons:
            lines.append(f"{lesson.number}  {lesson.title}")
            for name, outcome, hints, worth in lesson.exercises:
                used = f", {hints} hint{'s' * (hints > 1)}" if hints else ""
                lines.append(f"    {show.ICONS[outcome]} {name}: {outcome}{used} ({show.count(worth, 'point')})")
            lines += [f"    {kind}: {done} of {total}" for kind, (done, total) in lesson.counts.items() if total]
        return "\n".join([*lines, self._next])

    def _repr_html_(self) -> str:
        cell = f"padding:2px 10px;text-align:left;vertical-align:top;border-bottom:{show.RULE}"
        rows = []
        for lesson in self.lessons:
            exercises = "<br>".join(
                f'<span aria-hidden="true" style="color:{show.COLOURS[outcome]}">{show.ICONS[outcome]}</span> '
                f"<code>{html.escape(name)}</code> {outcome}" + (f", hints: {hints}" if hints else "")
                for name, outcome, hints, _ in lesson.exercises
            )
            counts = "<br>".join(f"{kind} {done}/{total}" for kind, (done, total) in lesson.counts.items() if total)
            head = f"{lesson.number} {html.escape(lesson.title)}"
            rows.append(
                f'<tr><th scope="row" style="{cell};font-weight:normal">{head}</th>'
                f'<td style="{cell}">{exercises or "none"}</td><td style="{cell}">{counts or "none"}</td></tr>'
            )
        heads = "".join(f'<th scope="col" style="{cell}">{h}</th>' for h in ("lesson", "exercises", "questions"))
        body = f'<table style="border-collapse:collapse;font-size:inherit"><thead><tr>{heads}</tr></thead>'
        body += f"<tbody>{''.join(rows)}</tbody></table>"
        return show.box("note", f"Your progress: {self._total}", body, show.inline(self._next))


def progress() -> Card:
    """Your progress in every lesson, from the file in the work folder. Nothing is sent anywhere."""
    kept = record.load()
    lessons, again = [], []
    for number in sorted({*content.lessons(), *exercise_lessons()}):
        found: dict[str, Any] = content.load(number) if number in content.lessons() else {}
        exercises = tuple(_standing(e, kept) for e in lesson_exercises(number))
        counts = {}
        for kind, section in _KINDS.items():
            names = [*found.get(kind, {}), *(cases.keys(number) if kind == "quiz" else ())]
            keys = [f"{number}.{name}" for name in names]
            done = [k for k in keys if kept[section].get(k, {}).get("correct", k in kept[section])]
            counts[section] = (len(done), len(keys))
            again += [f"the {kind} {k}" for k in keys if k in kept[section] and k not in done]
        again += [f"exercise {name}" for name, outcome, _, _ in exercises if outcome in ("wrong", "crashed")]
        lessons.append(Lesson(number, found.get("header", {}).get("title", ""), exercises, counts))
    return Card(tuple(lessons), tuple(again))


def _standing(exercise: Exercise, kept: dict) -> tuple[str, str, int, float]:
    outcome = kept["checks"].get(exercise.name, {}).get("outcome")
    hints = kept["hints"].get(exercise.name, {}).get("used", 0)
    return exercise.name, outcome if outcome in show.ICONS else "not attempted", hints, float(exercise.points)
