"""Markers in a solution's markdown, and what a lesson shows in their place: the header card and the folds with help."""

from __future__ import annotations

import ast
import re

from nbformat import NotebookNode

from softlabels.course import content, hints, show
from softlabels.course.exercises import UnknownExercise, find, lesson_exercises
from softlabels.course.rules import BuildError

__all__ = ["answer", "answer_code", "expand", "fold", "header_card"]

_MARKER = re.compile(r"<!--\s*(?P<name>headers?|hints?)\b(?P<rest>.*?)-->", re.IGNORECASE)


def expand(nb: NotebookNode, name: str, minutes: int | None, solutions: bool = True) -> None:
    """Replace the markers in ``nb`` (in place). ``minutes``: the measured length of the lesson; None if not measured.

    solutions: whether the last fold of each exercise holds a solution (self-study) or is left out (a graded class).
    Raises BuildError for a marker that is misspelt or names what does not exist.
    """
    lesson = name[:2]
    for cell in nb.cells:
        if cell.cell_type != "markdown":
            continue

        def replace(found: re.Match, cell_id: str = cell.id) -> str:
            where = f"{name}, cell {cell_id!r}"
            marker, argument = found["name"], found["rest"].strip()
            if marker == "header" and not argument:
                return _explained(where, lambda: header_card(lesson, minutes))
            if marker == "hints" and re.fullmatch(r":\s*\w+", argument):
                exercise = argument.removeprefix(":").strip()
                return _explained(where, lambda: _folds(nb, exercise, solutions))
            forms = "`<!-- header -->` or `<!-- hints: NAME -->`"
            raise BuildError(f"{where}: broken marker {found.group(0)!r}; it must be {forms}")

        cell.source = _MARKER.sub(replace, cell.source)


def _explained(where: str, make) -> str:
    try:
        return make()
    except (content.ContentError, UnknownExercise, BuildError) as error:
        raise BuildError(f"{where}: {error}") from None


def header_card(lesson: str, minutes: int | None) -> str:
    """The card at the head of a lesson as markdown: time, what it needs, its goals, what is built."""
    header = content.header(lesson)
    exercises = lesson_exercises(lesson)
    facts = [f"about {minutes} minutes" if minutes else "time not measured yet"]
    if exercises:
        worth = sum(e.points for e in exercises)
        facts.append(f"{show.count(len(exercises), 'exercise')}, {show.count(worth, 'point')}")
    lines = [f"**Lesson {lesson} · {header['title']}** · " + " · ".join(facts), "", f"**Needs:** {header['needs']}", ""]
    lines += ["**Afterwards you can**", "", *(f"- {goal}" for goal in header["goals"])]
    if header.get("builds"):
        lines += ["", "**You build:** " + ", ".join(f"`{b}`" for b in header["builds"])]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _folds(nb: NotebookNode, exercise: str, solutions: bool) -> str:
    ladder = find(exercise).hints
    folds = [
        fold(f"Hint {n}: {step}", f"```text\n{text.strip()}\n```" if step == "pseudocode" else text.strip())
        for n, (step, text) in enumerate(zip(hints.STEPS, ladder, strict=True), 1)
    ]
    if solutions:
        folds.append(fold("Solution", f"```python\n{answer_code(nb, exercise)}\n```"))
    return "\n\n".join(folds)


def fold(summary: str, markdown: str) -> str:
    """A fold that opens on a click; the blank lines make its inside markdown."""
    return f"<details>\n<summary>{summary}</summary>\n\n{markdown}\n\n</details>"


def answer(nb: NotebookNode, exercise: str) -> tuple[ast.FunctionDef, str]:
    """The definition of ``exercise`` in the one solution cell that holds it: its tree, and the cell's source without
    markers. Raises BuildError if there is none."""
    for cell in nb.cells:
        if cell.cell_type != "code" or "### BEGIN SOLUTION" not in cell.source:
            continue
        lines = [line for line in cell.source.splitlines() if not re.search(r"### (BEGIN|END) SOLUTION", line)]
        source = "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            raise BuildError(f"cell {cell.id!r} is not Python: {error}") from None
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == exercise:
                return node, source
    raise BuildError(f"no solution cell defines `{exercise}`")


def answer_code(nb: NotebookNode, exercise: str) -> str:
    """The answer as a learner may read it: the function without its docstring (the stub above it has that)."""
    node, source = answer(nb, exercise)
    lines = source.splitlines()
    keep = lines[node.lineno - 1 : node.end_lineno]
    if ast.get_docstring(node) is not None:
        first, last = node.body[0].lineno - node.lineno, node.body[0].end_lineno - node.lineno
        keep = keep[:first] + keep[last + 1 :]
    return "\n".join(keep)
