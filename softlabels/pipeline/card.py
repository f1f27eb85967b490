"""The model card: every number in it comes from the run."""

import platform
import time
from importlib.metadata import version

import numpy as np
import onnxruntime
import torch

from softlabels.distill.metrics import accuracy_interval
from softlabels.tasks.provenance import commit, processor
from softlabels.tasks.table import SPLITS, Table

from .stages import Settings, describe

MOST_CLASSES = 40  # rows of the class table; of more classes, those that go worst


def write_card(table: Table, settings: Settings, chosen: dict, tried: list[dict], found: dict) -> str:
    """Return the card as Markdown.

    chosen, tried: rows of stages.try_candidates. found: what stages.measure_chosen returned.
    """
    source, student, n = table.source, found["models"]["student, as shipped"], found["n"]
    teacher, plain = found["models"]["teacher"], found["models"]["student, before compression"]
    fits = settings.limits.excess(found["megabytes"], found["latency"][1]["p50"]) <= 1
    low, high = accuracy_interval(student["accuracy"], n)
    base = settings.teacher or "all-MiniLM-L6-v2"
    lines = [
        f"# A classifier of short texts, distilled from {source.path.name}",
        "",
        f"It tells {len(table.classes):,} classes apart. On {n:,} texts that it has not seen it is right in "
        f"{student['accuracy']:.1%} (95% interval {low:.1%} to {high:.1%}); its teacher in {teacher['accuracy']:.1%}.",
        f"It takes {found['megabytes']:.2f} MB on disk and {found['latency'][1]['p50']:.2f} ms a text (median, one "
        f"thread). The budget was {settings.limits}: {'kept' if fits else '**not kept**'}.",
        "",
        '    pip install onnxruntime tokenizers numpy\n    python predict.py "a text" "another"',
        "",
        "## How good",
        "",
        f"Test set: {n:,} texts, used for nothing else in this run. ECE: expected calibration error, 15 bins.",
        "",
        "| model | accuracy | agrees with the teacher | ECE | negative log-likelihood |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {m['accuracy']:.1%} | {m['agreement']:.1%} | {m['ece']:.3f} | {m['nll']:.3f} |"
            for name, m in found["models"].items()
        ),
        "",
        f"Compression ({describe(chosen)}) changed the accuracy by "
        f"{100 * (student['accuracy'] - plain['accuracy']):+.1f} points" + _int8_loss(found["models"]) + ".",
        "",
        "## How fast, how large",
        "",
        f"Model, tokenizer and labels: {found['megabytes']:.2f} MB (10^6 bytes). ONNX Runtime, one thread, from text "
        f"to logits, {processor()}:",
        "",
        "| texts at once | median | 95th percentile |",
        "|---|---|---|",
        *(f"| {count} | {ms['p50']:.2f} ms | {ms['p95']:.2f} ms |" for count, ms in found["latency"].items()),
        "",
        "## How it was chosen",
        "",
        "On the validation set, among those that keep the budget.",
        "",
        "| student | form | MB | median ms | accuracy (validation) | keeps the budget |",
        "|---|---|---|---|---|---|",
        *(_candidate(row, settings, chosen) for row in tried),
        "",
        f"Largest difference of a logit between ONNX and torch, in fp32, on at most 50 validation texts: "
        f"{max(r['gap'] or 0 for r in tried):.1e}.",
        "",
        "## Data",
        "",
        "| split | texts | used for |",
        "|---|---|---|",
        *_splits(table),
        "",
        *(f"- {line}" for line in table.findings),
        "",
        "The share of the test texts of each class that are named rightly:",
        "",
        "| class | train | validation | test | teacher | student |",
        "|---|---|---|---|---|---|",
        *_classes(table, found["recall"]),
        "",
        "## Known limits",
        "",
        f"- A text is cut after {settings.max_pieces} word pieces (with [CLS] and [SEP]); what follows is not read.",
        "- It always names one of its classes, for any text in any language. A low probability is the only warning.",
        "- The figures hold for texts like those of the table. Texts from elsewhere, or from later, may go worse.",
        "- The student learned from its teacher's answers and repeats its mistakes; on texts that the teacher was "
        "trained on, those answers may be surer than elsewhere.",
        "- Several sizes and forms were compared on one validation set and trained with one seed: a small difference "
        "between them may be chance.",
        "",
        "## Made by",
        "",
        f"softlabels {version('softlabels')} (commit {commit() or 'unknown'}), torch {torch.__version__}, onnxruntime "
        f"{onnxruntime.__version__}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d', time.gmtime())}, "
        f"seed {settings.seed}. Teacher: {base}, LoRA, {settings.epochs} epochs. Student: {chosen['size']} "
        "(teacher-2: it began as 2 of the teacher's layers; 4x256: 4 layers, 256 wide, begun with the teacher's word "
        "vectors in fewer dimensions). A vocabulary that is cut down keeps the word pieces of the texts learned from, "
        "and others in the order of the teacher's vocabulary, as many as the budget has room for.",
    ]
    return "\n".join(lines) + "\n"


def _int8_loss(models: dict) -> str:
    if "student, as shipped but in fp32" not in models:
        return ""
    loss = models["student, as shipped"]["accuracy"] - models["student, as shipped but in fp32"]["accuracy"]
    return f", int8 alone by {100 * loss:+.1f}"


def _candidate(row: dict, settings: Settings, chosen: dict) -> str:
    mark = "**" if row["folder"] == chosen["folder"] else ""
    fits = "yes" if settings.limits.excess(row["megabytes"], row["p50_ms"]) <= 1 else "no"
    return (
        f"| {mark}{row['size']}{mark} | {describe(row)} | {row['megabytes']:.2f} | {row['p50_ms']:.2f} "
        f"| {row['validation_accuracy']:.1%} | {fits} |"
    )


def _splits(table: Table) -> list[str]:
    used = (
        "teacher and student learn from it",
        "choosing",
        "the figures above",
        "the student alone learns from it",
    )
    counts = np.bincount(table.split, minlength=len(SPLITS))
    return [f"| {name} | {count:,} | {use} |" for name, count, use in zip(SPLITS, counts, used, strict=True)]


def _classes(table: Table, recall: dict) -> list[str]:
    counts, student = table.counts(), recall["student, as shipped"]
    known = sorted((i for i, share in enumerate(student) if share is not None), key=lambda i: student[i])
    shown = sorted(known[:MOST_CLASSES]) if len(table.classes) > MOST_CLASSES else range(len(table.classes))
    lines = []
    for i in shown:
        shares = ["" if column[i] is None else f"{column[i]:.0%}" for column in recall.values()]
        name = table.classes[i].replace("|", "\\|")
        lines.append(f"| {name} | {' | '.join(f'{n:,}' for n in counts[i])} | {' | '.join(shares)} |")
    if rest := len(table.classes) - len(shown):
        lines.append(f"| ({rest:,} more classes, which go better or were not tested) | | | | | |")
    return lines
