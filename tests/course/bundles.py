"""What a question shows without a kernel: on GitHub, on a static page, in a terminal."""


def assert_reads_well(bundle: dict, asked: list[str], answers: list[str]) -> None:
    """The question and its options stand in both forms of a widget's mime bundle; none of the answers does."""
    assert "application/vnd.jupyter.widget-view+json" in bundle
    for form in ("text/plain", "text/html"):
        for piece in asked:
            assert piece in bundle[form]
        for piece in answers:
            assert piece not in bundle[form]
    assert "Run this cell" in bundle["text/plain"]
