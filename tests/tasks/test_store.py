"""The store: what goes in comes out, once, safely from several processes, the same on every machine."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from softlabels import tasks
from softlabels.tasks import carriers, errors, store

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = [  # id, text, label, split; not in order on purpose
    (7, "a small hill", 0, "transfer"),
    (3, "naïve café owner, 中文 too", 1, "test"),
    (9, "hill " * 100, 0, "labelled"),
    (1, "owner", 1, "labelled"),
    (4, "café on a hill", 0, "validation"),
    (2, "a naïve owner", 1, "transfer"),
]


def columns(examples=EXAMPLES):
    return tuple(map(list, zip(*[(i, text, label, split) for i, text, label, split in examples], strict=True)))


@pytest.fixture
def tokenizer_file(tmp_path):
    """A small tokenizer of our own, so that nothing has to be fetched; it pads and cuts, which the store must undo."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "small", "hill", "owner", "café", "on", "naïve"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(128)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


@pytest.fixture
def small(tmp_path, monkeypatch, tokenizer_file):
    """Return a function that opens the small task; its `reads` counts the builds."""
    monkeypatch.setenv("SOFTLABELS_CACHE", str(tmp_path / "cache"))

    def open_small(examples=EXAMPLES, version=1, **options):
        def read():
            open_small.reads += 1
            return (*columns(examples), *([[i % 2 for i, *_ in examples]] if "groups" in options else []))

        origin = {"version": version}
        return store.open_or_build("small", ("thing", "person"), read, tokenizer_file, origin, **options)

    open_small.reads = 0
    return open_small


def test_every_split_holds_its_examples(small):
    task = small()
    assert (task.name, task.classes) == ("small", ("thing", "person"))
    for name in (*store.SPLITS, "all"):
        examples = task.split(name, show_labels=True)
        expected = {i: (text, label) for i, text, label, split in EXAMPLES if name in (split, "all")}
        assert len(examples) == len(expected) == len(examples.texts) == len(examples.labels)
        for row, i in enumerate(examples.ids):
            assert (examples.texts[row], examples.labels[row]) == expected[i]
            pieces = examples.tokens.row(row)
            assert pieces[0] == 2 and pieces[-1] == 3 and 0 not in pieces, "[CLS] ... [SEP], no padding"
    assert {(a.dtype.name) for a in (examples.ids, examples.labels, examples.tokens.offsets)} == {"int64"}
    assert examples.tokens.values.dtype == np.int32


def test_tokens_are_the_tokenizers_and_cut_at_64(small, tokenizer_file):
    examples = small().split("all", show_labels=True)
    tokenizer = store.open_tokenizer(tokenizer_file)
    for row, text in enumerate(examples.texts):
        assert examples.tokens.row(row).tolist() == tokenizer.encode(text).ids
    assert examples.tokens.lengths.tolist() == [len(examples.tokens.row(i)) for i in range(6)]
    assert examples.tokens.lengths.max() == store.MAX_PIECES == 64
    assert examples.tokens.row(examples.find(4)).tolist() == [2, 8, 9, 4, 6, 3]


def test_how_many_pieces_are_kept_is_the_tasks(small, tokenizer_file):
    usual, short = small(), small(max_pieces=9)
    assert (usual.max_pieces, short.max_pieces) == (64, 9) and usual.fingerprint != short.fingerprint
    long = short.split("labelled")
    assert long.tokens.row(long.find(9)).tolist() == [2, *[6] * 7, 3] and long.texts[long.find(9)] == "hill " * 100
    spread = [(1, " \t hill\n" * 30 + "a", 0, split) for split in store.SPLITS[:1]]
    whole = store.open_tokenizer(tokenizer_file, 9).encode(spread[0][1]).ids
    assert small(spread, version=3, max_pieces=9).split("test").tokens.row(0).tolist() == whole


def test_groups_go_with_the_examples(small):
    task = small(groups=("even", "odd"))
    assert task.groups == ("even", "odd")
    for examples in (task.split("all"), task.split("labelled"), task.split("all").take([5, 0])):
        assert examples.groups.tolist() == (examples.ids % 2).tolist() and examples.groups.dtype == np.int64
    assert small().groups == () and small().split("all").groups is None
    assert small().split("all").take([0]).groups is None


def test_the_order_is_by_split_then_id(small):
    assert small().split("all").ids.tolist() == [3, 4, 1, 9, 2, 7]


def test_transfer_labels_are_hidden_unless_asked_for(small):
    task = small()
    for name in ("transfer", "all"):
        assert task.split(name).labels is None and task.split(name).take([0]).labels is None
        assert task.split(name, show_labels=True).labels is not None
    for name in ("test", "validation", "labelled"):
        assert task.split(name).labels is not None
    assert "hidden" in repr(task.split("transfer")) and "shown" in repr(task.split("labelled"))


def test_take_by_list_mask_slice_and_array(small):
    examples = small().split("all", show_labels=True)
    for rows in ([5, 0, 0], np.array([5, 0, 0]), [-1, 0, 0]):
        taken = examples.take(rows)
        assert taken.ids.tolist() == [7, 3, 3] and taken.labels.tolist() == [0, 1, 1]
        assert list(taken.texts) == [examples.texts[5], examples.texts[0], examples.texts[0]]
        for new, old in enumerate([5, 0, 0]):
            assert taken.tokens.row(new).tolist() == examples.tokens.row(old).tolist()
    assert examples.take(examples.labels == 1).ids.tolist() == [3, 1, 2]
    assert examples.take(slice(1, None, 2)).ids.tolist() == [4, 9, 7]
    assert examples.take([4, 1]).take([1]).ids.tolist() == [4]
    empty = examples.take([])
    assert len(empty) == 0 and list(empty.texts) == [] and empty.tokens.offsets.tolist() == [0]
    with pytest.raises(IndexError):
        examples.take([6])


def test_texts_are_a_sequence(small):
    texts = small().split("all").texts
    assert texts[0] == "naïve café owner, 中文 too" and texts[-1] == "a small hill" and "owner" in texts
    assert texts[1:3] == [texts[1], texts[2]] and texts.index("owner") == 2
    with pytest.raises(IndexError):
        texts[6]


def test_what_is_handed_out_can_be_changed_without_harm(small):
    task = small()
    examples = task.split("labelled")
    examples.labels[:] = 99
    examples.ids[:] = 99
    assert task.split("labelled").labels.tolist() == [1, 0] and task.split("labelled").ids.tolist() == [1, 9]


def test_unknown_split_and_id_are_named(small):
    task = small()
    with pytest.raises(store.UnknownSplit, match=r"no split 'train'. There are: test, validation, labelled, transfer"):
        task.split("train")
    with pytest.raises(store.UnknownExample, match=r"No example has the id 7 here.*another split"):
        task.split("test").find(7)
    assert task.split("all").ids[task.split("all").find(7)] == 7
    with pytest.raises(store.UnknownExample):
        task.split("all").take([]).find(7)


def test_unknown_task_is_named():
    with pytest.raises(tasks.UnknownTask, match=r"no task 'wordnets'\. There are: wordnet"):
        tasks.load("wordnets")


def test_large_arrays_are_mapped_and_read_only(small):
    tokens = small().split("labelled").tokens
    base = tokens.values
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    with pytest.raises(ValueError):
        tokens.values[0] = 1


def test_built_once_and_said_in_one_line(small, capsys):
    first = small()
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "small" in said and "6 texts" in said
    again = small()
    assert small.reads == 1 and capsys.readouterr().out == ""
    assert first.fingerprint == again.fingerprint


def test_rebuilt_when_the_sources_the_code_or_the_tokenizer_change(small, monkeypatch, tokenizer_file, tmp_path):
    small()
    small(version=2)
    assert small.reads == 2
    text = tokenizer_file.read_text(encoding="utf-8")
    tokenizer_file.write_text(text.replace('"café"', '"cafe"'), encoding="utf-8")
    changed = small(version=2)
    assert small.reads == 3
    assert small(version=2, max_pieces=32).split("all").tokens.lengths.max() == 32 and small.reads == 4
    monkeypatch.setattr(store, "code_hash", lambda path: "changed")
    small(version=2)
    assert small.reads == 5
    builds = [p for p in (tmp_path / "cache" / "small").iterdir() if p.is_dir()]
    assert len(builds) == 1, "earlier builds are removed"
    assert len(changed.split("all").texts[0]) > 0


def test_an_unfinished_build_is_not_opened(small, tmp_path):
    small()
    (build,) = [p for p in (tmp_path / "cache" / "small").iterdir() if p.is_dir()]
    (build / "task.json").unlink()
    (tmp_path / "cache" / "small" / ".part").mkdir()  # and a run that was killed left this
    (tmp_path / "cache" / "small" / ".part" / "ids.npy").write_bytes(b"half")
    assert len(small().split("all")) == 6 and small.reads == 2


def test_a_build_that_fails_leaves_nothing(small, monkeypatch, tmp_path):
    monkeypatch.setattr(store.np, "save", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(errors.DiskFull, match="SOFTLABELS_CACHE"):
        small()
    monkeypatch.undo()
    monkeypatch.setenv("SOFTLABELS_CACHE", str(tmp_path / "cache"))
    assert len(small().split("all")) == 6


def test_a_cache_that_cannot_be_written_to_says_so(small, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(errors.ReadOnly, match="SOFTLABELS_CACHE"):
        small()


def test_a_prepared_cache_needs_no_writing(small, monkeypatch):
    small()
    monkeypatch.setattr(store, "locked", lambda *a: pytest.fail("a shared, read-only cache cannot be locked"))
    assert len(small().split("all")) == 6


def test_two_processes_build_once(tmp_path, tokenizer_file):
    code = textwrap.dedent("""
        import os, sys, time
        from softlabels.tasks import store
        def read():
            open(os.environ["READS"], "a").write("x")
            time.sleep(1)
            return [1, 2], ["a hill", "owner"], [0, 1], ["test", "transfer"]
        task = store.open_or_build("small", ("thing", "person"), read, __import__("pathlib").Path(sys.argv[1]), {})
        print(task.fingerprint, *task.split("all").texts)
    """)
    reads = tmp_path / "reads"
    env = os.environ | {"SOFTLABELS_CACHE": str(tmp_path / "cache"), "READS": str(reads)}
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tokenizer_file)], cwd=ROOT, env=env,
                         stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]  # fmt: skip
    said = [child.communicate(timeout=120)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert reads.read_text() == "x" and sum("waiting" in s for s in said) == 2
    assert len({s.splitlines()[-1] for s in said}) == 1


def test_the_fingerprint_knows_every_part_and_no_order():
    ids, texts, _, splits = columns()
    base = store.fingerprint("small", ids, texts, splits, "t")
    turned = [list(reversed(x)) for x in (ids, texts, splits)]
    assert store.fingerprint("small", *turned, "t") == base
    assert base == store.fingerprint("small", ids, texts, splits, "t")
    changed = {
        store.fingerprint("small", [*ids[:-1], 5], texts, splits, "t"),
        store.fingerprint("small", ids, [*texts[:-1], "an owner"], splits, "t"),
        store.fingerprint("small", ids, texts, [*splits[:-1], "test"], "t"),
        store.fingerprint("small", ids, texts, splits, "u"),
        store.fingerprint("other", ids, texts, splits, "t"),
        store.fingerprint("small", ids, texts, splits, "t", max_pieces=128),
    }
    assert len(changed | {base}) == 7


def test_the_fingerprint_is_the_same_in_another_place(small, monkeypatch, tmp_path, tokenizer_file):
    here = small()
    monkeypatch.setenv("SOFTLABELS_CACHE", str(tmp_path / "elsewhere"))
    there = small(examples=EXAMPLES[::-1])
    assert small.reads == 2 and here.fingerprint == there.fingerprint
    about = json.loads(next((tmp_path / "elsewhere").rglob("task.json")).read_text(encoding="utf-8"))
    assert str(tmp_path) not in json.dumps(about)


def test_ragged_take_against_a_plain_loop():
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 99, n).astype(np.int32) for n in rng.integers(0, 9, 50)]
    ragged = store.Ragged(np.concatenate(rows), np.concatenate([[0], np.cumsum([len(r) for r in rows])]))
    chosen = rng.integers(0, 50, 80)
    taken = ragged.take(chosen)
    assert taken.values.dtype == np.int32 and taken.offsets.dtype == np.int64
    for new, old in enumerate(chosen):
        assert taken.row(new).tolist() == rows[old].tolist()
    values, offsets = taken  # it is a pair
    assert len(offsets) == 81 and len(values) == offsets[-1]


def test_the_real_model_folder_is_in_the_hubs_layout():
    folder = tasks.base_model()
    assert folder == carriers.carrier_path("minilm")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert (config["model_type"], config["num_hidden_layers"], config["hidden_size"]) == ("bert", 6, 384)
    tokenizer = tasks.tokenizer()
    assert tokenizer.encode("A small hill").tokens == ["[CLS]", "a", "small", "hill", "[SEP]"]
    assert len(tokenizer.encode("hill " * 500).ids) == 64
