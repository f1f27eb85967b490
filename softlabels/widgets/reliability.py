"""The reliability diagram (lesson 05): of all answers that a model gives with probability 0.8, are 80 % right?

The model's answers fall into bins by confidence, the probability of its top class. A bar shows how often a bin is
right, a mark how sure the model was of it; the distance between the two, weighted by the bins' sizes, is the expected
calibration error (Guo et al. 2017). A slider divides the logits by a temperature.
"""

import html

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure

from . import palette
from .bundle import Pictured, stylesheet

BINS = 10
FEW = 30  # a bin with fewer answers is drawn faint: its share of right answers is mostly luck
GOAL = 0.03  # the shipped teacher's comes down to 0.024 on the validation glosses: the bins' own noise remains
LOW, HIGH = 0.5, 4.0  # temperatures
TOO_SURE, TOO_SHY = "#c5733e", "#b93698"


def compute(logits, labels, temperature: float = 1.0, bins: int = BINS) -> dict:
    """Return what the diagram shows.

    logits: float (examples, classes). labels: int (examples,). Returns `bins` (a dict for each bin that holds an
    answer: `low`, `high`, `count`, `confidence`, `accuracy`), `accuracy` and `confidence` (means over all examples),
    `error` (the expected calibration error), `reached` (it is below 0.03), and `sentence`.
    """
    z = torch.as_tensor(logits).double() / temperature
    confidence, answer = z.softmax(dim=-1).max(dim=-1)
    right = (answer == torch.as_tensor(labels)).double()
    which = (confidence * bins).long().clamp(max=bins - 1)
    counts, sure, hits = (torch.bincount(which, weights, minlength=bins) for weights in (None, confidence, right))
    found = [
        dict(low=i / bins, high=(i + 1) / bins, count=n, confidence=float(sure[i] / n), accuracy=float(hits[i] / n))
        for i, n in enumerate(counts.tolist())
        if n
    ]
    error = float((sure - hits).abs().sum() / len(right))
    accuracy, mean = float(right.mean()), float(confidence.mean())
    says, is_right = f"At T = {temperature:.2f} it is {100 * mean:.1f} % sure", f"right for {100 * accuracy:.1f} %"
    verdict = "too sure of itself" if mean > accuracy else "not sure enough"
    gap = f"the expected calibration error is {100 * error:.1f} points"
    if error < GOAL:
        verdict = "about as sure as it may be"
    return {
        "bins": found,
        "accuracy": accuracy,
        "confidence": mean,
        "error": error,
        "reached": error < GOAL,
        "sentence": f"{says} on average, and {is_right}: {verdict}; {gap}.",
    }


def figure(logits, labels, temperature: float = 1.0, title: str = "") -> Figure:
    """Draw the diagram, and below it how many answers each bin holds. Returns a matplotlib figure."""
    seen = compute(logits, labels, temperature)
    with palette.style():
        result = palette.blank_figure(6.2, 4.4)
        above, below = result.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        for b in seen["bins"]:
            faint, middle = b["count"] < FEW, (b["low"] + b["high"]) / 2
            above.bar(middle, b["accuracy"], width=0.085, color=palette.ACCENT, alpha=0.35 if faint else 0.85)
            above.plot([middle - 0.045, middle + 0.045], [b["confidence"]] * 2, color=TOO_SURE, linewidth=3, ls="-")
            below.bar(middle, b["count"], width=0.085, color=palette.QUIET)
        above.plot([0, 1], [0, 1], color=palette.INK, linewidth=1, linestyle="--")
        above.set(title=title or f"T = {temperature:.2f}", ylim=(0, 1.03), ylabel="share right")
        above.set_xticks(np.arange(0, 1.01, 0.2))
        below.set(xlabel="how sure (probability of the top class)", ylabel="answers", xlim=(0, 1))
        above.text(0.02, 0.95, "bar: right    mark: sure    dashed: as sure as right", va="top")
    return result


SIDE, LEFT, TOP, STRIP = 280, 52, 12, 64  # the diagram's side, its margins and the strip of counts, in pixels


def svg(seen: dict) -> str:
    """Return the diagram as SVG; what it shows is said in the sentence beside it."""

    def x(p):
        return LEFT + SIDE * p

    def y(p):
        return TOP + SIDE * (1 - p)

    most = max(b["count"] for b in seen["bins"])
    base, parts = TOP + SIDE + 14 + STRIP, []
    for b in seen["bins"]:
        left, width, faint = x(b["low"]) + 2, SIDE / BINS - 4, ' opacity="0.4"' if b["count"] < FEW else ""
        top, mark = y(b["accuracy"]), y(b["confidence"])
        colour = TOO_SURE if b["confidence"] > b["accuracy"] else TOO_SHY
        parts.append(f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{y(0) - top:.1f}" ')
        parts.append(f'fill="{palette.ACCENT}"{faint}/>')
        gap = f'y="{min(top, mark):.1f}" height="{abs(top - mark):.1f}"'
        parts.append(f'<rect x="{left + width / 2 - 2:.1f}" width="4" {gap} fill="{colour}"{faint}/>')
        parts.append(
            f'<rect x="{left - 1:.1f}" y="{mark - 2:.1f}" width="{width + 2:.1f}" height="4" fill="{colour}"/>'
        )
        high = STRIP * b["count"] / most
        parts.append(f'<rect x="{left:.1f}" y="{base - high:.1f}" width="{width:.1f}" height="{high:.1f}" ')
        parts.append(f'fill="{palette.QUIET}"/>')
    for p in (0, 0.5, 1):
        parts.append(f'<text x="{LEFT - 8}" y="{y(p) + 5:.0f}" text-anchor="end">{p:g}</text>')
        parts.append(f'<text x="{x(p):.0f}" y="{base + 18}" text-anchor="middle">{p:g}</text>')
    parts.append(f'<text x="{LEFT - 8}" y="{base}" text-anchor="end">0</text>')
    parts.append(f'<text x="{LEFT - 8}" y="{base - STRIP + 12}" text-anchor="end">{most:,}</text>')
    line = f'x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}"'
    lines = f'<line {line} stroke="currentColor" stroke-dasharray="5 4"/>'
    lines += f'<path d="M{LEFT} {TOP}V{y(0)}H{x(1)}M{LEFT} {base}H{x(1)}" stroke="currentColor" fill="none"/>'
    size = f'width="{LEFT + SIDE + 12}" height="{base + 24}"'
    words = html.escape(f"Reliability diagram. {seen['sentence']}")
    return f'<svg {size} role="img" aria-label="{words}">{"".join(parts)}{lines}</svg>'


def page(seen: dict, moved: bool) -> str:
    """Return the widget's changing part as HTML: the diagram, the legend, the sentence and the goal."""
    reached = moved and seen["reached"]
    state = "✓ Reached: about as sure as it is right." if reached else "○ Not yet."
    return (
        f'<div class="sl"><div class="sl-columns"><div>{svg(seen)}</div><div style="flex: 1 1 240px; max-width: 340px">'
        '<p class="sl-legend">Upper part: each <b>bar</b> is the share that is right among answers of about one '
        "confidence, from unsure (left) to sure (right); the <b>mark</b> across it says how sure the teacher "
        "was of them. On the dashed line both are equal. Pale bars hold fewer than 30 answers. "
        "Lower part: how many answers there are.</p>"
        f'<p class="sl-now" role="status" aria-live="polite">{html.escape(seen["sentence"])}</p>'
        f'<div class="sl-goal{" sl-reached" if reached else ""}"><p><b>Goal.</b> Bring the calibration error below '
        f'{100 * GOAL:.0f} points.</p><p class="sl-state">{state}</p></div></div></div></div>'
    )


class Reliability(Pictured, ipywidgets.VBox):
    """Is the teacher as sure as it is right? A slider divides its logits by a temperature; the diagram follows.

    logits: float (examples, classes). labels: int (examples,), which no student may be chosen by. ValueError when they
    do not fit. `slider` is the temperature's, `seen` what is shown now.
    """

    def __init__(self, logits, labels):
        self.logits, self.labels = torch.as_tensor(logits).detach().double().cpu(), torch.as_tensor(labels).cpu()
        if self.logits.ndim != 2 or self.labels.shape != self.logits.shape[:1] or not len(self.labels):
            shapes = f"{tuple(self.logits.shape)} and {tuple(self.labels.shape)}"
            raise ValueError(f"logits must be (examples, classes) and labels (examples,), not {shapes}")
        if not self.logits.isfinite().all():
            raise ValueError("the logits must be finite")
        self.slider = ipywidgets.FloatSlider(value=1.0, min=LOW, max=HIGH, step=0.05, description="temperature")
        self.slider.style.description_width = "90px"
        self.slider.layout.width = "420px"
        self.shown = ipywidgets.HTML()
        look = ipywidgets.HTML(
            f'<style>{stylesheet()}</style><div class="sl"><p class="sl-look"><b>Is the teacher as sure as it is '
            "right?</b> Move the slider with the mouse or the arrow keys. <b>Look for</b> marks above their bars: "
            "there it says more than it knows.</p></div>"
        )
        self.seen = compute(self.logits, self.labels)
        super().__init__([look, self.slider, self.shown], layout=ipywidgets.Layout(max_width="760px"))
        self.add_class("sl-reliability")
        self.slider.observe(lambda change: self._show(), "value")
        self._show()

    def _show(self) -> None:
        self.seen = compute(self.logits, self.labels, self.slider.value)
        self.shown.value = page(self.seen, moved=self.slider.value != 1.0)

    def picture(self) -> tuple[Figure, str]:
        """Return the diagram at T = 1, and a description of it."""
        seen = compute(self.logits, self.labels)
        return figure(self.logits, self.labels), f"Reliability diagram of ten bins. {seen['sentence']}"

    def __repr__(self) -> str:
        return f"Reliability({len(self.labels):,} examples, {self.logits.shape[1]} classes)"
