"""Hinton's omitted class, in text: what does a student know about food whose transfer set has no gloss about it?"""

import numpy as np
import torch

from softlabels import distill
from softlabels.experiments.base import soft_labels_of
from softlabels.experiments.students import StudentExperiment, all_texts

OMITTED = "food"
# All that the student can know of food are hints in other texts' soft labels; a sure teacher's are faint at T = 1.
ARMS = {
    "all classes": (False, 1.0),
    "without food": (True, 1.0),
    "all classes, T=4": (False, 4.0),
    "without food, T=4": (True, 4.0),
}


class OmittedClass(StudentExperiment):
    name = "omitted-class"
    description = "soft labels of all texts, or of all but food, at T = 1 and 4; the bias of food mended on validation"
    arms = tuple(ARMS)
    updates = 1_250
    columns = ("accuracy", "food_accuracy", "food_named", "bias", "corrected_accuracy", "corrected_food_accuracy")

    def settings(self):
        return super().settings() | dict(omitted=OMITTED, arms=ARMS)

    def learns_from(self, arm, task, settings):
        omit, temperature = ARMS[arm]
        texts = all_texts(task)
        if omit:
            named = task.split("all", show_labels=True)  # the labels serve to leave texts out, for nothing else
            food = named.ids[named.labels == task.classes.index(OMITTED)]
            texts = texts.take(~np.isin(texts.ids, food))
        logits = soft_labels_of(task).logits_for(texts.ids)
        about = dict(omitted=omit, temperature=temperature)
        return distill.TransferSet(texts.tokens, teacher_logits=logits), distill.SoftLabelLoss(temperature), about

    def measure_more(self, measured, task, cell):
        (on_validation, validation), (logits, test) = measured["validation"], measured["test"]
        food = task.classes.index(OMITTED)
        bias = distill.best_bias(on_validation, torch.as_tensor(validation.labels), food)
        corrected = distill.with_bias(logits, food, bias)
        about_food = test.labels == food
        row = dict(
            food_texts=int(about_food.sum()),
            food_accuracy=distill.accuracy(logits[about_food], test.labels[about_food]),
            food_named=float((logits.argmax(dim=-1) == food).double().mean()),
            bias=round(bias, 1),
            corrected_accuracy=distill.accuracy(corrected, test.labels),
            corrected_food_accuracy=distill.accuracy(corrected[about_food], test.labels[about_food]),
        )
        arrays = dict(corrected=distill.correct(corrected, test.labels).numpy())
        if cell.seed == 0:  # for the lesson's slider
            arrays |= dict(test_logits=logits.half().numpy(), validation_logits=on_validation.half().numpy())
        return row, arrays
