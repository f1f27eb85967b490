"""The teachers, and their soft labels: what the course ships, made again by one command each."""

import math
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from softlabels import distill, tasks
from softlabels.distill.metrics import accuracy, expected_calibration_error, negative_log_likelihood
from softlabels.distill.teacher import first_word_table, resolve_precision, weights_sha256
from softlabels.experiments.base import Cell, Experiment, Results, some
from softlabels.experiments.students import labelled_texts

# The better, by validation accuracy, of two: mean pooling with a learning rate of 1e-3 was the other.
RECIPE = dict(rank=32, alpha=64, learning_rate=5e-4, epochs=4, batch_size=32, pooling="cls", dropout=0.1)


class OnTask(Experiment):
    """An experiment with one cell that makes something; a quick one makes it in the cache, beside its results."""

    task_name = "wordnet"
    made = ""  # what its files are called; "" is the task's name
    parallel = False
    seeds = 1

    def teacher_dir(self) -> Path:
        return self.folder / "teacher" if self.quick else tasks.home.teacher_dir(self.made or self.task_name)

    def teacher(self) -> distill.Teacher:
        if not self.teacher_dir().is_dir():
            missing = f"there is no teacher in {self.teacher_dir()}"
            raise FileNotFoundError(f"{missing}: `softlabels run teacher-{self.made or self.task_name}` makes one")
        return distill.load_teacher(tasks.base_model(), self.teacher_dir())

    def soft_labels_file(self) -> Path:
        name = self.made or self.task_name
        return self.folder / "soft_labels.safetensors" if self.quick else tasks.home.soft_labels_file(name)

    def labelled(self, task):
        """Return what the teacher learns from."""
        return task.split("labelled")

    def tokens(self, examples, task):
        """Return what the teacher reads of some examples."""
        return examples.tokens

    def finish(self, results: Results) -> None:
        columns = ["arm", "seed", "split", "examples", "accuracy", "nll", "ece"]
        print(results.frame[columns].round(4).to_string(index=False))


class TeacherRun(OnTask):
    name = "teacher-wordnet"
    description = "fine-tune MiniLM on the 20,000 labelled glosses with LoRA; writes data/teachers/wordnet"
    arms = ("teacher",)
    recipe = RECIPE
    watched = True  # is it measured on validation after each epoch?

    def settings(self) -> dict:
        task = tasks.load(self.task_name)
        texts = 320 if self.quick else len(self.labelled(task))
        recipe = {**self.recipe, "rank": 4, "alpha": 8, "epochs": 1} if self.quick else self.recipe
        base = weights_sha256(tasks.base_model())
        return dict(task=task.name, task_fingerprint=task.fingerprint, base_sha256=base, texts=texts, **recipe)

    def units(self) -> int:
        settings = self.settings()
        return settings["epochs"] * math.ceil(settings["texts"] / settings["batch_size"])

    def run_cell(self, cell: Cell, settings: dict, tell) -> tuple[list[dict], dict[str, np.ndarray]]:
        task = tasks.load(settings["task"])
        labelled = some(self.labelled(task), settings["texts"])
        validation = some(task.split("validation"), 200 if self.quick else None)
        teacher = distill.finetune_teacher(
            tasks.base_model(),
            self.tokens(labelled, task),
            labelled.labels,
            task.classes,
            **{name: settings[name] for name in self.recipe},
            seed=cell.seed,
            words=self.first_words(),
            validation=(self.tokens(validation, task), validation.labels) if self.watched else None,
            progress=tell,
        )
        teacher.config |= dict(task=task.name, task_fingerprint=task.fingerprint)
        if cell.seed == 0:  # other seeds show the spread; the first is the course's teacher
            teacher.save(self.teacher_dir())
        splits = {name: some(task.split(name), 200 if self.quick else None) for name in ("validation", "test")}
        tokens = {name: self.tokens(examples, task) for name, examples in splits.items()}
        logits = {name: distill.teacher_logits(teacher, tokens[name]) for name in splits}
        made = dict(precision=teacher.config["precision"], sha256=teacher.sha256, seconds=teacher.config["seconds"])
        return [report(name, logits[name], splits[name].labels) | made for name in splits], {}

    def first_words(self):
        """Return the word table to begin with, where the task has word pieces of its own."""
        return None


class NewsgroupsTeacher(TeacherRun):
    name = "teacher-newsgroups"
    task_name = "newsgroups"
    description = "fine-tune MiniLM on the 4,000 labelled posts of 20 Newsgroups; writes data/teachers/newsgroups"


class ReutersTeacher(TeacherRun):
    name = "teacher-reuters"
    task_name = "reuters"
    description = "fine-tune MiniLM on the 3,000 labelled stories of Reuters R52; writes data/teachers/reuters"


class IntentsTeacher(TeacherRun):
    name = "teacher-intents"
    task_name = "intents"
    description = "fine-tune MiniLM, with a new word table, on requests in 32 languages; writes data/teachers/intents"
    recipe = RECIPE | dict(epochs=12)  # the new vectors begin at random, and need longer

    def first_words(self):
        return first_word_table(tasks.base_model(), tasks.tokenizer(), tasks.tokenizer(task=self.task_name))


class FewLabels:
    """500 of the labelled posts, of which the first 64 word pieces are read: what the case of few labels has."""

    task_name = "newsgroups"
    made = "newsgroups-500"
    count, read = 500, 64

    def labelled(self, task):
        return labelled_texts(task, self.count)

    def tokens(self, examples, task):
        return tasks.store.cut(examples.texts, tasks.tokenizer(self.read, self.task_name))


class FewLabelsTeacher(FewLabels, TeacherRun):
    name = "teacher-newsgroups-500"
    description = "fine-tune MiniLM on 500 posts; writes data/teachers/newsgroups-500"
    recipe = RECIPE | dict(epochs=8)  # twice as often as the 4,000 posts
    watched = False


class SoftLabels(OnTask):
    name = "soft-labels-wordnet"
    description = "ask the teacher about every gloss, once; writes data/soft_labels/wordnet.safetensors"
    arms = ("soft labels",)
    seeded = False
    texts = "glosses"

    def settings(self) -> dict:
        task = tasks.load(self.task_name)
        teacher = self.teacher()
        return dict(task=task.name, task_fingerprint=task.fingerprint, teacher_sha256=teacher.sha256)

    def units(self) -> int:
        return 1

    def run_cell(self, cell: Cell, settings: dict, tell) -> tuple[list[dict], dict[str, np.ndarray]]:
        task = tasks.load(settings["task"])
        teacher = self.teacher()
        examples = some(task.split("all", show_labels=True), 400 if self.quick else None)
        precision, tokens = resolve_precision("auto"), self.tokens(examples, task)
        teacher.in_precision(precision)  # the model is cast before the clock starts
        start = time.perf_counter()
        logits = distill.teacher_logits(teacher, tokens, precision=precision, progress=True)
        seconds = time.perf_counter() - start
        cache = with_manifest(teacher, task, examples.ids, logits, precision)
        cache.save(self.soft_labels_file())
        made = dict(precision=precision, sha256=cache.manifest.sha256, seconds=round(seconds, 1))
        made |= {f"{self.texts}_per_second": round(len(examples) / seconds)}
        kept, rows = cache.logits_for(examples.ids), []
        for name in ("validation", "test", "labelled", "transfer"):
            inside = np.isin(examples.ids, task.split(name).ids)
            if inside.any():
                rows.append(report(name, kept[inside], examples.labels[inside]) | made)
        return rows, {}


class NewsgroupsSoftLabels(SoftLabels):
    name = "soft-labels-newsgroups"
    task_name = "newsgroups"
    texts = "posts"
    description = "ask the teacher about every post, once; writes data/soft_labels/newsgroups.safetensors"


class ReutersSoftLabels(SoftLabels):
    name = "soft-labels-reuters"
    task_name = "reuters"
    texts = "stories"
    description = "ask the teacher about every story, once; writes data/soft_labels/reuters.safetensors"


class FewLabelsSoftLabels(FewLabels, NewsgroupsSoftLabels):
    name = "soft-labels-newsgroups-500"
    description = "ask the teacher of 500 posts about every post; writes data/soft_labels/newsgroups-500.safetensors"


class IntentsSoftLabels(SoftLabels):
    name = "soft-labels-intents"
    task_name = "intents"
    texts = "requests"
    description = "ask the teacher about every request, once; writes data/soft_labels/intents.safetensors"


def ask(teacher: distill.Teacher, task, examples, precision: str = "auto") -> distill.SoftLabelCache:
    """Ask a teacher about some examples of a task, and keep its answers with the note of where they come from."""
    precision = resolve_precision(precision)
    logits = distill.teacher_logits(teacher, examples.tokens, precision=precision)
    return with_manifest(teacher, task, examples.ids, logits, precision)


def with_manifest(teacher: distill.Teacher, task, ids, logits, precision: str) -> distill.SoftLabelCache:
    manifest = distill.Manifest(
        task=task.name,
        task_fingerprint=task.fingerprint,
        tokenizer_sha256=task.tokenizer_sha256,
        classes=task.classes,
        teacher_sha256=teacher.sha256,
        base_sha256=teacher.config["base_sha256"],
        precision=precision,
        created_by=f"softlabels {version('softlabels')}",
    )
    return distill.SoftLabelCache(ids, logits, manifest)


def report(split: str, logits, labels) -> dict:
    """Return one row: how good the teacher is on a split, and how well it knows it."""
    return dict(
        split=split,
        examples=len(labels),
        accuracy=accuracy(logits, labels),
        nll=negative_log_likelihood(logits, labels),
        ece=expected_calibration_error(logits, labels),
    )
