import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from softlabels.course.lab import command, copy_lessons


@pytest.fixture
def lessons(tmp_path):
    folder = tmp_path / "lessons"
    folder.mkdir()
    for name in ("00_start_here", "01_why"):
        (folder / f"{name}.ipynb").write_text(f"{name} version 1")
    return folder


def test_lessons_are_copied_once(lessons, work):
    assert copy_lessons(lessons, work).new == ["00_start_here.ipynb", "01_why.ipynb"]
    again = copy_lessons(lessons, work)
    assert not (again.new or again.updated or again.beside)


def test_an_unchanged_copy_is_updated_in_place(lessons, work):
    copy_lessons(lessons, work)
    (lessons / "01_why.ipynb").write_text("version 2")
    assert copy_lessons(lessons, work).updated == ["01_why.ipynb"]
    assert (work / "01_why.ipynb").read_text() == "version 2"


def test_a_changed_file_is_never_overwritten(lessons, work):
    copy_lessons(lessons, work)
    mine = work / "01_why.ipynb"
    mine.write_text("my own work")
    assert copy_lessons(lessons, work).beside == []  # nothing newer has come
    for version in (2, 3):
        (lessons / "01_why.ipynb").write_text(f"version {version}")
        assert copy_lessons(lessons, work).beside == ["01_why.new.ipynb"]
        assert copy_lessons(lessons, work).beside == []
        assert mine.read_text() == "my own work"
        assert (work / "01_why.new.ipynb").read_text() == f"version {version}"


def test_a_newer_version_that_was_worked_in_is_kept_too(lessons, work):
    copy_lessons(lessons, work)
    (work / "01_why.ipynb").write_text("my own work")
    (lessons / "01_why.ipynb").write_text("version 2")
    copy_lessons(lessons, work)
    (work / "01_why.new.ipynb").write_text("my work in the new one")
    (lessons / "01_why.ipynb").write_text("version 3")
    assert copy_lessons(lessons, work).beside == ["01_why.new2.ipynb"]
    assert (work / "01_why.new.ipynb").read_text() == "my work in the new one"
    assert (work / "01_why.new2.ipynb").read_text() == "version 3"


def test_a_newer_version_that_was_deleted_does_not_come_back(lessons, work):
    copy_lessons(lessons, work)
    (work / "01_why.ipynb").write_text("my own work")
    (lessons / "01_why.ipynb").write_text("version 2")
    copy_lessons(lessons, work)
    (work / "01_why.new.ipynb").unlink()
    assert copy_lessons(lessons, work).beside == []
    assert not (work / "01_why.new.ipynb").exists()


@pytest.mark.parametrize("state", ["", "{", "[]", '{"01_why.ipynb": 3}'])
def test_an_unreadable_state_loses_nothing(lessons, work, state):
    copy_lessons(lessons, work)
    (work / ".softlabels.json").write_text(state)
    (work / "01_why.ipynb").write_text("my own work")
    (lessons / "01_why.ipynb").write_text("version 2")
    copy_lessons(lessons, work)
    assert (work / "01_why.ipynb").read_text() == "my own work"
    assert (work / "01_why.new.ipynb").read_text() == "version 2"


def test_no_lessons_is_said(tmp_path, work):
    with pytest.raises(FileNotFoundError, match="no lessons"):
        copy_lessons(tmp_path, work)


def test_the_command_opens_the_first_lesson_of_the_clone(tmp_path):
    line = command(tmp_path, tmp_path / "work", browser=False, port=9123)
    assert f"--ServerApp.root_dir={tmp_path.resolve()}" in line
    assert "--LabApp.default_url=/lab/tree/work/00_start_here.ipynb" in line
    assert "--no-browser" in line and "--ServerApp.port=9123" in line
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    assert ("--allow-root" in line) == is_root


def test_a_work_folder_outside_the_clone_becomes_the_root(tmp_path):
    line = command(tmp_path / "clone", tmp_path / "mine")
    assert f"--ServerApp.root_dir={(tmp_path / 'mine').resolve()}" in line
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in line


def test_lab_starts_headless_prints_its_address_and_ends(lessons, tmp_path, work):
    environment = {**os.environ, "SOFTLABELS_HOME": str(tmp_path), "SOFTLABELS_WORK": str(tmp_path / "work")}
    environment.update(JUPYTER_RUNTIME_DIR=str(tmp_path / "runtime"), PYTHONUNBUFFERED="1")
    environment.pop("DISPLAY", None)
    repo = Path(__file__).resolve().parents[2]
    log = tmp_path / "log"
    with log.open("w") as out:
        start = [sys.executable, "-m", "softlabels.cli", "lab", "--no-browser"]
        lab = subprocess.Popen(
            start, env={**environment, "PYTHONPATH": str(repo)}, stdout=out, stderr=out, cwd=tmp_path
        )
    try:
        end = time.monotonic() + 180  # seconds where the machine is idle
        while "The course is open at" not in log.read_text() and time.monotonic() < end and lab.poll() is None:
            time.sleep(0.2)
        said = log.read_text()
        assert "new: 00_start_here.ipynb" in said and "The course is open at" in said, said
        address = next(w for w in said.split("The course is open at")[1].split() if w.startswith("http"))
        with urllib.request.urlopen(address, timeout=20) as page:
            assert page.url.split("?")[0].endswith("/lab/tree/work/00_start_here.ipynb")
        api = address.replace("/lab/tree/work/00_start_here.ipynb?", "/api/contents/work?")
        with urllib.request.urlopen(api, timeout=20) as page:
            assert "01_why.ipynb" in [f["name"] for f in json.load(page)["content"]]
        setting = "/lab/api/settings/@jupyterlab/apputils-extension:notification?"
        with urllib.request.urlopen(
            address.replace("/lab/tree/work/00_start_here.ipynb?", setting), timeout=20
        ) as page:
            assert json.load(page)["schema"]["properties"]["fetchNews"]["default"] == "false"
    finally:
        lab.terminate()
        assert lab.wait(30) is not None
