"""A task on disk: tokenised once, ragged, memory-mapped.

A task's texts never change, so their word pieces are computed once (a few seconds) and kept in the
cache as plain `.npy` files; afterwards `load` opens them in milliseconds and the system reads only the pages that are
used. The examples stand in the order of their splits, so a split is a slice of each file and nothing is copied.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from softlabels.tasks import home
from softlabels.tasks.carriers import locked, verify
from softlabels.tasks.errors import writing

MAX_PIECES = 64  # word pieces kept of a text, [CLS] and [SEP] included, where the task says nothing else
SPLITS = ("test", "validation", "labelled", "transfer")
HIDDEN = "transfer"  # the split whose labels are hidden unless asked for
_SMALL, _MAPPED = ("ids", "labels", "offsets", "text_offsets"), ("values", "texts")


class UnknownSplit(ValueError):
    """A task has no split of that name."""


class UnknownExample(LookupError):
    """A task or split has no example with that id."""


class Ragged(NamedTuple):
    """Rows of different lengths, end to end: row i is `values[offsets[i]:offsets[i + 1]]`.

    Attributes:
        values: int32 (total,): token ids, [CLS] and [SEP] included.
        offsets: int64 (rows + 1,).
    """

    values: np.ndarray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """The length of every row, int64 (rows,)."""
        return np.diff(self.offsets)

    def row(self, i: int) -> np.ndarray:
        """Return row i, without copying it."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def take(self, rows: np.ndarray) -> "Ragged":
        """Return the rows asked for, in that order, copied end to end."""
        starts, lengths = self.offsets[:-1][rows], self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        # Position j of the result comes from (start of its row) + (j - where its row starts in the result).
        source = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(self.values[source], offsets)


class Texts(Sequence):
    """The texts of some examples, decoded from the memory-mapped file when they are asked for."""

    def __init__(self, blob: np.ndarray, offsets: np.ndarray, rows: np.ndarray):
        self._blob, self._offsets, self._rows = blob, offsets, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return Texts(self._blob, self._offsets, self._rows[i])
        row = self._rows[i]
        return bytes(self._blob[self._offsets[row] : self._offsets[row + 1]]).decode("utf-8")

    def __eq__(self, other) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    __hash__ = None

    def __repr__(self) -> str:
        return f"Texts({len(self)}: {list(self[:2])!r}{' ...' if len(self) > 2 else ''})"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Examples:
    """Some examples of a task, row by row.

    Attributes:
        ids: int64 (n,): public names that never change; soft labels are keyed by them.
        tokens: word pieces, `Ragged` with n rows.
        labels: int64 (n,): indices into the task's `classes`; None where they are hidden.
        texts: n strings, decoded when asked for.
        groups: int64 (n,): indices into the task's `groups`; None where it has none.
    """

    ids: np.ndarray
    tokens: Ragged
    labels: np.ndarray | None
    texts: Texts
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Examples({len(self):,}, labels {'hidden' if self.labels is None else 'shown'})"

    def take(self, rows) -> "Examples":
        """Return the examples of some rows: a list or array of indices, a mask of n booleans, or a slice."""
        if not isinstance(rows, slice):
            rows = np.atleast_1d(rows)
            rows = rows if rows.size else rows.astype(np.int64)  # numpy takes an empty list for floats
        rows = np.arange(len(self))[rows]
        labels = None if self.labels is None else self.labels[rows]
        texts = Texts(self.texts._blob, self.texts._offsets, self.texts._rows[rows])
        groups = None if self.groups is None else self.groups[rows]
        return Examples(self.ids[rows], self.tokens.take(rows), labels, texts, groups)

    def find(self, id: int) -> int:
        """Return the row of the example with this id.

        Raises:
            UnknownExample: there is none.
        """
        found = np.flatnonzero(self.ids == id)
        if not len(found):
            raise UnknownExample(
                f"No example has the id {id} here ({len(self):,} examples, ids {self.ids.min()} to {self.ids.max()}). "
                "It may be in another split: `task.split('all').find(...)` searches all of them."
                if len(self)
                else f"No example has the id {id}: there are no examples here."
            )
        return int(found[0])


class Task:
    """A task: its classes, and its examples by split.

    Attributes:
        name: such as "wordnet".
        classes: the names of the classes; a label is an index into it.
        groups: what else its examples are told apart by, such as the language; () where nothing.
        fingerprint: sha256 over ids, texts, splits, tokenizer and `max_pieces`, the same on every machine. Whatever
            is computed from a task (soft labels, a teacher) carries it, and is refused where it differs.
        tokenizer_sha256: of the tokenizer's file.
        max_pieces: how many word pieces of a text are kept, [CLS] and [SEP] included; the rest is cut off.
    """

    def __init__(self, folder: Path):
        about = json.loads((folder / "task.json").read_text(encoding="utf-8"))
        self.name: str = about["name"]
        self.classes: tuple[str, ...] = tuple(about["classes"])
        self.fingerprint: str = about["fingerprint"]
        self.tokenizer_sha256: str = about["tokenizer_sha256"]
        self.max_pieces: int = about["max_pieces"]
        self.groups: tuple[str, ...] = tuple(about["groups"])
        self._sizes: dict[str, int] = about["splits"]
        small = (*_SMALL, "groups") if self.groups else _SMALL
        self._arrays = {name: np.load(folder / f"{name}.npy") for name in small}
        # A view as a plain array: slicing `np.memmap` itself costs ten times more, and the map lives on below it.
        self._arrays |= {n: np.load(folder / f"{n}.npy", mmap_mode="r").view(np.ndarray) for n in _MAPPED}

    def __repr__(self) -> str:
        splits = ", ".join(f"{name} {size:,}" for name, size in self._sizes.items())
        return f"Task({self.name!r}, {len(self.classes)} classes; {splits})"

    def split(self, name: str, show_labels: bool = False) -> Examples:
        """Return the examples of one split, or of "all".

        The labels of the transfer set are hidden (None), and so are those of "all": a student that learns from
        the transfer set has only the teacher to ask. `show_labels=True` shows them, for study.

        Raises:
            UnknownSplit: `name` is neither a split nor "all".
        """
        if name != "all" and name not in self._sizes:
            raise UnknownSplit(f"{self.name} has no split {name!r}. There are: {', '.join(self._sizes)}, and all.")
        first, last = 0, sum(self._sizes.values())
        if name != "all":
            names = list(self._sizes)
            first = sum(self._sizes[n] for n in names[: names.index(name)])
            last = first + self._sizes[name]
        a = self._arrays
        bounds = a["offsets"][first : last + 1]
        tokens = Ragged(a["values"][bounds[0] : bounds[-1]], bounds - bounds[0])
        labels = a["labels"][first:last].copy() if show_labels or name not in (HIDDEN, "all") else None
        texts = Texts(a["texts"], a["text_offsets"], np.arange(first, last))
        groups = a["groups"][first:last].copy() if self.groups else None
        return Examples(a["ids"][first:last].copy(), tokens, labels, texts, groups)


def open_or_build(
    name: str,
    classes: Sequence[str],
    read,
    tokenizer_file: Path,
    origin: dict,
    max_pieces: int = MAX_PIECES,
    groups: Sequence[str] = (),
) -> Task:
    """Open a task in the cache; if it is not there, or was made from something else, build it first.

    Args:
        read: called when building; returns (ids, texts, labels, splits), one entry an example; with groups, a fifth
            list: indices into `groups`.
        tokenizer_file: a `tokenizer.json`.
        origin: what the examples are made from (hashes of sources and of code): another origin, another build. Its
            "carrier", if it names one, is verified before a build.
        max_pieces: how many word pieces of a text are kept.

    Raises:
        Damaged: a file of the carrier is no longer what was fetched.
        DiskFull, ReadOnly: the cache cannot take it.
    """
    tokenizer_sha256 = hashlib.sha256(tokenizer_file.read_bytes()).hexdigest()
    origin = origin | {"tokenizer": tokenizer_sha256, "store": code_hash(Path(__file__))}
    origin |= {"pieces": max_pieces, "groups": list(groups)}

    def build():
        ids, texts, labels, splits, *group = read()
        count = f"{len(ids):,} texts"
        print(f"Preparing the task {name}: cutting {count} into word pieces, once ... ", end="", flush=True)
        order = sorted(range(len(ids)), key=lambda i: (SPLITS.index(splits[i]), ids[i]))
        tokenizer = open_tokenizer(tokenizer_file, max_pieces)
        # A word is one piece at least: what follows the first `max_pieces` words of a long text is never kept.
        pieces = cut((" ".join(texts[i].split()[:max_pieces]) for i in order), tokenizer)
        blobs = [np.frombuffer(texts[i].encode("utf-8"), dtype=np.uint8) for i in order]
        arrays = {
            "ids": np.array([ids[i] for i in order], dtype=np.int64),
            "labels": np.array([labels[i] for i in order], dtype=np.int64),
            "values": pieces.values,
            "offsets": pieces.offsets,
            "texts": np.concatenate(blobs),
            "text_offsets": _offsets(blobs),
        }
        if group:
            arrays["groups"] = np.array([group[0][i] for i in order], dtype=np.int64)
        return arrays, {
            "name": name,
            "classes": tuple(classes),
            "groups": tuple(groups),
            "fingerprint": fingerprint(name, ids, texts, splits, tokenizer_sha256, max_pieces),
            "tokenizer_sha256": tokenizer_sha256,
            "max_pieces": max_pieces,
            "splits": {split: splits.count(split) for split in SPLITS},
        }

    return Task(built(name, origin, build))


def built(name: str, origin: dict, build) -> Path:
    """Return the cache's folder of what is made from `origin`; if it is not there, make it first.

    Args:
        build: called when it is not there, having printed the start of a line; returns arrays by name (each becomes
            an `.npy` file) and what `task.json` says about them. Before, the files of `origin["carrier"]`, if there is
            one, are compared with their hashes: what is built is not looked at again.
    """
    key = hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:16]
    parent = home.cache() / name
    folder = parent / key
    if not (folder / "task.json").is_file():  # written last, and the folder is renamed whole
        with writing(parent):
            parent.mkdir(parents=True, exist_ok=True)
        with locked(parent / ".lock", f"preparing the task {name}"), writing(parent):
            if not (folder / "task.json").is_file():
                if "carrier" in origin:
                    verify(origin["carrier"])
                _clear(parent)
                started = time.perf_counter()
                _write(folder, *build())
                print(f"{time.perf_counter() - started:.1f} s", flush=True)
    return folder


def fingerprint(
    name: str,
    ids: Sequence[int],
    texts: Sequence[str],
    splits: Sequence[str],
    tokenizer: str,
    max_pieces: int = MAX_PIECES,
) -> str:
    """Return the sha256 (hexadecimal) that names exactly these examples, splits and tokenizer, in any order."""
    digest = hashlib.sha256(f"{name}\n{tokenizer}\n{max_pieces}\n".encode())
    for i in sorted(range(len(ids)), key=ids.__getitem__):
        digest.update(f"{ids[i]}\t{splits[i]}\t{texts[i]}\n".encode())
    return digest.hexdigest()


def code_hash(path: Path) -> str:
    """Return the sha256 of a module's source: what other code has built is built again."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def open_tokenizer(file: Path, max_pieces: int = MAX_PIECES):
    """Return the `tokenizers.Tokenizer` of a `tokenizer.json`: no padding, cut at `max_pieces`."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_pieces)
    return tokenizer


def cut(texts: Iterable[str], tokenizer) -> Ragged:
    """Cut texts into word pieces."""
    # One by one: `encode_batch` is hardly faster on few cores, and its threads make every later fork print a warning.
    pieces = [np.array(tokenizer.encode(text).ids, dtype=np.int32) for text in texts]
    return Ragged(np.concatenate(pieces), _offsets(pieces))


def spread(total: int, count: int) -> np.ndarray:
    """Return the rows of `count` of `total` examples, spread evenly over them: int64 (count,), ascending."""
    return np.linspace(0, total - 1, count).astype(np.int64)


def _write(folder: Path, arrays: dict[str, np.ndarray], about: dict) -> None:
    part = folder.with_name(".part")
    part.mkdir()
    for array_name, array in arrays.items():
        with open(part / f"{array_name}.npy", "wb") as file:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())
    (part / "task.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    os.replace(part, folder)


def _offsets(rows: list) -> np.ndarray:
    return np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)


def _clear(parent: Path) -> None:
    """Remove earlier builds and unfinished ones. Renamed first, so that none is ever seen with files missing."""
    for old in [p for p in parent.iterdir() if p.is_dir()]:
        try:
            gone = old if old.name.startswith(".") else old.replace(parent / f".old-{old.name}")
        except OSError:  # on Windows, files that are mapped elsewhere cannot be moved
            continue
        shutil.rmtree(gone, ignore_errors=True)
