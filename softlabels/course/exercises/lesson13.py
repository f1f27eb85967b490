"""Lesson 13's exercises: split_by_hash, best_that_fits, and accuracy_interval.

The probes of split_by_hash keep away from shares that end in one half: which way they are rounded is nobody's mistake.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from softlabels.course.exercises.base import Exercise, Mistake, Probe, any_of, call, close, to_array
from softlabels.distill.metrics import accuracy_interval
from softlabels.distill.selection import best_that_fits
from softlabels.tasks.table import TEST, TRAIN, TRANSFER, VALIDATION, split_by_hash

# ---------------------------------------------------------------------------------------------------------------------
# split_by_hash


def _ids(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(2**62, n, replace=False) * 2 - 2**62


def split_probes(seed: int = 0) -> list[Probe]:
    rng = np.random.default_rng(seed)
    ten = np.array([40, -7, 12, 95, 3, -60, 71, 28, -33, 54])
    two = np.array([0, 1, 0, 0, 1, 0, 1, 0, 0, 1])
    some = np.where(np.arange(10) % 4 == 1, -1, 0)
    small, large = np.repeat([0, 1, 2], [3, 4, 7]), np.repeat([0, 2, 3, 5, -1], [13, 17, 21, 9, 12])
    return [
        Probe((ten, np.zeros(10, dtype=np.int64), 0.2), "ten texts of one class"),
        Probe((ten, two, 0.3), "two classes"),
        Probe((ten, some, 0.3), "some without a label"),
        Probe((_ids(14, rng), rng.permutation(small), 0.15), "classes of three, four and seven texts"),
        Probe((_ids(72, rng), rng.permutation(large), 0.15), "four classes, and some without a label"),
    ]


def _shared(ids, labels, share, *, reverse=False, order=True, size=None, parts=(TEST, VALIDATION), unlabelled=TRANSFER):
    """split_by_hash, with one thing or another done differently."""
    split = np.full(len(ids), unlabelled)
    size = size or (lambda n: int(share * n + 0.5))
    for label in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == label)
        rows = rows[np.argsort(ids[rows])] if order else rows
        rows = rows[::-1] if reverse else rows
        part = size(len(rows))
        split[rows] = TRAIN
        split[rows[part : 2 * part]] = parts[1]
        split[rows[:part]] = parts[0]
    return split


def _as_they_stand(ids, labels, share):
    return _shared(ids, labels, share, order=False)


def _all_at_once(ids, labels, share):
    return np.where(labels < 0, TRANSFER, _shared(ids, np.where(labels < 0, -1, 0), share))


def _largest_first(ids, labels, share):
    return _shared(ids, labels, share, reverse=True)


def _swapped(ids, labels, share):
    return _shared(ids, labels, share, parts=(VALIDATION, TEST))


def _rounded_down(ids, labels, share):
    return _shared(ids, labels, share, size=lambda n: int(share * n))


def _rounded_up(ids, labels, share):
    return _shared(ids, labels, share, size=lambda n: math.ceil(share * n))


def _one_at_least(ids, labels, share):
    return _shared(ids, labels, share, size=lambda n: max(1, int(share * n + 0.5)))


def _no_validation(ids, labels, share):
    return _shared(ids, labels, share, parts=(TEST, TRAIN))


def _written_over(ids, labels, share):
    return _shared(ids, labels, share, parts=(VALIDATION, VALIDATION))


def _unlabelled_train(ids, labels, share):
    return _shared(ids, labels, share, unlabelled=TRAIN)


def _unlabelled_class(ids, labels, share):
    return _shared(ids, labels + 1, share)


def _order_as_rank(ids, labels, share):
    split = np.full(len(ids), TRANSFER)
    for label in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == label)
        rank, part = np.argsort(ids[rows]), int(share * len(rows) + 0.5)
        split[rows] = np.select([rank < part, rank < 2 * part], [TEST, VALIDATION], TRAIN)
    return split


def _places_as_rows(ids, labels, share):
    split = np.where(labels < 0, TRANSFER, TRAIN)
    for label in np.unique(labels[labels >= 0]):
        order = np.argsort(ids[labels == label])
        part = int(share * len(order) + 0.5)
        split[labels == label] = TRAIN
        split[order[:part]] = TEST
        split[order[part : 2 * part]] = VALIDATION
    return split


def _of_all_texts(ids, labels, share):
    return _shared(ids, labels, share, size=lambda n: int(share * len(ids) + 0.5))


def _of_the_rest(ids, labels, share):
    split = np.full(len(ids), TRANSFER)
    for label in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == label)
        rows = rows[np.argsort(ids[rows])]
        part = int(share * len(rows) + 0.5)
        second = int(share * (len(rows) - part) + 0.5)
        split[rows] = TRAIN
        split[rows[:part]] = TEST
        split[rows[part : part + second]] = VALIDATION
    return split


CHANCE = Mistake(
    "another split each time",
    "Called twice with the same texts, your function shares them out differently. A text that trained the teacher "
    "today is in the test set tomorrow.",
    "What do the ids decide, if chance decides who goes where?",
)
RANK = Mistake(
    "an order is taken for ranks",
    "Some of the texts in your test set have large ids. `np.argsort` says which text comes first, which second, and so "
    "on; it does not say which place a given text has.",
    "For ids 30, 10, 20 `np.argsort` gives 1, 2, 0. Which place has the text with id 30?",
    imitation=_order_as_rank,
)
PLACES = Mistake(
    "places within the class are taken for rows",
    "You order the ids of a class, and then use the places in that short array as rows of the whole table: texts of "
    "other classes, and some without a label, get this class's splits.",
    "Of which array are the numbers that `np.argsort` gives you places?",
    imitation=_places_as_rows,
)
ORDER = Mistake(
    "depends on the order of the rows",
    "The same texts in another order of rows get other splits. Sort the table, or put a row on top, and texts that "
    "were learned from turn up in the test set.",
    "Which of your two arrays says something about a text that stays the same wherever it stands?",
    imitation=_as_they_stand,
)
NOT_BY_CLASS = Mistake(
    "a class does not get its share",
    "Taken over all texts your test set has about the right size, but within a class it has not: a small class may "
    "have no test text at all.",
    "Among which texts do you rank an id: among all of them, or among those of its class?",
    imitation=_all_at_once,
)


def _many(seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return _ids(120, rng), rng.permutation(np.repeat([0, 1, 2, -1], [63, 27, 8, 22]))


def _split(fn: Callable, ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return to_array(fn(ids.copy(), labels.copy(), 0.15))


def leaves_nothing_to_chance(fn: Callable) -> Mistake | None:
    """The same texts get the same splits."""
    ids, labels = _many()
    return None if np.array_equal(_split(fn, ids, labels), _split(fn, ids, labels)) else CHANCE


def does_not_look_at_rows(fn: Callable) -> Mistake | None:
    """A text's split does not depend on its row."""
    ids, labels = _many()
    order = np.random.default_rng(6).permutation(len(ids))
    return None if np.array_equal(_split(fn, ids[order], labels[order]), _split(fn, ids, labels)[order]) else ORDER


def gives_each_class_its_share(fn: Callable) -> Mistake | None:
    """How many texts of a class are tested does not depend on their ids."""
    tested = []
    for seed in (5, 7):
        ids, labels = _many(seed)
        split = _split(fn, ids, labels)
        tested.append([int((split[labels == label] == TEST).sum()) for label in range(3)])
    # The whole must be about right, too: other wrong counts are no matter of the classes.
    about = all(abs(sum(counts) - 0.15 * 98) <= 6 for counts in tested)
    return NOT_BY_CLASS if about and tested[0] != tested[1] else None


SPLIT = Exercise(
    name="split_by_hash", lesson="13", title="Share out by hash", points=4, minutes=12, difficulty=3,
    reference=split_by_hash, probes=split_probes,
    properties=[leaves_nothing_to_chance, does_not_look_at_rows, gives_each_class_its_share],
    mistakes=[
        CHANCE,
        RANK,
        PLACES,
        ORDER,
        NOT_BY_CLASS,
        Mistake("the largest ids go to the test set", "You rank the ids from the largest down. That would be as fair, "
                "but then your test set is not the one that the tool makes of the same table.",
                "From which end does the card count?", imitation=_largest_first),
        Mistake("test and validation have changed places", "The first part of each class is validation in your split, "
                "and the next one is test.", "Which of the two gets the smallest ids?", imitation=_swapped),
        Mistake("rounded down", "You cut the size of a part down to a whole number: a class of six at a share of 0.15 "
                "gets no test text, where 0.9 is nearly one.", "What does `int` do with 0.9?", imitation=_rounded_down),
        Mistake("rounded up", "You round the size of a part up: a class of three texts gives away two of them, and one "
                "is left to learn from.", "What is 0.45, rounded to the nearest whole number?",
                matches=any_of(_rounded_up, _one_at_least)),
        Mistake("no validation set", "Your split has a test part, and no text is in validation.",
                "What are the sizes to be compared on, if the test set is for the report alone?",
                imitation=_no_validation),
        Mistake("validation is written over test", "Your test set is empty: validation takes the first two parts of "
                "each class, those of the test set too.",
                "Where does the slice of the validation part begin, and which line has the last word?",
                imitation=_written_over),
        Mistake("a share of all texts", "Each class gives away a share of the whole table. A small class may have "
                "nothing left to learn from.",
                "Of how many texts is the share taken: of all, or of those of the class?",
                imitation=_of_all_texts),
        Mistake("validation is a share of the rest", "Your validation part is a share of what the test set has left, "
                "so it is smaller than the test set.", "How many places are there between `part` and `2 * part`?",
                imitation=_of_the_rest),
        Mistake("texts without a label are in train", "Texts whose label is -1 go to train in your split: the teacher "
                "would learn from labels that are not there.", "Where do texts without a label go?",
                imitation=_unlabelled_train),
        Mistake("no label is taken for a class", "Texts whose label is -1 are shared out like a class of their own.",
                "Which labels should your loop go over?", imitation=_unlabelled_class),
    ],
    hints=(
        "What is there about a text that stays the same when the table is sorted, or grows? And how do you find those "
        "texts of one class for which it is smallest?",
        "For a class with rows $r$, sorted by id, and $m = \\lfloor \\text{share} \\cdot |r| + \\frac{1}{2} \\rfloor$: "
        "$r_{0 \\dots m-1}$ is test, $r_{m \\dots 2m-1}$ is validation, the rest train. `np.flatnonzero(labels == "
        "label)` gives the rows of a class, `np.argsort` an order.",
        "# split: TRANSFER for every text\n"
        "# for each label that is not -1:\n"
        "#     rows: where labels is that label, put in the order of their ids\n"
        "#     part: share times their number, rounded\n"
        "#     all of these rows are TRAIN; then the first part TEST, the next part VALIDATION\n"
        "# return split",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# best_that_fits


def _table(*rows: tuple[float, float, float, float]) -> list[dict]:
    names = ("megabytes", "p50_ms", "validation_accuracy", "test_accuracy")
    return [dict(zip(names, row, strict=True)) for row in rows]


def fit_probes(seed: int = 0) -> list[Probe]:
    rng = np.random.default_rng(seed)
    five = _table((20, 3.0, 0.90, 0.88), (8, 6.0, 0.88, 0.89), (7.5, 2.0, 0.84, 0.80), (4, 1.0, 0.84, 0.83),
                  (1.5, 0.5, 0.79, 0.85))  # fmt: skip
    accuracy = 0.8 + 0.001 * rng.permutation(16)
    megabytes, p50_ms = rng.uniform(1, 20, 16).round(2), rng.uniform(0.2, 8, 16).round(2)
    many = _table(*zip(megabytes, p50_ms, accuracy, accuracy[::-1] + 0.0005, strict=True))
    three = _table((9, 2.0, 0.70, 0.72), (3, 0.9, 0.81, 0.78), (6, 0.8, 0.81, 0.80))
    return [
        Probe((three, 10, 5), "three candidates that all fit, two of them equally good"),
        Probe((five, 10, 5), "both limits bind"),
        Probe((five, None, 5), "no limit on the size"),
        Probe((five, 10, None), "no limit on the time"),
        Probe((five, None, None), "no limit at all"),
        Probe((five, 4, 1.0), "one that lies on both limits"),
        Probe((five, 1, 5), "all are too large"),
        Probe((five, 10, 0.1), "all are too slow"),
        Probe((many, 12, 5), "sixteen candidates"),
        Probe((many, 7, 7), "sixteen candidates, small ones wanted"),
    ]


def _fits(found: dict, megabytes: float | None, milliseconds: float | None) -> tuple[bool, bool]:
    return (
        megabytes is None or found["megabytes"] <= megabytes,
        milliseconds is None or found["p50_ms"] <= milliseconds,
    )


def _chosen(key: Callable[[dict], object], keeps: Callable[[dict, float | None, float | None], bool] | None = None):
    """best_that_fits, with another order or another idea of what fits."""
    keeps = keeps or (lambda found, megabytes, milliseconds: all(_fits(found, megabytes, milliseconds)))

    def wrong(candidates, megabytes, milliseconds):
        fitting = [i for i, found in enumerate(candidates) if keeps(found, megabytes, milliseconds)]
        return max(fitting, key=lambda i: key(candidates[i]), default=None)

    return wrong


def _best(found: dict) -> tuple:
    return found["validation_accuracy"], -found["megabytes"]


def _below(found, megabytes, milliseconds):
    size = megabytes is None or found["megabytes"] < megabytes
    return size and (milliseconds is None or found["p50_ms"] < milliseconds)


def _zero(found, megabytes, milliseconds):
    return found["megabytes"] <= (megabytes or 0) and found["p50_ms"] <= (milliseconds or 0)


def _among_fitting(candidates, megabytes, milliseconds):
    fitting = [found for found in candidates if all(_fits(found, megabytes, milliseconds))]
    return max(range(len(fitting)), key=lambda i: _best(fitting[i]), default=None)


def _always_an_answer(fn: Callable, probes: Sequence[Probe]) -> bool:
    """Right wherever something fits, and a place of the list where nothing does."""
    for probe in probes:
        right, mine = best_that_fits(*probe.args), call(fn, probe.args).value
        if right is not None and not close(mine, right):
            return False
        if right is None and (mine is None or to_array(mine) is None or not 0 <= int(mine) < len(probe.args[0])):
            return False
    return True


def _minus_one(candidates, megabytes, milliseconds):
    right = best_that_fits(candidates, megabytes, milliseconds)
    return -1 if right is None else right


def _itself(fn: Callable, probes: Sequence[Probe]) -> bool:
    return all(
        call(fn, p.args).value == p.args[0][place] for p in probes if (place := best_that_fits(*p.args)) is not None
    )


FIT = Exercise(
    name="best_that_fits", lesson="13", title="The best that fits", points=3, minutes=8, difficulty=2,
    reference=best_that_fits, probes=fit_probes,
    mistakes=[
        Mistake("chosen on test", "You choose by the accuracy on the test set. What is reported about the choice would "
                "then have been picked for being high.", "Which accuracy leaves the test set for the report?",
                imitation=_chosen(lambda c: (c["test_accuracy"], -c["megabytes"]))),
        Mistake("one limit is enough",
                "You let a candidate pass that keeps one of the two limits and breaks the other.",
                "How many of the limits does a phone insist on?",
                imitation=_chosen(_best, lambda *a: any(_fits(*a)))),
        Mistake("the size is not looked at", "Your choice may be of any size: the limit in megabytes is not used.",
                "Which of your three parameters does nothing?", imitation=_chosen(_best, lambda *a: _fits(*a)[1])),
        Mistake("the time is not looked at", "Your choice may be of any speed: the limit in milliseconds is not used.",
                "Which of your parameters has no effect?", imitation=_chosen(_best, lambda *a: _fits(*a)[0])),
        Mistake("the limits are not looked at", "You return the best of all candidates, whether it fits or not.",
                "Where do the limits come in?", imitation=_chosen(_best, lambda *a: True)),
        Mistake("the smallest, not the best", "Of those that fit you take the smallest. The budget allows for more, "
                "and a larger one is right more often.", "What is a budget for: to be kept, or to be left over?",
                imitation=_chosen(lambda c: (-c["megabytes"], c["validation_accuracy"]))),
        Mistake("the fastest, not the best", "Of those that fit you take the fastest, and not the one that is right "
                "most often.", "Which figure should decide once both limits are kept?",
                imitation=_chosen(lambda c: (-c["p50_ms"], c["validation_accuracy"]))),
        Mistake("the worst that fits", "You take the lowest accuracy of those that fit.",
                "Is a smaller accuracy better or worse?",
                matches=any_of(_chosen(lambda c: (-c["validation_accuracy"], -c["megabytes"])),
                                _chosen(lambda c: (-c["validation_accuracy"], c["megabytes"])),
                                _chosen(lambda c: -c["validation_accuracy"]))),
        Mistake("a miss is returned without a word", "Where no candidate fits you return one all the same. Whoever "
                "calls your function will ship it, and believe that it keeps the budget.",
                "What should a caller get that cannot be taken for a candidate?", matches=_always_an_answer),
        Mistake("-1 for none", "Where no candidate fits you return -1. `candidates[-1]` is the last candidate: the "
                "miss is shipped without a word.", "What does Python do with a list and the place -1?",
                imitation=_minus_one),
        Mistake("what lies on the limit is refused", "A candidate of exactly the limit's size or time does not pass.",
                "Is “at most 4 MB” kept by 4 MB?", imitation=_chosen(_best, _below)),
        Mistake("no limit is taken for a limit of nothing", "Where a limit is None you let no candidate pass.",
                "What should a candidate be compared with, where there is no limit?", imitation=_chosen(_best, _zero)),
        Mistake("the place among those that fit", "You return the place in the list of those that fit. In `candidates` "
                "another one stands there.", "Which list does your number count in?", imitation=_among_fitting),
        Mistake("of equals, not the smallest", "Where two are equally good on validation you do not take the smaller.",
                "What decides for you, when two accuracies are equal?",
                matches=any_of(_chosen(lambda c: c["validation_accuracy"]),
                                _chosen(lambda c: (c["validation_accuracy"], c["megabytes"])),
                                _chosen(lambda c: (c["validation_accuracy"], -c["p50_ms"])))),
        Mistake("the candidate, not its place", "You return the candidate itself; asked for is its place in the list.",
                "What would `candidates[your result]` be?", matches=_itself),
    ],
    hints=(
        "There are two questions: which candidates may be shipped at all, and which of these is the best. Which figure "
        "answers the second one?",
        "$\\arg\\max_i \\text{validation}_i$ over those $i$ with $\\text{megabytes}_i \\le M$ and $\\text{p50}_i \\le "
        "t$; of equals, the least megabytes. `max(places, key=..., default=None)` gives None for an empty list, and a "
        "key may be a tuple.",
        "# fitting: the places whose candidate keeps both limits (None: kept by all)\n"
        "# if there are none, return None\n"
        "# return the place with the largest (validation accuracy, minus megabytes)",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# accuracy_interval


def interval_probes() -> list[Probe]:
    return [
        Probe((0.5, 10, 1.96), "five of ten"),
        Probe((1.0, 20, 1.96), "twenty of twenty"),
        Probe((0.0, 7, 1.96), "none of seven"),
        Probe((0.9, 50, 1.0), "one standard deviation"),
        Probe((0.85, 180, 1.96), "a test set of 180"),
        Probe((0.62, 40, 2.58), "99%"),
    ]


def _parts(share: float, n: int, z: float) -> tuple[float, float, float]:
    centre = share + z**2 / (2 * n)
    return centre, z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)), 1 + z**2 / n


def _plain(share, examples, z=1.96):
    half = z * math.sqrt(share * (1 - share) / examples)
    return share - half, share + half


def _plain_cut(share, examples, z=1.96):
    low, high = _plain(share, examples, z)
    return max(0.0, low), min(1.0, high)


def _no_root(share, examples, z=1.96):
    centre, _, scale = _parts(share, examples, z)
    half = z * (share * (1 - share) / examples + z**2 / (4 * examples**2))
    return (centre - half) / scale, (centre + half) / scale


def _not_scaled(share, examples, z=1.96):
    centre, half, _ = _parts(share, examples, z)
    return centre - half, centre + half


def _not_moved(share, examples, z=1.96):
    _, half, scale = _parts(share, examples, z)
    return share - half / scale, share + half / scale


def _half_not_scaled(share, examples, z=1.96):
    centre, half, scale = _parts(share, examples, z)
    return centre / scale - half, centre / scale + half


def _without_z(share, examples, z=1.96):
    centre, half, scale = _parts(share, examples, z)
    return (centre - half / z) / scale, (centre + half / z) / scale


def _n_not_squared(share, examples, z=1.96):
    centre, _, scale = _parts(share, examples, z)
    half = z * math.sqrt(share * (1 - share) / examples + z**2 / (4 * examples))
    return (centre - half) / scale, (centre + half) / scale


def _spread_not_divided(share, examples, z=1.96):
    centre, _, scale = _parts(share, examples, z)
    half = z * math.sqrt(share * (1 - share) + z**2 / (4 * examples**2))
    return (centre - half) / scale, (centre + half) / scale


def _without_brackets(in_centre: bool, in_half: bool):
    def wrong(share, examples, z=1.96):
        centre, half, scale = _parts(share, examples, z)
        if in_centre:
            centre = share + z**2 / 2 * examples
        if in_half:
            half = z * math.sqrt(share * (1 - share) / examples + z**2 / 4 * examples**2)
        return (centre - half) / scale, (centre + half) / scale

    return wrong


def _root_of_the_first(share, examples, z=1.96):
    centre, _, scale = _parts(share, examples, z)
    half = z * (math.sqrt(share * (1 - share) / examples) + z**2 / (4 * examples**2))
    return (centre - half) / scale, (centre + half) / scale


def _z_not_squared(share, examples, z=1.96):
    centre, half, scale = share + z / (2 * examples), _parts(share, examples, z)[1], 1 + z / examples
    return (centre - half) / scale, (centre + half) / scale


def _always_95(share, examples, z=1.96):
    return accuracy_interval(share, examples, 1.96)


def _percent(share, examples, z=1.96):
    low, high = accuracy_interval(share, examples, z)
    return 100 * low, 100 * high


def _turned_round(share, examples, z=1.96):
    return accuracy_interval(share, examples, z)[::-1]


def _centre_and_half(share, examples, z=1.96):
    centre, half, scale = _parts(share, examples, z)
    return centre / scale, half / scale


INTERVAL = Exercise(
    name="accuracy_interval", lesson="13", title="How sure is a figure?", points=3, minutes=8, difficulty=2,
    reference=accuracy_interval, probes=interval_probes,
    mistakes=[
        Mistake("the share plus and minus z standard errors", "After twenty right answers out of twenty your interval "
                "is empty: it says that the model will never err.",
                "What does your formula give where the share is 1, and which terms does the card add?",
                matches=any_of(_plain, _plain_cut)),
        Mistake("the square root is missing", "Your interval shrinks as one over the number of texts; luck shrinks as "
                "one over its square root.", "Under which sign do the two terms of the half width stand?",
                imitation=_no_root),
        Mistake("the root ends too early", "Of the two terms of the half width only the first is under your root.",
                "How far does the root reach in the formula?", imitation=_root_of_the_first),
        Mistake("a product under a fraction line without brackets", "Your ends lie far outside the range from 0 to 1: "
                "a factor that belongs under a fraction line multiplies.",
                "In which order does Python work out `a / 2 * n`?",
                matches=any_of(_without_brackets(True, False), _without_brackets(False, True),
                                _without_brackets(True, True))),
        Mistake("the first fraction is missing", "Your interval leaves the range from 0 to 1.",
                "What stands before the large brackets?", imitation=_not_scaled),
        Mistake("the centre stays at the share", "Your interval lies evenly about the share itself, also at 0 and at "
                "1, where it then leaves the range.", "By how much is the centre moved towards one half?",
                imitation=_not_moved),
        Mistake("the half width is not divided", "Your centre is right, and the interval too wide: only the centre is "
                "divided by 1 + z²/n.", "Around which parts of the formula do the brackets stand?",
                imitation=_half_not_scaled),
        Mistake("z is missing before the root", "Your interval is too narrow: it reaches one standard deviation to "
                "each side, for every z.", "What multiplies the root?", imitation=_without_z),
        Mistake("n is not squared", "Your interval is much too wide where there are many texts: the second term under "
                "the root must vanish faster than the first.", "Which power of n stands beside the 4?",
                imitation=_n_not_squared),
        Mistake("the spread is not divided by n", "Your interval does not shrink when the test set grows.",
                "By what is the variance of one answer divided to get that of a mean of n?",
                imitation=_spread_not_divided),
        Mistake("z is not squared", "Centre and divisor are off: they take z where the formula has z squared.",
                "Which power of z moves the centre?", imitation=_z_not_squared),
        Mistake("z is not used", "Your interval is the same for every z.",
                "Where does the 1.96 in your code come from?",
                imitation=_always_95),
        Mistake("in percent", "Your ends are 100 times what is asked for.", "Which range does a share have?",
                imitation=_percent),
        Mistake("high before low", "Both ends are right, in the other order.", "Which end does the card name first?",
                imitation=_turned_round),
        Mistake("centre and half width, not the ends", "You return the middle and how far it is to each end.",
                "How do you get from these two numbers to the ends?", imitation=_centre_and_half),
    ],
    hints=(
        "If the true share were 0.8, how far from it would a test set of n texts typically land? For which true shares "
        "is what you saw no further away than z times that?",
        "$\\frac{1}{1 + z^2/n} \\left( p + \\frac{z^2}{2n} \\pm z \\sqrt{\\frac{p (1 - p)}{n} + "
        "\\frac{z^2}{4 n^2}} \\right)$",
        "# centre: share + z * z / (2 * examples)\n"
        "# half: z times the root of (share * (1 - share) / examples + z * z / (4 * examples * examples))\n"
        "# scale: 1 + z * z / examples\n"
        "# return (centre - half) / scale and (centre + half) / scale",
    ),
)  # fmt: skip

EXERCISES = [SPLIT, FIT, INTERVAL]
