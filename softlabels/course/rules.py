"""What a lesson's notebook must be, checked before anything is built. An error names the notebook and the cell."""

from __future__ import annotations

import base64
import re

from nbformat import NotebookNode

__all__ = ["MAX_CELLS", "MAX_PNG", "BuildError", "check_outputs", "check_source"]

MAX_CELLS = 25
MAX_PNG = 60_000  # bytes: notebooks stay readable on GitHub and light to clone

_REGIONS = ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME")
_MARKDOWN_PICTURE = re.compile(r"!\[([^\]]*)\]\(")
_HTML_PICTURE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_HTML_ALT = re.compile(r"""\balt\s*=\s*("\s*[^"\s][^"]*"|'\s*[^'\s][^']*')""", re.IGNORECASE)
_INLINE_PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
_ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}")


class BuildError(Exception):
    """A lesson cannot be built; the message names the notebook, the cell and what to do."""


def check_source(nb: NotebookNode, name: str) -> None:
    """Refuse a notebook that is too long, repeats an id, has a broken region or a picture without a description."""
    if len(nb.cells) > MAX_CELLS:
        raise BuildError(f"{name}: {len(nb.cells)} cells; a lesson has at most {MAX_CELLS}")
    ids = [cell.get("id", "") for cell in nb.cells]
    _refuse_repeats(ids, f"{name}: cell id")
    grades = [cell.metadata["nbgrader"].get("grade_id", "") for cell in nb.cells if "nbgrader" in cell.metadata]
    _refuse_repeats(grades, f"{name}: nbgrader grade_id")
    for cell in nb.cells:
        where = f"{name}, cell {cell.get('id', '?')!r}"
        _check_regions(cell, where)
        if cell.cell_type == "markdown":
            _check_pictures(_without_code(cell.source), where, markdown=True)


def check_outputs(nb: NotebookNode, name: str, private: tuple[str, ...] = ()) -> None:
    """Refuse outputs with a heavy picture, a picture without a description, a memory address or a private path."""
    for cell in nb.cells:
        where = f"{name}, cell {cell.get('id', '?')!r}"
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            markup = data.get("text/html", "")
            pictures = ([data["image/png"]] if "image/png" in data else []) + _INLINE_PNG.findall(markup)
            for picture in pictures:
                size = len(base64.b64decode(picture))
                if size > MAX_PNG:
                    limit = f"{size / 1000:.0f} kB, above {MAX_PNG / 1000:.0f}"
                    raise BuildError(f"{where}: a picture has {limit}: a smaller figure, a lower dpi or fewer points")
            _check_pictures(re.sub(r"<script\b.*?</script>", "", markup, flags=re.DOTALL), f"{where}, output")
            text = data.get("text/plain", "") + output.get("text", "")
            if _ADDRESS.search(text):
                raise BuildError(f"{where}: its output shows a memory address, which differs in every run: {text[:80]}")
            for path in private:
                if path in text or path in markup:
                    raise BuildError(f"{where}: its output shows a path of this machine ({path})")


def _refuse_repeats(names: list[str], what: str) -> None:
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise BuildError(f"{what} {repeated[0]!r} occurs more than once (a copied cell keeps its id: give it its own)")
    if "" in names:
        raise BuildError(f"{what} is missing in cell {names.index('') + 1}")


def _check_regions(cell: NotebookNode, where: str) -> None:
    for region in _REGIONS:
        open_at = None
        for number, line in enumerate(cell.source.splitlines(), 1):
            if re.search(rf"\bBEGIN {region}\b", line):
                if open_at:
                    raise BuildError(
                        f"{where}, line {number}: BEGIN {region} inside the one that began in line {open_at}"
                    )
                open_at = number
            elif re.search(rf"\bEND {region}\b", line):
                if not open_at:
                    raise BuildError(f"{where}, line {number}: END {region} without a BEGIN {region}")
                open_at = None
        if open_at:
            raise BuildError(f"{where}, line {open_at}: BEGIN {region} without an END {region}")
    marks = cell.metadata.get("nbgrader", {})
    if "### BEGIN SOLUTION" in cell.source and not marks.get("solution"):
        raise BuildError(f'{where}: it holds a solution, so its metadata need "nbgrader": {{"solution": true, …}}')
    if "### BEGIN HIDDEN TESTS" in cell.source and not marks.get("grade"):
        raise BuildError(f'{where}: it holds hidden tests, so its metadata need "nbgrader": {{"grade": true, …}}')


def _without_code(markdown: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE))


def _check_pictures(text: str, where: str, markdown: bool = False) -> None:
    bare = [m.group(0) for m in _MARKDOWN_PICTURE.finditer(text) if markdown and not m.group(1).strip()]
    bare += [m.group(0) for m in _HTML_PICTURE.finditer(text) if not _HTML_ALT.search(m.group(0))]
    if bare:
        raise BuildError(f"{where}: a picture without a description (alt text): {bare[0][:60]}")
