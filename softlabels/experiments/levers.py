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
from softlabels.distill.early_exit import early_exit
from softlabels.distill.low_rank import narrow_embeddings
from softlabels.distill.pruning import head_importance, keep_pruned, prune_heads, prune_weights
from softlabels.experiments.base import Cell, Experiment, soft_labels_of, some
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
FEWER_PIECES = ("depth 2", "width 128, depth 2")

# A pruned teacher has little to learn and much to lose, a student with new parts the opposite, so one learning rate for
# all would decide the comparison. Each arm takes its family's, which levers-pilot tried on the family's first arm.
FAMILIES = {
    "depth 3": ("depth 3", "depth 2", "depth 1", "depth 2, narrow word table"),
    "width 256, depth 4": ("width 256, depth 4",),
    "width 128, depth 2": ("width 128, depth 2",),
    "6 of 12 heads": ("6 of 12 heads",),
    "80% of weights pruned": ("80% of weights pruned",),
    "shared layer, 3 passes": ("shared layer, 3 passes",),
    EARLY_EXIT: (EARLY_EXIT,),
}
TRIED_RATES = {
    "depth 3": (1e-4, 3e-4, 1e-3),
    "width 256, depth 4": (3e-4, 1e-3, 3e-3),
    "width 128, depth 2": (1e-3, 3e-3, 1e-2),
    "6 of 12 heads": (3e-5, 1e-4, 3e-4),
    "80% of weights pruned": (1e-4, 3e-4, 1e-3),
    "shared layer, 3 passes": (1e-4, 3e-4, 1e-3),
    EARLY_EXIT: (1e-3, 3e-3, 1e-2),
}
CHOSEN_RATES = {  # the best of them on validation
    "6 of 12 heads": 0.0001,
    "80% of weights pruned": 0.001,
    "depth 3": 0.0003,
    EARLY_EXIT: 0.01,
    "shared layer, 3 passes": 0.001,
    "width 128, depth 2": 0.003,
    "width 256, depth 4": 0.001,
}
PILOT_SEED = 5  # none of the five


class Levers(StudentExperiment):
    name = "levers"
    description = "each lever on the teacher, recovered by distillation on one budget; in fp32, int8, with fewer pieces"
    arms = (*BUILD, EARLY_EXIT)
    updates = 200
    columns = ("accuracy", "agreement", "ece")

    def settings(self):
        about = dict(heads=HEADS, share=SHARE, passes=SHARED_PASSES, table_width=TABLE_WIDTH, pieces=PIECES)
        about |= dict(probes=PROBES, thresholds=list(THRESHOLDS), fewer=list(FEWER_PIECES), rates=CHOSEN_RATES)
        return super().settings() | about | dict(student=None)

    def run_cell(self, cell, settings, tell):
        (family,) = (first for first, arms in FAMILIES.items() if cell.arm in arms)
        rate = settings["rates"][family]
        student, about = self.recover(cell, rate, settings, tell)
        task, about = tasks.load(settings["task"]), about | dict(learning_rate=rate)
        if cell.arm == EARLY_EXIT:
            rows = exit_rows(student, task, self.quick)
            arrays = {name: value.numpy() for name, value in student.heads.state_dict().items()}
        else:
            forms = (FP32, INT8, FEWER) if cell.arm in FEWER_PIECES else (FP32, INT8)
            rows, arrays = form_rows(student, task, forms, self.quick)
        return [about | row for row in rows], arrays

    def recover(self, cell: Cell, rate: float, settings: dict, tell) -> tuple:
        """Pull a lever on the teacher and distil what is left; return it with the columns that say how."""
        task = tasks.load(settings["task"])
        teacher, texts = teacher_of(task), all_texts(task)
        transfer_set = distill.TransferSet(texts.tokens, teacher_logits=soft_labels_of(task).logits_for(texts.ids))
        exits = cell.arm == EARLY_EXIT
        student = distill.Exits(teacher, cell.seed) if exits else BUILD[cell.arm](teacher, task, cell.seed)
        objective = distill.exits_loss if exits else distill.SoftLabelLoss()
        about = self.train(student, transfer_set, objective, cell, settings | rated(settings, rate), tell)
        return distill.keep_pruned(student), about


class LeversPilot(Levers):
    """Which learning rate suits each family of arms? The test set is not looked at."""

    name = "levers-pilot"
    description = "the learning rate of each lever's recovery, by accuracy on validation, one run each"
    arms = tuple(f"{family}, rate {rate:g}" for family, rates in TRIED_RATES.items() for rate in rates)
    seeded = False
    columns = ("validation_accuracy",)

    def settings(self):
        return {name: value for name, value in super().settings().items() if name != "rates"} | dict(seed=PILOT_SEED)

    def run_cell(self, cell, settings, tell):
        family, rate = cell.arm.rsplit(", rate ", 1)
        student, about = self.recover(Cell(family, settings["seed"]), float(rate), settings, tell)
        validation = some(tasks.load(settings["task"]).split("validation"), 100 if self.quick else None)
        logits = distill.predict(student, validation.tokens)
        answers = student.by_layer(logits) if family == EARLY_EXIT else logits[None]  # of exits, the mean over all
        found = sum(distill.accuracy(answer, validation.labels) for answer in answers) / len(answers)
        return [about | dict(family=family, learning_rate=float(rate), validation_accuracy=found)], {}


def rated(settings: dict, rate: float) -> dict:
    return dict(budget=settings["budget"] | dict(learning_rate=rate))


def teacher_of(task) -> distill.SmallBert:
    return distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir(task.name)).model


class LeversOneShot(Experiment):
    """What compression alone does to the teacher: nothing is trained; only the texts that rank heads are drawn."""

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
        teacher = teacher_of(task)
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
    """Export a student of the course's tokenizer in a form, and open it.

    fp32 is the model as it is. In int8, the rows of the word table that no text can ask for are left out: BERT's
    vocabulary keeps about a thousand places free for words to come.
    """
    tokenizer, keep = tasks.tokenizer(), None
    if form != FP32:
        keep = vocabulary.usable_pieces(tokenizer)
        if form == FEWER:
            keep = vocabulary.pieces_to_keep(tokenizer, all_texts(task).tokens.values, PIECES)
    return export_kept(student, tokenizer, keep, task.classes, folder, int8=form != FP32)


def export_kept(student, tokenizer, keep, classes, folder: Path, int8: bool):
    """Export a student with these pieces of its tokenizer (None: all), which says how long a text may be; open it."""
    longest = tokenizer.truncation["max_length"]
    if keep is not None:
        tokenizer = vocabulary.trim_tokenizer(tokenizer, keep)
    export.export_folder(vocabulary.trim_student(student, keep, longest), tokenizer, classes, folder, int8)
    return export.open_folder(folder)


def exit_rows(exits, task, quick: bool) -> list[dict]:
    """Measure early exit at each threshold; layers is how many a text passes through on average."""
    parameters = sum(p.numel() for p in exits.parameters())
    splits = {split: some(task.split(split), 100 if quick else None) for split in ("validation", "test")}
    asked = {split: exits.by_layer(distill.predict(exits, examples.tokens)) for split, examples in splits.items()}
    rows = []
    for threshold in THRESHOLDS:
        row = dict(form=f"threshold {threshold}", parameters=parameters)
        for split, examples in splits.items():
            logits, layers = early_exit(asked[split], threshold)
            found = measure_quality(logits, examples.labels, soft_labels_of(task).logits_for(examples.ids))
            found |= dict(layers=layers.double().mean().item())
            row |= {name if split == "test" else f"validation_{name}": value for name, value in found.items()}
        rows.append(row)
    return rows
