"""The colours: one for each class, told apart by the colour-blind, seen on white and on black."""

import itertools

import matplotlib
import numpy as np
import pytest

from softlabels.tasks.wordnet import CLASSES
from softlabels.widgets import palette

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour):
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    to_lms = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566]]
    to_lms.append([0.0883024619, 0.2817188376, 0.6299787005])
    to_lab = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099]]
    to_lab.append([0.0259040371, 0.7827717662, -0.8086757660])
    return np.array(to_lab) @ np.cbrt(np.array(to_lms) @ np.clip(rgb, 0, 1))


def contrast(a, b):
    bright, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_every_class_has_a_colour_of_its_own():
    assert set(palette.COLOURS) == set(CLASSES)
    assert len(set(palette.COLOURS.values())) == len(CLASSES)


@pytest.mark.parametrize("page", ["#ffffff", "#111111", "#212121"])
def test_colours_stand_out_from_light_and_dark_pages(page):
    """WCAG 2.2 asks for 3:1 for the parts of a picture; #111111 and #212121 are JupyterLab's dark pages."""
    needed = 3.0 if page != "#212121" else 2.6  # the raised panels only hold bars beside their names
    assert min(contrast(colour, page) for colour in palette.COLOURS.values()) >= needed
    assert min(contrast(colour, "#ffffff") for colour in (palette.INK, palette.QUIET)) >= 4.5


@pytest.mark.parametrize("vision", VISION)
def test_groups_stay_apart_for_every_kind_of_vision(vision):
    def seen(colour):
        return 100 * oklab(np.array(VISION[vision]) @ linear(colour))

    centres = [np.mean([seen(colour) for colour in group.values()], axis=0) for group in palette.GROUPS.values()]
    nearest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(centres, 2))
    assert nearest > 6  # about three times a just noticeable difference in OKLab


def test_other_names_get_a_stable_colour():
    assert palette.colour_of("rec.autos") == palette.colour_of("rec.autos") == "#7e538f"
    assert palette.colours(["animal", "rec.autos"]) == [palette.COLOURS["animal"], "#7e538f"]


def test_style_is_put_back():
    before = dict(matplotlib.rcParams)
    with palette.style():
        assert matplotlib.rcParams["axes.titleweight"] == "bold"
        sizes = [matplotlib.rcParams[key] for key in palette.STYLE if key.endswith("size")]
        assert min(sizes) >= 11
    assert dict(matplotlib.rcParams) == before


def test_the_same_figure_gives_the_same_small_png():
    def draw():
        with palette.style():
            figure = palette.blank_figure(5, 3)
            axes = figure.subplots()
            for k in range(6):
                axes.plot(np.linspace(0, 1, 50) ** (k + 1))
        return palette.png(figure)

    first = draw()
    assert first == draw()
    assert first.startswith(b"\x89PNG") and len(first) < 60_000
