"""The case clinic on paper: one page a case for a workshop's table, and one more for the instructor.

One HTML file without scripts, to be printed from a browser on A4 or Letter. The fonts have the same widths everywhere
(Times New Roman is as wide as Liberation Serif), so that a page here is a page there.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from softlabels.course import cases, clinic_data, clinic_words, content, show
from softlabels.course.cases import LESSON, NONE, Case

__all__ = ["handout"]

_STYLE = """
@page {margin: 12mm}
html {font: 10pt/1.28 "Times New Roman", "Liberation Serif", Times, serif; color: #111; background: #fff}
body {margin: 0 auto; max-width: 186mm}
section {box-sizing: border-box; min-height: 252mm; display: flex; flex-direction: column; break-after: page;
 break-inside: avoid}
section:last-of-type {break-after: auto}
section.notes {font-size: 9pt; line-height: 1.24}
section.dense {font-size: 8.5pt; line-height: 1.2}
.dense p, .dense li {margin-bottom: 1.5pt}
h1, h2, th, .about {font-family: Arial, "Liberation Sans", Helvetica, sans-serif}
h1 {font-size: 15pt; margin: 0 0 4pt}
h2 {font-size: 9.5pt; margin: 6pt 0 2pt}
.about {font-size: 8pt; margin: 0 0 2pt; color: #444}
p {margin: 0 0 3pt}
blockquote {margin: 2pt 0 4pt; padding: 0 0 0 9pt; border-left: 2pt solid #999}
ol, ul {margin: 0; padding-left: 15pt}
li {margin-bottom: 2pt}
table {width: 100%}
th, td {font-size: 8.5pt; padding: 1.5pt 5pt !important}
tbody th {font-family: inherit}
.room {flex: 1; min-height: 26mm; margin-top: 6pt; border: 1pt solid #555; padding: 4pt 7pt; display: flex;
 flex-direction: column; justify-content: space-between}
.room span {flex: 1; border-bottom: 0.5pt dotted #888}
.room span:last-child {border: 0}
.dense .room {min-height: 18mm}
@media screen {section {padding: 12mm; margin: 8mm 0; border: 1px solid #bbb} body {max-width: 210mm}}
"""


def handout(keys: Iterable[str] = (), notes: bool = False) -> str:
    """The cases as one HTML file, a page each; all of them if none is named.

    notes: whether a page for the instructor follows each. Raises ContentError for a case that there is not, and where
    what was measured for one is missing.
    """
    asked = [cases.case(key) for key in (list(keys) or cases.keys())]
    pages = [page for case in asked for page in (_page(case), *([_notes(case)] if notes else []))]
    return (
        f'<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n<title>Soft Labels: case clinic</title>'
        f"\n<style>{_STYLE}</style>\n</head>\n<body>\n" + "\n".join(pages) + "\n</body>\n</html>\n"
    )


def _page(case: Case) -> str:
    letter = f"<blockquote>{_paragraphs(case.letter)}<p><em>{html.escape(case.sender)}</em></p></blockquote>"
    stands_in = f"<p><strong>What stands in.</strong> {show.inline(case.stands_in)}</p>" if case.stands_in else ""
    questions = "".join(f"<li>{show.inline(question)}</li>" for question in case.questions)
    if case.options:
        middle = f"<h2>The options, measured</h2>{clinic_words.table(case.key, marks=False)}"
        room = ("We ship (or none of these):", "because:", "What it gives up, and what we do not know:")
    else:
        wrong = sum(bool(paragraph.mistake) for paragraph in case.document)
        listed = "".join(f"<li>{show.inline(paragraph.text)}</li>" for paragraph in case.document)
        middle = f"<h2>The document: {wrong} of its paragraphs have a mistake that matters</h2><ol>{listed}</ol>"
        room = ("The paragraphs with a mistake:", "The one to mend first, and how:")
    return _section(
        case,
        "case",
        f"{letter}{stands_in}{middle}<h2>At the table</h2><ol>{questions}</ol>"
        f'<div class="room">{"".join(f"<span>{line}</span>" for line in room)}</div>',
    )


def _notes(case: Case) -> str:
    memo = content.load(LESSON).get("reflect", {}).get(case.key)
    return _section(
        case,
        "notes",
        f"{_answer(case)}<h2>Notes</h2>{_paragraphs(case.notes)}"
        + (
            f"<h2>The memo</h2><p>{show.inline(memo['question'])}</p>"
            f"<ul>{''.join(f'<li>{show.inline(line)}</li>' for line in memo['rubric'])}</ul>"
            f"<h2>A model answer</h2>{_paragraphs(clinic_words.fill(memo['model'], case.key))}"
            if memo
            else ""
        ),
    )


def _answer(case: Case) -> str:
    if case.options:
        kept = clinic_data.fitting(case.key)
        said = f"Keep every limit on validation, the best first: {'; '.join(kept)}." if kept else "Nothing fits."
        shipped = NONE if case.recommended == NONE else f"“{case.recommended}”"
        said += f" The model answer ships {shipped}. Tell each table what its option reaches on test:"
        return f"<p>{html.escape(said)}</p>{clinic_words.table(case.key, marks=False, test=True)}"
    wrong = [(i, paragraph) for i, paragraph in enumerate(case.document, 1) if paragraph.mistake]
    lines = (f"<strong>{i}. {show.inline(p.mistake)}.</strong> {show.inline(p.feedback)}" for i, p in wrong)
    return "<h2>The mistakes</h2>" + "".join(f"<p>{line}</p>" for line in lines)


def _section(case: Case, kind: str, body: str) -> str:
    about = {"case": "Case clinic", "notes": "Case clinic, for the instructor"}[kind]
    dense = " dense" if case.document else ""
    head = f'<p class="about">Soft Labels · {about} · case {case.number}</p><h1>{html.escape(case.title)}</h1>'
    return f'<section class="{kind}{dense}" id="{case.key}-{kind}">{head}{body}</section>'


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{show.inline(part)}</p>" for part in text.strip().split("\n\n"))
