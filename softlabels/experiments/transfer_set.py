"""Few labels, much text: a teacher learns from the labels there are, and labels all the text there is."""

import math

import numpy as np
import pandas as pd

from softlabels import distill, tasks
from softlabels.distill.teacher import weights_sha256
from softlabels.experiments.base import Cell, Experiment, soft_labels_of, some
from softlabels.experiments.students import StudentExperiment, all_texts, labelled_texts
from softlabels.experiments.teacher import RECIPE, ask, report

LABELS = (500, 2_000, 20_000)
ALL = 73_391  # labelled and transfer together
TEXTS = (500, 2_000, 20_000, ALL)
SOFT_LABELS = "soft_labels.safetensors"
EPOCHS = {500: 20, 2_000: 6}  # some 300 updates each; the teacher of 20,000 labels is the shipped one

ARMS = {f"{n:,} labels, hard": (n, None) for n in LABELS} | {
    f"{n:,} labels, soft on {texts:,} texts": (n, texts) for n in LABELS for texts in TEXTS if texts >= n
}


def few_labels_dir(labels: int, quick: bool = False):
    """Return the folder of the teacher of a few labels: in the cache, as only this experiment needs it."""
    return tasks.home.cache() / ("quick" if quick else "teachers") / f"wordnet-{labels}-labels"


class FewLabelsTeachers(Experiment):
    name = "few-labels-teachers"
    description = "fine-tune MiniLM on 500 and on 2,000 labelled glosses; the transfer-set experiment needs them"
    arms = tuple(f"{n:,} labels" for n in EPOCHS)
    seeds = 1
    seeded = False

    def settings(self) -> dict:
        task, recipe = tasks.load("wordnet"), dict(RECIPE)
        del recipe["epochs"]
        base = weights_sha256(tasks.base_model())
        about = dict(task=task.name, task_fingerprint=task.fingerprint, base_sha256=base, quick=self.quick)
        return about | recipe | dict(epochs={str(labels): epochs for labels, epochs in EPOCHS.items()})

    def units(self) -> int:
        return (
            2 if self.quick else max(n_epochs * math.ceil(n / RECIPE["batch_size"]) for n, n_epochs in EPOCHS.items())
        )

    def run_cell(self, cell: Cell, settings: dict, tell) -> tuple[list[dict], dict[str, np.ndarray]]:
        task, count = tasks.load("wordnet"), int(cell.arm.split()[0].replace(",", ""))
        texts = labelled_texts(task, 64 if self.quick else count)
        recipe = RECIPE | dict(epochs=1 if self.quick else EPOCHS[count])
        teacher = distill.finetune_teacher(
            tasks.base_model(), texts.tokens, texts.labels, task.classes, **recipe, seed=0, progress=tell
        )
        teacher.config |= dict(task=task.name, task_fingerprint=task.fingerprint)
        teacher.save(few_labels_dir(count, self.quick))
        cache = ask(teacher, task, some(task.split("all"), 100 if self.quick else None), precision="auto")
        cache.save(few_labels_dir(count, self.quick) / SOFT_LABELS)
        made = dict(labels=count, sha256=teacher.sha256, seconds=teacher.config["seconds"])
        if self.quick:
            return [made], {}
        splits = {name: task.split(name) for name in ("validation", "test")}
        return [report(name, cache.logits_for(split.ids), split.labels) | made for name, split in splits.items()], {}


class TransferSetExperiment(StudentExperiment):
    name = "transfer-set"
    description = "teachers of 500, 2,000 and 20,000 labels, and their students on ever more unlabelled text"
    arms = tuple(ARMS)
    updates = 1_250

    def settings(self) -> dict:
        file = tasks.home.results(FewLabelsTeachers.name)
        teachers = pd.read_csv(file).groupby("labels")["sha256"].first() if file.is_file() else {}
        return super().settings() | dict(few_labels_teachers={str(n): sha for n, sha in teachers.items()})

    def learns_from(self, arm, task, settings):
        labels, count = ARMS[arm]
        cache, test = self.soft_labels(task, labels), task.split("test")
        about = dict(teacher_labels=labels, kind="hard" if count is None else "soft")
        about |= dict(teacher_accuracy=distill.accuracy(cache.logits_for(test.ids), test.labels))
        if count is None:
            texts = labelled_texts(task, labels)
            return distill.TransferSet(texts.tokens, labels=texts.labels), distill.HardLabelLoss(), about
        texts = all_texts(task) if count == ALL else labelled_texts(task, count)
        transfer_set = distill.TransferSet(texts.tokens, teacher_logits=cache.logits_for(texts.ids))
        return transfer_set, distill.SoftLabelLoss(), about

    def soft_labels(self, task, labels: int) -> distill.SoftLabelCache:
        """Return what the teacher of so many labels says of every text."""
        if labels == LABELS[-1]:
            return soft_labels_of(task)
        file = few_labels_dir(labels) / SOFT_LABELS
        if not file.is_file():
            raise FileNotFoundError(
                f"there are no soft labels at {file}: `softlabels run few-labels-teachers` makes them"
            )
        return distill.SoftLabelCache.load(file, expect=task)
