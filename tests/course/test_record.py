import json
import multiprocessing

import pytest

from softlabels.course import record


def _save_many(who: int) -> None:
    for n in range(15):
        record.save("hints", f"{who}-{n}", {"used": 1})
        record.save("checks", "shared", {"outcome": "correct"})


def test_two_kernels_do_not_lose_each_others_records():
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn")
    kernels = [context.Process(target=_save_many, args=(who,)) for who in range(2)]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        kernel.join(60)
    kept = record.load()
    assert len(kept["hints"]) == 30
    assert kept["checks"]["shared"]["attempts"] == 30


@pytest.mark.parametrize("text", ["{ not json", "[]", '{"checks": 3}', '{"checks": {"soften": 3}}', "\x00"])
def test_an_unreadable_file_is_moved_aside_and_said(work, text):
    work.mkdir()
    record.path().write_text(text)
    assert record.load()["checks"] == {}
    said = record.save("checks", "soften", {"outcome": "correct"})
    assert "progress.unreadable-1.json" in said
    assert (work / "progress.unreadable-1.json").read_text() == text
    assert record.load()["checks"]["soften"]["outcome"] == "correct"
    assert record.save("checks", "soften", {"outcome": "wrong"}) is None


def test_a_second_unreadable_file_does_not_overwrite_the_first(work):
    work.mkdir()
    for n in (1, 2):
        record.path().write_text(f"bad {n}")
        record.save("hints", "x", {"used": 1})
    assert (work / "progress.unreadable-1.json").read_text() == "bad 1"
    assert (work / "progress.unreadable-2.json").read_text() == "bad 2"


def test_a_save_that_dies_leaves_the_old_file_whole(work, monkeypatch):
    record.save("hints", "x", {"used": 1})

    def dies(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(json, "dump", dies)
    assert "could not be saved" in record.save("hints", "y", {"used": 1})
    assert set(record.load()["hints"]) == {"x"}
    assert not list(work.glob("*.tmp"))


def test_an_unknown_section_is_refused():
    with pytest.raises(ValueError, match="unknown section"):
        record.save("scores", "x", {})
