"""A run on disk, in stages: what is finished is kept, and a run that was killed goes on with the same command.

A stage works in a folder of its own, `.part-NAME`, which is renamed to `NAME` when it is complete. So a stage's folder
is whole, or is not there.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock

from softlabels.distill.transfer import write_atomically

MANIFEST = "softlabels-run.json"  # a name that no other program uses: --fresh empties only a folder that holds it


class RunMismatch(ValueError):
    """The run folder holds another run: other settings, or other data."""


class RunFolder:
    """Open the folder of a run, or start one.

    about: what the run depends on, as JSON; a folder that was started with something else is refused (RunMismatch).
    fresh: forget what is there. The folder is locked until close(), so that two commands cannot mix in it.
    """

    def __init__(self, path: Path, about: dict, fresh: bool = False):
        self.path, manifest = Path(path), Path(path) / MANIFEST
        if self.path.exists() and any(self.path.iterdir()) and not manifest.exists():
            raise RunMismatch(f"{path} holds something that is no run of this command: name another folder with --run")
        self.path.mkdir(parents=True, exist_ok=True)
        self.lock = filelock.FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            self.lock.acquire(timeout=0)
        except filelock.Timeout:
            raise RunMismatch(
                f"another command is at work in {path}: wait for it, or name another with --run"
            ) from None
        about = json.loads(json.dumps(about))
        if fresh:
            for old in self.path.iterdir():
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        if manifest.exists():
            before = json.loads(manifest.read_text(encoding="utf-8"))
            changed = [name for name in {**about, **before} if about.get(name) != before.get(name)]
            if changed:
                self.close()
                was = "; ".join(
                    f"{name} was {_short(before.get(name))}, is {_short(about.get(name))}" for name in changed
                )
                raise RunMismatch(
                    f"{path} was begun with something else: {was}. To go on with that run, give the same settings and "
                    "data; to start anew and forget it, add --fresh; to keep both, name another folder with --run."
                )
        write_atomically(manifest, (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())

    def stage(self, name: str, work: Callable[[Path], None], keep_parts: bool = False) -> Path:
        """Return the folder of a stage, after doing its work if it has not been done.

        work: fills the folder that it is given. keep_parts: it can go on from what a killed run left there.
        """
        done, part = self.path / name, self.path / f".part-{name}"
        if not done.exists():
            if part.exists() and not keep_parts:
                shutil.rmtree(part)
            part.mkdir(exist_ok=True)
            work(part)
            os.replace(part, done)
        return done

    def has(self, name: str) -> bool:
        return (self.path / name).exists()

    def close(self) -> None:
        self.lock.release()


def read_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _short(value, most: int = 40) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[:most] + "..."
