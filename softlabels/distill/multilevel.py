"""One objective over any of the levels, and the two that it needs: a student that shows them, a teacher that remembers.

apprentice = LevelStudent(student, teacher.config.width)
objective = MultiLevelLoss(TeacherLevels(teacher, layers), apprentice.projections, hidden_weight=1.0)
train(apprentice, transfer_set, objective, budget)     # the same train as ever; the result is in student
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .bert import Levels, SmallBert
from .levels import attention_loss, hidden_state_loss, make_projections, relation_loss, teacher_levels
from .losses import kl_divergence
from .training import Batch


class LevelStudent(nn.Module):
    """A student that shows its Levels while it trains, and logits, as ever, in eval mode; with its projections.

    The projections are a part of this module, so whoever trains it trains them too; the student inside is all that is
    kept when training is over.
    """

    def __init__(self, student: SmallBert, teacher_width: int, seed: int = 0):
        super().__init__()
        self.student, self.config = student, student.config
        with torch.random.fork_rng([]):  # the caller's random state is left alone
            torch.manual_seed(seed)
            self.projections = make_projections(student.config.layers, student.config.width, teacher_width)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Levels | Tensor:
        return self.student(input_ids, attention_mask, levels=self.training)


@dataclass(frozen=True)
class MultiLevelLoss:
    """One objective over any of the levels: a weighted sum, each term the mean over the student's layers.

    ask: called with a Batch, returns the teacher's matched Levels; TeacherLevels is one. projections: a LevelStudent's
    own, needed for hidden states alone. heads: relation heads. A level of weight 0 is not computed.
    """

    ask: Callable[[Batch], Levels]
    projections: Sequence[nn.Module] = ()
    soft_weight: float = 1.0
    hidden_weight: float = 0.0
    attention_weight: float = 0.0
    relation_weight: float = 0.0
    temperature: float = 1.0
    heads: int = 2
    needs = ("teacher_logits",)

    def __call__(self, student: Levels, batch: Batch) -> Tensor:
        return sum(self.terms(student, batch).values())

    def terms(self, student: Levels, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms by name; their sum is the loss."""
        teacher, mask = self.ask(batch), batch.attention_mask
        terms = {}
        if self.soft_weight:
            soft = kl_divergence(student.logits, batch.teacher_logits, self.temperature)
            terms["logits"] = self.soft_weight * self.temperature**2 * soft
        if self.hidden_weight:
            pairs = zip(student.hidden_states[1:], teacher.hidden_states[1:], self.projections, strict=True)
            losses = [hidden_state_loss(mine, theirs, mask, projection) for mine, theirs, projection in pairs]
            terms["hidden states"] = self.hidden_weight * sum(losses) / len(losses)
        if self.attention_weight:
            pairs = zip(student.attentions, teacher.attentions, strict=True)
            losses = [attention_loss(mine, theirs, mask) for mine, theirs in pairs]
            terms["attention"] = self.attention_weight * sum(losses) / len(losses)
        if self.relation_weight:
            pairs = zip(student.values, teacher.values, strict=True)
            losses = [relation_loss(mine, theirs, mask, self.heads) for mine, theirs in pairs]
            terms["relations"] = self.relation_weight * sum(losses) / len(losses)
        return terms


class TeacherLevels:
    """Ask a teacher for the levels that a student is to match; each text once, as its levels are always the same.

    Called with a Batch, returns Levels as matched_levels does, in float32. What was asked is remembered in float16: a
    gloss of 17 tokens takes 79 kB for two layers of a MiniLM with 12 heads, 2,000 such glosses about 160 MB.
    """

    def __init__(self, teacher: SmallBert, layers: Sequence[int]):
        self.teacher, self.layers, self.known = teacher, tuple(layers), {}

    def __call__(self, batch: Batch) -> Levels:
        lengths = batch.attention_mask.sum(dim=1).tolist()
        ids = batch.input_ids.cpu().numpy()
        keys = [row[:length].tobytes() for row, length in zip(ids, lengths, strict=True)]
        new = [i for i, key in enumerate(keys) if key not in self.known]
        if new:
            levels = teacher_levels(self.teacher, batch.input_ids[new], batch.attention_mask[new], self.layers)
            for row, i in enumerate(new):
                self.known[keys[i]] = cut_levels(levels, row, lengths[i])
        return pad_levels([self.known[key] for key in keys], batch.input_ids.shape[1])


def cut_levels(levels: Levels, row: int, length: int) -> list[Tensor]:
    """Take one text's levels out of a batch, without its padding, the layers of each kind stacked."""
    stacks = (
        levels.logits[row],
        torch.stack([x[row, :length] for x in levels.hidden_states]),
        torch.stack([x[row, :, :length, :length] for x in levels.attentions]),
        torch.stack([x[row, :length] for x in levels.values]),
    )
    return [stack.half() for stack in stacks]


def pad_levels(texts: list[list[Tensor]], length: int) -> Levels:
    """Make one batch of the levels of several texts again, zeros in the padding."""
    logits, hidden_states, attentions, values = (
        first.new_zeros(len(texts), *padded_shape(first, length), dtype=torch.float32) for first in texts[0]
    )
    for row, (text_logits, text_hidden, text_attentions, text_values) in enumerate(texts):
        n = text_values.shape[1]
        logits[row] = text_logits
        hidden_states[row, :, :n] = text_hidden
        attentions[row, :, :, :n, :n] = text_attentions
        values[row, :, :n] = text_values
    return Levels(logits, hidden_states.unbind(1), attentions.unbind(1), values.unbind(1))


def padded_shape(stack: Tensor, length: int) -> tuple[int, ...]:
    """Return the shape of one text's stack when its text has this length."""
    if stack.ndim == 1:  # logits
        return tuple(stack.shape)
    if stack.ndim == 3:  # (layers, length, width)
        return stack.shape[0], length, stack.shape[2]
    return *stack.shape[:2], length, length  # (layers, heads, length, length)
