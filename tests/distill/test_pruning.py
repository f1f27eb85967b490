"""Pruning: exact shares, zeros that stay zero while the rest is trained, heads that go and leave the others alone."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import ragged, tiny_student

from softlabels import distill
from softlabels.distill import pruning


@given(st.integers(0, 12), st.floats(0, 1), st.integers(0, 3))
def test_exactly_the_share_nearest_to_zero_goes(size, share, ties):
    weight = torch.randint(-ties, ties + 1, (size, 3), generator=torch.Generator().manual_seed(size)).float()
    mask = distill.magnitude_mask(weight, share)
    assert mask.shape == weight.shape and mask.dtype == torch.bool
    assert int((~mask).sum()) == round(share * weight.numel())
    if mask.any() and not mask.all():
        assert weight[~mask].abs().max() <= weight[mask].abs().min()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_0_and_1(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        distill.magnitude_mask(torch.ones(2, 2), share)


def zeros(student):
    return [(getattr(layer, n).weight == 0) for layer in dict.fromkeys(student.layers) for n in pruning.MATRICES]


@pytest.mark.parametrize("shared", [False, True])
def test_pruned_weights_stay_zero_through_training(shared):
    student = tiny_student(layers=2, shared=shared)
    names = set(student.state_dict())
    distill.prune_weights(student, 0.6)
    before, words = zeros(student), student.words.weight.clone()
    transfer_set = distill.TransferSet(ragged([5] * 64), teacher_logits=torch.randn(64, 3))
    distill.train(student, transfer_set, distill.SoftLabelLoss(), distill.Budget(10, 8), progress=False)
    assert distill.keep_pruned(student) is student
    assert set(student.state_dict()) == names, "it is a plain student again"
    for mask, after in zip(before, zeros(student), strict=True):
        assert torch.equal(mask, after) and mask.float().mean() == pytest.approx(0.6, abs=0.01)
    assert not torch.equal(words, student.words.weight), "the word table was trained, and is not pruned"


def test_cutting_a_head_is_removing_what_it_adds():
    student = tiny_student(layers=1, width=24, heads=3).eval()
    for parameter in student.parameters():
        parameter.data.mul_(3)
    silenced, (layer,) = copy.deepcopy(student), student.layers
    silenced.layers[0].attended.weight.data[:, 8:16] = 0  # nobody reads head 1
    assert distill.prune_heads(layer, [0, 2]) is layer
    ids = torch.randint(0, 200, (2, 7))
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    torch.testing.assert_close(student(ids, mask), silenced(ids, mask))
    assert layer.heads == 2 and layer.query.weight.shape == (16, 24) and layer.attended.weight.shape == (24, 16)
    assert layer.query.out_features == 16 and layer.attended.in_features == 16


def test_pruned_heads_can_be_trained_and_shown():
    student = tiny_student(layers=2)
    for layer in student.layers:
        distill.prune_heads(layer, [1])
    transfer_set = distill.TransferSet(ragged([5] * 8), teacher_logits=torch.randn(8, 3))
    distill.train(student, transfer_set, distill.SoftLabelLoss(), distill.Budget(2, 8), progress=False)
    ids = torch.ones(1, 4, dtype=torch.int64)
    assert student(ids, ids, levels=True).attentions[0].shape == (1, 1, 4, 4)


def test_a_student_of_fewer_heads_can_be_trimmed_and_exported(tmp_path):
    import numpy as np
    import onnxruntime

    from softlabels.distill import export, vocabulary

    student = tiny_student(layers=2, vocab=60).eval()
    distill.prune_heads(student.layers[0], [1])
    keep = np.arange(0, 60, 2)
    trimmed = vocabulary.trim_student(student, keep, max_length=9)
    assert trimmed.words.weight.shape == (30, 16) and trimmed.positions.weight.shape == (9, 16)
    assert student.words.weight.shape == (60, 16), "the student itself is left as it is"
    ids = torch.tensor([[3, 7, 11]])
    mask = torch.ones_like(ids, dtype=torch.bool)
    torch.testing.assert_close(trimmed(ids, mask), student(2 * ids, mask))
    export.export_onnx(trimmed, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (found,) = session.run(None, dict(input_ids=ids.numpy(), attention_mask=mask.numpy()))
    np.testing.assert_allclose(found, trimmed(ids, mask).detach().numpy(), atol=1e-5)


def test_a_head_that_nobody_reads_has_no_importance():
    model = tiny_student(layers=2).eval()
    for parameter in model.parameters():
        parameter.data.mul_(3)
    model.layers[1].attended.weight.data[:, :8] = 0
    model.requires_grad_(False)
    found = distill.head_importance(model, ragged([6, 3, 9]), torch.tensor([0, 1, 2]))
    assert found.shape == (2, 2) and found[1, 0] == 0 and (found.flatten()[[0, 1, 3]] > 0).all()
    assert not any(p.requires_grad for p in model.parameters()) and not model.training, "the model is left as it was"
    assert not model.layers[0].attended._forward_pre_hooks
    assert all(p.grad is None for p in model.parameters())


def test_importance_foretells_the_loss_without_a_head():
    """To first order: for a head with a small output, the change of the loss is what was estimated."""
    model = tiny_student(layers=1, seed=3).double().eval()
    for parameter in model.parameters():
        parameter.data.mul_(3)
    layer = model.layers[0]
    layer.value.weight.data[8:] *= 1e-4
    layer.value.bias.data[8:] = 1e-4
    text, label = ragged([6]), torch.tensor([1])
    ids = torch.from_numpy(text[0].astype("int64"))[None]

    def loss():
        return torch.nn.functional.cross_entropy(model(ids, torch.ones_like(ids)), label).item()

    estimate, before = distill.head_importance(model, text, label)[0, 1].item(), loss()
    layer.attended.weight.data[:, 8:] = 0
    assert abs(loss() - before) == pytest.approx(estimate, rel=0.02)
