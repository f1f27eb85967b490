"""How far does it all go together? A student for a tenth of the teacher's bytes and a twentieth of its time.

Small students learn from the soft labels of every text that is not held out, long enough; they start at random, or from
the teacher's word vectors in fewer dimensions. Each is measured as it is shipped, too: in int8, and with fewer pieces.
"""

from softlabels import distill, tasks
from softlabels.distill.low_rank import narrow_embeddings
from softlabels.experiments.base import soft_labels_of
from softlabels.experiments.levers import FEWER, FP32, INT8, form_rows
from softlabels.experiments.students import StudentExperiment, all_texts

# The first token alone answers, so the last layer's work is done for one token only, and a single layer is nearly free.
SHAPES = {
    "2 layers of 128": distill.SmallBertConfig(layers=2, width=128, heads=2, inner=512, pooling="cls"),
    "1 layer of 256": distill.SmallBertConfig(layers=1, width=256, heads=4, inner=1024, pooling="cls"),
}
RANDOM = "2 layers of 128, random start"


class Headline(StudentExperiment):
    name = "headline"
    description = "the smallest students that keep 97% of the teacher's accuracy: all texts, a long run, int8"
    arms = (RANDOM, *SHAPES)
    updates = 9_000
    columns = ("accuracy", "agreement", "ece")

    def settings(self):
        shapes = {name: vars(shape) for name, shape in SHAPES.items()}
        return super().settings() | dict(shapes=shapes, student=None)

    def run_cell(self, cell, settings, tell):
        task = tasks.load(settings["task"])
        texts = all_texts(task)
        transfer_set = distill.TransferSet(texts.tokens, teacher_logits=soft_labels_of(task).logits_for(texts.ids))
        student = build(cell.arm, len(task.classes), cell.seed)
        about = self.train(student, transfer_set, distill.SoftLabelLoss(), cell, settings, tell)
        rows, arrays = form_rows(student, task, (FP32, INT8, FEWER), self.quick)
        return [about | row for row in rows], arrays


def build(arm: str, classes: int, seed: int) -> distill.SmallBert:
    """Return the student of an arm, before training."""
    if arm == RANDOM:
        return distill.make_student(SHAPES["2 layers of 128"], classes, seed)
    teacher = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir("wordnet")).model
    return narrow_embeddings(distill.make_student(SHAPES[arm], classes, seed), teacher)
