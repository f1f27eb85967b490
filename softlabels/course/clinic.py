"""The case clinic's questions: decide among measured options, write the memo, review a document. Lesson 12.

A decision is made on validation; only the chosen option's test figures are shown, after it. All are worked like the
quizzes (see questions), and are kept in the learner's record as quizzes and reflections of lesson 12.
"""

from __future__ import annotations

import html

import ipywidgets as widgets

from softlabels.course import cases, clinic_words, show
from softlabels.course.cases import COLUMNS, LESSON, NONE
from softlabels.course.content import ContentError
from softlabels.course.questions import _WIDE, Reflection, _button, _Question
from softlabels.distill.frontier import ShippingBudget

__all__ = ["Decision", "Memo", "Review", "case", "memo", "review"]


def case(key: str, budget: ShippingBudget | None = None) -> Decision:
    """The case with this key, such as "mail": its request, its budget, its options, and a decision to make.

    budget: your own, to try what another one would let through; such a decision is not recorded. Raises ContentError
    if there is no such case, or if what was measured for it is missing.
    """
    return Decision(key, budget)


def memo(key: str) -> Memo:
    """The decision memo of the case with this key. Raises ContentError if there is none."""
    return Memo(key)


def review(key: str) -> Review:
    """The document to review of the case with this key, "design". Raises ContentError if there is none."""
    return Review(key)


class _OfCase(_Question):
    """A question on a case; kept in the record as lesson 12's."""

    def __init__(self, key: str):
        self.case = cases.case(key)
        super().__init__(f"{LESSON}.{key}")

    def _entry(self):
        return self.case

    def _head(self) -> str:
        asked = self.case
        stands_in = f"<p><strong>What stands in.</strong> {show.inline(asked.stands_in)}</p>" if asked.stands_in else ""
        return (
            f'<div style="line-height:1.45"><strong>Case {asked.number}. {html.escape(asked.title)}</strong>'
            f'<blockquote style="margin:6px 0;padding:2px 12px;border-left:3px solid {show.COLOURS["note"]}">'
            f"{show.inline(asked.letter)}<br><em>{html.escape(asked.sender)}</em></blockquote>{stands_in}"
            f"{self._below()}<p><strong>{html.escape(self._ask())}</strong></p></div>"
        )

    def _below(self) -> str:
        return ""

    def __repr__(self) -> str:
        asked = self.case
        head = [f"Case {asked.number}. {asked.title}", asked.letter, asked.sender, asked.stands_in]
        return "\n".join([*(part for part in head if part), super().__repr__()])


class Decision(_OfCase):
    """A case's options under its budget, one of which is to be chosen, or none."""

    kind, section = "case", "quizzes"

    def __init__(self, key: str, budget: ShippingBudget | None = None):
        if budget is not None and not isinstance(budget, ShippingBudget):
            raise TypeError(f"budget must be a ShippingBudget, not {type(budget).__name__}")
        if not cases.case(key).options:
            raise ContentError(f"the case {key!r} is a document: review({key!r})")
        self.own, self.budget = budget is not None, budget or cases.case(key).budget
        super().__init__(key)

    def _ask(self) -> str:
        return "What do you ship?"

    def _choices(self) -> list[str]:
        return [*(option.name for option in self.case.options), NONE]

    def _limits(self) -> str:
        words = clinic_words.limits(self.budget, self.case.measure)
        said = "; ".join(f"{COLUMNS[column]} {limit}" for column, limit in words.items()) or "no limits"
        return f"{'Your own budget' if self.own else 'The budget'}: {said}."

    def _below(self) -> str:
        return f"<p><strong>{html.escape(self._limits())}</strong></p>{clinic_words.table(self.case.key, self.budget)}"

    def __repr__(self) -> str:
        *head, ask, rest = super().__repr__().partition(self._ask())
        return "".join(
            [*head, self._limits(), "\n", clinic_words.text_table(self.case.key, self.budget), "\n", ask, rest]
        )

    def _parts(self):
        self.options = widgets.RadioButtons(options=self._choices(), index=None, layout=_WIDE)
        self.button = _button("Decide", self.answer)
        return [self.options, self.button]

    def answer(self) -> None:
        """Judge what is chosen now, show its feedback, and record it if the budget is the case's own."""
        name = self.options.value
        if name is None:
            self._say("note", "Choose an option first.")
            return
        correct, head, sentences = clinic_words.feedback(self.case.key, name, self.budget)
        if self.own:
            sentences = [*sentences, "This was your own budget, so it is not recorded."]
        self._say("correct" if correct else "wrong", head, *map(show.inline, sentences))
        if not self.own:
            self._keep(correct=correct, chosen=name, first_try=self._earlier().get("first_try", correct))


class Review(_OfCase):
    """A document with numbered paragraphs, of which the ones with a mistake are to be ticked."""

    kind, section = "case", "quizzes"

    def __init__(self, key: str):
        if not cases.case(key).document:
            raise ContentError(f"the case {key!r} has options and no document: case({key!r})")
        self.tries = 0
        super().__init__(key)

    def _wrong(self) -> list[int]:
        return [i for i, paragraph in enumerate(self.case.document) if paragraph.mistake]

    def _ask(self) -> str:
        return f"{len(self._wrong())} of these {len(self.case.document)} paragraphs have a mistake that matters. Which?"

    def _choices(self) -> list[str]:
        return [f"{i}. {paragraph.text}" for i, paragraph in enumerate(self.case.document, 1)]

    def _parts(self):
        self.options = [widgets.Checkbox(description=text, indent=False, layout=_WIDE) for text in self._choices()]
        self.button = _button(f"Check my {len(self._wrong())}", self.answer)
        return [widgets.VBox(self.options), self.button]

    def answer(self) -> None:
        """Say how many are found, with feedback to each that is ticked, and record it."""
        chosen, wrong = {i for i, box in enumerate(self.options) if box.value}, set(self._wrong())
        if not chosen:
            self._say("note", "Tick a paragraph first.")
            return
        if len(chosen) > len(wrong):
            self._say("note", f"{len(chosen)} are ticked, and {len(wrong)} have a mistake. Which matter most?")
            return
        self.tries += 1
        correct, innocent = chosen == wrong, len(chosen - wrong)
        head = f"{len(wrong & chosen)} of {len(wrong)} found" + (f", {innocent} innocent" if innocent else "")
        head += " one marked" if innocent == 1 else " ones marked" if innocent else ""
        said = [self._of(i) for i in sorted(chosen)]
        if correct:
            said += ["**The others**", *(self._of(i) for i in range(len(self.options)) if i not in wrong)]
        elif self.tries > 1:
            names = [self.case.document[i].mistake for i in sorted(wrong - chosen)]
            said.append(f"**A hint.** Still to be found: {'; '.join(names)}.")
        self._say("correct" if correct else "wrong", head, *map(show.inline, said))
        chosen = [i + 1 for i in sorted(chosen)]
        self._keep(correct=correct, chosen=chosen, first_try=self._earlier().get("first_try", correct))

    def _of(self, i: int) -> str:
        paragraph = self.case.document[i]
        return f"**{i + 1}{': ' + paragraph.mistake if paragraph.mistake else ''}.** {paragraph.feedback}"


class Memo(Reflection):
    """A decision memo: a reflection whose model answer takes its figures from the measured runs."""

    def __init__(self, key: str):
        self.case = cases.case(key).key
        super().__init__(f"{LESSON}.{key}")

    def answer(self) -> None:
        """Keep the text; then show the rubric and the model answer."""
        self.content = self.content | {"model": clinic_words.fill(self.content["model"], self.case)}
        super().answer()
