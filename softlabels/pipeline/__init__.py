"""From a learner's own table to a folder that classifies texts without torch: what `softlabels distil` does.

outcome = distil(Source(Path("my_data.csv")), Settings(parse_limits("10MB,5ms")), Path("my_data-model"))
"""

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from softlabels.distill import export
from softlabels.distill.teacher import weights_sha256
from softlabels.tasks.table import Source, TableError, read_table

from . import card, stages
from .bases import BaseError, find_base
from .limits import Limits, parse_limits
from .run_folder import RunFolder, RunMismatch
from .stages import NothingFits, Settings

__all__ = [
    "BaseError", "Limits", "NothingFits", "Outcome", "RunMismatch", "Settings", "Source", "TableError", "distil",
    "find_base", "parse_limits", "read_table",
]  # fmt: skip

CARD = "model_card.md"


@dataclass(frozen=True)
class Outcome:
    """folder: what was exported. chosen: its row of stages.try_candidates. found: its figures on the test set."""

    folder: Path
    chosen: dict
    found: dict
    fits: bool


def distil(
    source: Source,
    settings: Settings,
    out: Path,
    *,
    run_path: Path | None = None,
    fresh: bool = False,
    best_effort: bool = False,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Distil a table's texts into a model that keeps a budget, and write the folder.

    out: the exported folder; one that this function wrote before is replaced, another is refused. run_path: where the
    stages are kept, `NAME-run` beside it if not given. best_effort: without a student that fits, take the nearest.
    Raises TableError, BaseError, RunMismatch, NothingFits and the carriers' FetchError, each saying what to do.
    """
    if out.exists() and not {path.name for path in out.iterdir()} <= {
        *export.SHIPPED,
        export.PREDICT,
        CARD,
        "__pycache__",
    }:
        raise RunMismatch(
            f"{out} holds something that was not exported by this command: name another folder with --out"
        )
    base = find_base(settings.teacher)
    say(f"Reading {source.path} ...")
    table = read_table(source)
    counts = [int((table.split == i).sum()) for i in range(4)]
    say(
        f"{len(table):,} different texts, {len(table.classes):,} classes: {counts[0]:,} to train the teacher, "
        f"{counts[1]:,} to choose with, {counts[2]:,} to test with, {counts[3]:,} without a label."
    )
    for finding in table.findings:
        say(f"  Note: {finding}")
    with open(source.path, "rb") as file:
        data_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    about = dict(
        settings=dataclasses.asdict(settings),
        columns=dict(text=source.text, label=source.label, encoding=source.encoding),
        data_sha256=data_sha256,
        base_sha256=weights_sha256(base),
    )
    about = {**about.pop("settings"), **about}
    for name in ("limits", "sizes", "students"):  # another budget goes on with the same teacher and soft labels
        del about[name]
    run = RunFolder(run_path or out.with_name(f"{out.name}-run"), about, fresh)
    try:
        return _stages(run, table, base, settings, out, best_effort, say)
    finally:
        run.close()


def _stages(run, table, base, settings, out, best_effort, say) -> Outcome:
    def step(stage: str, text: str) -> None:
        say(f"{text}{' (done before)' if run.has(stage) else ' ...'}")

    step("data", "Cutting the texts into word pieces")
    data = stages.prepare(run, table, base, settings)
    step(stages.shapes_stage(settings), f"Measuring which sizes keep the budget ({settings.limits})")
    measured = stages.measure_shapes(run, data, base, settings)
    names = stages.choose_shapes(measured, settings.limits, settings.students, best_effort)
    say(f"  To be trained: {', '.join(names)}. {stages.estimate(data, base, settings, names)}")
    step("teacher", "Training the teacher")
    teacher = stages.teach(run, data, base, settings)
    step("soft-labels", "Asking the teacher for soft labels")
    soft_labels = stages.label(run, data, base, teacher)
    students, tried = {}, []
    for name in names:
        step(f"student-{name}", f"Training the student {name}")
        students[name] = stages.learn(run, data, base, settings, teacher, soft_labels, name)
        step(f"candidates-{name}", f"Exporting and measuring {name} in its forms")
        tried += stages.try_candidates(run, data, name, students[name])
    chosen = stages.choose(tried, settings.limits, best_effort)
    say(f"Chosen: {chosen['size']}, {stages.describe(chosen['words'], chosen['kind'])}. Measuring on the test set ...")
    found = stages.measure_chosen(data, chosen, students[chosen["size"]], soft_labels)
    text = card.write_card(table, settings, settings.teacher or "all-MiniLM-L6-v2", chosen, tried, found)
    publish(Path(chosen["folder"]), text, out)
    fits = settings.limits.excess(found["megabytes"], found["latency"][1]["p50"]) <= 1
    return Outcome(out, chosen, found, fits)


def publish(candidate: Path, text: str, out: Path) -> None:
    """Copy a candidate and its card to where the learner wants them, whole or not at all."""
    part, old = out.with_name(f".{out.name}.part"), out.with_name(f".{out.name}.old")
    for path in (part, old):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(candidate, part)
    (part / CARD).write_text(text, encoding="utf-8")
    if out.exists():
        os.replace(out, old)
    os.replace(part, out)
    shutil.rmtree(old, ignore_errors=True)
