"""The template language: what can be said, what cannot be read."""

from random import Random

import pytest

from softlabels.tasks.templates import TemplateError, Unfillable, parse, sentence

RULES = {"turn": "(turn|switch)", "the": "[the|my]", "both": "<turn> <the>", "self": "a <self>", "open": "[a"}


def said(template: str, slots=None, draws: int = 300) -> set[str]:
    """Return every sentence that many draws give."""
    random = Random(0)

    def fill(slot):
        if slot not in (slots or {}):
            raise Unfillable(slot)
        return slots[slot]

    return {sentence(template, RULES, fill, random) for _ in range(draws)}


@pytest.mark.parametrize(
    "template, expected",
    [
        ("stop", {"stop"}),
        ("[please] stop", {"stop", "please stop"}),
        ("light[s] on", {"light on", "lights on"}),
        ("(on|off|)", {"on", "off", ""}),
        ("on|off", {"on", "off"}),
        ("a [b|c [d]]", {"a", "a b", "a c", "a c d"}),
        ("(stop;now)", {"stop now", "now stop"}),
        ("(a;b|c)", None),
        ("((a|b);c)", {"a c", "c a", "b c", "c b"}),
        ("(a;[b];c)", {"a b c", "a c b", "b a c", "b c a", "c a b", "c b a", "a c", "c a"}),
        ("<both> light", {f"{v} {t}light" for v in ("turn", "switch") for t in ("", "the ", "my ")}),
        ("{area} light", {"kitchen light"}),
        ("in {area:room}", {"in kitchen"}),
        ("{colour}", {"red", "dark red"}),
        ("把{area}灯", {"把kitchen灯"}),
        ("  a   b ", {"a b"}),
        ("a [b] , c", {"a, c", "a b, c"}),
        ("(a; , b)", {"a, b", ", b a"}),
    ],
)
def test_what_a_template_says(template, expected):
    slots = {"area": "kitchen", "colour": "[dark] red"}
    if expected is None:
        with pytest.raises(TemplateError, match=r"\| and ;"):
            said(template)
    else:
        assert said(template, slots) == expected


@pytest.mark.parametrize(
    "template, message",
    [
        ("a [b", "']' is missing"),
        ("(a|b", r"'\)' is missing"),
        ("(a]", r"'\)' is missing"),
        ("a b)", "closes nothing"),
        ("a <turn", "never closed"),
        ("a {area", "never closed"),
        ("<nothing>", "no rule <nothing>"),
        ("<self>", "uses itself"),
        ("<open>", "']' is missing"),
    ],
)
def test_what_cannot_be_read_is_named(template, message):
    with pytest.raises(TemplateError, match=message):
        said(template)


def test_a_slot_without_words_is_not_hidden():
    with pytest.raises(Unfillable):
        said("to {floor}")


def test_choices_are_fair_and_the_seed_decides():
    random = Random(1)
    on = sum(sentence("(on|off)", {}, str, random) == "on" for _ in range(2_000))
    assert 900 < on < 1_100
    assert sentence("a [b] (c|d|e)", {}, str, Random(3)) == sentence("a [b] (c|d|e)", {}, str, Random(3))
    assert parse("a [b]") is parse("a [b]")
