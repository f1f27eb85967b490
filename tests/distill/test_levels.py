"""Levels to learn from: a case worked by hand, properties of the losses, layer maps, and the objective over all."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import ragged, tiny_student

from softlabels.distill import (
    Budget,
    LevelStudent,
    MultiLevelLoss,
    TeacherLevels,
    TransferSet,
    attention_loss,
    copy_layers,
    hidden_state_loss,
    layer_map,
    make_projections,
    matched_levels,
    pad,
    relation_loss,
    student_from_teacher,
    teacher_levels,
    train,
)
from softlabels.distill.bert import merge_heads, split_heads
from softlabels.distill.training import Batch

WEIGHTS = dict(hidden_weight=1.0, attention_weight=1.0, relation_weight=1.0)


@pytest.fixture
def teacher():
    """A teacher of 3 layers of width 16 with 4 heads, with weights large enough that its layers differ."""
    model = tiny_student(layers=3, heads=4, seed=1, vocab=200)
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model


@pytest.fixture
def batch():
    input_ids, mask = pad(ragged([5, 9, 2], vocab=200), np.arange(3))
    return Batch(input_ids, mask, torch.randn(3, 3, generator=torch.Generator().manual_seed(0)), None)


def padded(batch: Batch, more: int, token: int = 7) -> Batch:
    """The same texts with more padding, in which some word stands."""
    ids = torch.where(batch.attention_mask, batch.input_ids, token)
    ids = torch.nn.functional.pad(ids, (0, more), value=token)
    return batch._replace(input_ids=ids, attention_mask=torch.nn.functional.pad(batch.attention_mask, (0, more)))


# --- the losses -------------------------------------------------------------------------------------------------------


def test_value_relations_by_hand():
    """Two real tokens, one relation head.

    Student, width 1: v = (0, s) with s² = ln 3. Products: 0, 0 in the first row; 0, s² in the second; divided by √1.
        Relations: (1/2, 1/2) and (1, e^ln 3) / 4 = (1/4, 3/4).
    Teacher, width 4: v = 0 and (a, a, a, a) with a² = ln 2. The second product is 4a², divided by √4: 2 ln 2 = ln 4.
        Relations: (1/2, 1/2) and (1/5, 4/5).
    KL(teacher || student): 0 in the first row; in the second 1/5 ln(4/5) + 4/5 ln(16/15) = 0.0070021. Mean: 0.0035010.
    A third token is padding: whatever stands there, it neither relates nor is related to.
    """
    student = torch.tensor([[[0.0], [math.sqrt(math.log(3))], [9.0]]])
    teacher = torch.zeros(1, 3, 4)
    teacher[0, 1], teacher[0, 2] = math.sqrt(math.log(2)), -5.0
    mask = torch.tensor([[True, True, False]])
    expected = (0.2 * math.log(4 / 5) + 0.8 * math.log(16 / 15)) / 2
    assert expected == pytest.approx(0.0035010, abs=1e-7)
    assert relation_loss(student, teacher, mask, heads=1).item() == pytest.approx(expected, abs=1e-6)


def test_two_relation_heads_by_hand():
    """The case above, beside a head in which all values are 0 and both relate evenly: half of it is left."""
    student, teacher = torch.zeros(1, 2, 2), torch.zeros(1, 2, 8)
    student[0, 1, 0], teacher[0, 1, :4] = math.sqrt(math.log(3)), math.sqrt(math.log(2))
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert relation_loss(student, teacher, mask, heads=2).item() == pytest.approx(0.0035010 / 2, abs=1e-6)


def test_attention_by_hand():
    """One real reader: teacher (1/2, 1/2), student (1/4, 3/4): 1/2 ln 2 + 1/2 ln(2/3) = 0.1438."""
    teacher, student = torch.tensor([[[[0.5, 0.5], [1.0, 0.0]]]]), torch.tensor([[[[0.25, 0.75], [0.5, 0.5]]]])
    mask = torch.tensor([[True, False]])
    expected = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    assert attention_loss(student, teacher, mask).item() == pytest.approx(expected, abs=1e-6)


def test_two_heads_face_twelve_as_two_groups_of_six():
    mask = torch.ones(1, 4, dtype=torch.bool)
    twelve = torch.randn(1, 12, 4, 4).softmax(dim=-1)
    halves = torch.stack([twelve[:, :6].mean(dim=1), twelve[:, 6:].mean(dim=1)], dim=1)
    two = torch.randn(1, 2, 4, 4).softmax(dim=-1)
    torch.testing.assert_close(attention_loss(two, twelve, mask), attention_loss(two, halves, mask))
    assert attention_loss(halves, twelve, mask).item() == pytest.approx(0, abs=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_padding_changes_nothing(seed, more):
    """Its content, and how much of it there is."""
    torch.manual_seed(seed)
    mask = torch.arange(6) < torch.tensor([[6], [3]])
    wider = torch.nn.functional.pad(mask, (0, more))
    projection = make_projections(1, 4, 6)[0]
    mine, theirs = torch.randn(2, 6, 4), torch.randn(2, 6, 6)

    def filled(x):
        x = torch.where(mask[..., None], x, torch.randn_like(x))
        return torch.cat([x, torch.randn(2, more, x.shape[-1])], dim=1)

    for loss, extra in ((hidden_state_loss, projection), (relation_loss, 2)):
        expected = loss(mine, theirs, mask, extra)
        torch.testing.assert_close(loss(filled(mine), filled(theirs), wider, extra), expected)


def test_equals_lose_nothing_and_the_gradient_goes_to_the_student_alone():
    mask = torch.arange(5) < torch.tensor([[5], [2]])
    states = torch.randn(2, 5, 8)
    assert hidden_state_loss(states, states, mask, torch.nn.Identity()) == 0
    assert relation_loss(states, states, mask, 4).item() == pytest.approx(0, abs=1e-6)
    for loss, extra in ((hidden_state_loss, make_projections(1, 8, 8)[0]), (relation_loss, 2)):
        student, teacher = states.clone().requires_grad_(), torch.randn(2, 5, 8, requires_grad=True)
        value = loss(student, teacher, mask, extra)
        value.backward()
        assert value > 0 and teacher.grad is None
        assert student.grad[mask].abs().sum() > 0 and student.grad.isfinite().all()
        assert not student.grad[~mask].any()


# --- layers -----------------------------------------------------------------------------------------------------------


def test_layer_maps():
    assert [layer_map(2, 6, kind) for kind in ("uniform", "lower", "upper")] == [(3, 6), (1, 2), (5, 6)]
    assert layer_map(4, 12) == (3, 6, 9, 12) and layer_map(3, 4) == (2, 3, 4) and layer_map(3, 3) == (1, 2, 3)
    for student, teacher in ((1, 1), (2, 5), (5, 12)):
        for kind in ("uniform", "lower", "upper"):
            layers = layer_map(student, teacher, kind)
            assert len(set(layers)) == student and min(layers) >= 1 and max(layers) <= teacher
    with pytest.raises(ValueError, match="7 layers cannot be mapped onto a teacher of 6"):
        layer_map(7, 6)
    with pytest.raises(ValueError, match="no layer map 'middle'; choose one of uniform, lower, upper"):
        layer_map(2, 6, "middle")


def test_layer_n_reads_n_minus_1_and_writes_n(teacher, batch):
    levels = teacher.eval()(batch.input_ids, batch.attention_mask, levels=True)
    for n, layer in enumerate(teacher.layers, 1):
        before, after = levels.hidden_states[n - 1], levels.hidden_states[n]
        written, weights = layer(before, batch.attention_mask, keep_weights=True)
        torch.testing.assert_close(written, after)
        torch.testing.assert_close(weights, levels.attentions[n - 1])
        torch.testing.assert_close(layer.value(before), levels.values[n - 1])
        gathered = merge_heads(weights @ split_heads(levels.values[n - 1], layer.heads))
        summed = layer.attended_norm(before + layer.attended(gathered))
        torch.testing.assert_close(
            layer.norm(summed + layer.down(torch.nn.functional.gelu(layer.up(summed)))), after, atol=1e-4, rtol=1e-4
        )


def test_values_are_those_of_transformers(base):
    """On the real base: what layer n's value matrix makes of transformers' hidden_states[n - 1]."""
    from transformers import BertModel

    from softlabels.distill import SmallBertConfig
    from softlabels.distill.bert import build_empty

    ours = build_empty(SmallBertConfig.from_folder(base)).load_bert_weights(base).eval()
    theirs = BertModel.from_pretrained(base, add_pooling_layer=False).eval()
    ids, mask = pad(ragged([6, 3], vocab=30_000), np.arange(2))
    with torch.no_grad():
        levels = ours(ids, mask, levels=True)
        states = theirs(ids, mask.long(), output_hidden_states=True).hidden_states
        for n in (1, 6):
            value = theirs.encoder.layer[n - 1].attention.self.value(states[n - 1])
            torch.testing.assert_close(levels.values[n - 1][mask], value[mask], atol=1e-4, rtol=1e-4)


def test_matched_levels_are_the_students_counterparts(teacher, batch):
    levels = teacher_levels(teacher, batch.input_ids, batch.attention_mask, (1, 2, 3))
    matched = matched_levels(levels, (3, 1))
    assert matched.hidden_states[0] is levels.hidden_states[0]
    assert matched.hidden_states[1] is levels.hidden_states[3] and matched.values[1] is levels.values[0]
    assert matched.attentions[0] is levels.attentions[2] and len(matched.hidden_states) == 3


def test_a_teacher_is_asked_without_dropout_and_without_a_gradient(teacher, batch):
    teacher.train()
    first, second = (teacher_levels(teacher, *batch[:2], (3,)) for _ in range(2))
    torch.testing.assert_close(first.attentions[0], second.attentions[0])
    assert not first.hidden_states[1].requires_grad and not teacher.training


def test_layers_are_copied_not_shared(teacher):
    student = student_from_teacher(teacher, (2, 3), classes=3, seed=0)
    assert torch.equal(student.layers[0].query.weight, teacher.layers[1].query.weight)
    assert torch.equal(student.words.weight, teacher.words.weight) and student.config.pooling == "mean"
    before = teacher.layers[1].query.weight.clone()
    with torch.no_grad():
        student.layers[0].query.weight.add_(1)
    assert torch.equal(before, teacher.layers[1].query.weight)
    with pytest.raises(ValueError):
        copy_layers(student, teacher, (1,))


def test_projections_are_found_by_whoever_trains():
    assert len(list(make_projections(2, 4, 6).parameters())) == 2
    apprentice = LevelStudent(tiny_student(layers=2), teacher_width=24)
    found = set(apprentice.parameters())
    assert all(p in found for projection in apprentice.projections for p in projection.parameters())


# --- the objective ----------------------------------------------------------------------------------------------------


def test_a_student_that_is_its_teacher_loses_nothing(teacher, batch):
    student = student_from_teacher(teacher, (1, 2, 3), classes=3, seed=0).eval()
    ask = TeacherLevels(teacher, (1, 2, 3))
    objective = MultiLevelLoss(ask, [torch.nn.Identity()] * 3, soft_weight=0.0, **WEIGHTS)
    terms = objective.terms(student(batch.input_ids, batch.attention_mask, levels=True), batch)
    assert set(terms) == {"hidden states", "attention", "relations"}
    for name, term in terms.items():
        assert abs(term.item()) < 1e-5, name  # the teacher's levels are remembered in float16

    shifted = MultiLevelLoss(TeacherLevels(teacher, (2, 3, 3)), objective.projections, soft_weight=0.0, **WEIGHTS)
    for name, term in shifted.terms(student(*batch[:2], levels=True), batch).items():
        assert term.item() > 1e-2, name


def test_the_objective_does_not_see_the_padding(teacher, batch):
    apprentice = LevelStudent(tiny_student(layers=2, vocab=200, dropout=0.0), teacher_width=16).train()
    objective = MultiLevelLoss(TeacherLevels(teacher, (1, 3)), apprentice.projections, **WEIGHTS)
    wider = padded(batch, 4)
    losses = [objective(apprentice(*b[:2]), b) for b in (batch, wider)]
    torch.testing.assert_close(*losses)
    objective = MultiLevelLoss(TeacherLevels(teacher, (1, 3)), apprentice.projections, **WEIGHTS)  # asked afresh
    torch.testing.assert_close(objective(apprentice(*wider[:2]), wider), losses[0], atol=2e-3, rtol=2e-3)


def test_each_text_is_asked_once_whatever_its_padding(teacher, batch):
    asked = []
    teacher.register_forward_pre_hook(lambda module, args: asked.append(len(args[0])))
    ask = TeacherLevels(teacher, (1, 3))
    direct = teacher_levels(teacher, *batch[:2], (1, 3))
    asked.clear()
    first = ask(batch)
    some = Batch(*(x[[2, 0]] for x in batch[:3]), None)
    again = ask(padded(some, 3))
    assert asked == [3] and len(ask.known) == 3
    for mine, theirs in zip(again.hidden_states, first.hidden_states, strict=True):
        torch.testing.assert_close(mine[0, :2], theirs[2, :2])
        assert not mine[0, 2:].any()
    assert again.attentions[0].shape == (2, 4, 12, 12) and first.logits.dtype == torch.float32
    torch.testing.assert_close(first.values[1][0, :5], direct.values[1][0, :5], atol=2e-3, rtol=2e-3)
    new = batch._replace(input_ids=batch.input_ids + 1)
    ask(new)
    assert asked == [3, 3] and len(ask.known) == 6


def test_train_takes_it_unchanged(teacher):
    tokens = ragged([4, 6, 5, 9, 3, 7, 8, 4], vocab=200)
    logits = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    apprentice = LevelStudent(tiny_student(layers=2, vocab=200), teacher_width=16)
    before = [p.clone() for p in apprentice.projections.parameters()]
    frozen = [p.clone() for p in teacher.parameters()]
    objective = MultiLevelLoss(TeacherLevels(teacher, layer_map(2, 3)), apprentice.projections, **WEIGHTS)
    run = train(apprentice, TransferSet(tokens, teacher_logits=logits), objective, Budget(60, 4), progress=False)
    assert run.losses[-10:].mean() < run.losses[:10].mean()
    after = list(apprentice.projections.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(after, before, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(teacher.parameters(), frozen, strict=True))
    assert apprentice.student(*pad(tokens, np.arange(2))).shape == (2, 3)  # in eval mode, logits as ever


def test_a_level_of_weight_0_is_not_computed(teacher, batch):
    student = tiny_student(layers=2, vocab=200)(batch.input_ids, batch.attention_mask, levels=True)
    objective = MultiLevelLoss(TeacherLevels(teacher, (1, 3)), relation_weight=0.5)  # no projections needed
    terms = objective.terms(student, batch)
    assert list(terms) == ["logits", "relations"]
    torch.testing.assert_close(objective(student, batch), terms["logits"] + terms["relations"])
