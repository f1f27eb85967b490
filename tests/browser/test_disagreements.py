"""The browser of disagreements in JupyterLab: its filters by keyboard, its pages by mouse, its goal."""

import json

import nbformat
import numpy as np
import pytest
from widgets.test_disagreements import CLASSES, FOUND, LABELS, STUDENT, TEACHER, TEXTS

from softlabels.widgets.disagreements import CHOICES, PARTED, select

DATA = json.dumps([TEXTS, TEACHER.tolist(), STUDENT.tolist(), LABELS.tolist(), CLASSES])
SOURCE = f"""import json
from softlabels.widgets import Disagreements
widget = Disagreements(*json.loads({DATA!r}))
widget"""


@pytest.fixture(scope="module")
def page(open_notebook, lab, notebook):
    # A second cell, so that keys that leak out of the widget have somewhere to go.
    nbformat.write(notebook(SOURCE, "1"), lab.folder / "disagreements.ipynb")
    page = open_notebook("disagreements.ipynb")
    page.set_default_timeout(20_000)
    page.locator(".sl-part .sl-now").first.wait_for()
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    yield page
    assert page.errors == []


def reset(page):
    page.python(f"widget.who.value, widget.label.value, widget.says.value = {PARTED!r}, -1, -1")
    page.python("widget.sure.value = (0, 95); widget.sure.value = (0, 100)")  # a change leads back to the first
    page.locator(".sl-now", has_text=f"Gloss 1 of {len(select(FOUND, PARTED))}").wait_for()


def test_leafing_by_mouse_and_by_keyboard(page):
    reset(page)
    rows = select(FOUND, PARTED)
    page.get_by_role("button", name="next").click()
    page.locator(".sl-now", has_text=f"Gloss 2 of {len(rows)}").wait_for()
    assert TEXTS[rows[1]] in page.locator(".sl-part .sl-asked").inner_text()
    page.get_by_role("button", name="next").focus()
    page.keyboard.press("Space")
    page.locator(".sl-now", has_text=f"Gloss 3 of {len(rows)}").wait_for()
    page.get_by_role("button", name="previous").focus()
    page.keyboard.press("Space")
    page.locator(".sl-now", has_text=f"Gloss 2 of {len(rows)}").wait_for()
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex") == 0
    names = page.locator(".sl-part .sl-answer th[scope=row]").all_inner_texts()
    assert sum(name.startswith("✓ ") for name in names) == 1


def test_a_filter_by_keyboard(page):
    reset(page)
    page.locator(".sl-part .noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    rows = select(FOUND, CHOICES[1])
    page.locator(".sl-now", has_text=f"Gloss 1 of {len(rows)}").wait_for()
    page.python("widget.sure.value = (50, 60)")
    rows = select(FOUND, CHOICES[1], sure=(0.5, 0.6))
    page.locator(".sl-tally", has_text=f"Among these {len(rows)}.").wait_for()
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex") == 0


def test_the_goal_is_reached_by_arrow_keys(page):
    reset(page)
    label, says = (int(i) for i in np.unravel_index(FOUND["confused"].argmax(), FOUND["confused"].shape))
    assert "○ Not yet" in page.locator(".sl-part .sl-state").inner_text()
    handles, names = page.locator(".sl-part .noUi-handle"), sorted(CLASSES)
    steps = (1, 1 + names.index(CLASSES[label]), 1 + names.index(CLASSES[says]))
    for place, count in enumerate(steps):
        handles.nth(place).focus()
        for _ in range(count):
            page.keyboard.press("ArrowRight")
    page.locator(".sl-part .sl-state", has_text="✓ Reached").wait_for()
    assert f"{CLASSES[label]} taken for {CLASSES[says]}" in page.locator(".sl-part .sl-state").inner_text()
    assert page.locator(".sl-part .sl-now[aria-live=polite]").count() == 1
