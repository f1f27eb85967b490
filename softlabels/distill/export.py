"""Out of torch: a student as an ONNX model, in fp32 or int8, in a folder that needs only onnxruntime to run."""

import json
import logging
import shutil
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import bert

MODEL, TOKENIZER, LABELS, PREDICT = "model.onnx", "tokenizer.json", "labels.json", "predict.py"
SHIPPED = (MODEL, TOKENIZER, LABELS)  # what counts as the model's size on disk


class Latency(NamedTuple):
    """Milliseconds from text to logits, the tokenizer included, one thread: median and 95th percentile."""

    p50: float
    p95: float


def export_onnx(student: "bert.SmallBert", path: Path) -> None:
    """Write a student as an ONNX model: input_ids int64 and attention_mask bool (batch, length) -> logits.

    Batch and length are free; the length goes up to the student's max_length.
    """
    example = torch.ones(2, 5, dtype=torch.int64), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    trace_onnx(student.cpu().eval(), example, path, ["logits"])


def trace_onnx(model: torch.nn.Module, example: tuple[Tensor, Tensor], path: Path, outputs: Sequence[str]) -> None:
    """Write a model of two inputs, whose batch and length are free, as ONNX.

    torch's exporter by tracing is used: its successor by torch.export takes ten times the time and one package more,
    for the same logits.
    """
    import onnx

    inputs, free = ["input_ids", "attention_mask"], {0: "batch", 1: "length"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every shape that it reads, and of its successor
        torch.onnx.export(
            model,
            example,
            str(path),
            input_names=inputs,
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} if name == "logits" else free for name in (*inputs, *outputs)},
            opset_version=17,  # read by ONNX Runtime from 1.13 (2022) on
            dynamo=False,
        )
    written = onnx.load(path)
    if name_shared_weights(written.graph):
        onnx.save(written, path)


def name_shared_weights(graph: Any) -> bool:
    """Let every product that uses a shared weight name it, and tell whether there was any.

    torch writes such a weight once and hands it on through Identity nodes, behind which the quantizer sees no weight.
    """
    weights = {weight.name for weight in graph.initializer}
    copies = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Identity" and n.input[0] in weights}
    for node in graph.node:
        node.input[:] = [copies.get(name, name) for name in node.input]
    kept = [node for node in graph.node if node.output[0] not in copies]
    del graph.node[:]
    graph.node.extend(kept)
    return bool(copies)


def quantize_int8(source: Path, path: Path) -> None:
    """Write an ONNX model with its weight matrices and tables in int8, a scale for each output of a matrix.

    Activations are rounded while it runs, by the range they happen to have ("dynamic" quantization), so no text is
    needed for calibration. What that costs in accuracy has to be measured. The weights are unsigned: products of an
    unsigned and a signed byte overflow on processors without VNNI instructions, which ruins the logits there.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it recommends a step that changes nothing for a model without convolutions
    try:
        quantize_dynamic(source, path, per_channel=True, weight_type=QuantType.QUInt8)
    finally:
        root.setLevel(level)
    model = onnx.load(path)  # it leaves behind the fp32 form of a weight that several products use: shared layers
    used = {name for node in model.graph.node for name in node.input}
    kept = [weight for weight in model.graph.initializer if weight.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    onnx.save(model, path)


def export_folder(student: "bert.SmallBert", tokenizer: Any, classes: Sequence[str], folder: Path, int8: bool) -> None:
    """Write model.onnx, tokenizer.json, labels.json and predict.py.

    tokenizer: a tokenizers.Tokenizer whose ids are the student's; texts are cut at the student's max_length.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.no_padding()
    tokenizer.enable_truncation(student.config.max_length)
    tokenizer.save(str(folder / TOKENIZER), pretty=False)
    (folder / LABELS).write_text(json.dumps(list(classes), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(Path(__file__).with_name("exported_predict.py"), folder / PREDICT)
    export_onnx(student, folder / MODEL)
    if int8:
        (folder / MODEL).replace(folder / "fp32.onnx")
        quantize_int8(folder / "fp32.onnx", folder / MODEL)
        (folder / "fp32.onnx").unlink()


def open_folder(folder: Path):
    """Open an exported folder with the code that it ships: a Classifier with logits(texts) and (text) -> label, p."""
    from .exported_predict import Classifier

    return Classifier(folder)


def folder_megabytes(folder: Path) -> float:
    """Return the size on disk of model, tokenizer and labels, in megabytes (10^6 bytes)."""
    return sum((folder / name).stat().st_size for name in SHIPPED) / 1e6


def exported_logits(classifier: Any, texts: Sequence[str]) -> Tensor:
    """Return the logits of texts as predict.py computes them, one at a time: float32 (texts, classes)."""
    return torch.from_numpy(np.concatenate([classifier.logits([text]) for text in texts]))


def measure_latency(classifier: Any, texts: Sequence[str], batch_size: int = 1, repeats: int = 200) -> Latency:
    """Time batches of these texts, after a tenth of them as a warm-up that is not counted."""
    times, texts = [], list(texts)
    for i in range(repeats + repeats // 10):
        batch = [texts[(i * batch_size + j) % len(texts)] for j in range(batch_size)]
        start = time.perf_counter()
        classifier.logits(batch)
        times.append(1e3 * (time.perf_counter() - start))
    return Latency(*np.percentile(times[repeats // 10 :], [50, 95]).tolist())


def largest_difference(student: "bert.SmallBert", classifier: Any, texts: Sequence[str]) -> float:
    """Return the largest difference between a student's logits in torch and the exported model's, on texts."""
    worst = 0.0
    for text in texts:
        input_ids = torch.tensor([classifier.tokenizer.encode(text).ids])
        with torch.no_grad():
            mine = student(input_ids, torch.ones_like(input_ids, dtype=torch.bool))
        worst = max(worst, float((mine - torch.from_numpy(classifier.logits([text]))).abs().max()))
    return worst
