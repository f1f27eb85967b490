"""Students by size, initialised at random."""

import torch
from torch import nn

from .bert import SmallBert, SmallBertConfig, build_empty

# The 24 miniatures of Turc et al. 2019, by layers x width: 2x128 is their Tiny, 4x256 Mini, 4x512 Small, 8x512 Medium.
SIZES = {
    f"{layers}x{width}": SmallBertConfig(layers=layers, width=width, heads=width // 64, inner=4 * width)
    for layers in (2, 4, 6, 8, 10, 12)
    for width in (128, 256, 512, 768)
}


def make_student(size: str, classes: int, seed: int, vocab_size: int = 30_522) -> SmallBert:
    """Return a student of a named size with weights drawn from a normal distribution of deviation 0.02, as BERT's are.

    The same seed gives the same student; the caller's random state is left alone. ValueError for an unknown size.
    """
    if size not in SIZES:
        raise ValueError(f"there is no size {size!r}; the sizes are {', '.join(SIZES)}")
    shape = {**vars(SIZES[size]), "classes": classes, "vocab_size": vocab_size}
    generator = torch.Generator().manual_seed(seed)
    student = build_empty(SmallBertConfig(**shape))
    for module in student.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02, generator=generator)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)
    return student
