"""The transfer set, and the teacher's soft labels for it, kept by example id.

Logits kept by position are the commonest way to ruin a distillation without noticing: shuffle the texts and every
student learns another text's soft label. So the cache is asked by id, and it refuses to load for another task,
tokenizer or teacher.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor


class TransferSet:
    """The texts that a student learns from, with what it is told about them.

    tokens: (values, offsets), text i is values[offsets[i]:offsets[i + 1]]. teacher_logits: float (texts, classes) or
    None. labels: int (texts,) or None. ValueError when there are no texts, when the lengths differ, when a column has
    another type or shape, or when a logit is not finite.
    """

    def __init__(self, tokens: tuple, teacher_logits: Any = None, labels: Any = None):
        self.tokens = tokens
        self.teacher_logits = None if teacher_logits is None else real_numbers("teacher_logits", teacher_logits).float()
        self.labels = None if labels is None else whole_numbers("labels", labels)
        if len(self) == 0:
            raise ValueError("the transfer set is empty: there is no text to learn from")
        if np.asarray(tokens[0]).dtype.kind not in "iu" or np.min(tokens[0], initial=0) < 0:
            raise ValueError("token ids must be whole numbers from 0 up: give what the tokenizer returned")
        if np.diff(tokens[1]).min() < 1:
            raise ValueError(f"text {int(np.diff(tokens[1]).argmin())} of the transfer set has no tokens")
        for name, column in (("teacher_logits", self.teacher_logits), ("labels", self.labels)):
            if column is not None and len(column) != len(self):
                raise ValueError(f"there are {len(self)} texts and {len(column)} {name}: they must pair up one to one")
        if self.teacher_logits is not None and not self.teacher_logits.isfinite().all():
            bad = int((~self.teacher_logits.isfinite()).any(dim=1).sum())
            raise ValueError(f"the teacher's logits of {bad} texts hold NaN or infinity: compute the soft labels again")

    def __len__(self) -> int:
        return len(self.tokens[1]) - 1


@dataclass(frozen=True)
class Manifest:
    """What soft labels belong to. count and sha256 are filled in from the data themselves."""

    task: str
    task_fingerprint: str  # over ids, texts and splits
    tokenizer_sha256: str
    classes: tuple[str, ...]  # in the order of the logits' columns
    teacher_sha256: str  # of the adapter
    base_sha256: str  # of the base model's weights
    precision: str  # that the teacher ran in
    created_by: str  # the program and its version
    count: int = 0
    sha256: str = ""  # over the ids' and the logits' bytes


class ManifestMismatch(ValueError):
    """The soft labels belong to something else than what was asked for."""


class DamagedSoftLabels(ValueError):
    """The file is cut off, or its content is not what was written."""


class UnknownIds(KeyError):
    """Soft labels were asked for of examples that the teacher has not labelled."""

    def __str__(self) -> str:
        return self.args[0]  # KeyError would print it in quotation marks


MENDS = {
    "task": "load the soft labels of this task",
    "task_fingerprint": "texts or splits have changed since: make the soft labels again",
    "tokenizer_sha256": "the teacher read the texts through another tokenizer: make the soft labels again",
    "classes": "the columns stand for other classes, or for the same ones in another order: make the soft labels again",
    "teacher_sha256": "they come from another teacher: load that teacher, or make the soft labels again",
    "base_sha256": "the teacher stood on another base model: fetch that one, or make the soft labels again",
}


class SoftLabelCache:
    """A teacher's logits by example id.

    ids: int64 (examples,), each once. logits: (examples, classes), kept as float16. manifest: a Manifest; its count and
    sha256 are filled in. In memory and on disk the rows stand in the order of the ids.
    """

    def __init__(self, ids: np.ndarray, logits: Any, manifest: Manifest):
        ids, logits = whole_numbers("ids", ids).numpy(), real_numbers("logits", logits).numpy()
        if logits.shape != (len(ids), len(manifest.classes)):
            shape = (len(ids), len(manifest.classes))
            raise ValueError(
                f"{len(ids)} ids and {len(manifest.classes)} classes need logits {shape}, not {logits.shape}"
            )
        order = np.argsort(ids, kind="stable")
        self.ids, self.logits = ids[order], logits[order].astype(np.float16)
        if (np.diff(self.ids) == 0).any():
            raise ValueError(
                f"id {self.ids[:-1][np.diff(self.ids) == 0][0]} is there twice; each example has one soft label"
            )
        if not np.isfinite(self.logits).all():
            raise ValueError("a logit is not finite in float16 (largest 65,504): look at the teacher")
        digest = hashlib.sha256(self.ids.tobytes() + self.logits.tobytes()).hexdigest()
        self.manifest = replace(manifest, classes=tuple(manifest.classes), count=len(self.ids), sha256=digest)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return (
            f"SoftLabelCache({self.manifest.task}: {len(self):,} soft labels of {len(self.manifest.classes)} classes)"
        )

    def logits_for(self, ids: np.ndarray) -> Tensor:
        """Return the logits of these examples, float32 (len(ids), classes), in the order asked for.

        Raises UnknownIds when the teacher has not labelled one of them.
        """
        ids = whole_numbers("ids", ids).numpy()
        try:
            rows = rows_of(ids, self.ids)
        except KeyError:
            unknown = ids[~np.isin(ids, self.ids)]
            some = ", ".join(str(i) for i in unknown[:3])
            raise UnknownIds(f"{len(unknown)} of {len(ids)} ids have no soft label in {self!r}: {some}, ...") from None
        return torch.from_numpy(self.logits[rows].astype(np.float32))

    def save(self, path: Path) -> None:
        """Write one safetensors file; the manifest travels in its header, so that the two cannot part."""
        path = Path(path)
        content = save(
            {"ids": self.ids, "logits": self.logits}, metadata={"manifest": json.dumps(asdict(self.manifest))}
        )
        write_atomically(path, content)

    @classmethod
    def load(cls, path: Path, expect: Any = None) -> "SoftLabelCache":
        """Read a cache back, and refuse one that is damaged or belongs to something else.

        expect: what the soft labels must belong to: a mapping from a Manifest's field names to values, or a task
        (anything with .name, .fingerprint, .tokenizer_sha256 and .classes). None checks only that the file is whole.
        Raises DamagedSoftLabels, and ManifestMismatch that names the field, both values and the mend.
        """
        try:
            with safe_open(path, framework="np") as file:
                written = Manifest(**json.loads((file.metadata() or {})["manifest"]))
                ids, logits = file.get_tensor("ids"), file.get_tensor("logits")
        except FileNotFoundError:
            raise FileNotFoundError(f"there are no soft labels at {path}") from None
        except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
            raise DamagedSoftLabels(f"{path} is no whole soft-label file ({error}): fetch or make it again") from error
        written = replace(written, classes=tuple(written.classes))
        compare(written, expected_fields(expect), path)
        try:
            cache = cls(ids, logits, written)
        except ValueError as error:
            raise DamagedSoftLabels(f"{path}: {error}") from error
        for name in ("count", "sha256"):
            if getattr(cache.manifest, name) != getattr(written, name):
                found, noted = getattr(cache.manifest, name), getattr(written, name)
                raise DamagedSoftLabels(
                    f"{path} has changed since it was written: {name} is {found}, its manifest says {noted}"
                )
        return cache


def rows_of(ids: np.ndarray, known_ids: np.ndarray) -> np.ndarray:
    """Find the row of known_ids at which each of some ids stands.

    ids: int array (n,), in any order, the same id as often as you like. known_ids: int array (m,), in any order, each
    id once. Returns an int array (n,) of rows from 0 to m - 1, with known_ids[rows] equal to ids.
    Raises KeyError when one of the ids is not known.
    """
    row = {known: i for i, known in enumerate(known_ids.tolist())}
    return np.array([row[wanted] for wanted in ids.tolist()], dtype=np.int64)


def whole_numbers(name: str, values: Any) -> Tensor:
    """Return values as int64 (n,), or raise ValueError: cast in silence, the id 7.9 would ask for example 7."""
    numbers = to_tensor(name, values)
    if numbers.ndim != 1 or numbers.dtype == torch.bool:
        shape = tuple(numbers.shape)
        raise ValueError(f"{name} must be whole numbers, one for each example, not {numbers.dtype} of shape {shape}")
    if numbers.is_floating_point() and not (numbers == numbers.round()).all():
        broken = numbers[numbers != numbers.round()][0]
        raise ValueError(f"{name} must be whole numbers, and {broken.item()} is none")
    return numbers.long()


def real_numbers(name: str, values: Any) -> Tensor:
    """Return values as a tensor (examples, classes), or raise ValueError."""
    numbers = to_tensor(name, values)
    if numbers.ndim != 2 or numbers.dtype == torch.bool:
        shape = tuple(numbers.shape)
        raise ValueError(f"{name} must be real numbers, (examples, classes), not {numbers.dtype} of shape {shape}")
    return numbers.float() if numbers.dtype == torch.bfloat16 else numbers  # numpy does not know bfloat16


def to_tensor(name: str, values: Any) -> Tensor:
    """Return values as a tensor; ValueError for texts, objects, rows of unequal length, and complex numbers."""
    try:
        if not isinstance(values, Tensor):
            values = torch.as_tensor(np.require(values, requirements="CW"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from None
    if values.is_complex():
        raise ValueError(f"{name} must be real numbers, not {values.dtype}")
    return values.detach().cpu()


def expected_fields(expect: Any) -> dict:
    if expect is None or isinstance(expect, Mapping):
        return dict(expect or {})
    task = dict(task=expect.name, task_fingerprint=expect.fingerprint)
    return dict(**task, tokenizer_sha256=expect.tokenizer_sha256, classes=expect.classes)


def compare(written: Manifest, expected: dict, path: Path) -> None:
    names = {f.name for f in fields(Manifest)}
    for name, wanted in expected.items():
        if name not in names:
            raise ValueError(f"a manifest has no field {name!r}; it has {', '.join(sorted(names))}")
        wanted = tuple(wanted) if name == "classes" else wanted
        if (found := getattr(written, name)) != wanted:
            mend = MENDS.get(name, "make the soft labels again")
            raise ManifestMismatch(f"{path} does not fit: its {name} is {found!r}, and {wanted!r} was expected; {mend}")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a run that is killed half-way, only ever sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
