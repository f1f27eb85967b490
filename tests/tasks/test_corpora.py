"""20 Newsgroups and Reuters: the rules on small files; where they are fetched, the frozen tasks and the data card."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from test_wordnet import CARD, table

from softlabels import tasks
from softlabels.tasks import carriers, corpora, store

SMALL = corpora.Corpus("small", "small", ("earn", "tea"), validation=2, labelled=4, certain=2)
FINGERPRINTS = {
    "newsgroups": "5bac5978736f0d5d1e9f9e89a64a176b63e663454bb437ee950e0db1eccd08f5",
    "reuters": "90be360a7dd62d83b3ee89ca768474f632ce0b6c904c9283c5fa330c4e2cbc90",
}
SIZES = {
    "newsgroups": {"test": 7_486, "validation": 1_500, "labelled": 4_000, "transfer": 5_719},
    "reuters": {"test": 2_550, "validation": 800, "labelled": 3_000, "transfer": 2_633},
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


def test_texts_that_a_model_reads_alike_are_one(tmp_path):
    start = " ".join(f"word{i}" for i in range(corpora.WORDS))
    write(tmp_path, "test", [("earn", start), ("tea", f"{start} and more")])
    write(tmp_path, "train", [("tea", f"{start} otherwise"), ("tea", start.replace("125", "")), ("tea", "word0")])
    ids, texts, _, _ = corpora.read(SMALL, tmp_path)
    assert ids == [100_001, 2, 3] and texts[0] == start, "the first is kept whole; a word that is read tells apart"
    assert corpora.WORDS == corpora.MAX_PIECES - 2, "[CLS] and [SEP] are among the pieces"


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


def start(text: str) -> str:
    return " ".join(text.split()[: corpora.WORDS])


def test_no_text_stands_twice_and_every_class_can_be_learned_and_tested(task):
    everything = task.split("all")
    assert len(set(everything.ids.tolist())) == len({start(t) for t in everything.texts}) == len(everything)
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
        unseen = counts[0][counts[1] == 0]  # the test stories of the classes that have none for validation
        assert f"{len(unseen)} of the 52 classes have none there at all" in CARD
        assert f"with {unseen.min()} to {unseen.max()} test stories each" in CARD


def test_the_cards_files_are_those_fetched(task):
    test, train = all_rows(task.name)
    shared = {start(text) for _, text in test} & {start(text) for _, text in train}
    stem = {"newsgroups": "20newsgroups", "reuters": "reuters-r52"}[task.name]
    said = {row[0]: row[1:] for row in table("## newsgroups: 20 Newsgroups and Reuters-21578")}
    assert said[stem] == [str(len(task.classes)), *(f"{n:,}" for n in (len(train), len(test), len(shared)))]
    assert f"{carriers.sources()['newsgroups'].unpacked / 1e6:.1f} MB unpacked" in CARD
    if task.name == "reuters":
        rows, tested = Counter(name for name, _ in train), np.bincount(task.split("test").labels)
        assert f"*earn* has {rows['earn']:,} of {len(train):,} training rows and *platinum* has one" in CARD
        assert rows["platinum"] == 1 and task.classes[tested.argmax()] == "earn"
        assert f"Always answering *earn* is right on {tested.max() / tested.sum():.1%} of the test set" in CARD
        endings = [text.split()[-1] == "reuter" for text in task.split("all").texts]
        assert "Nine in ten Reuters stories end" in CARD and 0.85 < np.mean(endings) < 0.95


def test_the_cards_flaws_are_measured(task):
    everything = task.split("all", show_labels=True)
    texts, words = list(everything.texts), [text.split() for text in everything.texts]
    said = {row[0]: row[1:] for row in table("### Known flaws of the two, measured")}
    column = ["newsgroups", "reuters"].index(task.name)
    names = [task.classes[label].replace("-", " ").replace(".", " ") for label in everything.labels]
    dropped = sum(map(len, all_rows(task.name))) - len(everything)
    lengths = everything.tokens.lengths
    n = len(task.split("test"))  # the test set stands first; the others are learned from, or chosen by
    pieces = [everything.tokens.row(i).tobytes() for i in range(len(everything))]
    learned = set(pieces[n:])
    alike = sum(p in learned for p in pieces[:n])
    runs = [eights(w[: corpora.WORDS]) for w in words]
    known = {run for text in runs[n:] for run in text}
    share = np.array([np.mean([run in known for run in text]) if text else 0 for text in runs[:n]])
    found = {
        "dropped because the first 126 words were there before": f"{dropped:,}",
        "cut after 128 word pieces": f"{(lengths == 128).mean():.0%}",
        "word pieces kept of a text, on average": f"{lengths.mean():.0f}",
        "words of the median text": f"{np.median([len(w) for w in words]):.0f}",
        "five words or fewer": f"{sum(len(w) <= 5 for w in words):,}",
        'begins with "re", an answer': f"{sum(w[0] == 're' for w in words):,}",
        'quotes somebody ("writes", "wrote")': f"{sum(bool({'writes', 'wrote'} & set(w)) for w in words):,}",
        "names its own class": f"{sum(f' {n} ' in f' {t} ' for n, t in zip(names, texts, strict=True)):,}",
        "test texts whose every kept piece is that of a text learned from": f"{alike:,}",
        "test texts with 80% of their runs of eight words in texts learned from": f"{(share >= 0.8).sum():,}",
        "test texts with half of their runs of eight words in texts learned from": f"{(share >= 0.5).sum():,}",
    }
    assert {name: cells[column] for name, cells in said.items()} == found


def eights(words: list[str]) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + 8]) for i in range(len(words) - 7)]


def all_rows(name: str) -> list[list]:
    corpus = {"newsgroups": corpora.NEWSGROUPS, "reuters": corpora.REUTERS}[name]
    folder = carriers.carrier_path("newsgroups")
    return [list(corpora.rows(folder / f"{corpus.stem}-{part}.tab")) for part in ("test", "train")]
