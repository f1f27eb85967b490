"""The experiments of the case clinic, on a budget of seconds: what an arm learns from, and what is measured of it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from softlabels import distill, experiments, tasks
from softlabels.experiments import base, clinic, clinic_pilots, clinic_ranker, clinic_speed, clinic_teachers, teacher
from softlabels.experiments.levers import FP32, INT8


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Soft labels that know the hard labels, for every task of the clinic."""
    monkeypatch.setattr(tasks.home, "soft_labels_file", lambda name: tmp_path / f"{name}.safetensors")
    hashes = dict(teacher_sha256="0" * 64, base_sha256="0" * 64, precision="fp32", created_by="a test")

    def make(name, task_name):
        if task_name == clinic_ranker.TASK:
            task = tasks.load_ranking(task_name)
            everything = task.split("all", show_targets=True)
            classes, known = clinic_ranker.candidate_names(20), everything.targets
        else:
            task = tasks.load(task_name)
            everything, classes = task.split("all", show_labels=True), task.classes
            known = everything.labels
        logits = 4 * np.eye(len(classes), dtype=np.float32)[known]
        about = dict(task=task.name, task_fingerprint=task.fingerprint, tokenizer_sha256=task.tokenizer_sha256)
        manifest = distill.Manifest(classes=classes, **about, **hashes)
        distill.SoftLabelCache(everything.ids, logits, manifest).save(tmp_path / f"{name}.safetensors")
        return task

    return make


def run_cell(experiment, arm):
    settings = json.loads(json.dumps(experiment.settings()))
    return experiment.run_cell(base.Cell(arm, 0), settings, lambda done: None)


def test_a_routers_arms(made_up, tmp_path, monkeypatch):
    task = made_up("intents", "intents")
    monkeypatch.setattr(clinic, "teacher_of", lambda task: distill.make_student("2x256", 42, 7, 8_000))
    experiment = clinic.ClinicRouter(quick=True, folder=tmp_path)
    assert set(experiment.arms) == set(experiment.options)
    rows, arrays = run_cell(experiment, "soft labels")
    assert [row["form"] for row in rows] == [FP32, INT8, clinic.AFTER]
    for row in rows:
        for measure in ("accuracy", "ece", "fitted_ece", "mean_recall", "worst_group", "agreement"):
            assert 0 <= row[measure] <= 1 and 0 <= row[f"validation_{measure}"] <= 1
        assert row["accuracy"] == row["agreement"], "this teacher is always right"
        assert row["worst_group"] <= row["accuracy"] and 0.05 <= row["fitted_temperature"] <= 20
    assert rows[0]["texts"] == len(task.split("labelled")) + len(task.split("transfer"))
    assert set(arrays) >= {"correct", f"correct, {INT8}", "answers"}
    assert arrays["correct"].mean() == pytest.approx(rows[0]["accuracy"])

    (fewer,), _ = run_cell(experiment, "soft labels, 4,000 pieces")
    (narrow,), _ = run_cell(experiment, "soft labels, narrow word table")
    (both,), _ = run_cell(experiment, "soft labels, 4,000 pieces, teacher's word vectors")
    assert both["parameters"] == fewer["parameters"]
    (hard,), _ = run_cell(experiment, "hard labels")
    assert rows[0]["parameters"] - fewer["parameters"] == 128 * (8_000 - 4_000)
    assert rows[0]["parameters"] - narrow["parameters"] == 8_000 * (128 - 32) - 32 * 128
    assert hard["texts"] == len(task.split("labelled")) and hard["updates"] == fewer["updates"]


def test_no_arm_sees_what_it_should_not(made_up, tmp_path, monkeypatch):
    for name in ("newsgroups", "newsgroups-500"):
        task = made_up(name, "newsgroups")
    seen = []
    monkeypatch.setattr(distill, "train", lambda student, data, *rest, **options: seen.append(data) or run_of(student))
    monkeypatch.setattr(clinic, "teacher_of", lambda task: None)
    monkeypatch.setattr(clinic, "narrow_embeddings", lambda student, teacher: student)
    experiment = clinic.ClinicClauses(quick=True, folder=tmp_path)
    settings = experiment.settings()
    for arm in experiment.arms:
        option = experiment.options[arm]
        experiment.learn(base.Cell(arm, 0), option, clinic.tokenizer_of(option, task), 1e-3, settings, print)
    hard, soft = seen
    assert hard.teacher_logits is None and len(hard) == 500 and hard.labels is not None
    assert soft.labels is None and len(soft) == len(task.split("labelled")) + len(task.split("transfer"))
    assert np.diff(hard.tokens[1]).max() == np.diff(soft.tokens[1]).max() == 64
    assert settings["labels"] == 500


def run_of(student):
    return distill.Run(student, np.zeros(1), [], 1.0, 1)


def test_a_few_labels_are_the_same_for_teacher_and_students():
    task = tasks.load("newsgroups")
    taught = teacher.FewLabelsTeacher(quick=True).labelled(task)
    learned = clinic.ClinicClauses(quick=True).labelled(task)
    assert np.array_equal(taught.ids, learned.ids) and len(taught) == 500
    assert set(taught.labels) == set(range(20))


def test_what_ships_is_what_is_measured(made_up, tmp_path):
    task = made_up("intents", "intents")
    examples = base.some(task.split("test"), 40)
    student = distill.make_student("2x128", 42, 0, 8_000).eval()
    tokenizer = clinic.tokenizer_of(clinic.Arm(), task)
    plain = clinic.logits_of(student, tokenizer, task, FP32, examples)
    torch.testing.assert_close(plain, distill.predict(student, examples.tokens), atol=1e-4, rtol=1e-4)
    rounded = clinic.logits_of(student, tokenizer, task, INT8, examples)
    assert 0 < (plain - rounded).abs().max() < 0.2
    trimmed = clinic.tokenizer_of(clinic.Arm(pieces=4_000), task)
    assert trimmed.get_vocab_size() == 4_000 and trimmed.truncation["max_length"] == task.max_pieces


def test_the_reranker(made_up, tmp_path):
    task = made_up(clinic_ranker.TASK, clinic_ranker.TASK)
    experiment = clinic_ranker.ClinicReranker(quick=True, folder=tmp_path)
    sets = {arm: experiment.queries_of(arm, task) for arm in experiment.arms}
    assert sets["hard labels"].targets is not None and sets["soft labels"].targets is None
    assert len(sets["soft labels"]) == 18_887 + 50_336
    few = {task.domains[i] for i in np.unique(sets["soft labels, six domains"].domains)}
    assert few == set(clinic_ranker.FEW_DOMAINS)
    counts = np.bincount(sets["soft labels"].domains, minlength=len(task.domains))
    assert few == {task.domains[i] for i in np.argsort(-counts)[:6]}, "those with most definitions"
    held_out = set(task.split("test").ids) | set(task.split("validation").ids)
    assert not held_out & set(sets["soft labels"].ids)
    (row,), arrays = run_cell(experiment, "soft labels, six domains")
    assert 0 < row["worst_group"] <= row["mrr"] <= 1 and row["first"] <= row["mrr"]
    assert arrays["ranks"].shape == (200,) and (1 / arrays["ranks"]).mean() == pytest.approx(row["mrr"])


def test_the_clinics_speed(tmp_path):
    experiment = clinic_speed.ClinicSpeed(quick=True, folder=tmp_path)
    settings = experiment.settings()
    assert set(settings["forms"]) == set(experiment.arms)
    (fp32, int8, _), _ = experiment.run_cell(base.Cell("router: soft labels", 0), settings, lambda done: None)
    assert int8["megabytes"] < fp32["megabytes"] and 0 < int8["p50_ms"] <= int8["p95_ms"]
    (whole, _), _ = experiment.run_cell(base.Cell("reranker: soft labels", 0), settings, lambda done: None)
    assert whole["p50_ms"] > fp32["p50_ms"], "21 texts, not one"


def test_a_reranker_scores_each_candidate_by_its_query():
    class Vectors:
        def logits(self, texts):
            return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    scores = clinic_speed.Reranker(Vectors()).logits([("aa", ["b", "bbb"]), ("c", ["dddd", "d"])])
    assert scores.tolist() == [[20.0 * (2 + 1), 20.0 * (6 + 1)], [20.0 * (4 + 1), 20.0 * (1 + 1)]]


@pytest.mark.parametrize("pilot", clinic_pilots.PILOTS, ids=lambda pilot: pilot.name)
def test_the_chosen_rate_is_the_pilots_best(pilot):
    frame = pd.read_csv(tasks.home.results(pilot.name))
    assert sorted(frame["learning_rate"]) == sorted(clinic_pilots.TRIED_RATES)
    best = frame.loc[frame["validation_accuracy"].idxmax(), "learning_rate"]
    assert pilot.case.rate == pytest.approx(best)


def test_a_pilot_tries_its_cases_soft_labels(made_up, tmp_path, monkeypatch):
    made_up("intents", "intents")
    pilot = clinic_pilots.ClinicRouterPilot(quick=True, folder=tmp_path)
    assert "rate" not in pilot.settings() and pilot.settings()["seed"] == clinic_pilots.PILOT_SEED
    (row,), arrays = run_cell(pilot, "rate 0.001")
    assert row["learning_rate"] == 0.001 and 0 <= row["validation_accuracy"] <= 1 and not arrays
    assert not {"accuracy", "nll"} & set(row), "the test set is not looked at"


def test_a_teacher_as_an_option(made_up, tmp_path, monkeypatch):
    task = made_up("intents", "intents")
    monkeypatch.setattr(clinic_teachers, "TEACHERS", {"intents": ("intents", None, 60)})
    model = distill.make_student("2x128", 42, 0, 8_000).eval()
    monkeypatch.setattr(distill, "load_teacher", lambda base, folder: type("Teacher", (), dict(model=model)))
    (fp32, int8), arrays = run_cell(clinic_teachers.ClinicTeachers(quick=True, folder=tmp_path), "intents")
    assert fp32["accuracy"] == 1 > int8["accuracy"], "fp32 is what its soft labels say; int8 is run"
    assert (
        int8["agreement"] == int8["accuracy"]
        and int8["examples"] == 60
        and arrays["correct"].all()
        and len(task.groups) == 32
    )


def test_the_clinics_runs_are_among_all():
    names = {pilot.name for pilot in clinic_pilots.PILOTS} | {pilot.case.name for pilot in clinic_pilots.PILOTS}
    assert names | {"clinic-reranker", "clinic-speed", "clinic-teachers"} <= set(experiments.names())
