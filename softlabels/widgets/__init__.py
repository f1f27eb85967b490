"""Pictures and sliders over `softlabels.distill`: each a pure `compute`, a `figure`, and a widget that binds them."""

from .affinity import AffinityMap
from .ask import AskTheTeacher
from .class_bias import ClassBias
from .loss_weights import LossWeights
from .palette import colour_of, colours, style, use_style
from .temperature import TemperatureExplorer

__all__ = [
    "AffinityMap",
    "AskTheTeacher",
    "ClassBias",
    "LossWeights",
    "TemperatureExplorer",
    "colour_of",
    "colours",
    "style",
    "use_style",
]
