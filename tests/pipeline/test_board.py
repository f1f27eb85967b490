"""A class's board: entries are written whole, read kindly, and ranked on the same data."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from softlabels import cli
from softlabels.pipeline import Limits, Settings, board
from softlabels.pipeline.board import BrokenEntry, rank, read_board, write_entry


def table(ids=(5, -3, 9, 1), labels=(0, 1, 0, -1), split=(0, 2, 2, 3), classes=("a", "b")):
    arrays = (np.array(column) for column in (ids, labels, split))
    return SimpleNamespace(
        **dict(zip(("ids", "labels", "split"), arrays, strict=True)),
        classes=classes,
        source=SimpleNamespace(path=SimpleNamespace(name="my_data.csv")),
    )


FOUND = dict(
    models={
        "teacher": dict(accuracy=0.9, nll=0.3, ece=0.02, agreement=1.0),
        "student, as shipped": dict(accuracy=0.85, nll=0.4, ece=0.03, agreement=0.88),
    },
    latency={1: dict(p50=1.5, p95=2.5), 32: dict(p50=30.0, p95=40.0)},
    megabytes=2.5,
    n=2,
)
CHOSEN = dict(size="teacher-1", kind="int8", words=5000)


def write(folder, name="Ada", **changes):
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    entry = write_entry(path, name, table(), Settings(Limits(3, 2)), CHOSEN, FOUND) | changes
    path.write_text(json.dumps(entry))
    return entry


def test_an_entry_is_written_and_read_back(tmp_path):
    entry = write_entry(tmp_path / "ada.json", " Ada \n L. ", table(), Settings(Limits(3)), CHOSEN, FOUND)
    assert entry["name"] == "Ada L." and entry["budget"] == {"megabytes": 3, "milliseconds": None}
    assert entry["settings"]["epochs"] == 3 and "limits" not in entry["settings"]
    assert [p.name for p in tmp_path.iterdir()] == ["ada.json"]
    assert read_board(tmp_path) == ([entry], [])


def test_the_fingerprint_is_of_texts_labels_and_splits_not_of_their_order():
    same = board.fingerprint(table((1, 9, -3, 5), (-1, 0, 1, 0), (3, 2, 2, 0)))
    assert board.fingerprint(table()) == same
    for changed in (dict(ids=(5, -3, 9, 2)), dict(labels=(1, 1, 0, -1)), dict(split=(1, 2, 2, 3))):
        assert board.fingerprint(table(**changed)) != same
    assert board.fingerprint(table(classes=("a", "c"))) != same


def test_ranked_by_data_accuracy_and_size(tmp_path):
    write(tmp_path, "B", accuracy=0.8, megabytes=2.0)
    write(tmp_path, "A", accuracy=0.8, megabytes=1.0)
    write(tmp_path, "C", accuracy=0.9)
    write(tmp_path, "slow", accuracy=0.99, p50_ms=2.1)
    write(tmp_path, "other", fingerprint="other")
    boards = rank(read_board(tmp_path).entries)
    fingerprints = list(boards)
    assert len(fingerprints) == 2 and fingerprints[1] == "other"
    fitting, over = boards[fingerprints[0]]
    assert [e["name"] for e in fitting] == ["C", "A", "B"] and [e["name"] for e in over] == ["slow"]
    fitting, over = rank(read_board(tmp_path).entries, Limits(1.5))[fingerprints[0]]
    assert [e["name"] for e in fitting] == ["A"] and len(over) == 3


@pytest.mark.parametrize(
    "content, words",
    [
        (b"{", "cannot be read as JSON"),
        (b"\xff\xfe", "cannot be read as JSON"),
        (dict(accuracy=83), "accuracy must be a share from 0 to 1, not 83"),
        (dict(accuracy=float("nan")), "accuracy must be a share"),
        (dict(ece=True), "ece must be a share"),
        (dict(megabytes="2"), "megabytes must be a number"),
        (dict(test_texts=0), "test_texts must be 1 at least"),
        (dict(budget=dict(megabytes=0, milliseconds=None)), "its budget must name"),
        (dict(budget=None), "its budget must name"),
        (dict(name=["x"]), "name is no text"),
        (dict(format="softlabels-board-2"), "no entry for the board"),
        (None, "it has no accuracy"),
    ],
)
def test_a_broken_file_gets_a_line_and_loses_nothing(tmp_path, content, words):
    good, path = write(tmp_path, "good"), tmp_path / "sub"
    path.mkdir()
    if isinstance(content, bytes):
        (path / "bad.json").write_bytes(content)
    else:
        entry = good | (content or {})
        if content is None:
            del entry["accuracy"]
        (path / "bad.json").write_text(json.dumps(entry))
    before = (path / "bad.json").read_bytes()
    read = read_board(tmp_path)
    assert read.entries == [good] and len(read.broken) == 1
    assert read.broken[0].startswith("sub") and words in read.broken[0]
    assert (path / "bad.json").read_bytes() == before


def test_other_json_files_are_passed_over(tmp_path):
    (tmp_path / "settings.json").write_text('{"a": 1}')
    (tmp_path / "list.json").write_text("[1, 2]")
    assert read_board(tmp_path) == ([], [])
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        read_board(tmp_path / "nowhere")


def test_a_run_without_a_figure_writes_no_entry(tmp_path):
    found = FOUND | dict(megabytes=float("nan"))
    with pytest.raises(BrokenEntry, match="megabytes"):
        write_entry(tmp_path / "a.json", "Ada", table(), Settings(Limits(3)), CHOSEN, found)
    with pytest.raises(BrokenEntry, match="name"):
        write_entry(tmp_path / "a.json", "  ", table(), Settings(Limits(3)), CHOSEN, FOUND)
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    write(tmp_path, "Ada")
    write(tmp_path, "slow", p50_ms=2.1)
    (tmp_path / "bad.json").write_text("{")
    done = CliRunner().invoke(cli.app, ["board", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "my_data.csv" in done.output and "85.0%" in done.output and "Ada" in done.output
    assert "over the budget: slow, 2.50 MB and 2.10 ms" in done.output and "left out: bad.json" in done.output
    strict = CliRunner().invoke(cli.app, ["board", str(tmp_path), "--budget", "1MB"])
    assert "over the budget: Ada" in strict.output
    assert CliRunner().invoke(cli.app, ["board", str(tmp_path), "--budget", "1 elephant"]).exit_code == 1
    assert CliRunner().invoke(cli.app, ["board", str(tmp_path / "none")]).exit_code == 1
