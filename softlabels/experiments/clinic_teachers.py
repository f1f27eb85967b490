"""The clinic's teachers as options: nothing is trained, they are measured as they are and in int8."""

from softlabels import distill, tasks
from softlabels.experiments.base import Experiment, soft_labels_of, some
from softlabels.experiments.clinic import Arm, held_out, logits_of, measure, tokenizer_of
from softlabels.experiments.levers import FP32, INT8
from softlabels.experiments.teacher import FewLabels

# By teacher: its task, the word pieces that it reads, and on how many texts of a split it is asked in int8, one at a
# time, which for the long posts takes a tenth of a second each. None: all.
TEACHERS = {
    "newsgroups": ("newsgroups", None, 1_500),
    "newsgroups-500": ("newsgroups", FewLabels.read, 1_500),
    "reuters": ("reuters", None, None),
    "intents": ("intents", None, None),
}


class ClinicTeachers(Experiment):
    name = "clinic-teachers"
    description = "the teachers of the clinic's tasks as options, in fp32 and int8"
    arms = tuple(TEACHERS)
    seeded = False

    def settings(self):
        made = {name: soft_labels_of(tasks.load(task), name).manifest for name, (task, _, _) in TEACHERS.items()}
        hashes = {name: manifest.teacher_sha256 for name, manifest in made.items()}
        return dict(teachers=hashes, most={name: most for name, (*_, most) in TEACHERS.items()}, quick=self.quick)

    def units(self):
        return 1

    def run_cell(self, cell, settings, tell):
        task_name, read, _ = TEACHERS[cell.arm]
        task = tasks.load(task_name)
        teacher = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir(cell.arm)).model
        tokenizer = tokenizer_of(Arm(read=read), task)
        rows, arrays, splits = [], {}, held_out(task, self.quick)
        splits = {name: some(examples, settings["most"][cell.arm]) for name, examples in splits.items()}

        def shipped(task, ids):
            return soft_labels_of(task, cell.arm).logits_for(ids)

        for form in (FP32, INT8):
            asked = {
                name: shipped(task, examples.ids)  # its answers in fp32 are at hand
                if form == FP32
                else logits_of(teacher, tokenizer, task, form, examples)
                for name, examples in splits.items()
            }
            row, more = measure(asked, splits, task, shipped)
            parameters = sum(p.numel() for p in teacher.parameters())
            rows.append(dict(form=form, parameters=parameters, examples=len(splits["test"])) | row)
            arrays |= {name if form == FP32 else f"{name}, {form}": array for name, array in more.items()}
        return rows, arrays
