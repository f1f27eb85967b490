"""Every widget in JupyterLab, by keyboard and by mouse, in light and dark."""

import json
import re
import statistics
import warnings

import nbformat
import pytest
from widgets import realistic

from softlabels.widgets import affinity, loss_weights
from softlabels.widgets.temperature import compute

LOGITS, CLASSES, TEXTS = realistic.soft_labels()
TABLE, _ = realistic.affinity()
BATCH = realistic.batch()
DATA = {
    "labels": [LOGITS.tolist(), CLASSES, TEXTS],
    "affinity": [TABLE.tolist(), CLASSES],
    "batch": [BATCH[0].tolist(), BATCH[1].tolist(), BATCH[2].tolist(), CLASSES],
}
HEAD = f"import json\nfrom softlabels.widgets import *\ndata = json.loads({json.dumps(DATA)!r})"
ASK = """def classify(text):
    if "boom" in text:
        raise RuntimeError("the teacher is ill")
    p = [0.3 / 22] * 24
    p[len(text) % 24], p[(len(text) + 1) % 24] = 0.4, 0.3
    return p
widget = AskTheTeacher(classify, data["labels"][1], data["labels"][2])
widget"""
SOURCES = {
    "temperature": "widget = TemperatureExplorer(*data['labels'])\nwidget",
    "affinity": "widget = AffinityMap(*data['affinity'])\nwidget",
    "loss": "widget = LossWeights(*data['batch'])\nwidget",
    "ask": ASK,
}


@pytest.fixture(scope="module")
def shown(open_notebook, lab, notebook):
    """Return a function that gives the page of a widget's notebook, opened once."""
    pages = {}

    def show(name):
        if name not in pages:
            # A second cell, so that arrow keys that leak out of the widget have somewhere to go.
            nbformat.write(notebook(HEAD, SOURCES[name], "1"), lab.folder / f"{name}.ipynb")
            pages[name] = open_notebook(f"{name}.ipynb")
            pages[name].locator(f".sl-{name}").first.wait_for()
            pages[name].evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1; }")
        pages[name].bring_to_front()
        return pages[name]

    yield show
    for name, page in pages.items():
        assert page.errors == [], (name, page.errors)


def active_cell(page):
    return page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex")


def press_until(page, key, words, limit):
    """Press a key until the goal's state says the words; return how often it was pressed, at most `limit` times."""
    moves = 0
    while words not in page.locator(".sl-state").inner_text() and moves < limit:
        page.keyboard.press(key)
        moves += 1
    return moves


def check_labels(page, gloss, t):
    """The bars, numbers and names on the page are those that distill computes."""
    want = compute(LOGITS[gloss], t)
    page.locator(".sl-temperature output", has_text=f"T = {t:.2f}").wait_for()
    values = [float(text.strip("<> %")) for text in page.locator(".sl-label .sl-value").all_inner_texts()]
    assert page.locator(".sl-label .sl-name").all_inner_texts() == [CLASSES[i] for i in want["order"]]
    assert values == pytest.approx([100 * want["probabilities"][i] for i in want["order"]], abs=0.101)
    drawn = page.locator(".sl-label .sl-fill").evaluate_all(
        "bars => bars.map(b => b.getBoundingClientRect().width / b.parentElement.getBoundingClientRect().width)"
    )
    assert drawn == pytest.approx([want["probabilities"][i] for i in want["order"]], abs=0.01)
    assert page.locator(".sl-entropy").inner_text() == f"{want['entropy_bits']:.2f} bits"
    assert page.locator(".sl-effective").inner_text() == f"{want['effective_classes']:.1f}"


def test_temperature_by_keyboard(shown):
    page = shown("temperature")
    page.python("widget.gloss = 0; widget.temperature = 1.0")
    check_labels(page, 0, 1.0)
    page.locator(".sl-t").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    check_labels(page, 0, 2 ** (3 / 48))
    for key, t in (("Home", 0.25), ("PageUp", 0.5), ("PageUp", 1.0), ("End", 20.0), ("PageDown", 20 / 2)):
        page.keyboard.press(key)
        page.locator(".sl-temperature output", has_text=f"T = {t:.0f}" if t > 10 else "T = ").first.wait_for()
        if key != "PageDown":  # a page below the end is a stop near 10, as 20 is not on the octaves' grid
            check_labels(page, 0, t)
    for key in ("ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    assert active_cell(page) == 1  # JupyterLab has not taken a single arrow key


def test_temperature_by_mouse_and_in_the_kernel(shown):
    page = shown("temperature")
    page.python("widget.gloss = 0; widget.temperature = 1.0")
    check_labels(page, 0, 1.0)
    page.locator(".sl-t").scroll_into_view_if_needed()
    box = page.locator(".sl-t").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    seen = []
    for place in (0.4, 0.5, 0.6, 0.8):
        page.mouse.move(box["x"] + place * box["width"], middle)
        seen.append(float(page.locator(".sl-temperature output").inner_text()[4:]))
    page.mouse.up()
    assert seen == sorted(seen) and seen[-1] > 3 * seen[0]
    assert float(page.python("print(widget.temperature)")) == pytest.approx(seen[-1], abs=0.006)
    page.python("widget.temperature = 4.0")
    check_labels(page, 0, 4.0)


def test_temperature_gloss_goal_and_speech(shown):
    page = shown("temperature")
    page.python("widget.gloss = 0; widget.temperature = 1.0")
    check_labels(page, 0, 1.0)
    page.locator(".sl-gloss").focus()
    page.keyboard.press("ArrowDown")
    check_labels(page, 1, 1.0)
    goal, state = page.locator(".sl-goal"), page.locator(".sl-state")
    assert "Not yet" in state.inner_text() and "sl-reached" not in goal.get_attribute("class")
    page.evaluate(
        """() => { window.said = 0; new MutationObserver(() => { window.said += 1; })
          .observe(document.querySelector('.sl-temperature [aria-live]'), { childList: true }); }"""
    )
    page.locator(".sl-t").focus()
    moves = press_until(page, "ArrowRight", "Reached", 150)
    assert 5 < moves < 149 and "sl-reached" in goal.get_attribute("class")
    t = float(re.search(r"T = (\d+\.\d\d)", state.inner_text()).group(1))
    assert compute(LOGITS[1], t)["entropy_bits"] == pytest.approx(2.0, abs=0.06)
    sentence = page.locator(".sl-now").inner_text()
    page.wait_for_function("s => document.querySelector('.sl-temperature [aria-live]').textContent === s", arg=sentence)
    assert page.evaluate("window.said") <= max(2, moves / 4)  # spoken when the hand rests, not for every move
    assert "state leads with" in sentence and "body" in sentence


def test_affinity_by_keyboard(shown):
    page = shown("affinity")
    page.python("widget.row = 3; widget.column = 5")
    page.locator(".sl-now", has_text=f"Glosses of {CLASSES[3]}: ").wait_for()
    page.locator(".sl-map").focus()
    for key, i, j in (("ArrowDown", 4, 5), ("ArrowRight", 4, 6), ("Home", 4, 0), ("ArrowLeft", 4, 0), ("End", 4, 23)):
        page.keyboard.press(key)
        words = f"Glosses of {CLASSES[i]}: the teacher gives {100 * TABLE[i, j]:.1f} % to {CLASSES[j]}"
        if TABLE[i, j] >= 0.0005:
            page.locator(".sl-now", has_text=words).wait_for()
    relatives = affinity.compute(TABLE, 4, 23)["relatives"]
    assert page.locator(".sl-relatives .sl-name").all_inner_texts() == [CLASSES[k] for k in relatives]
    assert page.python("print(widget.row, widget.column)") == "4 23" and active_cell(page) == 1


def test_affinity_by_mouse_to_the_goal(shown):
    page = shown("affinity")
    row, column = affinity.most_mutual(TABLE)
    state = page.locator(".sl-state")
    assert "Not yet" in state.inner_text()
    page.locator(".sl-map").scroll_into_view_if_needed()
    cells = page.locator(".sl-map .sl-cell")
    index = row * 23 + (column if column < row else column - 1)  # the diagonal has no cell
    box = cells.nth(index).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator(".sl-state", has_text="✓ Reached").wait_for()
    assert CLASSES[row] in state.inner_text() and CLASSES[column] in state.inner_text()
    strengths = cells.evaluate_all("cells => cells.map(c => Number(c.getAttribute('fill-opacity')))")
    assert len(strengths) == 24 * 23 and max(strengths) == 1.0
    assert statistics.median(strengths) > 0.1  # small leaks are seen too


def terms(page):
    names = ("soft-loss", "soft-norm", "soft-share", "hard-loss", "hard-norm", "hard-share")
    return {name.replace("-", "_"): float(page.locator(f".sl-{name}").inner_text().strip("<> %")) for name in names}


def check_terms(page, *setting):
    want, got = loss_weights.compute(*BATCH[:3], *setting), terms(page)
    for key in ("soft_loss", "hard_loss", "soft_norm", "hard_norm"):
        assert got[key] == pytest.approx(want[key], rel=0.006), key
    for key in ("soft_share", "hard_share"):
        assert got[key] == pytest.approx(100 * want[key], abs=0.06), key
    assert f"{want['angle']:.1f}°" in page.locator(".sl-angle").inner_text()


def test_loss_weights_by_keyboard_to_the_goal(shown):
    page = shown("loss")
    page.python(
        "widget.temperature = 2.0; widget.soft_weight = widget.hard_weight = 0.5; widget.times_t_squared = True"
    )
    check_terms(page, 2.0, 0.5, 0.5, True)
    page.locator(".sl-t").focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    page.locator(".sl-squared").focus()
    page.keyboard.press("Space")
    page.locator(".sl-now", has_text="T = 8.00, without T²").wait_for()
    check_terms(page, 8.0, 0.5, 0.5, False)
    page.locator(".sl-soft").focus()
    page.keyboard.press("End")
    page.locator(".sl-hard").focus()
    moves = press_until(page, "ArrowLeft", "Reached", 90)
    assert 20 < moves < 89
    assert terms(page)["soft_share"] == pytest.approx(50, abs=5)
    assert "T² on: it multiplies the soft term by 64" in page.locator(".sl-state").inner_text()
    soft, hard = map(float, page.python("print(widget.soft_weight, widget.hard_weight)").split())
    check_terms(page, 8.0, soft, hard, False)
    assert soft == 1 and 0 < hard < 0.05 and active_cell(page) == 1


def test_loss_weights_by_mouse(shown):
    page = shown("loss")
    page.python(
        "widget.temperature = 2.0; widget.soft_weight = widget.hard_weight = 0.5; widget.times_t_squared = False"
    )
    page.locator(".sl-now", has_text="T = 2.00, without").wait_for()
    page.locator(".sl-check").click()
    check_terms(page, 2.0, 0.5, 0.5, True)
    box = page.locator(".sl-soft").bounding_box()
    page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
    page.locator(".sl-now", has_text="only the hard term pulls").wait_for()
    assert "none" in page.locator(".sl-angle").inner_text()


def test_ask_by_keyboard_and_mouse(shown):
    page = shown("ask")
    field = page.locator(".sl-ask input")
    assert TEXTS[0] in page.locator(".sl-asked").inner_text()
    field.fill("a large boat with two hulls")
    page.keyboard.press("Enter")
    page.locator(".sl-asked", has_text="a large boat with two hulls").wait_for()
    page.locator(".sl-state", has_text="✓ Reached").wait_for()
    page.locator(".sl-ask button", has_text=TEXTS[2]).click()
    page.locator(".sl-asked", has_text=TEXTS[2]).wait_for()
    field.fill("boom")
    page.locator(".sl-ask button", has_text="Ask").click()
    page.locator(".sl-error", has_text="RuntimeError: the teacher is ill").wait_for()
    field.fill("")
    page.keyboard.press("Enter")
    page.locator(".sl-now", has_text="Write a definition first").wait_for()


LEGIBLE = """(name) => {
  const root = document.querySelector('.sl-' + name);
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const bright = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((v, i) => v * a + below[i] * (1 - a));
  const page = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const colour = rgb(getComputedStyle(n).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = { texts: 0, small: [], faint: [], wide: root.scrollWidth - root.clientWidth };
  for (const node of root.querySelectorAll('*')) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || node.closest('.sl-hidden, option, style, details, .jp-mod-hidden')) continue;
    if (node.getClientRects().length === 0) continue;
    const style = getComputedStyle(node), back = page(node);
    const ink = over(rgb(node.namespaceURI.endsWith('svg') ? style.fill : style.color), back);
    const [a, b] = [bright(ink), bright(back)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.texts += 1;
    if (parseFloat(style.fontSize) < 14.6) found.small.push([node.textContent.slice(0, 30), style.fontSize]);
    if (contrast < 4.5) found.faint.push([node.textContent.slice(0, 30), contrast.toFixed(2)]);
  }
  return found;
}"""


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
@pytest.mark.parametrize("name", ["temperature", "affinity", "loss", "ask"])
def test_legible_in_every_theme_at_700_pixels(shown, name, theme):
    """11 pt is 14.67 px; WCAG 2.2 asks for a contrast of 4.5 for text."""
    page = shown(name)
    if name == "ask":
        page.python("widget.ask('the speech act of negating')")
        page.locator(".sl-answer").wait_for()
    page.evaluate(
        "async (theme) => { await window.jupyterapp.commands.execute('apputils:change-theme', { theme }); }", theme
    )
    page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=str("Light" in theme).lower())
    page.evaluate("name => { document.querySelector('.sl-' + name).style.width = '700px'; }", name)
    found = page.evaluate(LEGIBLE, name)
    assert found["texts"] > 15
    assert found["small"] == [] and found["faint"] == []
    assert found["wide"] <= 0


def test_nothing_moves_for_those_who_asked_for_stillness(shown):
    page = shown("temperature")
    page.emulate_media(reduced_motion="reduce")
    page.python("widget.temperature = 1.0")
    page.python("widget.temperature = 6.0")
    page.locator(".sl-temperature output", has_text="T = 6.00").wait_for()
    moving = "() => document.querySelector('.sl-temperature').getAnimations({ subtree: true }).length"
    assert page.evaluate(moving) == 0
    durations = page.locator(".sl-temperature *").evaluate_all(
        "nodes => nodes.map(n => getComputedStyle(n).transitionDuration)"
    )
    assert set(durations) == {"0s"}


WATCH = """(name) => {
  const root = document.querySelector(name);
  window.watching?.abort();                        // of an earlier round
  window.watching = new AbortController();
  window.times = [];
  let moved = null, drawn = null;
  new MutationObserver(() => { if (moved !== null && drawn === null) drawn = performance.now(); })
    .observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
  root.addEventListener('input', (event) => {
    moved = event.timeStamp;                       // when the browser made the event
    requestAnimationFrame(() => {                  // just before the next picture is painted
      const channel = new MessageChannel();
      channel.port1.onmessage = () => {            // just after
        window.times.push([drawn - moved, performance.now() - moved]);
        moved = drawn = null;
      };
      channel.port2.postMessage(0);
    });
  }, { capture: true, signal: window.watching.signal });
}"""
BARE = """() => {
  const bare = document.createElement('p');
  bare.innerHTML = '<input type="range" class="bare" data-lm-suppress-shortcuts="true" max="200"><output></output>';
  bare.id = 'bare';
  bare.style = 'position: fixed; bottom: 0; right: 0; z-index: 9999';
  bare.firstChild.oninput = (event) => { bare.lastChild.textContent = event.target.value; };
  document.body.append(bare);
}"""


def measure(page, root, knob, moves=100):
    """Move a slider by keyboard and return two lists of milliseconds: event to changed page, event to painted page."""
    page.evaluate(WATCH, root)
    page.locator(knob).focus()
    start, key = (
        ("End", "ArrowLeft") if page.locator(knob).evaluate("knob => knob.value < 100") else ("Home", "ArrowRight")
    )
    page.keyboard.press(start)
    page.wait_for_function("window.times.length === 1")
    for count in range(2, moves + 2):
        page.keyboard.press(key)
        page.wait_for_function("n => window.times.length === n", arg=count)
    changed, painted = zip(*page.evaluate("window.times.slice(1)"), strict=True)
    assert len(painted) == moves and min(changed) >= 0  # every move changed the picture
    return changed, painted


def percentile(values, percent):
    return statistics.quantiles(values, n=100)[percent - 1]


@pytest.mark.parametrize("name", ["temperature", "loss"])
def test_from_slider_to_new_picture_in_50_ms(shown, name, record_property):
    """The course's limit: 50 ms at the 95th percentile over 100 moves by keyboard, from event to painted picture.

    The limit is the widget's, not its neighbours'. So a bare slider that changes one number in the same page is
    measured too; where that alone takes over 25 ms (a frame and a half), something else keeps the machine busy, and
    the round is made again, twice at most. If no round was quiet, only the widget's own time (until it has changed the
    page) is held to the limit.
    """
    page = shown(name)
    page.evaluate(BARE)
    for attempt in range(1, 4):
        bare = percentile(measure(page, "#bare", ".bare")[1], 95)
        changed, painted = measure(page, f".sl-{name}", f".sl-{name} .sl-t")
        p95 = percentile(painted, 95)
        words = (
            f"p50 {percentile(painted, 50):.1f} ms, p95 {p95:.1f} ms, of which script {percentile(changed, 95):.1f} ms"
        )
        words = f"{name}, round {attempt}: slider to picture {words}; a bare slider p95 {bare:.1f} ms"
        record_property("latency", words)
        print(words)
        if p95 < 50:
            return
        assert bare > 25, words  # the machine is quiet, so the widget is too slow
    assert percentile(changed, 95) < 50, words
    warnings.warn(f"too busy a machine to judge the painting: {words}", stacklevel=1)
