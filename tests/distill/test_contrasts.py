import torch
from hypothesis import given
from hypothesis import strategies as st

from softlabels.distill import entropy_bits, fold_classes, shuffle_dark_knowledge, soften


def some_logits(seed: int, rows: int = 40, classes: int = 6):
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 999), st.integers(2, 24))
def test_a_shuffle_keeps_answer_confidence_and_entropy(seed, classes):
    logits = some_logits(seed, classes=classes)
    shuffled, before = shuffle_dark_knowledge(logits, seed), logits.clone()
    assert torch.equal(logits, before)
    assert torch.equal(shuffled.argmax(dim=1), logits.argmax(dim=1))
    assert torch.equal(shuffled.sort(dim=1).values, logits.sort(dim=1).values)
    torch.testing.assert_close(entropy_bits(soften(shuffled, 1.0)), entropy_bits(soften(logits, 1.0)))


def test_a_shuffle_depends_on_its_seed_and_on_nothing_else():
    logits, state = some_logits(0), torch.get_rng_state()
    one = shuffle_dark_knowledge(logits, 1)
    assert torch.equal(one, shuffle_dark_knowledge(logits, 1)) and not torch.equal(
        one, shuffle_dark_knowledge(logits, 2)
    )
    assert torch.equal(torch.get_rng_state(), state)


def test_a_shuffle_draws_for_each_text_and_leaves_no_resemblance():
    # The same soft label for every text: its doubt goes to class 1. Shuffled, to all the others alike.
    logits = torch.tensor([3.0, 2.0, -1.0, -1.0, -1.0]).repeat(4_000, 1)
    mean = soften(shuffle_dark_knowledge(logits, 0), 1.0).mean(dim=0)
    assert mean[1:].max() - mean[1:].min() < 0.02 and torch.isclose(mean[0], soften(logits[0], 1.0)[0])


def test_the_shuffles_of_the_shipped_results_stay_what_they_were():
    logits = torch.tensor([[0.1, 0.9, 0.3, 0.2], [1.4, 0.3, 0.2, 0.1]])
    others = torch.tensor([[0, 2, 3], [1, 2, 3]])
    generator = torch.Generator().manual_seed(7)
    want = logits.clone()
    for row in range(2):
        want[row, others[row]] = logits[row, others[row][torch.randperm(3, generator=generator)]]
    assert torch.equal(shuffle_dark_knowledge(logits, 7), want)


@given(st.integers(0, 999))
def test_folded_probabilities_are_sums(seed):
    logits, groups = 5 * some_logits(seed), torch.tensor([0, 2, 1, 0, 2, 2])
    probs = logits.softmax(dim=1)
    want = torch.stack([probs[:, groups == g].sum(dim=1) for g in range(3)], dim=1)
    torch.testing.assert_close(fold_classes(logits, groups).softmax(dim=1), want)
    torch.testing.assert_close(fold_classes(logits + 500, groups).softmax(dim=1), want, atol=1e-4, rtol=1e-3)


def test_folding_by_hand_and_classes_of_their_own():
    logits = torch.tensor([[0.5, 0.2, 0.3]]).log()
    torch.testing.assert_close(fold_classes(logits, torch.tensor([1, 0, 1])).exp(), torch.tensor([[0.2, 0.8]]))
    torch.testing.assert_close(fold_classes(logits, torch.arange(3)), logits)
