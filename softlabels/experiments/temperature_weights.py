"""Temperature, weights and the number of texts: a grid of students, every cell on the same budget."""

from softlabels import distill
from softlabels.experiments.base import soft_labels_of
from softlabels.experiments.students import StudentExperiment, labelled_texts

TEXTS = (500, 2_000, 20_000)
TEMPERATURES = (1, 2, 4, 8)
SOFT_WEIGHTS = (0.5, 0.9, 1.0)  # and 0, where the temperature plays no part


def arm_name(texts: int, temperature: float, soft_weight: float) -> str:
    """Return the name of a cell of the grid."""
    return f"{texts} texts, " + (f"T={temperature:g}, soft {soft_weight:g}" if soft_weight else "hard")


GRID = {
    arm_name(*cell): cell
    for texts in TEXTS
    for cell in [(texts, 1, 0.0), *((texts, t, w) for w in SOFT_WEIGHTS for t in TEMPERATURES)]
}


class TemperatureWeights(StudentExperiment):
    name = "temperature-weights"
    description = (
        "students over temperature x soft weight x number of texts, each text with its hard and its soft label"
    )
    arms = tuple(GRID)
    updates = 500
    columns = ("validation_accuracy", "accuracy", "nll")

    def learns_from(self, arm, task, settings):
        count, temperature, soft_weight = GRID[arm]
        texts = labelled_texts(task, count)
        objective = distill.SoftLabelLoss(temperature, soft_weight, hard_weight=round(1 - soft_weight, 6))
        logits = soft_labels_of(task).logits_for(texts.ids)
        about = dict(labels=count, temperature=temperature, soft_weight=soft_weight)
        return distill.TransferSet(texts.tokens, teacher_logits=logits, labels=texts.labels), objective, about

    def measure_more(self, measured, task, cell):
        logits, validation = measured["validation"]
        return {}, dict(validation_correct=distill.correct(logits, validation.labels).numpy())
