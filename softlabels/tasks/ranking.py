"""A re-ranking task: queries, a few candidates for each, one of them right.

    task = tasks.load_ranking("reverse_dictionary")
    labelled = task.split("labelled")
    labelled.texts[0], [task.words[row] for row in labelled.candidates[0]], labelled.targets[0]

What a model reads is ids of word pieces: `labelled.tokens.row(0)` for the query, `task.word_tokens.row(row)` for a
candidate, each with [CLS] and [SEP]. To read both at once, put the candidate's behind the query's, less its [CLS].
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from softlabels.tasks import carriers, reverse_dictionary, store, wordnet
from softlabels.tasks.store import HIDDEN, SPLITS, Ragged, Task, Texts, UnknownSplit


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Queries:
    """Some queries of a ranking task, row by row.

    Attributes:
        ids: int64 (n,): public names that never change.
        tokens: word pieces of the queries, `Ragged` with n rows.
        texts: n strings.
        domains: int64 (n,): indices into the task's `domains`.
        candidates: int32 (n, m): rows of the task's `words`.
        targets: int64 (n,): the column of `candidates` with the right word; None where it is hidden.
    """

    ids: np.ndarray
    tokens: Ragged
    texts: Texts
    domains: np.ndarray
    candidates: np.ndarray
    targets: np.ndarray | None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Queries({len(self):,}, targets {'hidden' if self.targets is None else 'shown'})"

    def take(self, rows: np.ndarray) -> "Queries":
        """Return the queries of some rows: an array of indices, or a mask of n booleans."""
        rows = np.arange(len(self))[rows]
        return Queries(
            self.ids[rows],
            self.tokens.take(rows),
            Texts(self.texts._blob, self.texts._offsets, self.texts._rows[rows]),
            self.domains[rows],
            self.candidates[rows],
            None if self.targets is None else self.targets[rows],
        )


class RankingTask:
    """A ranking task: its words, and its queries by split.

    Attributes:
        name: such as "reverse_dictionary".
        domains: the names of the domains, for results by domain.
        words: every word that is a candidate somewhere.
        word_tokens: the words' pieces, `Ragged`, [CLS] and [SEP] included.
        fingerprint: sha256 over queries, splits, candidates, targets and tokenizer, the same on every machine.
        tokenizer_sha256: of the tokenizer's file.
        max_pieces: how many word pieces of a query are kept.
    """

    def __init__(self, folder: Path, source: Task):
        about = json.loads((folder / "task.json").read_text(encoding="utf-8"))
        self.name: str = about["name"]
        self.domains: tuple[str, ...] = source.classes
        self.fingerprint: str = about["fingerprint"]
        self.tokenizer_sha256, self.max_pieces = source.tokenizer_sha256, source.max_pieces
        self._sizes: dict[str, int] = about["splits"]
        self._source = source.split("all", show_labels=True)
        arrays = {p.stem: np.load(p, mmap_mode="r").view(np.ndarray) for p in folder.glob("*.npy")}
        self._rows, self._candidates, self._targets = arrays["rows"], arrays["candidates"], arrays["targets"]
        self.words = Texts(arrays["words"], arrays["word_offsets"], np.arange(len(arrays["word_offsets"]) - 1))
        self.word_tokens = Ragged(arrays["values"], arrays["offsets"])

    def __repr__(self) -> str:
        splits = ", ".join(f"{name} {size:,}" for name, size in self._sizes.items())
        return f"RankingTask({self.name!r}, {len(self.words):,} words; {splits})"

    def split(self, name: str, show_targets: bool = False) -> Queries:
        """Return the queries of one split, or of "all"; the targets of the transfer set are hidden unless asked for.

        Raises:
            UnknownSplit: there is no split of that name.
        """
        if name != "all" and name not in self._sizes:
            raise UnknownSplit(f"{self.name} has no split {name!r}. There are: {', '.join(self._sizes)}, and all.")
        at = slice(None)
        if name != "all":
            first = sum(size for split, size in self._sizes.items() if SPLITS.index(split) < SPLITS.index(name))
            at = slice(first, first + self._sizes[name])
        glosses = self._source.take(self._rows[at])
        return Queries(
            glosses.ids,
            glosses.tokens,
            glosses.texts,
            glosses.labels,
            self._candidates[at],
            None if name in (HIDDEN, "all") and not show_targets else self._targets[at].copy(),
        )


def open_reverse_dictionary(source: Task, tokenizer_file: Path) -> RankingTask:
    """Open the reverse dictionary in the cache; the first time, draw its candidates (half a minute).

    source: the task "wordnet", whose glosses are the queries.

    Raises:
        NotFetched, Damaged: WordNet is not on this machine yet, or not whole.
        DiskFull, ReadOnly: it could not be prepared in the cache.
    """
    folder = carriers.carrier_path("wordnet")
    code = [store.code_hash(Path(module.__file__)) for module in (store, wordnet, reverse_dictionary)]
    origin = {"carrier": "wordnet", "source": source.fingerprint, "code": [*code, store.code_hash(Path(__file__))]}

    def build():
        name = reverse_dictionary.NAME
        print(f"Preparing the task {name}: drawing candidates for its definitions, once ... ", end="", flush=True)
        glosses = source.split("all", show_labels=True)
        splits = [split for split in SPLITS for _ in range(len(source.split(split)))]
        right, fitting = reverse_dictionary.read_words(folder)
        rows = np.flatnonzero(reverse_dictionary.share_out([right[i] for i in glosses.ids.tolist()], splits))
        kept, ids = [splits[i] for i in rows], glosses.ids[rows].tolist()
        table, candidates, targets = reverse_dictionary.draw(
            ids,
            [glosses.texts[i] for i in rows],
            glosses.labels[rows].tolist(),
            kept,
            [right[i] for i in ids],
            [fitting[i] for i in ids],
        )
        pieces = store.cut(table, store.open_tokenizer(tokenizer_file, source.max_pieces))
        blobs = [np.frombuffer(word.encode("utf-8"), dtype=np.uint8) for word in table]
        digest = hashlib.sha256(f"{name}\n{source.fingerprint}\n".encode() + "\n".join(table).encode())
        for array in (glosses.ids[rows], candidates, targets):
            digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
        arrays = {
            "rows": rows,
            "candidates": candidates,
            "targets": targets,
            "values": pieces.values,
            "offsets": pieces.offsets,
            "words": np.concatenate(blobs),
            "word_offsets": np.concatenate([[0], np.cumsum([len(b) for b in blobs])]),
        }
        sizes = {split: kept.count(split) for split in SPLITS}
        return arrays, {"name": name, "fingerprint": digest.hexdigest(), "splits": sizes}

    return RankingTask(store.built(reverse_dictionary.NAME, origin, build), source)
