"""Eight bits for a number: a matrix as small integers and a scale for each row."""

import torch
from torch import Tensor, nn


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round a matrix to whole numbers from -127 to 127, times a scale for each row: weight ~ codes * scale.

    weight: float (rows, columns). Returns codes, int8 (rows, columns), and scale, float (rows, 1), such that the
    largest entry of a row, in absolute value, is 127 times its scale. A row of zeros comes back as zeros.
    """
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    scale = scale.clamp(min=torch.finfo(weight.dtype).tiny)  # a row of zeros
    return (weight / scale).round().to(torch.int8), scale


@torch.no_grad()
def round_weights(model: nn.Module) -> nn.Module:
    """Replace each matrix and table of a model by what int8 would make of it; returns the model, changed in place.

    The numbers stay floats, so it saves nothing: it shows what rounding the weights does to the answers.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            codes, scale = quantize_rows(module.weight)
            module.weight.copy_(codes * scale)
    return model
