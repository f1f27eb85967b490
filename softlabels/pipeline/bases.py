"""The teacher's base model: the course's own, a local folder in the hub's layout, or a name on the hub."""

import re
from pathlib import Path

from softlabels import tasks
from softlabels.distill import SmallBertConfig

FILES = ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "tokenizer_config.json"]


class BaseError(ValueError):
    """The base model cannot be used. The message says why, and what to do."""


def find_base(teacher: str | None) -> Path:
    """Return the folder of a base model, checked: a BERT, with its weights and its vocabulary.

    teacher: None (all-MiniLM-L6-v2, as the course uses it), a folder, or a name such as google-bert/bert-base-uncased.
    """
    if teacher is None:
        return tasks.base_model()
    folder = Path(teacher).expanduser()
    if not folder.is_dir():
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", teacher) or teacher.startswith("."):
            raise BaseError(f"there is no folder {teacher}, and that is no name of a model on the hub either")
        folder = _from_hub(teacher)
    for name in FILES[:2]:
        if not (folder / name).is_file():
            found = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
            raise BaseError(f"{folder} has no {name}, so it is no model in the hub's layout that can be read: {found}")
    if not any((folder / name).is_file() for name in FILES[2:4]):
        raise BaseError(f"{folder} has neither tokenizer.json nor vocab.txt, so its texts cannot be cut")
    try:
        SmallBertConfig.from_folder(folder)
    except (ValueError, KeyError) as error:
        raise BaseError(f"the teacher's base must be a BERT (absolute positions, gelu): {error}") from None
    return folder


def open_tokenizer(base: Path):
    """Return the base's tokenizers.Tokenizer; one that comes as vocab.txt is converted by transformers."""
    from tokenizers import Tokenizer

    if (base / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(base / "tokenizer.json"))
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base).backend_tokenizer


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=FILES))
    except LocalEntryNotFoundError:
        raise BaseError(
            f"there is no folder {name}, and the hub cannot be reached for a model of that name (HF_HUB_OFFLINE may be "
            "set). Without --teacher, the course's own base model is used."
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise BaseError(f"the hub does not give {name}: {str(error).splitlines()[0]}") from None
