"""Choosing among compressed models: which are worth a look at all, and which a budget lets through."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np


def pareto_front(costs: np.ndarray) -> np.ndarray:
    """Tell which models are worth a look: those that no other one beats.

    costs: float array (models, measures), all such that less is better; accuracy goes in as 1 - accuracy. One model
    beats another when it is nowhere worse and somewhere better, so two equal ones do not beat each other. Returns a
    bool array (models,). ValueError when a cost is not a number.
    """
    if np.isnan(costs).any():
        raise ValueError("a cost is not a number: measure it, or leave the model or the measure out")
    no_worse = (costs[:, None] <= costs[None]).all(axis=-1)  # [i, j]: i is nowhere worse than j
    better = (costs[:, None] < costs[None]).any(axis=-1)
    return ~(no_worse & better).any(axis=0)


@dataclass(frozen=True)
class ShippingBudget:
    """What a model may cost, and what it must reach, to be shipped. None: not asked for.

    megabytes: on disk, 10^6 bytes. peak_megabytes: of the process that runs it. p50_ms, p95_ms: from a text to its
    label, one at a time. ece: at most; fitted_ece, after a temperature was fitted. Of the others, at least:
    texts_per_second, many at a time; accuracy, agreement, mean_recall (over the classes), mrr (of rankings) and
    worst_group (the accuracy or the mrr of the language or the domain that fares worst), shares from 0 to 1.
    """

    megabytes: float | None = None
    peak_megabytes: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    ece: float | None = None
    fitted_ece: float | None = None
    texts_per_second: float | None = None
    accuracy: float | None = None
    agreement: float | None = None
    mean_recall: float | None = None
    mrr: float | None = None
    worst_group: float | None = None

    SHARES: ClassVar = ("accuracy", "agreement", "mean_recall", "mrr", "worst_group")
    AT_LEAST: ClassVar = (*SHARES, "texts_per_second")  # of the rest, at most

    def __post_init__(self):
        for name, limit in asdict(self).items():
            if limit is not None and not limit > 0:
                raise ValueError(f"the budget's {name} must be above 0, not {limit}")
            if name in (*self.SHARES, "ece", "fitted_ece") and limit is not None and limit > 1:
                raise ValueError(f"the budget's {name} is a share from 0 to 1, not {limit}: for 83% write 0.83")

    def broken(self, measured: Mapping[str, float]) -> list[str]:
        """Return a sentence for each limit that a measured model breaks; none when it fits.

        measured: figures by the names above. KeyError when one that is asked for was not measured.
        """
        said = []
        for name, limit in asdict(self).items():
            if limit is None:
                continue
            if name not in measured:
                raise KeyError(f"the budget asks for {name}, which was not measured")
            value, least = measured[name], name in self.AT_LEAST
            if not (value >= limit if least else value <= limit):  # what is not a number fits nowhere
                said.append(f"{name} is {value:.3g}, and must be {'at least' if least else 'at most'} {limit:.3g}")
        return said

    def __str__(self) -> str:
        said = [f"{n} {'≥' if n in self.AT_LEAST else '≤'} {v:g}" for n, v in asdict(self).items() if v is not None]
        return ", ".join(said) or "no limits"
