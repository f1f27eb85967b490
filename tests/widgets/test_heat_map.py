"""The heat map of measured runs: its numbers, a table that is there in part, live runs, and its picture."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from softlabels.widgets import HeatMap, heat_map

LABELS, TEMPERATURES, WEIGHTS = (500, 20_000), (1.0, 2.0, 4.0, 8.0), (0.5, 1.0)


def measured(seeds=3, examples=200):
    """Return a table and arrays in the form of the experiment's, with settings that differ by little."""
    rng, rows, arrays = np.random.default_rng(0), [], {}
    grid = [(1.0, 0.0), *((t, w) for w in WEIGHTS for t in TEMPERATURES)]
    for count in LABELS:
        for temperature, weight in grid:
            arm = f"{count} texts, " + (f"T={temperature:g}, soft {weight:g}" if weight else "hard")
            for seed in range(seeds):
                right = rng.random(examples) < 0.5 + 0.1 * weight + 0.1 * (count > 500) - 0.01 * temperature
                arrays[f"{arm}/{seed}/correct"] = right
                rows.append(
                    dict(arm=arm, seed=seed, labels=count, temperature=temperature, soft_weight=weight, updates=600)
                    | dict(accuracy=right.mean(), validation_accuracy=right.mean() + 0.02 * rng.normal())
                )
    return pd.DataFrame(rows), arrays


FRAME, ARRAYS = measured()


def mean(count, temperature, weight, split="validation_accuracy", frame=FRAME):
    rows = frame[(frame.labels == count) & (frame.soft_weight == weight)]
    return rows[(rows.temperature == temperature) | (weight == 0)][split].mean()


def test_cells_hold_the_runs_in_the_order_of_the_map():
    found = heat_map.compute(FRAME, ARRAYS)
    assert (found["labels"], found["temperatures"], found["soft_weights"]) == (
        list(LABELS), list(TEMPERATURES), list(WEIGHTS)
    )  # fmt: skip
    grid = [(t, w) for w in reversed(WEIGHTS) for t in TEMPERATURES] + [(None, 0.0)]
    assert [(c["temperature"], c["soft_weight"]) for c in found["cells"]] == 2 * grid
    for cell in found["cells"]:
        setting = cell["labels"], cell["temperature"], cell["soft_weight"]
        assert np.mean(cell["validation"]) == pytest.approx(mean(*setting))
        assert np.mean(cell["test"]) == pytest.approx(mean(*setting, "accuracy"))
        assert cell["gain"] == pytest.approx(mean(*setting) - mean(cell["labels"], 1, 0.0), abs=1e-12)
        if cell["soft_weight"]:
            test = mean(*setting, "accuracy") - mean(cell["labels"], 1, 0.0, "accuracy")
            assert cell["difference"] == pytest.approx(test) and cell["low"] <= test <= cell["high"]
            assert cell["word"] in ("HELPS", "NO HELP", "INCONCLUSIVE")
        else:
            assert cell["word"] is None


def test_best_and_error_by_number_of_labels():
    found = heat_map.compute(FRAME)
    for panel, count in enumerate(LABELS):
        part = FRAME[FRAME.labels == count]
        means = part.groupby("arm")["validation_accuracy"].mean()
        best = found["cells"][found["best"][panel]]
        assert best["labels"] == count and np.mean(best["validation"]) == pytest.approx(means.max())
        variance = part.groupby("arm")["validation_accuracy"].var().mean()  # pandas divides by n - 1
        assert found["errors"][panel] == pytest.approx(math.sqrt(2 * variance / 3))


def test_reach_is_the_floor_that_a_setting_needs():
    found = heat_map.compute(FRAME)
    needed = {(t, w): heat_map.reach(found, t, w) for w in WEIGHTS for t in TEMPERATURES}
    for (t, w), floor in needed.items():
        behind = []
        for panel, count in enumerate(LABELS):
            best = np.mean(found["cells"][found["best"][panel]]["validation"])
            behind.append((best - mean(count, t, w)) / found["errors"][panel])
        assert floor == pytest.approx(max(behind)) and floor >= 0


def test_what_has_not_been_run_is_not_made_up():
    part = FRAME[~((FRAME.labels == 500) & (FRAME.temperature == 8))]
    part = part[~((part.labels == 20_000) & (part.soft_weight == 1) & (part.seed > 0))]
    part = part[~((part.labels == 20_000) & (part.soft_weight == 0))]
    found = heat_map.compute(part, ARRAYS)
    empty = [c for c in found["cells"] if not c["seeds"]]
    assert {(c["labels"], c["temperature"]) for c in empty} == {(500, 8.0), (20_000, None)}
    assert all(c["gain"] is None and c["word"] is None for c in empty)
    assert found["cells"][found["best"][1]]["soft_weight"] == 0.5, "compared with cells of as many seeds only"
    assert heat_map.reach(found, 8.0, 1.0) is None
    assert HeatMap(part, ARRAYS).picture()


def test_one_seed_has_no_noise_floor():
    found = heat_map.compute(FRAME[FRAME.seed == 0], ARRAYS)
    assert found["errors"] == [None, None] and found["best"] != [None, None]
    assert {c["word"] for c in found["cells"]} <= {"INCONCLUSIVE", None}
    assert HeatMap(FRAME[FRAME.seed == 0]).picture()


@pytest.mark.parametrize(
    ("frame", "words"),
    [(FRAME.drop(columns="labels"), "lack the columns labels"), (FRAME[FRAME.soft_weight == 0], "above 0")],
)
def test_a_table_that_does_not_fit_is_refused_in_words(frame, words):
    with pytest.raises(ValueError, match=words):
        HeatMap(frame)


def test_a_live_run_is_kept_and_its_progress_told():
    told = []

    def run(labels, temperature, soft_weight, seed, tell):
        told.append((labels, temperature, soft_weight, seed))
        tell(300)
        assert widget.progress >= 0
        return 0.61, 0.62

    widget = HeatMap(FRAME, run=run)
    widget.asked = [0, 3]
    assert told == [(500, 1.0, 1.0, 3)]
    assert widget.live == [dict(cell=0, seed=3, validation=0.61, test=0.62)]
    assert widget.asked == [] and widget.progress == -1
    widget.asked = [8, 4]
    assert told[-1] == (500, None, 0.0, 4) and len(widget.live) == 2


def test_a_live_run_that_fails_says_so_and_the_next_one_works():
    def run(labels, temperature, soft_weight, seed, tell):
        if seed == 3:
            raise RuntimeError("no soft labels")
        return 0.5, 0.5

    widget = HeatMap(FRAME, run=run)
    with pytest.raises(RuntimeError):
        widget.asked = [0, 3]
    assert widget.trouble == "The run stopped: RuntimeError: no soft labels" and widget.progress == -1
    widget.asked = [0, 4]
    assert widget.trouble == "" and len(widget.live) == 1


def test_the_bundle_holds_a_small_readable_picture_and_a_page_without_a_network():
    first, second = (HeatMap(FRAME, ARRAYS)._repr_mimebundle_() for _ in range(2))
    data, metadata = first
    assert data["image/png"] == second[0]["image/png"] and data["text/html"] == second[0]["text/html"]
    assert len(data["image/png"]) < 60_000 and "0x" not in data["text/plain"]
    assert "best on validation" in metadata["image/png"]["alt"]
    assert set(re.findall(r"https?://[^\s\"'<>)]+", data["text/html"])) <= {"http://www.w3.org/2000/svg"}
    figure, _ = HeatMap(FRAME, ARRAYS).picture()
    FigureCanvasAgg(figure).draw()
    assert figure.bbox.width <= 760
    shown = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    assert len(shown) > 20 and min(text.get_fontsize() for text in shown) >= 11
    for text in shown:
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, text.get_text()
