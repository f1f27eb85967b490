import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from softlabels.distill import (
    CASES,
    accuracy,
    agreement,
    class_affinity,
    compare_answers,
    expected_calibration_error,
    negative_log_likelihood,
    recall_by_class,
)


def test_class_affinity_is_the_mean_soft_label_of_each_class():
    soft_labels = torch.tensor([[0.8, 0.1, 0.1], [0.6, 0.4, 0.0], [0.1, 0.7, 0.2]])
    affinity = class_affinity(soft_labels, torch.tensor([0, 0, 1]))
    expected = torch.tensor([[0.7, 0.25, 0.05], [0.1, 0.7, 0.2], [0.0, 0.0, 0.0]])  # nobody is of the third class
    torch.testing.assert_close(affinity, expected)


@given(st.integers(0, 999), st.integers(2, 24))
def test_class_affinity_does_not_depend_on_the_order(seed, classes):
    generator = torch.Generator().manual_seed(seed)
    soft_labels = torch.rand(40, classes, generator=generator, dtype=torch.float64).softmax(dim=-1)
    labels = torch.randint(classes, (40,), generator=generator)
    order = torch.randperm(40, generator=generator)
    affinity = class_affinity(soft_labels, labels)
    torch.testing.assert_close(class_affinity(soft_labels[order], labels[order]), affinity)
    present = torch.isin(torch.arange(classes), labels)
    torch.testing.assert_close(affinity.sum(dim=1), present.double())


def test_accuracy_and_agreement_take_tensors_and_arrays():
    logits, other = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]), np.array([[1.0, 2.0], [0.0, 9.0], [1.0, 0.0]])
    labels = np.array([0, 1, 1])
    assert accuracy(logits, labels) == accuracy(torch.tensor(logits), torch.tensor(labels)) == pytest.approx(2 / 3)
    assert agreement(logits, other) == agreement(torch.tensor(other), logits) == pytest.approx(2 / 3)


def test_negative_log_likelihood_of_a_uniform_guess():
    assert negative_log_likelihood(np.zeros((5, 8)), np.arange(5)) == pytest.approx(math.log(8))


def test_calibration_error_by_hand():
    # Two examples at confidence 0.75, one right; two at 0.95, both right: (|0.5 - 0.75| + |1 - 0.95|) / 2
    logits = torch.tensor([[0.75, 0.25], [0.75, 0.25], [0.95, 0.05], [0.95, 0.05]]).log()
    assert expected_calibration_error(logits, torch.tensor([0, 1, 0, 0])) == pytest.approx(0.15, abs=1e-6)


def test_calibration_error_of_labels_drawn_from_the_probabilities_is_small_and_of_sharpened_ones_is_not():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 10, generator=generator) * 2
    labels = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[:, 0]
    assert expected_calibration_error(logits, labels) < 0.02
    assert expected_calibration_error(logits * 4, labels) > 0.1
    assert expected_calibration_error(torch.tensor([[1000.0, 0.0]]), torch.tensor([0])) == 0  # confidence of exactly 1


def test_the_five_cases_by_hand():
    answers = [(0, 0, 0), (1, 0, 1), (2, 1, 1), (2, 2, 0), (0, 1, 2)]  # teacher, student, label
    teacher, student, labels = (torch.tensor(column) for column in zip(*answers, strict=True))
    logits = [torch.eye(3)[column] for column in (teacher, student)]
    assert compare_answers(*logits, labels).tolist() == [0, 1, 2, 3, 4]
    assert compare_answers(*(x.numpy() for x in logits), labels.numpy()).tolist() == [0, 1, 2, 3, 4]
    assert CASES[3] == "both wrong, the same answer" and len(CASES) == 5


@given(st.integers(0, 999), st.integers(2, 6))
def test_the_cases_add_up_to_accuracy_and_agreement(seed, classes):
    generator = torch.Generator().manual_seed(seed)
    teacher, student = torch.randn(2, 50, classes, generator=generator)
    labels = torch.randint(classes, (50,), generator=generator)
    share = torch.bincount(compare_answers(teacher, student, labels), minlength=5).double() / 50
    assert (share[0] + share[1]).item() == pytest.approx(accuracy(teacher, labels))
    assert (share[0] + share[2]).item() == pytest.approx(accuracy(student, labels))
    assert (share[0] + share[3]).item() == pytest.approx(agreement(teacher, student))
    assert classes > 2 or share[4] == 0


@given(st.integers(0, 999), st.integers(1, 20))
def test_calibration_error_is_what_its_definition_says(seed, bins):
    generator = torch.Generator().manual_seed(seed)
    logits, labels = 3 * torch.randn(60, 5, generator=generator), torch.randint(5, (60,), generator=generator)
    sure, answer = logits.double().softmax(dim=-1).max(dim=-1)
    total = 0.0
    for b in range(bins):
        inside = (sure >= b / bins) & (sure < (b + 1) / bins)
        if inside.any():
            gap = (answer[inside] == labels[inside]).double().mean() - sure[inside].mean()
            total += inside.double().mean().item() * abs(gap.item())
    assert expected_calibration_error(logits, labels, bins) == pytest.approx(total, abs=1e-9)
    assert expected_calibration_error(logits.numpy(), labels.numpy(), bins) == pytest.approx(total, abs=1e-9)


def test_recall_by_class_by_hand():
    answers, labels = torch.tensor([0, 0, 1, 3, 1, 0]), torch.tensor([0, 0, 0, 1, 1, 1])
    recall = recall_by_class(torch.eye(5)[answers], labels)
    assert recall.dtype == torch.float64
    torch.testing.assert_close(
        recall, torch.tensor([2 / 3, 1 / 3, *[math.nan] * 3], dtype=torch.float64), equal_nan=True
    )


@given(st.integers(0, 999), st.integers(2, 30))
def test_recalls_weighted_by_their_examples_are_the_accuracy(seed, classes):
    generator = torch.Generator().manual_seed(seed)
    logits, labels = (
        torch.randn(40, classes, generator=generator),
        torch.randint(classes, (40,), generator=generator),
    )
    recall, examples = recall_by_class(logits, labels), torch.bincount(labels, minlength=classes)
    assert torch.equal(recall.isnan(), examples == 0)
    assert (recall.nan_to_num() * examples).sum().item() / 40 == pytest.approx(accuracy(logits, labels))
