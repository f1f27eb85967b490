import itertools
import linecache

import pytest

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    """A work folder of the test's own: no test touches a learner's record."""
    folder = tmp_path / "work"
    monkeypatch.setenv("SOFTLABELS_WORK", str(folder))
    return folder


@pytest.fixture
def cell():
    """Run a source as a notebook's kernel does, with a file name of its own in linecache; returns what it defines."""

    def run(source: str, **names):
        filename = f"<ipython-input-{next(_numbers)}-test>"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        exec(compile(source, filename, "exec"), names)
        return names

    return run
