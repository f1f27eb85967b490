"""The measured options of the case clinic: small students for mail, newswire, requests in 32 languages, and few labels.

Within a case all arms share a budget, a learning rate (the pilot's, chosen on validation) and a shape; each is measured
in fp32 and as it would ship, in int8. Calibration: one temperature, fitted on validation, is applied to the test set.
"""

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from softlabels import distill, tasks
from softlabels.distill import export, vocabulary
from softlabels.distill.dashboard import measure_quality
from softlabels.distill.low_rank import narrow_embeddings
from softlabels.experiments.base import Cell, soft_labels_of, some
from softlabels.experiments.headline import SHAPES
from softlabels.experiments.levers import FP32, INT8, export_kept, rated, teacher_of
from softlabels.experiments.students import StudentExperiment, all_texts, labelled_texts
from softlabels.experiments.teacher import FewLabels

SMALL, WIDE = SHAPES["2 layers of 128"], SHAPES["1 layer of 256"]
TABLE_WIDTH, PIECES = 32, 4_000
AFTER = f"int8, {PIECES:,} pieces, cut off after training"


@dataclass(frozen=True)
class Arm:
    """What an arm learns from, and what it is.

    soft: from the teacher's soft labels for all texts that are not held out; else from the labelled ones' hard labels.
    words: begins with the teacher's word vectors in fewer dimensions. read: how many word pieces of a text; None, as
    many as the task keeps. pieces: of the vocabulary, cut off before training; None, all.
    """

    soft: bool = True
    shape: distill.SmallBertConfig = WIDE
    words: bool = True
    read: int | None = None
    pieces: int | None = None
    forms: tuple[str, ...] = (INT8,)


class Clinic(StudentExperiment):
    """One case's students. A subclass names its task and its arms."""

    options: dict[str, Arm]
    rate: float
    updates = 600
    columns = ("validation_accuracy", "accuracy", "mean_recall", "ece", "fitted_ece")

    def settings(self):
        options = {arm: asdict(option) for arm, option in self.options.items()}
        about = dict(options=options, table_width=TABLE_WIDTH, pieces=PIECES, rate=self.rate)
        return super().settings() | about | dict(student=None)

    def run_cell(self, cell, settings, tell):
        task, option = tasks.load(settings["task"]), self.options[cell.arm]
        tokenizer = tokenizer_of(option, task)
        student, about = self.learn(cell, option, tokenizer, settings["rate"], settings, tell)
        rows, arrays, splits = [], {}, held_out(task, self.quick)
        for form in option.forms:
            asked = {name: logits_of(student, tokenizer, task, form, examples) for name, examples in splits.items()}
            row, more = measure(asked, splits, task, self.teacher_logits)
            rows.append(about | dict(form=form) | row)
            arrays |= {name if form == FP32 else f"{name}, {form}": array for name, array in more.items()}
        return rows, arrays

    def learn(self, cell: Cell, option: Arm, tokenizer, rate: float, settings: dict, tell) -> tuple:
        """Train one arm's student; return it with the columns that say how."""
        task = tasks.load(settings["task"])
        texts = all_texts(task) if option.soft else self.labelled(task)
        tokens = tokens_of(texts, tokenizer, task, option)
        soft = dict(teacher_logits=self.teacher_logits(task, texts.ids)) if option.soft else dict(labels=texts.labels)
        objective = distill.SoftLabelLoss() if option.soft else distill.HardLabelLoss()
        student = distill.make_student(option.shape, len(task.classes), cell.seed, tokenizer.get_vocab_size())
        if option.words:
            teacher = self.teacher(task)
            if option.pieces is not None:
                teacher = vocabulary.trim_student(teacher, pieces_of(option, task), teacher.config.max_length)
            narrow_embeddings(student, teacher)
        transfer_set = distill.TransferSet(tokens, **soft)
        about = self.train(student, transfer_set, objective, cell, settings | rated(settings, rate), tell)
        parameters = sum(p.numel() for p in student.parameters())
        return student.cpu().eval(), about | dict(learning_rate=rate, parameters=parameters)

    def labelled(self, task):
        return task.split("labelled")

    def teacher(self, task):
        return teacher_of(task)

    def teacher_logits(self, task, ids):
        return soft_labels_of(task).logits_for(ids)


def tokenizer_of(option: Arm, task):
    """Return the tokenizer that an arm's texts are cut with."""
    tokenizer = tasks.tokenizer(option.read or task.max_pieces, task.name)
    if option.pieces is None:
        return tokenizer
    trimmed = vocabulary.trim_tokenizer(tokenizer, pieces_of(option, task))
    trimmed.enable_truncation(option.read or task.max_pieces)
    return trimmed


def pieces_of(option: Arm, task) -> np.ndarray:
    """Return the ids, in the task's vocabulary, of the word pieces that an arm keeps."""
    tokenizer = tasks.tokenizer(option.read or task.max_pieces, task.name)
    return vocabulary.pieces_to_keep(tokenizer, all_texts(task).tokens.values, option.pieces)


def tokens_of(examples, tokenizer, task, option: Arm):
    """Return the examples' word pieces: the task's own, or cut anew where the arm reads others."""
    return examples.tokens if option.read is option.pieces is None else tasks.store.cut(examples.texts, tokenizer)


def ship(student, tokenizer, task, form: str, folder: Path):
    """Export a student with its tokenizer, and open it. Rows of the word table that no text can ask for are left out.

    form: fp32, int8, or int8 with fewer word pieces than it was trained with.
    """
    keep = pieces_of(Arm(pieces=PIECES), task) if form == AFTER else vocabulary.usable_pieces(tokenizer)
    return export_kept(student, tokenizer, keep, task.classes, folder, int8=form != FP32)


def logits_of(student, tokenizer, task, form: str, examples):
    """Return the logits of some examples: fp32 in torch, any other form as its user gets them, one text at a time."""
    if form == FP32:
        return distill.predict(student, tasks.store.cut(examples.texts, tokenizer))
    with tempfile.TemporaryDirectory() as scratch:
        classifier = ship(student, tokenizer, task, form, Path(scratch))
        return export.exported_logits(classifier, examples.texts)


def measure(asked: dict, splits: dict, task, teacher_logits: Callable) -> tuple[dict, dict]:
    """Return a row of figures on validation and on test, and the arrays: what was answered, and what was right.

    asked, splits: a model's logits and the examples, by the split's name.
    """
    temperature = distill.calibration_temperature(asked["validation"], torch.as_tensor(splits["validation"].labels))
    row = dict(fitted_temperature=temperature)
    for name, examples in splits.items():
        labels = torch.as_tensor(examples.labels)
        found = measure_quality(asked[name], labels, teacher_logits(task, examples.ids))
        found |= dict(
            fitted_ece=distill.expected_calibration_error(asked[name] / temperature, labels),
            mean_recall=float(np.nanmean(distill.recall_by_class(asked[name], labels))),
        )
        if examples.groups is not None:
            right = distill.correct(asked[name], labels).numpy()
            found["worst_group"] = float(np.nanmin(mean_by_group(right, examples.groups, len(task.groups))))
        row |= {key if name == "test" else f"validation_{key}": value for key, value in found.items()}
    answers = asked["test"].argmax(dim=-1).numpy().astype(np.uint8)
    return row, dict(correct=distill.correct(asked["test"], splits["test"].labels).numpy(), answers=answers)


def held_out(task, quick: bool) -> dict:
    return {name: some(task.split(name), 100 if quick else None) for name in ("validation", "test")}


def mean_by_group(values, groups, count: int) -> np.ndarray:
    """Return the mean of values in each group, float64 (count,); NaN where there is none."""
    with np.errstate(invalid="ignore"):
        return np.bincount(groups, weights=values, minlength=count) / np.bincount(groups, minlength=count)


class ClinicMail(Clinic):
    name = "clinic-mail"
    description = "case 1: sort mail on the device; hard or soft labels, 128 word pieces of a post or 64"
    task_name = "newsgroups"
    options = {
        "hard labels": Arm(soft=False),
        "soft labels": Arm(forms=(FP32, INT8)),
        "soft labels, first 64 pieces": Arm(read=64),
    }
    arms = tuple(options)
    rate = 1e-3


class ClinicTriage(Clinic):
    name = "clinic-triage"
    description = "case 2: triage newswire on office servers; 52 classes, most of them rare"
    task_name = "reuters"
    options = {
        "hard labels": Arm(soft=False),
        "soft labels": Arm(forms=(FP32, INT8)),
        "soft labels, first 64 pieces": Arm(read=64),
    }
    arms = tuple(options)
    rate = 1e-3


class ClinicRouter(Clinic):
    name = "clinic-router"
    description = "case 4: route requests in 32 languages; the word table is the model"
    task_name = "intents"
    updates = 1_500
    options = {
        "hard labels": Arm(soft=False, words=False, shape=SMALL),
        "soft labels": Arm(words=False, shape=SMALL, forms=(FP32, INT8, AFTER)),
        "soft labels, teacher's word vectors": Arm(shape=SMALL),
        "soft labels, narrow word table": Arm(words=False, shape=replace(SMALL, table_width=TABLE_WIDTH)),
        "soft labels, 4,000 pieces": Arm(words=False, shape=SMALL, pieces=PIECES),
        "soft labels, 4,000 pieces, teacher's word vectors": Arm(shape=SMALL, pieces=PIECES),
    }
    arms = tuple(options)
    rate = 1e-3


class ClinicClauses(Clinic):
    """The teacher of this case has learned from the same 500 labels as its students, so it is not case 1's."""

    name = "clinic-clauses"
    description = "case 6: 500 labels, many texts without; what a teacher of these 500 can pass on"
    task_name = "newsgroups"
    options = {
        "hard labels": Arm(soft=False, read=64),
        "soft labels": Arm(read=64),
    }
    arms = tuple(options)
    rate = 1e-3

    def settings(self):
        teacher = self.soft_labels().manifest
        return super().settings() | dict(
            soft_labels_sha256=teacher.sha256, teacher_sha256=teacher.teacher_sha256, labels=FewLabels.count
        )

    def soft_labels(self):
        return soft_labels_of(tasks.load(self.task_name), FewLabels.made)

    def labelled(self, task):
        return labelled_texts(task, FewLabels.count)

    def teacher_logits(self, task, ids):
        return self.soft_labels().logits_for(ids)
