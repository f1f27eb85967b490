"""Two classics of text classification: posts to 20 newsgroups, and newswire stories in 52 unequal classes.

Source: 20 Newsgroups and Reuters-21578 (R52), reduced to letters and split in two by A. Cardoso-Cachopo; see
`data/sources.toml` and `data/README.md`. Their test part stays what it was, less what a model would read in it twice.
"""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

MAX_PIECES = 128  # the subject comes first, and what a post is about is mostly said early; 64 would cut most posts
WORDS = MAX_PIECES - 2  # more than these are never read: [CLS], [SEP], and a word is one piece at least
TEST_IDS = 100_000  # an example's id is its row in the training file, or this and its row in the test file
HEADER = ("Category\tText", "d\tstring", "class")  # names, types and the target's mark: Orange's three lines


@dataclasses.dataclass(frozen=True)
class Corpus:
    """One of the two.

    name: the task's. stem: of its two files. validation, labelled: how many training texts go there; what is left is
    "transfer". certain: how many training texts of every class are labelled whatever their hash says, so that the
    teacher has heard of each class; a class with no more than these is in no other split but the test set.
    """

    name: str
    stem: str
    classes: tuple[str, ...]
    validation: int
    labelled: int
    certain: int


NEWSGROUPS = Corpus(
    "newsgroups",
    "20newsgroups",
    (
        "alt.atheism", "comp.graphics", "comp.os.ms-windows.misc", "comp.sys.ibm.pc.hardware", "comp.sys.mac.hardware",
        "comp.windows.x", "misc.forsale", "rec.autos", "rec.motorcycles", "rec.sport.baseball", "rec.sport.hockey",
        "sci.crypt", "sci.electronics", "sci.med", "sci.space", "soc.religion.christian", "talk.politics.guns",
        "talk.politics.mideast", "talk.politics.misc", "talk.religion.misc",
    ),
    validation=1_500, labelled=4_000, certain=0,
)  # fmt: skip
REUTERS = Corpus(
    "reuters",
    "reuters-r52",
    (
        "acq", "alum", "bop", "carcass", "cocoa", "coffee", "copper", "cotton", "cpi", "cpu", "crude", "dlr", "earn",
        "fuel", "gas", "gnp", "gold", "grain", "heat", "housing", "income", "instal-debt", "interest", "ipi",
        "iron-steel", "jet", "jobs", "lead", "lei", "livestock", "lumber", "meal-feed", "money-fx", "money-supply",
        "nat-gas", "nickel", "orange", "pet-chem", "platinum", "potato", "reserves", "retail", "rubber", "ship",
        "strategic-metal", "sugar", "tea", "tin", "trade", "veg-oil", "wpi", "zinc",
    ),
    validation=800, labelled=3_000, certain=2,
)  # fmt: skip


def rows(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (class, text) for every row of a table in Orange's format, one after the other.

    Raises:
        ValueError: it is not such a table; the message names the line.
    """
    with open(path, encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            fields = line.rstrip("\n").split("\t")
            if number <= len(HEADER):
                if "\t".join(fields).strip() != HEADER[number - 1]:
                    raise ValueError(f"{path.name}, line {number}: {HEADER[number - 1]!r} should stand here")
            elif len(fields) == 2 and all(field.strip() for field in fields):
                yield fields[0], fields[1].strip()
            elif line.strip():
                raise ValueError(f"{path.name}, line {number}: a class, a tab and a text should stand here")


def read(corpus: Corpus, folder: Path) -> tuple[list[int], list[str], list[int], list[str]]:
    """Read a corpus: ids, texts, labels (indices into its classes) and splits, one entry an example.

    Two texts with the same first 126 words (`WORDS`) are one text to a model that reads 128 word pieces, whatever
    follows in them: the first is kept. The test file is read first, so what it shares with the training file is not
    learned from. This needs no tokenizer and drops none that a model could tell apart, but a few that agree in all
    their pieces stay: long words fill the 128 before the 126th word. The data card counts them.

    Raises:
        ValueError: a file is not what it should be.
    """
    ids, texts, labels, seen = [], [], [], set()
    for part, first_id in (("test", TEST_IDS), ("train", 0)):
        path = folder / f"{corpus.stem}-{part}.tab"
        for row, (name, text) in enumerate(rows(path), start=1):
            if name not in corpus.classes:
                raise ValueError(f"{path.name}, row {row}: no class of {corpus.name} is called {name!r}")
            key = " ".join(text.split()[:WORDS])
            if key not in seen:
                seen.add(key)
                ids.append(first_id + row)
                texts.append(text)
                labels.append(corpus.classes.index(name))
    return ids, texts, labels, split_of(corpus, ids, labels)


def split_of(corpus: Corpus, ids: list[int], labels: list[int]) -> list[str]:
    """Assign every example to a split: the test file is the test set, the others go by a BLAKE2b hash of their id."""

    def rank(i: int) -> bytes:
        return hashlib.blake2b(f"{corpus.name}/{ids[i]:08d}".encode(), digest_size=8).digest()

    train = sorted((i for i in range(len(ids)) if ids[i] <= TEST_IDS), key=rank)
    certain, others, had = [], [], [0] * len(corpus.classes)
    for i in train:
        (certain if had[labels[i]] < corpus.certain else others).append(i)
        had[labels[i]] += 1
    split = ["test"] * len(ids)
    for place, i in enumerate(others[: corpus.validation] + certain + others[corpus.validation :]):
        at = place - corpus.validation
        split[i] = "validation" if at < 0 else "labelled" if at < corpus.labelled else "transfer"
    return split
