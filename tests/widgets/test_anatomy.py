"""The anatomy of a BERT, and the heads of attention: counts, times, words and pictures."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from softlabels.distill import SIZES, SmallBertConfig
from softlabels.distill.bert import SmallBert
from softlabels.widgets import anatomy, attention_heads, palette

TINY = SmallBertConfig(layers=2, width=16, heads=2, inner=40, vocab_size=50, max_length=32, classes=3)
TOKENS = ["[CLS]", "a", "small", "hill", "[SEP]"]


@pytest.mark.parametrize(
    "change", [{}, {"layers": 5}, {"width": 32}, {"vocab_size": 9}, {"classes": None}, {"inner": 7}]
)
def test_parameters_are_those_of_the_model(change):
    config = replace(TINY, **change)
    model, parts = SmallBert(config), anatomy.compute(config, 8)["parameters"]
    assert sum(parts.values()) == sum(p.numel() for p in model.parameters())
    assert parts["word table"] == model.words.weight.numel()
    norms = [p for layer in model.layers for p in layer.norm.parameters()]
    inner = [p for layer in model.layers for linear in (layer.up, layer.down) for p in linear.parameters()]
    assert parts["feed-forward"] == sum(p.numel() for p in [*norms, *inner])


@pytest.mark.parametrize("length", [1, 7, 32])
def test_multiplications_are_those_that_torch_counts(length):
    from torch.utils.flop_counter import FlopCounterMode

    # In train mode attention is written out; in eval mode PyTorch's own kernel does it, which is not counted.
    model, counter = SmallBert(TINY).train(), FlopCounterMode(display=False)
    ids = torch.ones(1, length, dtype=torch.long)
    with counter:
        model(ids, ids)
    # Torch counts a multiplication and an addition for each.
    assert 2 * sum(anatomy.compute(TINY, length)["multiplications"].values()) == counter.get_total_flops()


@pytest.mark.parametrize("length", [0, 33])
def test_a_text_that_does_not_fit_is_refused(length):
    with pytest.raises(ValueError, match="1 to 32"):
        anatomy.compute(TINY, length)


def test_times_belong_to_parts_and_leave_the_model_as_it_was():
    model = SmallBert(TINY).train()
    ids = torch.ones(2, 8, dtype=torch.long)
    times = anatomy.seconds_by_part(model, ids, ids, budget=0.01)
    assert list(times) == list(anatomy.PARTS) and min(times.values()) > 0
    assert model.training and not any(module._forward_hooks for module in model.modules())


def test_totals_in_words():
    assert [anatomy.in_words(n) for n in (4_372_000, 24_000, 7, 3.1e9)] == [
        "4.37 million", "24 thousand", "7", "3.1 billion",
    ]  # fmt: skip
    assert anatomy.in_milliseconds(0.00123) == "1.2 ms" and anatomy.in_milliseconds(1.8) == "1,800 ms"


def test_the_designer_opens_on_the_student_and_its_goal_can_be_reached():
    widget = anatomy.BertDesigner()
    assert widget.against_the_student() == (1, 1) and not widget.reached() and "○ Not yet" in widget.shown.value
    widget.wide.value, widget.layers.value = 256, 3
    assert not widget.reached() and "more parameters than the student" in widget.shown.value
    widget.words.value = 4_000
    assert widget.reached() and "✓ Reached" in widget.shown.value and widget.sentence() in widget.shown.value


def test_every_setting_of_the_designer_is_a_bert():
    widget = anatomy.BertDesigner(replace(SIZES["2x128"], classes=24))
    for layers in (1, 12):
        for width in range(64, 769, 64):
            for words in (1_000, 30_522):
                for tokens in anatomy.LENGTHS:
                    widget.layers.value, widget.wide.value = layers, width
                    widget.words.value, widget.tokens.value = words, tokens
                    parts = anatomy.compute(widget.shape, widget.length)
                    assert all(n >= 0 for counted in parts.values() for n in counted.values())
    assert widget.shape.heads == 12


def weights(layers=2, heads=3):
    table = np.random.default_rng(0).dirichlet(np.ones(len(TOKENS)), (layers, heads, len(TOKENS)))
    n = len(TOKENS)
    before, after = np.maximum(np.arange(n) - 1, 0), np.minimum(np.arange(n) + 1, n - 1)
    table[0, 1], table[1, 2] = np.eye(n)[before], np.eye(n)[after]
    return table


def test_heads_by_hand():
    table = weights()
    for layer, head, reader in np.ndindex(2, 3, len(TOKENS)):
        seen = attention_heads.compute(table, layer, head, reader)
        rows = table[layer, head]
        assert np.array_equal(seen["weights"], rows[reader]) and seen["most"] == rows[reader].argmax()
        assert seen["before"] == pytest.approx(np.mean([rows[i, i - 1] for i in (1, 2, 3)]))
        assert seen["after"] == pytest.approx(np.mean([rows[i, i + 1] for i in (1, 2, 3)]))
        assert seen["itself"] == pytest.approx(np.mean([rows[i, i] for i in (1, 2, 3)]))
        assert seen["first"] == pytest.approx(np.mean([rows[i, 0] for i in (1, 2, 3)]))


def test_both_heads_are_found():
    widget = attention_heads.AttentionHeads(torch.tensor(weights()), TOKENS)
    assert widget.found == set() and "✓" not in widget.shown.value
    widget.layer.value, widget.head.value = 1, 2
    assert widget.found == {"before"} and "“a” reads “[CLS]” most (100 %)" in widget.sentence()
    widget.layer.value, widget.head.value, widget.reader.value = 2, 3, 2
    assert widget.found == {"before", "after"} and "Both found" in widget.shown.value
    assert "“small” reads “hill” most" in widget.sentence()


@pytest.mark.parametrize(
    ("attentions", "words"),
    [(weights()[0], "must be"), (weights()[..., :4], "must be"), (2 * weights(), "sum to 1"), (-weights(), "sum to 1")],
)
def test_wrong_weights_are_refused_in_words(attentions, words):
    with pytest.raises(ValueError, match=words):
        attention_heads.AttentionHeads(attentions, TOKENS)


def test_a_token_cannot_inject_html():
    widget = attention_heads.AttentionHeads(weights(), ["<b>", "<img src=x>", "a", "b", "c"])
    assert "<img" not in widget.shown.value


MAKERS = {
    "designer": anatomy.BertDesigner,
    "heads": lambda: attention_heads.AttentionHeads(weights(), TOKENS),
}


@pytest.mark.parametrize("name", MAKERS)
def test_saved_forms(name):
    (data, metadata), (again, _) = (MAKERS[name]()._repr_mimebundle_() for _ in range(2))
    assert set(data) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    for form in ("text/plain", "text/html", "image/png"):
        assert data[form] == again[form]
    assert "0x" not in data["text/plain"] and len(data["image/png"]) < 60_000
    assert "%" in metadata["image/png"]["alt"] and re.search(r'<img alt="[^"]{60,}"', data["text/html"])


def five_berts():
    counts = {name: anatomy.compute(SIZES[name], 16) for name in ("2x128", "4x256", "4x512", "8x512", "6x256")}
    return anatomy.figure(
        [(kind, {name: c[kind] for name, c in counts.items()}, anatomy.in_words) for kind in counts["2x128"]]
    )


@pytest.mark.parametrize("make", [five_berts, *(lambda m=m: m().picture()[0] for m in MAKERS.values())])
def test_pictures_have_readable_text_inside_the_page(make):
    figure = make()
    FigureCanvasAgg(figure).draw()
    assert figure.bbox.width <= 900 and len(palette.png(figure)) < 60_000
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible():
            assert text.get_fontsize() >= 11, text.get_text()
            box = text.get_window_extent()
            inside = box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1
            assert inside, text.get_text()
