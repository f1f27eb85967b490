"""An encoder for re-ranking: one BERT turns queries and candidates into vectors, and near vectors belong together.

Sentence-BERT (Reimers and Gurevych 2019): one encoder for both sides, its output the mean over the tokens. What a
teacher knows about a query are its scores for all the candidates, so they are its soft label, and distillation_loss
serves as it does for classes.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .batching import best_device, pad
from .bert import SmallBertConfig, mean_pooling
from .student import SIZES, make_student
from .teacher import PRECISIONS, Teacher, Trainee, resolve_precision, weights_sha256
from .training import Batch, Budget, HardLabelLoss, forked_random_state, predict, train
from .transfer import TransferSet

SCALE = 20.0  # cosines lie in -1..1, where a softmax over candidates is nearly flat


class Encoder(nn.Module):
    """A BERT without a classifier, whose output is one vector of length 1 a text: float32 (batch, width)."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden = self.body(input_ids, attention_mask).float()
        return F.normalize(mean_pooling(hidden, attention_mask.bool()), dim=-1)


def make_encoder(size: str | SmallBertConfig, seed: int, vocab_size: int = 30_522) -> Encoder:
    """Return a small encoder with weights drawn at random, as make_student draws them."""
    return Encoder(make_student(SIZES[size] if isinstance(size, str) else size, None, seed, vocab_size))


@dataclass
class CandidateLoss:
    """An objective for train: the scores of each query's candidates, judged by an objective for classes.

    encoder: the one that is trained; it reads the candidates here. candidates: int (queries, m), rows of word_tokens,
    (values, offsets); row i belongs to text i of the transfer set, whose teacher_logits are the teacher's scores
    (queries, m) and whose labels are the columns of the right ones. most: of each query, score the right one (where
    labels are not read, the teacher's favourite) and so many others at most, drawn anew for each batch.
    """

    encoder: nn.Module
    word_tokens: tuple
    candidates: np.ndarray
    objective: Callable[[Tensor, Batch], Tensor]
    most: int | None = None

    def __call__(self, vectors: Tensor, batch: Batch) -> Tensor:
        for name in self.objective.needs:
            if getattr(batch, name) is None:
                raise ValueError(f"{self.objective} needs {name}, and the transfer set has none: pass {name}=...")
        chosen = self.candidates[batch.rows]
        if self.most is not None:
            first = batch.labels if "labels" in self.objective.needs else batch.teacher_logits.argmax(dim=-1)
            keys = torch.rand(chosen.shape).scatter_(1, first.cpu()[:, None], -1.0)  # the smallest, so it comes first
            columns = keys.argsort(dim=1)[:, : self.most + 1]
            chosen = np.take_along_axis(chosen, columns.numpy(), axis=1)
            soft = batch.teacher_logits
            soft = None if soft is None else soft.gather(1, columns.to(soft.device))
            batch = batch._replace(teacher_logits=soft, labels=torch.zeros_like(first))
        words, places = np.unique(chosen, return_inverse=True)
        input_ids, mask = (x.to(vectors.device) for x in pad(self.word_tokens, words))
        encoded = self.encoder(input_ids, mask)[torch.from_numpy(places.reshape(chosen.shape)).to(vectors.device)]
        return self.objective(SCALE * torch.einsum("qw,qmw->qm", vectors, encoded), batch)


def candidate_scores(
    encoder: nn.Module, tokens: tuple, word_tokens: tuple, candidates: np.ndarray, **options
) -> Tensor:
    """Return the scores of every query's candidates, float32 (queries, m).

    tokens: the queries, (values, offsets). candidates: int (queries, m), rows of word_tokens; a word that stands there
    often is read once. options: of predict.
    """
    words, places = np.unique(candidates, return_inverse=True)
    lengths = np.diff(word_tokens[1])[words]
    starts = np.repeat(word_tokens[1][:-1][words], lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = word_tokens[0][starts + np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)]
    queries, encoded = predict(encoder, tokens, **options), predict(encoder, (values, offsets), **options)
    places = torch.from_numpy(places.reshape(candidates.shape))
    # In parts: each query's candidates side by side would be gigabytes.
    parts = [
        torch.einsum("qw,qmw->qm", q, encoded[p]) for q, p in zip(queries.split(1024), places.split(1024), strict=True)
    ]
    return SCALE * torch.cat(parts)


def finetune_ranker(
    base_dir: Path,
    tokens: tuple,
    word_tokens: tuple,
    candidates: np.ndarray,
    targets: np.ndarray,
    *,
    most: int,
    rank: int = 32,
    alpha: int = 64,
    learning_rate: float = 5e-4,
    epochs: int = 1,
    batch_size: int = 32,
    dropout: float = 0.1,
    seed: int = 0,
    precision: str = "auto",
    progress: Any = True,
) -> Teacher:
    """Fine-tune a base model to score the right candidate of every query highest, with LoRA on every matrix.

    base_dir: a BERT in the hub's layout. The others as for CandidateLoss and finetune_teacher. Returns a teacher
    without classes: Encoder(teacher.model) gives the vectors.
    """
    device = best_device()
    shape = SmallBertConfig.from_folder(base_dir, dropout=dropout)
    recipe = dict(rank=rank, alpha=alpha, learning_rate=learning_rate, epochs=epochs, batch_size=batch_size, most=most)
    budget = Budget(-(-len(targets) // batch_size) * epochs, batch_size, learning_rate, warmup=0.06)
    precision = resolve_precision(precision)
    with forked_random_state(device):
        torch.manual_seed(seed)
        trainee = Trainee(base_dir, shape, rank, alpha, PRECISIONS[precision])
        encoder = Encoder(trainee)
        objective = CandidateLoss(encoder, word_tokens, candidates, HardLabelLoss(), most)
        run = train(encoder, TransferSet(tokens, labels=targets), objective, budget, seed=seed, progress=progress)
    config = dict(
        classes=[],
        pooling="mean",
        **recipe,
        dropout=dropout,
        seed=seed,
        examples=len(targets),
        precision=precision,
        base_sha256=weights_sha256(base_dir),
        budget=asdict(budget),
        seconds=round(run.seconds),
    )
    return Teacher(base_dir, trainee.adapter(), config)
