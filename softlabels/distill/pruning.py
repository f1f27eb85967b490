"""Pruning: single weights, which leaves holes in a matrix, and whole heads, which leaves a smaller one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from .bert import Layer, SmallBert

MATRICES = ("query", "key", "value", "attended", "up", "down")  # of a layer


def magnitude_mask(weight: Tensor, share: float) -> Tensor:
    """Tell which entries of a matrix stay when the given share of them, those nearest to 0, is set to 0.

    weight: float tensor of any shape. share: 0 to 1; the number to drop is rounded. Returns a bool tensor of the same
    shape, True where the weight stays (Han et al. 2015; as a baseline in Sanh et al. 2020). ValueError for another
    share.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1, not {share}")
    drop = weight.abs().flatten().argsort()[: round(share * weight.numel())]
    mask = torch.ones(weight.numel(), dtype=torch.bool, device=weight.device)
    mask[drop] = False
    return mask.view(weight.shape)


class Masked(nn.Module):
    """Holds a matrix's pruned entries at 0 while the others are trained: a parametrization of its weight."""

    def __init__(self, mask: Tensor):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def prune_weights(student: SmallBert, share: float) -> SmallBert:
    """Set a share of each matrix in the layers to 0, and hold it there while the student is trained.

    The student is changed in place and returned. keep_pruned makes it a plain SmallBert again.
    """
    for layer in dict.fromkeys(student.layers):  # a shared layer counts once
        for name in MATRICES:
            matrix = getattr(layer, name)
            parametrize.register_parametrization(matrix, "weight", Masked(magnitude_mask(matrix.weight, share)))
    return student


def keep_pruned(student: SmallBert) -> SmallBert:
    """End what prune_weights began: the zeros are now plain numbers in plain matrices. Returns the student."""
    for module in student.modules():
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight")
    return student


def prune_heads(layer: Layer, keep: Sequence[int]) -> Layer:
    """Cut all attention heads out of a layer but these (numbers from 0); its matrices become smaller.

    Query, key and value lose the rows, and biases, that the other heads' numbers come from; the matrix after attention
    loses the columns that read them (Michel et al. 2019). The layer is changed in place and returned; what its other
    heads add is lost, the rest stays as it was.
    """
    size = layer.query.out_features // layer.heads
    rows = torch.cat([torch.arange(head * size, (head + 1) * size) for head in keep])
    for matrix in (layer.query, layer.key, layer.value):
        matrix.weight, matrix.bias = nn.Parameter(matrix.weight[rows]), nn.Parameter(matrix.bias[rows])
        matrix.out_features = len(rows)
    layer.attended.weight = nn.Parameter(layer.attended.weight[:, rows])
    layer.attended.in_features = len(rows)
    layer.heads = len(keep)
    return layer


def head_importance(model: SmallBert, tokens: tuple, labels: Tensor) -> Tensor:
    """Estimate how much the loss would change if a head were cut: float32 (layers, heads) (Michel et al. 2019, eq. 2).

    A head's output h enters the loss L linearly at first: without it, L would change by about -h · dL/dh. Returned is
    the mean over texts of its absolute value. tokens: ragged texts, (values, offsets), a few hundred will do. labels:
    int64 (texts,), what the loss is measured against; a teacher's own answers serve where there are none.
    """
    found = [torch.zeros(layer.heads) for layer in model.layers]
    kept: dict[int, Tensor] = {}
    was_training = model.training

    def watch(number: int, inputs: tuple[Tensor]) -> None:
        kept[number] = inputs[0]
        if inputs[0].requires_grad:
            inputs[0].retain_grad()

    hooks = [
        layer.attended.register_forward_pre_hook(lambda _module, inputs, number=number: watch(number, inputs))
        for number, layer in enumerate(model.layers)
    ]
    wanted = [p.requires_grad for p in model.parameters()]
    model.requires_grad_(True).eval()
    try:
        offsets = tokens[1]
        for text, label in enumerate(labels):
            ids = torch.from_numpy(tokens[0][offsets[text] : offsets[text + 1]].astype("int64"))[None]
            F.cross_entropy(model(ids, torch.ones_like(ids, dtype=torch.bool)), label[None]).backward()
            for number, layer in enumerate(model.layers):
                share = (kept[number] * kept[number].grad).detach()[0]  # (tokens, heads * size)
                found[number] += share.unflatten(-1, (layer.heads, -1)).sum(dim=(0, 2)).abs()
            model.zero_grad()
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, flag in zip(model.parameters(), wanted, strict=True):
            parameter.requires_grad_(flag)
        model.train(was_training)
    return torch.stack(found) / len(labels)
