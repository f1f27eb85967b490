"""The figures by which compressed models are compared: right answers, bytes, memory and time, the same for each."""

import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .export import MODEL, measure_latency
from .metrics import accuracy, agreement, expected_calibration_error, negative_log_likelihood

# Linux carries the peak of a parent process into ru_maxrss of its child, so there the kernel's own line is read.
# Windows has neither.
ASK_FOR_MEMORY = """
import sys
sys.path.insert(0, sys.argv[1])
import predict
classify = predict.Classifier(sys.argv[1])
for line in sys.stdin:
    classify(line)
try:
    kilobytes = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
except OSError:
    import resource
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
print(float(kilobytes))
"""


def measure_quality(logits: Tensor, labels: Any, teacher_logits: Tensor) -> dict[str, float]:
    """Return accuracy, nll and ece against labels (texts,), agreement with teacher_logits (texts, classes)."""
    return dict(
        accuracy=accuracy(logits, labels),
        nll=negative_log_likelihood(logits, labels),
        ece=expected_calibration_error(logits, labels),
        agreement=agreement(logits, teacher_logits),
    )


def measure_speed(classifier: Any, texts: Sequence[str], repeats: int = 200) -> dict[str, float]:
    """Return milliseconds from text to logits for 1 text and for 32 at a time, and texts a second at 32, one thread.

    classifier: has logits(texts), as what export.open_folder returns. repeats: batches of 1; a tenth of it of 32.
    """
    one = measure_latency(classifier, texts, 1, repeats)
    many = measure_latency(classifier, texts, 32, max(1, repeats // 10))
    return dict(
        p50_ms=one.p50, p95_ms=one.p95, p50_ms_32=many.p50, p95_ms_32=many.p95, texts_per_second=32e3 / many.p50
    )


def measure_peak_megabytes(folder: Path, texts: Sequence[str]) -> float:
    """Return the most memory that a process of its own takes to open an exported folder and classify texts, in MB.

    Python, onnxruntime and tokenizers are in it, as on the machine that the model is shipped to: an empty model would
    take most of it. NaN on a system that does not tell.
    """
    command = [sys.executable, "-c", ASK_FOR_MEMORY, str(folder)]
    lines = "\n".join(" ".join(text.split()) for text in texts)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, encoding="utf-8")
    return float(done.stdout) * 1024 / 1e6 if done.returncode == 0 else float("nan")


def zipped_megabytes(folder: Path) -> float:
    """Return the size of an exported folder's model when it is zipped: pruned weights compress, full ones hardly."""
    return len(zlib.compress((Path(folder) / MODEL).read_bytes(), 6)) / 1e6


class TorchClassifier:
    """A model in torch as a classifier with logits(texts), to be timed beside exported ones."""

    def __init__(self, model: torch.nn.Module, tokenizer: Any):
        self.model, self.tokenizer = model.eval(), tokenizer

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        rows = [torch.tensor(self.tokenizer.encode(text).ids) for text in texts]
        input_ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        with torch.no_grad():
            return self.model(input_ids, torch.arange(input_ids.shape[1]) < lengths[:, None]).numpy()
