"""A live curve (lesson 06): what several students lose and how much they get right, while they train.

It is drawn at most a few times a second, as a few kilobytes of SVG, so that watching costs next to nothing. Nothing
runs beside the training: `add` and `measure` are called from its loop, and when the loop is interrupted the picture
stays.
"""

import html
import math
import time
from collections.abc import Sequence

import ipywidgets
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure

from . import palette
from .bundle import Pictured, stylesheet

POINTS = 40  # of each loss curve: every point is the mean of a share of the updates
EVERY = 0.3  # seconds between two drawings, at least
COLOURS = ("#0874ce", "#c5733e", "#1fa273", "#b93698", "#66670f", "#d13465")
DASHES = ("", "7 4", "2 4", "9 3 2 3", "12 4", "4 2")  # lines differ without their colours too
WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 350, 230, 46, 12, 28, 12
LOOK = (
    "<b>Look for</b> how close the curves on the right stay, and how often they cross. The losses on the left are of "
    "different kinds: each is compared with itself only."
)
GOAL = "Name the arm that you would bet on at half-time, and see whether it is ahead at the end."
STYLE = """
.sl-live { display: flex; flex-wrap: wrap; gap: 4px 16px; }
.sl-live figure { margin: 0; }
.sl-live figcaption { font-weight: 600; }
.sl-live .sl-grid { stroke: var(--sl-line); stroke-opacity: 0.6; }
.sl-key { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 0 0 6px; padding: 0; list-style: none; }
.sl .sl-key svg { display: inline-block; vertical-align: middle; margin-right: 6px; }
.sl-live-curve .sl-now { min-height: 2.7em; }
"""


def compute(losses: dict[str, Sequence[float]], measures: dict[str, Sequence[tuple]], total: int) -> dict:
    """Return what the curve shows.

    losses: by arm, the loss of each update so far. measures: by arm, pairs (updates done, a share between 0 and 1).
    total: the updates of a whole run. Returns `loss` and `measure` (by arm, points (update, value)), `done` (updates
    that all arms have), `leader` (the arm that was ahead when all arms were last measured, or None), `half_time` (the
    leader at the first measurement from the middle on, or None), `gap` (leader less the second, in points of a
    hundred), `finished` (all updates and their last measurement are there) and `sentence`. ValueError when an arm or a
    number is out of place.
    """
    if set(losses) != set(measures) or not losses or total < 1:
        raise ValueError("losses and measures need the same arms, at least one, and total at least 1")
    if any(len(values) > total for values in losses.values()):
        raise ValueError(f"an arm has more than {total} updates")
    if any(not 0 <= value <= 1 for points in measures.values() for _, value in points):
        raise ValueError("a measure is a share between 0 and 1")
    width = max(1, math.ceil(total / POINTS))
    smooth = {}
    for arm, values in losses.items():
        chunks = [np.asarray(values[i : i + width], dtype=float) for i in range(0, len(values), width)]
        ends = (min(len(values), (i + 1) * width) for i in range(len(chunks)))
        smooth[arm] = [(end, float(chunk.mean())) for end, chunk in zip(ends, chunks, strict=True)]
    done = min(len(values) for values in losses.values())
    at = [dict(points) for points in measures.values()]
    common = sorted(set.intersection(*(set(points) for points in at)))
    ranked = {update: sorted(zip((m[update] for m in at), measures, strict=True), reverse=True) for update in common}
    late = [update for update in common if 2 * update >= total]
    last = ranked[common[-1]] if common else []
    gap = 100 * (last[0][0] - last[1][0]) if len(last) > 1 else 0.0
    sentence = "Nothing is measured yet."
    if last:
        scores = ", ".join(f"{arm} {100 * value:.1f} %" for value, arm in last)
        sentence = f"After {common[-1]} of {total} updates: {scores}. One seed and a few texts: this decides nothing."
    return {
        "loss": smooth,
        "measure": {arm: [(int(u), float(v)) for u, v in points] for arm, points in measures.items()},
        "done": done,
        "leader": last[0][1] if last else None,
        "half_time": ranked[late[0]][0][1] if late else None,
        "gap": gap,
        "finished": done == total and bool(common) and common[-1] == total,
        "sentence": sentence,
    }


def state_of(seen: dict) -> str:
    """Return how far the goal is reached, in words."""
    if seen["half_time"] is None:
        return "○ Not half-way yet. Who is ahead?"
    if not seen["finished"]:
        return f"○ At half-time: {seen['half_time']}. Will it stay ahead?"
    ahead = f"Ahead at half-time: {seen['half_time']}; at the end: {seen['leader']}, by {seen['gap']:.1f} points."
    return f"✓ Done. {ahead}"


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers between low and high, at most `most` steps apart."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * m for m in (1, 2, 2.5, 5, 10, 20) if span / (power * m) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def limits(seen: dict) -> tuple[float, float]:
    """Return the upper ends of the two axes: losses, and percent."""
    highest = max((v for points in seen["loss"].values() for _, v in points if math.isfinite(v)), default=1.0)
    best = max((100 * v for points in seen["measure"].values() for _, v in points), default=0.0)
    return max(1.05 * highest, 0.1), min(100.0, max(20.0, 10 * math.ceil(best / 10 + 0.2)))


def figure(losses: dict, measures: dict, total: int, measured: str) -> Figure:
    """Draw both panels. measured: what the share counts, for the title. Returns a matplotlib figure."""
    seen = compute(losses, measures, total)
    loss_top, percent_top = limits(seen)
    with palette.style():
        result = palette.blank_figure(7.5, 2.9)
        panels = result.subplots(1, 2)
        for panel, series, scale in zip(panels, (seen["loss"], seen["measure"]), (1, 100), strict=True):
            for i, (arm, points) in enumerate(series.items()):
                x, y = [u for u, _ in points], [scale * v for _, v in points]
                dash = tuple(float(n) / 2 for n in DASHES[i % len(DASHES)].split())
                line = dict(color=COLOURS[i % len(COLOURS)], linestyle=(0, dash) if dash else "-", label=arm)
                panel.plot(x, y, **line)
            panel.set(xlim=(0, total), xlabel="updates")
        panels[0].set(title="Training loss, each its own", ylim=(0, loss_top))
        panels[1].set(title=f"{measured}, %", ylim=(0, percent_top))
        panels[1].legend(loc="lower right")
    return result


def svg(series: dict, total: int, top: float, scale: float, label: str) -> str:
    """Return one panel as SVG. top: the upper end of the axis; scale: what the values are multiplied by."""
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(update: float) -> float:
        return LEFT + inner_width * update / total

    def y(value: float) -> float:
        return TOP + inner_height * (1 - min(value, top) / top)

    parts = []
    for tick in ticks(0, top):
        line = f'<line class="sl-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        parts.append(f'{line}<text x="{LEFT - 6}" y="{y(tick) + 5:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in ticks(0, total, 4):
        parts.append(f'<text x="{x(tick):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{tick:g}</text>')
    for i, points in enumerate(series.values()):
        finite = [(u, scale * v) for u, v in points if math.isfinite(v)]
        path = " ".join(f"{x(u):.1f},{y(v):.1f}" for u, v in finite)
        style = f'stroke="{COLOURS[i % len(COLOURS)]}" stroke-dasharray="{DASHES[i % len(DASHES)]}"'
        parts.append(f'<polyline points="{path}" fill="none" stroke-width="2.5" {style}/>')
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg {size} role="img" aria-label="{html.escape(label, quote=True)}">{"".join(parts)}</svg>'


def curve_html(losses: dict, measures: dict, total: int, measured: str) -> str:
    """Return the picture as HTML: the key, both panels, the sentence and the goal."""
    seen = compute(losses, measures, total)
    loss_top, percent_top = limits(seen)
    key = []
    for i, arm in enumerate(losses):
        style = f'stroke="{COLOURS[i % len(COLOURS)]}" stroke-dasharray="{DASHES[i % len(DASHES)]}"'
        sample = f'<line x1="1" x2="43" y1="6" y2="6" stroke-width="3" {style}/>'
        key.append(f'<li><svg width="44" height="12" aria-hidden="true">{sample}</svg>{html.escape(arm)}</li>')
    titles = "Training loss, each its own", f"{measured}, %"
    left = svg(seen["loss"], total, loss_top, 1, f"{titles[0]}; {seen['done']} of {total} updates")
    right = svg(seen["measure"], total, percent_top, 100, f"{titles[1]}: {seen['sentence']}")
    panels = "".join(
        f"<figure><figcaption>{html.escape(title)}</figcaption>{panel}</figure>"
        for title, panel in zip(titles, (left, right), strict=True)
    )
    reached = " sl-reached" if seen["finished"] else ""
    return (
        f'<style>{stylesheet()}{STYLE}</style><div class="sl sl-live-curve"><p class="sl-look">{LOOK}</p>'
        f'<ul class="sl-key">{"".join(key)}</ul><div class="sl-live">{panels}</div>'
        f'<p class="sl-now" role="status" aria-live="polite">{html.escape(seen["sentence"])}</p>'
        f'<div class="sl-goal{reached}"><p><b>Goal.</b> {GOAL}</p>'
        f'<p class="sl-state">{html.escape(state_of(seen))}</p></div></div>'
    )


class LiveCurve(Pictured, ipywidgets.VBox):
    """Watch several arms train. In a `with` block it shows itself, and leaves its last picture in the notebook:

        with LiveCurve(["hard labels", "soft labels"], total=200, measured="Right on validation") as curve:
            curve.add("hard labels", loss)             # after each update of an arm
            curve.measure("hard labels", 20, 0.31)     # now and then: updates done, and a share between 0 and 1

    arms: their names, at most six. total: the updates of each. measured: what the share counts.
    """

    def __init__(self, arms: Sequence[str], total: int, measured: str):
        arms = [str(arm) for arm in arms]
        if not 1 <= len(arms) <= len(COLOURS) or len(set(arms)) != len(arms) or total < 1:
            raise ValueError(f"give 1 to {len(COLOURS)} arms of different names, and a total of at least 1")
        self.total, self.measured = total, measured
        self.losses: dict[str, list[float]] = {arm: [] for arm in arms}
        self.measures: dict[str, list[tuple[int, float]]] = {arm: [] for arm in arms}
        self.drawn, self.handle = 0.0, None
        self.shown = ipywidgets.HTML()
        super().__init__([self.shown], layout=ipywidgets.Layout(max_width="780px"))
        self.draw()

    def add(self, arm: str, loss: float) -> None:
        """Note the loss of an arm's next update; the picture follows when it is time."""
        if len(self.losses[arm]) == self.total:
            raise ValueError(f"{arm} has had its {self.total} updates already")
        self.losses[arm].append(float(loss))
        if time.monotonic() - self.drawn > EVERY:
            self.draw()

    def measure(self, arm: str, update: int, share: float) -> None:
        """Note what an arm reaches after so many updates."""
        if not 0 <= share <= 1:
            raise ValueError(f"a measure is a share between 0 and 1, not {share}")
        self.measures[arm].append((int(update), float(share)))

    def draw(self) -> None:
        self.shown.value = curve_html(self.losses, self.measures, self.total, self.measured)
        self.drawn = time.monotonic()

    def __enter__(self) -> "LiveCurve":
        self.handle = display(self, display_id=True)
        return self

    def __exit__(self, *error) -> None:
        # The picture that a saved notebook keeps is made when a widget is shown; at that time it was empty.
        self.draw()
        if self.handle is not None:
            self.handle.update(self)

    def picture(self) -> tuple[Figure, str]:
        """Return the curves as they are now, and a description of them."""
        seen = compute(self.losses, self.measures, self.total)
        alt = f"Curves of {'; '.join(self.losses)}. Left: their training losses. Right: {self.measured.lower()}, in %. "
        return figure(self.losses, self.measures, self.total, self.measured), alt + seen["sentence"]

    def __repr__(self) -> str:
        return f"LiveCurve({', '.join(self.losses)}: {self.total} updates)"
