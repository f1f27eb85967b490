"""When distillation fails, or seems to work for the wrong reason: controls for each part of what a soft label holds.

All students but two learn from the same 2,000 texts. The teacher's soft labels stand beside the hard labels, plain and
smoothed; beside the same soft labels with their dark knowledge shuffled; and half and half with hard labels, beside
the answers of a teacher that has learned nothing. The two others have plenty of labels: all that there are.
"""

import numpy as np

from softlabels import distill, tasks
from softlabels.distill.metrics import expected_calibration_error
from softlabels.experiments.base import soft_labels_of
from softlabels.experiments.first_look import SMOOTHING
from softlabels.experiments.students import StudentExperiment, all_texts, labelled_texts

TEXTS, QUICK_TEXTS = 2_000, 50
HARD, SMOOTHED, SOFT, SHUFFLED = "hard labels", "hard labels, smoothed", "soft labels", "soft labels, shuffled"
BOTH, RANDOM = "hard and soft labels", "hard labels and a random teacher"
PLENTY_HARD, PLENTY_SOFT = "plenty, hard labels", "plenty, soft labels"
HALF = dict(soft_weight=0.5, hard_weight=0.5)


class Failures(StudentExperiment):
    name = "failures"
    description = "soft labels beside shuffled ones, a random teacher, smoothed hard labels, and plenty of labels"
    arms = (HARD, SMOOTHED, SOFT, SHUFFLED, BOTH, RANDOM, PLENTY_HARD, PLENTY_SOFT)
    columns = ("accuracy", "nll", "agreement", "teacher_kl", "ece")

    def settings(self):
        texts = QUICK_TEXTS if self.quick else TEXTS
        return super().settings() | dict(labelled_texts=texts, smoothing=SMOOTHING, half=HALF)

    def fit(self, cell, task, settings, tell):
        transfer_set, objective = self.given(cell, task, settings)
        student = distill.make_student(settings["student"], len(task.classes), cell.seed)
        return student, self.train(student, transfer_set, objective, cell, settings, tell)

    def given(self, cell, task, settings) -> tuple:
        """Return what an arm learns from, and its objective."""
        if cell.arm.startswith("plenty"):
            texts = self.plenty(task)
        else:
            texts = labelled_texts(task, settings["labelled_texts"])
        logits = soft_labels_of(task).logits_for(texts.ids)
        if cell.arm in (HARD, PLENTY_HARD):
            return distill.TransferSet(texts.tokens, labels=texts.labels), distill.HardLabelLoss()
        if cell.arm == SMOOTHED:
            return distill.TransferSet(texts.tokens, labels=texts.labels), distill.HardLabelLoss(settings["smoothing"])
        if cell.arm in (SOFT, PLENTY_SOFT):
            return distill.TransferSet(texts.tokens, teacher_logits=logits), distill.SoftLabelLoss()
        if cell.arm == SHUFFLED:
            shuffled = distill.shuffle_dark_knowledge(logits, cell.seed)
            return distill.TransferSet(texts.tokens, teacher_logits=shuffled), distill.SoftLabelLoss()
        if cell.arm == RANDOM:
            logits = random_teacher_logits(task, texts, cell.seed)
        both = distill.TransferSet(texts.tokens, teacher_logits=logits, labels=texts.labels)
        return both, distill.SoftLabelLoss(**settings["half"])

    def plenty(self, task):
        """Return every text that is not held out, this once with its label."""
        texts = all_texts(task)
        named = task.split("all", show_labels=True)
        return named.take(np.flatnonzero(np.isin(named.ids, texts.ids)))

    def measure_more(self, measured, task, cell):
        logits, test = measured["test"]
        teacher_logits = soft_labels_of(task).logits_for(test.ids)
        row = dict(
            teacher_kl=distill.kl_divergence(logits, teacher_logits, 1.0).item(),
            ece=expected_calibration_error(logits, test.labels),
        )
        return row, {"test_logits": logits.half().numpy()} if cell.seed == 0 else {}  # for the lesson to look into


def random_teacher_logits(task, texts, seed: int):
    """Return the logits of a model of the teacher's shape that has learned nothing: its weights as they were drawn."""
    shape = distill.SmallBertConfig.from_folder(tasks.base_model())
    return distill.predict(distill.make_student(shape, len(task.classes), seed), texts.tokens)
