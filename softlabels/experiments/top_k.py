"""Soft labels cut to their k largest probabilities: what does the student lose?"""

import torch

from softlabels import distill
from softlabels.experiments.base import soft_labels_of
from softlabels.experiments.students import StudentExperiment

ARMS = {"k=1": (1, True), "k=2": (2, True), "k=5": (5, True), "k=5, renormalised": (5, False), "all 24": (24, True)}


class TopKExperiment(StudentExperiment):
    name = "top-k"
    description = "students from soft labels cut to the k largest probabilities, with the tail's mass or without"
    arms = tuple(ARMS)

    def learns_from(self, arm, task, settings):
        k, tail = ARMS[arm]
        texts = task.split("labelled")
        soft_labels = distill.soften(soft_labels_of(task).logits_for(texts.ids), temperature=1.0)
        cut = distill.top_k_soft_labels(soft_labels, k)
        if not tail:  # as if the classes left out were impossible
            cut = distill.TopK(cut.classes, cut.probs / cut.probs.sum(dim=-1, keepdim=True), torch.zeros_like(cut.tail))
        kept = distill.restore_soft_labels(cut, len(task.classes))
        # A soft label's logarithm is a logit that gives it back at T = 1; the floor stands for "impossible".
        logits = kept.clamp(min=1e-9).log()
        whole = k == len(task.classes)
        about = dict(k=k, tail=tail, bytes_per_text=2 * k if whole else 3 * k + 2 * tail)  # float16, class in one byte
        return distill.TransferSet(texts.tokens, teacher_logits=logits), distill.SoftLabelLoss(), about
