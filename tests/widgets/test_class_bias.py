"""The slider for the bias of one class: its arithmetic over its whole grid, its words, its picture."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from softlabels.distill import best_bias
from softlabels.widgets import ClassBias
from softlabels.widgets.class_bias import BIASES, compute, sentence


def student(too_low: float = 3.0, rows: int = 600):
    """Return (logits, labels) of a student that knows a class and does not name it."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, rows)
    logits = rng.normal(0, 1, (rows, 6))
    logits[np.arange(rows), labels] += 2
    logits[:, 2] -= too_low
    return logits.round(3), labels


@pytest.fixture
def widget():
    return ClassBias(*student(), 2, "food")


def test_the_grid_is_what_counting_gives():
    logits, labels = student()
    for bias in BIASES:
        raised = logits.copy()
        raised[:, 2] += bias
        answers = raised.argmax(axis=1)
        seen = compute(logits, labels, 2, bias)
        assert seen["found"] == ((answers == 2) & (labels == 2)).sum()
        assert seen["taken"] == ((answers == 2) & (labels != 2)).sum()
        assert seen["right"] == (answers == labels).sum() and seen["of_target"] == (labels == 2).sum()


def test_more_bias_finds_more_and_takes_more():
    track = [compute(*student(), 2, bias) for bias in BIASES]
    for one, other in pairwise(track):
        assert one["found"] <= other["found"] and one["taken"] <= other["taken"]


def test_the_goal_is_the_best_bias(widget):
    assert "○ Not yet" in widget.shown.value
    logits, labels = student()
    widget.slider.value = best_bias(torch.tensor(logits), torch.tensor(labels), 2, BIASES)
    assert "✓ Reached" in widget.shown.value and widget.bias > 2
    widget.slider.value = 8.0
    assert "○ Not yet" in widget.shown.value and "fewer than without a bias" in widget.shown.value


def test_the_sentence_says_what_is_seen():
    seen = dict(found=3, of_target=5, taken=2, right=41, examples=50, accuracy=0.82)
    words = sentence(seen, seen | dict(right=40), "food", 1.5)
    assert words == (
        "With +1.5, 3 of 5 food glosses are found, and 2 others are called food. "
        "In all 82.0% are right: 1 more than without a bias."
    )
    assert sentence(seen, seen, "food", 0.0).endswith("are right: as many as without a bias.")


def test_four_forms_small_and_the_same_each_time(widget):
    (data, metadata), (again, _) = widget._repr_mimebundle_(), ClassBias(*student(), 2, "food")._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert len(data["image/png"]) < 60_000 and data["image/png"] == again["image/png"]
    assert len(metadata["image/png"]["alt"]) > 60 and "%" in metadata["image/png"]["alt"]
    assert "0x" not in data["text/plain"]


def test_the_picture_is_readable_and_inside_the_page(widget):
    figure, _ = widget.picture()
    FigureCanvasAgg(figure).draw()
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        if text.get_text().strip() and text.get_visible() and box.width:
            assert text.get_fontsize() >= 11
    assert figure.bbox.width <= 760


def test_what_is_drawn_lies_inside_its_panel(widget):
    for bias in BIASES:
        widget.slider.value = bias
        for panel in re.findall(r"<svg.*?</svg>", widget.shown.value):
            width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', panel).groups())
            for x, y in re.findall(r"([\d.]+),([\d.]+)[ \"]", panel):
                assert 0 <= float(x) <= width and 0 <= float(y) <= height


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda z, y: (z[:5], y, 2, "food"), "examples, classes"),
        (lambda z, y: (z * np.nan, y, 2, "food"), "finite"),
        (lambda z, y: (z, y, 6, "food"), "0 to 5"),
        (lambda z, y: (z, y * 0, 2, "food"), "nothing to find"),
    ],
)
def test_wrong_input_is_refused_in_words(change, words):
    with pytest.raises(ValueError, match=words):
        ClassBias(*change(*student()))


def test_a_name_cannot_inject_html():
    assert "<img" not in ClassBias(*student(), 2, "<img src=x>").shown.value
