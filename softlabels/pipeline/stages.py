"""The stages of a run, from a learner's table to the exported candidates: each fills a folder, or reads it back.

with begin(read_table(source), settings, Path("my_data-run")) as job:
    data = prepare(job)
    teacher = teach(job, data)
    soft_labels = ask_teacher(job, data, teacher)
    student = learn(job, data, teacher, soft_labels, "teacher-1")
"""

import dataclasses
import hashlib
import json
import math
import tempfile
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from softlabels import distill
from softlabels.distill import export, vocabulary
from softlabels.distill.dashboard import measure_quality
from softlabels.distill.low_rank import narrow_embeddings
from softlabels.distill.selection import best_that_fits
from softlabels.distill.teacher import weights_sha256
from softlabels.tasks.store import Ragged
from softlabels.tasks.table import TEST, TRAIN, TRANSFER, VALIDATION, Table

from .bases import find_base, open_tokenizer
from .limits import Limits
from .run_folder import RunFolder, read_json, write_json

SHARD = 20_000  # texts whose soft labels are written together: what a kill can lose
KINDS = {"fp32": 4, "int8": 1}  # bytes of a number
SPARE = 0.995  # of the budget is used by word pieces; the rest is for an estimate that is a little off

# Narrow students for when the teacher's own layers are too large. The first token alone answers, so the last layer
# works for one token only.
NARROW = {
    "4x256": distill.SmallBertConfig(layers=4, width=256, heads=4, inner=1024, pooling="cls"),
    "1x256": distill.SmallBertConfig(layers=1, width=256, heads=4, inner=1024, pooling="cls"),
    "2x128": distill.SmallBertConfig(layers=2, width=128, heads=2, inner=512, pooling="cls"),
}


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

    def without_budget(self) -> dict:
        """Return what the teacher and its soft labels depend on: another budget goes on with the same ones."""
        mine = dataclasses.asdict(self)
        return {name: value for name, value in mine.items() if name not in ("limits", "sizes", "students")}


@dataclass
class Job:
    """A run that has been begun: what it learns from, on which base, how, and where its stages are kept."""

    table: Table
    base: Path
    settings: Settings
    folder: RunFolder

    def close(self) -> None:
        """Let others use the folder."""
        self.folder.close()

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *error) -> None:
        self.close()


_begun: dict[Path, RunFolder] = {}  # by this process: a notebook runs a cell twice, and means the same run


def begin(table: Table, settings: Settings, path: Path, *, fresh: bool = False) -> Job:
    """Begin a run, or go on with one.

    path: the folder of its stages. fresh: forget what is there. Raises BaseError, and RunMismatch for a folder that
    holds a run with other data or other settings (another budget is no other run).
    """
    base, path = find_base(settings.teacher), Path(path)
    if before := _begun.pop(path.absolute(), None):
        before.close()
    about = run_depends_on(table, settings) | dict(base_sha256=weights_sha256(base))
    _begun[path.absolute()] = folder = RunFolder(path, about, fresh)
    return Job(table, base, settings, folder)


def run_depends_on(table: Table, settings: Settings) -> dict:
    """Return what a run's teacher and soft labels depend on, for JSON: the file, how it is read, and the settings."""
    source = table.source
    with open(source.path, "rb") as file:
        data_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    columns = dict(text=source.text, label=source.label, encoding=source.encoding)
    return settings.without_budget() | dict(columns=columns, data_sha256=data_sha256)


def run_name(table: Table, settings: Settings) -> str:
    """Return a name for a run's folder that differs for other data and other settings, so that both can be kept."""
    depends = json.dumps(run_depends_on(table, settings), sort_keys=True)
    return f"{table.source.path.stem}-run-{hashlib.sha256(depends.encode()).hexdigest()[:8]}"


@dataclass
class Data:
    """The cut texts. tokens: Ragged, all of them, in the table's order. texts: of validation and test only.

    own: ids of the word pieces that the texts to learn from are made of; None where the vocabulary must stay whole.
    """

    table: Table
    tokens: Ragged
    tokenizer: object
    own: np.ndarray | None
    texts: dict[int, list[str]]

    def rows(self, *splits: int) -> np.ndarray:
        return np.flatnonzero(np.isin(self.table.split, splits))


def prepare(job: Job) -> Data:
    """Cut every text into word pieces, streaming; keep the texts of validation and test."""
    table, tokenizer = job.table, open_tokenizer(job.base)
    longest = distill.SmallBertConfig.from_folder(job.base).max_length
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(job.settings.max_pieces, longest))

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

    folder = job.folder.stage("data", work)
    tokens = Ragged(np.load(folder / "values.npy", mmap_mode="r"), np.load(folder / "offsets.npy"))
    data = Data(table, tokens, tokenizer, None, {int(k): v for k, v in read_json(folder / "texts.json").items()})
    try:
        data.own = vocabulary.pieces_to_keep(tokenizer, learned_pieces(data))
    except ValueError:  # no WordPiece: its vocabulary stays whole
        data.own = None
    return data


def learned_pieces(data: Data) -> np.ndarray:
    return data.tokens.take(data.rows(TRAIN, TRANSFER)).values


def ladder(base: Path, settings: Settings) -> dict[str, distill.SmallBertConfig]:
    """Return the shapes to try, the most capable first: some of the teacher's own layers, then narrow BERTs.

    A student that begins as a part of its teacher learns in fewer updates than one that begins at random; a narrow one
    is smaller and faster.
    """
    teacher = distill.SmallBertConfig.from_folder(base)
    own = {f"teacher-{n}": replace(teacher, layers=n, pooling="mean") for n in range(1, teacher.layers + 1)}
    usual = [
        f"teacher-{n}" for n in sorted({max(1, teacher.layers // 2), max(1, teacher.layers // 3), 1}, reverse=True)
    ]
    narrow = {n: replace(shape, max_length=teacher.max_length) for n, shape in (distill.SIZES | NARROW).items()}
    known = own | narrow
    if unknown := [name for name in settings.sizes if name not in known]:
        raise ValueError(f"there is no size {', '.join(unknown)}; there are {', '.join(known)}")
    return {name: known[name] for name in settings.sizes or [*usual, *NARROW]}


def measure_shapes(job: Job, data: Data) -> dict:
    """Measure size and speed of shapes before any is trained: neither depends on what the weights are.

    Goes down the ladder until as many fit as are to be trained. Returns {shape: {"fp32": form, "int8": form}}; a form
    is a dict of `words` (how many word pieces: all, or as many as the budget has room for, but never fewer than the
    data's own), `megabytes` and `p50_ms`.
    """

    def work(folder: Path) -> None:
        found, fitting, limits = {}, 0, job.settings.limits
        for name, shape in tqdm(ladder(job.base, job.settings).items(), leave=False, unit="size"):
            if fitting < job.settings.students:  # no break: a progress bar that is left early stays on the page
                found[name] = measure_forms(shape, data, limits, folder, job.settings.seed)
                fitting += least_excess(found[name], limits) <= 1
        write_json(folder / "shapes.json", found)

    return read_json(job.folder.stage(shapes_stage(job.settings), work) / "shapes.json")


def measure_forms(shape: distill.SmallBertConfig, data: Data, limits: Limits, folder: Path, seed: int) -> dict:
    """Export an untrained student of a shape with the data's own word pieces, and say how many more there is room for.

    The time of a text does not depend on their number, and the size does so by a fixed number of bytes for each.
    """
    everything = data.tokenizer.get_vocab_size()
    words = everything if data.own is None else len(data.own)
    student, forms = distill.make_student(shape, len(data.table.classes), seed, words), {}
    for kind, width in KINDS.items():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            now = export_candidate(student, data, words, kind, Path(scratch), trimmed=True)
        each = (shape.width * width + entry_bytes(data.tokenizer)) / 1e6
        room = everything - words
        if limits.megabytes is not None:
            room = min(room, max(0, int((SPARE * limits.megabytes - now["megabytes"]) / each)))
        forms[kind] = dict(words=words + room, megabytes=now["megabytes"] + room * each, p50_ms=now["p50_ms"])
    return forms


def entry_bytes(tokenizer) -> float:
    """Return how many bytes a word piece takes in tokenizer.json, on average: the word, its number, signs."""
    pieces = tokenizer.get_vocab()
    return sum(len(json.dumps(piece, ensure_ascii=False).encode()) + 7 for piece in pieces) / len(pieces)


def shapes_stage(settings: Settings) -> str:
    """Return the stage's name: another budget measures anew."""
    asked = repr((settings.limits, settings.sizes, settings.students))
    return f"shapes-{hashlib.sha256(asked.encode()).hexdigest()[:8]}"


def least_excess(forms: dict, limits: Limits) -> float:
    return min(limits.excess(form["megabytes"], form["p50_ms"]) for form in forms.values())


def choose_shapes(measured: dict, limits: Limits, students: int, best_effort: bool = False) -> list[str]:
    """Return the sizes to train: the first few of the ladder that fit in some form. NothingFits when none does."""
    excess = {name: least_excess(forms, limits) for name, forms in measured.items()}
    if fitting := [name for name, share in excess.items() if share <= 1]:
        return fitting[:students]
    rows = [dict(size=name, kind=kind, **form) for name, forms in measured.items() for kind, form in forms.items()]
    closest = nearest(rows, limits)
    if best_effort:
        return [closest["size"]]
    raise NothingFits(miss(limits, closest))


def nearest(rows: Sequence[dict], limits: Limits) -> dict:
    return min(rows, key=lambda row: limits.excess(row["megabytes"], row["p50_ms"]))


def miss(limits: Limits, row: dict) -> str:
    megabytes, ms = row["megabytes"], row["p50_ms"]
    return (
        f"No student fits into {limits}. The nearest is {row['size']}, {describe(row)}: {megabytes:.2f} MB and "
        f"{ms:.2f} ms, {limits.excess(megabytes, ms):.2f} times the tighter limit. Give a larger --budget, or add "
        "--best-effort to get the nearest one."
    )


def describe(row: dict) -> str:
    """Say a candidate's form in words: its numbers, and how many word pieces it knows."""
    return f"{row['kind']}, {row['words']:,} word pieces"


def default_updates(texts: int) -> int:
    """Return how many updates of 32 texts a student gets: three epochs, but 500 at least and 20,000 at most."""
    return min(20_000, max(500, 3 * texts // 32))


def estimate(job: Job, data: Data, names: list[str]) -> str:
    """Say roughly how long teacher, soft labels and students will take, by counting products of matrices.

    A weight costs 2 operations a token forward, 4 more backward (LoRA: 2 more); this machine's rate is that of one
    product of a BERT's size, of which half is reached.
    """
    settings = job.settings
    rate = 0.5 * 2 * 512 * 384 * 1536 / distill.batching.seconds(torch.float32, None)
    weights = lambda shape: shape.layers * (4 * shape.width**2 + 2 * shape.width * shape.inner)  # noqa: E731
    tokens = float(data.tokens.lengths.mean())
    teacher = weights(distill.SmallBertConfig.from_folder(job.base))
    learned, shapes = len(data.rows(TRAIN, TRANSFER)), ladder(job.base, settings)
    read = 4 * len(data.rows(TRAIN)) * settings.epochs + 2 * len(data.tokens.lengths)
    work = teacher * tokens * read
    for name in names:
        work += 6 * weights(shapes[name]) * tokens * 32 * (settings.updates or default_updates(learned))
    return f"Roughly {max(1, math.ceil(work / rate / 60))} min on this machine, if it has nothing else to do."


def teach(job: Job, data: Data) -> distill.Teacher:
    """Fine-tune the teacher on the labelled texts of train."""

    def work(folder: Path) -> None:
        rows, held = data.rows(TRAIN), data.rows(VALIDATION)
        distill.finetune_teacher(
            job.base,
            data.tokens.take(rows),
            data.table.labels[rows],
            data.table.classes,
            epochs=job.settings.epochs,
            learning_rate=job.settings.learning_rate,
            pooling="cls",
            seed=job.settings.seed,
            validation=(data.tokens.take(held), data.table.labels[held]),
        ).save(folder)

    return distill.load_teacher(job.base, job.folder.stage("teacher", work))


def ask_teacher(job: Job, data: Data, teacher: distill.Teacher) -> np.ndarray:
    """Ask the teacher for soft labels, in shards that a kill does not lose: its logits, float16 (texts, classes)."""
    tokenizer_sha256 = hashlib.sha256(data.tokenizer.to_str().encode()).hexdigest()
    fingerprint = hashlib.sha256(data.table.ids.tobytes() + data.table.split.tobytes()).hexdigest()
    belongs = dict(task=data.table.source.path.name, task_fingerprint=fingerprint, tokenizer_sha256=tokenizer_sha256)
    base_sha256 = weights_sha256(job.base)
    belongs |= dict(classes=tuple(data.table.classes), teacher_sha256=teacher.sha256, base_sha256=base_sha256)
    shards = [np.arange(i, min(i + SHARD, len(data.table))) for i in range(0, len(data.table), SHARD)]

    def work(folder: Path) -> None:
        made_by = dict(
            precision=distill.teacher.resolve_precision("auto"), created_by=f"softlabels {version('softlabels')}"
        )
        bar = shards if len(shards) == 1 else tqdm(shards, leave=False, unit="shard")
        for number, rows in enumerate(bar):
            if not (path := folder / f"{number:05}.safetensors").exists():
                logits = distill.teacher_logits(teacher, data.tokens.take(rows), progress=len(shards) == 1)
                distill.SoftLabelCache(data.table.ids[rows], logits, distill.Manifest(**belongs, **made_by)).save(path)

    folder = job.folder.stage("soft-labels", work, keep_parts=True)
    logits = np.empty((len(data.table), len(data.table.classes)), dtype=np.float16)
    for number, rows in enumerate(shards):
        cache = distill.SoftLabelCache.load(folder / f"{number:05}.safetensors", expect=belongs)
        logits[rows] = cache.logits_for(data.table.ids[rows])
    return logits


def build_student(job: Job, data: Data, teacher: distill.Teacher, name: str) -> distill.SmallBert:
    """Build an untrained student: from the teacher's layers where its name says so, else from its word vectors alone,
    in fewer dimensions; one that is wider than its teacher begins at random.
    """
    shape, classes, seed = ladder(job.base, job.settings)[name], len(data.table.classes), job.settings.seed
    if name.startswith("teacher-"):
        layers = distill.layer_map(shape.layers, teacher.model.config.layers)
        return distill.student_from_teacher(teacher.model, layers, classes, seed)
    student = distill.make_student(shape, classes, seed, teacher.model.config.vocab_size)
    return narrow_embeddings(student, teacher.model) if shape.width <= teacher.model.config.width else student


def learn(job: Job, data: Data, teacher: distill.Teacher, soft_labels: np.ndarray, name: str) -> distill.SmallBert:
    """Train one student on the teacher's soft labels of train and transfer together. name: one of the ladder."""
    student = build_student(job, data, teacher, name)

    def work(folder: Path) -> None:
        rows, held = data.rows(TRAIN, TRANSFER), data.rows(VALIDATION)
        updates = job.settings.updates or default_updates(len(rows))
        trained = distill.train(
            student,
            distill.TransferSet(data.tokens.take(rows), teacher_logits=soft_labels[rows]),
            distill.SoftLabelLoss(),
            distill.Budget(updates, learning_rate=job.settings.student_rate),
            seed=job.settings.seed,
            validation=(data.tokens.take(held), data.table.labels[held]),
        )
        save_file({k: v.cpu().contiguous() for k, v in student.state_dict().items()}, folder / "student.safetensors")
        write_json(folder / "run.json", dict(updates=updates, seconds=trained.seconds, history=trained.history))

    student.load_state_dict(load_file(job.folder.stage(f"student-{name}", work) / "student.safetensors"))
    return student.cpu().eval()


def export_candidate(student, data: Data, words: int, kind: str, folder: Path, trimmed: bool = False) -> dict:
    """Export a student in one form; return how many word pieces it knows, its megabytes, its latency on texts of the
    validation set, and in fp32 its largest difference from torch, which must be small. words: the most word pieces to
    keep. trimmed: its word table has no more than those.
    """
    whole = data.own is None or words >= data.tokenizer.get_vocab_size()
    keep = None if whole else vocabulary.pieces_to_keep(data.tokenizer, learned_pieces(data), words)
    tokenizer = data.tokenizer if whole else vocabulary.trim_tokenizer(data.tokenizer, keep)
    small = vocabulary.trim_student(student, None if trimmed else keep, data.tokenizer.truncation["max_length"])
    export.export_folder(small, tokenizer, data.table.classes, folder, int8=kind == "int8")
    classifier = export.open_folder(folder)
    gap = export.largest_difference(small, classifier, data.texts[VALIDATION][:50]) if kind == "fp32" else None
    if gap is not None and gap > 1e-4:
        raise RuntimeError(f"the ONNX model differs from the student by {gap:.1e} in a logit: please report this")
    latency = export.measure_latency(classifier, data.texts[VALIDATION])
    known = tokenizer.get_vocab_size()
    return dict(words=known, megabytes=export.folder_megabytes(folder), p50_ms=latency.p50, gap=gap)


def try_candidates(job: Job, data: Data, name: str, student: distill.SmallBert, forms: dict) -> list[dict]:
    """Export one student in every form, and measure each on the validation set as it will be shipped.

    forms: what measure_shapes found for its shape. Returns a dict for each form: size, kind, words, megabytes, p50_ms,
    gap (see export_candidate), validation_accuracy, validation_nll, folder.
    """
    labels = data.table.labels[data.rows(VALIDATION)]

    def work(folder: Path) -> None:
        rows = []
        for kind, form in tqdm(forms.items(), leave=False, unit="candidate"):
            measured = export_candidate(student, data, form["words"], kind, folder / kind)
            logits = export.exported_logits(export.open_folder(folder / kind), data.texts[VALIDATION])
            quality = dict(
                validation_accuracy=distill.accuracy(logits, labels),
                validation_nll=distill.negative_log_likelihood(logits, labels),
            )
            rows.append(dict(size=name, kind=kind, **measured, **quality))
        write_json(folder / "candidates.json", rows)

    folder = job.folder.stage(candidates_stage(name, forms), work)
    return [row | dict(folder=str(folder / row["kind"])) for row in read_json(folder / "candidates.json")]


def candidates_stage(name: str, forms: dict) -> str:
    """Return the stage's name: another budget may leave room for another number of word pieces."""
    return "-".join(["candidates", name, *(str(form["words"]) for form in forms.values())])


def choose(candidates: list[dict], limits: Limits, best_effort: bool = False) -> dict:
    """Return the candidate that fits and is right most often on validation; of equals, the smallest. NothingFits."""
    place = best_that_fits(candidates, limits.megabytes, limits.milliseconds)
    if place is not None:
        return candidates[place]
    closest = nearest(candidates, limits)
    if best_effort:
        return closest
    raise NothingFits(miss(limits, closest))


def measure_chosen(data: Data, chosen: dict, student: distill.SmallBert, soft_labels: np.ndarray) -> dict:
    """Measure on the test set what is shipped, and beside it the teacher and the same student before compression.

    Returns `models` (by name: accuracy, nll, ece, agreement), `n` (test texts), `recall` (by name: a share for each
    class, None for one without test texts), `latency` (by texts at once: p50 and p95 in ms) and `megabytes`.
    """
    folder, rows = Path(chosen["folder"]), data.rows(TEST)
    labels, theirs = data.table.labels[rows], torch.from_numpy(soft_labels[rows].astype(np.float32))
    classifier, texts = export.open_folder(folder), data.texts[TEST]
    logits = {"teacher": theirs, "student, before compression": distill.predict(student, data.tokens.take(rows))}
    if chosen["kind"] == "int8":
        with tempfile.TemporaryDirectory() as scratch:
            export_candidate(student, data, chosen["words"], "fp32", Path(scratch))
            fp32 = export.open_folder(Path(scratch))
            logits["student, as shipped but in fp32"] = export.exported_logits(fp32, texts)
            del fp32  # Windows cannot remove a file that is open
    logits["student, as shipped"] = export.exported_logits(classifier, texts)
    models = {name: measure_quality(z, labels, theirs) for name, z in logits.items()}
    right = {name: distill.correct(logits[name], labels).numpy() for name in ("teacher", "student, as shipped")}
    classes = range(len(data.table.classes))
    recall = {
        name: [float(hit[labels == c].mean()) if (labels == c).any() else None for c in classes]
        for name, hit in right.items()
    }
    latency = {n: export.measure_latency(classifier, texts, n, 200 if n == 1 else 40)._asdict() for n in (1, 32)}
    return dict(models=models, n=len(rows), recall=recall, latency=latency, megabytes=export.folder_megabytes(folder))
