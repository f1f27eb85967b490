"""Lesson 01's exercises: entropy_bits, and class_affinity."""

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from softlabels.course.exercises.base import Exercise, Mistake, Probe, call, close, to_array
from softlabels.distill import class_affinity, entropy_bits


def _behaves_like(reference: Callable, *imitations: Callable) -> Callable[[Callable, Sequence[Probe]], bool]:
    """A test for a mistake that is often made together with a second one, which shows as NaN or infinity.

    True if the answer agrees with one imitation wherever both are finite, on every probe, and if the two agree on at
    least two probes on which that imitation differs from the reference.
    """

    known = {}  # (function, probe) -> its result; the probe is kept so that its id stays its own

    def result_of(fn: Callable, probe: Probe) -> np.ndarray | None:
        if (fn, id(probe)) not in known:
            known[fn, id(probe)] = probe, to_array(call(fn, probe.args).value)
        return known[fn, id(probe)][1]

    def agree(answers: list, imitation: Callable, probes: Sequence[Probe]) -> bool:
        telling = 0
        for mine, probe in zip(answers, probes, strict=True):
            theirs, right = result_of(imitation, probe), result_of(reference, probe)
            if mine is None or theirs is None or mine.shape != theirs.shape:
                return False
            both = np.isfinite(mine) & np.isfinite(theirs)
            if not close(mine[both], theirs[both], inputs=probe.args):
                return False
            telling += theirs.shape != right.shape or not close(theirs[both], right[both], inputs=probe.args)
        return telling >= 2

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        answers = [to_array(call(fn, p.args).value) for p in probes]
        return any(agree(answers, imitation, probes) for imitation in imitations)

    return matches


def _soft_labels(rows: int, classes: int, seed: int) -> Tensor:
    # Logits within about 3 of each other: near-tied, so that a wrong base, axis or divisor shows in every figure.
    return torch.softmax(0.8 * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed)), dim=-1)


# ---------------------------------------------------------------------------------------------------------------------
# entropy_bits


def entropy_probes(seed: int = 0) -> list[Probe]:
    three_axes = _soft_labels(6, 4, seed).reshape(2, 3, 4)
    return [
        Probe((torch.tensor([0.55, 0.45]),), "one label alone, two classes, near-tied"),
        Probe((torch.tensor([0.4, 0.35, 0.25]),), "three classes"),
        Probe((torch.tensor([[0.4, 0.3, 0.3], [0.7, 0.2, 0.1]]),), "two soft labels"),
        Probe((torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]),), "a hard label; probabilities of exactly 0"),
        Probe((three_axes,), "three axes"),
        Probe((_soft_labels(3, 24, seed + 1),), "24 classes"),
        Probe((_soft_labels(2, 3, seed + 3).double(),), "double precision"),
        Probe((_soft_labels(4, 50, seed + 2),), "50 classes"),
    ]


def _plain(probs: Tensor) -> Tensor:
    return -(probs * torch.log2(probs))  # NaN where a probability is 0


# Ways to add the terms up that do not mend a wrong logarithm; any of them may come with one.
_SUMS = (
    lambda terms: terms.sum(dim=-1),
    lambda terms: terms.nansum(),
    lambda terms: terms.nansum(dim=0),
    lambda terms: terms.nansum(dim=-1, keepdim=True),
    lambda terms: terms.nansum(dim=-1).mean(),
)


def _scaled_sums(*factors: float) -> list[Callable]:
    """Every way to add up, with the terms multiplied by each factor (a change of the logarithm's base or sign)."""
    return [lambda probs, f=f, add=add: f * add(_plain(probs)) for f in factors for add in _SUMS]


def _epsilon_too_large(fn: Callable, probes: Sequence[Probe]) -> bool:
    forms = (
        lambda probs, epsilon: -(probs * torch.log2(probs + epsilon)).sum(dim=-1),
        lambda probs, epsilon: _plain(probs + epsilon).sum(dim=-1),
        lambda probs, epsilon: _plain(probs.clamp(min=epsilon)).sum(dim=-1),
    )
    answers = [(p, call(fn, p.args).value) for p in probes]
    return any(
        # Closer than the usual tolerance, so that one epsilon is not taken for its neighbour.
        all(close(mine, form(*p.args, epsilon), tolerance=(2e-5, 2e-6)) for p, mine in answers)
        for epsilon in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
        for form in forms
    )


def _surprise_unweighted(probs: Tensor) -> Tensor:
    return -torch.log2(probs).sum(dim=-1)


FORGOT_MINUS = Mistake(
    "the minus is missing",
    "Your entropies are negative. The logarithm of a probability is negative or 0, and so is its weighted sum.",
    "Which sign turns log(p) into the surprise of an outcome, which can only be 0 or more?",
    matches=_behaves_like(
        entropy_bits, *_scaled_sums(-1, -math.log(2), -math.log10(2)), lambda probs: -_plain(probs).nanmean(dim=-1)
    ),
)
NATURAL_LOG = Mistake(
    "natural logarithm",
    "A fair coin gets 0.69 instead of 1: your unit is the nat (base e), and the bit is wanted (base 2).",
    "Which base makes the logarithm of 2 equal to 1?",
    matches=_behaves_like(entropy_bits, *_scaled_sums(math.log(2))),
)
LOG10 = Mistake(
    "logarithm to base 10",
    "A fair coin gets 0.30 instead of 1: your logarithm has base 10, and the bit wants base 2.",
    "Which base makes the logarithm of 2 equal to 1?",
    matches=_behaves_like(entropy_bits, *_scaled_sums(math.log10(2))),
)
MEAN_OVER_CLASSES = Mistake(
    "mean over the classes instead of the sum",
    "Your entropies are too small by the number of classes: you average the terms where they should be added.",
    "The weights p already sum to 1. What would dividing by the number of classes be for?",
    matches=_behaves_like(entropy_bits, lambda probs: _plain(probs).mean(-1)),
)
WHOLE_BATCH = Mistake(
    "one number for the whole batch",
    "One soft label alone comes out right, but a batch gives a single number: your sum runs over the examples too.",
    "Which axis holds the classes of one soft label, and does your sum run along that axis alone?",
    matches=_behaves_like(
        entropy_bits,
        lambda probs: _plain(probs).nansum(),
        lambda probs: _plain(probs).nansum(dim=-1).mean(),
    ),
)
WRONG_AXIS = Mistake(
    "sums over the wrong axis",
    "One soft label alone comes out right, but for a batch you sum down the examples instead of along the classes.",
    "Two soft labels of three classes go in: how many entropies should come out, and how many do you return?",
    matches=_behaves_like(entropy_bits, lambda probs: _plain(probs).nansum(dim=0)),
)
KEEPS_AXIS = Mistake(
    "the class axis is kept",
    "The numbers are right, but each sits in an axis of length 1: (2, 3) gives (2, 1) where (2,) is wanted.",
    "Which argument of your sum keeps the axis that was summed?",
    matches=_behaves_like(entropy_bits, lambda probs: _plain(probs).nansum(dim=-1, keepdim=True)),
)
UNWEIGHTED = Mistake(
    "the terms are not weighted by p",
    "Your entropies are above log2(classes), the most that there can be: each surprise counts the same, however rare.",
    "Entropy is the surprise that you expect on average. How often does each outcome happen?",
    matches=_behaves_like(
        entropy_bits, _surprise_unweighted, lambda probs: _surprise_unweighted(probs) / probs.shape[-1]
    ),
)
TOP_CLASS = Mistake(
    "surprise of the top class alone",
    "Only the largest probability counts in your answer: labels with the same top class probability get the same bits.",
    "Do .4/.6/0 and .4/.6 spread over the rest differ in your function? Should they?",
    matches=_behaves_like(
        entropy_bits,
        lambda probs: -torch.log2(probs.amax(-1)),
        lambda probs: _plain(probs.amax(-1)),
    ),
)
DOUBLE_SOFTMAX = Mistake(
    "softmax of what are probabilities already",
    "Your entropies are near log2(classes) for every label, even for a hard one: a softmax has flattened them first.",
    "What comes in: logits, or probabilities that already sum to 1?",
    matches=_behaves_like(
        entropy_bits,
        lambda probs: entropy_bits(torch.softmax(probs, -1)),
        lambda probs: math.log(2) * entropy_bits(torch.softmax(probs, -1)),
    ),
)
SCALED = Mistake(
    "scaled to lie between 0 and 1",
    "Every uniform label gets 1 from you: the entropy is divided by its largest value, log2(classes).",
    "How many yes-or-no questions does a choice among 8 equal options take, and what does your function say?",
    matches=_behaves_like(entropy_bits, lambda probs: _plain(probs).nansum(-1) / math.log2(probs.shape[-1])),
)
EFFECTIVE_CLASSES = Mistake(
    "two to the power of the entropy",
    "A fair coin gets 2 from you: that is the effective number of classes, which is 2 to the power of the entropy.",
    "The exponential is one step too far. What did you have before it?",
    matches=_behaves_like(
        entropy_bits,
        lambda probs: 2 ** _plain(probs).sum(-1),
        lambda probs: torch.exp(_plain(probs).sum(-1)),
    ),
)
EPSILON = Mistake(
    "the epsilon is too large",
    "Nearly right: the small number that keeps the logarithm away from 0 is large enough to change the result.",
    "How small can the number be while log2 of it stays finite? Can you do without one?",
    matches=_epsilon_too_large,
)
ZERO_TIMES_LOG_ZERO = Mistake(
    "0 · log 0 gives NaN",
    "Right wherever all probabilities are above 0. But log2(0) is minus infinity, and 0 times that is NaN: a hard "
    "label breaks it.",
    "What is p · log2(p) close to when p is close to 0, and how can your code give that value at 0?",
    imitation=lambda probs: _plain(probs).sum(dim=-1),
)


ENTROPY_BITS = Exercise(
    name="entropy_bits",
    lesson="01",
    title="How much does a label say?",
    points=3,
    minutes=6,
    difficulty=2,
    reference=entropy_bits,
    probes=entropy_probes,
    mistakes=[
        FORGOT_MINUS,
        NATURAL_LOG,
        LOG10,
        MEAN_OVER_CLASSES,
        WHOLE_BATCH,
        WRONG_AXIS,
        KEEPS_AXIS,
        UNWEIGHTED,
        TOP_CLASS,
        DOUBLE_SOFTMAX,
        SCALED,
        EFFECTIVE_CLASSES,
        ZERO_TIMES_LOG_ZERO,
        EPSILON,
    ],
    hints=(
        "The surprise of an outcome with probability p is log2(1/p) bits. How often is each class's surprise met?",
        r"$H(p) = \sum_c p_c \log_2 \dfrac{1}{p_c} = -\sum_c p_c \log_2 p_c$, where a term with $p_c = 0$ counts 0.",
        "# logs: the base-2 logarithm of probs, with a harmless value put where probs is 0 (1, say: its log is 0)\n"
        "# return minus the sum of probs times logs, along the last axis",
    ),
)

# ---------------------------------------------------------------------------------------------------------------------
# class_affinity


def affinity_probes(seed: int = 0) -> list[Probe]:
    generator = torch.Generator().manual_seed(seed)
    five = torch.tensor([[0.5, 0.3, 0.2], [0.3, 0.4, 0.3], [0.25, 0.35, 0.4], [0.45, 0.35, 0.2], [0.2, 0.45, 0.35]])
    many = torch.randint(0, 24, (70,), generator=generator)
    # Fifty classes, every fourth of them and the last without an example.
    sparse = torch.tensor([c for c in range(49) if c % 4 != 3])[torch.randint(0, 37, (120,), generator=generator)]
    return [
        Probe(
            (torch.tensor([[0.6, 0.4], [0.45, 0.55], [0.3, 0.7]]), torch.tensor([0, 0, 1])),
            "two classes; the second example's top class is not its label",
        ),
        Probe((five, torch.tensor([2, 0, 1, 0, 0])), "three classes, of 3, 1 and 1 examples"),
        Probe((five, torch.tensor([0, 2, 2, 0, 2])), "three classes, the middle one without an example"),
        Probe((_soft_labels(6, 4, seed + 1), torch.tensor([1, 0, 2, 1, 2, 1])), "the last class has no example"),
        Probe((_soft_labels(70, 24, seed + 2), many), "24 classes"),
        Probe((_soft_labels(120, 50, seed + 3).double(), sparse), "50 classes, some without an example"),
    ]


def _one_hot(soft_labels: Tensor, labels: Tensor) -> Tensor:
    return F.one_hot(labels, soft_labels.shape[-1]).to(soft_labels.dtype)


def _sums(soft_labels: Tensor, labels: Tensor) -> Tensor:
    return _one_hot(soft_labels, labels).T @ soft_labels


def _counts(soft_labels: Tensor, labels: Tensor) -> Tensor:
    return _one_hot(soft_labels, labels).sum(dim=0)


def _confusion(soft_labels: Tensor, labels: Tensor) -> Tensor:
    return _sums(_one_hot(soft_labels, soft_labels.argmax(dim=-1)), labels)


def _hardened_means(soft_labels: Tensor, labels: Tensor) -> Tensor:
    return class_affinity(_one_hot(soft_labels, soft_labels.argmax(dim=-1)), labels)


def _one_example_each(fn: Callable, probes: Sequence[Probe]) -> bool:
    """Each row is the soft label of one single member of its class, or that over the number of members.

    Which of them is left to the machine when `table[labels] += rows` writes to a repeated index: no imitation can say.
    """
    told = 0
    for probe in probes:
        mine, (soft_labels, labels) = to_array(call(fn, probe.args).value), probe.args
        if mine is None or mine.shape != (soft_labels.shape[-1],) * 2:
            return False
        for c in labels.unique().tolist():
            members = soft_labels[labels == c]
            told += len(members) > 1
            if not any(close(mine[c] * n, m, inputs=probe.args) for m in members for n in {1, len(members)}):
                return False
    return told >= 2


def _single_number(soft_labels: Tensor, labels: Tensor) -> Tensor:
    counts = _counts(soft_labels, labels)
    return torch.where(counts > 0, 1 / soft_labels.shape[-1], 0.0)[:, None].expand(-1, len(counts))


def _present(soft_labels: Tensor, labels: Tensor) -> Tensor:
    return class_affinity(soft_labels, labels)[labels.unique()]


def _up_to_largest(soft_labels: Tensor, labels: Tensor) -> Tensor:
    return class_affinity(soft_labels, labels)[: int(labels.max()) + 1]


def _column_wise(soft_labels: Tensor, labels: Tensor) -> Tensor:
    return _sums(soft_labels, labels) / soft_labels.sum(dim=0)


def _empty_class_filled(fn: Callable, probes: Sequence[Probe]) -> bool:
    def filled(filling: Callable) -> Callable:
        def imitation(s: Tensor, y: Tensor) -> Tensor:
            return torch.where((_counts(s, y) > 0)[:, None], class_affinity(s, y), filling(s))

        return imitation

    fillings = (  # what people put there instead of zeros; each is broadcast to the table's rows
        lambda s: torch.full_like(s[0], 1 / s.shape[-1]),
        lambda s: torch.ones_like(s[0]),
        lambda s: -torch.ones_like(s[0]),
        lambda s: torch.eye(s.shape[-1], dtype=s.dtype),
        lambda s: s.mean(dim=0),
    )
    answers = [(p, call(fn, p.args).value) for p in probes]
    return any(all(close(mine, form(*p.args), inputs=p.args) for p, mine in answers) for form in map(filled, fillings))


_like = functools.partial(_behaves_like, class_affinity)

AFFINITY_MISTAKES = [
    Mistake(
        "rows and columns changed places",
        "Your columns sum to 1, not your rows: the mean soft label of class c belongs in row c and stands in column c.",
        "Row c is about glosses that are c. Which of your axes is the hard label, and which the teacher's opinion?",
        matches=_like(lambda s, y: class_affinity(s, y).T),
    ),
    Mistake(
        "sums instead of means",
        "You add soft labels up and never divide: a frequent class looks as if it resembled everything.",
        "Twice as many examples of animal, the same soft labels: should its row change?",
        matches=_like(_sums, lambda s, y: _sums(s, y).T),
    ),
    Mistake(
        "divided by all examples",
        "The whole table sums to 1, not each row: you divide by the number of examples in all.",
        "Whose mean is row c? How many examples are in that mean?",
        matches=_like(lambda s, y: _sums(s, y) / len(y), lambda s, y: (_sums(s, y) / len(y)).T),
    ),
    Mistake(
        "divided along the wrong axis",
        "The sums are right, but each column is divided by a class's count: a vector meets the last axis of a table.",
        "A table (classes, classes) over a vector (classes,): along which axis does PyTorch line it up?",
        matches=_like(
            lambda s, y: _sums(s, y) / _counts(s, y).clamp(min=1),
            lambda s, y: _sums(s, y) / _counts(s, y),
        ),
    ),
    Mistake(
        "columns made to sum to 1",
        "Your columns sum to 1: each is divided by all the probability that the teacher gave to that class.",
        "Is row c an average over examples, or a share of a total?",
        matches=_like(_column_wise, lambda s, y: F.normalize(class_affinity(s, y), p=1, dim=0)),
    ),
    Mistake(
        "a confusion matrix: counts of the top class",
        "You count how often each class comes first: all that the teacher says about the others is lost.",
        "Two soft labels, .51/.49 and .99/.01: do they leave the same trace in your table?",
        matches=_like(
            _confusion,
            lambda s, y: _confusion(s, y).T,
            _hardened_means,
            lambda s, y: _hardened_means(s, y).T,
        ),
    ),
    Mistake(
        "grouped by the teacher's top class",
        "You put each example in the row of its largest probability; the row should be its hard label, `labels`.",
        "Where the teacher errs, in which row does the example belong?",
        matches=_like(
            lambda s, y: class_affinity(s, s.argmax(-1)),
            lambda s, y: class_affinity(s, s.argmax(-1)).T,
        ),
    ),
    Mistake(
        "softmax of what are probabilities already",
        "Your rows are nearly flat: a softmax is applied to numbers that are probabilities already.",
        "What comes in: logits, or soft labels whose rows sum to 1?",
        matches=_like(
            lambda s, y: class_affinity(torch.softmax(s, -1), y),
            lambda s, y: torch.softmax(class_affinity(s, y), -1),
            lambda s, y: torch.softmax(_sums(s, y), -1),
        ),
    ),
    Mistake(
        "every row the same",
        "All your rows are the mean over all examples: the hard labels are never used to choose among them.",
        "Which examples belong in the mean of row c?",
        matches=_like(
            lambda s, y: s.mean(dim=0).expand(s.shape[-1], -1),
            lambda s, y: s.mean(dim=0) * (_counts(s, y) > 0)[:, None],
        ),
    ),
    Mistake(
        "one number for a whole row",
        "Each of your rows holds one number throughout, 1/classes: the mean runs over the classes as well.",
        "The members of a class make a table (examples, classes). Along which of its axes is the mean taken?",
        matches=_like(_single_number),
    ),
    Mistake(
        "only the last example counts",
        "Each row is the soft label of one example alone, most likely the last of its class: it overwrites the others. "
        "(`table[labels] += rows` does so too: it writes to a repeated index only once.)",
        "Three examples share a row. Which operation adds all three (a loop, `index_add_`, one-hot labels)?",
        matches=_one_example_each,
    ),
    Mistake(
        "classes without an example are missing",
        "Your table has a row only for classes that occur in `labels`, so rows no longer line up with class numbers.",
        "How many classes are there: as many as in `labels`, or as many as a soft label has probabilities?",
        matches=_like(_present, _up_to_largest),
    ),
    Mistake(
        "NaN for a class without an example",
        "Right, except for classes without an example: the mean of nothing is 0/0, which is NaN.",
        "What does the specification put in the row of a class without an example, and where can you test for that?",
        imitation=lambda s, y: _sums(s, y) / _counts(s, y)[:, None],
    ),
    Mistake(
        "a class without an example is filled in",
        "Right, except for classes without an example: their rows claim something, and nothing is known.",
        "What does the specification put in the row of a class without an example?",
        matches=_empty_class_filled,
    ),
]

CLASS_AFFINITY = Exercise(
    name="class_affinity",
    lesson="01",
    title="Who resembles whom?",
    points=4,
    minutes=8,
    difficulty=3,
    reference=class_affinity,
    probes=affinity_probes,
    mistakes=AFFINITY_MISTAKES,
    hints=(
        "Cover all glosses but those whose hard label is animal. What would you do with the soft labels in sight?",
        r"$A_c = \dfrac{1}{n_c} \sum_{i:\, y_i = c} p^{(i)}$, one row for each class $c$; zeros where $n_c = 0$.",
        "# classes: the number of probabilities in a soft label\n"
        "# affinity: a table of zeros, classes by classes\n"
        "# for each class c:\n"
        "#     members: the soft labels of the examples whose label is c\n"
        "#     if there are any, row c is their mean over the examples\n"
        "# return the table",
    ),
)

EXERCISES = [ENTROPY_BITS, CLASS_AFFINITY]
