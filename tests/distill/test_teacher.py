import json
import os
import sys

import numpy as np
import pytest
import torch
from toys import ragged

from softlabels.distill import SmallBertConfig, TeacherMismatch, finetune_teacher, load_teacher, teacher_logits
from softlabels.distill.batching import pad
from softlabels.distill.bert import build_empty, hub_name

CLASSES = ("animal", "food", "person")


@pytest.fixture(scope="module")
def small_base(tmp_path_factory):
    """A base model in the hub's layout, small enough to fine-tune in a second."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("base")
    shape = SmallBertConfig(layers=2, width=32, heads=4, inner=64, vocab_size=300, max_length=64)
    model = build_empty(shape)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        parameter.data.normal_(std=0.1, generator=generator)
        if "norm.weight" in name:
            parameter.data += 1
    save_file({hub_name(n): p.data for n, p in model.named_parameters()}, folder / "model.safetensors")
    config = dict(
        model_type="bert",
        hidden_act="gelu",
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        vocab_size=300,
        max_position_embeddings=64,
        layer_norm_eps=1e-12,
        type_vocab_size=2,
    )
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def texts():
    tokens = ragged(np.random.default_rng(1).integers(3, 20, 120), vocab=300)
    return tokens, np.digitize(np.diff(tokens[1]), [8, 14])  # short, middling, long


def finetune(base, texts, **changes):
    recipe = dict(rank=4, alpha=8, learning_rate=2e-2, epochs=12, batch_size=16, pooling="cls", dropout=0.0)
    return finetune_teacher(base, *texts, CLASSES, **{**recipe, **changes}, precision="fp32", progress=False)


@pytest.fixture(scope="module")
def teacher(small_base, texts):
    return finetune(small_base, texts, validation=texts)


@pytest.fixture
def saved(teacher, tmp_path):
    teacher.save(tmp_path / "teacher")
    return tmp_path / "teacher"


def test_fine_tuning_learns_and_keeps_its_record(teacher):
    history = teacher.config["history"]
    assert [entry["update"] for entry in history] == list(range(8, 97, 8))
    assert history[-1]["accuracy"] > max(0.9, history[0]["accuracy"])
    assert teacher.config["examples"] == 120 and teacher.config["precision"] == "fp32"


def test_what_is_saved_is_what_is_loaded(small_base, teacher, saved, texts):
    again = load_teacher(small_base, saved)
    assert torch.equal(
        teacher_logits(again, texts[0], precision="fp32"), teacher_logits(teacher, texts[0], precision="fp32")
    )
    assert again.sha256 == teacher.sha256 == json.loads((saved / "teacher.json").read_text())["sha256"]
    assert again.classes == CLASSES and again.config == teacher.config
    assert not any(p.requires_grad for p in again.model.parameters())
    assert str(small_base) not in (saved / "teacher.json").read_text() + (saved / "adapter_config.json").read_text()


def test_the_merged_adapter_is_the_one_that_peft_reads(small_base, saved, texts):
    from peft import PeftModel
    from transformers import BertModel

    hub = BertModel.from_pretrained(small_base, add_pooling_layer=False)
    theirs = PeftModel.from_pretrained(hub, saved).eval()
    input_ids, mask = pad(texts[0], np.arange(9))
    with torch.no_grad():
        expected = theirs(input_ids=input_ids, attention_mask=mask.long()).last_hidden_state
        mine = load_teacher(small_base, saved).model(input_ids, mask, levels=True).hidden_states[-1]
    torch.testing.assert_close(mine[mask], expected[mask], atol=1e-4, rtol=1e-4)


def test_the_same_seed_gives_the_same_teacher(small_base, teacher, texts):
    before = torch.get_rng_state()
    assert finetune(small_base, texts, validation=texts).sha256 == teacher.sha256
    assert finetune(small_base, texts, seed=1, epochs=1).sha256 != finetune(small_base, texts, epochs=1).sha256
    assert torch.equal(before, torch.get_rng_state())


def test_logits_keep_the_order_of_the_texts_in_any_batch_size_and_precision(teacher, texts):
    expected = teacher_logits(teacher, texts[0], precision="fp32")
    assert expected.dtype == torch.float32 and expected.shape == (120, 3)
    torch.testing.assert_close(
        teacher_logits(teacher, texts[0], batch_size=7, precision="fp32"), expected, atol=1e-4, rtol=1e-4
    )
    rough = teacher_logits(teacher, texts[0], precision="bf16")
    assert rough.dtype == torch.float32
    assert (rough - expected).abs().max() < 0.15 * expected.abs().max()
    auto = teacher_logits(teacher, texts[0])
    assert any(torch.equal(auto, one) for one in (expected, rough))
    with pytest.raises(ValueError, match="precision must be"):
        teacher_logits(teacher, texts[0], precision="int8")


def test_texts_of_another_tokenizer_are_refused_before_the_teacher_runs(teacher):
    with pytest.raises(ValueError, match="token id 300 is outside the teacher's vocabulary of 300"):
        teacher_logits(teacher, (np.array([5, 300]), np.array([0, 2])))
    with pytest.raises(ValueError, match="a text has 65 tokens, and the teacher reads 64"):
        teacher_logits(teacher, (np.ones(65, dtype=np.int64), np.array([0, 65])))


def test_fine_tuning_asks_no_hub(small_base, texts, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_exists", lambda *_, **__: pytest.fail("the hub was asked"))
    monkeypatch.setattr("peft.utils.save_and_load.check_file_exists_on_hf_hub", lambda *_, **__: pytest.fail("asked"))
    finetune(small_base, texts, epochs=1)


def test_classify_new_texts(base, teacher):
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "cat": 5, "bread": 6, "nurse": 7}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    probs = teacher.classify(["cat cat", "bread", "nurse cat bread"], words)
    assert probs.shape == (3, 3)
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(3))
    torch.testing.assert_close(teacher.classify("bread", words), probs[1], atol=1e-2, rtol=1e-2)


def test_another_base_a_changed_adapter_and_no_teacher_are_refused(small_base, saved, tmp_path, teacher):
    with pytest.raises(FileNotFoundError, match="no teacher in"):
        load_teacher(small_base, tmp_path)

    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_bytes((small_base / "config.json").read_bytes())
    weights = bytearray((small_base / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    with pytest.raises(TeacherMismatch, match="stands on a base model with sha256"):
        load_teacher(other, saved)

    adapter = saved / "adapter_model.safetensors"
    adapter.write_bytes(adapter.read_bytes()[:-1])
    with pytest.raises(TeacherMismatch, match="changed since it was saved"):
        load_teacher(small_base, saved)


def test_inference_imports_neither_transformers_nor_peft(small_base, saved):
    import subprocess

    code = (
        "import sys; from softlabels.distill import load_teacher, teacher_logits; import numpy as np; "
        f"t = load_teacher({str(small_base)!r}, {str(saved)!r}); "
        "teacher_logits(t, (np.arange(1, 9), np.array([0, 5, 8])), precision='fp32'); "
        "assert not {'transformers', 'peft'} & set(sys.modules), 'slow imports'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
