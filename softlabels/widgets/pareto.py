"""The frontier of lesson 11: every measured model by what it costs and how often it is right, under limits to slide.

A model above a limit fades. Of those left, the ones that no other beats are joined and listed, and the best of them, as
chosen on validation, is named with its figures on test.
"""

import html
import math

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from softlabels.distill.frontier import ShippingBudget, pareto_front

from . import palette
from .bundle import Pictured, stylesheet

COLUMNS = ("arm", "form", "megabytes", "p50_ms", "validation_accuracy", "accuracy", "agreement", "ece")
MEASURES = {"megabytes": "MB", "p50_ms": "ms"}  # of which one lies along the chart
WORDS = {"megabytes": "megabytes on disk", "p50_ms": "milliseconds for a text (median)"}
SHARE = 0.97  # of the teacher's accuracy: the goal
STEPS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)  # of a slider, in each power of ten
DEPTH = 0.25  # how far below the most accurate model the chart reaches
WIDTH, HEIGHT, LEFT, TOP, ASIDE = 560, 260, 52, 12, 136  # ASIDE: for the words beside the chart
FADED, BEST = "#9aa1a9", "#c5733e"


def limits(values) -> list[float]:
    """Return a slider's places: round numbers from the one that only the smallest value fits to one that all fit."""
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    grid = [round(step * 10.0**power, 6) for power in powers for step in STEPS]
    inside = [place for place in grid if low <= place < high]
    return [*inside, next(place for place in grid if place >= high)]


def compute(models, megabytes: float, p50_ms: float, along: str = "megabytes") -> dict:
    """Return what the widget shows of measured models under two limits.

    models: a DataFrame, one row a model, with the columns in COLUMNS. along: the cost on the chart, one of MEASURES.
    Returns `fits` (a bool for each model), `front` (the numbers of those that fit and that no other of them beats in
    that cost and in accuracy on validation, from cheap to dear), and `best`, the number of the most accurate on
    validation that fits, the smaller of two equal ones; None when nothing fits.
    """
    budget = ShippingBudget(megabytes=megabytes, p50_ms=p50_ms)
    fits = np.array([not budget.broken(row) for row in models[list(MEASURES)].to_dict("records")])
    left = np.flatnonzero(fits)
    if not len(left):
        return {"fits": fits, "front": [], "best": None}
    some = models.iloc[left]
    front = left[pareto_front(np.stack([some[along], 1 - some["validation_accuracy"]], axis=1))]
    order = np.lexsort((some["megabytes"], -some["validation_accuracy"]))
    return {
        "fits": fits,
        "front": sorted(front.tolist(), key=lambda number: models[along].iloc[number]),
        "best": int(left[order[0]]),
    }


def name_of(row) -> str:
    """Return what a model is called: its arm and its form."""
    return f"{row['arm']}, {row['form']}"


def sentence(models, seen: dict, teacher: int, megabytes: float, p50_ms: float) -> str:
    """Return in words what is left under the limits; teacher: its number among the models."""
    within = f"Within {megabytes:g} MB and {p50_ms:g} ms, "
    if seen["best"] is None:
        return within + "nothing fits: each model is above one of the limits."
    row, whole = models.iloc[seen["best"]], models.iloc[teacher]
    share, smaller, faster = (
        row["accuracy"] / whole["accuracy"],
        whole["megabytes"] / row["megabytes"],
        whole["p50_ms"] / row["p50_ms"],
    )
    return (
        f"{within}{int(seen['fits'].sum())} of {len(models)} models are left. Best on validation: {name_of(row)}. On "
        f"test it is right on {row['accuracy']:.1%}, which is {share:.1%} of the teacher's accuracy; it agrees with "
        f"the teacher on {row['agreement']:.1%}; ECE {row['ece']:.3f}. It has {row['megabytes']:.3g} MB, "
        f"1/{smaller:.3g} of the teacher's, and takes {row['p50_ms']:.3g} ms, {faster:.3g} times as fast."
    )


def tightest(models, teacher: int, places, along: str, share: float = SHARE) -> float:
    """Return the lowest place of a slider at which a model still has that share of the teacher's accuracy, both on
    validation; the other cost is left open.
    """
    good = models["validation_accuracy"] >= share * models["validation_accuracy"].iloc[teacher]
    cheapest = models.loc[good, along].min()
    return next(place for place in places if place >= cheapest)


def floor_of(models) -> float:
    """Return where the chart's accuracy begins; what is less accurate is drawn at its edge."""
    best = models["validation_accuracy"].max()
    return max(models["validation_accuracy"].min(), best - DEPTH) - 0.01


def figure(models, seen: dict, along: str = "megabytes", wanted: float | None = None) -> Figure:
    """Draw the models, those that fit, and the frontier; wanted: an accuracy to mark. Returns a matplotlib figure."""
    low = floor_of(models)
    x, y = models[along].to_numpy(), 100 * models["validation_accuracy"].clip(lower=low).to_numpy()
    fits, front = seen["fits"], seen["front"]
    with palette.style():
        result = palette.blank_figure(7.2, 4.0)
        axes = result.subplots()
        axes.plot(x[~fits], y[~fits], "x", color=FADED, label="above a limit")
        axes.plot(x[fits], y[fits], "o", color=palette.ACCENT, alpha=0.6, label="within the limits")
        axes.plot(x[front], y[front], "-", color=palette.INK, linewidth=1.5, marker="s", ms=6, label="frontier")
        if seen["best"] is not None:
            axes.plot(x[seen["best"]], y[seen["best"]], "D", color=BEST, ms=9, label="best on validation")
        if wanted is not None:
            axes.axhline(100 * wanted, color=palette.QUIET, linestyle=":", label=f"{SHARE:.0%} of the teacher")
        axes.set(xscale="log", xlabel=WORDS[along], ylabel="right on validation, %")
        marks = _marks(x.min(), x.max())
        axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
        axes.minorticks_off()
        result.legend(loc="outside upper left", ncols=3)  # inside it would cover a model
    return result


def _marks(low: float, high: float) -> list[float]:
    """Return round numbers along a logarithmic axis."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    places = [round(step * 10.0**power, 9) for power in powers for step in (1, 2, 5)]
    return [place for place in places if low <= place <= high]


def svg(models, seen: dict, along: str, limit: float, wanted: float) -> str:
    """Return the chart as SVG; what it shows is said in the sentence and the table beside it.

    limit: of the cost on the chart. wanted: the accuracy that the goal asks for.
    """
    values, low = models[along].to_numpy(), floor_of(models)
    left, right = math.log10(values.min()) - 0.08, math.log10(values.max()) + 0.12
    high = models["validation_accuracy"].max() + 0.01

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - 10) * (min(max(math.log10(value), left), right) - left) / (right - left)

    def y(value: float) -> float:
        return TOP + HEIGHT * (high - max(value, low)) / (high - low)

    parts = []
    for mark in _marks(10**left, 10**right):
        parts.append(f'<line x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{TOP}" y2="{TOP + HEIGHT}" ')
        parts.append('stroke="var(--sl-line)" opacity="0.45"/>')
        parts.append(f'<text x="{x(mark):.1f}" y="{TOP + HEIGHT + 19}" text-anchor="middle">{mark:g}</text>')
    for percent in range(math.ceil(100 * low / 5) * 5, int(100 * high) + 1, 5):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y(percent / 100):.1f}" y2="{y(percent / 100):.1f}" ')
        parts.append('stroke="var(--sl-line)" opacity="0.45"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y(percent / 100) + 5:.1f}" text-anchor="end">{percent}</text>')
    spot = f"{x(limit):.1f}"
    parts.append(f'<rect x="{spot}" y="{TOP}" width="{max(0.0, WIDTH - 10 - x(limit)):.1f}" height="{HEIGHT}" ')
    parts.append('fill="var(--sl-line)" opacity="0.25"/>')
    parts.append(f'<line x1="{spot}" x2="{spot}" y1="{TOP}" y2="{TOP + HEIGHT}" stroke="var(--sl-ink)" ')
    parts.append('stroke-width="2" stroke-dasharray="6 4"/>')
    line = f'x1="{LEFT}" x2="{WIDTH - 10}" y1="{y(wanted):.1f}" y2="{y(wanted):.1f}"'
    parts.append(f'<line {line} stroke="var(--sl-quiet)" stroke-width="1.5" stroke-dasharray="2 4"/>')
    parts.append(f'<text x="{WIDTH - 6}" y="{y(wanted) + 5:.1f}">{SHARE:.0%} of the teacher</text>')
    accuracies = models["validation_accuracy"].to_numpy()
    for number, (value, accuracy) in enumerate(zip(values, accuracies, strict=True)):
        cx, cy = x(value), y(accuracy)
        if not seen["fits"][number]:
            parts.append(f'<path d="M{cx - 4:.1f} {cy - 4:.1f}l8 8m0 -8l-8 8" stroke="{FADED}" stroke-width="1.5"/>')
        elif accuracy < low:  # at the chart's edge: an arrow says that it lies below
            parts.append(f'<path d="M{cx - 5:.1f} {cy - 8:.1f}h10l-5 8z" fill="{palette.ACCENT}"/>')
        else:
            parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="4.5" fill="{palette.ACCENT}" opacity="0.65"/>')
    corners = " ".join(f"{x(values[n]):.1f},{y(accuracies[n]):.1f}" for n in seen["front"])
    parts.append(f'<polyline points="{corners}" fill="none" stroke="var(--sl-ink)" stroke-width="1.5"/>')
    for n in seen["front"]:
        cx, cy = x(values[n]), y(accuracies[n])
        parts.append(f'<rect x="{cx - 4:.1f}" y="{cy - 4:.1f}" width="8" height="8" fill="var(--sl-ink)"/>')
    if seen["best"] is not None:
        cx, cy = x(values[seen["best"]]), y(accuracies[seen["best"]])
        parts.append(f'<path d="M{cx:.1f} {cy - 8:.1f}l8 8l-8 8l-8 -8z" fill="{BEST}" stroke="var(--sl-paper)"/>')
    width = WIDTH + ASIDE
    return (
        f'<svg viewBox="0 0 {width} {TOP + HEIGHT + 46}" width="{width}" aria-hidden="true">{"".join(parts)}'
        f'<text x="{LEFT}" y="{TOP + HEIGHT + 41}">{WORDS[along]} (a logarithmic scale) →</text></svg>'
    )


def table(models, seen: dict) -> str:
    """Return the frontier as an HTML table, from cheap to dear."""
    rows = []
    for number in seen["front"]:
        row, mark = models.iloc[number], "◆ " if number == seen["best"] else ""
        cells = f"<td>{row['megabytes']:.3g}</td><td>{row['p50_ms']:.3g}</td><td>{row['validation_accuracy']:.1%}</td>"
        rows.append(f'<tr><th scope="row">{mark}{html.escape(name_of(row))}</th>{cells}</tr>')
    head = '<th scope="col" style="text-align: left">On the frontier</th>'
    head += "".join(f'<th scope="col">{name}</th>' for name in ("MB", "ms", "validation"))
    return f'<table class="sl-terms"><tr>{head}</tr>{"".join(rows)}</table>'


class Pareto(Pictured, ipywidgets.VBox):
    """Set limits for megabytes and milliseconds, and see which models are left and which of them is best.

    models: a DataFrame, one row a model, with the columns in COLUMNS: accuracies and the rest as shares from 0 to 1,
    costs above 0. teacher: (arm, form) of the model that the others are compared with. ValueError when a column or the
    teacher is missing, or a figure is not a number.

    `megabytes.value` and `p50_ms.value` are the limits, `along.value` is the cost on the chart; they can be read and
    set. `found` holds the goals that have been reached: "megabytes", "p50_ms".
    """

    def __init__(self, models, teacher: tuple[str, str] = ("teacher", "fp32")):
        missing = [name for name in COLUMNS if name not in models.columns]
        if missing:
            raise ValueError(f"the models lack the columns {', '.join(missing)}; they have {', '.join(models.columns)}")
        self.models = models[list(COLUMNS)].reset_index(drop=True)
        numbers = self.models[list(COLUMNS[2:])].to_numpy(dtype=float)
        if not np.isfinite(numbers).all() or (numbers[:, :2] <= 0).any():
            raise ValueError("each model needs a number for every figure, and megabytes and milliseconds above 0")
        if numbers[:, 2:].min() < 0 or numbers[:, 2:].max() > 1:
            raise ValueError("accuracies, agreement and ece are shares from 0 to 1")
        found = np.flatnonzero((self.models["arm"] == teacher[0]) & (self.models["form"] == teacher[1]))
        if len(found) != 1:
            raise ValueError(f"one model must be the teacher, {teacher}; {len(found)} are")
        self.teacher, self.found = int(found[0]), set()
        layout = ipywidgets.Layout
        self.places = {along: limits(self.models[along]) for along in MEASURES}
        self.goals = {
            along: tightest(self.models, self.teacher, places, along) for along, places in self.places.items()
        }
        sliders = {
            along: ipywidgets.SelectionSlider(
                options=[(f"{place:g} {unit}", place) for place in self.places[along]],
                value=self.places[along][-1],
                description=f"at most, {unit}",
                style={"description_width": "90px"},
                layout=layout(width="96%"),
            )
            for along, unit in MEASURES.items()
        }
        self.megabytes, self.p50_ms = sliders["megabytes"], sliders["p50_ms"]
        self.along = ipywidgets.ToggleButtons(
            options=[("megabytes", "megabytes"), ("milliseconds", "p50_ms")],
            description="along the chart",
            style={"description_width": "110px", "button_width": "120px"},
        )
        self.shown = ipywidgets.HTML()
        look = ipywidgets.HTML(
            f'<style>{stylesheet()}</style><div class="sl"><p class="sl-look">Slide the limits by mouse or arrow keys. '
            "<b>Look for</b> the limit at which the frontier loses its upper end.</p></div>"
        )
        super().__init__([look, self.megabytes, self.p50_ms, self.along, self.shown], layout=layout(max_width="760px"))
        self.add_class("sl-pareto")
        for control in (self.megabytes, self.p50_ms, self.along):
            control.observe(lambda _: self._show(), "value")
        self._show()

    def seen(self) -> dict:
        """Return what is shown now, as `compute` does."""
        return compute(self.models, self.megabytes.value, self.p50_ms.value, self.along.value)

    def words(self) -> str:
        """Return the sentence that says what is shown now."""
        return sentence(self.models, self.seen(), self.teacher, self.megabytes.value, self.p50_ms.value)

    def _wanted(self) -> float:
        return SHARE * self.models["validation_accuracy"].iloc[self.teacher]

    def _note_goals(self) -> None:
        other = {"megabytes": self.p50_ms, "p50_ms": self.megabytes}
        for along, slider in (("megabytes", self.megabytes), ("p50_ms", self.p50_ms)):
            open_ = other[along].value == other[along].options[-1][1]
            if slider.value == self.goals[along] and open_:
                self.found.add(along)

    def _show(self) -> None:
        self._note_goals()
        seen, along = self.seen(), self.along.value
        limit = {"megabytes": self.megabytes.value, "p50_ms": self.p50_ms.value}[along]
        done = len(self.found) == len(MEASURES)
        states = [
            f"{'✓' if along in self.found else '○'} {words}"
            for along, words in (("megabytes", "megabytes"), ("p50_ms", "milliseconds"))
        ]
        after = " Which model is left at each? And with both limits at once?" if done else ""
        self.shown.value = (
            f'<div class="sl">{svg(self.models, seen, along, limit, self._wanted())}'
            '<p class="sl-legend">Up: right on validation, %. <b>●</b> within the limits, <b>×</b> above one of them, '
            "<b>■</b> the frontier, <b>◆</b> the best on validation, <b>▼</b> less accurate than the chart shows. The "
            "dashed line is the limit, the dotted one the goal.</p>"
            f'<p class="sl-now" role="status" aria-live="polite">{html.escape(self.words())}</p>'
            f"{table(self.models, seen)}"
            f'<div class="sl-goal{" sl-reached" if done else ""}"><p><b>Goal.</b> Find the tightest limit under which '
            f"a model with {SHARE:.0%} of the teacher's accuracy (on validation) is still to be had: first in "
            "megabytes, with all milliseconds allowed, then in milliseconds, with all megabytes allowed.</p>"
            f'<p class="sl-state">{" · ".join(states)}{after}</p></div></div>'
        )

    def picture(self) -> tuple[Figure, str]:
        """Return the chart as it is now, and a description of it."""
        alt = (
            f"Measured models by {WORDS[self.along.value]} and by the share that is right on validation, with the "
            f"frontier of those within the limits. {self.words()}"
        )
        return figure(self.models, self.seen(), self.along.value, self._wanted()), alt

    def __repr__(self) -> str:
        return f"Pareto({len(self.models)} models)"
