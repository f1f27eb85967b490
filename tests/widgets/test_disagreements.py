"""The browser of disagreements: its counts, its filters, its words, its goal, and which glosses it shows."""

import itertools

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from softlabels.widgets import Disagreements
from softlabels.widgets.disagreements import (
    CHOICES,
    PARTED,
    compute,
    goal_state,
    rows_of_bars,
    select,
    sentence,
    suits_a_classroom,
    tally,
)

CLASSES = ("animal", "plant", "food", "artifact", "act", "communication", "time", "state")


def models(rows: int = 400):
    """Return (texts, teacher's logits, student's, labels): a good teacher, and a student that errs more often."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(CLASSES), rows)
    logits = []
    for strength in (3.0, 1.8):
        z = rng.normal(0, 1, (rows, len(CLASSES)))
        z[np.arange(rows), labels] += strength
        logits.append(z.round(3))
    logits[1][labels == 0, 1] += 2.0  # the student takes animals for plants
    return [f"a thing with the number {i}" for i in range(rows)], *logits, labels


TEXTS, TEACHER, STUDENT, LABELS = models()
FOUND = compute(TEACHER, STUDENT, LABELS)


@pytest.fixture
def widget():
    return Disagreements(TEXTS, TEACHER, STUDENT, LABELS, CLASSES)


def test_the_counts_are_what_counting_gives():
    teacher, student = TEACHER.argmax(axis=1), STUDENT.argmax(axis=1)
    for label, says in itertools.product(range(8), repeat=2):
        count = ((LABELS == label) & (student == says) & (teacher == LABELS) & (student != LABELS)).sum()
        assert FOUND["confused"][label, says] == count
    assert np.allclose(FOUND["teacher"].sum(axis=1), 1) and (FOUND["confidence"] == FOUND["student"].max(axis=1)).all()


def test_every_filter_of_the_grid_lets_through_what_it_says():
    teacher, student = TEACHER.argmax(axis=1), STUDENT.argmax(axis=1)
    right = [teacher == LABELS, student == LABELS]
    meant = {
        PARTED: teacher != student,
        CHOICES[1]: right[0] & ~right[1],
        CHOICES[2]: right[1] & ~right[0],
        CHOICES[3]: ~right[0] & (teacher == student),
        CHOICES[4]: ~right[0] & ~right[1] & (teacher != student),
    }
    assert set(meant) == set(CHOICES)
    classes = (None, *range(8))
    for choice, label, says in itertools.product(CHOICES, classes, classes):
        for low, high in ((0.0, 1.0), (0.5, 0.8)):
            want = meant[choice] & (FOUND["confidence"] >= low) & (FOUND["confidence"] <= high)
            want &= (LABELS == label) if label is not None else True
            want &= (student == says) if says is not None else True
            rows = select(FOUND, choice, label, says, (low, high))
            assert sorted(rows) == np.flatnonzero(want).tolist()
            assert (np.diff(FOUND["confidence"][rows]) <= 0).all()
            assert str(len(rows)) in sentence(FOUND, rows, 0, CLASSES) or not len(rows)
            assert bool(tally(FOUND, rows, CLASSES)) == bool(len(rows))


def test_the_bars_hold_the_label_and_all_of_the_probability():
    for row in range(100):
        bars = rows_of_bars(FOUND, row, CLASSES)
        assert [name for name, *_ in bars if name.startswith("✓ ")] == ["✓ " + CLASSES[LABELS[row]]]
        assert sum(p for _, p, _, _ in bars) == pytest.approx(1) and sum(q for _, _, q, _ in bars) == pytest.approx(1)
        assert len(bars) == 7


def test_the_goal_is_the_pair_that_is_confused_most():
    best = np.unravel_index(FOUND["confused"].argmax(), (8, 8))
    reached = [
        (label, says)
        for label, says in itertools.product(range(8), repeat=2)
        if goal_state(FOUND, CHOICES[1], label, says, CLASSES)[0]
    ]
    assert reached == [best] == [(0, 1)]
    assert not goal_state(FOUND, PARTED, 0, 1, CLASSES)[0] and not goal_state(FOUND, CHOICES[1], None, 1, CLASSES)[0]


def test_by_its_controls(widget):
    assert len(widget.rows) > 20 and "○ Not yet" in widget.shown.value
    assert widget.shown.value.count('role="status" aria-live="polite"') == 2  # what is seen, and the goal
    first = widget.shown.value
    widget.back.click()
    assert widget.place == 0 and widget.shown.value == first
    widget.forth.click()
    assert widget.place == 1 and "Gloss 2 of" in widget.shown.value
    widget.who.value, widget.label.value, widget.says.value = CHOICES[1], 0, 1
    assert "✓ Reached: animal taken for plant" in widget.shown.value and widget.place == 0
    widget.sure.value = (0, 5)
    assert len(widget.rows) == 0 and "No gloss passes" in widget.shown.value and "✓ Reached" in widget.shown.value
    widget.forth.click()
    assert widget.place == 0


def test_four_forms_small_and_the_same_each_time(widget):
    (data, metadata), (again, _) = (
        w._repr_mimebundle_() for w in (widget, Disagreements(TEXTS, TEACHER, STUDENT, LABELS, CLASSES))
    )
    assert set(data) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert len(data["image/png"]) < 60_000 and data["image/png"] == again["image/png"]
    assert "The label is" in metadata["image/png"]["alt"] and "0x" not in data["text/plain"]
    widget.sure.value = (0, 5)
    assert "The label is" in widget.picture()[1]  # a picture even where the filter leaves nothing


def test_the_picture_is_readable(widget):
    figure, _ = widget.picture()
    FigureCanvasAgg(figure).draw()
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and text.get_window_extent().width:
            assert text.get_fontsize() >= 11
    assert figure.bbox.width <= 760


def test_glosses_that_may_not_suit_a_classroom_are_neither_shown_nor_counted():
    texts = ["a weapon that kills", *TEXTS[1:-1], "an Offensive word"]
    widget = Disagreements(texts, TEACHER, STUDENT, LABELS, CLASSES)
    assert widget.left_out == 2 and widget.texts == TEXTS[1:-1] and len(widget.found["case"]) == len(TEXTS) - 2
    for fine in ("a skilled worker", "a bird that cannot fly", "analysis of soil"):
        assert suits_a_classroom(fine)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, t, s, y: (x, t[:5], s, y, CLASSES), "need logits"),
        (lambda x, t, s, y: (x, t, s * np.nan, y, CLASSES), "finite"),
        (lambda x, t, s, y: (x, t, s, y[:-1], CLASSES), "need logits"),
        (lambda x, t, s, y: (x, np.eye(8)[y], np.eye(8)[y], y, CLASSES), "nothing to browse"),
    ],
)
def test_wrong_input_is_refused_in_words(change, words):
    with pytest.raises(ValueError, match=words):
        Disagreements(*change(TEXTS, TEACHER, STUDENT, LABELS))


def test_a_gloss_cannot_inject_html():
    texts = ["<img src=x>"] * len(TEXTS)
    assert "<img" not in Disagreements(texts, torch.tensor(TEACHER), torch.tensor(STUDENT), LABELS, CLASSES).shown.value
