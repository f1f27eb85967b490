"""The outcome of a check and its words: kind, specific, with a question that leads to the mend; never the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from softlabels.course import show
from softlabels.course.exercises import Exercise, number
from softlabels.course.judging import SMALLEST

__all__ = ["Outcome", "put_into_words", "title"]


@dataclass(frozen=True)
class Outcome:
    """The result of a check. It displays as HTML in a notebook and as text elsewhere.

    kind: "not attempted", "correct", "wrong" or "crashed". exercise: the exercise's name. message: plain text, with
    code in backticks. mistake: the name of the known mistake, property or general finding; None unless wrong.
    """

    kind: str
    exercise: str
    message: str
    mistake: str | None = None
    title: str = ""
    question: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    caption: str = ""
    closing: str = ""

    @property
    def _head(self) -> str:
        head = f"{self.kind.capitalize()}: {self.title or self.exercise}"
        return f"{head} ({self.mistake})" if self.mistake and self.mistake != SMALLEST else head

    def __repr__(self) -> str:
        parts = [f"{show.ICONS[self.kind]} {self._head}", self.message, self.question]
        if self.rows:
            parts.append(show.text_table(list(self.rows), self.caption))
        return "\n".join(p.replace("**", "") for p in [*parts, self.closing] if p)

    def _repr_html_(self) -> str:
        rows = show.table(list(self.rows), self.caption) if self.rows else ""
        question = f"<em>{show.inline(self.question)}</em>" if self.question else ""
        closing = f'<small style="opacity:0.85">{show.inline(self.closing)}</small>' if self.closing else ""
        return show.box(self.kind, self._head, show.inline(self.message), question, rows, closing)


_WORDS = {
    "NameError": "Python met a name it does not know here. Is it spelt as in the signature, or imported above?",
    "UnboundLocalError": "A variable is read before your function gives it a value. Is it set on every path?",
    "TypeError": "A value of one kind met an operation made for another. What type has each name on this line?",
    "AttributeError": "The object on this line has no such attribute. Is it the kind of object that you expect?",
    "IndexError": "An index is outside its axis. What is the shape of what is indexed?",
    "KeyError": "A key is not there. Which keys are?",
    "ValueError": "A value or a shape does not suit this operation. What are the shapes on this line?",
    "RuntimeError": "An operation refused its inputs. What are the shapes and types on this line?",
    "ZeroDivisionError": "Something is divided by zero here. Can this divisor be zero?",
    "RecursionError": "Your function calls itself without an end. Which call did you mean?",
    "SystemExit": "`exit()` would end the whole notebook. Would a `return` do?",
    "AssertionError": "An assertion of yours did not hold for these inputs. Which part of it is false?",
    "ModuleNotFoundError": "That package is not installed here. Does the exercise need it?",
}


def put_into_words(exercise: Exercise, kind: str, finding: Any) -> Outcome:
    """The outcome for what `judge` said: its kind, and what it found."""
    name, heading = exercise.name, title(exercise)
    fallback = f"The lesson goes on with the course's own `{name}`; yours takes its place as soon as it is correct."
    if kind == "not attempted":
        text = (
            finding.symptom if finding and finding.symptom else "The body is still blank: write it whenever you like."
        )
        return Outcome(kind, name, text, title=heading, closing=fallback)
    if kind == "correct":
        text = f"Your `{name}` holds in {_count(finding, 'case')}"
        text += f" and has {_count(len(exercise.properties), 'further property')}." if exercise.properties else "."
        return Outcome(kind, name, text, title=heading, closing=f"The lesson goes on with your own `{name}`.")
    if kind == "crashed":
        where = f"Line {finding.line.number} of your cell" if finding.line else "Your function"
        where += f", in `{finding.line.function}`," if finding.line and finding.line.function != name else ""
        text = f"{where} stopped with `{type(finding.error).__name__}: {_short(finding.error)}`"
        text += f"\n`{finding.line.text}`" if finding.line and finding.line.text else ""
        words = next((_WORDS[c.__name__] for c in type(finding.error).__mro__ if c.__name__ in _WORDS), "")
        rows = tuple((n, show.compact(v)) for n, v in finding.inputs.items())
        if finding.note and not rows:
            text += f"\nIt happened while this was checked: {finding.note}."
        caption = "It was called with" + (f" ({finding.note}):" if finding.note else ":")
        return Outcome(kind, name, text, None, heading, words, rows, caption if rows else "", fallback)
    rows, caption = (), ""
    if getattr(finding, "inputs", None):
        rows = tuple((n, show.compact(v)) for n, v in finding.inputs.items())
        if finding.expected is not None:
            rows, caption = tuple(show.case_rows(finding.inputs, finding.yours, finding.expected)), "The case:"
    return Outcome("wrong", name, finding.symptom, finding.name, heading, finding.question, rows, caption, fallback)


def title(exercise: Exercise) -> str:
    """How a message names an exercise: its number and its function."""
    return f"exercise {number(exercise)}, `{exercise.name}`"


def _count(n: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{n} {noun if n == 1 else plural}"


def _short(error: BaseException, limit: int = 200) -> str:
    text = " ".join(str(error).split()).replace("`", "'")
    return text if len(text) <= limit else text[: limit - 1] + "…"
