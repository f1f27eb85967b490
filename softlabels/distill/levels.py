"""Learning from more than the teacher's logits: its hidden states, its attention, the relations among its values.

Layers are numbered from 1, as in papers: layer n reads hidden_states[n - 1], writes hidden_states[n], and attends with
attentions[n - 1] and values[n - 1]; hidden_states[0] are the embeddings.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .bert import Levels, SmallBert, attention, split_heads


def layer_map(student_layers: int, teacher_layers: int, kind: str = "uniform") -> tuple[int, ...]:
    """Return, for each layer of the student, the number (from 1) of the teacher's layer that it is to learn from.

    kind: "uniform" (evenly spread, the last from the last), "lower" (the teacher's first layers) or "upper" (its last).
    With 2 layers and a teacher of 6: (3, 6), (1, 2) and (5, 6). The names are TinyBERT's uniform, bottom and top (Jiao
    et al. 2020, table 4). ValueError for another kind, or a student with more layers than the teacher.
    """
    if not 1 <= student_layers <= teacher_layers:
        raise ValueError(f"a student of {student_layers} layers cannot be mapped onto a teacher of {teacher_layers}")
    numbers = range(1, student_layers + 1)
    maps = dict(
        uniform=tuple(math.ceil(n * teacher_layers / student_layers) for n in numbers),
        lower=tuple(numbers),
        upper=tuple(teacher_layers - student_layers + n for n in numbers),
    )
    if kind not in maps:
        raise ValueError(f"there is no layer map {kind!r}; choose one of {', '.join(maps)}")
    return maps[kind]


def matched_levels(teacher: Levels, layers: Sequence[int]) -> Levels:
    """Pick from the teacher's levels those that the student's own levels are set against, in the student's order.

    layers: what layer_map returns, numbers from 1. Returns Levels with as many layers as the student has; its
    hidden_states begin with the teacher's embeddings, as the student's do with the student's.
    """
    hidden_states = (teacher.hidden_states[0], *(teacher.hidden_states[n] for n in layers))
    attentions = tuple(teacher.attentions[n - 1] for n in layers)
    values = tuple(teacher.values[n - 1] for n in layers)
    return Levels(teacher.logits, hidden_states, attentions, values)


def teacher_levels(teacher: nn.Module, input_ids: Tensor, attention_mask: Tensor, layers: Sequence[int]) -> Levels:
    """Ask the teacher about a batch, and return the levels that the student is to match, without a gradient.

    teacher: a SmallBert, put into eval mode here: with dropout, its states would be other ones at every call. layers:
    what layer_map returns.
    """
    teacher.eval()
    with torch.no_grad():
        levels = teacher(input_ids, attention_mask, levels=True)
    return matched_levels(levels, layers)


def hidden_state_loss(
    student_states: Tensor, teacher_states: Tensor, mask: Tensor, projection: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return how far the student's hidden states, projected to the teacher's width, are from the teacher's.

    student_states: (batch, length, student's width). teacher_states: (batch, length, teacher's width). mask: bool
    (batch, length), False at padding. projection: a linear map from one width to the other, trained with the student
    (TinyBERT, Jiao et al. 2020, section 3.1). Returns a scalar: the mean squared difference over all real tokens and
    the teacher's width. No gradient reaches the teacher.
    """
    gap = projection(student_states) - teacher_states.detach()
    return gap[mask].square().mean()


def attention_loss(student_weights: Tensor, teacher_weights: Tensor, mask: Tensor) -> Tensor:
    """Return KL(teacher || student) between what a text's tokens attend to (MiniLM, Wang et al. 2020, section 3.1).

    MiniLM compares the last layers alone, head by head, in models with as many heads; which layers meet is up to the
    caller here. (TinyBERT's attention loss is another one: squared differences of the scores, Jiao et al. 2020, 3.1.)

    student_weights, teacher_weights: (batch, heads, length, length), rows summing to 1, with nothing at padding. mask:
    bool (batch, length), False at padding. The two may differ in heads: both are averaged, neighbour with neighbour,
    into as many groups as divide both counts, so that 2 heads face 12 as 2 groups of 6. Returns a scalar, in nats: the
    mean over real tokens and groups. No gradient reaches the teacher.
    """
    groups = math.gcd(student_weights.shape[1], teacher_weights.shape[1])
    student = student_weights.unflatten(1, (groups, -1)).mean(dim=2)
    teacher = teacher_weights.detach().unflatten(1, (groups, -1)).mean(dim=2)
    gap = torch.xlogy(teacher, teacher) - teacher * student.clamp(min=1e-12).log()  # 0 where the teacher has 0
    return gap.sum(dim=-1).mean(dim=1)[mask].mean()


def relation_loss(student_values: Tensor, teacher_values: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Return KL(teacher || student) between how a text's values relate (MiniLM, Wang et al. 2020, section 3.2).

    A value relation is what attention would be if every token's value were its query and its key too: softmax(V V^T /
    sqrt(size)). It is (length, length) whatever the width, so that no projection is needed.

    student_values: (batch, length, student's width). teacher_values: (batch, length, teacher's width). mask: bool
    (batch, length), False at padding. heads: relation heads, into which both widths are cut (MiniLMv2, Wang et al.
    2021); the two models may have other numbers of attention heads. Returns a scalar, in nats: the mean over real
    tokens and heads. No gradient reaches the teacher.
    """
    student, teacher = split_heads(student_values, heads), split_heads(teacher_values, heads)
    student_relations = attention(student, student, student, mask)[1]
    teacher_relations = attention(teacher, teacher, teacher, mask)[1]
    return attention_loss(student_relations, teacher_relations, mask)


def make_projections(layers: int, student_width: int, teacher_width: int) -> nn.ModuleList:
    """Return a linear map without bias, from the student's width to the teacher's, for each layer of the student.

    A ModuleList, not a list: a module that holds it counts the maps among its own parameters, so that they are trained.
    """
    return nn.ModuleList(nn.Linear(student_width, teacher_width, bias=False) for _ in range(layers))


def copy_embeddings(student: SmallBert, teacher: SmallBert) -> SmallBert:
    """Copy the teacher's embeddings into a student of its width and vocabulary; returns the student."""
    for part in ("words", "positions", "segments", "embedding_norm"):
        getattr(student, part).load_state_dict(getattr(teacher, part).state_dict())
    return student


def copy_layers(student: SmallBert, teacher: SmallBert, layers: Sequence[int]) -> SmallBert:
    """Copy the teacher's layers of these numbers (from 1), in this order, into a student of its width.

    layers: one number for each layer of the student, else ValueError; what layer_map returns. Returns the student,
    changed in place; the weights are copied, not shared, so that training leaves the teacher as it is.
    """
    for layer, number in zip(student.layers, layers, strict=True):
        layer.load_state_dict(teacher.layers[number - 1].state_dict())
    return student
