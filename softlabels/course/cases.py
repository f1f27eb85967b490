"""The case clinic's cases: requests, budgets, options and a document to review, as data in ``content/clinic.toml``.

Everything is checked on loading; an error names the file and the key. The figures of the options are clinic_data's.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from typing import Any

from softlabels.course import content
from softlabels.course.content import ContentError, check_count, check_distinct, check_fields, check_texts
from softlabels.distill.frontier import ShippingBudget

__all__ = ["COLUMNS", "COSTS", "LESSON", "NONE", "Case", "Option", "Paragraph", "case", "keys"]

LESSON, FILE = "12", "clinic.toml"
NONE = "none of these"  # always an option, and right when nothing keeps the budget

# What a table may show of an option, and what it is called there.
QUALITY = {
    "accuracy": "accuracy",
    "mean_recall": "mean recall",
    "mrr": "MRR",
    "first": "right one first",
    "worst_group": "worst group",
    "agreement": "agrees with teacher",
    "nll": "NLL",
    "ece": "ECE",
    "fitted_ece": "ECE, fitted T",
}
COSTS = {
    "megabytes": "MB on disk",
    "zipped_megabytes": "MB zipped",
    "peak_megabytes": "MB of memory",
    "p50_ms": "ms, p50",
    "p95_ms": "ms, p95",
    "p50_ms_32": "ms for 32, p50",
    "p95_ms_32": "ms for 32, p95",
    "texts_per_second": "texts a second",
}
FACTS = {"updates": "updates", "texts": "texts learned from", "parameters": "parameters"}
COLUMNS = QUALITY | COSTS | FACTS
MEASURES = ("accuracy", "mean_recall", "mrr")
_LIMITS = tuple(field.name for field in fields(ShippingBudget))

_ANY = {"number": (int, True), "title": (str, True), "sender": (str, True), "letter": (str, True)}
_ANY |= {"questions": (list, True), "notes": (str, True), "stands_in": (str, False), "task": (str, False)}
_DECISION = {"measure": (str, True), "columns": (list, True), "recommended": (str, True)}
_DECISION |= {"budget": (dict, True), "options": (list, True)}
_FORMS = {"decision": _ANY | _DECISION | {"stands_in": (str, True)}, "review": _ANY | {"document": (list, True)}}
_OPTION = {"name": (str, True), "results": (list, True), "speed": (list, False), "remark": (str, True)}
_PARAGRAPH = {"text": (str, True), "mistake": (str, False), "feedback": (str, True)}


@dataclass(frozen=True)
class Option:
    """One way to meet a request. results, speed: experiment, arm and form ("": it has none) of what was measured."""

    name: str
    results: tuple[str, str, str]
    remark: str
    speed: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of a document to review. mistake: what is wrong with it, in a few words; "": nothing."""

    text: str
    feedback: str
    mistake: str = ""


@dataclass(frozen=True)
class Case:
    """One case: a decision among measured options (``options``), or a document to review (``document``)."""

    key: str
    number: int
    title: str
    sender: str
    letter: str
    questions: tuple[str, ...]
    notes: str
    stands_in: str = ""
    task: str = ""
    measure: str = ""
    columns: tuple[str, ...] = ()
    recommended: str = ""
    budget: ShippingBudget | None = None
    options: tuple[Option, ...] = ()
    document: tuple[Paragraph, ...] = ()

    def option(self, name: str) -> Option:
        """The option with this name. Raises ContentError."""
        for option in self.options:
            if option.name == name:
                return option
        raise ContentError(f"{FILE}: [{self.key}] has no option {_unknown(name, [o.name for o in self.options])}")


def keys(lesson: str = LESSON) -> list[str]:
    """The keys of a lesson's cases, in the file's order: none in any lesson but the clinic's."""
    if lesson != LESSON or not (content.FOLDER / FILE).is_file():
        return []
    return list(content.read(content.FOLDER / FILE, validate))


def case(key: str) -> Case:
    """The case with this key, such as "mail". Raises ContentError if there is none, or if it is broken."""
    found = content.read(content.FOLDER / FILE, validate)
    if key not in found:
        raise ContentError(f"{FILE} has no case {_unknown(key, list(found))}")
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in found[key].items()}
    if "options" in told:
        told["options"] = tuple(
            Option(**{name: tuple(v) if isinstance(v, list) else v for name, v in option.items()})
            for option in told["options"]
        )
        told["budget"] = ShippingBudget(**told["budget"])
    else:
        told["document"] = tuple(Paragraph(**paragraph) for paragraph in told["document"])
    return Case(key, **told)


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"{name!r}" + (f": did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known) or 'none'}")


def validate(found: dict[str, Any], file: str) -> None:
    """Check a parsed clinic file. Raises ContentError naming the file and the key."""
    for key, told in found.items():
        where = f"{file}: [{key}]"
        kind = "review" if isinstance(told, dict) and "document" in told else "decision"
        check_fields(told, _FORMS[kind], where)
        check_texts(told["questions"], f"{where} questions")
        (_review if kind == "review" else _decision)(told, where)
    check_distinct([told["number"] for told in found.values()], f"{file}: the cases' numbers")


def _decision(told: dict, where: str) -> None:
    if told["measure"] not in MEASURES:
        raise ContentError(f"{where} 'measure' must be one of {', '.join(MEASURES)}, not {told['measure']!r}")
    check_distinct(told["columns"], f"{where} columns")
    for column in told["columns"]:
        if column not in COLUMNS:
            raise ContentError(f"{where} columns: no column is called {_unknown(str(column), list(COLUMNS))}")
    _budget(told["budget"], where)
    for column in (told["measure"], *told["budget"]):
        if column not in told["columns"]:
            raise ContentError(f"{where} columns: {column!r} decides, so it must be among them")
    check_count(told["options"], 3, 8, f"{where} options")
    for i, option in enumerate(told["options"], 1):
        check_fields(option, _OPTION, f"{where} option {i}")
        for name in ("results", "speed"):
            parts = option.get(name, ["experiment", "arm", ""])
            if len(parts) != 3 or not all(isinstance(part, str) for part in parts) or not all(parts[:2]):
                raise ContentError(f'{where} option {i} {name!r} must be an experiment, an arm and a form, or ""')
    names = [option["name"] for option in told["options"]]
    check_distinct([*names, NONE], f"{where} options")
    if told["recommended"] not in (*names, NONE):
        raise ContentError(f"{where} 'recommended': no option is called {_unknown(told['recommended'], names)}")


def _budget(limits: dict, where: str) -> None:
    for name, limit in limits.items():
        if name not in _LIMITS:
            raise ContentError(f"{where} budget: no limit is called {_unknown(name, list(_LIMITS))}")
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise ContentError(f"{where} budget: {name!r} must be a number, not {limit!r}")
    try:
        ShippingBudget(**limits)
    except ValueError as error:
        raise ContentError(f"{where} budget: {error}") from None


def _review(told: dict, where: str) -> None:
    for i, paragraph in enumerate(told["document"], 1):
        if isinstance(paragraph, dict) and paragraph.get("mistake") == "":
            paragraph = {name: text for name, text in paragraph.items() if name != "mistake"}
        check_fields(paragraph, _PARAGRAPH, f"{where} paragraph {i}")
    mistakes = [paragraph["mistake"] for paragraph in told["document"] if paragraph.get("mistake")]
    check_distinct(mistakes, f"{where} mistakes")
    if not 1 <= len(mistakes) < len(told["document"]):
        raise ContentError(f"{where}: at least one paragraph must have a mistake and at least one none")
