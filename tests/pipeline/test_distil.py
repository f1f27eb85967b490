"""The whole way, from a table to a folder that runs without torch."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import venv

import pytest
import torch
from small import write_csv
from typer.testing import CliRunner

from softlabels import cli, distill, pipeline
from softlabels.pipeline import Limits, NothingFits, RunMismatch, Settings, Source, stages

QUICK = dict(epochs=6, learning_rate=1e-2, updates=60, student_rate=5e-3, max_pieces=16)
SIZES = ("teacher-2", "teacher-1")
LATER = ("soft-labels", "student-*", "candidates-*")


def settings(base, limits=None, **changes):
    return Settings(limits or Limits(5, 500), str(base), **{**QUICK, "students": 2, "sizes": SIZES, **changes})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("distilled")


@pytest.fixture(scope="module")
def outcome(place, small_base):
    said = []
    table = write_csv(place / "my_data.csv", rows=400)
    done = pipeline.distil(Source(table), settings(small_base), place / "my_data-model", say=said.append)
    return done, said


def test_the_folder_holds_what_it_takes(outcome):
    done, said = outcome
    names = ["labels.json", "model.onnx", "model_card.md", "predict.py", "tokenizer.json"]
    assert sorted(p.name for p in done.folder.iterdir()) == names
    assert json.loads((done.folder / "labels.json").read_text()) == ["animal", "food", "tool"]
    assert done.fits and "3 classes" in " ".join(said)
    # A toy, but neither teacher nor student may be at chance, or the tests below would compare noise.
    assert done.found["models"]["teacher"]["accuracy"] > 0.5
    assert done.found["models"]["student, as shipped"]["accuracy"] > 0.5


def predictions(python, folder, texts, *options, **environment):
    done = subprocess.run(
        [python, *options, str(folder / "predict.py"), *texts],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def expected(folder, texts):
    classify = distill.export.open_folder(folder)
    return [[label, f"{share:.4f}", text] for text in texts for label, share in [classify(text)]]


TEXTS = ["the old dog near a cat", "bread", "some small saw with rope", "zzz 99", "the soup of the wolf"]


def test_the_folder_runs_where_torch_and_this_package_are_not(outcome, tmp_path):
    """The same interpreter, with a hook that refuses to import anything else than the three packages it may need."""
    folder = shutil.copytree(outcome[0].folder, tmp_path / "elsewhere")
    site = tmp_path / "site"
    site.mkdir()
    (site / "run.py").write_text(
        "import runpy, sys\n"
        "absent = 'torch', 'transformers', 'softlabels', 'onnx', 'peft', 'safetensors', 'pandas'\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in absent:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", str(site / "run.py"), str(folder / "predict.py"), *TEXTS],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split("\t") for line in done.stdout.splitlines()] == expected(outcome[0].folder, TEXTS)


@pytest.mark.skipif(not os.environ.get("SOFTLABELS_SLOW"), reason="takes a minute: set SOFTLABELS_SLOW=1")
def test_the_folder_runs_in_an_environment_of_its_own(outcome, tmp_path):
    venv.create(tmp_path / "bare", with_pip=True)
    python = tmp_path / "bare" / ("Scripts" if os.name == "nt" else "bin") / "python"
    packages = ["onnxruntime", "tokenizers", "numpy"]
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode and re.search("connection|resolution|timed out|No matching", done.stderr, re.IGNORECASE):
        pytest.skip(f"no package index can be reached: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    assert subprocess.run([python, "-c", "import torch"], capture_output=True).returncode != 0
    folder = shutil.copytree(outcome[0].folder, tmp_path / "elsewhere")
    assert predictions(str(python), folder, TEXTS, "-I") == expected(outcome[0].folder, TEXTS)
    spoken = subprocess.run(
        [python, folder / "predict.py"], input="\n".join(TEXTS), capture_output=True, text=True, check=True
    )
    assert [line.split("\t") for line in spoken.stdout.splitlines()] == expected(outcome[0].folder, TEXTS)


def test_the_card_says_what_was_measured(outcome):
    done, _ = outcome
    card, found = (done.folder / "model_card.md").read_text(), done.found
    for name, m in found["models"].items():
        assert f"| {name} | {m['accuracy']:.1%} | {m['agreement']:.1%} | {m['ece']:.3f} | {m['nll']:.3f} |" in card
    for count, ms in found["latency"].items():
        assert f"| {count} | {ms['p50']:.2f} ms | {ms['p95']:.2f} ms |" in card
    size = sum((done.folder / n).stat().st_size for n in ("model.onnx", "tokenizer.json", "labels.json"))
    assert f"{size / 1e6:.2f} MB on disk" in card
    assert f"Test set: {found['n']} texts" in card and len(re.findall(r"\n\| (?:\*\*)?teacher-\d", card)) == 4
    assert all(f"\n| {name} |" in card for name in ("animal", "food", "tool", "train", "transfer"))


def test_what_is_shipped_was_measured_as_it_is_shipped(outcome, place):
    done, _ = outcome
    texts = json.loads((place / "my_data-model-run" / "data" / "texts.json").read_text())["2"]
    table = pipeline.read_table(Source(place / "my_data.csv"))
    labels = table.labels[table.split == 2]
    z = distill.export.exported_logits(distill.export.open_folder(done.folder), texts)
    assert distill.accuracy(z, torch.from_numpy(labels)) == done.found["models"]["student, as shipped"]["accuracy"]


def test_a_second_call_does_nothing_twice(outcome, place, small_base, monkeypatch):
    for name in ("finetune_teacher", "teacher_logits", "train"):
        monkeypatch.setattr(distill, name, lambda *a, **k: pytest.fail("it was done before"))
    said, source = [], Source(place / "my_data.csv")
    done = pipeline.distil(source, settings(small_base), place / "my_data-model", say=said.append)
    assert done.chosen == outcome[0].chosen and sum("(done before)" in line for line in said) == 8


def test_other_settings_or_other_data_are_refused(outcome, place, small_base, tmp_path):
    out, source = place / "my_data-model", Source(place / "my_data.csv")
    with pytest.raises(RunMismatch, match=r"seed was 0, is 1.*--fresh"):
        pipeline.distil(source, settings(small_base, seed=1), out)
    changed = Source(write_csv(tmp_path / "my_data.csv", rows=401))
    with pytest.raises(RunMismatch, match="data_sha256 was"):
        pipeline.distil(changed, settings(small_base), out)
    with pytest.raises(RunMismatch, match="not exported by this command"):
        pipeline.distil(source, settings(small_base), place)


def test_another_budget_goes_on_with_the_same_teacher(outcome, place, small_base, tmp_path, monkeypatch):
    for name in ("finetune_teacher", "teacher_logits", "train"):
        monkeypatch.setattr(distill, name, lambda *a, **k: pytest.fail("it was done before"))
    run, first = shutil.copytree(place / "my_data-model-run", tmp_path / "run"), outcome[0].chosen
    chosen = settings(small_base, Limits(4, 400), sizes=(first["size"],), students=1)
    done = pipeline.distil(Source(place / "my_data.csv"), chosen, tmp_path / "model", run_path=run)
    assert done.chosen["validation_accuracy"] == first["validation_accuracy"]


def test_a_run_that_is_stopped_goes_on_and_ends_the_same(outcome, place, small_base, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    run = shutil.copytree(place / "my_data-model-run", tmp_path / "run")
    for name in LATER:
        for stage in list(run.glob(name)):
            shutil.rmtree(stage)
    source = Source(place / "my_data.csv")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(distill, "train", stop)
        pipeline.distil(source, settings(small_base), tmp_path / "model", run_path=run)
    assert (run / "soft-labels").exists() and not (run / "student-teacher-2").exists()
    done = pipeline.distil(source, settings(small_base), tmp_path / "model", run_path=run)
    before = outcome[0].found["models"]
    for name in ("teacher", "student, before compression"):
        assert done.found["models"][name] == before[name]


def test_soft_labels_are_made_in_shards_that_a_stop_does_not_lose(outcome, place, small_base, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "SHARD", 150)
    run = shutil.copytree(place / "my_data-model-run", tmp_path / "run")
    for name in LATER:
        for stage in list(run.glob(name)):
            shutil.rmtree(stage)
    asked, real = [], distill.teacher_logits

    def count(teacher, tokens, **more):
        asked.append(len(tokens.offsets) - 1)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(teacher, tokens, **more)

    monkeypatch.setattr(distill, "teacher_logits", count)
    monkeypatch.setattr(pipeline, "learn", lambda *a: (_ for _ in ()).throw(ArithmeticError))
    source = Source(place / "my_data.csv")
    for stop in (KeyboardInterrupt, ArithmeticError):
        with pytest.raises(stop):
            pipeline.distil(source, settings(small_base), tmp_path / "model", run_path=run)
    assert asked == [150, 150, 150, 100]  # the first is not asked again


@pytest.mark.parametrize("limits", [Limits(0.01, 500), Limits(5, 1e-4)])
def test_when_nothing_fits_it_is_said_before_anything_is_trained(small_base, table, tmp_path, limits, monkeypatch):
    monkeypatch.setattr(distill, "finetune_teacher", lambda *a, **k: pytest.fail("too late"))
    with pytest.raises(NothingFits, match=r"The nearest is teacher-1.*times the tighter limit.*--best-effort"):
        pipeline.distil(Source(table), settings(small_base, limits, sizes=("teacher-1",)), tmp_path / "model")


def test_choosing():
    def row(accuracy, megabytes, ms):
        return dict(validation_accuracy=accuracy, megabytes=megabytes, p50_ms=ms, size="s", words=1234, kind="int8")

    rows = [row(0.9, 20, 1), row(0.8, 5, 1), row(0.8, 4, 1), row(0.7, 1, 1)]
    assert stages.choose(rows, Limits(10, 5), False) is rows[2]
    assert stages.choose(rows, Limits(None, 5), False) is rows[0]
    assert stages.choose(rows, Limits(0.5), True) is rows[3]
    with pytest.raises(NothingFits, match=r"s, int8, 1,234 word pieces: 1.00 MB and 1.00 ms, 2.00 times"):
        stages.choose(rows, Limits(0.5), False)


def invoke(*words):
    return CliRunner().invoke(cli.app, ["distil", *map(str, words)])


def test_the_command(outcome, place, small_base, monkeypatch):
    asked = []

    def fake(source, chosen, out, **more):
        asked.append((source, chosen, out, more))
        return dataclasses.replace(outcome[0], fits=len(asked) == 1)

    monkeypatch.setattr(pipeline, "distil", fake)
    data = place / "my_data.csv"
    done = invoke(data, "--budget", "5 MB, 2ms", "--text", "gloss", "--size", "2x128", "--run", place / "r", "--fresh")
    assert done.exit_code == 0 and "model_card.md" in done.output and "teacher" in done.output
    source, chosen, out, more = asked[0]
    assert source == Source(data, "gloss") and out.name == "my_data-model"
    assert chosen == Settings(Limits(5, 2), sizes=("2x128",)) and more["fresh"] and more["run_path"] == place / "r"
    missed = invoke(data, "--budget", "5MB", "--best-effort")
    assert missed.exit_code == 0 and "does not keep the budget of 5 MB" in missed.output
    assert invoke(data, "--budget", "5MB").exit_code == 2


@pytest.mark.parametrize(
    "error, code, words",
    [
        (KeyboardInterrupt(), 130, "To go on: softlabels"),
        (NothingFits("No student fits"), 2, "No student fits"),
        (RunMismatch("begun with something else"), 1, "begun with something else"),
        (pipeline.TableError("no labels"), 1, "no labels"),
        (pipeline.BaseError("no BERT"), 1, "no BERT"),
    ],
)
def test_the_command_ends_in_words_and_a_number(monkeypatch, table, error, code, words):
    def fail(*args, **more):
        raise error

    monkeypatch.setattr(pipeline, "distil", fail)
    done = invoke(table, "--budget", "5MB")
    assert done.exit_code == code and words in done.output and "Traceback" not in done.output


def test_a_budget_that_cannot_be_read(table):
    done = invoke(table, "--budget", "5 elephants")
    assert done.exit_code == 1 and "elephants" in done.output


@pytest.fixture
def job(table, small_base, tmp_path):
    chosen = settings(small_base, sizes=())
    with pipeline.begin(pipeline.read_table(Source(table)), chosen, tmp_path / "run") as job:
        yield job


def test_as_many_word_pieces_are_kept_as_the_budget_has_room_for(job, tmp_path):
    data, shape = pipeline.prepare(job), stages.ladder(job.base, job.settings)["teacher-1"]
    measure = lambda megabytes: stages.measure_forms(shape, data, Limits(megabytes), tmp_path, 0)  # noqa: E731
    least, own, everything = measure(1e-6), len(data.own), data.tokenizer.get_vocab_size()
    assert own < everything - 2, "the base knows words that no text has"
    assert [form["words"] for form in least.values()] == [own, own]
    assert [form["words"] for form in measure(None).values()] == [everything] * 2
    each = (4 * shape.width + stages.entry_bytes(data.tokenizer)) / 1e6
    room = measure((least["fp32"]["megabytes"] + 1.5 * each) / stages.SPARE)
    assert room["fp32"]["words"] == own + 1
    student = distill.make_student(shape, 3, 0, everything)
    for most, known in ((own + 1, own + 1), (10_000, everything)):
        form = stages.export_candidate(student, data, most, "fp32", tmp_path / f"{most}")
        assert form["words"] == known and form["gap"] < 1e-4


def test_narrow_students_begin_with_the_teachers_words(job, monkeypatch):
    narrow = distill.SmallBertConfig(layers=1, width=16, heads=2, inner=32, pooling="cls", max_length=64)
    monkeypatch.setitem(stages.NARROW, "1x16", narrow)
    job.settings = dataclasses.replace(job.settings, sizes=("1x16", "2x128"))
    data = pipeline.prepare(job)
    teacher = pipeline.teach(job, data)
    words = teacher.model.words.weight + teacher.model.segments.weight[0]
    near = stages.build_student(job, data, teacher, "1x16").words.weight @ torch.linalg.svd(words)[2][:16]
    assert (near - words).norm() < 0.75 * words.norm(), "of 32 directions it has the 16 that say most"
    assert stages.build_student(job, data, teacher, "2x128").config.width == 128  # wider than its teacher: at random


def test_a_cell_that_runs_twice_goes_on_with_its_own_run(job, tmp_path):
    again = pipeline.begin(job.table, job.settings, tmp_path / "run")
    with pytest.raises(RunMismatch, match="seed was 0, is 1"):
        pipeline.begin(job.table, dataclasses.replace(job.settings, seed=1), tmp_path / "run")
    again.close()


def test_a_runs_name_tells_data_and_settings_apart_but_not_budgets(job, tmp_path):
    name = pipeline.run_name(job.table, job.settings)
    assert name.startswith("my_data-run-")
    other = dataclasses.replace(job.settings, limits=Limits(1), students=1)
    assert pipeline.run_name(job.table, other) == name
    assert pipeline.run_name(job.table, dataclasses.replace(job.settings, epochs=7)) != name
    moved = pipeline.read_table(Source(write_csv(tmp_path / "my_data.csv", rows=301)))
    assert pipeline.run_name(moved, job.settings) != name


def test_bars_can_be_hidden(table, small_base, tmp_path):
    """TQDM_DISABLE=1 hides every bar of a run; without it there are some."""
    code = f"""
from pathlib import Path
from softlabels import pipeline
chosen = pipeline.Settings(pipeline.parse_limits("5MB"), {str(small_base)!r}, epochs=1, updates=5, sizes=("teacher-1",))
pipeline.distil(pipeline.Source(Path({str(table)!r})), chosen, Path("model"), say=lambda line: None)
"""
    bars = []
    shown = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    for name, environment in {"shown": shown, "hidden": {**shown, "TQDM_DISABLE": "1"}}.items():
        (tmp_path / name).mkdir()
        done = subprocess.run(
            [sys.executable, "-Wignore", "-c", code],
            capture_output=True,
            text=True,
            cwd=tmp_path / name,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        bars.append("%|" in done.stderr)
    assert bars == [True, False]
