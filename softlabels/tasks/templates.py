"""Sentence templates, and one sentence of one at random: the part of the Home Assistant template language that its
intents use.

    [please] turn (on|off) [the] {name}       optional, one of several, a slot to fill in
    (tomorrow;<wake> me)                      both, in either order; <wake> is a template with a name

Source: https://developers.home-assistant.io/docs/voice/intent-recognition/template-sentence-syntax
"""

import functools
import re
from collections.abc import Callable, Mapping
from random import Random

_TOKENS = re.compile(r"[\[\]()|;]|<[^<>]+>|\{[^{}]+\}|[^\[\]()|;<>{}]+")
_CLOSING = {"[": "]", "(": ")"}
DEEPEST = 30  # rules within rules; more means that a rule uses itself


class TemplateError(ValueError):
    """A template is not written as it should be, or uses a rule that does not exist."""


class Unfillable(LookupError):
    """A sentence needs a word for a slot for which there is none."""


@functools.cache
def parse(template: str) -> tuple:
    """Read a template as ("one of" | "any order" | "joined", parts) within each other; a leaf is a piece of text.

    Raises:
        TemplateError: a bracket is missing, or a character stands where it cannot.
    """
    tokens = _TOKENS.findall(template)
    if "".join(tokens) != template:
        raise TemplateError(f"{template!r}: a < or {{ is never closed")
    node, rest = _read(tokens, 0, None, template)
    if rest != len(tokens):
        raise TemplateError(f"{template!r}: {tokens[rest]!r} closes nothing")
    return node


def _read(tokens: list[str], at: int, closing: str | None, template: str) -> tuple[tuple, int]:
    branches, separators = [[]], set()
    while at < len(tokens) and tokens[at] not in ("]", ")"):
        token = tokens[at]
        at += 1
        if token in "|;":
            separators.add(token)
            branches.append([])
        elif token in _CLOSING:
            inner, at = _read(tokens, at, _CLOSING[token], template)
            branches[-1].append(("one of", (inner, "")) if token == "[" else inner)
        else:
            branches[-1].append(token)
    if len(separators) > 1:
        raise TemplateError(f"{template!r}: | and ; in one bracket; put one of them into brackets of its own")
    if closing is not None:
        if at == len(tokens) or tokens[at] != closing:
            raise TemplateError(f"{template!r}: a {closing!r} is missing")
        at += 1
    parts = tuple(("joined", tuple(branch)) for branch in branches)
    if len(parts) == 1:
        return parts[0], at
    return ("any order" if ";" in separators else "one of", parts), at


def sentence(template: str, rules: Mapping[str, str], fill: Callable[[str], str], random: Random) -> str:
    """Return one sentence of a template. Every choice is a fair one.

    Args:
        rules: templates by name, for <name>.
        fill: returns a template for a slot, {slot}; raises Unfillable where there is none.
        random: only its `random()` is used, which never changes from one Python to the next.

    Raises:
        TemplateError: the template or one that it uses cannot be read.
        Unfillable: as `fill` does.
    """

    def say(node, depth: int) -> str:
        if depth > DEEPEST * 10:
            raise TemplateError(f"{template!r}: a rule uses itself")
        if isinstance(node, str):
            if node[:1] == "<":
                if node[1:-1] not in rules:
                    raise TemplateError(f"{template!r}: there is no rule {node}")
                return say(parse(rules[node[1:-1]]), depth + 10)
            return say(parse(fill(node[1:-1].split(":")[0])), depth + 10) if node[:1] == "{" else node
        kind, parts = node
        if kind == "one of":
            return say(parts[int(random.random() * len(parts))], depth + 1)
        if kind == "any order":
            left = list(parts)
            return " ".join(say(left.pop(int(random.random() * len(left))), depth + 1) for _ in parts)
        return "".join(say(part, depth + 1) for part in parts)

    return " ".join(say(parse(template), 0).split()).replace(" ,", ",")
