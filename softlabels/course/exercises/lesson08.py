"""Lesson 08's exercises: augment, two_by_two, and best_bias.

`augment` draws at random, and there are many honest ways to draw. So its probes are those whose outcome is certain, and
its properties look at some hundred draws: shares are judged with a tolerance of five standard deviations or more.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn import functional as F

from softlabels.course.exercises.base import Exercise, Finding, Mistake, Probe, call, close, to_array
from softlabels.distill.augment import MASK, augment
from softlabels.distill.bias import BIASES, best_bias, with_bias
from softlabels.distill.factors import two_by_two

# ---------------------------------------------------------------------------------------------------------------------
# augment

CLS, SEP = 101, 102
SIX = np.array([CLS, 1037, 2235, 2940, 4803, 2039, 2013, SEP], dtype=np.int32)
TWELVE = np.array([CLS, *range(2001, 2013), SEP], dtype=np.int32)


class _Chance(np.random.Generator):
    """A generator that a failing case can show without its address in memory."""

    def __repr__(self) -> str:
        return "np.random.default_rng(0)"


def augment_probes(seed: int = 0) -> list[Probe]:
    rng = _Chance(np.random.PCG64(seed))
    one, none = np.array([CLS, 2940, SEP], dtype=np.int32), np.array([CLS, SEP], dtype=np.int32)
    return [
        Probe((one, rng, 0.0, 0.0), "nothing to change"),
        Probe((one, rng, 1.0, 0.0), "one piece, masked"),
        Probe((one, rng, 0.0, 1.0), "one piece, and a stretch of it"),
        Probe((one, rng, 1.0, 1.0), "one piece, masked, and a stretch of it"),
        Probe((none, rng, 0.5, 1.0), "no piece between [CLS] and [SEP]"),
        Probe((SIX, rng, 0.0, 0.0), "six pieces, nothing to change"),
        Probe((SIX, rng, 1.0, 0.0), "six pieces, all masked"),
        Probe((TWELVE, rng, 1.0, 0.0), "twelve pieces, all masked"),
    ]


def _copies(fn: Callable, pieces: np.ndarray, mask_share: float, stretch_share: float, copies: int, seed: int = 1):
    """Return that many changed copies of a text, all from one generator."""
    rng = np.random.default_rng(seed)
    return [np.asarray(to_array(fn(pieces.copy(), rng, mask_share, stretch_share))) for _ in range(copies)]


def _inner(copies: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [copy[1:-1] for copy in copies]


def _ends_masked(fn: Callable, probes: Sequence[Probe]) -> bool:
    (copy,) = _copies(fn, SIX, 1.0, 0.0, 1)
    return len(copy) == len(SIX) and (copy[1:-1] == MASK).all() and MASK in (copy[0], copy[-1])


def _removed(fn: Callable, probes: Sequence[Probe]) -> bool:
    return all(len(copy) <= 2 for copy in _copies(fn, SIX, 1.0, 0.0, 3))


def _other_mask(fn: Callable, probes: Sequence[Probe]) -> bool:
    (copy,) = _copies(fn, SIX, 1.0, 0.0, 1)
    return len(copy) == len(SIX) and len(set(copy[1:-1])) == 1 and copy[1] != MASK


def _ends_lost(fn: Callable, probes: Sequence[Probe]) -> bool:
    stretches = _copies(fn, TWELVE, 0.0, 1.0, 8)
    return all(len(s) <= 5 and CLS not in s and SEP not in s for s in stretches)


def _mask_share_inverted(fn: Callable, probes: Sequence[Probe]) -> bool:
    never, always = _copies(fn, TWELVE, 1.0, 0.0, 3), _copies(fn, TWELVE, 0.0, 0.0, 3)
    return all((c == TWELVE).all() for c in never) and all((c[1:-1] == MASK).all() for c in always)


def _mask_share_ignored(fn: Callable, probes: Sequence[Probe]) -> bool:
    shares = [np.mean(np.concatenate(_inner(_copies(fn, TWELVE, m, 0.0, 60))) == MASK) for m in (0.0, 1.0)]
    return 0 < shares[0] < 1 and abs(shares[0] - shares[1]) < 0.1


def _shortened(fn: Callable, stretch_share: float) -> float:
    return float(np.mean([len(c) < len(TWELVE) for c in _copies(fn, TWELVE, 0.0, stretch_share, 60)]))


def _stretch_share_inverted(fn: Callable, probes: Sequence[Probe]) -> bool:
    return _shortened(fn, 0.0) == 1 and _shortened(fn, 1.0) == 0


def _stretch_share_ignored(fn: Callable, probes: Sequence[Probe]) -> bool:
    never, always = _shortened(fn, 0.0), _shortened(fn, 1.0)
    return never > 0 and abs(never - always) < 0.3


def _unlike(name: str, symptom: str, question: str, matches: Callable | None = None) -> Mistake:
    return Mistake(name, symptom, question, matches=matches)


ENDS_MASKED = _unlike(
    "[CLS] or [SEP] is masked",
    "At a mask_share of 1 your copy has lost [CLS] or [SEP]. The student reads its answer off [CLS].",
    "Which part of `pieces` may be masked, and how is it cut out?",
    _ends_masked,
)
REMOVED = _unlike(
    "pieces are removed, not masked",
    "At a mask_share of 1 nothing is left between [CLS] and [SEP]: your pieces vanish where [MASK] should stand.",
    "Should a text with masked pieces be as long as before?",
    _removed,
)
OTHER_MASK = _unlike(
    "another number than MASK",
    "Your masked pieces hold a number that is not MASK (103): the model reads another piece there.",
    "Which number is [MASK] in the vocabulary?",
    _other_mask,
)
MASK_INVERTED = _unlike(
    "mask_share is inverted",
    "At a mask_share of 0 all is masked, at 1 nothing: you mask with probability 1 - mask_share.",
    "How often is a draw from 0 to 1 below 0.1, and how often above it?",
    _mask_share_inverted,
)
MASK_IGNORED = _unlike(
    "mask_share is not used",
    "Your copies are masked as often at a mask_share of 0 as at 1.",
    "Which number do you compare the draws with?",
    _mask_share_ignored,
)
STRETCH_INVERTED = _unlike(
    "stretch_share is inverted",
    "At a stretch_share of 0 every copy is cut down to a stretch, at 1 none is.",
    "How often is a draw from 0 to 1 below 0.25, and how often above it?",
    _stretch_share_inverted,
)
STRETCH_IGNORED = _unlike(
    "stretch_share is not used",
    "Your copies are cut down to a stretch as often at a stretch_share of 0 as at 1.",
    "When should the whole text be kept?",
    _stretch_share_ignored,
)
ENDS_LOST = _unlike(
    "the stretch has lost [CLS] and [SEP]",
    "Where only a stretch is kept, your copy is the bare stretch: [CLS] and [SEP] are gone.",
    "What has to be put back in front of the stretch, and after it?",
    _ends_lost,
)
IN_PLACE = _unlike(
    "the original is masked as well",
    "Your function writes into the array that it was given, so each copy starts from a text that is masked already; "
    "after a few of them little is left.",
    "A slice of a NumPy array is a view of it. Where do you need a copy?",
)
RESEEDED = _unlike(
    "the same mask for every copy",
    "Called again and again with one generator, your function gives the same copy each time.",
    "Where is the generator made, and how often? Which one were you given?",
)
OTHER_CHANCE = _unlike(
    "chance from another generator",
    "With two generators of the same seed your function gives two different copies: it draws from somewhere else "
    "than `rng`, and nobody can repeat your experiment.",
    "Does every draw in your function begin with `rng.`?",
)
ALL_OR_NOTHING = _unlike(
    "all pieces or none",
    "Each of your copies is masked from end to end, or not at all: one draw decides for all pieces.",
    "How many draws does a text of twelve pieces need?",
)
FIXED_NUMBER = _unlike(
    "always the same number of masks",
    "Every one of your copies has the same number of masked pieces; with a draw for each piece the number would vary.",
    "What does 'each piece, with a draw of its own' ask for: how many pieces, or whether this one?",
)
NOT_NEIGHBOURS = _unlike(
    "the stretch is not a stretch",
    "Your stretch skips or reorders pieces; a stretch is made of neighbours, in their order.",
    "How many numbers describe a slice, and which of them are drawn?",
)
NEVER_FIVE = _unlike(
    "a stretch never has five pieces",
    "In hundreds of draws no stretch of yours has five pieces.",
    "Does `rng.integers(low, high)` ever return `high`?",
)
EMPTY_STRETCH = _unlike(
    "a stretch without a piece",
    "Some of your stretches are empty: [CLS] and [SEP] with nothing between them.",
    "What is the smallest size that a stretch may have, and the smallest number that you draw?",
)
LAST_NEVER = _unlike(
    "the last piece is never in a stretch",
    "In hundreds of draws no stretch of yours reaches the last piece before [SEP].",
    "With six pieces and a stretch of two: how many places are there to start, and how many can you draw?",
)
ALWAYS_FIRST = _unlike(
    "every stretch starts at the beginning",
    "All your stretches start with the first piece; definitions begin alike, so the copies say little that is new.",
    "Which two things about a stretch are drawn: its size, and what else?",
)
PAST_THE_END = _unlike(
    "stretches run past the end",
    "Short stretches are too frequent in your copies, long ones too rare: a start near the end cuts them off.",
    "Given the size, what is the last place at which a stretch of that size may start?",
)


def leaves_the_original_alone(fn: Callable) -> Mistake | None:
    """The text that it was given is as it was."""
    return IN_PLACE if 0 in call(fn, (TWELVE.copy(), np.random.default_rng(2), 0.9, 0.0)).changed else None


def draws_from_the_generator(fn: Callable) -> Mistake | None:
    """The same generator gives new copies each time; a generator of the same seed the same ones."""
    first, again = (_copies(fn, TWELVE, 0.5, 0.5, 12) for _ in range(2))
    if all(np.array_equal(copy, first[0]) for copy in first):
        return RESEEDED
    return None if all(map(np.array_equal, first, again)) else OTHER_CHANCE


def masks_each_piece_by_a_draw(fn: Callable) -> Mistake | Finding | None:
    """How many pieces are masked, and which."""
    copies = _copies(fn, TWELVE, 0.3, 0.0, 400)
    if any(len(copy) != len(TWELVE) for copy in copies):
        return Finding("the length changes", "With a stretch_share of 0 some of your copies are shorter or longer.",
                       "Which of the two rules may change the length?")  # fmt: skip
    inner = np.stack(_inner(copies))
    masked = inner == MASK
    if (np.where(masked, TWELVE[1:-1], inner) != TWELVE[1:-1]).any():
        return Finding("unmasked pieces change", "Pieces that are not masked differ from the original.",
                       "What should stand where the draw says: leave this one alone?")  # fmt: skip
    counts = masked.sum(axis=1)
    if set(counts) <= {0, 12}:
        return ALL_OR_NOTHING
    if len(set(counts)) == 1:
        return FIXED_NUMBER
    share, places = masked.mean(), masked.mean(axis=0)
    if abs(share - 0.3) > 0.04 or abs(places - 0.3).max() > 0.15:
        return Finding("masked too often or too seldom",
                       f"At a mask_share of 0.3 your copies have {share:.2f} of their pieces masked on average; over "
                       f"single places it runs from {places.min():.2f} to {places.max():.2f}.",
                       "With which probability is a single piece masked?")  # fmt: skip
    return None


def keeps_a_stretch(fn: Callable) -> Mistake | Finding | None:
    """How long the stretches are, and where they start."""
    stretches = _inner(_copies(fn, SIX, 0.0, 1.0, 600))
    places = {tuple(SIX[i:j]): i - 1 for i in range(1, 8) for j in range(i, 8)}
    if any(tuple(s) not in places for s in stretches):
        return NOT_NEIGHBOURS
    sizes = np.array([len(s) for s in stretches])
    share = np.bincount(sizes, minlength=7) / len(sizes)
    starts = {places[tuple(s)] for s in stretches if len(s)}
    if share[0]:
        return EMPTY_STRETCH
    if starts == {0}:
        return ALWAYS_FIRST
    if not share[5] and not share[6]:
        return NEVER_FIVE
    if not any(s[-1] == SIX[-2] for s in stretches):
        return LAST_NEVER
    if share[1] > 0.27 and share[5] < 0.13 and not share[6]:
        return PAST_THE_END
    if abs(share[1:6] - 0.2).max() > 0.085:
        seen = ", ".join(f"{size} pieces {part:.0%}" for size, part in enumerate(share) if part)
        return Finding("sizes are not equally likely", f"Of 600 stretches of six pieces, yours have: {seen}.",
                       "From which numbers is the size drawn, and is each as likely?")  # fmt: skip
    if starts != set(range(6)):
        return Finding("some places are never a start", f"Your stretches start only at the places {sorted(starts)}.",
                       "Given the size, from which places may a stretch start?")  # fmt: skip
    return None


def stretches_as_often_as_asked(fn: Callable) -> Mistake | Finding | None:
    """The share of copies that are cut down to a stretch."""
    if _stretch_share_ignored(fn, ()):
        return STRETCH_IGNORED
    share = np.mean([len(copy) < len(TWELVE) for copy in _copies(fn, TWELVE, 0.0, 0.4, 400)])
    if abs(share - 0.4) < 0.13:
        return None
    return Finding("stretches too often or too seldom", f"At a stretch_share of 0.4, {share:.2f} of your copies are "
                   "cut down to a stretch.", "With which probability is a copy cut down?")  # fmt: skip


AUGMENT = Exercise(
    name="augment",
    lesson="08",
    title="New texts from old ones",
    points=3,
    minutes=10,
    difficulty=3,
    reference=augment,
    probes=augment_probes,
    properties=[
        leaves_the_original_alone,
        draws_from_the_generator,
        stretches_as_often_as_asked,
        masks_each_piece_by_a_draw,
        keeps_a_stretch,
    ],
    mistakes=[
        ENDS_MASKED,
        REMOVED,
        OTHER_MASK,
        MASK_INVERTED,
        MASK_IGNORED,
        STRETCH_INVERTED,
        STRETCH_IGNORED,
        ENDS_LOST,
        IN_PLACE,
        RESEEDED,
        OTHER_CHANCE,
        ALL_OR_NOTHING,
        FIXED_NUMBER,
        NOT_NEIGHBOURS,
        EMPTY_STRETCH,
        ALWAYS_FIRST,
        NEVER_FIVE,
        LAST_NEVER,
        PAST_THE_END,
    ],
    hints=(
        "Cover [CLS] and [SEP] with your thumbs: what is left may change. How many draws does it need to decide what "
        "is masked, and how many to choose a stretch?",
        "`rng.random(n) < share` is a mask of n draws. A stretch of `size` out of `n` pieces can start at 0, 1, …, "
        "`n - size`, and `rng.integers(k)` draws from 0 to k - 1.",
        "# inner: a copy of the pieces between the first and the last\n"
        "# where a draw of its own is below mask_share, inner becomes MASK\n"
        "# if one more draw is below stretch_share, and inner is not empty:\n"
        "#     size: 1 to 5, but no more than there are\n"
        "#     start: 0 to the number of pieces less size\n"
        "#     inner: the stretch from start on, size pieces long\n"
        "# return the first piece, inner, the last piece, joined",
    ),
)

# ---------------------------------------------------------------------------------------------------------------------
# two_by_two


def two_by_two_probes(seed: int = 0) -> list[Probe]:
    rng = np.random.default_rng(seed)
    return [
        Probe((np.array([[0.60, 0.62], [0.65, 0.71]]),), "four means"),
        Probe((np.array([[0.7, 0.6], [0.5, 0.9]]),), "four means that cross over"),
        Probe((rng.uniform(0.4, 0.9, (2, 2, 3)),), "three seeds"),
        Probe((rng.uniform(0.4, 0.9, (2, 2, 2, 4)),), "two seeds, four examples"),
        Probe((rng.uniform(0.4, 0.9, (2, 2, 5)).astype(np.float32),), "single precision"),
    ]


def _differences(scores) -> dict[str, np.ndarray]:
    """All that a learner may subtract: o, a are the texts (original, augmented), h, s the labels (hard, soft)."""
    (ho, ha), (so, sa) = np.asarray(scores, dtype=np.float64)
    labels, texts, interaction = two_by_two(scores)
    return {
        "confound": sa - ho, "labels on original": so - ho, "labels on augmented": sa - ha, "texts with hard": ha - ho,
        "texts with soft": sa - so, "labels": labels, "texts": texts, "interaction": interaction,
        "sum of gains": ha - ho + sa - so,
    }  # fmt: skip


def _answers(*places: tuple[int, Callable], together: bool = False) -> Callable[[Callable, Sequence[Probe]], bool]:
    """A test for a mistake in one of the three results (or, together, in all of the places named)."""

    def wrong_at(fn: Callable, probes: Sequence[Probe], place: int, wrong: Callable) -> bool:
        telling = 0
        for probe in probes:
            mine, right = call(fn, probe.args).value, two_by_two(*probe.args)[place]
            theirs = wrong(_differences(*probe.args))
            if not close(np.asarray(to_array(mine[place])), theirs, inputs=probe.args):
                return False
            telling += not close(theirs, right, inputs=probe.args)
        return telling >= 2

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        found = [wrong_at(fn, probes, place, wrong) for place, wrong in places]
        return all(found) if together else any(found)

    return matches


def _one_number(fn: Callable, probes: Sequence[Probe]) -> bool:
    """Right, but averaged over the seeds."""
    for probe in probes:
        mine, right = call(fn, probe.args).value, two_by_two(*probe.args)
        if len(mine) != 3 or not all(close(np.mean(r), to_array(m)) for m, r in zip(mine, right, strict=True)):
            return False
    return True


TWO_BY_TWO = Exercise(
    name="two_by_two",
    lesson="08",
    title="Two changes at once",
    points=3,
    minutes=8,
    difficulty=2,
    reference=two_by_two,
    probes=two_by_two_probes,
    mistakes=[
        Mistake(
            "the two far corners are compared",
            "You compare soft labels on augmented texts with hard labels on the original ones: two things changed, and "
            "the difference is credited to one of them.",
            "Which of the four corners differ in the labels alone?",
            matches=_answers((0, lambda d: d["confound"]), (1, lambda d: d["confound"])),
        ),
        Mistake(
            "the factors have changed places",
            "Your two main effects are each other's: the first axis of `scores` is the first factor.",
            "In `scores[1, 0]`, which factor is on?",
            matches=_answers((0, lambda d: d["texts"]), (1, lambda d: d["labels"]), together=True),
        ),
        Mistake(
            "the half is missing",
            "A main effect of yours is twice too large: the two differences are added, not averaged.",
            "How many differences show what the first factor adds, and what is their mean?",
            matches=_answers((0, lambda d: 2 * d["labels"]), (1, lambda d: 2 * d["texts"])),
        ),
        Mistake(
            "a main effect with the wrong sign",
            "A main effect of yours is negative where the factor helps: off less on, instead of on less off.",
            "Which comes first in the difference, the state with the factor on or the one with it off?",
            matches=_answers((0, lambda d: -d["labels"]), (1, lambda d: -d["texts"])),
        ),
        Mistake(
            "half of the table",
            "A main effect of yours looks at one state of the other factor alone, and leaves two of the corners out.",
            "What does the first factor add when the second is off? And when it is on? What is their mean?",
            matches=_answers(
                (0, lambda d: d["labels on original"]),
                (0, lambda d: d["labels on augmented"]),
                (1, lambda d: d["texts with hard"]),
                (1, lambda d: d["texts with soft"]),
            ),
        ),
        Mistake(
            "the interaction has the wrong sign",
            "Your interaction is negative where the second factor adds more with the first one on.",
            "From what the second factor adds when the first is on, what has to be subtracted?",
            matches=_answers((2, lambda d: -d["interaction"])),
        ),
        Mistake(
            "the interaction is halved",
            "Your interaction is half of what the card asks for. Some books on experiments define it so; here it is "
            "the plain difference of two differences.",
            "What is the second factor's gain with the first on, less its gain with the first off?",
            matches=_answers((2, lambda d: d["interaction"] / 2), (2, lambda d: -d["interaction"] / 2)),
        ),
        Mistake(
            "an interaction that is always 0",
            "Your interaction is 0 for any scores: the far corner is always the near one plus both main effects.",
            "A main effect is an average already. Which two differences does the interaction compare?",
            matches=_answers((2, lambda d: 0 * d["interaction"])),
        ),
        Mistake(
            "the interaction adds what it should subtract",
            "Your interaction grows when the second factor helps everywhere alike; it should then be 0.",
            "If augmentation adds two points with hard labels and two with soft ones, do they need each other?",
            matches=_answers((2, lambda d: d["sum of gains"]), (2, lambda d: d["sum of gains"] / 2)),
        ),
        Mistake(
            "one number for all seeds",
            "Your three numbers are right on average, but seeds and examples are averaged away, and a verdict needs "
            "them one by one.",
            "Which axes of `scores` are the two factors, and which should stay?",
            matches=_one_number,
        ),
    ],
    hints=(
        "Write the four corners in a square. Which pairs of corners differ in the first factor alone?",
        r"First factor: $\frac{1}{2}\left[(s_{10} - s_{00}) + (s_{11} - s_{01})\right]$. Interaction: "
        r"$(s_{11} - s_{10}) - (s_{01} - s_{00})$.",
        "# take the four corners apart\n"
        "# of_first: the mean of two differences, first factor on less off\n"
        "# of_second: the same for the second factor\n"
        "# interaction: the second factor's gain with the first on, less its gain with the first off\n"
        "# return the three",
    ),
)

# ---------------------------------------------------------------------------------------------------------------------
# best_bias


def _student(rows: int, classes: int, target: int, too_low: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that know something of the labels, near-tied, with one class's logits too low by a number."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % classes
    logits = 0.8 * torch.randn(rows, classes, generator=generator) + 1.2 * F.one_hot(labels, classes)
    logits[:, target] -= too_low
    return logits, labels


def bias_probes(seed: int = 0) -> list[Probe]:
    steps, shuffled = [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5], [2.0, -1.0, 0.5, 3.0, 0.0, 1.0, -2.0, 2.5, 1.5, 4.0]
    one = torch.tensor([[0.9, 0.0], [0.2, 0.0], [0.3, 0.0]]), torch.tensor([0, 1, 1])
    tied = torch.tensor([[0.4, 0.0, -1.0], [1.0, 0.0, 2.0], [0.0, 0.7, 0.2]]), torch.tensor([1, 2, 1])
    return [
        Probe((*one, 1, steps), "two classes, one of them too low"),
        Probe((*tied, 1, [1.5, 1.0, -1.5, 0.5, 0.0]), "several biases do equally well"),
        Probe((*_student(12, 3, 0, 1.6, seed), 0, steps), "three classes"),
        Probe((*_student(16, 4, 2, 2.0, seed + 1), 2, shuffled), "four classes, the biases in no order"),
        Probe((*_student(20, 4, 1, -1.7, seed + 2), 1, shuffled), "a class that is too high"),
        Probe((*_student(30, 5, 3, 2.4, seed + 3), 3, shuffled), "five classes"),
        Probe((*_student(24, 6, 4, 1.5, seed + 4), 4), "the usual biases"),
    ]


def _right(logits, labels) -> torch.Tensor:
    return (logits.argmax(dim=-1) == labels).double().mean()


def _times(logits, labels, target, bias):
    changed = logits.clone()
    changed[:, target] *= bias
    return _right(changed, labels)


def _to_probabilities(logits, labels, target, bias):
    return _right(with_bias(torch.softmax(logits, dim=-1), target, bias), labels)


def _recall(logits, labels, target, bias):
    answers = with_bias(logits, target, bias).argmax(dim=-1)
    return (answers[labels == target] == target).double().mean()


def _named(logits, labels, target, bias):
    answers = with_bias(logits, target, bias).argmax(dim=-1)
    return -abs((answers == target).sum() - (labels == target).sum())


def _plain(logits, labels, target, bias):
    return _right(with_bias(logits, target, bias), labels)


def _plain_subtracted(logits, labels, target, bias):
    return _plain(logits, labels, target, -bias)


def _worst(logits, labels, target, bias):
    return -_plain(logits, labels, target, bias)


def _small_loss(logits, labels, target, bias):
    return -F.cross_entropy(with_bias(logits, target, bias), labels)


@functools.lru_cache(maxsize=256)
def _scores(score: Callable, probe: Probe) -> dict[float, float]:
    """What each candidate of a probe scores."""
    logits, labels, target, *rest = probe.args
    return {bias: float(score(logits, labels, target, bias)) for bias in (rest[0] if rest else BIASES)}


def _candidate(value, scores: dict[float, float]) -> float | None:
    """The candidate that a result stands for, if it stands for one."""
    return next((bias for bias in scores if close(value, bias)), None)


def _maximises(score: Callable) -> Callable[[Callable, Sequence[Probe]], bool]:
    """A test: is the bias chosen by another score? Which of several equal ones was taken is left open."""

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        telling = 0
        for probe in probes:
            scores = _scores(score, probe)
            mine = _candidate(call(fn, probe.args).value, scores)
            best = max(scores.values()) - 1e-6
            if mine is None or scores[mine] < best:
                return False
            telling += scores[best_bias(*probe.args)] < best
        return telling >= 1

    return matches


def _among_the_best(fn: Callable, probes: Sequence[Probe]) -> bool:
    for probe in probes:
        scores = _scores(_plain, probe)
        mine = _candidate(call(fn, probe.args).value, scores)
        if mine is None or scores[mine] < max(scores.values()):
            return False
    return True


def _running_sum(order: Callable | None, logits, labels, target, candidates=BIASES):
    """One array for all candidates: each is added to what the earlier ones have left."""
    logits, best, most = logits.clone(), 0.0, -1.0
    for bias in candidates if order is None else sorted(candidates, key=order):
        logits[:, target] += bias
        right = float(_right(logits, labels))
        if right > most:
            best, most = bias, right
    return best


def _fixed(choose: Callable, logits, labels, target, candidates=BIASES):
    """No candidate makes a difference, so that their order alone decides."""
    return float(choose(candidates))


def _index(logits, labels, target, candidates=BIASES):
    return list(candidates).index(best_bias(logits, labels, target, candidates))


def _best_accuracy(logits, labels, target, candidates=BIASES):
    return float(_right(with_bias(logits, target, best_bias(logits, labels, target, candidates)), labels))


def _like(*imitations: Callable) -> Callable[[Callable, Sequence[Probe]], bool]:
    """A test: does the answer agree with one imitation on all probes, and does that one differ on two at least?"""

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        mine = [call(fn, probe.args).value for probe in probes]
        right = [best_bias(*probe.args) for probe in probes]
        for imitation in imitations:
            theirs = [call(imitation, probe.args).value for probe in probes]
            if all(map(close, mine, theirs)) and sum(not close(a, b) for a, b in zip(theirs, right, strict=True)) >= 2:
                return True
        return False

    return matches


_CHOICES = (lambda c: min(c, key=abs), lambda c: c[0], lambda c: c[-1], max, min)

BEST_BIAS = Exercise(
    name="best_bias",
    lesson="08",
    title="Mend one class's bias",
    points=4,
    minutes=10,
    difficulty=3,
    reference=best_bias,
    probes=bias_probes,
    mistakes=[
        Mistake(
            "the accuracy, not the bias",
            "You return how much is right with the best bias; the bias itself is asked for.",
            "What will be added to the logits of the test set?",
            matches=_like(_best_accuracy),
        ),
        Mistake(
            "the place, not the bias",
            "You return where the best bias stands in the list of candidates.",
            "Which candidate stands at that place?",
            matches=_like(_index),
        ),
        Mistake(
            "no bias makes a difference",
            "All candidates do equally well in your function, as if the bias went to every class alike: raising a "
            "whole row changes no answer.",
            "In logits (examples, classes), which axis does `target` index, and what is added to that part alone?",
            matches=_like(*(functools.partial(_fixed, choose) for choose in _CHOICES)),
        ),
        Mistake(
            "biases pile up",
            "Each bias is added to logits that hold the earlier ones already.",
            "What do the logits look like when the second candidate's turn comes?",
            matches=_like(*(functools.partial(_running_sum, order) for order in (None, abs, float))),
        ),
        Mistake(
            "the sign is reversed",
            "Your bias has the wrong sign: you subtract it where it will be added.",
            "A class that is too low: should its bias be above or below 0?",
            matches=_maximises(_plain_subtracted),
        ),
        Mistake(
            "multiplied instead of added",
            "You multiply the class's logits by the candidate. A logit below 0 then falls where it should rise.",
            "A bias of 0 should change nothing. What does yours do?",
            matches=_maximises(_times),
        ),
        Mistake(
            "added to probabilities",
            "You add the bias after the softmax: 1.5 added to a probability beats every other class.",
            "To which numbers does a classifier's bias belong: logits or probabilities?",
            matches=_maximises(_to_probabilities),
        ),
        Mistake(
            "only the target's examples count",
            "You choose by the target's examples alone: the highest bias always wins, since it calls everything by the "
            "target's name.",
            "Who pays when too many examples are given to the target?",
            matches=_maximises(_recall),
        ),
        Mistake(
            "as many as there should be",
            "You choose the bias with which the target is named as often as it occurs; the card asks for the most "
            "right answers over all classes.",
            "Can a class be named the right number of times, for the wrong examples?",
            matches=_maximises(_named),
        ),
        Mistake(
            "chosen by the loss",
            "You choose the bias with the smallest cross-entropy; the card asks for the most right answers.",
            "What is counted when two biases are compared?",
            matches=_maximises(_small_loss),
        ),
        Mistake(
            "the worst bias",
            "Your bias is the one with which fewest examples are right.",
            "Which way does your comparison of accuracies point?",
            matches=_maximises(_worst),
        ),
        Mistake(
            "another of several equally good ones",
            "Where several biases do equally well you do not return the one nearest to 0: yours changes more than it "
            "has to.",
            "In which order do you try the candidates, and which of two equals is kept?",
            matches=_among_the_best,
        ),
    ],
    hints=(
        "Suppose someone hands you one bias. How would you find out how many examples it gets right?",
        r"$\hat b = \arg\max_b \sum_i \left[\, \arg\max_c \,(z_{ic} + b \cdot [c = t]) = y_i \,\right]$, and of equals "
        r"the one with the smallest $|b|$.",
        "# best so far: nothing\n"
        "# for each bias, those nearest to 0 first:\n"
        "#     raised: a copy of the logits, with the bias added to the target's column\n"
        "#     right: for how many examples the largest of raised is at the label\n"
        "#     if right beats the most so far, remember both\n"
        "# return the bias remembered",
    ),
)

EXERCISES = [AUGMENT, TWO_BY_TWO, BEST_BIAS]
