import json

import numpy as np
import pytest
import torch
from toys import ragged, tiny_student

from softlabels.distill import SIZES, SmallBert, SmallBertConfig, attention, make_student, pad
from softlabels.distill.bert import (
    build_empty,
    encoder_layer,
    mean_pooling,
    merge_heads,
    quick_attention,
    split_heads,
)


@pytest.fixture(scope="module")
def ours(base):
    return build_empty(SmallBertConfig.from_folder(base)).load_bert_weights(base).eval()


@pytest.fixture(scope="module")
def batch():
    return pad(ragged([5, 31, 12, 2], vocab=30_000), np.arange(4))


def test_real_weights_match_transformers_with_padding(base, ours, batch):
    from transformers import BertConfig, BertModel

    theirs = BertModel(BertConfig.from_pretrained(base, attn_implementation="eager"), add_pooling_layer=False).eval()
    from safetensors.torch import load_file

    assert not theirs.load_state_dict(load_file(base / "model.safetensors"), strict=False).missing_keys
    input_ids, mask = batch
    with torch.no_grad():
        expected = theirs(input_ids, mask.long(), output_hidden_states=True, output_attentions=True)
        levels = ours(input_ids, mask, levels=True)
        fast = ours(input_ids, mask)
    assert len(levels.hidden_states) == len(expected.hidden_states) == 7
    for mine, hub in zip(levels.hidden_states, expected.hidden_states, strict=True):
        torch.testing.assert_close(mine[mask], hub[mask], atol=1e-4, rtol=1e-4)
    for mine, hub in zip(levels.attentions, expected.attentions, strict=True):
        real = mask[:, None, :, None].expand_as(mine)
        torch.testing.assert_close(mine[real], hub[real], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(fast[mask], expected.last_hidden_state[mask], atol=1e-4, rtol=1e-4)


def test_what_stands_in_the_padding_changes_nothing(batch):
    student = make_student("2x128", 24, 0).eval()
    input_ids, mask = batch
    other = torch.where(mask, input_ids, torch.randint(1, 30_000, input_ids.shape))
    wider = torch.nn.functional.pad(input_ids, (0, 9)), torch.nn.functional.pad(mask, (0, 9))
    expected = student(input_ids, mask)
    torch.testing.assert_close(student(other, mask), expected)
    torch.testing.assert_close(student(*wider), expected)
    torch.testing.assert_close(student(input_ids, mask.long()), expected)
    torch.testing.assert_close(student(other, mask, levels=True).logits, expected)


def test_attention_by_hand():
    query, key, value = torch.randn(3, 2, 4, 5, 8)
    mask = torch.tensor([[True] * 5, [True, True, False, True, False]])
    gathered, weights = attention(query, key, value, mask)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 4, 5))
    assert (weights[1, :, :, ~mask[1]] == 0).all()
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask[:, None, None, :])
    torch.testing.assert_close(gathered, expected)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_pooling(pooling, batch):
    student = tiny_student(vocab=30_000, pooling=pooling).eval()
    levels = student(*batch, levels=True)
    last, mask = levels.hidden_states[-1], batch[1]
    rows = [h[m].mean(dim=0) if pooling == "mean" else h[0] for h, m in zip(last, mask, strict=True)]
    torch.testing.assert_close(levels.logits, student.head(torch.stack(rows)))


def test_a_base_that_does_not_fit_is_refused(tmp_path, base):
    config = json.loads((base / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    with pytest.raises(ValueError, match="relu"):
        SmallBertConfig.from_folder(tmp_path)
    with pytest.raises(
        ValueError, match=r"word_embeddings.weight is \(30522, 384\), and this model needs \(30522, 128\)"
    ):
        make_student("2x128", 24, 0).load_bert_weights(base)
    with pytest.raises(ValueError, match=r"encoder\.layer\.6.*missing"):
        build_empty(SmallBertConfig.from_folder(base, layers=7)).load_bert_weights(base)
    with pytest.raises(ValueError, match="heads"):
        SmallBertConfig(layers=1, width=10, heads=3, inner=8)
    with pytest.raises(ValueError, match="pooling"):
        SmallBertConfig(layers=1, width=8, heads=2, inner=8, pooling="max")


def test_students_are_named_by_size_and_drawn_from_a_seed():
    assert SIZES["2x128"].heads == 2 and SIZES["4x256"].inner == 1024
    before = torch.get_rng_state()
    one, same, other = (make_student("2x128", 24, seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.words.weight, other.words.weight)
    assert sum(p.numel() for p in one.parameters()) == pytest.approx(4.4e6, rel=0.01)
    assert one.words.weight.std().item() == pytest.approx(0.02, rel=0.01)
    assert not one.head.bias.any() and (one.layers[0].norm.weight == 1).all()
    with pytest.raises(ValueError, match="no size '3x7'"):
        make_student("3x7", 24, 0)


def test_heads_are_split_and_merged():
    x = torch.arange(2 * 3 * 8.0).reshape(2, 3, 8)
    heads = split_heads(x, 4)
    assert heads.shape == (2, 4, 3, 2)
    assert torch.equal(heads[1, 2, 0], x[1, 0, 4:6])  # the third head of the second text's first token
    assert torch.equal(merge_heads(heads), x)


def test_a_layer_adds_before_it_normalises(batch):
    """At dropout 1 nothing is left of attention and feed-forward block but the sums around them."""
    layer = tiny_student(dropout=1.0).layers[0]
    torch.nn.init.normal_(layer.norm.weight)
    x, mask = torch.randn(2, 5, 16), torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(layer(x, mask, True)[0], layer.norm(layer.attended_norm(x)))
    layer.eval()
    kept, weights = encoder_layer(layer, x, mask)
    quick, none = encoder_layer(layer, x, mask, quick_attention)
    torch.testing.assert_close(kept, quick)
    assert none is None and weights.shape == (2, 2, 5, 5)


def test_the_mean_is_over_real_tokens_only():
    x = torch.randn(2, 4, 3)
    mask = torch.tensor([[True, True, False, False], [True, False, True, True]])
    expected = torch.stack([rows[real].mean(dim=0) for rows, real in zip(x, mask, strict=True)])
    torch.testing.assert_close(mean_pooling(x, mask), expected)


def test_the_last_layer_spares_what_cls_pooling_does_not_read():
    torch.manual_seed(0)
    config = SmallBertConfig(
        layers=2, width=16, heads=2, inner=32, vocab_size=50, classes=5, pooling="cls", dropout=0.0
    )
    model, ids = SmallBert(config), torch.randint(50, (3, 7))
    mask = torch.arange(7) < torch.tensor([[7], [4], [1]])
    for mode in (True, False):
        model.train(mode)
        spared, whole = model(ids, mask), model(ids, mask, levels=True).logits
        assert torch.allclose(spared, whole, atol=1e-6)
    states = []
    model.layers[-1].register_forward_hook(lambda layer, given, result: states.append(result[0].shape))
    model(ids, mask)
    assert states == [(3, 1, 16)]
