"""Students by size, initialised at random, or from layers of their teacher."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from .bert import SmallBert, SmallBertConfig, build_empty
from .levels import copy_embeddings, copy_layers

# The 24 miniatures of Turc et al. 2019, by layers x width: 2x128 is their Tiny, 4x256 Mini, 4x512 Small, 8x512 Medium.
SIZES = {
    f"{layers}x{width}": SmallBertConfig(layers=layers, width=width, heads=width // 64, inner=4 * width)
    for layers in (2, 4, 6, 8, 10, 12)
    for width in (128, 256, 512, 768)
}


def make_student(size: str | SmallBertConfig, classes: int, seed: int, vocab_size: int = 30_522) -> SmallBert:
    """Return a student with weights drawn from a normal distribution of deviation 0.02, as BERT's are.

    size: a name in SIZES, or a shape of your own, of which classes and vocab_size are replaced. The same seed gives the
    same student; the caller's random state is left alone. ValueError for an unknown size.
    """
    if isinstance(size, str) and size not in SIZES:
        raise ValueError(f"there is no size {size!r}; the sizes are {', '.join(SIZES)}")
    shape = SIZES[size] if isinstance(size, str) else size
    generator = torch.Generator().manual_seed(seed)
    student = build_empty(replace(shape, classes=classes, vocab_size=vocab_size))
    for module in student.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02, generator=generator)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)
    return student


def student_from_teacher(teacher: SmallBert, layers: Sequence[int], classes: int, seed: int) -> SmallBert:
    """Return a student that begins as a part of its teacher: the embeddings, and the layers of these numbers (from 1).

    layers: what layer_map returns. It has the teacher's width, pools the mean, and its classifier is drawn at random.
    """
    shape = replace(teacher.config, layers=len(layers), pooling="mean")
    student = make_student(shape, classes, seed, teacher.config.vocab_size)
    return copy_layers(copy_embeddings(student, teacher), teacher, layers)
