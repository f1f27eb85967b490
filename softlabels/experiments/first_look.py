"""A first look at distillation: one small student, one budget, four things to learn from.

The control learns from 20,000 hard labels, a second control from the same labels smoothed. The third arm sees the same
texts, and the teacher's probabilities instead of the labels. The fourth sees every training text, and no label at all.
All four take the same number of updates.
"""

from dataclasses import asdict

import numpy as np
import pandas as pd

from softlabels import distill, tasks
from softlabels.distill.metrics import accuracy, agreement, correct, negative_log_likelihood
from softlabels.experiments.base import Cell, Experiment, Results, soft_labels_of, some
from softlabels.experiments.students import all_texts

HARD, SMOOTHED, SOFT, SOFT_ALL = "hard labels", "hard labels, smoothed", "soft labels", "soft labels, all texts"
SMOOTHING = 0.1  # the usual choice (Müller et al. 2019), not tuned


class FirstLook(Experiment):
    name = "first-look"
    description = "a student from hard labels, plain and smoothed, from soft labels, and from soft labels on all texts"
    arms = (HARD, SMOOTHED, SOFT, SOFT_ALL)
    seeds = 5

    def budget(self) -> distill.Budget:
        # 6 epochs of the 20,000 labelled glosses, 1.6 of all texts: what a learner on two cores will wait for
        return distill.Budget(updates=60, batch_size=16) if self.quick else distill.Budget(updates=3_750)

    def units(self) -> int:
        return self.budget().updates

    def settings(self) -> dict:
        task = tasks.load("wordnet")
        cache = soft_labels_of(task)
        return dict(
            task=task.name,
            task_fingerprint=task.fingerprint,
            soft_labels_sha256=cache.manifest.sha256,
            teacher_sha256=cache.manifest.teacher_sha256,
            student="2x128",
            temperature=1.0,
            budget=asdict(self.budget()),
            precision="fp32",
            test_examples=200 if self.quick else len(task.split("test")),
        )

    def run_cell(self, cell: Cell, settings: dict, tell) -> tuple[list[dict], dict[str, np.ndarray]]:
        task = tasks.load(settings["task"])
        cache = soft_labels_of(task)
        test = some(task.split("test"), settings["test_examples"])
        transfer_set, objective = self.learns_from(cell.arm, task, cache, settings["temperature"])

        student = distill.make_student(settings["student"], len(task.classes), cell.seed)
        budget = distill.Budget(**settings["budget"])
        run = distill.train(student, transfer_set, objective, budget, seed=cell.seed, progress=tell)
        logits = distill.predict(student, test.tokens)
        row = dict(
            accuracy=accuracy(logits, test.labels),
            nll=negative_log_likelihood(logits, test.labels),
            agreement=agreement(logits, cache.logits_for(test.ids)),
            texts=len(transfer_set),
            updates=budget.updates,
            seconds=round(run.seconds, 1),
            examples_per_second=round(run.examples_per_second),
            precision=settings["precision"],
            soft_labels=settings["soft_labels_sha256"][:12],
        )
        return [row], dict(correct=correct(logits, test.labels).numpy())

    @staticmethod
    def learns_from(arm: str, task, cache, temperature: float) -> tuple:
        """Return what an arm learns from, and its objective."""
        texts = all_texts(task) if arm == SOFT_ALL else task.split("labelled")
        if arm == HARD:
            return distill.TransferSet(texts.tokens, labels=texts.labels), distill.HardLabelLoss()
        if arm == SMOOTHED:
            return distill.TransferSet(texts.tokens, labels=texts.labels), distill.HardLabelLoss(SMOOTHING)
        logits = cache.logits_for(texts.ids)
        return distill.TransferSet(texts.tokens, teacher_logits=logits), distill.SoftLabelLoss(temperature)

    def finish(self, results: Results) -> None:
        print(table(results.frame).to_string())
        for arm, control in ((SMOOTHED, HARD), (SOFT, HARD), (SOFT, SMOOTHED), (SOFT_ALL, HARD), (SOFT_ALL, SOFT)):
            print(f"{arm} against {control}: {compare(results, arm, control)}")
        draw(results.frame).savefig(results.path.with_suffix(".png"), dpi=110, bbox_inches="tight")


def compare(results: Results, arm: str, control: str) -> distill.Verdict:
    """Return the verdict on an arm's accuracy against a control's, over the seeds that both have."""
    of = {name: set(results.frame.loc[results.frame["arm"] == name, "seed"]) for name in (arm, control)}
    seeds = sorted(of[arm] & of[control])
    return distill.verdict(
        *(np.stack([results.arrays[f"{name}/{s}/correct"] for s in seeds]) for name in (arm, control))
    )


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return each arm's mean and standard deviation over the seeds."""
    measures = ["accuracy", "nll", "agreement", "seconds"]
    return frame.groupby("arm", sort=False)[measures].agg(["mean", "std"]).round(3)


def draw(frame: pd.DataFrame):
    """Draw accuracy and loss of each arm: a dot a seed, a bar their mean."""
    from matplotlib.figure import Figure

    arms = [arm for arm in FirstLook.arms if arm in set(frame["arm"])]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, measure, title in zip(
        figure.subplots(1, 2, sharey=True),
        ("accuracy", "nll"),
        ("Test accuracy (more is better)", "Test loss, in nats (less is better)"),
        strict=True,
    ):
        for y, arm in enumerate(arms):
            values = frame.loc[frame["arm"] == arm, measure]
            axes.plot([values.mean()] * 2, [y - 0.25, y + 0.25], color="black", linewidth=2)
            axes.plot(values, np.full(len(values), y), "o", color="#0072B2", alpha=0.7)
            axes.annotate(f"{values.mean():.3f}", (values.mean(), y + 0.3), ha="center", va="top", fontsize=11)
        axes.set_yticks(range(len(arms)), arms, fontsize=11)
        axes.set_ylim(len(arms) - 0.4, -0.6)
        axes.margins(x=0.15)
        axes.set_title(title, fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
