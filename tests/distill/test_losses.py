import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from softlabels.distill import distillation_loss, kl_divergence, soft_cross_entropy, soften

shapes = st.tuples(st.integers(1, 6), st.integers(2, 50))
temperatures = st.sampled_from([0.5, 1.0, 2.0, 4.0, 8.0, 20.0])


def pair(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(2))


@given(shapes, temperatures, st.integers(0, 999))
def test_gradient_by_finite_differences_and_by_formula(shape, temperature, seed):
    student, teacher = pair(shape, seed)
    student.requires_grad_()

    def loss(z):
        return distillation_loss(z, teacher, None, temperature, 1.0, 0.0)

    (gradient,) = torch.autograd.grad(loss(student), student)
    formula = temperature * (soften(student, temperature) - soften(teacher, temperature)) / shape[0]
    torch.testing.assert_close(gradient, formula.detach(), atol=1e-10, rtol=1e-8)
    direction = torch.zeros_like(teacher)
    direction.view(-1)[seed % direction.numel()] = 1e-5
    with torch.no_grad():
        difference = (loss(student + direction) - loss(student - direction)) / 2e-5
    assert difference.item() == pytest.approx(gradient.view(-1)[seed % direction.numel()].item(), abs=1e-7)


@given(shapes, temperatures, st.integers(0, 999))
def test_kl_is_cross_entropy_less_the_teachers_entropy(shape, temperature, seed):
    student, teacher = pair(shape, seed)
    probs = soften(teacher, temperature)
    entropy = -(probs * probs.log()).sum(dim=-1).mean()
    expected = soft_cross_entropy(student, teacher, temperature) - entropy
    torch.testing.assert_close(kl_divergence(student, teacher, temperature), expected)
    assert kl_divergence(student, teacher, temperature) >= -1e-12
    assert kl_divergence(teacher, teacher, temperature).item() == pytest.approx(0, abs=1e-12)


@given(shapes, temperatures, st.integers(0, 999))
def test_agrees_with_torch(shape, temperature, seed):
    student, teacher = pair(shape, seed)
    logs = (F.log_softmax(z / temperature, dim=-1) for z in (student, teacher))
    expected = F.kl_div(*logs, reduction="batchmean", log_target=True)
    torch.testing.assert_close(kl_divergence(student, teacher, temperature), expected)


@given(shapes, temperatures, st.integers(0, 999))
def test_what_changes_nothing(shape, temperature, seed):
    student, teacher = pair(shape, seed)
    labels = torch.arange(shape[0]) % shape[1]

    def loss(s, t, y):
        return distillation_loss(s, t, y, temperature, 0.7, 0.3)

    expected = loss(student, teacher, labels)
    torch.testing.assert_close(loss(student + 5, teacher - 3, labels), expected)  # a constant per row
    twice = (x.repeat_interleave(2, dim=0) for x in (student, teacher, labels))
    torch.testing.assert_close(loss(*twice), expected)


def test_the_two_terms_and_their_weights():
    student, teacher = pair((4, 5), 0)
    labels = torch.tensor([0, 1, 2, 3])
    soft, hard = 9 * kl_divergence(student, teacher, 3.0), F.cross_entropy(student, labels)
    torch.testing.assert_close(distillation_loss(student, teacher, labels, 3.0, 0.7, 0.3), 0.7 * soft + 0.3 * hard)
    torch.testing.assert_close(distillation_loss(student, teacher, None, 3.0, 1.0, 0.0), soft)
    torch.testing.assert_close(distillation_loss(student, teacher, labels, 3.0, 0.0, 1.0), hard)


@pytest.mark.parametrize("loss", [soft_cross_entropy, kl_divergence])
def test_no_gradient_reaches_the_teacher(loss):
    student, teacher = (z.requires_grad_() for z in pair((3, 4), 1))
    loss(student, teacher, 2.0).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


@settings(max_examples=20)
@given(st.integers(0, 99))
def test_large_logits_stay_finite(seed):
    student, teacher = (z.float() * 1000 for z in pair((3, 24), seed))
    assert distillation_loss(student, teacher, torch.tensor([0, 1, 2]), 1.0, 0.5, 0.5).isfinite()


@pytest.mark.parametrize("temperature", [0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("loss", [soft_cross_entropy, kl_divergence])
def test_a_temperature_that_is_none_is_refused(loss, temperature):
    with pytest.raises(ValueError, match="temperature must be positive and finite"):
        loss(torch.zeros(2, 3), torch.zeros(2, 3), temperature)
    with pytest.raises(ValueError, match="temperature must be positive and finite"):
        distillation_loss(torch.zeros(2, 3), torch.zeros(2, 3), None, temperature, 1.0, 0.0)
