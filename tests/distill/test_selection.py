"""Choosing among settings: known cases, and figures from tables of order statistics."""

import math

import numpy as np
import pytest

from softlabels.distill import choose_on_validation, optimism_of_the_maximum, standard_error_of_difference


def test_the_choice_is_made_on_validation_and_reported_on_test():
    validation = np.array([[0.50, 0.52, 0.51], [0.55, 0.53, 0.54], [0.60, 0.40, 0.50]])
    test = np.array([[0.58, 0.57, 0.59], [0.51, 0.52, 0.56], [0.10, 0.20, 0.30]])
    index, score = choose_on_validation(validation, test)
    assert index == 1 and type(index) is int and score == pytest.approx(0.53) and type(score) is float


def test_one_seed_is_enough_to_choose():
    assert choose_on_validation(np.array([[0.1], [0.3], [0.2]]), np.array([[1.0], [2.0], [3.0]])) == (1, 2.0)


def test_standard_error_by_hand():
    runs = np.array([[1.0, 3.0], [10.0, 14.0]])  # sample variances 2 and 8
    assert standard_error_of_difference(runs) == pytest.approx(math.sqrt(2 * 5 / 2))
    assert standard_error_of_difference(runs + np.array([[100.0], [-7.0]])) == pytest.approx(math.sqrt(5))


def test_standard_error_is_the_spread_of_differences_that_it_promises():
    rng = np.random.default_rng(0)
    runs = rng.normal(0, 0.8, size=(4_000, 2, 5))
    differences = runs[:, 0].mean(axis=1) - runs[:, 1].mean(axis=1)
    assert standard_error_of_difference(rng.normal(0, 0.8, size=(2_000, 5))) == pytest.approx(
        differences.std(), rel=0.05
    )


@pytest.mark.parametrize(("settings", "expected"), [(1, 0.0), (2, 0.5642), (5, 1.1630), (12, 1.6292), (20, 1.8675)])
def test_optimism_agrees_with_the_table_of_normal_order_statistics(settings, expected):
    """Harter (1961), Expected values of normal order statistics, Biometrika 48."""
    assert optimism_of_the_maximum(1.0, settings, 1) == pytest.approx(expected, abs=0.02)
    assert optimism_of_the_maximum(0.6, settings, 4) == pytest.approx(0.3 * expected, abs=0.01)


def test_optimism_leaves_the_global_random_state_alone_and_repeats_itself():
    before = np.random.get_state()[1].copy()
    assert optimism_of_the_maximum(1.0, 3, 5) == optimism_of_the_maximum(1.0, 3, 5)
    assert (np.random.get_state()[1] == before).all()
