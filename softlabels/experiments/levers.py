"""Every lever on the same teacher: depth, width, heads, weights, sharing, a narrow word table, early exit, int8, fewer
word pieces; each as it is, and after recovery by distillation on one budget.
"""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from softlabels import distill, tasks
from softlabels.distill import export, vocabulary
from softlabels.distill.dashboard import measure_quality
from softlabels.distill.early_exit import Exits, early_exit, exits_loss
from softlabels.distill.low_rank import narrow_embeddings
from softlabels.distill.pruning import head_importance, keep_pruned, prune_heads, prune_weights
from softlabels.experiments.base import Experiment, soft_labels_of, some
from softlabels.experiments.students import StudentExperiment, all_texts

HEADS, SHARE, SHARED_PASSES, TABLE_WIDTH, PIECES = 6, 0.8, 3, 64, 8_000
PROBES = 200  # texts on which the importance of heads is measured
THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95)
FP32, INT8, FEWER = "fp32", "int8", "int8, fewer word pieces"


def depth(layers: int) -> Callable:
    """Begin with the teacher's embeddings and its lower layers."""
    return lambda teacher, task, seed: distill.student_from_teacher(
        teacher, distill.layer_map(layers, teacher.config.layers, "lower"), len(task.classes), seed
    )


def width(size: str) -> Callable:
    """Begin at random, but for the teacher's embeddings in fewer dimensions."""
    return lambda teacher, task, seed: narrow_embeddings(distill.make_student(size, len(task.classes), seed), teacher)


def few_heads(teacher, task, seed: int):
    """Cut the less important half of each layer's heads, as measured on texts that the seed draws."""
    student, texts = copy.deepcopy(teacher), all_texts(task)
    texts = texts.take(np.sort(np.random.default_rng(seed).permutation(len(texts))[:PROBES]))
    answers = torch.as_tensor(soft_labels_of(task).logits_for(texts.ids)).argmax(dim=-1)
    importance = head_importance(student, texts.tokens, answers)
    for layer, found in zip(student.layers, importance, strict=True):
        prune_heads(layer, sorted(found.topk(HEADS).indices.tolist()))
    return student.requires_grad_(True)


def few_weights(teacher, task, seed: int, share: float = SHARE):
    return prune_weights(copy.deepcopy(teacher).requires_grad_(True), share)


def shared(teacher, task, seed: int):
    """One layer, the teacher's first, passed through several times."""
    shape = replace(teacher.config, layers=SHARED_PASSES, pooling="mean", shared=True)
    student = distill.copy_embeddings(distill.make_student(shape, len(task.classes), seed), teacher)
    return distill.copy_layers(student, teacher, [1] * SHARED_PASSES)


def narrow_table(teacher, task, seed: int):
    """Depth 2 again, with a word table of few columns and a matrix that widens them."""
    shape = replace(teacher.config, layers=2, pooling="mean", table_width=TABLE_WIDTH)
    student = narrow_embeddings(distill.make_student(shape, len(task.classes), seed), teacher)
    return distill.copy_layers(student, teacher, (1, 2))


BUILD = {
    "depth 3": depth(3),
    "depth 2": depth(2),
    "depth 1": depth(1),
    "width 256, depth 4": width("4x256"),
    "width 128, depth 2": width("2x128"),
    "6 of 12 heads": few_heads,
    "80% of weights pruned": few_weights,
    "shared layer, 3 passes": shared,
    "depth 2, narrow word table": narrow_table,
}
EARLY_EXIT = "early exit"


class Levers(StudentExperiment):
    name = "levers"
    description = "each lever on the teacher, recovered by distillation on one budget; in fp32, int8, with fewer pieces"
    arms = (*BUILD, EARLY_EXIT)
    updates = 300
    columns = ("accuracy", "agreement", "ece")

    def budget(self):
        return replace(super().budget(), learning_rate=LEARNING_RATE)

    def settings(self):
        about = dict(heads=HEADS, share=SHARE, passes=SHARED_PASSES, table_width=TABLE_WIDTH, pieces=PIECES)
        return super().settings() | about | dict(probes=PROBES, thresholds=list(THRESHOLDS), fewer=list(FEWER_PIECES))

    def run_cell(self, cell, settings, tell):
        task = tasks.load(settings["task"])
        teacher = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir(task.name)).model
        texts = all_texts(task)
        transfer_set = distill.TransferSet(texts.tokens, teacher_logits=soft_labels_of(task).logits_for(texts.ids))
        if cell.arm == EARLY_EXIT:
            exits = Exits(teacher, cell.seed)
            about = self.train(exits, transfer_set, exits_loss, cell, settings, tell)
            rows = exit_rows(exits, task, self.quick)
            heads = {name: value.numpy() for name, value in exits.heads.state_dict().items()}
            return [about | row for row in rows], heads
        student = BUILD[cell.arm](teacher, task, cell.seed)
        about = self.train(student, transfer_set, distill.SoftLabelLoss(), cell, settings, tell)
        forms = (FP32, INT8, FEWER) if cell.arm in FEWER_PIECES else (FP32, INT8)
        rows, arrays = form_rows(keep_pruned(student), task, forms, self.quick)
        return [about | row for row in rows], arrays


FEWER_PIECES = ("depth 2", "width 128, depth 2")
LEARNING_RATE = 1e-3


class LeversOneShot(Experiment):
    """What compression alone does to the teacher: nothing is trained, and chance plays no part."""

    name = "levers-one-shot"
    description = "the teacher compressed without any training: layers, heads, weights, word pieces, int8"
    arms = ("teacher", "depth 3", "6 of 12 heads", "30% of weights pruned", "50% of weights pruned",
            "80% of weights pruned")  # fmt: skip
    seeded = False

    def settings(self):
        task = tasks.load("wordnet")
        cache = soft_labels_of(task)
        return dict(
            task=task.name,
            task_fingerprint=task.fingerprint,
            soft_labels_sha256=cache.manifest.sha256,
            teacher_sha256=cache.manifest.teacher_sha256,
            heads=HEADS,
            pieces=PIECES,
            probes=PROBES,
            quick=self.quick,
        )

    def units(self):
        return 1

    def run_cell(self, cell, settings, tell):
        task = tasks.load(settings["task"])
        teacher = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir(task.name)).model
        forms = (FP32, INT8, FEWER) if cell.arm == "teacher" else (FP32,)
        student = teacher
        if cell.arm == "depth 3":
            student = copy.deepcopy(teacher)
            del student.layers[3:]
        elif cell.arm == "6 of 12 heads":
            student = few_heads(teacher, task, cell.seed)
        elif cell.arm.endswith("pruned"):
            student = keep_pruned(few_weights(teacher, task, cell.seed, float(cell.arm.split("%")[0]) / 100))
        return form_rows(student, task, forms, self.quick)


def form_rows(student, task, forms, quick: bool) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Measure a student in each form, one row a form; the arrays say which test texts it got right."""
    student = student.cpu().eval()
    rows, arrays = [], {}
    parameters = sum(p.numel() for p in student.parameters())  # a shared one counts once
    for form in forms:
        row = dict(form=form, parameters=parameters)
        for split in ("validation", "test"):
            examples = some(task.split(split), 100 if quick else None)
            logits = (
                distill.predict(student, examples.tokens) if form == FP32 else as_shipped(student, task, form, examples)
            )
            found = measure_quality(logits, examples.labels, soft_labels_of(task).logits_for(examples.ids))
            row |= {name if split == "test" else f"validation_{name}": value for name, value in found.items()}
        rows.append(row)
        arrays["correct" if form == FP32 else f"correct, {form}"] = distill.correct(logits, examples.labels).numpy()
    return rows, arrays


def as_shipped(student, task, form: str, examples):
    """Return the logits of the exported model, one text at a time, as its user will get them."""
    with tempfile.TemporaryDirectory() as scratch:
        classifier = ship(student, task, form, Path(scratch))
        return export.exported_logits(classifier, examples.texts)


def ship(student, task, form: str, folder: Path):
    """Export a student of the course's tokenizer in a form, and open it."""
    tokenizer, keep = tasks.tokenizer(), None
    if form == FEWER:
        keep = vocabulary.pieces_to_keep(tokenizer, all_texts(task).tokens.values, PIECES)
        tokenizer = vocabulary.trim_tokenizer(tokenizer, keep)
    student = vocabulary.trim_student(student, keep, max_length=64)
    export.export_folder(student, tokenizer, task.classes, folder, int8=form != FP32)
    return export.open_folder(folder)


def exit_rows(exits, task, quick: bool) -> list[dict]:
    """Measure early exit at each threshold; layers is how many a text passes through on average."""
    rows = []
    parameters = sum(p.numel() for p in exits.parameters())
    for threshold in THRESHOLDS:
        row = dict(form=f"threshold {threshold}", parameters=parameters)
        for split in ("validation", "test"):
            examples = some(task.split(split), 100 if quick else None)
            logits, layers = early_exit(exits.by_layer(distill.predict(exits, examples.tokens)), threshold)
            found = measure_quality(logits, examples.labels, soft_labels_of(task).logits_for(examples.ids))
            found |= dict(layers=layers.double().mean().item())
            row |= {name if split == "test" else f"validation_{name}": value for name, value in found.items()}
        rows.append(row)
    return rows
