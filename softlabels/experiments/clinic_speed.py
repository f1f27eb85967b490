"""Bytes, memory and time of the clinic's options, each on its own task's texts, in one run.

As in lever-speed, nothing is trained: neither size nor speed depends on what the weights are. A re-ranker reads a
definition and its 20 candidates, so that is what is timed for it.
"""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from softlabels import distill, tasks
from softlabels.distill import export
from softlabels.distill.dashboard import measure_peak_megabytes, zipped_megabytes
from softlabels.distill.encoder import Encoder, make_encoder
from softlabels.experiments import clinic
from softlabels.experiments.base import some
from softlabels.experiments.clinic_ranker import TASK
from softlabels.experiments.clinic_teachers import TEACHERS
from softlabels.experiments.lever_speed import SpeedRun
from softlabels.experiments.levers import FP32, INT8

CASES = {
    "mail": (clinic.ClinicMail, "newsgroups"),
    "triage": (clinic.ClinicTriage, "reuters"),
    "router": (clinic.ClinicRouter, "intents"),
    "clauses": (clinic.ClinicClauses, "newsgroups-500"),
}
RERANKER = "reranker"
TEXTS = 50


def shapes() -> dict[str, tuple[str, ...]]:
    """Return what is timed: {"case: arm": forms}. Arms of one shape are timed once, under the first one's name."""
    found = {}
    for case, (experiment, _) in CASES.items():
        found[f"{case}: teacher"] = (FP32, INT8)
        found |= {f"{case}: {arm}": option.forms for arm, option in experiment.options.items() if option.soft}
    return found | {f"{RERANKER}: {arm}": (FP32, INT8) for arm in ("teacher", "soft labels")}


class ClinicSpeed(SpeedRun):
    name = "clinic-speed"
    description = "megabytes, peak memory and milliseconds of the clinic's options, through ONNX Runtime, in one run"
    arms = tuple(shapes())

    def settings(self) -> dict:
        texts = 10 if self.quick else TEXTS
        forms = {arm: list(forms) for arm, forms in shapes().items()}
        return dict(texts=texts, threads=1, forms=forms)

    def models(self, arm, forms, texts):
        return exported(arm, forms, texts)


@cache
def exported(name: str, forms: tuple[str, ...], count: int) -> tuple[dict[str, tuple], list]:
    """Build one option in each form: ({form: (classifier, what it weighs)}, what it is timed on).

    Kept for the later rounds, which time the same models again.
    """
    case, arm = name.split(": ", 1)
    scratch = Path(tempfile.mkdtemp(prefix="clinic-speed-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    found = {}
    for number, form in enumerate(forms):
        folder = scratch / str(number)
        if case == RERANKER:
            queries = some(tasks.load_ranking(TASK).split("validation"), count)
            words = tasks.load_ranking(TASK).words
            texts = [
                (text, [words[row] for row in rows])
                for text, rows in zip(queries.texts, queries.candidates, strict=True)
            ]
            lines = [line for text, candidates in texts for line in (text, *candidates)]
            classifier = Reranker(ship_encoder(arm, form, folder))
        else:
            experiment, made = CASES[case]
            task = tasks.load(experiment.task_name)
            option = clinic.Arm(read=TEACHERS[made][1]) if arm == "teacher" else experiment.options[arm]
            tokenizer = clinic.tokenizer_of(option, task)
            texts = lines = list(some(task.split("validation"), count).texts)
            if arm == "teacher":
                model = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir(made)).model
            else:
                model = distill.make_student(option.shape, len(task.classes), 0, tokenizer.get_vocab_size())
            classifier = clinic.ship(model, tokenizer, task, form, folder)
        about = dict(megabytes=export.folder_megabytes(folder), zipped_megabytes=zipped_megabytes(folder))
        found[form] = classifier, about | dict(peak_megabytes=measure_peak_megabytes(folder, lines))
    return found, texts


def ship_encoder(arm: str, form: str, folder: Path):
    """Export a re-ranker's encoder with its tokenizer, and open it: what it calls logits are the texts' vectors."""
    if arm == "teacher":
        model = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir(TASK)).model
    else:
        model = make_encoder(clinic.SMALL, 0).body
    tokenizer = tasks.tokenizer()
    keep = distill.vocabulary.usable_pieces(tokenizer)
    tokenizer = distill.vocabulary.trim_tokenizer(tokenizer, keep)
    encoder = Encoder(distill.vocabulary.trim_student(model, keep, tasks.store.MAX_PIECES))
    encoder.config = encoder.body.config  # the export asks how long a text may be
    export.export_folder(encoder, tokenizer, range(model.config.width), folder, int8=form != FP32)
    return export.open_folder(folder)


class Reranker:
    """An exported encoder that scores candidates. logits: of (query, candidates) pairs, float32 (pairs, candidates)."""

    def __init__(self, classifier):
        self.classifier = classifier

    def logits(self, pairs) -> np.ndarray:
        texts = [text for query, candidates in pairs for text in (query, *candidates)]
        vectors = self.classifier.logits(texts)
        vectors = vectors.reshape(len(pairs), -1, vectors.shape[-1])  # each query before its candidates
        return distill.encoder.SCALE * np.einsum("qw,qmw->qm", vectors[:, 0], vectors[:, 1:])
