"""The heat map of lesson 07: measured runs over temperature x soft weight x number of labelled texts.

A cell shows what its setting gains on validation over hard labels of the same texts, as a mean over seeds. The noise
floor, in standard errors of a difference, says which gains can be told from nothing; picking a cell shows its seeds,
and its figures on test. Cells that have not been run are shown as such.
"""

import math
import time

import numpy as np
import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from tqdm.auto import tqdm

from softlabels.distill.selection import choose_on_validation, standard_error_of_difference
from softlabels.distill.verdict import verdict

from . import palette
from .bundle import Alive

COLUMNS = ("arm", "seed", "labels", "temperature", "soft_weight", "validation_accuracy", "accuracy", "updates")
DRAWS = 1_000  # of the bootstrap: half the usual, as there are dozens of verdicts to wait for
HIGHEST = 6.0
FLOOR = 2.0  # standard errors: equally good cells lie further apart about one time in twenty


def compute(frame, arrays=None) -> dict:
    """Return what the widget shows about the measured runs.

    frame: a DataFrame, one row a run, with the columns in COLUMNS; accuracies are shares. A row with soft_weight 0 is
    the control with hard labels, and every number of labels must have one. arrays: "arm/seed/correct" -> bool
    (examples,), the test answers of a run; without them there are no verdicts. ValueError when a column is missing.

    Returns `labels`, `temperatures`, `soft_weights` (rising, lists); `cells`: for each number of labels the soft
    weights from the largest down, in each all temperatures, then the control; `errors`, the standard error of a
    difference of two cells' validation means, and `best`, the index of the cell that is best on validation, both by
    number of labels (None where too little has been run). A cell has `labels`, `temperature`, `soft_weight`, `seeds`,
    `validation`, `test` (lists by seed, empty if not run), `gain` (validation mean less the control's, over the seeds
    they share) and `word`, `difference`, `low`, `high`: the verdict on test against the control. None where it cannot
    be told.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ValueError(f"the runs lack the columns {', '.join(missing)}; they have {', '.join(frame.columns)}")
    soft = frame[frame["soft_weight"] > 0]
    labels = sorted({int(count) for count in frame["labels"]})
    temperatures, weights = (sorted({float(v) for v in soft[name]}) for name in ("temperature", "soft_weight"))
    if not labels or not temperatures:
        raise ValueError("there must be runs with a soft weight above 0")
    found = dict(labels=labels, temperatures=temperatures, soft_weights=weights, cells=[], errors=[], best=[])
    count_of_cells = len(labels) * len(weights) * len(temperatures)
    bar = tqdm(total=count_of_cells, desc="verdicts", leave=False, disable=arrays is None)
    for count in labels:
        rows = frame[frame["labels"] == count]
        control = rows[rows["soft_weight"] == 0].sort_values("seed")
        first = len(found["cells"])
        for weight in reversed(weights):
            for temperature in temperatures:
                chosen = rows[(rows["soft_weight"] == weight) & (rows["temperature"] == temperature)]
                about = dict(labels=count, temperature=temperature, soft_weight=weight)
                found["cells"].append(about | _measured(chosen.sort_values("seed"), control, arrays))
                bar.update()
        about = dict(labels=count, temperature=None, soft_weight=0.0)
        found["cells"].append(about | _measured(control, control, None))
        best, error = _choose(found["cells"], first)
        found["best"].append(best)
        found["errors"].append(error)
    bar.close()
    return found


def _measured(rows, control, arrays) -> dict:
    """Return the seeds of one cell, and how they compare with the control's on the seeds that both have."""
    cell = dict(seeds=[int(s) for s in rows["seed"]], gain=None, word=None, difference=None, low=None, high=None)
    cell |= dict(validation=rows["validation_accuracy"].tolist(), test=rows["accuracy"].tolist())
    both = rows.merge(control, on="seed", suffixes=("", "_hard"))
    if len(both):
        cell["gain"] = float((both["validation_accuracy"] - both["validation_accuracy_hard"]).mean())
    if len(both) and arrays is not None:
        ours, hard = (
            np.stack([arrays[f"{arm}/{seed}/correct"] for arm, seed in zip(both[name], both["seed"], strict=True)])
            for name in ("arm", "arm_hard")
        )
        v = verdict(ours, hard, draws=DRAWS)
        cell |= dict(word=v.word, difference=v.difference, low=v.low, high=v.high)
    return cell


def _choose(cells: list[dict], first: int) -> tuple[int | None, float | None]:
    """Return the index of the best cell from `first` on, and the standard error, by the cells with all their seeds."""
    most = max(len(cell["seeds"]) for cell in cells[first:])
    whole = [i for i in range(first, len(cells)) if len(cells[i]["seeds"]) == most]
    if most == 0:
        return None, None
    validation, test = (np.array([cells[i][split] for i in whole]) for split in ("validation", "test"))
    error = standard_error_of_difference(validation) if most > 1 else None
    return whole[choose_on_validation(validation, test)[0]], error


def reach(found: dict, temperature: float | None, soft_weight: float) -> float | None:
    """Return the noise floor, in standard errors, from which on one setting cannot be told from the best cell, whatever
    the number of labels; None if one of its cells has not been run. temperature: None for the control."""
    worst = 0.0
    for panel, error in enumerate(found["errors"]):
        (cell,) = (
            c for c in _panel(found, panel) if (c["temperature"], c["soft_weight"]) == (temperature, soft_weight)
        )
        if not cell["validation"] or not error:
            return None
        best = found["cells"][found["best"][panel]]
        worst = max(worst, (np.mean(best["validation"]) - np.mean(cell["validation"])) / error)
    return float(worst)


def _panel(found: dict, panel: int) -> list[dict]:
    size = len(found["temperatures"]) * len(found["soft_weights"]) + 1
    return found["cells"][panel * size : (panel + 1) * size]


def figure(found: dict, floor: float = FLOOR) -> Figure:
    """Draw the map at one noise floor: gains in points, hatched where they are below it, the best cells framed."""
    rows, columns = len(found["soft_weights"]) + 1, len(found["temperatures"])
    gains = [abs(cell["gain"]) for cell in found["cells"] if cell["gain"] is not None]
    largest = max([*gains, 1e-9])
    with palette.style():
        result = palette.blank_figure(7.5, 0.9 + 0.42 * rows)
        panels = result.subplots(1, len(found["labels"]), sharey=True, squeeze=False)[0]
        for panel, axes in enumerate(panels):
            for place, cell in enumerate(_panel(found, panel)):
                row, column = divmod(place, columns)
                width = columns if row == rows - 1 else 1
                _draw_cell(axes, cell, found["errors"][panel], floor, largest, (column, row), width)
                if panel * (columns * (rows - 1) + 1) + place == found["best"][panel]:
                    frame = Rectangle((column + 0.04, row + 0.05), width - 0.08, 0.9, fill=False, linewidth=2.5)
                    axes.add_patch(frame)
            axes.set(xlim=(0, columns), ylim=(rows, 0), title=f"{found['labels'][panel]:,} texts", xlabel="temperature")
            axes.set_xticks(np.arange(columns) + 0.5, [f"{t:g}" for t in found["temperatures"]])
            axes.tick_params(length=0)
            axes.grid(visible=False)
            for spine in axes.spines.values():
                spine.set_visible(False)
        names = [*(f"soft {w:g}" for w in reversed(found["soft_weights"])), "hard"]
        panels[0].set_yticks(np.arange(rows) + 0.5, names)
    return result


def _draw_cell(axes, cell: dict, error, floor: float, largest: float, corner: tuple, width: int) -> None:
    column, row = corner
    gain, control = cell["gain"], cell["soft_weight"] == 0
    faint = control or gain is None or error is None or abs(gain) <= floor * error
    colour = palette.QUIET if gain is None else palette.ACCENT if gain > 0 else "#c5733e"
    strength = 0.0 if control or gain is None else 0.7 * math.sqrt(abs(gain) / largest)
    box = (column + 0.03, row + 0.04), width - 0.06, 0.92
    axes.add_patch(Rectangle(*box, facecolor=colour, alpha=strength, linewidth=0))
    edge = dict(facecolor="none", edgecolor="#a9b0b8", linewidth=0.6, hatch="///" if faint and not control else None)
    axes.add_patch(Rectangle(*box, linestyle=":" if not cell["seeds"] else "-", **edge))
    text = f"{100 * np.mean(cell['validation']):.1f} %" if control and cell["seeds"] else "–"
    if not control and gain is not None:
        text = f"{100 * gain:+.1f}"
    paper = dict(facecolor="white", edgecolor="none", alpha=0.75, pad=1.0) if faint and not control else None
    axes.text(column + width / 2, row + 0.5, text, ha="center", va="center", fontsize=11, bbox=paper)


class HeatMap(Alive):
    """Pick a cell by arrow keys or mouse and see its seeds; raise the noise floor and see which gains are left.

    frame, arrays: as `compute` takes them. run: a function (labels, temperature, soft_weight, seed, tell) -> (accuracy
    on validation, on test) that trains one student with a cell's setting; temperature is None for hard labels, and
    tell(updates done) moves the bar. Without it nothing can be run. What it raises is shown, and raised again.

    `picked` (index of a cell) and `floor` (in standard errors) can be read and set; `live` holds your own runs, and
    `found` what `compute` returned.
    """

    _module = "heat_map.js"
    labels = traitlets.List().tag(sync=True)
    temperatures = traitlets.List().tag(sync=True)
    soft_weights = traitlets.List().tag(sync=True)
    cells = traitlets.List().tag(sync=True)
    errors = traitlets.List().tag(sync=True)
    best = traitlets.List().tag(sync=True)
    highest = traitlets.Float(HIGHEST).tag(sync=True)
    floor = traitlets.Float(FLOOR, min=0.0, max=HIGHEST).tag(sync=True)
    picked = traitlets.Int(0, min=0).tag(sync=True)
    can_run = traitlets.Bool(False).tag(sync=True)
    updates = traitlets.Int(0).tag(sync=True)
    asked = traitlets.List().tag(sync=True)  # [index of a cell, seed]: a wish from the page to run it
    progress = traitlets.Float(-1.0).tag(sync=True)  # share of a live run that is done; -1: none is running
    live = traitlets.List().tag(sync=True)
    trouble = traitlets.Unicode("").tag(sync=True)

    def __init__(self, frame, arrays=None, run=None):
        self.found, self.run = compute(frame, arrays), run
        # Five digits of an accuracy are more than 5,000 examples can give.
        rounded = [{key: _rounded(value) for key, value in cell.items()} for cell in self.found["cells"]]
        super().__init__(
            **{key: self.found[key] for key in ("labels", "temperatures", "soft_weights", "best")},
            cells=rounded,
            errors=[_rounded(error) for error in self.found["errors"]],
            can_run=run is not None,
            updates=int(frame["updates"].max()),
            picked=len(self.found["temperatures"]) * len(self.found["soft_weights"]),  # hard labels: the control
        )

    @traitlets.validate("picked")
    def _cell_exists(self, proposal):
        if proposal["value"] >= len(self.cells):
            raise traitlets.TraitError(f"there are {len(self.cells)} cells, no number {proposal['value']}")
        return proposal["value"]

    @traitlets.observe("asked")
    def _run_live(self, change):
        if self.run is None or not change["new"]:
            return
        index, seed = change["new"]
        cell, told = self.cells[index], time.monotonic()

        def tell(done: int) -> None:
            nonlocal told
            if time.monotonic() - told > 0.25:
                self.progress, told = done / max(1, self.updates), time.monotonic()

        self.trouble, self.progress = "", 0.0
        try:
            validation, test = self.run(cell["labels"], cell["temperature"], cell["soft_weight"], seed, tell)
        except BaseException as error:  # a stop by hand too: the page must not wait for ever
            self.trouble = f"The run stopped: {type(error).__name__}: {error}".removesuffix(": ")
            raise
        else:
            run = dict(cell=index, seed=seed, validation=_rounded(float(validation)), test=_rounded(float(test)))
            self.live = [*self.live, run]
        finally:
            self.progress, self.asked = -1.0, []

    def picture(self) -> tuple[Figure, str]:
        """Return the map, and in words what is best on validation for each number of labels."""
        words = []
        for panel, count in enumerate(self.labels):
            if self.best[panel] is not None:
                cell, part = self.found["cells"][self.best[panel]], _panel(self.found, panel)
                told = [c for c in part if c["gain"] and abs(c["gain"]) > self.floor * (self.errors[panel] or math.inf)]
                words.append(
                    f"{count:,} texts: best on validation {setting_name(cell)}, "
                    f"{100 * np.mean(cell['validation']):.1f} %; {len(told)} of {len(part) - 1} cells differ from hard "
                    "labels by more than the noise floor"
                )
        alt = f"Heat maps of the gain over hard labels, in points. {'. '.join(words)}."
        return figure(self.found, self.floor), alt

    def __repr__(self) -> str:
        return f"HeatMap({len(self.cells)} cells, {sum(len(cell['seeds']) for cell in self.cells)} runs)"


def setting_name(cell: dict) -> str:
    """Return a cell's setting in words."""
    return f"T = {cell['temperature']:g}, soft {cell['soft_weight']:g}" if cell["soft_weight"] else "hard labels"


def _rounded(value):
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return round(value, 5) if isinstance(value, float) else value
