"""Lesson 05's exercises: batches of like length, the lookup by id, and soft labels cut to their top k."""

import bisect
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from softlabels.course.exercises.base import Exercise, Finding, Mistake, Probe, call, close, to_array
from softlabels.distill.batching import cut_by_length
from softlabels.distill.topk import TopK, restore_soft_labels, top_k_soft_labels
from softlabels.distill.transfer import rows_of


def _behaves_like(reference: Callable, *imitations: Callable) -> Callable[[Callable, Sequence[Probe]], bool]:
    """A test for a mistake that comes in several forms: the answer agrees with one of them on every possible input."""

    def matches(fn: Callable, probes: Sequence[Probe]) -> bool:
        possible = [probe for probe in probes if call(reference, probe.args).error is None]
        answers = [(probe, call(fn, probe.args)) for probe in possible]
        return any(
            all(mine.error is None and close(mine.value, wrong(*p.args), inputs=p.args) for p, mine in answers)
            for wrong in imitations
        )

    return matches


# ---------------------------------------------------------------------------------------------------------------------
# cut_by_length


def batch_probes(seed: int = 0) -> list[Probe]:
    # No two rows have the same length, so that there is one answer; equal lengths are left to the property below.
    rng = np.random.default_rng(seed)
    many = rng.permutation(48), rng.permutation(np.arange(3, 51))
    odd = rng.permutation(29), 2 * rng.permutation(29) + 3
    return [
        Probe((np.array([2, 0, 3, 1]), np.array([9, 4, 6, 5]), 2, 4), "one pool, two batches"),
        Probe((np.array([4, 1, 5, 0, 3, 2]), np.array([12, 3, 7, 5, 4, 9]), 1, 3), "two pools, batches of one"),
        Probe((np.array([6, 3, 0, 5, 7, 2, 1, 4]), np.array([8, 3, 30, 5, 21, 4, 13, 11]), 2, 4), "two pools"),
        Probe((*many, 4, 16), "three pools"),
        Probe((*odd, 4, 12), "three pools, and a last batch of one"),
    ]


def _cut(order, batch_size: int) -> list:
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def _pools(order, pool_size: int) -> list:
    return [order[i : i + pool_size] for i in range(0, len(order), pool_size)]


def _lengths_by_place(order, lengths, batch_size, pool_size):
    places = _pools(np.arange(len(order)), pool_size)
    return _cut(np.concatenate([order[p][np.argsort(lengths[p])] for p in places]), batch_size)


def _places_in_pool(order, lengths, batch_size, pool_size):
    return _cut(np.concatenate([np.argsort(lengths[p]) for p in _pools(order, pool_size)]), batch_size)


def _places_in_order(order, lengths, batch_size, pool_size):
    pools = enumerate(_pools(order, pool_size))
    return _cut(np.concatenate([i * pool_size + np.argsort(lengths[p]) for i, p in pools]), batch_size)


def _longest_first(order, lengths, batch_size, pool_size):
    return cut_by_length(order, -lengths, batch_size, pool_size)


def _without_the_last(order, lengths, batch_size, pool_size):
    return cut_by_length(order, lengths, batch_size, pool_size)[: len(order) // batch_size]


def _lengths_returned(order, lengths, batch_size, pool_size):
    return [lengths[rows] for rows in cut_by_length(order, lengths, batch_size, pool_size)]


def _in_one_piece(order, lengths, batch_size, pool_size):
    return np.concatenate(cut_by_length(order, lengths, batch_size, pool_size))


def _one_by_pool(order, lengths, batch_size, pool_size):
    return _pools(_in_one_piece(order, lengths, batch_size, pool_size), pool_size)


def equal_lengths(fn: Callable) -> Finding | Mistake | None:
    """Rows of equal length: each row exactly once, every pool sorted, only the last batch smaller"""
    rng = np.random.default_rng(1)
    order, lengths = rng.permutation(22), rng.integers(3, 7, 22)
    batches = [np.asarray(b) for b in fn(order.copy(), lengths.copy(), 4, 8)]
    rows = np.concatenate(batches)
    if sorted(rows.tolist()) != list(range(22)):
        return Finding(
            "a row is missing or there twice",
            "When several rows have the same length, some are missing from your batches or stand there more than once.",
            "Do you look rows up by their length? What happens when two rows share it?",
        )
    if [len(b) for b in batches] != [4, 4, 4, 4, 4, 2]:
        return LAST_DROPPED
    for pool, found in zip(_pools(order, 8), _pools(rows, 8), strict=True):
        if set(pool) != set(found) or (np.diff(lengths[found]) < 0).any():
            return Finding(
                "a pool is not sorted",
                "One of your pools holds other rows than it should, or is not in order from short to long.",
                "Does anything but its pool and its length decide where a row goes?",
            )
    return None


LAST_DROPPED = Mistake(
    "the last batch is dropped",
    "The full batches are right, but rows that do not fill a whole batch are left out: those texts would never get a "
    "soft label.",
    "How many batches of 4 do 29 texts need?",
    imitation=_without_the_last,
)

CUT_BY_LENGTH = Exercise(
    name="cut_by_length",
    lesson="05",
    title="Batches of like length",
    points=4,
    minutes=10,
    difficulty=3,
    reference=cut_by_length,
    probes=batch_probes,
    properties=[equal_lengths],
    mistakes=[
        LAST_DROPPED,
        Mistake(
            "not sorted at all",
            "Your batches follow the order as it came: short and long texts share a batch, and the short are padded.",
            "Where do the lengths come in?",
            imitation=lambda order, lengths, batch_size, pool_size: _cut(order, batch_size),
        ),
        Mistake(
            "sorted inside each batch only",
            "Each of your batches is in order, but it holds the same texts as before: nothing is saved, because "
            "padding goes by the longest of them.",
            "Which texts have to change places so that a batch's longest text is shorter?",
            imitation=lambda order, lengths, batch_size, pool_size: cut_by_length(
                order, lengths, batch_size, batch_size
            ),
        ),
        Mistake(
            "one pool for everything",
            "You sort all rows at once. Little is padded, but a text then only ever meets texts of its own length.",
            "How far may a row travel from its place in the order?",
            imitation=lambda order, lengths, batch_size, pool_size: cut_by_length(
                order, lengths, batch_size, len(order)
            ),
        ),
        Mistake(
            "the pool counted in batches",
            "Your pools are batch_size times too large: pool_size already counts rows.",
            "What is pool_size a number of, by the exercise card?",
            imitation=lambda order, lengths, batch_size, pool_size: cut_by_length(
                order, lengths, batch_size, pool_size * batch_size
            ),
        ),
        Mistake(
            "the order is ignored",
            "You sort the rows 0, 1, 2, … and never look at the order that came in: the shuffle is lost.",
            "Which rows are in the first pool?",
            imitation=lambda order, lengths, batch_size, pool_size: cut_by_length(
                np.arange(len(order)), lengths, batch_size, pool_size
            ),
        ),
        Mistake(
            "lengths looked up by place, not by row",
            "You compare lengths[0], lengths[1], … with the first places of the order. But the first place holds row "
            "order[0], and its length is another.",
            "How long is the text in the first place of the order?",
            imitation=_lengths_by_place,
        ),
        Mistake(
            "places instead of rows",
            "What you return are places inside the order (or inside the pool), as argsort gives them, not the rows "
            "that stand there.",
            "argsort says where things stand. What is left to look up?",
            matches=_behaves_like(cut_by_length, _places_in_pool, _places_in_order),
        ),
        Mistake(
            "longest first",
            "Each of your pools runs from the longest text to the shortest; the card asks for the shortest first.",
            "Which way does the sort run?",
            imitation=_longest_first,
        ),
        Mistake(
            "lengths instead of rows",
            "Your batches hold the texts' lengths in the right order; wanted are the rows, so that the texts can be "
            "found.",
            "sort gives values. What gives the places where they came from?",
            imitation=_lengths_returned,
        ),
        Mistake(
            "sorted, but not cut into batches",
            "The order of the rows is right, but they come in one piece.",
            "What is batch_size for?",
            imitation=_in_one_piece,
        ),
        Mistake(
            "one batch for each pool",
            "Your pools are right and sorted, but each is handed over whole: a pool holds several batches.",
            "Which of the two sizes is the number of texts that the teacher reads at once?",
            imitation=_one_by_pool,
        ),
    ],
    hints=(
        "A pool is a slice of the order. Which array do you sort it by? Does argsort give you rows or places?",
        r"In the pool $r_1 … r_p$ the lengths are $\ell_{r_1} … \ell_{r_p}$. If $s$ is their argsort, the sorted pool "
        r"is $r_{s_1} … r_{s_p}$. All sorted pools end to end are cut every `batch_size` rows.",
        "# for each start 0, pool_size, 2 * pool_size, ...: pool = the slice of order from there\n"
        "#     append pool[argsort of lengths[pool]]\n"
        "# concatenate the sorted pools\n"
        "# return the list of its slices of batch_size rows",
    ),
)

# ---------------------------------------------------------------------------------------------------------------------
# rows_of


def id_probes(seed: int = 0) -> list[Probe]:
    rng = np.random.default_rng(seed)
    known = rng.permutation(np.arange(40) * 37 + 1_000_003)
    sixty = rng.choice(10**9, 60, replace=False)
    return [
        Probe((np.array([30, 10]), np.array([10, 20, 30])), "known ids in order"),
        Probe((np.array([7, 40, 7]), np.array([40, 12, 7])), "known ids in no order; one asked for twice"),
        Probe((np.array([5, 3, 0, 2]), np.array([3, 0, 5, 1, 2])), "ids that could be taken for rows"),
        Probe((rng.permutation(known), known), "all of them, shuffled"),
        Probe((rng.choice(sixty, 25), sixty), "60 large ids, some asked for twice"),
        Probe((np.array([12, 8]), np.array([40, 12, 7])), "8 is not known"),
        Probe((np.array([99, 40]), np.array([40, 12, 7])), "99 is not known, and larger than all that are"),
    ]


def _unchecked(known_ids, ids):
    order = np.argsort(known_ids)
    return order[np.searchsorted(known_ids[order], ids).clip(max=len(order) - 1)]


def _all_at_once(ids, known_ids):
    return np.searchsorted(known_ids, ids)


def _one_at_a_time(ids, known_ids):  # numpy goes on from where the id before was found: not the same when unsorted
    return np.array([bisect.bisect_left(known_ids, i) for i in ids])


def _capped(search: Callable) -> Callable:
    return lambda ids, known_ids: np.minimum(search(ids, known_ids), len(known_ids) - 1)


def _the_other_way_round(ids, known_ids):
    place = {wanted: i for i, wanted in enumerate(ids.tolist())}
    return np.array([place[known] for known in known_ids.tolist() if known in place])


def _the_other_way_round_first(ids, known_ids):
    ids = ids.tolist()
    return np.array([ids.index(known) for known in known_ids.tolist() if known in ids])


def _known_right(fn: Callable, probes: Sequence[Probe]) -> list | None:
    """The answers to what is not known, if all that is known is answered rightly; else None."""
    unknown = []
    for probe in probes:
        right, mine = call(rows_of, probe.args), call(fn, probe.args)
        if right.error is not None:
            unknown.append((mine, probe))
        elif mine.error is not None or not close(mine.value, right.value):
            return None
    return unknown


def _answers_unknown(fn: Callable, probes: Sequence[Probe]) -> bool:
    found = _known_right(fn, probes)
    return bool(found) and all(m.error is None and np.size(to_array(m.value)) == len(p.args[0]) for m, p in found)


def _drops_unknown(fn: Callable, probes: Sequence[Probe]) -> bool:
    found = _known_right(fn, probes)
    return bool(found) and all(m.error is None and np.size(to_array(m.value)) < len(p.args[0]) for m, p in found)


ROWS_OF = Exercise(
    name="rows_of",
    lesson="05",
    title="Ask by id, not by position",
    points=3,
    minutes=6,
    difficulty=2,
    reference=rows_of,
    probes=id_probes,
    mistakes=[
        Mistake(
            "an unknown id gets an answer",
            "Known ids are right, but an id that is not there gets a row all the same: a student would be taught "
            "another text's soft label, and nobody would notice.",
            "What should a cache say about a text that the teacher has never read?",
            matches=_answers_unknown,
        ),
        Mistake(
            "unknown ids are left out",
            "Known ids are right, but one that is not there is skipped, so fewer rows come out than ids went in: from "
            "there on every soft label belongs to the text before it.",
            "Should the caller get less than was asked for, or an error?",
            matches=_drops_unknown,
        ),
        Mistake(
            "kept by position",
            "You answer 0, 1, 2, … whatever the ids are: right only as long as nobody shuffles.",
            "Where does id 30 stand among the known ids 10, 20, 30?",
            imitation=lambda ids, known_ids: np.arange(len(ids)),
        ),
        Mistake(
            "ids taken for rows",
            "You return the ids themselves. An id is a name; where it stands has to be found.",
            "Is there a row 1,000,003 in a table of 40?",
            imitation=lambda ids, known_ids: ids.copy(),
        ),
        Mistake(
            "searchsorted in what is not sorted",
            "Right while the known ids are in order, and wrong as soon as they are not: searchsorted halves its way "
            "through the array, and takes for granted that it is sorted.",
            "What does a search by halves need, and is there an argument for it (sorter)?",
            matches=_behaves_like(
                rows_of, _all_at_once, _one_at_a_time, _capped(_all_at_once), _capped(_one_at_a_time)
            ),
        ),
        Mistake(
            "places in the sorted ids",
            "You search in sorted ids, which is safe, but return the place there. The logits stand in the order in "
            "which the ids came.",
            "Which row did the id at place 0 of the sorted ids have before they were sorted?",
            imitation=lambda ids, known_ids: np.searchsorted(np.sort(known_ids), ids),
        ),
        Mistake(
            "the order asked for is lost",
            "You find the right rows, but not in the order in which they were asked for (nor twice, if an id was asked "
            "for twice).",
            "What are the rows of the ids 30 and 10, in this order?",
            matches=_behaves_like(
                rows_of,
                lambda ids, known_ids: np.flatnonzero(np.isin(known_ids, ids)),
                lambda ids, known_ids: _unchecked(known_ids, np.unique(ids)),
                lambda ids, known_ids: _unchecked(known_ids, np.sort(ids)),
                lambda ids, known_ids: np.sort(_unchecked(known_ids, ids)),
            ),
        ),
        Mistake(
            "searched the other way round",
            "You look up where the known ids stand among those asked for. Wanted is the other direction.",
            "How many rows should come out: as many as there are ids, or as there are known ids?",
            matches=_behaves_like(rows_of, _the_other_way_round, _the_other_way_round_first),
        ),
        Mistake(
            "a mask instead of rows",
            "You return True and False for each known id: it says which are there, not where each one stands.",
            "How would you read the logits of 30, then of 10, off a mask?",
            imitation=lambda ids, known_ids: np.isin(known_ids, ids),
        ),
    ],
    hints=(
        "Which Python container finds a value by its name at once, and complains if the name is not there?",
        "Let row[known] = i for the i-th known id. The answer is row[id] for each id in turn; a dictionary raises "
        "KeyError by itself.",
        "# row: a dictionary from each known id to its place (enumerate)\n"
        "# return an int array: row[id] for each of the ids, in their order",
    ),
)

# ---------------------------------------------------------------------------------------------------------------------
# top_k_soft_labels


def _soft_labels(rows: int, classes: int, seed: int) -> Tensor:
    return torch.softmax(1.2 * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed)), dim=-1)


def top_k_probes(seed: int = 0) -> list[Probe]:
    return [
        Probe((torch.tensor([[0.2, 0.5, 0.3]]), 1), "one soft label, k = 1"),
        Probe((torch.tensor([[0.1, 0.25, 0.05, 0.6], [0.4, 0.11, 0.3, 0.19]]), 2), "two soft labels, k = 2"),
        Probe((torch.tensor([[0.3, 0.45, 0.25], [0.35, 0.05, 0.6]]), 3), "k is all the classes: no tail"),
        Probe((_soft_labels(6, 24, seed), 5), "24 classes, k = 5"),
        Probe((_soft_labels(5, 50, seed + 1).double(), 3), "50 classes, double precision"),
        Probe((torch.tensor([[0.2, 0.5, 0.3]]), 0), "k = 0"),
        Probe((torch.tensor([[0.2, 0.5, 0.3]]), 4), "k = 4, and three classes"),
    ]


def _sorted(soft_labels, k, change):
    probs, classes = soft_labels.topk(k, dim=-1)
    return change(classes, probs, 1 - probs.sum(dim=-1))


def _instead(change: Callable) -> Callable:
    """An imitation that changes the three parts of the right answer."""
    return lambda soft_labels, k: _sorted(soft_labels, k, change)


def _smallest(soft_labels, k):
    probs, classes = soft_labels.topk(k, dim=-1, largest=False)
    return classes, probs, 1 - probs.sum(dim=-1)


def _first_classes(soft_labels, k):
    probs = soft_labels[:, :k]
    return torch.arange(k).expand_as(probs), probs, 1 - probs.sum(dim=-1)


def _sum_to_one(probs: Tensor) -> Tensor:
    return probs / probs.sum(dim=-1, keepdim=True)


TOP_K = Exercise(
    name="top_k_soft_labels",
    lesson="05",
    title="The top k, and the mass of the rest",
    points=2,
    minutes=5,
    difficulty=2,
    reference=top_k_soft_labels,
    probes=top_k_probes,
    mistakes=[
        Mistake(
            "classes and probabilities changed places",
            "The numbers are right, but the probabilities stand where the classes belong: torch.topk returns the "
            "values first, TopK wants the classes first.",
            "In which order are the three parts named on the exercise card?",
            imitation=_instead(lambda classes, probs, tail: (probs, classes, tail)),
        ),
        Mistake(
            "renormalised",
            "Your k probabilities are scaled up to sum to 1: the teacher was never so sure. What it gave to the others "
            "is to be kept as the tail.",
            "When the teacher says .6 and the rest is left out, what should be kept: .6 or 1?",
            matches=_behaves_like(
                top_k_soft_labels,
                _instead(lambda classes, probs, tail: (classes, _sum_to_one(probs), tail)),
                _instead(lambda classes, probs, tail: (classes, _sum_to_one(probs), torch.zeros_like(tail))),
            ),
        ),
        Mistake(
            "least likely first",
            "The right classes, in ascending order: the most likely comes last.",
            "Which way does argsort or sort run?",
            imitation=_instead(lambda classes, probs, tail: (classes.flip(-1), probs.flip(-1), tail)),
        ),
        Mistake(
            "the k smallest",
            "You keep the least likely classes, and the tail holds nearly all of the mass.",
            "After an ascending sort, at which end do the largest stand?",
            matches=_behaves_like(
                top_k_soft_labels,
                _smallest,
                lambda soft_labels, k: tuple(
                    part.flip(-1) if part.ndim == 2 else part for part in _smallest(soft_labels, k)
                ),
            ),
        ),
        Mistake(
            "softmax of what are probabilities already",
            "Your probabilities are flatter than those that came in: a softmax has been at them once more.",
            "What comes in: logits, or probabilities that already sum to 1?",
            imitation=lambda soft_labels, k: top_k_soft_labels(torch.softmax(soft_labels, dim=-1), k),
        ),
        Mistake(
            "the tail is what was kept",
            "Your tail is the sum of the k probabilities; it should be the mass of all the other classes.",
            "Which two numbers sum to 1?",
            imitation=_instead(lambda classes, probs, tail: (classes, probs, 1 - tail)),
        ),
        Mistake(
            "the tail already shared out",
            "Your tail is the mass of a single class left out; kept is the mass of all of them together.",
            "Sharing out comes in exercise 5.4. What is the sum before it?",
            imitation=lambda soft_labels, k: _sorted(
                soft_labels, k, lambda c, p, t: (c, p, t / max(1, soft_labels.shape[-1] - k))
            ),
        ),
        Mistake(
            "no tail",
            "Your tail is 0 everywhere: what the teacher gave to the other classes is lost.",
            "How much of the soft label did the k classes leave over?",
            imitation=_instead(lambda classes, probs, tail: (classes, probs, torch.zeros_like(tail))),
        ),
        Mistake(
            "one tail for all texts",
            "Your tail is taken over the whole batch; each text has its own.",
            "Along which axis do you sum?",
            matches=_behaves_like(
                top_k_soft_labels,
                _instead(lambda classes, probs, tail: (classes, probs, 1 - probs.sum())),
                _instead(lambda classes, probs, tail: (classes, probs, tail.mean())),
                _instead(lambda classes, probs, tail: (classes, probs, tail.mean().expand_as(tail))),
            ),
        ),
        Mistake(
            "the tail keeps its axis",
            "The numbers are right, but each tail sits in an axis of length 1: (texts, 1) where (texts,) is wanted.",
            "Which argument of your sum keeps the axis that was summed?",
            imitation=_instead(lambda classes, probs, tail: (classes, probs, tail[:, None])),
        ),
        Mistake(
            "the first k classes",
            "You keep the classes 0 to k - 1 for every text, likely or not.",
            "Are the most likely classes the same for every gloss?",
            imitation=_first_classes,
        ),
    ],
    hints=(
        "Which function of a tensor gives its largest values and their places at once? Which of the two comes first?",
        r"With $c_1 … c_k$ the most likely classes: $\text{tail} = 1 - \sum_{i=1}^{k} p_{c_i}$ for each text.",
        "# ValueError unless 1 <= k <= the number of classes\n"
        "# probs, classes = soft_labels.topk(k) along the last axis\n"
        "# tail: 1 minus the sum of probs along the last axis (rounding may leave it just under 0)\n"
        "# return TopK(classes, probs, tail)",
    ),
)

# ---------------------------------------------------------------------------------------------------------------------
# restore_soft_labels


def restore_probes(seed: int = 0) -> list[Probe]:
    one = TopK(torch.tensor([[2]]), torch.tensor([[0.7]]), torch.tensor([0.3]))
    two = TopK(
        torch.tensor([[3, 1], [0, 4]]), torch.tensor([[0.5, 0.2], [0.45, 0.4]]), torch.tensor([0.3, 0.15])
    )  # fmt: skip
    return [
        Probe((one, 4), "one soft label, k = 1"),
        Probe((two, 5), "two soft labels, k = 2"),
        Probe((top_k_soft_labels(torch.tensor([[0.3, 0.45, 0.25]]), 3), 3), "k is all the classes: no tail"),
        Probe((top_k_soft_labels(_soft_labels(6, 24, seed), 5), 24), "24 classes, k = 5"),
        Probe((top_k_soft_labels(_soft_labels(4, 50, seed + 1).double(), 2), 50), "50 classes, double precision"),
    ]


def _filled(share: Callable, kept: Callable = lambda probs, tail, classes: probs) -> Callable:
    """An imitation: the classes left out get share(tail, k, classes), those kept get kept(probs, tail, classes)."""

    def imitation(top, classes):
        where, probs, tail = top
        rest = share(tail, probs.shape[-1], classes)
        return rest[:, None].repeat(1, classes).scatter(-1, where, kept(probs, tail, classes))

    return imitation


def _in_the_first_columns(top, classes):
    where, probs, tail = top
    share = tail / max(1, classes - where.shape[-1])
    return torch.cat([probs, share[:, None].repeat(1, classes - where.shape[-1])], dim=-1)


def _to_one_class(fn: Callable, probes: Sequence[Probe]) -> bool:
    told = 0
    for probe in probes:
        (where, probs, tail), classes = probe.args
        mine = to_array(call(fn, probe.args).value)
        if mine is None or mine.shape != (len(where), classes):
            return False
        mine = torch.as_tensor(mine)
        rest = mine.scatter(-1, where, torch.zeros_like(probs, dtype=mine.dtype))
        if not (close(mine.gather(-1, where), probs) and close(rest.sum(-1), tail) and close(rest.amax(-1), tail)):
            return False
        told += classes - where.shape[-1] > 1
    return told >= 2


RESTORE = Exercise(
    name="restore_soft_labels",
    lesson="05",
    title="Whole soft labels again",
    points=3,
    minutes=6,
    difficulty=3,
    reference=restore_soft_labels,
    probes=restore_probes,
    mistakes=[
        Mistake(
            "the tail is left out",
            "The k probabilities are in their places, the others get 0: your rows sum to less than 1, and a student is "
            "told that the other classes are impossible.",
            "What do your rows sum to, and where is the rest?",
            imitation=_filled(lambda tail, k, classes: torch.zeros_like(tail)),
        ),
        Mistake(
            "renormalised instead of a tail",
            "Your rows sum to 1, but only because the k probabilities were scaled up. The teacher's doubt is gone.",
            "The teacher gave .5 and .2. Should the student be taught .71 and .29?",
            imitation=_filled(
                lambda tail, k, classes: torch.zeros_like(tail), lambda probs, tail, classes: _sum_to_one(probs)
            ),
        ),
        Mistake(
            "the whole tail for each class",
            "Each class left out gets the whole tail: your rows sum to more than 1.",
            "Among how many classes is the tail to be shared?",
            imitation=_filled(lambda tail, k, classes: tail),
        ),
        Mistake(
            "the tail spread over all classes",
            "You share the tail among all the classes, those kept included. It is the mass of those left out only.",
            "How many classes were left out?",
            matches=_behaves_like(
                restore_soft_labels,
                _filled(lambda tail, k, classes: tail / classes),
                _filled(
                    lambda tail, k, classes: tail / classes,
                    lambda probs, tail, classes: probs + tail[:, None] / classes,
                ),
            ),
        ),
        Mistake(
            "the tail divided by k",
            "The tail is divided by the number of classes that were kept, not by the number of those left out.",
            "k classes have their probability already. How many are waiting for theirs?",
            imitation=_filled(lambda tail, k, classes: tail / k),
        ),
        Mistake(
            "the tail given to one class",
            "One class gets the whole tail. Nothing is known about which of them deserves it.",
            "What is the fairest guess when only a sum is known?",
            matches=_to_one_class,
        ),
        Mistake(
            "the probabilities in the first columns",
            "Your k probabilities stand in the columns 0 to k - 1, whichever classes they belong to.",
            "What is top.classes for?",
            imitation=_in_the_first_columns,
        ),
        Mistake(
            "softmax of what are probabilities already",
            "Your rows sum to 1 because a softmax was put over them; it has flattened the probabilities.",
            "Do rows that sum to 1 already need a softmax?",
            imitation=lambda top, classes: torch.softmax(restore_soft_labels(top, classes), dim=-1),
        ),
    ],
    hints=(
        "Two steps: what does every class get before you know which were kept, and how do you then write k values of "
        "each row into columns of its own?",
        r"$p_c = p_{c_i}$ for a class that was kept, $p_c = \dfrac{\text{tail}}{\text{classes} - k}$ for any other.",
        "# share: tail / (classes - k); when all classes were kept, anything finite will do\n"
        "# soft_labels: the share of each row, repeated in all columns, (texts, classes)\n"
        "# scatter top.probs into the columns top.classes, along the last axis",
    ),
)

EXERCISES = [CUT_BY_LENGTH, ROWS_OF, TOP_K, RESTORE]
