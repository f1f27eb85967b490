"""The stages of a run, from a learner's table to the exported candidates: each fills a folder, or reads it back."""

import hashlib
import math
import tempfile
from array import array
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from softlabels import distill
from softlabels.distill import export, vocabulary
from softlabels.distill.teacher import weights_sha256
from softlabels.tasks.store import Ragged
from softlabels.tasks.table import TEST, TRAIN, TRANSFER, VALIDATION, Table

from .bases import open_tokenizer
from .limits import Limits
from .run_folder import RunFolder, read_json, write_json

SHARD = 20_000  # texts whose soft labels are written together: what a kill can lose
CANDIDATES = tuple((words, kind) for words in ("all", "own") for kind in ("fp32", "int8"))  # all word pieces, or own


class NothingFits(ValueError):
    """No candidate fits the budget. The message shows the nearest one, and by how much it misses."""


@dataclass(frozen=True)
class Settings:
    """What a run depends on beside the data.

    teacher: see bases.find_base. epochs: of the teacher. updates: of a student, None for a number by the texts.
    students: how many sizes to train, of those that fit. max_pieces: word pieces of a text; the rest is cut off.
    """

    limits: Limits
    teacher: str | None = None
    epochs: int = 3
    learning_rate: float = 5e-4
    updates: int | None = None
    student_rate: float = 1e-3
    students: int = 1
    max_pieces: int = 64
    seed: int = 0
    sizes: tuple[str, ...] = ()  # empty: by the teacher's depth, see ladder


@dataclass
class Data:
    """The cut texts. tokens: Ragged, all of them, in the table's order. texts: of validation and test only."""

    table: Table
    tokens: Ragged
    tokenizer: object
    keep: np.ndarray | None
    texts: dict[int, list[str]]

    def rows(self, *splits: int) -> np.ndarray:
        return np.flatnonzero(np.isin(self.table.split, splits))


def prepare(run: RunFolder, table: Table, base: Path, settings: Settings) -> Data:
    """Cut every text into word pieces, streaming; keep the texts of validation and test."""
    tokenizer = open_tokenizer(base)
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(settings.max_pieces, distill.SmallBertConfig.from_folder(base).max_length))

    def work(folder: Path) -> None:
        values, lengths, held = array("i"), array("i"), {VALIDATION: [], TEST: []}
        for text, split in tqdm(
            zip(table.texts(), table.split, strict=True), total=len(table), leave=False, unit="text"
        ):
            ids = tokenizer.encode(text).ids
            values.extend(ids)
            lengths.append(len(ids))
            if split in held:
                held[split].append(text)
        np.save(folder / "values.npy", np.array(values, dtype=np.int32))
        np.save(folder / "offsets.npy", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
        write_json(folder / "texts.json", {str(split): texts for split, texts in held.items()})

    folder = run.stage("data", work)
    tokens = Ragged(np.load(folder / "values.npy", mmap_mode="r"), np.load(folder / "offsets.npy"))
    data = Data(table, tokens, tokenizer, None, {int(k): v for k, v in read_json(folder / "texts.json").items()})
    learned = data.tokens.take(data.rows(TRAIN, TRANSFER)).values
    try:
        data.keep = vocabulary.pieces_to_keep(tokenizer, learned)
    except ValueError:  # no WordPiece: its vocabulary stays whole
        data.keep = None
    return data


def ladder(base: Path, settings: Settings) -> dict[str, distill.SmallBertConfig]:
    """Return the shapes to try, the most capable first: some of the teacher's own layers, then small BERTs.

    A student that begins as a part of its teacher learns in fewer updates than one that begins at random; a narrow one
    is smaller and faster.
    """
    teacher = distill.SmallBertConfig.from_folder(base)
    own = {f"teacher-{n}": replace(teacher, layers=n, pooling="mean") for n in range(1, teacher.layers + 1)}
    usual = [
        f"teacher-{n}" for n in sorted({max(1, teacher.layers // 2), max(1, teacher.layers // 3), 1}, reverse=True)
    ]
    known = own | distill.SIZES
    if unknown := [name for name in settings.sizes if name not in known]:
        raise ValueError(f"there is no size {', '.join(unknown)}; there are {', '.join(known)}")
    return {name: known[name] for name in settings.sizes or [*usual, "4x256", "2x128"]}


def measure_shapes(run: RunFolder, data: Data, base: Path, settings: Settings) -> dict:
    """Measure size and speed of shapes before any is trained: neither depends on what the weights are.

    Goes down the ladder until as many fit as are to be trained. Returns {shape: {"all fp32": [MB, ms], ...}}; the size
    with all words is computed from the one with the trimmed vocabulary.
    """

    def work(folder: Path) -> None:
        found, fitting = {}, 0
        vocab_size = distill.SmallBertConfig.from_folder(base).vocab_size
        for name, shape in tqdm(ladder(base, settings).items(), leave=False, unit="size"):
            words = vocab_size if data.keep is None else len(data.keep)
            student = distill.make_student(shape, len(data.table.classes), settings.seed, words)
            found[name] = {}
            for kind in ("fp32", "int8"):
                with tempfile.TemporaryDirectory(dir=folder) as scratch:
                    now = export_candidate(student, data, "own", kind, Path(scratch), trimmed=True)
                size, ms = now["megabytes"], now["p50_ms"]
                larger = size + (vocab_size - words) * shape.width * (4 if kind == "fp32" else 1) / 1e6
                found[name] |= {f"own {kind}": [size, ms], f"all {kind}": [larger, ms]}
            fitting += least_excess(found[name], settings.limits) <= 1
            if fitting == settings.students:
                break
        write_json(folder / "shapes.json", found)

    return read_json(run.stage(shapes_stage(settings), work) / "shapes.json")


def shapes_stage(settings: Settings) -> str:
    """Return the stage's name: another budget measures anew."""
    asked = repr((settings.limits, settings.sizes, settings.students))
    return f"shapes-{hashlib.sha256(asked.encode()).hexdigest()[:8]}"


def least_excess(forms: dict, limits: Limits) -> float:
    return min(limits.excess(*found) for found in forms.values())


def choose_shapes(measured: dict, limits: Limits, students: int, best_effort: bool) -> list[str]:
    """Return the sizes to train: the first few of the ladder that fit in some form. NothingFits when none does."""
    excess = {name: least_excess(forms, limits) for name, forms in measured.items()}
    if fitting := [name for name, share in excess.items() if share <= 1]:
        return fitting[:students]
    nearest = min(excess, key=excess.get)
    form, (megabytes, ms) = min(measured[nearest].items(), key=lambda item: limits.excess(*item[1]))
    if best_effort:
        return [nearest]
    raise NothingFits(miss(limits, f"{nearest}, {describe(*form.split())}", megabytes, ms))


def miss(limits: Limits, name: str, megabytes: float, ms: float) -> str:
    return (
        f"No student fits into {limits}. The nearest is {name}: {megabytes:.2f} MB and {ms:.2f} ms, "
        f"{limits.excess(megabytes, ms):.2f} times the tighter limit. Give a larger --budget, or add --best-effort to "
        "get the nearest one."
    )


def describe(words: str, kind: str) -> str:
    return f"{kind}, {'the whole vocabulary' if words == 'all' else 'the vocabulary trimmed to the data'}"


def default_updates(texts: int) -> int:
    """Return how many updates of 32 texts a student gets: three epochs, but 500 at least and 20,000 at most."""
    return min(20_000, max(500, 3 * texts // 32))


def estimate(data: Data, base: Path, settings: Settings, names: list[str]) -> str:
    """Say roughly how long teacher, soft labels and students will take, by counting products of matrices.

    A weight costs 2 operations a token forward, 4 more backward (LoRA: 2 more); this machine's rate is that of one
    product of a BERT's size, of which half is reached.
    """
    rate = 0.5 * 2 * 512 * 384 * 1536 / distill.batching.seconds(torch.float32, None)
    weights = lambda shape: shape.layers * (4 * shape.width**2 + 2 * shape.width * shape.inner)  # noqa: E731
    tokens = float(data.tokens.lengths.mean())
    teacher = weights(distill.SmallBertConfig.from_folder(base))
    learned, shapes = len(data.rows(TRAIN, TRANSFER)), ladder(base, settings)
    read = 4 * len(data.rows(TRAIN)) * settings.epochs + 2 * len(data.tokens.lengths)
    work = teacher * tokens * read
    for name in names:
        work += 6 * weights(shapes[name]) * tokens * 32 * (settings.updates or default_updates(learned))
    return f"Roughly {max(1, math.ceil(work / rate / 60))} min on this machine, if it has nothing else to do."


def teach(run: RunFolder, data: Data, base: Path, settings: Settings) -> distill.Teacher:
    """Fine-tune the teacher on the labelled texts of train."""

    def work(folder: Path) -> None:
        rows, held = data.rows(TRAIN), data.rows(VALIDATION)
        distill.finetune_teacher(
            base,
            data.tokens.take(rows),
            data.table.labels[rows],
            data.table.classes,
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            pooling="cls",
            seed=settings.seed,
            validation=(data.tokens.take(held), data.table.labels[held]),
        ).save(folder)

    return distill.load_teacher(base, run.stage("teacher", work))


def label(run: RunFolder, data: Data, base: Path, teacher: distill.Teacher) -> np.ndarray:
    """Ask the teacher for the logits of every text, in shards that a kill does not lose: float16 (texts, classes)."""
    tokenizer_sha256 = hashlib.sha256(data.tokenizer.to_str().encode()).hexdigest()
    fingerprint = hashlib.sha256(data.table.ids.tobytes() + data.table.split.tobytes()).hexdigest()
    belongs = dict(task=data.table.source.path.name, task_fingerprint=fingerprint, tokenizer_sha256=tokenizer_sha256)
    belongs |= dict(classes=tuple(data.table.classes), teacher_sha256=teacher.sha256, base_sha256=weights_sha256(base))
    shards = [np.arange(i, min(i + SHARD, len(data.table))) for i in range(0, len(data.table), SHARD)]

    def work(folder: Path) -> None:
        made_by = dict(
            precision=distill.teacher.resolve_precision("auto"), created_by=f"softlabels {version('softlabels')}"
        )
        for number, rows in enumerate(tqdm(shards, leave=False, unit="shard", disable=len(shards) == 1)):
            if not (path := folder / f"{number:05}.safetensors").exists():
                logits = distill.teacher_logits(teacher, data.tokens.take(rows), progress=len(shards) == 1)
                distill.SoftLabelCache(data.table.ids[rows], logits, distill.Manifest(**belongs, **made_by)).save(path)

    folder = run.stage("soft-labels", work, keep_parts=True)
    logits = np.empty((len(data.table), len(data.table.classes)), dtype=np.float16)
    for number, rows in enumerate(shards):
        cache = distill.SoftLabelCache.load(folder / f"{number:05}.safetensors", expect=belongs)
        logits[rows] = cache.logits_for(data.table.ids[rows])
    return logits


def build_student(teacher: distill.Teacher, base: Path, name: str, data: Data, settings: Settings):
    """Build an untrained student: from the teacher's layers where its name says so, else at random."""
    shape, classes = ladder(base, settings)[name], len(data.table.classes)
    if name.startswith("teacher-"):
        layers = distill.layer_map(shape.layers, teacher.model.config.layers)
        return distill.student_from_teacher(teacher.model, layers, classes, settings.seed)
    return distill.make_student(shape, classes, settings.seed, teacher.model.config.vocab_size)


def learn(run, data, base, settings, teacher, logits, name) -> distill.SmallBert:
    """Train one student on the teacher's soft labels of train and transfer together."""
    student = build_student(teacher, base, name, data, settings)

    def work(folder: Path) -> None:
        rows, held = data.rows(TRAIN, TRANSFER), data.rows(VALIDATION)
        updates = settings.updates or default_updates(len(rows))
        trained = distill.train(
            student,
            distill.TransferSet(data.tokens.take(rows), teacher_logits=logits[rows]),
            distill.SoftLabelLoss(),
            distill.Budget(updates, learning_rate=settings.student_rate),
            seed=settings.seed,
            validation=(data.tokens.take(held), data.table.labels[held]),
        )
        save_file({k: v.cpu().contiguous() for k, v in student.state_dict().items()}, folder / "student.safetensors")
        write_json(folder / "run.json", dict(updates=updates, seconds=trained.seconds, history=trained.history))

    student.load_state_dict(load_file(run.stage(f"student-{name}", work) / "student.safetensors"))
    return student.cpu().eval()


def export_candidate(student, data: Data, words: str, kind: str, folder: Path, trimmed: bool = False) -> dict:
    """Export a student in one form; return its megabytes, its latency on texts of the validation set, and in fp32 its
    largest difference from torch, which must be small. trimmed: its word table is trimmed already.
    """
    keep = None if words == "all" else data.keep
    tokenizer = data.tokenizer if keep is None else vocabulary.trim_tokenizer(data.tokenizer, keep)
    small = vocabulary.trim_student(student, None if trimmed else keep, data.tokenizer.truncation["max_length"])
    export.export_folder(small, tokenizer, data.table.classes, folder, int8=kind == "int8")
    classifier = export.open_folder(folder)
    gap = export.largest_difference(small, classifier, data.texts[VALIDATION][:50]) if kind == "fp32" else None
    if gap is not None and gap > 1e-4:
        raise RuntimeError(f"the ONNX model differs from the student by {gap:.1e} in a logit: please report this")
    latency = export.measure_latency(classifier, data.texts[VALIDATION])
    return dict(megabytes=export.folder_megabytes(folder), p50_ms=latency.p50, gap=gap)


def try_candidates(run: RunFolder, data: Data, name: str, student) -> list[dict]:
    """Export one student in every form, and measure each on the validation set as it will be shipped."""
    labels = data.table.labels[data.rows(VALIDATION)]

    def work(folder: Path) -> None:
        rows = []
        forms = [form for form in CANDIDATES if form[0] == "all" or data.keep is not None]
        for words, kind in tqdm(forms, leave=False, unit="candidate"):
            place = folder / f"{words}-{kind}"
            measured = export_candidate(student, data, words, kind, place)
            logits = export.exported_logits(export.open_folder(place), data.texts[VALIDATION])
            rows.append(
                dict(
                    size=name,
                    words=words,
                    kind=kind,
                    **measured,
                    validation_accuracy=distill.accuracy(logits, labels),
                    validation_nll=distill.negative_log_likelihood(logits, labels),
                )
            )
        write_json(folder / "candidates.json", rows)

    folder = run.stage(f"candidates-{name}", work)
    return [
        row | dict(folder=str(folder / f"{row['words']}-{row['kind']}"))
        for row in read_json(folder / "candidates.json")
    ]


def choose(candidates: list[dict], limits: Limits, best_effort: bool) -> dict:
    """Return the candidate that fits and is right most often on validation; of equals, the smallest. NothingFits."""
    fitting = [c for c in candidates if limits.excess(c["megabytes"], c["p50_ms"]) <= 1]
    if fitting:
        return max(fitting, key=lambda c: (c["validation_accuracy"], -c["megabytes"]))
    nearest = min(candidates, key=lambda c: limits.excess(c["megabytes"], c["p50_ms"]))
    if best_effort:
        return nearest
    name = f"{nearest['size']}, {describe(nearest['words'], nearest['kind'])}"
    raise NothingFits(miss(limits, name, nearest["megabytes"], nearest["p50_ms"]))


def measure_chosen(data: Data, chosen: dict, student, soft_labels: np.ndarray) -> dict:
    """Measure on the test set what is shipped, and beside it the teacher and the same student before compression."""
    folder, rows = Path(chosen["folder"]), data.rows(TEST)
    labels, theirs = data.table.labels[rows], torch.from_numpy(soft_labels[rows].astype(np.float32))
    classifier, texts = export.open_folder(folder), data.texts[TEST]
    logits = {"teacher": theirs, "student, before compression": distill.predict(student, data.tokens.take(rows))}
    if chosen["kind"] == "int8":
        fp32 = export.open_folder(folder.with_name(f"{chosen['words']}-fp32"))
        logits["student, as shipped but in fp32"] = export.exported_logits(fp32, texts)
    logits["student, as shipped"] = export.exported_logits(classifier, texts)
    models = {
        name: dict(
            accuracy=distill.accuracy(z, labels),
            nll=distill.negative_log_likelihood(z, labels),
            ece=distill.expected_calibration_error(z, labels),
            agreement=distill.agreement(theirs, z),
        )
        for name, z in logits.items()
    }
    right = {name: distill.correct(logits[name], labels).numpy() for name in ("teacher", "student, as shipped")}
    classes = range(len(data.table.classes))
    recall = {
        name: [float(hit[labels == c].mean()) if (labels == c).any() else None for c in classes]
        for name, hit in right.items()
    }
    latency = {n: export.measure_latency(classifier, texts, n, 200 if n == 1 else 40)._asdict() for n in (1, 32)}
    return dict(models=models, n=len(rows), recall=recall, latency=latency, megabytes=export.folder_megabytes(folder))
