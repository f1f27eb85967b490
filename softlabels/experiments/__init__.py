"""The measured runs behind `data/results`: every number in the course's prose that is not computed on the spot is one
of these.

experiments.run("first-look", seeds=5)     # or, in a terminal: softlabels run first-look --seeds 5
"""

from collections.abc import Sequence
from pathlib import Path

from softlabels.experiments.augmentation import Augmentation
from softlabels.experiments.base import ConfigurationChanged, Experiment, Results, measure
from softlabels.experiments.clinic import (
    ClinicClauses,
    ClinicMail,
    ClinicRouter,
    ClinicTriage,
)
from softlabels.experiments.clinic_pilots import PILOTS
from softlabels.experiments.clinic_ranker import ClinicReranker, RankerSoftLabels, RankerTeacher
from softlabels.experiments.clinic_speed import ClinicSpeed
from softlabels.experiments.clinic_teachers import ClinicTeachers
from softlabels.experiments.failures import Failures
from softlabels.experiments.first_look import FirstLook
from softlabels.experiments.headline import Headline
from softlabels.experiments.lever_speed import LeverSpeed
from softlabels.experiments.levers import Levers, LeversOneShot, LeversPilot
from softlabels.experiments.multi_level import MultiLevel, MultiLevelLong
from softlabels.experiments.omitted_class import OmittedClass
from softlabels.experiments.smoothed_teachers import SmoothedTeachers
from softlabels.experiments.soft_label_cost import SoftLabelCost
from softlabels.experiments.teacher import (
    FewLabelsSoftLabels,
    FewLabelsTeacher,
    IntentsSoftLabels,
    IntentsTeacher,
    NewsgroupsSoftLabels,
    NewsgroupsTeacher,
    ReutersSoftLabels,
    ReutersTeacher,
    SoftLabels,
    TeacherRun,
)
from softlabels.experiments.temperature_weights import TemperatureWeights
from softlabels.experiments.top_k import TopKExperiment
from softlabels.experiments.transfer_set import FewLabelsTeachers, TransferSetExperiment
from softlabels.experiments.two_classes import TwoClasses

__all__ = ["ConfigurationChanged", "Experiment", "Results", "describe", "names", "run"]

ALL = (
    TeacherRun, SoftLabels, FirstLook, SoftLabelCost, TopKExperiment, TemperatureWeights, FewLabelsTeachers,
    TransferSetExperiment, Augmentation, OmittedClass, MultiLevel, MultiLevelLong, Failures, SmoothedTeachers,
    TwoClasses, LeversOneShot, LeversPilot, Levers, Headline, LeverSpeed, NewsgroupsTeacher, NewsgroupsSoftLabels,
    ReutersTeacher, ReutersSoftLabels, IntentsTeacher, IntentsSoftLabels, FewLabelsTeacher, FewLabelsSoftLabels,
    RankerTeacher, RankerSoftLabels, *PILOTS, ClinicMail, ClinicTriage, ClinicRouter, ClinicClauses, ClinicReranker,
    ClinicTeachers, ClinicSpeed,
)  # fmt: skip
EXPERIMENTS = {experiment.name: experiment for experiment in ALL}


def names() -> list[str]:
    """Return the names of the experiments, in the order in which they build on each other."""
    return list(EXPERIMENTS)


def describe(name: str) -> str:
    """Return one sentence on an experiment."""
    return EXPERIMENTS[name].description


def run(
    name: str,
    seeds: int | Sequence[int] | None = None,
    quick: bool = False,
    progress: bool = True,
    *,
    fresh: bool = False,
    folder: Path | None = None,
    workers: int | None = None,
) -> Results:
    """Run an experiment, or the part of it that has not been run yet, and return its results.

    seeds: how many, or which; None takes the experiment's own. quick: a budget of seconds that only shows that
    everything works; its results go into the cache, never into data/results. fresh: forget what was measured and start
    again. folder: where the results go, instead of data/results. workers: how many runs at a time; None uses every
    core.

    Raises KeyError for an unknown name, and ConfigurationChanged when the results there come from other settings.
    """
    if name not in EXPERIMENTS:
        raise KeyError(f"there is no experiment {name!r}; the experiments are {', '.join(EXPERIMENTS)}")
    return measure(
        EXPERIMENTS[name](quick=quick, folder=folder), seeds, progress=progress, fresh=fresh, workers=workers
    )
