"""The temperature explorer (lesson 02): slide T and watch one gloss's soft label.

The browser does the arithmetic (`temperature.js`), so that the picture follows the hand; `compute` here is its
counterpart in Python and is built on `softlabels.distill`. The tests hold the two against each other.
"""

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure

from softlabels.distill.temperature import entropy_bits, soften

from . import palette
from .bundle import Alive

LOWEST, HIGHEST = 0.25, 20.0
MOST_ROWS = 30  # a picture with more classes shows the largest ones and the sum of the others


def compute(logits, temperature: float) -> dict:
    """Return what the widget shows about one soft label.

    logits: (classes,) numbers. temperature: positive and finite, else ValueError. Returns `probabilities` (float64
    array (classes,)), `order` (class indices from the largest logit to the smallest, equal ones by index),
    `entropy_bits`, `top_class` (index), `top_probability`, and `effective_classes`: 2 to the entropy, the number of
    equally likely classes that would carry as many bits.
    """
    exact = torch.as_tensor(np.asarray(logits, dtype=np.float64))
    probabilities = soften(exact, temperature)
    bits = float(entropy_bits(probabilities))
    order = np.argsort(-exact.numpy(), kind="stable")
    return {
        "probabilities": probabilities.numpy(),
        "order": order,
        "entropy_bits": bits,
        "top_class": int(order[0]),
        "top_probability": float(probabilities[order[0]]),
        "effective_classes": 2.0**bits,
    }


def figure(logits, classes, text: str = "", temperatures=(1.0, 4.0, 20.0)) -> Figure:
    """Draw one soft label at several temperatures, side by side, the classes in the order of their logits.

    logits: (classes,). classes: their names. text: the gloss, used as the title. Returns a matplotlib figure.
    """
    order = compute(logits, 1.0)["order"]
    kept = order if len(order) <= MOST_ROWS else order[: MOST_ROWS - 1]
    names = [classes[i] for i in kept]
    shades = palette.colours(names)
    if len(kept) < len(order):
        names, shades = [*names, f"{len(order) - len(kept)} others"], [*shades, palette.QUIET]
    with palette.style():
        result = palette.blank_figure(7.2, 1.1 + 0.205 * len(names))
        panels = result.subplots(1, len(temperatures), sharey=True, squeeze=False)[0]
        for panel, temperature in zip(panels, temperatures, strict=True):
            seen = compute(logits, temperature)
            values = seen["probabilities"][kept]
            if len(kept) < len(order):
                values = np.append(values, 1 - values.sum())
            panel.barh(range(len(names)), 100 * values, color=shades, height=0.75)
            panel.axvline(100 / len(order), color=palette.QUIET, linestyle="--", linewidth=1)
            panel.set(title=f"T = {temperature:.3g}: {seen['entropy_bits']:.2f} bits", xlim=(0, 100), xlabel="%")
            panel.grid(visible=False, axis="y")
            panel.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(names)), names)
        panels[0].set_ylim(len(names) - 0.4, -0.6)
        if text:
            result.suptitle(f"“{text if len(text) <= 80 else text[:78] + '…'}”", fontsize=12, x=0.01, ha="left")
    return result


class TemperatureExplorer(Alive):
    """Pick a gloss, slide T from 0.25 to 20, and watch its soft label: the bars even out, their order never changes.

    logits: (glosses, classes) finite numbers. classes: their names. texts: one gloss for each row of logits.
    target_bits: the entropy that the learner is asked to reach. ValueError when shapes do not fit.

    `temperature` (0.25 to 20) and `gloss` (a row) can be read and set while the widget is shown.
    """

    _module = "temperature.js"
    logits = traitlets.List().tag(sync=True)
    classes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    colours = traitlets.List(traitlets.Unicode()).tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    target_bits = traitlets.Float(2.0).tag(sync=True)
    temperature = traitlets.Float(1.0, min=LOWEST, max=HIGHEST).tag(sync=True)
    gloss = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(self, logits, classes, texts, target_bits: float = 2.0):
        rows = np.asarray(logits, dtype=np.float64)
        classes, texts = [str(name) for name in classes], [str(text) for text in texts]
        if rows.shape != (len(texts), len(classes)) or rows.shape[0] < 1 or rows.shape[1] < 2:
            raise ValueError(
                f"logits must be (glosses, classes) = ({len(texts)}, {len(classes)}), at least (1, 2), not {rows.shape}"
            )
        if not np.isfinite(rows).all():
            raise ValueError("logits must be finite")
        super().__init__(
            logits=rows.round(4).tolist(),
            classes=classes,
            colours=palette.colours(classes),
            texts=texts,
            target_bits=float(target_bits),
        )

    @traitlets.validate("gloss")
    def _gloss_exists(self, proposal):
        if proposal["value"] >= len(self.logits):
            raise traitlets.TraitError(f"there are {len(self.logits)} glosses, no number {proposal['value']}")
        return proposal["value"]

    def picture(self) -> tuple[Figure, str]:
        """Return the chosen label at T = 1, 4 and 20, and a description of it in words."""
        logits, text, shown = self.logits[self.gloss], self.texts[self.gloss], (1.0, 4.0, 20.0)
        words = []
        for temperature in shown:
            seen = compute(logits, temperature)
            name, p = self.classes[seen["top_class"]], seen["top_probability"]
            bits = seen["entropy_bits"]
            words.append(f"at T = {temperature:.3g} {name} has {100 * p:.0f} % and the label {bits:.2f} bits")
        alt = f"Bar charts of the teacher's soft label for “{text}”: {'; '.join(words)}. The classes keep their order."
        return figure(logits, self.classes, text, shown), alt

    def __repr__(self) -> str:
        size = f"{len(self.texts)} glosses, {len(self.classes)} classes"
        return f"TemperatureExplorer({size}, target_bits={self.target_bits:g})"
