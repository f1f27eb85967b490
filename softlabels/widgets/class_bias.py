"""The bias of one class (lesson 08): slide a number that is added to a class's logits, and see who gains and who pays.

A student that never met a class while it learnt may still rank that class's examples well; what is wrong is one number.
The widget shows both sides of raising it: examples of the class that are found, and others that are now given to it.
"""

import html

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure

from softlabels.distill.bias import with_bias

from . import palette
from .bundle import Pictured, stylesheet

BIASES = tuple(tenths / 10 for tenths in range(-20, 81))  # -2 to 8: where something happens
WIDTH, HEIGHT, LEFT, TOP = 300, 120, 52, 26  # of a panel in the page, and of its margins


def compute(logits, labels, target: int, bias: float) -> dict:
    """Return what the widget shows at one bias.

    logits: (examples, classes). labels: (examples,). target: the class whose logits get the bias. Returns `of_target`
    (how many examples have that label), `found` (those of them answered right), `taken` (examples of other classes that
    are now given to the target), `right` (right answers over all classes), `examples`, and `accuracy`.
    """
    labels = torch.as_tensor(labels)
    answers = with_bias(torch.as_tensor(logits), target, bias).argmax(dim=-1)
    own, named = labels == target, answers == target
    right = int((answers == labels).sum())
    return {
        "of_target": int(own.sum()),
        "found": int((own & named).sum()),
        "taken": int((named & ~own).sum()),
        "right": right,
        "examples": len(labels),
        "accuracy": right / len(labels),
    }


def sentence(seen: dict, plain: dict, name: str, bias: float) -> str:
    """Return in words what is seen at a bias; plain is what was seen at a bias of 0."""
    change = seen["right"] - plain["right"]
    against = "as many as without a bias" if not change else f"{abs(change)} {'more' if change > 0 else 'fewer'} than"
    against += " without a bias" if change else ""
    return (
        f"With {bias:+.1f}, {seen['found']} of {seen['of_target']} {name} glosses are found, and {seen['taken']} "
        f"others are called {name}. In all {100 * seen['accuracy']:.1f}% are right: {against}."
    )


def sides(track: list[dict]) -> list[tuple[str, list[float], float, float]]:
    """Return the two panels as (title, values, low, high): examples found in %, and right answers against no bias."""
    found = [100 * seen["found"] / max(1, seen["of_target"]) for seen in track]
    plain = track[BIASES.index(0.0)]["right"]
    change = [seen["right"] - plain for seen in track]
    top = max(10, 1.3 * max(change))
    return [("found, %", found, 0.0, 100.0), ("right answers, against no bias", change, -1.5 * top, top)]


def figure(logits, labels, target: int, name: str, bias: float = 0.0) -> Figure:
    """Draw both sides over all biases, with a mark at one of them. Returns a matplotlib figure."""
    track = [compute(logits, labels, target, b) for b in BIASES]
    here = compute(logits, labels, target, bias)
    now = [100 * here["found"] / max(1, here["of_target"]), here["right"] - track[BIASES.index(0.0)]["right"]]
    with palette.style():
        result = palette.blank_figure(7.2, 2.9)
        for panel, (title, values, low, high), value in zip(result.subplots(1, 2), sides(track), now, strict=True):
            panel.plot(BIASES, values, color=palette.colour_of(name), linestyle="-")
            panel.axvline(bias, color=palette.INK, linestyle="--", linewidth=1)
            panel.plot([bias], [value], "o", color=palette.INK)
            panel.axhline(0, color=palette.QUIET, linewidth=1)
            panel.set(title=f"{name} {title}" if title.startswith("found") else title, ylim=(low, high))
            panel.set_xlabel(f"bias added to {name}")
    return result


def _signed(value: float) -> str:
    return f"{value:+.0f}" if round(value) else "0"


def _panel(title: str, values: list[float], low: float, high: float, place: int, colour: str) -> str:
    """Return one panel as SVG, with a mark at one of the BIASES."""

    def x(i: int) -> float:
        return LEFT + (WIDTH - LEFT - 12) * i / (len(BIASES) - 1)

    def y(value: float) -> float:
        return TOP + HEIGHT * (high - min(max(value, low), high)) / (high - low)

    path = " ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(values) if low <= value <= high)
    marks = "".join(
        f'<text x="{x(i):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{_signed(BIASES[i])}</text>'
        for i in range(0, len(BIASES), 20)
    )
    bounds = "".join(
        f'<text x="{LEFT - 6}" y="{y(value) + 5:.1f}" text-anchor="end">{_signed(value)}</text>'
        for value in sorted({low, 0.0, high})
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {TOP + HEIGHT + 24}" width="{WIDTH}" aria-hidden="true">'
        f'<text x="{LEFT}" y="15" style="fill: var(--sl-ink); font-weight: 600">{html.escape(title)}</text>'
        f'<line x1="{LEFT}" x2="{WIDTH - 12}" y1="{y(0):.1f}" y2="{y(0):.1f}" stroke="var(--sl-line)"/>'
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        f'<line x1="{x(place):.1f}" x2="{x(place):.1f}" y1="{TOP}" y2="{TOP + HEIGHT}" stroke="var(--sl-ink)" '
        f'stroke-dasharray="4 3"/><circle cx="{x(place):.1f}" cy="{y(values[place]):.1f}" r="5" fill="var(--sl-ink)"/>'
        f"{bounds}{marks}</svg>"
    )


class ClassBias(Pictured, ipywidgets.VBox):
    """Slide the bias of one class, and watch who is found and who is taken; the goal is the bias with most right.

    logits: (examples, classes), a student's, on validation. labels: (examples,). target: the class, a number below the
    number of classes. name: what it is called. ValueError when they do not fit.

    `slider.value` is the bias, -2 to 8 in tenths; it can be read and set.
    """

    def __init__(self, logits, labels, target: int, name: str):
        self.logits, self.labels = torch.as_tensor(logits).float(), torch.as_tensor(labels).long()
        self.target, self.target_name = int(target), str(name)
        rows = len(self.labels)
        if self.logits.ndim != 2 or len(self.logits) != rows or rows == 0:
            raise ValueError(f"logits must be (examples, classes) for {rows} labels, not {tuple(self.logits.shape)}")
        if not self.logits.isfinite().all():
            raise ValueError("logits must be finite")
        if not 0 <= self.target < self.logits.shape[1]:
            raise ValueError(f"target must be a class, 0 to {self.logits.shape[1] - 1}, not {target}")
        if not (self.labels == self.target).any():
            raise ValueError(f"no example has the label {target}: there is nothing to find")
        self.track = [compute(self.logits, self.labels, self.target, bias) for bias in BIASES]
        layout = ipywidgets.Layout
        self.slider = ipywidgets.FloatSlider(
            value=0.0, min=BIASES[0], max=BIASES[-1], step=0.1, description=f"bias of {self.target_name}",
            readout_format="+.1f", style={"description_width": "initial"}, layout=layout(width="96%"),
        )  # fmt: skip
        self.shown = ipywidgets.HTML()
        look = ipywidgets.HTML(
            f'<style>{stylesheet()}</style><div class="sl"><p class="sl-look">Slide by mouse or arrow keys. <b>Look '
            f"for</b> who pays when more {html.escape(self.target_name)} is found.</p></div>"
        )
        super().__init__([look, self.slider, self.shown], layout=layout(max_width="760px"))
        self.add_class("sl-bias")
        self.slider.observe(lambda _: self._show(), "value")
        self._show()

    @property
    def bias(self) -> float:
        """The bias shown, one of BIASES."""
        return BIASES[self._place()]

    def _place(self) -> int:
        return int(np.argmin(np.abs(np.array(BIASES) - self.slider.value)))

    def _show(self) -> None:
        place, name = self._place(), self.target_name
        seen, plain = self.track[place], self.track[BIASES.index(0.0)]
        missing = max(each["right"] for each in self.track) - seen["right"]
        state = f"○ Not yet: {missing} more could be right."
        if not missing:
            state = f"✓ Reached at {BIASES[place]:+.1f}. This was chosen on validation; what does the test set say?"
        colour = palette.colour_of(name)
        panels = "".join(
            _panel(f"{name} {title}" if title.startswith("found") else title, values, low, high, place, colour)
            for title, values, low, high in sides(self.track)
        )
        numbers = (
            (f"{seen['found']} of {seen['of_target']}", f"{name} glosses found"),
            (str(seen["taken"]), f"others called {name}"),
            (f"{100 * seen['accuracy']:.1f}%", "of all are right"),
        )
        cells = "".join(f"<div><b>{value}</b>{html.escape(words)}</div>" for value, words in numbers)
        self.shown.value = (
            f'<div class="sl"><div class="sl-columns">{panels}</div><div class="sl-numbers">{cells}</div>'
            '<p class="sl-now" role="status" aria-live="polite" style="min-height: 2.7em">'
            f"{html.escape(sentence(seen, plain, name, BIASES[place]))}</p>"
            f'<div class="sl-goal{"" if missing else " sl-reached"}"><p><b>Goal.</b> Find the bias with which most '
            f'answers are right.</p><p class="sl-state">{state}</p></div></div>'
        )

    def picture(self) -> tuple[Figure, str]:
        """Return both sides over all biases with the mark at the present one, and a description of them."""
        seen, plain = self.track[self._place()], self.track[BIASES.index(0.0)]
        best = max(range(len(BIASES)), key=lambda i: (self.track[i]["right"], -abs(BIASES[i])))
        alt = (
            f"Two curves over the bias of {self.target_name}: the share of its glosses that are found rises with it; "
            f"the number of right answers is largest at {BIASES[best]:+.1f}. "
            + sentence(seen, plain, self.target_name, self.bias)
        )
        return figure(self.logits, self.labels, self.target, self.target_name, self.bias), alt

    def __repr__(self) -> str:
        return f"ClassBias({self.target_name}, {len(self.labels)} examples)"
