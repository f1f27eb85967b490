"""Does label smoothing make a teacher that teaches worse, as Müller et al. (2019) found?

Each of five teachers is fine-tuned on the same 2,000 labels, plain, and another with label smoothing; each teaches one
student on these texts. Teacher and student share their seed.
"""

from softlabels import distill, tasks
from softlabels.distill.metrics import accuracy, agreement, expected_calibration_error, negative_log_likelihood
from softlabels.distill.teacher import weights_sha256
from softlabels.experiments.first_look import SMOOTHING
from softlabels.experiments.students import StudentExperiment, labelled_texts
from softlabels.experiments.teacher import RECIPE

TEXTS, QUICK_TEXTS = 2_000, 32
ARMS = {"plain teacher": 0.0, "smoothed teacher": SMOOTHING}


class SmoothedTeachers(StudentExperiment):
    name = "smoothed-teachers"
    description = "teachers of 2,000 labels, fine-tuned plain or with label smoothing, and a student of each"
    arms = tuple(ARMS)
    columns = ("teacher_accuracy", "teacher_ece", "accuracy", "nll", "agreement", "ece")

    def settings(self):
        recipe = RECIPE | dict(epochs=1 if self.quick else 6)
        about = dict(labelled_texts=QUICK_TEXTS if self.quick else TEXTS, smoothing=ARMS, recipe=recipe)
        return super().settings() | about | dict(base_sha256=weights_sha256(tasks.base_model()))

    def fit(self, cell, task, settings, tell):
        texts = labelled_texts(task, settings["labelled_texts"])
        self.teacher = distill.finetune_teacher(
            tasks.base_model(),
            texts.tokens,
            texts.labels,
            task.classes,
            **settings["recipe"],
            label_smoothing=settings["smoothing"][cell.arm],
            seed=cell.seed,
            progress=False,
        )
        logits = distill.teacher_logits(self.teacher, texts.tokens)
        entropy = distill.entropy_bits(distill.soften(logits, 1.0)).mean().item()
        student = distill.make_student(settings["student"], len(task.classes), cell.seed)
        transfer_set = distill.TransferSet(texts.tokens, teacher_logits=logits)
        about = dict(smoothing=settings["smoothing"][cell.arm], teacher_entropy_bits=entropy)
        return student, about | self.train(student, transfer_set, distill.SoftLabelLoss(), cell, settings, tell)

    def measure(self, measured, task):
        """Measure the student beside its own teacher, which is not the course's."""
        row, arrays = super().measure(measured, task)
        logits, test = measured["test"]
        teacher_logits = distill.teacher_logits(self.teacher, test.tokens)
        row |= dict(
            agreement=agreement(logits, teacher_logits),
            ece=expected_calibration_error(logits, test.labels),
            teacher_accuracy=accuracy(teacher_logits, test.labels),
            teacher_nll=negative_log_likelihood(teacher_logits, test.labels),
            teacher_ece=expected_calibration_error(teacher_logits, test.labels),
        )
        return row, arrays | dict(teacher_correct=distill.correct(teacher_logits, test.labels).numpy())
