"""Lesson 02's exercises: soften, and temperature_for_entropy."""

import itertools
import math

import torch

from softlabels import distill
from softlabels.course.exercises.base import Exercise, Finding, Mistake, Probe, call, close, finite, to_array
from softlabels.distill import soften, temperature_for_entropy

# ---------------------------------------------------------------------------------------------------------------------
# soften. Every logit here is small and near its neighbour: with saturated ones any temperature would look right.


def _logits(rows: int, classes: int, seed: int) -> torch.Tensor:
    return 1.5 * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


def soften_probes(seed: int = 0) -> list[Probe]:
    return [
        Probe((torch.tensor([0.3, -0.2]), 2.0), "two classes"),
        Probe((torch.tensor([1.2, 1.1, 0.2]), 0.5), "near-tied, sharpened"),
        Probe((torch.tensor([[0.9, 0.8, -0.4], [-1.0, 0.1, 0.4]]), 4.0), "two rows"),
        Probe((torch.tensor([[0.9, 0.8, -0.4], [-1.0, 0.1, 0.4]]), 1.0), "T = 1: a plain softmax"),
        Probe((_logits(4, 24, seed), 8.0), "24 classes"),
        Probe((_logits(6, 4, seed + 1).reshape(2, 3, 4), 3.0), "three axes"),
        Probe((_logits(2, 50, seed + 2), 0.25), "50 classes, sharpened"),
        Probe((_logits(2, 50, seed + 2), 20.0), "50 classes, flattened"),
    ]


def _not_normalised(fn, probes) -> bool:
    """Right up to a factor per row: dividing each row by its own sum gives the reference."""
    for probe in probes:
        yours = to_array(call(fn, probe.args).value)  # call: on copies, and an error gives no value
        if yours is None or yours.shape != tuple(probe.args[0].shape) or (yours < 0).any():
            return False
        total = yours.sum(axis=-1, keepdims=True)
        if not close(yours / total, soften(*probe.args)):
            return False
    return True


MULTIPLIES = Mistake(
    "multiplies by T",
    "A larger temperature makes your labels sharper; it should make them flatter. Your logits are multiplied by T.",
    "As T grows, should the logits move together or apart?",
    imitation=lambda logits, temperature: soften(logits, 1 / temperature),
)
NO_EFFECT = Mistake(
    "T has no effect",
    "Your probabilities are the same at every temperature: they are the ones at T = 1. Dividing all of a row's "
    "probabilities by one number and normalising again takes that number out again; so does a T that is never used.",
    "Does T act before the exponential or after it?",
    imitation=lambda logits, temperature: soften(logits, 1.0),
)
SQUARED = Mistake(
    "T squared",
    "At T = 2 your label is what it should be at T = 4: the temperature acts twice. (T² does occur in distillation, "
    "but as a factor of the loss: lesson 03.)",
    "How many times are your logits divided by T?",
    imitation=lambda logits, temperature: soften(logits, temperature**2),
)
ROOT = Mistake(
    "square root of T",
    "At T = 4 your label is what it should be at T = 2. A square root belongs to the scaling of attention scores.",
    "What exactly are your logits divided by?",
    imitation=lambda logits, temperature: soften(logits, math.sqrt(temperature)),
)
DIVIDES_PROBABILITIES = Mistake(
    "divides the probabilities",
    "Your rows sum to 1/T: it is the probabilities that are divided, after the softmax.",
    "Which of the two should be divided by T, the logits or the probabilities?",
    imitation=lambda logits, temperature: soften(logits, 1.0) / temperature,
)
WRONG_AXIS = Mistake(
    "softmax over the wrong axis",
    "Your columns sum to 1, not your rows: the glosses of a batch compete with each other for each class.",
    "Which axis holds the classes, and what `dim` names it for any number of axes?",
    imitation=lambda logits, temperature: torch.softmax(logits / temperature, dim=0),
)
WHOLE_BATCH = Mistake(
    "one sum for the whole batch",
    "One row alone is right; with several rows, all of them together sum to 1.",
    "Over which axis do you sum, and is that axis kept?",
    imitation=lambda logits, temperature: torch.softmax((logits / temperature).flatten(), dim=0).view_as(logits),
)
TWICE = Mistake(
    "softmax twice",
    "Your labels are close to uniform even at T = 1: what has been through a softmax goes through it again.",
    "Are the numbers that you exponentiate last still logits?",
    imitation=lambda logits, temperature: torch.softmax(soften(logits, temperature), dim=-1),
)
TWICE_BEFORE = Mistake(
    "softmax of divided probabilities",
    "Your labels are close to uniform even at T = 1: you divide probabilities by T, then put them through a softmax.",
    "What does T divide in softmax(z / T): the logits z, or their softmax?",
    imitation=lambda logits, temperature: soften(soften(logits, 1.0), temperature),
)
LOG_PROBABILITIES = Mistake(
    "log-probabilities",
    "Your values are never above 0: these are the logarithms of the probabilities.",
    "A loss wants log-probabilities (lesson 03). What does a bar chart of a soft label want?",
    imitation=lambda logits, temperature: torch.log_softmax(logits / temperature, dim=-1),
)
SIGMOID = Mistake(
    "sigmoid",
    "Each class gets its own yes-or-no probability, so the rows do not sum to 1: this is a sigmoid.",
    "Can a gloss be of several kinds at once here, or do the classes share one probability mass of 1?",
    imitation=lambda logits, temperature: torch.sigmoid(logits / temperature),
)
NOT_NORMALISED = Mistake(
    "not normalised",
    "The proportions in each row are right, but your rows do not sum to 1.",
    "What is left to divide by, once every class has its exponential?",
    matches=_not_normalised,
)
OVERFLOW = Mistake(
    "overflow",
    "Small logits come out right, but logits near 1000 give NaN or infinity: exp(1000) is more than a float can hold.",
    "Adding a constant to a whole row changes no probability. Which constant makes every exponent 0 or less?",
)
MAXIMUM_NOT_DIVIDED = Mistake(
    "the maximum is not divided by T",
    "Logits near 1000 come out right at T = 1, but as NaN or infinity at other temperatures: you take away the largest "
    "logit, while the logits it is taken from have been divided by T already.",
    "Is the largest exponent 0 at T = 4 too?",
)
ONE_MAXIMUM = Mistake(
    "one maximum for the whole batch",
    "When the rows of a batch lie far apart, the lower row comes out as NaN: all of its exponentials are 0.",
    "Does every row get its own maximum?",
)
NO_GUARD = Mistake(
    "impossible temperatures pass",
    "A temperature of 0, a negative, an infinite one or NaN should raise a ValueError; one of them did not.",
    "Which single comparison is true for every positive, finite number and false for all others, NaN included?",
)


def _right_where_easy(fn) -> bool:
    """A function that is wrong for small logits and plain temperatures should hear of that, and of nothing rarer."""
    return all(close(call(fn, probe.args).value, soften(*probe.args)) for probe in soften_probes())


def stays_finite(fn):
    """Logits of any size: a row at 1000, other temperatures, rows that lie far apart."""
    if not _right_where_easy(fn):
        return None
    big = torch.tensor([1000.0, 999.0, 998.5])
    cases = [(big, 1.0, OVERFLOW), (-big, 1.0, OVERFLOW)]
    cases += [(sign * big, t, MAXIMUM_NOT_DIVIDED) for sign in (1, -1) for t in (0.5, 4.0)]
    cases += [(torch.tensor([[1000.0, 999.0], [0.3, 0.1]]), 2.0, ONE_MAXIMUM)]
    for logits, temperature, mistake in cases:
        yours, right = fn(logits.clone(), temperature), soften(logits, temperature)
        if not finite(yours):
            return mistake
        if not close(yours, right, (1e-3, 1e-4)):
            return Finding(
                "wrong for large logits",
                "Small logits come out right, but large ones do not.",
                "What happens in your function to a row whose logits are all near 1000?",
                {"logits": logits, "temperature": temperature},
                yours,
                right,
            )
    return None


def refuses_impossible_temperatures(fn):
    """Temperatures that are not positive and finite."""
    if not _right_where_easy(fn):
        return None
    for temperature in (0.0, -1.0, math.inf, math.nan):
        try:
            fn(torch.tensor([0.5, 0.1, -0.2]), temperature)
        except ValueError:
            continue
        except Exception:
            return NO_GUARD
        return NO_GUARD
    return None


SOFTEN = Exercise(
    name="soften",
    lesson="02",
    title="Soften a label",
    points=2,
    minutes=8,
    difficulty=2,
    reference=soften,
    probes=soften_probes,
    properties=[stays_finite, refuses_impossible_temperatures],
    mistakes=[
        MULTIPLIES, NO_EFFECT, SQUARED, ROOT, DIVIDES_PROBABILITIES, WRONG_AXIS, WHOLE_BATCH, TWICE, TWICE_BEFORE,
        LOG_PROBABILITIES, SIGMOID, NOT_NORMALISED, OVERFLOW, MAXIMUM_NOT_DIVIDED, ONE_MAXIMUM, NO_GUARD,
    ],
    hints=(
        "Softmax is three steps: exponentiate, sum, divide. Before which of them must T act, if it is to change the "
        "shape of the label? And what can you take away from a whole row without changing its softmax?",
        "$p_i = \\dfrac{\\exp\\big((z_i - m)/T\\big)}{\\sum_j \\exp\\big((z_j - m)/T\\big)}$ with $m = \\max_j z_j$, "
        "row by row.",
        "# refuse a temperature that is not above 0 and below infinity (ValueError)\n"
        "# shifted: logits less the largest of their row (last axis, kept: keepdim=True)\n"
        "# powers: exp of shifted / temperature\n# return powers divided by their row's sum",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# temperature_for_entropy. Half a per cent of temperature is accepted: a search that stops within 0.001 bits is right.

TOLERANCE = (5e-3, 1e-6)
MODERATE = torch.tensor([1.4, 1.2, 0.3, -0.4, -1.1])
ASKED = (0.9, 1.2, 1.5, 1.8, 2.1)  # equally spaced, and well inside log2(5) = 2.32


def temperature_probes(seed: int = 0) -> list[Probe]:
    # No target is above 0.65 · log2(classes), so that a search in nats has an answer too and can be told by it.
    return [
        Probe((torch.tensor([0.6, -0.5]), 0.5), "two classes"),
        Probe((torch.tensor([1.0, 0.7, -0.5]), 1.05), "three classes"),
        Probe((MODERATE, 1.4), "five classes"),
        Probe((2 * _logits(1, 24, seed)[0], 2.0), "24 classes"),
        Probe((2 * _logits(1, 50, seed + 1)[0], 3.0), "50 classes"),
        Probe((80 * _logits(1, 24, seed + 2)[0], 2.5), "large logits"),
        Probe((0.02 * MODERATE, 1.4), "small logits"),
    ]


def _entropy_at(logits, temperature: float) -> float:
    return distill.entropy_bits(soften(logits.double(), temperature)).item()


def _found(fn, logits, asked=ASKED) -> list[float] | None:
    """The temperatures that fn finds for several targets; None unless all are finite numbers."""
    found = [to_array(call(fn, (logits, bits)).value) for bits in asked]
    if any(t is None or t.size != 1 or not math.isfinite(t.reshape(())) for t in found):
        return None
    return [float(t.reshape(())) for t in found]


def _distinct(values) -> int:
    kept = []
    for value in values:
        if not any(math.isclose(value, other, rel_tol=1e-2) for other in kept):
            kept.append(value)
    return len(kept)


def _wrong_way(fn, probes) -> bool:
    """The search runs to an end of its bracket: the far end for a small target, the near one for a large target."""
    found = _found(fn, MODERATE)
    if found is None or _distinct(found) > 2 or min(found) <= 0:
        return False
    first, last = _entropy_at(MODERATE, found[0]), _entropy_at(MODERATE, found[-1])
    return first > math.log2(5) - 0.01 or (found[-1] < found[0] and last < ASKED[0])


def _one_answer(fn, probes) -> bool:
    """The same temperature for every target, or one of two: what the search compares does not follow T."""
    found = _found(fn, MODERATE)
    return found is not None and _distinct(found) <= 2


def _straight_line(fn, probes) -> bool:
    found = _found(fn, MODERATE)
    if found is None or _distinct(found) < len(ASKED):
        return False
    steps = [b - a for a, b in itertools.pairwise(found)]
    return steps[0] > 0 and all(math.isclose(step, steps[0], rel_tol=1e-2) for step in steps)


def _right_for(fn, logits, asked=ASKED) -> bool:
    found = _found(fn, logits, asked)
    return found is not None and all(
        math.isclose(t, temperature_for_entropy(logits, bits), rel_tol=TOLERANCE[0])
        for t, bits in zip(found, asked, strict=True)
    )


def _short_bracket(fn, probes) -> bool:
    """Right for moderate logits; large or small ones end where the search stops looking."""
    return _right_for(fn, MODERATE) and not all(_right_for(fn, s * MODERATE) for s in (0.01, 0.1, 20, 200))


def _coarse(fn, probes) -> bool:
    """Rises with the target and is near it, but not near enough."""
    found = _found(fn, MODERATE)
    if found is None or min(found) <= 0 or any(b < a for a, b in itertools.pairwise(found)):
        return False
    gaps = [abs(_entropy_at(MODERATE, t) - bits) for t, bits in zip(found, ASKED, strict=True)]
    return max(gaps) < 0.3 and not _right_for(fn, MODERATE)


NATS = Mistake(
    "nats instead of bits",
    "Your labels carry too much: 1 / ln 2 = 1.44 times the bits that were asked for. Your entropy is in nats.",
    "Which base of the logarithm counts in bits?",
    imitation=lambda logits, bits: temperature_for_entropy(logits, bits / math.log(2)),
)
INVERSE = Mistake(
    "1/T instead of T",
    "Your number falls where the temperature rises: you return 1/T (what physicists call the inverse temperature).",
    "Does your number divide the logits, or multiply them?",
    imitation=lambda logits, bits: 1 / temperature_for_entropy(logits, bits),
)
RETURNS_ENTROPY = Mistake(
    "returns the entropy",
    "What you return equals the bits that were asked for: it is the entropy of the label, not its temperature.",
    "Which of your variables holds the temperature at the end of the search?",
    imitation=lambda logits, bits: bits,
)
SCALE_IGNORED = Mistake(
    "the logits' scale is lost",
    "Logits twice as large need a temperature twice as high; yours stays the same. Your logits are standardised "
    "before the search.",
    "The temperature is meant for the logits as they came. What has been divided out of them?",
    imitation=lambda logits, bits: temperature_for_entropy(logits / logits.std(), bits),
)
WRONG_WAY = Mistake(
    "searches the wrong way",
    "Your search runs away from the answer, to an end of its bracket: it keeps the half that does not hold the target.",
    "When the label at the middle carries too few bits, must the temperature rise or fall, and which end moves?",
    matches=_wrong_way,
)
ONE_ANSWER = Mistake(
    "one answer for every target",
    "Your temperature hardly depends on how many bits are asked for: the search ends at an end of its bracket.",
    "Is the entropy inside your loop that of the label at the middle temperature, computed anew each time?",
    matches=_one_answer,
)
STRAIGHT_LINE = Mistake(
    "a straight line",
    "Your temperature rises in a straight line with the bits. The true curve bends: it has to climb to infinity as the "
    "target nears log2(classes).",
    "What tells you, at a temperature that you have guessed, whether to go up or down from it?",
    matches=_straight_line,
)
SHORT_BRACKET = Mistake(
    "the bracket is too short",
    "Moderate logits come out right, but for much larger or smaller ones your search stops at an end of its bracket.",
    "Logits 100 times as large need a temperature 100 times as high. Does your bracket reach from 0.001 to 10,000?",
    matches=_short_bracket,
)
COARSE = Mistake(
    "stops too early",
    "Your temperature is near the right one, but not near enough: the label misses its bits by a few hundredths.",
    "Each halving wins one binary digit. How many halvings does your search make, or how fine is your grid?",
    matches=_coarse,
)
ANSWERS_IMPOSSIBLE = Mistake(
    "answers the impossible",
    "A label over 5 classes cannot carry 3 bits, nor fewer than 0: asked for that, your function should raise a "
    "ValueError, and did not.",
    "Before the search starts, how can you tell that the target lies outside what the bracket's two ends give?",
)


def refuses_impossible_bits(fn):
    """Targets that no temperature reaches."""
    if not _right_for(fn, MODERATE):
        return None
    for bits in (math.log2(5) + 0.5, 3.0, -0.5):
        try:
            fn(MODERATE.clone(), bits)
        except ValueError:
            continue
        except Exception:
            return ANSWERS_IMPOSSIBLE
        return ANSWERS_IMPOSSIBLE
    return None


TEMPERATURE_FOR_ENTROPY = Exercise(
    name="temperature_for_entropy",
    lesson="02",
    title="The temperature for a given entropy",
    points=3,
    minutes=12,
    difficulty=3,
    reference=temperature_for_entropy,
    probes=temperature_probes,
    properties=[refuses_impossible_bits],
    mistakes=[
        NATS, INVERSE, RETURNS_ENTROPY, SCALE_IGNORED, STRAIGHT_LINE, WRONG_WAY, ONE_ANSWER, SHORT_BRACKET, COARSE,
        ANSWERS_IMPOSSIBLE,
    ],
    hints=(
        "Entropy never falls as T rises. If you guess a temperature and its label carries too few bits, you know on "
        "which side the answer lies. How would you use that forty times in a row?",
        "Keep $T_{low} < T_{high}$ with $H(T_{low}) \\le \\text{bits} \\le H(T_{high})$. Take "
        "$T_{mid} = \\sqrt{T_{low}\\, T_{high}}$, halfway on a logarithmic scale; if $H(T_{mid}) < \\text{bits}$ it "
        "becomes the new $T_{low}$, otherwise the new $T_{high}$.",
        "# low, high = 0.001, 10_000.0\n"
        "# unless the entropy at low <= bits <= the entropy at high: raise ValueError\n"
        "# repeat 40 times:\n#     middle: the square root of low * high\n"
        "#     if entropy_bits(soften(logits, middle)) is below bits: low moves to middle\n"
        "#     else: high moves to middle\n# return middle",
    ),
    tolerance=TOLERANCE,
)  # fmt: skip

EXERCISES = [SOFTEN, TEMPERATURE_FOR_ENTROPY]
