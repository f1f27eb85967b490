"""The bias of one class: added to its logits alone, and chosen by what is right."""

import pytest
import torch

from softlabels.distill import best_bias, with_bias
from softlabels.distill.bias import BIASES


def student(too_low: float, rows: int = 400, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % 4
    logits = torch.randn(rows, 4, generator=generator)
    logits[torch.arange(rows), labels] += 2
    logits[:, 2] -= too_low
    return logits, labels


def right(logits, labels):
    return (logits.argmax(dim=-1) == labels).double().mean().item()


def test_only_the_target_changes_and_the_original_stays():
    logits, _ = student(0.0)
    before = logits.clone()
    raised = with_bias(logits, 2, 1.5)
    assert torch.equal(logits, before)
    assert torch.allclose(raised - logits, torch.tensor([0.0, 0.0, 1.5, 0.0]).expand_as(logits))


@pytest.mark.parametrize("too_low", [-3.0, 0.0, 2.5, 6.0])
def test_what_was_taken_from_a_class_is_given_back(too_low):
    logits, labels = student(too_low)
    bias = best_bias(logits, labels, 2)
    assert bias == pytest.approx(too_low, abs=1.0)
    assert right(with_bias(logits, 2, bias), labels) == max(right(with_bias(logits, 2, b), labels) for b in BIASES)


def test_of_equals_the_nearest_to_0():
    logits, labels = torch.tensor([[5.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 1])
    assert best_bias(logits, labels, 1) == 0.0
    assert best_bias(logits, labels, 1, [3.0, -1.0, 2.0]) == -1.0


def test_the_usual_biases():
    assert len(BIASES) == 201 and (BIASES[0], BIASES[100], BIASES[-1]) == (-10.0, 0.0, 10.0) and 0.3 in BIASES
