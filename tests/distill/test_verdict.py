import time

import numpy as np
import pytest

from softlabels.distill import verdict
from softlabels.distill.verdict import paired_bootstrap


def arms(a, b, seeds=5, examples=5_000, seed=0):
    """Two arms that are right with these probabilities; hard examples are hard for both."""
    rng = np.random.default_rng(seed)
    difficulty = rng.random(examples) * 0.5
    noise = rng.random((2, seeds, examples)) * 0.5
    return (noise[0] + difficulty < a, noise[1] + difficulty < b)


def test_a_clear_gain_helps_and_a_clear_loss_does_not():
    better, worse = arms(0.8, 0.75)
    assert verdict(better, worse).word == "HELPS"
    assert verdict(worse, better).word == "NO HELP"
    assert verdict(better, worse).difference == pytest.approx(better.mean() - worse.mean())


def test_arms_that_answer_alike_are_no_help():
    arm, _ = arms(0.8, 0.75)
    outcome = verdict(arm, arm)
    assert (outcome.word, outcome.difference, outcome.low, outcome.high) == ("NO HELP", 0, 0, 0)


def test_a_difference_within_the_noise_is_inconclusive():
    assert verdict(*arms(0.75, 0.75, examples=400)).word == "INCONCLUSIVE"


def test_the_margin_is_the_least_gain_worth_having():
    better, worse = arms(0.80, 0.75)
    gain = better.mean() - worse.mean()
    assert verdict(better, worse, margin=gain).word == "INCONCLUSIVE"
    assert verdict(better, worse, margin=2 * gain).word == "NO HELP"


def test_one_seed_is_never_enough():
    better, worse = arms(0.9, 0.6, seeds=1)
    outcome = verdict(better[0], worse[0])
    assert outcome.word == "INCONCLUSIVE" and outcome.seeds == 1 and outcome.low > 0.2
    assert "1 seed," in str(outcome)


def test_seeds_that_disagree_widen_the_interval():
    rng = np.random.default_rng(0)
    control = np.zeros((5, 2_000))
    steady = control + 0.02 + rng.normal(0, 0.1, (1, 2_000))
    moody = steady + np.array([-0.04, -0.02, 0, 0.02, 0.04])[:, None]
    assert verdict(steady, control).word == "HELPS"
    assert verdict(moody, control).word == "INCONCLUSIVE"


def test_the_two_rows_of_the_bootstrap_spread_as_examples_and_as_seeds_do():
    rng = np.random.default_rng(2)
    b = rng.normal(0, 3, (1, 200)) + rng.normal(0, 2, (6, 1))
    a = b + 0.5 + rng.normal(0, 0.4, (1, 200)) + rng.normal(0, 0.1, (6, 1))
    difference = a - b
    examples, seeds = paired_bootstrap(a, b, 2_000, rng)
    for row, axis in ((examples, 0), (seeds, 1)):
        means = difference.mean(axis=axis)
        assert row.mean() == pytest.approx(difference.mean(), abs=0.01)
        assert row.std() == pytest.approx(means.std() / np.sqrt(len(means)), rel=0.1)


def test_it_is_the_same_every_time_and_fast():
    better, worse = arms(0.8, 0.75)
    assert verdict(better, worse) == verdict(better.astype(float), worse)
    start = time.process_time()
    verdict(better, worse)
    assert time.process_time() - start < 0.3


def test_how_it_reads():
    better, worse = arms(0.8, 0.75)
    text = str(verdict(better, worse, margin=0.005))
    assert text.startswith("HELPS: +0.0") and "95% interval +0.0" in text
    assert "wanted more than +0.0050" in text and text.endswith("5 seeds, 5,000 examples)")


# What a 95% interval promises is that it holds the truth 95 times in 100. Three worlds: luck comes mostly from seeds,
# from examples, or anew at each answer. 300 trials put one standard deviation at 0.013: 0.91 leaves room for three.
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("luck", [(0.05, 0.05, 0.02), (0.001, 0.3, 0.02), (0.0, 0.02, 0.3)])
def test_the_interval_holds_the_truth_as_often_as_it_says(seeds, luck):
    rng = np.random.default_rng(1)
    by_seed, by_example, each = luck
    truth, held = 0.01, 0
    for _ in range(300):
        difference = truth + rng.normal(0, by_seed, (seeds, 1)) + rng.normal(0, by_example, (1, 120))
        difference = difference + rng.normal(0, each, (seeds, 120))
        outcome = verdict(difference, np.zeros_like(difference), draws=400)
        held += outcome.low <= truth <= outcome.high
    assert held / 300 >= 0.91


@pytest.mark.parametrize("a, b", [(np.zeros((5, 4)), np.zeros((5, 3))), (np.zeros((0, 4)), np.zeros((0, 4)))])
def test_arms_that_do_not_pair_up_are_refused(a, b):
    with pytest.raises(ValueError, match="of one shape"):
        verdict(a, b)
    with pytest.raises(ValueError, match="NaN"):
        verdict(np.full((2, 3), np.nan), np.zeros((2, 3)))
