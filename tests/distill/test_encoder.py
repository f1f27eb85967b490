"""The re-ranker's encoder: vectors, scores of candidates, and what it learns from."""

import math

import numpy as np
import pytest
import torch
from test_teacher import small_base  # noqa: F401  a fixture
from toys import ragged

from softlabels import distill
from softlabels.distill.encoder import SCALE, CandidateLoss, Encoder, candidate_scores, make_encoder
from softlabels.distill.training import Batch, HardLabelLoss, SoftLabelLoss

SHAPE = distill.SmallBertConfig(layers=1, width=16, heads=2, inner=32, max_length=32)


@pytest.fixture
def data():
    """60 queries and 40 words; a query belongs to the word of its first piece."""
    generator = np.random.default_rng(0)
    words = np.arange(10, 50)
    queries = [[2, words[i % 40], *generator.integers(60, 90, 1 + i % 5), 3] for i in range(60)]
    candidates = np.stack([np.sort(np.r_[i % 40, (i + 1 + generator.permutation(39)[:4]) % 40]) for i in range(60)])
    targets = np.array([int(np.flatnonzero(row == i % 40)[0]) for i, row in enumerate(candidates)])
    word_tokens = ragged_of([[2, w, 3] for w in words])
    return ragged_of(queries), word_tokens, candidates, targets


def ragged_of(rows):
    return np.concatenate([np.asarray(row) for row in rows]), np.cumsum([0, *map(len, rows)])


def test_vectors_have_length_one_and_padding_changes_nothing():
    encoder = make_encoder(SHAPE, 0, vocab_size=90).eval()
    ids = torch.tensor([[2, 11, 12, 3]])
    with torch.no_grad():
        alone = encoder(ids, torch.ones(1, 4, dtype=torch.bool))
        padded = torch.nn.functional.pad(ids, (0, 3), value=77)
        beside = encoder(padded, torch.arange(7)[None] < 4)
    assert alone.shape == (1, 16) and alone.norm().item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(alone, beside, atol=1e-5, rtol=1e-5)


def test_scores_against_a_plain_loop(data):
    tokens, word_tokens, candidates, _ = data
    encoder = make_encoder(SHAPE, 0, vocab_size=90).eval()
    scores = candidate_scores(encoder, tokens, word_tokens, candidates)
    assert scores.shape == (60, 5)

    def vector(tokens, row):
        ids = torch.as_tensor(tokens[0][tokens[1][row] : tokens[1][row + 1]])[None]
        with torch.no_grad():
            return encoder(ids, torch.ones_like(ids, dtype=torch.bool))[0]

    for query in (0, 17, 59):
        expected = [SCALE * (vector(tokens, query) @ vector(word_tokens, word)).item() for word in candidates[query]]
        assert scores[query].tolist() == pytest.approx(expected, abs=1e-4)


def test_the_loss_is_the_one_for_classes_over_the_candidates(data):
    tokens, word_tokens, candidates, targets = data
    encoder = make_encoder(SHAPE, 0, vocab_size=90).eval()
    rows, scores = np.array([5, 40, 8]), candidate_scores(encoder, tokens, word_tokens, candidates)
    queries = torch.stack([encoder(*distill.pad(tokens, np.array([row])))[0] for row in rows])
    teacher = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    batch = Batch(None, None, teacher, torch.as_tensor(targets[rows]), rows)
    for objective in (SoftLabelLoss(2.0, 0.7, 0.3), HardLabelLoss()):
        found = CandidateLoss(encoder, word_tokens, candidates, objective)(queries, batch)
        assert found.item() == pytest.approx(objective(scores[rows], batch).item(), abs=1e-4)
    assert found.requires_grad


def test_the_right_one_is_among_the_few_that_are_drawn(data):
    tokens, word_tokens, candidates, targets = data
    encoder = make_encoder(SHAPE, 0, vocab_size=90).eval()
    seen = []

    def look(scores, batch):
        seen.append((scores.detach(), batch.labels))
        return scores.sum()

    look.needs = ("labels",)
    loss = CandidateLoss(encoder, word_tokens, candidates, look, most=2)
    rows = np.arange(60)
    with torch.no_grad():
        queries = encoder(*distill.pad(tokens, rows))
        loss(queries, Batch(None, None, None, torch.as_tensor(targets), rows))
    scores, labels = seen[0]
    everything = candidate_scores(encoder, tokens, word_tokens, candidates)
    assert scores.shape == (60, 3) and (labels == 0).all()
    torch.testing.assert_close(scores[:, 0], everything[rows, targets], atol=1e-4, rtol=1e-4)
    others = (scores[:, 1:, None] - everything[:, None]).abs().amin(dim=-1)
    assert others.max() < 1e-3, "the others are candidates of the same query"
    with pytest.raises(ValueError, match="needs teacher_logits"):
        CandidateLoss(encoder, word_tokens, candidates, SoftLabelLoss())(
            queries, Batch(None, None, None, torch.as_tensor(targets), rows)
        )


def test_without_labels_the_teachers_favourite_is_drawn(data):
    tokens, word_tokens, candidates, _ = data
    encoder = make_encoder(SHAPE, 0, vocab_size=90).eval()
    seen = []

    def look(scores, batch):
        seen.append((scores.detach(), batch.teacher_logits))
        return scores.sum()

    look.needs = ("teacher_logits",)
    rows, teacher = np.arange(60), torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        queries = encoder(*distill.pad(tokens, rows))
        CandidateLoss(encoder, word_tokens, candidates, look, most=2)(queries, Batch(None, None, teacher, None, rows))
    scores, soft = seen[0]
    everything = candidate_scores(encoder, tokens, word_tokens, candidates)
    assert torch.equal(soft[:, 0], teacher.max(dim=1).values)
    columns = (soft[:, :, None] == teacher[:, None]).int().argmax(dim=-1)
    torch.testing.assert_close(scores, everything.gather(1, columns), atol=1e-4, rtol=1e-4)
    assert all(len(set(row)) == 3 for row in columns.tolist()), "each once"


def test_a_student_learns_from_right_words_and_from_scores(data):
    tokens, word_tokens, candidates, targets = data
    teacher = torch.full((60, 5), -4.0)
    teacher[np.arange(60), targets] = 4.0
    for known, objective in ((dict(labels=targets), HardLabelLoss()), (dict(teacher_logits=teacher), SoftLabelLoss())):
        encoder = make_encoder(SHAPE, 1, vocab_size=90)
        loss = CandidateLoss(encoder, word_tokens, candidates, objective)
        budget = distill.Budget(updates=60, batch_size=20, learning_rate=1e-2)
        distill.train(encoder, distill.TransferSet(tokens, **known), loss, budget, progress=False)
        scores = candidate_scores(encoder, tokens, word_tokens, candidates)
        found = distill.reciprocal_rank(scores, torch.as_tensor(targets))
        assert found > 0.9 and math.isfinite(found)


def test_a_teacher_that_ranks_is_saved_and_loaded(small_base, data, tmp_path):  # noqa: F811
    tokens, word_tokens, candidates, targets = data
    recipe = dict(most=3, rank=4, alpha=8, learning_rate=2e-2, epochs=8, batch_size=20, dropout=0.0)
    teacher = distill.finetune_ranker(
        small_base, tokens, word_tokens, candidates, targets, **recipe, precision="fp32", progress=False
    )
    teacher.save(tmp_path / "teacher")
    again = distill.load_teacher(small_base, tmp_path / "teacher")
    assert again.classes == () and again.model.head is None
    scores = [candidate_scores(Encoder(t.model), tokens, word_tokens, candidates) for t in (teacher, again)]
    assert torch.equal(*scores)
    assert distill.reciprocal_rank(scores[0], torch.as_tensor(targets)) > 0.8


def test_word_pieces_of_its_own(small_base, tmp_path):  # noqa: F811
    tokens = ragged(np.random.default_rng(1).integers(3, 20, 120), vocab=50)
    labels = np.digitize(np.diff(tokens[1]), [8, 14])
    words = torch.randn(50, 32, generator=torch.Generator().manual_seed(0)) * 0.1
    recipe = dict(rank=4, alpha=8, learning_rate=2e-2, epochs=12, batch_size=16, pooling="cls", dropout=0.0)
    classes = ("short", "middling", "long")
    teacher = distill.finetune_teacher(small_base, tokens, labels, classes, **recipe, words=words, progress=False)
    assert teacher.model.config.vocab_size == 50
    learned = teacher.model.words.weight
    assert learned.shape == (50, 32) and not torch.allclose(learned, words, atol=1e-3), "the table is trained"
    assert distill.accuracy(distill.teacher_logits(teacher, tokens), labels) > 0.9
    teacher.save(tmp_path / "teacher")
    again = distill.load_teacher(small_base, tmp_path / "teacher")
    assert torch.equal(again.model.words.weight, learned)
    assert teacher.adapter[distill.teacher.WORDS].dtype == torch.int8, "a table of pieces is most of such a file"
    assert torch.equal(distill.teacher_logits(again, tokens), distill.teacher_logits(teacher, tokens))
    with pytest.raises(ValueError, match="outside the teacher's vocabulary of 50"):
        distill.teacher_logits(again, (np.array([2, 60, 3]), np.array([0, 3])))


def test_pieces_that_both_vocabularies_know_keep_their_vectors(small_base):  # noqa: F811
    from tokenizers import Tokenizer, models

    base = Tokenizer(models.WordPiece({f"p{i}": i for i in range(300)}, unk_token="p0"))
    new = Tokenizer(models.WordPiece({"p7": 0, "x": 1, "p299": 2}, unk_token="x"))
    table = distill.teacher.first_word_table(small_base, base, new)
    known = distill.bert.build_empty(distill.SmallBertConfig.from_folder(small_base)).load_bert_weights(small_base)
    assert torch.equal(table[[0, 2]], known.words.weight[[7, 299]].detach()) and table[1].abs().sum() > 0
    again = distill.teacher.first_word_table(small_base, base, new)
    assert torch.equal(table, again)
