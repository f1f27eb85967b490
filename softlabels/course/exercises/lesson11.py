"""Lesson 11's exercises: magnitude_mask, prune_heads, quantize_rows, factorise_table, early_exit and pareto_front.

A pruned layer and a factorised table have no single right form (a module is judged by what it does, and directions may
point either way), so there the engine compares shapes, and one function, `_of_heads` or `_of_parts`, names what is
wrong. The other four are judged by their values.
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from softlabels.course.exercises.base import Exercise, Finding, Mistake, Probe, call, close, to_array
from softlabels.distill.bert import Layer, SmallBertConfig
from softlabels.distill.early_exit import early_exit
from softlabels.distill.frontier import pareto_front
from softlabels.distill.low_rank import factorise_table
from softlabels.distill.pruning import magnitude_mask, prune_heads
from softlabels.distill.rounding import quantize_rows

ANY_VALUE = (0.0, 1e9)  # the engine compares only the shape of what is returned; a property looks at the rest


def _any_of(*imitations: Callable) -> Callable[[Callable, Sequence[Probe]], bool]:
    """A test for a mistake that is written in several ways: the answer is one of them on every probe."""

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        mine = [call(fn, probe.args) for probe in probes]
        if any(result.error for result in mine):
            return False
        for imitation in imitations:
            theirs = [call(imitation, probe.args) for probe in probes]
            triples = zip(mine, theirs, probes, strict=True)
            if all(b.error is None and close(a.value, b.value, inputs=probe.args) for a, b, probe in triples):
                return True
        return False

    return matches


def _random(seed: int) -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator)


# ---------------------------------------------------------------------------------------------------------------------
# magnitude_mask. In its probes no two entries are equally far from 0; ties are a property's.

SMALL = torch.tensor([[0.5, -0.1, 0.02], [-0.9, 0.3, -0.04]])


def _distinct(rows: int, columns: int, seed: int) -> Tensor:
    """Entries of distinct size and random sign, whose rows differ in size."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.linspace(0.03, 1.0, rows * columns)[torch.randperm(rows * columns, generator=generator)]
    sign = 2 * torch.randint(2, (rows, columns), generator=generator) - 1
    return sizes.view(rows, columns) * sign


def mask_probes(seed: int = 0) -> list[Probe]:
    return [
        Probe((SMALL, 1 / 3), "two of six entries"),
        Probe((_distinct(3, 4, seed), 0.3), "0.3 of twelve entries is 3.6"),
        Probe((_distinct(4, 5, seed + 1).double(), 0.8), "four fifths of twenty entries"),
        Probe((_distinct(5, 3, seed + 2), 0.16), "0.16 of fifteen entries is 2.4"),
        Probe((_distinct(2, 3, seed + 3), 0.0), "nothing is dropped"),
        Probe((_distinct(2, 3, seed + 4), 1.0), "everything is dropped"),
    ]


def _lowest(scores: Tensor, count: int) -> Tensor:
    """Return a mask that is False at the lowest scores."""
    mask = torch.ones(scores.numel(), dtype=torch.bool)
    mask[scores.flatten().argsort()[:count]] = False
    return mask.view(scores.shape)


def _no_abs(weight: Tensor, share: float) -> Tensor:
    return _lowest(weight, round(share * weight.numel()))


def _by_rows(weight: Tensor, share: float) -> Tensor:
    keep = _lowest(weight.norm(dim=1), round(share * len(weight)))
    return keep[:, None].expand_as(weight)


def _in_each_row(weight: Tensor, share: float) -> Tensor:
    return torch.stack([magnitude_mask(row, share) for row in weight])


def _in_each_column(weight: Tensor, share: float) -> Tensor:
    return _in_each_row(weight.T, share).T


def _share_for_threshold(weight: Tensor, share: float) -> Tensor:
    return weight.abs() > share


def _share_of_the_largest(weight: Tensor, share: float) -> Tensor:
    return weight.abs() > share * weight.abs().max()


TIES = Mistake(
    "equal entries fall together",
    "Right where no two entries are equally far from 0. Where some are, your share is no longer the one asked for: "
    "they are kept, or dropped, together.",
    "A threshold cannot tell equal entries apart. What can be counted instead?",
)
NOT_BOOL = Finding(
    "not a mask of bools",
    "The places are right, but your mask does not hold True and False, so it cannot be used as an index.",
    "Which dtype does the card ask for?",
)


def keeps_the_share(fn: Callable) -> Finding | Mistake | None:
    """The share is exact, with equal entries too, and no entry that is dropped is larger than one that is kept."""
    if not close(fn(_distinct(3, 4, 0), 0.3), magnitude_mask(_distinct(3, 4, 0), 0.3)):
        return None  # there is a mistake without equal entries too
    for weight, share in (
        (torch.tensor([[0.2, -0.2, 0.2, 0.2], [0.5, 0.2, -0.2, 0.1]]), 0.5),
        (torch.zeros(2, 5), 0.4),
        (torch.tensor([[0.0, 0.0, 0.0, 0.7], [0.0, 0.3, 0.0, -0.4]]), 0.25),
    ):
        mask = to_array(fn(weight.clone(), share)).astype(bool)
        if (~mask).sum() != round(share * weight.numel()):
            return TIES
        sizes = weight.abs().numpy()
        if sizes[~mask].max(initial=0) > sizes[mask].min(initial=np.inf):
            return Finding(
                "a larger entry is dropped",
                "With equal entries in the matrix, you drop an entry while a smaller one stays.",
                "In which order are the entries dropped?",
                {"weight": weight, "share": share}, mask,
            )  # fmt: skip
    kind = to_array(fn(SMALL.clone(), 0.5)).dtype.kind
    return None if kind == "b" else NOT_BOOL


MAGNITUDE_MASK = Exercise(
    name="magnitude_mask", lesson="11", title="Prune weights", points=2, minutes=6, difficulty=2,
    reference=magnitude_mask, probes=mask_probes, properties=[keeps_the_share],
    mistakes=[
        Mistake("the sign counts", "You drop the most negative entries, however far from 0 they are.",
                "Which of 0.01 and -2 changes a layer's answer less when it becomes 0?", imitation=_no_abs),
        Mistake("the mask is the wrong way round",
                "Your mask is True at the entries that should go, and False at those that should stay.",
                "The matrix will be multiplied by the mask. What must stand at an entry that stays?",
                imitation=lambda w, s: ~magnitude_mask(w, s)),
        Mistake("the largest are dropped", "As many entries go as should, but they are those furthest from 0.",
                "Which end of your sorted list is the small one?",
                imitation=lambda w, s: _lowest(-w.abs(), round(s * w.numel()))),
        Mistake("the share that is kept", "You keep the given share of the entries; it is the share to drop.",
                "With a share of 0.8, how many of 100 entries are left?",
                imitation=lambda w, s: magnitude_mask(w, 1 - s)),
        Mistake("whole rows", "You drop whole rows, or keep them whole; asked for is each entry by itself.",
                "Over which axis have you summed up the sizes, and should you?", imitation=_by_rows),
        Mistake("the share of each row", "You drop the share in each row or column by itself. The smallest entries of "
                "the *matrix* should go: a row of small ones may lose nearly all.",
                "Along which axis do you sort, and what would the matrix look like as one long row?",
                matches=_any_of(_in_each_row, _in_each_column)),
        Mistake("the share is taken for a threshold", "You compare the entries' sizes with the share itself. It says "
                "how many go, not how small they are.",
                "In a matrix whose entries are all above 10, how many would your mask drop?",
                matches=_any_of(_share_for_threshold, _share_of_the_largest)),
        Mistake("cut off, not rounded", "Where the share is not a whole number of entries, you drop one too few.",
                "What do `int(3.6)` and `round(3.6)` give?",
                imitation=lambda w, s: _lowest(w.abs(), int(s * w.numel()))),
        Mistake("the pruned matrix, not the mask", "You return the weights with zeros in them; asked for is which "
                "entries stay. The same mask must hold the zeros while the other weights are trained.",
                "What type does the card say that the entries of the result have?",
                imitation=lambda w, s: w * magnitude_mask(w, s)),
        TIES,
    ],
    hints=(
        "If you had all entries in one list, sorted by how far they are from 0, where in it would those to drop stand?",
        "Their number is round(share · entries). `tensor.abs()` gives the sizes, `flatten()` one long row, and "
        "`argsort()` the places in rising order, equal ones included.",
        "# drop: the places of the smallest sizes, as many as the share says, in the flattened matrix\n"
        "# mask: True for every entry, flat\n"
        "# set mask to False at drop\n"
        "# return mask in the shape of weight",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# prune_heads

MATRICES = ("query", "key", "value", "attended")
WIDTH, HEADS = 6, 3  # each head has size 2


def _layer(seed: int, width: int = WIDTH, heads: int = HEADS) -> Layer:
    """A layer in eval mode whose entries, biases too, are all different."""
    layer = Layer(SmallBertConfig(layers=1, width=width, heads=heads, inner=4))
    random = _random(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(random(*parameter.shape))
    return layer.eval()


def heads_probes(seed: int = 0) -> list[Probe]:
    return [
        Probe((_layer(seed), [1]), "one head of three is kept"),
        Probe((_layer(seed + 1), [0, 2]), "the first and the last of three"),
        Probe((_layer(seed + 2, 12, 6), [1, 2, 5]), "three of six"),
    ]


HEADS_LEFT = Mistake(
    "the number of heads is left as it was",
    "The matrices are right, but `layer.heads` still says the old number. Nothing raises an error: the shorter rows "
    "are cut into as many pieces as before, so pieces of different heads are mixed.",
    "Who reads `layer.heads`, and what does it do with it?",
)
NO_BIAS = Mistake(
    "the biases of query, key and value are not cut",
    "The matrices have fewer rows, but their biases are as long as before: the layer cannot add them.",
    "A linear map has one bias for each output. How many outputs has yours left?",
)
QKV_COLUMNS = Mistake(
    "columns of query, key and value",
    "You cut columns out of query, key or value: those are the numbers that they read, and all heads read all of them.",
    "`nn.Linear` keeps its weight as (outputs, inputs). Along which of the two do heads lie?",
)
ATTENDED_ROWS = Mistake(
    "rows of the matrix after attention",
    "You cut rows out of `attended`: those are the numbers of its result, which is as wide as ever.",
    "What does `attended` read, and along which axis of its weight do its inputs lie?",
)
ATTENDED_BIAS = Mistake(
    "the bias after attention is cut",
    "You cut the bias of `attended` too. It is added to the result, which stays as wide as the layer.",
    "How many outputs has `attended` when half of the heads are gone?",
)
ATTENDED_LEFT = Mistake(
    "the matrix after attention is left as it was",
    "`attended` still reads the numbers of all heads, and gets fewer now.",
    "Once the heads are merged again, how long is a token's vector, and who reads it?",
)
NOT_ALL_THREE = Mistake(
    "not all three are cut",
    "Of query, key and value, some are as large as before.",
    "If a head is gone, which of its three maps is still needed?",
)
INTERLEAVED = Mistake(
    "every n-th row is taken for a head",
    "You keep the rows n, n + heads, n + 2 · heads, ... for head n. A head's rows stand side by side.",
    "`split_heads` (lesson 04) gives head 0 the first *size* numbers of every token. Which rows make them?",
)
OTHER_HEADS = Mistake(
    "the heads to keep are cut",
    "You cut the heads whose numbers were given, and keep the others.",
    "What does the name of the second parameter say?",
)
FIRST_ONES = Mistake(
    "the first heads are kept",
    "You keep as many heads as asked for, but always the first ones.",
    "Where does your code use the *numbers* in `keep`, and not only how many they are?",
)
ZEROED = Mistake(
    "zeros, not fewer rows",
    "You set the other heads' numbers to 0. Their answers are gone, but the matrices are as large as before: nothing "
    "is saved.",
    "What is the shape of query's weight after a cut that saves time?",
)
NEW_LAYER = Mistake(
    "the given layer is not changed",
    "What you return is right, but it is another layer: the one in the model is as it was.",
    "Does the card ask for a copy, or for a change in place?",
)
FEATURES = Mistake(
    "in_features or out_features say the old size",
    "The weights are right, but `out_features` of query, key or value, or `in_features` of attended, still says the "
    "old size, and whoever asks is misled.",
    "How would somebody who prunes this layer a second time find the size of a head?",
)
PRUNED_BEFORE = Mistake(
    "a layer that was pruned before",
    "Right for a whole layer. On a layer that has lost heads before, you take a head's size from the layer's width, "
    "which no longer is what its heads make up together.",
    "Which number of the layer shrinks with its heads, and which does not?",
)
NOTHING_CUT = Mistake(
    "nothing is cut",
    "What you return is the layer as it was: all weights are there, unchanged.",
    "Which layer does your code change, and which does it return?",
)
HEAD_MISTAKES = (
    NOTHING_CUT, ZEROED, NEW_LAYER, OTHER_HEADS, FIRST_ONES, INTERLEAVED, QKV_COLUMNS, NOT_ALL_THREE, NO_BIAS,
    ATTENDED_LEFT, ATTENDED_ROWS, ATTENDED_BIAS, HEADS_LEFT, FEATURES, PRUNED_BEFORE,
)  # fmt: skip


def _state(layer: Layer) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in layer.state_dict().items()}


def _alike(a: dict[str, Tensor], b: dict[str, Tensor], names: Sequence[str]) -> bool:
    return all(a[name].shape == b[name].shape and torch.equal(a[name], b[name]) for name in names)


def _cut(layer: Layer, rows: Tensor) -> dict[str, Tensor]:
    """What the attention's weights are when these rows of heads are kept, and nothing else is done."""
    old = _state(layer)
    new = {f"{name}.{kind}": old[f"{name}.{kind}"][rows] for name in MATRICES[:3] for kind in ("weight", "bias")}
    return new | {"attended.weight": old["attended.weight"][:, rows], "attended.bias": old["attended.bias"]}


QKV = [f"{name}.{kind}" for name in MATRICES[:3] for kind in ("weight", "bias")]
QKV_WEIGHTS = QKV[::2]


def _of_heads(fn: Callable, seed: int = 5) -> Finding | Mistake | None:
    """Name what is wrong with a pruned layer; None when nothing is."""
    keep, layer = [1, 2, 5], _layer(seed, 12, 6)
    before, mine = _state(copy.deepcopy(layer)), copy.deepcopy(layer)
    returned = fn(mine, list(keep))
    right = prune_heads(copy.deepcopy(layer), keep)
    wanted, found = _state(right), _state(returned)
    attention = [*QKV, "attended.weight", "attended.bias"]
    if returned is not mine and _alike(found, wanted, attention) and _alike(_state(mine), before, attention):
        return NEW_LAYER
    size, heads = 2, 6
    if _alike(found, wanted, attention):
        if returned.heads != right.heads:
            return HEADS_LEFT
        if not _alike(found, wanted, [name for name in wanted if name not in attention]):
            text = "The attention is right, but other weights of the layer have changed too."
            return Finding("other weights have changed", text, "Which matrices of a layer know of heads?")
        return _pruned_again(fn) or _features(mine)
    if _alike(found, before, attention):
        return NOTHING_CUT
    if all(found[name].shape == before[name].shape for name in attention):
        return ZEROED
    for mistake, rows in (
        (OTHER_HEADS, [h * size + i for h in range(heads) if h not in keep for i in range(size)]),
        (FIRST_ONES, list(range(len(keep) * size))),
        (INTERLEAVED, [h + i * heads for h in keep for i in range(size)]),
        (INTERLEAVED, sorted(h + i * heads for h in keep for i in range(size))),
    ):
        other = _cut(layer, torch.tensor(rows))
        if _alike(found, other, QKV_WEIGHTS[:1]):
            return mistake
    rows = torch.tensor([h * size + i for h in keep for i in range(size)])
    if any(_alike(found, {name: before[name][:, rows]}, [name]) for name in QKV_WEIGHTS):
        return QKV_COLUMNS
    cut = [_alike(found, wanted, [name]) for name in QKV_WEIGHTS]
    if any(cut) and any(_alike(found, before, [name]) for name in QKV_WEIGHTS):
        return NOT_ALL_THREE
    if all(cut) and any(found[name].shape == before[name].shape for name in QKV[1::2]):
        return NO_BIAS
    if _alike(found, before, ["attended.weight"]) and all(cut):
        return ATTENDED_LEFT
    if _alike(found, {"attended.weight": before["attended.weight"][rows]}, ["attended.weight"]):
        return ATTENDED_ROWS
    if found["attended.bias"].shape != before["attended.bias"].shape:
        return ATTENDED_BIAS
    wrong = next(name for name in attention if not _alike(found, wanted, [name]))
    text = f"Of a layer with six heads of size 2, heads 1, 2 and 5 are kept. Your `{wrong}` is not what is left of it."
    return Finding("another matrix", text, "Which rows belong to head 1, and do you keep them in their order?")


def _pruned_again(fn: Callable) -> Mistake | None:
    """The layer has three heads left, 0 to 2; now one more goes. It is given whole, whatever the first cut left."""
    whole = prune_heads(_layer(9, 12, 6), [0, 3, 4])
    right, mine = prune_heads(copy.deepcopy(whole), [0, 2]), fn(copy.deepcopy(whole), [0, 2])
    return None if _alike(_state(mine), _state(right), list(_state(right))) else PRUNED_BEFORE


def _features(layer: Layer) -> Mistake | None:
    told = [getattr(layer, name).out_features for name in MATRICES[:3]] + [layer.attended.in_features]
    real = [len(getattr(layer, name).weight) for name in MATRICES[:3]] + [layer.attended.weight.shape[1]]
    return None if told == real else FEATURES


def cuts_heads(fn: Callable) -> Finding | Mistake | None:
    """The weights that are left are those of the heads to keep, in the layer that was given."""
    return _of_heads(fn)


def _is(mistake: Mistake, judge: Callable) -> Mistake:
    """The same mistake, which the engine also recognises where the shapes are wrong already."""
    return Mistake(mistake.name, mistake.symptom, mistake.question, matches=lambda fn, _: judge(fn) is mistake)


PRUNE_HEADS = Exercise(
    name="prune_heads", lesson="11", title="Prune heads", points=4, minutes=10, difficulty=4,
    reference=prune_heads, probes=heads_probes, properties=[cuts_heads], tolerance=ANY_VALUE,
    mistakes=[_is(mistake, _of_heads) for mistake in HEAD_MISTAKES],
    hints=(
        "A token's query is one long vector of which head 0 has the first piece (lesson 04, `split_heads`). Which rows "
        "of query's weight make the piece of head 2, if each head has size 32?",
        "Head h has the rows h · size to (h + 1) · size - 1, of the weight **and** the bias. `attended` reads the "
        "heads side by side: there the same numbers are *columns* of the weight, and its bias stays.",
        "# size: how many numbers a head has (of all that query gives out)\n"
        "# rows: the numbers of all rows of the heads to keep, head after head\n"
        "# for query, key and value:\n"
        "#     weight and bias become new nn.Parameters, of those rows alone\n"
        "#     out_features becomes their number\n"
        "# attended: weight becomes a new nn.Parameter of those columns; in_features\n"
        "# layer.heads becomes the number of heads that are left\n"
        "# return layer",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# quantize_rows. A row of zeros has no certain scale, so it is a property's.


def _rows(rows: int, columns: int, seed: int) -> Tensor:
    """Rows of very different size, of which some have their largest entry below 0."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator) * torch.logspace(-1, 0.7, rows)[:, None]
    weight[:, 0] = weight.abs().amax(dim=1) * torch.tensor([1.13, -1.21]).repeat(rows)[:rows]
    return weight


def rows_probes(seed: int = 0) -> list[Probe]:
    return [
        Probe((torch.tensor([[0.31, -0.12, 0.02], [-2.3, 0.9, 1.1]]),), "two rows, one of them ten times as large"),
        Probe((torch.tensor([[-0.5, -0.2, -0.11]]),), "a row below 0"),
        Probe((_rows(3, 4, seed),), "three rows"),
        Probe((_rows(4, 6, seed + 1).double(),), "double precision"),
        Probe((_rows(5, 16, seed + 2),), "five rows of sixteen"),
    ]


def _rounded(scale: Callable[[Tensor], Tensor], to_codes: Callable = torch.round) -> Callable:
    """quantize_rows with another scale, or another way to make whole numbers."""

    def imitation(weight: Tensor) -> tuple[Tensor, Tensor]:
        s = scale(weight)
        return to_codes(weight / s).to(torch.int64).to(torch.int8), s  # int64 first: what does not fit wraps around

    return imitation


def _largest(weight: Tensor, by: float = 127) -> Tensor:
    return weight.abs().amax(dim=1, keepdim=True) / by


def _whole(weight: Tensor) -> Tensor:
    return weight.abs().max() / 127


def _whole_in_rows(weight: Tensor) -> Tensor:
    return _whole(weight).expand(len(weight), 1)


def _without_axis(weight: Tensor) -> tuple[Tensor, Tensor]:
    codes, scale = quantize_rows(weight)
    return codes, scale[:, 0]


def _upside_down(weight: Tensor) -> tuple[Tensor, Tensor]:
    codes, scale = quantize_rows(weight)
    return codes, 1 / scale


def _product(weight: Tensor) -> tuple[Tensor, Tensor]:
    codes, scale = quantize_rows(weight)
    return codes * scale, scale


def _clamped(weight: Tensor) -> Tensor:
    return weight.round().clamp(-128, 127)


ZERO_ROW = Mistake(
    "a row of zeros is divided by zero",
    "Right for rows that hold a number. In a row of zeros the scale is 0 and 0/0 is NaN, not a number; what a "
    "processor makes of NaN as a whole number is its own affair.",
    "Which scale will do for a row of which every code is 0 anyhow?",
)
NOT_INT8 = Finding(
    "the codes are not int8",
    "The codes are the right numbers, but of another type: as floats they take as many bytes as the weights did.",
    "Which method of a tensor changes its dtype?",
)


class _NanCast(TorchDispatchMode):
    """Sees whether NaN is turned into int8 under it."""

    seen = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and out.dtype == torch.int8:
            floats = [x for x in args if isinstance(x, Tensor) and x.dtype.is_floating_point]
            self.seen |= any(bool(x.isnan().any()) for x in floats)
        return out


def bears_zeros(fn: Callable) -> Finding | Mistake | None:
    """A row of zeros comes back as zeros, and the codes are int8."""
    if not close(fn(_rows(3, 4, 0)), quantize_rows(_rows(3, 4, 0))):
        return None  # there is a mistake in other rows too
    weight = torch.tensor([[0.0, 0.0, 0.0], [0.5, -1.0, 0.26]])
    with _NanCast() as watch:
        codes, scale = fn(weight.clone())
    codes, scale = torch.as_tensor(codes), torch.as_tensor(scale)
    back = codes.double() * scale.double()
    if watch.seen or not torch.equal(back[0], torch.zeros(3, dtype=torch.float64)):
        return ZERO_ROW
    return None if codes.dtype == torch.int8 else NOT_INT8


QUANTIZE_ROWS = Exercise(
    name="quantize_rows", lesson="11", title="Round to eight bits", points=3, minutes=8, difficulty=3,
    reference=quantize_rows, probes=rows_probes, properties=[bears_zeros],
    mistakes=[
        Mistake("one scale for the whole matrix", "All rows share a scale: a row of small numbers is left with few "
                "codes that differ, or none.", "Over which axis should the largest entry be sought?",
                matches=_any_of(_rounded(_whole), _rounded(_whole_in_rows), _rounded(lambda w: _whole(w)[None, None]))),
        Mistake("a scale for each column", "You have made a scale for each column; a row of a matrix is what makes one "
                "output, and has a scale of its own.", "Which axis disappears in `amax(dim=0)`?",
                matches=_any_of(_rounded(lambda w: w.abs().amax(dim=0, keepdim=True) / 127),
                                _rounded(lambda w: w.abs().amax(dim=0) / 127))),
        Mistake("cut off, not rounded", "Your codes are cut off, towards 0 or downwards: the error is up to a whole "
                "step, not half of one.", "What does a float become when it is only cast to int8?",
                matches=_any_of(_rounded(_largest, torch.trunc), _rounded(_largest, torch.floor))),
        Mistake("the largest entry, not the largest in size", "Where a row's largest number in size is below 0, your "
                "scale is too small, or below 0 itself, and codes leave their range.",
                "Which is larger in absolute value, 0.9 or -2.3?",
                matches=_any_of(_rounded(lambda w: w.amax(dim=1, keepdim=True) / 127),
                                _rounded(lambda w: w.amax(dim=1, keepdim=True) / 127, _clamped))),
        Mistake("divided by 128", "You divide by 128. The largest entry of a row then wants the code 128, which int8 "
                "does not have: it becomes -128, with the sign turned round, or has to be cut to 127.",
                "What is the largest number that int8 can hold?",
                matches=_any_of(_rounded(lambda w: _largest(w, 128)), _rounded(lambda w: _largest(w, 128), _clamped))),
        Mistake("the scale is upside down", "The codes are right; your scale is what the weights were multiplied by, "
                "and should be what the codes are multiplied by.", "Which of the two is weight ≈ codes · scale?",
                imitation=_upside_down),
        Mistake("weights, not codes", "You return the rounded *weights*, codes times scale; asked for are the codes, "
                "whole numbers from -127 to 127.", "What would be stored in eight bits?", imitation=_product),
        Mistake("the scale has lost an axis", "Your scale has the shape (rows,), so codes · scale would multiply "
                "columns, or not work at all.", "What does `keepdim=True` keep?", imitation=_without_axis),
        Mistake("half of the range", "The largest entry of a row gets the code 63 or 64: half of the codes are never "
                "used, so the error is twice what it need be.", "From where to where do the codes run?",
                matches=_any_of(*(_rounded(lambda w, by=by: _largest(w, by)) for by in (63, 63.5, 64)))),
        ZERO_ROW,
    ],
    hints=(
        "The largest entry of a row, in size, should get the code 127 or -127. What is the step between two codes?",
        "scale = max |weight| of the row / 127, and codes = weight / scale, rounded. `amax(dim, keepdim=True)` keeps "
        "the axis; `torch.finfo(weight.dtype).tiny` is the smallest number above 0 that a scale could be.",
        "# scale: the largest size in each row (keep the axis), divided by 127\n"
        "# clamp the scale, so that it is above 0 in a row of zeros\n"
        "# codes: weight divided by scale, rounded, as int8\n"
        "# return codes and scale",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# factorise_table


def _table(rows: int, width: int, seed: int) -> Tensor:
    """A table with a mean far from 0, directions of clearly different weight, and an order of columns that hides it."""
    generator = torch.Generator().manual_seed(seed)
    left, _ = torch.linalg.qr(torch.randn(rows, width, generator=generator, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64))
    sizes = torch.tensor([5.0, 3.5, 2.2, 1.4, 0.8])[:width].double()
    return ((left * sizes) @ right + 0.4).float()


def table_probes(seed: int = 0) -> list[Probe]:
    return [
        Probe((_table(5, 3, seed), 1), "one direction of three"),
        Probe((_table(7, 4, seed + 1), 2), "two of four"),
        Probe((_table(9, 5, seed + 2).double(), 3), "three of five, in double precision"),
        Probe((_table(6, 3, seed + 3), 3), "the whole rank"),
    ]


FIRST_COLUMNS = Mistake(
    "the first columns of the table",
    "Your narrow table is the first columns of the table. What the others hold is lost, and no column is better than "
    "another.",
    "In which *direction* of its space does the table vary most, and need it be a column?",
)
VALUES_LOST = Mistake(
    "the singular values are lost",
    "Your product has the right directions, each at the same length: the singular values, which say how far the table "
    "reaches in each, are missing.",
    "table = u · diag(s) · vh. Which of the three parts is not in your product?",
)
VALUES_TWICE = Mistake(
    "the singular values are used twice",
    "Your product has each direction's singular value squared.",
    "In how many of the two parts may s appear?",
)
SPLIT = Mistake(
    "the right product, split another way",
    "Your product is the best there is. But the rows of widen are not orthonormal, so the rows of narrow are not as "
    "far from each other as the words were, and a student that is as narrow would begin with a bent table.",
    "To which part do the singular values belong, if widen alone may only turn?",
)
V_ROWS = Mistake(
    "V, where its transpose belongs",
    "The directions are the *columns* of V, which `torch.svd` returns; you take rows of it.",
    "`torch.linalg.svd` returns vh. Is a direction a row of it, or a column?",
)
WHOLE = Mistake(
    "the whole rank is kept",
    "Narrow is as wide as the table was: nothing is saved.",
    "Where does your code use `rank`?",
)
CENTRED = Mistake(
    "the mean is taken off first",
    "You take off the mean row first, as in a principal component analysis. Then narrow @ widen is not near the "
    "table: nobody adds the mean again.",
    "Of which matrix should the product be the best approximation?",
)
WEAKEST = Mistake(
    "the weakest directions",
    "You keep the directions in which the table varies least.",
    "In which order do singular values come, and in which do eigenvalues from `eigh`?",
)
ON_ITS_SIDE = Mistake(
    "widen stands on its side",
    "Your widen has the shape (width, rank): narrow @ widen cannot be computed.",
    "What shape must the second factor have, if the product is (words, width)?",
)
SQUARE = Mistake(
    "a matrix of words by words",
    "The parts are right. On the way you make the whole u, (words, words): for 30,000 words that alone takes 3.7 GB.",
    "What does `full_matrices=False` leave out?",
)
PART_MISTAKES = (
    ON_ITS_SIDE, WHOLE, SPLIT, FIRST_COLUMNS, VALUES_LOST, VALUES_TWICE, V_ROWS, CENTRED, WEAKEST, SQUARE,
)  # fmt: skip


class _Svd(TorchFunctionMode):
    """Sees whether torch's decomposition is asked for whole matrices under it."""

    whole = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.linalg.svd:
            self.whole |= bool(kwargs.get("full_matrices", args[1] if len(args) > 1 else True))
        return func(*args, **kwargs)


def _near(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool((a - b).norm() <= 1e-3 * b.norm())


def _of_parts(fn: Callable, seed: int = 3) -> Finding | Mistake | None:
    """Name what is wrong with a factorised table; None when nothing is."""
    table, rank = _table(8, 5, seed).double(), 2
    with _Svd() as watch:
        parts = fn(table.clone(), rank)
    narrow, widen = (torch.as_tensor(part).detach().double() for part in parts)
    u, s, vh = torch.linalg.svd(table, full_matrices=False)
    best = u[:, :rank] * s[:rank] @ vh[:rank]
    if narrow.shape == (8, 5) or widen.shape == (5, 5):
        return WHOLE
    if widen.shape == (5, rank):
        return ON_ITS_SIDE
    if narrow.shape != (8, rank) or widen.shape != (rank, 5):
        return None  # the engine says which shapes are expected
    product = narrow @ widen
    if _near(product, best):
        if not _near(widen @ widen.T, torch.eye(rank, dtype=torch.float64)):
            return SPLIT
        return SQUARE if watch.whole else _in_full(fn)
    if _near(narrow, table[:, :rank]):
        return FIRST_COLUMNS
    middle = table - table.mean(dim=0)
    axes = torch.linalg.svd(middle, full_matrices=False)[2][:rank]
    flat = middle - middle.mean(dim=1, keepdim=True)
    v = vh.T
    for mistake, wrong in (
        (VALUES_LOST, u[:, :rank] @ vh[:rank]),
        (VALUES_TWICE, u[:, :rank] * s[:rank].square() @ vh[:rank]),
        (V_ROWS, u[:, :rank] * s[:rank] @ v[:rank]),
        (V_ROWS, table @ v[:rank].T @ v[:rank]),
        (V_ROWS, table @ vh[:, :rank] @ vh[:, :rank].T),
        (V_ROWS, table @ vh[:, :rank] @ vh[:rank]),
        (CENTRED, middle @ axes.T @ axes),
        (CENTRED, table @ axes.T @ axes),
        (CENTRED, flat @ axes.T @ axes),
        (WEAKEST, u[:, -rank:] * s[-rank:] @ vh[-rank:]),
    ):
        if _near(product, wrong):
            return mistake
    lost, least = (float((table - x).square().sum()) for x in (product, best))
    text = f"A table of 8 words, rank 2: the squared differences add up to {lost:.3g}, and {least:.3g} is possible."
    return Finding("not the best product", text, "Which directions of the table do you keep, and what of each?")


def _in_full(fn: Callable) -> Finding | None:
    """At the whole rank the product is the table itself, wide tables included."""
    for table, rank in ((_table(6, 3, 1), 3), (_table(7, 4, 2).T.contiguous(), 3)):
        u, s, vh = torch.linalg.svd(table, full_matrices=False)
        narrow, widen = (torch.as_tensor(part).detach().float() for part in fn(table.clone(), rank))
        if not _near(narrow @ widen, u[:, :rank] * s[:rank] @ vh[:rank]):
            size = tuple(table.shape)
            text = f"Right for a table of (8, 5); for one of {size} and rank {rank} your product is not the best."
            return Finding(
                "another shape of table", text, "Does your code rely on there being more words than columns?"
            )
    return None


def is_the_best(fn: Callable) -> Finding | Mistake | None:
    """The product is the best of its rank, and widen only turns."""
    return _of_parts(fn)


FACTORISE_TABLE = Exercise(
    name="factorise_table", lesson="11", title="A narrower word table", points=3, minutes=8, difficulty=3,
    reference=factorise_table, probes=table_probes, properties=[is_the_best], tolerance=ANY_VALUE,
    mistakes=[_is(mistake, _of_parts) for mistake in PART_MISTAKES],
    hints=(
        "A matrix can be written as a sum of directions, from the one in which it reaches furthest to the one in which "
        "it hardly reaches. Which of them would you keep?",
        "table = u · diag(s) · vh, with s in falling order; the rows of vh are orthonormal. "
        "`torch.linalg.svd(table, full_matrices=False)` returns the three parts.",
        "# u, s, vh: the singular value decomposition of the table, without full matrices\n"
        "# narrow: the first columns of u, each times its singular value\n"
        "# widen: the first rows of vh\n"
        "# return narrow and widen",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# early_exit. Each layer adds a constant of its own to its logits, which changes no probability.


def _logits(top: Sequence[Sequence[float]], answers: Sequence[Sequence[int]], dtype=torch.float32) -> Tensor:
    """Return logits (layers, texts, 4) with these largest probabilities, at these classes."""
    p = torch.tensor(top, dtype=torch.float64)
    rest = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    probs = torch.empty(*p.shape, 4, dtype=torch.float64)
    for i, row in enumerate(answers):
        for j, answer in enumerate(row):
            others = [c for c in range(4) if c != answer]
            probs[i, j, answer], probs[i, j, others] = p[i, j], (1 - p[i, j]) * rest
    shift = torch.arange(p.numel(), dtype=torch.float64).view(*p.shape, 1) * 0.37 - 0.6
    return (probs.log() + shift).to(dtype)


def exit_probes(seed: int = 0) -> list[Probe]:
    three = [[0.55, 0.91, 0.45, 0.52], [0.86, 0.74, 0.57, 0.62], [0.71, 0.95, 0.66, 0.9]]
    four = [[0.48, 0.83, 0.6, 0.75, 0.52], [0.66, 0.5, 0.72, 0.9, 0.47], [0.93, 0.88, 0.55, 0.44, 0.61]]
    four += [[0.81, 0.7, 0.97, 0.6, 0.5]]
    generator = torch.Generator().manual_seed(seed)
    many = (0.3 + 0.69 * torch.rand(4, 12, generator=generator, dtype=torch.float64)).tolist()
    classes = torch.randint(4, (4, 12), generator=generator).tolist()
    return [
        Probe((_logits([[0.8], [0.9]], [[1], [2]]), 0.7), "one text, sure at once"),
        Probe((_logits([[0.5], [0.6], [0.55]], [[1], [2], [0]]), 0.9), "one text, of which no layer is sure"),
        Probe((_logits(three, [[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1]]), 0.7), "three layers, four texts"),
        Probe((_logits(four, [[0, 1, 2, 3, 0]] * 2 + [[1, 2, 3, 0, 1]] * 2, torch.float64), 0.65), "four layers"),
        Probe((_logits(many, classes), 0.85), "twelve texts"),
    ]


def _chosen(layer: Callable[[Tensor, float], Tensor]) -> Callable:
    """early_exit with another choice of the layer, counted from 0."""

    def imitation(logits: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
        number = layer(logits, threshold)
        return logits[number, torch.arange(logits.shape[1])], number + 1

    return imitation


def _top(logits: Tensor, dim: int = -1) -> Tensor:
    return logits.softmax(dim=dim).amax(dim=-1)


def _first(sure: Tensor, or_last: bool = True) -> Tensor:
    sure = sure.clone()
    if or_last:
        sure[-1] = True
    return sure.int().argmax(dim=0)


def _last_sure(logits: Tensor, threshold: float) -> Tensor:
    sure = _top(logits) >= threshold
    last = len(sure) - 1 - sure.flip(0).int().argmax(dim=0)
    return torch.where(sure.any(dim=0), last, len(sure) - 1)


def _of_all(rule: Callable[[Tensor, float], Tensor]) -> Callable:
    """One layer for the whole batch: the first for which the rule, over the texts, holds."""

    def layer(logits: Tensor, threshold: float) -> Tensor:
        return _first(rule(_top(logits), threshold)).expand(logits.shape[1])

    return _chosen(layer)


def _entropy(logits: Tensor) -> Tensor:
    return torch.special.entr(logits.softmax(dim=-1)).sum(dim=-1)


def _counted_from_0(logits: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    answer, layer = early_exit(logits, threshold)
    return answer, layer - 1


def _probabilities(logits: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    answer, layer = early_exit(logits, threshold)
    return answer.softmax(dim=-1), layer


def _classes(logits: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    answer, layer = early_exit(logits, threshold)
    return answer.argmax(dim=-1), layer


def _all_logits_of_last(logits: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    return logits[-1], early_exit(logits, threshold)[1]


MORE_THAN = Mistake(
    "more than the threshold",
    "Right, but for a probability that is exactly the threshold: *at least* includes it.",
    "Which comparison says *at least*?",
)


def is_sure_at_the_threshold(fn: Callable) -> Mistake | None:
    """A probability of exactly the threshold is sure enough."""
    logits = torch.tensor([[[0.0, -200.0]], [[0.0, 2.0]]])  # 1 and 0, exactly, and in logarithms too
    usual, edge = (close(fn(logits.clone(), t), early_exit(logits, t)) for t in (0.45, 1.0))
    return MORE_THAN if usual and not edge else None


EARLY_EXIT = Exercise(
    name="early_exit", lesson="11", title="Early exit", points=3, minutes=8, difficulty=3,
    reference=early_exit, probes=exit_probes, properties=[is_sure_at_the_threshold],
    mistakes=[
        Mistake("where no layer is sure, the first answers", "Of a text of which no layer is sure, you take layer 1. "
                "`argmax` over a row of False returns its first place, and says nothing.",
                "Who has to answer when nobody was sure, and how could your mask say so?",
                imitation=_chosen(lambda z, t: _first(_top(z) >= t, or_last=False))),
        Mistake("the last sure layer", "You take the last layer that is sure. The text should have left after the "
                "first: the layers in between would have been run for nothing.",
                "In which direction do you look for a sure layer?", imitation=_chosen(_last_sure)),
        Mistake("the surest layer", "You take the layer that is surest, wherever it stands. To find it, all layers "
                "have to be run.", "What could you know of layer 6 after layer 2?",
                imitation=_chosen(lambda z, t: _top(z).argmax(dim=0))),
        Mistake("always the last layer", "The last layer answers every text.",
                "Where in your code is the threshold compared with something?",
                imitation=_chosen(lambda z, t: torch.full((z.shape[1],), len(z) - 1))),
        Mistake("layers counted from 0", "The answers are right. Your layers are counted from 0, so that their mean is "
                "one too small, and the time saved looks larger than it is.",
                "Through how many layers has a text passed that leaves after the first?", imitation=_counted_from_0),
        Mistake("logits against the threshold", "You compare logits with the threshold; a constant added to all logits "
                "of a row changes who is sure.", "What turns logits into probabilities?",
                imitation=_chosen(lambda z, t: _first(z.amax(dim=-1) >= t))),
        Mistake("probabilities over another axis", "Your softmax runs over the layers, or over the texts: what "
                "one text is told depends on others.",
                "Over which of (layers, texts, classes) must probabilities sum to 1?",
                matches=_any_of(_chosen(lambda z, t: _first(_top(z, 0) >= t)),
                                _chosen(lambda z, t: _first(_top(z, 1) >= t)))),
        Mistake("one exit for the whole batch", "All texts of a batch leave after the same layer: an easy text waits "
                "for a hard one, or a hard one leaves with an easy one.",
                "Which of (layers, texts) may be left when you look for the first sure layer?",
                matches=_any_of(_of_all(lambda p, t: (p >= t).all(dim=1)), _of_all(lambda p, t: (p >= t).any(dim=1)),
                                _of_all(lambda p, t: p.mean(dim=1) >= t))),
        Mistake("unsure ones leave", "A text leaves after the first layer that is *not* sure of it.",
                "Which way does your comparison with the threshold point?",
                imitation=_chosen(lambda z, t: _first(_top(z) < t))),
        Mistake("entropy against the threshold", "You compare the entropy with the threshold, as DeeBERT does; here a "
                "layer is sure when its largest *probability* is large enough.",
                "Which of the two grows when a layer becomes surer?",
                matches=_any_of(_chosen(lambda z, t: _first(_entropy(z) <= t)),
                                _chosen(lambda z, t: _first(_entropy(z) >= t)))),
        Mistake("probabilities, not logits", "The layers are right. You return the probabilities of the layer that "
                "answers; asked for are its logits.", "What does `softmax` make of probabilities, if it is used twice?",
                imitation=_probabilities),
        Mistake("the class, not the logits", "You return the class that the layer answers; asked for are its logits.",
                "What shape does the card give for the first result?", imitation=_classes),
        Mistake("the last layer's logits", "The layer numbers are right, but the logits are those of the last layer, "
                "each time.", "How can each text be given its own layer in one index?", imitation=_all_logits_of_last),
        MORE_THAN,
    ],
    hints=(
        "Make a table of who is sure: a row for each layer, a column for each text. Where in a column does the answer "
        "stand, and what if the column is empty?",
        "`probs.amax(dim=-1) >= threshold` is that table. `argmax` over a column of 0 and 1 finds its *first* 1, and "
        "for a column of zeros the first 0. `logits[layer, torch.arange(texts)]` takes a layer for each text.",
        "# sure: (layers, texts), whether the largest probability is at least the threshold\n"
        "# the last layer counts as sure of everything\n"
        "# layer: for each text the first layer that is sure (argmax wants numbers, not bools)\n"
        "# return the logits of each text at its layer, and the layers counted from 1",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# pareto_front


def front_probes(seed: int = 0) -> list[Probe]:
    rng = np.random.default_rng(seed)
    many = rng.random((12, 3)).round(3)
    many[7] = many[2]  # two equal ones
    return [
        Probe((np.array([[3.0, 0.2]]),), "one model"),
        Probe((np.array([[2.0, 0.4], [1.0, 0.2]]),), "the second beats the first"),
        Probe((np.array([[1.0, 0.3], [2.0, 0.2], [2.5, 0.25]]),), "three models; only the last is beaten"),
        Probe((np.array([[1.0, 0.3], [1.0, 0.3], [2.0, 0.3], [1.0, 0.4]]),), "two are equal, two are worse in one way"),
        Probe((np.array([[3.0, 0.1, 5.0], [2.0, 0.2, 6.0], [2.0, 0.2, 7.0], [2.5, 0.15, 4.0], [9.0, 0.9, 1.0]]),),
              "three measures"),
        Probe((many,), "twelve models, two of them equal"),
    ]  # fmt: skip


def _no_worse(costs: np.ndarray) -> np.ndarray:
    return (costs[:, None] <= costs[None]).all(axis=-1)


def _better(costs: np.ndarray) -> np.ndarray:
    return (costs[:, None] < costs[None]).any(axis=-1)


def _others(table: np.ndarray) -> np.ndarray:
    return table & ~np.eye(len(table), dtype=bool)


def _against(number: Callable[[int], Sequence[int]]) -> Callable:
    """Each model is compared with a few others only."""

    def imitation(costs: np.ndarray) -> np.ndarray:
        beats = _no_worse(costs) & _better(costs)
        return np.array([not any(beats[i, j] for i in number(j) if i < len(costs)) for j in range(len(costs))])

    return imitation


def _cheapest(costs: np.ndarray) -> np.ndarray:
    return (costs == costs.min(axis=0)).any(axis=1)


def _one_each(costs: np.ndarray) -> np.ndarray:
    return np.isin(np.arange(len(costs)), costs.argmin(axis=0))


def _least_sum(costs: np.ndarray) -> np.ndarray:
    return costs.sum(axis=1) == costs.sum(axis=1).min()


PARETO_FRONT = Exercise(
    name="pareto_front", lesson="11", title="The frontier", points=3, minutes=8, difficulty=3,
    reference=pareto_front, probes=front_probes,
    mistakes=[
        Mistake("every model beats itself", "No model is left: each is nowhere worse than itself.",
                "What beside *nowhere worse* does it take to beat?",
                imitation=lambda c: ~_no_worse(c).any(axis=0)),
        Mistake("equal models beat each other", "Two models with the same costs throw each other out, and neither is "
                "left.", "Is either of them somewhere better than the other?",
                imitation=lambda c: ~_others(_no_worse(c)).any(axis=0)),
        Mistake("beaten only when worse in every measure", "You let a model stand that is as good as another in one "
                "measure and worse in the rest.",
                "Of two models with the same accuracy, one takes twice the time. Is it worth a look?",
                imitation=lambda c: ~(c[:, None] < c[None]).all(axis=-1).any(axis=0)),
        Mistake("one better measure is enough", "You throw out every model that some other one beats in a single "
                "measure, however much better it is in the rest.",
                "How many measures may the one that beats be worse in?",
                imitation=lambda c: ~_better(c).any(axis=0)),
        Mistake("the beaten ones", "You mark the models that are beaten; asked for are those that are not.",
                "What does True stand for in the result?", imitation=lambda c: ~pareto_front(c)),
        Mistake("those that beat no other", "You mark the models that beat no other one, as if more were better; asked "
                "for are those that no other one beats.",
                "Accuracy goes in as 1 - accuracy, so which end of every measure is the good one, and along which axis "
                "of your table do the beaten ones lie?",
                imitation=lambda c: ~(_no_worse(c) & _better(c)).any(axis=1)),
        Mistake("only the best in each measure", "You keep the cheapest model in each measure. One that is second in "
                "all of them may be beaten by none.",
                "Is a model between the smallest and the most accurate always beaten by one of the two?",
                matches=_any_of(_cheapest, _one_each)),
        Mistake("costs are summed", "You add a model's costs up, though they are megabytes, milliseconds and shares.",
                "What would change if the milliseconds were seconds?", imitation=_least_sum),
        Mistake("not every pair is compared", "You compare a model with one or a few others only, such as the first "
                "one or its neighbour.", "How many comparisons does it take to know that nobody beats a model?",
                matches=_any_of(_against(lambda j: [0]), _against(lambda j: [j - 1] if j else []),
                                _against(lambda j: [j + 1]), _against(lambda j: range(j)),
                                _against(lambda j: [i for i in (j - 1, j + 1) if i >= 0]),
                                _against(lambda j: [i + j + 1 for i in range(99)]))),
        Mistake("the last measure is forgotten", "Right for two measures; a third one makes no difference to you.",
                "Does your code name the columns one by one?", imitation=lambda c: pareto_front(c[:, :2])),
        Mistake("numbers, not bools", "You return the numbers of the models, or the models themselves; asked for is a "
                "bool for each model.", "How long should the result be for 20 models?",
                matches=_any_of(lambda c: np.flatnonzero(pareto_front(c)), lambda c: c[pareto_front(c)])),
    ],
    hints=(
        "When does model A make model B not worth a look? Say it in two conditions, of which one says *all* and the "
        "other *any*.",
        "A beats B when A ≤ B in all measures and A < B in any. `costs[:, None] <= costs[None]` compares every pair at "
        "once: (models, models, measures).",
        "# no_worse[i, j]: whether i is at most j in all measures\n"
        "# better[i, j]: whether i is below j in any measure\n"
        "# j is beaten when any i is both\n"
        "# return those that are not beaten",
    ),
)  # fmt: skip

EXERCISES = [MAGNITUDE_MASK, PRUNE_HEADS, QUANTIZE_ROWS, FACTORISE_TABLE, EARLY_EXIT, PARETO_FRONT]
