"""The grids behind lessons 09 and 10, on a budget of seconds: each arm differs from its control in what it says."""

import pytest
import torch

from softlabels import distill, experiments, tasks
from softlabels.experiments import base, failures, multi_level, smoothed_teachers, two_classes
from softlabels.experiments.students import labelled_texts


@pytest.fixture(scope="module")
def task():
    return tasks.load("wordnet")


@pytest.fixture(scope="module")
def teacher(task):
    return distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir("wordnet")).model


def fitted(experiment, arm: str, seed: int = 0):
    """Run one cell and return its only row, its arrays, and all (student, transfer set, objective) that it trained."""
    trained = []

    def spy(student, transfer_set, objective, *rest):
        trained.append((student, transfer_set, objective))
        return type(experiment).train(experiment, student, transfer_set, objective, *rest)

    experiment.train = spy
    rows, arrays = experiment.run_cell(base.Cell(arm, seed), experiment.settings(), lambda done: None)
    return rows[0], arrays, trained


def test_levels_learn_beside_the_logits(task, tmp_path):
    experiment = multi_level.MultiLevel(quick=True, folder=tmp_path)
    row, arrays, [(apprentice, data, objective)] = fitted(experiment, "+ all levels")
    assert isinstance(apprentice, distill.LevelStudent) and apprentice.projections is objective.projections
    weights = objective.hidden_weight, objective.attention_weight, objective.relation_weight
    assert weights == tuple(multi_level.WEIGHTS[level] for level in multi_level.LEVELS) and objective.soft_weight == 1
    assert objective.ask.layers == (3, 6) and len(objective.ask.known) == len(data) == multi_level.QUICK_TEXTS
    assert row["levels"] == "logits hidden attention relation" and row["start"] == "random" and 0 <= row["ece"] <= 1
    assert arrays["correct"].shape == (200,)
    own = distill.make_projections(2, 128, 384)
    assert [p.shape for p in own.parameters()] == [p.shape for p in apprentice.projections.parameters()]

    _, _, [(student, _, plain)] = fitted(experiment, "logits")
    assert plain == distill.SoftLabelLoss() and student.config.width == 128


def test_wide_students_differ_in_their_start_alone(task, teacher):
    made = {
        name: multi_level.make_student(arm, teacher, 24, seed=0) for name, arm in multi_level.ARMS.items() if arm.wide
    }
    shapes = {student.config for student in made.values()}
    assert len(shapes) == 1 and shapes.pop().width == teacher.config.width

    def same(student, number, layer):
        return torch.equal(student.layers[layer].up.weight, teacher.layers[number - 1].up.weight)

    starts = {"lower": (1, 2), "upper": (5, 6), "uniform": (3, 6)}
    for kind, numbers in starts.items():
        student = made[f"wide, {kind} layers"]
        assert all(same(student, number, layer) for layer, number in enumerate(numbers))
        assert torch.equal(student.words.weight, teacher.words.weight)
        assert torch.equal(student.head.weight, made["wide"].head.weight)
    embeddings = made["wide, embeddings"]
    assert torch.equal(embeddings.words.weight, teacher.words.weight)
    assert torch.equal(embeddings.layers[0].up.weight, made["wide"].layers[0].up.weight)
    assert not torch.equal(made["wide"].words.weight, teacher.words.weight)


def test_each_control_takes_out_one_thing(made_up_soft_labels, task):
    experiment = failures.Failures(quick=True)
    settings, texts = experiment.settings(), labelled_texts(task, failures.QUICK_TEXTS)
    given = {arm: experiment.given(base.Cell(arm, 0), task, settings) for arm in experiment.arms}
    soft, shuffled = (given[arm][0].teacher_logits for arm in (failures.SOFT, failures.SHUFFLED))
    assert torch.equal(soft.argmax(-1), shuffled.argmax(-1))
    assert torch.equal(soft.sort(-1).values, shuffled.sort(-1).values)

    both, random = given[failures.BOTH], given[failures.RANDOM]
    assert both[1] == random[1] == distill.SoftLabelLoss(soft_weight=0.5, hard_weight=0.5)
    assert torch.equal(both[0].labels, random[0].labels) and torch.equal(both[0].teacher_logits, soft)
    bits = distill.entropy_bits(distill.soften(random[0].teacher_logits, 1.0))
    assert (bits > 4).all(), "a teacher that has learned nothing is unsure of everything"
    assert given[failures.SMOOTHED][1] == distill.HardLabelLoss(0.1)

    plenty_hard, plenty_soft = (given[arm][0] for arm in (failures.PLENTY_HARD, failures.PLENTY_SOFT))
    assert len(plenty_hard) == len(plenty_soft) == 73_391 and len(given[failures.SOFT][0]) == len(texts)
    assert torch.equal(plenty_soft.teacher_logits.argmax(-1), plenty_hard.labels)  # this teacher is always right


def test_both_sides_are_measured_on_one_question(made_up_soft_labels, task, tmp_path):
    sides = two_classes.sides(task.classes)
    assert sides.sum() == len(two_classes.CONCRETE) and set(two_classes.CONCRETE) < set(task.classes)
    frame = experiments.run("two-classes", seeds=1, quick=True, progress=False, folder=tmp_path, workers=1).frame
    assert (frame["teacher_accuracy"] == 1).all()
    assert frame["accuracy_of_24"].isna().tolist() == [True, True, False, False]


def test_teachers_differ_in_their_smoothing_alone(task, tmp_path, monkeypatch):
    asked = []
    real = distill.finetune_teacher
    monkeypatch.setattr(distill, "finetune_teacher", lambda *a, **how: asked.append(how) or real(*a, **how))
    experiment = smoothed_teachers.SmoothedTeachers(quick=True, folder=tmp_path)
    plain, smoothed = (fitted(experiment, arm)[0] for arm in experiment.arms)
    assert [how.pop("label_smoothing") for how in asked] == [0, 0.1]
    assert asked[0] == asked[1] and asked[0]["seed"] == 0
    assert plain["smoothing"] == 0 and smoothed["smoothing"] == 0.1
    assert {"teacher_accuracy", "teacher_ece", "teacher_nll", "teacher_entropy_bits"} <= smoothed.keys()
