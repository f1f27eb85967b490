"""The case clinic's figures: what was measured of each option, which options keep a budget, and who differs from whom.

Everything is read from the measured runs in ``data/results``. A choice is made on validation; figures on test report.
"""

from __future__ import annotations

import functools
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from softlabels.course.cases import COSTS, FACTS, QUALITY, Case, Option, case
from softlabels.course.content import ContentError
from softlabels.distill.frontier import ShippingBudget
from softlabels.distill.metrics import accuracy_interval
from softlabels.distill.verdict import Verdict, verdict
from softlabels.tasks import home
from softlabels.tasks.store import spread

__all__ = ["better", "broken", "compare", "decisive", "fitting", "options", "scores", "worst_groups"]

_NO_FIGURES = ("seed", "threads")  # numbers, but nothing that was measured


def options(key: str) -> pd.DataFrame:
    """What was measured of a case's options, one row each, under their names.

    Means over the seeds of all that was measured on test (``accuracy``) and on validation (``validation_accuracy``),
    standard deviations over the seeds beside them (``accuracy_spread``, NaN for one seed), ``seeds``; of bytes, memory
    and times the medians over the rounds. NaN: not measured. Raises ContentError where a result is missing.
    """
    asked = case(key)
    return pd.DataFrame({option.name: _row(asked, option) for option in asked.options}).T


def _row(asked: Case, option: Option) -> dict[str, float]:
    rows = _by_split(_measured(asked, option, option.results))
    numbers = rows.select_dtypes("number").drop(columns=[c for c in _NO_FIGURES if c in rows])
    wanted = [name for split in ("validation_", "") for name in (split + column for column in QUALITY)]
    found = dict.fromkeys([*wanted, *COSTS, *FACTS], np.nan)
    found |= numbers.mean().to_dict() | numbers.std().add_suffix("_spread").to_dict() | {"seeds": len(rows)}
    if option.speed:
        rounds = _measured(asked, option, option.speed)
        found |= {column: rounds[column].median() for column in COSTS if column in rounds}
    return {name: float(value) for name, value in found.items()}


def _by_split(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a seed, validation's columns with their prefix: some experiments write one row a split."""
    if "split" not in rows:
        return rows
    parts = {split: part.set_index("seed") for split, part in rows.groupby("split")}
    return parts["test"].join(parts["validation"].add_prefix("validation_")).reset_index()


def _measured(asked: Case, option: Option, source: tuple[str, str, str]) -> pd.DataFrame:
    experiment, arm, form = source
    path = home.results(experiment)
    where = f"clinic.toml: [{asked.key}] option {option.name!r}"
    if not path.is_file():
        raise ContentError(f"{where}: {path.name} is not there; `softlabels run {experiment}` makes it")
    rows = _table(path, path.stat().st_mtime_ns)
    rows = rows[rows["arm"] == arm]
    if not len(rows):
        raise ContentError(f"{where}: {path.name} has no arm {arm!r}")
    if "form" in rows:
        named = rows["form"].fillna("")
        forms, rows = sorted(set(named)), rows[named == form]
        if not len(rows):
            raise ContentError(f"{where}: {path.name} has {arm!r} in no form {form!r}; there are: {'; '.join(forms)}")
    elif form:
        raise ContentError(f"{where}: {path.name} has no forms, so none can be {form!r}")
    return rows.dropna(axis="columns", how="all")


@functools.lru_cache(maxsize=32)
def _table(path: Path, _changed: int) -> pd.DataFrame:
    return pd.read_csv(path)


# --- deciding, on validation ------------------------------------------------------------------------------------------


def broken(key: str, name: str, budget: ShippingBudget | None = None) -> list[str]:
    """A sentence for each limit that an option breaks on validation; none when it keeps them all.

    budget: the case's own if None.
    """
    return _broken(options(key).loc[case(key).option(name).name], case(key).budget if budget is None else budget)


def _broken(row: pd.Series, budget: ShippingBudget) -> list[str]:
    asked = [limit for limit, value in asdict(budget).items() if value is not None]
    found = {limit: row[decisive(limit)] for limit in asked}
    unknown = [limit for limit, value in found.items() if np.isnan(value)]
    said = budget.broken(found)
    return [
        f"{limit} was not measured, so it keeps no limit" if limit in unknown else sentence
        for sentence in said
        for limit in [sentence.split()[0]]
    ]


def decisive(column: str) -> str:
    """The column to decide by: of a quality, the one on validation."""
    return f"validation_{column}" if column in QUALITY else column


def fitting(key: str, budget: ShippingBudget | None = None) -> list[str]:
    """The names of the options that keep a budget on validation, the best by the case's measure first."""
    asked, found = case(key), options(key)
    budget = asked.budget if budget is None else budget
    kept = found[[not _broken(row, budget) for _, row in found.iterrows()]]
    return list(kept.sort_values(decisive(asked.measure), ascending=False, kind="stable").index)


def better(key: str, name: str, budget: ShippingBudget | None = None) -> str | None:
    """The best option that keeps a budget, where it is better on validation than this one; None where none is."""
    values = options(key)[decisive(case(key).measure)]
    best = next(iter(fitting(key, budget)), None)
    return best if best is not None and values[best] > values[name] else None


# --- comparing, on test -----------------------------------------------------------------------------------------------


def scores(key: str, name: str) -> np.ndarray | None:
    """How well an option did on each test text, float64 (seeds, texts), so that the mean is the case's measure.

    accuracy: 1 where it is right. mrr: 1 / rank. mean_recall: right, with more weight in a rare class; the task's data
    must be there. None where no answers were kept.
    """
    asked = case(key)
    experiment, arm, form = asked.option(name).results
    path = home.results(experiment).with_suffix(".safetensors")
    kept = "ranks" if asked.measure == "mrr" else "correct"
    kept += f", {form}" if form not in ("", "fp32") else ""
    arrays = _arrays(path, path.stat().st_mtime_ns) if path.is_file() else {}
    found = {int(seed): array for (of, seed, what), array in arrays.items() if (of, what) == (arm, kept)}
    if not found:
        return None
    answers = np.stack([found[seed] for seed in sorted(found)]).astype(np.float64)
    if asked.measure == "mrr":
        return 1 / answers
    return answers * _weights(asked.task, answers.shape[1]) if asked.measure == "mean_recall" else answers


@functools.lru_cache(maxsize=8)
def _arrays(path: Path, _changed: int) -> dict[tuple[str, str, str], np.ndarray]:
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        answers = {name: tuple(name.split("/")) for name in file.keys()}
        return {
            parts: file.get_tensor(name)
            for name, parts in answers.items()
            if len(parts) == 3 and parts[2].startswith(("correct", "ranks"))
        }


@functools.lru_cache(maxsize=4)
def _weights(task: str, asked: int) -> np.ndarray:
    """Weights of a task's test texts, of mean 1, with which each class that has any counts alike."""
    from softlabels import tasks

    labels = tasks.load(task).split("test").labels
    labels = labels[spread(len(labels), asked)]
    counts = np.bincount(labels)
    return len(labels) / (np.count_nonzero(counts) * counts[labels])


def compare(key: str, name: str, other: str) -> Verdict | None:
    """The verdict on an option against another, on test; None where their answers were not kept.

    One model beside several seeds (a teacher that is only measured) stands beside each of them; where it was asked
    about some of the texts, spread evenly over them, the others are compared on these.
    """
    a, b = scores(key, name), scores(key, other)
    if a is None or b is None:
        return None
    fewest = min(a.shape[1], b.shape[1])
    a, b = (x[:, spread(x.shape[1], fewest)] for x in (a, b))
    seeds = max(len(a), len(b))
    a, b = (np.repeat(x, seeds, axis=0) if len(x) == 1 else x for x in (a, b))
    return verdict(a, b) if len(a) == len(b) else None


def worst_groups(key: str, name: str, most: int | None = None) -> pd.DataFrame:
    """An option's results on test by language (of requests) or by domain (of definitions), the lowest first.

    Columns: group, texts, right (the share of the texts, a mean over the seeds), low and high (its 95% interval, for so
    many texts), and mrr of a re-ranker, which then decides the order. most: how many groups; all if None. Raises
    ContentError for a case whose texts have no groups, or where no answers were kept.
    """
    asked, found = case(key), scores(key, name)
    if found is None:
        raise ContentError(f"clinic.toml: [{key}] option {name!r}: no answers were kept, so there are no groups")
    names, groups = _groups(asked)
    groups = groups[spread(len(groups), found.shape[1])]
    rows = []
    for number, group in enumerate(names):
        inside = found[:, groups == number]
        if inside.shape[1]:
            right = float((inside == 1).mean())
            low, high = accuracy_interval(right, inside.shape[1])
            rows.append(dict(group=group, texts=inside.shape[1], right=right, low=low, high=high, mrr=inside.mean()))
    table = pd.DataFrame(rows).sort_values("mrr", kind="stable", ignore_index=True)
    return (table if asked.measure == "mrr" else table.drop(columns="mrr")).head(most or len(table))


def _groups(asked: Case) -> tuple[tuple[str, ...], np.ndarray]:
    from softlabels import tasks

    if asked.measure == "mrr":
        task = tasks.load_ranking(asked.task)
        return task.domains, task.split("test").domains
    task = tasks.load(asked.task)
    if not task.groups or asked.measure != "accuracy":
        raise ContentError(f"clinic.toml: [{asked.key}]: the texts of {asked.task!r} have no groups")
    return task.groups, task.split("test").groups
