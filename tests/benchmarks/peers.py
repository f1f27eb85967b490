"""Our distillation against two others, on the same glosses with the same teacher, in one run on one machine.

    pip install -e '.[bench]'
    python tests/benchmarks/peers.py --glosses 2000 --epochs 1 10

The work: distil N glosses for E epochs at batch 32 from the course's 6x384 teacher into a 2x128 student. Each of the
three starts with texts, teacher and a random student in memory, and the clock runs until the student is trained: the
teacher's share is always inside, loading never. All three minimise the cross-entropy with the teacher's probabilities
at T = 1, by AdamW with the same peak learning rate, warm-up, weight decay and clipping, and take the same number of
updates.

- trainer: the usual recipe, a transformers.Trainer whose compute_loss runs the teacher at every step, with batches
  padded to their longest text.
- textbrewer: TextBrewer's GeneralDistiller, fed as in its examples, with batches padded to their longest text.
- textbrewer-cached (only when asked for): its BasicDistiller, which can keep the logits (is_caching_logits), in batches
  cut once.

Not part of `make test`: it takes minutes, and TextBrewer is needed for nothing else.
"""

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

os.environ["TQDM_DISABLE"] = "1"  # for all three alike
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    get_linear_schedule_with_warmup,
)
from transformers.utils import logging as transformers_logging

from softlabels import distill, tasks
from softlabels.distill.batching import best_device
from softlabels.distill.bert import hub_name
from softlabels.distill.teacher import resolve_precision
from softlabels.experiments.base import cores, processor, some

BATCH, RATE, WARMUP, DECAY, CLIP = 32, 1e-3, 0.1, 0.01, 1.0
STUDENT = "2x128"


class Work:
    """What all contestants are given: glosses, teacher, number of classes."""

    def __init__(self, glosses: int):
        task = tasks.load("wordnet")
        self.task, self.classes = task, len(task.classes)
        self.train, self.validation = some(task.split("labelled"), glosses), task.split("validation")
        self.teacher = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir(task.name))
        self.precision = resolve_precision("auto")
        self.teacher.in_precision(self.precision)
        self.as_transformers = transformers_teacher(self.teacher, self.train.tokens)
        rows = (self.train.tokens.row(i) for i in range(len(self.train)))
        self.dataset = [{"input_ids": row.tolist(), "attention_mask": [1] * len(row)} for row in rows]
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(tasks.base_model() / "tokenizer.json"), pad_token="[PAD]"
        )
        self.collate = DataCollatorWithPadding(tokenizer)

    def updates(self, epochs: int) -> int:
        return -(-len(self.train) // BATCH) * epochs

    def accuracy(self, student: nn.Module) -> float:
        logits = distill.predict(student, self.validation.tokens)
        return distill.accuracy(logits, self.validation.labels)


class FirstToken(nn.Module):
    """A pooler that is none: the course's classifier reads [CLS] as it is, without BERT's extra tanh layer."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden[:, 0]


class Logits(nn.Module):
    """A transformers model called as ours are."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask.long()).logits


def transformers_teacher(teacher: distill.Teacher, tokens: tuple) -> BertForSequenceClassification:
    """Return the teacher, its adapter merged, as a transformers model; it must give the same logits."""
    assert teacher.model.config.pooling == "cls"
    model = BertForSequenceClassification(
        BertConfig.from_pretrained(tasks.base_model(), num_labels=len(teacher.classes))
    )
    model.bert.pooler = FirstToken()
    names = {name: f"bert.{hub_name(name)}" for name in teacher.model.state_dict() if not name.startswith("head.")}
    names |= {f"head.{kind}": f"classifier.{kind}" for kind in ("weight", "bias")}
    model.load_state_dict({names[name]: weight for name, weight in teacher.model.state_dict().items()})
    model.requires_grad_(False).eval().to(best_device())
    few = tokens[0], tokens[1][:33]
    torch.testing.assert_close(
        distill.predict(Logits(model), few),
        distill.teacher_logits(teacher, few, precision="fp32"),
        rtol=1e-3,
        atol=1e-3,
    )
    return model


def transformers_student(classes: int, seed: int) -> BertForSequenceClassification:
    """Return a transformers BERT of the student's size with random weights."""
    shape = distill.SIZES[STUDENT]
    config = BertConfig(
        num_hidden_layers=shape.layers,
        hidden_size=shape.width,
        num_attention_heads=shape.heads,
        intermediate_size=shape.inner,
        num_labels=classes,
    )
    torch.manual_seed(seed)
    return BertForSequenceClassification(config).to(best_device())


def ours(work: Work, epochs: int, seed: int) -> tuple[float, nn.Module]:
    student = distill.make_student(STUDENT, work.classes, seed)
    budget = distill.Budget(work.updates(epochs), BATCH, RATE, WARMUP, DECAY, CLIP)
    start = time.perf_counter()
    logits = distill.teacher_logits(work.teacher, work.train.tokens, precision=work.precision)
    transfer_set = distill.TransferSet(work.train.tokens, teacher_logits=logits)
    distill.train(student, transfer_set, distill.SoftLabelLoss(), budget, seed=seed, progress=False)
    return time.perf_counter() - start, student


class DistillationTrainer(Trainer):
    def __init__(self, *args, teacher: nn.Module, **kwargs):
        super().__init__(*args, **kwargs)
        self.teacher = teacher

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        outputs = model(**inputs)
        with torch.no_grad():
            teacher_logits = self.teacher(**inputs).logits
        loss = F.kl_div(F.log_softmax(outputs.logits, -1), F.softmax(teacher_logits, -1), reduction="batchmean")
        return (loss, outputs) if return_outputs else loss


def trainer(work: Work, epochs: int, seed: int) -> tuple[float, nn.Module]:
    student = transformers_student(work.classes, seed)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            num_train_epochs=epochs,
            learning_rate=RATE,
            warmup_steps=int(WARMUP * work.updates(epochs)),
            weight_decay=DECAY,
            max_grad_norm=CLIP,
            save_strategy="no",
            eval_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=best_device().type == "cpu",
            dataloader_pin_memory=best_device().type == "cuda",
            seed=seed,
        )
        teacher = work.as_transformers
        loop = DistillationTrainer(student, arguments, work.collate, work.dataset, teacher=teacher)
        loop.remove_callback(PrinterCallback)
        start = time.perf_counter()
        loop.train()
        return time.perf_counter() - start, Logits(student)


def textbrewer(work: Work, epochs: int, seed: int, cached: bool = False) -> tuple[float, nn.Module]:
    from textbrewer import BasicDistiller, DistillationConfig, GeneralDistiller, TrainingConfig

    logging.getLogger("Distillation").setLevel(logging.WARNING)
    student = transformers_student(work.classes, seed)
    batches = torch.utils.data.DataLoader(
        work.dataset,
        BATCH,
        shuffle=True,
        collate_fn=lambda rows: dict(work.collate(rows)),  # TextBrewer asks for a plain dict
        generator=torch.Generator().manual_seed(seed),
    )
    matrices = [p for p in student.parameters() if p.ndim > 1]
    vectors = [p for p in student.parameters() if p.ndim <= 1]
    groups = [dict(params=matrices, weight_decay=DECAY), dict(params=vectors, weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=RATE, fused=True)  # as Trainer's own
    schedule = dict(num_warmup_steps=int(WARMUP * work.updates(epochs)), num_training_steps=work.updates(epochs))
    with tempfile.TemporaryDirectory() as folder:
        training = TrainingConfig(output_dir=folder, device=best_device(), ckpt_epoch_frequency=epochs)
        distillation = DistillationConfig(temperature=1, hard_label_weight=0, is_caching_logits=cached)
        distiller = (BasicDistiller if cached else GeneralDistiller)(
            training,
            distillation,
            work.as_transformers,
            student,
            adaptor_T=lambda batch, outputs: {"logits": outputs.logits},
            adaptor_S=lambda batch, outputs: {"logits": outputs.logits},
        )
        start = time.perf_counter()
        with distiller:
            distiller.train(
                optimizer,
                batches,
                num_epochs=epochs,
                scheduler_class=get_linear_schedule_with_warmup,
                scheduler_args=schedule,
                max_grad_norm=CLIP,
            )
        return time.perf_counter() - start, Logits(student)


def textbrewer_cached(work: Work, epochs: int, seed: int) -> tuple[float, nn.Module]:
    return textbrewer(work, epochs, seed, cached=True)


CONTESTANTS: dict[str, Callable] = {
    "ours": ours,
    "trainer": trainer,
    "textbrewer": textbrewer,
    "textbrewer-cached": textbrewer_cached,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glosses", type=int, default=2_000)
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--repeats", type=int, default=3, help="each with a seed of its own")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--peers", nargs="+", default=["trainer", "textbrewer"], choices=list(CONTESTANTS)[1:])
    parser.add_argument(
        "--scale-peers",
        action="store_true",
        help="run the peers for the fewest epochs only, and take their speed there for the others; no accuracy then",
    )
    chosen = parser.parse_args()

    versions = [f"{name} {found(name)}" for name in ("torch", "transformers", "textbrewer")]
    torch.set_num_threads(chosen.threads)
    work = Work(chosen.glosses)
    print(f"{processor()}, {chosen.threads} threads, {best_device()}; {', '.join(versions)}")
    print(f"{len(work.train)} glosses, batch {BATCH}; our teacher in {work.precision}, the peers' in fp32", flush=True)

    few = Work(2 * BATCH)
    for name in ["ours", *chosen.peers]:  # what a process pays for only once is outside the clock
        CONTESTANTS[name](few, epochs=1, seed=0)
    rates, accuracies = {}, {}
    for repeat in range(chosen.repeats):
        for epochs in sorted(chosen.epochs):
            for name in ["ours", *chosen.peers]:
                teacher_at_every_step = name in ("trainer", "textbrewer")
                if chosen.scale_peers and teacher_at_every_step and epochs != min(chosen.epochs):
                    rates.setdefault((name, epochs), []).append(rates[name, min(chosen.epochs)][repeat])
                    continue
                seconds, student = CONTESTANTS[name](work, epochs, seed=repeat)
                rates.setdefault((name, epochs), []).append(len(work.train) * epochs / seconds)
                accuracies.setdefault((name, epochs), []).append(work.accuracy(student))
                said = f"{seconds:7.1f} s {rates[name, epochs][-1]:7.0f} examples/s"
                print(f"  repeat {repeat + 1}  E = {epochs:<3} {name:<18} {said}", flush=True)
    report(rates, accuracies, chosen)


def report(rates: dict, accuracies: dict, chosen: argparse.Namespace) -> None:
    """Print, for each contestant and number of epochs, speed, accuracy and how many times faster ours is."""
    print(
        f"\n{'':<18} {'E':>3}  {'examples/s':>10} {'(range)':>15}  {'accuracy':>8} {'(range)':>15}  ours, times faster"
    )
    for epochs in sorted(chosen.epochs):
        for name in ["ours", *chosen.peers]:
            rate, ratio = np.array(rates[name, epochs]), np.array(rates["ours", epochs]) / np.array(rates[name, epochs])
            times = f"{np.median(ratio):.1f} ({ratio.min():.1f} to {ratio.max():.1f})" if name != "ours" else ""
            accuracy = accuracies.get((name, epochs))
            right = f"{np.median(accuracy):8.1%} {span(accuracy, '.1%')}" if accuracy else f"{'not run':>8} {'':>15}"
            print(f"{name:<18} {epochs:>3}  {np.median(rate):>10,.0f} {span(rate, ',.0f')}  {right}  {times}")
    print("Medians over the repeats. A ratio compares runs of one repeat, which stood next to each other in time.")
    if chosen.scale_peers:
        print(
            f"Where the teacher runs at every step, the speed at E = {min(chosen.epochs)} was taken for every E: "
            "the cost of a step does not depend on the epoch."
        )


def span(values, form: str) -> str:
    return f"{f'{min(values):{form}} to {max(values):{form}}':>15}"


def found(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise SystemExit(f"{package} is not installed: pip install -e '.[bench]'") from None


if __name__ == "__main__":
    transformers_logging.set_verbosity_error()
    main()
