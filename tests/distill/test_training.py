import numpy as np
import pytest
import torch
from torch import nn
from toys import ragged, tiny_student

from softlabels.distill import (
    Batch,
    Budget,
    HardLabelLoss,
    SoftLabelLoss,
    TransferSet,
    accuracy,
    kl_divergence,
    predict,
    train,
    training_step,
)


def learnable(tokens, classes=3):
    """Labels that the first token decides, so that there is something to learn."""
    values, offsets = tokens
    return values[offsets[:-1]] % classes


@pytest.fixture
def labelled(tokens):
    return TransferSet(tokens, labels=learnable(tokens))


@pytest.fixture
def soft(tokens):
    return TransferSet(tokens, teacher_logits=np.eye(3)[learnable(tokens)] * 3)


def weights(student):
    return torch.cat([p.detach().flatten() for p in student.parameters()])


def test_a_student_learns_from_either_kind_of_label(tokens, labelled, soft):
    budget = Budget(updates=200, batch_size=16, learning_rate=1e-2)
    for data, objective in ((labelled, HardLabelLoss()), (soft, SoftLabelLoss(temperature=2.0))):
        run = train(tiny_student(), data, objective, budget, progress=False)
        assert accuracy(predict(run.student, tokens), learnable(tokens)) > 0.9
        assert run.losses[-10:].mean() < 0.5 * run.losses[:10].mean()
        assert run.examples_per_second > 0 and not run.student.training


def test_the_same_seed_gives_the_same_student_and_leaves_the_callers_random_state_alone(labelled):
    torch.manual_seed(7)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    budget = Budget(updates=8, batch_size=16)
    one, same, other = (
        weights(train(tiny_student(dropout=0.3), labelled, HardLabelLoss(), budget, seed=seed, progress=False).student)
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(before, torch.get_rng_state())
    assert (numpy_before == np.random.get_state()[1]).all()


def test_word_table_is_updated_only_where_words_are_used(tokens, labelled):
    student = tiny_student()
    before = student.words.weight.detach().clone()
    train(student, labelled, HardLabelLoss(), Budget(updates=20, batch_size=16), progress=False)
    changed = (student.words.weight != before).any(dim=1)
    assert set(changed.nonzero()[:, 0].tolist()) == set(tokens[0].tolist())
    assert not student.words.sparse  # put back as it was


def test_lazy_adam_takes_the_first_step_of_adam(labelled):
    budget = Budget(updates=1, batch_size=90, weight_decay=0.0, clip=1e9)
    student, plain = tiny_student(dropout=0.0), tiny_student(dropout=0.0)
    train(student, labelled, HardLabelLoss(), budget, progress=False)
    batch = train_batch(labelled)
    nn.functional.cross_entropy(plain(batch.input_ids, batch.attention_mask), batch.labels).backward()
    torch.optim.Adam(plain.parameters(), lr=budget.rate(0)).step()
    clear = plain.words.weight.grad.abs() > 1e-5  # below, the two put Adam's eps in different places
    assert clear.sum() > 1_000
    torch.testing.assert_close(student.words.weight[clear], plain.words.weight[clear], atol=5e-5, rtol=1e-2)
    torch.testing.assert_close(student.head.weight, plain.head.weight, atol=1e-5, rtol=1e-4)


def train_batch(data):
    from softlabels.distill.training import make_batch

    return make_batch(data, np.arange(len(data)), torch.device("cpu"))


def test_gradients_are_clipped_together_sparse_ones_too(labelled):
    from softlabels.distill.training import clip_gradients

    dense, sparse = tiny_student(dropout=0.0), tiny_student(dropout=0.0)
    sparse.words.sparse = True
    batch = train_batch(labelled)
    for student in (dense, sparse):
        (100 * nn.functional.cross_entropy(student(batch.input_ids, batch.attention_mask), batch.labels)).backward()
        clip_gradients(student, 1.0)
    norm = torch.stack([p.grad.norm() for p in dense.parameters() if p.grad is not None]).norm()
    assert norm.item() == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(sparse.words.weight.grad.to_dense(), dense.words.weight.grad)
    torch.testing.assert_close(sparse.head.weight.grad, dense.head.weight.grad)


def test_the_learning_rate_rises_and_falls():
    budget = Budget(updates=100, learning_rate=2.0, warmup=0.1)
    rates = [budget.rate(update) for update in range(100)]
    assert rates[0] == pytest.approx(0.2) and max(rates) == pytest.approx(2.0) and np.argmax(rates) == 9
    assert (np.diff(rates[10:]) < 0).all() and 0 < rates[-1] < 0.05
    assert Budget(updates=10, warmup=0.0).rate(0) == Budget(updates=10, warmup=1.0).rate(9) == 1e-3


def test_history_and_progress(tokens, labelled):
    told = []
    validation = (tokens, learnable(tokens))
    run = train(
        tiny_student(),
        labelled,
        HardLabelLoss(),
        Budget(updates=10, batch_size=16),
        validation=validation,
        evaluate_every=4,
        progress=told.append,
    )
    assert [entry["update"] for entry in run.history] == [4, 8, 10]
    assert set(run.history[0]) == {"update", "accuracy", "nll"}
    assert told == list(range(1, 11))
    assert run.history[-1]["accuracy"] == accuracy(predict(run.student, tokens), validation[1])


def test_evaluation_does_not_change_the_training(tokens, labelled):
    budget = Budget(updates=8, batch_size=16)
    plain = train(tiny_student(), labelled, HardLabelLoss(), budget, progress=False)
    validation = (tokens, learnable(tokens))
    watched = train(
        tiny_student(), labelled, HardLabelLoss(), budget, progress=False, validation=validation, evaluate_every=2
    )
    assert torch.equal(weights(plain.student), weights(watched.student))


def test_any_module_and_any_objective_will_do(tokens, soft):
    class BagOfPieces(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(200, 3)

        def forward(self, input_ids, attention_mask):
            return (self.table(input_ids) * attention_mask[..., None]).sum(dim=1)

    def objective(output, batch: Batch):
        return kl_divergence(output, batch.teacher_logits, 1.0)

    run = train(BagOfPieces(), soft, objective, Budget(updates=40, learning_rate=0.1), progress=False)
    assert run.losses[-1] < run.losses[0]


@pytest.mark.parametrize(
    "columns, objective, message",
    [
        (dict(teacher_logits=np.zeros((90, 4))), SoftLabelLoss(), "gives 3 logits a text, and the teacher 4"),
        (dict(labels=np.full(90, 3)), HardLabelLoss(), r"labels must be 0\.\.2; found 3"),
    ],
)
def test_a_student_of_ones_own_with_other_classes_is_refused(columns, objective, message, tokens):
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.logits = nn.Parameter(torch.zeros(3))

        def forward(self, input_ids, attention_mask):
            return self.logits.expand(len(input_ids), 3)

    with pytest.raises(ValueError, match=message):
        train(Constant(), TransferSet(tokens, **columns), objective, Budget(updates=5), progress=False)


def test_a_step_leaves_a_student_whole_when_its_loss_is_nan(labelled):
    student = tiny_student().train()
    before = weights(student)
    optimizers = [torch.optim.Adam(student.parameters())]
    loss = training_step(student, train_batch(labelled), lambda z, batch: z.sum() * np.nan, optimizers, 0.1, 1.0)
    assert np.isnan(loss) and torch.equal(before, weights(student))
    loss = training_step(student, train_batch(labelled), HardLabelLoss(), optimizers, 0.1, 1.0)
    assert isinstance(loss, float) and optimizers[0].param_groups[0]["lr"] == 0.1
    assert not torch.equal(before, weights(student)) and all(p.grad is None for p in student.parameters())


def test_clipping_without_a_gradient_is_no_error():
    from softlabels.distill.training import clip_gradients

    clip_gradients(tiny_student(), 1.0)


def test_predict_keeps_the_order_and_the_mode(tokens):
    student = tiny_student().train()
    logits = predict(student, tokens, batch_size=7)
    assert student.training
    student.eval()
    for row in (0, 41, 89):
        text = torch.from_numpy(tokens[0][tokens[1][row] : tokens[1][row + 1]].astype(np.int64))[None]
        torch.testing.assert_close(logits[row], student(text, torch.ones_like(text))[0], atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="no texts"):
        predict(student, (np.array([], dtype=np.int32), np.array([0])))


REFUSALS = {
    "no labels": (lambda t: TransferSet(t, teacher_logits=np.zeros((90, 3))), HardLabelLoss(), "needs labels"),
    "hard weight without labels": (
        lambda t: TransferSet(t, teacher_logits=np.zeros((90, 3))),
        SoftLabelLoss(hard_weight=0.5),
        r"needs labels.*set hard_weight to 0",
    ),
    "no soft labels": (lambda t: TransferSet(t, labels=np.zeros(90)), SoftLabelLoss(), "needs teacher_logits"),
    "other classes": (
        lambda t: TransferSet(t, teacher_logits=np.zeros((90, 4))),
        SoftLabelLoss(),
        "student has 3 classes and the teacher's logits 4",
    ),
    "probabilities for logits": (
        lambda t: TransferSet(t, teacher_logits=np.full((90, 3), 1 / 3)),
        SoftLabelLoss(),
        "teacher_logits are probabilities",
    ),
    "label too large": (lambda t: TransferSet(t, labels=np.full(90, 3)), HardLabelLoss(), r"labels must be 0\.\.2"),
    "label below zero": (lambda t: TransferSet(t, labels=np.full(90, -1)), HardLabelLoss(), r"found -1"),
    "unknown word": (
        lambda t: TransferSet((t[0] + 5_000, t[1]), labels=np.zeros(90)),
        HardLabelLoss(),
        "outside the student's vocabulary of 5000",
    ),
    "text too long": (
        lambda t: TransferSet(ragged([70, 3]), labels=np.zeros(2)),
        HardLabelLoss(),
        "a text has 70 tokens, and the student reads 64",
    ),
    "objective without gradient": (
        lambda t: TransferSet(t, labels=np.zeros(90)),
        lambda output, batch: output.detach().sum(),
        "must return a scalar tensor with a gradient",
    ),
    "objective that is no scalar": (
        lambda t: TransferSet(t, labels=np.zeros(90)),
        lambda output, batch: output.sum(dim=1),
        "must return a scalar tensor with a gradient",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_does_not_fit_is_refused_before_training(case, tokens):
    make, objective, message = REFUSALS[case]
    student = tiny_student()
    before = weights(student)
    with pytest.raises(ValueError, match=message):
        train(student, make(tokens), objective, Budget(updates=5), progress=False)
    assert torch.equal(before, weights(student))
    assert not student.words.sparse


@pytest.mark.parametrize(
    "columns, message",
    [
        (dict(labels=np.zeros(89)), "90 texts and 89 labels"),
        (dict(teacher_logits=np.zeros((91, 3))), "90 texts and 91 teacher_logits"),
        (dict(teacher_logits=np.full((90, 3), np.nan)), "logits of 90 texts hold NaN"),
        (dict(teacher_logits=np.full((90, 3), np.inf)), "infinity"),
    ],
)
def test_a_transfer_set_that_does_not_pair_up_is_refused(columns, message, tokens):
    with pytest.raises(ValueError, match=message):
        TransferSet(tokens, **columns)


def test_empty_sets_and_texts_are_refused(tokens):
    with pytest.raises(ValueError, match="transfer set is empty"):
        TransferSet((tokens[0], np.array([0])))
    with pytest.raises(ValueError, match="text 1 of the transfer set has no tokens"):
        TransferSet((tokens[0], np.array([0, 3, 3, 5])))


def test_a_student_of_nans_is_refused_and_a_run_that_explodes_stops(labelled):
    broken = tiny_student()
    broken.head.weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="NaN or infinity before training"):
        train(broken, labelled, HardLabelLoss(), Budget(updates=5), progress=False)

    calls = []

    def explodes(output, batch):
        calls.append(1)
        return output.sum() * (float("nan") if len(calls) == 4 else 1.0)

    with pytest.raises(FloatingPointError, match="nan at update 2"):
        train(tiny_student(), labelled, explodes, Budget(updates=5), progress=False)


@pytest.mark.parametrize("bad", [dict(updates=0), dict(updates=1, batch_size=0), dict(updates=1, learning_rate=0.0)])
def test_a_budget_that_buys_nothing_is_refused(bad):
    with pytest.raises(ValueError, match="a budget needs"):
        Budget(**bad)
