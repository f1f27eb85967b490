"""Two classes instead of 24: how much dark knowledge is left, when the question is whether a thing can be touched?

A student of two classes learns from hard labels, or from the teacher's probabilities, summed over the classes on each
side. Two students of 24 classes answer the same question: theirs are summed when they are measured.
"""

import torch

from softlabels import distill
from softlabels.distill.metrics import accuracy, agreement, correct, negative_log_likelihood
from softlabels.experiments.base import soft_labels_of
from softlabels.experiments.students import StudentExperiment, labelled_texts

TEXTS, QUICK_TEXTS = 2_000, 50
CONCRETE = ("animal", "artifact", "body", "food", "location", "object", "person", "plant", "substance")


def sides(classes: tuple[str, ...]) -> torch.Tensor:
    """Return each class's side, int64 (classes,): 1 for things that have a place and a body, 0 for the others."""
    return torch.tensor([int(name in CONCRETE) for name in classes])


class TwoClasses(StudentExperiment):
    name = "two-classes"
    description = "hard or soft labels of 2 classes, or of all 24 summed to the same 2, from 2,000 texts"
    arms = ("2 classes, hard", "2 classes, soft", "24 classes, hard", "24 classes, soft")

    def settings(self):
        return super().settings() | dict(labelled_texts=QUICK_TEXTS if self.quick else TEXTS, concrete=CONCRETE)

    def fit(self, cell, task, settings, tell):
        count, kind = cell.arm.split(" classes, ")
        texts, side = labelled_texts(task, settings["labelled_texts"]), sides(task.classes)
        labels, logits = torch.as_tensor(texts.labels), soft_labels_of(task).logits_for(texts.ids)
        if count == "2":
            labels, logits = side[labels], distill.fold_classes(logits, side)
        student = distill.make_student(settings["student"], logits.shape[1], cell.seed)
        if kind == "hard":
            transfer_set, objective = distill.TransferSet(texts.tokens, labels=labels), distill.HardLabelLoss()
        else:
            transfer_set = distill.TransferSet(texts.tokens, teacher_logits=logits)
            objective = distill.SoftLabelLoss()
        about = dict(classes=int(count), kind=kind)
        return student, about | self.train(student, transfer_set, objective, cell, settings, tell)

    def measure(self, measured, task):
        """Measure the question of two sides, whatever the student's classes; and of 24, the finer one too."""
        side = sides(task.classes)
        (on_validation, validation), (logits, test) = measured["validation"], measured["test"]
        finer = accuracy(logits, test.labels) if logits.shape[1] > 2 else None
        on_validation, logits = (
            distill.fold_classes(x, side) if x.shape[1] > 2 else x for x in (on_validation, logits)
        )
        validation_sides, test_sides = side[torch.as_tensor(validation.labels)], side[torch.as_tensor(test.labels)]
        teacher_logits = distill.fold_classes(soft_labels_of(task).logits_for(test.ids), side)
        row = dict(
            validation_accuracy=accuracy(on_validation, validation_sides),
            validation_nll=negative_log_likelihood(on_validation, validation_sides),
            accuracy=accuracy(logits, test_sides),
            nll=negative_log_likelihood(logits, test_sides),
            agreement=agreement(logits, teacher_logits),
            teacher_accuracy=accuracy(teacher_logits, test_sides),
            accuracy_of_24=finer,
        )
        return row, dict(correct=correct(logits, test_sides).numpy())
