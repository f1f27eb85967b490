"""A static HTML export, opened from disk, without a network and without a kernel: the widgets are alive in it."""

import json

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbconvert.preprocessors import ExecutePreprocessor
from widgets import realistic

from softlabels.widgets.temperature import compute

from .conftest import STOP_KERNELS

LOGITS, CLASSES, TEXTS = realistic.soft_labels()
TABLE, _ = realistic.affinity()
STUDENT, TEACHER, LABELS, _ = realistic.batch()
DATA = {
    "labels": [LOGITS.tolist(), CLASSES, TEXTS],
    "affinity": [TABLE.tolist(), CLASSES],
    "batch": [STUDENT.tolist(), TEACHER.tolist(), LABELS.tolist(), CLASSES],
}
SOURCES = (
    f"import json\nfrom softlabels.widgets import *\ndata = json.loads({json.dumps(DATA)!r})",
    "TemperatureExplorer(*data['labels'])",
    "TemperatureExplorer(*data['labels'])",  # twice the same: each page element must find its own script
    "AffinityMap(*data['affinity'])",
    "LossWeights(*data['batch'])",
    "def classify(text):\n"
    "    from softlabels.widgets.temperature import compute\n"
    "    return compute(data['labels'][0][data['labels'][2].index(text)], 1)['probabilities']",
    "AskTheTeacher(classify, data['labels'][1], data['labels'][2])",
)


@pytest.fixture(scope="module")
def export(notebook, chromium, tmp_path_factory):
    """Execute the notebook, keep no widget state (as the solutions do), and write it as HTML."""
    made = notebook(*SOURCES)
    made, _ = ExecutePreprocessor(timeout=120, kernel_name="python3", store_widget_state=False).preprocess(made)
    folder = tmp_path_factory.mktemp("static")
    path = folder / "page.html"
    path.write_text(HTMLExporter().from_notebook_node(nbformat.from_dict(made))[0], encoding="utf-8")
    return path


@pytest.fixture
def offline(chromium):
    """Return a function that opens a file in a browser that can reach nothing but files."""
    contexts = []

    def open_(path, **options):
        context = chromium.new_context(offline=True, viewport={"width": 900, "height": 900}, **options)
        contexts.append(context)
        context.route(
            lambda address: not address.startswith(("file:", "data:", "blob:")), lambda route, _: route.abort()
        )
        page = context.new_page()
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        return page

    yield open_
    for context in contexts:
        context.close()


def test_the_sliders_are_alive(export, offline):
    page = offline(export)
    assert page.locator("[data-alive]").count() == 4
    for explorer in page.locator(".sl-temperature").all():
        explorer.locator(".sl-t").focus()
        page.keyboard.press("PageUp")  # T = 2
        explorer.locator("output", has_text="T = 2.00").wait_for()
        shown = explorer.locator(".sl-label .sl-value").all_inner_texts()
        want = compute(LOGITS[0], 2.0)
        assert shown == [f"{100 * want['probabilities'][i]:.1f} %" for i in want["order"]]
    box = page.locator(".sl-t").first.bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    assert "T = 2.00" not in page.locator("output").first.inner_text()
    assert "T = 2.00" in page.locator(".sl-temperature output").nth(1).inner_text()  # the other one stays


def test_the_other_widgets_are_alive(export, offline):
    page = offline(export)
    page.locator(".sl-map").focus()
    before = page.locator(".sl-affinity .sl-now").inner_text()
    page.keyboard.press("ArrowDown")
    assert page.locator(".sl-affinity .sl-now").inner_text() != before
    share = page.locator(".sl-soft-share")
    before = share.inner_text()
    page.locator(".sl-squared").click()
    assert share.inner_text() != before and float(share.inner_text().strip("<> %")) < float(before.strip("<> %"))


def test_ask_leaves_its_picture(export, offline):
    page = offline(export)
    picture = page.locator(f'img[alt*="{TEXTS[0]}"]')
    assert picture.count() == 1
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 600


def test_without_scripts_the_pictures_stand(export, offline):
    page = offline(export, java_script_enabled=False)
    assert page.locator("[data-soft-labels] img[alt]").count() == 4


def test_untrusted_jupyterlab_shows_the_picture(notebook, lab, chromium):
    """A saved notebook that is opened without being run: no kernel, scripts not trusted."""
    made, executed = notebook(*SOURCES[:2]), ExecutePreprocessor(timeout=120, store_widget_state=False)
    made, _ = executed.preprocess(made)
    for output in made.cells[1].outputs:  # as the build leaves it: no reference to a live widget that is gone
        output.data.pop("application/vnd.jupyter.widget-view+json")
    nbformat.write(made, lab.folder / "saved.ipynb")
    page = chromium.new_page()
    page.goto(f"{lab.address}/lab/tree/saved.ipynb?reset")
    picture = page.locator(".jp-OutputArea-output img")
    picture.wait_for(timeout=60_000)
    assert picture.evaluate("image => image.naturalWidth") > 600
    page.evaluate(STOP_KERNELS)
    page.close()
