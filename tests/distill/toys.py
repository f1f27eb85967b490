"""Small texts and students that the tests of `distill` share."""

import numpy as np
import torch

from softlabels.distill import SmallBertConfig
from softlabels.distill.bert import SmallBert


def ragged(lengths, vocab=200, seed=0):
    """Random texts of these lengths, as (values, offsets)."""
    lengths = np.asarray(lengths)
    values = np.random.default_rng(seed).integers(1, vocab, lengths.sum()).astype(np.int32)
    return values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def tiny_student(classes=3, seed=0, vocab=5_000, **changes):
    """A student that trains in milliseconds; its vocabulary is large enough for the sparse word table."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        shape = dict(layers=1, width=16, heads=2, inner=32, vocab_size=vocab, max_length=64, classes=classes)
        return SmallBert(SmallBertConfig(**{**shape, **changes}))
