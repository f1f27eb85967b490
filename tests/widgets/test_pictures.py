"""Each widget's picture and mime bundle: readable, small, the same every time, alive without a network."""

import json
import re

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from softlabels.widgets import (
    AffinityMap,
    AskBoth,
    AskTheTeacher,
    LiveCurve,
    LossWeights,
    TemperatureExplorer,
    bundle,
    palette,
)

from . import realistic


def ask():
    logits, classes, texts = realistic.soft_labels()
    answers = dict(zip(texts, logits, strict=True))
    return AskTheTeacher(lambda text: soft(answers[text]), classes, texts)


def ask_both():
    logits, classes, texts = realistic.soft_labels()
    answers = dict(zip(texts, logits, strict=True))
    return AskBoth(lambda text: soft(answers[text]), lambda text: soft(answers[text] / 2), classes, texts)


def live_curve():
    curve = LiveCurve(["hard labels", "soft labels"], 200, "Right on validation")
    for update in range(200):
        for i, arm in enumerate(curve.losses):
            curve.add(arm, 3 / (1 + update / 50) + 0.2 * i)
    for arm, share in (("hard labels", 0.41), ("soft labels", 0.43)):
        curve.measure(arm, 100, share / 2)
        curve.measure(arm, 200, share)
    return curve


def soft(logits):
    from softlabels.widgets.temperature import compute

    return compute(logits, 1.0)["probabilities"]


MAKERS = {
    "temperature": lambda: TemperatureExplorer(*realistic.soft_labels()),
    "affinity": lambda: AffinityMap(*realistic.affinity()),
    "loss_weights": lambda: LossWeights(*realistic.batch()),
    "ask": ask,
    "ask_both": ask_both,
    "live_curve": live_curve,
}
ALIVE = [name for name in MAKERS if name not in {"ask", "ask_both", "live_curve"}]


@pytest.fixture(params=MAKERS)
def widget(request):
    return MAKERS[request.param]()


def test_bundle_has_all_four_forms(widget):
    data, metadata = widget._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert data["image/png"].startswith(b"\x89PNG") and len(data["image/png"]) < 60_000
    alt = metadata["image/png"]["alt"]
    assert len(alt) > 60 and "%" in alt
    assert re.search(r'<img alt="[^"]{60,}"', data["text/html"])


def test_pictures_have_readable_text_inside_the_page(widget):
    figure, _ = widget.picture()
    FigureCanvasAgg(figure).draw()
    page = figure.bbox
    assert page.width <= 760
    hidden = set()  # matplotlib keeps labels for ticks beyond the axis' limits, but draws none of them
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        hidden |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    shown = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    shown = [text for text in shown if text not in hidden]
    assert len(shown) > 10
    for text in shown:
        assert text.get_fontsize() >= 11, text.get_text()
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= page.x1 + 1 and box.y0 >= -1 and box.y1 <= page.y1 + 1, text.get_text()


@pytest.mark.parametrize("name", MAKERS)
def test_two_runs_save_the_same_bytes(name):
    first, second = (MAKERS[name]()._repr_mimebundle_()[0] for _ in range(2))
    for form in ("text/plain", "text/html", "image/png"):
        assert first[form] == second[form]
    assert "0x" not in first["text/plain"]


def test_html_needs_no_network(widget):
    fragment = widget._repr_mimebundle_()[0]["text/html"]
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", fragment))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert not re.search(r"\b(src|href)=\"(?!data:)", fragment) and "@import" not in fragment


def test_a_closed_widget_shows_nothing(widget):
    widget.close()
    assert widget._repr_mimebundle_ is None or widget._repr_mimebundle_() is None


@pytest.mark.parametrize("name", ALIVE)
def test_state_in_the_page_is_the_widgets_state(name):
    widget = MAKERS[name]()
    fragment = widget._repr_mimebundle_()[0]["text/html"]
    state = json.loads(re.search(r"^const state = (\{.*\});$", fragment, re.MULTILINE).group(1))
    assert state == {key: getattr(widget, key) for key in state}
    assert set(state) >= {"temperature": {"logits", "texts", "gloss"}, "affinity": {"affinity", "row"}}.get(
        name, {"student_logits", "labels", "times_t_squared"}
    )


def test_no_gloss_can_break_out_of_the_page():
    logits, classes, texts = realistic.soft_labels()
    texts[0] = '</script><script>alert("x")</script><!--'
    fragment = TemperatureExplorer(logits, classes, texts)._repr_mimebundle_()[0]["text/html"]
    assert fragment.count("</script") == 1 and "<!--" not in fragment
    assert json.loads(re.search(r"^const state = (\{.*\});$", fragment, re.MULTILINE).group(1))["texts"][0] == texts[0]


def test_the_picture_follows_the_widget():
    widget = TemperatureExplorer(*realistic.soft_labels())
    before = widget._repr_mimebundle_()
    widget.gloss = 2
    after = widget._repr_mimebundle_()
    assert before[0]["image/png"] != after[0]["image/png"]
    assert "the speech act of negating" in after[1]["image/png"]["alt"]


@pytest.mark.parametrize(
    "module", ["import x from 'y';\nexport default { render };", "export const a = 1;", "</script"]
)
def test_a_module_that_cannot_stand_alone_is_refused(module):
    with pytest.raises(ValueError, match="module must"):
        bundle.plain_script(module)


def test_many_classes_share_a_row():
    import numpy as np

    logits = np.random.default_rng(0).normal(0, 2, (1, 52))
    names = [f"topic {i}" for i in range(52)]
    figure, _ = TemperatureExplorer(logits, names, ["a text"]).picture()
    ticks = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(ticks) == 30 and ticks[-1] == "23 others"
    assert palette.png(figure)
