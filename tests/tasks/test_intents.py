"""Spoken requests: how they are drawn, on a small language; where they are fetched, the frozen task and its card."""

import hashlib
import json
from collections import Counter, defaultdict
from random import Random

import numpy as np
import pytest
from test_wordnet import CARD, table

from softlabels import tasks
from softlabels.tasks import carriers, home, intents, store
from softlabels.tasks.templates import Unfillable

FINGERPRINT = "4590f1f9a78c62c8db6c507f79580bb0b9fcae46bbe760bbba04668cb99e4b3f"
NAMES = {
    "rooms": ["kitchen"],
    "floors": [],
    "said": ["apples"],
    "devices": {"light": ["lamp[s]"], "vacuum": ["robot"], "fan": ["fan"]},
}
LISTS = {
    "percent": {"range": {"from": 0, "to": 100, "step": 50}},
    "item": {"wildcard": True},
    "colour": {"values": [{"in": "red", "out": 1}]},
}


def filler(*domains) -> intents.Fillers:
    fill = intents.Fillers(LISTS, NAMES, Random(0))
    fill.domains = domains
    return fill


def drawn(fill, slot: str) -> set[str]:
    return {fill(slot) for _ in range(100)}


def test_what_stands_in_a_slot():
    assert drawn(filler("vacuum"), "name") == {"robot"}
    assert drawn(filler("valve"), "name") == drawn(filler(), "name") == {"lamp[s]", "fan"}, "no valve has a name here"
    assert drawn(filler(), "area") == {"kitchen"} and drawn(filler(), "colour") == {"red"}
    assert drawn(filler(), "percent") == {"0", "50", "100"}
    assert drawn(filler(), "item") == {"apples", "kitchen", "lamp[s]", "robot", "fan"}, "one pool for all open slots"
    for slot in ("floor", "nothing"):
        with pytest.raises(Unfillable):
            filler()(slot)


def test_sentences_come_from_each_template_in_turn():
    about = {"lists": LISTS, "expansion_rules": {}}
    found = list(intents._in_turns({"set {percent}": (), "stop": (), "go {floor}": ()}, about, NAMES, "x/y"))
    assert Counter(found) == {"stop": 1, "set 0": 1, "set 50": 1, "set 100": 1}
    assert "stop" in found[:2] and found == list(
        intents._in_turns({"go {floor}": (), "stop": (), "set {percent}": ()}, about, NAMES, "x/y")
    )


def test_a_template_has_one_split_in_every_language():
    counts = Counter(intents.split_of_template(f"template {i}") for i in range(10_000))
    for split, share in intents.TEMPLATES.items():
        assert abs(counts[split] / 100 - share) < 1.5
    assert sum(intents.TEMPLATES.values()) == 100 and set(intents.TEMPLATES) == set(store.SPLITS)


def test_a_vocabulary_is_the_same_every_time_and_in_any_order():
    texts = [f"wort{i % 7} Übung {i} 灯" for i in range(50)]
    one, two = (intents.train_vocabulary(t, 60).to_str() for t in (texts, texts[::-1]))
    assert one == two
    tokenizer = intents.train_vocabulary(texts, 60)
    assert tokenizer.get_vocab_size() <= 60 and tokenizer.token_to_id("[PAD]") == 0
    pieces = tokenizer.encode("ÜBUNG 灯灯").tokens
    assert (pieces[0], pieces[-1]) == ("[CLS]", "[SEP]") and "".join(
        p.removeprefix("##") for p in pieces[1:-1]
    ) == "übung灯灯"
    with pytest.raises(ValueError, match="a vocabulary of 20"):
        intents.train_vocabulary(texts, 20)


def test_the_names_are_there_for_every_language():
    names = json.loads(intents.NAMES.read_text(encoding="utf-8"))
    assert tuple(sorted(names)) == intents.LANGUAGES and len(intents.CLASSES) == 42
    for language, known in names.items():
        assert len(known["rooms"]) >= 4 and any(known["devices"].get(kind) for kind in intents.ANY_DEVICE), language


# The frozen task


@pytest.fixture(scope="module")
def task():
    if carriers.missing("intents"):
        pytest.skip("intents is an extra: softlabels fetch clinic")
    return tasks.load("intents")


def test_the_task_is_the_one_that_was_frozen(task):
    assert task.fingerprint == FINGERPRINT and task.classes == intents.CLASSES and task.groups == intents.LANGUAGES
    sizes = {"test": 2_833, "validation": 1_233, "labelled": 7_341, "transfer": 13_807}
    assert {split: len(task.split(split)) for split in store.SPLITS} == sizes
    everything = task.split("all", show_labels=True)
    assert (
        len({" ".join(t.casefold().split()) for t in everything.texts}) == len(set(everything.ids.tolist())) == 25_214
    )
    assert everything.ids.min() > 0 and everything.tokens.lengths.max() < task.max_pieces, "no request is cut"


def test_what_is_asked_was_taught_and_no_pair_is_too_frequent(task):
    pairs = {}
    for split, most in intents.SENTENCES.items():
        examples = task.split(split, show_labels=True)
        pairs[split] = Counter(zip(examples.groups.tolist(), examples.labels.tolist(), strict=True))
        assert max(pairs[split].values()) <= most
        assert set(examples.labels.tolist()) == set(range(42)) and set(examples.groups.tolist()) == set(range(32))
    assert set(pairs["test"]) | set(pairs["validation"]) <= set(pairs["labelled"]) | set(pairs["transfer"])


def test_the_vocabulary_shipped_is_the_one_trained(task):
    texts = [t for split in intents.TRAINING for t in task.split(split).texts]
    shipped = home.vocabulary("intents").read_bytes()
    assert task.tokenizer_sha256 == hashlib.sha256(shipped).hexdigest()
    assert json.loads(intents.train_vocabulary(texts, 8_000).to_str())["model"] == json.loads(shipped)["model"]


def test_the_cards_counts_are_the_datas(task):
    counts = defaultdict(list)
    for split in store.SPLITS:
        examples = task.split(split, show_labels=True)
        for at, language in enumerate(task.groups):
            counts[language].append((examples.groups == at).sum())
        counts["all"].append(len(examples))
    labels = task.split("all", show_labels=True)
    for at, language in enumerate(task.groups):
        counts[language].insert(0, len(set(labels.labels[labels.groups == at].tolist())))
    counts["all"].insert(0, 42)
    expected = [[name, *(f"{n:,}" for n in row), f"{sum(row[1:]):,}"] for name, row in counts.items()]
    assert table("### Splits of intents") == sorted(
        expected, key=lambda row: intents.LANGUAGES.index(row[0]) if row[0] != "all" else 99
    )


def test_what_the_card_says_of_the_pieces(task):
    everything = task.split("all")
    unknown = [1 in task.split("test").tokens.row(i) for i in range(len(task.split("test")))]
    english = tasks.tokenizer()
    theirs = [english.encode(text).ids for text in everything.texts]
    for said in (
        f"{everything.tokens.lengths.mean():.1f} pieces a request",
        f"{everything.tokens.lengths.max()} at most",
        f"{np.mean(unknown):.1%} of the test requests",
        f"{np.mean([100 in ids for ids in theirs]):.0%} of the requests",
    ):
        assert said in " ".join(CARD.split()), said
