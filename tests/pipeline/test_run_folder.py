"""A run survives a kill, and refuses to go on as another one."""

import pytest

from softlabels.pipeline.run_folder import RunFolder, RunMismatch


def test_a_stage_is_done_once_and_whole(tmp_path):
    run, calls = RunFolder(tmp_path / "run", {"seed": 0}), []

    def work(folder, fail=False):
        calls.append(sorted(p.name for p in folder.iterdir()))
        (folder / "half").write_text("x")
        if fail:
            raise KeyboardInterrupt

    for keep in (False, True):
        with pytest.raises(KeyboardInterrupt):
            run.stage("one", lambda folder: work(folder, fail=True), keep_parts=keep)
        assert not run.has("one")
    assert calls == [[], ["half"]]  # the second was allowed to keep what the first one left
    assert (run.stage("one", work) / "half").read_text() == "x"
    run.stage("one", work)
    assert calls == [[], ["half"], []]


def test_other_settings_are_refused_and_fresh_forgets(tmp_path):
    path = tmp_path / "run"
    RunFolder(path, {"seed": 0, "sizes": ("a",), "data_sha256": "x"}).close()
    RunFolder(path, {"seed": 0, "sizes": ("a",), "data_sha256": "x"}).close()
    with pytest.raises(RunMismatch, match=r"seed was 0, is 1; data_sha256 was \"x\", is \"y\".*--fresh.*--run"):
        RunFolder(path, {"seed": 1, "sizes": ("a",), "data_sha256": "y"})
    run = RunFolder(path, {"seed": 0, "sizes": ("a",), "data_sha256": "x"})
    run.stage("one", lambda folder: None)
    run.close()
    again = RunFolder(path, {"seed": 1}, fresh=True)
    assert not again.has("one")
    again.close()


def test_two_commands_do_not_mix_and_strange_folders_are_left_alone(tmp_path):
    run = RunFolder(tmp_path / "run", {})
    with pytest.raises(RunMismatch, match="another command is at work"):
        RunFolder(tmp_path / "run", {})
    run.close()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_text("")
    for fresh in (False, True):
        with pytest.raises(RunMismatch, match="no run of this command"):
            RunFolder(tmp_path / "photos", {}, fresh)
    assert (tmp_path / "photos" / "a.png").exists()
