import pytest

from softlabels.course import content
from softlabels.course.content import ContentError

HEADER = '[header]\ntitle = "T"\ngoals = ["g"]\nneeds = "n"\n'
QUIZ = """[quiz.q]
question = "?"
[[quiz.q.options]]
text = "a"
correct = true
feedback = "f"
[[quiz.q.options]]
text = "b"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("lesson", content.lessons())
def test_every_content_file_is_valid(lesson):
    found = content.load(lesson)
    assert found["header"]["title"]


@pytest.mark.parametrize("lesson", content.lessons())
def test_what_a_header_says_is_built_is_an_exercise(lesson):
    from softlabels.course.exercises import lesson_exercises

    builds, names = content.header(lesson).get("builds", []), [e.name for e in lesson_exercises(lesson)]
    assert builds == [name for name in names if name in builds]  # in the same order, and none that is not there


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[header", "not readable as TOML"),
        (HEADER.replace("needs", "need"), r"\[header\] lacks 'needs'"),
        (HEADER + "[quizz.q]\n", r"\[quizz\] is not one of"),
        (HEADER + QUIZ, r"\[quiz.q\] option 2 lacks 'feedback'"),
        (HEADER + QUIZ + 'feedback = ""\n', r"\[quiz.q\] option 2 'feedback' is empty"),
        (HEADER + QUIZ + 'feedback = "f"\ncorrect = true\n', "at least one not"),
        (HEADER + QUIZ.replace('"b"', '"a"') + 'feedback = "f"\n', "two of them are the same"),
        (HEADER + QUIZ.replace("true", '"yes"') + 'feedback = "f"\n', "option 1 'correct' must be a bool"),
        (HEADER + '[reflect.r]\nquestion = "q"\nrubric = []\nmodel = "m"\n', r"\[reflect.r\] 'rubric' is empty"),
        (HEADER + '[predict.p]\nquestion = "q"\noptions = ["only"]\n', r"\[predict.p\] options: 2 to 8"),
        (HEADER + '[[match.m.pairs]]\nitem = "i"\nrole = "r"\nfeedback = "f"\n', r"\[match.m\] lacks 'prompt'"),
        ("", r"\[header\] is missing"),
    ],
)
def test_an_error_names_the_file_and_the_key(folder, text, named):
    (folder / "lesson42.toml").write_text(text)
    with pytest.raises(ContentError, match=named) as caught:
        content.load("42")
    assert "lesson42.toml" in str(caught.value)


def test_lookups_help_with_misspelt_keys(folder):
    (folder / "lesson42.toml").write_text(HEADER + QUIZ.replace("quiz.q", "quiz.order") + 'feedback = "f"\n')
    assert content.entry("quiz", "42.order")["question"] == "?"
    with pytest.raises(ContentError, match=r"did you mean 42\.order"):
        content.entry("quiz", "42.oder")
    with pytest.raises(ContentError, match="has the form"):
        content.entry("quiz", "order")
    with pytest.raises(ContentError, match="no such content file"):
        content.entry("quiz", "43.order")
