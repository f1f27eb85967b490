"""Answers to lesson 08's exercises. The wrong ones are written as learners write them, not as the imitations are."""

import numpy as np
import torch
from torch.nn import functional as F

from tests.answers import Honest, Wrong

MASK = 103

# --- augment: wrong ---------------------------------------------------------------------------------------------------


def stretched(inner, rng, stretch_share):
    """The second rule, as it should be: what the wrong answers below get right."""
    if rng.random() < stretch_share and len(inner):
        size = min(rng.integers(1, 6), len(inner))
        start = rng.integers(len(inner) - size + 1)
        return inner[start : start + size]
    return inner


def joined(pieces, inner):
    return np.concatenate([pieces[:1], inner, pieces[-1:]])


def masks_everything(pieces, rng, mask_share=0.1, stretch_share=0.25):
    new = np.where(rng.random(len(pieces)) < mask_share, MASK, pieces)
    return joined(new, stretched(new[1:-1], rng, stretch_share))


def masks_the_last(pieces, rng, mask_share=0.1, stretch_share=0.25):
    new = pieces.copy()
    for i in range(1, len(new)):
        if rng.random() < mask_share:
            new[i] = MASK
    return joined(new, stretched(new[1:-1], rng, stretch_share))


def drops_pieces(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1]
    return joined(pieces, stretched(inner[rng.random(len(inner)) >= mask_share], rng, stretch_share))


def pads(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = 0
    return joined(pieces, stretched(inner, rng, stretch_share))


def above_the_share(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) > mask_share] = MASK
    return joined(pieces, stretched(inner, rng, stretch_share))


def always_a_tenth(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = np.array([MASK if rng.random() < 0.1 else p for p in pieces[1:-1]], dtype=pieces.dtype)
    return joined(pieces, stretched(inner, rng, stretch_share))


def stretch_when_above(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    return joined(pieces, stretched(inner, rng, 1 - stretch_share))


def always_a_quarter(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    return joined(pieces, stretched(inner, rng, 0.25))


def always_a_stretch(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    return joined(pieces, stretched(inner, rng, 1.1))


def bare_stretch(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    if rng.random() < stretch_share and len(inner):
        size = min(rng.integers(1, 6), len(inner))
        start = rng.integers(len(inner) - size + 1)
        return inner[start : start + size]
    return joined(pieces, inner)


def writes_into_a_view(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1]
    inner[rng.random(len(inner)) < mask_share] = MASK
    return joined(pieces, stretched(inner, rng, stretch_share))


def writes_one_by_one(pieces, rng, mask_share=0.1, stretch_share=0.25):
    for i in range(1, len(pieces) - 1):
        if rng.random() < mask_share:
            pieces[i] = MASK
    return joined(pieces, stretched(pieces[1:-1], rng, stretch_share))


def seeded_inside(pieces, rng, mask_share=0.1, stretch_share=0.25):
    rng = np.random.default_rng(0)
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    return joined(pieces, stretched(inner, rng, stretch_share))


def global_seed_inside(pieces, rng, mask_share=0.1, stretch_share=0.25):
    np.random.seed(42)
    inner = np.where(np.random.rand(len(pieces) - 2) < mask_share, MASK, pieces[1:-1])
    if np.random.rand() < stretch_share and len(inner):
        size = min(np.random.randint(1, 6), len(inner))
        start = np.random.randint(len(inner) - size + 1)
        inner = inner[start : start + size]
    return joined(pieces, inner)


def numpys_own(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[np.random.random(len(inner)) < mask_share] = MASK
    return joined(pieces, stretched(inner, rng, stretch_share))


def unseeded(pieces, rng, mask_share=0.1, stretch_share=0.25):
    rng = np.random.default_rng()
    return one_by_one(pieces, rng, mask_share, stretch_share)


def one_draw(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    if rng.random() < mask_share:
        inner[:] = MASK
    return joined(pieces, stretched(inner, rng, stretch_share))


def that_many(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.choice(len(inner), size=round(mask_share * len(inner)), replace=False)] = MASK
    return joined(pieces, stretched(inner, rng, stretch_share))


def scattered(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    if rng.random() < stretch_share and len(inner):
        inner = rng.choice(inner, size=min(rng.integers(1, 6), len(inner)), replace=False)
    return joined(pieces, inner)


def below_five(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    if rng.random() < stretch_share and len(inner):
        size = min(int(rng.integers(1, 5)), len(inner))
        start = int(rng.integers(0, len(inner) - size + 1))
        inner = inner[start : start + size]
    return joined(pieces, inner)


def from_zero(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    if rng.random() < stretch_share and len(inner) > 1:
        size = min(rng.integers(6), len(inner))
        start = rng.integers(len(inner) - size + 1)
        inner = inner[start : start + size]
    return joined(pieces, inner)


def short_of_the_end(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    if rng.random() < stretch_share and len(inner):
        size = min(rng.integers(1, 6), len(inner))
        start = rng.integers(max(1, len(inner) - size))
        inner = inner[start : start + size]
    return joined(pieces, inner)


def from_the_front(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    if rng.random() < stretch_share:
        inner = inner[: rng.integers(1, 6)]
    return joined(pieces, inner)


def anywhere(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    inner[rng.random(len(inner)) < mask_share] = MASK
    if rng.random() < stretch_share and len(inner):
        start = rng.integers(len(inner))
        inner = inner[start : start + rng.integers(1, 6)]
    return joined(pieces, inner)


def shuffled_first(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = rng.permutation(pieces[1:-1])
    inner[rng.random(len(inner)) < mask_share] = MASK
    return joined(pieces, stretched(inner, rng, stretch_share))


def masked_at_double_rate(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = pieces[1:-1].copy()
    for _ in range(2):
        inner[rng.random(len(inner)) < mask_share] = MASK
    return joined(pieces, stretched(inner, rng, stretch_share))


# --- augment: honest --------------------------------------------------------------------------------------------------


def one_by_one(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = []
    for piece in pieces[1:-1]:
        inner.append(MASK if rng.random() < mask_share else int(piece))
    if len(inner) > 0 and rng.random() < stretch_share:
        size = min(int(rng.integers(1, 5, endpoint=True)), len(inner))
        start = int(rng.integers(0, len(inner) - size, endpoint=True))
        inner = inner[start : start + size]
    return [int(pieces[0]), *inner, int(pieces[-1])]


def stretch_first(pieces, rng, mask_share=0.1, stretch_share=0.25):
    low, high = 1, len(pieces) - 1
    if rng.random() < stretch_share and high > low:
        size = min(rng.choice([1, 2, 3, 4, 5]), high - low)
        low = low + rng.choice(high - low - size + 1)
        high = low + size
    kept = np.r_[0, low:high, len(pieces) - 1]
    new = pieces[kept]
    drawn = rng.random(len(new)) < mask_share
    drawn[[0, -1]] = False
    return np.where(drawn, MASK, new)


def binomial(pieces, rng, mask_share=0.1, stretch_share=0.25):
    inner = np.where(rng.binomial(1, mask_share, len(pieces) - 2) == 1, MASK, pieces[1:-1])
    if rng.uniform() < stretch_share and inner.size:
        size = min(1 + int(5 * rng.random()), inner.size)
        start = int(rng.random() * (inner.size - size + 1))
        inner = inner[start : start + size]
    return np.hstack([pieces[0], inner, pieces[-1]])


def with_torch(pieces, rng, mask_share=0.1, stretch_share=0.25):
    new = torch.tensor(np.asarray(pieces), dtype=torch.int64)
    inner = new[1:-1].masked_fill(torch.from_numpy(rng.random(len(new) - 2)) < mask_share, MASK)
    return torch.cat([new[:1], stretched(inner, rng, stretch_share), new[-1:]])


def size_no_larger_than_the_text(pieces, rng, mask_share=0.1, stretch_share=0.25):
    new = np.array(pieces, dtype=np.int64)
    new[1:-1][rng.random(len(new) - 2) < mask_share] = MASK
    count = len(new) - 2
    if count and rng.random() < stretch_share:
        size = rng.integers(1, min(5, count) + 1)
        start = rng.integers(1, count - size + 2)
        new = np.concatenate([new[:1], new[start : start + size], new[-1:]])
    return new


# --- two_by_two: wrong ------------------------------------------------------------------------------------------------


def confounded(scores):
    labels = scores[1][1] - scores[0][0]
    texts = (scores[0][1] + scores[1][1] - scores[0][0] - scores[1][0]) / 2
    return labels, texts, scores[1][1] - scores[1][0] - scores[0][1] + scores[0][0]


def confounded_twice(scores):
    far = scores[1, 1] - scores[0, 0]
    return far, far, far - (scores[0, 1] - scores[0, 0]) - (scores[1, 0] - scores[0, 0])


def axes_swapped(scores):
    labels, texts, interaction = averages(scores)
    return texts, labels, interaction


def added_up(scores):
    s = scores
    first = (s[1, 0] - s[0, 0]) + (s[1, 1] - s[0, 1])
    second = (s[0, 1] - s[0, 0]) + (s[1, 1] - s[1, 0])
    return first, second, s[1, 1] - s[1, 0] - s[0, 1] + s[0, 0]


def only_one_halved(scores):
    labels, texts, interaction = averages(scores)
    return labels, 2 * texts, interaction


def off_less_on(scores):
    return scores[0].mean(0) - scores[1].mean(0), averages(scores)[1], averages(scores)[2]


def both_off_less_on(scores):
    labels, texts, interaction = averages(scores)
    return -labels, -texts, interaction


def first_column(scores):
    return scores[1, 0] - scores[0, 0], averages(scores)[1], averages(scores)[2]


def first_row_and_column(scores):
    (base, second), (first, both) = scores
    return first - base, second - base, both - first - second + base


def minus_interaction(scores):
    (base, second), (first, both) = scores
    return *averages(scores)[:2], (second - base) - (both - first)


def halved_interaction(scores):
    contrast = np.array([[1, -1], [-1, 1]])
    return *averages(scores)[:2], np.einsum("ij,ij...->...", contrast, scores) / 2


def beyond_both(scores):
    labels, texts, _ = averages(scores)
    return labels, texts, scores[1, 1] - (scores[0, 0] + labels + texts)


def sum_of_gains(scores):
    gains = scores[:, 1] - scores[:, 0]
    return *averages(scores)[:2], gains.sum(axis=0)


def averaged_over_seeds(scores):
    return [float(np.mean(effect)) for effect in averages(scores)]


def ratio(scores):
    (base, second), (first, both) = scores
    return first / base, second / base, both * base / first / second


# --- two_by_two: honest -----------------------------------------------------------------------------------------------


def averages(scores):
    by_labels, by_texts = scores.mean(axis=1), scores.mean(axis=0)
    diagonal = scores[0, 0] + scores[1, 1]
    return by_labels[1] - by_labels[0], by_texts[1] - by_texts[0], diagonal - scores[0, 1] - scores[1, 0]


def contrasts(scores):
    signs = np.array([[[-1, -1], [1, 1]], [[-1, 1], [-1, 1]], [[1, -1], [-1, 1]]])
    effects = np.einsum("eij,ij...->e...", signs, np.asarray(scores, dtype=float))
    return effects[0] / 2, effects[1] / 2, effects[2]


def diffs(scores):
    first, second = np.diff(scores, axis=0)[0], np.diff(scores, axis=1)[:, 0]
    return first.mean(axis=0), second.mean(axis=0), second[1] - second[0]


def other_way_round(scores):
    gain_of_first_when_on = scores[1][1] - scores[0][1]
    gain_of_first_when_off = scores[1][0] - scores[0][0]
    second = 0.5 * (scores[1][1] - scores[1][0]) + 0.5 * (scores[0][1] - scores[0][0])
    first = 0.5 * (gain_of_first_when_on + gain_of_first_when_off)
    return [first, second, gain_of_first_when_on - gain_of_first_when_off]


def with_tensors(scores):
    s = torch.as_tensor(scores)
    return s[1].mean(0) - s[0].mean(0), s[:, 1].mean(0) - s[:, 0].mean(0), s[1, 1] - s[1, 0] - s[0, 1] + s[0, 0]


def looped(scores):
    flat = scores.reshape(2, 2, -1)
    rows = []
    for k in range(flat.shape[2]):
        a, b, c, d = flat[0, 0, k], flat[0, 1, k], flat[1, 0, k], flat[1, 1, k]
        rows.append([(c + d - a - b) / 2, (b + d - a - c) / 2, d - c - b + a])
    return tuple(np.array(column).reshape(scores.shape[2:]) for column in zip(*rows, strict=True))


# --- best_bias: wrong -------------------------------------------------------------------------------------------------

BIASES = tuple(tenths / 10 for tenths in range(-100, 101))


def right(logits, labels):
    return (logits.argmax(dim=-1) == labels).float().mean().item()


def shifted(logits, target, bias):
    return logits + bias * F.one_hot(torch.tensor(target), logits.shape[1])


def returns_accuracy(logits, labels, target, candidates=BIASES):
    return max(right(shifted(logits, target, b), labels) for b in candidates)


def returns_the_place(logits, labels, target, candidates=BIASES):
    scores = [right(shifted(logits, target, b), labels) - 1e-6 * abs(b) for b in candidates]
    return int(np.argmax(scores))


def every_class(logits, labels, target, candidates=BIASES):
    best, most = None, -1
    for b in candidates:
        score = right(logits + b, labels)
        if score > most:
            best, most = b, score
    return best


def every_class_nearest_first(logits, labels, target, candidates=BIASES):
    return max(sorted(candidates, key=abs), key=lambda b: right(logits + b, labels))


def piled_up(logits, labels, target, candidates=BIASES):
    best, most = 0.0, -1
    for b in sorted(candidates, key=lambda b: abs(b)):
        logits[:, target] += b
        score = right(logits, labels)
        if score > most:
            best, most = b, score
    return best


def piled_up_in_order(logits, labels, target, candidates=BIASES):
    new, scores = logits.clone(), []
    for b in candidates:
        new[:, target] = new[:, target] + b
        scores.append(right(new, labels))
    return candidates[int(np.argmax(scores))]


def subtracted(logits, labels, target, candidates=BIASES):
    return max(sorted(candidates, key=abs), key=lambda b: right(shifted(logits, target, -b), labels))


def subtracted_in_order(logits, labels, target, candidates=BIASES):
    scores = torch.tensor([right(shifted(logits, target, -b), labels) for b in candidates])
    return candidates[int(scores.argmax())]


def multiplied(logits, labels, target, candidates=BIASES):
    best, most = 0.0, 0.0
    for b in sorted(candidates, key=abs):
        scaled = logits.clone()
        scaled[:, target] = b * scaled[:, target]
        if right(scaled, labels) > most:
            best, most = b, right(scaled, labels)
    return best


def after_the_softmax(logits, labels, target, candidates=BIASES):
    probs = logits.softmax(dim=1)
    return max(sorted(candidates, key=abs), key=lambda b: right(shifted(probs, target, b), labels))


def to_one_example(logits, labels, target, candidates=BIASES):
    best, most = 0.0, -1
    for b in sorted(candidates, key=abs):
        new = logits.clone()
        new[target] += b
        if right(new, labels) > most:
            best, most = b, right(new, labels)
    return best


def only_its_own(logits, labels, target, candidates=BIASES):
    own = labels == target
    return max(sorted(candidates, key=abs), key=lambda b: right(shifted(logits, target, b)[own], labels[own]))


def same_frequency(logits, labels, target, candidates=BIASES):
    wanted = (labels == target).float().mean()

    def off(b):
        return ((shifted(logits, target, b).argmax(1) == target).float().mean() - wanted).abs().item()

    return min(sorted(candidates, key=abs), key=off)


def lowest_loss(logits, labels, target, candidates=BIASES):
    losses = [F.cross_entropy(shifted(logits, target, b), labels).item() for b in candidates]
    return float(candidates[int(np.argmin(losses))])


def smallest_accuracy(logits, labels, target, candidates=BIASES):
    return min(sorted(candidates, key=abs), key=lambda b: right(shifted(logits, target, b), labels))


def first_of_equals(logits, labels, target, candidates=BIASES):
    scores = [right(shifted(logits, target, b), labels) for b in candidates]
    return candidates[scores.index(max(scores))]


def last_of_equals(logits, labels, target, candidates=BIASES):
    best, most = 0.0, -1
    for b in candidates:
        if right(shifted(logits, target, b), labels) >= most:
            best, most = b, right(shifted(logits, target, b), labels)
    return best


def largest_of_equals(logits, labels, target, candidates=BIASES):
    scored = [(right(shifted(logits, target, b), labels), b) for b in candidates]
    return max(scored)[1]


def all_scores(logits, labels, target, candidates=BIASES):
    return torch.tensor([right(shifted(logits, target, b), labels) for b in candidates])


# --- best_bias: honest ------------------------------------------------------------------------------------------------


def sorted_and_max(logits, labels, target, candidates=BIASES):
    return max(sorted(candidates, key=abs), key=lambda b: right(shifted(logits, target, b), labels))


def tied_then_smallest(logits, labels, target, candidates=BIASES):
    scores = [right(shifted(logits, target, b), labels) for b in candidates]
    return min((b for b, s in zip(candidates, scores, strict=True) if s == max(scores)), key=abs)


def all_at_once(logits, labels, target, candidates=BIASES):
    biases = torch.as_tensor(candidates, dtype=torch.float64)
    raised = logits.double().repeat(len(biases), 1, 1)
    raised[:, :, target] += biases[:, None]
    counts = (raised.argmax(dim=-1) == labels).sum(dim=-1)
    tied = biases[counts == counts.max()]
    return tied[tied.abs().argmin()]


def numpy_style(logits, labels, target, candidates=BIASES):
    z, y = logits.numpy().copy(), labels.numpy()
    column, best, most = z[:, target].copy(), None, -1
    for b in sorted(candidates, key=lambda b: b * b):
        z[:, target] = column + b
        hits = int((z.argmax(axis=1) == y).sum())
        if hits > most:
            best, most = b, hits
    return np.float64(best)


def score_and_nearness(logits, labels, target, candidates=BIASES):
    return max(candidates, key=lambda b: (int((shifted(logits, target, b).argmax(1) == labels).sum()), -abs(b)))


def by_margin(logits, labels, target, candidates=BIASES):
    others = logits.clone()
    others[:, target] = -torch.inf
    rival, needed = others.argmax(dim=1), others.amax(dim=1) - logits[:, target]
    best, most = 0.0, -1
    for b in sorted(candidates, key=abs):
        hits = int((torch.where(needed < b, target, rival) == labels).sum())
        if hits > most:
            best, most = b, hits
    return best


WRONG = [
    Wrong("augment", "[CLS] or [SEP] is masked", masks_everything),
    Wrong("augment", "[CLS] or [SEP] is masked", masks_the_last),
    Wrong("augment", "pieces are removed, not masked", drops_pieces),
    Wrong("augment", "another number than MASK", pads),
    Wrong("augment", "mask_share is inverted", above_the_share),
    Wrong("augment", "mask_share is not used", always_a_tenth),
    Wrong("augment", "stretch_share is inverted", stretch_when_above),
    Wrong("augment", "stretch_share is not used", always_a_quarter),
    Wrong("augment", "stretch_share is not used", always_a_stretch),
    Wrong("augment", "the stretch has lost [CLS] and [SEP]", bare_stretch),
    Wrong("augment", "the original is masked as well", writes_into_a_view),
    Wrong("augment", "the original is masked as well", writes_one_by_one),
    Wrong("augment", "the same mask for every copy", seeded_inside),
    Wrong("augment", "the same mask for every copy", global_seed_inside),
    Wrong("augment", "chance from another generator", numpys_own),
    Wrong("augment", "chance from another generator", unseeded),
    Wrong("augment", "all pieces or none", one_draw),
    Wrong("augment", "always the same number of masks", that_many),
    Wrong("augment", "the stretch is not a stretch", scattered),
    Wrong("augment", "a stretch never has five pieces", below_five),
    Wrong("augment", "a stretch without a piece", from_zero),
    Wrong("augment", "the last piece is never in a stretch", short_of_the_end),
    Wrong("augment", "every stretch starts at the beginning", from_the_front),
    Wrong("augment", "stretches run past the end", anywhere),
    Wrong("augment", "unmasked pieces change", shuffled_first),
    Wrong("augment", "masked too often or too seldom", masked_at_double_rate),
    Wrong("two_by_two", "the two far corners are compared", confounded),
    Wrong("two_by_two", "the two far corners are compared", confounded_twice),
    Wrong("two_by_two", "the factors have changed places", axes_swapped),
    Wrong("two_by_two", "the half is missing", added_up),
    Wrong("two_by_two", "the half is missing", only_one_halved),
    Wrong("two_by_two", "a main effect with the wrong sign", off_less_on),
    Wrong("two_by_two", "a main effect with the wrong sign", both_off_less_on),
    Wrong("two_by_two", "half of the table", first_column),
    Wrong("two_by_two", "half of the table", first_row_and_column),
    Wrong("two_by_two", "the interaction has the wrong sign", minus_interaction),
    Wrong("two_by_two", "the interaction is halved", halved_interaction),
    Wrong("two_by_two", "an interaction that is always 0", beyond_both),
    Wrong("two_by_two", "the interaction adds what it should subtract", sum_of_gains),
    Wrong("two_by_two", "one number for all seeds", averaged_over_seeds),
    Wrong("two_by_two", "smallest failing case", ratio),
    Wrong("best_bias", "the accuracy, not the bias", returns_accuracy),
    Wrong("best_bias", "the place, not the bias", returns_the_place),
    Wrong("best_bias", "no bias makes a difference", every_class),
    Wrong("best_bias", "no bias makes a difference", every_class_nearest_first),
    Wrong("best_bias", "biases pile up", piled_up),
    Wrong("best_bias", "biases pile up", piled_up_in_order),
    Wrong("best_bias", "the sign is reversed", subtracted),
    Wrong("best_bias", "the sign is reversed", subtracted_in_order),
    Wrong("best_bias", "multiplied instead of added", multiplied),
    Wrong("best_bias", "added to probabilities", after_the_softmax),
    Wrong("best_bias", "no bias makes a difference", to_one_example),
    Wrong("best_bias", "only the target's examples count", only_its_own),
    Wrong("best_bias", "as many as there should be", same_frequency),
    Wrong("best_bias", "chosen by the loss", lowest_loss),
    Wrong("best_bias", "the worst bias", smallest_accuracy),
    Wrong("best_bias", "another of several equally good ones", first_of_equals),
    Wrong("best_bias", "another of several equally good ones", last_of_equals),
    Wrong("best_bias", "another of several equally good ones", largest_of_equals),
    Wrong("best_bias", "wrong shape", all_scores),
]

HONEST = [
    *(
        Honest("augment", fn)
        for fn in (one_by_one, stretch_first, binomial, with_torch, size_no_larger_than_the_text)
    ),
    *(Honest("two_by_two", fn) for fn in (averages, contrasts, diffs, other_way_round, with_tensors, looped)),
    *(
        Honest("best_bias", fn)
        for fn in (sorted_and_max, tied_then_smallest, all_at_once, numpy_style, score_and_nearness, by_margin)
    ),
]  # fmt: skip
