"""The affinity map (lesson 01): which classes the teacher takes for one another, on average.

Row c is the mean soft label of the glosses whose hard label is c (`softlabels.distill.class_affinity`). What a class
keeps for itself is 50 to 95 %, what it gives to another mostly below 5 %, so on one scale the diagonal would be all
there is to see. The diagonal therefore gets no colour (a stroke marks it), and the colours go up to the largest value
off it, by square root.
"""

import numpy as np
import traitlets
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure

from . import palette
from .bundle import Alive

RELATIVES = 5


def compute(affinity, row: int, column: int) -> dict:
    """Return what the widget shows when one cell is picked.

    affinity: (classes, classes), row c the mean soft label of class c. row, column: the cell. Returns `leak` (what the
    glosses of `row` give to `column`), `back` (the other way round), `both` (the smaller of the two), and `relatives`:
    the indices of the five other classes that `row` gives most to, the most first.
    """
    table = np.asarray(affinity, dtype=np.float64)
    leak, back = float(table[row, column]), float(table[column, row])
    others = [int(i) for i in np.argsort(-table[row], kind="stable") if i != row]
    return {"leak": leak, "back": back, "both": min(leak, back), "relatives": others[:RELATIVES]}


def most_mutual(affinity) -> tuple[int, int]:
    """Return the pair of classes (i < j) whose smaller leak is the largest: it leaks most in both directions."""
    table = np.asarray(affinity, dtype=np.float64)
    both = np.triu(np.minimum(table, table.T), k=1)
    both[np.tril_indices(len(table))] = -1.0
    i, j = np.unravel_index(np.argmax(both), both.shape)
    return int(i), int(j)


def figure(affinity, classes) -> Figure:
    """Draw the map in per cent: rows are hard classes, columns what the teacher gives them; no colour on the diagonal.

    affinity: (classes, classes), each row the mean soft label of one class. classes: their names. Returns a figure.
    """
    table = np.array(affinity, dtype=np.float64)
    np.fill_diagonal(table, np.nan)
    side = len(classes) * 0.205
    blues = LinearSegmentedColormap.from_list("soft labels", ["#f6f8fa", "#8fbfe6", palette.ACCENT, "#06345c"])
    with palette.style():
        result = palette.blank_figure(side + 2.2, side + 1.6)
        axes = result.subplots()
        largest = max(float(np.nanmax(100 * table)), 1e-9)
        image = axes.imshow(100 * table, cmap=blues, norm=PowerNorm(0.5, vmin=0, vmax=largest))
        axes.plot(range(len(classes)), range(len(classes)), linestyle="none", marker="x", markersize=4, color="#b4bac1")
        axes.set_xticks(range(len(classes)), classes, rotation=90)
        axes.set_yticks(range(len(classes)), classes)
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.set(xlabel="where the teacher's probability goes", ylabel="hard class of the gloss")
        result.colorbar(image, ax=axes, shrink=0.6, aspect=30, label="mean probability, % (diagonal left out)")
    return result


class AffinityMap(Alive):
    """Pick a cell by arrow keys or mouse and read who resembles whom; the goal is the pair that leaks most both ways.

    affinity: (classes, classes) numbers between 0 and 1, row c the mean soft label of the glosses of class c; a class
    without a gloss has a row of zeros. classes: their names. ValueError when the shapes do not fit.

    `row` and `column` are the picked cell; they can be read and set while the widget is shown.
    """

    _module = "affinity.js"
    affinity = traitlets.List().tag(sync=True)
    classes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    colours = traitlets.List(traitlets.Unicode()).tag(sync=True)
    row = traitlets.Int(0, min=0).tag(sync=True)
    column = traitlets.Int(1, min=0).tag(sync=True)

    def __init__(self, affinity, classes):
        table, classes = np.asarray(affinity, dtype=np.float64), [str(name) for name in classes]
        if table.shape != (len(classes), len(classes)) or len(classes) < 2:
            raise ValueError(
                f"affinity must be (classes, classes), here ({len(classes)}, {len(classes)}) and at least (2, 2), "
                f"not {table.shape}"
            )
        if not (np.isfinite(table).all() and table.min() >= 0 and table.max() <= 1 + 1e-6):
            raise ValueError("affinity must hold probabilities between 0 and 1")
        # Open on the first class and its nearest relative, unless that would give the goal away.
        first = compute(table, 0, 1)["relatives"]
        column = first[-1] if {0, first[0]} == set(most_mutual(table)) else first[0]
        table = [[float(f"{value:.5g}") for value in line] for line in table.tolist()]
        super().__init__(affinity=table, classes=classes, colours=palette.colours(classes), column=column)

    @traitlets.validate("row", "column")
    def _class_exists(self, proposal):
        if proposal["value"] >= len(self.classes):
            raise traitlets.TraitError(f"there are {len(self.classes)} classes, no number {proposal['value']}")
        return proposal["value"]

    def picture(self) -> tuple[Figure, str]:
        """Return the map and, in words, its three strongest cells off the diagonal."""
        table = np.array(self.affinity)
        np.fill_diagonal(table, -1.0)
        strongest = np.argsort(-table, axis=None, kind="stable")[:3]
        cells = [np.unravel_index(place, table.shape) for place in strongest]
        words = [f"{self.classes[i]} to {self.classes[j]} {100 * table[i, j]:.1f} %" for i, j in cells]
        alt = (
            "Heat map of the teacher's mean soft label (columns) for each hard class (rows), diagonal left out. "
            f"The strongest cells: {'; '.join(words)}."
        )
        return figure(self.affinity, self.classes), alt

    def __repr__(self) -> str:
        return f"AffinityMap({len(self.classes)} classes)"
