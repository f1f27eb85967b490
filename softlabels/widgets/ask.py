"""Ask the models: type a definition, and read the teacher's soft label beside the hard one (lesson 00), or beside what
a student says (lesson 06).

The models are neural networks and run in the kernel, so these widgets are made of ipywidgets; their bars are HTML.
"""

import html
import traceback

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure

from softlabels.distill.temperature import entropy_bits

from . import palette
from .bundle import Pictured, stylesheet

TOP = 8  # classes shown one by one; the others share a row
LONGEST = 400  # characters: more than any dictionary's definition
EMPTY = "Write a definition first: a few words that say what a thing is. Or press one of the examples."
GOAL = "Write a definition that leaves the teacher torn: the second class gets over half of what the first gets."
PARTED_GOAL = "Write a definition on which the two part: each gives more than half to a class of its own."
LONG = f"That is longer than a definition. Only the first {LONGEST} characters went to the teacher."


def compute(probabilities, classes) -> dict:
    """Return what the widget shows about one answer.

    probabilities: (classes,) numbers, not negative, that sum to 1. classes: their names. ValueError when they do not
    fit. Returns `top` (the 8 most likely classes as (name, probability), the most likely first), `rest` (what the
    others have together), `hard_label` (a name), `entropy_bits`, `torn` (the second has over half of what the first
    has), and `sentence`, which puts it in words.
    """
    p = _distribution(probabilities, classes, "teacher")
    order = np.argsort(-p, kind="stable")
    top = [(classes[i], float(p[i])) for i in order[:TOP]]
    bits = float(entropy_bits(torch.from_numpy(p)))
    (first, most), (second, next_most) = top[:2]
    leaders, torn = f"{first} ({100 * most:.1f} %) and {second} ({100 * next_most:.1f} %)", next_most > most / 2
    if most > 0.95:
        words = f"The teacher is nearly sure: {first}, {100 * most:.1f} %. Here the hard label loses little."
    elif torn:
        words = f"Torn between {leaders}. The hard label hides that."
    else:
        words = f"Mostly {leaders.replace(' and ', ', with some ')}. The hard label says {first} only."
    rest = max(0.0, float(p[order[TOP:]].sum()))
    return {"top": top, "rest": rest, "hard_label": first, "entropy_bits": bits, "torn": torn, "sentence": words}


def _distribution(probabilities, classes, who: str) -> np.ndarray:
    if isinstance(probabilities, torch.Tensor):
        probabilities = probabilities.detach().float().cpu().numpy()
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape != (len(classes),) or len(classes) < 2:
        raise ValueError(f"the {who} must give {len(classes)} probabilities, one for each class, not shape {p.shape}")
    if not np.isfinite(p).all() or p.min() < 0 or abs(p.sum() - 1) > 1e-3:
        raise ValueError(f"the {who}'s answer is no probability distribution: it sums to {p.sum():.4g}")
    return p


def compare(teacher, student, classes) -> dict:
    """Return what the widget shows about two answers to one text.

    teacher, student: (classes,) probabilities. Returns `top` (the 8 classes to which either gives most, as (name,
    teacher's, student's)), `rest` (what the others have together, for each), `agree` (the same class first), `parted`
    (each gives over half to a class of its own), `overlap` (the probability that the two share, 1 when they are equal)
    and `sentence`.
    """
    p, q = _distribution(teacher, classes, "teacher"), _distribution(student, classes, "student")
    order = np.argsort(-np.maximum(p, q), kind="stable")
    top = [(classes[i], float(p[i]), float(q[i])) for i in order[:TOP]]
    first, second = int(p.argmax()), int(q.argmax())
    agree, parted = first == second, first != second and min(p[first], q[second]) > 0.5
    overlap = float(np.minimum(p, q).sum())
    if agree:
        words = f"Both say {classes[first]}: the teacher {100 * p[first]:.1f} %, the student {100 * q[first]:.1f} %."
    else:
        words = f"The teacher says {classes[first]} ({100 * p[first]:.1f} %), the student {classes[second]} "
        words += f"({100 * q[second]:.1f} %), a class that gets {100 * p[second]:.1f} % from the teacher."
    words += f" Of their probability they share {100 * overlap:.0f} %."
    rest = tuple(max(0.0, float(x[order[TOP:]].sum())) for x in (p, q))
    return {"top": top, "rest": rest, "agree": agree, "parted": bool(parted), "overlap": overlap, "sentence": words}


def _rows(probabilities, classes) -> list[tuple[str, float, float, str]]:
    """Return (name, soft label, hard label, colour) for each row of the picture."""
    seen = compute(probabilities, classes)
    rows = [(name, p, float(name == seen["hard_label"]), palette.colour_of(name)) for name, p in seen["top"]]
    if len(classes) > TOP:
        rows.append((f"{len(classes) - TOP} others", seen["rest"], 0.0, palette.QUIET))
    return rows


def _rows_of_both(seen: dict, classes) -> list[tuple[str, float, float, str]]:
    rows = [(name, p, q, palette.colour_of(name)) for name, p, q in seen["top"]]
    if len(classes) > TOP:
        rows.append((f"{len(classes) - TOP} others", *seen["rest"], palette.QUIET))
    return rows


def figure(text: str, probabilities, classes) -> Figure:
    """Draw one answer: the soft label on the left, the hard label on the right. Returns a matplotlib figure."""
    titles = f"soft label: {compute(probabilities, classes)['entropy_bits']:.2f} bits", "hard label: 0 bits"
    return draw_bars(text, _rows(probabilities, classes), titles)


def figure_of_both(text: str, teacher, student, classes) -> Figure:
    """Draw two answers to one text: the teacher's on the left, the student's on the right."""
    return draw_bars(text, _rows_of_both(compare(teacher, student, classes), classes), ("teacher", "student"))


def draw_bars(text: str, rows: list[tuple[str, float, float, str]], titles: tuple[str, str]) -> Figure:
    """Draw two columns of bars side by side under the text: a row is (name, left, right, colour), shares of 1."""
    names, soft, hard, shades = zip(*rows, strict=True)
    with palette.style():
        result = palette.blank_figure(7.2, 1.3 + 0.24 * len(rows))
        panels = result.subplots(1, 2, sharey=True)
        for panel, values, title in zip(panels, (soft, hard), titles, strict=True):
            panel.barh(range(len(rows)), [100 * v for v in values], color=shades, height=0.7)
            for place, value in enumerate(values):
                panel.text(100 * value + 1, place, f"{100 * value:.1f} %", va="center")
            panel.set(title=title, xlim=(0, 122), xticks=[])
            panel.spines["bottom"].set_visible(False)
            panel.grid(visible=False)
            panel.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(rows)), names)
        panels[0].invert_yaxis()
        result.suptitle(f"“{text if len(text) <= 80 else text[:78] + '…'}”", fontsize=12, x=0.01, ha="left")
    return result


def bars_html(text: str, probabilities, classes, own: bool = True) -> str:
    """Return the same picture as HTML, with the sentence and the goal; an example (own=False) never reaches it."""
    seen = compute(probabilities, classes)
    titles = f"soft label: {seen['entropy_bits']:.2f} bits", "hard label: 0 bits"
    state = "✓ Reached. Which of your words pull which way?" if seen["torn"] else "○ Not yet: one class is well ahead."
    table = table_html(text, _rows(probabilities, classes), titles)
    return table + _words_html(seen["sentence"], GOAL, seen["torn"], state, own)


def bars_of_both_html(text: str, teacher, student, classes, own: bool = True) -> str:
    """Return two answers to one text as HTML, with the sentence and the goal."""
    seen = compare(teacher, student, classes)
    state = (
        "✓ Reached. What has the student not learned?"
        if seen["parted"]
        else "○ Not yet: they differ, but not both by more than half."
    )
    if seen["agree"]:
        state = "○ Not yet: they agree."
    table = table_html(text, _rows_of_both(seen, classes), ("teacher", "student"))
    return table + _words_html(seen["sentence"], PARTED_GOAL, seen["parted"], state, own)


def table_html(text: str, rows: list[tuple[str, float, float, str]], titles: tuple[str, str]) -> str:
    """Return what draw_bars draws as an HTML table."""
    lines = []
    for name, left, right, colour in rows:
        cells = []
        for p in (left, right):
            fill = f'<span class="sl-fill" style="background: {colour}; width: {100 * p:.2f}%"></span>'
            words = "< 0.1 %" if 0 < p < 0.0005 else f"{100 * p:.1f} %"
            cells.append(f'<td><span class="sl-track">{fill}</span></td><td class="sl-value">{html.escape(words)}</td>')
        lines.append(f'<tr><th scope="row">{html.escape(name)}</th>{"".join(cells)}</tr>')
    heads = "".join(f'<th scope="col" colspan="2">{title}</th>' for title in titles)
    return (
        f'<p class="sl-asked">“{html.escape(text)}”</p><table class="sl-answer"><colgroup><col class="sl-wide"><col>'
        '<col class="sl-narrow"><col><col class="sl-narrow"></colgroup><tr><th></th>'
        f"{heads}</tr>{''.join(lines)}</table>"
    )


def _words_html(sentence: str, goal: str, reached: bool, state: str, own: bool) -> str:
    if not own:
        reached, state = False, "○ Not yet: this is one of the examples. Write your own."
    return (
        f'<p class="sl-now" role="status" aria-live="polite">{html.escape(sentence)}</p>'
        f'<div class="sl-goal{" sl-reached" if reached else ""}"><p><b>Goal.</b> {goal}</p>'
        f'<p class="sl-state">{state}</p></div>'
    )


class AskTheTeacher(Pictured, ipywidgets.VBox):
    """Type any definition, press Enter, and the teacher answers with its probabilities beside the hard label.

    classify: a function from a text to (classes,) probabilities. classes: their names. examples: texts for the buttons;
    the first is asked at once, so that there is something to see (and so that a teacher that cannot answer fails here).

    What `classify` raises is shown in the widget and raised again. `answer` holds the last probabilities (a float
    array).
    """

    look_for = "what the soft label says that the hard one cannot."

    def __init__(self, classify, classes, examples):
        self.classify, self.classes, self.examples = classify, tuple(classes), tuple(str(text) for text in examples)
        if not self.examples:
            raise ValueError("give at least one example to start with")
        self.asked, self.answer = None, None
        layout = ipywidgets.Layout
        self.text = ipywidgets.Text(placeholder="a large boat with two hulls", continuous_update=False)
        self.text.layout = layout(flex="1 1 auto", width="auto")
        self.text.tooltip = "A definition"
        self.button = ipywidgets.Button(description="Ask", button_style="primary", layout=layout(width="72px"))
        self.shown = ipywidgets.HTML()
        self.text.observe(lambda change: self.ask(change["new"]), "value")  # Enter, or leaving the field
        self.button.on_click(lambda _: self.ask(self.text.value))
        buttons = []
        for example in self.examples:
            short = example if len(example) <= 42 else example[:40] + "…"
            button = ipywidgets.Button(description=short, tooltip=example, layout=layout(width="auto"))
            button.on_click(lambda _, text=example: self._take(text))
            buttons.append(button)
        row = ipywidgets.HBox([self.text, self.button])
        examples = ipywidgets.Box(buttons, layout=layout(flex_flow="row wrap"))
        look = ipywidgets.HTML(
            f'<style>{stylesheet()}</style><div class="sl"><p class="sl-look"><b>What kind of thing is this?</b> '
            f"Type a definition and press Enter. <b>Look for</b> {self.look_for}</p></div>"
        )
        super().__init__([look, row, examples, self.shown], layout=layout(max_width="760px"))
        self.add_class("sl-ask")
        self.text.value = self.examples[0]

    def _take(self, text: str) -> None:
        if self.text.value == text:
            self.ask(text)
        else:
            self.text.value = text  # which asks

    def ask(self, text: str) -> None:
        """Ask the teacher and show the answer, or kind words for an empty text; errors are shown and raised again."""
        text = " ".join(text.split())
        if not text:
            self.asked, self.answer = None, None
            self._show(f'<p class="sl-now" role="status">{EMPTY}</p>')
            return
        note = f'<p class="sl-note">{LONG}</p>' if len(text) > LONGEST else ""
        text = text[:LONGEST]
        if text == self.asked:  # leaving the field by a press on "Ask" asks twice
            return
        try:
            probabilities, picture = self._respond(text, own=text not in self.examples)
        except Exception as error:
            self.asked, self.answer = None, None
            words = html.escape(f"{type(error).__name__}: {error}")
            trace = html.escape("".join(traceback.format_exception(error)))
            self._show(
                f'<div class="sl-error" role="alert"><p><b>There is no answer.</b> {words}</p>'
                f"<details><summary>Where it happened</summary><pre>{trace}</pre></details></div>"
            )
            raise
        self.asked, self.answer = text, np.array([float(p) for p in probabilities])
        self._show(note + picture)

    def _respond(self, text: str, own: bool) -> tuple:
        """Return the teacher's probabilities and the picture of the answer, as HTML."""
        probabilities = self.classify(text)
        return probabilities, bars_html(text, probabilities, self.classes, own)

    def _show(self, content: str) -> None:
        self.shown.value = f'<div class="sl">{content}</div>'

    def picture(self) -> tuple[Figure, str]:
        """Return the answer to the first example, and a description of it."""
        text = self.examples[0]
        probabilities = self.answer if self.asked == text else self.classify(text)
        words = ", ".join(f"{name} {100 * p:.1f} %" for name, p in compute(probabilities, self.classes)["top"][:3])
        alt = f"The teacher's soft label beside the hard label for “{text}”: {words}."
        return figure(text, probabilities, self.classes), alt

    def __repr__(self) -> str:
        return f"AskTheTeacher({len(self.classes)} classes, {len(self.examples)} examples)"


class AskBoth(AskTheTeacher):
    """Type any definition, and read what the teacher and a student say about it, side by side.

    teacher, student: functions from a text to (classes,) probabilities. The rest is as in AskTheTeacher; `answer` holds
    the teacher's last probabilities.
    """

    look_for = "what the student has taken over from the teacher, its doubts too."

    def __init__(self, teacher, student, classes, examples):
        self.student = student
        super().__init__(teacher, classes, examples)

    def _respond(self, text: str, own: bool) -> tuple:
        teacher, student = self.classify(text), self.student(text)
        return teacher, bars_of_both_html(text, teacher, student, self.classes, own)

    def picture(self) -> tuple[Figure, str]:
        """Return the answers to the first example, and a description of them."""
        text = self.examples[0]
        teacher = self.answer if self.asked == text else self.classify(text)
        student = self.student(text)
        seen = compare(teacher, student, self.classes)
        alt = f"The teacher's and the student's probabilities for “{text}”. {seen['sentence']}"
        return figure_of_both(text, teacher, student, self.classes), alt

    def __repr__(self) -> str:
        return f"AskBoth({len(self.classes)} classes, {len(self.examples)} examples)"
