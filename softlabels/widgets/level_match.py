"""Teacher and student layer by layer (lesson 09): who attends to whom in each, and how far apart each token is.

A student that starts as a part of its teacher has some of its layers' weights. Whether it attends as they do is another
question: a layer also depends on what it is given to read.
"""

import html

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure

from softlabels.distill import attention_loss
from softlabels.distill.bert import Levels, attention, split_heads

from . import palette
from .bundle import Pictured, stylesheet

KINDS = ("attention", "value relations")
ZERO, APART = 1e-5, 1e-2  # nats: two models that attend alike, up to rounding, and two that do not
CELL, LEFT, TOP, GAP, BAR = 18, 112, 104, 18, 96  # pixels


def weights_of(levels: Levels, mask: torch.Tensor, layer: int, kind: str, heads: int) -> torch.Tensor:
    """Return what a layer, counted from 1, shows of the batch: (batch, heads, length, length), rows that sum to 1."""
    if kind == "attention":
        return levels.attentions[layer - 1]
    values = split_heads(levels.values[layer - 1], heads)
    return attention(values, values, values, mask)[1]


def compute(student: Levels, teacher: Levels, mask, text: int, layers: tuple[int, int], kind: str, heads: int) -> dict:
    """Return what the widget shows of one text of a batch.

    student, teacher: Levels of the same padded batch, all layers. mask: bool (texts, length). layers: the student's and
    the teacher's, from 1. kind: one of KINDS. heads: relation heads. Returns `student` and `teacher` (length, length),
    the means over heads; `divergence` (length,), the KL divergence of each reading token in nats; `real` (length,);
    `loss`, the mean divergence of the real tokens; `unmasked`, that of all; and `padding`, the share of padding in the
    sum of all.
    """
    pair = [weights_of(*which, kind, heads) for which in ((student, mask, layers[0]), (teacher, mask, layers[1]))]
    pair = [weights[text : text + 1].float() for weights in pair]
    rows = torch.eye(mask.shape[1], dtype=torch.bool)
    divergence = np.array([float(attention_loss(*pair, row[None])) for row in rows]).clip(min=0)
    real = mask[text].numpy().astype(bool)
    return {
        "student": pair[0][0].mean(dim=0).numpy(),
        "teacher": pair[1][0].mean(dim=0).numpy(),
        "divergence": divergence,
        "real": real,
        "loss": float(divergence[real].mean()),
        "unmasked": float(divergence.mean()),
        "padding": float(divergence[~real].sum() / max(divergence.sum(), 1e-12)),
    }


def figure(seen: dict, tokens, title: str = "") -> Figure:
    """Draw teacher and student as two tables, rows read and columns are read. Returns a figure."""
    with palette.style():
        result = palette.blank_figure(7.4, 4.0)
        result.suptitle(title, fontsize=12, x=0.02, ha="left")
        for axes, name in zip(result.subplots(1, 2, sharey=True), ("teacher", "student"), strict=True):
            axes.imshow(100 * seen[name], cmap="Blues", vmin=0, vmax=100)
            axes.set_xticks(range(len(tokens)), tokens, rotation=90)
            axes.set_yticks(range(len(tokens)), tokens)
            axes.tick_params(length=0)
            axes.grid(visible=False)
            axes.set(title=name)
    return result


class LevelMatch(Pictured, ipywidgets.VBox):
    """Pick a text, a student's start and two layers; see both side by side, and how far apart each token is.

    teacher: Levels of a padded batch, all layers. students: name -> (Levels of the same batch, the numbers of the
    teacher's layers that it started from, or None). mask: bool (texts, length). tokens: for each text its word pieces,
    padding included. heads: relation heads. ValueError when they do not fit. `found` holds the goals that have been
    reached: "zero", "same weights".
    """

    def __init__(self, teacher: Levels, students: dict, mask, tokens, heads: int = 12):
        self.mask, self.tokens = torch.as_tensor(mask).bool(), [[str(token) for token in text] for text in tokens]
        if not self.tokens or [len(text) for text in self.tokens] != [self.mask.shape[1]] * len(self.mask):
            raise ValueError(f"tokens must be {len(self.mask)} texts of {self.mask.shape[1]} word pieces, with padding")
        if not students:
            raise ValueError("there is no student to show")
        for name, (levels, _) in students.items():
            for shown in (levels, teacher):
                if (
                    shown.attentions[0].shape[0] != len(self.mask)
                    or shown.attentions[0].shape[-1] != self.mask.shape[1]
                ):
                    raise ValueError(f"the levels of {name!r} and of the teacher must be of the mask's batch")
        self.teacher, self.students, self.heads = teacher, students, heads
        self.found: set[str] = set()

        def pick(label: str, options) -> ipywidgets.Dropdown:
            return ipywidgets.Dropdown(options=options, description=label)

        names = [" ".join(t for t, real in zip(*pair, strict=True) if real)
                 for pair in zip(self.tokens, self.mask.tolist(), strict=True)]  # fmt: skip
        self.text = pick("text", [(name, i) for i, name in enumerate(names)])
        self.start = pick("start", list(students))
        self.kind = pick("compare", list(KINDS))
        depth = max(len(levels.attentions) for levels, _ in students.values())
        self.student_layer = ipywidgets.IntSlider(1, 1, depth, description="student")
        self.teacher_layer = ipywidgets.IntSlider(1, 1, len(teacher.attentions), description="teacher")
        self.padding = ipywidgets.Checkbox(False, description="count the padding too", indent=False)
        self.shown = ipywidgets.HTML()
        for knob in (self.text, self.start, self.kind, self.student_layer, self.teacher_layer, self.padding):
            knob.observe(lambda _: self._draw(), "value")
        for knob in (self.text, self.start, self.kind, self.student_layer, self.teacher_layer):
            knob.layout = ipywidgets.Layout(width="98%")
        columns = [[self.text, self.start, self.kind], [self.student_layer, self.teacher_layer, self.padding]]
        half = ipywidgets.Layout(flex="1 1 320px", min_width="280px")
        knobs = ipywidgets.HBox(
            [ipywidgets.VBox(column, layout=half) for column in columns], layout=ipywidgets.Layout(flex_flow="row wrap")
        )
        look = ipywidgets.HTML(
            f'<style>{stylesheet()}</style><div class="sl"><p class="sl-look"><b>Who reads whom, in teacher and '
            "student?</b> Both sliders count layers from 1. Rows read, columns are read; the bars at the right say how "
            "far apart the two are for each reading token. <b>Look for</b> tokens at which they differ most.</p></div>"
        )
        super().__init__([look, knobs, self.shown], layout=ipywidgets.Layout(max_width="860px"))
        self.add_class("sl-ask")
        self.add_class("sl-levels")
        self._draw()

    def seen(self) -> dict:
        """Return compute's result for what is picked now."""
        levels, _ = self.students[self.start.value]
        layers = min(self.student_layer.value, len(levels.attentions)), self.teacher_layer.value
        return compute(levels, self.teacher, self.mask, self.text.value, layers, self.kind.value, self.heads)

    def same_weights(self) -> bool:
        """Return whether the student's layer began as the teacher's layer that it is compared with."""
        _, numbers = self.students[self.start.value]
        return bool(numbers) and numbers[self.student_layer.value - 1] == self.teacher_layer.value

    def sentence(self, seen: dict | None = None) -> str:
        """Say what is seen now."""
        seen, tokens = seen or self.seen(), self.tokens[self.text.value]
        count = int(seen["real"].sum())
        far = int(np.where(seen["real"], seen["divergence"], -1).argmax())
        begun = "which began as that very layer, " if self.same_weights() else ""
        words = (
            f"{self.kind.value.capitalize()} of the student's layer {self.student_layer.value} against the teacher's "
            f"layer {self.teacher_layer.value}, {begun}over {count} real tokens: {seen['loss']:.3f} nats. "
        )
        words += f"Furthest apart: “{tokens[far]}” ({seen['divergence'][far]:.3f}). " if seen["loss"] > ZERO else ""
        if self.padding.value:
            words += (
                f"With the {len(tokens) - count} rows of padding counted, {seen['unmasked']:.3f} nats, and "
                f"{100 * seen['padding']:.0f} % of that sum is padding."
            )
        return words.strip()

    def _picture_of(self, seen: dict) -> str:
        tokens, n = self.tokens[self.text.value], self.mask.shape[1]
        wide, parts = n * CELL, []
        places = {"teacher": LEFT, "student": LEFT + wide + GAP}
        bars = places["student"] + wide + GAP
        top = max(seen["divergence"].max(), 1e-3)
        for i, token in enumerate(map(html.escape, tokens)):
            faint = "" if seen["real"][i] else ' fill-opacity="0.6"'
            y = TOP + i * CELL
            parts.append(f'<text x="{LEFT - 6}" y="{y + 14}" text-anchor="end"{faint}>{token}</text>')
            for left in places.values():
                x = left + i * CELL + 14
                parts.append(f'<text x="{x}" y="{TOP - 6}" transform="rotate(-90 {x} {TOP - 6})"{faint}>{token}</text>')
            if seen["real"][i] or self.padding.value:
                length = BAR * seen["divergence"][i] / top
                colour = palette.ACCENT if seen["real"][i] else palette.QUIET
                parts.append(f'<rect x="{bars}" y="{y + 3}" width="{length:.1f}" height="{CELL - 6}" fill="{colour}"/>')
                words = f"{seen['divergence'][i]:.2f}"
                parts.append(f'<text x="{bars + length + 4:.1f}" y="{y + 14}">{words}</text>')
        for name, left in places.items():
            parts.append(f'<text x="{left}" y="{TOP + wide + 18}" font-weight="700">{name}</text>')
            parts.append(f'<rect x="{left}" y="{TOP}" width="{wide}" height="{wide}" fill="none" '
                         'stroke="var(--sl-line)"/>')  # fmt: skip
            for i, j in np.argwhere(seen[name] > 0.01):
                at = f'x="{left + j * CELL}" y="{TOP + i * CELL}" width="{CELL - 1}" height="{CELL - 1}"'
                parts.append(f'<rect {at} class="sl-cell" fill-opacity="{seen[name][i, j]:.2f}"/>')
        parts.append(f'<text x="{bars}" y="{TOP + wide + 18}" font-weight="700">KL, nats</text>')
        size = f'width="{bars + BAR + 44}" height="{TOP + wide + 26}"'
        label = "Two tables, the teacher's and the student's: rows read, columns are read. Bars: each row's divergence."
        return f'<svg class="sl-map" {size} role="img" aria-label="{label}">{"".join(parts)}</svg>'

    def _draw(self) -> None:
        seen = self.seen()
        if seen["loss"] < ZERO:
            self.found.add("zero")
        elif self.same_weights() and seen["loss"] > APART:
            self.found.add("same weights")
        goals = {"zero": "a loss of 0", "same weights": "the same weights, and a loss above 0"}
        state = ", ".join(f"{'✓' if name in self.found else '○'} {words}" for name, words in goals.items())
        reached = self.found == set(goals)
        why = ". Both found: a layer answers to its weights and to what it is given to read." if reached else ""
        self.shown.value = (
            '<div class="sl"><div style="max-width: 100%; overflow-x: auto; padding: 3px">'
            f"{self._picture_of(seen)}</div>"
            f'<p class="sl-now" role="status" aria-live="polite">{html.escape(self.sentence(seen))}</p>'
            f'<div class="sl-goal{" sl-reached" if reached else ""}"><p><b>Goal.</b> Find a start and two layers at '
            "which the loss is 0. Then find two layers of the same weights at which it is not.</p>"
            f'<p class="sl-state">{state}{why}</p></div></div>'
        )

    def picture(self) -> tuple[Figure, str]:
        """Return both tables, and a description of them."""
        seen = self.seen()
        padded = round(100 * float((~seen["real"]).mean()))
        title = f"{self.kind.value.capitalize()}: teacher's layer {self.teacher_layer.value}, student's layer "
        title += f"{self.student_layer.value} ({self.start.value})"
        alt = f"Two tables of who reads whom, for teacher and student; {padded}% of the rows are padding. "
        return figure(seen, self.tokens[self.text.value], title), alt + self.sentence(seen)

    def __repr__(self) -> str:
        return f"LevelMatch({len(self.students)} students, {len(self.tokens)} texts)"
