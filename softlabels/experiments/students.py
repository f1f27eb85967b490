"""What most experiments do in a cell: train one student on one transfer set, and measure it on validation and test."""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from softlabels import distill, tasks
from softlabels.distill.metrics import accuracy, agreement, correct, negative_log_likelihood
from softlabels.experiments.base import Cell, Experiment, Results, soft_labels_of, some

STUDENT = "2x128"


class StudentExperiment(Experiment):
    """Arms that differ in what the student learns from, on one budget; a subclass says what an arm learns from."""

    task_name = "wordnet"
    seeds = 5
    updates = 1_000
    quick_updates = 20
    columns: tuple[str, ...] = ("accuracy", "nll", "agreement")

    def budget(self) -> distill.Budget:
        return distill.Budget(updates=self.quick_updates, batch_size=16) if self.quick else distill.Budget(self.updates)

    def units(self) -> int:
        return self.budget().updates

    def settings(self) -> dict:
        task = tasks.load(self.task_name)
        cache = soft_labels_of(task)
        return dict(
            task=task.name,
            task_fingerprint=task.fingerprint,
            soft_labels_sha256=cache.manifest.sha256,
            teacher_sha256=cache.manifest.teacher_sha256,
            student=STUDENT,
            budget=asdict(self.budget()),
            precision="fp32",
            quick=self.quick,
        )

    def learns_from(self, arm: str, task, settings: dict) -> tuple:
        """Return an arm's transfer set, its objective, and the columns that say which arm it is."""
        raise NotImplementedError

    def run_cell(
        self, cell: Cell, settings: dict, tell: Callable[[int], None]
    ) -> tuple[list[dict], dict[str, np.ndarray]]:
        task = tasks.load(settings["task"])
        student, about = self.fit(cell, task, settings, tell)
        measured = self.predict(student, task)
        row, arrays = self.measure(measured, task)
        more, more_arrays = self.measure_more(measured, task, cell)
        return [about | row | more], arrays | more_arrays

    def fit(self, cell: Cell, task, settings: dict, tell: Callable[[int], None]) -> tuple:
        """Train one student, and return it with the columns that say how."""
        transfer_set, objective, about = self.learns_from(cell.arm, task, settings)
        student = distill.make_student(settings["student"], len(task.classes), cell.seed)
        return student, about | self.train(student, transfer_set, objective, cell, settings, tell)

    def train(self, student, transfer_set, objective, cell: Cell, settings: dict, tell: Callable[[int], None]) -> dict:
        """Train a student in place, on the experiment's budget, and return the columns that every run has."""
        budget = distill.Budget(**settings["budget"])
        run = distill.train(student, transfer_set, objective, budget, seed=cell.seed, progress=tell)
        return dict(texts=len(transfer_set), updates=budget.updates, seconds=round(run.seconds, 1))

    def predict(self, student, task) -> dict[str, tuple]:
        """Return a trained student's logits, and the examples that they are of, by split."""
        splits = {name: some(task.split(name), 200 if self.quick else None) for name in ("validation", "test")}
        return {name: (distill.predict(student, examples.tokens), examples) for name, examples in splits.items()}

    def measure(self, measured: dict, task) -> tuple[dict, dict[str, np.ndarray]]:
        """Return what every experiment wants to know: validation, to choose by, and test, to report."""
        (on_validation, validation), (logits, test) = measured["validation"], measured["test"]
        row = dict(
            validation_accuracy=accuracy(on_validation, validation.labels),
            validation_nll=negative_log_likelihood(on_validation, validation.labels),
            accuracy=accuracy(logits, test.labels),
            nll=negative_log_likelihood(logits, test.labels),
            agreement=agreement(logits, soft_labels_of(task).logits_for(test.ids)),
        )
        return row, dict(correct=correct(logits, test.labels).numpy())

    def measure_more(self, measured: dict, task, cell: Cell) -> tuple[dict, dict[str, np.ndarray]]:
        """Return the columns and arrays that only this experiment wants."""
        return {}, {}

    def finish(self, results: Results) -> None:
        by = ["arm", "form"] if "form" in results.frame else ["arm"]  # an arm that is measured in several forms
        print(results.frame.groupby(by, sort=False)[list(self.columns)].agg(["mean", "std"]).round(4).to_string())


def labelled_texts(task, count: int | None = None):
    """Return count of the labelled texts, drawn once for all experiments, or all of them.

    The draws are nested: the first 500 are among the first 2,000.
    """
    labelled = task.split("labelled")
    order = np.random.default_rng(0).permutation(len(labelled))
    return labelled if count is None or count >= len(labelled) else labelled.take(np.sort(order[:count]))


def all_texts(task):
    """Return every text that is not held out: labelled and transfer, without labels."""
    held_out = np.concatenate([task.split(name).ids for name in ("test", "validation")])
    everything = task.split("all")
    return everything.take(~np.isin(everything.ids, held_out))
