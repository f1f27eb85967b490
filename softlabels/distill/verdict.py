"""Does a method help, or was it luck? One word for a comparison of two arms, from a paired bootstrap over seeds and
examples.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """The outcome of a comparison: the mean of the method's arm less the control's, its interval, and a word."""

    word: str
    difference: float
    low: float
    high: float
    seeds: int
    examples: int
    level: float = 0.95
    margin: float = 0.0

    def __str__(self) -> str:
        interval = f"{100 * self.level:.4g}% interval {self.low:+.4f} to {self.high:+.4f}"
        seeds = "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"
        against = f", wanted more than {self.margin:+.4f}" if self.margin else ""
        return f"{self.word}: {self.difference:+.4f} ({interval}{against}; {seeds}, {self.examples:,} examples)"


def verdict(a: np.ndarray, b: np.ndarray, level: float = 0.95, margin: float = 0.0, draws: int = 2_000) -> Verdict:
    """Compare two arms on the same examples.

    a: (seeds, examples), the arm with the method: bool for right or wrong, or any score of which more is better. b: the
    same for the control, on the same examples in the same order; seed i of both is taken as a pair. margin: the
    smallest difference worth having. The same input always gives the same Verdict.

    The word: HELPS when the whole interval lies above the margin; NO HELP when none of it does (two arms that answer
    alike: 0 to 0, NO HELP); INCONCLUSIVE otherwise, and always with one seed, which cannot tell a method from luck.

    The interval holds both kinds of luck: other examples might have been drawn, and other seeds. A handful of seeds
    look more alike than seeds are, so their deviations are stretched by sqrt(seeds / chi²), which makes of a normal
    deviation a Student's t. Where arms differ by neither examples nor seeds but by chance at each answer, that chance
    is counted twice: the interval is then wider than it need be, never narrower. The resampling is the pigeonhole
    bootstrap's (Owen 2007), one side at a time.
    """
    a, b = comparable(a, b)
    (seeds, examples), difference = a.shape, float((a - b).mean())
    rng = np.random.default_rng(0)

    means, other_seeds = paired_bootstrap(a, b, draws, rng)
    if seeds > 1:
        means += (other_seeds - difference) * np.sqrt(seeds / rng.chisquare(seeds - 1, size=draws))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])

    word = "INCONCLUSIVE"
    if seeds > 1 and low > margin:
        word = "HELPS"
    elif seeds > 1 and high <= margin:
        word = "NO HELP"
    return Verdict(word, difference, float(low), float(high), seeds, examples, level, margin)


def paired_bootstrap(a: np.ndarray, b: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return what the mean difference a - b might have been: (2, draws), with other examples and with other seeds.

    a, b: (seeds, examples), numbers, paired: the same seed and the same example at the same place. Each draw of the
    first row takes as many examples as there are, with replacement, and keeps all seeds; the second row does so with
    the seeds, and keeps all examples.
    """
    difference = a - b
    means = []
    for values in (difference.mean(axis=0), difference.mean(axis=1)):
        means.append([rng.choice(values, len(values)).mean() for _ in range(draws)])
    return np.array(means)


def comparable(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both arms as float64 (seeds, examples), or raise ValueError when they do not pair up."""
    a, b = (np.atleast_2d(np.asarray(x, dtype=np.float64)) for x in (a, b))
    if a.shape != b.shape or a.size == 0:
        raise ValueError(
            f"both arms need (seeds, examples) of one shape, and at least one of each: {a.shape} and {b.shape}"
        )
    if not np.isfinite(a - b).all():
        raise ValueError("a score is NaN or infinite: a run must have failed")
    return a, b
