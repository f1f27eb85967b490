"""From solutions to lessons: on a small solution of the test's own, and on every solution that the course has."""

import ast
import base64
import inspect
import os

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from typer.testing import CliRunner

from softlabels import cli
from softlabels.course import build as builder
from softlabels.course import cases, content, rules
from softlabels.course.build import BuildError, build, release
from softlabels.course.execute import source_sha256, tidy
from softlabels.course.exercises import all_exercises, find
from softlabels.course.expand import answer
from softlabels.tasks import home

NAME = "soften"
ANSWER = inspect.getsource(find(NAME).reference)
LESSON = find(NAME).lesson
FILE = f"{LESSON}_sample.ipynb"


def marks(grade_id, *, solution=False, grade=False, points=None):
    marks = {
        "grade_id": grade_id,
        "schema_version": 3,
        "solution": solution,
        "grade": grade,
        "locked": grade,
        "task": False,
    }
    return {"nbgrader": {**marks, **({"points": points} if points else {})}}


def solved(source: str) -> str:
    """A reference's source as an exercise cell has it: the body between nbgrader's marks."""
    node = ast.parse(source).body[0]
    lines = source.splitlines()
    head = node.body[0].end_lineno
    inside = ["    ### BEGIN SOLUTION", *lines[head:], "    ### END SOLUTION"]
    return "\n".join(["import math", "import torch", "from torch import Tensor", "", *lines[:head], *inside, ""])


def sample() -> nbformat.NotebookNode:
    cells = [
        new_markdown_cell("# A sample\n\n<!-- header -->", id="header"),
        new_code_cell("from softlabels.course import check, points", id="imports"),
        new_code_cell(
            solved(ANSWER) + f"\n{NAME} = check({NAME})", id="exercise", metadata=marks("exercise", solution=True)
        ),
        new_markdown_cell(f"<!-- hints: {NAME} -->", id="help"),
        new_code_cell(
            f'points("{NAME}")\n### BEGIN HIDDEN TESTS\nassert True, "hidden"\n### END HIDDEN TESTS',
            id="grade",
            metadata=marks("grade", grade=True, points=find(NAME).points),
        ),
    ]
    nb = new_notebook(cells=cells, metadata={"language_info": {"name": "python", "version": "3.11.7"}})
    nb.metadata["widgets"] = {"state": 1}
    cells[1].metadata.update(execution={"iopub.status.busy": "2026"}, collapsed=True, tags=["nbval-check-output"])
    return nb


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTLABELS_HOME", str(tmp_path))
    (tmp_path / "solutions").mkdir()
    save(tmp_path, sample())
    return tmp_path


def save(root, nb, name=FILE):
    nbformat.write(nb, root / "solutions" / name)


def lesson(root):
    return nbformat.read(root / "lessons" / FILE, as_version=4)


def test_a_lesson_holds_the_stub_the_help_and_no_answer_outside_its_fold(root):
    assert build(root=root).written == [f"lessons/{FILE}"]
    cells = {cell.id: cell for cell in lesson(root).cells}
    stub = cells["exercise"].source
    assert "...  # YOUR CODE HERE" in stub and f"{NAME} = check({NAME})" in stub and "SOLUTION" not in stub
    assert "torch.exp" not in stub
    assert "hidden" not in cells["grade"].source and f'points("{NAME}")' in cells["grade"].source
    help_ = cells["help"].source
    assert help_.count("<details>") == help_.count("</details>") == 4
    assert "Hint 1: a question" in help_ and find(NAME).hints[0].strip() in help_
    assert "```python\ndef soften" in help_ and "torch.exp" in help_ and "BEGIN" not in help_ and "check(" not in help_
    head = cells["header"].source
    assert content.header(LESSON)["title"] in head and "<!--" not in head
    for goal in content.header(LESSON)["goals"]:
        assert goal in head
    assert all(not cell.get("outputs") for cell in cells.values())


def test_a_class_may_leave_the_solutions_out(root):
    text = release(root / "solutions" / FILE, solutions=False)
    assert "<summary>Hint 3" in text and "<summary>Solution" not in text and "torch.exp" not in text


def test_metadata_are_a_white_list_and_ids_are_kept(root):
    build(root=root)
    nb = lesson(root)
    assert [cell.id for cell in nb.cells] == [cell.id for cell in sample().cells]
    assert set(nb.metadata) == {"kernelspec", "language_info"} and "version" not in nb.metadata.language_info
    assert nb.cells[1].metadata == {"tags": ["nbval-check-output"]}
    assert nb.cells[4].metadata["deletable"] is False


def test_the_same_files_make_the_same_bytes(root):
    build(root=root)
    first = (root / "lessons" / FILE).read_bytes()
    assert build(root=root).written == []
    nb = sample()
    nb.cells[1].execution_count = 7
    nb.cells[1].outputs = [new_output("stream", text="executed elsewhere\n")]
    save(root, nb)
    build(root=root)
    assert (root / "lessons" / FILE).read_bytes() == first and first.endswith(b"}\n")


def run(nb, folder):
    NotebookClient(nb, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute(
        env={**os.environ, "SOFTLABELS_HOME": str(home.root())}
    )
    return {cell.id: cell for cell in nb.cells}


def test_an_unsolved_lesson_runs_and_earns_nothing_and_its_solution_earns_all(root, monkeypatch):
    from nbgrader.utils import determine_grade

    build(root=root)
    nb, worth = lesson(root), float(find(NAME).points)
    monkeypatch.delenv("SOFTLABELS_HOME")
    cells = run(nb, root)
    assert determine_grade(cells["grade"]) == (0.0, worth)
    assert "Not attempted" in cells["exercise"].outputs[0]["data"]["text/html"]
    cells = run(sample(), root)
    assert determine_grade(cells["grade"]) == (worth, worth)


def test_execute_keeps_tidy_outputs_measures_and_runs_only_what_changed(root, monkeypatch):
    nb = sample()
    nb.cells[1].source += "\nimport sys; print('out'); print('warning', file=sys.stderr); print('more')"
    save(root, nb)
    report = build(run=True, root=root)
    assert report.executed == [f"solutions/{FILE}"]
    done = nbformat.read(root / "solutions" / FILE, as_version=4)
    assert done.metadata["softlabels"]["source_sha256"] == source_sha256(done)
    assert "<!-- header -->" in done.cells[0].source and "widgets" not in done.metadata
    assert [c.execution_count for c in done.cells if c.cell_type == "code"] == [1, 2, 3]
    assert [o.text for o in done.cells[1].outputs] == ["out\nmore\n"]
    assert "execution" not in done.cells[1].metadata
    assert "Correct" in done.cells[2].outputs[0]["data"]["text/html"]
    (row,) = builder._rows(root).values()
    assert row["lesson"] == LESSON and float(row["run_seconds"]) >= float(row["slowest_cell_seconds"]) > 0
    assert int(row["minutes"]) % 5 == 0 and f"about {row['minutes']} minutes" in lesson(root).cells[0].source
    before = (root / "solutions" / FILE).read_bytes()
    assert build(run=True, root=root).executed == [] and (root / "solutions" / FILE).read_bytes() == before
    assert not (root / "work").exists()  # the author's own record is left alone


def as_executed(root):
    nb = nbformat.read(root / "solutions" / FILE, as_version=4)
    nb.metadata["softlabels"] = {"source_sha256": source_sha256(nb)}
    save(root, nb)


def test_check_names_what_is_stale_and_writes_nothing(root):
    as_executed(root)
    build(root=root)
    assert build(check=True, root=root).stale == []
    nb = nbformat.read(root / "solutions" / FILE, as_version=4)
    nb.cells[0].source += "\nchanged"
    save(root, nb)
    (root / "lessons" / "77_orphan.ipynb").write_text("{}")
    before = (root / "lessons" / FILE).read_bytes()
    stale = build(check=True, root=root).stale
    assert [line.split(":")[0] for line in stale] == [f"solutions/{FILE}", f"lessons/{FILE}", "lessons/77_orphan.ipynb"]
    assert (root / "lessons" / FILE).read_bytes() == before
    result = CliRunner().invoke(cli.app, ["build", "--check"])
    assert result.exit_code == 1 and f"stale: lessons/{FILE}" in result.output
    (root / "lessons" / "77_orphan.ipynb").unlink()
    as_executed(root)
    assert CliRunner().invoke(cli.app, ["build"]).exit_code == 0
    assert CliRunner().invoke(cli.app, ["build", "--check", LESSON]).exit_code == 0


def test_a_failing_cell_is_named(root):
    nb = sample()
    nb.cells[1].source = "raise RuntimeError('of this cell')"
    save(root, nb)
    with pytest.raises(BuildError, match=r"(?s)cell 'imports' failed:.*of this cell"):
        build(run=True, root=root)


def _change(**changes):
    def apply(nb):
        for id_, source in changes.items():
            next(c for c in nb.cells if c.id == id_).source = source

    return apply


def _unmark(nb):
    nb.cells[2].metadata = nbformat.from_dict({})


def _same_grade_id(nb):
    nb.cells[4].metadata.nbgrader.grade_id = "exercise"


def _many(nb):
    nb.cells += [new_markdown_cell("x", id=f"x{n}") for n in range(rules.MAX_CELLS)]


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (_change(exercise="### BEGIN SOLUTION\nx = 1"), "cell 'exercise', line 1: BEGIN SOLUTION without an END"),
        (_change(exercise="x = 1\n### END SOLUTION"), "cell 'exercise', line 2: END SOLUTION without a BEGIN"),
        (
            _change(exercise="### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"),
            "inside the one that began in line 1",
        ),
        (_change(grade="### BEGIN HIDDEN TESTS"), "BEGIN HIDDEN TESTS without"),
        (_unmark, "cell 'exercise': it holds a solution"),
        (_change(help="<!-- hints: softn -->"), "cell 'help': .*did you mean 'soften'"),
        (_change(help="<!-- hint soften -->"), "broken marker"),
        (_change(help="<!-- hints -->"), "broken marker"),
        (_change(help="<!-- hints: entropy_bits -->"), "no solution cell defines `entropy_bits`"),
        (_change(help="![](picture.png)"), "without a description"),
        (_change(help="![ ](picture.png)"), "without a description"),
        (_change(help='<img src="a.png">'), "without a description"),
        (_change(help='<img src="a.png" alt="">'), "without a description"),
        (_same_grade_id, "grade_id 'exercise' occurs more than once"),
        (_many, "30 cells; a lesson has at most 25"),
    ],
)
def test_a_broken_solution_is_refused_by_name(root, break_it, message):
    nb = sample()
    break_it(nb)
    save(root, nb)
    with pytest.raises(BuildError, match=message) as caught:
        build(root=root)
    assert FILE.removesuffix(".ipynb") in str(caught.value)
    assert not (root / "lessons").exists()


def test_repeated_cell_ids_are_refused():
    nb = sample()
    nb.cells[1]["id"] = "header"
    with pytest.raises(BuildError, match="cell id 'header' occurs more than once"):
        rules.check_source(nb, "x")


def test_described_pictures_and_code_that_mentions_them_pass():
    nb = sample()
    nb.cells[0].source = '![a hill](a.png) <img alt="a hill" src="b.png"> `![](x)`\n\n```\n![](x)\n```'
    rules.check_source(nb, "x")


def png(size):
    return base64.b64encode(b"\x89PNG" + os.urandom(size - 4)).decode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"image/png": png(61_000)}, "cell 'c': a picture has 61 kB"),
        ({"text/html": f'<img alt="a hill" src="data:image/png;base64,{png(61_000)}">'}, "a picture has 61 kB"),
        ({"text/html": '<img src="x.png">'}, "without a description"),
        ({"text/plain": "<Thing object at 0x7f11eb7662a0>"}, "memory address"),
        ({"text/plain": "/home/someone/clone/data"}, "path of this machine"),
    ],
)
def test_outputs_that_do_not_belong_in_a_clone_are_refused(data, message):
    nb = new_notebook(cells=[new_code_cell("x", id="c", outputs=[new_output("display_data", data=data)])])
    with pytest.raises(BuildError, match=message):
        rules.check_outputs(nb, "02_x", private=("/home/someone/",))


def test_good_outputs_pass():
    data = {"image/png": png(59_000), "text/plain": "<Figure size 640x480 with 1 Axes>", "text/html": "<b>x</b>"}
    nb = new_notebook(cells=[new_code_cell("x", id="c", outputs=[new_output("display_data", data=data)])])
    rules.check_outputs(nb, "02_x", private=("/home/someone/",))


def test_tidy_drops_bars_and_dead_views_and_joins_prints():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    outputs = [
        new_output("display_data", data={**view, "text/plain": "  0%|          | 0/20"}),
        new_output("display_data", data={**view, "text/plain": "Which?", "text/html": "<b>Which?</b>"}),
        new_output("stream", text="10%|#\r100%|##########\rdone\n"),
        new_output("stream", text="next\n"),
        new_output("stream", name="stderr", text="warning"),
        new_output("execute_result", data={"text/plain": "3"}, execution_count=41),
    ]
    nb = new_notebook(cells=[new_code_cell("x", id="c", outputs=outputs, execution_count=41)])
    tidy(nb)
    kept = nb.cells[0].outputs
    assert [o.output_type for o in kept] == ["display_data", "stream", "execute_result"]
    assert set(kept[0].data) == {"text/plain", "text/html"}
    assert kept[1].text == "done\nnext\n"
    assert kept[2].execution_count == nb.cells[0].execution_count == 1


def test_without_nbgrader_the_error_says_how_to_get_it(root, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nbgrader", None)
    with pytest.raises(BuildError, match="teach"):
        build(root=root)


def test_unknown_names_are_refused(root):
    with pytest.raises(BuildError, match=f"no solution is called '98'; there are: {LESSON}_sample"):
        build(["98"], root=root)


# --- the course itself ------------------------------------------------------------------------------------------------

COURSE = home.root()
SOLUTIONS = builder.solutions(root=COURSE)


def test_the_course_is_built():
    assert build(check=True, root=COURSE).stale == []


@pytest.mark.parametrize("file", SOLUTIONS, ids=lambda f: f.stem)
def test_every_answer_is_the_librarys_function(file):
    """The book and the library cannot drift: the two syntax trees are equal, docstrings aside."""
    nb = nbformat.read(file, as_version=4)
    for exercise in all_exercises():
        if exercise.lesson == file.name[:2]:
            taught, _ = answer(nb, exercise.name)
            library = ast.parse(inspect.getsource(exercise.reference)).body[0]
            assert _tree(taught) == _tree(library), f"{file.name}: {exercise.name}"


def _tree(node: ast.FunctionDef) -> str:
    if ast.get_docstring(node) is not None:
        node.body = node.body[1:]
    return ast.dump(node, indent=1)


@pytest.mark.parametrize("file", SOLUTIONS, ids=lambda f: f.stem)
def test_every_exercise_is_graded_once_and_by_its_own_points(file):
    graded = []

    def earned(*names):  # as if all of it were correct
        graded.extend(names)
        return sum(find(name).points for name in names)

    for cell in nbformat.read(file, as_version=4).cells:
        mark = cell.metadata.get("nbgrader", {})
        if mark.get("grade") and cell.cell_type == "code":
            *before, last = ast.parse(cell.source).body
            names = {"points": earned}
            exec(compile(ast.Module(before, []), cell.id, "exec"), names)
            total = eval(compile(ast.Expression(last.value), cell.id, "eval"), names)
            assert total == mark["points"], (
                f"{cell.id}: {total} points can be earned, the cell's mark says {mark['points']}"
            )
    assert sorted(graded) == sorted(e.name for e in all_exercises() if e.lesson == file.name[:2])


def test_a_case_is_read_too():
    letters = sum(len(cases.case(key).letter.split()) for key in cases.keys())
    empty = new_notebook()
    assert builder.reading_minutes(empty, "12") > letters / 200
    assert builder.reading_minutes(empty, "no such lesson") == 0
