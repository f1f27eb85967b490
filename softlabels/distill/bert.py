"""A BERT encoder from scratch: the student, and, with real weights, the teacher's body.

The architecture of Devlin et al. 2019: post-norm layers, GELU with the error function, learned positions. One thing
differs: the classifier reads the mean of the last layer (or its [CLS] token) directly, without BERT's extra tanh layer.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class SmallBertConfig:
    """The shape of a SmallBert. classes None means no classifier; pooling is "mean" (over real tokens) or "cls".

    Two savings of ALBERT (Lan et al. 2020): table_width, the width of the word table, whose vectors are widened by a
    matrix (None: the width); shared, one layer's weights used by all.
    """

    layers: int
    width: int
    heads: int
    inner: int  # width of the feed-forward block, 4 times the width in nearly every BERT
    vocab_size: int = 30_522
    max_length: int = 512
    classes: int | None = None
    pooling: str = "mean"
    dropout: float = 0.1
    eps: float = 1e-12
    table_width: int | None = None
    shared: bool = False

    def __post_init__(self):
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared out among {self.heads} heads")
        if self.pooling not in ("mean", "cls"):
            raise ValueError(f"pooling must be 'mean' or 'cls', not {self.pooling!r}")

    @classmethod
    def from_folder(cls, folder: Path, **changes) -> "SmallBertConfig":
        """Read config.json of a BERT in the hub's layout. ValueError when it is no BERT that this module can be."""
        hub = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        kind = (hub.get("model_type"), hub.get("hidden_act"), hub.get("position_embedding_type", "absolute"))
        if kind != ("bert", "gelu", "absolute"):
            raise ValueError(f"{folder} holds {kind}; SmallBert reads only ('bert', 'gelu', 'absolute')")
        shape = dict(
            layers=hub["num_hidden_layers"],
            width=hub["hidden_size"],
            heads=hub["num_attention_heads"],
            inner=hub["intermediate_size"],
            vocab_size=hub["vocab_size"],
            max_length=hub["max_position_embeddings"],
            eps=hub["layer_norm_eps"],
        )
        return cls(**{**shape, **changes})


class Levels(NamedTuple):
    """All that a student can learn from: what forward(levels=True) returns."""

    logits: Tensor | None  # (batch, classes)
    hidden_states: tuple[Tensor, ...]  # layers + 1 of (batch, length, width); the first is the embeddings
    attentions: tuple[Tensor, ...]  # layers of (batch, heads, length, length); each row sums to 1
    values: tuple[Tensor, ...] = ()  # layers of (batch, length, width): what each token offers, heads side by side


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, dropout: float = 0.0) -> tuple[Tensor, Tensor]:
    """Let every token gather the values of the tokens whose keys match its query: scaled dot-product attention.

    query, key, value: (batch, heads, length, size). mask: bool (batch, length), False at padding, which nobody may
    read. Returns the gathered values (batch, heads, length, size) and the weights (batch, heads, length, length).
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)
    weights = scores.softmax(dim=-1)
    return F.dropout(weights, dropout) @ value, weights


def quick_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, dropout: float = 0.0
) -> tuple[Tensor, None]:
    """The same sum as attention's, by PyTorch's own kernel, which never writes the weights down."""
    return F.scaled_dot_product_attention(query, key, value, mask[:, None, None, :], dropout), None


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Cut each token's vector into one piece per head: (batch, length, width) -> (batch, heads, length, size).

    Head 0 gets the first size = width / heads numbers of every token, head 1 the next ones, and so on.
    """
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Undo split_heads: (batch, heads, length, size) -> (batch, length, heads * size)."""
    return x.transpose(1, 2).flatten(2)


def encoder_layer(layer: nn.Module, x: Tensor, mask: Tensor, attend: Callable = attention) -> tuple[Tensor, Tensor]:
    """Pass a batch through one layer of BERT (Devlin et al. 2019): attention, then a feed-forward block (post-norm).

    layer: a Layer. x: (batch, length, width). mask: bool (batch, length), False at padding. attend: called as
    attend(query, key, value, mask, dropout), returns what attention returns. Returns the new x, and attend's weights.
    """
    query, key, value = (split_heads(linear(x), layer.heads) for linear in (layer.query, layer.key, layer.value))
    gathered, weights = attend(query, key, value, mask, layer.dropout.p if layer.training else 0.0)
    x = layer.attended_norm(x + layer.dropout(layer.attended(merge_heads(gathered))))
    x = layer.norm(x + layer.dropout(layer.down(F.gelu(layer.up(x)))))
    return x, weights


def mean_pooling(x: Tensor, mask: Tensor) -> Tensor:
    """Return the mean vector of each text's real tokens: (batch, length, width) -> (batch, width).

    mask: bool (batch, length), False at padding; each text has at least one real token.
    """
    real = mask[..., None].to(x.dtype)
    return (x * real).sum(dim=1) / real.sum(dim=1)


class Dropout(nn.Module):
    """Set a share p of the elements to 0 while training, and scale the others up to keep the mean, as nn.Dropout does.

    PyTorch draws a random number for each element, one by one on a processor, which took a tenth of a small student's
    training. Here one draw serves eight elements, a byte each, so p is rounded to a multiple of 1/256.
    """

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        dropped = round(self.p * 256)
        if not self.training or x.device.type != "cpu" or dropped > 255:  # a byte holds no 256
            return F.dropout(x, self.p, self.training)
        draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        keep = draws.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
        return x * keep.to(x.dtype).mul_(256 / (256 - dropped))


class Layer(nn.Module):
    """One encoder layer: attention, then a feed-forward block, each added to its input and normalised after."""

    def __init__(self, config: SmallBertConfig):
        super().__init__()
        width, inner = config.width, config.inner
        self.heads = config.heads
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.attended = nn.Linear(width, width)
        self.attended_norm = nn.LayerNorm(width, eps=config.eps)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps=config.eps)
        self.dropout = Dropout(config.dropout)

    def forward(
        self, x: Tensor, mask: Tensor, keep_weights: bool, first_only: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return the new x and the attention weights (None where they were not kept).

        first_only: only the first token's new state is wanted, (batch, 1, width). It still gathers from every token,
        so keys and values are all computed; the queries and the feed-forward block of the others are spared.
        """
        attend = attention if keep_weights or self.training else quick_attention
        if not first_only:
            return encoder_layer(self, x, mask, attend)
        key, value = (split_heads(linear(x), self.heads) for linear in (self.key, self.value))
        return encoder_layer(self, x[:, :1], mask, lambda query, _key, _value, *rest: attend(query, key, value, *rest))


class SmallBert(nn.Module):
    """BERT of any size, with an optional linear classifier."""

    def __init__(self, config: SmallBertConfig):
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocab_size, config.table_width or config.width)
        self.widen = nn.Linear(config.table_width, config.width, bias=False) if config.table_width else None
        self.positions = nn.Embedding(config.max_length, config.width)
        self.segments = nn.Embedding(2, config.width)  # only the first is used: a text is one segment here
        self.embedding_norm = nn.LayerNorm(config.width, eps=config.eps)
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        if config.shared:
            share_layers(self)
        self.head = nn.Linear(config.width, config.classes) if config.classes else None

    def forward(self, input_ids: Tensor, attention_mask: Tensor, levels: bool = False) -> Tensor | Levels:
        """Classify a batch.

        input_ids: int64 (batch, length). attention_mask: (batch, length), true or 1 at real tokens, false or 0 at
        padding; what stands in the padding changes nothing. Returns logits (batch, classes); the last hidden states
        (batch, length, width) when there is no classifier; Levels when levels is true.
        """
        mask, x = attention_mask.bool(), self.embed(input_ids)
        hidden_states, attentions, values = [x], [], []
        first_only = self.head is not None and self.config.pooling == "cls" and not levels  # in the last layer
        for number, layer in enumerate(self.layers, start=1):
            if levels:
                values.append(layer.value(x))
            x, weights = layer(x, mask, levels, first_only and number == len(self.layers))
            hidden_states.append(x)
            attentions.append(weights)
        logits = self.classify(x, mask) if self.head else None
        if levels:
            return Levels(logits, tuple(hidden_states), tuple(attentions), tuple(values))
        return x if logits is None else logits

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return what the first layer reads, (batch, length, width): words, widened if need be, positions, segment."""
        words = self.widen(self.words(input_ids)) if self.widen else self.words(input_ids)
        positions = self.positions.weight[: input_ids.shape[1]]
        return self.dropout(self.embedding_norm(words + positions + self.segments.weight[0]))

    def classify(self, x: Tensor, mask: Tensor) -> Tensor:
        """Pool the last hidden states (batch, length, width) into one vector a text, and return its logits."""
        x = x.to(self.head.weight.dtype)  # a body in bf16 may have its classifier in fp32
        pooled = mean_pooling(x, mask) if self.config.pooling == "mean" else x[:, 0]
        return self.head(self.dropout(pooled))

    def load_bert_weights(self, folder: Path, words: bool = True) -> "SmallBert":
        """Copy the weights of a BERT in the hub's layout (model.safetensors); the classifier is left as it is.

        words: False leaves the word table, too, for a model that reads other word pieces.

        Raises ValueError that names the first tensor that is missing or has another shape.
        """
        ours = dict(self.named_parameters())
        theirs = {name.removeprefix("bert."): w for name, w in load_file(Path(folder) / "model.safetensors").items()}
        for name, parameter in ours.items():
            if name.startswith("head.") or (name == "words.weight" and not words):
                continue
            hub = hub_name(name)
            if hub not in theirs or theirs[hub].shape != parameter.shape:
                found = tuple(theirs[hub].shape) if hub in theirs else "missing"
                raise ValueError(f"{folder}: {hub} is {found}, and this model needs {tuple(parameter.shape)}")
            parameter.data.copy_(theirs[hub])
        return self


def share_layers(student: SmallBert) -> SmallBert:
    """Let every layer of a student be its first one (ALBERT, Lan et al. 2020, section 3.1); returns the student.

    The weights of the others are gone; a text still passes through as many layers as before.
    """
    student.layers = nn.ModuleList([student.layers[0]] * len(student.layers))
    student.config = replace(student.config, shared=True)  # whoever copies it by its config shares too
    return student


HUB_NAMES = {
    "words": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "segments": "embeddings.token_type_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attended": "attention.output.dense",
    "attended_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm": "output.LayerNorm",
}


def hub_name(name: str) -> str:
    """Translate a parameter's name into the hub's: layers.0.up.bias -> encoder.layer.0.intermediate.dense.bias."""
    *layer, module, kind = name.split(".")
    prefix = f"encoder.layer.{layer[1]}." if layer else ""
    return f"{prefix}{HUB_NAMES[module]}.{kind}"


def build_empty(config: SmallBertConfig) -> SmallBert:
    """Build a SmallBert whose weights are still to be filled in; torch's own would cost time and random numbers."""
    with torch.device("meta"):
        model = SmallBert(config)
    return model.to_empty(device="cpu")
