"""The loss-weighting widget (lesson 03): how hard each term of the distillation loss pulls, and in which direction.

The browser does the arithmetic from the closed form of the gradients (`loss_weights.js`). `compute` here does not
repeat that formula: it lets autograd differentiate `softlabels.distill`'s losses, so the tests hold the formula against
the real thing.
"""

import math

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure

from softlabels.distill.losses import distillation_loss, kl_divergence

from . import palette
from .bundle import Alive

LOWEST, HIGHEST = 0.5, 20.0
MOST_EXAMPLES = 256


def compute(
    student_logits,
    teacher_logits,
    labels,
    temperature: float,
    soft_weight: float,
    hard_weight: float,
    times_t_squared: bool = True,
) -> dict:
    """Return the two terms of the distillation loss on one batch, and their pulls on the student's logits.

    student_logits, teacher_logits: (batch, classes). labels: (batch,) class indices. temperature: positive and finite,
    else ValueError. times_t_squared: whether the soft term carries the factor T².

    Returns `soft_loss` and `hard_loss` in nats, with their weights (and T²) in them; `soft_norm`, `hard_norm` and
    `total_norm`, Euclidean norms over the whole batch of the gradient of each term and of their sum; `soft_share` and
    `hard_share` of the sum of the two norms (0 when both are 0); `angle`, in degrees, between the two gradients (None
    when one of them is 0).
    """
    student = torch.as_tensor(np.asarray(student_logits, dtype=np.float64)).requires_grad_()
    teacher = torch.as_tensor(np.asarray(teacher_logits, dtype=np.float64))
    labels = torch.as_tensor(np.asarray(labels, dtype=np.int64))
    if times_t_squared:
        soft = distillation_loss(student, teacher, None, temperature, soft_weight, 0.0)
    else:
        soft = soft_weight * kl_divergence(student, teacher, temperature)
    hard = hard_weight * torch.nn.functional.cross_entropy(student, labels)
    (soft_pull,) = torch.autograd.grad(soft, student)
    (hard_pull,) = torch.autograd.grad(hard, student)
    soft_norm, hard_norm = float(soft_pull.norm()), float(hard_pull.norm())
    both, angle = soft_norm + hard_norm, None
    if soft_norm > 0 and hard_norm > 0:
        cosine = float((soft_pull * hard_pull).sum()) / soft_norm / hard_norm
        angle = math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
    return {
        "soft_loss": soft.item(),
        "hard_loss": hard.item(),
        "soft_norm": soft_norm,
        "hard_norm": hard_norm,
        "total_norm": float((soft_pull + hard_pull).norm()),
        "soft_share": soft_norm / both if both else 0.0,
        "hard_share": hard_norm / both if both else 0.0,
        "angle": angle,
    }


def figure(
    student_logits,
    teacher_logits,
    labels,
    soft_weight: float = 0.5,
    hard_weight: float = 0.5,
    temperatures=(1, 2, 4, 8, 16),
) -> Figure:
    """Draw the two gradient norms, stacked, at several temperatures: with T² on the left and without on the right."""
    with palette.style():
        result = palette.blank_figure(7.2, 3.4)
        panels = result.subplots(1, 2, sharey=True)
        for panel, squared in zip(panels, (True, False), strict=True):
            batch = student_logits, teacher_logits, labels
            seen = [compute(*batch, t, soft_weight, hard_weight, squared) for t in temperatures]
            hard, soft = ([one[key] for one in seen] for key in ("hard_norm", "soft_norm"))
            second = palette.STYLE["axes.prop_cycle"].by_key()["color"][1]
            panel.bar(range(len(seen)), hard, color=second, hatch="//", edgecolor="white", label="hard term")
            panel.bar(range(len(seen)), soft, bottom=hard, color=palette.ACCENT, label="soft term")
            for place, one in enumerate(seen):
                share, top = f"{100 * one['soft_share']:.0f} %", hard[place] + soft[place]
                panel.annotate(share, (place, top), (0, 3), textcoords="offset points", ha="center")
            panel.set_xticks(range(len(seen)), [f"{t:g}" for t in temperatures])
            panel.set(xlabel="T", title="with T²" if squared else "without T²")
            panel.grid(visible=False, axis="x")
            panel.margins(y=0.12)
        panels[0].set_ylabel("gradient norm")
        panels[1].legend(loc="upper right", title="above: the soft term's share", title_fontsize=11)
        panels[0].set_ylim(0, 1.35 * max(panels[0].get_ylim()[1], panels[1].get_ylim()[1]) / 1.12)
    return result


class LossWeights(Alive):
    """Set T and the two weights on a real batch, and see how hard each term pulls, at what angle, with and without T².

    student_logits, teacher_logits: (batch, classes) finite numbers, at most 256 examples. labels: (batch,) class
    indices. classes: their names. ValueError when shapes do not fit.

    `temperature` (0.5 to 20), `soft_weight` and `hard_weight` (0 to 1) and `times_t_squared` can be read and set while
    the widget is shown.
    """

    _module = "loss_weights.js"
    student_logits = traitlets.List().tag(sync=True)
    teacher_logits = traitlets.List().tag(sync=True)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    temperature = traitlets.Float(2.0, min=LOWEST, max=HIGHEST).tag(sync=True)
    soft_weight = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    hard_weight = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    times_t_squared = traitlets.Bool(True).tag(sync=True)

    def __init__(self, student_logits, teacher_logits, labels, classes):
        student, teacher = (np.asarray(z, dtype=np.float64) for z in (student_logits, teacher_logits))
        labels, width = np.asarray(labels), len(classes)
        if student.shape != teacher.shape or student.ndim != 2 or student.shape != (len(labels), width) or width < 2:
            raise ValueError(
                f"student_logits {student.shape} and teacher_logits {teacher.shape} must both be (batch, classes) = "
                f"({len(labels)}, {width}), with at least two classes"
            )
        if not 1 <= len(labels) <= MOST_EXAMPLES:
            raise ValueError(f"the batch must have 1 to {MOST_EXAMPLES} examples, not {len(labels)}")
        if not (np.isfinite(student).all() and np.isfinite(teacher).all()):
            raise ValueError("logits must be finite")
        if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= width:
            raise ValueError(f"labels must be class indices from 0 to {width - 1}")
        super().__init__(
            student_logits=student.round(4).tolist(), teacher_logits=teacher.round(4).tolist(), labels=labels.tolist()
        )

    def picture(self) -> tuple[Figure, str]:
        """Return the stacked gradient norms over the temperature, with and without T², and what they say in words."""
        batch, weights = (self.student_logits, self.teacher_logits, self.labels), (self.soft_weight, self.hard_weight)
        with_it, without = (compute(*batch, 8.0, *weights, squared)["soft_share"] for squared in (True, False))
        alt = (
            f"Stacked bars of the gradient norms of the soft and the hard term at several temperatures, weights "
            f"{weights[0]:g} and {weights[1]:g}. At T = 8 the soft term contributes {100 * with_it:.0f} % with T² and "
            f"{100 * without:.1f} % without."
        )
        return figure(*batch, *weights), alt

    def __repr__(self) -> str:
        return f"LossWeights(batch of {len(self.labels)})"
