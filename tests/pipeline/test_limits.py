"""A budget is read kindly, and what is wrong with one is said."""

import pytest

from softlabels.pipeline import Limits, parse_limits


@pytest.mark.parametrize(
    "text, megabytes, milliseconds",
    [
        ("10MB,5ms", 10, 5),
        ("5ms, 10 MB", 10, 5),
        ("10 mb", 10, None),
        ("  0.5 s ", None, 500),
        ("1GB;2S", 1000, 2000),
        ("500kB and 250us", 0.5, 0.25),
        ("<10MB, <= 5 ms", 10, 5),
        ("1MiB", 1.048576, None),
        (".5MB", 0.5, None),
    ],
)
def test_budgets(text, megabytes, milliseconds):
    assert parse_limits(text) == Limits(pytest.approx(megabytes), pytest.approx(milliseconds))


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "empty"),
        (" , ", "empty"),
        ("10", "'10' has no unit"),
        ("1,5MB", "'1' has no unit"),
        ("10 elephants", "unit 'elephants' is not known"),
        ("MB", "no number with a unit"),
        ("-3MB", "no number with a unit"),
        ("10MB,20MB", "two sizes"),
        ("1s,5ms", "two times"),
        ("0MB", "leaves nothing"),
    ],
)
def test_what_is_wrong_with_a_budget_is_said(text, words):
    with pytest.raises(ValueError, match=words) as error:
        parse_limits(text)
    assert '--budget "10MB,5ms"' in str(error.value) or "leaves nothing" in str(error.value) or "two" in words


def test_what_fits():
    limits = Limits(10, 5)
    assert limits.excess(10, 5) == 1 and limits.excess(5, 10) == 2 and limits.excess(30, 1) == 3
    assert Limits(None, 5).excess(1e9, 1) == 0.2 and Limits().excess(1e9, 1e9) == 0
    assert str(limits) == "10 MB and 5 ms" and str(Limits(10)) == "10 MB"
