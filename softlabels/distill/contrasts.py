"""Controls that tell why distillation helps: soft labels with one thing taken out of them."""

import torch
from torch import Tensor


def shuffle_dark_knowledge(logits: Tensor, seed: int) -> Tensor:
    """Give each text's largest logit its place, and the others to the other classes at random, text by text.

    logits: float tensor (texts, classes). Returns a new one: every text keeps its answer, its confidence and its
    entropy, and which classes resemble its own can no longer be read (permuted dark knowledge, Furlanello et al. 2018).
    The same seed gives the same permutations; the caller's random state is left alone.
    """
    generator = torch.Generator().manual_seed(seed)
    classes = torch.arange(logits.shape[-1])
    shuffled = logits.clone()
    for row, top in enumerate(logits.argmax(dim=-1)):
        others = classes[classes != top]
        shuffled[row, others] = logits[row, others[torch.randperm(len(others), generator=generator)]]
    return shuffled


def fold_classes(logits: Tensor, groups: Tensor) -> Tensor:
    """Merge classes into coarser ones: a group's probability is the sum of its members' probabilities.

    logits: float tensor (texts, classes). groups: int64 tensor (classes,), the number of each class's group, from 0 to
    G - 1; each group has a member. Returns logits (texts, G): the logarithm of the summed exponentials.
    """
    members = [logits[:, groups == group] for group in range(int(groups.max()) + 1)]
    return torch.stack([group.logsumexp(dim=-1) for group in members], dim=-1)
