"""One training loop for every arm of a comparison: what differs between arms is the transfer set and the objective
alone.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from .batching import best_device, length_buckets, pad
from .losses import distillation_loss
from .metrics import accuracy, negative_log_likelihood
from .transfer import TransferSet

LARGE_TABLE = 4_096  # rows; the gradient of an embedding table this large is kept sparse while training


@dataclass(frozen=True)
class Budget:
    """What a training run may spend. Two arms are comparable when they share one budget.

    updates: optimizer steps. warmup: the share of them in which the learning rate rises to its peak, to fall linearly
    to 0 in the rest. weight_decay: of the weight matrices; biases, norms and the word table are spared. clip: the
    largest norm of the gradient.
    """

    updates: int
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0

    def __post_init__(self):
        if self.updates < 1 or self.batch_size < 1 or not self.learning_rate > 0 or not 0 <= self.warmup <= 1:
            raise ValueError(f"a budget needs updates and batch_size >= 1, learning_rate > 0, warmup in 0..1: {self}")

    def rate(self, update: int) -> float:
        """Return the learning rate at an update, counted from 0."""
        return learning_rate(update, self.updates, self.learning_rate, self.warmup)


def learning_rate(update: int, updates: int, peak: float, warmup: float) -> float:
    """Return the learning rate at an update, counted from 0: up a straight line to the peak, and down one towards 0.

    warmup: the share of the updates that it takes to rise. Neither the first update nor the last gets 0.
    """
    rising = (update + 1) / max(1.0, warmup * updates)
    falling = (updates - update) / max(1.0, (1 - warmup) * updates)
    return peak * min(1.0, rising, falling)


class Batch(NamedTuple):
    """What an objective sees beside the student's output."""

    input_ids: Tensor  # int64 (batch, length)
    attention_mask: Tensor  # bool (batch, length)
    teacher_logits: Tensor | None  # float32 (batch, classes)
    labels: Tensor | None  # int64 (batch,)
    rows: np.ndarray | None = None  # int64 (batch,): places in the transfer set, for who knows more about its texts


@dataclass(frozen=True)
class SoftLabelLoss:
    """The objective of distillation: distillation_loss at fixed weights. Labels are not read when hard_weight is 0."""

    temperature: float = 1.0
    soft_weight: float = 1.0
    hard_weight: float = 0.0

    def __call__(self, student_logits: Tensor, batch: Batch) -> Tensor:
        weights = (self.temperature, self.soft_weight, self.hard_weight)
        return distillation_loss(student_logits, batch.teacher_logits, batch.labels, *weights)

    @property
    def needs(self) -> tuple[str, ...]:
        return ("teacher_logits", "labels") if self.hard_weight else ("teacher_logits",)


@dataclass(frozen=True)
class HardLabelLoss:
    """The control's objective: cross-entropy with the hard labels, smoothed if asked."""

    label_smoothing: float = 0.0
    needs = ("labels",)

    def __call__(self, student_logits: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(student_logits, batch.labels, label_smoothing=self.label_smoothing)


@dataclass
class Run:
    """A finished training run. losses: float array (updates,). history: one dict per evaluation (update, accuracy,
    nll).
    """

    student: nn.Module = field(repr=False)
    losses: np.ndarray = field(repr=False)
    history: list[dict]
    seconds: float
    examples: int

    @property
    def examples_per_second(self) -> float:
        return self.examples / self.seconds


def train(
    student: nn.Module,
    transfer_set: TransferSet,
    objective: Callable[[Tensor, Batch], Tensor],
    budget: Budget,
    *,
    seed: int = 0,
    validation: tuple | None = None,
    evaluate_every: int | None = None,
    progress: bool | Callable[[int], None] = True,
) -> Run:
    """Train a student, in place, and return its Run.

    student: a module (input_ids, attention_mask) -> output. objective: (output, Batch) -> scalar; SoftLabelLoss,
    HardLabelLoss or any function of yours. seed: decides the order of the examples and the dropout; the caller's random
    state is left alone. validation: (tokens, labels), measured every evaluate_every updates and at the end. progress:
    True for a bar, or a function that is told the number of updates done.

    Raises ValueError before the first update when student, transfer set and objective do not fit together, and
    FloatingPointError at the update where the loss stops being a number.
    """
    check(student, transfer_set, objective)
    device = best_device()
    student.to(device)
    batches = itertools.islice(epochs(transfer_set, budget.batch_size, seed, device), budget.updates)
    losses, history, examples = np.zeros(budget.updates), [], 0
    bar = tqdm(total=budget.updates, leave=False, unit="update", **hidden_unless(progress is True))
    tell = progress if callable(progress) else lambda update: None

    with forked_random_state(device), sparse_tables(student, device), bar:
        optimizers = make_optimizers(student, rehearse(student, transfer_set, objective, budget, device), budget)
        torch.manual_seed(seed)
        student.train()
        start = time.perf_counter()
        for update, batch in enumerate(batches):
            losses[update] = training_step(student, batch, objective, optimizers, budget.rate(update), budget.clip)
            if not math.isfinite(losses[update]):
                raise FloatingPointError(f"the loss is {losses[update]} at update {update}: try a lower learning rate")

            examples += len(batch.input_ids)
            bar.update()
            tell(update + 1)
            if update % 25 == 0:
                bar.set_postfix_str(f"loss {losses[max(0, update - 24) : update + 1].mean():.3f}", refresh=False)
            last = update + 1 == budget.updates
            if validation is not None and (last or (evaluate_every and (update + 1) % evaluate_every == 0)):
                logits = predict(student, validation[0])
                measured = dict(
                    accuracy=accuracy(logits, validation[1]), nll=negative_log_likelihood(logits, validation[1])
                )
                history.append(dict(update=update + 1, **measured))
        seconds = time.perf_counter() - start
    student.eval()
    return Run(student, losses, history, seconds, examples)


def training_step(
    student: nn.Module,
    batch: Batch,
    objective: Callable[[Tensor, Batch], Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    learning_rate: float,
    clip: float,
) -> float:
    """Let the student learn from one batch, and return the loss before the update as a plain number.

    objective: (output, batch) -> scalar tensor. optimizers: share out the student's parameters; their learning rate is
    set here. clip: the largest norm of all gradients together. The student must be in train mode and its gradients
    empty; they are empty again at the end. A loss that is not finite is returned without an update.
    """
    loss = objective(student(batch.input_ids, batch.attention_mask), batch)
    if loss.isfinite():
        loss.backward()
        clip_gradients(student, clip)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad()
    return loss.item()


def predict(model: nn.Module, tokens: tuple, batch_size: int = 128, progress: bool = False) -> Tensor:
    """Return the model's logits for ragged texts, float32 (texts, classes), in the order of the texts.

    tokens: (values, offsets). Dropout is off while it runs; the model's mode is put back after.
    """
    lengths = np.diff(tokens[1])
    if len(lengths) == 0:
        raise ValueError("there are no texts to predict")
    device, was_training = next(model.parameters()).device, model.training
    batches = length_buckets(lengths, batch_size)[::-1]  # longest first: the bar's time left errs on the safe side
    logits = None
    model.eval()
    try:
        with torch.no_grad(), tqdm(total=len(lengths), leave=False, unit="text", **hidden_unless(progress)) as bar:
            for rows in batches:
                output = model(*(x.to(device) for x in pad(tokens, rows))).float().cpu()
                if logits is None:
                    logits = torch.empty(len(lengths), output.shape[-1])
                logits[torch.from_numpy(rows)] = output
                bar.update(len(rows))
    finally:
        model.train(was_training)
    return logits


def hidden_unless(shown: bool) -> dict:
    """Return tqdm's option for a bar that is not shown. For one that is, none: TQDM_DISABLE=1 can still hide it."""
    return {} if shown else {"disable": True}


def epochs(data: TransferSet, batch_size: int, seed: int, device: torch.device | None = None) -> Iterator[Batch]:
    """Yield batches without end: each epoch shuffled anew, its batches cut once, by length. device: the best, or
    another.
    """
    device = device or best_device()
    lengths = np.diff(data.tokens[1])
    for epoch in itertools.count():
        for rows in length_buckets(lengths, batch_size, (seed, epoch)):
            yield make_batch(data, rows, device)


def make_batch(data: TransferSet, rows: np.ndarray, device: torch.device) -> Batch:
    chosen = torch.from_numpy(rows)
    columns = (None if column is None else column[chosen].to(device) for column in (data.teacher_logits, data.labels))
    return Batch(*(x.to(device) for x in pad(data.tokens, rows)), *columns, rows)


def check(student: nn.Module, data: TransferSet, objective: Callable) -> None:
    """Raise ValueError, with what to do, when student, transfer set and objective do not fit together."""
    for name in getattr(objective, "needs", ()):
        if getattr(data, name) is None:
            mend = " (or set hard_weight to 0)" if name == "labels" and hasattr(objective, "hard_weight") else ""
            raise ValueError(f"{objective} needs {name}, and the transfer set has none: pass {name}=...{mend}")
    if data.teacher_logits is not None and looks_like_probabilities(data.teacher_logits):
        raise ValueError("teacher_logits are probabilities (each row sums to 1): pass the logits, or their logarithms")
    config = getattr(student, "config", None)
    if config is None:  # a student of the caller's own: the rehearsal will show whether it fits
        return
    if data.teacher_logits is not None and data.teacher_logits.shape[1] != config.classes:
        theirs = data.teacher_logits.shape[1]
        raise ValueError(f"the student has {config.classes} classes and the teacher's logits {theirs}")
    if data.labels is not None and not 0 <= int(data.labels.min()) <= int(data.labels.max()) < config.classes:
        raise ValueError(
            f"labels must be 0..{config.classes - 1}; found {int(data.labels.min())}..{int(data.labels.max())}"
        )
    values, offsets = data.tokens
    if int(np.max(values)) >= config.vocab_size:
        raise ValueError(f"token id {int(np.max(values))} is outside the student's vocabulary of {config.vocab_size}")
    if int(np.diff(offsets).max()) > config.max_length:
        raise ValueError(f"a text has {int(np.diff(offsets).max())} tokens, and the student reads {config.max_length}")


def looks_like_probabilities(logits: Tensor) -> bool:
    return bool((logits >= 0).all()) and torch.allclose(logits.sum(dim=-1), torch.ones(len(logits)), atol=1e-3)


def check_classes(output: Tensor, data: TransferSet, needs: tuple[str, ...]) -> None:
    """Raise ValueError when a student without a config has other classes than what it is to learn from."""
    classes = output.shape[-1]
    if "teacher_logits" in needs and data.teacher_logits.shape[1] != classes:
        raise ValueError(f"the student gives {classes} logits a text, and the teacher {data.teacher_logits.shape[1]}")
    if "labels" in needs and not 0 <= int(data.labels.min()) <= int(data.labels.max()) < classes:
        raise ValueError(f"labels must be 0..{classes - 1}; found {int(data.labels.min())}..{int(data.labels.max())}")


def rehearse(student, data, objective, budget, device) -> set[nn.Parameter]:
    """Run one batch forward and back before training starts, so that what does not fit fails now, with a clear message.

    Returns the parameters whose gradient is sparse; leaves no gradient behind.
    """
    rows = np.arange(min(budget.batch_size, len(data)))
    batch = make_batch(data, rows, device)
    student.train()
    output = student(batch.input_ids, batch.attention_mask)
    if isinstance(output, Tensor):
        if not torch.isfinite(output).all():
            raise ValueError("the student's output holds NaN or infinity before training: look at its weights")
        check_classes(output, data, getattr(objective, "needs", ()))
    loss = objective(output, batch)
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        raise ValueError(f"the objective must return a scalar tensor with a gradient, not {loss!r}")
    loss.backward()
    sparse = {p for p in student.parameters() if p.grad is not None and p.grad.is_sparse}
    student.zero_grad()
    return sparse


def make_optimizers(student: nn.Module, sparse: set[nn.Parameter], budget: Budget) -> list[torch.optim.Optimizer]:
    """AdamW for most parameters, and lazy Adam for the large embedding tables.

    A 2x128 student has 4.4 million parameters, 3.9 million of them in the word table, of which a batch of glosses
    touches some 300 rows of 30,522. Plain AdamW would read and write the whole table, and its two moments, at every
    update; SparseAdam updates only the rows in use. The two differ in that rows not in use keep their moments and do
    not decay.
    """
    dense = [p for p in student.parameters() if p.requires_grad and p not in sparse]
    groups = [
        dict(params=[p for p in dense if p.ndim > 1], weight_decay=budget.weight_decay),
        dict(params=[p for p in dense if p.ndim <= 1], weight_decay=0.0),
    ]
    optimizers = (
        [torch.optim.AdamW([g for g in groups if g["params"]], lr=budget.learning_rate, fused=True)] if dense else []
    )
    if sparse:
        tables = [p for p in student.parameters() if p in sparse]
        optimizers.append(torch.optim.SparseAdam(tables, lr=budget.learning_rate))
    return optimizers


def clip_gradients(student: nn.Module, limit: float) -> None:
    """Scale all gradients down together so that their common norm is at most limit; sparse ones take part too."""
    grads = []
    for parameter in student.parameters():
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()  # a word that stands twice in the batch: its rows are added up
            grads.append(parameter.grad._values())
        else:
            grads.append(parameter.grad)
    if not grads:
        return
    norm = torch.nn.utils.get_total_norm(grads)
    torch._foreach_mul_(grads, torch.clamp(limit / (norm + 1e-6), max=1.0))


@contextmanager
def sparse_tables(student: nn.Module, device: torch.device):
    """Let the large embedding tables give sparse gradients while training. Apple's MPS has no sparse tensors."""
    tables = [m for m in student.modules() if isinstance(m, nn.Embedding) and m.num_embeddings >= LARGE_TABLE]
    before = [table.sparse for table in tables]
    for table in tables:
        table.sparse = device.type != "mps"
    try:
        yield
    finally:
        for table, sparse in zip(tables, before, strict=True):
            table.sparse = sparse


@contextmanager
def forked_random_state(device: torch.device):
    """Leave the caller's random state as it was, on the processor and on the device."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
