"""Lesson 09's exercises: matched levels, the teacher asked for them, and the three losses, with the projections.

A loss on levels is judged as any loss is: by its values on small cases, and by where its gradient goes. Modules come as
probes too: a tiny teacher whose dropout tells train mode from eval mode, and projections, of which only shapes count.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from softlabels.course.exercises.base import Exercise, Finding, Mistake, Probe, any_of, call, close
from softlabels.distill.bert import Levels, SmallBert, SmallBertConfig, attention, split_heads
from softlabels.distill.levels import (
    attention_loss,
    hidden_state_loss,
    make_projections,
    matched_levels,
    relation_loss,
    teacher_levels,
)


def _random(seed: int) -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator)


SHORT = torch.tensor([[True, True, False]])
PADDED = torch.tensor([[True, True, True, False], [True, True, False, False]])  # unequal: a mean of means shows


# ---------------------------------------------------------------------------------------------------------------------
# matched_levels. No probe asks for the teacher's last layer: there attentions[n] would not even exist.


def _levels(layers: int, seed: int, batch: int = 1, dtype: torch.dtype = torch.float32) -> Levels:
    random = _random(seed)
    states = tuple(random(batch, 2, 2).to(dtype) for _ in range(layers + 1))
    attentions = tuple(random(batch, 1, 2, 2).softmax(dim=-1).to(dtype) for _ in range(layers))
    values = tuple(random(batch, 2, 2).to(dtype) for _ in range(layers))
    return Levels(random(batch, 3).to(dtype), states, attentions, values)


def matched_probes(seed: int = 0) -> list[Probe]:
    return [
        Probe((_levels(3, seed), (2,)), "one layer of the student, a teacher of 3 layers"),
        Probe((_levels(4, seed + 1), (1, 2)), "the lower layers"),
        Probe((_levels(4, seed + 2), (2, 3)), "two layers in the middle"),
        Probe((_levels(5, seed + 3, 2, torch.float64), (1, 4)), "two texts, layers 1 and 4 of 5"),
    ]


def _picked(hidden: Callable, attentions: Callable, values: Callable, *, embeddings: bool = True) -> Callable:
    """matched_levels with other places: functions of a layer's number, counted from 1."""

    def imitation(teacher: Levels, layers: Sequence[int]) -> tuple:
        first = teacher.hidden_states[:1] if embeddings else ()
        states = (*first, *(teacher.hidden_states[hidden(n)] for n in layers))
        mine = tuple(teacher.attentions[attentions(n)] for n in layers)
        return teacher.logits, states, mine, tuple(teacher.values[values(n)] for n in layers)

    return imitation


def _same(n: int) -> int:
    return n


def _less(n: int) -> int:
    return n - 1


def _more(n: int) -> int:
    return n + 1


def _by_place(teacher: Levels, layers: Sequence[int]) -> tuple:
    size = len(layers)
    return teacher.logits, teacher.hidden_states[: size + 1], teacher.attentions[:size], teacher.values[:size]


def _left_whole(teacher: Levels, layers: Sequence[int], level: str) -> tuple:
    return matched_levels(teacher, layers)._replace(**{level: getattr(teacher, level)})


PLAIN_TUPLE = Finding(
    "a plain tuple",
    "The levels are right, but in a plain tuple: what comes after asks for them by name.",
    "What does the card say is returned?",
)


def has_names(fn: Callable) -> Finding | None:
    """What is returned has the names of Levels."""
    right, found = matched_levels(_levels(4, 7), (1, 3)), fn(_levels(4, 7), (1, 3))
    named = all(hasattr(found, name) for name in Levels._fields)
    return PLAIN_TUPLE if close(found, right) and not named else None


def reaches_the_last_layer(fn: Callable) -> Finding | None:
    """The teacher's last layer can be asked for, in any order of the layers."""
    if not close(fn(_levels(4, 7), (1, 3)), matched_levels(_levels(4, 7), (1, 3))):
        return None  # there is a mistake in ordinary cases too
    for layers in ((3,), (3, 1), (2, 2)):
        teacher = _levels(3, 7)
        if not close(fn(teacher, layers), matched_levels(teacher, layers)):
            return Finding(
                "another order of the layers",
                f"Right where the layers rise one by one. With layers {layers} of 3, your levels are other ones.",
                "Does your code rely on the numbers' order, or on their being different?",
            )
    return None


MATCHED_LEVELS = Exercise(
    name="matched_levels", lesson="09", title="Matched levels", points=2, minutes=7, difficulty=2,
    reference=matched_levels, probes=matched_probes, properties=[reaches_the_last_layer, has_names],
    mistakes=[
        Mistake("hidden states one layer too low", "Your hidden states are one layer too low: for layer n you take "
                "hidden_states[n - 1], which is what layer n was given.",
                "hidden_states[0] is the embeddings. Where, then, is what layer 1 made of them?",
                matches=any_of(_picked(_less, _less, _less), _picked(_less, _less, _less, embeddings=False))),
        Mistake("attentions or values one layer too high", "Your hidden states are right, but attentions or values (or "
                "both) are one layer too high: they have no entry for the embeddings.",
                "The teacher has 6 layers: how many hidden_states does it show, and how many attentions?",
                matches=any_of(_picked(_same, _same, _same), _picked(_same, _same, _less),
                                _picked(_same, _less, _same))),
        Mistake("both kinds off by one", "Your hidden states are one layer too low, and your attentions and values one "
                "too high: you took one off in the wrong one of the two kinds.",
                "Which of the lists begins with the embeddings, and which with layer 1?",
                matches=any_of(_picked(_less, _same, _same))),
        Mistake("layers counted from 0", "You count the teacher's layers from 0, so that everything comes from one "
                "layer too high; `layers` counts from 1, as papers do.",
                "Which entry of attentions belongs to layer 1?",
                matches=any_of(_picked(_more, _same, _same))),
        Mistake("the embeddings are missing", "Your layers are right, but hidden_states should begin with the "
                "teacher's embeddings, as the student's own do.",
                "How many hidden_states does a student of 2 layers show?",
                matches=any_of(_picked(_same, _less, _less, embeddings=False),
                                _picked(_same, _same, _same, embeddings=False))),
        Mistake("the places, not the numbers", "You take the teacher's first layers, as many as are asked for, "
                "whatever their numbers.", "What are the numbers in `layers`, beside how many they are?",
                imitation=_by_place),
        Mistake("one level is left whole", "Two of the levels are picked, but one still has all of the teacher's "
                "layers.", "Three lists have an entry for each layer. In which of them do you pick none?",
                matches=any_of(*(partial(_left_whole, level=level) for level in Levels._fields[1:]))),
        Mistake("all layers come back", "You return the teacher's levels as they are: every layer, not only those in "
                "`layers`.", "How many attentions does a student of 2 layers have to be set against?",
                imitation=lambda teacher, layers: tuple(teacher)),
    ],
    hints=(
        "Layer 1 reads the embeddings, hidden_states[0]. Where does it write, and which entry of attentions did it "
        "make on the way?",
        "layer $n$ reads $H_{n-1}$ and writes $H_n$: hidden_states[n], attentions[n - 1], values[n - 1]",
        "# hidden states: the embeddings, then hidden_states[n] for each n in layers\n"
        "# attentions: attentions[n - 1] for each n in layers\n"
        "# values: values[n - 1] for each n in layers\n"
        "# return Levels of the teacher's logits and these three, as tuples",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# teacher_levels


class ToyTeacher(SmallBert):
    """A teacher small enough for a check, in train mode, with weights and dropout large enough that both show."""

    def __init__(self, seed: int):
        shape = dict(layers=3, width=8, heads=2, inner=16, vocab_size=12, max_length=8, classes=3, dropout=0.3)
        super().__init__(SmallBertConfig(**shape))
        random = _random(seed)
        for parameter in self.parameters():
            parameter.data = 0.6 * random(*parameter.shape)
        self.train()

    def __repr__(self) -> str:
        return "a teacher of 3 layers, in train mode"


def asked_probes(seed: int = 0) -> list[Probe]:
    generator = torch.Generator().manual_seed(seed)
    ids = [torch.randint(12, shape, generator=generator) for shape in ((1, 3), (2, 4))]
    return [
        Probe((ToyTeacher(seed), ids[0], torch.tensor([[True, True, True]]), (1, 3)), "one text, layers 1 and 3"),
        Probe((ToyTeacher(seed + 1), ids[1], PADDED, (2,)), "two texts with padding, layer 2"),
    ]


def _asked(teacher: SmallBert, input_ids: Tensor, mask: Tensor) -> Levels:
    teacher.eval()
    return teacher(input_ids, mask, levels=True)


def _other_at_every_call(fn: Callable, probes: Sequence[Probe]) -> bool:
    answers = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        answers.append(call(fn, probes[0].args).value)
    return answers[0] is not None and not close(*answers)


IN_TRAIN_MODE = Mistake(
    "the teacher in train mode",
    "Your teacher answers otherwise at every call: its dropout is on, so its attention and all its states are noisy "
    "copies of what it knows.",
    "Which mode was the teacher in when it was handed to you, and who changes it? Does `no_grad` switch dropout off?",
    matches=_other_at_every_call,
)
WITH_GRADIENT = Mistake(
    "a gradient could reach the teacher",
    "The levels are right, but they carry the teacher's graph: a loss on them would send its gradient through all of "
    "the teacher, at the price of memory and time, and an optimizer that holds it would change it.",
    "Under which context does PyTorch not record what it would need for a gradient? Is eval mode that context?",
)


def sends_no_gradient(fn: Callable) -> Finding | Mistake | None:
    """The levels carry no gradient, and can stand in a loss."""
    teacher = ToyTeacher(5)
    asked = teacher, torch.tensor([[1, 2, 3]]), torch.ones(1, 3, dtype=torch.bool), (1, 2)
    levels = fn(*asked)
    if not close(levels, teacher_levels(*asked)):
        return None  # the levels are not right to begin with
    if any(x.requires_grad for x in (levels[0], *levels[1], *levels[2], *levels[3])):
        return WITH_GRADIENT
    student = torch.ones(levels[1][-1].shape, requires_grad=True)
    try:
        (levels[1][-1] * student).sum().backward()
    except RuntimeError:
        return Finding(
            "tensors that no loss can use",
            "The levels are right, but made under `inference_mode`: PyTorch refuses them in a loss that needs a "
            "gradient for the student.",
            "Which other context records no gradient, and lets its results be used later?",
        )
    return None if all(hasattr(levels, name) for name in Levels._fields) else PLAIN_TUPLE


TEACHER_LEVELS = Exercise(
    name="teacher_levels", lesson="09", title="Ask the teacher", points=2, minutes=5, difficulty=2,
    reference=teacher_levels, probes=asked_probes, properties=[sends_no_gradient],
    mistakes=[
        IN_TRAIN_MODE,
        Mistake("the teacher reads the padding", "Right without padding. With padding, your teacher reads it like "
                "words.", "What does the teacher need beside the ids, to know where a text ends?",
                imitation=lambda teacher, input_ids, attention_mask, layers: matched_levels(
                    _asked(teacher, input_ids, torch.ones_like(attention_mask)), layers)),
        Mistake("every layer, not the matched ones", "You return all of the teacher's layers. The student's should "
                "find their counterparts alone.", "Which function did you build a moment ago?",
                imitation=lambda teacher, input_ids, attention_mask, layers: tuple(
                    _asked(teacher, input_ids, attention_mask))),
        WITH_GRADIENT,
    ],
    hints=(
        "Two things are switched off while a teacher is asked: dropout, and the recording of gradients. Does either "
        "of the two switches do both?",
        "`module.eval()` is about dropout; `torch.no_grad()` is about gradients; `levels=True` asks for Levels.",
        "# put the teacher into eval mode\n# without recording gradients:\n#     ask it for its levels, with the mask\n"
        "# return those that match the layers: your matched_levels",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# Where a loss sends its gradient


def _gradients(loss: Tensor, *tensors: Tensor) -> list[Tensor]:
    """The gradients of some leaves; zeros where there is none."""
    loss.backward()
    return [torch.zeros_like(x) if x.grad is None else x.grad for x in tensors]


NO_GRADIENT = Finding(
    "no gradient",
    "The value is right, but it carries no gradient, so the student could not learn from it.",
    "Is there a `no_grad`, `detach`, `item` or numpy on the student's way to your result?",
)
BROKEN_GRADIENT = Finding(
    "the gradient is not a number",
    "The value is right, but its gradient for the student holds NaN: where the student's weight is 0, as in the "
    "columns of padding, the slope of a logarithm is infinite, and infinite times 0 is NaN. Hiding the NaN afterwards "
    "hides it in the value alone.",
    "Can you keep the zeros out of the logarithm, before it is taken?",
)


def _teacher_gradient() -> Mistake:
    return Mistake(
        "the teacher gets a gradient",
        "The value is right, but its gradient reaches the teacher's side too: a teacher in training would be pulled "
        "towards its student.",
        "Which method of a tensor gives its values without its history?",
    )


def _goes_to_the_student(
    loss: Tensor, right: Tensor, student: Tensor, teacher: Tensor, mistake: Mistake
) -> Finding | Mistake | None:
    if not close(loss, right):
        return None  # the value is wrong, which says more than its gradient does
    if not (isinstance(loss, Tensor) and loss.requires_grad):
        return NO_GRADIENT
    mine, theirs = _gradients(loss, student, teacher)
    if not mine.isfinite().all():
        return BROKEN_GRADIENT
    if not mine.any():
        return NO_GRADIENT
    return mistake if theirs.any() else None


# ---------------------------------------------------------------------------------------------------------------------
# hidden_state_loss


def _projection(width: int, other: int, random: Callable, dtype: torch.dtype = torch.float32) -> nn.Linear:
    projection = nn.Linear(width, other, bias=False)
    projection.weight.data = random(other, width)
    return projection.to(dtype)


def hidden_probes(seed: int = 0) -> list[Probe]:
    r = _random(seed)
    double = torch.float64
    return [
        Probe((r(1, 2, 1), r(1, 2, 2), torch.tensor([[True, True]]), _projection(1, 2, r)), "two tokens, no padding"),
        Probe((r(1, 3, 2), r(1, 3, 3), SHORT, _projection(2, 3, r)), "three tokens, the last is padding"),
        Probe((r(2, 4, 3), r(2, 4, 5), PADDED, _projection(3, 5, r)), "two texts, 3 and 2 real tokens of 4"),
        Probe((r(2, 4, 2).to(double), r(2, 4, 4).to(double), PADDED, _projection(2, 4, r, double)), "double precision"),
    ]


def _gap_then(reduce: Callable) -> Callable:
    """hidden_state_loss with another ending: a function of the gap (batch, length, width) and the mask."""
    return lambda student_states, teacher_states, mask, projection: reduce(
        projection(student_states) - teacher_states, mask
    )


def _mean_of_texts(gap: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([text[real].square().mean() for text, real in zip(gap, mask, strict=True)]).mean()


HIDDEN_GRADIENT = _teacher_gradient()


def hidden_gradient(fn: Callable) -> Finding | Mistake | None:
    """The gradient goes to the student and to the projection, and not to the teacher."""
    random = _random(3)
    student, teacher = random(1, 3, 2).requires_grad_(), random(1, 3, 3).requires_grad_()
    projection = _projection(2, 3, random)
    loss, right = (f(student, teacher, SHORT.clone(), projection) for f in (fn, hidden_state_loss))
    finding = _goes_to_the_student(loss, right, student, teacher, HIDDEN_GRADIENT)
    if finding is None and projection.weight.grad is None and close(loss, right):
        return Finding(
            "the projection gets no gradient",
            "The student gets its gradient, and the projection gets none: it could never learn to translate.",
            "Is the projection's weight used with its history?",
        )
    return finding


HIDDEN_STATE_LOSS = Exercise(
    name="hidden_state_loss", lesson="09", title="Hidden states", points=3, minutes=8, difficulty=2,
    reference=hidden_state_loss, probes=hidden_probes, properties=[hidden_gradient],
    mistakes=[
        Mistake("padding counts too", "Right without padding. With padding, your mean runs over the padding's states "
                "as well: nobody reads them, and the student spends its effort on them.",
                "Where does your function use `mask`?", imitation=_gap_then(lambda gap, mask: gap.square().mean())),
        Mistake("divided by all tokens", "The padding's gaps are set to 0, but they are still counted when you divide: "
                "the more padding a batch has, the smaller your loss.",
                "Over how many tokens is the mean, and how many of them are real?",
                matches=any_of(_gap_then(lambda gap, mask: (gap * mask[..., None]).square().mean()))),
        Mistake("only the first token", "Your loss looks at each text's first token and at no other: [CLS] alone is "
                "taught.", "For which tokens should the student hold what the teacher holds?",
                imitation=_gap_then(lambda gap, mask: gap[:, 0].square().mean())),
        Mistake("only the padding", "Your loss looks at the padding and at nothing else.",
                "Where is `mask` True?", imitation=_gap_then(lambda gap, mask: gap[~mask].square().mean())),
        Mistake("summed over the width", "Your loss is the squared distance of a token, summed over the width; the "
                "card asks for the mean, so that a wider teacher does not weigh more.",
                "By which two numbers is the sum of squares divided?",
                imitation=_gap_then(lambda gap, mask: gap[mask].square().sum(dim=-1).mean())),
        Mistake("a sum, not a mean", "You add up all squared differences; a longer batch then has a larger loss.",
                "What is the first word of what the card says is returned?",
                imitation=_gap_then(lambda gap, mask: gap[mask].square().sum())),
        Mistake("each text counts alike", "You take each text's mean first, and then the mean of these: a word of a "
                "short text then weighs more than a word of a long one.",
                "The mean over all real tokens: how much does each of them weigh?",
                imitation=_gap_then(_mean_of_texts)),
        Mistake("not squared", "Your differences are taken without their sign, but not squared.",
                "What does the card say of the difference?",
                imitation=_gap_then(lambda gap, mask: gap[mask].abs().mean())),
        Mistake("a root of the mean", "You take the square root at the end.", "Does the card speak of a root?",
                matches=any_of(_gap_then(lambda gap, mask: gap[mask].square().mean().sqrt()),
                                _gap_then(lambda gap, mask: gap[mask].norm(dim=-1).mean()))),
        Mistake("signs cancel", "Your differences keep their signs, so those above and those below cancel.",
                "What makes every difference count as positive?",
                imitation=_gap_then(lambda gap, mask: gap[mask].mean().square())),
        HIDDEN_GRADIENT,
    ],
    hints=(
        "The difference has the shape (batch, length, width), the mask (batch, length). What does `difference[mask]` "
        "give, and how many rows has it?",
        r"$\mathcal{L}_{\text{hidden}} = \dfrac{1}{|\text{real}| \cdot d_T} \sum_{t\ \text{real}} "
        r"\left\lVert W h^S_t - h^T_t \right\rVert^2$",
        "# gap: the projected student states less the teacher's, detached\n# keep the gaps of the real tokens\n"
        "# square them, and take the mean",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# make_projections


def projection_probes() -> list[Probe]:
    return [
        Probe((1, 2, 3), "one layer"),
        Probe((2, 2, 3), "two layers"),
        Probe((3, 4, 6), "three layers"),
    ]


def _hidden_from_parameters(fn: Callable, probes: Sequence[Probe]) -> bool:
    """A list, a tuple, a dict or a generator of maps: whoever holds it finds no parameters in it."""
    value = call(fn, probes[1].args).value
    value = list(value.values()) if isinstance(value, dict) else value
    return not isinstance(value, (nn.Module, Tensor)) and isinstance(value, Iterable)


def _maps(make: Callable) -> Callable:
    """make_projections with another map: a function of the student's and the teacher's width."""
    return lambda layers, student_width, teacher_width: nn.ModuleList(
        make(student_width, teacher_width) for _ in range(layers)
    )


def _shared(layers: int, student_width: int, teacher_width: int, bias: bool = False) -> nn.ModuleList:
    return nn.ModuleList([nn.Linear(student_width, teacher_width, bias=bias)] * layers)


def _not_maps(value: object) -> bool:
    return isinstance(value, (Tensor, nn.ModuleDict, nn.ParameterList, nn.ParameterDict))


NOT_MAPS = Mistake(
    "not maps in a list",
    "What comes back is not a list of maps: names in place of numbers, or numbers that cannot be called. The map of "
    "layer 1 is asked for as `projections[0]`, and called with a tensor of states.",
    "Which module is a linear map, and which container keeps modules in order?",
    matches=lambda fn, probes: _not_maps(call(fn, probes[1].args).value),
)


def are_trained(fn: Callable) -> Finding | Mistake | None:
    """Whoever holds the projections trains them, and each takes a state of the student to the teacher's width."""

    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.projections = fn(2, 3, 5)

    made = fn(2, 3, 5)
    if _not_maps(made):
        return NOT_MAPS
    found = list(Holder().parameters())
    if not all(p.requires_grad for p in found):
        return Finding(
            "frozen projections",
            "An optimizer finds your projections, but they are frozen: a map that is drawn at random stays as it was.",
            "What does `requires_grad` say of their weights?",
        )
    states = _random(0)(1, 4, 3)
    for projection in made:
        if projection(states).shape != (1, 4, 5):
            return Finding(
                "not from the student to the teacher",
                "One of your maps does not turn a state of width 3 into one of width 5.",
                "Which of the two widths comes in, and which goes out?",
            )
        if not close(projection(-2 * states), -2 * projection(states)):
            return Finding(
                "not a linear map",
                "The shapes are right, but one of your maps does more than multiply by a matrix: with -2 times the "
                "states, its output is not -2 times what it was.",
                "What stands in each of your maps beside `nn.Linear`?",
            )
    return None


MAKE_PROJECTIONS = Exercise(
    name="make_projections", lesson="09", title="Projections", points=2, minutes=5, difficulty=2,
    reference=make_projections, probes=projection_probes, properties=[are_trained],
    mistakes=[
        Mistake("the optimizer cannot see them", "The maps stand in a plain Python container. A module that holds it "
                "does not list them among its `.parameters()`, so no optimizer gets them: they would stay as they were "
                "drawn, the loss would fall all the same, and nothing would say so.",
                "Which kind of list does PyTorch look into when a module is asked for its parameters?",
                matches=_hidden_from_parameters),
        NOT_MAPS,
        Mistake("a single map", "You return one map; the card asks for one a layer, in a list.",
                "How many maps does a student of 2 layers need?",
                matches=lambda fn, probes: isinstance(call(fn, probes[1].args).value, nn.Linear)),
        Mistake("maps with a bias", "Your maps have a bias each; the card asks for a matrix alone.",
                "Which parameter of `nn.Linear` switches it off?", imitation=_maps(nn.Linear)),
        Mistake("from the teacher to the student", "Your maps take the teacher's width to the student's.",
                "Whose states are projected: those of the model that learns, or of the one that is frozen?",
                matches=any_of(_maps(lambda student, teacher: nn.Linear(teacher, student, bias=False)),
                                _maps(lambda student, teacher: nn.Linear(teacher, student)))),
        Mistake("one map for all layers", "All layers share one map: it occurs several times in your list, and once "
                "among the parameters.", "Does `[x] * 3` make three things, or name one of them three times?",
                matches=any_of(_shared, partial(_shared, bias=True))),
        Mistake("one map too many", "You make a map for the embeddings too; the card asks for one a layer.",
                "How many layers has the student?",
                imitation=lambda layers, student_width, teacher_width: make_projections(
                    layers + 1, student_width, teacher_width)),
    ],
    hints=(
        "`module.parameters()` walks through the attributes of a module. Into which kinds of container does it look?",
        "one `nn.Linear(in, out, bias=False)` for each layer, in an `nn.ModuleList`",
        "# for each layer: a linear map from the student's width to the teacher's, without a bias\n"
        "# hand all of them to nn.ModuleList",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# attention_loss


def _weights(random: Callable, heads: int, mask: Tensor) -> Tensor:
    """Attention weights with 0 in the columns of padding, and ordinary rows of padding, as a real model gives."""
    batch, length = mask.shape
    scores = 1.2 * random(batch, heads, length, length)
    return scores.masked_fill(~mask[:, None, None, :], -math.inf).softmax(dim=-1)


def attention_probes(seed: int = 0) -> list[Probe]:
    random, whole = _random(seed), torch.tensor([[True, True]])

    def pair(student_heads: int, teacher_heads: int, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return _weights(random, student_heads, mask), _weights(random, teacher_heads, mask), mask

    double = pair(4, 6, PADDED)
    return [
        Probe(pair(1, 1, whole), "two tokens, one head each, no padding"),
        Probe(pair(2, 2, SHORT), "two heads each, the last token is padding"),
        Probe(pair(2, 4, whole), "2 heads face 4"),
        Probe(pair(2, 4, PADDED), "2 heads face 4, padding"),
        Probe((double[0].double(), double[1].double(), PADDED), "4 heads face 6: two groups"),
        Probe(pair(3, 2, PADDED), "3 heads face 2: one group"),
    ]


def _neighbours(weights: Tensor, groups: int) -> Tensor:
    return weights.unflatten(1, (groups, -1)).mean(dim=2)


def _interleaved(weights: Tensor, groups: int) -> Tensor:
    return weights.unflatten(1, (-1, groups)).mean(dim=1)


def _kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) for each entry, 0 where the teacher has 0."""
    return torch.xlogy(teacher, teacher) - teacher * student.clamp(min=1e-12).log()


def _over_real(gap: Tensor, mask: Tensor) -> Tensor:
    """The mean over heads and real tokens of entries that are summed along each row."""
    return gap.sum(dim=-1).mean(dim=1)[mask].mean()


def _attention(
    *, group: Callable = _neighbours, groups: Callable = math.gcd, divergence: Callable = _kl,
    reduce: Callable = _over_real,
) -> Callable:  # fmt: skip
    """attention_loss with one part exchanged."""

    def imitation(student_weights: Tensor, teacher_weights: Tensor, mask: Tensor) -> Tensor:
        count = groups(student_weights.shape[1], teacher_weights.shape[1])
        return reduce(divergence(group(student_weights, count), group(teacher_weights, count)), mask)

    return imitation


def _first_heads(student_weights: Tensor, teacher_weights: Tensor, mask: Tensor) -> Tensor:
    fewer = min(student_weights.shape[1], teacher_weights.shape[1])
    return attention_loss(student_weights[:, :fewer], teacher_weights[:, :fewer], mask)


def _each_by_itself(student_weights: Tensor, teacher_weights: Tensor, mask: Tensor) -> Tensor:
    counts = student_weights.shape[1], teacher_weights.shape[1]
    pair = zip((student_weights, teacher_weights), counts, strict=True)
    return attention_loss(*(w.repeat_interleave(math.lcm(*counts) // n, dim=1) for w, n in pair), mask)


def _summed_groups(weights: Tensor, groups: int) -> Tensor:
    return weights.unflatten(1, (groups, -1)).sum(dim=2)


def _kl_without_log(student: Tensor, teacher: Tensor) -> Tensor:
    return F.kl_div(student, teacher, reduction="none")


def _kl_unclamped(student: Tensor, teacher: Tensor) -> Tensor:
    return F.kl_div(student.log(), teacher, reduction="none")


def _by_texts(gap: Tensor, mask: Tensor) -> Tensor:
    return gap.sum() / len(gap)


def _real_by_texts(gap: Tensor, mask: Tensor) -> Tensor:
    return gap.sum(dim=-1).mean(dim=1)[mask].sum() / len(gap)


def _of_all_entries(gap: Tensor, mask: Tensor) -> Tensor:
    return gap.mean()


def _mean_over_texts(gap: Tensor, mask: Tensor) -> Tensor:
    rows = gap.sum(dim=-1).mean(dim=1)
    return torch.stack([row[real].mean() for row, real in zip(rows, mask, strict=True)]).mean()


def _divided_by_all(gap: Tensor, mask: Tensor) -> Tensor:
    return (gap.sum(dim=-1).mean(dim=1) * mask).mean()


def _every_row(gap: Tensor, mask: Tensor) -> Tensor:
    return gap.sum(dim=-1).mean()


def _every_entry(gap: Tensor, mask: Tensor) -> Tensor:
    return gap.mean(dim=1)[mask].mean()


def _as_logits(student: Tensor, teacher: Tensor) -> Tensor:
    return teacher.softmax(dim=-1) * (teacher.log_softmax(dim=-1) - student.log_softmax(dim=-1))


ATTENTION_GRADIENT = _teacher_gradient()


def attention_gradient(fn: Callable) -> Finding | Mistake | None:
    """The gradient goes to the student alone, and is finite where the student's weights are 0."""
    random = _random(4)
    student, teacher = (_weights(random, heads, SHORT).requires_grad_() for heads in (2, 4))
    loss, right = (f(student, teacher, SHORT.clone()) for f in (fn, attention_loss))
    return _goes_to_the_student(loss, right, student, teacher, ATTENTION_GRADIENT)


ATTENTION_LOSS = Exercise(
    name="attention_loss", lesson="09", title="Attention", points=4, minutes=12, difficulty=4,
    reference=attention_loss, probes=attention_probes, properties=[attention_gradient],
    mistakes=[
        Mistake("0 · log 0", "Right without padding. With padding your loss is NaN: both models give a padding token a "
                "weight of 0, and 0 · log 0 is not a number in floating point.",
                "Which of the two zeros is the one inside a logarithm, and what could stand there instead?",
                matches=any_of(_attention(divergence=lambda s, t: t * (t / s).log()),
                                _attention(divergence=_kl_unclamped))),
        Mistake("kl_div wants the student's logarithms", "You hand `kl_div` the student's weights; its first argument "
                "is to be their logarithms, its second the teacher's weights as they are.",
                "Which of its two arguments does `kl_div` not take the logarithm of?",
                matches=any_of(*(_attention(divergence=_kl_without_log, reduce=reduce) for reduce in
                                  (_over_real, _every_row, _every_entry, _of_all_entries, _by_texts)))),
        Mistake("divided by the texts", "You add up all rows and divide by the number of texts, as `batchmean` does: a "
                "long text's loss is then larger than a short one's, however well it is read.",
                "What does `batchmean` divide by, and what does the card?",
                matches=any_of(*(_attention(divergence=divergence, reduce=reduce) for divergence in
                                  (_kl, _kl_unclamped) for reduce in (_by_texts, _real_by_texts)))),
        Mistake("padding reads too", "Right without padding. With padding, the rows of the padding count: it has rows "
                "of its own, because it reads, though nobody reads it.",
                "The mask already keeps padding from being read. Which axis of the weights are the readers?",
                imitation=_attention(reduce=_every_row)),
        Mistake("divided by all tokens", "The rows of padding are set to 0, but still counted when you divide: the "
                "more padding, the smaller the loss.", "How many rows belong to real tokens?",
                imitation=_attention(reduce=_divided_by_all)),
        Mistake("the student's weights come first", "You compute KL(student || teacher). The teacher's distribution "
                "should be the one that weighs the logarithms.", "In KL(p || q), whose values are outside the "
                "logarithm?", imitation=_attention(divergence=lambda s, t: _kl(t, s))),
        Mistake("cross-entropy, not KL", "Your loss is not 0 when both attend alike: the teacher's own entropy is "
                "missing.", "What has to be taken off the cross-entropy to make it 0 for equals?",
                matches=any_of(_attention(divergence=lambda s, t: -t * s.clamp(min=1e-12).log()),
                                _attention(divergence=lambda s, t: -t * s.log()))),
        Mistake("the sign", "Your loss has the wrong sign: it is at most 0, and training would drive student and "
                "teacher apart.", "Is KL(p || q) ever below 0?",
                imitation=_attention(divergence=lambda s, t: -_kl(s, t))),
        Mistake("the other heads are left out", "Where the head counts differ, you compare the first heads and leave "
                "the others out.", "How do 2 heads hear of all that 4 heads do?", imitation=_first_heads),
        Mistake("groups of every other head", "Where the head counts differ, your groups are made of every other head; "
                "the card groups neighbours.", "When the axis of heads is cut in two, which part comes first?",
                imitation=_attention(group=_interleaved)),
        Mistake("all heads in one group", "You average all heads into one, even where each could face its own.",
                "What is the largest number that divides 2 and 4?",
                imitation=_attention(groups=lambda student, teacher: 1)),
        Mistake("each head by itself", "Where the head counts differ, you repeat heads until the counts agree and "
                "compare each by itself; the card averages the heads of a group first.",
                "Is the mean of several divergences the divergence from the mean?", imitation=_each_by_itself),
        Mistake("summed in a group", "You add up the weights of a group's heads. A row then sums to as many as there "
                "are heads, and is no distribution.", "What does a row of a group sum to?",
                imitation=_attention(group=_summed_groups)),
        Mistake("summed over the heads", "You add up the groups' divergences; the card asks for their mean.",
                "With twice as many heads, how large should the loss be?",
                imitation=_attention(reduce=lambda gap, mask: gap.sum(dim=(-1, 1))[mask].mean())),
        Mistake("a mean over all entries", "You take the mean along each row too. A KL divergence is the sum over a "
                "row: your loss shrinks as texts grow.", "How many numbers make up one reader's distribution?",
                imitation=_attention(reduce=_every_entry)),
        Mistake("each text counts alike", "You take each text's mean first, and then the mean of these; the card asks "
                "for the mean over all real tokens.", "How much does a token of a short text weigh in your loss?",
                imitation=_attention(reduce=_mean_over_texts)),
        Mistake("weights taken for logits", "You put the weights through a softmax; they come from one already.",
                "What do the rows of the weights sum to?", imitation=_attention(divergence=_as_logits)),
        Mistake("squared differences", "You compare the weights by squared differences. Some papers do; the card asks "
                "for the KL divergence.", "What is the distance between two distributions that lesson 03 built?",
                matches=any_of(*(_attention(divergence=lambda s, t: (s - t).square(), reduce=reduce)
                                  for reduce in (_over_real, _every_entry, _every_row)))),
        ATTENTION_GRADIENT,
    ],
    hints=(
        "One real token of one head reads with one distribution. How far apart are the teacher's and the student's for "
        "it, in nats, and over which three things is the mean?",
        r"$\mathcal{L}_{\text{attention}} = \dfrac{1}{G\,|\text{real}|} \sum_{g} \sum_{t\ \text{real}} "
        r"\mathrm{KL}\!\left(A^T_{g,t} \,\middle\|\, A^S_{g,t}\right)$, with $0 \log 0 = 0$",
        "# groups: the largest number that divides both head counts: math.gcd\n"
        "# cut the heads of each model into (groups, heads of a group), and average over the second\n"
        "# KL for each entry: teacher * log teacher - teacher * log student; torch.xlogy makes 0 log 0 = 0,\n"
        "#     and clamp keeps a 0 of the student out of the log\n"
        "# sum along each row, mean over the groups, keep the rows of real tokens, mean",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# relation_loss


def relation_probes(seed: int = 0) -> list[Probe]:
    random = _random(seed)
    whole = torch.tensor([[True, True]])
    return [
        Probe((random(1, 2, 2), random(1, 2, 3), whole, 1), "two tokens, one head, widths 2 and 3"),
        Probe((random(1, 2, 4), random(1, 2, 6), whole, 2), "two relation heads, widths 4 and 6"),
        Probe((random(1, 3, 4), random(1, 3, 6), SHORT, 2), "the last token is padding"),
        Probe((random(2, 4, 6), random(2, 4, 9), PADDED, 3), "two texts, three relation heads"),
        Probe((random(2, 4, 4).double(), random(2, 4, 8).double(), PADDED, 2), "double precision"),
    ]


def _plain_relations(values: Tensor, mask: Tensor) -> Tensor:
    return attention(values, values, values, mask)[1]


def _relations(
    *, split: Callable = split_heads, relate: Callable = _plain_relations, loss: Callable = attention_loss
) -> Callable:
    """relation_loss with one part exchanged."""

    def imitation(student_values: Tensor, teacher_values: Tensor, mask: Tensor, heads: int) -> Tensor:
        student, teacher = split(student_values, heads), split(teacher_values, heads)
        return loss(relate(student, mask), relate(teacher, mask), mask)

    return imitation


def _scaled_by(factor: Callable) -> Callable:
    """Relations whose scores are multiplied: attention divides both sides' product by the root of the size."""
    return lambda values, mask: _plain_relations(values * factor(values) ** 0.5, mask)


def _padding_is_read(values: Tensor, mask: Tensor) -> Tensor:
    return _plain_relations(values, torch.ones_like(mask))


def _padding_set_to_0(values: Tensor, mask: Tensor) -> Tensor:
    return _padding_is_read(values * mask[:, None, :, None], mask)


def _cosines(values: Tensor, mask: Tensor) -> Tensor:
    return _plain_relations(F.normalize(values, dim=-1) * values.shape[-1] ** 0.25, mask)


def _every_reader(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    return _kl(student, teacher).sum(dim=-1).mean()


def _no_mask(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    return attention_loss(student, teacher, torch.ones_like(mask))


def _in_one_go(values: Tensor, heads: int) -> Tensor:
    return values.reshape(len(values), heads, values.shape[1], -1)


def _one_head(values: Tensor, heads: int) -> Tensor:
    return values[:, None]


RELATION_GRADIENT = _teacher_gradient()


def relation_gradient(fn: Callable) -> Finding | Mistake | None:
    """The gradient goes to the student alone."""
    random = _random(5)
    student, teacher = random(1, 3, 2).requires_grad_(), random(1, 3, 4).requires_grad_()
    loss, right = (f(student, teacher, SHORT.clone(), 2) for f in (fn, relation_loss))
    return _goes_to_the_student(loss, right, student, teacher, RELATION_GRADIENT)


RELATION_LOSS = Exercise(
    name="relation_loss", lesson="09", title="Value relations", points=3, minutes=8, difficulty=3,
    reference=relation_loss, probes=relation_probes, properties=[relation_gradient],
    mistakes=[
        Mistake("padding is related too", "Right without padding. With padding, your words relate to it: the relations "
                "of a text then depend on how long its neighbours in the batch are.",
                "What does your `attention` need, to keep padding from being read?",
                matches=any_of(_relations(relate=_padding_is_read), _relations(relate=_padding_is_read, loss=_no_mask),
                                _relations(relate=_padding_is_read, loss=_every_reader))),
        Mistake("padding set to 0", "Right without padding. You set the padding's values or its scores to 0, and a "
                "softmax gives a score of 0 its share all the same.",
                "What is exp(0), and which score would have an exponential of 0?",
                imitation=_relations(relate=_padding_set_to_0)),
        Mistake("padding reads too", "Right without padding. Padding is not read, which is right, but its own rows "
                "count in the mean.", "Which argument of `attention_loss` says whose rows count?",
                matches=any_of(_relations(loss=_no_mask), _relations(loss=_every_reader))),
        Mistake("not divided by √size", "Your relations are too sharp: the products are not divided by the square root "
                "of a head's size, and a wider teacher is sharpened more than its student.",
                "By what does attention divide its scores?",
                imitation=_relations(relate=_scaled_by(lambda values: values.shape[-1] ** 0.5))),
        Mistake("divided by the size, not its root", "Your relations are too flat: the products are divided by the "
                "size of a head, not by its square root.", "By what does attention divide its scores?",
                imitation=_relations(relate=_scaled_by(lambda values: values.shape[-1] ** -0.5))),
        Mistake("divided by the root of the width", "You divide by the root of the whole width, not of one head's "
                "share of it.", "How many products does one head's score add up?",
                imitation=lambda student_values, teacher_values, mask, heads: _relations(
                    relate=_scaled_by(lambda values: heads**-0.5))(student_values, teacher_values, mask, heads)),
        Mistake("one head only", "You relate the whole vectors, as if there were one relation head.",
                "What does `split_heads` do, and how many heads are asked for?", imitation=_relations(split=_one_head)),
        Mistake("the heads' size for their number", "You cut the values into as many heads as one of them should be "
                "wide, and the two models into different numbers.",
                "Is the second argument of `split_heads` how many heads there are, or how wide one is?",
                imitation=_relations(split=lambda values, heads: split_heads(values, values.shape[-1] // heads))),
        Mistake("heads by reshape", "Your heads mix the numbers of different tokens: `reshape` and `view` do not "
                "exchange axes.", "Which function of lesson 04 cuts a vector into heads?",
                imitation=_relations(split=_in_one_go)),
        Mistake("cosines", "You normalise the values to length 1. Their lengths are a part of what is compared here.",
                "Is there a norm in the formula?", matches=any_of(
                    _relations(relate=_cosines),
                    _relations(relate=lambda v, m: _plain_relations(F.normalize(v, dim=-1), m)))),
        Mistake("student and teacher exchanged", "You hand the two to the loss in the other order: KL(student || "
                "teacher).", "Which of the two comes first in `attention_loss`?",
                imitation=_relations(loss=lambda student, teacher, mask: attention_loss(teacher, student, mask))),
        Mistake("summed over the heads", "You add up the relation heads; the card asks for their mean.",
                "With twice as many relation heads, how large should the loss be?",
                imitation=lambda student_values, teacher_values, mask, heads: heads * relation_loss(
                    student_values, teacher_values, mask, heads)),
        RELATION_GRADIENT,
    ],
    hints=(
        "Attention compares queries with keys. What would it compare if each token's value were its query and its key "
        "too, and which of its two results holds the comparison?",
        r"$R = \operatorname{softmax}\!\left(\dfrac{V V^{\top}}{\sqrt{\text{size}}}\right)$ for each relation head, "
        r"then $\mathrm{KL}(R^T \,\|\, R^S)$ as for attention",
        "# cut the values of both models into relation heads: split_heads\n"
        "# relations: the weights that attention gives for value, value, value, with the mask\n"
        "# return attention_loss of the two relations: the student's first",
    ),
)  # fmt: skip

EXERCISES = [MATCHED_LEVELS, TEACHER_LEVELS, HIDDEN_STATE_LOSS, MAKE_PROJECTIONS, ATTENTION_LOSS, RELATION_LOSS]
