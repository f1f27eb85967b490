"""Early exit: answer after the first layer that is sure enough (Xin et al. 2020, DeeBERT; Schwartz et al. 2020)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .bert import SmallBert, mean_pooling
from .export import trace_onnx
from .training import Batch, SoftLabelLoss


def early_exit(logits: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Answer each text after the first layer whose classifier is sure enough of it, or else after the last.

    logits: float (layers, texts, classes), one classifier after each layer. threshold: a layer is sure when its largest
    probability (T = 1) is at least this. Returns the logits that answer, (texts, classes), and the number of the layer
    that they come from, int64 (texts,), counted from 1.
    """
    sure = logits.softmax(dim=-1).amax(dim=-1) >= threshold
    sure[-1] = True  # nobody comes after the last
    layer = sure.int().argmax(dim=0)
    return logits[layer, torch.arange(logits.shape[1])], layer + 1


class Exits(nn.Module):
    """A frozen BERT with a classifier of its own after each layer but the last, which keeps the model's.

    Returns logits (batch, layers * classes), side by side, so that it is trained and asked like any student; by_layer
    takes them apart. Only the new classifiers are trained; they read the mean of a layer's states.
    """

    def __init__(self, model: SmallBert, seed: int = 0):
        super().__init__()
        self.model, self.classes = model.requires_grad_(False), model.config.classes
        generator = torch.Generator().manual_seed(seed)
        self.heads = nn.ModuleList(nn.Linear(model.config.width, self.classes) for _ in model.layers[1:])
        for head in self.heads:
            nn.init.normal_(head.weight, std=0.02, generator=generator)
            nn.init.zeros_(head.bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        self.model.eval()
        with torch.no_grad():
            levels = self.model(input_ids, attention_mask, levels=True)
        pooled = [mean_pooling(x, attention_mask.bool()) for x in levels.hidden_states[1:-1]]
        return torch.cat([*(head(x) for head, x in zip(self.heads, pooled, strict=True)), levels.logits], dim=-1)

    def by_layer(self, logits: Tensor) -> Tensor:
        """Take logits apart: (texts, layers * classes) -> (layers, texts, classes)."""
        return logits.unflatten(-1, (-1, self.classes)).transpose(0, 1)


def exits_loss(logits: Tensor, batch: Batch) -> Tensor:
    """The objective for Exits: the mean, over all classifiers, of the loss against the teacher's soft labels."""
    classes = batch.teacher_logits.shape[1]
    parts = logits.split(classes, dim=-1)
    return sum(SoftLabelLoss()(part, batch) for part in parts) / len(parts)


class ExitStep(nn.Module):
    """One layer and its classifier, to be exported: (states or input_ids, mask) -> (new states, logits)."""

    def __init__(self, exits: Exits, number: int):
        super().__init__()
        self.model, self.number = exits.model, number
        self.head = exits.heads[number - 1] if number < len(exits.model.layers) else None

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        if self.number == 1:
            x = self.model.embed(x)
        x, _ = self.model.layers[self.number - 1](x, mask, keep_weights=False)
        logits = self.head(mean_pooling(x, mask)) if self.head else self.model.classify(x, mask)
        return x, logits


def export_exits(exits: Exits, folder: Path) -> None:
    """Write a model with exits as one ONNX model a layer: layer1.onnx, layer2.onnx, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    for number in range(1, len(exits.model.layers) + 1):
        x = torch.ones(2, 5, dtype=torch.int64) if number == 1 else torch.ones(2, 5, exits.model.config.width)
        trace_onnx(ExitStep(exits, number).eval(), (x, mask), folder / f"layer{number}.onnx", ["x", "logits"])


class ExitClassifier:
    """Runs exported exits: after each layer, the texts that are sure leave, and the others go on."""

    def __init__(self, folder: Path, tokenizer: Any, threshold: float):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        paths = sorted(Path(folder).glob("layer*.onnx"), key=lambda path: int(path.stem.removeprefix("layer")))
        self.sessions = [onnxruntime.InferenceSession(path, options) for path in paths]
        self.tokenizer, self.threshold = tokenizer, threshold

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        rows = [self.tokenizer.encode(text).ids for text in texts]
        mask = np.arange(max(map(len, rows))) < np.array([len(row) for row in rows])[:, None]
        x = np.zeros(mask.shape, dtype=np.int64)
        x[mask] = np.concatenate(rows)
        answers, waiting = None, np.arange(len(rows))
        for session in self.sessions:
            inputs = {name.name: value for name, value in zip(session.get_inputs(), (x, mask), strict=True)}
            x, logits = session.run(None, inputs)
            answers = np.empty((len(rows), logits.shape[1]), np.float32) if answers is None else answers
            answers[waiting] = logits  # of those not sure yet, overwritten by the next layer
            top = torch.from_numpy(logits).softmax(dim=-1).amax(dim=-1).numpy()
            stay = top < self.threshold
            if not stay.any():
                break
            waiting, x, mask = waiting[stay], x[stay], mask[stay]
        return answers
