"""Spoken requests to a house, in 32 languages: which of 42 things is wanted?

Source: the sentence templates of the Home Assistant project (`data/sources.toml`), filled in with the names of rooms
and devices that its native speakers use in their tests (`intent_names.json`); see `data/README.md`.
"""

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from random import Random

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
ANY_DEVICE = ("light", "switch", "fan")  # where a language has no name for the kind of device that is asked for


class Fillers:
    """What may stand in a slot of one language: the carrier's own lists, and names of rooms, floors and devices."""

    def __init__(self, lists: dict, names: dict, random: Random):
        self._lists, self._names, self._random = lists, names, random
        devices = itertools.chain.from_iterable(names["devices"].values())
        # One pool for every open slot: a word says nothing about the intent if it may stand in any of them.
        self._open = [*names["said"], *names["rooms"], *dict.fromkeys(devices)]
        self.domains: tuple[str, ...] = ()  # the kinds of devices that the template's {name} may be

    def __call__(self, slot: str) -> str:
        if slot == "name":
            kinds = [k for k in self.domains if self._names["devices"].get(k)] or [
                k for k in ANY_DEVICE if self._names["devices"].get(k)
            ]
            return self._one([name for kind in kinds for name in self._names["devices"][kind]])
        if slot in ("area", "floor"):
            return self._one(self._names["rooms" if slot == "area" else "floors"])
        known = self._lists.get(slot)
        if known is None:
            raise Unfillable(slot)
        if "range" in known:
            step = known["range"].get("step", 1)
            return str(self._one(range(known["range"]["from"], known["range"]["to"] + 1, step)))
        return self._one(self._open if known.get("wildcard") else [value["in"] for value in known["values"]])

    def _one(self, values):
        if not values:
            raise Unfillable("no value")
        return values[int(self._random.random() * len(values))]


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
    drawn by a hash of the template. Left out are sentences that stand for two intents, all but the first of those that
    two splits or languages share (what is learned from comes first), and validation and test sentences of an intent
    for which there is nothing to learn from in their language. An example's id is a hash of its language and text.
    """
    names = json.loads(NAMES.read_text(encoding="utf-8"))
    made = [one for language in LANGUAGES for one in _of_language(language, folder, names[language])]
    wanted = defaultdict(set)
    for _, text, intent, _ in made:
        wanted[_key(text)].add(intent)
    ids, texts, labels, splits, languages, seen, taught = [], [], [], [], [], set(), set()
    for split in (*TRAINING, "validation", "test"):
        for language, text, intent, its in made:
            key = _key(text)
            if its != split or key in seen or len(wanted[key]) > 1:
                continue
            if split not in TRAINING and (language, intent) not in taught:
                continue
            seen.add(key)
            taught.add((language, intent))
            ids.append(_hash(f"{language}/{text}") >> 1)  # 63 bits: positive
            texts.append(text)
            labels.append(CLASSES.index(intent))
            splits.append(split)
            languages.append(LANGUAGES.index(language))
    return ids, texts, labels, splits, languages


def _of_language(language: str, folder: Path, names: dict):
    """Yield (language, text, intent, split) for one language."""
    about = json.loads((folder / "data" / f"{language}.json").read_text(encoding="utf-8"))
    for intent in CLASSES:
        templates = defaultdict(dict)  # by split: the kinds of devices, by template
        for block in about["intents"].get(f"Hass{intent}", {"data": []})["data"]:
            kinds = (block.get("requires_context") or {}).get("domain") or ()
            for template in block["sentences"]:
                templates[split_of_template(template)][template] = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        for split, most in SENTENCES.items():
            said = _in_turns(templates[split], about, names, f"{language}/{intent}")
            yield from ((language, text, intent, split) for text in itertools.islice(said, most))


def _in_turns(templates: dict[str, tuple], about: dict, names: dict, salt: str, rounds: int = 20):
    """Yield different sentences, one of each template in turn, in the order of the templates' hashes."""
    draws = {t: Random(_hash(f"{salt}/{t}")) for t in sorted(templates, key=lambda t: (_hash(t), t))}
    fillers = {t: Fillers(about["lists"], names, random) for t, random in draws.items()}
    said = set()
    for _ in range(rounds):
        for template in list(draws):
            fillers[template].domains = templates[template]
            try:
                text = sentence(template, about["expansion_rules"], fillers[template], draws[template])
            except Unfillable:  # the language has no floors, say; another draw of the template may do without
                continue
            except TemplateError:
                del draws[template]
                continue
            if text and _key(text) not in said:
                said.add(_key(text))
                yield text


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
