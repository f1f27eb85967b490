"""Two things that papers change at once: soft labels for hard ones, and augmented texts for the originals."""

import hashlib

import numpy as np
from safetensors.torch import load_file, save

from softlabels import distill, tasks
from softlabels.distill.transfer import write_atomically
from softlabels.experiments.base import soft_labels_of
from softlabels.experiments.students import StudentExperiment, labelled_texts

TEXTS, COPIES = 2_000, 10
QUICK_TEXTS = 50


class Augmentation(StudentExperiment):
    name = "augmentation"
    description = "hard or soft labels x original or augmented texts, from 2,000 labelled texts"
    arms = ("hard, original", "hard, augmented", "soft, original", "soft, augmented")

    def settings(self):
        return super().settings() | dict(labelled_texts=QUICK_TEXTS if self.quick else TEXTS, copies=COPIES)

    def learns_from(self, arm, task, settings):
        kind, form = arm.split(", ")
        texts = labelled_texts(task, settings["labelled_texts"])
        tokens, labels = texts.tokens, texts.labels
        if form == "augmented":  # the originals, and changed copies of each with its text's label
            values, offsets = distill.augment_texts(tokens, COPIES, seed=0)
            tokens = (
                np.concatenate([tokens.values, values]),
                np.concatenate([tokens.offsets, tokens.offsets[-1] + offsets[1:]]),
            )
            labels = np.concatenate([labels, np.repeat(labels, COPIES)])
        about = dict(kind=kind, augmented=form == "augmented")
        if kind == "hard":
            return distill.TransferSet(tokens, labels=labels), distill.HardLabelLoss(), about
        if form == "original":
            logits = soft_labels_of(task).logits_for(texts.ids)
        else:
            teacher = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir(task.name))
            logits = ask_once(teacher, tokens, f"augmentation-{task.name}")
        return distill.TransferSet(tokens, teacher_logits=logits), distill.SoftLabelLoss(), about


def ask_once(teacher: distill.Teacher, tokens: tuple, name: str):
    """Return a teacher's logits for texts, from the cache when this teacher was asked about these very texts before."""
    asked = hashlib.sha256(teacher.sha256.encode())
    for part in tokens:
        asked.update(np.ascontiguousarray(part).tobytes())
    file = tasks.home.cache() / "asked" / f"{name}-{asked.hexdigest()[:16]}.safetensors"
    if not file.is_file():
        logits = distill.teacher_logits(teacher, tokens)
        write_atomically(file, save({"logits": logits.half()}))
    return load_file(file)["logits"].float()
