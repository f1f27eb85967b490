"""The grids behind lesson 11, on a budget of seconds: each arm pulls the lever that it is named after, and no other."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from softlabels import distill, experiments, tasks
from softlabels.distill.pruning import MATRICES
from softlabels.experiments import base, headline, lever_speed, levers


@pytest.fixture(scope="module")
def task():
    return tasks.load("wordnet")


@pytest.fixture(scope="module")
def teacher(task):
    return levers.teacher_of(task)


@pytest.fixture
def few_probes(monkeypatch):
    monkeypatch.setattr(levers, "PROBES", 2)


def size(model):
    return sum(p.numel() for p in model.parameters())


def test_each_lever_does_what_it_is_named_after(task, teacher, few_probes):
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    made = {name: build(teacher, task, 0) for name, build in levers.BUILD.items()}
    for name, value in teacher.state_dict().items():
        assert torch.equal(value, before[name]), f"a lever has changed the teacher's {name}"
    assert all(p.requires_grad for student in made.values() for p in student.parameters()), "all can be trained"

    words, layer = size(teacher.words), size(teacher.layers[0])
    assert [len(made[f"depth {n}"].layers) for n in (3, 2, 1)] == [3, 2, 1]
    assert torch.equal(made["depth 3"].layers[2].up.weight, teacher.layers[2].up.weight)
    assert made["width 256, depth 4"].config.width == 256 and made["width 128, depth 2"].config.width == 128
    assert {layer.heads for layer in made["6 of 12 heads"].layers} == {levers.HEADS}
    assert size(teacher) - size(made["6 of 12 heads"]) == 6 * (4 * 384 * 192 + 3 * 192)
    shared, depth_3 = made["shared layer, 3 passes"], made["depth 3"]
    assert len(shared.layers) == 3 and size(depth_3) - size(shared) == 2 * layer
    assert torch.equal(shared.layers[2].up.weight, teacher.layers[0].up.weight)
    narrow = made["depth 2, narrow word table"]
    assert size(made["depth 2"]) - size(narrow) == words - 64 * (30_522 + 384)
    pruned = distill.keep_pruned(made["80% of weights pruned"])
    for matrix in MATRICES:
        assert (getattr(pruned.layers[3], matrix).weight == 0).float().mean() == pytest.approx(0.8, abs=1e-4)
    assert torch.equal(pruned.words.weight, teacher.words.weight)


def test_every_arm_has_a_rate_that_was_tried():
    arms = [arm for family in levers.FAMILIES.values() for arm in family]
    assert sorted(arms) == sorted(levers.Levers.arms) and set(levers.CHOSEN_RATES) == set(levers.FAMILIES)
    assert all(rate in levers.TRIED_RATES[family] for family, rate in levers.CHOSEN_RATES.items())


def test_the_chosen_rates_are_the_pilots_best():
    frame = pd.read_csv(tasks.home.results("levers-pilot"))
    for family, rows in frame.groupby("family"):
        assert len(rows) == len(levers.TRIED_RATES[family])
        best = rows.loc[rows["validation_accuracy"].idxmax(), "learning_rate"]
        assert levers.CHOSEN_RATES[family] == pytest.approx(best), family


def run_cell(experiment, arm):
    return experiment.run_cell(base.Cell(arm, 0), experiment.settings(), lambda done: None)


def test_a_row_for_each_form(made_up_soft_labels, tmp_path):
    rows, arrays = run_cell(levers.Levers(quick=True, folder=tmp_path), "width 128, depth 2")
    assert [row["form"] for row in rows] == ["fp32", "int8", "int8, fewer word pieces"]
    assert {"accuracy", "nll", "ece", "agreement", "validation_accuracy", "learning_rate"} <= set(rows[0])
    assert set(arrays) == {"correct", "correct, int8", "correct, int8, fewer word pieces"}
    assert all(array.shape == (100,) for array in arrays.values())
    rates = {row["learning_rate"] for row in rows}
    assert rates == {levers.CHOSEN_RATES["width 128, depth 2"]}


def test_int8_is_measured_as_it_is_shipped(task, teacher):
    examples = base.some(task.split("test"), 30)
    plain = distill.predict(teacher, examples.tokens)
    rounded = levers.as_shipped(teacher, task, levers.INT8, examples)
    assert 0 < (plain - rounded).abs().max() < 1, "rounded, but the same answers nearly everywhere"
    assert distill.agreement(plain, rounded) > 0.9


def test_rows_that_no_text_can_ask_for_change_no_answer(task, teacher, tmp_path):
    texts = base.some(task.split("test"), 20).texts
    classifier = levers.ship(teacher, task, levers.INT8, tmp_path / "usable")
    distill.export.export_folder(teacher, tasks.tokenizer(), task.classes, tmp_path / "all", int8=True)
    whole = distill.export.open_folder(tmp_path / "all")
    assert len(classifier.tokenizer.get_vocab()) == 30_522 - 994
    for text in (*texts, "[unused7] and [MASK], a [UNK]"):
        np.testing.assert_array_equal(classifier.logits([text]), whole.logits([text]))


def test_exits_and_their_thresholds(made_up_soft_labels, tmp_path, monkeypatch):
    monkeypatch.setattr(levers.Levers, "quick_updates", 2)
    rows, arrays = run_cell(levers.Levers(quick=True, folder=tmp_path), levers.EARLY_EXIT)
    assert [row["form"] for row in rows] == [f"threshold {t}" for t in levers.THRESHOLDS]
    depth = [row["layers"] for row in rows]
    assert depth == sorted(depth) and depth[0] >= 1 and depth[-1] <= 6
    assert arrays["0.weight"].shape == (24, 384) and len(arrays) == 10


def test_what_compression_alone_does(made_up_soft_labels, few_probes, tmp_path):
    experiment = levers.LeversOneShot(quick=True, folder=tmp_path)
    (whole, *_), _ = run_cell(experiment, "teacher")
    (cut,), _ = run_cell(experiment, "depth 3")
    (pruned,), _ = run_cell(experiment, "80% of weights pruned")
    assert whole["accuracy"] > 0.8 > cut["accuracy"]
    assert cut["parameters"] < whole["parameters"] == pruned["parameters"] and pruned["accuracy"] < whole["accuracy"]


def test_the_headlines_students_differ_in_their_start(task, teacher):
    drawn, begun = (headline.build(arm, 24, 0) for arm in (headline.RANDOM, "2 layers of 128"))
    assert drawn.config == begun.config and torch.equal(drawn.layers[1].up.weight, begun.layers[1].up.weight)
    theirs = teacher.words.weight[1000:1100].detach()
    far = torch.pdist(theirs)
    similar = {n: np.corrcoef(torch.pdist(s.words.weight[1000:1100].detach()), far)[0, 1] for n, s in
               (("drawn", drawn), ("begun", begun))}  # fmt: skip
    assert similar["begun"] > 0.8 > 0.3 > similar["drawn"]


def test_speed_of_each_form(task, teacher, tmp_path, monkeypatch):
    experiment = lever_speed.LeverSpeed(quick=True, folder=tmp_path)
    settings = experiment.settings()
    assert set(settings["forms"]) == set(experiment.arms)
    rows, _ = experiment.run_cell(base.Cell("2 layers of 128", 0), settings, lambda done: None)
    by_form = {row["form"]: row for row in rows}
    assert by_form["int8, fewer word pieces"]["megabytes"] < by_form["int8"]["megabytes"] < by_form["fp32"]["megabytes"]
    assert "megabytes" not in by_form["fp32 in torch"]
    for row in rows:
        assert 0 < row["p50_ms"] <= row["p95_ms"] and row["texts_per_second"] > 0
    assert 20 < by_form["int8"]["peak_megabytes"] < 1_000
    assert by_form["fp32"]["zipped_megabytes"] < by_form["fp32"]["megabytes"]


def test_exits_of_the_results_are_read_back(teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks.home, "results", lambda name: tmp_path / f"{name}.csv")
    with pytest.raises(FileNotFoundError, match="softlabels run levers"):
        lever_speed.trained_exits(copy.deepcopy(teacher))
    from safetensors.numpy import save_file

    exits = distill.Exits(copy.deepcopy(teacher), seed=3)
    state = exits.heads.state_dict()
    save_file({f"early exit/0/{name}": value.numpy() for name, value in state.items()}, tmp_path / "levers.safetensors")
    read = lever_speed.trained_exits(copy.deepcopy(teacher))
    assert all(torch.equal(value, state[name]) for name, value in read.heads.state_dict().items())


def test_the_new_grids_are_among_all():
    assert {"levers-one-shot", "levers-pilot", "levers", "headline", "lever-speed"} <= set(experiments.names())
