"""The learner's budget for the finished model: how large, how slow. "10MB,5ms", or only one of the two."""

import re
from dataclasses import dataclass

MEGABYTES = {"kb": 1e-3, "mb": 1.0, "gb": 1e3, "kib": 1024e-6, "mib": 1024**2 / 1e6, "gib": 1024**3 / 1e6}
MILLISECONDS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
EXAMPLE = 'write it as in --budget "10MB,5ms", or one of the two'


@dataclass(frozen=True)
class Limits:
    """megabytes: of model.onnx, tokenizer.json and labels.json together, 10^6 bytes each. milliseconds: the median from
    a text to its label, one thread, one text at a time. None: no limit.
    """

    megabytes: float | None = None
    milliseconds: float | None = None

    def excess(self, megabytes: float, milliseconds: float) -> float:
        """Return how many times over the tighter limit a model is; it fits when that is 1 or less."""
        shares = [
            value / limit for value, limit in ((megabytes, self.megabytes), (milliseconds, self.milliseconds)) if limit
        ]
        return max(shares, default=0.0)

    def __str__(self) -> str:
        said = [f"{value:g} {unit}" for value, unit in ((self.megabytes, "MB"), (self.milliseconds, "ms")) if value]
        return " and ".join(said) or "no limit"


def parse_limits(text: str) -> Limits:
    """Read a budget such as "10MB,5ms", "10 mb", "0.5 s" or "1GB, 20 ms". ValueError that says what was wrong."""
    found = {}
    for part in re.split(r"[,;+]|\band\b", text):
        if not part.strip():
            continue
        match = re.fullmatch(r"\s*(?:<=?)?\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-zµ]*)\s*", part, re.IGNORECASE)
        if not match:
            raise ValueError(f"the budget's part {part.strip()!r} is no number with a unit: {EXAMPLE}")
        number, unit = float(match[1]), match[2].lower()
        name, units = ("size", MEGABYTES) if unit in MEGABYTES else ("time", MILLISECONDS)
        if unit not in units:
            known = ", ".join(("kB", "MB", "GB", "ms", "s"))
            what = f"the unit {match[2]!r} is not known" if unit else f"{part.strip()!r} has no unit"
            raise ValueError(f"in the budget {text!r}, {what} (known: {known}): {EXAMPLE}")
        if name in found:
            raise ValueError(f"the budget {text!r} names two {name}s: {EXAMPLE}")
        if number == 0:
            raise ValueError(f"the budget {text!r} leaves nothing: {part.strip()} is zero")
        found[name] = number * units[unit]
    if not found:
        raise ValueError(f"the budget is empty: {EXAMPLE}")
    return Limits(found.get("size"), found.get("time"))
