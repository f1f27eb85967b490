"""A trimmed vocabulary keeps what the texts need, and as much more as there is room for."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from softlabels.distill.vocabulary import pieces_to_keep, trim_tokenizer

WORDS = "dog cat bird ##s horse [unused1] fish wolf".split()
PIECES = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz"]
PIECES += [*(f"##{c}" for c in "abcdefghijklmnopqrtuvwxyz"), "##s", *(w for w in WORDS if w != "##s")]
ALWAYS = 4 + 26 + 26


@pytest.fixture
def tokenizer():
    vocabulary = {piece: i for i, piece in enumerate(PIECES)}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return made


def kept(tokenizer, text, most):
    ids = pieces_to_keep(tokenizer, np.array(tokenizer.encode(text).ids), most)
    assert ids.dtype == np.int64 and (np.diff(ids) > 0).all()
    return [PIECES[i] for i in ids][ALWAYS:], len(ids)


def test_without_a_number_the_pieces_of_the_texts_are_kept(tokenizer):
    assert kept(tokenizer, "wolf dog wolf", None)[0] == ["dog", "wolf"]


def test_the_commonest_come_first_and_then_the_tokenizers_own_order(tokenizer):
    text = "wolf fish wolf fish wolf horse"
    assert kept(tokenizer, text, ALWAYS + 1)[0] == ["wolf"]
    assert kept(tokenizer, text, ALWAYS + 2)[0] == ["fish", "wolf"]
    assert kept(tokenizer, text, ALWAYS + 3)[0] == ["horse", "fish", "wolf"]
    assert kept(tokenizer, text, ALWAYS + 5)[0] == ["dog", "cat", "horse", "fish", "wolf"]
    whole, count = kept(tokenizer, text, 10_000)
    assert whole == ["dog", "cat", "bird", "horse", "fish", "wolf"], "no text can hold an unused piece"
    assert count == ALWAYS + 6


def test_special_tokens_and_characters_are_kept_past_the_number(tokenizer):
    assert kept(tokenizer, "wolf dog", 0) == ([], ALWAYS)
    trimmed = trim_tokenizer(tokenizer, pieces_to_keep(tokenizer, np.array([0]), 0))
    assert trimmed.encode("wolf").tokens == ["[CLS]", "w", "##o", "##l", "##f", "[SEP]"]


def test_another_kind_of_vocabulary_is_refused():
    with pytest.raises(ValueError, match="only a WordPiece"):
        pieces_to_keep(Tokenizer(models.BPE()), np.array([0]))
