"""Out of torch: the exported model says what the student says; a trimmed vocabulary cuts known texts as before."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from toys import tiny_student

from softlabels.distill import export, vocabulary

LETTERS = "abcdefgh"
TEXTS = ["abba cab", "dad", "a bad cafe", "hedge bag abba", ""]


def make_tokenizer(post="template"):
    words = ["abba", "cab", "dad", "bad", "cafe", "hedge", "bag", "ab", "##ba", "##ab", "ca", "##fe", "he", "##dge"]
    pieces = ["unused", "[PAD]", "[UNK]", "[CLS]", *words, *LETTERS, *(f"##{c}" for c in LETTERS), "[SEP]"]
    ids = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    ends = ("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"])
    if post == "bert":
        tokenizer.post_processor = processors.BertProcessing(*ends)
    else:
        tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=list(ends))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module", params=["mean", "cls"])
def student(request, tokenizer):
    student = tiny_student(vocab=tokenizer.get_vocab_size(), layers=2, pooling=request.param)
    for parameter in student.parameters():
        parameter.data.mul_(3)  # away from logits that are all nearly 0
    return student.eval()


@pytest.fixture(scope="module")
def folder(student, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export.export_folder(vocabulary.trim_student(student, None, 12), tokenizer, ["x", "y", "z"], folder, int8=False)
    return folder


def logits(student, tokenizer, text):
    ids = torch.tensor([tokenizer.encode(text).ids])
    with torch.no_grad():
        return student(ids, torch.ones_like(ids))


def test_onnx_says_what_torch_says(student, folder, tokenizer):
    classifier = export.open_folder(folder)
    assert export.largest_difference(student, classifier, TEXTS) < 1e-4
    together, alone = classifier.logits(TEXTS), export.exported_logits(classifier, TEXTS)
    assert np.abs(together - alone.numpy()).max() < 1e-5  # padding changes nothing
    assert np.abs(together[1] - together[2]).max() > 1e-3
    label, share = classifier("abba cab")
    best = logits(student, tokenizer, "abba cab").softmax(-1)[0]
    assert label == "xyz"[best.argmax()] and share == pytest.approx(best.max().item(), abs=1e-5)


def test_a_long_text_is_cut(folder):
    classifier = export.open_folder(folder)
    assert len(classifier.tokenizer.encode("abba " * 100).ids) == 12
    assert np.isfinite(classifier.logits(["abba " * 100])).all()


def test_int8_is_smaller_and_near(student, tokenizer, tmp_path):
    for kind in ("fp32", "int8"):
        export.export_folder(student, tokenizer, ["x", "y", "z"], tmp_path / kind, int8=kind == "int8")
    small, plain = (export.open_folder(tmp_path / kind) for kind in ("int8", "fp32"))
    a, b = export.exported_logits(small, TEXTS), export.exported_logits(plain, TEXTS)
    assert 0 < (a - b).abs().max() < 0.2 * b.abs().max()
    assert sorted(p.name for p in (tmp_path / "int8").iterdir()) == [
        "labels.json", "model.onnx", "predict.py", "tokenizer.json",
    ]  # fmt: skip


def test_int8_takes_a_quarter_of_a_large_table(tokenizer, tmp_path):
    student = tiny_student(vocab=20_000)
    for kind in ("fp32", "int8"):
        export.export_folder(student, tokenizer, ["x", "y", "z"], tmp_path / kind, int8=kind == "int8")
    fp32, int8 = ((tmp_path / kind / "model.onnx").stat().st_size for kind in ("fp32", "int8"))
    assert int8 < 0.35 * fp32
    assert fp32 < 1e6 * export.folder_megabytes(tmp_path / "fp32") < fp32 + 10_000


def test_predict_is_short_and_needs_three_packages():
    from softlabels.distill import exported_predict

    lines = open(exported_predict.__file__, encoding="utf-8").read().splitlines()
    assert len(lines) <= 40
    imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported == {"json", "sys", "pathlib", "numpy", "onnxruntime", "tokenizers"}


def test_latency_is_ordered(folder):
    measured = export.measure_latency(export.open_folder(folder), TEXTS, batch_size=2, repeats=20)
    assert 0 < measured.p50 <= measured.p95


@pytest.mark.parametrize("post", ["template", "bert"])
def test_texts_of_known_pieces_are_cut_as_before(post):
    tokenizer = make_tokenizer(post)
    seen = ["abba cafe", "hedge"]
    keep = vocabulary.pieces_to_keep(tokenizer, np.concatenate([tokenizer.encode(t).ids for t in seen]))
    trimmed = vocabulary.trim_tokenizer(tokenizer, keep)
    for text in seen:
        assert trimmed.encode(text).tokens == tokenizer.encode(text).tokens
        assert keep[trimmed.encode(text).ids].tolist() == tokenizer.encode(text).ids
    assert trimmed.encode("bag").tokens == ["[CLS]", "b", "##a", "##g", "[SEP]"]  # its piece is gone
    assert {"unused", "dad"}.isdisjoint(trimmed.get_vocab()) and trimmed.get_vocab_size() == len(keep)


@settings(max_examples=60)
@given(
    st.lists(st.text(alphabet=LETTERS + " ", max_size=12), min_size=1, max_size=5), st.text(alphabet=LETTERS + " é!")
)
def test_trimming_loses_nothing_that_was_known(seen, new):
    tokenizer = make_tokenizer()
    keep = vocabulary.pieces_to_keep(tokenizer, np.concatenate([tokenizer.encode(t).ids for t in seen]))
    trimmed = vocabulary.trim_tokenizer(tokenizer, keep)
    for text in seen:
        assert trimmed.encode(text).tokens == tokenizer.encode(text).tokens
    unknown = [t.encode(new).tokens.count("[UNK]") for t in (trimmed, tokenizer)]
    assert unknown[0] == unknown[1]


def test_a_trimmed_student_says_the_same(student, tokenizer):
    keep = vocabulary.pieces_to_keep(tokenizer, np.concatenate([tokenizer.encode(t).ids for t in TEXTS]))
    small, short = vocabulary.trim_student(student, keep, 12), vocabulary.trim_tokenizer(tokenizer, keep)
    for text in TEXTS:
        assert torch.allclose(logits(small, short, text), logits(student, tokenizer, text), atol=1e-6)
    assert small.config.max_length == 12 and small.config.vocab_size == len(keep) < student.config.vocab_size


def test_only_word_pieces_can_be_trimmed():
    with pytest.raises(ValueError, match="only a WordPiece vocabulary"):
        vocabulary.pieces_to_keep(Tokenizer(models.BPE()), np.array([0]))


def test_labels_of_any_script_survive(student, tokenizer, tmp_path):
    names = ["naïve", "日本", 'quo"te']
    export.export_folder(student, tokenizer, names, tmp_path, int8=False)
    assert json.loads((tmp_path / "labels.json").read_text(encoding="utf-8")) == names
    assert onnxruntime.InferenceSession(tmp_path / "model.onnx").get_outputs()[0].name == "logits"
