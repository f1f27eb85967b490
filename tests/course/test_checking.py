"""The engine, on an exercise of its own: the mean of the squares along the last axis."""

import random
import time

import numpy as np
import pytest
import torch

from softlabels.course import check, checking, examine, exercises, points, record
from softlabels.course.exercises import Exercise, Finding, Mistake, Probe, UnknownExercise
from softlabels.course.exercises.base import close


def mean_square(values, weight):
    """Mean of the squares along the last axis, times weight."""
    if weight < 0:
        raise ValueError("weight")
    return weight * (values**2).mean(-1)


def _probes(seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [
        Probe((torch.tensor([3.0, 4.0]), 1.0), "two values"),
        Probe((torch.randn(2, 3, generator=draw), 0.5)),
        Probe((torch.randn(4, 5, generator=draw), 2.0)),
        Probe((torch.tensor([1.0, 2.0]), -1.0), "a negative weight"),
    ]


SUM = Mistake("sum", "It adds up.", "Sum or mean?", lambda values, weight: weight * (values**2).sum(-1))
SUM_AGAIN = Mistake("sum, again", "It adds up.", "Sum or mean?", lambda values, weight: weight * (values**2).sum(-1))
ABSOLUTE = Mistake("absolute", "No square.", "Where is it?", lambda values, weight: weight * values.abs().mean(-1))


def even(fn):
    """a sign that changes"""
    a, b = fn(torch.tensor([1.0, -2.0]), 1.0), fn(torch.tensor([1.0, 2.0]), 1.0)
    return None if close(a, b) else Finding("not even", "A sign matters.", "Does a square have one?")


EXERCISE = Exercise(
    "mean_square",
    "99",
    "Mean square",
    4,
    5,
    1,
    mean_square,
    _probes,
    [even],
    [SUM, SUM_AGAIN, ABSOLUTE],
    ("a?", "b", "c"),
)
GUARD = "    if weight < 0:\n        raise ValueError\n"


@pytest.fixture
def judge(cell):
    def judge(source, **names):
        return examine(EXERCISE, cell(source, torch=torch, np=np, **names)["mean_square"])

    return judge


def body(lines: str, signature="values, weight", guard=True) -> str:
    text = "".join(f"    {line}\n" for line in lines.splitlines())
    return f"def mean_square({signature}):\n" + (GUARD if guard else "") + text


@pytest.mark.parametrize(
    "lines",
    [
        "...  # YOUR CODE HERE",
        '"""Only a docstring."""',
        '"""A docstring."""\n...',
        "pass",
        "return",
        "return None",
        "return ...",
        "raise NotImplementedError",
        'raise NotImplementedError("later")',
    ],
)
def test_a_blank_body_is_not_attempted(judge, lines):
    assert judge(body(lines, guard=False)).kind == "not attempted"


@pytest.mark.parametrize(
    "lines",
    [
        "squares = ...\nreturn squares.mean(-1)",
        "squares = values**2\n...",
        "squares = values\nraise NotImplementedError",
    ],
)
def test_half_a_blank_is_not_attempted_either(judge, lines):
    assert judge(body(lines)).kind == "not attempted"


def test_without_source_behaviour_tells(judge):
    names = {}
    exec("def mean_square(values, weight): ...", names)
    assert examine(EXERCISE, names["mean_square"]).kind == "not attempted"
    assert examine(EXERCISE, lambda values, weight: None).kind == "not attempted"


@pytest.mark.parametrize(
    "lines",
    [
        "return weight * (values**2).mean(-1)",
        "return weight * (values.double()**2).mean(-1)",
        "return weight * (values.numpy()**2).mean(-1)",
        "return (weight * (values**2).mean(-1)).tolist()",
        "return (weight * (values.half()**2).mean(-1))",
        "return (weight * (values.bfloat16()**2).mean(-1))",
        "return weight * (values**2).mean(-1, keepdim=values.ndim == 1)",
        "print('hello')\nreturn weight * (values[..., None]**2).mean(-2)[..., 0]",
        "return [weight * sum(v * v for v in row) / len(row) for row in values] if values.ndim > 1 "
        "else float(weight * sum(v * v for v in values) / len(values))",
    ],
)
def test_honest_forms_are_correct(judge, lines):
    outcome = judge(body(lines))
    assert outcome.kind == "correct", outcome


def test_other_parameter_names_defaults_and_stars_are_fine(judge):
    assert judge(body("return w * (x**2).mean(-1)", "x, w", guard=False).replace(":\n", ":\n    assert_ok(w)\n", 1),
                 assert_ok=_refuse_negative).kind == "correct"  # fmt: skip
    assert judge(body("return weight * (values**2).mean(-1)", "values, weight=1.0, *more")).kind == "correct"


def _refuse_negative(weight):
    if weight < 0:
        raise ValueError("negative")


@pytest.mark.parametrize(
    ("lines", "mistake"),
    [
        ("return weight * (values**2).sum(-1)", "sum"),
        ("return (weight * (values.double()**2).sum(-1)).numpy()", "sum"),
        ("return weight * values.abs().mean(-1)", "absolute"),
        ("return weight * (values**2).mean(-1) + values.mean()", "not even"),
        ("return 1.01 * weight * (values**2).mean(-1)", "smallest failing case"),
        ("weight * (values**2).mean(-1)", "returns nothing"),
        ("return (values**2).mean()", "wrong shape"),
        ("return 'a text'", "wrong type"),
        ("return weight * (values**2).mean(-1) / 0.0 * 0.0", "not a finite number"),
        ("values *= values\nreturn weight * values.mean(-1)", "changes its inputs"),
    ],
)
def test_a_wrong_answer_gets_its_cause(judge, lines, mistake):
    outcome = judge(body(lines))
    if mistake == "wrong shape":
        assert "single number" in outcome.message or "shape" in outcome.message
    assert (outcome.kind, outcome.mistake) == ("wrong", mistake), outcome


def test_a_missing_refusal_is_told_by_its_error(judge):
    outcome = judge(body("return weight * (values**2).mean(-1)", guard=False))
    assert outcome.mistake == "no ValueError" and "a negative weight" in outcome.message


def test_the_first_listed_of_two_equal_mistakes_is_told(judge):
    assert judge(body("return weight * (values**2).sum(-1)")).mistake == "sum"


@pytest.mark.parametrize(
    ("signature", "mistake"),
    [("values", "wrong parameters"), ("values, weight, more", "wrong parameters"), ("", "wrong parameters"),
     ("weight, values", "parameters in another order")],
)  # fmt: skip
def test_parameters_are_looked_at_before_a_call(judge, signature, mistake):
    outcome = judge(body("return called()", signature, guard=False), called=lambda: pytest.fail("it was called"))
    assert outcome.mistake == mistake
    assert "`values, weight`" in outcome.message


def test_a_crash_shows_the_learners_line_and_nothing_of_ours(judge):
    outcome = judge("# a comment\n\n" + body("squares = values**2\nreturn squares.men(-1)"))
    text = repr(outcome)
    assert outcome.kind == "crashed"
    assert "Line 7 of your cell" in text and "return squares.men(-1)" in text
    assert "AttributeError: 'Tensor' object has no attribute 'men'" in text
    assert "Traceback" not in text and "checking" not in text and ".py" not in text


def test_a_crash_in_a_helper_of_the_learners_names_the_helper(judge):
    outcome = judge("def helper(v):\n    return v.nope\n\n" + body("return helper(values)"))
    assert "Line 2 of your cell, in `helper`," in outcome.message


def test_a_crash_within_a_property_shows_the_learners_line(judge):
    outcome = judge(body("assert values.min() != -2\nreturn weight * (values**2).mean(-1)"))
    assert outcome.kind == "crashed" and "assert values.min() != -2" in outcome.message
    assert "a sign that changes" in outcome.message


@pytest.mark.parametrize(
    "line", ["exit()", "1 / 0", "return mean_square(values, weight)", "return undefined", "return values[9]"]
)
def test_every_crash_has_kind_words(judge, line):
    outcome = judge(body(line), exit=exit)
    assert outcome.kind == "crashed" and outcome.question.count("?") == 1


def test_the_smallest_failing_case_is_shown(judge):
    text = repr(judge(body("return 1.25 * weight * (values**2).mean(-1)")))
    for piece in ("values", "[3, 4]", "yours", "15.62", "expected", "12.5", "difference", "3.12"):
        assert piece in text


def test_no_message_holds_the_reference(judge):
    for lines in ("...", "return values", "return values.nope", "return weight * (values**2).sum(-1)"):
        outcome = judge(body(lines))
        for shown in (repr(outcome), outcome._repr_html_()):
            assert "(values**2).mean(-1)" not in shown


def test_the_html_says_the_outcome_in_words_and_escapes(judge):
    shown = judge(body("raise KeyError('<b>')"))._repr_html_()
    assert 'role="status"' in shown and 'aria-live="polite"' in shown and "Crashed" in shown
    assert "<b>" not in shown and "&lt;b&gt;" in shown
    assert "var(--jp-" in shown


def test_prints_are_shown_once(judge, capsys):
    judge(body("print('seen')\nreturn weight * (values**2).mean(-1)"))
    assert capsys.readouterr().out == "seen\n"


def test_a_check_leaves_the_random_generators_as_they_were(judge):
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    judge(body("torch.rand(1); np.random.rand()\nreturn weight * (values**2).mean(-1)"))
    assert random.getstate() == states[0]
    assert (np.random.get_state()[1] == states[1]).all() and (torch.get_rng_state() == states[2]).all()


def test_a_check_under_no_grad_still_checks_gradients(judge):
    with torch.no_grad():
        assert judge(body("assert torch.is_grad_enabled()\nreturn weight * (values**2).mean(-1)")).kind == "correct"


def test_a_custom_match_is_asked():
    mistake = Mistake("constant", "Always 7.", "Why?", matches=lambda fn, probes: all(fn(*p.args) == 7 for p in probes))
    exercise = Exercise("mean_square", "99", "t", 1, 1, 1, mean_square, _probes, [], [mistake], ("a?", "b", "c"))
    assert examine(exercise, lambda values, weight: 7).mistake == "constant"
    assert examine(exercise, lambda values, weight: "x" if weight == 1 else values).mistake == "wrong type"


def test_an_engine_check_is_quick(judge):
    start = time.process_time()  # the processor's seconds: the machine may be busy with something else
    judge(body("return values"))
    assert time.process_time() - start < 0.5


# --- check and points -------------------------------------------------------------------------------------------------


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(checking, "find", lambda name: EXERCISE if name == EXERCISE.name else exercises.find(name))
    monkeypatch.setattr(checking, "_handed", {})


RIGHT = body("return weight * (values**2).mean(-1)")
FALSE = body("return values")


def test_check_returns_the_learners_function_only_when_it_is_correct(registered, cell, capsys):
    mine = cell(RIGHT)["mean_square"]
    assert check(mine) is mine
    assert "your own `mean_square`" in capsys.readouterr().out
    assert check(cell(FALSE)["mean_square"]) is mean_square
    assert "the course's own `mean_square`" in capsys.readouterr().out


def test_points_follow_what_was_handed_over_not_what_came_back(registered, cell):
    assert points("mean_square") == 0.0
    check(cell(RIGHT)["mean_square"])
    assert points("mean_square") == 4.0
    fallback = check(cell(FALSE)["mean_square"])
    assert points("mean_square") == 0.0
    check(fallback)  # the last line of the cell run alone: the course's own function earns nothing
    assert points("mean_square") == 0.0


def test_points_never_raise():
    assert points("no such exercise") == 0.0
    assert points(None) == 0.0


def test_checking_the_courses_own_function_is_explained_and_not_recorded(registered, capsys):
    assert check(mean_square) is mean_square
    assert "the course's own" in capsys.readouterr().out
    assert record.load()["checks"] == {}


def test_check_records_the_outcome(registered, cell):
    check(cell(FALSE)["mean_square"])
    check(cell(RIGHT)["mean_square"])
    kept = record.load()["checks"]["mean_square"]
    assert (kept["outcome"], kept["attempts"]) == ("correct", 2)


def test_a_record_that_cannot_be_kept_does_not_stop_the_lesson(registered, cell, work, capsys):
    work.write_text("a file where the folder should be")
    mine = cell(RIGHT)["mean_square"]
    assert check(mine) is mine
    assert "could not be saved" in capsys.readouterr().out


def test_check_explains_wrong_uses():
    with pytest.raises(TypeError, match="without calling it"):
        check(3.0)

    def softn(logits, temperature): ...

    with pytest.raises(UnknownExercise, match="did you mean 'soften'"):
        check(softn)
