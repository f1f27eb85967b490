"""The widgets from Python: what they accept, what they refuse, and what they say."""

import numpy as np
import pytest
import torch
from traitlets import TraitError

from softlabels.widgets import AffinityMap, AskTheTeacher, LossWeights, TemperatureExplorer
from softlabels.widgets.ask import EMPTY, LONGEST

from . import realistic

LOGITS, CLASSES, TEXTS = realistic.soft_labels()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TemperatureExplorer(LOGITS[:2], CLASSES, TEXTS), "logits must be"),
        (lambda: TemperatureExplorer(LOGITS * np.nan, CLASSES, TEXTS), "finite"),
        (lambda: TemperatureExplorer(LOGITS[:, :1], CLASSES[:1], TEXTS), "logits must be"),
        (lambda: AffinityMap(np.eye(3), CLASSES), "affinity must be"),
        (lambda: AffinityMap(-np.eye(24), CLASSES), "between 0 and 1"),
        (lambda: LossWeights(LOGITS, LOGITS[:3], [0] * 5, CLASSES), "must both be"),
        (lambda: LossWeights(LOGITS, LOGITS, [24] * 5, CLASSES), "labels"),
        (lambda: LossWeights(LOGITS, LOGITS, [0.5] * 5, CLASSES), "labels"),
        (lambda: LossWeights(LOGITS * np.inf, LOGITS, [0] * 5, CLASSES), "finite"),
        (lambda: LossWeights(*(np.zeros((300, 24)),) * 2, [0] * 300, CLASSES), "256"),
        (lambda: AskTheTeacher(lambda text: [1, 0], ["a", "b"], []), "example"),
    ],
)
def test_wrong_input_is_refused_in_words(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_tensors_of_any_float_type_are_taken():
    for kind in (torch.float16, torch.float32, torch.float64):
        widget = TemperatureExplorer(torch.tensor(LOGITS, dtype=kind), CLASSES, TEXTS)
        assert np.allclose(widget.logits, LOGITS, atol=0.01)


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", 0.0), ("temperature", 30.0), ("gloss", 5), ("gloss", -1), ("soft_weight", 1.5)]
)
def test_values_out_of_range_are_refused(name, value):
    widget = LossWeights(*realistic.batch()) if name == "soft_weight" else TemperatureExplorer(LOGITS, CLASSES, TEXTS)
    with pytest.raises(TraitError):
        setattr(widget, name, value)


def test_the_map_does_not_open_on_the_answer():
    table, classes = realistic.affinity()
    table[0, 1] = table[1, 0] = 0.3
    widget = AffinityMap(table, classes)
    assert (widget.row, widget.column) not in {(0, 1), (1, 0)}


class Teacher:
    def __init__(self):
        self.asked = []

    def __call__(self, text):
        self.asked.append(text)
        if "boom" in text:
            raise RuntimeError("the <teacher> is ill")
        p = torch.full((24,), 0.3 / 22)
        p[len(text) % 24], p[(len(text) + 1) % 24] = 0.4, 0.3
        return p


@pytest.fixture
def asked():
    teacher = Teacher()
    return teacher, AskTheTeacher(teacher, CLASSES, TEXTS)


def test_the_first_example_is_answered_at_once(asked):
    teacher, widget = asked
    assert teacher.asked == [TEXTS[0]] and TEXTS[0] in widget.shown.value
    assert widget.answer.sum() == pytest.approx(1)
    assert "one of the examples" in widget.shown.value


def test_submitting_and_example_buttons(asked):
    teacher, widget = asked
    widget.text.value = "a  large\nboat"  # what Enter sends
    assert teacher.asked[-1] == "a large boat" and "✓ Reached" in widget.shown.value
    widget.button.click()
    assert len(teacher.asked) == 2  # the same question is not asked twice
    widget.children[2].children[1].click()
    assert teacher.asked[-1] == TEXTS[1] and widget.text.value == TEXTS[1]
    assert "leaves the teacher torn" in widget.shown.value


@pytest.mark.parametrize("nothing", ["", "   ", "\t"])
def test_an_empty_question_gets_kind_words(asked, nothing):
    teacher, widget = asked
    widget.ask(nothing)
    assert EMPTY in widget.shown.value and len(teacher.asked) == 1


def test_a_very_long_question_is_cut_and_says_so(asked):
    teacher, widget = asked
    widget.ask("long " * 1000)
    assert len(teacher.asked[-1]) == LONGEST and "longer than a definition" in widget.shown.value
    widget.ask("short")
    assert "longer than a definition" not in widget.shown.value


def test_an_error_is_shown_and_raised_and_the_next_question_works(asked):
    _, widget = asked
    with pytest.raises(RuntimeError):
        widget.text.value = "boom"
    assert "RuntimeError: the &lt;teacher&gt; is ill" in widget.shown.value and "<teacher>" not in widget.shown.value
    assert widget.answer is None
    widget.ask("a boat")
    assert "RuntimeError" not in widget.shown.value


def test_a_question_cannot_inject_html(asked):
    _, widget = asked
    widget.ask("<img src=x onerror=alert(1)>")
    assert "<img" not in widget.shown.value


def test_a_teacher_that_gives_no_distribution_is_told():
    with pytest.raises(ValueError, match="sums to 2"):
        AskTheTeacher(lambda text: [1.0, 1.0], ["a", "b"], ["x"])
