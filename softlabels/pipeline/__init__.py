"""From a learner's own table to a folder that classifies texts without torch: what `softlabels distil` does.

outcome = distil(Source(Path("my_data.csv")), Settings(parse_limits("10MB,5ms")), Path("my_data-model"))

The stages that it goes through can be called one by one, too: see stages.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from softlabels.distill import export
from softlabels.tasks.table import Source, TableError, read_table

from . import stages
from .bases import BaseError, find_base
from .board import BrokenEntry, read_board, write_entry
from .card import write_card
from .limits import Limits, parse_limits
from .run_folder import RunMismatch
from .stages import (
    Job,
    NothingFits,
    Settings,
    ask_teacher,
    begin,
    choose,
    choose_shapes,
    describe,
    estimate,
    learn,
    measure_chosen,
    measure_shapes,
    prepare,
    run_name,
    teach,
    try_candidates,
)

__all__ = [
    "BaseError", "BrokenEntry", "Job", "Limits", "NothingFits", "Outcome", "RunMismatch", "Settings", "Source",
    "TableError", "ask_teacher", "begin", "choose", "choose_shapes", "describe", "distil", "estimate",
    "find_base", "learn", "measure_chosen", "measure_shapes", "parse_limits", "prepare", "publish", "read_board",
    "read_table", "run_name", "teach", "try_candidates", "write_card", "write_entry",
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
    find_base(settings.teacher)  # a wrong name is said before the table is read
    say(f"Reading {source.path} ...")
    table = read_table(source)
    counts = [int((table.split == i).sum()) for i in range(4)]
    say(
        f"{len(table):,} different texts, {len(table.classes):,} classes: {counts[0]:,} to train the teacher, "
        f"{counts[1]:,} to choose with, {counts[2]:,} to test with, {counts[3]:,} without a label."
    )
    for finding in table.findings:
        say(f"  Note: {finding}")
    with begin(table, settings, run_path or out.with_name(f"{out.name}-run"), fresh=fresh) as job:
        return _stages(job, out, best_effort, say)


def _stages(job: Job, out: Path, best_effort: bool, say: Callable[[str], None]) -> Outcome:
    def step(stage: str, text: str) -> None:
        say(f"{text}{' (done before)' if job.folder.has(stage) else ' ...'}")

    settings, limits = job.settings, job.settings.limits
    step("data", "Cutting the texts into word pieces")
    data = prepare(job)
    step(stages.shapes_stage(settings), f"Measuring which sizes keep the budget ({limits})")
    measured = measure_shapes(job, data)
    names = choose_shapes(measured, limits, settings.students, best_effort)
    say(f"  To be trained: {', '.join(names)}. {estimate(job, data, names)}")
    step("teacher", "Training the teacher")
    teacher = teach(job, data)
    step("soft-labels", "Asking the teacher for soft labels")
    soft_labels = ask_teacher(job, data, teacher)
    students, tried = {}, []
    for name in names:
        step(f"student-{name}", f"Training the student {name}")
        students[name] = learn(job, data, teacher, soft_labels, name)
        step(stages.candidates_stage(name, measured[name]), f"Exporting and measuring {name} in its forms")
        tried += try_candidates(job, data, name, students[name], measured[name])
    chosen = choose(tried, limits, best_effort)
    say(f"Chosen: {chosen['size']}, {describe(chosen)}. Measuring on the test set ...")
    found = measure_chosen(data, chosen, students[chosen["size"]], soft_labels)
    publish(chosen, write_card(job.table, settings, chosen, tried, found), out)
    return Outcome(out, chosen, found, limits.excess(found["megabytes"], found["latency"][1]["p50"]) <= 1)


def publish(chosen: dict, text: str, out: Path) -> None:
    """Copy a candidate and its card to where the learner wants them, whole or not at all.

    chosen: a row of try_candidates. text: what write_card returned.
    """
    part, old = out.with_name(f".{out.name}.part"), out.with_name(f".{out.name}.old")
    for path in (part, old):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(chosen["folder"], part)
    (part / CARD).write_text(text, encoding="utf-8")
    if out.exists():
        os.replace(out, old)
    os.replace(part, out)
    shutil.rmtree(old, ignore_errors=True)
