"""Quizzes, matching sets, reflections and predictions, as ipywidgets.

All are worked with Tab, the arrow keys and Space alone. Without a kernel (GitHub, a static page, a terminal) the
question and its options stand in their place, never the answers. What is answered is kept in the learner's record.
"""

from __future__ import annotations

import html

import anywidget
import ipywidgets as widgets

from softlabels.course import content, record, show

__all__ = ["Match", "Prediction", "Quiz", "Recall", "Reflection", "match", "predict", "quiz", "recall", "reflect"]

# Radio buttons and tick boxes cut long labels by default; a learner must be able to read a whole option.
_STYLE = """<style>
.softlabels-question label, .softlabels-question .widget-label-basic {white-space: normal !important;
 height: auto !important; line-height: 1.4 !important; margin-bottom: 4px; overflow: visible !important}
.softlabels-question .widget-radio-box label {display: flex; flex-direction: row-reverse; justify-content: flex-end;
 align-items: baseline; gap: 6px}
.softlabels-question {max-width: 60em}
</style>"""
_WIDE = widgets.Layout(width="auto", height="auto")


def quiz(key: str) -> Quiz:
    """The quiz with this key, such as "02.order". Raises ContentError if there is none."""
    return Quiz(key)


def match(key: str) -> Match:
    """The matching set with this key, such as "01.roles". Raises ContentError if there is none."""
    return Match(key)


def reflect(key: str) -> Reflection:
    """The reflection with this key, such as "01.why". Raises ContentError if there is none."""
    return Reflection(key)


def predict(key: str) -> Prediction:
    """The prediction with this key, such as "01.second". Raises ContentError if there is none."""
    return Prediction(key)


def recall(key: str) -> Recall:
    """What the learner predicted under this key. Raises ContentError if there is no such prediction."""
    return Recall(key)


class _Arrows(anywidget.AnyWidget):
    """Leaves the arrow keys to radio buttons: JupyterLab would take up and down to go from cell to cell."""

    _esm = """
    function render() {
      const keep = (event) => {
        const ours = event.target.type === "radio" && event.target.closest(".softlabels-question");
        if (ours && event.key.startsWith("Arrow")) event.stopPropagation();
      };
      addEventListener("keydown", keep, true); // before JupyterLab, which listens on the document
      return () => removeEventListener("keydown", keep, true);
    }
    export default { render };
    """

    def __init__(self):
        super().__init__(layout=widgets.Layout(display="none"))


class _Question(widgets.VBox):
    """A question with parts below it; its text and HTML forms hold the question and the options, no answers."""

    kind, section = "", ""

    def __init__(self, key: str):
        self.key = key
        self.content = self._entry()
        self.said = widgets.HTML()
        super().__init__([widgets.HTML(_STYLE + self._head()), *self._parts(), self.said, _Arrows()])
        self.add_class("softlabels-question")

    def _entry(self):
        return content.entry(self.kind, self.key)

    def _parts(self) -> list[widgets.Widget]:
        raise NotImplementedError

    def _ask(self) -> str:
        return self.content["question"]

    def _choices(self) -> list[str]:
        return []

    def _head(self) -> str:
        return f'<div style="line-height:1.45"><strong>{show.inline(self._ask())}</strong></div>'

    def _say(self, kind: str, head: str, *parts: str) -> None:
        self.said.value = show.box(kind, head, *parts)

    def _keep(self, **fields) -> None:
        trouble = record.save(self.section, self.key, fields)
        if trouble:
            self.said.value += show.box("note", trouble)

    def _earlier(self) -> dict:
        return record.load()[self.section].get(self.key, {})

    def __repr__(self) -> str:
        return "\n".join([self._ask(), *(f"  ( ) {c}" for c in self._choices()), "Run this cell to answer."])

    def _repr_mimebundle_(self, include=None, exclude=None, **kwargs):
        bundle = super()._repr_mimebundle_(include=include, exclude=exclude, **kwargs) or {}
        bundle = bundle[0] if isinstance(bundle, tuple) else bundle
        choices = "".join(f"<li>{show.inline(c)}</li>" for c in self._choices())
        bundle["text/plain"] = repr(self)
        bundle["text/html"] = f"{self._head()}<ul>{choices}</ul><p><small>Run this cell to answer.</small></p>"
        return bundle


def _button(text: str, pressed) -> widgets.Button:
    button = widgets.Button(description=text, layout=widgets.Layout(width="auto", align_self="flex-start"))
    button.on_click(lambda _: pressed())
    return button


class Quiz(_Question):
    """One question with 2 to 6 options; every option has its feedback. Several correct options make tick boxes."""

    kind, section = "quiz", "quizzes"

    def _parts(self):
        self.several = sum(o.get("correct", False) for o in self.content["options"]) > 1
        if self.several:
            self.options = [widgets.Checkbox(description=c, indent=False, layout=_WIDE) for c in self._choices()]
            chooser = widgets.VBox(self.options)
        else:
            options = [(text, i) for i, text in enumerate(self._choices())]
            chooser = self.options = widgets.RadioButtons(options=options, index=None, layout=_WIDE)
        self.button = _button("Check my answer", self.answer)
        return [chooser, self.button]

    def _choices(self):
        return [o["text"] for o in self.content["options"]]

    def chosen(self) -> list[int]:
        """The places of the options that are chosen now, from 0."""
        if self.several:
            return [i for i, box in enumerate(self.options) if box.value]
        return [] if self.options.value is None else [self.options.value]

    def answer(self) -> None:
        """Judge what is chosen now, show its feedback and record it."""
        chosen, options = self.chosen(), self.content["options"]
        if not chosen:
            self._say("note", "Choose an option first.")
            return
        right = {i for i, o in enumerate(options) if o.get("correct", False)}
        said = [("Yes. " if i in right else "No. ") + options[i]["feedback"] for i in chosen]
        correct = set(chosen) == right
        if not correct and right > set(chosen):
            head = "Right so far, and not yet all of it"
        else:
            head = "Correct" if correct else "Not this one" if len(chosen) == 1 else "Not quite"
        single = len(chosen) == 1
        parts = [show.inline(options[chosen[0]]["feedback"])] if single else [show.inline(s) for s in said]
        self._say("correct" if correct else "wrong", head, *parts)
        self._keep(correct=correct, chosen=chosen, first_try=self._earlier().get("first_try", correct))


class Match(_Question):
    """Items on the left, a drop-down of all roles for each."""

    kind, section = "match", "matches"

    def _ask(self):
        return self.content["prompt"]

    def _choices(self):
        return [f"{p['item']}: …" for p in self.content["pairs"]] + [f"(role) {r}" for r in self._roles()]

    def _roles(self) -> list[str]:
        return sorted((p["role"] for p in self.content["pairs"]), key=str.casefold)  # the order tells nothing

    def _parts(self):
        choices = [("choose …", ""), *((r, r) for r in self._roles())]
        self.rows, self.marks = [], []
        grid = []
        for pair in self.content["pairs"]:
            role = widgets.Dropdown(options=choices, value="", layout=widgets.Layout(width="26em", max_width="100%"))
            role.description, role.style.description_width = pair["item"], "11em"
            role.tooltip = f"The role of: {pair['item']}"
            mark = widgets.HTML()
            self.rows.append(role)
            self.marks.append(mark)
            grid.append(widgets.VBox([role, mark]))
            role.layout.width = "44em"
        self.button = _button("Check my matches", self.answer)
        return [*grid, self.button]

    def answer(self) -> None:
        """Mark every row, with feedback, and record how many are right."""
        pairs, right = self.content["pairs"], 0
        if not any(row.value for row in self.rows):
            self._say("note", "Choose a role first.")
            return
        for pair, row, mark in zip(pairs, self.rows, self.marks, strict=True):
            if not row.value:
                mark.value = ""
            elif row.value == pair["role"]:
                right += 1
                mark.value = show.mark("correct", "Right. " + pair["feedback"])
            else:
                text = f"Not this one: that is the role of something else. What does the {pair['item']} do?"
                mark.value = show.mark("wrong", text)
        self._say("correct" if right == len(pairs) else "wrong", f"{right} of {len(pairs)} are right")
        self._keep(correct=right == len(pairs), right=right, of=len(pairs))


class Reflection(_Question):
    """An open question. After the learner has written, a rubric to tick and a model answer to compare with."""

    kind, section = "reflect", "reflections"
    MINIMUM = 40  # characters: about one short sentence

    def _parts(self):
        earlier = self._earlier()
        self.text = widgets.Textarea(
            value=earlier.get("text", ""),
            placeholder="In your own words …",
            layout=widgets.Layout(width="100%", height="8em"),
        )
        self.button = _button("Keep it and compare", self.answer)
        self.ticks = [widgets.Checkbox(description=r, indent=False, layout=_WIDE) for r in self.content["rubric"]]
        for i, tick in enumerate(self.ticks):
            tick.value = i in earlier.get("ticked", [])
            tick.observe(lambda _: self._keep_ticks(), "value")
        self.after = widgets.VBox([])
        return [self.text, self.button, self.after]

    def answer(self) -> None:
        """Keep the text; then show the rubric and the model answer."""
        text = self.text.value.strip()
        if len(text) < self.MINIMUM:
            self._say("note", "Write a sentence or two first: putting it into words is what makes it yours.")
            return
        model = show.inline(self.content["model"])
        head = widgets.HTML("<strong>Which of these does your answer say? Tick them.</strong>")
        fold = widgets.HTML(f"<details><summary>A model answer</summary><p>{model}</p></details>")
        self.after.children = [head, *self.ticks, fold]
        self._say("correct", "Kept", "You can change your answer and keep it again.")
        self._keep(text=text, ticked=self._ticked(), of=len(self.ticks))

    def _ticked(self) -> list[int]:
        return [i for i, tick in enumerate(self.ticks) if tick.value]

    def _keep_ticks(self) -> None:
        if self.after.children:
            self._keep(ticked=self._ticked(), of=len(self.ticks))


class Prediction(_Question):
    """A guess before looking: no right or wrong. The latest choice is kept; `recall` shows it again."""

    kind, section = "predict", "predictions"

    def _parts(self):
        options = list(self.content["options"])
        earlier = self._earlier().get("choice")
        self.options = widgets.RadioButtons(options=options, index=None, layout=_WIDE)
        if earlier in options:
            self.options.value = earlier
        self.options.observe(lambda _: self.answer(), "value")
        return [self.options]

    def _choices(self):
        return list(self.content["options"])

    def answer(self) -> None:
        """Keep the choice."""
        self._say("note", f"Kept: {self.options.value}", "You will see it again further down.")
        self._keep(choice=self.options.value)


class Recall:
    """What was predicted, as HTML and text."""

    def __init__(self, key: str):
        self.question = content.entry("predict", key)["question"]
        self.choice = record.load()["predictions"].get(key, {}).get("choice")

    @property
    def _said(self) -> str:
        return f"You predicted: {self.choice}" if self.choice else "You kept no prediction for this question."

    def __repr__(self) -> str:
        return f"{self.question}\n{self._said}"

    def _repr_html_(self) -> str:
        return show.box("note", self._said, f"<small>{html.escape(self.question)}</small>")
