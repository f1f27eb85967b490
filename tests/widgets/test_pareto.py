"""The chart of measured models under limits: its arithmetic over its whole grid, its words, its goals, its picture."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from softlabels.widgets import Pareto
from softlabels.widgets.pareto import MEASURES, compute, limits, sentence, tightest

ROWS = [  # arm, form, megabytes, p50_ms, validation_accuracy
    ("teacher", "fp32", 91.0, 12.0, 0.857),
    ("teacher", "int8", 23.0, 7.0, 0.855),
    ("6 of 12 heads", "fp32", 84.0, 10.0, 0.852),
    ("depth 3", "fp32", 70.0, 6.2, 0.826),
    ("depth 3", "int8", 18.0, 3.9, 0.821),
    ("depth 1", "fp32", 56.0, 2.2, 0.72),
    ("small", "fp32", 18.0, 0.6, 0.838),
    ("small", "int8", 4.9, 0.4, 0.835),
    ("small", "int8, fewer word pieces", 1.9, 0.42, 0.812),
    ("a copy of small", "int8", 4.9, 0.4, 0.835),
    ("ruined", "fp32", 91.0, 12.0, 0.04),
]


def models() -> pd.DataFrame:
    frame = pd.DataFrame(ROWS, columns=["arm", "form", "megabytes", "p50_ms", "validation_accuracy"])
    return frame.assign(accuracy=frame["validation_accuracy"] + 0.005, agreement=0.9, ece=0.03)


@pytest.fixture
def widget():
    return Pareto(models())


def test_the_grid_is_what_looking_at_each_pair_gives(widget):
    frame = models()
    for mb, ms, along in itertools.product(widget.places["megabytes"], widget.places["p50_ms"], MEASURES):
        seen = compute(frame, mb, ms, along)
        inside = [i for i, row in frame.iterrows() if row["megabytes"] <= mb and row["p50_ms"] <= ms]
        assert np.flatnonzero(seen["fits"]).tolist() == inside
        cost, good = frame[along], frame["validation_accuracy"]
        unbeaten = {
            i
            for i in inside
            if not any(
                cost[j] <= cost[i] and good[j] >= good[i] and (cost[j] < cost[i] or good[j] > good[i]) for j in inside
            )
        }
        assert set(seen["front"]) == unbeaten
        assert [cost[i] for i in seen["front"]] == sorted(cost[i] for i in seen["front"])
        if inside:
            assert good[seen["best"]] == good[inside].max()
        else:
            assert seen["best"] is None


def test_a_slider_reaches_from_the_smallest_model_to_all():
    for values in ([0.42, 12.0], [1.9, 91.0], [1.0, 1.0], [3.0, 10.0], [97.0, 102.0]):
        places = limits(values)
        assert places == sorted(set(places)) and places[-1] >= max(values)
        assert places[0] >= min(values) and places[0] <= 2 * min(values), "the smallest model can be had alone"


def test_the_sentence_says_what_is_left_and_reports_test(widget):
    frame = models()
    seen = compute(frame, 5, 1)
    words = sentence(frame, seen, 0, 5, 1)
    assert words.startswith("Within 5 MB and 1 ms, 3 of 11 models are left. Best on validation: small, int8. On test")
    assert "right on 84.0%" in words and f"{0.84 / 0.862:.1%} of the teacher's" in words
    assert "1/18.6 of" in words and "30 times as fast" in words
    nothing = sentence(frame, compute(frame, 1.8, 0.2), 0, 1.8, 0.2)
    assert nothing == "Within 1.8 MB and 0.2 ms, nothing fits: each model is above one of the limits."


def test_the_goals_are_the_tightest_limits(widget):
    assert not widget.found and "○ megabytes · ○ milliseconds" in widget.shown.value
    widget.megabytes.value = tightest(models(), 0, widget.places["megabytes"], "megabytes")
    assert widget.found == {"megabytes"}
    place = widget.places["megabytes"].index(widget.megabytes.value)
    widget.megabytes.value = widget.places["megabytes"][place - 1]
    best = widget.seen()["best"]
    assert widget.models["validation_accuracy"][best] < 0.97 * 0.857, "one step further, and it is gone"
    widget.p50_ms.value = widget.goals["p50_ms"]
    assert widget.found == {"megabytes"}, "the other limit was not open"
    widget.megabytes.value = widget.places["megabytes"][-1]
    assert widget.found == {"megabytes", "p50_ms"} and "✓ megabytes · ✓ milliseconds" in widget.shown.value


def test_what_is_drawn_lies_inside_and_the_best_is_marked(widget):
    for along in MEASURES:
        widget.along.value = along
        for mb, ms in itertools.product(widget.places["megabytes"][::4], widget.places["p50_ms"][::4]):
            widget.megabytes.value, widget.p50_ms.value = mb, ms
            drawn = re.search(r"<svg.*?</svg>", widget.shown.value).group()
            width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', drawn).groups())
            for x, y in re.findall(r'cx="([\d.-]+)" cy="([\d.-]+)"', drawn):
                assert 0 <= float(x) <= width and 0 <= float(y) <= height
            assert widget.shown.value.count("◆ ") == (widget.seen()["best"] is not None)


def test_four_forms_small_and_the_same_each_time(widget):
    (data, metadata), (again, _) = widget._repr_mimebundle_(), Pareto(models())._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert len(data["image/png"]) < 60_000 and data["image/png"] == again["image/png"]
    assert len(metadata["image/png"]["alt"]) > 60 and "%" in metadata["image/png"]["alt"]


def test_the_picture_is_readable_and_inside_the_page(widget):
    figure, _ = widget.picture()
    FigureCanvasAgg(figure).draw()
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible():
            assert text.get_fontsize() >= 11
    assert figure.bbox.width <= 760


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.drop(columns="ece"), "lack the columns ece"),
        (lambda m: m.assign(p50_ms=np.nan), "a number for every figure"),
        (lambda m: m.assign(megabytes=0.0), "above 0"),
        (lambda m: m.assign(accuracy=84.0), "shares from 0 to 1"),
        (lambda m: m[m["arm"] != "teacher"], "must be the teacher"),
    ],
)
def test_wrong_input_is_refused_in_words(change, words):
    with pytest.raises(ValueError, match=words):
        Pareto(change(models()))


def test_a_name_cannot_inject_html():
    assert "<img" not in Pareto(models().assign(arm=["teacher", *["<img src=x>"] * 10])).shown.value
