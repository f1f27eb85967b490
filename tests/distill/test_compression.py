"""The other levers: a table of low rank, eight bits, shared layers, early exit, and the frontier of what is left."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import ragged, tiny_student

from softlabels import distill
from softlabels.distill import export
from softlabels.distill.early_exit import ExitClassifier, export_exits


def table(words=30, width=8, seed=0):
    draws = torch.randn(words, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return draws * torch.arange(1.0, width + 1)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_the_product_is_the_best_of_its_rank(rank):
    narrow, widen = distill.factorise_table(table(), rank)
    assert narrow.shape == (30, rank) and widen.shape == (rank, 8)
    lost = torch.linalg.svdvals(table())[rank:].square().sum()
    torch.testing.assert_close((table() - narrow @ widen).square().sum(), lost)
    torch.testing.assert_close(widen @ widen.T, torch.eye(rank).double())
    torch.testing.assert_close(
        torch.cdist(narrow, narrow), torch.cdist(narrow @ widen, narrow @ widen), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("rank", [0, 9])
def test_a_rank_that_a_table_has_not(rank):
    with pytest.raises(ValueError, match=r"\(30, 8\) has no approximation of rank"):
        distill.factorise_table(table(), rank)


def test_a_student_of_full_table_width_begins_with_the_teachers_embeddings():
    teacher = tiny_student(layers=1, seed=1).eval()
    teacher.embedding_norm.weight.data.uniform_(0.5, 2)
    student = tiny_student(layers=1, seed=2, table_width=16).eval()
    assert distill.narrow_embeddings(student, teacher) is student
    ids = torch.randint(0, 5_000, (2, 9))
    torch.testing.assert_close(student.embed(ids), teacher.embed(ids), atol=1e-4, rtol=1e-4)


def test_a_narrower_student_keeps_what_it_can_of_the_distances():
    teacher, student = tiny_student(seed=1, vocab=4_100), tiny_student(seed=2, vocab=4_100, width=8)
    for part in (teacher.words, teacher.segments):
        part.weight.data[:, 8:] *= 0.01  # eight directions hold nearly everything
    distill.narrow_embeddings(student, teacher)
    theirs, ours = teacher.words.weight[:40].detach(), student.words.weight[:40].detach()
    torch.testing.assert_close(torch.cdist(ours, ours), torch.cdist(theirs, theirs), atol=0.02, rtol=0.02)


def test_rounding_is_within_half_a_step_and_keeps_the_largest():
    weight = table(words=6)
    weight[2] = 0
    codes, scale = distill.quantize_rows(weight)
    assert codes.dtype == torch.int8 and scale.shape == (6, 1) and torch.isfinite(scale).all()
    assert ((codes * scale - weight).abs() <= scale / 2 + 1e-7).all()
    assert (codes.int().abs().amax(dim=1) == torch.tensor([127, 127, 0, 127, 127, 127])).all()


def test_round_weights_changes_little_and_every_matrix():
    student = tiny_student(layers=2).eval()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    assert distill.round_weights(student) is student
    for name, value in student.state_dict().items():
        matrix = value.ndim == 2
        assert torch.equal(value, before[name]) != matrix, name
        if matrix:
            assert (value - before[name]).abs().max() <= before[name].abs().max() / 127


def test_shared_layers_are_one_layer():
    student, plain = tiny_student(layers=3, shared=True), tiny_student(layers=3)
    weights = {name: sum(p.numel() for p in model.parameters()) for name, model in (("s", student), ("p", plain))}
    layer = sum(p.numel() for p in plain.layers[0].parameters())
    assert weights["p"] - weights["s"] == 2 * layer
    assert distill.share_layers(plain) is plain and len(plain.layers) == 3 and plain.layers[0] is plain.layers[2]
    ids = torch.randint(0, 200, (2, 5))
    assert len(student(ids, torch.ones_like(ids), levels=True).hidden_states) == 4


@pytest.mark.parametrize("changes", [dict(shared=True), dict(table_width=4), dict(shared=True, pooling="cls")])
def test_the_students_of_albert_can_be_exported_and_their_savings_arrive(changes, tmp_path):
    student = tiny_student(layers=3, vocab=300, width=32, inner=128, **changes).eval()
    plain = tiny_student(layers=3, vocab=300, width=32, inner=128, pooling=student.config.pooling).eval()
    sizes = {}
    for name, model in (("small", student), ("plain", plain)):
        export.export_onnx(model, tmp_path / f"{name}.onnx")
        export.quantize_int8(tmp_path / f"{name}.onnx", tmp_path / f"{name}8.onnx")
        sizes[name] = [(tmp_path / f"{name}{form}.onnx").stat().st_size for form in ("", "8")]
    assert sizes["small"][0] < sizes["plain"][0] and sizes["small"][1] < sizes["plain"][1]

    import onnxruntime

    ids = torch.randint(0, 300, (2, 6))
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    session = onnxruntime.InferenceSession(tmp_path / "small.onnx")
    (found,) = session.run(None, dict(input_ids=ids.numpy(), attention_mask=mask.numpy()))
    np.testing.assert_allclose(found, student(ids, mask).detach().numpy(), atol=1e-5)


def test_early_exit_by_hand():
    by_layer = torch.tensor([[[3.0, 0], [0.2, 0], [0, 0]], [[0, 0], [2, 0], [0.1, 0]], [[0, 1], [0, 1], [0, 0.1]]])
    logits, layer = distill.early_exit(by_layer, 0.8)
    assert layer.tolist() == [1, 2, 3], "the first sure layer; the last where none is sure"
    assert torch.equal(logits, torch.tensor([[3.0, 0], [2, 0], [0, 0.1]]))
    assert distill.early_exit(by_layer, 0.0)[1].tolist() == [1, 1, 1]
    assert distill.early_exit(by_layer, 1.1)[1].tolist() == [3, 3, 3]


@pytest.fixture
def exits():
    model = tiny_student(layers=3, pooling="cls").eval()
    for parameter in model.parameters():
        parameter.data.mul_(3)
    return distill.Exits(model, seed=0)


def test_exits_learn_without_touching_the_model(exits):
    before = {name: value.clone() for name, value in exits.model.state_dict().items()}
    heads = exits.heads[0].weight.clone()
    tokens = ragged([5] * 40)
    transfer_set = distill.TransferSet(tokens, teacher_logits=distill.predict(exits.model, tokens))
    run = distill.train(exits, transfer_set, distill.exits_loss, distill.Budget(60, 8, 3e-2), progress=False)
    assert run.losses[-10:].mean() < 0.9 * run.losses[:10].mean()
    assert all(torch.equal(value, before[name]) for name, value in exits.model.state_dict().items())
    assert not torch.equal(heads, exits.heads[0].weight)
    by_layer = exits.by_layer(distill.predict(exits, tokens))
    torch.testing.assert_close(by_layer[-1], distill.predict(exits.model, tokens), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("threshold", [0.0, 0.45, 0.6, 2.0])
def test_exported_exits_answer_as_early_exit_says(exits, threshold, tmp_path):
    class Letters:
        def encode(self, text):
            return type("Encoding", (), dict(ids=[ord(letter) for letter in text]))

    texts = ["abba cab", "dad", "a bad cafe", "hedge"]
    export_exits(exits, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    ids = [[ord(letter) for letter in text] for text in texts]
    tokens = np.concatenate(ids), np.cumsum([0, *map(len, ids)])
    wanted, layers = distill.early_exit(exits.by_layer(distill.predict(exits, tokens)), threshold)
    classifier = ExitClassifier(tmp_path, Letters(), threshold)
    np.testing.assert_allclose(classifier.logits(texts), wanted.numpy(), atol=1e-4)
    np.testing.assert_allclose(classifier.logits(texts[2:3]), wanted[2:3].numpy(), atol=1e-4)
    assert threshold not in (0.0, 2.0) or set(layers.tolist()) == {1 if threshold == 0 else 3}


def test_the_frontier_by_hand():
    costs = np.array([[1, 9], [2, 5], [3, 5], [9, 1], [2, 5], [9, 9]])
    assert distill.pareto_front(costs).tolist() == [True, True, False, True, True, False]


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12))
def test_everyone_off_the_frontier_is_beaten_by_someone_on_it(points):
    costs = np.array(points)
    front = distill.pareto_front(costs)
    assert front.any()
    for i, point in enumerate(costs):
        beaten = [(other <= point).all() and (other < point).any() for other in costs]
        assert front[i] != any(beaten)
        assert front[i] or any(beat for beat, on in zip(beaten, front, strict=True) if on)


def test_a_cost_that_is_not_a_number():
    with pytest.raises(ValueError, match="not a number"):
        distill.pareto_front(np.array([[1.0, np.nan]]))


def test_a_budget_says_what_it_lets_through():
    budget = distill.ShippingBudget(megabytes=10, p50_ms=2, accuracy=0.8)
    assert str(budget) == "megabytes ≤ 10, p50_ms ≤ 2, accuracy ≥ 0.8"
    assert budget.broken(dict(megabytes=10, p50_ms=1.9, accuracy=0.8, ece=0.5)) == []
    said = budget.broken(dict(megabytes=12.5, p50_ms=float("nan"), accuracy=0.79))
    assert said == ["megabytes is 12.5, and must be at most 10", "p50_ms is nan, and must be at most 2",
                    "accuracy is 0.79, and must be at least 0.8"]  # fmt: skip
    with pytest.raises(KeyError, match="asks for p50_ms, which was not measured"):
        budget.broken(dict(megabytes=1, accuracy=0.9))
    with pytest.raises(ValueError, match="must be above 0"):
        distill.ShippingBudget(megabytes=0)
    with pytest.raises(ValueError, match=r"for 83% write 0\.83"):
        distill.ShippingBudget(accuracy=83)
    assert str(distill.ShippingBudget()) == "no limits" and distill.ShippingBudget().broken({}) == []
