"""Where teacher and student part (lesson 10): browse the glosses by who is right, by class, and by confidence.

The counts at the side of a filter say how the two differ; the glosses say why. Glosses that may not suit a classroom
are neither shown nor counted.
"""

import html
import re

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure

from softlabels.distill.metrics import CASES, compare_answers
from softlabels.distill.temperature import soften

from . import ask, palette
from .bundle import Pictured, stylesheet

PARTED = "they say different things"
CHOICES = (PARTED, *CASES[1:])
ANY = "any class"
TOP = 6  # classes shown one by one; the label's is always among them, the others share a row
GOAL = (
    "Find the pair of classes that the student confuses most often where the teacher does not: set who is right, the "
    "label, and what the student says instead."
)
# Matters that a dictionary must cover and a classroom need not meet by chance. Word beginnings, unless marked with $.
_MATTERS = """
sex$ sexes sexu sexy erotic genital penis penile vagin vulva breast$ breasts nipple anus anal$ rectal rectum buttock
testic testes scrot semen sperm menstru prostitut brothel porn nude naked orgasm intercourse coitus copulat masturbat
rape$ raped rapist incest contracept abortion venereal syphili gonorrh hiv$ virgin$ homosexual lesbian gay$ transvest
adulter mistress concubin fornicat condom$ uter cervix crotch pubic phall hymen ejacul circumcis castrat eunuch kill
murder suicid tortur execution$ executed executioner hanged hanging$ corpse cadaver massacre slaughter genocid
holocaust nazi hitler terroris behead stab$ stabbing strangl lynch assassin mutilat weapon bomb gunshot wound
bloodshed violen atroci cruel gallows slur offensiv disparag derogat ethnic racis racial negro slave jew$ jews jewish
ghetto klan drug narcotic cocaine heroin opium opiate marijuana cannabis hashish hallucin amphetamin alcohol drunk
liquor intoxic addict feces faeces fecal excrement excret urin defecat bowel vomit flatul lavatory toilet retard$
retarded moron idiot imbecil feeblemind lunatic insan whore slut bastard obscen vulgar taboo devil satan cancer tumor
malignan leprosy plague abuse abus molest kidnap dead$ death$ deaths attractive contemptuous corpulen deform fallopian
fetus foolish foetus indian$ indians infant$ lash lashes milk-secret obnoxious ovar promiscu punish respectable savage
strikingly whip whips underwear lingerie undergarment
"""
_UNSUITABLE = re.compile(
    "|".join(rf"\b{word[:-1]}\b" if word.endswith("$") else rf"\b{word}" for word in _MATTERS.split()), re.IGNORECASE
)


def suits_a_classroom(text: str) -> bool:
    """Return whether a gloss keeps away from sex, violence, slurs, drugs, and what else may embarrass a class."""
    return _UNSUITABLE.search(text) is None


def compute(teacher_logits, student_logits, labels) -> dict:
    """Return what the widget knows about the examples.

    teacher_logits, student_logits: float (examples, classes). labels: int (examples,). Returns `teacher` and `student`
    (probabilities, float64 arrays (examples, classes)), `labels`, `case` (see compare_answers), `says` and `confidence`
    (the student's answer and its probability), and `confused`: an int array (classes, classes), how often an example
    whose label is the row is given to the column by the student, where the teacher is right.
    """
    teacher, student = (soften(torch.as_tensor(z).double(), 1.0).numpy() for z in (teacher_logits, student_logits))
    labels = torch.as_tensor(labels).long()
    case = compare_answers(torch.as_tensor(teacher), torch.as_tensor(student), labels).numpy()
    labels, says = labels.numpy(), student.argmax(axis=1)
    confused = np.zeros((teacher.shape[1],) * 2, dtype=np.int64)
    np.add.at(confused, (labels[case == 1], says[case == 1]), 1)
    about = dict(case=case, says=says, confidence=student.max(axis=1), confused=confused)
    return dict(teacher=teacher, student=student, labels=labels) | about


def select(found: dict, choice: str, label: int | None = None, says: int | None = None, sure=(0.0, 1.0)) -> np.ndarray:
    """Return the rows that a filter lets through, those of which the student is surest first.

    choice: one of CHOICES. label, says: a class, or None for any. sure: the lowest and the highest confidence.
    """
    case = found["case"]
    keep = np.isin(case, [1, 2, 4]) if choice == PARTED else case == CASES.index(choice)
    if label is not None:
        keep &= found["labels"] == label
    if says is not None:
        keep &= found["says"] == says
    keep &= (found["confidence"] >= sure[0]) & (found["confidence"] <= sure[1])
    rows = np.flatnonzero(keep)
    return rows[np.argsort(-found["confidence"][rows], kind="stable")]


def sentence(found: dict, rows: np.ndarray, place: int, classes) -> str:
    """Return in words which example is seen, and who is right."""
    if len(rows) == 0:
        return "No gloss passes this filter. Widen it: another class, or a wider range of confidence."
    row = rows[place]
    p, q = found["teacher"][row], found["student"][row]
    teacher, student, label = int(p.argmax()), int(q.argmax()), int(found["labels"][row])
    told = f"the teacher says {classes[teacher]} ({100 * p[teacher]:.0f} %), the student {classes[student]} "
    told += f"({100 * q[student]:.0f} %)"
    return f"Gloss {place + 1} of {len(rows):,}. The label is {classes[label]}; {told}: {CASES[found['case'][row]]}."


def tally(found: dict, rows: np.ndarray, classes, most: int = 4) -> str:
    """Return in words which labels are the most frequent among the rows, and what the student says most often."""

    def named(values: np.ndarray) -> str:
        counts = np.bincount(values, minlength=len(classes))
        order = [c for c in np.argsort(-counts, kind="stable")[:most] if counts[c]]
        return ", ".join(f"{classes[c]} {counts[c]}" for c in order)

    if len(rows) == 0:
        return ""
    return f"Labels: {named(found['labels'][rows])}. The student says: {named(found['says'][rows])}."


def goal_state(found: dict, choice: str, label: int | None, says: int | None, classes) -> tuple[bool, str]:
    """Return whether the filter names the pair that is confused most often, and that in words."""
    most = int(found["confused"].max())
    if most == 0:
        return False, "○ Not yet: the student never errs where the teacher is right."
    if choice != CASES[1]:
        return False, "○ Not yet: choose who is right where the teacher does not confuse them."
    if label is None or says is None:
        return False, "○ Not yet: choose a label, and what the student says."
    count = int(found["confused"][label, says])
    pair = f"{classes[label]} taken for {classes[says]}, {count} {'time' if count == 1 else 'times'}"
    if count < most:
        return False, f"○ Not yet: {pair}. There is a pair with more."
    return True, f"✓ Reached: {pair}. Read some of them: what do they have in common?"


def rows_of_bars(found: dict, row: int, classes) -> list[tuple[str, float, float, str]]:
    """Return (name, teacher's, student's probability, colour) for the classes that either finds likely; the label's
    name has a tick."""
    p, q, label = found["teacher"][row], found["student"][row], int(found["labels"][row])
    order = np.argsort(-np.maximum(p, q), kind="stable").tolist()
    shown = order[:TOP] if label in order[:TOP] else [*order[: TOP - 1], label]
    bars = [(("✓ " if c == label else "") + classes[c], p[c], q[c], palette.colour_of(classes[c])) for c in shown]
    rest = (max(0.0, 1 - float(x[shown].sum())) for x in (p, q))
    if len(classes) > TOP:
        bars.append((f"{len(classes) - TOP} others", *rest, palette.QUIET))
    return bars


def figure(text: str, found: dict, row: int, classes) -> Figure:
    """Draw one example: the teacher's probabilities on the left, the student's on the right; a tick at the label."""
    return ask.draw_bars(text, rows_of_bars(found, row, classes), ("teacher", "student"))


class Disagreements(Pictured, ipywidgets.VBox):
    """Browse the glosses on which a student and its teacher part, or err together.

    texts: the glosses. teacher_logits, student_logits: float (examples, classes). labels: int (examples,). classes:
    their names. Glosses that may not suit a classroom are left out (`left_out` counts them). ValueError when the inputs
    do not fit, or when nothing is left.

    `who`, `label`, `says` and `sure` are the filter's controls; `rows` are the examples that pass, `place` the one that
    is shown.
    """

    def __init__(self, texts, teacher_logits, student_logits, labels, classes):
        texts, self.classes = [str(text) for text in texts], tuple(classes)
        teacher, student = (torch.as_tensor(z).detach().double().cpu() for z in (teacher_logits, student_logits))
        labels = torch.as_tensor(labels).cpu()
        wanted = (len(texts), len(self.classes))
        if tuple(teacher.shape) != wanted or tuple(student.shape) != wanted or tuple(labels.shape) != wanted[:1]:
            shapes = f"{tuple(teacher.shape)}, {tuple(student.shape)} and {tuple(labels.shape)}"
            raise ValueError(f"{wanted[0]} texts and {wanted[1]} classes need logits {wanted} and labels, not {shapes}")
        if not (teacher.isfinite().all() and student.isfinite().all()):
            raise ValueError("the logits must be finite")
        keep = np.array([suits_a_classroom(text) for text in texts], dtype=bool)
        self.texts, self.left_out = [text for text, kept in zip(texts, keep, strict=True) if kept], int((~keep).sum())
        kept = torch.as_tensor(keep)
        self.found = compute(teacher[kept], student[kept], labels[kept])
        if not (self.found["case"] > 0).any():
            raise ValueError("teacher and student are right about every text: there is nothing to browse")
        self.rows, self.place = np.zeros(0, dtype=np.int64), 0
        layout = ipywidgets.Layout
        names = sorted(self.classes)
        options = [(ANY, -1), *((name, self.classes.index(name)) for name in names)]
        # Sliders, not lists that drop down: JupyterLab would take the arrow keys from those.
        self.who = self._slider(CHOICES, "who is right")
        self.label = self._slider(options, "the label")
        self.says = self._slider(options, "the student says")
        self.sure = ipywidgets.IntRangeSlider(
            value=(0, 100), min=0, max=100, step=5, description="how sure it is", readout=False,
            style={"description_width": "120px"}, layout=layout(width="430px", max_width="60%"),
        )  # fmt: skip
        self.back = ipywidgets.Button(description="◀ previous", layout=layout(width="110px"))
        self.forth = ipywidgets.Button(description="next ▶", layout=layout(width="110px"))
        self.shown = ipywidgets.HTML()
        look = ipywidgets.HTML(
            f'<style>{stylesheet()}</style><div class="sl"><p class="sl-look">Filter by mouse or arrow keys, and leaf '
            "through what is left, surest first. <b>Look for</b> mistakes that only the student makes, and mistakes "
            "that it has taken over.</p></div>"
        )
        leaf = ipywidgets.HBox([self.back, self.forth], layout=layout(margin="4px 0 0 120px"))
        controls = [self.who, self.label, self.says, self.sure]
        self.named = [ipywidgets.Label() for _ in controls]  # what each is set to: a slider's own read-out is narrow
        lines = [ipywidgets.HBox(pair) for pair in zip(controls, self.named, strict=True)]
        super().__init__([look, *lines, leaf, self.shown], layout=layout(max_width="760px"))
        self.add_class("sl-part")
        for control in controls:
            control.observe(lambda _: self._filter(), "value")
        self.back.on_click(lambda _: self._leaf(-1))
        self.forth.on_click(lambda _: self._leaf(1))
        self._filter()

    @staticmethod
    def _slider(options, description: str) -> ipywidgets.SelectionSlider:
        style, layout = {"description_width": "120px"}, ipywidgets.Layout(width="430px", max_width="60%")
        return ipywidgets.SelectionSlider(
            options=options, description=description, readout=False, style=style, layout=layout
        )

    def _chosen(self) -> tuple[str, int | None, int | None]:
        """Return who is right, the label and the student's answer as the filter wants them: None for any class."""
        label, says = (None if control.value < 0 else control.value for control in (self.label, self.says))
        return self.who.value, label, says

    def _filter(self) -> None:
        low, high = (percent / 100 for percent in self.sure.value)
        self.rows = select(self.found, *self._chosen(), (low, high))
        self.place = 0
        self._show()

    def _leaf(self, step: int) -> None:
        self.place = min(max(0, self.place + step), max(0, len(self.rows) - 1))
        self._show()

    def _show(self) -> None:
        low, high = self.sure.value
        told = [self.who.label, self.label.label, self.says.label, f"{low} to {high} %"]
        for line, words in zip(self.named, told, strict=True):
            line.value = words
        bars = ""
        if len(self.rows):
            row = self.rows[self.place]
            bars = ask.table_html(self.texts[row], rows_of_bars(self.found, row, self.classes), ("teacher", "student"))
            bars += '<p class="sl-legend">✓ marks the label, the class that the dictionary gives.</p>'
        words = html.escape(sentence(self.found, self.rows, self.place, self.classes))
        counts = html.escape(tally(self.found, self.rows, self.classes))
        reached, told = goal_state(self.found, *self._chosen(), self.classes)
        self.shown.value = (
            f'<div class="sl"><p class="sl-now" role="status" aria-live="polite" style="min-height: 2.7em">{words}</p>'
            f'{bars}<p class="sl-tally"><b>Among these {len(self.rows):,}.</b> {counts}</p>'
            f'<div class="sl-goal{" sl-reached" if reached else ""}"><p><b>Goal.</b> {GOAL}</p>'
            f'<p class="sl-state" role="status" aria-live="polite">{html.escape(told)}</p></div></div>'
        )

    def picture(self) -> tuple[Figure, str]:
        """Return the example that is shown (or the first of all), and a description of it."""
        rows, place = self.rows, self.place
        if len(rows) == 0:
            rows, place = np.flatnonzero(self.found["case"] > 0), 0
        text, words = self.texts[rows[place]], sentence(self.found, rows, place, self.classes)
        alt = f"The teacher's and the student's probabilities for “{text}”. {words}"
        return figure(text, self.found, rows[place], self.classes), alt

    def __repr__(self) -> str:
        errors = int((self.found["case"] > 0).sum())
        return f"Disagreements({errors} of {len(self.texts)} glosses, {self.left_out} left out)"
