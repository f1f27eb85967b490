"""The reverse dictionary: how candidates are drawn, on a small lexicon; the frozen task and its card."""

import numpy as np
import pytest
from test_wordnet import CARD, table

from softlabels import tasks
from softlabels.tasks import carriers, store
from softlabels.tasks import reverse_dictionary as rd

FINGERPRINT = "eb46ce988ae4cbfed6d477b7a5eb7996659dc87a557c1b3d2ccc921799948143"


def synset(offset: int, words: list[str], pointers: str = "000") -> str:
    listed = " ".join(f"{word} 0" for word in words)
    return f"{offset:08d} 05 n {len(words):02x} {listed} {pointers} | a gloss | with a bar  "


def test_read_words_gathers_what_fits_as_well(tmp_path):
    up, down = "@ 00000010 n 0000", "~ 00000020 n 0000"
    other = "#p 00000010 n 0000 ~i 00000030 n 0000 + 00000010 v 0101 ~ 00000010 v 0000"
    first = [synset(10, ["central_bank", "CB"], f"002 {down} ! 00000030 n 0101"), synset(20, ["Fed"], f"001 {up}")]
    first[0] = first[0].replace(" | ", " | @ 00000040 n 0000 ", 1)  # a gloss that reads like a pointer
    many = [f"word_{i}" for i in range(12)]  # their number is hexadecimal
    second = [synset(30, many, "001 @i 00000040 n 0000"), synset(40, ["hill"], f"004 {other}")]
    (tmp_path / "data.noun1").write_text("  1 a licence | here\n" + "\n".join(first), encoding="ascii")
    (tmp_path / "data.noun2").write_text("\n".join(second) + "\n", encoding="ascii")
    right, fitting = rd.read_words(tmp_path)
    assert right == {10: "central bank", 20: "Fed", 30: "word 0", 40: "hill"}
    banks, hills = {"central bank", "cb", "fed"}, {f"word {i}" for i in range(12)} | {"hill"}
    assert fitting == {10: banks, 20: banks, 30: hills, 40: hills}


def test_a_word_is_the_right_one_on_one_side_only():
    targets = ["bank", "Bank", "hill", "tree", "bank", "tree", "hill", "pond"]
    splits = ["test", "validation", "validation", "test", "labelled", "test", "transfer", "transfer"]
    assert rd.share_out(targets, splits).tolist() == [True, False, True, True, False, True, False, True]


@pytest.fixture(scope="module")
def small():
    """60 synsets in one class; every fourth is held out; some are alike: 0 and 1, 2 and 3, 5 and 6."""
    count = 60
    ids = list(range(100, 100 + count))
    own = ["".join(chr(97 + int(digit)) for digit in f"{i:02d}") for i in range(count)]
    texts = [f"gloss{x} of{x} some{x}" for x in own]
    texts[1], texts[3], texts[6] = "glossaa ofaa another", "glossac ofac another", "glossaf ofaf another"
    splits = ["test" if i % 4 == 0 else "labelled" for i in range(count)]
    words = [f"Word{i}" for i in range(count)]
    fitting = [{f"word{i}", f"word{(i + 7) % count}"} for i in range(count)]  # another one's word fits as well
    return ids, texts, [3] * count, splits, words, fitting


def test_candidates_are_different_and_hold_the_right_one(small):
    ids, _, _, splits, words, fitting = small
    table_, candidates, targets = rd.draw(*small)
    assert table_ == sorted(words, key=str.casefold) and candidates.dtype == np.int32
    held_out = set(words[::4])
    for i in range(len(ids)):
        chosen = [table_[row] for row in candidates[i]]
        assert len(set(chosen)) == rd.CANDIDATES and chosen == sorted(chosen, key=str.casefold)
        assert chosen[targets[i]] == words[i]
        assert {word.casefold() for word in chosen} & fitting[i] == {words[i].casefold()}, "the others fit as well"
        if splits[i] == "labelled":
            assert not held_out & set(chosen), "held out words are not seen in training"
        else:  # all those held out, and as they are 15, some others
            assert {w for w in held_out if w.casefold() not in fitting[i] - {words[i].casefold()}} < set(chosen)
    assert 10 < len(set(targets.tolist())) <= 20


def test_the_gloss_most_alike_gives_a_wrong_word(small):
    table_, candidates, _ = rd.draw(*small)
    chosen = [{table_[row] for row in rows} for rows in candidates]
    assert all(f"Word{b}" in chosen[a] for a, b in [(2, 3), (3, 2), (5, 6), (6, 5)])
    assert "Word0" not in chosen[1], "it is held out"


def test_the_draw_is_the_same_every_time(small):
    one, two = rd.draw(*small), rd.draw(*small)
    assert one[0] == two[0] and (one[1] == two[1]).all() and (one[2] == two[2]).all()


def test_too_few_words_are_named(small):
    with pytest.raises(ValueError, match=r"class 3 has too few words: 18 of 20 for query 101"):
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


def test_being_new_does_not_give_a_word_away(task):
    """The rule "a word never seen in training, whatever the definition" ranks no better than chance."""
    seen = [task.split(split, show_targets=True).candidates for split in ("labelled", "transfer")]
    keys = np.array([word.casefold() for word in task.words])
    new = ~np.isin(keys, keys[np.unique(np.concatenate(seen))])
    for split in rd.HELD_OUT:
        queries = task.split(split)
        is_new = new[queries.candidates]
        assert is_new[np.arange(len(queries)), queries.targets].all()
        number = is_new.sum(axis=1)  # the right one is anywhere among them
        reciprocal = np.array([np.mean(1 / np.arange(1, n + 1)) for n in number])
        assert reciprocal.mean() < 0.25
        assert (number == rd.CANDIDATES).all(), "the card says: all 20"


def test_no_wrong_word_is_of_the_synset_or_of_its_kin(task):
    _, fitting = rd.read_words(carriers.carrier_path("wordnet"))
    keys = [word.casefold() for word in task.words]
    for split in store.SPLITS:
        queries = task.split(split, show_targets=True)
        rows = zip(queries.ids.tolist(), queries.candidates.tolist(), queries.targets.tolist(), strict=True)
        for id_, row, target in rows:
            assert {keys[c] for c in row} & fitting[id_] == {keys[row[target]]}, (split, id_)


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
    def parts(text):
        return {text[i : i + 4] for i in range(len(text) - 3)}

    def letters(split):
        ranks, queries = [], task.split(split)
        for row, text, target in zip(queries.candidates, queries.texts, queries.targets, strict=True):
            gloss = parts(text.casefold())
            words = [parts(task.words[c].casefold()) for c in row]
            scores = np.array([len(w & gloss) / (1 + len(w)) for w in words])
            ranks.append((scores >= scores[target]).sum())
        return f"{np.mean(1 / np.array(ranks)):.2f}"

    card = " ".join(CARD.split())
    chance = f"{np.mean(1 / np.arange(1, rd.CANDIDATES + 1)):.2f}"
    assert f"a mean reciprocal rank of {letters('test')} on the test set (by chance {chance})" in card
    assert f"on the labelled set {letters('labelled')}" in card


def test_the_cards_example_and_small_domains(task):
    queries = task.split("test")
    card = " ".join(CARD.split())
    i = list(queries.texts).index("capital of the state of Vermont; located in north central Vermont")
    words = [task.words[c] for c in queries.candidates[i]]
    words[queries.targets[i]] = f"**{words[queries.targets[i]]}**"
    assert f"*{queries.texts[i]}*: {', '.join(words)}" in card.replace("> ", "")
    sizes = sorted(zip(np.bincount(queries.domains).tolist(), task.domains, strict=True))
    assert f"({', '.join(f'{domain} {size}' for size, domain in sizes[:3])})" in card
