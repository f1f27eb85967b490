"""The grids behind lessons 05 to 08, on a budget of seconds: every arm learns from what it says, and only from that."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from softlabels import distill, experiments, tasks
from softlabels.experiments import base
from softlabels.experiments.students import all_texts, labelled_texts


@pytest.fixture(scope="module")
def task():
    return tasks.load("wordnet")


def arms_of(experiment, task):
    """Return what each arm learns from: (transfer set, objective, columns) by arm."""
    settings = experiment.settings()
    return {arm: experiment.learns_from(arm, task, settings) for arm in experiment.arms}


def quick(name: str, folder, **how):
    return experiments.run(name, seeds=1, quick=True, progress=False, folder=folder, workers=1, **how)


def test_draws_are_nested_and_never_held_out(task):
    few, more = labelled_texts(task, 500), labelled_texts(task, 2_000)
    assert len(few) == 500 and len(more) == 2_000 and set(few.ids) < set(more.ids)
    assert len(labelled_texts(task)) == 20_000
    everything = all_texts(task)
    assert everything.labels is None and len(everything) == 73_391
    held_out = set(task.split("test").ids) | set(task.split("validation").ids)
    assert not held_out & set(everything.ids)


def test_temperature_and_weights(made_up_soft_labels, task, tmp_path):
    from softlabels.experiments.temperature_weights import GRID, TemperatureWeights

    assert len(GRID) == 3 * (1 + 4 * 3)
    for arm, (transfer_set, objective, about) in arms_of(TemperatureWeights(quick=True), task).items():
        texts, temperature, soft_weight = GRID[arm]
        assert len(transfer_set) == texts == about["labels"]
        assert objective == distill.SoftLabelLoss(temperature, soft_weight, pytest.approx(1 - soft_weight))
    cell = base.Cell("500 texts, T=2, soft 0.5", 0)
    experiment = TemperatureWeights(quick=True, folder=tmp_path)
    rows, arrays = experiment.run_cell(cell, experiment.settings(), lambda done: None)
    assert rows[0]["temperature"] == 2 and rows[0]["soft_weight"] == 0.5
    assert arrays["correct"].shape == arrays["validation_correct"].shape == (200,)


def test_top_k(made_up_soft_labels, task, tmp_path):
    from softlabels.experiments.top_k import TopKExperiment

    sets = {arm: found[0] for arm, found in arms_of(TopKExperiment(quick=True), task).items()}
    whole = distill.soften(sets["all 24"].teacher_logits, 1.0)
    own = distill.soften(
        distill.SoftLabelCache.load(made_up_soft_labels).logits_for(task.split("labelled").ids), temperature=1.0
    )
    assert torch.allclose(whole, own, atol=1e-6)
    for arm, transfer_set in sets.items():
        soft_labels = distill.soften(transfer_set.teacher_logits, 1.0)
        assert torch.equal(soft_labels.argmax(-1), whole.argmax(-1)), arm
        tail = 1 - soft_labels.topk(5).values.sum(-1).max()
        assert tail < 1e-6 if "renormalised" in arm else tail > 0.01
    frame = quick("top-k", tmp_path).frame
    assert set(frame["arm"]) == set(TopKExperiment.arms) and (frame["bytes_per_text"] > 0).all()


def test_augmentation_keeps_the_originals_and_asks_the_teacher_once(made_up_soft_labels, task, tmp_path, monkeypatch):
    from softlabels.experiments import augmentation

    asked = []

    def answer(teacher, tokens):
        asked.append(len(tokens[1]) - 1)
        return torch.zeros(len(tokens[1]) - 1, 24)

    monkeypatch.setattr(augmentation.distill, "teacher_logits", answer)
    monkeypatch.setattr(augmentation.tasks.home, "cache", lambda: tmp_path)
    monkeypatch.setattr(augmentation.tasks, "base_model", lambda: None)
    monkeypatch.setattr(augmentation.distill, "load_teacher", lambda *where: Named())
    monkeypatch.setattr(augmentation.tasks, "load", lambda name: task)
    experiment = augmentation.Augmentation(quick=True, folder=tmp_path)
    sets = {arm: found[0] for arm, found in arms_of(experiment, task).items()}
    arms_of(experiment, task)
    assert asked == [50 * 11]
    original, augmented = sets["hard, original"], sets["hard, augmented"]
    assert len(original) == 50 and len(augmented) == len(sets["soft, augmented"]) == 550
    first = len(original.tokens[0])
    assert np.array_equal(augmented.tokens[0][:first], original.tokens[0])
    assert torch.equal(augmented.labels[50:60], original.labels[:1].repeat(10))
    assert sets["soft, augmented"].labels is None and sets["hard, augmented"].teacher_logits is None


class Named:
    sha256 = "1" * 64


def test_the_omitted_class_is_nowhere_in_its_transfer_set(made_up_soft_labels, task, tmp_path):
    from softlabels.experiments.omitted_class import OmittedClass

    sets = {arm: found[0] for arm, found in arms_of(OmittedClass(quick=True), task).items()}
    food = task.classes.index("food")
    counts = {arm: int((s.teacher_logits.argmax(-1) == food).sum()) for arm, s in sets.items()}  # this teacher is right
    every = 631 + 1_695
    assert counts == {"all classes": every, "without food": 0, "all classes, T=4": every, "without food, T=4": 0}
    results = quick("omitted-class", tmp_path)
    assert {"food_accuracy", "bias", "corrected_accuracy"} <= set(results.frame.columns)
    assert results.arrays["without food/0/test_logits"].shape == (200, 24)


def test_few_labels_teachers_and_the_students_of_theirs(made_up_soft_labels, task, tmp_path, monkeypatch):
    from softlabels.experiments import transfer_set

    monkeypatch.setattr(transfer_set, "few_labels_dir", lambda labels, quick=False: tmp_path / f"{labels}")
    with pytest.raises(FileNotFoundError, match="softlabels run few-labels-teachers"):
        transfer_set.TransferSetExperiment(quick=True).soft_labels(task, 500)
    quick("few-labels-teachers", tmp_path)
    teacher = distill.load_teacher(tasks.base_model(), tmp_path / "500")
    made = distill.SoftLabelCache.load(tmp_path / "500" / transfer_set.SOFT_LABELS, expect=task)
    assert made.manifest.teacher_sha256 == teacher.sha256 and len(made) == 100

    whole = distill.SoftLabelCache.load(made_up_soft_labels)
    monkeypatch.setattr(transfer_set.TransferSetExperiment, "soft_labels", lambda self, task, labels: whole)
    for arm, (data, _, about) in arms_of(transfer_set.TransferSetExperiment(quick=True), task).items():
        labels, texts = transfer_set.ARMS[arm]
        assert len(data) == (texts or labels) and about["teacher_labels"] == labels
        assert (data.labels is None) == (texts is not None) == (data.teacher_logits is not None)
        assert about["teacher_accuracy"] == 1


def test_the_cost_of_soft_labels(tmp_path):
    frame = quick("soft-label-cost", tmp_path).frame.set_index("arm")
    padding = frame["padding_share"]
    assert padding["padded to the longest"] > padding["padded per batch"] > padding["bucketed"] >= 0
    assert (frame["glosses_per_second"] > 0).all()


def test_results_in_the_repository_are_whole():
    """Every grid that the lessons read: five seeds of every arm, and the settings of today's code."""
    for name in experiments.names():
        path = tasks.home.results(name)
        assert path.is_file(), f"data/results lacks {name}: softlabels run {name}"
        experiment = experiments.EXPERIMENTS[name]()
        frame = pd.read_csv(path)
        assert set(frame["arm"]) == set(experiment.arms), name
        if experiment.seeded and not name.startswith("teacher-"):
            assert frame.groupby("arm")["seed"].nunique().eq(5).all(), name
        settings = json.loads(json.dumps(experiment.settings()))  # as they are read back
        base.read(path, settings)  # raises where the settings have changed since
