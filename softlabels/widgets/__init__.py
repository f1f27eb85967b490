"""Pictures and sliders over `softlabels.distill`: each a pure `compute`, a `figure`, and a widget that binds them."""

from .affinity import AffinityMap
from .ask import AskBoth, AskTheTeacher
from .class_bias import ClassBias
from .disagreements import Disagreements
from .heat_map import HeatMap
from .level_match import LevelMatch
from .live_curve import LiveCurve
from .loss_weights import LossWeights
from .palette import colour_of, colours, style, use_style
from .pareto import Pareto
from .temperature import TemperatureExplorer

__all__ = [
    "AffinityMap",
    "AskBoth",
    "AskTheTeacher",
    "ClassBias",
    "Disagreements",
    "HeatMap",
    "LevelMatch",
    "LiveCurve",
    "LossWeights",
    "Pareto",
    "TemperatureExplorer",
    "colour_of",
    "colours",
    "style",
    "use_style",
]
