"""Lesson 06's exercises: the learning rate's schedule, the training step, agreement, and the paired bootstrap.

A training step changes a student and its optimizers, and a bootstrap rolls dice: neither can be judged by comparing two
results. The first is watched while it trains a toy, the second by the spread of what it returns.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from softlabels.course.exercises.base import Exercise, Finding, Mistake, Probe, call, close
from softlabels.distill.metrics import agreement
from softlabels.distill.training import Batch, learning_rate, training_step
from softlabels.distill.verdict import paired_bootstrap

ANY_VALUE = (0.0, 1e9)  # the engine compares only the shape of what is returned; a property looks at the rest


def _any_of(*imitations: Callable) -> Callable[[Callable, Sequence[Probe]], bool]:
    """A test for a mistake that people write in several ways: does the answer agree with one of them on every probe?"""

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        answers = [(p, call(fn, p.args).value) for p in probes]
        return any(all(close(mine, call(i, p.args).value, inputs=p.args) for p, mine in answers) for i in imitations)

    return matches


# ---------------------------------------------------------------------------------------------------------------------
# learning_rate. The warm-up is a whole number of updates in every probe: where it is not, good answers differ.


def rate_probes() -> list[Probe]:
    return [
        Probe((0, 8, 1.0, 0.25), "the first update"),
        Probe((1, 8, 1.0, 0.25), "the last update of the warm-up"),
        Probe((2, 8, 1.0, 0.25), "the first update after the warm-up"),
        Probe((5, 8, 1.0, 0.25), "half-way down"),
        Probe((7, 8, 1.0, 0.25), "the last update"),
        Probe((0, 64, 3.0, 0.125), "the first of 64, peak 3"),
        Probe((4, 64, 3.0, 0.125), "rising"),
        Probe((40, 64, 3.0, 0.125), "falling"),
        Probe((63, 64, 3.0, 0.125), "the last of 64"),
        Probe((0, 10, 2.0, 0.0), "no warm-up at all"),
        Probe((7, 10, 2.0, 0.0), "no warm-up, falling"),
        Probe((3, 10, 2.0, 1.0), "nothing but warm-up"),
        Probe((9, 10, 2.0, 1.0), "nothing but warm-up, its end"),
    ]


def _lines(update: int, updates: int, warmup: float) -> tuple[float, float]:
    rising = (update + 1) / max(1.0, warmup * updates)
    return rising, (updates - update) / max(1.0, (1 - warmup) * updates)


def _ordinary(*forms: Callable) -> Callable[[Callable, Sequence[Probe]], bool]:
    """As _any_of, where there is both a warm-up and a fall: people guard the other cases in ways of their own."""

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        some = [p for p in probes if 0 < p.args[-1] < 1]
        answers = [(p, call(fn, p.args).value) for p in some]
        return any(all(close(mine, form(*p.args), (1e-6, 1e-9)) for p, mine in answers) for form in forms)

    return matches


def _cosine(update: int, updates: int, peak: float, warmup: float) -> float:
    rising, falling = _lines(update, updates, warmup)
    return peak * min(rising, 0.5 - 0.5 * math.cos(math.pi * min(1.0, falling)))


def _jumps(update: int, updates: int, peak: float, warmup: float) -> float:
    rising, _ = _lines(update, updates, warmup)
    return peak * (rising if update + 1 <= warmup * updates else (updates - update) / updates)


def _late(update: int, updates: int, peak: float, warmup: float) -> float:
    return peak * min(1.0, update / (warmup * updates), _lines(update, updates, warmup)[1])


def _early(update: int, updates: int, peak: float, warmup: float, less: int = 0) -> float:
    """Ends at 0. less = 1: the falling line starts at the peak all the same."""
    rest = (1 - warmup) * updates - less
    rising = _lines(update, updates, warmup)[0]
    return peak * (rising if update + 1 <= warmup * updates else (updates - update - 1) / rest)


def _late_and_early(update: int, updates: int, peak: float, warmup: float) -> float:
    return (_late if update < warmup * updates else _early)(update, updates, peak, warmup)


LEARNING_RATE = Exercise(
    name="learning_rate", lesson="06", title="The schedule", points=2, minutes=5, difficulty=2,
    reference=learning_rate, probes=rate_probes, tolerance=(1e-6, 1e-9),
    mistakes=[
        Mistake("the factor, not the rate", "Your numbers rise to 1 and fall to 0 whatever the peak is.",
                "What does the factor between 0 and 1 multiply?",
                matches=_ordinary(lambda u, n, peak, w: learning_rate(u, n, 1.0, w))),
        Mistake("the first update gets 0", "Update 0 has a rate of 0: the first batch is read, and nothing is learned.",
                "Updates are counted from 0. Which share of the warm-up is done at the end of the first?",
                matches=_ordinary(_late, _late_and_early)),
        Mistake("the last update gets 0", "The last update has a rate of 0: its batch is read for nothing.",
                "How many updates are still to come, the current one counted, when update = updates - 1?",
                matches=_ordinary(_early, lambda *args: _early(*args, less=1))),
        Mistake("warmup taken for a number of updates", "There is no rise: warmup is a share of all updates, 0.25 for "
                "a quarter of them, and you use it as if it were a number of updates.",
                "How many updates is a warm-up of 0.25 when there are 8?",
                matches=_ordinary(lambda u, n, peak, w: peak * min(1.0, (n - u) / (n - w)))),
        Mistake("no warm-up", "Your rate starts at its peak and falls from there.",
                "Which line should be the lower one during the warm-up?",
                matches=_ordinary(lambda u, n, peak, w: peak * (n - u) / n,
                                  lambda u, n, peak, w: peak * min(1.0, _lines(u, n, w)[1]))),
        Mistake("no decay", "Your rate rises to its peak and stays there.",
                "What should the rate be close to at the last update?",
                matches=_ordinary(lambda u, n, peak, w: peak * min(1.0, _lines(u, n, w)[0]))),
        Mistake("a jump after the warm-up", "When the warm-up ends your rate jumps down: the falling line starts from "
                "the first update instead of from the peak.",
                "Over how many updates must it fall from the peak to 0?", matches=_ordinary(_jumps)),
        Mistake("the larger of the two lines", "Your rate is above its peak: of the rising and the falling line you "
                "take the larger.", "Draw both lines. Which one is the schedule at the start, and which at the end?",
                matches=_ordinary(lambda u, n, peak, w: peak * max(_lines(u, n, w)))),
        Mistake("whole numbers only", "Your rate is 0 or the peak, with nothing between: a whole-number division.",
                "What is 3 // 8 in Python?",
                matches=_ordinary(lambda u, n, peak, w: peak * min(1, *(int(line) for line in _lines(u, n, w))))),
        Mistake("decay along a cosine", "The rise is right; the fall is a cosine. A good schedule, but this one is a "
                "straight line.", "By how much does a straight line fall at every update?", matches=_ordinary(_cosine)),
    ],
    hints=(
        "Forget the peak: which straight line reaches 1 with the last update of the warm-up, and which one leaves 1 "
        "with the first update after it?",
        "$\\text{peak} \\cdot \\min\\Bigl(1,\\; \\dfrac{\\text{update} + 1}{\\text{warm-up updates}},\\; "
        "\\dfrac{\\text{updates} - \\text{update}}{\\text{the other updates}}\\Bigr)$, no divisor below 1",
        "# rising: update + 1, divided by warmup times updates (but at least by 1)\n"
        "# falling: updates - update, divided by what is left of the updates (at least by 1)\n"
        "# return the peak times the smallest of 1, rising and falling",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# training_step: watched while it trains a toy for three updates


class Toy(nn.Module):
    """A student of 27 parameters. It notes how it was called; out of train mode its output is another one, as with
    dropout.
    """

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(6, 3), nn.Linear(3, 3)
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        self.calls: list[str] = []

    def __repr__(self) -> str:
        return "a toy student of 27 parameters"

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        self.calls.append("no mask" if attention_mask is None else "train" if self.training else "eval")
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return self.head((self.table(input_ids) * mask[..., None]).sum(dim=1)) * (1.0 if self.training else 0.8)

    def flat(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.parameters()])

    def gradients(self) -> Tensor:
        empty = (torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters())
        return torch.cat([g.detach().flatten() for g in empty]).clone()


def optimizers_of(toy: Toy) -> list:
    """Two optimizers, the first with two groups; their learning rate of 7 is nobody's."""
    groups = [dict(params=[toy.head.weight]), dict(params=[toy.head.bias])]
    return Optimizers([torch.optim.SGD(groups, lr=7.0), torch.optim.SGD([toy.table.weight], lr=7.0)])


class Optimizers(list):
    def __repr__(self) -> str:
        return "two optimizers, one of them with two parameter groups"


class ToyBatch(Batch):
    def __repr__(self) -> str:
        return f"a batch of {len(self.labels)} texts: input_ids, attention_mask, teacher_logits, labels"


class ToyLoss:
    """The toy's objective. It is made large, so that clipping at a norm of 1 shows; it bears to be called wrongly."""

    def __repr__(self) -> str:
        return "an objective: (output, batch) -> loss"

    def __call__(self, output: Tensor, batch: Batch) -> Tensor:
        if isinstance(output, Batch) and isinstance(batch, Tensor):
            output, batch = batch, output
        if not isinstance(batch, Batch):
            raise TypeError("an objective is called with the student's output and the whole batch")
        return 8 * F.cross_entropy(output, batch.teacher_logits.softmax(dim=-1))


BATCHES = [
    ToyBatch(torch.tensor(ids), torch.tensor(mask, dtype=torch.bool), torch.tensor(logits), torch.tensor(labels))
    for ids, mask, logits, labels in [
        ([[1, 2, 5], [3, 5, 5]], [[1, 1, 0], [1, 0, 0]], [[0.9, 0.2, -0.3], [0.1, 0.4, 0.2]], [0, 2]),
        ([[2, 4, 1], [1, 5, 5]], [[1, 1, 1], [1, 0, 0]], [[-0.2, 0.5, 0.8], [0.6, 0.1, 0.3]], [2, 1]),
        ([[4, 3, 5], [2, 1, 3]], [[1, 1, 0], [1, 1, 1]], [[0.3, 0.7, 0.1], [0.2, -0.1, 0.5]], [1, 0]),
    ]
]
RATES = (0.05, 0.02, 0.01)
WIDE, NARROW = 1e3, 0.05  # a limit that no gradient of the toy reaches, and one that all of them pass


soft_loss = ToyLoss()


@dataclass
class Watch:
    """What a step did in three updates. steps: for each update, (optimizer, its learning rates, all gradients) at the
    moment of each optimizer's step.
    """

    losses: list = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)  # before each update, and after the last
    events: list[list[str]] = field(default_factory=list)
    steps: list[list[tuple]] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    swapped: bool = False
    asked: bool = False

    def values(self) -> list[float]:
        return [float(torch.as_tensor(loss).detach().reshape(-1)[0]) for loss in self.losses]

    def agrees(self, other: "Watch") -> bool:
        return close(self.values(), other.values(), (1e-4, 1e-6)) and self.same_weights(other)

    def same_weights(self, other: "Watch") -> bool:
        return close(torch.stack(self.weights), torch.stack(other.weights), (1e-4, 1e-6))


def watched(fn: Callable, clip: float, broken: int | None = None) -> Watch:
    """Let fn train a toy for three updates, and note all that it does. broken: the update whose loss is NaN."""
    toy, seen = Toy().train(), Watch()
    optimizers = optimizers_of(toy)

    def objective(output, batch):
        seen.swapped, seen.asked = seen.swapped or isinstance(output, Batch), True
        loss = soft_loss(output, batch)
        if loss.requires_grad:
            loss.register_hook(lambda _: seen.events[-1].append("backward"))
        return loss * float("nan") if len(seen.losses) == broken else loss

    def note(number: int) -> Callable:
        def hook(optimizer, args, kwargs):
            seen.events[-1].append("step")
            seen.steps[-1].append((number, [g["lr"] for g in optimizer.param_groups], toy.gradients()))

        return hook

    for number, optimizer in enumerate(optimizers):
        optimizer.register_step_pre_hook(note(number))
    for batch, rate in zip(BATCHES, RATES, strict=True):
        seen.weights.append(toy.flat())
        seen.events.append([])
        seen.steps.append([])
        seen.losses.append(fn(toy, batch, objective, optimizers, rate, clip))
    seen.weights.append(toy.flat())
    seen.modes = toy.calls
    return seen


def gradient_at(weights: Tensor, batch: Batch) -> list[Tensor]:
    """The gradient of the toy's objective, parameter by parameter, before any clipping."""
    toy = Toy().train()
    nn.utils.vector_to_parameters(weights, toy.parameters())
    soft_loss(toy(batch.input_ids, batch.attention_mask), batch).backward()
    return [p.grad for p in toy.parameters()]


def _flat(gradients: list[Tensor]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients])


SWAPPED = Mistake(
    "the objective's arguments are swapped",
    "The objective gets the batch first and the student's output second; it is written the other way round.",
    "In which order does `SoftLabelLoss` take the student's logits and the batch?",
)
EVAL_MODE = Mistake(
    "the student is in eval mode",
    "Your step puts the student into eval mode: its dropout is off while it learns.",
    "Which of the two models belongs in eval mode, and which must be in train mode while it learns?",
)
NO_MASK = Mistake(
    "no attention mask",
    "The student is called without the attention mask, so it reads the padding as if it were text.",
    "Which two tensors of the batch does the student need?",
)
OWN_LOSS = Mistake(
    "the objective is not asked",
    "Your step computes a loss of its own: the objective that it was given is never called, so every arm would learn "
    "from the same loss.",
    "Which argument says what the student shall learn from this batch?",
)
NO_BACKWARD = Mistake(
    "no backward pass",
    "No gradient is computed, so no weight moves: there is no `backward()`.",
    "What computes the gradients of the loss?",
)
NO_STEP = Mistake(
    "no optimizer step",
    "The gradients are computed, but the weights stay where they are: no optimizer takes a step.",
    "Which method of an optimizer moves the weights?",
)
STEP_FIRST = Mistake(
    "the step comes before the backward pass",
    "The optimizers step before `backward()`: they move by the gradients of the batch before, or by none at all.",
    "Whose gradients does the optimizer find when it steps?",
)
ZEROED_BETWEEN = Mistake(
    "the gradients are emptied before the step",
    "The weights never move: between the backward pass and the step the gradients are emptied.",
    "At which two points of the step can gradients be emptied without losing them?",
)
ONE_OPTIMIZER = Mistake(
    "not every optimizer steps",
    "Some of the student's parameters never move: not every optimizer takes a step.",
    "How many optimizers share out the student's parameters, and how many of them step?",
)
TWO_STEPS = Mistake(
    "more than one step for a batch",
    "One batch, but an optimizer steps more than once.",
    "Which of your loops runs around `step()`, and should it?",
)
RATE_NOT_SET = Mistake(
    "the learning rate is not set",
    "The optimizers step with the learning rate that they were made with, whatever the schedule says.",
    "Where does an optimizer keep its learning rate, and when is it read?",
)
RATE_LATE = Mistake(
    "the learning rate is set after the step",
    "Each update uses the learning rate of the one before: it is set once the step is done.",
    "When does `step()` read the learning rate?",
)
ONE_GROUP = Mistake(
    "not every parameter group gets the rate",
    "Some parameters keep an old learning rate: it is not set in every parameter group of every optimizer.",
    "How many entries has `optimizer.param_groups`?",
)
NOT_ZEROED = Mistake(
    "gradients pile up",
    "The first update is right, the second is not: it moves by the gradients of both batches together.",
    "What does `backward()` do with gradients that are there already?",
)
NOT_CLIPPED = Mistake(
    "gradients are not clipped",
    "The gradients that the optimizers see are longer than `clip`: they are not clipped, or only after the step.",
    "Where, between `backward()` and `step()`, does clipping have an effect?",
)
BY_VALUE = Mistake(
    "clipped number by number",
    "Every single number of the gradient is cut off at `clip`, which turns the gradient into another direction.",
    "`clip` is the largest norm. By which one factor would you shorten a vector that is too long?",
)
ONE_BY_ONE = Mistake(
    "each gradient clipped by itself",
    "Each parameter's gradient is shortened to `clip` on its own; together they are still longer, and their direction "
    "has changed.",
    "`clip` limits the norm of all gradients together. What has to be known before the first is shortened?",
)
FIXED_CLIP = Mistake(
    "always clipped at 1",
    "Your gradients are clipped to a norm of 1, whatever `clip` says.",
    "Which argument holds the limit?",
)
SCALED_UP = Mistake(
    "short gradients are made longer",
    "Gradients that are shorter than `clip` come out with exactly that norm.",
    "What should clipping do with a gradient that is short enough?",
)
WITH_GRAPH = Mistake(
    "the loss comes with its graph",
    "You return the loss as a tensor that still holds its graph. Kept for a curve, every one of them keeps its batch's "
    "activations alive, and memory grows with each update.",
    "How do you get a plain number out of a tensor with one element?",
)
LOSS_AFTER = Mistake(
    "the loss after the update",
    "The weights are right; the loss that you return was computed again, with the updated student.",
    "Which loss did the gradient come from?",
)
NAN_REACHES = Mistake(
    "a loss that is NaN reaches the weights",
    "When the loss is NaN or infinite, your step updates all the same: every weight becomes NaN, and the student is "
    "lost.",
    "What can be asked of the loss before `backward()`?",
)


def what_happens(fn: Callable) -> Finding | Mistake | None:
    """Three updates of a toy student."""
    for clip in (WIDE, NARROW):
        mine, right = watched(fn, clip), watched(training_step, clip)
        if mine.swapped:
            return SWAPPED
        if not mine.agrees(right):
            return _why(mine, right, clip)
    if any(isinstance(loss, Tensor) and loss.requires_grad for loss in mine.losses):
        return WITH_GRAPH
    broken = watched(fn, WIDE, broken=1)
    if not broken.weights[-1].isfinite().all():
        return NAN_REACHES
    if not broken.same_weights(watched(training_step, WIDE, broken=1)):
        return Finding(
            "after a loss that is NaN",
            "A loss that is NaN is met without harm, but the updates around it are not what they should be.",
            "Does anything of the broken batch stay behind for the next update?",
        )
    return None


def _why(mine: Watch, right: Watch, clip: float) -> Finding | Mistake:
    # The events of an update are asked for in the order in which they should have happened.
    if "eval" in mine.modes:
        return EVAL_MODE
    if "no mask" in mine.modes:
        return NO_MASK
    if not mine.asked:
        return OWN_LOSS
    first = mine.events[0]
    if "backward" not in first:
        return NO_BACKWARD
    if "step" not in first:
        return NO_STEP
    if first.index("step") < first.index("backward"):
        return STEP_FIRST
    gradient = _flat(gradient_at(mine.weights[0], BATCHES[0]))
    if not mine.steps[0][0][2].any():
        return ZEROED_BETWEEN
    if {number for number, _, _ in mine.steps[0]} != {0, 1}:
        return ONE_OPTIMIZER
    if len(mine.steps[0]) > 2:
        return TWO_STEPS
    return _wrong_rate(mine) or _wrong_gradient(mine, gradient, clip) or _wrong_loss(mine, right)


def _wrong_rate(mine: Watch) -> Mistake | None:
    rates = [[rate for _, lrs, _ in steps for rate in lrs] for steps in mine.steps]
    if all(close(found, [wanted] * len(found), (1e-6, 0)) for found, wanted in zip(rates, RATES, strict=True)):
        return None
    if all(rate == 7.0 for found in rates for rate in found):
        return RATE_NOT_SET
    if all(close(found, [before] * len(found), (1e-6, 0)) for found, before in zip(rates[1:], RATES, strict=False)):
        return RATE_LATE
    return ONE_GROUP


def _wrong_gradient(mine: Watch, gradient: Tensor, clip: float) -> Mistake | None:
    seen, length, parts = mine.steps[0][0][2], gradient.norm(), gradient_at(mine.weights[0], BATCHES[0])
    forms = [
        (NOT_CLIPPED, gradient, length > clip),
        (BY_VALUE, gradient.clamp(-clip, clip), gradient.abs().max() > clip),
        (ONE_BY_ONE, _flat([g * min(1.0, clip / g.norm()) for g in parts]), length > clip),
        (FIXED_CLIP, gradient / length, length > 1),
        (SCALED_UP, gradient * clip / length, length < clip),
    ]
    for mistake, form, possible in forms:
        if possible and close(seen, form, (1e-3, 1e-6)):
            return mistake
    fresh = _flat(gradient_at(mine.weights[1], BATCHES[1]))
    fresh = fresh * min(1.0, clip / float(fresh.norm()))
    later = mine.steps[1][0][2] if mine.steps[1] else fresh
    piled = _flat(gradient_at(mine.weights[1], BATCHES[1])) + seen
    piled = piled * min(1.0, clip / float(piled.norm()))
    return NOT_ZEROED if close(later, piled, (1e-3, 1e-6)) and not close(later, fresh, (1e-3, 1e-6)) else None


def _wrong_loss(mine: Watch, right: Watch) -> Finding | Mistake:
    if not mine.same_weights(right):
        text = "The order is right, but after an update the weights are not where they should be."
        return Finding("other weights", text, "What does your step do beyond forward, backward, clip, rate and step?")
    toy, after = Toy().train(), []
    for weights, batch in zip(mine.weights[1:], BATCHES, strict=True):
        nn.utils.vector_to_parameters(weights, toy.parameters())
        after.append(soft_loss(toy(batch.input_ids, batch.attention_mask), batch).item())
    if close(mine.values(), after, (1e-4, 1e-6)):
        return LOSS_AFTER
    text = "The weights are right, but the number that you return is not the objective's loss of the batch."
    return Finding("another loss", text, "Which number did `backward()` start from?", {}, mine.values(), right.values())


def step_probes() -> list[Probe]:
    toy = Toy().train()
    return [Probe((toy, BATCHES[0], soft_loss, optimizers_of(toy), RATES[0], WIDE), "a toy student, two optimizers")]


TRAINING_STEP = Exercise(
    name="training_step", lesson="06", title="The training step", points=5, minutes=12, difficulty=3,
    reference=training_step, probes=step_probes, properties=[what_happens], tolerance=ANY_VALUE,
    mistakes=[
        SWAPPED, EVAL_MODE, NO_MASK, OWN_LOSS, NO_BACKWARD, NO_STEP, STEP_FIRST, ZEROED_BETWEEN, ONE_OPTIMIZER,
        TWO_STEPS, RATE_NOT_SET, RATE_LATE, ONE_GROUP, NOT_ZEROED, NOT_CLIPPED, BY_VALUE, ONE_BY_ONE, FIXED_CLIP,
        SCALED_UP, WITH_GRAPH, LOSS_AFTER, NAN_REACHES,
    ],
    hints=(
        "Say the order aloud: what must have happened before `clip_gradients` can do anything, and what before "
        "`step()` can?",
        "forward → loss → `loss.backward()` → `clip_gradients(student, clip)` → for each optimizer: rate, `step()`, "
        "`zero_grad()` → `loss.item()`",
        "# output: the student, called with the batch's ids and mask\n"
        "# loss: the objective, called with output and batch\n"
        "# if the loss is finite:\n"
        "#     backward; clip all gradients together\n"
        "#     for each optimizer: write learning_rate into each of its param_groups, step, zero_grad\n"
        "# return the loss as a plain number",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# agreement


def agreement_probes(seed: int = 0) -> list[Probe]:
    generator = torch.Generator().manual_seed(seed)

    def pair(rows: int, classes: int) -> tuple[Tensor, Tensor]:
        a = torch.randn(rows, classes, generator=generator)
        return a, a + 0.7 * torch.randn(rows, classes, generator=generator)

    first = torch.tensor([[0.3, 0.2, 0.1], [0.1, 0.5, 0.4], [0.6, 0.2, 0.5], [0.0, 0.3, 0.2]])
    other = torch.tensor([[0.5, 0.4, -0.2], [0.3, 0.1, 0.6], [2.0, 1.0, 0.5], [0.4, 0.3, 0.1]])
    return [
        Probe((first[:2], other[:2]), "two examples; the same class once"),
        Probe((first, other), "four examples, three classes"),
        Probe(
            (torch.tensor([[0.5, 0.2, 0.1], [0.1, 0.4, 0.3]]), torch.tensor([[0.2, 0.5, 0.1], [0.2, 0.4, 0.2]])),
            "two examples; some numbers are equal",
        ),
        Probe((first, first + 1.5), "the same logits, shifted by a constant"),
        Probe((first, 3 * first), "the same order, more confident"),
        Probe((torch.tensor([[0.2, 0.1]]), torch.tensor([[-0.3, 0.4]])), "one example, two classes"),
        Probe(pair(30, 24), "24 classes"),
        Probe(tuple(x.double() for x in pair(50, 5)), "double precision"),
    ]


def _same(x: Tensor, y: Tensor) -> float:
    return (x == y).double().mean().item()


def _softmax(logits: Tensor) -> Tensor:
    return torch.softmax(logits, dim=-1)


AGREEMENT = Exercise(
    name="agreement", lesson="06", title="Agreement", points=2, minutes=4, difficulty=1,
    reference=agreement, probes=agreement_probes,
    mistakes=[
        Mistake("disagreement", "Two equal models get 0 from you: this is the share on which they differ.",
                "What should a student that copies its teacher perfectly get?",
                imitation=lambda a, b: 1 - agreement(a, b)),
        Mistake("in percent", "Your numbers are 100 times what is asked for.", "What is a share at most?",
                imitation=lambda a, b: 100 * agreement(a, b)),
        Mistake("a count, not a share", "You count the examples on which the two agree; the result grows with their "
                "number.", "By what must the count be divided?", imitation=lambda a, b: agreement(a, b) * len(a)),
        Mistake("compares numbers, not choices", "Two models that choose the same class with different confidence get "
                "0 from you: you ask whether their numbers are equal.",
                "Which class does each of them name? Compare those.",
                matches=_any_of(_same, lambda a, b: _same(_softmax(a), _softmax(b)),
                                lambda a, b: (a == b).all(dim=-1).double().mean().item(),
                                lambda a, b: torch.isclose(a, b).double().mean().item(),
                                lambda a, b: torch.isclose(_softmax(a), _softmax(b)).double().mean().item(),
                                lambda a, b: torch.isclose(_softmax(a), _softmax(b)).all(-1).double().mean().item())),
        Mistake("the largest values, not their places", "You compare how large the largest logit is; asked for is "
                "where it stands.", "Which function gives the position of the largest value?",
                matches=_any_of(lambda a, b: _same(a.amax(-1), b.amax(-1)),
                                lambda a, b: _same(_softmax(a).amax(-1), _softmax(b).amax(-1)))),
        Mistake("argmax over the wrong axis", "You look for the largest logit down the examples: which example is the "
                "most typical of each class.", "Which axis holds the classes?",
                imitation=lambda a, b: _same(a.argmax(dim=0), b.argmax(dim=0))),
        Mistake("one argmax for the whole batch", "You get 1 or 0 and nothing between: one largest logit of the whole "
                "batch.", "Along which axis does each example have its own largest logit?",
                imitation=lambda a, b: _same(a.argmax(), b.argmax())),
        Mistake("overlap of the probabilities", "You compare the soft labels as a whole: how much probability the two "
                "share. A useful measure, but agreement asks only for the top class.",
                "What does top-1 agreement throw away?",
                imitation=lambda a, b: torch.minimum(_softmax(a), _softmax(b)).sum(-1).mean().item()),
        Mistake("cosine of the logits", "You measure the angle between the two rows of logits, not whether they name "
                "the same class.", "Can two rows be nearly parallel and still have different largest entries?",
                imitation=lambda a, b: F.cosine_similarity(a, b, dim=-1).mean().item()),
    ],
    hints=(
        "Which class does a model name, given its row of logits? And how many rows does it take to make a share?",
        "$\\dfrac{1}{N}\\sum_n \\bigl[\\arg\\max_c z^a_{nc} = \\arg\\max_c z^b_{nc}\\bigr]$",
        "# same: argmax of each row of the one, compared with that of the other\n"
        "# return the mean of same, as numbers, as a plain number",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# paired_bootstrap: judged by where its draws lie and how far they spread

SEEDS, EXAMPLES, DRAWS = 4, 40, 1_000


def two_arms() -> tuple[np.ndarray, np.ndarray]:
    """Two arms of 4 seeds x 40 examples: alike on easy and hard examples, so that pairing matters."""
    rng = np.random.default_rng(0)
    difficulty, moods = rng.normal(0, 2.0, (1, EXAMPLES)), rng.normal(0, 1.5, (SEEDS, 1))
    b = difficulty + moods + rng.normal(0, 0.4, (SEEDS, EXAMPLES))
    better = np.array([0.2, 0.5, 1.2, 0.9])[:, None] + rng.normal(0, 0.7, (1, EXAMPLES))
    return b + better + rng.normal(0, 0.8, (SEEDS, EXAMPLES)), b


def bootstrap_probes() -> list[Probe]:
    a, b = two_arms()
    return [
        Probe((a[:2, :3], b[:2, :3], 5, np.random.default_rng(0)), "two seeds, three examples, five draws"),
        Probe((a, b, 20, np.random.default_rng(1)), "four seeds, 40 examples"),
        Probe((a[:1], b[:1], 6, np.random.default_rng(2)), "one seed"),
    ]


NO_DICE = Mistake(
    "the same for every draw",
    "Every draw gives the same number: nothing is left to chance, as when one draws without replacement, or averages "
    "over all examples first.",
    "If ten examples are drawn from ten, each at most once, what is their mean?",
)
UNPAIRED = Mistake(
    "the arms are drawn apart",
    "Your spread is that of two unrelated arms: each gets its own draw, so an example that is hard for both no longer "
    "cancels out.",
    "If one arm is judged on an easy draw and the other on a hard one, what does their difference measure?",
)
CHANGED_PLACES = Mistake(
    "the rows changed places",
    "Your first row spreads as the seeds do and the second as the examples do: they are the other way round.",
    "`difference.mean(axis=0)`: is one of its numbers an example or a seed?",
)
EXAMPLES_ONLY = Mistake(
    "only the examples are drawn anew",
    "Both rows tell of other examples: that another seed could have been drawn is left out.",
    "How much would your second row spread if all seeds gave the same difference?",
)
SEEDS_ONLY = Mistake(
    "only the seeds are drawn anew",
    "Both rows tell of other seeds: that another test set could have been drawn is left out.",
    "How much would your first row spread if the test set were a million examples?",
)
BOTH_AT_ONCE = Mistake(
    "both at once",
    "In each row you draw examples and seeds together, so the two kinds of luck can no longer be told apart.",
    "For the first row: if only the examples may change, which axis is averaged before the draw?",
)
FLAT = Mistake(
    "all answers in one urn",
    "You draw from seeds × examples answers as if they were unrelated; but the answers of one seed share its luck, and "
    "so do those to one example. Your spread is too small.",
    "What is drawn as a whole when you ask for another seed?",
)
NOT_A_MEAN = Mistake(
    "one value instead of a mean",
    "Your rows spread as far as single examples and single seeds do: each draw is one value.",
    "How many examples does one draw of the first row take before it averages?",
)
SIZE_OF_DRAWS = Mistake(
    "each draw has the wrong size",
    "Your spread depends on `draws`: each draw takes that many examples, instead of as many as there are.",
    "If you asked for twice as many draws, should the interval become narrower?",
)
B_MINUS_A = Mistake(
    "b minus a",
    "The spread is right and the sign is not: arm a is the better one here, and your means say that it is worse.",
    "The method's arm comes first. What should a positive difference mean?",
)
CENTRED = Mistake(
    "centred at 0",
    "The spread is right, but your draws lie around 0 instead of around the mean difference.",
    "What is the mean difference, and where does it get lost?",
)
NOT_FROM_RNG = Mistake(
    "chance from elsewhere",
    "Called twice with equal generators, your function gives different results: its dice are not those of `rng`.",
    "Which object should every random number come from, so that the same input always gives the same verdict?",
)
OWN_RNG = Mistake(
    "a generator of its own",
    "Whatever generator it is given, your function returns the same draws: it makes one of its own.",
    "What is the argument `rng` for?",
)


def _spread(values: np.ndarray, size: int | None = None) -> float:
    """The standard deviation of the mean of `size` of these values, drawn with replacement."""
    return float(np.std(values) / math.sqrt(size or len(values)))


def spreads(fn: Callable) -> Finding | Mistake | None:
    """The draws' means and standard deviations, against what theory says."""
    a, b = two_arms()

    def draw(seed: int, draws: int) -> np.ndarray:
        return np.asarray(fn(a.copy(), b.copy(), draws, np.random.default_rng(seed)), dtype=float)

    first, again, other = (draw(seed, 5) for seed in (3, 3, 4))
    found = draw(0, DRAWS)
    deviations, centre = found.std(axis=1), found.mean(axis=1)
    if (deviations < 1e-9).all():
        return NO_DICE
    if not close(first, again):
        return NOT_FROM_RNG
    if close(first, other):
        return OWN_RNG
    difference = a - b
    examples, seeds = _spread(difference.mean(0)), _spread(difference.mean(1))

    def are(one: float, two: float) -> bool:
        # 12% is over five standard errors of a spread that is measured by 1,000 draws
        wanted = zip(deviations, (one, two), strict=True)
        return all(d < 1e-9 if w == 0 else abs(d / w - 1) < 0.12 for d, w in wanted)

    if are(examples, seeds):
        error = np.abs(centre - difference.mean())
        if (error < 5 * deviations / math.sqrt(DRAWS)).all():
            return None
        if (np.abs(centre + difference.mean()) < 5 * deviations / math.sqrt(DRAWS)).all():
            return B_MINUS_A
        if (np.abs(centre) < 5 * deviations / math.sqrt(DRAWS)).all():
            return CENTRED
        text = "The spread is right, but your draws lie around the wrong value."
        question = "What is the mean of a - b, and is it the mean of your draws?"
        return Finding("off centre", text, question, {}, centre, np.full(2, difference.mean()))

    apart_examples = math.hypot(_spread(a.mean(0)), _spread(b.mean(0)))
    apart_seeds = math.hypot(_spread(a.mean(1)), _spread(b.mean(1)))
    flat = _spread(difference.ravel())
    together = math.sqrt(examples**2 + seeds**2 + float(np.var(difference - difference.mean(0))) / difference.size)
    sized = _spread(difference.mean(0), DRAWS), _spread(difference.mean(1), DRAWS)
    forms = [
        (UNPAIRED, apart_examples, apart_seeds), (UNPAIRED, apart_examples, seeds), (UNPAIRED, examples, apart_seeds),
        (CHANGED_PLACES, seeds, examples), (BOTH_AT_ONCE, together, together),
        (EXAMPLES_ONLY, examples, examples), (EXAMPLES_ONLY, examples, 0), (SEEDS_ONLY, seeds, seeds),
        (SEEDS_ONLY, 0, seeds), (FLAT, flat, flat), (FLAT, flat, seeds), (FLAT, examples, flat),
        (NOT_A_MEAN, difference.mean(0).std(), difference.mean(1).std()), (SIZE_OF_DRAWS, *sized),
        (SIZE_OF_DRAWS, sized[0], seeds), (SIZE_OF_DRAWS, examples, sized[1]),
    ]  # fmt: skip
    for mistake, one, two in forms:
        if are(one, two):
            return mistake
    text = "Your draws do not spread as other examples (first row) and other seeds (second row) would."
    question = "For each row: what is drawn anew, how many of them, and what is kept?"
    return Finding("the spread is off", text, question, {}, deviations, np.array([examples, seeds]))


PAIRED_BOOTSTRAP = Exercise(
    name="paired_bootstrap", lesson="06", title="The paired bootstrap", points=4, minutes=10, difficulty=3,
    reference=paired_bootstrap, probes=bootstrap_probes, properties=[spreads], tolerance=ANY_VALUE,
    mistakes=[
        NO_DICE, UNPAIRED, CHANGED_PLACES, EXAMPLES_ONLY, SEEDS_ONLY, BOTH_AT_ONCE, FLAT, NOT_A_MEAN, SIZE_OF_DRAWS,
        B_MINUS_A, CENTRED, NOT_FROM_RNG, OWN_RNG,
    ],
    hints=(
        "Take the difference first: then nothing can come unpaired. Which mean leaves one number for each example, and "
        "which one for each seed?",
        "first row: means of $n$ draws, with replacement, from the $n$ values `difference.mean(axis=0)`; second row: "
        "the same from `difference.mean(axis=1)`",
        "# difference: a minus b; its mean over the seeds, one number per example; over the examples, one per seed\n"
        "# draws times: rng.choice as many of the numbers per example as there are, and their mean\n"
        "# draws times: the same with the numbers per seed\n"
        "# return both lists as an array (2, draws)",
    ),
)  # fmt: skip


EXERCISES = [LEARNING_RATE, TRAINING_STEP, AGREEMENT, PAIRED_BOOTSTRAP]
