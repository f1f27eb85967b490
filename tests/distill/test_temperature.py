import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from softlabels.distill import (
    calibration_temperature,
    entropy_bits,
    negative_log_likelihood,
    soften,
    temperature_for_entropy,
)

rows = st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=50)
temperatures = st.floats(0.05, 100)


@given(rows, temperatures)
def test_soften_is_the_softmax_of_scaled_logits(row, temperature):
    logits = torch.tensor(row, dtype=torch.float64)
    torch.testing.assert_close(soften(logits, temperature), torch.softmax(logits / temperature, dim=-1))


@given(rows, temperatures, st.floats(-100, 100))
def test_a_constant_added_to_the_logits_changes_nothing(row, temperature, constant):
    logits = torch.tensor(row, dtype=torch.float64)
    torch.testing.assert_close(soften(logits + constant, temperature), soften(logits, temperature))


@given(rows, st.floats(0.1, 10), st.floats(1.0, 5))
def test_entropy_never_falls_as_the_temperature_rises(row, temperature, factor):
    logits = torch.tensor(row, dtype=torch.float64)
    low, high = (entropy_bits(soften(logits, t)) for t in (temperature, temperature * factor))
    assert high >= low - 1e-9
    assert -1e-9 <= low <= math.log2(len(row)) + 1e-9


@pytest.mark.parametrize("logits", [[1000.0, 999.0], [-1e38, 1e38], [60000.0, 1.0]])
def test_soften_stays_finite(logits):
    for dtype in (torch.float32, torch.float64):
        for temperature in (0.01, 1.0, 100.0):
            probs = soften(torch.tensor(logits, dtype=dtype), temperature)
            assert probs.isfinite().all()
            assert probs.sum().item() == pytest.approx(1)


def test_the_limits_of_temperature():
    logits = torch.tensor([2.0, 1.0, -1.0])
    torch.testing.assert_close(soften(logits, 0.001), torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(soften(logits, 1e6), torch.full((3,), 1 / 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("temperature", [0, -1.0, math.inf, math.nan])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be positive and finite"):
        soften(torch.zeros(3), temperature)


def test_entropy_of_known_labels():
    probs = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    torch.testing.assert_close(entropy_bits(probs), torch.tensor([0.0, 1.0, 2.0]))
    assert str(entropy_bits(probs[0]).item()) == "0.0"  # and not -0.0


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 50), st.floats(0.05, 0.95))
def test_temperature_for_entropy_reaches_the_bits_asked_for(seed, classes, share):
    logits = torch.randn(classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3
    bits = share * math.log2(classes)
    temperature = temperature_for_entropy(logits, bits)
    assert isinstance(temperature, float)
    assert entropy_bits(soften(logits, temperature)).item() == pytest.approx(bits, abs=1e-6)


@pytest.mark.parametrize("bits", [-0.1, 1.6, 5.0, math.nan])
def test_bits_out_of_reach_are_refused(bits):
    with pytest.raises(ValueError, match="no temperature"):
        temperature_for_entropy(torch.tensor([2.0, 1.0, 0.0]), bits)
    with pytest.raises(ValueError, match="no temperature"):
        temperature_for_entropy(torch.tensor([1.0, 1.0, 1.0]), 1.0)  # a tie never holds fewer than log2(3) bits


def test_calibration_temperature_by_hand():
    # Two classes, a gap of 2 between their logits, right in three of four cases: 0.75 is wanted, a gap of log 3.
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 0.0]])
    assert calibration_temperature(logits, torch.tensor([0, 1, 0, 1])) == pytest.approx(2 / math.log(3))


@given(st.integers(0, 999), st.floats(0.3, 4))
def test_calibration_temperature_has_the_smallest_loss_and_follows_the_scale(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(80, 5, generator=generator, dtype=torch.float64)
    labels = torch.multinomial((logits / 1.5).softmax(dim=-1), 1, generator=generator)[:, 0]
    best = calibration_temperature(logits, labels)
    assert isinstance(best, float)
    for other in (0.98, 1.02):
        if 0.05 <= best * other <= 20:
            assert negative_log_likelihood(logits / best, labels) <= negative_log_likelihood(
                logits / (best * other), labels
            )
    if 0.06 < best < 9:
        assert calibration_temperature(2 * logits + 1000, labels) == pytest.approx(2 * best, rel=1e-6)


def test_calibration_temperature_stays_in_its_range():
    logits, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    assert calibration_temperature(logits, labels) == pytest.approx(0.05)  # always right: as sure as can be
    assert calibration_temperature(logits, 1 - labels) == pytest.approx(20)
    assert calibration_temperature(logits.half(), labels) == pytest.approx(0.05)
