"""Bytes, memory and time of every compressed model, all in one run, each round measuring them one after the other.

Neither size nor speed depends on what the weights are, so nothing is trained here; only pruned weights, which can be
zipped, and the exits' classifiers, which decide how many layers a text passes, are the real ones.
"""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch

from softlabels import tasks
from softlabels.distill import export
from softlabels.distill.dashboard import TorchClassifier, measure_peak_megabytes, measure_speed, zipped_megabytes
from softlabels.distill.early_exit import ExitClassifier, Exits, export_exits
from softlabels.distill.pruning import keep_pruned
from softlabels.experiments import headline, levers
from softlabels.experiments.base import Cell, Experiment, some

TORCH = "fp32 in torch"
FORMS = {"teacher": (TORCH, levers.FP32, levers.INT8, levers.FEWER)}
FORMS |= {arm: (levers.FP32, levers.INT8) for arm in levers.BUILD}
FORMS |= {arm: (*FORMS[arm], levers.FEWER) for arm in levers.FEWER_PIECES}
FORMS |= {arm: (TORCH, levers.FP32, levers.INT8, levers.FEWER) for arm in headline.SHAPES}
TEXTS = 100


class SpeedRun(Experiment):
    """Times each arm's models in every round; a subclass names its arms and builds their models."""

    seeds = 5  # rounds
    parallel = False

    def units(self) -> int:
        return 1

    def models(self, arm: str, forms: tuple[str, ...], texts: int) -> tuple[dict[str, tuple], list]:
        """Return {form: (classifier, what it weighs)}, and what they are timed on."""
        raise NotImplementedError

    def run_cell(self, cell: Cell, settings: dict, tell):
        threads = torch.get_num_threads()
        torch.set_num_threads(settings["threads"])
        try:
            models, texts = self.models(cell.arm, tuple(settings["forms"][cell.arm]), settings["texts"])
            return [
                dict(form=form, **about, **measure_speed(classifier, texts, len(texts)))
                for form, (classifier, about) in models.items()
            ], {}
        finally:
            torch.set_num_threads(threads)


class LeverSpeed(SpeedRun):
    name = "lever-speed"
    description = "megabytes, peak memory and milliseconds of every compressed model, through ONNX Runtime, in one run"
    arms = (*FORMS, levers.EARLY_EXIT)

    def settings(self) -> dict:
        task = tasks.load("wordnet")
        exits = [f"threshold {threshold}" for threshold in levers.THRESHOLDS]
        forms = {arm: list(forms) for arm, forms in FORMS.items()} | {levers.EARLY_EXIT: exits}
        texts = 20 if self.quick else TEXTS
        return dict(task_fingerprint=task.fingerprint, texts=texts, threads=1, forms=forms)

    def models(self, arm, forms, texts):
        validation = list(some(tasks.load("wordnet").split("validation"), texts).texts)
        return exported(arm, forms, tuple(validation)), validation


@cache
def exported(arm: str, forms: tuple[str, ...], texts: tuple[str, ...]) -> dict[str, tuple]:
    """Build one model, and open it in each form: {form: (classifier, what it weighs)}.

    Kept for the later rounds, which time the same models again: bytes and memory do not change, and building takes
    longer than timing.
    """
    task = tasks.load("wordnet")
    teacher = levers.teacher_of(task)
    scratch = Path(tempfile.mkdtemp(prefix="lever-speed-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    if arm == levers.EARLY_EXIT:
        export_exits(trained_exits(teacher), scratch)
        size = sum(path.stat().st_size for path in (*scratch.iterdir(), tasks.base_model() / "tokenizer.json"))
        return {
            form: (ExitClassifier(scratch, tasks.tokenizer(), float(form.split()[-1])), dict(megabytes=size / 1e6))
            for form in forms
        }
    student = teacher
    if arm in levers.BUILD:
        student = keep_pruned(levers.BUILD[arm](teacher, task, 0))
    elif arm in headline.SHAPES:
        student = headline.build(arm, len(task.classes), 0)
    found = {}
    for number, form in enumerate(forms):
        if form == TORCH:
            found[form] = TorchClassifier(student, tasks.tokenizer()), {}
            continue
        folder = scratch / str(number)
        classifier = levers.ship(student, task, form, folder)
        about = dict(megabytes=export.folder_megabytes(folder), zipped_megabytes=zipped_megabytes(folder))
        found[form] = classifier, about | dict(peak_megabytes=measure_peak_megabytes(folder, texts))
    return found


def trained_exits(teacher) -> Exits:
    """Return the exits of the levers experiment's first seed. FileNotFoundError says what to run first."""
    from safetensors.numpy import load_file

    path = tasks.home.results(levers.Levers.name).with_suffix(".safetensors")
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} is not there, which holds the exits' classifiers: softlabels run levers")
    prefix = f"{levers.EARLY_EXIT}/0/"
    arrays = {name.removeprefix(prefix): array for name, array in load_file(path).items() if name.startswith(prefix)}
    exits = Exits(teacher)
    exits.heads.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return exits
