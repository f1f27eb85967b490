"""20 Newsgroups and Reuters: the rules on small files; where they are fetched, the frozen tasks and the data card."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from test_wordnet import table

from softlabels import tasks
from softlabels.tasks import carriers, corpora, store

SMALL = corpora.Corpus("small", "small", ("earn", "tea"), validation=2, labelled=4, certain=2)
FINGERPRINTS = {
    "newsgroups": "58ad91d2ae37faa526cfad7778df774ee234e62a21f7f1336b99c27df0906355",
    "reuters": "da5f26b56ae4f69ae875fb1e61a9f1417e365f682f457ec5fc41b1bd130aa1e1",
}
SIZES = {
    "newsgroups": {"test": 7_521, "validation": 1_500, "labelled": 4_000, "transfer": 5_766},
    "reuters": {"test": 2_553, "validation": 800, "labelled": 3_000, "transfer": 2_644},
}


# The rules, on small files


def write(folder: Path, part: str, rows: list[tuple[str, str]], third="class\t") -> Path:
    path = folder / f"small-{part}.tab"
    path.write_text("\n".join(["Category\tText", "d\tstring", third, *map("\t".join, rows), ""]), encoding="utf-8")
    return path


def test_the_test_file_stays_and_what_it_shares_is_not_learned_from(tmp_path):
    write(tmp_path, "test", [("earn", "a profit "), ("tea", "leaves"), ("earn", "a profit")])
    train = [
        ("tea", "leaves"),
        ("earn", "shares"),
        ("tea", "shares"),
        ("tea", "cups"),
        *(("earn", x) for x in "abcdef"),
    ]
    write(tmp_path, "train", [("", ""), *train])  # one of the real files begins with such a line; it counts as none
    ids, texts, labels, splits = corpora.read(SMALL, tmp_path)
    assert ids == [100_001, 100_002, 2, 4, 5, 6, 7, 8, 9, 10], "the row in its file, and 100,000 for the test file"
    assert texts[:4] == ["a profit", "leaves", "shares", "cups"] and labels[:4] == [0, 1, 0, 1]
    assert splits[:2] == ["test", "test"] and Counter(splits[2:]) == {"validation": 2, "labelled": 4, "transfer": 2}
    assert splits[3] == "labelled", "the only text to learn tea from"


def test_of_a_class_the_first_few_are_labelled_whatever_the_hash_says():
    ids, labels = list(range(1, 61)), [1, 1, 1] + [0] * 57
    corpus = corpora.Corpus("small", "small", ("earn", "tea"), validation=30, labelled=20, certain=2)
    split = corpora.split_of(corpus, ids, labels)
    assert Counter(split) == {"validation": 30, "labelled": 20, "transfer": 10}
    assert split[:3].count("labelled") >= 2
    turned = corpora.split_of(corpus, ids[::-1], labels[::-1])
    assert turned[::-1] == split, "a matter of ids and labels, not of their order"


@pytest.mark.parametrize(
    "rows, third, said",
    [
        ([("earn", "a"), ("earn",)], "class\t", "line 5.*a class, a tab and a text"),
        ([("earn", "a", "b")], "class\t", "line 4"),
        ([("earn", " ")], "class\t", "line 4"),
        ([("earn", "a")], "meta\t", "line 3.*'class'"),
        ([("coffee", "a")], "class\t", "row 1.*'coffee'"),
    ],
)
def test_a_file_that_is_no_such_table_is_named(tmp_path, rows, third, said):
    write(tmp_path, "test", rows, third)
    with pytest.raises(ValueError, match=f"small-test.tab.*{said}"):
        corpora.read(SMALL, tmp_path)


# The frozen tasks


@pytest.fixture(scope="module", params=["newsgroups", "reuters"])
def task(request):
    if carriers.missing("newsgroups"):
        pytest.skip("newsgroups is an extra: softlabels fetch clinic")
    return tasks.load(request.param)


def test_the_task_is_the_one_that_was_frozen(task):
    assert task.fingerprint == FINGERPRINTS[task.name] and task.max_pieces == corpora.MAX_PIECES == 128
    assert {split: len(task.split(split)) for split in store.SPLITS} == SIZES[task.name]
    assert len(task.classes) == {"newsgroups": 20, "reuters": 52}[task.name] == len(set(task.classes))
    assert list(task.classes) == sorted(task.classes)
    assert task.split("transfer").labels is None and task.split("test").groups is None


def test_no_text_stands_twice_and_every_class_can_be_learned_and_tested(task):
    everything = task.split("all")
    assert len(set(everything.ids.tolist())) == len({" ".join(t.split()) for t in everything.texts}) == len(everything)
    for split in ("labelled", "test"):
        assert set(task.split(split).labels.tolist()) == set(range(len(task.classes)))
    assert min(task.split("test").ids) > corpora.TEST_IDS > max(task.split("transfer").ids)


def test_the_stored_pieces_are_the_whole_texts_first(task):
    tokenizer = tasks.tokenizer(task.max_pieces)
    examples = task.split("all").take(slice(0, None, 400))
    for row, text in enumerate(examples.texts):
        assert examples.tokens.row(row).tolist() == tokenizer.encode(text).ids


# The card


def test_the_cards_counts_are_the_datas(task):
    counts = [np.bincount(task.split(s, show_labels=True).labels, minlength=len(task.classes)) for s in store.SPLITS]
    heading = {"newsgroups": "### Splits of newsgroups", "reuters": "### Splits of reuters"}[task.name]
    rows = {row[0]: row[1:] for row in table(heading)}
    assert rows.pop("all") == [f"{c.sum():,}" for c in counts] + [f"{sum(c.sum() for c in counts):,}"]
    for name, said in rows.items():
        at = task.classes.index(name)
        assert said == [f"{c[at]:,}" for c in counts] + [f"{sum(c[at] for c in counts):,}"], name
    if task.name == "reuters":
        taught = sum(counts[store.SPLITS.index(s)] for s in ("validation", "labelled", "transfer"))
        rare = [name for name, n in zip(task.classes, taught, strict=True) if n < 10]
        assert list(rows) == sorted(["earn", "acq", *rare])


def test_the_cards_flaws_are_measured(task):
    everything = task.split("all", show_labels=True)
    texts, words = list(everything.texts), [text.split() for text in everything.texts]
    said = {row[0]: row[1:] for row in table("### Known flaws of the two, measured")}
    column = ["newsgroups", "reuters"].index(task.name)
    names = [task.classes[label].replace("-", " ").replace(".", " ") for label in everything.labels]
    dropped = sum(map(len, all_rows(task.name))) - len(everything)
    lengths = everything.tokens.lengths
    found = {
        "dropped because the text was there before": f"{dropped:,}",
        "cut after 128 word pieces": f"{(lengths == 128).mean():.0%}",
        "word pieces kept of a text, on average": f"{lengths.mean():.0f}",
        "words of the median text": f"{np.median([len(w) for w in words]):.0f}",
        "five words or fewer": f"{sum(len(w) <= 5 for w in words):,}",
        'begins with "re", an answer': f"{sum(w[0] == 're' for w in words):,}",
        'quotes somebody ("writes", "wrote")': f"{sum(bool({'writes', 'wrote'} & set(w)) for w in words):,}",
        "names its own class": f"{sum(f' {n} ' in f' {t} ' for n, t in zip(names, texts, strict=True)):,}",
    }
    assert {name: cells[column] for name, cells in said.items()} == found


def all_rows(name: str) -> list[list]:
    corpus = {"newsgroups": corpora.NEWSGROUPS, "reuters": corpora.REUTERS}[name]
    folder = carriers.carrier_path("newsgroups")
    return [list(corpora.rows(folder / f"{corpus.stem}-{part}.tab")) for part in ("test", "train")]
