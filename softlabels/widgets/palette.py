"""One colour for each class, the same in every lesson, and one calm style for every figure.

Related classes share a hue: living things are green, things one can hold orange, happenings red, what goes on in a mind
violet, society olive, abstractions blue. The shades were searched for in OKLab so that the groups stay apart in
simulated protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes 2009), and so that every colour
stands out from a white page and from a dark one. Colour is never the only cue: a class's name stands beside its colour
everywhere.
"""

import base64
import hashlib
import html
import io
from contextlib import contextmanager

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

GROUPS = {
    "living": {"animal": "#64a15c", "plant": "#1fa273", "person": "#859785", "body": "#5a9c93"},
    "things": {"artifact": "#aa7755", "food": "#be8424", "object": "#c5733e", "substance": "#ea6c22"},
    "happenings": {"act": "#d13465", "event": "#be5a74", "process": "#ba314f", "phenomenon": "#a05a6a"},
    "mind": {"cognition": "#b93698", "communication": "#7e538f", "feeling": "#ac83b2"},
    "society": {"group": "#606846", "location": "#856915", "possession": "#66670f"},
    "abstract": {
        "attribute": "#3e60ba",
        "quantity": "#5570f2",
        "relation": "#0874ce",
        "shape": "#4b73b8",
        "state": "#4059d9",
        "time": "#6d81f5",
    },
}
COLOURS = {name: colour for group in GROUPS.values() for name, colour in group.items()}
INK, QUIET, ACCENT = "#1f2328", "#5b636d", "#0874ce"  # text, secondary text, and the colour of what is measured

STYLE = {
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 11,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e6ea",
    "lines.linewidth": 2.0,
    "axes.prop_cycle": matplotlib.cycler(
        color=["#0874ce", "#c5733e", "#1fa273", "#b93698", "#66670f", "#d13465"],
        linestyle=["-", "--", "-.", ":", "-", "--"],  # lines differ without their colours too
    ),
}


def colour_of(name: str) -> str:
    """Return the colour "#rrggbb" of a class.

    The 24 WordNet supersenses have their own. Any other name gets one of the same 24 by a hash of the name, so that it
    too looks the same in every lesson and on every machine; two such names may share a colour.
    """
    if name in COLOURS:
        return COLOURS[name]
    place = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
    return list(COLOURS.values())[place % len(COLOURS)]


def colours(classes) -> list[str]:
    """Return the colours of several classes, in their order."""
    return [colour_of(name) for name in classes]


@contextmanager
def style():
    """Draw figures in the course's style inside a `with` block; the style that was there before comes back."""
    with matplotlib.rc_context(STYLE):
        yield


def use_style() -> None:
    """Draw every later figure of this notebook in the course's style."""
    matplotlib.rcParams.update(STYLE)


def blank_figure(width: float, height: float) -> Figure:
    """Return an empty figure, width x height in inches, that belongs to no window and is shown only when asked for.

    Call it inside `style()`. (A pyplot figure would be shown a second time at the end of the notebook cell.)
    """
    return Figure(figsize=(width, height))


def png(figure: Figure, dpi: int = 100) -> bytes:
    """Render a figure as a PNG of at most 256 colours, half the usual size; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    picture = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small = io.BytesIO()
    picture.save(small, format="png", optimize=True)
    return small.getvalue()


def image_tag(picture: bytes, alt: str) -> str:
    """Return an HTML <img> that holds the PNG itself, with its alternative text."""
    data = base64.b64encode(picture).decode("ascii")
    return f'<img alt="{html.escape(alt, quote=True)}" style="max-width: 100%" src="data:image/png;base64,{data}">'
