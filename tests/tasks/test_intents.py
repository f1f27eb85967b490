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
from softlabels.tasks.templates import Unfillable, sentence

FINGERPRINT = "156865a2a50c1dec6ab104fb2b398b4f2e1d2a10cf9caf7bdac26c31a6459e1c"
NAMES = {
    "rooms": ["kitchen"],
    "floors": [],
    "said": ["apples"],
    "devices": {"light": ["lamp[s]"], "vacuum": ["robot"], "fan": ["fan"]},
}
LISTS = {
    "percent": {"range": {"from": 0, "to": 100, "step": 50}},
    "item": {"wildcard": True},
    "colour": {"values": [{"in": "red", "out": "red"}]},
    "half": {"values": [{"in": "(1/2|half)", "out": 30}]},
}


def filler(*domains) -> intents.Fillers:
    fill = intents.Fillers(LISTS, NAMES, Random(0))
    fill.domains = domains
    return fill


def drawn(fill, slot: str) -> set[str]:
    return {intents.unmarked(sentence(f"{{{slot}}}", {}, fill, Random(i)))[0] for i in range(100)}


def test_what_stands_in_a_slot():
    assert drawn(filler("vacuum"), "name") == {"robot"} == drawn(filler("vacuum", "valve"), "name")
    assert drawn(filler(), "name") == {"lamp", "lamps", "fan"}, "a light, a switch or a fan where no kind is named"
    assert drawn(filler(), "area") == {"kitchen"} and drawn(filler(), "colour") == {"red"}
    assert drawn(filler(), "percent") == {"0", "50", "100"} and drawn(filler(), "half") == {"1/2", "half"}
    assert drawn(filler(), "item") == {"apples", "kitchen", "lamp", "lamps", "robot", "fan"}, "one pool for open slots"
    for domains, slot in (((), "floor"), ((), "nothing"), (("valve",), "name")):
        with pytest.raises(Unfillable):
            filler(*domains)(slot)


@pytest.mark.parametrize(
    "template, text, masked",
    [
        ("{area} on", "kitchen on", "_ on"),
        ("in the {area}, {percent} %", "in the kitchen, 0 %", "in the _, 0 %"),
        ("[the]{item}s", "apples", "_s"),
        ("{colour} for 12 minutes", "red for 12 minutes", "red for 0 minutes"),
        ("{half}an hour", "half an hour", "0an hour"),
        ("{percent}{area}{percent} ,  so", "0kitchen0, so", "0_0, so"),
    ],
)
def test_a_masked_form_has_marks_for_names_and_numbers(template, text, masked):
    lists = LISTS | {"percent": {"range": {"from": 0, "to": 0}}, "half": {"values": [{"in": "half ", "out": 30}]}}
    names = NAMES | {"said": ["apple"], "devices": {}}
    random = Random(0)
    fill = intents.Fillers(lists, names, random)
    assert (text, masked) in {intents.unmarked(sentence(template, {}, fill, random)) for _ in range(100)}


def request(text: str, masked: str, intent: str, split: str, language: str = "en") -> intents.Request:
    return intents.Request(language, intent, split, text, masked)


def test_what_has_two_answers_or_is_not_new_is_left_out():
    a, b, c = "TurnOn", "TurnOff", "GetState"
    cases = [
        (request("light the lamp", "light the _", a, "labelled"), ""),
        (request("light the fan", "light the _", a, "transfer"), ""),
        (request("light the robot", "light the _", a, "test"), "only names or numbers are new"),
        (request("Light the  lamp", "light it", a, "validation"), "said before"),
        (request("light the robot", "light the _", a, "test", "fi"), "nothing to learn from"),
        (request("zet de lamp aan", "zet de _ aan", a, "labelled", "nl"), ""),
        (request("light the door", "light the _", a, "validation", "nl"), ""),
        (request("wake the lamp", "wake the _", a, "test"), ""),
        (request("wake the robot", "wake the _", a, "test"), ""),
        (request("wake the fan", "wake the _", a, "validation"), "only names or numbers are new"),
        (request("stop the lamp", "stop the _", b, "labelled"), "two intents"),
        (request("stop the robot", "stop the _", a, "test"), "two intents"),
        (request("stop the robot", "stop the _ ", a, "test", "nl"), ""),
        (request("go", "go", b, "transfer"), "two intents"),
        (request("Go", "Go", c, "labelled", "de"), "two intents"),
    ]
    found = dict(intents.judged([one for one, _ in cases]))
    assert len(found) == len(cases) and [found[one] for one, _ in cases] == [reason for _, reason in cases]


def test_sentences_come_from_each_template_in_turn():
    about = {"lists": LISTS, "expansion_rules": {}}
    found = list(intents._in_turns({"set {percent}": (), "stop": (), "go {floor}": ()}, about, NAMES, "x/y"))
    stop = ("stop", "stop")
    assert Counter(found) == {stop: 1, ("set 0", "set 0"): 1, ("set 50", "set 0"): 1, ("set 100", "set 0"): 1}
    assert stop in found[:2] and found == list(
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
    sizes = {"test": 2_698, "validation": 1_160, "labelled": 7_147, "transfer": 13_389}
    assert {split: len(task.split(split)) for split in store.SPLITS} == sizes
    everything = task.split("all", show_labels=True)
    assert (
        len({" ".join(t.casefold().split()) for t in everything.texts}) == len(set(everything.ids.tolist())) == 24_394
    )
    assert everything.ids.min() > 0 and everything.tokens.lengths.max() < task.max_pieces, "no request is cut"


@pytest.fixture(scope="module")
def judged(task):
    return list(intents.judged(intents.made(carriers.carrier_path("intents"))))


def test_no_request_to_a_mower_speaks_of_another_device(judged):
    names = json.loads(intents.NAMES.read_text(encoding="utf-8"))
    assert not any(known["devices"].get("lawn_mower") for known in names.values()), (
        "then mowers have names of their own"
    )
    for one in (one for one, _ in judged if one.intent.startswith("LawnMower")):
        for device in (name for kind in intents.ANY_DEVICE for name in names[one.language]["devices"].get(kind, ())):
            said = {sentence(device, {}, str, Random(seed)).casefold() for seed in range(20)}
            assert not any(form in one.text.casefold() for form in said), one


def test_a_masked_form_has_one_intent_and_is_held_out_or_learned_from(judged, task):
    forms = defaultdict(set)
    kept = [one for one, reason in judged if not reason]
    assert Counter(one.text for one in kept) == Counter(task.split("all").texts)
    for one in kept:
        part = "training" if one.split in intents.TRAINING else one.split
        forms[one.language, intents._key(one.masked)].add((one.intent, part))
    assert len(forms) > 15_000 and {len(found) for found in forms.values()} == {1}


def test_the_card_counts_what_is_left_out_and_lost(judged, task):
    card, counts = " ".join(CARD.split()), Counter(reason for _, reason in judged)
    for said in (
        f"{counts['two intents']} sentences that stand for two requests",
        f"{counts['said before']} that stand in another split or language as well",
        f"{counts['only names or numbers are new']} for validation and test in which only names or numbers are new",
        f"{counts['nothing to learn from']} for validation and test of a request that has nothing to learn from",
    ):
        assert said in card, said
    there = {(one.language, one.intent) for one, reason in judged if not reason}
    for intent, languages in {
        "ListAddItem": {"eu", "ml", "zh-CN", "zh-TW"},
        "ListCompleteItem": {"eu", "ml", "zh-CN", "zh-TW"},
        "ListRemoveItem": {"eu", "ml", "zh-CN"},
        "MediaPlayerMute": {"ml"},
    }.items():
        assert not {(language, intent) for language in languages} & there
        assert f"*{intent}* in {', '.join(sorted(languages))}" in card, intent
    mowers = [one for one, reason in judged if not reason and one.intent.startswith("LawnMower")]
    asked = sum(one.split == "test" for one in mowers)
    assert f"{len(mowers)} requests to a mower ({asked} in test)" in card
    sizes = np.bincount(task.split("test").groups)
    few, many = sizes.min(), sizes.max()
    errors = [100 * np.sqrt(0.8 * 0.2 / n) for n in (few, many)]
    said = (
        f"{few} to {many} test requests: at an accuracy of 80% the standard error is {errors[0]:.1f} to {errors[1]:.1f}"
    )
    assert said in card, said


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
