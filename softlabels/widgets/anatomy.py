"""The anatomy of a BERT (lesson 04): where its parameters live, and where its arithmetic and its time go.

Counts follow from the shape alone (`compute`); times are measured on a model (`seconds_by_part`). Multiplications are
those of the matrix products, each of which comes with an addition; sums, norms, softmax and GELU are not counted.
"""

import html
import time
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise

import ipywidgets
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from softlabels.distill.bert import SmallBert, SmallBertConfig
from softlabels.distill.student import SIZES

from . import palette
from .bundle import Pictured, stylesheet

# Each part's colour, and a hatching that tells it apart without the colour.
PARTS = {
    "word table": ("#c5733e", "//"),
    "other embeddings": ("#be8424", ".."),
    "attention": (palette.ACCENT, ""),
    "feed-forward": ("#1fa273", "\\\\"),
    "classifier": ("#b93698", "xx"),
}
TIMES = 5  # the goal: this many times the arithmetic of the student
LENGTHS = (8, 16, 32, 64, 128, 256, 512)


def compute(config: SmallBertConfig, length: int) -> dict:
    """Return the parameters of each part of a BERT, and the multiplications that each part makes for one text.

    length: tokens of the text, at least 1 and at most config.max_length, else ValueError. Returns `parameters` and
    `multiplications`, each a dict with a number for every one of PARTS.
    """
    if not 1 <= length <= config.max_length:
        raise ValueError(f"a text of {length} tokens does not fit: this BERT reads 1 to {config.max_length}")
    width, inner, layers, classes = config.width, config.inner, config.layers, config.classes or 0
    norm = 2 * width
    parameters = {
        "word table": config.vocab_size * width,
        "other embeddings": (config.max_length + 2) * width + norm,
        "attention": layers * (4 * (width * width + width) + norm),
        "feed-forward": layers * (2 * width * inner + inner + width + norm),
        "classifier": classes * (width + 1),
    }
    multiplications = {
        "word table": 0,  # a row is looked up, nothing is multiplied
        "other embeddings": 0,
        "attention": layers * (4 * length * width * width + 2 * length * length * width),
        "feed-forward": layers * 2 * length * width * inner,
        "classifier": width * classes,
    }
    return {"parameters": parameters, "multiplications": multiplications}


@torch.no_grad()
def seconds_by_part(model: SmallBert, input_ids: Tensor, mask: Tensor, budget: float = 0.5) -> dict[str, float]:
    """Time each part of a model on one batch: the quickest of several passes, as other programs only slow it down.

    budget: seconds to spend; there are two passes at least, and a hundred at most. What is timed is the quick pass,
    which writes no weights down. Returns seconds for every one of PARTS. The model's mode is left as it was.
    """
    marks: list[tuple[str, float]] = []

    def ends(part: str):
        return lambda *_: marks.append((part, time.perf_counter()))

    passes = []
    was_training = model.training
    model.eval()
    with ExitStack() as stack:
        stack.callback(model.train, was_training)
        watched = [(model.words, "word table"), (model.embedding_norm, "other embeddings")]
        for layer in model.layers:
            watched += [(layer.attended_norm, "attention"), (layer.norm, "feed-forward")]
        for module, part in watched:
            stack.callback(module.register_forward_hook(ends(part)).remove)
        model(input_ids, mask)  # warms up
        while len(passes) < 2 or (sum(map(sum, passes)) < budget and len(passes) < 100):
            marks[:] = [("start", time.perf_counter())]
            model(input_ids, mask)
            marks.append(("classifier", time.perf_counter()))
            passes.append([now - before for (_, before), (_, now) in pairwise(marks)])
    seconds = dict.fromkeys(PARTS, 0.0)
    for (part, _), times in zip(marks[1:], zip(*passes, strict=True), strict=True):
        seconds[part] += min(times)
    return seconds


def in_words(number: float) -> str:
    """Return a count with a unit that suits it: 4.39 million, 24 thousand."""
    for unit, name in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:.0f}"


def in_milliseconds(seconds: float) -> str:
    """Return a time in milliseconds."""
    return f"{1000 * seconds:,.{0 if seconds >= 0.1 else 1}f} ms"


def figure(panels, width: float = 9.0) -> Figure:
    """Draw the parts of several models as shares of a whole, one bar a model, one panel for each thing counted.

    panels: a list of (title, {model's name: {part: number}}, a function that writes a total). Returns a figure.
    """
    rows = len(panels[0][1])
    with palette.style():
        result = palette.blank_figure(width, 1.25 + 0.42 * rows)
        axes = result.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for panel, (title, models, write) in zip(axes, panels, strict=True):
            for place, parts in enumerate(models.values()):
                total, left = sum(parts.values()), 0.0
                for part, (colour, hatch) in PARTS.items():
                    share = 100 * parts[part] / total
                    panel.barh(place, share, left=left, color=colour, hatch=hatch, edgecolor="white", linewidth=0.5)
                    if share >= 11:
                        box = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none"}
                        panel.text(left + share / 2, place, f"{share:.0f}%", ha="center", va="center", bbox=box)
                    left += share
                panel.text(102, place, write(total), va="center")
            panel.set(title=title, xlim=(0, 138), xticks=[])
            panel.set_yticks(range(rows), list(models))
            panel.spines["bottom"].set_visible(False)
            panel.spines["left"].set_visible(False)
            panel.grid(visible=False)
            panel.tick_params(axis="y", length=0)
        axes[0].invert_yaxis()
        keys = [Patch(facecolor=c, hatch=h, edgecolor="white", label=part) for part, (c, h) in PARTS.items()]
        result.legend(handles=keys, loc="outside lower center", ncols=len(PARTS), columnspacing=1.2)
    return result


def share(parts: dict, *names: str) -> float:
    """Return the share, 0 to 1, that some parts have of all."""
    return sum(parts[name] for name in names) / sum(parts.values())


class BertDesigner(Pictured, ipywidgets.VBox):
    """Choose layers, width, vocabulary and length of text; read where parameters and arithmetic go.

    student: the SmallBertConfig to beat; a BERT of no more parameters that makes TIMES its multiplications reaches the
    goal. `shape` is the BERT that is shown, `length` the tokens of a text.
    """

    def __init__(self, student: SmallBertConfig | None = None):
        self.student = student or replace(SIZES["2x128"], classes=24)
        layout, style = ipywidgets.Layout(width="98%"), {"description_width": "110px"}
        vocabularies = [1_000, 2_000, 4_000, 8_000, 16_000]
        if self.student.vocab_size not in vocabularies:
            vocabularies = sorted([*vocabularies, self.student.vocab_size])
        make = ipywidgets.SelectionSlider
        self.layers = ipywidgets.IntSlider(self.student.layers, 1, 12, description="layers")
        self.wide = ipywidgets.IntSlider(self.student.width, 64, 768, 64, description="width")
        words = [(f"{n:,}", n) for n in vocabularies]
        self.words = make(options=words, value=self.student.vocab_size, description="word pieces")
        self.tokens = make(options=[(str(n), n) for n in LENGTHS], value=16, description="tokens a text")
        self.shown = ipywidgets.HTML()
        knobs = [self.layers, self.wide, self.words, self.tokens]
        for knob in knobs:
            knob.layout, knob.style = layout, style
            knob.observe(lambda _: self._draw(), "value")
        look = ipywidgets.HTML(
            f'<style>{stylesheet()}</style><div class="sl"><p class="sl-look"><b>Design a BERT</b>, by mouse '
            "or by arrow keys. <b>Look for</b> parts that hold many parameters and do no arithmetic.</p></div>"
        )
        super().__init__([look, *knobs, self.shown], layout=ipywidgets.Layout(max_width="760px"))
        self.add_class("sl-ask")
        self.add_class("sl-anatomy")
        self._draw()

    @property
    def shape(self) -> SmallBertConfig:
        """The BERT that the sliders describe: heads of 64, an inner width of 4 times the width."""
        width = self.wide.value
        return replace(
            self.student, layers=self.layers.value, width=width, heads=width // 64, inner=4 * width,
            vocab_size=self.words.value,
        )  # fmt: skip

    @property
    def length(self) -> int:
        """Tokens of a text."""
        return self.tokens.value

    def against_the_student(self) -> tuple[float, float]:
        """Return this BERT's parameters and multiplications, each as a multiple of the student's."""
        mine, theirs = compute(self.shape, self.length), compute(self.student, self.length)
        return tuple(sum(mine[k].values()) / sum(theirs[k].values()) for k in ("parameters", "multiplications"))

    def sentence(self) -> str:
        """Say what is seen now."""
        seen, (size, work) = compute(self.shape, self.length), self.against_the_student()
        tables = 100 * share(seen["parameters"], "word table", "other embeddings")
        layers = 100 * share(seen["multiplications"], "attention", "feed-forward")
        return (
            f"The tables hold {tables:.0f} % of the parameters; the layers do {layers:.1f} % of the multiplications. "
            f"Against the student: {size:.2f} times the parameters, {work:.2f} times the multiplications."
        )

    def reached(self) -> bool:
        """Whether the goal is reached."""
        size, work = self.against_the_student()
        return size <= 1 and work >= TIMES

    def _draw(self) -> None:
        seen, lines = compute(self.shape, self.length), []
        for part, (colour, _) in PARTS.items():
            cells = []
            for counted in seen.values():
                percent = 100 * share(counted, part)
                fill = f'<span class="sl-fill" style="background: {colour}; width: {percent:.2f}%"></span>'
                words = "< 0.1 %" if 0 < percent < 0.05 else f"{percent:.1f} %"
                cells.append(f'<td><span class="sl-track">{fill}</span></td><td class="sl-value">{words}</td>')
            lines.append(f'<tr><th scope="row">{part}</th>{"".join(cells)}</tr>')
        size, _ = self.against_the_student()
        heads = (
            f"{in_words(sum(seen['parameters'].values()))} parameters",
            f"{in_words(sum(seen['multiplications'].values()))} multiplications",
        )
        state = "○ Not yet: "
        if self.reached():
            state = "✓ Reached. What did you have to give up for it?"
        elif size > 1:
            state += "more parameters than the student has."
        else:
            state += "small enough, but with too little arithmetic."
        goal = (
            f"No more parameters than the student, and at least {TIMES} times its multiplications (a text as long for "
            "both)."
        )
        self.shown.value = (
            '<div class="sl"><table class="sl-answer"><colgroup><col style="width: 142px"><col><col class="sl-narrow">'
            f'<col><col class="sl-narrow"></colgroup><tr><th></th><th scope="col" colspan="2">{heads[0]}</th>'
            f'<th scope="col" colspan="2">{heads[1]}</th></tr>{"".join(lines)}</table>'
            f'<p class="sl-now" role="status" aria-live="polite">{html.escape(self.sentence())}</p>'
            f'<div class="sl-goal{" sl-reached" if self.reached() else ""}"><p><b>Goal.</b> {goal}</p>'
            f'<p class="sl-state">{state}</p></div></div>'
        )

    def picture(self) -> tuple[Figure, str]:
        """Return the student beside the BERT that is shown, and a description."""
        models = {"student": self.student, "shown": self.shape}
        seen = {name: compute(shape, self.length) for name, shape in models.items()}
        panels = [
            (kind, {name: counted[kind] for name, counted in seen.items()}, in_words)
            for kind in ("parameters", "multiplications")
        ]
        return figure(panels, width=7.5), f"Parameters and multiplications by part. {self.sentence()}"

    def __repr__(self) -> str:
        shape = self.shape
        return f"BertDesigner({shape.layers} layers of width {shape.width}, {shape.vocab_size:,} word pieces)"
