"""A class's board: each run writes one small file, and a folder of such files is read as a table.

An entry's figures are what its run measured; nothing here measures them again. Accuracies are comparable where the
test texts are the same, which the data's fingerprint tells; milliseconds are those of each learner's own machine.
"""

import hashlib
import json
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from softlabels.distill.metrics import accuracy_interval
from softlabels.distill.transfer import write_atomically
from softlabels.tasks.provenance import processor
from softlabels.tasks.table import TEST, Table

from .limits import Limits
from .stages import Settings

FORMAT = "softlabels-board-1"
LARGEST = 100_000  # bytes; an entry has some 1,500
TEXTS = ("name", "data", "fingerprint", "form", "machine", "made")
SHARES = ("accuracy", "agreement", "ece", "teacher_accuracy")
SIZES = ("megabytes", "p50_ms", "p95_ms", "classes", "test_texts")


class BrokenEntry(ValueError):
    """A file is no entry for the board. The message says what is wrong with it."""


class Board(NamedTuple):
    """entries: those that could be read. broken: a sentence for each file that could not."""

    entries: list[dict]
    broken: list[str]


def fingerprint(table: Table) -> str:
    """Return a hash of a table's texts, labels and splits, whatever the order of its rows. Two runs with the same one
    have learned from the same texts and were tested on the same ones.
    """
    order = np.argsort(table.ids)
    parts = table.ids[order].astype("<i8"), table.labels[order].astype("<i8"), table.split[order].astype("i1")
    return hashlib.sha256(b"".join(p.tobytes() for p in parts) + "\n".join(table.classes).encode()).hexdigest()[:16]


def write_entry(path: Path, name: str, table: Table, settings: Settings, chosen: dict, found: dict) -> dict:
    """Write a run's entry, whole or not at all, and return it.

    name: who goes on the board; a first name or a made-up one. chosen, found: as for write_card.
    """
    student, teacher = found["models"]["student, as shipped"], found["models"]["teacher"]
    entry = dict(
        format=FORMAT,
        name=" ".join(name.split())[:60],
        data=table.source.path.name,
        fingerprint=fingerprint(table),
        classes=len(table.classes),
        test_texts=int((table.split == TEST).sum()),
        budget=dict(megabytes=settings.limits.megabytes, milliseconds=settings.limits.milliseconds),
        accuracy=student["accuracy"],
        agreement=student["agreement"],
        ece=student["ece"],
        teacher_accuracy=teacher["accuracy"],
        megabytes=found["megabytes"],
        p50_ms=found["latency"][1]["p50"],
        p95_ms=found["latency"][1]["p95"],
        form=f"{chosen['size']}, {chosen['kind']}, {chosen['words']} word pieces",
        settings=settings.without_budget(),
        machine=processor(),
        made=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    )
    check(entry)
    write_atomically(Path(path), (json.dumps(entry, indent=1, ensure_ascii=False) + "\n").encode())
    return entry


def check(entry: object) -> None:
    """Raise BrokenEntry when something is missing, or is not what its name says."""
    if not isinstance(entry, dict) or entry.get("format") != FORMAT:
        raise BrokenEntry("it is no entry for the board")
    for name in (*TEXTS, *SHARES, *SIZES, "budget"):
        if name not in entry:
            raise BrokenEntry(f"it has no {name}")
    for name in TEXTS:
        if not isinstance(entry[name], str) or not entry[name]:
            raise BrokenEntry(f"its {name} is no text")
    for name in (*SHARES, *SIZES):
        if name == "test_texts" and not (is_number(entry[name]) and entry[name] >= 1):
            raise BrokenEntry(f"its test_texts must be 1 at least, not {entry[name]!r}"[:120])
        if not is_number(entry[name]) or entry[name] < 0 or (name in SHARES and entry[name] > 1):
            wanted = "a share from 0 to 1" if name in SHARES else "a number from 0 up"
            raise BrokenEntry(f"its {name} must be {wanted}, not {entry[name]!r}"[:120])
    budget = entry["budget"]
    known = isinstance(budget, dict) and set(budget) == {"megabytes", "milliseconds"}
    if not known or not all(value is None or (is_number(value) and value > 0) for value in budget.values()):
        raise BrokenEntry("its budget must name megabytes and milliseconds, numbers above 0 or null")


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_board(folder: Path) -> Board:
    """Read every entry in a folder and the folders in it, *.json; what is broken is told and left as it is.

    Raises FileNotFoundError when there is no such folder. JSON files that never were entries are passed over.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    entries, broken = [], []
    for path in sorted(folder.rglob("*.json")):
        try:
            if path.stat().st_size > LARGEST:
                continue
            content = path.read_bytes()
            entry = json.loads(content)
            if isinstance(entry, dict) and not str(entry.get("format", "")).startswith("softlabels-board"):
                continue
            if isinstance(entry, dict):
                check(entry)
                entries.append(entry)
        except BrokenEntry as error:
            broken.append(f"{path.relative_to(folder)}: {error}")
        except (ValueError, OSError, RecursionError) as error:
            broken.append(f"{path.relative_to(folder)}: it cannot be read as JSON ({str(error).splitlines()[0][:80]})")
    return Board(entries, broken)


def rank(entries: list[dict], limits: Limits | None = None) -> dict[str, tuple[list[dict], list[dict]]]:
    """Sort entries by data: {fingerprint: (those that keep the budget, the best first, and those that do not)}.

    limits: one budget for all; None holds each entry to its own. The best: the most accurate, of equals the smallest.
    The data with the most entries come first.
    """
    boards: dict[str, tuple[list[dict], list[dict]]] = {}
    for entry in sorted(entries, key=lambda e: (-e["accuracy"], e["megabytes"], e["p50_ms"], e["name"])):
        own = limits or Limits(**entry["budget"])
        fits = own.excess(entry["megabytes"], entry["p50_ms"]) <= 1
        boards.setdefault(entry["fingerprint"], ([], []))[0 if fits else 1].append(entry)
    return dict(sorted(boards.items(), key=lambda item: -sum(map(len, item[1]))))


def row(place: int, entry: dict) -> list[str]:
    """Return an entry's cells as the board shows them."""
    low, high = accuracy_interval(entry["accuracy"], int(entry["test_texts"]))
    shares = [f"{entry['accuracy']:.1%}", f"{low:.1%} to {high:.1%}", f"{entry['agreement']:.1%}"]
    sizes = [f"{entry['teacher_accuracy']:.1%}", f"{entry['megabytes']:.2f}", f"{entry['p50_ms']:.2f}"]
    return [f"{place}", entry["name"], *shares, f"{entry['ece']:.3f}", *sizes, entry["form"]]
