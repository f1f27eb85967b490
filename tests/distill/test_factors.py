"""The 2x2: effects come apart, and add up again."""

import numpy as np
import pytest

from softlabels.distill import two_by_two, verdict


def test_by_hand():
    assert two_by_two(np.array([[0.5, 0.6], [0.8, 1.0]])) == pytest.approx((0.35, 0.15, 0.1))


@pytest.mark.parametrize("shape", [(), (5,), (3, 7)])
def test_the_far_corner_is_the_near_one_plus_both_effects(shape):
    scores = np.random.default_rng(0).normal(size=(2, 2, *shape))
    of_first, of_second, interaction = two_by_two(scores)
    assert np.shape(interaction) == shape
    assert np.allclose(scores[1, 1] - scores[0, 0], of_first + of_second)
    assert np.allclose(scores[1, 0] - scores[0, 0], of_first - interaction / 2)


def test_factors_that_add_up_do_not_interact():
    scores = np.add.outer([0.0, 0.2], [0.0, 0.1])
    assert two_by_two(scores) == pytest.approx((0.2, 0.1, 0.0))


def test_an_effect_can_be_judged():
    scores = np.random.default_rng(0).random((2, 2, 5, 400)) < np.array([[0.5, 0.5], [0.8, 0.8]])[..., None, None]
    of_labels, of_texts, interaction = two_by_two(scores.astype(float))
    words = [verdict(effect, np.zeros_like(effect)).word for effect in (of_labels, of_texts, interaction)]
    assert words == ["HELPS", "INCONCLUSIVE", "INCONCLUSIVE"]
