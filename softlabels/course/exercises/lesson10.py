"""Lesson 10's exercises: compare_answers, expected_calibration_error, shuffle_dark_knowledge, and fold_classes.

A shuffle draws at random, and there are many honest ways to draw: its probes are those whose outcome is certain, and
its properties look at some hundred rows. Folded logits may differ by a constant per row: the probes' logits are
logarithms of probabilities, for which the natural ways to write it give the same numbers, and the properties compare
probabilities.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from softlabels.course.exercises.base import Exercise, Finding, Mistake, Probe, any_of, call, close, to_array
from softlabels.distill.contrasts import fold_classes, shuffle_dark_knowledge
from softlabels.distill.metrics import compare_answers, expected_calibration_error

# ---------------------------------------------------------------------------------------------------------------------
# compare_answers


def _logits(answers: Sequence[int], classes: int, generator: torch.Generator) -> Tensor:
    """Return logits whose largest, by a little, is at the answers."""
    logits = torch.randn(len(answers), classes, generator=generator)
    rows = torch.arange(len(answers))
    logits[rows, torch.tensor(answers)] = logits.amax(dim=1) + 0.2
    return logits


def compare_probes(seed: int = 0) -> list[Probe]:
    generator = torch.Generator().manual_seed(seed)

    def probe(teacher, student, labels, classes, note):
        pair = _logits(teacher, classes, generator), _logits(student, classes, generator)
        return Probe((*pair, torch.tensor(labels)), note)

    many = torch.randint(4, (3, 60), generator=generator).tolist()
    return [
        probe([0, 1], [0, 0], [0, 1], 2, "both right; then only the teacher"),
        probe([0, 1, 0], [1, 1, 0], [1, 0, 0], 2, "two classes: two wrong answers are always the same one"),
        probe([0, 1, 2, 1, 1], [0, 2, 0, 1, 2], [0, 1, 0, 2, 0], 3, "one example of each case, in order"),
        probe([2, 1, 2, 0], [0, 1, 2, 2], [1, 2, 1, 1], 3, "both wrong, throughout"),
        probe(*many, 4, "sixty examples, four classes"),
    ]


def _cases(both: int, teacher: int, student: int, alike: int, apart: int) -> Callable:
    """Return compare_answers with other numbers for its five cases."""
    numbers = torch.tensor([both, teacher, student, alike, apart])
    return lambda t, s, y: numbers[compare_answers(t, s, y)]


def _agreement_is_right(t: Tensor, s: Tensor, y: Tensor) -> Tensor:
    case = compare_answers(t, s, y)
    return torch.where(case == 3, 0, case)


COMPARE = Exercise(
    name="compare_answers", lesson="10", title="Who is right?", points=3, minutes=6, difficulty=2,
    reference=compare_answers, probes=compare_probes,
    mistakes=[
        Mistake("teacher and student have changed places",
                "Where only the teacher is right you say 2, and where only the student is, 1.",
                "Which of the two does case 1 name, and which logits come first?",
                imitation=_cases(0, 2, 1, 3, 4)),
        Mistake("agreement is taken for being right",
                "Where both are wrong and say the same thing you say 0, both right: two models can agree on a mistake.",
                "Which of your comparisons asks the labels?", imitation=_agreement_is_right),
        Mistake("a later rule overwrites an earlier one",
                "No example of yours is in case 0: where both are right, a rule for one of them has the last word.",
                "In which order are your rules applied, and which of them must come last?",
                matches=any_of(_cases(2, 1, 2, 3, 4), _cases(1, 1, 2, 3, 4))),
        Mistake("wrong answers are not told apart",
                "All examples on which both are wrong get the same case from you, whether they say the same or not.",
                "Beside the labels, what do you have to compare the two answers with?",
                matches=any_of(_cases(0, 1, 2, 3, 3), _cases(0, 1, 2, 4, 4))),
        Mistake("same and different have changed places",
                "Where both make the same mistake you say 4, and where their mistakes differ, 3.",
                "Which of the two cases counts as agreement?", imitation=_cases(0, 1, 2, 4, 3)),
        Mistake("counted from 1", "Your cases run from 1 to 5: each is one more than asked for.",
                "At which place in the list does *both right* stand, when places are counted from 0?",
                imitation=_cases(1, 2, 3, 4, 5)),
        Mistake("counts, not cases", "You return how many examples fall into each case; asked for is the case of each "
                "example.", "How many numbers should come back for five thousand examples?",
                matches=any_of(lambda t, s, y: torch.bincount(compare_answers(t, s, y), minlength=5),
                                lambda t, s, y: torch.bincount(compare_answers(t, s, y), minlength=5) / len(y))),
    ],
    hints=(
        "Three class numbers stand beside each other for every example: the teacher's, the student's, the label. How "
        "many questions of the kind *are these two equal?* can you ask?",
        "With `t`, `s`, `y`: 0 where t = y and s = y; 1 where only t = y; 2 where only s = y; and where neither is: "
        "3 if t = s, else 4. `torch.where(condition, this, that)` chooses number by number.",
        "# teacher, student: the class with the largest logit, for each example\n"
        "# case: 3 where the two are equal, 4 elsewhere (as if both were wrong)\n"
        "# where the teacher is right, case becomes 1\n"
        "# where the student is right, case becomes 2\n"
        "# where both are right, case becomes 0: this rule comes last\n"
        "# return case",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# expected_calibration_error


def _with_confidence(confidence: Sequence[float], right: Sequence[bool], classes: int = 4) -> tuple[Tensor, Tensor]:
    """Return (logits, labels): each answer has that confidence, at class 1, and is right or not."""
    p = torch.tensor(confidence, dtype=torch.float64)
    probs = ((1 - p) / (classes - 1)).unsqueeze(1).repeat(1, classes)
    probs[:, 1] = p
    return probs.log() + 0.3, torch.tensor([1 if yes else 2 for yes in right])


def calibration_probes(seed: int = 0) -> list[Probe]:
    generator = torch.Generator().manual_seed(seed)
    # Confidences keep away from the edges of the bins: which side an edge belongs to is nobody's mistake.
    share = torch.rand(40, generator=generator, dtype=torch.float64)
    spread = ((share * 7 + 3).floor() + 0.2 + 0.6 * torch.rand(40, generator=generator, dtype=torch.float64)) / 10
    right = (torch.rand(40, generator=generator) < 0.6).tolist()
    sure = torch.tensor([[1000.0, 0.0], [0.2, 0.9], [0.4, 1.3]]), torch.tensor([1, 1, 0])
    return [
        Probe((*_with_confidence([0.62], [True]), 10), "one answer"),
        Probe((*_with_confidence([0.45, 0.47, 0.73], [True, False, True]), 10), "two bins, of two answers and of one"),
        Probe((*_with_confidence([0.52, 0.93, 0.94, 0.96], [True, False, True, True]), 10), "too shy, and too sure"),
        Probe((*_with_confidence([0.41, 0.43, 0.58, 0.59], [True, False, True, True]), 5), "five bins"),
        Probe((*sure, 10), "a confidence of exactly 1, and wrong"),
        Probe((*_with_confidence(spread.tolist(), right), 10), "forty answers"),
    ]


def _parts(logits: Tensor, labels: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return (confidence, right, bin of each answer, number of answers in each bin)."""
    confidence, answer = torch.as_tensor(logits).double().softmax(dim=-1).max(dim=-1)
    which = (confidence * bins).long().clamp(max=bins - 1)
    return confidence, (answer == torch.as_tensor(labels)).double(), which, torch.bincount(which, minlength=bins)


def _gaps(logits: Tensor, labels: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Return (mean accuracy less mean confidence, share of the answers) of each bin that holds any."""
    confidence, right, which, count = _parts(logits, labels, bins)
    sums = torch.bincount(which, weights=right - confidence, minlength=bins)
    return (sums / count)[count > 0], (count / len(confidence))[count > 0]


def _unweighted(logits, labels, bins=15):
    return _gaps(logits, labels, bins)[0].abs().mean().item()


def _over_all_bins(logits, labels, bins=15):
    return _gaps(logits, labels, bins)[0].abs().sum().item() / bins


def _sum_of_gaps(logits, labels, bins=15):
    return _gaps(logits, labels, bins)[0].abs().sum().item()


def _not_divided(logits, labels, bins=15):
    return expected_calibration_error(logits, labels, bins) * len(labels)


def _from_the_middle(logits, labels, bins=15):
    _, right, which, _ = _parts(logits, labels, bins)
    return torch.bincount(which, weights=right - (which + 0.5) / bins).abs().sum().item() / len(right)


def _empty_bins_count(fn: Callable, probes: Sequence[Probe]) -> bool:
    """NaN wherever a bin is empty, as on every probe, and a number where none is: with one bin."""

    def is_nan(logits: Tensor, labels: Tensor, bins: int) -> bool:
        return bool(np.isnan(to_array(call(fn, (logits, labels, bins)).value)).any())

    return all(is_nan(*probe.args) for probe in probes) and not is_nan(*probes[1].args[:2], 1)


def _signed(logits, labels, bins=15):
    gap, share = _gaps(logits, labels, bins)
    return (gap * share).sum().item()


def _each_by_itself(logits, labels, bins=15):
    confidence, right, _, _ = _parts(logits, labels, bins)
    return (right - confidence).abs().mean().item()


def _of_the_label(logits, labels, bins=15):
    probs = torch.as_tensor(logits).double().softmax(dim=-1)
    p = probs.gather(1, torch.as_tensor(labels).unsqueeze(1))[:, 0]
    which = (p * bins).long().clamp(max=bins - 1)
    right = (probs.argmax(dim=-1) == torch.as_tensor(labels)).double()
    return torch.bincount(which, weights=right - p).abs().sum().item() / len(p)


def _largest(logits, labels, bins=15):
    return _gaps(logits, labels, bins)[0].abs().max().item()


def _squared(logits, labels, bins=15):
    gap, share = _gaps(logits, labels, bins)
    return (gap.square() * share).sum().item()


def _without_the_sure(logits, labels, bins=15):
    confidence, right, which, _ = _parts(logits, labels, bins)
    gap = torch.where(confidence < 1, right - confidence, 0.0)
    return torch.bincount(which, weights=gap).abs().sum().item() / len(gap)


def _always_fifteen(logits, labels, bins=15):
    return expected_calibration_error(logits, labels, 15)


NO_SOFTMAX = Mistake(
    "logits are taken for probabilities",
    "Your result changes when a constant is added to a row of logits; the probabilities stay as they are.",
    "Which function makes probabilities out of logits?",
)


def depends_on_probabilities_alone(fn: Callable) -> Mistake | None:
    """A constant added to every logit of a row changes nothing."""
    logits, labels = _with_confidence([0.41, 0.47, 0.52, 0.93], [True, False, True, False])
    one, other = (call(fn, (z, labels, 10)) for z in (logits, logits + torch.tensor([[1.5], [0.5], [2.5], [1.0]])))
    if one.error is None and other.error is None and close(other.value, one.value):
        return None
    return NO_SOFTMAX


CALIBRATION = Exercise(
    name="expected_calibration_error", lesson="10", title="Sure, and right?", points=4, minutes=8, difficulty=3,
    reference=expected_calibration_error, probes=calibration_probes, properties=[depends_on_probabilities_alone],
    mistakes=[
        Mistake("in percent", "Your numbers are 100 times what is asked for.", "What is the largest gap there can be?",
                imitation=lambda z, y, bins=15: 100 * expected_calibration_error(z, y, bins)),
        Mistake("gaps cancel each other", "Your gaps carry a sign, so a bin that is too sure is made good by one that "
                "is too shy: what is left is mean accuracy against mean confidence.",
                "At which point must the sign go?",
                matches=any_of(_signed, lambda z, y, bins=15: -_signed(z, y, bins),
                                lambda z, y, bins=15: abs(_signed(z, y, bins)))),
        Mistake("an empty bin counts", "A bin without answers has no mean: your result is NaN.",
                "How many answers must a bin hold before you take a mean?", matches=_empty_bins_count),
        Mistake("the middle of the bin", "You compare accuracy with the middle of the bin, not with the mean "
                "confidence in it.", "Which confidences lie in the bin?", imitation=_from_the_middle),
        Mistake("not divided by all answers", "Your result grows with the number of answers, and can be more than 1: "
                "each bin counts by how many answers it holds, not by its share of them.",
                "What must the weights of all bins add up to?", imitation=_not_divided),
        Mistake("the gap of each answer by itself", "You take the size of the gap before the answers of a bin have "
                "come together. One answer is right or wrong, so even a perfect 0.8 is always 0.2 or 0.8 away.",
                "Of how many answers does it take a mean before *is right in 80% of cases* means anything?",
                imitation=_each_by_itself),
        Mistake("every bin weighs the same", "A bin that holds one answer weighs as much as one that holds hundreds: "
                "you add up the gaps, or average them, as they are.", "Which share of the answers lies in each bin?",
                matches=any_of(_unweighted, _over_all_bins, _sum_of_gaps)),
        Mistake("the largest gap", "You return the gap of the worst bin. That is a measure of its own, the maximum "
                "calibration error.", "What does *expected* ask you to do with the gaps?", imitation=_largest),
        Mistake("squared gaps", "You square the gaps; asked for is their size.", "By what are large gaps made to count "
                "more than they should?",
                matches=any_of(_squared, lambda z, y, bins=15: _squared(z, y, bins) ** 0.5)),
        Mistake("the confidence of the label", "You use the probability of the label; confidence is that of the answer "
                "which the model gives, right or wrong.", "When the model is wrong, which class is it sure of?",
                imitation=_of_the_label),
        Mistake("a confidence of 1 falls out", "An answer given with a confidence of exactly 1 belongs to none of your "
                "bins.", "To which bin does the upper end of the scale belong?", imitation=_without_the_sure),
        Mistake("bins is not used", "You use 15 bins, whatever `bins` says.",
                "Where does the number of bins enter your function?", imitation=_always_fifteen),
        NO_SOFTMAX,
    ],
    hints=(
        "Take one bin only, of ten answers with a confidence of about 0.7. Six are right. How far apart are sure and "
        "right there, and how much of the whole does this bin weigh?",
        r"With $B_b$ the answers in bin $b$, of $N$ in all: "
        r"$\text{ECE} = \sum_b \frac{|B_b|}{N} \, \bigl| \text{acc}(B_b) - \text{conf}(B_b) \bigr|$. "
        "An answer with confidence $p$ is in bin `int(p * bins)`, and 1 belongs to the last.",
        "# confidence and answer: the largest probability of each row, and where it stands\n"
        "# right: 1.0 where answer equals label, else 0.0\n"
        "# which: the number of the bin of each confidence, at most bins - 1\n"
        "# for each bin that holds an answer:\n"
        "#     gap: mean of right less mean of confidence, inside the bin; its size\n"
        "#     add gap times the bin's share of all answers\n"
        "# return the sum",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# shuffle_dark_knowledge


def shuffle_probes(seed: int = 0) -> list[Probe]:
    generator = torch.Generator().manual_seed(seed)
    two = torch.randn(5, 2, generator=generator)
    return [
        Probe((torch.tensor([[0.3, 0.8]]), 0), "two classes: nothing to shuffle"),
        Probe((two, seed), "two classes, five texts"),
        Probe((torch.tensor([[0.1, 0.4, 0.1, 0.1], [0.9, 0.2, 0.2, 0.2]]), 3), "the others are all alike"),
        Probe((torch.tensor([[-1.0, -1.0, -0.5], [-2.0, -1.9, -2.0]], dtype=torch.float64), 1), "double precision"),
    ]


ROWS = 600


def _rows(classes: int = 4, rows: int = ROWS, seed: int = 5) -> Tensor:
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


def _shuffled(fn: Callable, logits: Tensor, seed: int) -> Tensor | None:
    """Return what fn makes of the logits; None when that has another shape. Global random numbers are put back."""
    state = torch.get_rng_state()
    try:
        made = to_array(fn(logits.clone(), seed))
    finally:
        torch.set_rng_state(state)
    return None if made is None or made.shape != tuple(logits.shape) else torch.as_tensor(made)


def _order(logits: Tensor, shuffled: Tensor) -> Tensor:
    """Return for each row where the other classes' logits went: their places among the others, (rows, others)."""
    rows, classes = logits.shape
    others = torch.ones_like(logits, dtype=torch.bool).scatter(1, logits.argmax(1, keepdim=True), False)
    before, after = (x[others].view(rows, classes - 1) for x in (logits, shuffled))
    return (after.unsqueeze(1) == before.unsqueeze(2)).double().argmax(dim=-1)


IN_PLACE = Mistake(
    "the teacher's logits are shuffled too",
    "Your function writes into the tensor that it was given: after the call the plain soft labels are gone, and the "
    "control is compared with itself.",
    "Where does the tensor that you write into come from?",
)
OTHER_TEXTS = Mistake(
    "logits of other texts",
    "Rows of yours hold logits that stood in another row before: a text gets doubts that belong to another text.",
    "Along which axis do the classes of one text lie?",
)
CHANGED_VALUES = Mistake(
    "the logits are not the same ones",
    "Rows of yours hold other numbers than before. A control changes one thing and leaves the rest: each text must "
    "keep its confidence and its entropy.",
    "What may change about a logit: its size, or only its place?",
)
UNCHANGED = Mistake(
    "nothing is shuffled",
    "Your result is the same as what was given: no logit has moved.",
    "Does your assignment write into the result, or into a copy of a part of it?",
)
ANSWER_MOVES = Mistake(
    "the answer moves too",
    "The largest logit of a text does not stay where it was: now the teacher's answer itself is wrong, and not only "
    "what it says about the others.",
    "Which class must be kept out of the shuffle?",
)
ONE_FOR_ALL = Mistake(
    "one permutation for all texts",
    "Texts with the same answer have their other classes moved in the same way. That gives the classes new names, "
    "which a student can learn as well as the old ones: which classes go together can still be read.",
    "How often do you draw a permutation, and how often should you?",
)
UNSEEDED = Mistake(
    "the seed is not used",
    "With the same seed your function gives two different results: nobody could repeat the run.",
    "From where does your function get its chance, and what starts it?",
)
SEED_IGNORED = Mistake(
    "the same for every seed",
    "Two different seeds give the same result.",
    "Which part of your function depends on `seed`?",
)
GLOBAL_STATE = Mistake(
    "the caller's random state changes",
    "After a call PyTorch's global random state is another one: with the control in it, the student would start from "
    "other weights than without it, and two things would differ.",
    "How does `torch.Generator().manual_seed(seed)` differ from `torch.manual_seed(seed)`?",
)
SOME_NEVER = Mistake(
    "some orders never come",
    "With three other classes there are six orders; in hundreds of texts yours never shows some of them. What keeps "
    "its neighbours or its turn can still be read.",
    "Is every order of the other classes as likely as any other?",
)


def keeps_what_it_must(fn: Callable) -> Mistake | Finding | None:
    """The input stays, each row keeps its numbers, and its largest its place."""
    logits = _rows()
    if 0 in call(fn, (logits.clone(), 1)).changed:
        return IN_PLACE
    made = _shuffled(fn, logits, 1)
    if made is None:
        return Finding("wrong shape",
                       f"For logits of shape {tuple(logits.shape)} your result has another shape.",
                       "Does every text get a row, with all of its classes?")  # fmt: skip
    made = made.to(logits.dtype)
    if not torch.equal(made.sort(dim=1).values, logits.sort(dim=1).values):
        moved = torch.equal(made.flatten().sort().values, logits.flatten().sort().values)
        return OTHER_TEXTS if moved else CHANGED_VALUES
    if not torch.equal(made.argmax(dim=1), logits.argmax(dim=1)):
        return ANSWER_MOVES
    return UNCHANGED if torch.equal(made, logits) else None


def takes_its_chance_from_the_seed(fn: Callable) -> Mistake | None:
    """The same seed, the same shuffle; another seed, another one; nobody else's chance is touched."""
    logits, state = _rows(rows=200), torch.get_rng_state()
    try:
        one, again, other = (to_array(fn(logits.clone(), seed)) for seed in (1, 1, 2))
        touched = not torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_rng_state(state)
    if not close(one, again):
        return UNSEEDED
    if close(one, other):
        return SEED_IGNORED
    return GLOBAL_STATE if touched else None


def draws_for_each_text(fn: Callable) -> Mistake | Finding | None:
    """Every order of the others comes as often as any other, text by text."""
    logits = _rows()
    order = _order(logits, _shuffled(fn, logits, 3).to(logits.dtype))
    number, answers = (order * torch.tensor([9, 3, 1])).sum(dim=1), logits.argmax(dim=1)
    if all(len(number[answers == answer].unique()) == 1 for answer in answers.unique()):
        return ONE_FOR_ALL
    kinds, counts = number.unique(return_counts=True)
    if len(kinds) < 6:
        return SOME_NEVER
    share = counts / len(number)
    if (share - 1 / 6).abs().max() < 0.08:  # five standard deviations of a share of 600
        return None
    return Finding("orders are not equally likely",
                   f"With three other classes there are six orders. In {ROWS} texts yours have shares from "
                   f"{share.min():.2f} to {share.max():.2f}; each should be near 0.17.",
                   "How is a permutation drawn so that each is as likely?")  # fmt: skip


SHUFFLE = Exercise(
    name="shuffle_dark_knowledge", lesson="10", title="Shuffle the dark knowledge", points=4, minutes=8, difficulty=3,
    reference=shuffle_dark_knowledge, probes=shuffle_probes,
    properties=[keeps_what_it_must, takes_its_chance_from_the_seed, draws_for_each_text],
    mistakes=[
        IN_PLACE, OTHER_TEXTS, CHANGED_VALUES, UNCHANGED, ANSWER_MOVES, UNSEEDED, SEED_IGNORED, GLOBAL_STATE,
        ONE_FOR_ALL, SOME_NEVER,
    ],
    hints=(
        "Write one text's four logits on four cards in a row. Which card stays, and what do you do with the other "
        "three? And for the next text?",
        "`generator = torch.Generator().manual_seed(seed)`; the other classes are `classes[classes != top]`; "
        "`torch.randperm(n, generator=generator)` draws an order of n things.",
        "# a generator of its own, started with seed; a clone to write into\n"
        "# for each text:\n"
        "#     top: the place of its largest logit; others: all the other places\n"
        "#     draw an order of the others, anew for each text\n"
        "#     in the clone, the others get this text's logits at the others, in that order\n"
        "# return the clone",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# fold_classes


def fold_probes(seed: int = 0) -> list[Probe]:
    generator = torch.Generator().manual_seed(seed)

    def logs(rows: int, classes: int) -> Tensor:
        return (1.5 * torch.randn(rows, classes, generator=generator)).log_softmax(dim=-1)

    groups = torch.tensor([0, 1, 1, 0, 2, 1])
    return [
        Probe((torch.tensor([[0.5, 0.2, 0.3]]).log(), torch.tensor([0, 1, 1])), "three classes, two groups"),
        Probe((torch.tensor([[0.4, 0.35, 0.25]]).log(), torch.tensor([1, 0, 0])), "the likeliest class is alone"),
        Probe((logs(3, 4), torch.tensor([0, 0, 1, 1])), "four classes, two groups of two"),
        Probe((logs(4, 6), groups), "six classes, three groups of different size"),
        Probe((logs(4, 3), torch.tensor([0, 1, 2])), "every class a group of its own"),
        Probe((logs(5, 6).double(), groups), "double precision"),
    ]


def _folded(logits: Tensor, groups: Tensor, fold: Callable[[Tensor], Tensor]) -> Tensor:
    """Return fold(the members' columns) for each group, side by side."""
    return torch.stack([fold(logits[:, groups == g]) for g in range(int(groups.max()) + 1)], dim=-1)


def _folded_probs(logits: Tensor, groups: Tensor) -> Tensor:
    return _folded(logits.softmax(dim=-1), groups, lambda p: p.sum(dim=-1))


OVERFLOW = Mistake(
    "too large for an exponential",
    "With logits near 400 your result is infinite or NaN, though the probabilities are ordinary ones.",
    "Which function takes the logarithm of summed exponentials safely? Or what may be subtracted from a row first?",
)


def survives_large_logits(fn: Callable) -> Mistake | None:
    """A constant added to a row changes no probability, however large it is."""
    logits = torch.tensor([[0.3, 1.2, -0.4, 0.8], [0.1, -0.9, 0.6, 0.2]])
    groups = torch.tensor([1, 0, 1, 0])
    made = call(fn, (logits + 400, groups))
    array = to_array(made.value)
    if made.error is None and array is not None and array.shape == (2, 2):
        got = torch.as_tensor(array).double()
        if not got.isfinite().all():
            return OVERFLOW
    return None


def gives_the_summed_probabilities(fn: Callable) -> Finding | None:
    """Whatever constant a row of logits carries, the groups' probabilities are the members' sums."""
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(3)) + torch.arange(6.0).unsqueeze(1)
    groups = torch.tensor([1, 0, 2, 1, 0])

    def holds(z: Tensor) -> bool:
        want, made = _folded_probs(z, groups), to_array(call(fn, (z, groups)).value)
        if made is None or made.shape != tuple(want.shape):
            return False
        return close(torch.as_tensor(made).double().softmax(dim=-1), want.double(), (1e-4, 1e-5))

    if holds(logits) or not holds(logits.log_softmax(dim=-1)):  # wrong throughout is another matter
        return None
    return Finding("depends on a constant of the row",
                   "For rows of logits that are no logarithms of probabilities, the softmax of your result does not "
                   "give the summed probabilities.",
                   "By what does a row of logits differ from the logarithms of its probabilities?")  # fmt: skip


FOLD = Exercise(
    name="fold_classes", lesson="10", title="Fold 24 classes into two", points=3, minutes=5, difficulty=2,
    reference=fold_classes, probes=fold_probes, properties=[survives_large_logits, gives_the_summed_probabilities],
    mistakes=[
        Mistake("logits are summed", "You sum the members' logits. Probabilities add up, logits do not: three classes "
                "of 0.2 each would come to 0.008 before they are put in proportion.",
                "What must be done to a logit before it may be added, and undone afterwards?",
                imitation=lambda z, g: _folded(z, g, lambda x: x.sum(dim=-1))),
        Mistake("logits are averaged", "You average the members' logits: a large group gets no more than a small one, "
                "and one unlikely member pulls the whole group down.",
                "If a thing is an animal with 0.4 or a plant with 0.4, how likely is one of the two?",
                imitation=lambda z, g: _folded(z, g, lambda x: x.mean(dim=-1))),
        Mistake("only the likeliest member counts", "A group gets the logit of its likeliest member; what the others "
                "have is lost.", "Where did the other members' probability go?",
                imitation=lambda z, g: _folded(z, g, lambda x: x.amax(dim=-1))),
        Mistake("probabilities are averaged", "Your groups have the mean of their members' probabilities, so a group "
                "of many classes gets too little.", "By what do you divide, and who asked for it?",
                imitation=lambda z, g: _folded(z.softmax(-1), g, lambda x: x.mean(dim=-1)).log()),
        Mistake("probabilities, not logits", "You return probabilities. Whoever takes these for logits applies a "
                "softmax to them once more, and everything comes out nearly even.",
                "Which function leads back from probabilities to logits?", imitation=_folded_probs),
        OVERFLOW,
    ],
    hints=(
        "An animal with 0.3, a plant with 0.2: how likely is one of the two? And how do logits and probabilities hang "
        "together?",
        r"$z_G = \log \sum_{c \in G} e^{z_c}$, for each group $G$; `torch.logsumexp(x, dim=-1)` computes it safely, "
        "and `logits[:, groups == g]` are the columns of the group's members.",
        "# for each group, from 0 to the largest number in groups:\n"
        "#     take the columns of its members\n"
        "#     the logarithm of the sum of their exponentials, text by text\n"
        "# put the results side by side as columns, and return them",
    ),
)  # fmt: skip


EXERCISES = [COMPARE, CALIBRATION, SHUFFLE, FOLD]
