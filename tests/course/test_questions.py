"""Quizzes and their kin, worked through their widgets as a learner's kernel would."""

import json

import pytest
from bundles import assert_reads_well

from softlabels.course import content, predict, progress, quiz, recall, record, reflect
from softlabels.course import match as make_match
from softlabels.course.card import Card
from softlabels.course.exercises import all_exercises
from softlabels.course.hints import hint

TOML = """
[header]
title = "A lesson"
goals = ["g"]
needs = "n"

[quiz.one]
question = "Which of `a` and **b**?"
[[quiz.one.options]]
text = "the right one"
correct = true
feedback = "feedback right"
[[quiz.one.options]]
text = "the wrong one"
feedback = "feedback wrong"

[quiz.many]
question = "Which two?"
[[quiz.many.options]]
text = "p"
correct = true
feedback = "feedback p"
[[quiz.many.options]]
text = "q"
correct = true
feedback = "feedback q"
[[quiz.many.options]]
text = "r"
feedback = "feedback r"

[match.roles]
prompt = "Who does what?"
[[match.roles.pairs]]
item = "teacher"
role = "teaches"
feedback = "feedback teacher"
[[match.roles.pairs]]
item = "student"
role = "learns"
feedback = "feedback student"

[reflect.why]
question = "Why?"
rubric = ["says one thing", "says another"]
model = "the model answer"

[predict.second]
question = "Which comes second?"
options = ["x", "y"]
"""


@pytest.fixture(autouse=True)
def lesson(tmp_path, monkeypatch):
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / "lesson42.toml").write_text(TOML)
    monkeypatch.setattr(content, "FOLDER", folder)


def test_a_quiz_gives_the_feedback_of_what_is_chosen():
    one = quiz("42.one")
    one.button.click()
    assert "Choose an option first" in one.said.value and record.load()["quizzes"] == {}
    one.options.value = 1
    one.button.click()
    assert "Not this one" in one.said.value and "feedback wrong" in one.said.value
    assert "feedback right" not in one.said.value
    one.options.value = 0
    one.button.click()
    assert "Correct" in one.said.value and "feedback right" in one.said.value
    kept = record.load()["quizzes"]["42.one"]
    assert kept["correct"] and not kept["first_try"] and kept["attempts"] == 2


def test_a_quiz_with_two_right_options_wants_both():
    many = quiz("42.many")
    many.options[0].value = True
    many.button.click()
    assert "not yet all of it" in many.said.value and not record.load()["quizzes"]["42.many"]["correct"]
    many.options[2].value = True
    many.button.click()
    assert "Not quite" in many.said.value and "feedback r" in many.said.value
    many.options[1].value, many.options[2].value = True, False
    many.button.click()
    assert "Correct" in many.said.value


def test_a_match_marks_every_row():
    roles = make_match("42.roles")
    roles.button.click()
    assert "Choose a role first" in roles.said.value
    roles.rows[0].value, roles.rows[1].value = "teaches", "teaches"
    roles.button.click()
    assert "feedback teacher" in roles.marks[0].value
    assert "Not this one" in roles.marks[1].value and "feedback student" not in roles.marks[1].value
    assert "1 of 2" in roles.said.value
    roles.rows[1].value = "learns"
    roles.button.click()
    assert record.load()["matches"]["42.roles"]["correct"]


def test_a_reflection_shows_the_model_answer_only_after_writing():
    why = reflect("42.why")
    why.button.click()
    assert "Write a sentence" in why.said.value and not why.after.children
    why.text.value = "Because the teacher's second thoughts tell the student more."
    why.button.click()
    assert "the model answer" in why.after.children[-1].value
    why.ticks[1].value = True
    kept = record.load()["reflections"]["42.why"]
    assert kept["ticked"] == [1] and kept["text"].startswith("Because")
    again = reflect("42.why")
    assert again.text.value.startswith("Because") and again.ticks[1].value and not again.after.children


def test_a_prediction_is_kept_and_recalled():
    assert "kept no prediction" in repr(recall("42.second"))
    second = predict("42.second")
    second.options.value = "y"
    second.options.value = "x"
    assert "You predicted: x" in repr(recall("42.second")) and "You predicted: x" in recall("42.second")._repr_html_()
    assert predict("42.second").options.value == "x"


@pytest.mark.parametrize(
    ("make", "asked", "answers"),
    [
        (lambda: quiz("42.one"), ["the right one", "the wrong one"], ["feedback", "correct"]),
        (lambda: make_match("42.roles"), ["teacher", "teaches", "learns"], ["feedback", "teacher: teaches"]),
        (lambda: reflect("42.why"), ["Why?"], ["the model answer", "says one thing"]),
        (lambda: predict("42.second"), ["x", "y"], []),
    ],
    ids=["quiz", "match", "reflect", "predict"],
)
def test_without_a_kernel_the_question_reads_well_and_leaks_nothing(make, asked, answers):
    bundle = make()._repr_mimebundle_()
    assert_reads_well(bundle, asked, answers)
    assert bundle["text/plain"] == make()._repr_mimebundle_()["text/plain"]


def test_trouble_with_the_record_is_said_in_the_widget(work):
    work.write_text("a file where the folder should be")
    one = quiz("42.one")
    one.options.value = 0
    one.button.click()
    assert "Correct" in one.said.value and "could not be saved" in one.said.value


# --- hints and the card -----------------------------------------------------------------------------------------------

EXERCISE = all_exercises()[0]


def test_the_hint_ladder_climbs_one_step_a_call_and_is_recorded():
    for step in (1, 2, 3, 3):
        shown = repr(hint(EXERCISE.name))
        assert shown.count("\n1. a question") == 1
        assert ("2. the formula" in shown) == (step >= 2) and ("3. pseudocode" in shown) == (step >= 3)
        assert record.load()["hints"][EXERCISE.name]["used"] == step
    assert "2. the formula" not in repr(hint(EXERCISE.name, 1))
    assert record.load()["hints"][EXERCISE.name]["used"] == 3
    with pytest.raises(ValueError, match="1 to 3"):
        hint(EXERCISE.name, 4)


def test_the_card_shows_what_is_done_and_what_to_do_again():
    record.save("checks", EXERCISE.name, {"outcome": "wrong", "mistake": "m"})
    record.save("quizzes", "42.one", {"correct": False})
    record.save("quizzes", "42.many", {"correct": True})
    hint(EXERCISE.name, 2)
    card = progress()
    assert isinstance(card, Card) and card.points[0] == 0 and card.points[1] >= EXERCISE.points
    for shown in (repr(card), card._repr_html_()):
        assert EXERCISE.name in shown and "wrong" in shown and "A lesson" in shown
        assert f"exercise {EXERCISE.name}" in shown and "the quiz 42.one" in shown
    assert "quizzes: 1 of 2" in repr(card) and f"{EXERCISE.name}: wrong, 2 hints" in repr(card)
    record.save("checks", EXERCISE.name, {"outcome": "correct", "mistake": None})
    assert progress().points[0] == EXERCISE.points


def test_the_card_survives_a_record_of_another_kind(work):
    work.mkdir()
    record.path().write_text(json.dumps({"checks": {EXERCISE.name: {"outcome": "unheard of"}}}))
    assert "not attempted" in repr(progress())
