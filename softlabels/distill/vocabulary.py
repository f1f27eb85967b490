"""Vocabulary trimming: a small student's word table is most of its weight, and a task uses a part of it.

What is kept: the special tokens, every single character, and the word pieces that the task's texts were cut into. A
word piece tokenizer takes the longest piece that fits, so texts of which all pieces are kept are cut as before, and a
word whose piece is gone is cut into shorter ones, down to characters; none becomes unknown that was not before.
"""

import copy
import json
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from .bert import SmallBert


def pieces_to_keep(tokenizer: Any, token_ids: np.ndarray, most: int | None = None) -> np.ndarray:
    """Return the ids to keep, int64, ascending.

    tokenizer: a tokenizers.Tokenizer with a WordPiece model. token_ids: int array, all tokens of the texts. most: keep
    so many ids at most, those that stand in the texts most often; special tokens and single characters are always kept,
    even past that number. ValueError for a tokenizer of another kind.
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
    if most is not None:
        new = ~np.isin(found, always)
        commonest = np.argsort(-counts[new], kind="stable")
        found = found[new][commonest[: max(0, most - len(always))]]
    return np.union1d(always, found)


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
    trimmed.words = nn.Embedding.from_pretrained(trimmed.words.weight.detach()[torch.from_numpy(keep)])
    trimmed.positions = nn.Embedding.from_pretrained(trimmed.positions.weight.detach()[:length].clone())
    return trimmed.eval()
