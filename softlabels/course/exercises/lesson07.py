"""Lesson 07's exercises: choosing on validation, the noise floor from seeds, and the optimism of the maximum."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from statistics import NormalDist

import numpy as np

from softlabels.course.exercises.base import Exercise, Finding, Mistake, Probe, call, close, to_array
from softlabels.distill.selection import choose_on_validation, optimism_of_the_maximum, standard_error_of_difference


def _behaves_like(*imitations: Callable, tolerance: tuple | None = None) -> Callable[[Callable, Sequence[Probe]], bool]:
    """A test for a mistake that comes in several forms: the answer agrees with one of them on every probe."""

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        mine = [call(fn, probe.args).value for probe in probes]

        def agrees(imitation: Callable) -> bool:
            theirs = [call(imitation, probe.args).value for probe in probes]
            pairs = zip(mine, theirs, probes, strict=True)
            return all(m is not None and t is not None and close(m, t, tolerance, p.args) for m, t, p in pairs)

        return any(agrees(imitation) for imitation in imitations)

    return matches


# ---------------------------------------------------------------------------------------------------------------------
# choose_on_validation


def choice_probes(seed: int = 0) -> list[Probe]:
    """Settings within a few seeds' luck of each other, so that every other way to choose would choose another one."""
    rng = np.random.default_rng(seed)
    by_hand = np.array([[0.52, 0.50, 0.51], [0.60, 0.46, 0.47], [0.53, 0.54, 0.52]])
    probes = [
        Probe((by_hand, np.array([[0.55, 0.57, 0.56], [0.58, 0.45, 0.48], [0.50, 0.52, 0.55]])), "three settings"),
        Probe(
            (
                np.array([[0.61, 0.59], [0.58, 0.60], [0.49, 0.51]]),
                np.array([[0.52, 0.48], [0.53, 0.57], [0.56, 0.58]]),
            ),
            "three settings, two seeds",
        ),
        Probe((np.array([[0.41], [0.44], [0.43]]), np.array([[0.45], [0.42], [0.46]])), "one seed each"),
    ]
    for settings, seeds in ((4, 5), (2, 4), (12, 5), (12, 3)):
        true = 0.6 + 0.004 * rng.normal(size=(settings, 1))
        luck = 0.008 * rng.normal(size=(2, settings, seeds))
        probes.append(Probe((true + luck[0], true + luck[1]), f"{settings} settings, {seeds} seeds"))
    return probes


def _best(scores: np.ndarray) -> int:
    return int(scores.argmax())


def _seed_first(validation: np.ndarray, test: np.ndarray, report: Callable) -> tuple[int, float]:
    setting, seed = np.unravel_index(validation.argmax(), validation.shape)
    return int(setting), float(report(test, setting, seed))


def _choice(name: str, symptom: str, question: str, *imitations: Callable) -> Mistake:
    return Mistake(name, symptom, question, imitation=imitations[0], matches=_behaves_like(*imitations))


CHOOSE_ON_VALIDATION = Exercise(
    name="choose_on_validation", lesson="07", title="Choose, then report", points=3, minutes=6, difficulty=2,
    reference=choose_on_validation, probes=choice_probes,
    mistakes=[
        _choice("chosen on test", "Your choice is the setting that is best on test, so its test figure was picked for "
                "being high: part of it is luck that will not come back.",
                "Which of the two tables may the choice look at?",
                lambda v, t: (_best(t.mean(1)), float(t.mean(1).max()))),
        _choice("reports the validation figure", "The choice is right, but the figure is the validation mean of the "
                "chosen setting: the very figure that won it the choice.",
                "Which table has not been looked at until now?",
                lambda v, t: (_best(v.mean(1)), float(v.mean(1).max()))),
        _choice("the best test figure, not the choice's", "The index is right. But the figure belongs to another "
                "setting, the one that is best on test.", "What does the setting that you chose reach on test?",
                lambda v, t: (_best(v.mean(1)), float(t.mean(1).max()))),
        _choice("the best single run", "You look for the best single run and take its setting. A setting that "
                "varies a lot has the highest single run, and the lowest.",
                "How good is a setting, if the seed may be any?",
                lambda v, t: _seed_first(v, t, lambda test, setting, seed: test[setting].mean()),
                lambda v, t: _seed_first(v, t, lambda test, setting, seed: test[setting, seed]),
                lambda v, t: _seed_first(v, t, lambda test, setting, seed: test[setting].max()),
                lambda v, t: _seed_first(v, t, lambda test, setting, seed: v.max())),
        _choice("the best seed of the choice", "The choice is right, but the figure is one of its runs, not the mean "
                "of them: a seed was chosen as well.",
                "Who will have your best seed when the student is trained again?",
                lambda v, t: (_best(v.mean(1)), float(t[_best(v.mean(1))].max())),
                lambda v, t: (_best(v.mean(1)), float(t[_best(v.mean(1)), v[_best(v.mean(1))].argmax()]))),
        _choice("a seed is chosen, not a setting", "Your mean runs over the settings, so what you choose is a seed.",
                "The arrays are (settings, seeds). Which axis has to disappear before you compare?",
                lambda v, t: (_best(v.mean(0)), float(t[:, _best(v.mean(0))].mean())),
                lambda v, t: (_best(v.mean(0)), float(t.mean(0)[_best(v.mean(0))]))),
        _choice("the worst setting", "You choose the setting with the lowest mean. These are accuracies: more is "
                "better.", "Do you look for the smallest or the largest mean?",
                lambda v, t: (int(v.mean(1).argmin()), float(t[v.mean(1).argmin()].mean()))),
        _choice("validation and test together", "Your choice looks at validation and test together. What test says "
                "about the setting is then part of why it was chosen.",
                "Which runs must not have a say in the choice?",
                lambda v, t: (_best(v.mean(1) + t.mean(1)), float(t[_best(v.mean(1) + t.mean(1))].mean()))),
        _choice("the median, not the mean", "You compare or report medians. That can be defended, but the card asks "
                "for means, and every other figure in this lesson is one.", "What does the card call a good setting?",
                lambda v, t: (_best(np.median(v, 1)), float(np.median(t[_best(np.median(v, 1))]))),
                lambda v, t: (_best(np.median(v, 1)), float(t[_best(np.median(v, 1))].mean())),
                lambda v, t: (_best(v.mean(1)), float(np.median(t[_best(v.mean(1))])))),
        _choice("the mean of all settings", "The choice is right, but the figure is the mean of every run on test, "
                "chosen or not.", "Which row of `test` belongs to your choice?",
                lambda v, t: (_best(v.mean(1)), float(t.mean()))),
        _choice("figure and index changed places", "Both parts are there, in the other order.",
                "What does the card say that comes first?",
                lambda v, t: choose_on_validation(v, t)[::-1]),
    ],
    hints=(
        "There are two decisions: which setting, and which figure to tell about it. Which table answers which?",
        "$\\hat k = \\arg\\max_k \\frac{1}{S} \\sum_s \\text{validation}_{ks}$, and the report is "
        "$\\frac{1}{S} \\sum_s \\text{test}_{\\hat k s}$",
        "# means: validation, averaged over the seeds, one number for each setting\n# best: the place of the largest\n"
        "# return best, and the mean of that row of test",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# standard_error_of_difference


def runs_probes(seed: int = 0) -> list[Probe]:
    rng = np.random.default_rng(seed)
    probes = [
        Probe((np.array([[3.0, 5.0], [4.0, 7.0]]),), "two settings, two seeds"),
        Probe((np.array([[50.0, 51.0, 53.0]]),), "a single setting"),
        Probe((np.array([[1.0, 2.0, 4.0], [30.0, 31.0, 29.5]]),), "two settings that lie far apart"),
        Probe((np.array([[2.0, 2.0, 2.0, 2.0], [1.0, 5.0, 2.0, 3.0]]),), "one setting does not vary at all"),
    ]
    for settings, seeds in ((5, 3), (13, 5)):
        means = 60 + 3 * rng.normal(size=(settings, 1))
        spread = rng.uniform(0.2, 1.5, size=(settings, 1))
        probes.append(Probe((means + spread * rng.normal(size=(settings, seeds)),), f"{settings} settings"))
    return probes


def _with_both_divisors(wrong: Callable[[np.ndarray, Callable], float]) -> tuple[Callable, ...]:
    """A mistake in two forms: with the sample variances (the divisor seeds - 1), and with the population's."""
    return tuple(lambda runs, d=d: float(wrong(runs, lambda r, axis=1: r.var(axis=axis, ddof=d))) for d in (1, 0))


def _error(name: str, symptom: str, question: str, *wrong: Callable) -> Mistake:
    imitations = [form for each in wrong for form in _with_both_divisors(each)]
    return Mistake(name, symptom, question, imitation=imitations[0], matches=_behaves_like(*imitations))


def _one_for_each_setting(fn: Callable, probes: Sequence[Probe]) -> bool:
    values = [to_array(call(fn, probe.args).value) for probe in probes]
    return all(v is not None and v.shape == (len(p.args[0]),) for v, p in zip(values, probes, strict=True))


def unmoved_by_level(fn: Callable) -> Finding | None:
    """How good the settings are plays no part: only how much each varies about its own mean."""
    runs = np.array([[1.0, 2.0, 4.0], [3.0, 3.5, 2.0]])
    here, moved = call(fn, (runs,)), call(fn, (runs + np.array([[0.0], [20.0]]),))
    if here.error is None and moved.error is None and not close(here.value, moved.value):
        return Finding(
            "better settings, more noise",
            "When one setting gets 20 points better with every seed, your result changes. But nothing has become "
            "noisier.",
            "Around which mean should a run's deviation be taken?",
            {"runs": runs, "the second row": "20 higher"}, moved.value, here.value,
        )  # fmt: skip
    return None


STANDARD_ERROR = Exercise(
    name="standard_error_of_difference", lesson="07", title="The noise floor", points=4, minutes=8, difficulty=3,
    reference=standard_error_of_difference, probes=runs_probes, properties=[unmoved_by_level],
    mistakes=[
        Mistake("the population's variance", "With few seeds your result is too small, by the root of "
                "(seeds - 1) / seeds: the deviations are taken from a mean that was fitted to the same few runs. "
                "numpy's default divides by the number of seeds.",
                "What does the parameter `ddof` of numpy's `var` and `std` do?",
                imitation=lambda runs: float(np.sqrt(2 * runs.var(axis=1).mean() / runs.shape[1])),
                matches=_behaves_like(lambda runs: float(runs.std(axis=1).mean() * np.sqrt(2 / runs.shape[1])))),
        _error("the standard deviation of one run", "This is how much single runs vary. Means of several seeds vary "
               "less.", "By what does a variance shrink when n values are averaged?",
               lambda r, var: np.sqrt(var(r).mean()), lambda r, var: np.sqrt(var(r)).mean()),
        _error("one mean, not a difference of two", "Your result is too small by the root of 2: it is the standard "
               "error of one mean. In a difference both means bring their luck along.",
               "What is the variance of the difference of two independent numbers?",
               lambda r, var: np.sqrt(var(r).mean() / r.shape[1]),
               lambda r, var: np.sqrt(var(r)).mean() / np.sqrt(r.shape[1])),
        _error("not divided by the seeds", "Your result is about two single runs, not about means over the seeds: more "
               "seeds do not make it smaller.", "What becomes of the variance when n runs are averaged?",
               lambda r, var: np.sqrt(2 * var(r).mean()), lambda r, var: np.sqrt(2 * var(r)).mean()),
        _error("divided by n instead of its root", "Your result shrinks in step with the number of seeds. A standard "
               "deviation shrinks with the root of it.",
               "Do you divide by the number of seeds before or after the root is taken?",
               lambda r, var: np.sqrt(2 * var(r).mean()) / r.shape[1],
               lambda r, var: np.sqrt(var(r).mean()) / r.shape[1]),
        _error("2 instead of the root of 2", "Your result is too large by the root of 2: the luck of the two means was "
               "added up as if it always pulled the same way.",
               "Which of the two add up when numbers are independent: standard deviations, or variances?",
               lambda r, var: 2 * np.sqrt(var(r).mean() / r.shape[1])),
        _error("a variance, not a standard error", "Your result is a variance: for accuracies in points it is in "
               "points squared.", "What is still to be done before it can be compared with a difference?",
               lambda r, var: 2 * var(r).mean() / r.shape[1], lambda r, var: var(r).mean() / r.shape[1],
               lambda r, var: var(r).mean()),
        _error("all runs thrown together", "You take the variance of all runs about one common mean. How far the "
               "settings lie apart is then taken for noise.", "Around which mean should a run's deviation be taken?",
               lambda r, var: np.sqrt(2 * var(r, None) / r.shape[1]), lambda r, var: np.sqrt(var(r, None)),
               lambda r, var: np.sqrt(2 * var(r, None) / r.size), lambda r, var: np.sqrt(var(r, None) / r.size),
               lambda r, var: np.sqrt(var(r, None) / r.shape[1])),
        _error("the spread of the settings", "You measure how far the settings lie apart, seed by seed or mean by "
               "mean. The noise is how far the runs of one setting lie apart.",
               "The array is (settings, seeds). Along which axis does only the seed change?",
               lambda r, var: np.sqrt(2 * var(r, 0).mean() / r.shape[1]), lambda r, var: np.sqrt(var(r.mean(1), 0)),
               lambda r, var: np.sqrt(2 * var(r, 0).mean() / r.shape[0]), lambda r, var: np.sqrt(var(r, 0).mean()),
               lambda r, var: np.sqrt(2 * var(r.mean(1), 0))),
        _error("divided by the settings", "You divide by the number of settings. Each mean is one over its own seeds, "
               "however many settings there are.", "Which axis of `runs` is averaged away in a setting's mean?",
               lambda r, var: np.sqrt(2 * var(r).mean() / r.shape[0]), lambda r, var: np.sqrt(2 * var(r).mean()
               / r.size), lambda r, var: np.sqrt(var(r).mean() / r.size)),
        Mistake("standard deviations are averaged", "You average the settings' standard deviations. With few seeds a "
                "standard deviation comes out too small on average; a sample variance does not.",
                "In which order do you take the root and the mean over the settings?",
                imitation=lambda runs: float(runs.std(axis=1, ddof=1).mean() * np.sqrt(2 / runs.shape[1]))),
        Mistake("one for each setting", "You return one number for each setting. From five seeds each of them is "
                "rough; all settings together say better how much a run varies.",
                "Over what do you still have to average, before the root is taken?", matches=_one_for_each_setting),
        _error("two standard errors", "Your result is about twice the standard error: the width of an interval, not "
               "the error itself.", "Does the card ask for the standard error, or for twice that?",
               lambda r, var: 2 * np.sqrt(2 * var(r).mean() / r.shape[1]),
               lambda r, var: 1.96 * np.sqrt(2 * var(r).mean() / r.shape[1])),
    ],
    hints=(
        "Start with one run: how much does it vary when only the seed changes? Then: what happens to that variance in "
        "a mean over the seeds, and what in a difference of two such means?",
        "$s^2 = \\frac{1}{K} \\sum_k \\frac{1}{S - 1} \\sum_s (x_{ks} - \\bar x_k)^2$ and the standard error is "
        "$\\sqrt{s^2 / S + s^2 / S}$",
        "# variances: of each row of runs, divisor seeds - 1\n# their mean: the variance of one run\n"
        "# divided by the number of seeds: the variance of a mean\n# times 2: the variance of a difference; then the "
        "root",
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# optimism_of_the_maximum

DRAWS = 4_000  # for a loop in plain Python, too
# Two simulations of this length differ by a hundredth of a deviation or two. Where the mean of the maxima is small, the
# probes have small deviations, so that luck stays five times smaller than the tolerance.
ROUGHLY = (0.05, 0.04)


def optimism_probes() -> list[Probe]:
    cases = [(0.3, 1, 1), (0.5, 2, 1), (0.5, 1, 5), (1.0, 12, 1), (1.1, 12, 5), (0.8, 3, 2), (1.0, 36, 3)]
    return [Probe((*case, DRAWS), f"{case[1]} settings, {case[2]} seeds") for case in cases]


@cache
def _of_maximum(settings: int, what: str = "mean") -> float:
    """A statistic of the maximum of standard normal numbers, from a simulation of our own."""
    maxima = np.random.default_rng(1).normal(size=(DRAWS, settings)).max(axis=1)
    return float({"mean": maxima.mean(), "deviation": maxima.std(), "high": np.quantile(maxima, 0.95)}[what])


@cache
def _of_absolute_maximum(settings: int) -> float:
    return float(np.abs(np.random.default_rng(2).normal(size=(DRAWS, settings))).max(axis=1).mean())


@cache
def _range(settings: int) -> float:
    return float(np.ptp(np.random.default_rng(3).normal(size=(DRAWS, settings)), axis=1).mean())


@cache
def _largest(settings: int) -> float:
    return float(np.random.default_rng(4).normal(size=(DRAWS, settings)).max())


def _luckiest_of_thousands(fn: Callable, probes: Sequence[Probe]) -> bool:
    """Over 2.8 deviations even for a single setting: no mean of maxima over a few dozen settings comes near."""
    values = [to_array(call(fn, probe.args).value) for probe in probes]
    return all(
        v is not None and v.size == 1 and 2.8 * p.args[0] / math.sqrt(p.args[2]) < v < 7 * p.args[0]
        for v, p in zip(values, probes, strict=True)
    )


def _expected_size(settings: int) -> float:
    return math.sqrt(2 * math.log(settings)) if settings > 1 else 0.0


def _maximum(name: str, symptom: str, question: str, *factors: Callable[[int, int], float]) -> Mistake:
    """factors: what the wrong answer has in place of E[max] / sqrt(seeds), given (settings, seeds)."""
    imitations = [lambda d, k, s, draws, f=f: d * f(k, s) for f in factors]
    return Mistake(name, symptom, question, imitation=imitations[0], matches=_behaves_like(*imitations,
                   tolerance=ROUGHLY))  # fmt: skip


def grows_with_the_deviation(fn: Callable) -> Finding | None:
    one, two = (call(fn, (deviation, 12, 4, DRAWS)).value for deviation in (0.5, 1.0))
    if one is not None and two is not None and not close(2 * one, two, ROUGHLY):
        return Finding("not in step with the deviation", "Twice the deviation should give twice the optimism; yours "
                       "does not.", "Where does `deviation` enter the numbers that you draw?",
                       {"deviation": "0.5, then 1.0"}, two, 2 * one)  # fmt: skip
    return None


OPTIMISM = Exercise(
    name="optimism_of_the_maximum", lesson="07", title="The optimism of the maximum", points=4, minutes=8, difficulty=3,
    reference=optimism_of_the_maximum, probes=optimism_probes, properties=[grows_with_the_deviation],
    tolerance=ROUGHLY,
    mistakes=[
        _maximum("single runs, not means over the seeds", "Your settings are compared by single runs. Here each is a "
                 "mean over its seeds, and means vary less.", "What is the standard deviation of a mean of n runs?",
                 lambda k, s: _of_maximum(k)),
        _maximum("the best single run of all", "You average the best run over everything: each setting is "
                 "represented by its best seed, not by its mean.",
                 "What stands for a setting before the settings are compared?",
                 lambda k, s: _of_maximum(k * s)),
        _maximum("divided by n instead of its root", "With several seeds your result is too small: the deviation of a "
                 "mean does not shrink in step with their number.",
                 "A variance shrinks with n. And a standard deviation?", lambda k, s: _of_maximum(k) / s),
        _maximum("the mean of all settings", "Your result is close to 0 whatever the number of settings: on average "
                 "luck cancels. But it is not an average setting that gets reported.",
                 "Which of the settings does a paper report?", lambda k, s: 0.0),
        Mistake("the largest number ever drawn", "Your maximum is taken over all repeats, so it grows with `draws`: "
                "it is the luckiest comparison of thousands.",
                "Over which axis is the maximum taken, and over which the mean?",
                imitation=lambda d, k, s, draws: d * _largest(k) / math.sqrt(s), matches=_luckiest_of_thousands),
        _maximum("without regard to sign", "You take the largest deviation in either direction. A setting that looks "
                 "bad by bad luck is not reported.", "Does `abs` belong here?",
                 lambda k, s: _of_absolute_maximum(k) / math.sqrt(s)),
        _maximum("from the worst to the best", "You measure the gap between the best and the worst setting. The best "
                 "is to be compared with what it is worth: 0.", "What is the true value of every setting here?",
                 lambda k, s: _range(k) / math.sqrt(s)),
        _maximum("the worst instead of the best", "Your result is below 0: the unluckiest setting.",
                 "Which of the settings gets reported, the one that looks worst?",
                 lambda k, s: -_of_maximum(k) / math.sqrt(s)),
        _maximum("the spread of the maximum", "You return how much the maximum varies from comparison to comparison, "
                 "not where it lies on average.", "Mean or standard deviation: which answers 'by how much, on "
                 "average'?", lambda k, s: _of_maximum(k, "deviation") / math.sqrt(s)),
        _maximum("a limit, not a mean", "Your result is what the maximum stays below in 95 comparisons of 100. Asked "
                 "for is its average.", "Is a quantile what the card asks for?",
                 lambda k, s: _of_maximum(k, "high") / math.sqrt(s),
                 lambda k, s: NormalDist().inv_cdf(0.95 ** (1 / k)) / math.sqrt(s)),
        _maximum("the formula for very many settings", "The root of 2 · log(settings) is a limit for very many "
                 "settings. For a dozen it is a third too high.",
                 "What does a simulation say for two settings, and what does the formula?",
                 lambda k, s: _expected_size(k) / math.sqrt(s)),
        _maximum("grows with the number of seeds", "More seeds make your optimism larger. They should make the means "
                 "steadier.", "Do you multiply by the root of the seeds, or divide?",
                 lambda k, s: _of_maximum(k) * math.sqrt(s)),
    ],
    hints=(
        "Play it through once: every setting is worth 0, and you see each one's mean over its seeds. Which number do "
        "you write into the paper, and what was it worth?",
        "$\\mathbb{E}\\bigl[\\max_k \\bar x_k\\bigr]$ with $\\bar x_k \\sim \\mathcal{N}(0, \\sigma^2 / S)$ for "
        "$k = 1 \\dots K$",
        "# draw normal numbers (draws, settings), with the deviation of a mean over the seeds\n# in each row the "
        "maximum: what that comparison reports\n# the mean of the maxima",
    ),
)  # fmt: skip


EXERCISES = [CHOOSE_ON_VALIDATION, STANDARD_ERROR, OPTIMISM]
