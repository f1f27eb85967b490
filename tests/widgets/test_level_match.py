"""The widget that sets layers side by side: its arithmetic over its whole grid, its words, its goal, its picture."""

import itertools

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from softlabels.distill import SmallBert, SmallBertConfig, relation_loss, student_from_teacher
from softlabels.distill.levels import attention_loss
from softlabels.widgets import LevelMatch
from softlabels.widgets.level_match import KINDS, ZERO, compute

HEADS = 2
TOKENS = [["[CLS]", "a", "hill", "[SEP]", "[PAD]", "[PAD]"], ["[CLS]", "an", "act", "of", "speech", "[SEP]"]]
MASK = torch.tensor([[True] * 4 + [False] * 2, [True] * 6])


def models():
    """Return the teacher's Levels of the batch, and two students that start from its layers, with theirs."""
    shape = dict(layers=3, width=8, heads=HEADS, inner=16, vocab_size=20, max_length=8, classes=3)
    torch.manual_seed(0)
    teacher = SmallBert(SmallBertConfig(**shape)).eval()
    for parameter in teacher.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    ids = torch.randint(20, MASK.shape)
    starts = {"from layers 1 and 2": (1, 2), "from layers 2 and 3": (2, 3)}
    with torch.no_grad():
        students = {
            name: (student_from_teacher(teacher, layers, 3, 0).eval()(ids, MASK, levels=True), layers)
            for name, layers in starts.items()
        }
        return teacher(ids, MASK, levels=True), students


TEACHER, STUDENTS = models()
GRID = list(itertools.product(STUDENTS, range(2), (1, 2), (1, 2, 3), KINDS))


@pytest.fixture
def widget():
    return LevelMatch(TEACHER, STUDENTS, MASK, TOKENS, HEADS)


@pytest.mark.parametrize(("start", "text", "mine", "theirs", "kind"), GRID)
def test_the_loss_is_the_librarys(start, text, mine, theirs, kind):
    student, _ = STUDENTS[start]
    seen = compute(student, TEACHER, MASK, text, (mine, theirs), kind, HEADS)
    row = slice(text, text + 1)
    if kind == "attention":
        loss = attention_loss(student.attentions[mine - 1][row], TEACHER.attentions[theirs - 1][row], MASK[row])
    else:
        loss = relation_loss(student.values[mine - 1][row], TEACHER.values[theirs - 1][row], MASK[row], HEADS)
    assert seen["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert np.allclose(seen["teacher"].sum(axis=1), 1, atol=1e-5)
    assert (seen["divergence"] >= 0).all() and 0 <= seen["padding"] <= 1
    assert seen["unmasked"] == pytest.approx(seen["divergence"].mean())
    if text == 1:
        assert seen["padding"] == 0 and seen["unmasked"] == pytest.approx(seen["loss"])


def test_the_goal(widget):
    assert widget.found == {"zero"}  # the lower layers, from the start: layer 1 reads what the teacher's layer 1 reads
    widget.start.value = "from layers 2 and 3"
    assert "○ the same weights" in widget.shown.value
    widget.student_layer.value, widget.teacher_layer.value = 1, 2
    assert widget.same_weights() and widget.seen()["loss"] > ZERO
    assert widget.found == {"zero", "same weights"} and "✓ the same weights" in widget.shown.value


def test_the_sentence_says_what_is_seen(widget):
    assert "over 4 real tokens: 0.000 nats" in widget.sentence() and "Furthest" not in widget.sentence()
    widget.teacher_layer.value, widget.padding.value = 2, True
    assert "rows of padding counted" in widget.sentence() and "Furthest apart" in widget.sentence()
    assert "% of that sum is padding" in widget.shown.value


def test_four_forms_small_and_the_same_each_time(widget):
    (data, metadata), (again, _) = (LevelMatch(TEACHER, STUDENTS, MASK, TOKENS, 2)._repr_mimebundle_() for _ in "12")
    assert set(data) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert len(data["image/png"]) < 60_000 and data["image/png"] == again["image/png"]
    assert len(metadata["image/png"]["alt"]) > 60 and "%" in metadata["image/png"]["alt"]
    assert "0x" not in data["text/plain"]


def test_the_picture_is_readable_and_inside_the_page(widget):
    figure, _ = widget.picture()
    FigureCanvasAgg(figure).draw()
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible():
            assert text.get_fontsize() >= 11
    assert figure.bbox.width <= 760


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t, s, m, k: (t, s, m, k[:1]), "2 texts of 6"),
        (lambda t, s, m, k: (t, {}, m, k), "no student"),
        (lambda t, s, m, k: (t, s, m[:, :5], [text[:5] for text in k]), "mask's batch"),
    ],
)
def test_wrong_input_is_refused_in_words(change, words):
    with pytest.raises(ValueError, match=words):
        LevelMatch(*change(TEACHER, STUDENTS, MASK, TOKENS))


def test_a_token_cannot_inject_html():
    tokens = [["<img src=x>", *TOKENS[0][1:]], TOKENS[1]]
    assert "<img" not in LevelMatch(TEACHER, STUDENTS, MASK, tokens, HEADS).shown.value
