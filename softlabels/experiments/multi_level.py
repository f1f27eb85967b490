"""Which of a teacher's levels carries the gain, and how much of it is the student's start alone?

Two students on one transfer set and one budget. The course's own (2 layers, width 128) starts at random, and learns
from the logits alone or from one more level, or from all. The other (2 layers, width 384, the teacher's) learns from
the logits alone, and starts at random, from the teacher's embeddings, or from two of its layers as well.
"""

from dataclasses import dataclass, replace

from softlabels import distill, tasks
from softlabels.distill.metrics import expected_calibration_error
from softlabels.experiments.base import soft_labels_of
from softlabels.experiments.students import STUDENT, StudentExperiment, labelled_texts

TEXTS, QUICK_TEXTS = 5_000, 32
LEVELS = ("hidden", "attention", "relation")
# Of 0.1, 1 and 10, the best by validation accuracy for each level alone: one run of the small student each, 750 updates
# on 2,000 texts, with seed 5, which is none of the five. More weight cost accuracy throughout.
WEIGHTS = dict(hidden=0.1, attention=0.1, relation=0.1)


@dataclass(frozen=True)
class Arm:
    """start: None (at random), "embeddings", or a layer map's kind. levels: those learned from beside the logits."""

    wide: bool = False
    start: str | None = None
    levels: tuple[str, ...] = ()


ARMS = {
    "logits": Arm(),
    "+ hidden states": Arm(levels=("hidden",)),
    "+ attention": Arm(levels=("attention",)),
    "+ relations": Arm(levels=("relation",)),
    "+ all levels": Arm(levels=LEVELS),
    "wide": Arm(wide=True),
    "wide, embeddings": Arm(wide=True, start="embeddings"),
    "wide, lower layers": Arm(wide=True, start="lower"),
    "wide, upper layers": Arm(wide=True, start="upper"),
    "wide, uniform layers": Arm(wide=True, start="uniform"),
    "wide, uniform layers, all levels": Arm(wide=True, start="uniform", levels=LEVELS),
}


class MultiLevel(StudentExperiment):
    name = "multi-level"
    description = "hidden states, attention, relations beside the logits; and students that start from teacher layers"
    arms = tuple(ARMS)
    updates = 500

    def settings(self):
        arms = {name: vars(arm) for name, arm in ARMS.items()}
        about = dict(labelled_texts=QUICK_TEXTS if self.quick else TEXTS, arms=arms, weights=WEIGHTS, heads=2)
        return super().settings() | about | dict(layer_map="uniform")

    def fit(self, cell, task, settings, tell):
        arm = ARMS[cell.arm]
        teacher = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir(task.name)).model
        student = make_student(arm, teacher, len(task.classes), cell.seed)
        layers = distill.layer_map(student.config.layers, teacher.config.layers, settings["layer_map"])

        texts = labelled_texts(task, settings["labelled_texts"])
        transfer_set = distill.TransferSet(texts.tokens, teacher_logits=soft_labels_of(task).logits_for(texts.ids))
        about = dict(width=student.config.width, start=arm.start or "random", levels=" ".join(("logits", *arm.levels)))
        about |= dict(parameters=sum(p.numel() for p in student.parameters()))
        if not arm.levels:
            objective = distill.SoftLabelLoss()
            return student, about | self.train(student, transfer_set, objective, cell, settings, tell)

        apprentice = distill.LevelStudent(student, teacher.config.width, seed=cell.seed)
        weights = {f"{level}_weight": settings["weights"][level] for level in arm.levels}
        ask = distill.TeacherLevels(teacher, layers)
        objective = distill.MultiLevelLoss(ask, apprentice.projections, heads=settings["heads"], **weights)
        return student, about | self.train(apprentice, transfer_set, objective, cell, settings, tell)

    def measure_more(self, measured, task, cell):
        logits, test = measured["test"]
        return dict(ece=expected_calibration_error(logits, test.labels)), {}


class MultiLevelLong(MultiLevel):
    """Would the levels have helped the small student, had it had more time? Two arms, four times the updates."""

    name = "multi-level-long"
    description = "the small student's levels again, with four times the updates"
    arms = ("logits", "+ all levels")
    updates = 2_000


def make_student(arm: Arm, teacher: distill.SmallBert, classes: int, seed: int) -> distill.SmallBert:
    """Return the student of an arm, before training."""
    if not arm.wide:
        return distill.make_student(STUDENT, classes, seed)
    depth = distill.SIZES[STUDENT].layers
    if arm.start in (None, "embeddings"):
        student = distill.make_student(replace(teacher.config, layers=depth, pooling="mean"), classes, seed)
        return distill.copy_embeddings(student, teacher) if arm.start else student
    layers = distill.layer_map(depth, teacher.config.layers, arm.start)
    return distill.student_from_teacher(teacher, layers, classes, seed)
