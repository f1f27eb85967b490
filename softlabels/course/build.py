"""From solutions to lessons: the answers out, the help in, the same bytes every time.

A lesson is edited only in ``solutions/NN_name.ipynb``. `build` makes ``lessons/NN_name.ipynb`` of it with nbgrader's
own preprocessors, so that either can be graded by nbgrader as it is.
"""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from softlabels.course import cases, content
from softlabels.course.exercises import lesson_exercises
from softlabels.course.expand import expand
from softlabels.course.rules import BuildError, check_source

__all__ = ["STUB", "BuildError", "Report", "build", "release", "solutions"]

STUB = "...  # YOUR CODE HERE"
_KEEP_CELL = ("nbgrader", "tags", "slideshow", "deletable", "editable", "jupyter")
_WORDS_A_MINUTE = 200
_COLUMNS = ("lesson", "run_seconds", "slowest_cell_seconds", "reading_minutes", "exercise_minutes", "minutes")


@dataclass
class Report:
    """What a build did, or with ``check`` what it would have to do. Paths are relative to the clone."""

    written: list[str] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)


def build(
    names: Sequence[str] = (),
    *,
    run: bool = False,
    check: bool = False,
    root: Path | None = None,
    say=lambda line: None,
) -> Report:
    """Build the named lessons ("02", "02_temperature"; all if none are named).

    run: first execute solutions whose source has changed since their outputs were made, and measure their minutes.
    check: write nothing; the report's ``stale`` names lessons that differ from what would be built, solutions whose
        outputs are of an older source, and lessons without a solution.
    Raises BuildError naming the notebook and the cell.
    """
    from softlabels.course.execute import execute, source_sha256

    root, report = _root(root), Report()
    chosen = solutions(names, root)
    for source in chosen:
        nb = _read(source)
        check_source(nb, source.stem)
        fresh = nb.metadata.get("softlabels", {}).get("source_sha256") == source_sha256(nb)
        if run and not check and not fresh:
            say(f"running {source.name} …")
            timing = execute(nb, source.stem, source.parent)
            _write(source, nbformat.writes(nb) + "\n")
            _record_minutes(root, source.stem, timing, nb)
            report.executed.append(f"solutions/{source.name}")
        elif check and not fresh:
            report.stale.append(f"solutions/{source.name}: its outputs are of an older source")
        text, target = release(source), root / "lessons" / source.name
        if target.exists() and target.read_text(encoding="utf8") == text:
            continue
        if check:
            report.stale.append(f"lessons/{source.name}: it differs from its solution")
        else:
            _write(target, text)
            report.written.append(f"lessons/{source.name}")
    if check and not names:
        known = {source.name for source in chosen}
        orphans = sorted(p.name for p in (root / "lessons").glob("*.ipynb") if p.name not in known)
        report.stale += [f"lessons/{name}: there is no such solution" for name in orphans]
    return report


def solutions(names: Sequence[str] = (), root: Path | None = None) -> list[Path]:
    """The solution notebooks with these names, or all. Raises BuildError for a name that fits none."""
    files = sorted((_root(root) / "solutions").glob("[0-9][0-9]_*.ipynb"))
    if not names:
        return files
    chosen = []
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        fits = [f for f in files if f.stem == stem or f.stem[:2] == stem]
        if not fits:
            raise BuildError(f"no solution is called {name!r}; there are: {', '.join(f.stem for f in files) or 'none'}")
        chosen += fits
    return sorted(set(chosen))


def release(source: Path, *, solutions: bool = True) -> str:
    """The text of the lesson for a solution notebook, byte for byte the same from the same files.

    solutions: whether the folds end with a solution. Raises BuildError.
    """
    steps = _preprocessors()
    nb = _read(source)
    check_source(nb, source.stem)
    expand(nb, source.stem, _minutes(source.parent.parent, source.stem[:2]), solutions)
    resources = {"unique_key": source.stem}
    for step in steps:
        try:
            nb, resources = step.preprocess(nb, resources)
        except Exception as error:
            raise BuildError(f"{source.stem}: {type(step).__name__} refused it: {error}") from None
    nb.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in nb.cells:
        cell.metadata = nbformat.from_dict({k: cell.metadata[k] for k in _KEEP_CELL if k in cell.metadata})
    nbformat.validate(nb)
    return nbformat.writes(nb) + "\n"


def _preprocessors() -> list:
    try:
        from nbgrader import preprocessors as nbgrader
    except ImportError:
        text = "building lessons needs nbgrader, which learners do not: pip install -e '.[teach]'"
        raise BuildError(text) from None
    clear = nbgrader.ClearSolutions(code_stub={"python": STUB}, text_stub="*Your answer here.*")
    return [
        nbgrader.LockCells(),
        clear,
        nbgrader.ClearOutput(),
        nbgrader.CheckCellMetadata(),
        nbgrader.ComputeChecksums(),
        nbgrader.ClearHiddenTests(),
        nbgrader.ClearMarkScheme(),
        nbgrader.ComputeChecksums(),
    ]


# --- minutes ----------------------------------------------------------------------------------------------------------


def _minutes_file(root: Path) -> Path:
    return root / "data" / "results" / "lesson_minutes.csv"


def _rows(root: Path) -> dict[str, dict[str, str]]:
    try:
        with _minutes_file(root).open(encoding="utf8", newline="") as lines:
            return {row["lesson"]: row for row in csv.DictReader(lines)}
    except FileNotFoundError:
        return {}


def _minutes(root: Path, lesson: str) -> int | None:
    row = _rows(root).get(lesson)
    return int(row["minutes"]) if row else None


def _record_minutes(root: Path, name: str, timing, nb: NotebookNode) -> None:
    lesson = name[:2]
    reading = reading_minutes(nb, lesson)
    exercise = sum(e.minutes for e in lesson_exercises(lesson))
    total = reading + exercise + timing.run_seconds / 60
    values = (
        lesson,
        f"{timing.run_seconds:.1f}",
        f"{timing.slowest_cell_seconds:.1f}",
        f"{reading:.1f}",
        str(exercise),
        str(max(5, 5 * round(total / 5))),
    )
    rows = {**_rows(root), lesson: dict(zip(_COLUMNS, values, strict=True))}
    lines = [",".join(_COLUMNS)] + [",".join(rows[k][c] for c in _COLUMNS) for k in sorted(rows)]
    _write(_minutes_file(root), "\n".join(lines) + "\n")


def reading_minutes(nb: NotebookNode, lesson: str) -> float:
    """Minutes to read a lesson's prose and questions at 200 words a minute (code is under the exercises' minutes)."""
    prose = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    if lesson in content.lessons():
        prose += "\n" + "\n".join(_texts(content.load(lesson)))
    for asked in map(cases.case, cases.keys(lesson)):
        prose += "\n" + "\n".join((asked.letter, asked.stands_in, *(paragraph.text for paragraph in asked.document)))
    return len(re.findall(r"\w[\w'’-]*", prose)) / _WORDS_A_MINUTE


def _texts(value) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = [part for name, part in value.items() if name not in ("feedback", "header")]  # one of several is read
    inside = value if isinstance(value, list) else ()
    return [text for part in inside for text in _texts(part)]


# --- files ------------------------------------------------------------------------------------------------------------


def _root(root: Path | None) -> Path:
    from softlabels.tasks import home

    return Path(root) if root else home.root()


def _read(file: Path) -> NotebookNode:
    try:
        return nbformat.read(file, as_version=4)
    except Exception as error:
        raise BuildError(f"{file.name}: not a readable notebook: {error}") from None


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-", suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf8", newline="\n") as out:
        out.write(text)
    os.chmod(name, 0o644)  # mkstemp makes private files; a notebook in a clone is for all to read
    os.replace(name, file)
