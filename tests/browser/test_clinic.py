"""The case clinic in a browser: its pages print as one page each, and a case is decided by keyboard."""

import re

import pytest

from softlabels.course import cases
from softlabels.course.handout import handout
from softlabels.tasks import home

WIDTH = {"A4": 210 - 2 * 12, "Letter": 216 - 2 * 12}  # millimetres between the margins
HEIGHT = {"A4": 297 - 2 * 12, "Letter": 279 - 2 * 12}
SECTIONS = """() => [...document.querySelectorAll('section')].map((section) => ({
  id: section.id, height: section.getBoundingClientRect().height, over: section.scrollWidth - section.clientWidth,
}))"""


@pytest.mark.skipif(not home.results("clinic-speed").is_file(), reason="the clinic's options are not measured yet")
@pytest.mark.parametrize("paper", WIDTH)
def test_every_page_is_one_page(chromium, tmp_path, paper):
    file = tmp_path / "handout.html"
    file.write_text(handout(notes=True), encoding="utf8")
    millimetre = 96 / 25.4
    page = chromium.new_page(viewport={"width": int(WIDTH[paper] * millimetre), "height": 900})
    page.goto(file.as_uri())
    page.emulate_media(media="print")
    sections = page.evaluate(SECTIONS)
    assert len(sections) == 2 * len(cases.keys())
    for section in sections:
        assert section["over"] <= 0, f"{section['id']} is too wide"
        assert section["height"] <= HEIGHT[paper] * millimetre, f"{section['id']} is too long for {paper}"
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) == len(sections)
    page.close()


def test_a_case_is_decided_by_keyboard(open_notebook, lab, notebook):
    import nbformat

    source = 'from softlabels.course import case, memo, review\ncase("mobile")'
    nbformat.write(notebook(source, 'review("design")', 'memo("mobile")'), lab.folder / "clinic.ipynb")
    page = open_notebook("clinic.ipynb")
    question = page.locator(".softlabels-question").first
    assert question.locator("table th[scope=row]").count() == len(cases.case("mobile").options)
    radios, button = question.locator("input[type=radio]"), question.get_by_role("button", name="Decide")
    radios.first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")  # JupyterLab would go to the next cell
    assert radios.nth(1).is_checked()
    for _ in range(radios.count()):
        page.keyboard.press("Tab")
        if button.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Space")
    question.get_by_role("status").get_by_text("On test:").wait_for()
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex") == 0
    assert page.errors == []
