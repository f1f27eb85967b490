"""Real tasks, ready to learn from: texts, labels and splits by example id.

    task = load("wordnet")
    labelled = task.split("labelled")
    labelled.texts[0], task.classes[labelled.labels[0]], labelled.tokens.row(0)

Importing this package reads no data; `softlabels fetch` gets it.
"""

from pathlib import Path

from softlabels.tasks import carriers, corpora, home, intents, store, templates, wordnet
from softlabels.tasks.ranking import Queries, RankingTask, open_reverse_dictionary
from softlabels.tasks.store import Examples, Ragged, Task, UnknownExample, UnknownSplit

__all__ = [
    "Examples", "Queries", "Ragged", "RankingTask", "Task", "UnknownExample", "UnknownSplit", "UnknownTask",
    "base_model", "carriers", "home", "load", "load_ranking", "tokenizer",
]  # fmt: skip

TASKS = ("wordnet", "newsgroups", "reuters", "intents")
RANKING_TASKS = ("reverse_dictionary",)


class UnknownTask(ValueError):
    """There is no task of that name."""


def load(name: str = "wordnet") -> Task:
    """Open a task: the first time its texts are cut into word pieces (a few seconds), later at once.

    Raises:
        UnknownTask: there is no such task.
        NotFetched: its data are not on this machine yet; the message says how to get them.
        Damaged: a file of them is no longer what was fetched (looked at before it is prepared); fetch them again.
        DiskFull, ReadOnly: it could not be prepared in the cache.
    """
    if name not in TASKS:
        raise UnknownTask(f"There is no task {name!r}. There are: {', '.join(TASKS)}.")
    opened = {"wordnet": _open_wordnet, "intents": _open_intents}
    return opened[name]() if name in opened else _open_corpus(name)


def _open_wordnet() -> Task:
    folder = carriers.carrier_path("wordnet")

    def read():
        ids, texts, labels = wordnet.read_glosses(folder)
        return ids, texts, labels, wordnet.split_of(ids)

    origin = _origin("wordnet", wordnet)
    return store.open_or_build("wordnet", wordnet.CLASSES, read, base_model() / "tokenizer.json", origin)


def _open_corpus(name: str) -> Task:
    corpus = {"newsgroups": corpora.NEWSGROUPS, "reuters": corpora.REUTERS}[name]
    folder = carriers.carrier_path("newsgroups")  # both travel in one package
    return store.open_or_build(
        name,
        corpus.classes,
        lambda: corpora.read(corpus, folder),
        base_model() / "tokenizer.json",
        _origin("newsgroups", corpora),
        corpora.MAX_PIECES,
    )


def _open_intents() -> Task:
    folder = carriers.carrier_path("intents")
    origin = _origin("intents", intents) | {
        "names": store.code_hash(intents.NAMES),
        "templates": store.code_hash(Path(templates.__file__)),
    }
    return store.open_or_build(
        "intents",
        intents.CLASSES,
        lambda: intents.read(folder),
        home.vocabulary("intents"),
        origin,
        groups=intents.LANGUAGES,
    )


def _origin(carrier: str, reader) -> dict:
    return {
        "carrier": carrier,
        "source": carriers.sources()[carrier].stamp(),
        "reader": store.code_hash(Path(reader.__file__)),
    }


def load_ranking(name: str = "reverse_dictionary") -> RankingTask:
    """Open a re-ranking task: the first time its candidates are drawn (half a minute), later at once.

    Raises:
        UnknownTask: there is no such task.
        NotFetched: its data are not on this machine yet; the message says how to get them.
        Damaged: a file of them is no longer what was fetched (looked at before it is prepared); fetch them again.
        DiskFull, ReadOnly: it could not be prepared in the cache.
    """
    if name not in RANKING_TASKS:
        raise UnknownTask(f"There is no ranking task {name!r}. There are: {', '.join(RANKING_TASKS)}.")
    return open_reverse_dictionary(load("wordnet"), base_model() / "tokenizer.json")


def base_model() -> Path:
    """Return the folder of all-MiniLM-L6-v2, in the hub's layout.

    Raises:
        NotFetched: it is not on this machine yet.
    """
    return carriers.carrier_path("minilm")


def tokenizer(max_pieces: int = store.MAX_PIECES, task: str = "wordnet"):
    """Return the `tokenizers.Tokenizer` of a task: no padding, cut at 64 pieces unless `max_pieces` says otherwise.

    It is the base model's, but for the task "intents", which has word pieces of its own. It cuts a text as a task's
    stored tokens were made: `tasks.tokenizer(task.max_pieces, task.name)`.
    """
    file = home.vocabulary(task) if task == "intents" else base_model() / "tokenizer.json"
    return store.open_tokenizer(file, max_pieces)
