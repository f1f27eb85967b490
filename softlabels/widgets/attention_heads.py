"""The attention heads of a real BERT (lesson 04): who reads whom, in any head of any layer, on one text.

The weights are `softlabels.distill`'s `Levels.attentions`; this widget only picks one head and shows it.
"""

import html

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure

from . import palette
from .bundle import Pictured, stylesheet

SURE = {"before": 0.9, "after": 0.5}  # the goal: mean weights that two of MiniLM's heads reach
CELL, LEFT, TOP = 20, 100, 100  # pixels of the map


def compute(attentions, layer: int, head: int, reader: int) -> dict:
    """Return what the widget shows of one head.

    attentions: (layers, heads, length, length), each row a reader's weights, which sum to 1. layer, head, reader: from
    0. Returns `weights` (length,) of the reader, `most` (the token that it reads most), and the means over the text's
    own tokens (the first and the last, which mark its ends, are left out) of what they give to the token `before` and
    `after` them, to `itself` and to the `first` token.
    """
    table = np.asarray(attentions[layer][head], dtype=np.float64)
    own = np.arange(1, len(table) - 1)
    return {
        "weights": table[reader],
        "most": int(table[reader].argmax()),
        "before": float(table[own, own - 1].mean()),
        "after": float(table[own, own + 1].mean()),
        "itself": float(table[own, own].mean()),
        "first": float(table[own, 0].mean()),
    }


def figure(attentions, tokens, layer: int, head: int) -> Figure:
    """Draw one head as a table: rows read, columns are read, the darker the more. Returns a figure."""
    table, side = np.asarray(attentions[layer][head], dtype=np.float64), 0.24 * len(tokens)
    with palette.style():
        result = palette.blank_figure(side + 3.0, side + 1.9)
        axes = result.subplots()
        image = axes.imshow(100 * table, cmap="Blues", vmin=0, vmax=100)
        axes.set_xticks(range(len(tokens)), tokens, rotation=90)
        axes.set_yticks(range(len(tokens)), tokens)
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.set(title=f"Layer {layer + 1}, head {head + 1}", xlabel="is read", ylabel="reads")
        result.colorbar(image, ax=axes, shrink=0.8, label="weight, %")
    return result


class AttentionHeads(Pictured, ipywidgets.VBox):
    """Pick a layer, a head and a reading token; the goal is to find two heads that read by position alone.

    attentions: (layers, heads, length, length) weights of one text, each row summing to 1. tokens: its word pieces.
    ValueError when they do not fit. `found` holds the goals that have been reached: "before", "after".
    """

    def __init__(self, attentions, tokens):
        if isinstance(attentions, torch.Tensor):
            attentions = attentions.detach().float().cpu().numpy()
        self.attentions, self.tokens = np.asarray(attentions, dtype=np.float64), [str(token) for token in tokens]
        length = len(self.tokens)
        if self.attentions.ndim != 4 or self.attentions.shape[2:] != (length, length) or length < 3:
            raise ValueError(
                f"attentions must be (layers, heads, {length}, {length}) for {length} tokens, at least 3, not "
                f"{self.attentions.shape}"
            )
        if not (self.attentions.min() >= 0 and np.allclose(self.attentions.sum(-1), 1, atol=1e-3)):
            raise ValueError("each row of the weights must sum to 1, with no weight below 0")
        self.found: set[str] = set()
        layers, heads = self.attentions.shape[:2]
        self.layer = ipywidgets.IntSlider(layers, 1, layers, description="layer")
        self.head = ipywidgets.IntSlider(1, 1, heads, description="head")
        options = [(f"{i + 1}: {token}", i) for i, token in enumerate(self.tokens)]
        self.reader = ipywidgets.SelectionSlider(options=options, value=1, description="reader")
        self.shown = ipywidgets.HTML()
        knobs = [self.layer, self.head, self.reader]
        for knob in knobs:
            knob.layout = ipywidgets.Layout(width="98%")
            knob.observe(lambda _: self._draw(), "value")
        look = ipywidgets.HTML(
            f'<style>{stylesheet()}</style><div class="sl"><p class="sl-look"><b>Who reads whom?</b> Pick a layer, a '
            "head, and the token that reads. <b>Look for</b> heads that read by place, and for heads that rest on "
            f"{html.escape(self.tokens[0])}.</p></div>"
        )
        super().__init__([look, *knobs, self.shown], layout=ipywidgets.Layout(max_width="820px"))
        self.add_class("sl-ask")
        self.add_class("sl-heads")
        self._draw()

    def seen(self) -> dict:
        """Return compute's result for what is picked now."""
        return compute(self.attentions, self.layer.value - 1, self.head.value - 1, self.reader.value)

    def sentence(self) -> str:
        """Say what is seen now."""
        seen, reader = self.seen(), self.reader.value
        most = seen["most"]
        whom = "itself" if most == reader else f"“{self.tokens[most]}”"
        return (
            f"Layer {self.layer.value}, head {self.head.value}: “{self.tokens[reader]}” reads {whom} most "
            f"({100 * seen['weights'][most]:.0f} %). On average a token gives {100 * seen['before']:.0f} % to the one "
            f"before it, {100 * seen['after']:.0f} % to the one after it, {100 * seen['itself']:.0f} % to itself and "
            f"{100 * seen['first']:.0f} % to “{self.tokens[0]}”."
        )

    def _map(self) -> str:
        table, n = self.attentions[self.layer.value - 1, self.head.value - 1], len(self.tokens)
        cells, names = [], []
        for i, token in enumerate(map(html.escape, self.tokens)):
            bold = ' font-weight="700"' if i == self.reader.value else ""
            names.append(f'<text x="{LEFT - 6}" y="{TOP + i * CELL + 15}" text-anchor="end"{bold}>{token}</text>')
            x, y = LEFT + i * CELL + 15, TOP - 6
            names.append(f'<text x="{x}" y="{y}" transform="rotate(-90 {x} {y})">{token}</text>')
            for j in range(n):
                at = f'x="{LEFT + j * CELL}" y="{TOP + i * CELL}" width="{CELL - 1}" height="{CELL - 1}"'
                cells.append(f'<rect {at} class="sl-cell" fill-opacity="{table[i, j]:.3f}"/>')
        at = f'x="{LEFT - 1}" y="{TOP + self.reader.value * CELL - 1}" width="{n * CELL + 1}" height="{CELL + 1}"'
        outline = f'<rect {at} fill="none" stroke="var(--sl-ink)" stroke-width="2"/>'
        ground = f'<rect x="{LEFT}" y="{TOP}" width="{n * CELL}" height="{n * CELL}" fill="var(--sl-raised)"/>'
        size = f'width="{LEFT + n * CELL + 4}" height="{TOP + n * CELL + 4}"'
        return (
            f'<svg class="sl-map" {size} role="img" aria-label="The weights of this head: rows read, columns are read; '
            f'the outlined row is the reader.">{ground}{"".join(cells)}{"".join(names)}{outline}</svg>'
        )

    def _draw(self) -> None:
        seen, rows = self.seen(), []
        self.found |= {name for name, least in SURE.items() if seen[name] >= least}
        for token, weight in zip(self.tokens, seen["weights"], strict=True):
            fill = f'<span class="sl-fill" style="background: {palette.ACCENT}; width: {100 * weight:.2f}%"></span>'
            rows.append(
                f'<li><span class="sl-name">{html.escape(token)}</span><span class="sl-track">{fill}</span>'
                f'<span class="sl-value">{100 * weight:.0f} %</span></li>'
            )
        reader = html.escape(self.tokens[self.reader.value])
        state = ", ".join(f"{'✓' if name in self.found else '○'} the token {name}" for name in SURE)
        reached = self.found == set(SURE)
        self.shown.value = (
            f'<div class="sl"><div class="sl-columns"><div style="flex: 0 0 auto; max-width: 100%; overflow-x: auto; '
            f'padding: 3px">{self._map()}</div><div style="flex: 1 1 260px; min-width: 0"><p class="sl-heading">'
            f'What “{reader}” reads:</p><ul class="sl-bars">{"".join(rows)}</ul></div></div>'
            f'<p class="sl-now" role="status" aria-live="polite">{html.escape(self.sentence())}</p>'
            f'<div class="sl-goal{" sl-reached" if reached else ""}"><p><b>Goal.</b> Find a head in which every token '
            f"reads the one before it (over {100 * SURE['before']:.0f} % on average), and one that reads the token "
            f"after it (over {100 * SURE['after']:.0f} %). Start in the first layers.</p>"
            f'<p class="sl-state">{state}{". Both found: they read by place." if reached else ""}</p>'
            "</div></div>"
        )

    def picture(self) -> tuple[Figure, str]:
        """Return the head that is shown, and a description of it."""
        alt = f"The weights of one attention head, rows read and columns are read. {self.sentence()}"
        return figure(self.attentions, self.tokens, self.layer.value - 1, self.head.value - 1), alt

    def __repr__(self) -> str:
        layers, heads = self.attentions.shape[:2]
        return f"AttentionHeads({layers} layers of {heads} heads, {len(self.tokens)} tokens)"
