"""The house is in order: documents agree with the code, links lead somewhere, imports point down."""

import ast
import csv
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"pytorch": "torch"}
COURSE_NAMES = {"jupyterlab", "torch", "transformers", "matplotlib", "ipywidgets", "nbval"}


def requirement(line: str) -> tuple[str, str]:
    name, bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*(.*)", line).groups()
    return CONDA_NAMES.get(name, name), bounds.replace(" ", "")


def declared() -> dict[str, str]:
    lines = list(PROJECT["dependencies"])
    for extra in PROJECT["optional-dependencies"].values():
        lines += [line for line in extra if not line.startswith("softlabels[")]
    return dict(requirement(line) for line in lines)


def tracked(pattern: str) -> list[Path]:
    names = subprocess.run(["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split()]


def test_environment_yml_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    plain = [item for item in environment["dependencies"] if isinstance(item, str)]
    assert plain[0] == "python=3.11", "repo2docker reads the Python version only in this form"
    packages = dict(requirement(item) for item in plain[1:] if item != "pip")
    assert set(packages) == COURSE_NAMES
    for name, bounds in packages.items():
        assert declared()[name] == bounds, f"{name}: environment.yml says {bounds}, pyproject.toml {declared()[name]}"
    assert {"pip": ["-e ."]} in environment["dependencies"]


def test_every_requirement_has_bounds_and_a_reason():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name in declared():
        line = next(line for line in text.splitlines() if line.strip().startswith(f'"{name}>'))
        assert re.search(rf'"{name}>=[\d.]+,<[\d.]+",\s+# \S', line), (
            f"{name} needs a lower and an upper bound and a reason"
        )


def test_links_in_documents_lead_somewhere():
    for page in tracked("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not re.match(r"https?:", target):
                assert (page.parent / target).exists(), (
                    f"{page.relative_to(ROOT)} links to {target}, which is not there"
                )


def test_readme_lists_exactly_the_lessons_that_exist():
    listed = re.findall(r"\]\((lessons/[^)]+\.ipynb)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(str(path.relative_to(ROOT)) for path in (ROOT / "lessons").glob("*.ipynb"))
    assert [Path(name).name for name in listed] == sorted(path.name for path in (ROOT / "solutions").glob("*.ipynb"))


def test_the_map_in_lesson_00_links_every_other_lesson_that_exists():
    lessons = sorted(path.name for path in (ROOT / "lessons").glob("*.ipynb"))
    first = json.loads((ROOT / "lessons" / lessons[0]).read_text(encoding="utf-8"))
    table = next(text for cell in first["cells"] if "| lesson |" in (text := "".join(cell["source"])))
    assert re.findall(r"\]\(([^)]+\.ipynb)\)", table) == lessons[1:]


ALLOWED = {
    "distill": {"distill"},
    "tasks": {"tasks"},
    "widgets": {"widgets", "distill"},
    "experiments": {"experiments", "distill", "tasks"},
    "pipeline": {"pipeline", "distill", "tasks"},
    "course": {"course", "widgets", "distill", "tasks"},
}


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_point_down(room):
    for path in (ROOT / "softlabels" / room).rglob("*.py"):
        package = ["softlabels", *path.relative_to(ROOT / "softlabels").parts[:-1]]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                names = [f"{module}.{alias.name}" if module == "softlabels" else module for alias in node.names]
            for name in names:
                if name.startswith("softlabels."):
                    assert name.split(".")[1] in ALLOWED[room], f"{path.relative_to(ROOT)} imports {name}"


def test_nothing_is_unpickled():
    for path in tracked("softlabels/*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\bpickle\b|torch\.load\(|allow_pickle\s*=\s*True|joblib\.load", text), path


def test_no_tracked_file_is_large():
    for path in tracked("*"):
        if path.is_file():
            assert path.stat().st_size < 8_400_000, f"{path.relative_to(ROOT)} is {path.stat().st_size / 1e6:.1f} MB"


def test_readme_tells_the_truth_about_its_first_example():
    from softlabels import distill, tasks

    text = "seed of the celery plant used as seasoning"
    assert text in (ROOT / "README.md").read_text(encoding="utf-8")
    task = tasks.load("wordnet")
    glosses = task.split("transfer", show_labels=True)  # a text that the teacher has not trained on
    row = list(glosses.texts).index(text)
    assert task.classes[glosses.labels[row]] == "food"
    cache = distill.SoftLabelCache.load(tasks.home.soft_labels_file("wordnet"), expect=task)
    probs = distill.soften(cache.logits_for(glosses.ids[[row]])[0], temperature=1.0)
    first, second = probs.argsort(descending=True)[:2].tolist()
    assert (task.classes[first], task.classes[second]) == ("plant", "food")
    assert probs[first] - probs[second] < 0.15, "nearly as much"


def test_teacher_card_agrees_with_its_results():
    card = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    teachers = sorted(path.name for path in (ROOT / "data" / "teachers").iterdir())
    for name in teachers:
        with open(ROOT / "data" / "results" / f"soft-labels-{name}.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 4
        for row in rows:
            first = f"{row['split']}[^|]*" if name == "wordnet" else rf"{name} \| {row['split']} "
            if name == "reverse_dictionary":
                figures = f"{float(row['mrr']):.3f} | {float(row['first']):.1%} |"
            else:
                figures = f"{float(row['accuracy']):.1%} | {float(row['nll']):.3f} | {float(row['ece']):.3f} |"
            numbers = re.escape(f"| {int(row['examples']):,} | {figures}")
            assert re.search(rf"^\| {first}{numbers}$", card, re.MULTILINE), (name, row["split"])


def test_every_teacher_is_the_one_of_its_soft_labels():
    from softlabels import distill, tasks
    from softlabels.experiments.clinic_ranker import scores_of

    tasks_of = {path.name: path.name.removesuffix("-500") for path in (ROOT / "data" / "teachers").iterdir()}
    assert {f"{name}.safetensors" for name in tasks_of} == {
        path.name for path in (ROOT / "data" / "soft_labels").iterdir()
    }
    for name, task in tasks_of.items():
        teacher = distill.load_teacher(tasks.base_model(), tasks.home.teacher_dir(name))
        if task == "reverse_dictionary":
            cache = scores_of(tasks.load_ranking(task))
        else:
            cache = distill.SoftLabelCache.load(tasks.home.soft_labels_file(name), expect=tasks.load(task))
        assert cache.manifest.teacher_sha256 == teacher.sha256, name


def test_card_of_results_lists_every_run():
    card = (ROOT / "data" / "README.md").read_text(encoding="utf-8").split("## data/results")[1]
    told = dict(re.findall(r"^\| `([a-z0-9-]+)` \|.*\| (\d+) \| [^|]+\|$", card, re.MULTILINE))
    found = {}
    for path in (ROOT / "data" / "results").glob("*.csv"):
        frame = pd.read_csv(path)
        if {"arm", "seed"} <= set(frame):
            found[path.stem] = str(len(frame[["arm", "seed"]].drop_duplicates()))
    several = re.compile("teacher-|soft-labels-|clinic-[a-z]+-pilot")  # told together
    assert told == {name: runs for name, runs in found.items() if not several.match(name)}


def test_readme_results_agree_with_the_run():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    frame = pd.read_csv(ROOT / "data" / "results" / "first-look.csv")
    assert frame.groupby("arm")["seed"].nunique().eq(5).all()
    for arm, row in frame.groupby("arm")[["accuracy", "nll", "agreement"]].mean().iterrows():
        numbers = f"| {row['accuracy']:.1%} | {row['nll']:.2f} | {row['agreement']:.1%} |"
        assert numbers in readme, f"{arm}: {numbers}"
