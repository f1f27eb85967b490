"""Where things live: the clone, its data, the cache, a learner's work.

Three environment variables move them: `SOFTLABELS_HOME` (the clone), `SOFTLABELS_CACHE` (downloads and whatever is
computed from them: a classroom shares one) and `SOFTLABELS_WORK` (a learner's own files).
"""

import os
from pathlib import Path


def _folder(variable: str, default: Path) -> Path:
    chosen = os.environ.get(variable)
    return Path(chosen).expanduser().absolute() if chosen else default


def root() -> Path:
    """Return the clone's top folder: the parent of the package, or `SOFTLABELS_HOME`."""
    return _folder("SOFTLABELS_HOME", Path(__file__).resolve().parents[2])


def data() -> Path:
    """Return the folder of what the course ships: sources, teachers, soft labels, results."""
    return root() / "data"


def cache() -> Path:
    """Return the folder of what can be fetched or computed again: `data/cache`, or `SOFTLABELS_CACHE`."""
    return _folder("SOFTLABELS_CACHE", data() / "cache")


def work() -> Path:
    """Return the folder of a learner's notebooks and progress: `work`, or `SOFTLABELS_WORK`."""
    return _folder("SOFTLABELS_WORK", root() / "work")


def teacher_dir(task: str) -> Path:
    """Return the folder of the shipped teacher (a LoRA adapter) of a task."""
    return data() / "teachers" / task


def soft_labels_file(task: str) -> Path:
    """Return the file of the shipped teacher logits of a task."""
    return data() / "soft_labels" / f"{task}.safetensors"


def vocabulary(task: str) -> Path:
    """Return the tokenizer of a task that the base model's word pieces do not serve (`tokenizer.json`)."""
    return data() / "vocabularies" / f"{task}.json"


def results(name: str) -> Path:
    """Return the file of a measured experiment."""
    return data() / "results" / f"{name}.csv"
