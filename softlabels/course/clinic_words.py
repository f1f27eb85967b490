"""The case clinic in words: figures and limits as they are written, the options' table, what is said of a choice."""

from __future__ import annotations

import html
import re
from dataclasses import asdict

import numpy as np

from softlabels.course import cases, clinic_data, show
from softlabels.course.cases import COLUMNS, COSTS, FACTS, NONE, QUALITY
from softlabels.course.content import ContentError
from softlabels.distill.frontier import ShippingBudget
from softlabels.tasks.errors import NotFetched

__all__ = ["feedback", "fill", "legend", "limits", "put", "table", "text_table"]

_SHARES = ("accuracy", "mean_recall", "first", "agreement")
_FETCH = "that takes the case's own texts: `softlabels fetch clinic`, in a terminal"
_PLACE = re.compile(r"\{([^{}]+)\}")


def put(column: str, value: float, measure: str = "", unit: bool = True) -> str:
    """A figure as it is written: shares in percent, bytes and times with their unit (or without, below a heading).

    measure: the case's; the worst group is a share, or a mean reciprocal rank.
    """
    plain = column.removeprefix("validation_").removesuffix("_spread")
    if np.isnan(value):
        return "none here" if plain in FACTS else "not measured"
    if _is_share(plain, measure):
        return f"{value:.1%}"
    if plain in QUALITY or plain == "fitted_temperature":
        return f"{value:.3f}"
    if plain not in COSTS or value >= 100:
        text = f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.3g}"
    else:
        text = f"{value:#.3g}"
    units = "MB" if "megabytes" in plain else "ms" if "_ms" in plain else ""
    return f"{text} {units}".rstrip() if unit else text


def _is_share(column: str, measure: str) -> bool:
    return column in _SHARES or (column == "worst_group" and measure != "mrr")


def limits(budget: ShippingBudget, measure: str = "") -> dict[str, str]:
    """A budget's limits in words, by column: {"megabytes": "at most 12", "accuracy": "at least 70%"}."""
    return {
        name: f"at {'least' if name in budget.AT_LEAST else 'most'} "
        + (f"{100 * value:g}%" if _is_share(name, measure) else f"{value:,g}")
        for name, value in asdict(budget).items()
        if value is not None
    }


def fill(text: str, key: str) -> str:
    """A text with its places filled: ``{OPTION|COLUMN}`` a figure, ``{OPTION > OPTION}`` a verdict on test.

    Raises ContentError for an option, a column or an answer that is not there.
    """
    return _PLACE.sub(lambda found: _filled(found[1], key), text)


def _filled(place: str, key: str) -> str:
    where = f"clinic.toml: [{key}]: {{{place}}}"
    if " > " in place:
        name, other = (cases.case(key).option(part.strip()).name for part in place.split(" > ", 1))
        try:
            found = clinic_data.compare(key, name, other)
        except NotFetched:
            return f"(no verdict yet; {_FETCH})"
        if found is None:
            raise ContentError(f"{where}: no answers to the same texts were kept, so there is no verdict")
        return str(found)
    name, bar, column = place.rpartition("|")
    if not bar:
        raise ContentError(f"{where} must be {{OPTION|COLUMN}} or {{OPTION > OPTION}}")
    row = clinic_data.options(key).loc[cases.case(key).option(name.strip()).name]
    column = column.strip()
    if column not in row or np.isnan(row[column]):
        raise ContentError(f"{where}: {column!r} was not measured; such as: {', '.join(row.dropna().index[:12])}")
    return put(column, row[column], cases.case(key).measure)


# --- the options as a table -------------------------------------------------------------------------------------------


def _grid(key: str, budget: ShippingBudget | None = None, test: bool = False) -> tuple[list[tuple], dict[str, list]]:
    """What a case's table shows: headings with their limits, and for each option (figure, what is wrong with it)."""
    asked, found = cases.case(key), clinic_data.options(key)
    budget = asked.budget if budget is None else budget
    wanted = limits(budget, asked.measure)
    columns = [*asked.columns, *(column for column in wanted if column not in asked.columns)]
    heads = [(COLUMNS[column], wanted.get(column, "")) for column in columns]
    read = {column: column if test else clinic_data.decisive(column) for column in columns}
    return heads, {
        name: [_cell(row, column, read[column], asked.measure, budget) for column in columns]
        for name, row in found.iterrows()
    }


def _cell(row, column: str, decides: str, measure: str, budget: ShippingBudget) -> tuple[str, str]:
    text = put(column, row[decides], measure, unit=False)
    if column == measure and not np.isnan(spread := row.get(f"{decides}_spread", np.nan)):
        text += f" ± {spread:.3f}" if measure == "mrr" else f" ± {100 * spread:.1f}"
    if getattr(budget, column, None) is None:
        return text, ""
    if np.isnan(row[decides]):
        return "", text
    only = ShippingBudget(**{column: getattr(budget, column)})
    return text, "" if not only.broken({column: row[decides]}) else "low" if column in budget.AT_LEAST else "over"


def table(key: str, budget: ShippingBudget | None = None, marks: bool = True, test: bool = False) -> str:
    """The options' table as HTML.

    marks: whether a figure that breaks a limit is marked, with a sign and a word. test: the figures on test, to report.
    """
    heads, rows = _grid(key, budget, test)
    cell = f"border:{show.RULE};padding:3px 8px;vertical-align:top"
    sign = f'<span aria-hidden="true" style="color:{show.COLOURS["wrong"]}">{show.ICONS["wrong"]}</span>'

    def figure(text: str, wrong: str) -> str:
        if not (wrong and marks):
            return html.escape(text or wrong)
        return f"{sign} <strong>{html.escape(text)}</strong> {wrong}" if text else f"{sign} {wrong}"

    top = "".join(
        f'<th scope="col" style="{cell};text-align:right">{html.escape(head)}'
        f'<br><small style="font-weight:normal">{html.escape(limit) or "&nbsp;"}</small></th>'
        for head, limit in heads
    )
    body = "".join(
        f'<tr><th scope="row" style="{cell};text-align:left;font-weight:normal;min-width:11em">{html.escape(name)}</th>'
        + "".join(f'<td style="{cell};text-align:right">{figure(*found)}</td>' for found in row)
        + "</tr>"
        for name, row in rows.items()
    )
    return (
        f'<table style="border-collapse:collapse;margin:6px 0;font-size:inherit;line-height:1.35">'
        f'<thead><tr><th scope="col" style="{cell};text-align:left">option</th>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table><small>{html.escape(legend(key, test))}</small>"
    )


def text_table(key: str, budget: ShippingBudget | None = None) -> str:
    """The same as plain text."""
    heads, rows = _grid(key, budget)
    sign = show.ICONS["wrong"]
    lines = [["option", *(f"{head} ({limit})" if limit else head for head, limit in heads)]]
    for name, row in rows.items():
        lines.append([name, *(f"{sign} {text} {wrong}".replace("  ", " ") if wrong else text for text, wrong in row)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    said = [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    ]
    return "\n".join([*(line.rstrip() for line in said), legend(key)])


def legend(key: str, test: bool = False) -> str:
    """Where the figures of a case's table come from, in a few words."""
    measure, seeds = COLUMNS[cases.case(key).measure], clinic_data.options(key)["seeds"].astype(int)
    over = "one seed" if seeds.max() == 1 else f"means over {seeds.max()} seeds" + " or of one" * bool(seeds.min() == 1)
    return (
        f"Quality on {'test' if test else 'validation'}, {over}; ± is the standard deviation of {measure} over the "
        "seeds. Bytes, memory and times: medians of repeated rounds, one thread."
    )


# --- a choice ---------------------------------------------------------------------------------------------------------


def feedback(key: str, name: str, budget: ShippingBudget | None = None) -> tuple[bool, str, list[str]]:
    """What is said of a choice: whether it is right, a heading, and sentences. name: an option's, or NONE.

    Right is what keeps the budget on validation and is not beaten by another one that does: either it is the best of
    them on validation, or the best is not told apart from it on test.
    """
    asked = cases.case(key)
    kept = clinic_data.fitting(key, budget)
    if name == NONE:
        if kept:
            said = show.count(len(kept), "option") + (" keeps" if len(kept) == 1 else " keep")
            return False, "Not this one", [f"{said} every limit. Go through the table row by row: which?"]
        said = "Each option breaks a limit. The nearest miss is no answer to a limit: say so, and ask which can give."
        return True, "Right: nothing keeps the budget", [said]
    sentences = clinic_data.broken(key, name, budget)
    if sentences:
        head = f"It breaks {show.count(len(sentences), 'limit')}"
        return (
            False,
            head,
            [*(re.sub(r"^(\w+)", r"`\1`", sentence) + "." for sentence in sentences), *_about(asked, name)],
        )
    rival = clinic_data.better(key, name, budget)
    if rival is None:
        best = "no other one that does is better on validation" if len(kept) > 1 else "it is the only one"
        return True, f"It keeps every limit, and {best}", _about(asked, name)
    values = clinic_data.options(key)[clinic_data.decisive(asked.measure)]
    theirs, yours = (put(asked.measure, values[one], asked.measure) for one in (rival, name))
    said = f"“{rival}” keeps every limit, too, and has the better {COLUMNS[asked.measure]} on validation: "
    said += f"{theirs} against {yours}. "
    try:
        found, untested = clinic_data.compare(key, rival, name), "is not tested here"
    except NotFetched:
        found, untested = None, f"has not been tested; {_FETCH}"
    if found is None:
        said += f"Whether that is more than luck {untested}."
        return False, "It keeps every limit, and another one is better on validation", [said, *_about(asked, name)]
    said += f"On the same test texts, that one against yours: {found}."
    if found.word == "HELPS":
        return False, "It keeps every limit, but another one that does is better", [said, *_about(asked, name)]
    said += " So the two are not told apart." if found.word == "INCONCLUSIVE" else " So it is not better there."
    return True, "It keeps every limit, and none that does is known to be better", [said, *_about(asked, name)]


def _about(asked: cases.Case, name: str) -> list[str]:
    row = clinic_data.options(asked.key).loc[name]
    figures = [
        f"{COLUMNS[column]} {put(column, row[column], asked.measure)}"
        for column in asked.columns
        if column in QUALITY and not np.isnan(row[column])
    ]
    report = f"**On test:** {', '.join(figures)}. The test set is for reporting: it had no part in the choice."
    return [asked.option(name).remark, report]
