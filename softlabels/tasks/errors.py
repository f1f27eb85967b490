"""What can go wrong between the package index and the cache: each failure has a name, and says what to do."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


class FetchError(Exception):
    """Data could not be fetched or prepared. Each subclass is one cause; the message says what, where, what to do."""


class NotFetched(FetchError):
    """A carrier that is needed now has not been fetched yet."""


class Damaged(FetchError):
    """A file of a fetched carrier is no longer what it was when it was verified."""


class UnknownCarrier(FetchError):
    """No carrier has that name."""


class MissingWheels(FetchError):
    """The folder given with `--from` lacks a file."""


class MissingPip(FetchError):
    """This Python has no pip."""


class NoNetwork(FetchError):
    """The package index cannot be reached."""


class NotInIndex(FetchError):
    """The package index answers, but has no such package or version."""


class WrongHash(FetchError):
    """A file is not the one that the course was made with."""


class Truncated(FetchError):
    """A download or a file was cut short."""


class DiskFull(FetchError):
    """There is no room on the disk."""


class ReadOnly(FetchError):
    """The cache cannot be written to."""


def megabytes(n: float) -> str:
    """Return a number of bytes as text: `83.5 MB` (10^6 bytes, as download pages count), small ones in kB."""
    return f"{n / 1e6:.1f} MB" if n >= 1e5 else f"{n / 1e3:.1f} kB"


def disk_full(folder: Path, detail: str) -> DiskFull:
    """Return the error for a full disk at `folder`; `detail` is what is known about it."""
    return DiskFull(
        f"The disk is full: {detail} (folder: {folder}).\n"
        "Free some room, or set SOFTLABELS_CACHE to a folder on another disk, and run the command again."
    )


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the system's errors about writing below `folder` into `DiskFull` and `ReadOnly`; others pass."""
    try:
        yield
    except OSError as error:
        where = Path(error.filename or folder)
        if not (where.is_relative_to(folder) or folder.is_relative_to(where)):
            raise  # about a file of the user's, such as a wheel that may not be read
        if error.errno in _FULL:
            raise disk_full(folder, f"writing {where} failed") from error
        if error.errno in _CLOSED:
            raise ReadOnly(
                f"The cache cannot be written to: {where} ({error.strerror}).\n"
                "Give yourself the right to write there, or set SOFTLABELS_CACHE to a folder that is yours, "
                "and run the command again."
            ) from error
        raise
