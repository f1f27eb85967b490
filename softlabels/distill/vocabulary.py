"""Vocabulary trimming: a small student's word table is most of its weight, and a task uses a part of it.

What is kept: the special tokens, every single character, the word pieces that the task's texts were cut into, and as
many others as there is room for. A word piece tokenizer takes the longest piece that fits, so texts of which all pieces
are kept are cut as before, and a word whose piece is gone is cut into shorter ones, down to characters; none becomes
unknown that was not before. The others are for the texts that are still to come: their words too should stay whole.
"""

import copy
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from .bert import SmallBert


def pieces_to_keep(tokenizer: Any, token_ids: np.ndarray, most: int | None = None) -> np.ndarray:
    """Return the ids to keep, int64, ascending.

    tokenizer: a tokenizers.Tokenizer with a WordPiece model. token_ids: int array, all tokens of the texts. most: keep
    so many ids, if there are so many: first those of the texts, the commonest before the others, then the rest in the
    tokenizer's own order, which in BERT's vocabulary goes by how common they are in general. None: those of the texts.
    Special tokens and single characters are always kept, even past that number. ValueError for a tokenizer of another
    kind.
    """
    state = json.loads(tokenizer.to_str())
    if state["model"]["type"] != "WordPiece":
        raise ValueError(f"only a WordPiece vocabulary can be trimmed, not {state['model']['type']}")
    vocabulary, prefix = state["model"]["vocab"], state["model"]["continuing_subword_prefix"]
    special = {token["content"] for token in state["added_tokens"]} | {state["model"]["unk_token"]}
    special |= {"[PAD]", "[CLS]", "[SEP]"}
    always = [i for piece, i in vocabulary.items() if piece in special or len(piece.removeprefix(prefix)) == 1]
    always = np.array(always, dtype=np.int64)
    found, counts = np.unique(token_ids, return_counts=True)
    if most is None:
        return np.union1d(always, found)
    wanted = [found[np.argsort(-counts, kind="stable")], np.sort([i for p, i in vocabulary.items() if is_used(p)])]
    wanted = np.concatenate(wanted).astype(np.int64)
    wanted = wanted[np.sort(np.unique(wanted, return_index=True)[1])]  # each once, where it came first
    return np.union1d(always, wanted[~np.isin(wanted, always)][: max(0, most - len(always))])


def usable_pieces(tokenizer: Any) -> np.ndarray:
    """Return the ids of all pieces that a text can hold, int64, ascending: to drop the others changes no answer."""
    return np.sort(np.array([i for piece, i in tokenizer.get_vocab().items() if is_used(piece)], dtype=np.int64))


def is_used(piece: str) -> bool:
    """Tell whether a text can hold a piece: BERT's vocabulary has places like [unused7], kept free for new words."""
    return not re.fullmatch(r"\[unused\d+\]", piece)


def trim_tokenizer(tokenizer: Any, keep: np.ndarray) -> Any:
    """Return a tokenizer of the same kind that knows only these ids, renumbered 0, 1, ... in their order."""
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    new = {int(old): i for i, old in enumerate(keep)}
    vocabulary = state["model"]["vocab"]
    state["model"]["vocab"] = {piece: new[i] for piece, i in vocabulary.items() if i in new}
    for token in state["added_tokens"]:
        token["id"] = new[token["id"]]
    processor = state.get("post_processor") or {}
    for name in ("sep", "cls"):  # BertProcessing: ["[SEP]", 102]
        if name in processor:
            processor[name][1] = new[processor[name][1]]
    for token in (processor.get("special_tokens") or {}).values():  # TemplateProcessing
        token["ids"] = [new[i] for i in token["ids"]]
    return Tokenizer.from_str(json.dumps(state))


def trim_student(student: SmallBert, keep: np.ndarray | None, max_length: int) -> SmallBert:
    """Return a copy of a student with only these rows of its word table (None: all), and as many positions as needed.

    keep: what pieces_to_keep returned. max_length: the most tokens that a text will have. On texts cut by the trimmed
    tokenizer into the same pieces, the copy says what the student says.
    """
    keep = np.arange(student.config.vocab_size) if keep is None else keep
    length = min(max_length, student.config.max_length)
    trimmed = copy.deepcopy(student).cpu()  # not built anew from its config, which does not tell of pruned heads
    trimmed.config = replace(student.config, vocab_size=len(keep), max_length=length)
    trimmed.words = nn.Embedding.from_pretrained(trimmed.words.weight.detach()[torch.from_numpy(keep)], freeze=False)
    trimmed.positions = nn.Embedding.from_pretrained(trimmed.positions.weight.detach()[:length].clone(), freeze=False)
    return trimmed.eval()
