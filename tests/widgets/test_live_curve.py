"""The live curve: what it computes over its grid, what it says, and what a loop pays for it."""

import itertools
import re
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from softlabels.widgets import LiveCurve
from softlabels.widgets.live_curve import POINTS, compute, curve_html, limits, state_of, ticks

ARMS = ("hard labels", "hard, smoothed", "soft labels")


def half_way(arms=ARMS, done=60, total=100, every=20):
    losses = {arm: list(np.linspace(3, 1 + i, done)) for i, arm in enumerate(arms)}
    measures = {
        arm: [(u, u / total * 0.5 + 0.01 * i) for u in range(every, done + 1, every)] for i, arm in enumerate(arms)
    }
    return losses, measures, total


def test_what_it_says_half_way_and_at_the_end():
    seen = compute(*half_way())
    assert seen["done"] == 60 and seen["leader"] == "soft labels" == seen["half_time"] and not seen["finished"]
    assert seen["gap"] == pytest.approx(1.0)
    assert (
        seen["sentence"].startswith("After 60 of 100 updates: soft labels 32.0 %")
        and "decides nothing" in seen["sentence"]
    )
    assert state_of(seen) == "○ At half-time: soft labels. Will it stay ahead?"
    losses, measures, total = half_way(done=100)
    measures["hard labels"][-1] = (100, 0.9)
    seen = compute(losses, measures, total)
    assert seen["finished"] and (seen["half_time"], seen["leader"]) == ("soft labels", "hard labels")
    assert state_of(seen).startswith("✓ Done. Ahead at half-time: soft labels; at the end: hard labels, by")


def test_nothing_yet_and_arms_that_are_apart():
    seen = compute({"a": [], "b": []}, {"a": [], "b": []}, 10)
    assert seen["leader"] is None and seen["sentence"] == "Nothing is measured yet."
    seen = compute({"a": [1.0] * 4, "b": [1.0] * 2}, {"a": [(4, 0.5)], "b": [(2, 0.4)]}, 10)
    assert seen["done"] == 2 and seen["leader"] is None, "arms are compared after the same number of updates only"


@pytest.mark.parametrize("count, done, total", itertools.product((1, 3, 6), (0, 1, 7, 60, 233), (233, 1_000)))
def test_over_its_grid(count, done, total):
    arms = [f"arm {i}" for i in range(count)]
    losses = {arm: list(np.random.default_rng(i).exponential(2.0, done)) for i, arm in enumerate(arms)}
    measures = {arm: [(done, 0.5)] if done else [] for arm in arms}
    seen = compute(losses, measures, total)
    for arm in arms:
        points = seen["loss"][arm]
        assert len(points) <= POINTS and [u for u, _ in points] == sorted({u for u, _ in points})
        if done:
            assert points[-1][0] == done
            widths = np.diff([0, *(u for u, _ in points)])
            assert np.average([v for _, v in points], weights=widths) == pytest.approx(np.mean(losses[arm]))
    loss_top, percent_top = limits(seen)
    assert loss_top > 0 and 20 <= percent_top <= 100
    page = curve_html(losses, measures, total, "Right on validation")
    for picture in re.findall(r"<svg.*?</svg>", page):
        ElementTree.fromstring(picture)
    assert len(page) < 40_000


def test_ticks_are_round_and_few():
    for high in (0.03, 0.9, 3.2, 7, 20, 100, 250, 3_750):
        found = ticks(0, high)
        assert 2 <= len(found) <= 6 and found[0] == 0 and found[-1] <= high * 1.001


def test_a_loss_that_is_no_number_is_left_out():
    page = curve_html({"a": [1.0, float("nan"), float("inf")]}, {"a": []}, 3, "Right")
    assert "nan" not in page and "inf" not in page.replace("info", "")


@pytest.mark.parametrize(
    "losses, measures, total",
    [({}, {}, 5), ({"a": []}, {"b": []}, 5), ({"a": [1.0] * 6}, {"a": []}, 5), ({"a": []}, {"a": [(1, 40.0)]}, 5)],
)
def test_what_is_out_of_place_is_refused(losses, measures, total):
    with pytest.raises(ValueError):
        compute(losses, measures, total)


def test_the_widget_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match="different names"):
        LiveCurve(["a", "a"], 5, "Right")
    with pytest.raises(ValueError, match="1 to 6 arms"):
        LiveCurve([], 5, "Right")
    curve = LiveCurve(["a"], 1, "Right")
    curve.add("a", 1.0)
    with pytest.raises(ValueError, match="1 updates already"):
        curve.add("a", 1.0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        curve.measure("a", 1, 41.5)
    with pytest.raises(KeyError):
        curve.add("b", 1.0)


def test_watching_costs_a_loop_next_to_nothing():
    curve = LiveCurve(ARMS, 2_000, "Right on validation")
    start = time.process_time()
    for update in range(2_000):
        for arm in ARMS:
            curve.add(arm, 1.0)
        if update % 100 == 99:
            for arm in ARMS:
                curve.measure(arm, update + 1, 0.5)
    assert time.process_time() - start < 0.5  # a training of 2,000 updates takes a minute
    start = time.process_time()
    curve.draw()
    assert time.process_time() - start < 0.05


def test_an_arm_name_cannot_inject_html():
    curve = LiveCurve(["<img src=x onerror=alert(1)>"], 5, "<b>Right</b>")
    assert "<img" not in curve.shown.value and "<b>Right" not in curve.shown.value


def test_it_shows_itself_and_leaves_its_last_picture(capsys):
    with LiveCurve(["a", "b"], 2, "Right on validation") as curve:
        for arm, share in (("a", 0.25), ("b", 0.5)):
            curve.add(arm, 2.0)
            curve.add(arm, 1.0)
            curve.measure(arm, 2, share)
    assert "b 50.0 %, a 25.0 %" in curve.shown.value and "✓ Done" in curve.shown.value
    _, alt = curve.picture()
    assert "After 2 of 2 updates: b 50.0 %" in alt


def test_an_interrupted_loop_keeps_its_picture():
    curve = LiveCurve(["a"], 5, "Right")
    with pytest.raises(KeyboardInterrupt), curve:
        curve.add("a", 2.0)
        curve.measure("a", 1, 0.1)
        raise KeyboardInterrupt
    assert "a 10.0 %" in curve.shown.value
