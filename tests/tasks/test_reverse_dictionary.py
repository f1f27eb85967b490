"""The reverse dictionary: how candidates are drawn, on a small lexicon; the frozen task and its card."""

import numpy as np
import pytest
from test_wordnet import CARD, table

from softlabels import tasks
from softlabels.tasks import reverse_dictionary as rd
from softlabels.tasks import store

FINGERPRINT = "1ce2a630539f2b8dd12c0a8498873b8196af8a51a5e92ecf79dc436498336c72"


def synset(offset: int, words: list[str]) -> str:
    listed = " ".join(f"{word} 0" for word in words)
    return f"{offset:08d} 05 n {len(words):02x} {listed} 001 @ 00001740 n 0000 | a gloss | with a bar  "


def test_read_words_knows_that_their_number_is_hexadecimal(tmp_path):
    many = [f"word_{i}" for i in range(12)]
    (tmp_path / "data.noun1").write_text(
        "  1 a licence | here\n" + synset(10, ["central_bank", "CB"]), encoding="ascii"
    )
    (tmp_path / "data.noun2").write_text(synset(20, many) + "\n", encoding="ascii")
    assert rd.read_words(tmp_path) == {10: ["central bank", "CB"], 20: [w.replace("_", " ") for w in many]}


def test_a_word_is_the_right_one_on_one_side_only():
    targets = ["bank", "Bank", "hill", "tree", "bank", "tree", "hill", "pond"]
    splits = ["test", "validation", "validation", "test", "labelled", "test", "transfer", "transfer"]
    assert rd.share_out(targets, splits).tolist() == [True, False, True, True, False, True, False, True]


@pytest.fixture(scope="module")
def small():
    """60 synsets in one class; every fourth is held out; glosses 0 and 1 are alike, as are 4 and 5."""
    count = 60
    ids = list(range(100, 100 + count))
    own = ["".join(chr(97 + int(digit)) for digit in f"{i:02d}") for i in range(count)]
    texts = [f"gloss{x} of{x} some{x}" for x in own]
    texts[1], texts[5] = "glossaa ofaa another", "glossae ofae another"
    splits = ["test" if i % 4 == 0 else "labelled" for i in range(count)]
    words = [[f"Word{i}", f"word{(i + 7) % count}"] for i in range(count)]  # the second word is another one's first
    return ids, texts, [3] * count, splits, words


def test_candidates_are_different_and_hold_the_right_one(small):
    ids, _, _, splits, words = small
    table_, candidates, targets = rd.draw(*small)
    assert table_ == sorted({w[0] for w in words}, key=str.casefold) and candidates.dtype == np.int32
    for i in range(len(ids)):
        chosen = [table_[row] for row in candidates[i]]
        assert len(set(chosen)) == rd.CANDIDATES and chosen == sorted(chosen, key=str.casefold)
        assert chosen[targets[i]] == words[i][0]
        assert words[i][1].title() not in chosen, "another word of the same synset is right as well"
        if splits[i] == "labelled":
            assert not {words[j][0] for j in range(0, 60, 4)} & set(chosen), "held out words are not seen in training"
    assert 10 < len(set(targets.tolist())) <= 20


def test_the_gloss_most_alike_gives_a_wrong_word(small):
    table_, candidates, _ = rd.draw(*small)
    chosen = [{table_[row] for row in rows} for rows in candidates]
    assert "Word1" in chosen[0] and "Word5" in chosen[4]
    assert "Word0" not in chosen[1] and "Word4" not in chosen[5], "they are held out"


def test_the_draw_is_the_same_every_time(small):
    one, two = rd.draw(*small), rd.draw(*small)
    assert one[0] == two[0] and (one[1] == two[1]).all() and (one[2] == two[2]).all()


def test_too_few_words_are_named(small):
    with pytest.raises(ValueError, match=r"class 3 has too few words \(18\) for 20 candidates"):
        rd.draw(*(column[:24] for column in small))


# The frozen task


@pytest.fixture(scope="module")
def task():
    return tasks.load_ranking("reverse_dictionary")


def test_the_task_is_the_one_that_was_frozen(task):
    assert task.fingerprint == FINGERPRINT and task.domains == tasks.load("wordnet").classes
    sizes = {"test": 5_000, "validation": 2_875, "labelled": 18_887, "transfer": 50_336}
    assert {split: len(task.split(split)) for split in store.SPLITS} == sizes
    assert "67,125 words" in repr(task) and len(task.words) == len(task.word_tokens.lengths) == 67_125
    assert tasks.load_ranking().fingerprint == task.fingerprint


def test_queries_are_the_glosses_of_the_running_task(task):
    wordnet = tasks.load("wordnet")
    for split in store.SPLITS:
        queries, glosses = task.split(split), wordnet.split(split, show_labels=True)
        places = np.searchsorted(glosses.ids, queries.ids[:50])
        assert (glosses.ids[places] == queries.ids[:50]).all()
        assert list(glosses.take(places).texts) == list(queries.texts[:50])
        assert (glosses.labels[places] == queries.domains[:50]).all()
        assert queries.tokens.row(3).tolist() == glosses.tokens.row(places[3]).tolist()


def test_targets_are_hidden_in_the_transfer_set_alone(task):
    assert task.split("transfer").targets is None and "hidden" in repr(task.split("transfer"))
    assert len(task.split("transfer", show_targets=True).targets) == len(task.split("transfer"))
    assert all(task.split(split).targets is not None for split in ("test", "validation", "labelled"))
    with pytest.raises(store.UnknownSplit, match="no split 'train'"):
        task.split("train")
    with pytest.raises(tasks.UnknownTask, match=r"no ranking task 'wordnet'.*reverse_dictionary"):
        tasks.load_ranking("wordnet")


def test_held_out_words_are_never_seen_in_training(task):
    keys = np.array([word.casefold() for word in task.words])
    splits = {split: task.split(split, show_targets=True) for split in store.SPLITS}
    right = {s: set(keys[q.candidates[np.arange(len(q)), q.targets]].tolist()) for s, q in splits.items()}
    seen = set(keys[np.unique(np.concatenate([splits[s].candidates for s in ("labelled", "transfer")]))].tolist())
    assert not seen & (right["test"] | right["validation"]) and not right["test"] & right["validation"]
    for queries in splits.values():
        assert (np.diff(queries.candidates, axis=1) > 0).all(), "20 different words, in the table's order"


def test_a_words_pieces_are_the_models(task):
    tokenizer = tasks.tokenizer()
    for row in range(0, len(task.words), 7_000):
        assert task.word_tokens.row(row).tolist() == tokenizer.encode(task.words[row]).ids


def test_the_cards_counts_are_measured(task):
    expected = []
    wordnet = tasks.load("wordnet")
    for split in store.SPLITS:
        queries = task.split(split, show_targets=True)
        words = [task.words[row].casefold() for row in queries.candidates[np.arange(len(queries)), queries.targets]]
        given = sum(
            f" {w} " in f" {' '.join(t.casefold().split())} " for w, t in zip(words, queries.texts, strict=True)
        )
        left_out = len(wordnet.split(split)) - len(queries)
        expected.append([split, *(f"{n:,}" for n in (len(queries), left_out, len(set(words)), given))])
    assert table("### Splits of reverse_dictionary") == expected


def test_what_the_card_says_of_a_ranking_without_reading(task):
    queries = task.split("test")

    def parts(text):
        return {text[i : i + 4] for i in range(len(text) - 3)}

    ranks = []
    for row, text, target in zip(queries.candidates, queries.texts, queries.targets, strict=True):
        gloss = parts(text.casefold())
        words = [parts(task.words[c].casefold()) for c in row]
        scores = np.array([len(w & gloss) / (1 + len(w)) for w in words])
        ranks.append((scores >= scores[target]).sum())
    card = " ".join(CARD.split())
    assert f"a mean reciprocal rank of {np.mean(1 / np.array(ranks)):.2f}" in card
    assert f"by chance {np.mean(1 / np.arange(1, 21)):.2f}" in card
