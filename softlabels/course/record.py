"""The learner's record: one JSON file in the work folder, nothing else, sent nowhere.

Every save reads the file, merges one entry and replaces the file, under a lock: two kernels never lose each other's
records, and a kernel that dies leaves the old file whole. A file that cannot be read is moved aside, not overwritten.
"""

from __future__ import annotations

import datetime
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

__all__ = ["SECTIONS", "load", "path", "save"]

SECTIONS = ("checks", "hints", "quizzes", "matches", "reflections", "predictions")
_LOCK_SECONDS = 5


def path() -> Path:
    """Where the record is kept."""
    from softlabels.tasks import home

    return Path(home.work()) / "progress.json"


def load() -> dict[str, dict[str, Any]]:
    """The record by section, each a dict by key; empty sections where there is nothing (or nothing readable)."""
    try:
        return _read(path())
    except (OSError, ValueError):
        return {section: {} for section in SECTIONS}


def save(section: str, key: str, fields: dict[str, Any]) -> str | None:
    """Merge ``fields`` into the entry ``key`` of ``section`` and count the attempt.

    Returns a sentence for the learner when the record could not be kept or the old one was unreadable, else None:
    a full disk must not stop a lesson.
    """
    if section not in SECTIONS:
        raise ValueError(f"unknown section {section!r}: one of {', '.join(SECTIONS)}")
    file, trouble = path(), None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(".progress.lock"), timeout=_LOCK_SECONDS):
            try:
                everything = _read(file)
            except ValueError:
                everything = {name: {} for name in SECTIONS}
                aside = _move_aside(file)
                trouble = f"Your progress file could not be read. It was kept as {aside.name}; a new one was begun."
            old = everything[section].get(key, {})
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            everything[section][key] = {**old, **fields, "attempts": old.get("attempts", 0) + 1, "at": now}
            _write(file, everything)
    except (OSError, Timeout) as error:
        return f"Your progress could not be saved in {file.name}: {error}"
    return trouble


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """Raises ValueError if the file is not a record."""
    try:
        found = json.loads(file.read_text(encoding="utf8"))
    except FileNotFoundError:
        found = {}
    sections = {name: found.get(name, {}) if isinstance(found, dict) else None for name in SECTIONS}
    for entries in sections.values():
        if not isinstance(entries, dict) or not all(isinstance(e, dict) for e in entries.values()):
            raise ValueError("not a progress record")
    return sections


def _write(file: Path, everything: dict) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".progress-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf8") as out:
            json.dump({"version": 1, **everything}, out, indent=1, ensure_ascii=False)
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _move_aside(file: Path) -> Path:
    n = 1
    while (aside := file.with_name(f"progress.unreadable-{n}.json")).exists():
        n += 1
    os.replace(file, aside)
    return aside
