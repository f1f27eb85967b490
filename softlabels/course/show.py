"""How the course shows its messages: HTML in JupyterLab's theme colours, and plain text that says the same.

No colour stands alone: every box has an icon and a word. The HTML needs no script and no stylesheet of ours.
"""

from __future__ import annotations

import html
import re
from typing import Any

import numpy as np

from softlabels.course.exercises.base import to_array

__all__ = ["box", "code", "compact", "count", "difference", "inline", "mark", "table", "text_table"]

# JupyterLab's theme variables with a fallback for pages that lack them (GitHub, a static export).
COLOURS = {
    "correct": "var(--jp-success-color1, #388e3c)",
    "wrong": "var(--jp-warn-color1, #b26a00)",
    "crashed": "var(--jp-error-color1, #c62828)",
    "not attempted": "var(--jp-ui-font-color2, #757575)",
    "note": "var(--jp-brand-color1, #1976d2)",
}
ICONS = {"correct": "✓", "wrong": "✗", "crashed": "⚠", "not attempted": "○", "note": "ℹ"}

_TEXT = "var(--jp-content-font-color1, inherit)"
RULE = "1px solid var(--jp-border-color2, #bdbdbd)"
_ITALIC = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=[^\s*])\*(?![\w*])")  # and no product, a * b * c
_CODE = "font-family:var(--jp-code-font-family, monospace);font-size:0.95em"


def inline(text: str) -> str:
    """Escape ``text`` for HTML; `code`, **bold** and *italic* become elements, a blank line a paragraph."""
    parts = html.escape(text, quote=False).split("`")
    for i, part in enumerate(parts):
        if i % 2 and i < len(parts) - 1:  # between two backticks: code, in which ** is a power and not bold
            parts[i] = f'<code style="{_CODE}">{part}</code>'
        else:
            bold = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", part)
            bold = _ITALIC.sub(r"<em>\1</em>", bold)
            parts[i] = bold.replace("\n\n", "<br><br>").replace("\n", "<br>")
    return "".join(parts)


def box(kind: str, head: str, *parts: str) -> str:
    """A message box as HTML. ``kind`` is a key of COLOURS; ``head`` is plain text; ``parts`` are HTML."""
    body = "".join(f'<div style="margin:4px 0">{part}</div>' for part in parts if part)
    return (
        f'<div role="status" aria-live="polite" style="border-left:4px solid {COLOURS[kind]};padding:6px 12px;'
        f'margin:4px 0;color:{_TEXT};line-height:1.45;max-width:60em">'
        f'<strong><span aria-hidden="true" style="color:{COLOURS[kind]}">{ICONS[kind]}</span> {inline(head)}</strong>'
        f"{body}</div>"
    )


def compact(value: Any, digits: int = 4) -> str:
    """A value in a few significant digits; a long array is cut, with its shape said."""
    array = to_array(value)
    if array is None and isinstance(value, (list, tuple)) and all(to_array(part) is not None for part in value):
        names = getattr(value, "_fields", [""] * len(value))  # a tuple of arrays, or batches of unequal size
        parts = [f"{name} {compact(part, digits)}".strip() for name, part in zip(names[:4], value, strict=False)]
        return "\n".join(_cut(parts, len(value), 4))
    if array is None:
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "…"
    if array.ndim == 0:
        return _number(array[()], digits)
    if array.ndim == 1:
        return "[" + ", ".join(_cut([_number(x, digits) for x in array[:13]], array.size, 12)) + "]"
    rows = [compact(row, digits) for row in array[:4]]
    text = "[" + "\n ".join(_cut(rows, len(array), 4)) + "]"
    return f"{text}  shape {tuple(array.shape)}" if array.ndim > 2 or len(array) > 4 else text


def _cut(parts: list[str], total: int, limit: int) -> list[str]:
    return parts[:limit] + (["…"] if total > limit else [])


def _number(x: Any, digits: int) -> str:
    if isinstance(x, (np.integer, int, np.bool_, bool)):
        return str(x)
    return f"{float(x):.{digits}g}"


def difference(yours: Any, expected: Any) -> str | None:
    """``yours − expected`` in three digits; None if their shapes forbid it."""
    a, b = to_array(yours), to_array(expected)
    if a is None or b is None or a.size != b.size:
        return None
    with np.errstate(all="ignore"):
        return compact(a.reshape(b.shape).astype(float) - b.astype(float), 3)


def case_rows(inputs: dict[str, Any], yours: Any, expected: Any) -> list[tuple[str, str]]:
    """The rows of the smallest failing case; digits grow until yours and expected can be told apart."""
    rows = [(name, compact(value)) for name, value in inputs.items()]
    digits = next((d for d in (4, 6, 9, 12) if compact(yours, d) != compact(expected, d)), 4)
    rows += [("yours", compact(yours, digits)), ("expected", compact(expected, digits))]
    gap = difference(yours, expected)
    return rows + ([("difference", gap)] if gap is not None else [])


def table(rows: list[tuple[str, str]], caption: str = "") -> str:
    """Rows of (name, value) as an HTML table with row headers."""
    cell = f"border:{RULE};padding:2px 8px;text-align:left;vertical-align:top"
    body = "".join(
        f'<tr><th scope="row" style="{cell};font-weight:normal">{html.escape(name)}</th>'
        f'<td style="{cell};{_CODE};white-space:pre">{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    # Not a <caption>: that would be squeezed to the width of the numbers below it.
    head = f'<div style="margin-top:4px">{inline(caption)}</div>' if caption else ""
    return (
        f'{head}<table style="border-collapse:collapse;margin:4px 0;color:{_TEXT};font-size:inherit">'
        f"<tbody>{body}</tbody></table>"
    )


def text_table(rows: list[tuple[str, str]], caption: str = "", indent: str = "  ") -> str:
    """The same rows as plain text."""
    width = max(len(name) for name, _ in rows)
    lines = [caption] if caption else []
    for name, value in rows:
        first, *rest = value.split("\n")
        lines.append(f"{indent}{name:<{width}}  {first}")
        lines += [f"{indent}{'':<{width}}  {line}" for line in rest]
    return "\n".join(lines)


def code(text: str) -> str:
    """A block of code or pseudocode as HTML."""
    return f'<pre style="{_CODE};margin:2px 0;white-space:pre-wrap;word-break:normal">{html.escape(text.strip())}</pre>'


def mark(kind: str, text: str) -> str:
    """One line with an icon, in the colour of ``kind``; the text says right or wrong in words."""
    return (
        f'<div role="status" style="color:{_TEXT};line-height:1.4;margin:0 0 6px 11em">'
        f'<span aria-hidden="true" style="color:{COLOURS[kind]}">{ICONS[kind]}</span> {inline(text)}</div>'
    )


def count(number: float, thing: str) -> str:
    """Return a number with its noun: 1 point, 2 points, 0.5 points."""
    return f"{number:g} {thing}" if number == 1 else f"{number:g} {thing}s"
