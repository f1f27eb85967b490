"""A base model and a table small enough to distil in a second."""

import json
import random

import pytest
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from softlabels.distill import SmallBertConfig
from softlabels.distill.bert import build_empty, hub_name

WORDS = {
    "animal": "dog cat horse bird fish mouse wolf bear".split(),
    "food": "bread cheese apple soup rice cake salt honey".split(),
    "tool": "hammer saw nail drill rope axe knife file".split(),
}
FILLERS = "a the some old small with near which is of".split()


@pytest.fixture(scope="session")
def small_base(tmp_path_factory):
    """A BERT of 3 layers in the hub's layout, with a word piece tokenizer."""
    import torch

    folder = tmp_path_factory.mktemp("base")
    words = [w for group in WORDS.values() for w in group] + FILLERS + ["unused", "##ing", "never"]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,"
    pieces = ["[PAD]", "[UNK]", "never", "[CLS]", "[SEP]", *words[:-1], *letters, *(f"##{c}" for c in letters)]
    pieces = list(dict.fromkeys(pieces))  # "a" is a word and a letter
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.save(str(folder / "tokenizer.json"))

    shape = SmallBertConfig(layers=3, width=32, heads=4, inner=64, vocab_size=len(pieces), max_length=64)
    model, generator = build_empty(shape), torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        parameter.data.normal_(std=0.1, generator=generator)
        if "norm.weight" in name:
            parameter.data += 1
    save_file({hub_name(n): p.data for n, p in model.named_parameters()}, folder / "model.safetensors")
    config = dict(
        model_type="bert",
        hidden_act="gelu",
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        vocab_size=len(pieces),
        max_position_embeddings=64,
        layer_norm_eps=1e-12,
        type_vocab_size=2,
    )
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_csv(path, rows=300, seed=0, labelled=0.8, header="text,label"):
    """Write a table of made-up texts, a share of them labelled."""
    rng, lines, seen = random.Random(seed), [header], set()
    while len(lines) <= rows:
        label = rng.choice(list(WORDS))
        text = " ".join([*rng.choices(FILLERS, k=rng.randint(1, 6)), *rng.sample(WORDS[label], 2)])
        if text not in seen:
            seen.add(text)
            lines.append(f"{text},{label if rng.random() < labelled else ''}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path):
    return write_csv(tmp_path / "my_data.csv")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
