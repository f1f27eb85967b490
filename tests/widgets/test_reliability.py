"""The reliability diagram: its arithmetic against `distill`, and what the widget accepts, shows and says."""

import re

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from softlabels.distill import expected_calibration_error
from softlabels.widgets.reliability import Reliability, compute


def answers(examples=900, classes=24, seed=0):
    """A model that is right as often as it says at T = 2, and so too sure of itself at T = 1."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(examples, classes, generator=generator)
    return 2 * logits, torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.55, 2.0, 4.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_error_is_that_of_distill(temperature, seed):
    logits, labels = answers(seed=seed)
    seen = compute(logits, labels, temperature)
    assert seen["error"] == pytest.approx(expected_calibration_error(logits / temperature, labels, bins=10))
    assert sum(b["count"] for b in seen["bins"]) == 900
    for b in seen["bins"]:
        assert b["low"] <= b["confidence"] <= b["high"] + 1e-9 and 0 <= b["accuracy"] <= 1
    weighted = sum(b["count"] * b["accuracy"] for b in seen["bins"]) / 900
    assert weighted == pytest.approx(seen["accuracy"])
    assert f"T = {temperature:.2f}" in seen["sentence"]


def test_it_says_which_way_the_model_errs():
    logits, labels = answers(20_000)
    assert "too sure of itself" in compute(logits, labels)["sentence"]
    assert "not sure enough" in compute(logits, labels, 4.0)["sentence"]
    assert compute(logits, labels, 2.0)["reached"] and "about as sure" in compute(logits, labels, 2.0)["sentence"]


def test_a_model_that_is_certain_and_one_answer_alone():
    seen = compute(torch.tensor([[1000.0, 0.0]]), torch.tensor([0]))
    assert seen["error"] == 0 and seen["bins"][0]["high"] == 1.0


def test_the_slider_leads_to_the_goal():
    widget = Reliability(*answers(20_000))
    assert "○ Not yet" in widget.shown.value and "aria-live" in widget.shown.value
    widget.slider.value = 2.0
    assert "✓ Reached" in widget.shown.value and widget.seen["reached"]
    assert widget.seen["sentence"] in widget.shown.value


@pytest.mark.parametrize(
    ("logits", "labels", "words"),
    [
        (np.zeros((3, 2)), [0, 1], "logits must be"),
        (np.zeros(3), [0, 1, 0], "logits must be"),
        (np.zeros((0, 2)), [], "logits must be"),
        (np.full((2, 2), np.nan), [0, 1], "finite"),
    ],
)
def test_wrong_input_is_refused_in_words(logits, labels, words):
    with pytest.raises(ValueError, match=words):
        Reliability(logits, labels)


def test_its_picture_is_readable_small_and_described():
    widget = Reliability(*answers())
    data, metadata = widget._repr_mimebundle_()
    assert len(data["image/png"]) < 60_000
    assert "%" in metadata["image/png"]["alt"] and re.search(r'<img alt="[^"]{60,}"', data["text/html"])
    figure, _ = widget.picture()
    FigureCanvasAgg(figure).draw()
    for text in figure.findobj(Text):
        if text.get_text().strip():
            assert text.get_fontsize() >= 11
    assert data["image/png"] == Reliability(*answers())._repr_mimebundle_()[0]["image/png"]
