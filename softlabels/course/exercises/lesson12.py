"""Lesson 12's exercises: calibration_temperature, recall_by_class, and rank_of_target.

A temperature may be searched for on a grid: the first exercise forgives what a step of one per cent or of 0.01 misses,
and its probes keep away from the ends of the range. Some mistakes there are known by what the answer is best at:
another search for the same wrong thing lands near enough.
"""

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from softlabels.course.exercises.base import Exercise, Mistake, Probe, any_of, call, to_array
from softlabels.distill.metrics import correct, expected_calibration_error, recall_by_class
from softlabels.distill.ranking import rank_of_target
from softlabels.distill.temperature import calibration_temperature

# ---------------------------------------------------------------------------------------------------------------------
# calibration_temperature


def temperature_probes(seed: int = 0) -> list[Probe]:
    generator = torch.Generator().manual_seed(seed)

    def drawn(examples: int, classes: int, temperature: float, shift: float = 0.0) -> tuple[Tensor, Tensor]:
        """Logits that are right when they are divided by a temperature; but every eighth label is drawn at random."""
        fair = 2 * torch.randn(examples, classes, generator=generator, dtype=torch.float64)
        labels = torch.multinomial(fair.softmax(dim=-1), 1, generator=generator)[:, 0]
        labels[::8] = torch.randint(classes, labels[::8].shape, generator=generator)
        return (fair * temperature + shift).float(), labels

    pair = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    labels = torch.tensor([0, 1, 0, 1])
    return [
        Probe((2 * pair, labels), "two classes, always the same confidence, three of four right"),
        Probe((0.8 * pair - 3, labels), "the same, too shy"),
        Probe(drawn(60, 3, 2.0), "too sure"),
        Probe(drawn(80, 4, 0.4), "too shy"),
        Probe(drawn(90, 6, 1.4, -20.0), "too sure, and all logits are negative"),
        Probe(drawn(90, 5, 2.4, 2_000.0), "too sure, and all logits are large"),
    ]


_GRID = torch.logspace(math.log10(0.05), math.log10(20), 240, dtype=torch.float64).tolist()


@functools.lru_cache(maxsize=4)
def _asked(fn: Callable, probes: tuple[Probe, ...]) -> list[float]:
    values = [to_array(call(fn, probe.args).value) for probe in probes]
    if any(value is None or value.size != 1 for value in values):
        raise ValueError("not a number each")
    return [float(value.reshape(())) for value in values]


def _answers(fn: Callable, probes: Sequence[Probe]) -> list[float]:
    """What a function returns on each probe, as numbers; ValueError when one is none. A search may be slow, so it is
    asked once for all the tests below."""
    return _asked(fn, tuple(probes))


def _best_at(measure: Callable[[Tensor, Tensor], float], near: float, gain: float) -> Callable:
    """Return a test for a temperature that was searched for by another measure, of which less is better.

    measure(logits, labels) is asked about logits / T. On every probe the answer must be as good at it as the best of a
    fine grid, or nearly so; and on half of them better by some gain than the right one.
    """

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        better = 0
        for probe, mine in zip(probes, _answers(fn, probes), strict=True):
            logits, labels = probe.args[0].double(), probe.args[1]
            reached = measure(logits / mine, labels)
            if not reached <= min(measure(logits / t, labels) for t in _GRID) + near:
                return False
            better += reached < measure(logits / calibration_temperature(logits, labels), labels) - gain
        return better >= len(probes) / 2

    return matches


def _of_label(logits: Tensor, labels: Tensor) -> float:
    return -logits.softmax(dim=-1).gather(1, labels[:, None]).mean().item()


def _brier(logits: Tensor, labels: Tensor) -> float:
    hard = torch.nn.functional.one_hot(labels, logits.shape[1])
    return (logits.softmax(dim=-1) - hard).square().sum(dim=-1).mean().item()


def _twice(logits: Tensor, labels: Tensor) -> float:
    return torch.nn.functional.cross_entropy(logits.softmax(dim=-1), labels).item()


def _mean_confidence(logits: Tensor, labels: Tensor) -> float:
    low, high = 0.05, 20.0
    for _ in range(40):
        middle = math.sqrt(low * high)
        sure = (logits.double() / middle).softmax(dim=-1).amax(dim=-1).mean()
        low, high = (middle, high) if sure > correct(logits, labels).double().mean() else (low, middle)
    return middle


def _ends(fn: Callable, probes: Sequence[Probe]) -> list[tuple[bool, bool]]:
    """For each probe: is the model too sure, and did the answer run to the upper end? ValueError if not to an end."""
    found = []
    for probe, mine in zip(probes, _answers(fn, probes), strict=True):
        if 0.11 < mine < 9.5:
            raise ValueError("not at an end")
        found.append((calibration_temperature(*probe.args) > 1, mine > 1))
    return found


def _wrong_way(fn: Callable, probes: Sequence[Probe]) -> bool:
    return all(sure != up for sure, up in _ends(fn, probes))


def _never_turns(fn: Callable, probes: Sequence[Probe]) -> bool:
    return all(sure == up for sure, up in _ends(fn, probes))


def _label_alone(fn: Callable, probes: Sequence[Probe]) -> bool:
    """The label's logit divided by T, as large as can be: the lower end where it is positive, else the upper one."""
    at_label = [probe.args[0].gather(1, probe.args[1][:, None]).mean().item() for probe in probes]
    return all(up == (mean < 0) for mean, (_, up) in zip(at_label, _ends(fn, probes), strict=True))


def _always_the_same(fn: Callable, probes: Sequence[Probe]) -> bool:
    mine = _answers(fn, probes)
    return np.allclose(mine, mine[0], rtol=1e-3) and bool(np.isfinite(mine).all())


def _overflows(fn: Callable, probes: Sequence[Probe]) -> bool:
    """Right on every probe once the largest logit of a text is 0."""
    shifted = [Probe((p.args[0] - p.args[0].amax(dim=1, keepdim=True), p.args[1])) for p in probes]
    right = [calibration_temperature(*probe.args) for probe in probes]
    return all(map(_near, _answers(fn, shifted), right)) and not all(map(_near, _answers(fn, probes), right))


def _near(mine: float, right: float) -> bool:
    return abs(mine - right) <= 0.015 * right


def _loss(logits: Tensor, labels: Tensor) -> float:
    best = calibration_temperature(logits, labels)
    return torch.nn.functional.cross_entropy(logits.double() / best, labels).item()


TEMPERATURE = Exercise(
    name="calibration_temperature", lesson="12", title="One temperature for its confidence", points=3, minutes=10,
    difficulty=3, reference=calibration_temperature, probes=temperature_probes, tolerance=(0.015, 0.0),
    mistakes=[
        Mistake("1/T, not T", "You return what the logits are to be multiplied by; asked for is what they are divided "
                "by. Where the model is too sure, you make it surer.",
                "Is a temperature above 1 softer or sharper?",
                imitation=lambda z, y: 1 / calibration_temperature(z, y)),
        Mistake("the logarithm of T", "You return log T. A search on a logarithmic scale ends with one step back.",
                "Which function undoes the logarithm?",
                imitation=lambda z, y: math.log(calibration_temperature(z, y))),
        Mistake("the loss, not the temperature", "You return how small the mean of -log p(label) gets, and not where.",
                "Which of the numbers in your search is the temperature?", imitation=_loss),
        Mistake("overflow", "Where 2,000 is added to every logit you return another temperature. The probabilities are "
                "as before, but the exponential of such a number is infinite.",
                "What does `soften` of lesson 02 do to the logits before it takes their exponential?",
                matches=_overflows),
        Mistake("the same for every classifier", "You return the same temperature for every classifier here. Whatever "
                "you compare does not depend on the temperature, or not on the labels. Accuracy is such a thing: no "
                "temperature changes which logit is the largest.",
                "What does a temperature change, if not the answers?", matches=_always_the_same),
        Mistake("each step goes the wrong way", "You end near the lower end of the range where the model is too sure, "
                "and near the upper end where it is too shy.",
                "The model is too sure at the middle: does the temperature you look for lie above it or below?",
                matches=_wrong_way),
        Mistake("it never turns round", "You set out in the right direction and run to the end of the range. The "
                "probabilities you look at stay as sure as they were, or get surer, while your temperature rises.",
                "Where does the middle of your range enter the softmax, and does it divide?", matches=_never_turns),
        Mistake("the label's logit alone", "You run to an end of the range, and to which one depends only on the sign "
                "of the labels' logits. Dividing makes them larger or smaller without end.",
                "-log p(label) has a second part, in which all logits stand. Where is it in your code?",
                matches=_label_alone),
        Mistake("mean confidence made equal to accuracy", "Your temperature makes mean confidence equal to accuracy. "
                "Texts that it is too sure of are then made good by others that it is too shy of; and only the largest "
                "probability is looked at.", "What is expected under *all* the probabilities of a text, in the hint?",
                imitation=_mean_confidence),
        Mistake("softmax twice", "Your temperature is the best for a softmax of probabilities. `cross_entropy` takes "
                "logits and does its own softmax.", "How many times do your logits go through a softmax?",
                matches=_best_at(_twice, 1e-3, 1e-2)),
        Mistake("squared distance", "Your temperature is the best for the squared distance of the probabilities from "
                "the hard labels (the Brier score).", "Which loss does the card name?",
                matches=_best_at(_brier, 3e-4, 2e-4)),
        Mistake("the calibration error is minimised", "Your temperature gives the smallest calibration error on these "
                "very examples. That number jumps when one answer moves to another bin, so its smallest value is an "
                "accident of the bins.", "Which measure does the card name? It is smooth in T, and has no bins.",
                matches=_best_at(expected_calibration_error, 2e-2, 2e-3)),
        Mistake("the probability, not its logarithm", "You make the mean probability of the labels as large as can be. "
                "That rewards a model for being as sure as it can, wrong answers included.",
                "What does a probability of 0.001 for the label cost you, and what does it cost in -log p?",
                matches=_best_at(_of_label, 1e-3, 1e-2)),
    ],
    hints=(
        "Divide all logits by a large T: what becomes of -log p(label) where the answer is right, and where it is "
        "wrong? And by a small one? What lies between?",
        "With $p = \\text{softmax}(z / T)$: where the mean over the texts of $\\sum_c p_c z_c$ is larger than the mean "
        "of $z_\\text{label}$, the model is too sure, and the best T is larger; where it is smaller, the best T is "
        "smaller. (That difference is the slope of the mean of -log p(label) in 1/T.)",
        "# low, high = 0.05, 20; logits in float64\n"
        "# at_label: the mean logit at the label (gather)\n"
        "# 40 times:\n"
        "#     middle = the square root of low * high\n"
        "#     expected: the mean over texts of the sum over classes of soften(logits, middle) * logits\n"
        "#     if expected > at_label: low = middle, else: high = middle\n"
        "# return middle",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# recall_by_class


def recall_probes(seed: int = 0) -> list[Probe]:
    generator = torch.Generator().manual_seed(seed)

    def probe(answers: Sequence[int], labels: Sequence[int], classes: int, note: str) -> Probe:
        logits = torch.randn(len(answers), classes, generator=generator)
        logits[torch.arange(len(answers)), torch.tensor(answers)] = logits.amax(dim=1) + 0.2
        return Probe((logits, torch.tensor(labels)), note)

    often = torch.tensor([0.45, 0.25, 0.15, 0.1, 0.05])
    many = torch.multinomial(often, 60, replacement=True, generator=generator)
    said = torch.where(torch.rand(60, generator=generator) < 0.6, many, many.flip(0))
    return [
        probe([0, 1, 1], [0, 1, 0], 2, "three texts, two classes"),
        probe([0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 2], 3, "a frequent class; a rare one that is never named"),
        probe([0, 1, 2, 2], [0, 1, 0, 1], 4, "no text of the last two classes"),
        probe([2, 1, 2, 2, 0], [2, 1, 1, 2, 1], 3, "no text of the first class"),
        probe(said.tolist(), many.tolist(), 7, "sixty texts, two classes without any"),
    ]


def _counted(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return (right answers, texts, answers) of each class, float64 (classes,)."""
    classes, said = logits.shape[1], logits.argmax(dim=1)
    count = [torch.bincount(x, minlength=classes).double() for x in (labels[said == labels], labels, said)]
    return tuple(count)


def _share(top: int, under: Callable, empty: float | None = None) -> Callable:
    """Return a function of (logits, labels): the count number `top` by what `under` makes of the three counts."""

    def wrong(logits: Tensor, labels: Tensor) -> Tensor:
        counts = _counted(logits, labels)
        share = counts[top] / under(*counts)
        return share if empty is None else share.nan_to_num(nan=empty, posinf=empty)

    return wrong


def _f1(logits: Tensor, labels: Tensor) -> Tensor:
    found, texts, said = _counted(logits, labels)
    return 2 * found / (texts + said)


def _one_against_rest(logits: Tensor, labels: Tensor) -> Tensor:
    classes = torch.arange(logits.shape[1])
    return ((logits.argmax(dim=1) == classes[:, None]) == (labels == classes[:, None])).double().mean(dim=1)


def _up_to_the_largest(logits: Tensor, labels: Tensor) -> Tensor:
    return recall_by_class(logits, labels)[: int(labels.max()) + 1]


def _without_the_empty(logits: Tensor, labels: Tensor) -> Tensor:
    recall = recall_by_class(logits, labels)
    return recall[~recall.isnan()]


def _mean_recall(logits: Tensor, labels: Tensor) -> float:
    return recall_by_class(logits, labels).nanmean().item()


RECALL = Exercise(
    name="recall_by_class", lesson="12", title="How much of each class is found?", points=2, minutes=6, difficulty=2,
    reference=recall_by_class, probes=recall_probes,
    mistakes=[
        Mistake("precision", "You divide by how often a class was *named*: that is precision, how far an answer can be "
                "trusted. Recall is the share of a class's own texts that are found.",
                "Of which texts is it a share: those that are called so, or those that are so?",
                matches=any_of(_share(0, lambda f, n, s: s), _share(0, lambda f, n, s: s, 0.0))),
        Mistake("a share of all texts", "You divide by the number of all texts, so a rare class can never come near 1.",
                "How many texts does the class itself have?",
                imitation=_share(0, lambda f, n, s: n.sum())),
        Mistake("0 for a class without texts", "Where a class has no text you say 0, as if all had been missed. The "
                "mean over the classes then sinks for no fault of the model.",
                "What is a share of nothing, and how is *not a number* written?",
                matches=any_of(_share(0, lambda f, n, s: n, 0.0), _share(0, lambda f, n, s: n.clamp(min=1)))),
        Mistake("1 for a class without texts", "Where a class has no text you say 1, as if all of them had been found. "
                "The mean over the classes then flatters the model.",
                "What is a share of nothing, and how is *not a number* written?",
                imitation=_share(0, lambda f, n, s: n, 1.0)),
        Mistake("classes are counted from the labels", "Your result ends at the largest label that occurs, so the last "
                "classes are missing where they have no text.", "Which input tells how many classes there are?",
                imitation=_up_to_the_largest),
        Mistake("classes without texts are left out", "Your result has no place for a class without texts, so that "
                "those after it move up.", "At which place do you look for the recall of class 5?",
                imitation=_without_the_empty),
        Mistake("one number for all classes", "You return a single number: the mean over the classes, or over the "
                "texts. Which class is found and which is not cannot be read from it.",
                "How many numbers should come back for 52 classes?",
                matches=any_of(_mean_recall, lambda z, y: recall_by_class(z, y).mean(),
                                lambda z, y: correct(z, y).double().mean())),
        Mistake("counts, not shares", "You return how many texts of each class are found, not the share of them.",
                "By what do you divide?", imitation=lambda z, y: _counted(z, y)[0]),
        Mistake("what is missed", "You return the share of each class that is *not* found.",
                "Do you count the answers that are equal to the label, or the others?",
                imitation=lambda z, y: 1 - recall_by_class(z, y)),
        Mistake("one class against all others", "You count a text as right for every class that it was rightly *not* "
                "given. A model that never names a rare class is then nearly perfect in it.",
                "Whose texts may count for a class: all, or its own?", imitation=_one_against_rest),
        Mistake("how often it is named", "You compare how often a class is named with how many texts it has, not how "
                "many of these texts are right.", "Where do you ask whether answer and label are equal?",
                imitation=_share(2, lambda f, n, s: n)),
        Mistake("the F1 score", "You return the F1 score, in which precision stands beside recall.",
                "What is left when only the texts of a class are looked at?", imitation=_f1),
        Mistake("in percent", "Your numbers are 100 times what is asked for.", "Which range does a share have?",
                imitation=lambda z, y: 100 * recall_by_class(z, y)),
    ],
    hints=(
        "For one class: which texts do you have to look at, and what do you ask each of them?",
        "recall of class c = (texts whose label is c and whose answer is c) / (texts whose label is c). "
        "`torch.bincount(numbers, minlength=classes)` counts how often each of 0, 1, 2, … occurs; 0 / 0 of tensors is "
        "NaN by itself.",
        "# classes: the number of columns of the logits\n"
        "# examples: how often each class occurs in the labels\n"
        "# found: how often each class occurs in the labels of those texts that are right\n"
        "# return found / examples, in float64",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# rank_of_target


def rank_probes(seed: int = 0) -> list[Probe]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(30, 8, generator=generator)
    targets = torch.randint(8, (30,), generator=generator)
    tied = (2 * scores[:12]).round() / 2
    return [
        Probe((torch.tensor([[0.3, 0.9, 0.5]]), torch.tensor([2])), "one query, three candidates"),
        Probe(
            (torch.tensor([[0.1, 0.4, 0.2, 0.3], [-0.2, -0.9, -0.4, -0.3], [0.7, 0.1, 0.2, 0.6]]),
             torch.tensor([0, 2, 0])), "three queries",
        ),
        Probe((torch.tensor([[0.5, 0.5, 0.1], [0.1, 0.6, 0.6]]), torch.tensor([0, 2])), "ties for the first place"),
        Probe((torch.full((3, 5), 0.2), torch.tensor([0, 2, 4])), "all candidates have one score"),
        Probe((tied, targets[:12]), "rounded scores: many ties"),
        Probe((scores, targets), "thirty queries, eight candidates"),
    ]  # fmt: skip


def _ordered(scores: Tensor, targets: Tensor, descending: bool = True) -> Tensor:
    """Return the place of the target in a stable order, from 1: of equals, the first column comes first."""
    order = scores.argsort(dim=1, descending=descending, stable=True)
    return (order == targets[:, None]).int().argmax(dim=1) + 1


def _beaten_by(scores: Tensor, targets: Tensor) -> Tensor:
    return (scores > scores.gather(1, targets[:, None])).sum(dim=1)


def _order_for_rank(descending: bool) -> Callable:
    def wrong(scores: Tensor, targets: Tensor) -> Tensor:
        return scores.argsort(dim=1, descending=descending, stable=True).gather(1, targets[:, None])[:, 0]

    return wrong


def _place_of_the_tie(fn: Callable, probes: Sequence[Probe]) -> bool:
    """Right but for ties, and there somewhere from the most to the least favourable place."""
    off = 0
    for probe in probes:
        mine = to_array(call(fn, probe.args).value)
        worst, best = rank_of_target(*probe.args).numpy(), _beaten_by(*probe.args).numpy() + 1
        if mine is None or mine.shape != worst.shape or (mine > worst + 1e-6).any() or (mine < best - 1e-6).any():
            return False
        off += int((mine != worst).sum())
    return off > 0


def _halfway(scores: Tensor, targets: Tensor) -> Tensor:
    return (rank_of_target(scores, targets) + _beaten_by(scores, targets) + 1) / 2


def _distinct(scores: Tensor, targets: Tensor) -> Tensor:
    right = scores.gather(1, targets[:, None])[:, 0]
    better = [len(set(row[row > r].tolist())) for row, r in zip(scores, right, strict=True)]
    return torch.tensor(better) + 1


RANK = Exercise(
    name="rank_of_target", lesson="12", title="The place of the right one", points=2, minutes=6, difficulty=2,
    reference=rank_of_target, probes=rank_probes,
    mistakes=[
        Mistake("ties count in favour", "Where others have the very score of the right candidate, you place it before "
                "all of them. A model that gives every candidate the same score is then always right.",
                "At which place should a model stand that cannot tell any candidate from another?",
                imitation=lambda s, t: _beaten_by(s, t) + 1),
        Mistake("counted from 0", "Your places begin at 0: the best candidate has place 0, and 1/place is infinite.",
                "Which place does the card give to the best?",
                matches=any_of(_beaten_by, lambda s, t: rank_of_target(s, t) - 1, lambda s, t: _ordered(s, t) - 1)),
        Mistake("ties are shared", "Where scores are equal you give the place in the middle of them. That is fair, and "
                "not what is asked: here a tie counts against the right candidate.",
                "How many candidates score at least as much as the right one?", imitation=_halfway),
        Mistake("equal scores share one place", "You count how many different scores are better, not how many "
                "candidates are.", "Three candidates lie before the right one, all with one score: which place is it?",
                imitation=_distinct),
        Mistake("ties are left to the sort", "Where scores are equal, the place depends on the order in which the "
                "candidates happen to stand. Put the right one first in every list, and a model that knows nothing "
                "ranks it first.", "What should become of a tie, whatever the columns' order?",
                matches=_place_of_the_tie),
        Mistake("the lowest score comes first", "You count from the worst candidate upwards.",
                "Is a higher score better or worse?",
                matches=any_of(lambda s, t: rank_of_target(-s, t), lambda s, t: _beaten_by(-s, t) + 1,
                                lambda s, t: _ordered(s, t, descending=False))),
        Mistake("an order is taken for ranks", "`argsort` tells which candidate stands at each place. You read it as "
                "the place of each candidate.",
                "Row [0.3, 0.9, 0.5]: what does argsort return, and what are the ranks?",
                matches=any_of(*(lambda s, t, d=d, k=k: _order_for_rank(d)(s, t) + k
                                  for d in (True, False) for k in (0, 1)))),
        Mistake("the reciprocal", "You return 1/place. Its mean is the MRR, which is made of the places later.",
                "Which values can a place have?", imitation=lambda s, t: 1 / rank_of_target(s, t)),
        Mistake("which candidate comes first", "You return the column of the candidate with the highest score, whether "
                "it is the right one or not.", "Where do the targets come in?",
                matches=any_of(lambda s, t: s.argmax(dim=1), lambda s, t: s.argmax(dim=1) + 1)),
        Mistake("first or not", "You tell whether the right candidate comes first; asked for is its place.",
                "What do you return for the second place, and what for the last?",
                matches=any_of(lambda s, t: s.argmax(dim=1) == t, lambda s, t: rank_of_target(s, t) == 1)),
        Mistake("its score, not its place", "You return the right candidate's score.",
                "How many candidates score at least as much?",
                imitation=lambda s, t: s.gather(1, t[:, None])[:, 0]),
        Mistake("one number for all queries", "You return a single number; asked for is the place in each query.",
                "How many numbers should come back for a thousand queries?",
                matches=any_of(lambda s, t: rank_of_target(s, t).double().mean(),
                                lambda s, t: (1 / rank_of_target(s, t).double()).mean(),
                                lambda s, t: rank_of_target(s, t).sum())),
        Mistake("compared with all queries", "You count over all queries at once. Each query has candidates of its "
                "own: what is scored in another says nothing about them.",
                "Along which axis do the candidates of one query stand?",
                matches=any_of(
                    lambda s, t: (s[None] >= s.gather(1, t[:, None])[:, :, None]).sum(dim=(1, 2)),
                    lambda s, t: (s[None] > s.gather(1, t[:, None])[:, :, None]).sum(dim=(1, 2)) + 1)),
    ],
    hints=(
        "The right candidate is third. How many candidates of that query have at least its score, itself among them?",
        "rank of query q = the number of candidates c with score[q, c] ≥ score[q, target of q]. "
        "`scores.gather(1, targets[:, None])` picks the right score of every query.",
        "# right: the score at the target, one a query, as a column (queries, 1)\n"
        "# compare all scores with it: at least as high?\n"
        "# return how many are, counted along the candidates",
    ),
)  # fmt: skip

EXERCISES = [TEMPERATURE, RECALL, RANK]
