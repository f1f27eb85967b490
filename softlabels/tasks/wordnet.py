"""The running task: a WordNet 3.0 noun gloss -> one of 24 supersenses.

Source: the noun file of the WordNet 3.0 database (Princeton University), which travels in two
parts inside a carrier package; see `data/sources.toml` and `data/README.md`.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# WordNet's lexicographer files 03 to 28 are its noun supersenses. Two are left out: `noun.Tops` (03), which
# collects the roots of all the others, and `noun.motive` (16), which has 42 glosses.
LEXICOGRAPHER_FILES = {
    4: "act", 5: "animal", 6: "artifact", 7: "attribute", 8: "body", 9: "cognition", 10: "communication",
    11: "event", 12: "feeling", 13: "food", 14: "group", 15: "location", 17: "object", 18: "person",
    19: "phenomenon", 20: "plant", 21: "possession", 22: "process", 23: "quantity", 24: "relation",
    25: "shape", 26: "state", 27: "substance", 28: "time",
}  # fmt: skip
CLASSES = tuple(LEXICOGRAPHER_FILES.values())
SPLIT_SIZES = {"test": 5_000, "validation": 3_000, "labelled": 20_000}  # whatever is left is "transfer"
MEMBERS = ("data.noun1", "data.noun2")
NARROWER_OR_WIDER = ("@", "@i", "~", "~i")  # pointers to hypernyms and hyponyms, kinds as well as instances


class Synset(NamedTuple):
    """One line of the noun file.

    Attributes:
        offset: where the line starts, its public name (`00001740-n`).
        file: the number of its lexicographer file, the supersense.
        words: as WordNet lists them, `central_bank` as `central bank`.
        kin: offsets of its direct hypernyms and hyponyms.
        gloss: definition and usage examples.
    """

    offset: int
    file: int
    words: list[str]
    kin: list[int]
    gloss: str


def synsets(folder: Path) -> Iterator[Synset]:
    """Read every noun synset, in the file's order; its format is told in WordNet's manual, wndb(5WN)."""
    for member in MEMBERS:
        for line in (folder / member).read_text(encoding="ascii").splitlines():
            if line.startswith("  ") or not line.strip():  # the licence, at the top of the file
                continue
            fields, gloss = line.split(" | ", 1)
            offset, file, _, count, *rest = fields.split(" ")
            words, rest = rest[: 2 * int(count, 16) : 2], rest[2 * int(count, 16) + 1 :]  # less the pointers' number
            pointers = zip(rest[::4], rest[1::4], rest[2::4], strict=False)  # symbol, offset, part of speech
            kin = [int(to) for symbol, to, speech in pointers if symbol in NARROWER_OR_WIDER and speech == "n"]
            yield Synset(int(offset), int(file), [word.replace("_", " ") for word in words], kin, gloss)


def definition(gloss: str) -> str:
    """Return the definition in a WordNet gloss, without the usage examples that follow it in quotation marks."""
    return gloss.split('; "')[0].strip().rstrip(";").strip()


def read_glosses(folder: Path) -> tuple[list[int], list[str], list[int]]:
    """Read every noun gloss of the 24 supersenses, duplicates dropped.

    Two synsets with the same definition (letter case and spaces aside) keep only the first, so that no text can
    stand in two splits; the first one's label is kept, also in the few cases where the labels differ.

    Returns:
        ids: the synset's offset in WordNet 3.0's noun file, which is its public name (`00001740-n`).
        texts: the definitions.
        labels: indices into `CLASSES`.
    """
    names = list(LEXICOGRAPHER_FILES)
    ids, texts, labels, seen = [], [], [], set()
    for synset in synsets(folder):
        text = definition(synset.gloss)
        key = " ".join(text.casefold().split())
        if synset.file not in LEXICOGRAPHER_FILES or not key or key in seen:
            continue
        seen.add(key)
        ids.append(synset.offset)
        texts.append(text)
        labels.append(names.index(synset.file))
    return ids, texts, labels


def split_of(ids: list[int]) -> list[str]:
    """Assign every example to a split by a hash of its id, so that everyone has the same test set.

    The ids are ranked by their BLAKE2b hash; the first 5,000 are the test set, and so on as in `SPLIT_SIZES`.
    """
    ranked = sorted(ids, key=lambda i: hashlib.blake2b(f"wordnet/{i:08d}".encode(), digest_size=8).digest())
    names = [name for name, size in SPLIT_SIZES.items() for _ in range(size)]
    split = dict(zip(ranked, names, strict=False))
    return [split.get(i, "transfer") for i in ids]
