import json

import pytest
from safetensors.numpy import load
from toy_experiment import Toy

from softlabels import experiments
from softlabels.experiments.base import cores, measure

KEYS = ["arm", "seed", "value"]


def rows(results):
    return sorted(results.frame[KEYS].itertuples(index=False, name=None))


EXPECTED = [("add", 0, 10), ("add", 1, 11), ("multiply", 0, 0), ("multiply", 1, 10)]


def test_every_cell_is_run_and_written_with_its_provenance(tmp_path):
    results = measure(Toy(folder=tmp_path), progress=False, workers=1)
    assert rows(results) == EXPECTED
    written = results.frame.columns
    assert {"commit", "softlabels", "torch", "python", "processor", "threads", "measured"} <= set(written)
    about = json.loads((tmp_path / "toy.json").read_text())
    assert about["settings"] == {"factor": 10, "arms": ["add", "multiply"]} and about["quick"] is False
    arrays = load((tmp_path / "toy.safetensors").read_bytes())
    assert set(arrays) == {f"{arm}/{seed}/correct" for arm, seed, _ in EXPECTED}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["toy.csv", "toy.json", "toy.safetensors"]


def test_a_run_that_is_killed_goes_on_where_it_stopped(tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        measure(Toy(folder=tmp_path, fail_at=("add", 1)), progress=False, workers=1)
    again = Toy(folder=tmp_path)
    results = measure(again, progress=False, workers=1)
    assert again.ran == [("add", 1), ("multiply", 1)]  # the two before the kill are not run again
    assert rows(results) == EXPECTED and len(results.arrays) == 4
    rested = Toy(folder=tmp_path)
    assert rows(measure(rested, progress=False)) == EXPECTED and not rested.ran


def test_more_seeds_are_added_and_fresh_starts_again(tmp_path):
    measure(Toy(folder=tmp_path), seeds=[0], progress=False, workers=1)
    more = Toy(folder=tmp_path)
    assert rows(measure(more, seeds=2, progress=False, workers=1)) == EXPECTED
    assert more.ran == [("add", 1), ("multiply", 1)]
    anew = measure(Toy(folder=tmp_path, factor=3), seeds=1, progress=False, fresh=True, workers=1)
    assert rows(anew) == [("add", 0, 3), ("multiply", 0, 0)] and len(anew.arrays) == 2


def test_results_of_other_settings_are_not_mixed(tmp_path):
    measure(Toy(folder=tmp_path), seeds=1, progress=False, workers=1)
    before = (tmp_path / "toy.csv").read_bytes()
    with pytest.raises(experiments.ConfigurationChanged, match="factor = 10, and now it is 11"):
        measure(Toy(folder=tmp_path, factor=11), progress=False, workers=1)
    assert (tmp_path / "toy.csv").read_bytes() == before


def test_worker_processes_give_the_same_results_and_move_the_bar(tmp_path, capsys):
    results = measure(Toy(folder=tmp_path, pause=0.001), progress=True, workers=2)
    assert rows(results) == EXPECTED
    assert set(results.frame["threads"]) == {max(1, cores() // 2)}  # the workers', not ours


def test_an_error_in_a_worker_is_the_callers_and_loses_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        measure(Toy(folder=tmp_path, fail_at=("multiply", 1)), progress=False, workers=2)
    assert {("add", 0, 10)} <= set(rows(measure(Toy(folder=tmp_path), progress=False, workers=1)))


def test_quick_results_go_into_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTLABELS_CACHE", str(tmp_path))
    assert tmp_path in Toy(quick=True).path.parents
    assert tmp_path not in Toy().path.parents


def test_names_and_unknown_names():
    assert experiments.names()[:3] == ["teacher-wordnet", "soft-labels-wordnet", "first-look"]
    assert all(experiments.describe(name) for name in experiments.names())
    with pytest.raises(KeyError, match="no experiment 'nonsense'"):
        experiments.run("nonsense")
