"""The heat map in JupyterLab: by keyboard and by mouse, its floor, its goal, and a cell run live."""

import json

import nbformat
import numpy as np
import pytest
from widgets.test_heat_map import ARRAYS, FRAME

from softlabels.widgets import heat_map

FOUND = heat_map.compute(FRAME, ARRAYS)
SIZE = len(FOUND["cells"]) // 2
SOURCE = f"""import io, json, time
import numpy as np, pandas as pd
from softlabels.widgets import HeatMap
frame = pd.read_csv(io.StringIO({FRAME.to_csv(index=False)!r}))
def run(labels, temperature, soft_weight, seed, tell):
    if temperature == 8:
        raise RuntimeError("no such teacher")
    for update in range(0, 600, 60):
        time.sleep(0.1)
        tell(update)
    return 0.61, 0.62
widget = HeatMap(frame, run=run)
widget"""


@pytest.fixture(scope="module")
def page(open_notebook, lab, notebook):
    # A second cell, so that arrow keys that leak out of the widget have somewhere to go.
    nbformat.write(notebook(SOURCE, "1"), lab.folder / "heat_map.ipynb")
    page = open_notebook("heat_map.ipynb")
    page.locator(".sl-heat").first.wait_for()
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    yield page
    assert page.errors == []


def said(page):
    return page.locator(".sl-heat .sl-now").inner_text().replace("\xa0", " ")


def test_arrow_keys_walk_through_all_the_panels(page):
    page.python("widget.picked = 0; widget.floor = 2.0")
    page.locator(".sl-now", has_text="500 texts, T = 1, soft weight 1").wait_for()
    page.locator(".sl-grid").focus()
    for key, words in (
        ("ArrowRight", "500 texts, T = 2, soft weight 1"),
        ("ArrowDown", "500 texts, T = 2, soft weight 0.5"),
        ("ArrowDown", "500 texts, hard labels"),
        ("ArrowUp", "500 texts, T = 2, soft weight 0.5"),
        ("End", "500 texts, T = 8, soft weight 0.5"),
        ("ArrowRight", "20,000 texts, T = 1, soft weight 0.5"),
        ("PageUp", "500 texts, T = 1, soft weight 0.5"),
        ("ArrowLeft", "500 texts, T = 1, soft weight 0.5"),
    ):
        page.keyboard.press(key)
        page.locator(".sl-now", has_text=words).wait_for()
    assert page.python("print(widget.picked)") == "4"
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex") == 0


def test_a_cell_says_its_mean_and_its_gain(page):
    for index in (2, SIZE + 5):
        page.python(f"widget.picked = {index}")
        cell = FOUND["cells"][index]
        page.locator(".sl-now", has_text=f"{cell['labels']:,} texts, T = {cell['temperature']:g}").wait_for()
        assert f"{100 * np.mean(cell['validation']):.1f} % on validation (3 seeds" in said(page)
        assert f"{100 * cell['gain']:+.1f} points".replace("-", "−") in said(page)


def test_the_floor_hatches_what_it_hides(page):
    hatched = (
        "() => [...document.querySelectorAll('.sl-grid rect[fill^=url]')].map(r => r.style.visibility !== 'hidden')"
    )
    for floor in (0.0, 1.5, 6.0):
        page.python(f"widget.floor = {floor}")
        page.locator(".sl-slider output", has_text=f"{floor:.1f}").wait_for()
        expected = [
            bool(c["soft_weight"]) and abs(c["gain"]) <= floor * FOUND["errors"][place // SIZE]
            for place, c in enumerate(FOUND["cells"])
        ]
        assert page.evaluate(hatched) == expected


def test_the_goal_is_reached_by_a_click_on_the_setting_that_needs_the_lowest_floor(page):
    needed = [heat_map.reach(FOUND, c["temperature"], c["soft_weight"]) for c in FOUND["cells"][:SIZE]]
    assert "Reached" not in page.locator(".sl-heat .sl-state").inner_text()
    index = int(np.argmin(needed))
    box = page.locator(".sl-grid .sl-number").nth(index).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator(".sl-state", has_text="✓ Reached").wait_for()
    assert f"from a floor of {needed[index]:.2f} on" in page.locator(".sl-heat .sl-state").inner_text()


def test_a_cell_is_run_live_and_an_error_is_told(page):
    page.python("widget.picked = 1")
    page.locator(".sl-run", has_text="seed 3").click()
    page.locator(".sl-run", has_text="Running").wait_for()
    page.locator(".sl-told", has_text="Your run with seed 3: 61.0 % on validation, 62.0 % on test").wait_for()
    assert page.locator(".sl-live").count() == 2 and page.locator(".sl-run", has_text="seed 4").is_enabled()
    page.python("widget.picked = 3")
    page.locator(".sl-now", has_text="T = 8").wait_for()
    page.locator(".sl-run").click()
    page.locator(".sl-told", has_text="no such teacher").wait_for()
    assert page.locator(".sl-run").is_enabled()


def test_javascript_agrees_with_python_on_every_cell(module):
    script = module("heat_map.js")
    settings = range(SIZE)
    got = script.evaluate(
        "([cells, best, errors, settings]) => settings.map((i) => widget.reach(cells, best, errors, i))",
        json.loads(json.dumps([FOUND["cells"], FOUND["best"], FOUND["errors"], list(settings)])),
    )
    want = [heat_map.reach(FOUND, c["temperature"], c["soft_weight"]) for c in FOUND["cells"][:SIZE]]
    assert got == pytest.approx(want, rel=1e-9, abs=1e-12)
    places = script.evaluate("(n) => [...Array(n).keys()].map((i) => widget.indexOf(...widget.placeOf(i, 2, 4), 2, 4))",
                             2 * SIZE)  # fmt: skip
    assert places == list(range(2 * SIZE))
