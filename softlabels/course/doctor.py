"""What a learner's machine has and lacks, and the command that mends each lack."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Finding", "diagnose_machine"]

_ROOM = 1_000_000_000  # bytes: the carriers unpacked, a learner's own runs, and room to breathe


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``needed``: whether the lessons cannot run without it. ``mend``: the command to give."""

    what: str
    ok: bool
    said: str
    mend: str = ""
    needed: bool = True


def diagnose_machine() -> Iterator[Finding]:
    """Look at everything a lesson needs, in the order in which it would be missed."""
    from softlabels.tasks import home

    root = home.root()
    yield from _python_and_packages(root)
    yield from _data()
    yield _disk(home.cache())
    yield _work(home.work())
    yield from _machine()


def _python_and_packages(root: Path) -> Iterator[Finding]:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    version = ".".join(map(str, sys.version_info[:3]))
    file = root / "pyproject.toml"
    if not file.exists():
        yield Finding(
            "the clone", False, f"no pyproject.toml in {root}", "set SOFTLABELS_HOME to the folder you cloned"
        )
        return
    project = tomllib.loads(file.read_text(encoding="utf8"))["project"]
    ranges = project["requires-python"]
    yield Finding(
        "Python",
        version in SpecifierSet(ranges),
        version if version in SpecifierSet(ranges) else f"{version} (wanted: {ranges})",
        "make lab PYTHON=python3.12",
    )
    packages = [_package(Requirement(line), needed=True, mend="pip install -e .") for line in project["dependencies"]]
    yield from (finding for finding in packages if not finding.ok)
    if all(finding.ok for finding in packages):
        versions = {finding.what: finding.said for finding in packages}
        said = f"all {len(packages)}, among them torch {versions.get('torch')}, jupyterlab {versions.get('jupyterlab')}"
        yield Finding("packages", True, said)
    for line in project.get("optional-dependencies", {}).get("teach", ()):
        yield _package(Requirement(line), needed=False, mend="pip install -e '.[teach]'  (to build and to grade)")


def _package(wanted, needed: bool, mend: str) -> Finding:
    try:
        found = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(wanted.name, False, "not installed", mend, needed)
    ok = wanted.specifier.contains(found, prereleases=True)
    return Finding(wanted.name, ok, found if ok else f"{found} (wanted: {wanted.specifier})", mend, needed)


def _data() -> Iterator[Finding]:
    from softlabels.tasks import carriers, home

    try:
        missing = set(carriers.missing())
        for name, source in carriers.sources().items():
            if source.lessons and name not in carriers.missing([name]):
                yield Finding(source.title, True, "fetched")
            elif name in missing:
                yield Finding(source.title, False, "not fetched", f"softlabels fetch {name}")
            else:
                yield Finding(
                    source.title, False, "not fetched", f"softlabels fetch {name}  (later lessons)", needed=False
                )
    except (OSError, ValueError, carriers.FetchError) as error:
        yield Finding("carriers", False, f"data/sources.toml: {error}", "git checkout data/sources.toml")
    shipped = "git checkout data"
    teacher = home.teacher_dir("wordnet")
    adapter = any(teacher.glob("*.safetensors")) if teacher.is_dir() else False
    yield Finding("the teacher", adapter, "shipped adapter found" if adapter else "no adapter in the clone", shipped)
    labels = home.soft_labels_file("wordnet").is_file()
    yield Finding("the soft labels", labels, "found" if labels else "not in the clone", shipped)


def _disk(cache: Path) -> Finding:
    folder = cache
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    said = f"{free / 1e9:.1f} GB free for the cache"
    return Finding("disk", free >= _ROOM, said, f"free {_ROOM / 1e9:.0f} GB, or set SOFTLABELS_CACHE to another disk")


def _work(work: Path) -> Finding:
    mend = "set SOFTLABELS_WORK to a folder of your own"
    try:
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=work):
            pass
    except OSError as error:
        return Finding("work folder", False, f"{work}: {error.strerror}", mend)
    return Finding("work folder", True, str(work))


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("cores", True, str(cores))
    try:
        import torch

        from softlabels.distill.batching import best_device, best_precision

        device = best_device()
        precision = str(best_precision(device)).removeprefix("torch.")
    except (ImportError, OSError, RuntimeError) as error:
        yield Finding("torch runs", False, f"{type(error).__name__}: {error}", "pip install --force-reinstall torch")
        return
    said = f"{device}, {torch.get_num_threads()} threads; fastest precision measured: {precision}"
    yield Finding("torch runs", True, said)
