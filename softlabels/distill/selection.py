"""Choosing one setting among several, and what the choice itself does to the figure that is reported.

The best of many measured settings was partly good and partly lucky: on average it is worse than it looks, the more so
the more settings were tried (the winner's curse; for model selection see Cawley and Talbot 2010, JMLR 11).
"""

import math
from collections.abc import Sequence

import numpy as np


def choose_on_validation(validation: np.ndarray, test: np.ndarray) -> tuple[int, float]:
    """Return the setting that is best on validation, and what it reaches on test.

    validation, test: float arrays (settings, seeds) of accuracies, or of any score of which more is better; the same
    place in both is the same run. A setting is as good as its mean over the seeds. Returns its index, and the mean of
    its runs on test.
    """
    best = validation.mean(axis=1).argmax()
    return int(best), float(test[best].mean())


def standard_error_of_difference(runs: np.ndarray) -> float:
    """Return how far the means of two equally good settings typically lie apart, by the luck of the seeds alone.

    runs: float array (settings, seeds), two seeds or more. Every run is taken to have one and the same variance, so the
    sample variances of the settings (about their own means, divisor seeds - 1) are averaged. A mean over the seeds has
    that variance divided by their number, and a difference of two such means has twice as much. Returns its root.
    """
    seeds = runs.shape[1]
    variance_of_a_run = runs.var(axis=1, ddof=1).mean()
    return float(np.sqrt(2 * variance_of_a_run / seeds))


def optimism_of_the_maximum(deviation: float, settings: int, seeds: int, draws: int = 20_000) -> float:
    """Return by how much the best of several equally good settings looks better than it is, on average.

    deviation: the standard deviation of a single run. settings: how many are compared. seeds: runs of each; settings
    are compared by their means. draws: how often the whole comparison is repeated. Found by simulation: the runs are
    normal, around a true value of 0.
    """
    noise = np.random.default_rng(0).normal(size=(draws, settings))
    means = noise * deviation / math.sqrt(seeds)
    return float(means.max(axis=1).mean())


def best_that_fits(candidates: Sequence[dict], megabytes: float | None, milliseconds: float | None) -> int | None:
    """Return which candidate is right most often on validation, among those that keep both limits.

    candidates: dicts with megabytes, p50_ms and validation_accuracy. megabytes, milliseconds: the most that a model may
    take; None is no limit. Of equally good ones, the smallest. Returns its place in candidates; None when none fits,
    for the nearest miss is no answer to a limit.
    """
    fitting = [
        place
        for place, found in enumerate(candidates)
        if (megabytes is None or found["megabytes"] <= megabytes)
        and (milliseconds is None or found["p50_ms"] <= milliseconds)
    ]
    return max(
        fitting,
        key=lambda place: (candidates[place]["validation_accuracy"], -candidates[place]["megabytes"]),
        default=None,
    )
