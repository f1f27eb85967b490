"""The widgets' JavaScript against softlabels.distill, point by point, in the browser that will run it."""

import itertools

import numpy as np
import pytest
from widgets import realistic

from softlabels.widgets import affinity, loss_weights, temperature

GRID = [0.25, 0.3, 0.5, 0.9, 1.0, 1.1, 2.0, 3.7, 8.0, 13.0, 20.0]


def hard_cases():
    """Return logits of 2 to 52 classes: drawn at several sizes, tied, nearly tied, and far out."""
    rng = np.random.default_rng(0)
    cases = [rng.normal(0, size, classes) for classes in (2, 3, 24, 52) for size in (0.01, 1, 5, 50) for _ in range(20)]
    cases += [np.zeros(24), np.full(5, 1e4), np.full(5, -1e4), np.array([1e4, -1e4, 9999.999]), np.array([0.0, 1e-9])]
    cases += [np.array([700.0, 0.0, -700.0]), np.array([5.0, 5.0, 1.0]), np.array([-1e300, 1e300])]
    return [case.tolist() for case in cases]


def test_temperature_matches_distill_over_a_grid(module):
    cases, page = hard_cases(), module("temperature.js")
    seen = page.evaluate(
        "([cases, grid]) => cases.map((z) => grid.map((t) => ({ ...widget.compute(z, t), order: widget.orderOf(z) })))",
        [cases, GRID],
    )
    points = 0
    for logits, answers in zip(cases, seen, strict=True):
        for t, got in zip(GRID, answers, strict=True):
            want = temperature.compute(logits, t)
            np.testing.assert_allclose(got["probabilities"], want["probabilities"], rtol=1e-11, atol=1e-300)
            np.testing.assert_allclose(got["entropy_bits"], want["entropy_bits"], rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(got["effective_classes"], want["effective_classes"], rtol=1e-10)
            assert got["top_class"] == want["top_class"]
            assert got["top_probability"] == pytest.approx(want["top_probability"], rel=1e-11)
            assert got["order"] == want["order"].tolist()
            points += 1 + len(logits)
    assert points > 50_000


def test_temperature_stops_hold_the_round_numbers(module):
    stops = module("temperature.js").evaluate("() => widget.temperatureStops()")
    assert stops[0] == temperature.LOWEST and stops[-1] == temperature.HIGHEST and stops == sorted(set(stops))
    assert {0.25, 0.5, 1, 2, 4, 8, 16} <= set(stops)
    assert max(b / a for a, b in itertools.pairwise(stops)) < 1.015


def test_affinity_matches_python(module):
    page = module("affinity.js")
    tables = [realistic.affinity(seed)[0] for seed in range(20)]
    tables += [np.zeros((4, 4)), np.eye(3), np.full((6, 6), 1 / 6)]
    seen = page.evaluate(
        "(tables) => tables.map((a) => [widget.mostMutual(a), a.map((_, row) => widget.relativesOf(a, row))])",
        [table.tolist() for table in tables],
    )
    for table, (pair, relatives) in zip(tables, seen, strict=True):
        assert tuple(pair) == affinity.most_mutual(table)
        assert relatives == [affinity.compute(table, row, 0)["relatives"] for row in range(len(table))]


def batches():
    yield realistic.batch(32, 24)[:3]
    yield from (realistic.batch(4, classes, 7)[:3] for classes in (2, 3, 50))
    student, teacher, labels, _ = realistic.batch(8, 24, 9)
    yield student, student, labels  # the student has become the teacher
    yield 100 * student, 100 * teacher, labels
    yield student + 1e4, teacher - 1e4, labels


SETTINGS = [
    (t, soft, hard, squared)
    for t in (0.5, 1.0, 2.0, 8.0, 20.0)
    for soft, hard in ((0.5, 0.5), (1.0, 0.015), (0.0005, 1.0), (0.0, 0.7), (0.7, 0.0))
    for squared in (True, False)
]


def test_loss_weights_match_autograd(module):
    page = module("loss_weights.js")
    for student, teacher, labels in batches():
        seen = page.evaluate(
            "([s, t, y, settings]) => settings.map((setting) => widget.compute(s, t, y, ...setting))",
            [student.tolist(), teacher.tolist(), labels.tolist(), SETTINGS],
        )
        for setting, got in zip(SETTINGS, seen, strict=True):
            want = loss_weights.compute(student, teacher, labels, *setting)
            if np.array_equal(student, teacher):  # nothing left to learn: rounding is all that remains
                assert got["soft_norm"] == pytest.approx(want["soft_norm"], abs=1e-12)
                assert got["soft_loss"] == pytest.approx(want["soft_loss"], abs=1e-10)
                continue
            for key, value in want.items():
                if value is None or key == "angle":
                    assert (got[key] is None) == (value is None), (setting, key)
                if value is not None:
                    close = {"abs": 2e-5} if key == "angle" else {"rel": 1e-8, "abs": 1e-13}
                    assert got[key] == pytest.approx(value, **close), (setting, key)


def test_weight_stops_are_round_and_fine_near_zero(module):
    stops = module("loss_weights.js").evaluate("() => widget.weightStops()")
    assert stops[0] == 0 and stops[-1] == 1 and stops == sorted(set(stops))
    assert {0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9} <= set(stops)
    assert all(value == round(value, 4) for value in stops)
