"""Real tasks, ready to learn from: texts, labels and splits by example id.

    task = load("wordnet")
    labelled = task.split("labelled")
    labelled.texts[0], task.classes[labelled.labels[0]], labelled.tokens.row(0)

Importing this package reads no data; `softlabels fetch` gets it.
"""

from pathlib import Path

from softlabels.tasks import carriers, home, store, wordnet
from softlabels.tasks.store import Examples, Ragged, Task, UnknownExample, UnknownSplit

__all__ = [
    "Examples", "Ragged", "Task", "UnknownExample", "UnknownSplit", "UnknownTask",
    "base_model", "carriers", "home", "load", "tokenizer",
]  # fmt: skip

TASKS = ("wordnet",)


class UnknownTask(ValueError):
    """There is no task of that name."""


def load(name: str = "wordnet") -> Task:
    """Open a task: the first time its texts are cut into word pieces (a few seconds), later at once.

    Raises:
        UnknownTask: there is no such task.
        NotFetched: its data are not on this machine yet; the message says how to get them.
        DiskFull, ReadOnly: it could not be prepared in the cache.
    """
    if name not in TASKS:
        raise UnknownTask(f"There is no task {name!r}. There are: {', '.join(TASKS)}.")
    folder = carriers.carrier_path("wordnet")

    def read():
        ids, texts, labels = wordnet.read_glosses(folder)
        return ids, texts, labels, wordnet.split_of(ids)

    origin = {"source": carriers.sources()["wordnet"].stamp(), "reader": store.code_hash(Path(wordnet.__file__))}
    return store.open_or_build(name, wordnet.CLASSES, read, base_model() / "tokenizer.json", origin)


def base_model() -> Path:
    """Return the folder of all-MiniLM-L6-v2, in the hub's layout.

    Raises:
        NotFetched: it is not on this machine yet.
    """
    return carriers.carrier_path("minilm")


def tokenizer():
    """Return the base model's `tokenizers.Tokenizer`: no padding, cut at 64 pieces, as the stored tokens were made."""
    return store.open_tokenizer(base_model() / "tokenizer.json")
