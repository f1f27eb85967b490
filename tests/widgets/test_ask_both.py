"""Teacher and student side by side: what is compared, said and shown."""

import numpy as np
import pytest
import torch

from softlabels.widgets import AskBoth
from softlabels.widgets.ask import TOP, compare

from . import realistic

_, CLASSES, TEXTS = realistic.soft_labels()


def spread(**leaders):
    """24 probabilities: these classes get these, the others share the rest."""
    p = np.full(24, (1 - sum(leaders.values())) / (24 - len(leaders)))
    for name, value in leaders.items():
        p[CLASSES.index(name)] = value
    return p


def test_two_that_agree_and_two_that_part():
    seen = compare(spread(food=0.6, plant=0.3), spread(food=0.5, plant=0.2), CLASSES)
    assert seen["agree"] and not seen["parted"] and seen["sentence"].startswith("Both say food: the teacher 60.0 %")
    assert seen["top"][0] == ("food", 0.6, 0.5) and seen["top"][1] == ("plant", 0.3, 0.2) and len(seen["top"]) == TOP
    seen = compare(spread(food=0.6, plant=0.3), spread(plant=0.7), CLASSES)
    assert not seen["agree"] and seen["parted"]
    assert "teacher says food (60.0 %), the student plant (70.0 %), a class that gets 30.0 %" in seen["sentence"]
    seen = compare(spread(food=0.6, plant=0.3), spread(plant=0.4), CLASSES)
    assert not seen["agree"] and not seen["parted"]


@pytest.mark.parametrize("seed", range(20))
def test_over_a_grid_of_answers(seed):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.full(24, 0.2), size=2)
    seen = compare(torch.tensor(p), q.astype(np.float32), CLASSES)
    for place, rest in ((1, 0), (2, 1)):
        assert sum(row[place] for row in seen["top"]) + seen["rest"][rest] == pytest.approx(1, abs=1e-5)
    assert 0 <= seen["overlap"] <= 1 and compare(p, p, CLASSES)["overlap"] == pytest.approx(1)
    assert seen["overlap"] == pytest.approx(compare(q, p, CLASSES)["overlap"], abs=1e-6)


def test_a_wrong_answer_says_whose_it_is():
    with pytest.raises(ValueError, match="the student must give 24 probabilities"):
        compare(spread(food=0.5), np.ones(3) / 3, CLASSES)
    with pytest.raises(ValueError, match="the teacher's answer is no probability distribution"):
        compare(2 * spread(food=0.5), spread(food=0.5), CLASSES)


def test_the_widget_asks_both_and_knows_when_they_part():
    asked = []

    def student(text):
        asked.append(text)
        return spread(plant=0.8) if "tree" in text else spread(food=0.5)

    widget = AskBoth(lambda text: spread(food=0.7), student, CLASSES, TEXTS)
    assert asked == [TEXTS[0]] and "one of the examples" in widget.shown.value
    assert widget.answer.argmax() == CLASSES.index("food")
    widget.text.value = "a fruit"
    assert "they agree" in widget.shown.value
    widget.text.value = "a <b>tree</b>"
    assert "✓ Reached" in widget.shown.value and "<b>tree" not in widget.shown.value
    assert "student" in widget.shown.value and "hard label" not in widget.shown.value
    figure, alt = widget.picture()
    assert len(figure.axes) == 2 and "student" in alt and repr(widget).startswith("AskBoth(24 classes")


def test_a_student_that_fails_is_shown_and_raised_and_the_next_question_works():
    def student(text):
        if "boom" in text:
            raise RuntimeError("the student is ill")
        return spread(food=0.5)

    widget = AskBoth(lambda text: spread(food=0.7), student, CLASSES, TEXTS)
    with pytest.raises(RuntimeError):
        widget.ask("boom")
    assert "RuntimeError: the student is ill" in widget.shown.value
    widget.ask("a boat")
    assert "RuntimeError" not in widget.shown.value
