"""What an exercise is made of, and how two answers are compared.

An :class:`Exercise` binds a function of the library (the reference) to the inputs it is tried on (:class:`Probe`), the
properties it must have, and the mistakes that are known to happen (:class:`Mistake`). The engine that judges a
learner's function with it is :mod:`softlabels.course.checking`.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

__all__ = [
    "Exercise",
    "Finding",
    "Mistake",
    "Probe",
    "Result",
    "any_of",
    "call",
    "close",
    "finite",
    "same",
    "size",
    "to_array",
]


@dataclass(frozen=True, eq=False)
class Probe:
    """One set of positional inputs. Every call gets its own copy of them. ``note`` says what is special about it."""

    args: tuple
    note: str = ""

    def __post_init__(self):
        if not isinstance(self.args, tuple):
            raise TypeError(f"Probe.args must be a tuple of positional inputs, not {type(self.args).__name__}")


@dataclass(frozen=True)
class Finding:
    """What a check found wrong: a short name, the symptom, and the question that leads to the mend.

    ``inputs``, ``yours`` and ``expected`` are optional evidence; when given they are shown as a table.
    """

    name: str
    symptom: str
    question: str = ""
    inputs: dict[str, Any] | None = None
    yours: Any = None
    expected: Any = None


@dataclass(frozen=True)
class Mistake:
    """A mistake that is known to happen.

    imitation: a wrong implementation, with the reference's parameters. A learner's wrong answer that agrees with it on
        every probe where it differs from the reference is told this mistake. It must differ on at least one probe.
    matches: instead of (or besides) an imitation, ``matches(fn, probes) -> bool`` recognises the mistake by behaviour.
    A mistake with neither is one that a property names, by returning it.
    """

    name: str
    symptom: str
    question: str
    imitation: Callable | None = None
    matches: Callable[[Callable, Sequence[Probe]], bool] | None = None

    def __post_init__(self):
        if not (self.name and self.symptom and "?" in self.question):
            raise ValueError(f"mistake {self.name!r}: it needs a name, a symptom, and a question with a question mark")


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise: a function to write, and everything needed to judge and to help.

    probes: a sequence of Probe, ordered smallest first, or a function that makes one; if that function has a parameter
        it is given the seed. If the reference raises on a probe, the answer must raise the same type of error.
    properties: callables ``(fn) -> Finding | Mistake | None``.
    mistakes: when two of them fit an answer, the first listed is told.
    hints: a question, the formula, pseudocode.
    tolerance: (relative, absolute), where the default of :func:`close` does not suit (for instance a bisection).
    """

    name: str
    lesson: str
    title: str
    points: float
    minutes: int
    difficulty: int
    reference: Callable
    probes: Sequence[Probe] | Callable[..., Sequence[Probe]]
    properties: Sequence[Callable[[Callable], Finding | Mistake | None]] = ()
    mistakes: Sequence[Mistake] = ()
    hints: tuple[str, str, str] = field(default=("", "", ""))
    tolerance: tuple[float, float] | None = None

    def __post_init__(self):
        wrong = None
        names = [mistake.name for mistake in self.mistakes]
        if not (len(self.lesson) == 2 and self.lesson.isdigit()):
            wrong = f"lesson must be two digits, such as '02', not {self.lesson!r}"
        elif not 1 <= self.difficulty <= 5:
            wrong = f"difficulty must be 1 to 5, not {self.difficulty}"
        elif not (self.points > 0 and self.minutes > 0):
            wrong = "points and minutes must be above 0"
        elif len(self.hints) != 3 or not all(self.hints):
            wrong = "hints must be three texts: a question, the formula, pseudocode"
        elif len(set(names)) != len(names):
            wrong = "two mistakes have the same name"
        if wrong:
            raise ValueError(f"exercise {self.name!r}: {wrong}")

    def make_probes(self, seed: int = 0) -> tuple[Probe, ...]:
        """The probes; a seed gives others where the exercise makes them by a function with a parameter."""
        if not callable(self.probes):
            return tuple(self.probes)
        return tuple(self.probes(seed) if inspect.signature(self.probes).parameters else self.probes())

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.reference).parameters)

    def expected(self, seed: int = 0) -> list[tuple[Probe, Result]]:
        """Probes and the reference's results, computed once per seed."""
        if seed not in self._cache:
            self._cache[seed] = [(p, call(self.reference, p.args)) for p in self.make_probes(seed)]
        return self._cache[seed]

    def imitated(self, mistake: Mistake, seed: int = 0) -> list[Result]:
        """The results of a mistake's imitation on the same probes, computed once per seed."""
        key = (mistake.name, seed)
        if key not in self._cache:
            self._cache[key] = [call(mistake.imitation, p.args) for p, _ in self.expected(seed)]
        return self._cache[key]

    @cached_property
    def _cache(self) -> dict:
        return {}


@dataclass(frozen=True, eq=False)
class Result:
    """What one call gave: a value or an error, and the positions of the inputs that it changed in place."""

    value: Any = None
    error: BaseException | None = None
    changed: tuple[int, ...] = ()


def call(fn: Callable, args: tuple) -> Result:
    """Call ``fn`` on copies of ``args``; an exception becomes part of the result (an interrupt does not)."""
    memo: dict = {}  # shared, so that a copied optimizer holds the parameters of the copied model
    mine = tuple(_copy(a, memo) for a in args)
    try:
        value = fn(*mine)
    except (Exception, SystemExit) as error:  # a stray exit() must not end the learner's kernel
        return Result(error=error)
    changed = tuple(i for i, (a, b) in enumerate(zip(mine, args, strict=True)) if not _untouched(a, b))
    return Result(value=value, changed=changed)


def to_array(value: Any) -> np.ndarray | None:
    """``value`` as numpy (torch of any float type, numpy, numbers, nested lists of them); None if it is not numeric."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            value = value.float() if str(value.dtype) in ("torch.bfloat16", "torch.float16") else value
            return value.numpy()
        if isinstance(value, (list, tuple)):
            parts = [to_array(v) for v in value]
            if any(p is None for p in parts) or len({p.shape for p in parts}) > 1:
                return None
            return np.array(parts)
        if value is None or isinstance(value, (str, bytes)) or callable(value):
            return None
        array = np.asarray(value)
        return array if array.dtype.kind in "biuf" else None
    except (TypeError, ValueError, RuntimeError):
        return None


def close(yours: Any, expected: Any, tolerance: tuple[float, float] | None = None, inputs: tuple = ()) -> bool:
    """Whether two answers agree: same structure and shape, and equal within what their number type can carry.

    The coarsest float type among the two answers and ``inputs`` decides (relative, absolute): float64 1e-5, 1e-6;
    float32 and plain Python numbers 1e-4, 1e-5; float16 1e-2, 2e-3; bfloat16 3e-2, 1e-2. A one-element array passes
    for a scalar. NaN agrees with NaN and an infinity with itself. Two modules agree when their parameters have the same
    shapes, in the same order. A flat array may stand where a tuple of numbers is expected: it unpacks as one.
    """
    if isinstance(expected, tuple) and getattr(yours, "ndim", 0) == 1:
        yours = list(yours)
    if isinstance(expected, tuple) or (isinstance(expected, list) and to_array(expected) is None):  # rows of any length
        return (
            isinstance(yours, (tuple, list))
            and len(yours) == len(expected)
            and all(close(y, e, tolerance, inputs) for y, e in zip(yours, expected, strict=True))
        )
    if isinstance(expected, dict):
        return (
            isinstance(yours, dict)
            and yours.keys() == expected.keys()
            and all(close(yours[k], expected[k], tolerance, inputs) for k in expected)
        )
    if hasattr(expected, "parameters"):  # a module: its weights are drawn at random, so their shapes are compared
        return hasattr(yours, "parameters") and _shapes(yours) == _shapes(expected)
    a, b = to_array(yours), to_array(expected)
    if b is None:
        return a is None and type(yours) is type(expected) and bool(np.all(yours == expected))
    if a is None or not (a.shape == b.shape or (b.shape == () and a.size == 1)):
        return False
    relative, absolute = tolerance or _tolerance(yours, expected, *inputs)
    return bool(np.allclose(a.reshape(b.shape), b, rtol=relative, atol=absolute, equal_nan=True))


def any_of(*imitations: Callable) -> Callable[[Callable, Sequence[Probe]], bool]:
    """A test for a mistake that people write in several ways: does the answer agree with one of them on every probe?"""

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        answers = [(p, call(fn, p.args).value) for p in probes]
        return any(all(close(mine, call(i, p.args).value, inputs=p.args) for p, mine in answers) for i in imitations)

    return matches


def _shapes(module: Any) -> list[tuple[int, ...] | None]:
    return [_shape(parameter) for parameter in module.parameters()]


def _shape(parameter: Any) -> tuple[int, ...] | None:
    try:
        return tuple(parameter.shape)
    except RuntimeError:  # a lazy module's parameter has no shape before its first input
        return None


def same(yours: Result, expected: Result, probe: Probe, tolerance: tuple[float, float] | None = None) -> bool:
    """Whether two results agree: values by :func:`close`, errors by type."""
    if expected.error is not None or yours.error is not None:
        return expected.error is not None and isinstance(yours.error, type(expected.error))
    return close(yours.value, expected.value, tolerance, probe.args)


_COARSENESS = {"float64": 0, "float32": 1, "float16": 2, "bfloat16": 3}
_TOLERANCES = ((1e-5, 1e-6), (1e-4, 1e-5), (1e-2, 2e-3), (3e-2, 1e-2))


def _tolerance(*values: Any) -> tuple[float, float]:
    # A plain Python number may have been float32 a moment ago (`loss.item()`), hence the 1 for what has no dtype.
    coarseness = 0
    for value in values:
        if isinstance(value, (list, tuple)):
            names = {_dtype(v) for v in value} or {"float32"}
        else:
            names = {_dtype(value)}
        coarseness = max([coarseness, *(_COARSENESS.get(n, 0 if n != "python" else 1) for n in names)])
    return _TOLERANCES[coarseness]


def _dtype(value: Any) -> str:
    if isinstance(value, (float, list, tuple)) and not isinstance(value, np.floating):
        return "python"
    return str(getattr(value, "dtype", "")).removeprefix("torch.")


def _copy(value: Any, memo: dict) -> Any:
    if hasattr(value, "detach") and hasattr(value, "requires_grad"):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return value if callable(value) and not hasattr(value, "state_dict") else copy.deepcopy(value, memo)


def _untouched(after: Any, before: Any) -> bool:
    a, b = to_array(after), to_array(before)
    if a is None or b is None:
        return True
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def finite(value: Any) -> bool:
    """Whether a numeric value has neither NaN nor infinity (True for what is not numeric)."""
    array = to_array(value)
    return array is None or bool(np.isfinite(array).all())


def size(args: tuple) -> int:
    """How many numbers a probe's inputs hold: the measure by which one failing case is smaller than another."""
    return sum(math.prod(a.shape) for a in map(to_array, args) if a is not None)
