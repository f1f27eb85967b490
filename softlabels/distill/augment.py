"""New texts from old ones, for a teacher to label: word pieces masked, or a stretch of the text alone.

Two of the three rules of Tang et al. 2019 (section 3.3), on word pieces instead of words; the third, replacing a word
by another of its part of speech, needs a tagger.
"""

from itertools import pairwise

import numpy as np

MASK = 103  # [MASK] in the vocabulary of every uncased BERT


def augment(
    pieces: np.ndarray, rng: np.random.Generator, mask_share: float = 0.1, stretch_share: float = 0.25
) -> np.ndarray:
    """Return a changed copy of one text.

    pieces: int array (length,), [CLS] first and [SEP] last; these two always stay. Each piece between them becomes
    [MASK] with probability mask_share, by a draw of its own. Then, with probability stretch_share, only a stretch of
    neighbouring pieces is kept: 1 to 5 of them, each size as likely (all of them where there are fewer), from a place
    that is drawn too. All chance comes from rng. Returns a new int array (length or less,).
    """
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    if rng.random() < stretch_share and len(inner) > 0:
        size = min(int(rng.integers(1, 6)), len(inner))
        start = int(rng.integers(len(inner) - size + 1))
        inner = inner[start : start + size]
    return np.concatenate([pieces[:1], inner, pieces[-1:]])


def augment_texts(tokens: tuple, copies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return several changed copies of every text, ragged: those of text i are rows i * copies to (i + 1) * copies - 1.

    tokens: (values, offsets), text i is values[offsets[i]:offsets[i + 1]]. The same seed gives the same copies. What
    an augmented text is about may have changed with it: its soft label is for the teacher to say.
    ValueError when there is no text, or no copy is asked for.
    """
    values, offsets = tokens
    if copies < 1 or len(offsets) < 2:
        raise ValueError(f"there must be a text and a copy at least; here {len(offsets) - 1} texts, {copies} copies")
    rng = np.random.default_rng(seed)
    texts = [augment(values[start:end], rng) for start, end in pairwise(offsets) for _ in range(copies)]
    return np.concatenate(texts), np.cumsum([0, *map(len, texts)])
