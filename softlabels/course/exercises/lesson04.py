"""Lesson 04's exercises: attention, the two halves of multiple heads, the encoder layer, and mean pooling."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from softlabels.course.exercises.base import Exercise, Finding, Mistake, Probe, call, close
from softlabels.distill.bert import (
    Layer,
    SmallBertConfig,
    attention,
    encoder_layer,
    mean_pooling,
    merge_heads,
    split_heads,
)


def _like(*imitations: Callable) -> Callable[[Callable, Sequence[Probe]], bool]:
    """A test for a mistake that can be written in several ways: whether the answer gives what one of them gives."""
    known = {}  # (place of the imitation, probe) -> its value; the probe is kept so that its id stays its own

    def value_of(place: int, probe: Probe):
        if (place, id(probe)) not in known:
            known[place, id(probe)] = probe, call(imitations[place], probe.args)
        return known[place, id(probe)][1]

    def agrees(answers: list, place: int, probes: Sequence[Probe]) -> bool:
        theirs = (value_of(place, probe) for probe in probes)
        return all(
            mine.error is None and other.error is None and close(mine.value, other.value, inputs=probe.args)
            for mine, other, probe in zip(answers, theirs, probes, strict=True)
        )

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        answers = [call(fn, probe.args) for probe in probes]
        return any(agrees(answers, place, probes) for place in range(len(imitations)))

    return matches


def _random(seed: int) -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator)


# ---------------------------------------------------------------------------------------------------------------------
# attention


def attention_probes(seed: int = 0) -> list[Probe]:
    random = _random(seed)
    padded = torch.tensor([[True, True, True, False], [True, False, True, True]])  # padding may stand anywhere
    return [
        Probe((*random(3, 1, 1, 2, 3), torch.tensor([[True, True]]), 0.0), "two tokens, one head, no padding"),
        Probe((*random(3, 1, 1, 3, 2), torch.tensor([[True, True, False]]), 0.0), "three tokens, the last is padding"),
        Probe((*random(3, 2, 3, 4, 6), padded, 0.0), "two texts, three heads, padding"),
        Probe((*random(3, 2, 3, 4, 9).double(), padded, 0.0), "double precision"),
        Probe((*random(3, 2, 2, 7, 16), torch.arange(7) < torch.tensor([[7], [5]]), 0.0), "heads of size 16"),
    ]


def _attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, *, scale=None, axis=-1, hide=None, after=None, gather=None
) -> tuple[Tensor, Tensor]:
    """Attention with one part exchanged: scale (a function of the query), hide (of scores and mask), after, gather."""
    scores = query @ key.transpose(-2, -1)
    scores = scores / (scale(query) if scale else query.shape[-1] ** 0.5)
    hide = hide or (lambda scores, mask: scores.masked_fill(~mask[:, None, None, :], -torch.inf))
    weights = hide(scores, mask).softmax(dim=axis)
    weights = after(weights, mask) if after else weights
    return gather(weights, value) if gather else weights @ value, weights


def _but(**parts) -> Callable:
    return lambda query, key, value, mask, dropout: _attention(query, key, value, mask, **parts)


def _on_keys(mask: Tensor) -> Tensor:
    return mask[:, None, None, :]


def _on_queries(mask: Tensor) -> Tensor:
    return mask[:, None, :, None]


def _reshaped_key(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, dropout: float) -> tuple[Tensor, Tensor]:
    batch, heads, length, size = key.shape
    scores = query @ key.reshape(batch, heads, size, length) / size**0.5
    weights = scores.masked_fill(~_on_keys(mask), -torch.inf).softmax(dim=-1)
    return weights @ value, weights


MINUS_INFINITIES = (-torch.inf, -1e9, torch.finfo(torch.float32).min)


def drops_weights(fn: Callable) -> Finding | None:
    """Dropout: a weight is set to 0 or scaled up before the values are gathered, and comes back as it was."""
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 1, 6, 12)
    value = torch.eye(6).repeat(1, 2)[None, None]  # each value twice, so the gathered vectors are the weights, twice
    mask = torch.ones(1, 6, dtype=torch.bool)

    def result(dropout: float) -> list[Tensor]:
        return [torch.as_tensor(part) for part in fn(query.clone(), key.clone(), value.clone(), mask.clone(), dropout)]

    plain, (gathered, weights) = result(0.0)[1], result(0.5)
    if not close(plain, attention(query, key, value, mask)[1]):
        return None  # there is a mistake without dropout too
    once, twice = gathered.to(plain.dtype).split(6, dim=-1)
    kept = once != 0
    if not close(weights, plain):
        return Finding(
            "the weights come back after dropout",
            "With dropout you return the weights that are left. What a token read should come back as it was before.",
            "Which of your two results may dropout change?",
        )
    if close(once, plain) and close(twice, plain):
        return Finding(
            "dropout is not used",
            "Right at dropout 0. At dropout 0.5 your result is the same, and nothing is dropped.",
            "Where does the parameter `dropout` enter your code?",
        )
    if not close(once, twice):
        return Finding(
            "dropout of the values, not of the weights",
            "At dropout 0.5 you set numbers of the gathered vectors to 0. In BERT it is weights that are dropped, so a "
            "whole token goes unread.",
            "What is multiplied by the values: have you dropped some of it before?",
        )
    if close(once, torch.where(kept, plain, 0.0)):
        return Finding(
            "the kept weights are not scaled up",
            "At dropout 0.5 half of each sum is missing: what is kept has to be divided by 1 - dropout.",
            "Which function of torch.nn.functional drops and scales in one step?",
        )
    if not close(once, torch.where(kept, 2 * plain, 0.0)):
        return Finding(
            "dropout in another place",
            "At dropout 0.5 each weight should become 0 or twice what it was, just before the values are gathered.",
            "Is your dropout after the softmax?",
        )
    return None


ATTENTION = Exercise(
    name="attention", lesson="04", title="Attention", points=4, minutes=9, difficulty=3,
    reference=attention, probes=attention_probes, properties=[drops_weights],
    mistakes=[
        Mistake("not divided by √size", "Your weights are too sharp: the scores have not been divided by the square "
                "root of a head's size, so they grow with it.", "By what does the formula divide the scores?",
                matches=_like(_but(scale=lambda q: 1.0))),
        Mistake("divided by the size, not by its root", "Your weights are too even: the scores are divided by the size "
                "of a head, not by its square root.", "A sum of n products grows like which power of n?",
                matches=_like(_but(scale=lambda q: q.shape[-1]))),
        Mistake("multiplied by √size", "Your scores are multiplied by the square root of the size.",
                "Should a head with more numbers give larger scores, or does the root keep them level?",
                matches=_like(_but(scale=lambda q: q.shape[-1] ** -0.5))),
        Mistake("the root of another axis", "You divide by a square root, but of another number than the size of a "
                "head: of the length, or of the number of heads.", "Over which axis does the product of query and key "
                "sum?", matches=_like(*(_but(scale=lambda q, get=get: get(q) ** 0.5) for get in (
                    lambda q: q.shape[-2], lambda q: q.shape[1], lambda q: q.shape[0],
                    lambda q: q.shape[1] * q.shape[-1])))),
        Mistake("the mask is inverted", "Your tokens read the padding, and nothing but the padding.",
                "The mask is True at real tokens. Which scores does `masked_fill(mask, ...)` fill?",
                matches=_like(*(_but(hide=lambda s, m, low=low: s.masked_fill(_on_keys(m), low))
                                for low in MINUS_INFINITIES))),
        Mistake("softmax over the wrong axis", "The weights with which a token reads do not sum to 1: your softmax "
                "runs along another axis.", "In scores (batch, heads, readers, read), along which axis do one reader's "
                "weights lie?", matches=_like(*(_but(axis=axis, hide=hide) for axis in (-2, 1, 0) for hide in (
                    None, *(lambda s, m, low=low: s.masked_fill(~_on_keys(m), low) for low in MINUS_INFINITIES[1:]))))),
        Mistake("the mask is on the readers", "You mask the rows, that is, the tokens that read. The tokens that may "
                "not be read are the columns.", "Is it a query or a key that padding must be kept out of?",
                matches=_like(*(_but(hide=lambda s, m, low=low: s.masked_fill(~_on_queries(m), low))
                                for low in MINUS_INFINITIES))),
        Mistake("rows and columns are both masked", "Padding is not read, which is right; but in your code it does not "
                "read either. Its rows come out as NaN or even, where the formula gives them weights.",
                "Which of the two axes of the scores does the mask belong to?",
                matches=_like(*(_but(hide=lambda s, m, low=low: s.masked_fill(~(_on_keys(m) & _on_queries(m)), low))
                                for low in MINUS_INFINITIES))),
        Mistake("the mask comes after the softmax", "Padding gets no weight, but the weights of what is left do not "
                "sum to 1: the softmax had already shared them out.", "What does the softmax make of a score of minus "
                "infinity?", matches=_like(_but(hide=lambda s, m: s, after=lambda w, m: w * _on_keys(m)))),
        Mistake("scores of 0 instead of minus infinity", "You set the scores of the padding to 0, and exp(0) is 1: it "
                "is read like any other token.", "Which score becomes a weight of 0 in the softmax?",
                matches=_like(_but(hide=lambda s, m: s * _on_keys(m)))),
        Mistake("the mask is added", "You add True and False to the scores, that is 1 and 0: padding loses a little of "
                "its weight, not all of it.", "What must be added to a score to make its weight 0?",
                matches=_like(_but(hide=lambda s, m: s + _on_keys(m)), _but(hide=lambda s, m: s - ~_on_keys(m) * 1.0))),
        Mistake("a score that is not low enough", "Padding still gets some weight: the number that you put in place of "
                "its score is not low enough.", "What is the lowest score there is?",
                matches=_like(*(_but(hide=lambda s, m, low=low: s.masked_fill(~_on_keys(m), low))
                                for low in (-1.0, -5.0, -10.0)))),
        Mistake("the mask is not used", "Right without padding. With padding, your tokens read it too.",
                "What does your function do with `mask`?", matches=_like(_but(hide=lambda s, m: s))),
        Mistake("reshaped, not transposed", "The shape of your key fits, but its numbers are read in another order: "
                "`reshape` and `view` do not exchange axes.", "Which method exchanges two axes of a tensor?",
                imitation=_reshaped_key),
        Mistake("gathered the wrong way round", "Your weights are right, but you gather with their transpose: each "
                "token hands its value out, where it should collect.", "Row i of the weights belongs to reader i. Does "
                "your product run along that row?",
                matches=_like(_but(gather=lambda w, v: w.transpose(-2, -1) @ v))),
        Mistake("the two results changed places", "You return the weights first; the gathered values come first.",
                "In which order does the card list the two results?",
                imitation=lambda q, k, v, m, dropout: attention(q, k, v, m)[::-1]),
        Mistake("only one of the two results", "One of the two results is right, and the other one is missing.",
                "What does `return a, b` return?", matches=_like(
                    *(lambda q, k, v, m, dropout, place=place: attention(q, k, v, m)[place] for place in (0, 1)))),
    ],
    hints=(
        "Each token asks (query), each token offers (key): which product of two tensors holds one number for every "
        "pair of them, and which of these numbers must end as a weight of 0?",
        r"$W = \operatorname{softmax}\!\left(\dfrac{Q K^{\top}}{\sqrt{\text{size}}}\right)$ along the last axis, with "
        r"scores of $-\infty$ in the columns of padding. Gathered: $W V$.",
        "# scores: query times key with its last two axes exchanged, divided by the root of the size\n"
        "# put minus infinity into the scores where the mask is False; the mask needs two new axes to line up\n"
        "#     with (batch, heads, readers, read): which two?\n"
        "# weights: softmax along the last axis\n"
        "# return (weights after F.dropout) times value, and the weights",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# split_heads, merge_heads


def split_probes(seed: int = 0) -> list[Probe]:
    random = _random(seed)
    return [
        Probe((torch.arange(12.0).reshape(1, 2, 6), 2), "two tokens, two heads"),
        Probe((torch.arange(48.0).reshape(2, 3, 8), 4), "two texts, three tokens, four heads"),
        Probe((random(3, 5, 12).double(), 3), "three texts, double precision"),
        Probe((random(2, 4, 6), 1), "a single head"),
    ]


def _split(*axes: int, size_first: bool = False) -> Callable:
    def imitation(x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (-1, heads) if size_first else (heads, -1)).permute(*axes)

    return imitation


SPLIT_HEADS = Exercise(
    name="split_heads", lesson="04", title="Split the heads", points=1, minutes=3, difficulty=2,
    reference=split_heads, probes=split_probes,
    mistakes=[
        Mistake("reshaped in one go", "The shape is right, but your heads mix the numbers of different tokens: "
                "`reshape` and `view` keep the order of the numbers and do not exchange axes.",
                "After cutting the last axis you have (batch, length, heads, size). What is left to do?",
                imitation=lambda x, heads: x.reshape(len(x), heads, x.shape[1], -1)),
        Mistake("every n-th number", "Head 0 gets the numbers 0, n, 2n, ... of each vector; it should get the first "
                "`size` of them in a row.", "When the last axis is cut in two, which of the two new axes comes first?",
                matches=_like(_split(0, 3, 1, 2, size_first=True))),
        Mistake("heads and size changed places", "Your result has as many heads as a head has numbers: the last axis "
                "is cut into (size, heads), not into (heads, size).", "How many heads are asked for, and how many has "
                "your result?", matches=_like(_split(0, 2, 1, 3, size_first=True))),
        Mistake("the heads stay behind the tokens", "The last axis is cut as it should be, but the heads come after "
                "the tokens: (batch, length, heads, size).", "Which two axes have to be exchanged?",
                matches=_like(_split(0, 1, 2, 3))),
        Mistake("tokens and size exchanged", "Each of your heads is (size, length); (length, size) is asked for.",
                "Which axis should be the last one?", matches=_like(_split(0, 2, 3, 1))),
        Mistake("heads before the batch", "The heads are your first axis; the batch should stay in front.",
                "What is the first axis of the result on the card?", matches=_like(_split(2, 0, 1, 3))),
    ],
    hints=(
        "A vector of 6 numbers and 2 heads: which numbers go to head 0? Write down the shape after that cut. Which "
        "axis stands in the wrong place?",
        "(batch, length, width) → (batch, length, heads, size) → (batch, heads, length, size)",
        "# cut the last axis into (heads, size): x.unflatten(-1, ...) or x.view(...)\n# exchange the axes 1 and 2",
    ),
)  # fmt: skip


def merge_probes(seed: int = 0) -> list[Probe]:
    random = _random(seed + 1)
    return [
        Probe((torch.arange(12.0).reshape(1, 2, 2, 3),), "two tokens, two heads"),
        Probe((torch.arange(48.0).reshape(2, 4, 3, 2),), "two texts, three tokens, four heads"),
        Probe((random(3, 3, 5, 4).double(),), "three texts, double precision"),
        Probe((random(2, 1, 4, 6),), "a single head"),
    ]


MERGE_HEADS = Exercise(
    name="merge_heads", lesson="04", title="Merge the heads", points=1, minutes=2, difficulty=2,
    reference=merge_heads, probes=merge_probes,
    mistakes=[
        Mistake("reshaped in one go", "The shape is right, but a token's new vector holds numbers of other tokens: "
                "the heads still stand before the tokens when you flatten.",
                "Which two axes did splitting exchange, and have you exchanged them back?",
                imitation=lambda x: x.reshape(len(x), x.shape[2], -1)),
        Mistake("the heads are interleaved", "Each token keeps its numbers, but in another order: the first number of "
                "every head, then the second of every head.", "Which of the two axes that become one must come first, "
                "heads or size?", matches=_like(lambda x: x.permute(0, 2, 3, 1).flatten(2))),
        Mistake("heads one below the other", "You join the heads along the tokens: the text becomes longer, where its "
                "vectors should become wider.", "Which axis of the result is heads · size long?",
                matches=_like(lambda x: x.flatten(1, 2))),
        Mistake("two axes too many", "The axes are exchanged back, but heads and size are still two axes.",
                "How many axes has the result on the card?", matches=_like(lambda x: x.transpose(1, 2))),
        Mistake("the heads are added up", "You add or average the heads. They should stand side by side, and the next "
                "matrix decides how to combine them.", "How wide is the result on the card?",
                matches=_like(lambda x: x.sum(dim=1), lambda x: x.mean(dim=1))),
    ],
    hints=(
        "It is splitting, backwards. Which of its two steps is undone first?",
        "(batch, heads, length, size) → (batch, length, heads, size) → (batch, length, heads · size)",
        "# exchange the axes 1 and 2\n# make one axis of the last two: x.flatten(2), or x.reshape(...)",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# encoder_layer


class ToyLayer(Layer):
    """A layer small enough for a check, with weights large enough that every part of it shows."""

    def __init__(self, width: int, heads: int, dropout: float, seed: int, dtype: torch.dtype = torch.float64):
        shape = dict(layers=1, width=width, heads=heads, inner=2 * width, vocab_size=8, max_length=8)
        super().__init__(SmallBertConfig(**shape, dropout=dropout))
        random = _random(seed)
        with torch.no_grad():
            for module in self.children():
                if isinstance(module, nn.Linear):
                    module.weight.copy_(1.5 * random(*module.weight.shape) / width**0.5)
                    module.bias.copy_(0.3 * random(*module.bias.shape))
                elif isinstance(module, nn.LayerNorm):
                    module.weight.copy_(1 + 0.3 * random(width))
                    module.bias.copy_(0.3 * random(width))
        self.to(dtype).eval().requires_grad_(False)

    def __repr__(self) -> str:
        return f"Layer of width {self.up.in_features} with {self.heads} heads"


def layer_probes(seed: int = 0) -> list[Probe]:
    random = _random(seed + 2)
    padded = torch.tensor([[True, True, True, True], [True, True, False, False]])
    return [
        Probe((ToyLayer(4, 2, 0.1, seed), random(1, 2, 4).double(), torch.tensor([[True, True]])), "two tokens"),
        Probe((ToyLayer(12, 3, 0.1, seed + 1), random(2, 4, 12).double(), padded), "two texts, padding"),
        Probe((ToyLayer(8, 2, 0.1, seed + 3, torch.float32), random(2, 4, 8), padded), "single precision"),
    ]


def _layer(
    layer: Layer, x: Tensor, mask: Tensor, *, act=F.gelu, first=None, second=None, qkv=("query", "key", "value"),
    split=split_heads, merge=merge_heads, attended=True, before=None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The encoder layer with one part exchanged. first and second: functions of (norm, x, block) for the two sums."""
    add = lambda norm, x, block: norm(x + block)  # noqa: E731
    source = before(layer.attended_norm, x) if before else x
    query, key, value = (split(getattr(layer, name)(source), layer.heads) for name in qkv)
    gathered, weights = attention(query, key, value, mask)
    gathered = merge(gathered)
    y = (first or add)(layer.attended_norm, x, layer.attended(gathered) if attended else gathered)
    source = before(layer.norm, y) if before else y
    return (second or add)(layer.norm, y, layer.down(act(layer.up(source)))), weights


def _layer_but(**parts) -> Callable:
    return lambda layer, x, mask, attend=attention: _layer(layer, x, mask, **parts)


def _second_half(combine: Callable) -> Callable:
    """A layer whose first half is right; combine(layer, x, attended) makes the rest of it."""

    def imitation(layer: Layer, x: Tensor, mask: Tensor, attend: Callable = attention) -> tuple[Tensor, Tensor]:
        attended, weights = _layer(layer, x, mask, second=lambda norm, y, block: y)
        return combine(layer, x, attended), weights

    return imitation


def _feed_forward(layer: Layer, x: Tensor) -> Tensor:
    return layer.down(F.gelu(layer.up(x)))


def _other_norms(first: str, second: str) -> Callable:
    return lambda layer, x, mask, attend=attention: _layer(
        layer, x, mask,
        first=lambda norm, y, block: getattr(layer, first)(y + block),
        second=lambda norm, y, block: getattr(layer, second)(y + block),
    )  # fmt: skip


def _block_only(norm, x, block):
    return norm(block)


def _no_norm(norm, x, block):
    return x + block


def _norm_inside(norm, x, block):
    return x + norm(block)


def _one_head(x: Tensor, heads: int) -> Tensor:
    return split_heads(x, 1)


def attends_as_told(fn: Callable) -> Finding | None:
    """`attend` is called, with the layer's dropout while it trains and with 0 otherwise."""
    for training in (False, True):
        layer, seen = ToyLayer(4, 2, 0.25, 5).train(training), []

        def spy(query, key, value, mask, dropout=0.0, seen=seen):
            seen.append(dropout)
            return attention(query, key, value, mask)

        fn(layer, _random(0)(1, 3, 4).double(), torch.ones(1, 3, dtype=torch.bool), spy)
        if not seen:
            return Finding(
                "attend is not called",
                "Your layer is right, but it calls another attention than the one it is given as `attend`.",
                "What could the model hand over in `attend`, if it is in a hurry and needs no weights?",
            )
        if not training and seen[-1]:
            return Finding(
                "dropout outside training",
                "The layer is in evaluation mode, and your attention still drops weights: two passes would differ.",
                "How does a module know whether it is training?",
            )
        if training and seen[-1] != 0.25:
            return Finding(
                "attention without dropout",
                "While the layer trains, `attend` should be given its dropout, `layer.dropout.p`.",
                "What is the fifth argument of your `attention`?",
            )
    return None


def drops_both_blocks(fn: Callable) -> Finding | None:
    """While the layer trains, both blocks go through its dropout before they are added."""
    layer = ToyLayer(4, 2, 1.0, 6).train()
    x = _random(1)(1, 3, 4).double()
    result = fn(layer, x, torch.ones(1, 3, dtype=torch.bool), attention)[0]
    if close(result, layer.norm(layer.attended_norm(x))):
        return None
    return Finding(
        "the blocks are not dropped",
        "In training, with a dropout of 1, nothing of either block should be left: only x, normalised twice. "
        "In your layer something else comes out.",
        "Does `layer.dropout` act on what is added to x, once after `attended` and once after `down`?",
    )


ENCODER_LAYER = Exercise(
    name="encoder_layer", lesson="04", title="The encoder layer", points=5, minutes=11, difficulty=4,
    reference=encoder_layer, probes=layer_probes, properties=[attends_as_told, drops_both_blocks],
    mistakes=[
        Mistake("pre-norm", "You normalise what goes into each block. Many newer models do; BERT normalises the sum "
                "that comes out (post-norm), and its weights fit only that.",
                "In which order do 'add' and 'normalise' stand in the specification?",
                matches=_like(_layer_but(before=lambda norm, x: norm(x), first=_no_norm, second=_no_norm))),
        Mistake("normalised before it is added", "You normalise each block and then add it to x; in BERT the sum is "
                "normalised.", "What is inside the brackets of `norm(...)` in the specification?",
                matches=_like(_layer_but(first=_norm_inside, second=_norm_inside), _layer_but(second=_norm_inside),
                              _layer_but(first=_norm_inside))),
        Mistake("a residual is missing", "At least one block's result replaces x, where it should be added to it: the "
                "layer forgets what it was given.", "How often does the specification say 'add'?",
                matches=_like(_layer_but(first=_block_only), _layer_but(second=_block_only),
                              _layer_but(first=_block_only, second=_block_only))),
        Mistake("the second sum starts from the layer's input", "The feed-forward block's result is added to what the "
                "layer was given, so all that attention did is lost from that sum.",
                "What is x after the first half of the layer?",
                matches=_like(_second_half(lambda layer, x, y: layer.norm(x + _feed_forward(layer, y))))),
        Mistake("the feed-forward block reads the layer's input", "The feed-forward block works on what the layer was "
                "given; it should work on the result of the first half.", "What goes into `layer.up`?",
                matches=_like(_second_half(lambda layer, x, y: layer.norm(y + _feed_forward(layer, x))),
                              _second_half(lambda layer, x, y: layer.norm(x + _feed_forward(layer, x))))),
        Mistake("the two norms changed places", "Both sums are normalised, but not each by its own norm.",
                "Which of `attended_norm` and `norm` belongs to which half?",
                matches=_like(_other_norms("norm", "attended_norm"), _other_norms("norm", "norm"),
                              _other_norms("attended_norm", "attended_norm"))),
        Mistake("a norm is missing", "At least one of the two sums is not normalised.",
                "How many norms has the layer, and how many do you call?",
                matches=_like(_layer_but(first=_no_norm), _layer_but(second=_no_norm),
                              _layer_but(first=_no_norm, second=_no_norm))),
        Mistake("ReLU instead of GELU", "Your feed-forward block uses ReLU: negative numbers are cut off at 0, where "
                "GELU lets a little of them through.", "Which activation does the card name?",
                matches=_like(_layer_but(act=F.relu))),
        Mistake("GELU by tanh", "Nearly: your GELU is the approximation by tanh, off by some 1e-4. BERT's has the "
                "error function, F.gelu's default.", "What does `approximate=\"tanh\"` approximate?",
                matches=_like(_layer_but(act=lambda h: F.gelu(h, approximate="tanh")))),
        Mistake("another activation", "Your feed-forward block has another activation function than GELU.",
                "Which function of torch.nn.functional does the card name?",
                matches=_like(_layer_but(act=torch.tanh), _layer_but(act=F.silu), _layer_but(act=torch.sigmoid),
                              _layer_but(act=lambda h: h * torch.sigmoid(1.702 * h)))),
        Mistake("no activation", "Between `up` and `down` there is nothing: two matrices in a row are only one matrix.",
                "Where does GELU belong?", matches=_like(_layer_but(act=lambda h: h))),
        Mistake("GELU at the end of the block", "GELU acts on what comes out of `down`; its place is between the two "
                "matrices.", "On how many numbers a token does GELU act: on the width or on the inner width?",
                matches=_like(_second_half(lambda layer, x, y: layer.norm(y + F.gelu(layer.down(layer.up(y))))),
                              _second_half(lambda layer, x, y: layer.norm(y + F.gelu(_feed_forward(layer, y)))))),
        Mistake("`attended` is not called", "What the heads gathered is added as it is: the matrix that combines the "
                "heads, `layer.attended`, is missing.", "Which of the layer's modules do you not use?",
                matches=_like(_layer_but(attended=False))),
        Mistake("query, key and value changed places", "The three matrices are all used, but not each for its own "
                "part.", "In which order does `attend` take query, key and value?",
                matches=_like(*(_layer_but(qkv=order) for order in (
                    ("key", "query", "value"), ("query", "value", "key"), ("value", "key", "query"),
                    ("key", "value", "query"), ("value", "query", "key"), ("query", "query", "query"),
                    ("query", "key", "key"), ("query", "query", "value"), ("query", "value", "value"))))),
        Mistake("one head for all", "Your attention has a single head as wide as the model; its weights have one head "
                "too few.", "Where do you call `split_heads`, and with how many heads?",
                matches=_like(_layer_but(split=_one_head))),
        Mistake("heads merged by a reshape", "The heads are put back together with the tokens mixed up.",
                "Have you got a function that merges heads?",
                matches=_like(_layer_but(merge=lambda x: x.reshape(len(x), x.shape[2], -1)))),
        Mistake("only x comes back", "The new x is right, but the weights are missing from what you return.",
                "Which two things does the card ask for?",
                imitation=lambda layer, x, mask, attend=attention: encoder_layer(layer, x, mask)[0]),
    ],
    hints=(
        "Two halves, the same pattern twice: something is made of x, dropped, added to x, and the sum is normalised. "
        "What is made of x in each half?",
        r"$x \leftarrow \text{attended\_norm}\bigl(x + \text{dropout}(\text{attended}(\text{merged heads}))\bigr)$, "
        r"then $x \leftarrow \text{norm}\bigl(x + \text{dropout}(\text{down}(\text{GELU}(\text{up}(x))))\bigr)$",
        "# query, key, value: the layer's matrices of the same names applied to x, each split into layer.heads heads\n"
        "# gathered, weights: attend(query, key, value, mask, dropout), where dropout is layer.dropout.p if the layer\n"
        "#     is training, and 0 if it is not\n"
        "# block: merge the heads of gathered, then layer.attended, then layer.dropout\n"
        "# x: layer.attended_norm of x plus block\n"
        "# block: layer.up of x, F.gelu, layer.down, layer.dropout\n"
        "# x: layer.norm of x plus block\n"
        "# return x and weights",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# mean_pooling


def pooling_probes(seed: int = 0) -> list[Probe]:
    random = _random(seed + 3)
    return [
        Probe((torch.tensor([[[1.0, 2.0], [3.0, 5.0], [9.0, 9.0]]]), torch.tensor([[True, True, False]])),
              "two real tokens and one of padding"),
        Probe((random(1, 3, 2), torch.tensor([[True, True, True]])), "no padding"),
        Probe((random(2, 4, 3), torch.tensor([[True, False, False, False], [True, True, False, True]])), "two texts"),
        Probe((random(3, 5, 6).double(), torch.arange(5) < torch.tensor([[5], [2], [4]])), "double precision"),
    ]  # fmt: skip


def _masked(x: Tensor, mask: Tensor) -> Tensor:
    return x * mask[..., None].to(x.dtype)


def _count(mask: Tensor) -> Tensor:
    return mask.sum(dim=1, keepdim=True)


def _last_token(x: Tensor, mask: Tensor) -> Tensor:
    return x[torch.arange(len(x)), (mask * torch.arange(x.shape[1])).argmax(dim=1)]


def _token_before_the_count(x: Tensor, mask: Tensor) -> Tensor:
    return x[torch.arange(len(x)), mask.sum(dim=1) - 1]  # the same, if padding stands at the end


MEAN_POOLING = Exercise(
    name="mean_pooling", lesson="04", title="Mean pooling", points=2, minutes=4, difficulty=2,
    reference=mean_pooling, probes=pooling_probes,
    mistakes=[
        Mistake("padding is in the mean", "Your mean runs over the padding too: the same text gets another vector when "
                "it stands in a batch with a longer one.", "Which tokens should count?",
                matches=_like(lambda x, mask: x.mean(dim=1))),
        Mistake("divided by the padded length", "Padding adds nothing to your sum, but it is counted when you divide: "
                "short texts get short vectors.", "How many tokens of each text are real?",
                matches=_like(lambda x, mask: _masked(x, mask).mean(dim=1))),
        Mistake("padding is in the sum", "You divide by the number of real tokens, but the sum runs over all of them.",
                "What should a token of padding add to the sum?",
                matches=_like(lambda x, mask: x.sum(dim=1) / _count(mask))),
        Mistake("the sum, not the mean", "You add up the real tokens and do not divide: long texts get long vectors.",
                "How does a mean differ from a sum?", matches=_like(lambda x, mask: _masked(x, mask).sum(dim=1))),
        Mistake("the first token alone", "You return the vector of the first token, [CLS]. That is BERT's other way to "
                "pool; here the mean of all real tokens is asked for.", "How many tokens take part in your result?",
                matches=_like(lambda x, mask: x[:, 0])),
        Mistake("the last token alone", "You return the vector of a single token, the last one.",
                "How many tokens take part in your result?", matches=_like(_last_token, _token_before_the_count,
                                                                            lambda x, mask: x[:, -1])),
        Mistake("the largest, not the mean", "You take the largest of each text's numbers, not their mean.",
                "Which of torch's functions averages?", matches=_like(
                    lambda x, mask: x.masked_fill(~mask[..., None], -torch.inf).amax(dim=1),
                    lambda x, mask: _masked(x, mask).amax(dim=1), lambda x, mask: x.amax(dim=1))),
        Mistake("one mean for the whole batch", "All texts of a batch share one mean, or are divided by the tokens of "
                "the whole batch.", "Along which axis do the tokens of one text lie?", matches=_like(
                    lambda x, mask: x[mask].mean(dim=0),
                    lambda x, mask: x[mask].mean(dim=0).expand(len(x), -1),
                    lambda x, mask: _masked(x, mask).sum(dim=1) / mask.sum())),
        Mistake("the mask is inverted", "Your mean runs over the padding alone; where there is none, it is 0/0.",
                "Is the mask True at real tokens or at padding?", matches=_like(
                    lambda x, mask: _masked(x, ~mask).sum(dim=1) / _count(~mask),
                    lambda x, mask: _masked(x, ~mask).sum(dim=1) / _count(~mask).clamp(min=1))),
        Mistake("the mean over the width", "You average the numbers of each vector; its tokens are the other axis.",
                "One text of 3 tokens, width 2: which shape should come out?", matches=_like(
                    lambda x, mask: x.mean(dim=-1), lambda x, mask: _masked(x, mask).mean(dim=-1),
                    lambda x, mask: _masked(x, mask).sum(dim=-1))),
        Mistake("the token axis is kept", "The numbers are right, but each text's vector sits in an axis of length 1.",
                "Which argument of your sum keeps the axis that was summed?",
                matches=_like(lambda x, mask: mean_pooling(x, mask)[:, None])),
    ],
    hints=(
        "Two texts, one of 4 tokens and one of 2 with 2 of padding. By what should each of the two sums be divided?",
        r"$\bar x_b = \dfrac{\sum_t m_{bt}\, x_{bt}}{\sum_t m_{bt}}$, with $m_{bt} = 1$ at real tokens, 0 at padding",
        "# real: the mask as numbers, with a new last axis so that it lines up with (batch, length, width)\n"
        "# (x times real), summed over the tokens, divided by real summed over the tokens",
    ),
)  # fmt: skip

EXERCISES = [ATTENTION, SPLIT_HEADS, MERGE_HEADS, ENCODER_LAYER, MEAN_POOLING]
