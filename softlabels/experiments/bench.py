"""How fast this machine distils: the teacher's pass and a student's training, beside the machine's own limit.

The limit is measured, not looked up: the arithmetic a second in matrix products and nothing else, large ones and ones
of the model's own shapes. What a model needs is counted from its shape and the real lengths of the texts. The share of
the limit then says how much of the time is arithmetic; the rest goes to norms, GELU, softmax, dropout, the optimizer,
padding and Python.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from softlabels import distill, tasks
from softlabels.distill.batching import best_device
from softlabels.distill.bert import SmallBertConfig
from softlabels.distill.teacher import PRECISIONS, Teacher, resolve_precision
from softlabels.experiments.base import cores, some

STUDENT, BATCH = "2x128", 32


@dataclass(frozen=True)
class Row:
    """One measurement. gflops: billions of additions and multiplications a second. limit: the same in large matrix
    products; own_limit: in products of the model's shapes. threads: None where another device does the work.
    """

    what: str
    gflops: float
    limit: float
    precision: str
    threads: int | None
    own_limit: float | None = None
    examples_per_second: float | None = None


def measure(quick: bool = False, progress: bool = True) -> list[Row]:
    """Measure this machine, on a processor with all its cores and with one, and return the rows of the table.

    quick: a look within a few seconds rather than a figure to quote. Raises what tasks.load and distill.load_teacher
    raise, which name the command that helps, when data or teacher are not there.
    """
    device, task = best_device(), tasks.load("wordnet")
    teacher = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir(task.name))
    labelled, updates = task.split("labelled"), 15 if quick else 40
    asked, learnt = some(labelled, 96 if quick else 256), some(labelled, updates * BATCH)
    transfer_set = distill.TransferSet(learnt.tokens, teacher_logits=torch.zeros(len(learnt), len(task.classes)))

    rows, repeats = [], 1 if quick else 3
    counts = [None] if device.type != "cpu" else sorted({cores(), 1}, reverse=True)
    with tqdm(total=len(counts) * 3, unit="row", leave=False, disable=not progress) as bar:
        for threads in counts:
            with using(threads):
                for row in measure_with(threads, teacher, asked.tokens, transfer_set, updates, repeats, device):
                    rows.append(row)
                    bar.update()
    return rows


def measure_with(
    threads: int | None,
    teacher: Teacher,
    asked: tuple,
    transfer_set: distill.TransferSet,
    updates: int,
    repeats: int,
    device: torch.device,
) -> Iterator[Row]:
    """Yield the rows for one number of threads: the limit, soft labels, training."""
    precision = resolve_precision("auto")
    limit = matrix_limit(torch.float32, device)
    yield Row("large products", limit, limit, "fp32", threads)

    config, lengths, dtype = teacher.model.config, np.diff(asked[1]), PRECISIONS[precision]
    rate = soft_label_throughput(teacher, asked, precision, repeats)
    gflops = rate * forward_flops(config, lengths) / len(lengths) / 1e9
    own = product_limit(config, tokens=1024, training=False, dtype=dtype, device=device)
    limit_here = limit if precision == "fp32" else matrix_limit(dtype, device)
    yield Row("soft labels", gflops, limit_here, precision, threads, own, rate)

    lengths, classes = np.diff(transfer_set.tokens[1]), transfer_set.teacher_logits.shape[1]
    config = distill.make_student(STUDENT, classes, seed=0).config
    rate = training_throughput(transfer_set, updates, repeats)
    gflops = rate * training_flops(config, lengths) / len(lengths) / 1e9
    tokens = round(BATCH * lengths.mean())
    own = product_limit(config, tokens, training=True, dtype=torch.float32, device=device)
    yield Row("training", gflops, limit, "fp32", threads, own, rate)


def forward_flops(config: SmallBertConfig, lengths: np.ndarray) -> float:
    """Return the additions and multiplications in the matrix products of one forward pass over texts of these lengths.

    A product of (n, a) and (a, b) is 2·n·a·b. A text of n tokens needs, in each layer, four products with (width,
    width), 8·n·width²; one up to the inner width and one down, 4·n·width·inner; each head's scores and sums, 4·n²·width
    in all; and once, 2·width·classes. Of the last layer under [CLS] pooling only the keys and values of all tokens
    count, and the rest of the first token's. Padding counts nothing, as do norms, GELU, softmax and the look-up of word
    vectors.
    """
    n = np.asarray(lengths, dtype=np.float64)
    width, inner = config.width, config.inner
    layer = 8 * n * width**2 + 4 * n * width * inner + 4 * n**2 * width
    last = layer
    if config.pooling == "cls":
        last = 4 * n * width**2 + 4 * width**2 + 4 * width * inner + 4 * n * width
    return float(((config.layers - 1) * layer + last + 2 * width * (config.classes or 0)).sum())


def training_flops(config: SmallBertConfig, lengths: np.ndarray) -> float:
    """Return the same for a forward and a backward pass: each product has two in the backward pass, one for the
    gradient of either factor.
    """
    return 3 * forward_flops(config, lengths)


def matrix_limit(dtype: torch.dtype, device: torch.device) -> float:
    """Return the billions of operations a second in large square matrix products: the best of several."""
    size = 1024 if device.type == "cpu" else 4096
    a, b = (torch.ones(size, size, dtype=dtype, device=device) for _ in range(2))
    return 2 * size**3 / quickest(lambda: a @ b, 12) / 1e9


def product_limit(
    config: SmallBertConfig, tokens: int, training: bool, dtype: torch.dtype, device: torch.device
) -> float:
    """Return the same for products of the shapes in a layer of this model when a batch has so many tokens, and of their
    backward pass when training: what the model would reach if it were nothing but those products.
    """
    width, inner = config.width, config.inner
    operations = elapsed = 0.0
    for count, inputs, outputs in ((4, width, width), (1, width, inner), (1, inner, width)):
        x = torch.ones(tokens, inputs, dtype=dtype, device=device)
        weight = torch.ones(outputs, inputs, dtype=dtype, device=device)
        gradient = torch.ones(tokens, outputs, dtype=dtype, device=device)
        products = [lambda x=x, weight=weight: x @ weight.T]
        if training:
            products.append(lambda gradient=gradient, weight=weight: gradient @ weight)
            products.append(lambda gradient=gradient, x=x: gradient.T @ x)
        elapsed += count * sum(quickest(product, 25) for product in products)
        operations += count * len(products) * 2 * tokens * inputs * outputs
    return operations / elapsed / 1e9


def quickest(product: Callable[[], Tensor], repeats: int) -> float:
    """Return the seconds of the quickest of several calls, as other programs only ever slow a product down."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = product()
        if result.device.type != "cpu":
            result[0, 0].item()  # waits for the device
        times.append(time.perf_counter() - start)
    return min(times)


def soft_label_throughput(teacher: Teacher, tokens: tuple, precision: str, repeats: int) -> float:
    """Return how many texts a second the teacher labels: the best of several passes after a short one to warm up."""
    values, offsets = tokens
    distill.teacher_logits(teacher, (values, offsets[:33]), precision=precision)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        distill.teacher_logits(teacher, tokens, precision=precision)
        times.append(time.perf_counter() - start)
    return (len(offsets) - 1) / min(times)


def training_throughput(transfer_set: distill.TransferSet, updates: int, repeats: int) -> float:
    """Return how many texts a second a 2x128 student learns from at batch 32: the best of several short runs."""
    student = distill.make_student(STUDENT, transfer_set.teacher_logits.shape[1], seed=0)
    objective = distill.SoftLabelLoss()
    rates = []
    for count in [5] + [updates] * repeats:  # the first warms up
        run = distill.train(student, transfer_set, objective, distill.Budget(count, BATCH), progress=False)
        rates.append(run.examples_per_second)
    return max(rates[1:])


@contextmanager
def using(threads: int | None) -> Iterator[None]:
    """Let torch use so many threads meanwhile; None leaves it as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
