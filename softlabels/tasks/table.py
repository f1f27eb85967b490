"""A learner's own table: a CSV file with a text and a label a row, read row by row and checked before anything is
trained.

The file is never held in memory: what stays of a row is a 64-bit hash of its text, its label and its split, some twenty
bytes. `Table.texts()` reads the file again.
"""

import csv
import hashlib
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

SPLITS = ("train", "validation", "test", "transfer")  # transfer: no label, so only the teacher can say what it is
TRAIN, VALIDATION, TEST, TRANSFER = range(4)
SHARE, MOST = 0.15, 5_000  # of the labelled texts, for validation and for test each; and no more than so many
LONGEST = 1 << 20  # characters in one field; a longer one is a quotation mark that was never closed
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class TableError(ValueError):
    """The table cannot be learned from. The message says what is wrong, where, and what to do."""


class Row(NamedTuple):
    line: int  # in the file, from 1; the last one of a row that spans several
    text: str
    label: str  # "" where there is none


@dataclass(frozen=True)
class Source:
    """A CSV file and how to read it. text, label: names of the columns. encoding: any that Python knows."""

    path: Path
    text: str = "text"
    label: str = "label"
    encoding: str = "utf-8"

    def rows(self) -> Iterator[Row]:
        """Yield the rows one by one, those without a text too. Raises TableError."""
        csv.field_size_limit(LONGEST)
        encoding = "utf-8-sig" if self.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else self.encoding
        try:
            with open(self.path, encoding=encoding, newline="") as file:
                header = file.readline()
                delimiter = max(DELIMITERS, key=header.count)  # the first of them, a comma, where there is none
                file.seek(0)
                reader = csv.reader(file, delimiter=delimiter)
                text, label, width = self._columns(next(reader, []), delimiter)
                for fields in reader:
                    if len(fields) > width:
                        raise TableError(
                            f"{self.path.name}, line {reader.line_num}: {len(fields)} fields, and the header names "
                            f"{width}. A text with {DELIMITERS[delimiter]} in it must stand in quotation marks."
                        )
                    fields += [""] * (width - len(fields))
                    name = "" if label is None else " ".join(fields[label].split())
                    yield Row(reader.line_num, fields[text].strip(), name)
        except LookupError:
            raise TableError(f"no encoding is called {self.encoding!r}; utf-8 and cp1252 are common ones") from None
        except UnicodeError as error:
            raise TableError(_explain_encoding(self.path, self.encoding, error)) from None
        except csv.Error as error:
            raise TableError(
                f"{self.path.name}, near line {reader.line_num + 1}: {error}. "
                "Is there a quotation mark that is never closed?"
            ) from None
        except OSError as error:
            raise TableError(f"{self.path} cannot be read: {error.strerror}") from None

    def _columns(self, header: list[str], delimiter: str) -> tuple[int, int | None, int]:
        names = [name.strip() for name in header]
        if not any(names):
            raise TableError(f"{self.path.name} is empty: its first line must name the columns, such as text,label")
        for name, option in ((self.text, "--text"), (self.label, "--label")):
            if names.count(name) > 1:
                raise TableError(f"{self.path.name} has {names.count(name)} columns called {name!r}: rename one")
            if name not in names and (option == "--text" or name != "label"):
                raise TableError(
                    f"{self.path.name} has no column {name!r}. Its first line, cut at {DELIMITERS[delimiter]}, names: "
                    f"{', '.join(map(repr, names))}. If it goes by another name: {option} NAME"
                )
        return names.index(self.text), names.index(self.label) if self.label in names else None, len(names)


@dataclass(frozen=True)
class Table:
    """A checked table: one entry for each different text, in the order of the file.

    classes: names, sorted. ids: int64 (texts,), hashes of the texts. labels: int64 (texts,), places in classes, -1
    where there is none. split: int8 (texts,), places in SPLITS. findings: what a reader should know, a sentence each.
    """

    source: Source
    classes: tuple[str, ...]
    ids: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    kept: np.ndarray = field(repr=False)  # bool, one for each row with a text: is it the first with that text?
    findings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def texts(self) -> Iterator[str]:
        """Yield the texts, from the file again, in the order of ids."""
        with_text = (row.text for row in self.source.rows() if row.text)
        return (text for text, keep in zip(with_text, self.kept, strict=True) if keep)

    def counts(self) -> np.ndarray:
        """Return how many labelled texts each class has in train, validation and test: int64 (classes, 3)."""
        counts = np.zeros((len(self.classes), 3), dtype=np.int64)
        labelled = self.labels >= 0
        np.add.at(counts, (self.labels[labelled], self.split[labelled]), 1)
        return counts


def text_id(text: str) -> int:
    """Return the id of a text: a 64-bit hash of it, the same for texts that differ in letter case or spaces only."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return int.from_bytes(hashlib.blake2b(plain.encode("utf-8", "replace"), digest_size=8).digest(), signed=True)


def read_table(source: Source) -> Table:
    """Read a table once, check it, and share its texts out into splits. Raises TableError when it cannot be used."""
    ids, codes, names, empty, spelled = array("q"), array("i"), {}, [], {}
    for row in source.rows():
        if not row.text:
            empty.append(row.line)
            continue
        ids.append(text_id(row.text))
        codes.append(names.setdefault(row.label, len(names)) if row.label else -1)
    for name in names:
        spelled.setdefault(name.casefold(), []).append(name)
    findings = []
    if empty:
        findings.append(f"{_number(len(empty), 'row')} without a text left out (lines {_some(empty)}).")
    if not ids:
        raise TableError(f"{source.path.name} has no row with a text")
    ids, codes, first, conflicts = merge_duplicates(np.array(ids), np.array(codes, dtype=np.int64))
    kept = np.zeros(first[1], dtype=bool)
    kept[first[0]] = True
    if repeated := len(kept) - len(ids):
        findings.append(
            f"{_number(repeated, 'row')} with a text that was there before (letter case and spaces aside): "
            "each text counts once, so none can stand in two splits."
        )
    if conflicts:
        findings.append(
            f"{_number(conflicts, 'text')} with different labels in different rows: used without a label, as nobody "
            "can say which one is right."
        )
    for several in spelled.values():
        if len(several) > 1:
            findings.append(f"Labels that differ in letter case only count as different: {_some(several)}.")
    classes, labels = _classes(source, names, codes)
    split = split_by_hash(ids, labels, held_back(int((labels >= 0).sum())))
    table = Table(source, classes, ids, labels, split, kept, tuple(findings))
    return _check_counts(table)


def merge_duplicates(ids: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple, int]:
    """Keep each id once, in the order of first sight.

    ids: int64 (rows,). labels: int64 (rows,), -1 for none. An id keeps the one label that its rows name; if they name
    several, none. Returns ids, labels, (the rows kept, the number of rows), and how many ids had several labels.
    """
    order = np.argsort(ids, kind="stable")
    starts = np.flatnonzero(np.diff(ids[order], prepend=ids[order][0] - 1))
    high = np.maximum.reduceat(labels[order], starts)
    low = np.minimum.reduceat(np.where(labels < 0, np.iinfo(np.int64).max, labels)[order], starts)
    first = order[starts]  # a stable sort: the first row of each id
    merged = np.where(low == high, high, -1)
    by_row = np.argsort(first)
    return ids[first[by_row]], merged[by_row], (first[by_row], len(ids)), int(((high >= 0) & (low != high)).sum())


def held_back(labelled: int) -> float:
    """Return the share of so many labelled texts that validation gets, and test too."""
    return min(SHARE, MOST / max(1, labelled))


def split_by_hash(ids: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """Share labelled texts out into train, validation and test, class by class; texts without a label go to transfer.

    ids: int64 (texts,), hashes of the texts. labels: int (texts,), -1 for none. The texts of a class are ranked by
    their ids, so neither the order of the rows nor chance plays a part. The first share of them, rounded, is its test
    set, the next its validation set. A class with three texts or fewer is all in train, where share is 0.15. Returns
    int8 (texts,), places in SPLITS.
    """
    split = np.full(len(ids), TRANSFER, dtype=np.int8)
    for label in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == label)
        rows = rows[np.argsort(ids[rows])]
        part = int(share * len(rows) + 0.5)
        split[rows] = TRAIN
        split[rows[part : 2 * part]] = VALIDATION
        split[rows[:part]] = TEST
    return split


def _classes(source: Source, names: dict[str, int], codes: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Sort the classes by name, drop those whose texts all had several labels, and number the labels accordingly."""
    count = np.bincount(codes[codes >= 0], minlength=len(names))
    classes = tuple(sorted(name for name, code in names.items() if count[code]))
    if not classes:
        why = "every labelled text has several" if names else f"column {source.label!r} is empty or absent"
        raise TableError(
            f"{source.path.name} has no labels that can be used ({why}). The teacher needs some hundred "
            "labelled texts, 4 of a class at the least. If the column goes by another name: --label NAME"
        )
    if len(classes) == 1:
        raise TableError(f"every label is {classes[0]!r}: with one class there is nothing to tell apart")
    if len(classes) > 20 and len(classes) > 0.5 * count.sum():
        raise TableError(
            f"{len(classes):,} different labels for {count.sum():,} labelled texts, such as {_some(classes)}: column "
            f"{source.label!r} seems to hold something else than classes. If another one does: --label NAME"
        )
    number = np.full(len(names) + 1, -1)  # the last one is what -1 finds
    number[[names[name] for name in classes]] = np.arange(len(classes))
    return classes, number[codes]


def _check_counts(table: Table) -> Table:
    counts, findings = table.counts(), list(table.findings)
    if not counts[:, VALIDATION].any():
        raise TableError(
            f"No class has more than three labelled texts, so none can be kept for choosing and testing: "
            f"{counts.sum():,} labelled texts, {len(table.classes):,} classes. Label more; 4 of a class is the least."
        )
    small = [f"{table.classes[i]} ({n})" for i, n in enumerate(counts.sum(axis=1)) if counts[i, TEST] == 0]
    if small:
        findings.append(
            f"{_number(len(small), 'class', 'classes')} with too few labelled texts to test: {_some(small)}. All of "
            "them are learned from, none is kept back, so how well these classes go will not be known."
        )
    if counts.sum() < 10 * len(table.classes):
        mean = counts.sum() / len(table.classes)
        findings.append(f"{len(table.classes):,} classes with {mean:.1f} labelled texts each, on average: few.")
    if counts[:, TEST].sum() < 100:
        findings.append(f"Only {counts[:, TEST].sum()} texts to test with: every figure is rough.")
    return Table(**{**table.__dict__, "findings": tuple(findings)})


def _explain_encoding(path: Path, encoding: str, error: UnicodeError) -> str:
    """Name the line that is not written in the encoding, and one that may be the right one."""
    with open(path, "rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return f"{path.name} is written in UTF-16, as a mark at its start says: --encoding utf-16"
        file.seek(0)
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeError as error:
                guess = line.decode("cp1252", "replace").strip()
                guess = guess if len(guess) <= 60 else f"{guess[:60]} ..."
                return (
                    f"{path.name}, line {number}, is not {encoding} ({error.reason if hasattr(error, 'reason') else ''}"
                    f"). If this looks right: {guess!r}, say --encoding cp1252; or save the file as UTF-8."
                )
    return f"{path.name} is not {encoding}: {error}"


def _number(n: int, one: str, many: str | None = None) -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _some(things, most: int = 5) -> str:
    things = list(things)
    return ", ".join(map(str, things[:most])) + (", ..." if len(things) > most else "")
