"""Opening the course: lessons are copied into the work folder, and what a learner has changed is never overwritten."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Copied", "command", "copy_lessons", "open_lab"]

FIRST = "00_start_here.ipynb"
_STATE = ".softlabels.json"


@dataclass
class Copied:
    """What copying did, by file name: new lessons, unchanged copies brought up to date, newer versions laid beside."""

    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


def copy_lessons(lessons: Path, work: Path) -> Copied:
    """Bring ``work`` up to date with ``lessons``.

    A missing lesson is copied. A copy that is still as it was given is updated in place. One that the learner has
    changed stays; a newer version arrives once beside it as ``NN_name.new.ipynb``, and that file too is replaced only
    as long as it is unchanged. Raises FileNotFoundError if there are no lessons.
    """
    sources = sorted(lessons.glob("*.ipynb"))
    if not sources:
        raise FileNotFoundError(f"there are no lessons in {lessons}")
    work.mkdir(parents=True, exist_ok=True)
    state, done = _state(work), Copied()
    for source in sources:
        text, name = source.read_bytes(), source.name
        newest, target = _sha(text), work / name
        entry = state.setdefault(name, {})
        if not target.exists():
            _write(target, text)
            done.new.append(name)
            entry["given"] = newest
        elif _sha(target.read_bytes()) == newest:
            entry["given"] = newest
        elif _sha(target.read_bytes()) == entry.get("given"):
            _write(target, text)
            done.updated.append(name)
            entry["given"] = newest
        elif newest not in (entry.get("given"), entry.get("beside")):
            done.beside.append(_lay_beside(target, text, entry))
            entry["beside"] = newest
    _write(work / _STATE, (json.dumps(state, indent=1, sort_keys=True) + "\n").encode())
    return done


def _lay_beside(target: Path, text: bytes, entry: dict[str, str]) -> str:
    n = 1
    while True:
        beside = target.with_suffix(".new.ipynb" if n == 1 else f".new{n}.ipynb")
        if not beside.exists() or _sha(beside.read_bytes()) == entry.get("beside"):
            _write(beside, text)
            return beside.name
        n += 1


def _state(work: Path) -> dict[str, dict[str, str]]:
    # An unreadable state only means that every copy counts as changed, which loses nothing.
    try:
        found = json.loads((work / _STATE).read_text(encoding="utf8"))
        return {k: dict(v) for k, v in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(file: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".copying-", suffix=".tmp")
    with os.fdopen(handle, "wb") as out:
        out.write(content)
    os.chmod(name, 0o644)
    os.replace(name, file)


def command(root: Path, work: Path, *, browser: bool = True, port: int | None = None) -> list[str]:
    """The command that starts JupyterLab on the first lesson; its root is the clone, or a work folder outside it."""
    top, page = _page(root, work)
    line = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={top}", f"--LabApp.default_url=/{page}"]
    if not browser or _headless():
        line.append("--no-browser")
    if port is not None:
        line.append(f"--ServerApp.port={port}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        line.append("--allow-root")
    return line


def _page(root: Path, work: Path) -> tuple[Path, str]:
    root, work = root.resolve(), work.resolve()
    top = root if work.is_relative_to(root) else work
    return top, "lab/tree/" + (work / FIRST).relative_to(top).as_posix()


def _headless() -> bool:
    # Without a display Python's webbrowser may open a text browser on top of the server's own terminal.
    return sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_lab(root: Path, work: Path, *, browser: bool = True, port: int | None = None, say=print) -> int:
    """Start JupyterLab, say its address once it answers, and wait until it ends. Returns its exit status."""
    # Our defaults (no news, no update check: a lesson does not depend on a network); the user's own settings beat them.
    ours = str(Path(__file__).with_name("jupyter"))
    paths = os.pathsep.join(filter(None, [ours, os.environ.get("JUPYTER_CONFIG_PATH")]))
    server = subprocess.Popen(
        command(root, work, browser=browser, port=port), cwd=root, env={**os.environ, "JUPYTER_CONFIG_PATH": paths}
    )
    threading.Thread(target=_announce, args=(server, _page(root, work)[1], say), daemon=True).start()
    # Ctrl-C reaches the server too; it asks whether to stop, and this process must live to hear the answer.
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        return server.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce(server: subprocess.Popen, page: str, say, patience: float = 300.0) -> None:
    from jupyter_core.paths import jupyter_runtime_dir

    file = Path(jupyter_runtime_dir()) / f"jpserver-{server.pid}.json"
    end = time.monotonic() + patience
    while time.monotonic() < end and server.poll() is None:
        try:
            found = json.loads(file.read_text(encoding="utf8"))
            urllib.request.urlopen(found["url"] + "api", timeout=5).close()
        except (OSError, ValueError, KeyError, urllib.error.URLError):
            time.sleep(0.2)
            continue
        token = f"?token={found['token']}" if found.get("token") else ""
        say(f"\nThe course is open at\n\n    {found['url']}{page}{token}\n\nCtrl-C here ends it.\n")
        return
