"""Wrong and honest answers to lesson 07's exercises."""

import math
import random
import statistics
from statistics import NormalDist

import numpy as np
import torch

from tests.answers import Honest, Wrong

# --- choose_on_validation: wrong --------------------------------------------------------------------------------------


def peeks(validation, test):
    means = [row.mean() for row in test]
    best = means.index(max(means))
    return best, means[best]


def tells_validation(validation, test):
    means = {k: float(np.mean(row)) for k, row in enumerate(validation)}
    best = max(means, key=means.get)
    return best, means[best]


def best_of_both_worlds(validation, test):
    return np.argmax(np.mean(validation, axis=-1)), np.max(np.mean(test, axis=-1))


def lucky_run(validation, test):
    best = validation.max(axis=1).argmax()
    return int(best), float(test[best].mean())


def lucky_run_only(validation, test):
    place = validation.argmax()
    return int(place // validation.shape[1]), float(test.flat[place])


def lucky_run_to_the_end(validation, test):
    best = max(range(len(validation)), key=lambda k: max(validation[k]))
    return best, max(test[best])


def best_seed_reported(validation, test):
    best = int(validation.mean(axis=1).argmax())
    return best, float(np.sort(test[best])[-1])


def best_validation_seed_reported(validation, test):
    best = int(validation.mean(axis=1).argmax())
    seed = int(validation[best].argmax())
    return best, float(test[best, seed])


def wrong_axis(validation, test):
    best = validation.mean(0).argmax()
    return int(best), float(test.mean(0)[best])


def wrong_axis_in_a_loop(validation, test):
    columns = list(zip(*validation, strict=True))
    best = max(range(len(columns)), key=lambda s: sum(columns[s]))
    return best, float(np.mean([row[best] for row in test]))


def lowest(validation, test):
    best = int(np.argsort(validation.mean(axis=1))[0])
    return best, float(test[best].mean())


def both_tables(validation, test):
    everything = np.concatenate([validation, test], axis=1).mean(axis=1)
    best = int(everything.argmax())
    return best, float(test[best].mean())


def medians(validation, test):
    middle = [statistics.median(row) for row in validation.tolist()]
    best = middle.index(max(middle))
    return best, statistics.median(test[best].tolist())


def median_to_choose(validation, test):
    best = int(np.quantile(validation, 0.5, axis=1).argmax())
    return best, float(test[best].mean())


def grand_mean(validation, test):
    return int(validation.mean(axis=1).argmax()), float(np.mean([row.mean() for row in test]))


def swapped(validation, test):
    best = int(validation.mean(axis=1).argmax())
    return float(test[best].mean()), best


def index_alone(validation, test):
    return int(validation.mean(axis=1).argmax())


def flat_index(validation, test):
    return int(validation.argmax()), float(test.flat[validation.argmax()])


def validation_alone(validation):
    return int(validation.mean(axis=1).argmax())


# --- choose_on_validation: honest -------------------------------------------------------------------------------------


def loops(validation, test):
    best, most = 0, -math.inf
    for k, row in enumerate(validation):
        mean = sum(row) / len(row)
        if mean > most:
            best, most = k, mean
    return best, sum(test[best]) / len(test[best])


def with_torch(validation, test):
    best = torch.tensor(validation).mean(dim=1).argmax()
    return best, torch.tensor(test)[best].mean()


def sums(validation, test):
    best = np.argmax(np.einsum("ks->k", validation))
    return best, np.average(test, axis=1)[best]


def sorted_pairs(validation, test):
    best = sorted(range(len(validation)), key=lambda k: float(np.mean(validation[k])))[-1]
    return [best, float(np.mean(test[best]))]


def single_precision(validation, test):
    best = int(validation.astype(np.float64).mean(axis=1).argmax())
    return best, float(test.astype(np.float32)[best].mean())


def pandas_style(validation, test):
    import pandas as pd

    best = pd.DataFrame(validation).mean(axis="columns").idxmax()
    return best, pd.DataFrame(test).loc[best].mean()


# --- standard_error_of_difference: wrong ------------------------------------------------------------------------------


def numpys_default(runs):
    return np.sqrt(2 / runs.shape[1]) * np.sqrt(np.var(runs, axis=1).mean())


def numpys_default_std(runs):
    return np.std(runs, axis=1).mean() * math.sqrt(2) / math.sqrt(runs.shape[1])


def one_run(runs):
    return math.sqrt(np.mean([statistics.variance(row) for row in runs.tolist()]))


def one_run_averaged(runs):
    return runs.std(axis=1).mean()


def one_mean(runs):
    pooled = np.mean([statistics.variance(row) for row in runs.tolist()])
    return math.sqrt(pooled / len(runs[0]))


def one_mean_by_default(runs):
    return float(np.sqrt(runs.var(axis=1).mean()) / np.sqrt(runs.shape[1]))


def two_runs(runs):
    pooled = ((runs - runs.mean(axis=1, keepdims=True)) ** 2).sum() / (len(runs) * (runs.shape[1] - 1))
    return math.sqrt(pooled + pooled)


def over_n(runs):
    s = torch.tensor(runs).var(dim=1).mean().sqrt()
    return float(s * 2**0.5 / runs.shape[1])


def doubled(runs):
    s = torch.tensor(runs).var(dim=1).mean()
    se = (s / runs.shape[1]).sqrt()
    return float(se + se)


def no_root(runs):
    pooled = np.mean([statistics.variance(row) for row in runs.tolist()])
    return pooled / runs.shape[1] + pooled / runs.shape[1]


def thrown_together(runs):
    return math.sqrt(2 * statistics.variance(runs.ravel().tolist()) / runs.shape[1])


def std_of_everything(runs):
    return float(np.std(runs))


def between_settings(runs):
    return float(np.std([row.mean() for row in runs]))


def wrong_axis_error(runs):
    return float(np.sqrt(2 * np.var(runs, axis=0).mean() / runs.shape[1]))


def over_settings(runs):
    s2 = np.mean([statistics.variance(row) for row in runs.tolist()])
    return math.sqrt(2 * s2 / len(runs))


def over_all_runs(runs):
    s2 = runs.var(axis=1, ddof=1).mean()
    return math.sqrt(s2 / len(runs.flatten()))


def mean_of_deviations(runs):
    return np.mean([statistics.stdev(row) for row in runs.tolist()]) * math.sqrt(2 / runs.shape[1])


def per_setting(runs):
    return np.sqrt(2 * runs.var(axis=1, ddof=1) / runs.shape[1])


def per_setting_by_default(runs):
    return [float(np.std(row)) for row in runs]


def twice(runs):
    s2 = np.mean([statistics.variance(row) for row in runs.tolist()])
    return 2 * math.sqrt(s2 / len(runs[0]) + s2 / len(runs[0]))


def interval(runs):
    return NormalDist().inv_cdf(0.975) * math.sqrt(2 * runs.var(axis=1, ddof=1).mean() / runs.shape[1])


def extremes(runs):
    return float(np.ptp(runs, axis=1).mean())


def second_moment(runs):
    return float(np.sqrt(2 * (runs**2).mean() / runs.shape[1]))


def printed_error(runs):
    print(np.sqrt(2 * runs.var(axis=1, ddof=1).mean() / runs.shape[1]))


def centres_its_input(runs):
    runs -= runs.mean(axis=1, keepdims=True)
    return math.sqrt(2 * (runs**2).sum() / (runs.shape[0] * (runs.shape[1] - 1)) / runs.shape[1])


# --- standard_error_of_difference: honest -----------------------------------------------------------------------------


def by_the_statistics_module(runs):
    s2 = statistics.fmean(statistics.variance(row) for row in runs.tolist())
    return math.sqrt(s2 / runs.shape[1] + s2 / runs.shape[1])


def by_residuals(runs):
    settings, seeds = runs.shape
    residuals = runs - runs.mean(axis=1, keepdims=True)
    return math.sqrt(2 * (residuals**2).sum() / (settings * (seeds - 1)) / seeds)


def by_torch(runs):
    return torch.tensor(runs).var(dim=1).mean().mul(2 / runs.shape[1]).sqrt()


def by_loops(runs):
    total = 0.0
    for row in runs:
        mean = sum(row) / len(row)
        total += sum((x - mean) ** 2 for x in row) / (len(row) - 1)
    return (2 * total / len(runs) / len(runs[0])) ** 0.5


def squared_deviations(runs):
    return np.sqrt(2) * np.sqrt((runs.std(axis=1, ddof=1) ** 2).mean()) / np.sqrt(runs.shape[1])


def by_covariance(runs):
    variances = np.diag(np.atleast_2d(np.cov(runs)))
    return float(np.sqrt(2 * variances.mean() / runs.shape[1]))


def corrected_by_hand(runs):
    n = runs.shape[1]
    return float(np.sqrt(2 * np.var(runs, axis=1).mean() * n / (n - 1) / n))


# --- optimism_of_the_maximum: wrong -----------------------------------------------------------------------------------


def of_single_runs(deviation, settings, seeds, draws=20_000):
    return float(np.random.normal(0, deviation, (draws, settings)).max(axis=1).mean())


def of_the_best_run(deviation, settings, seeds, draws=20_000):
    runs = np.random.default_rng(7).normal(0, deviation, (draws, settings, seeds))
    return runs.max(axis=(1, 2)).mean()


def of_the_best_run_of_each(deviation, settings, seeds, draws=20_000):
    runs = deviation * np.random.standard_normal((draws, settings, seeds))
    return runs.max(axis=2).max(axis=1).mean()


def too_steady(deviation, settings, seeds, draws=20_000):
    return float(np.random.default_rng(7).normal(0, deviation / seeds, (settings, draws)).max(axis=0).mean())


def all_of_them(deviation, settings, seeds, draws=20_000):
    return float(np.random.default_rng(7).normal(0, deviation / math.sqrt(seeds), (draws, settings)).mean())


def means_then_maximum(deviation, settings, seeds, draws=20_000):
    means = torch.randn(draws, settings) * deviation / seeds**0.5
    return means.mean(dim=0).max()


def luckiest(deviation, settings, seeds, draws=20_000):
    return float(np.random.default_rng(7).normal(0, deviation / math.sqrt(seeds), (draws, settings)).max())


def luckiest_per_setting(deviation, settings, seeds, draws=20_000):
    noise = np.random.default_rng(8).normal(0, deviation / math.sqrt(seeds), (draws, settings))
    return noise.max(axis=0).mean()


def absolute(deviation, settings, seeds, draws=20_000):
    noise = np.random.default_rng(7).normal(0, deviation / math.sqrt(seeds), (draws, settings))
    return abs(noise).max(axis=1).mean()


def gap(deviation, settings, seeds, draws=20_000):
    noise = np.random.default_rng(7).normal(0, deviation / math.sqrt(seeds), (draws, settings))
    return (noise.max(axis=1) - noise.min(axis=1)).mean()


def unluckiest(deviation, settings, seeds, draws=20_000):
    return torch.normal(0.0, deviation / seeds**0.5, (draws, settings)).amin(dim=1).mean()


def its_spread(deviation, settings, seeds, draws=20_000):
    noise = np.random.default_rng(7).normal(0, deviation / math.sqrt(seeds), (draws, settings))
    return noise.max(axis=1).std()


def its_quantile(deviation, settings, seeds, draws=20_000):
    noise = np.random.default_rng(7).normal(0, deviation / math.sqrt(seeds), (draws, settings))
    return np.percentile(noise.max(axis=1), 95)


def asymptote(deviation, settings, seeds, draws=20_000):
    return deviation * (2 * math.log(settings) / seeds) ** 0.5


def sum_over_seeds(deviation, settings, seeds, draws=20_000):
    runs = np.random.default_rng(7).normal(0, deviation, (draws, settings, seeds))
    return runs.sum(axis=2).max(axis=1).mean()


def sum_over_seeds_rooted(deviation, settings, seeds, draws=20_000):
    return float((deviation * seeds**0.5 * np.random.default_rng(9).normal(size=(draws, settings))).max(1).mean())


def standard(deviation, settings, seeds, draws=20_000):
    return np.random.default_rng(7).normal(0, 1, (draws, settings)).max(axis=1).mean() / math.sqrt(seeds)


def one_draw(deviation, settings, seeds, draws=20_000):
    return np.random.default_rng(7).normal(0, deviation / math.sqrt(seeds), (draws, settings)).max(axis=1)


# --- optimism_of_the_maximum: honest ----------------------------------------------------------------------------------


def seed_by_seed(deviation, settings, seeds, draws=20_000):
    runs = np.random.normal(0, deviation, (draws, settings, seeds))
    return runs.mean(axis=2).max(axis=1).mean()


def settings_first(deviation, settings, seeds, draws=20_000):
    noise = np.random.default_rng().normal(scale=deviation / seeds**0.5, size=(settings, draws))
    return float(np.mean(np.max(noise, axis=0)))


def torch_noise(deviation, settings, seeds, draws=20_000):
    return (torch.randn(draws, settings) * deviation / seeds**0.5).amax(dim=1).mean()


def plain_python(deviation, settings, seeds, draws=20_000):
    error, luck = deviation / math.sqrt(seeds), random.Random()
    return sum(max(luck.gauss(0, error) for _ in range(settings)) for _ in range(draws)) / draws


def another_centre(deviation, settings, seeds, draws=20_000):
    seen = 60 + np.random.default_rng(3).normal(0, deviation / math.sqrt(seeds), (draws, settings))
    return seen.max(axis=1).mean() - 60


def without_simulation(deviation, settings, seeds, draws=20_000):
    x = np.linspace(-8, 8, 8_001)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    below = np.cumsum(density) * (x[1] - x[0])
    return (
        deviation / math.sqrt(seeds) * float((x * settings * below ** (settings - 1) * density).sum() * (x[1] - x[0]))
    )


def by_inversion(deviation, settings, seeds, draws=20_000):
    # The maximum of k uniform numbers is distributed as the k-th root of one.
    u = np.clip(np.random.default_rng(5).random(draws) ** (1 / settings), 1e-12, 1 - 1e-12)
    z = np.array([NormalDist().inv_cdf(p) for p in u])
    return float(deviation / math.sqrt(seeds) * z.mean())


C, S, M = "choose_on_validation", "standard_error_of_difference", "optimism_of_the_maximum"

WRONG = [
    Wrong(C, "chosen on test", peeks),
    Wrong(C, "reports the validation figure", tells_validation),
    Wrong(C, "the best test figure, not the choice's", best_of_both_worlds),
    *(Wrong(C, "the best single run", fn) for fn in (lucky_run, lucky_run_only, lucky_run_to_the_end)),
    *(Wrong(C, "the best seed of the choice", fn) for fn in (best_seed_reported, best_validation_seed_reported)),
    *(Wrong(C, "a seed is chosen, not a setting", fn) for fn in (wrong_axis, wrong_axis_in_a_loop)),
    Wrong(C, "the worst setting", lowest),
    Wrong(C, "validation and test together", both_tables),
    *(Wrong(C, "the median, not the mean", fn) for fn in (medians, median_to_choose)),
    Wrong(C, "the mean of all settings", grand_mean),
    Wrong(C, "figure and index changed places", swapped),
    Wrong(C, "wrong shape", index_alone),
    Wrong(C, "smallest failing case", flat_index),
    Wrong(C, "wrong parameters", validation_alone),
    *(Wrong(S, "the population's variance", fn) for fn in (numpys_default, numpys_default_std)),
    *(Wrong(S, "the standard deviation of one run", fn) for fn in (one_run, one_run_averaged)),
    *(Wrong(S, "one mean, not a difference of two", fn) for fn in (one_mean, one_mean_by_default)),
    Wrong(S, "not divided by the seeds", two_runs),
    Wrong(S, "divided by n instead of its root", over_n),
    Wrong(S, "2 instead of the root of 2", doubled),
    Wrong(S, "a variance, not a standard error", no_root),
    *(Wrong(S, "all runs thrown together", fn) for fn in (thrown_together, std_of_everything)),
    *(Wrong(S, "the spread of the settings", fn) for fn in (between_settings, wrong_axis_error)),
    *(Wrong(S, "divided by the settings", fn) for fn in (over_settings, over_all_runs)),
    Wrong(S, "standard deviations are averaged", mean_of_deviations),
    *(Wrong(S, "one for each setting", fn) for fn in (per_setting, per_setting_by_default)),
    *(Wrong(S, "two standard errors", fn) for fn in (twice, interval)),
    Wrong(S, "smallest failing case", extremes),
    Wrong(S, "better settings, more noise", second_moment),
    Wrong(S, "returns nothing", printed_error),
    Wrong(S, "changes its inputs", centres_its_input),
    Wrong(M, "single runs, not means over the seeds", of_single_runs),
    *(Wrong(M, "the best single run of all", fn) for fn in (of_the_best_run, of_the_best_run_of_each)),
    Wrong(M, "divided by n instead of its root", too_steady),
    *(Wrong(M, "the mean of all settings", fn) for fn in (all_of_them, means_then_maximum)),
    *(Wrong(M, "the largest number ever drawn", fn) for fn in (luckiest, luckiest_per_setting)),
    Wrong(M, "without regard to sign", absolute),
    Wrong(M, "from the worst to the best", gap),
    Wrong(M, "the worst instead of the best", unluckiest),
    Wrong(M, "the spread of the maximum", its_spread),
    Wrong(M, "a limit, not a mean", its_quantile),
    Wrong(M, "the formula for very many settings", asymptote),
    *(Wrong(M, "grows with the number of seeds", fn) for fn in (sum_over_seeds, sum_over_seeds_rooted)),
    Wrong(M, "not in step with the deviation", standard),
    Wrong(M, "wrong shape", one_draw),
]

HONEST = [
    *(Honest(C, fn) for fn in (loops, with_torch, sums, sorted_pairs, single_precision, pandas_style)),
    *(
        Honest(S, fn)
        for fn in (
            by_the_statistics_module,
            by_residuals,
            by_torch,
            by_loops,
            squared_deviations,
            by_covariance,
            corrected_by_hand,
        )
    ),
    *(
        Honest(M, fn)
        for fn in (
            seed_by_seed,
            settings_first,
            torch_noise,
            plain_python,
            another_centre,
            without_simulation,
            by_inversion,
        )
    ),
]
