"""What the teacher's pass over the texts costs, and how much of it is padding."""

import time

import numpy as np
import torch

from softlabels import distill, tasks
from softlabels.distill.batching import best_device
from softlabels.experiments.base import Cell, Experiment, Results, some

GLOSSES, BATCH = 500, 64
ARMS = {
    "padded to the longest": ("longest", "fp32"),
    "padded per batch": ("batch", "fp32"),
    "bucketed": ("bucketed", "fp32"),
    "bucketed, bf16": ("bucketed", "bf16"),
}


class SoftLabelCost(Experiment):
    name = "soft-label-cost"
    description = "seconds of the teacher's pass: padded to the longest text, per batch, in buckets, in bf16"
    arms = tuple(ARMS)
    seeds = 5  # repeats; the seed shuffles the texts
    parallel = False

    def settings(self) -> dict:
        task = tasks.load("wordnet")
        return dict(task_fingerprint=task.fingerprint, glosses=200 if self.quick else GLOSSES, batch_size=BATCH)

    def units(self) -> int:
        return self.settings()["glosses"]

    def run_cell(self, cell: Cell, settings: dict, tell) -> tuple[list[dict], dict[str, np.ndarray]]:
        padding, precision = ARMS[cell.arm]
        task = tasks.load("wordnet")
        texts = some(task.split("transfer"), settings["glosses"])
        texts = texts.take(np.random.default_rng(cell.seed).permutation(len(texts)))
        teacher = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir("wordnet"))
        model = teacher.in_precision(precision)
        seconds, places = one_pass(model, texts.tokens, settings["batch_size"], padding, tell)
        real = int(texts.tokens.offsets[-1])
        row = dict(precision=precision, glosses=len(texts), seconds=round(seconds, 2))
        row |= dict(glosses_per_second=round(len(texts) / seconds, 1), padding_share=round(1 - real / places, 4))
        return [row], {}

    def finish(self, results: Results) -> None:
        columns = ["glosses_per_second", "padding_share"]
        print(results.frame.groupby("arm", sort=False)[columns].agg(["median", "min", "max"]).round(3).to_string())


@torch.no_grad()
def one_pass(model, tokens: tuple, batch_size: int, padding: str, tell) -> tuple[float, int]:
    """Run the model over all texts, and return the seconds it took and the number of places, padding included."""
    lengths = np.diff(tokens[1])
    in_order = [rows for rows in np.array_split(np.arange(len(lengths)), -(-len(lengths) // batch_size))]
    batches = distill.length_buckets(lengths, batch_size) if padding == "bucketed" else in_order
    places, done = 0, 0
    start = time.perf_counter()
    for rows in batches:
        input_ids, mask = distill.pad(tokens, rows)
        if padding == "longest":
            missing = (0, int(lengths.max()) - mask.shape[1])
            input_ids, mask = (torch.nn.functional.pad(x, missing) for x in (input_ids, mask))
        model(input_ids.to(best_device()), mask.to(best_device())).float().cpu()
        places, done = places + mask.numel(), done + len(rows)
        tell(done)
    return time.perf_counter() - start, places
