"""A re-ranking task from WordNet: given a definition, which of 20 words does it define?

The queries are the glosses of the running task, with its ids; a candidate is the first word of a synset, as WordNet
lists them. Besides the right word there are 19 wrong ones of the same supersense: the words of the glosses that share
most with the query, and some drawn at random, but none of a direct hypernym or hyponym.

Source: the noun file of WordNet 3.0; see `data/README.md`.
"""

import hashlib
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from softlabels.tasks import wordnet

NAME = "reverse_dictionary"
CANDIDATES, NEAR = 20, 10  # the right word, up to 10 from the glosses most like the query, the rest at random
HELD_OUT = ("test", "validation")  # in this order: a word that both ask for stays with the test set


def read_words(folder: Path) -> tuple[dict[int, str], dict[int, set[str]]]:
    """Read the noun synsets' words.

    Returns:
        right: the first word of each synset, by its offset.
        fitting: the words, in lower case, that answer its gloss as well or nearly as well, by its offset: its own,
            and those of its direct hypernyms and hyponyms.
    """
    words, kin = {}, {}
    for synset in wordnet.synsets(folder):
        words[synset.offset], kin[synset.offset] = synset.words, synset.kin
    fitting = {i: {word.casefold() for j in (i, *kin[i]) for word in words[j]} for i in words}
    return {i: listed[0] for i, listed in words.items()}, fitting


def share_out(targets: list[str], splits: list[str]) -> np.ndarray:
    """Return which queries are kept (bool): none whose right word is already the right one of a split held out.

    Letter case aside. So a test word is the right answer of no other split, and a validation word of none but it.
    """
    keys = [word.casefold() for word in targets]
    kept, taken = np.zeros(len(keys), dtype=bool), set()
    for names in (*([split] for split in HELD_OUT), ["labelled", "transfer"]):
        mine = [i for i, split in enumerate(splits) if split in names]
        kept[[i for i in mine if keys[i] not in taken]] = True
        taken |= {keys[i] for i in mine}
    return kept


def draw(ids, texts, labels, splits, words, fitting) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Draw the candidates of every query; the same on every machine.

    No wrong word of a labelled or transfer query is a right one of the test or the validation set, so training never
    shows those. Test and validation queries get them alone as wrong ones, as far as the class has enough: if one word
    of the 20 were new and 19 known from training, being new would give the answer away.

    Args:
        words: the right word of each query; none is on both sides, as `share_out` sees to.
        fitting: the words of each query, in lower case, that are never wrong ones.

    Returns:
        table: every word that is a candidate, in alphabetical order.
        candidates: int32 (queries, 20): rows of `table`, in ascending order, so the place says nothing.
        targets: int64 (queries,): the column of `candidates` that holds the right word.

    Raises:
        ValueError: a class has too few words.
    """
    table = sorted(set(words), key=lambda word: (word.casefold(), word))
    row_of = {word: row for row, word in enumerate(table)}
    key = [word.casefold() for word in words]
    held_out = np.array([split in HELD_OUT for split in splits])
    candidates, targets = np.empty((len(ids), CANDIDATES), dtype=np.int32), np.empty(len(ids), dtype=np.int64)
    for label in sorted(set(labels)):
        mine = [i for i, other in enumerate(labels) if other == label]
        side = {held: [i for i in mine if held_out[i] == held] for held in (True, False)}
        keys = {held: {key[i] for i in members} for held, members in side.items()}
        for i, nearest in zip(mine, _nearest([texts[i] for i in mine], held_out[mine]), strict=True):
            chosen, used = [i], fitting[i] | {key[i]}
            for j in (mine[place] for place in nearest):
                if key[j] not in used and len(chosen) <= NEAR:
                    chosen.append(j)
                    used.add(key[j])
            for held in (True, False) if held_out[i] else (False,):
                left = min(CANDIDATES - len(chosen), len(keys[held]) - len(keys[held] & used))
                places = _draws(ids[i], len(side[held]))
                while left:
                    j = side[held][next(places)]
                    if key[j] not in used:
                        chosen.append(j)
                        used.add(key[j])
                        left -= 1
            if len(chosen) < CANDIDATES:
                raise ValueError(f"class {label} has too few words: {len(chosen)} of {CANDIDATES} for query {ids[i]}")
            candidates[i] = sorted(row_of[words[j]] for j in chosen)
            targets[i] = np.flatnonzero(candidates[i] == row_of[words[i]])[0]
    return table, candidates, targets


def _nearest(texts: list[str], held_out: np.ndarray, most: int = 3 * NEAR):
    """Yield for each text the places of those that share most with it, nearest first, of those on its side.

    Shared words are counted by their rarity, in whole numbers, against all the words of both texts (a Dice
    coefficient). Words that more than one text in 16 has are left out.
    """
    bags = [sorted(set(re.findall(r"[a-z]+", text.lower()))) for text in texts]
    holding = defaultdict(list)
    for place, bag in enumerate(bags):
        for word in bag:
            holding[word].append(place)
    weight = {w: (len(texts) // len(p)).bit_length() for w, p in holding.items() if 16 * len(p) <= len(texts)}
    holding = {word: np.array(holding[word]) for word in weight}
    bags = [[word for word in bag if word in weight] for bag in bags]
    mass = np.array([sum(weight[word] for word in bag) for bag in bags])
    for place, bag in enumerate(bags):
        shared = np.zeros(len(texts))
        for word in bag:
            shared[holding[word]] += weight[word]
        shared[place] = 0
        shared[held_out != held_out[place]] = 0
        near = np.flatnonzero(shared)
        alike = shared[near] / (mass[near] + mass[place])
        yield near[np.argsort(-alike, kind="stable")[:most]].tolist()


def _draws(id: int, below: int):
    """Yield whole numbers below `below`, without end, that depend on the id alone."""
    count = 0
    while True:
        digest = hashlib.blake2b(f"{NAME}/{id:08d}/{count}".encode(), digest_size=64).digest()
        yield from (int.from_bytes(digest[k : k + 8], "big") % below for k in range(0, 64, 8))
        count += 1
