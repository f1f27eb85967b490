"""The real experiments on a budget of seconds: the same code from teacher to picture, in folders of their own."""

import pandas as pd
import pytest

from softlabels import distill, experiments, tasks


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("quick")


@pytest.fixture(scope="module")
def teacher(folder):
    return experiments.run("teacher-wordnet", quick=True, progress=False, folder=folder)


def test_teacher(teacher, folder):
    frame = pd.read_csv(folder / "teacher-wordnet.csv")
    assert list(frame["split"]) == ["validation", "test"]
    assert (frame["accuracy"] > 1 / 24).all() and frame["ece"].between(0, 1).all() and (frame["nll"] > 0).all()
    saved = distill.load_teacher(tasks.base_model(), folder / "teacher")
    assert saved.sha256 == frame["sha256"][0] and saved.config["task"] == "wordnet"
    assert sum(f.stat().st_size for f in (folder / "teacher").iterdir()) < 8e6


def test_soft_labels(teacher, folder):
    results = experiments.run("soft-labels-wordnet", quick=True, progress=False, folder=folder)
    task = tasks.load("wordnet")
    cache = distill.SoftLabelCache.load(folder / "soft_labels.safetensors", expect=task)
    assert cache.manifest.teacher_sha256 == distill.load_teacher(tasks.base_model(), folder / "teacher").sha256
    assert set(results.frame["split"]) == {"validation", "test", "labelled", "transfer"}
    assert results.frame["examples"].sum() == len(cache) == 400


def test_first_look(made_up_soft_labels, tmp_path, capsys):
    results = experiments.run("first-look", seeds=2, quick=True, progress=False, folder=tmp_path, workers=1)
    frame = pd.read_csv(tmp_path / "first-look.csv")
    soft = {"soft labels", "soft labels, all texts"}
    assert len(frame) == 8 and set(frame["arm"]) == {"hard labels", "hard labels, smoothed", *soft}
    assert frame.groupby("arm")["texts"].first()["soft labels, all texts"] == 73_391
    assert set(frame["updates"]) == {60}
    assert (frame["accuracy"] == frame["agreement"]).all()  # this teacher is always right
    for (arm, seed), row in frame.set_index(["arm", "seed"]).iterrows():
        assert results.arrays[f"{arm}/{seed}/correct"].mean() == pytest.approx(row["accuracy"])
    assert (tmp_path / "first-look.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert said.count(" against ") == 5 and "2 seeds, 200 examples" in said


def test_no_arm_sees_what_it_should_not(made_up_soft_labels):
    from softlabels.experiments.first_look import HARD, SMOOTHED, SOFT, SOFT_ALL, FirstLook

    task = tasks.load("wordnet")
    cache = distill.SoftLabelCache.load(made_up_soft_labels)
    sets = {arm: FirstLook.learns_from(arm, task, cache, 1.0)[0] for arm in FirstLook.arms}
    assert sets[HARD].teacher_logits is None and sets[SMOOTHED].teacher_logits is None
    assert sets[SOFT].labels is None and sets[SOFT_ALL].labels is None
    assert len(sets[HARD]) == len(sets[SOFT]) == 20_000 and len(sets[SOFT_ALL]) == 73_391


def test_soft_labels_of_other_texts_are_refused(made_up_soft_labels, tmp_path):
    task = tasks.load("wordnet")
    cache = distill.SoftLabelCache.load(made_up_soft_labels)
    stale = distill.Manifest(**{**vars(cache.manifest), "task_fingerprint": "0" * 64})
    distill.SoftLabelCache(cache.ids, cache.logits, stale).save(made_up_soft_labels)
    with pytest.raises(distill.ManifestMismatch, match=task.fingerprint):
        experiments.run("first-look", quick=True, progress=False, folder=tmp_path)
