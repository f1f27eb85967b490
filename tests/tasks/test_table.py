"""A learner's table: what is read, what is refused and in which words, how it is shared out."""

import os
import subprocess
import sys

import numpy as np
import pytest

from softlabels.tasks import table as module
from softlabels.tasks.table import SPLITS, TEST, TRAIN, TRANSFER, VALIDATION, Source, TableError, read_table, text_id


def write(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "my_data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return Source(path)


def many(classes, each, header="text,label"):
    return header + "\n" + "".join(f"text {i} of {c},{c}\n" for c in classes for i in range(each))


@pytest.fixture
def usual(tmp_path):
    return write(tmp_path, many("abc", 40) + "no label here,\nnor here\n")


def test_a_table_is_read(usual):
    table = read_table(usual)
    assert table.classes == ("a", "b", "c") and len(table) == 122
    assert list(table.texts())[:2] == ["text 0 of a", "text 1 of a"]
    assert (table.labels[-2:] == -1).all() and (table.split[-2:] == TRANSFER).all()
    assert table.counts().tolist() == [[28, 6, 6]] * 3
    assert table.findings == ("Only 18 texts to test with: every figure is rough.",)


def test_splits_do_not_depend_on_the_order_of_the_rows(tmp_path, usual):
    lines = usual.path.read_text().splitlines()
    before = read_table(usual)
    usual.path.write_text("\n".join([lines[0], *lines[:0:-1]]))
    after = read_table(usual)
    where = dict(zip(before.ids, before.split, strict=True))
    assert where == dict(zip(after.ids, after.split, strict=True))


@pytest.mark.parametrize(
    "head, delimiter", [("text,label", ","), ("text;label", ";"), ("text\tlabel", "\t"), ("label,text,more", ",")]
)
def test_columns_and_delimiters(tmp_path, head, delimiter):
    names = head.split(delimiter)
    lines = [head]
    for i in range(40):
        values = {"text": f'"cats{delimiter} dogs {i}"', "label": f"c{i % 2}", "more": "x"}
        lines.append(delimiter.join(values[name] for name in names))
    table = read_table(write(tmp_path, "\n".join(lines)))
    assert next(iter(table.texts())) == f"cats{delimiter} dogs 0" and table.classes == ("c0", "c1")


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_a_name(tmp_path):
    table = read_table(write(tmp_path, b"\xef\xbb\xbf" + many("ab", 20).replace("\n", "\r\n").encode()))
    assert table.classes == ("a", "b")


def test_a_text_over_several_lines(tmp_path):
    table = read_table(write(tmp_path, many("ab", 20) + '"one\ntwo ""three""",a\n'))
    assert list(table.texts())[-1] == 'one\ntwo "three"'


def test_another_encoding_is_named_with_line_and_suggestion(tmp_path):
    source = write(tmp_path, many("ab", 20) + "un café,a\n", "cp1252")
    with pytest.raises(TableError, match=r"line 42, is not utf-8.*'un café,a', say --encoding cp1252"):
        read_table(source)
    assert list(read_table(Source(source.path, encoding="cp1252")).texts())[-1] == "un café"
    utf16 = write(tmp_path, many("ab", 20), "utf-16")
    with pytest.raises(TableError, match="--encoding utf-16"):
        read_table(utf16)
    assert len(read_table(Source(utf16.path, encoding="utf-16"))) == 40
    with pytest.raises(TableError, match="no encoding is called 'klingon'"):
        read_table(Source(utf16.path, encoding="klingon"))


@pytest.mark.parametrize(
    "content, words",
    [
        ("", "is empty: its first line must name the columns"),
        ("sentence,label\nx,a\n", r"no column 'text'.*names: 'sentence', 'label'.*--text NAME"),
        ("text,text,label\nx,y,a\n", "2 columns called 'text'"),
        ("text,label\n", "no row with a text"),
        ("text,label\n ,a\n,b\n", "no row with a text"),
        ("text\nx\ny\n", r"no labels .*\(column 'label' is empty or absent\)"),
        ("text,label\nx,\ny,\n", r"no labels .*--label NAME"),
        (many("a", 30), "every label is 'a'"),
        (many("ab", 3), "No class has more than three labelled texts"),
        ("text,label\n" + "".join(f"t{i},{i}\n" for i in range(30)), "30 different labels for 30 labelled texts"),
        (many("ab", 20) + "one, two, three,a\n", r"line 42: 4 fields.*2.*quotation marks"),
        ("text,label\nx,a\nx,b\n", "no labels .*has several"),
    ],
)
def test_what_cannot_be_used_is_refused_in_clear_words(tmp_path, content, words):
    with pytest.raises(TableError, match=words):
        read_table(write(tmp_path, content))


def test_a_missing_file_and_an_open_quotation_mark(tmp_path):
    with pytest.raises(TableError, match="cannot be read: No such file"):
        read_table(Source(tmp_path / "none.csv"))
    source = write(tmp_path, 'text,label\nx,a\n"open,b\n' + "padding,c\n" * (module.LONGEST // 8))
    with pytest.raises(TableError, match="quotation mark that is never closed"):
        read_table(source)


def test_a_label_column_that_was_asked_for_must_be_there(usual):
    with pytest.raises(TableError, match=r"no column 'kind'.*--label NAME"):
        read_table(Source(usual.path, label="kind"))


def test_empty_rows_duplicates_and_contradictions_are_counted_and_said(tmp_path):
    extra = ",a\nTEXT 0  of a,a\ntext 0 of b,c\ntext 0 of c,\n"
    table = read_table(write(tmp_path, many("abc", 40) + extra))
    said = " ".join(table.findings)
    assert "1 row without a text left out (lines 122)" in said
    assert "3 rows with a text that was there before" in said
    assert "1 text with different labels" in said
    assert len(table) == 120
    by_id = dict(zip(table.ids, zip(table.labels, table.split, strict=True), strict=True))
    assert by_id[text_id("text 0 of b")] == (-1, TRANSFER)
    assert by_id[text_id("text 0 of c")][0] == 2  # labelled once, unlabelled once


def test_no_text_stands_in_two_splits(tmp_path):
    """Every text twice, spelled differently: whichever split it falls into, its double goes with it."""
    doubled = many("abc", 40) + many("abc", 40, header="")[1:].upper().replace(",A", ",a")
    doubled = doubled.replace(",B\n", ",b\n").replace(",C\n", ",c\n")
    table = read_table(write(tmp_path, doubled))
    plain = [" ".join(text.casefold().split()) for text in table.texts()]
    assert len(set(plain)) == len(plain) == 120


def test_small_classes_are_learned_from_and_named(tmp_path):
    table = read_table(write(tmp_path, many("ab", 40) + many("c", 1, "")[1:] + many("d", 2, "")[1:]))
    assert table.counts()[2:].tolist() == [[1, 0, 0], [2, 0, 0]]
    assert any("2 classes with too few labelled texts to test: c (1), d (2)" in line for line in table.findings)


def test_labels_that_differ_in_case_are_pointed_out(tmp_path):
    table = read_table(write(tmp_path, many(["food", "tool"], 20) + "".join(f"soup {i},Food\n" for i in range(20))))
    assert len(table.classes) == 3 and any("letter case only" in line for line in table.findings)


def test_a_thousand_classes(tmp_path):
    table = read_table(write(tmp_path, many([f"class {i}" for i in range(1000)], 8)))
    assert len(table.classes) == 1000 and table.counts().tolist() == [[6, 1, 1]] * 1000
    assert any("1,000 classes with 8.0 labelled texts" in line for line in table.findings)


def test_validation_and_test_stay_small_however_many_texts_there_are():
    ids = np.arange(200_000)
    split = module.split_by_hash(ids, ids % 4, module.held_back(len(ids)))
    counts = dict(zip(SPLITS, np.bincount(split), strict=False))
    assert counts["validation"] == counts["test"] == module.MOST
    assert split[0] == TEST and split[-1] == TRAIN and (split == VALIDATION).any()


def test_a_large_table_is_streamed(tmp_path):
    """30,000 rows of 2,000 characters, 60 MB: reading them takes a few MB more than a small table does."""
    path, filler = tmp_path / "large.csv", "word " * 398
    with open(path, "w") as file:
        file.write("text,label\n")
        file.writelines(f"{i} {filler},{i % 5}\n" for i in range(30_000))
    code = f"""
import resource
from pathlib import Path
from softlabels.tasks.table import Source, read_table
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
table = read_table(Source(Path({str(path)!r})))
print(len(table), sum(1 for _ in table.texts()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    if sys.platform == "win32":
        pytest.skip("Windows has no resource module to ask for a process's peak memory")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    read, again, kilobytes = map(int, done.stdout.split())
    assert read == again == 30_000
    assert kilobytes * (1 if sys.platform == "linux" else 1 / 1024) < 30_000
