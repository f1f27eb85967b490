"""The lessons' texts that are data: header cards, quizzes, matching sets, reflections, predictions.

They live in ``content/lessonNN.toml`` and are found by keys such as "02.order" (lesson, name). Everything is validated
on loading; an error names the file and the key.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "ContentError", "entry", "header", "lessons", "load", "read", "validate"]

FOLDER = Path(__file__).with_name("content")

# Per kind of entry: field -> (type, required).
_FIELDS = {
    "header": {"title": (str, True), "goals": (list, True), "needs": (str, True), "builds": (list, False)},
    "quiz": {"question": (str, True), "options": (list, True)},
    "match": {"prompt": (str, True), "pairs": (list, True)},
    "reflect": {"question": (str, True), "rubric": (list, True), "model": (str, True)},
    "predict": {"question": (str, True), "options": (list, True)},
}
_OPTION = {"text": (str, True), "feedback": (str, True), "correct": (bool, False)}
_PAIR = {"item": (str, True), "role": (str, True), "feedback": (str, True)}


class ContentError(ValueError):
    """A lesson's content file is broken, or holds no such entry."""


def lessons() -> list[str]:
    """The lessons that have a content file, as two digits, in order."""
    return sorted(file.stem.removeprefix("lesson") for file in FOLDER.glob("lesson*.toml"))


def load(lesson: str) -> dict[str, Any]:
    """A lesson's content, validated. Raises ContentError."""
    return read(FOLDER / f"lesson{lesson}.toml", validate)


def header(lesson: str) -> dict[str, Any]:
    """A lesson's header card: title, goals, needs, builds. Raises ContentError."""
    return load(lesson)["header"]


def entry(kind: str, key: str) -> dict[str, Any]:
    """The entry of ``kind`` (quiz, match, reflect, predict) with ``key``, such as "02.order". Raises ContentError."""
    lesson, dot, name = key.partition(".")
    if not (dot and name and lesson.isdigit()):
        raise ContentError(f'{kind}({key!r}): a key has the form "02.order": the lesson, a dot, the name')
    entries = load(lesson).get(kind, {})
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        hint = f": did you mean {lesson}.{near[0]}?" if near else f"; there are: {', '.join(entries) or 'none'}"
        raise ContentError(f"lesson{lesson}.toml has no [{kind}.{name}]{hint}")
    return entries[name]


def read(file: Path, check: Callable[[dict[str, Any], str], None]) -> dict[str, Any]:
    """A content file, parsed, and checked by ``check(found, the file's name)``. Raises ContentError."""
    try:
        return _parse(file, file.stat().st_mtime_ns, check)
    except FileNotFoundError:
        raise ContentError(f"{file.name}: there is no such content file") from None


@functools.lru_cache(maxsize=32)
def _parse(file: Path, _changed: int, check: Callable[[dict[str, Any], str], None]) -> dict[str, Any]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContentError(f"{file.name}: not readable as TOML: {error}") from None
    check(found, file.name)
    return found


def validate(found: dict[str, Any], file: str) -> None:
    """Check a parsed content file against the forms above. Raises ContentError naming the file and the key."""
    for kind, entries in found.items():
        if kind not in _FIELDS:
            raise ContentError(f"{file}: [{kind}] is not one of {', '.join(_FIELDS)}")
        if kind == "header":
            check_fields(entries, _FIELDS["header"], f"{file}: [header]")
            check_texts(entries["goals"], f"{file}: [header] goals")
            continue
        for name, fields in entries.items():
            where = f"{file}: [{kind}.{name}]"
            check_fields(fields, _FIELDS[kind], where)
            _CHECKS[kind](fields, where)
    if "header" not in found:
        raise ContentError(f"{file}: [header] is missing")


def check_fields(fields: Any, form: dict[str, tuple[type, bool]], where: str) -> None:
    if not isinstance(fields, dict):
        raise ContentError(f"{where} must be a table")
    for name, (kind, required) in form.items():
        if name not in fields:
            if required:
                raise ContentError(f"{where} lacks {name!r}")
        elif not isinstance(fields[name], kind):
            raise ContentError(f"{where} {name!r} must be a {kind.__name__}, not {type(fields[name]).__name__}")
        elif kind in (str, list) and not (fields[name].strip() if kind is str else fields[name]):
            raise ContentError(f"{where} {name!r} is empty")
    for name in fields:
        if name not in form:
            raise ContentError(f"{where} has an unknown field {name!r}; known: {', '.join(form)}")


def check_texts(texts: list, where: str) -> None:
    if not all(isinstance(t, str) and t.strip() for t in texts):
        raise ContentError(f"{where} must be a list of texts, none of them empty")


def check_count(things: list, low: int, high: int, where: str) -> None:
    if not low <= len(things) <= high:
        raise ContentError(f"{where}: {low} to {high} are wanted, {len(things)} are there")


def _quiz(fields: dict, where: str) -> None:
    check_count(fields["options"], 2, 6, f"{where} options")
    for i, option in enumerate(fields["options"], 1):
        check_fields(option, _OPTION, f"{where} option {i}")
    correct = sum(o.get("correct", False) for o in fields["options"])
    if not 1 <= correct < len(fields["options"]):
        raise ContentError(f"{where}: at least one option must be correct and at least one not")
    check_distinct([o["text"] for o in fields["options"]], f"{where} options")


def _match(fields: dict, where: str) -> None:
    check_count(fields["pairs"], 2, 10, f"{where} pairs")
    for i, pair in enumerate(fields["pairs"], 1):
        check_fields(pair, _PAIR, f"{where} pair {i}")
    for name in ("item", "role"):
        check_distinct([p[name] for p in fields["pairs"]], f"{where} pairs, {name}")


def _reflect(fields: dict, where: str) -> None:
    check_texts(fields["rubric"], f"{where} rubric")


def _predict(fields: dict, where: str) -> None:
    check_texts(fields["options"], f"{where} options")
    check_count(fields["options"], 2, 8, f"{where} options")
    check_distinct(fields["options"], f"{where} options")


def check_distinct(texts: list[str], where: str) -> None:
    if len(set(texts)) != len(texts):
        raise ContentError(f"{where}: two of them are the same")


_CHECKS = {"quiz": _quiz, "match": _match, "reflect": _reflect, "predict": _predict}
