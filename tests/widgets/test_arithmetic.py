"""The pure `compute` functions, against formulas written out a second time in numpy."""

import math

import numpy as np
import pytest

from softlabels.widgets import affinity, ask, loss_weights, temperature

from . import realistic

TEMPERATURES = [0.25, 0.5, 1.0, 1.7, 4.0, 20.0]


def softmax(logits, t=1.0):
    powers = np.exp((logits - logits.max(-1, keepdims=True)) / t)
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize("t", TEMPERATURES)
@pytest.mark.parametrize("classes", [2, 3, 24, 52])
def test_temperature(t, classes):
    for logits in np.random.default_rng(classes).normal(0, 3, (20, classes)):
        seen, p = temperature.compute(logits, t), softmax(logits, t)
        bits = -(p * np.log2(p)).sum()
        assert np.allclose(seen["probabilities"], p, rtol=1e-12, atol=0)
        assert seen["entropy_bits"] == pytest.approx(bits, abs=1e-12)
        assert seen["effective_classes"] == pytest.approx(2**bits, rel=1e-12)
        assert seen["top_class"] == logits.argmax() and seen["top_probability"] == pytest.approx(p.max())
        assert list(seen["order"]) == sorted(range(classes), key=lambda i: -logits[i])


def test_temperature_at_the_extremes():
    huge = temperature.compute([1e4, -1e4, 9999.0], 0.25)
    assert np.isfinite(huge["probabilities"]).all() and huge["probabilities"].sum() == pytest.approx(1)
    assert temperature.compute([5.0, 5.0, 5.0, 5.0], 1.0)["entropy_bits"] == pytest.approx(2)
    for t in (0, -1, math.inf, math.nan):
        with pytest.raises(ValueError, match="temperature"):
            temperature.compute([1.0, 2.0], t)


def test_affinity_relatives_and_mutual_pair():
    table, classes = realistic.affinity()
    pairs = [(min(table[i, j], table[j, i]), (i, j)) for i in range(24) for j in range(i + 1, 24)]
    assert affinity.most_mutual(table) == max(pairs)[1]
    for row in range(len(classes)):
        seen = affinity.compute(table, row, (row + 1) % 24)
        others = sorted((i for i in range(24) if i != row), key=lambda i: -table[row, i])
        assert seen["relatives"] == others[:5]
        assert seen["both"] == min(table[row, (row + 1) % 24], table[(row + 1) % 24, row])


def test_one_way_leak_does_not_win():
    table = np.array([[0.5, 0.4, 0.1], [0.0, 0.9, 0.1], [0.1, 0.1, 0.8]])
    assert affinity.most_mutual(table) in {(0, 2), (1, 2)}  # 0 gives 1 much, but gets nothing back
    assert affinity.most_mutual(np.zeros((2, 2))) == (0, 1)


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("t", TEMPERATURES)
@pytest.mark.parametrize("classes", [2, 24])
def test_loss_weights_against_the_closed_form(t, squared, classes):
    """The soft gradient is weight · T² (or 1) · (softmax(s/T) − softmax(t/T)) / (T · N); Hinton et al. 2015, eq. 2."""
    student, teacher, labels, _ = realistic.batch(16, classes)
    soft = 0.7 * (t**2 if squared else 1) * (softmax(student, t) - softmax(teacher, t)) / (t * 16)
    hard = 0.2 * (softmax(student) - np.eye(classes)[labels]) / 16
    seen = loss_weights.compute(student, teacher, labels, t, 0.7, 0.2, squared)
    a, b = np.linalg.norm(soft), np.linalg.norm(hard)
    assert seen["soft_norm"] == pytest.approx(a, rel=1e-9) and seen["hard_norm"] == pytest.approx(b, rel=1e-9)
    assert seen["total_norm"] == pytest.approx(np.linalg.norm(soft + hard), rel=1e-9)
    assert seen["angle"] == pytest.approx(math.degrees(math.acos((soft * hard).sum() / a / b)), abs=1e-6)
    assert seen["soft_share"] == pytest.approx(a / (a + b)) and seen["hard_share"] == pytest.approx(b / (a + b))


def test_loss_weights_without_a_term():
    batch = realistic.batch(8)[:3]
    nothing = loss_weights.compute(*batch, 2.0, 0.0, 0.0)
    assert nothing["angle"] is None and nothing["soft_share"] == nothing["hard_share"] == nothing["total_norm"] == 0
    only_hard = loss_weights.compute(*batch, 2.0, 0.0, 1.0)
    assert only_hard["angle"] is None and only_hard["hard_share"] == 1
    with_it, without = (loss_weights.compute(*batch, 8.0, 1.0, 0.5, squared) for squared in (True, False))
    assert with_it["soft_norm"] == pytest.approx(64 * without["soft_norm"])


def test_ask_sums_up_an_answer():
    p = np.array([0.02, 0.5, 0.3, 0.05, *[0.13 / 8] * 8])
    seen = ask.compute(p, [f"c{i}" for i in range(12)])
    assert seen["hard_label"] == "c1" and seen["top"][:2] == [("c1", 0.5), ("c2", 0.3)] and len(seen["top"]) == 8
    assert seen["rest"] == pytest.approx(1 - sum(value for _, value in seen["top"]))
    assert seen["entropy_bits"] == pytest.approx(-(p * np.log2(p)).sum()) and seen["torn"]
    for wrong in ([0.5, 0.6], [1.2, -0.2], [math.nan, 1.0], [1.0], [[0.5, 0.5]]):
        with pytest.raises(ValueError, match="teacher"):
            ask.compute(wrong, ["a", "b"])
