"""Spoken requests to a house, in 32 languages: which of 42 things is wanted?

Source: the sentence templates of the Home Assistant project (`data/sources.toml`), filled in with the names of rooms
and devices that its native speakers use in their tests (`intent_names.json`); see `data/README.md`.
"""

import hashlib
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from softlabels.tasks.templates import TemplateError, Unfillable, sentence

NAMES = Path(__file__).with_name("intent_names.json")
CLASSES = (
    "Broadcast", "CancelAllTimers", "CancelTimer", "ClimateGetTemperature", "ClimateSetFanMode",
    "ClimateSetTemperature", "DecreaseTimer", "FanSetSpeed", "GetCurrentDate", "GetCurrentTime", "GetState",
    "GetWeather", "IncreaseTimer", "LawnMowerDock", "LawnMowerStartMowing", "LightSet", "ListAddItem",
    "ListCompleteItem", "ListRemoveItem", "MediaNext", "MediaPause", "MediaPlayerMute", "MediaPlayerUnmute",
    "MediaPrevious", "MediaSearchAndPlay", "MediaUnpause", "Nevermind", "PauseTimer", "Respond", "SetPosition",
    "SetVolume", "SetVolumeRelative", "ShoppingListAddItem", "ShoppingListCompleteItem", "StartTimer", "TimerStatus",
    "TurnOff", "TurnOn", "UnpauseTimer", "VacuumCleanArea", "VacuumReturnToBase", "VacuumStart",
)  # fmt: skip
LANGUAGES = (
    "ar", "bg", "ca", "cs", "da", "de", "de-CH", "el", "en", "es", "eu", "fi", "fr", "hr", "hu", "it", "ml", "nb", "nl",
    "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl", "sr", "sr-Latn", "sv", "zh-CN", "zh-HK", "zh-TW",
)  # fmt: skip
# Of 100 templates, and of the sentences of one intent in one language at most. A template is in one split only.
TEMPLATES = {"test": 15, "validation": 10, "labelled": 30, "transfer": 45}
SENTENCES = {"test": 4, "validation": 2, "labelled": 8, "transfer": 14}
TRAINING = ("labelled", "transfer")
ANY_DEVICE = ("light", "switch", "fan")  # where a template does not say which kind of device it speaks of
# Private-use characters around a name or a number that was filled in, until the sentence and its masked form are made.
_NAME, _NUMBER, _END = "\ue000", "\ue001", "\ue002"
_FILLED = re.compile(f"([{_NAME}{_NUMBER}])[^{_END}]*{_END}")


class Request(NamedTuple):
    """One sentence; `masked` is the same with its names and numbers replaced by marks."""

    language: str
    intent: str
    split: str
    text: str
    masked: str


class Fillers:
    """What may stand in a slot of one language: the carrier's own lists, and names of rooms, floors and devices."""

    def __init__(self, lists: dict, names: dict, random: Random):
        self._lists, self._names, self._random = lists, names, random
        devices = itertools.chain.from_iterable(names["devices"].values())
        # One pool for every open slot: a word says nothing about the intent if it may stand in any of them.
        self._open = [*names["said"], *names["rooms"], *dict.fromkeys(devices)]
        self.domains: tuple[str, ...] = ()  # the kinds of devices that the template's {name} may be

    def __call__(self, slot: str) -> str:
        """Return a value for a slot, a template; a name or a number stands between marks, which `unmarked` takes away.

        Raises:
            Unfillable: the language has no value for it.
        """
        if slot == "name":
            devices = self._names["devices"]
            return _marked(_NAME, self._one([n for k in self.domains or ANY_DEVICE for n in devices.get(k, ())]))
        if slot in ("area", "floor"):
            return _marked(_NAME, self._one(self._names["rooms" if slot == "area" else "floors"]))
        known = self._lists.get(slot)
        if known is None:
            raise Unfillable(slot)
        if "range" in known:
            step = known["range"].get("step", 1)
            return _marked(_NUMBER, str(self._one(range(known["range"]["from"], known["range"]["to"] + 1, step))))
        if known.get("wildcard"):
            return _marked(_NAME, self._one(self._open))
        value = self._one(known["values"])
        return _marked(_NUMBER, value["in"]) if isinstance(value.get("out"), int | float) else value["in"]

    def _one(self, values):
        if not values:
            raise Unfillable("no value")
        return values[int(self._random.random() * len(values))]


def _marked(kind: str, value: str) -> str:
    return f"{kind}({value}){_END}"


def unmarked(drawn: str) -> tuple[str, str]:
    """Return a sentence without its marks, and its masked form: every name is "_", every number 0."""
    text = drawn.translate(dict.fromkeys(map(ord, _NAME + _NUMBER + _END)))
    masked = _FILLED.sub(lambda filled: "_" if filled[1] == _NAME else "0", drawn)
    return " ".join(text.split()), re.sub(r"\d+", "0", masked)


def split_of_template(template: str) -> str:
    """Return a template's split, by a hash of its text: the same text in two languages goes to the same one."""
    place = _hash(f"intents/{template}") % 100
    for split, share in TEMPLATES.items():
        place -= share
        if place < 0:
            return split
    raise AssertionError(TEMPLATES)


def read(folder: Path) -> tuple[list[int], list[str], list[int], list[str], list[int]]:
    """Make the requests: ids, texts, labels (indices into CLASSES), splits and languages (indices into LANGUAGES).

    For each language and intent as many sentences as SENTENCES says, in turns from the templates of the split, each
    drawn by a hash of the template; then some of them are left out, as `judged` says. An example's id is a hash of its
    language and text.
    """
    kept = [one for one, reason in judged(made(folder)) if not reason]
    return (
        [_hash(f"{one.language}/{one.text}") >> 1 for one in kept],  # 63 bits: positive
        [one.text for one in kept],
        [CLASSES.index(one.intent) for one in kept],
        [one.split for one in kept],
        [LANGUAGES.index(one.language) for one in kept],
    )


def made(folder: Path) -> list[Request]:
    """Draw the sentences of every language, intent and split; `folder` is the carrier's."""
    names = json.loads(NAMES.read_text(encoding="utf-8"))
    return [one for language in LANGUAGES for one in _of_language(language, folder, names[language])]


def judged(requests: list[Request]) -> Iterator[tuple[Request, str]]:
    """Yield each request with the reason to leave it out, which is "" if there is none.

    Left out are sentences that stand for two intents, or whose masked form does in its language; all but the first of
    those that two splits or languages share; test and validation sentences whose masked form stands in another split
    of their language, or of whose intent there is nothing to learn from. What is learned from comes first, then test.
    """
    wanted, seen, forms, taught = defaultdict(set), set(), {}, set()
    for one in requests:
        wanted[_key(one.text)].add(one.intent)
        wanted[one.language, _key(one.masked)].add(one.intent)
    for split in (*TRAINING, "test", "validation"):
        part = "training" if split in TRAINING else split
        for one in (one for one in requests if one.split == split):
            key, form = _key(one.text), (one.language, _key(one.masked))
            reason = ""
            if len(wanted[key]) > 1 or len(wanted[form]) > 1:
                reason = "two intents"
            elif key in seen:
                reason = "said before"
            elif part != "training" and forms.get(form, part) != part:
                reason = "only names or numbers are new"
            elif part != "training" and (one.language, one.intent) not in taught:
                reason = "nothing to learn from"
            else:
                seen.add(key)
                forms.setdefault(form, part)
                if part == "training":
                    taught.add((one.language, one.intent))
            yield one, reason


def _of_language(language: str, folder: Path, names: dict) -> Iterator[Request]:
    about = json.loads((folder / "data" / f"{language}.json").read_text(encoding="utf-8"))
    for intent in CLASSES:
        templates = defaultdict(dict)  # by split: the kinds of devices, by template
        for block in about["intents"].get(f"Hass{intent}", {"data": []})["data"]:
            kinds = (block.get("requires_context") or {}).get("domain") or ()
            for template in block["sentences"]:
                templates[split_of_template(template)][template] = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        for split, most in SENTENCES.items():
            said = _in_turns(templates[split], about, names, f"{language}/{intent}")
            yield from (Request(language, intent, split, *one) for one in itertools.islice(said, most))


def _in_turns(templates: dict[str, tuple], about: dict, names: dict, salt: str, rounds: int = 20):
    """Yield different sentences, one of each template in turn, in the order of the templates' hashes, each with its
    masked form."""
    draws = {t: Random(_hash(f"{salt}/{t}")) for t in sorted(templates, key=lambda t: (_hash(t), t))}
    fillers = {t: Fillers(about["lists"], names, random) for t, random in draws.items()}
    said = set()
    for _ in range(rounds):
        for template in list(draws):
            fillers[template].domains = templates[template]
            try:
                drawn = sentence(template, about["expansion_rules"], fillers[template], draws[template])
            except Unfillable:  # the language has no floors, say; another draw of the template may do without
                continue
            except TemplateError:
                del draws[template]
                continue
            text, masked = unmarked(drawn)
            if text and _key(text) not in said:
                said.add(_key(text))
                yield text, masked


def train_vocabulary(texts: Iterable[str], size: int):
    """Train a word-piece vocabulary of at most `size` pieces, such as the one in `data/vocabularies/intents.json`.

    The text is lower-cased, accents are kept (they tell words apart), and each Chinese character is a word. The same
    texts give the same vocabulary, in any order.

    Returns:
        a `tokenizers.Tokenizer` with BERT's special pieces, [PAD] first.

    Raises:
        ValueError: `size` is too small for the letters of the texts, inside a word and at its start.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    normalizer, words = normalizers.BertNormalizer(strip_accents=False), pre_tokenizers.BertPreTokenizer()
    texts = sorted(normalizer.normalize_str(text) for text in texts)
    cut = {word for text in texts for word, _ in words.pre_tokenize_str(text)}
    # Named first, or the trainer numbers the letters in an order that differs from run to run, and breaks ties by it.
    first = [*special, *sorted({letter for word in cut for letter in word})]
    first += [f"##{letter}" for letter in sorted({letter for word in cut for letter in word[1:]})]
    if size < len(first):
        raise ValueError(f"a vocabulary of {size}: the letters of these texts alone are {len(first)} pieces")
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.pre_tokenizer = words
    trainer = trainers.WordPieceTrainer(vocab_size=size, limit_alphabet=size, special_tokens=first, show_progress=False)
    trained.train_from_iterator(texts, trainer)
    tokenizer = Tokenizer(models.WordPiece(vocab=trained.get_vocab(), unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, words
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(piece, tokenizer.token_to_id(piece)) for piece in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _key(text: str) -> str:
    return " ".join(text.casefold().split())


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest(), "big")
