"""Widgets that stay useful where no kernel runs.

A notebook's output can hold one thing in several forms, and each reader takes the richest it understands. A widget from
this package gives four: the live widget (JupyterLab, Colab, VS Code), a self-contained page fragment in which the same
JavaScript runs without a kernel or a network (static HTML, the book), a PNG (GitHub, PDF), and a line of text.
"""

import functools
import hashlib
import json
import re
from pathlib import Path

import anywidget
import traitlets
from matplotlib.figure import Figure

from . import palette

HERE = Path(__file__).parent
EXPORT = re.compile(r"^export (?=function|const)", re.MULTILINE)
RENDER = re.compile(r"^export default \{ render \};\s*\Z", re.MULTILINE)


@functools.cache
def script(name: str) -> str:
    """Return the JavaScript module of a widget: what all widgets share, then the widget's own file."""
    return (HERE / "shared.js").read_text(encoding="utf-8") + "\n" + (HERE / name).read_text(encoding="utf-8")


@functools.cache
def stylesheet() -> str:
    """Return the CSS of all the widgets."""
    return (HERE / "shared.css").read_text(encoding="utf-8")


def plain_script(module: str) -> str:
    """Turn a widget's module into a classic script's expression whose value is its `render` function.

    A page opened from disk runs no `import`, and a module inside an HTML fragment cannot hand out what it exports; the
    words `export` are all that stands in the way. Raises ValueError when the module imports something or does not end
    as it must.
    """
    if re.search(r"^import\b", module, re.MULTILINE) or "</script" in module:
        raise ValueError("a widget's module must import nothing and hold no closing script tag")
    body, found = RENDER.subn("return render;", EXPORT.sub("", module))
    if found != 1:
        raise ValueError("a widget's module must end with: export default { render };")
    return "(() => {\n" + body + "\n})()"


# What anywidget gives to `render`, for a page without a kernel: values that can be read, set and listened to.
STAND_IN = """
const model = {
  listeners: {},
  get: (key) => state[key],
  set(key, value) {
    if (state[key] === value) return;
    state[key] = value;
    for (const listener of model.listeners["change:" + key] || []) listener();
  },
  save_changes() {},
  on(event, listener) { (model.listeners[event] = model.listeners[event] || []).push(listener); },
  off(event, listener) { model.listeners[event] = (model.listeners[event] || []).filter((f) => f !== listener); },
};
"""


class Pictured:
    """Puts a picture with alternative text beside an ipywidget in the notebook's output.

    A subclass says what `picture` shows; it may give a richer `_fragment`.
    """

    def picture(self) -> tuple[Figure, str]:
        """Return the figure that stands in for the widget, and its alternative text."""
        raise NotImplementedError

    def _fragment(self, image: str) -> str:
        """Return the HTML form, given the picture as an <img>."""
        return image

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        if data is None:  # a closed widget shows nothing
            return bundle
        figure, alt = self.picture()
        picture = palette.png(figure)
        extra = {"text/html": self._fragment(palette.image_tag(picture, alt)), "image/png": picture}
        return {**data, **extra}, {**metadata, "image/png": {"alt": alt}}


class Alive(Pictured, anywidget.AnyWidget):
    """An anywidget whose drawing and arithmetic need no kernel: its HTML form runs the same script in any page.

    A subclass sets `_module`, the name of its JavaScript file, and its own synchronised traits are its state.
    """

    _module = ""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "_module" in cls.__dict__:  # not for the classes that traitlets derives when a trait is added
            cls._esm, cls._css = script(cls._module), stylesheet()
            traits = {name: trait for name, trait in vars(cls).items() if isinstance(trait, traitlets.TraitType)}
            cls._own_state = sorted(name for name, trait in traits.items() if trait.metadata.get("sync"))

    def _fragment(self, image: str) -> str:
        state = {name: getattr(self, name) for name in self._own_state}
        state = json.dumps(state, separators=(",", ":"), ensure_ascii=False)
        state = state.replace("<", "\\u003c")  # no text of a gloss may close the script
        mark = hashlib.sha256((self._module + state).encode()).hexdigest()[:16]
        return (
            f"<style>{stylesheet()}</style>\n"
            f'<div data-soft-labels="{mark}">{image}</div>\n'
            f"<script>(() => {{\n"
            f"const host = document.querySelector('[data-soft-labels=\"{mark}\"]:not([data-alive])');\n"
            f"if (!host) return;\n"
            f"const state = {state};\n{STAND_IN}"
            f"const render = {plain_script(script(self._module))};\n"
            f'host.dataset.alive = "yes";\nhost.replaceChildren();\nrender({{ model, el: host }});\n'
            f"}})();</script>"
        )
