"""Case 5: a re-ranker for the edge. A teacher that reads definitions and words, its scores, and small students.

The students see the same definitions, of all domains or of a few; results are by domain, as a search engine may not
lose one of them.
"""

import math
import time
from dataclasses import asdict
from importlib.metadata import version

import numpy as np
import torch

from softlabels import distill, tasks
from softlabels.distill.encoder import Encoder, candidate_scores, make_encoder
from softlabels.distill.low_rank import narrow_embeddings
from softlabels.distill.ranking import rank_of_target
from softlabels.distill.teacher import resolve_precision, weights_sha256
from softlabels.experiments.base import Cell, Results, some
from softlabels.experiments.clinic import SMALL, mean_by_group
from softlabels.experiments.students import StudentExperiment
from softlabels.experiments.teacher import OnTask

TASK = "reverse_dictionary"
RECIPE = dict(rank=32, alpha=64, learning_rate=5e-4, epochs=1, batch_size=32, most=5, dropout=0.1)
FEW_DOMAINS = ("act", "artifact", "person", "animal", "communication", "plant")  # the six with most definitions


class OfRanker(OnTask):
    task_name = TASK

    def finish(self, results: Results) -> None:
        columns = ["arm", "seed", "split", "examples", "mrr", "first"]
        print(results.frame[columns].round(4).to_string(index=False))


class RankerTeacher(OfRanker):
    name = "teacher-reverse_dictionary"
    description = "fine-tune MiniLM to rank 20 words by a definition; writes data/teachers/reverse_dictionary"
    arms = ("as it comes", "teacher")  # MiniLM was made to compare sentences, so it ranks without any training

    def settings(self) -> dict:
        task = tasks.load_ranking(TASK)
        texts = 320 if self.quick else len(task.split("labelled"))
        base = weights_sha256(tasks.base_model())
        return dict(task=task.name, task_fingerprint=task.fingerprint, base_sha256=base, texts=texts, **RECIPE)

    def units(self) -> int:
        settings = self.settings()
        return settings["epochs"] * math.ceil(settings["texts"] / settings["batch_size"])

    def run_cell(self, cell: Cell, settings: dict, tell) -> tuple[list[dict], dict[str, np.ndarray]]:
        task = tasks.load_ranking(settings["task"])
        if cell.arm == "teacher":
            labelled = some(task.split("labelled"), settings["texts"])
            teacher = distill.finetune_ranker(
                tasks.base_model(),
                labelled.tokens,
                task.word_tokens,
                labelled.candidates,
                labelled.targets,
                **{name: settings[name] for name in RECIPE},
                seed=cell.seed,
                progress=tell,
            )
            teacher.config |= dict(task=task.name, task_fingerprint=task.fingerprint)
            teacher.save(self.teacher_dir())
            encoder, made = Encoder(teacher.model), dict(sha256=teacher.sha256, seconds=teacher.config["seconds"])
        else:
            shape = distill.SmallBertConfig.from_folder(tasks.base_model())
            encoder, made = Encoder(distill.SmallBert(shape).load_bert_weights(tasks.base_model())), {}
        return [row_of(split, encoder, task, self.quick) | made for split in ("validation", "test")], {}


class RankerSoftLabels(OfRanker):
    name = "soft-labels-reverse_dictionary"
    description = "ask the teacher about all candidates of every definition; writes data/soft_labels/..."
    arms = ("soft labels",)
    seeded = False

    def settings(self) -> dict:
        task, teacher = tasks.load_ranking(TASK), self.teacher()
        return dict(task=task.name, task_fingerprint=task.fingerprint, teacher_sha256=teacher.sha256)

    def units(self) -> int:
        return 1

    def run_cell(self, cell: Cell, settings: dict, tell) -> tuple[list[dict], dict[str, np.ndarray]]:
        task, teacher = tasks.load_ranking(settings["task"]), self.teacher()
        precision = resolve_precision("auto")
        encoder = Encoder(teacher.in_precision(precision))
        queries = some(task.split("all", show_targets=True), 400 if self.quick else None)
        start = time.perf_counter()
        scores = candidate_scores(encoder, queries.tokens, task.word_tokens, queries.candidates, progress=True)
        seconds = time.perf_counter() - start
        manifest = distill.Manifest(
            task=task.name,
            task_fingerprint=task.fingerprint,
            tokenizer_sha256=task.tokenizer_sha256,
            classes=candidate_names(scores.shape[1]),
            teacher_sha256=teacher.sha256,
            base_sha256=teacher.config["base_sha256"],
            precision=precision,
            created_by=f"softlabels {version('softlabels')}",
        )
        cache = distill.SoftLabelCache(queries.ids, scores, manifest)
        cache.save(self.soft_labels_file())
        made = dict(precision=precision, sha256=cache.manifest.sha256, seconds=round(seconds, 1))
        kept, rows = cache.logits_for(queries.ids), []
        for name in ("validation", "test", "labelled", "transfer"):
            inside = np.isin(queries.ids, task.split(name).ids)
            if inside.any():
                rows.append(scored(name, kept[inside], queries.take(inside)) | made)
        return rows, {}


def candidate_names(count: int) -> tuple[str, ...]:
    """Return what the columns of a ranking task's soft labels are called."""
    return tuple(f"candidate {place}" for place in range(1, count + 1))


def row_of(split: str, encoder, task, quick: bool) -> dict:
    queries = some(task.split(split), 100 if quick else None)
    return scored(split, candidate_scores(encoder, queries.tokens, task.word_tokens, queries.candidates), queries)


def scored(split: str, scores, queries) -> dict:
    return dict(split=split, examples=len(queries)) | quality(scores, queries)


def quality(scores, queries) -> dict:
    targets = torch.as_tensor(queries.targets)
    return dict(mrr=distill.reciprocal_rank(scores, targets), first=distill.recall_at_k(scores, targets, 1))


def scores_of(task) -> distill.SoftLabelCache:
    """Return the teacher's scores. FileNotFoundError says which command makes them."""
    path = tasks.home.soft_labels_file(TASK)
    if not path.is_file():
        raise FileNotFoundError(f"there are no scores at {path}: `softlabels run {RankerSoftLabels.name}` makes them")
    names = candidate_names(task.split("test").candidates.shape[1])
    expect = dict(task=task.name, task_fingerprint=task.fingerprint, tokenizer_sha256=task.tokenizer_sha256)
    return distill.SoftLabelCache.load(path, expect=expect | dict(classes=names))


class ClinicReranker(StudentExperiment):
    name = "clinic-reranker"
    description = "case 5: re-rank words by a definition on the edge; right words, the teacher's scores, few domains"
    task_name = TASK
    arms = ("hard labels", "soft labels", "soft labels, six domains")
    columns = ("validation_mrr", "mrr", "worst_group")
    updates = 300
    most = 7  # of the 19 wrong words, those that a batch scores: reading words is most of the work
    rate = 1e-3  # the one that the other cases' pilots chose

    def settings(self):
        task = tasks.load_ranking(TASK)
        manifest = scores_of(task).manifest
        return dict(
            task=task.name,
            task_fingerprint=task.fingerprint,
            soft_labels_sha256=manifest.sha256,
            teacher_sha256=manifest.teacher_sha256,
            shape=vars(SMALL),
            budget=asdict(self.budget()),
            rate=self.rate,
            most=self.most,
            few_domains=list(FEW_DOMAINS),
            quick=self.quick,
        )

    def run_cell(self, cell, settings, tell):
        task = tasks.load_ranking(TASK)
        queries = self.queries_of(cell.arm, task)
        encoder = self.learn(cell, queries, settings, tell)
        row = dict(texts=len(queries), updates=settings["budget"]["updates"], learning_rate=settings["rate"])
        for split in ("validation", "test"):
            asked = some(task.split(split), 200 if self.quick else None)
            scores = candidate_scores(encoder, asked.tokens, task.word_tokens, asked.candidates)
            ranks = rank_of_target(scores, torch.as_tensor(asked.targets))
            by_domain = mean_by_group(1 / ranks.numpy(), asked.domains, len(task.domains))
            found = quality(scores, asked) | dict(
                agreement=distill.agreement(scores, scores_of(task).logits_for(asked.ids)),
                worst_group=float(np.nanmin(by_domain)),
            )
            row |= {key if split == "test" else f"validation_{key}": value for key, value in found.items()}
        return [row], dict(ranks=ranks.numpy().astype(np.uint8))

    def queries_of(self, arm: str, task):
        """Return what an arm learns from, with the labels that it may see."""
        labelled = task.split("labelled")
        if arm == "hard labels":
            return labelled
        queries = task.split("all")
        queries = queries.take(~np.isin(queries.ids, [*task.split("test").ids, *task.split("validation").ids]))
        if arm.endswith("six domains"):
            chosen = [task.domains.index(name) for name in FEW_DOMAINS]
            queries = queries.take(np.flatnonzero(np.isin(queries.domains, chosen)))
        return queries

    def learn(self, cell, queries, settings, tell):
        task = tasks.load_ranking(TASK)
        encoder = make_encoder(SMALL, cell.seed)
        base = distill.SmallBert(distill.SmallBertConfig.from_folder(tasks.base_model()))
        narrow_embeddings(encoder.body, base.load_bert_weights(tasks.base_model()))
        hard = cell.arm == "hard labels"
        known = dict(labels=queries.targets) if hard else dict(teacher_logits=scores_of(task).logits_for(queries.ids))
        objective = distill.CandidateLoss(
            encoder,
            task.word_tokens,
            queries.candidates,
            distill.HardLabelLoss() if hard else distill.SoftLabelLoss(),
            settings["most"],
        )
        budget = distill.Budget(**settings["budget"] | dict(learning_rate=settings["rate"]))
        distill.train(
            encoder, distill.TransferSet(queries.tokens, **known), objective, budget, seed=cell.seed, progress=tell
        )
        return encoder.cpu().eval()
