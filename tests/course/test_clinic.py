"""The case clinic: its content, what it says of a choice, its widgets and its pages."""

import re

import clinic_samples
import numpy as np
import pytest
from bundles import assert_reads_well
from typer.testing import CliRunner

from softlabels import cli
from softlabels.course import case, cases, clinic_data, clinic_words, content, memo, progress, record, review
from softlabels.course.content import ContentError
from softlabels.course.handout import handout
from softlabels.distill import ShippingBudget
from softlabels.tasks import home
from softlabels.tasks.errors import NotFetched

# --- the shipped cases ------------------------------------------------------------------------------------------------

ORDER = ["mail", "triage", "mobile", "router", "reranker", "clauses", "design", "summariser"]
DECISIONS = [key for key in ORDER if key != "design"]
MEASURED = home.results("clinic-speed").is_file()  # from then on, what is missing is an error


def measured(key: str) -> bool:
    sources = [source for o in cases.case(key).options for source in (o.results, o.speed) if source]
    return MEASURED or not any(source[0].startswith("clinic-") for source in sources)


def with_results(key: str) -> None:
    if not measured(key):
        pytest.skip(f"the options of {key} are not measured yet: softlabels run clinic-{key}, then clinic-speed")


def test_there_are_eight_cases_in_order():
    assert cases.keys() == ORDER and cases.keys("11") == []
    assert [cases.case(key).number for key in ORDER] == list(range(1, 9))
    assert [key for key in ORDER if cases.case(key).document] == ["design"]


@pytest.mark.parametrize("key", ORDER)
def test_a_case_has_all_that_a_workshop_needs(key):
    asked = cases.case(key)
    assert 100 <= len(asked.letter.split()) <= 200 and 2 <= len(asked.questions) <= 5
    assert 120 <= len(asked.notes.split()) <= 300 and "minutes" in asked.notes
    assert len(asked.options) >= 3 or asked.document
    rubric = content.entry("reflect", f"12.{key}")["rubric"]
    assert 4 <= len(rubric) <= 8


def test_exactly_five_paragraphs_have_a_planted_mistake():
    document = cases.case("design").document
    assert len(document) in (11, 12) and sum(bool(paragraph.mistake) for paragraph in document) == 5
    for paragraph in document:
        assert paragraph.feedback.lower().startswith("nothing wrong here") == (not paragraph.mistake), paragraph.text


@pytest.mark.parametrize("key", DECISIONS)
def test_every_option_is_found_in_the_results(key):
    with_results(key)
    asked, found = cases.case(key), clinic_data.options(key)
    assert list(found.index) == [option.name for option in asked.options]
    limits = [name for name in clinic_words.limits(asked.budget)]
    for column in (asked.measure, *limits):
        assert found[clinic_data.decisive(column)].notna().any(), f"{column} was measured of no option"
    assert set(found["seeds"]) <= {1.0, 5.0}


@pytest.mark.parametrize("key", DECISIONS)
def test_what_the_memo_ships_keeps_the_budget_and_no_other_is_known_to_be_better(key):
    """Or the rubric names the one that is better, and says why it is not shipped."""
    with_results(key)
    asked = cases.case(key)
    correct, head, sentences = clinic_words.feedback(key, asked.recommended)
    if asked.recommended != cases.NONE and not correct:
        assert not clinic_data.broken(key, asked.recommended), sentences
        rubric = " ".join(content.entry("reflect", f"12.{key}")["rubric"])
        assert clinic_data.better(key, asked.recommended) in rubric, (head, sentences)
    else:
        assert correct, (head, sentences)


@pytest.mark.parametrize("key", DECISIONS)
def test_a_model_memo_types_no_figure_of_the_results(key):
    with_results(key)
    model = content.entry("reflect", f"12.{key}")["model"]
    assert not re.search(r"[{}]", clinic_words.fill(model, key))
    typed = re.sub(r"\{[^{}]*\}", "", model)
    assert not re.search(r"\d+\.\d+ ?%|\b0\.\d{3}\b", typed), "a figure of this precision comes from the results"


# --- a made-up clinic -------------------------------------------------------------------------------------------------


@pytest.fixture
def clinic(tmp_path, monkeypatch):
    """A folder with made-up content, and results beside it; returns a function that changes the content."""
    folder, results = tmp_path / "content", tmp_path / "results"
    folder.mkdir()
    results.mkdir()
    (folder / "lesson12.toml").write_text(clinic_samples.LESSON)
    (folder / "clinic.toml").write_text(clinic_samples.CLINIC)
    clinic_samples.write(results)
    monkeypatch.setattr(content, "FOLDER", folder)
    monkeypatch.setattr(home, "results", lambda name: results / f"{name}.csv")

    def change(old: str, new: str) -> None:
        text = clinic_samples.CLINIC
        assert old in text
        (folder / "clinic.toml").write_text(text.replace(old, new, 1))

    return change


def test_options_are_means_over_seeds_and_medians_over_rounds(clinic):
    found = clinic_data.options("mail")
    assert list(found.index) == ["hard", "soft, int8", "soft, 64 pieces", "weak, int8", "teacher"]
    row = found.loc["soft, int8"]
    assert row["accuracy"] == pytest.approx(0.70) and row["validation_accuracy"] == pytest.approx(0.71)
    assert row["accuracy_spread"] == pytest.approx(np.std([0.002 * i for i in range(-2, 3)], ddof=1))
    assert row["megabytes"] == 4.5 and row["p50_ms"] == pytest.approx(0.82) and row["seeds"] == 5
    teacher = found.loc["teacher"]
    assert teacher["seeds"] == 1 and np.isnan(teacher["accuracy_spread"]) and teacher["accuracy"] == 0.8


def test_what_was_not_measured_is_said_and_keeps_no_limit(clinic):
    found = clinic_data.options("reranker").loc["as it comes"]
    assert found["validation_mrr"] == 0.3 and found["mrr"] == 0.31  # one row a split in that file
    assert np.isnan(found["worst_group"]) and np.isnan(found["megabytes"])
    (said,) = clinic_data.broken("reranker", "as it comes")
    assert "worst_group was not measured" in said
    assert clinic_data.broken("reranker", "soft", ShippingBudget(mrr=0.7)) == []


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (
            '"clinic-mail", "hard labels", "fp32"',
            '"clinic-post", "hard labels", "fp32"',
            "clinic-post.csv is not there",
        ),
        ('"clinic-mail", "hard labels", "fp32"', '"clinic-mail", "hard", "fp32"', "no arm 'hard'"),
        ('"clinic-mail", "hard labels", "fp32"', '"clinic-mail", "hard labels", "int4"', "in no form 'int4'"),
        ('"as it comes", ""', '"as it comes", "int8"', "has no forms"),
    ],
)
def test_a_missing_result_is_named(clinic, old, new, named):
    clinic(old, new)
    key = "reranker" if "as it comes" in old else "mail"
    with pytest.raises(ContentError, match=named) as caught:
        clinic_data.options(key)
    assert f"clinic.toml: [{key}] option" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[mail]", "[mail", "not readable as TOML"),
        ('sender = "Head of a bank"\n', "", r"\[mail\] lacks 'sender'"),
        ('letter = "Nothing', 'lettre = "Nothing', r"\[mail\] lacks 'letter'"),
        ('measure = "accuracy"', 'measure = "speed"', "'measure' must be one of"),
        ('"fitted_ece", "mega', '"fited_ece", "mega', "did you mean 'fitted_ece'"),
        ("{megabytes = 5, accuracy", "{megabyte = 5, accuracy", "did you mean 'megabytes'"),
        ("accuracy = 0.5}", "accuracy = 50}", "for 83% write 0.83"),
        ("accuracy = 0.5}", 'accuracy = "0.5"}', "must be a number"),
        ("accuracy = 0.5}", "p95_ms = 3}", "'p95_ms' decides"),
        ('name = "soft, int8"', 'name = "hard"', "two of them are the same"),
        ('name = "soft, int8"', 'name = "none of these"', "two of them are the same"),
        ('remark = "remark of soft"', "", r"\[mail\] option 2 lacks 'remark'"),
        ('"clinic-mail", "hard labels", "fp32"', '"clinic-mail", "hard labels"', "option 1 'results'"),
        ('recommended = "soft, int8"', 'recommended = "soft"', "no option is called 'soft'"),
        ("number = 2", "number = 1", "the cases' numbers"),
        ('mistake = "chosen on test"', 'mistake = "no T squared"', "two of them are the same"),
        ('feedback = "feedback 2"', "", r"\[design\] paragraph 2 lacks 'feedback'"),
    ],
)
def test_a_broken_clinic_is_named_with_its_file_and_key(clinic, old, new, named):
    clinic(old, new)
    with pytest.raises(ContentError, match=named) as caught:
        cases.case("mail")
    assert "clinic.toml" in str(caught.value)


def test_lookups_help_with_misspelt_names(clinic):
    with pytest.raises(ContentError, match="did you mean 'mail'"):
        case("male")
    with pytest.raises(ContentError, match="did you mean 'soft, int8'"):
        clinic_data.broken("mail", "soft int8")
    with pytest.raises(ContentError, match=r"review\('design'\)"):
        case("design")
    with pytest.raises(ContentError, match=r"case\('mail'\)"):
        review("mail")
    with pytest.raises(TypeError, match="ShippingBudget"):
        case("mail", budget={"megabytes": 3})


def test_fitting_is_by_validation_and_the_best_comes_first(clinic):
    assert clinic_data.fitting("mail") == ["soft, 64 pieces", "soft, int8", "weak, int8"]
    assert clinic_data.fitting("mail", ShippingBudget())[0] == "teacher"
    assert clinic_data.fitting("reranker") == []
    assert clinic_data.better("mail", "soft, int8") == "soft, 64 pieces"
    assert clinic_data.better("mail", "soft, 64 pieces") is None


def test_scores_have_the_measure_as_their_mean(clinic):
    assert clinic_data.scores("mail", "soft, int8").shape == (5, clinic_samples.TEXTS)
    assert clinic_data.scores("reranker", "soft")[0].tolist() == [1, 0.5, 0.25, 0.05]
    assert clinic_data.scores("reranker", "as it comes") is None and clinic_data.scores("mail", "teacher").ndim == 2


def test_mean_recall_is_the_mean_of_the_weighted_answers(monkeypatch):
    class Task:
        labels = np.array([0] * 8 + [1] * 2 + [3] * 2)

        def split(self, name):
            return self

    monkeypatch.setattr("softlabels.tasks.load", lambda name: Task())
    clinic_data._weights.cache_clear()
    right = np.array([True] * 4 + [False] * 4 + [True, False] + [True, True])
    assert (right * clinic_data._weights("made up", 12)).mean() == pytest.approx((0.5 + 0.5 + 1) / 3)
    clinic_data._weights.cache_clear()


def test_one_model_stands_beside_every_seed(clinic):
    assert clinic_data.compare("mail", "teacher", "weak, int8").word == "HELPS"
    assert clinic_data.compare("mail", "soft, int8", "soft, 64 pieces").word == "INCONCLUSIVE"
    assert clinic_data.compare("reranker", "as it comes", "soft") is None


def test_without_the_cases_texts_a_choice_and_a_memo_say_how_to_get_them(clinic, monkeypatch):
    def not_here(*_):
        raise NotFetched("not on this machine")

    monkeypatch.setattr(clinic_data, "compare", not_here)
    correct, _, sentences = clinic_words.feedback("mail", "soft, int8")
    assert not correct and "has not been tested" in sentences[0] and "softlabels fetch clinic" in sentences[0]
    assert "softlabels fetch clinic" in clinic_words.fill("The test says: {soft, int8 > hard}.", "mail")


def test_a_model_that_was_asked_about_a_part_is_compared_on_that_part(clinic, monkeypatch):
    part = np.linspace(0, 99, 10).astype(int)  # as the experiments ask a slow teacher
    answers = {"teacher": np.ones((1, 10)), "hard": np.zeros((5, 100))}
    answers["hard"][:, part[1:]] = 1
    monkeypatch.setattr(clinic_data, "scores", lambda key, name: answers[name])
    found = clinic_data.compare("mail", "teacher", "hard")
    assert found.examples == 10 and found.difference == pytest.approx(0.1)


def test_groups_are_counted_with_an_interval_and_the_lowest_is_first(clinic, monkeypatch):
    from types import SimpleNamespace

    domains = SimpleNamespace(domains=np.array([0, 0, 2, 2]))
    task = SimpleNamespace(domains=("animal", "plant", "act"), split=lambda name: domains)
    monkeypatch.setattr("softlabels.tasks.load_ranking", lambda name: task)
    found = clinic_data.worst_groups("reranker", "soft")
    assert found["group"].tolist() == ["act", "animal"] and found["texts"].tolist() == [2, 2]
    assert found["mrr"].tolist() == [0.15, 0.75] and found["right"].tolist() == [0, 0.5]
    assert (found["low"] <= found["right"]).all() and (found["right"] <= found["high"]).all()

    groups = SimpleNamespace(groups=np.arange(clinic_samples.TEXTS) * 2 // clinic_samples.TEXTS)
    task = SimpleNamespace(groups=("de", "fr"), split=lambda name: groups)
    monkeypatch.setattr("softlabels.tasks.load", lambda name: task)
    found = clinic_data.worst_groups("mail", "soft, int8", most=1)
    assert found[["group", "texts", "right"]].values.tolist() == [["fr", 200, pytest.approx(0.4)]]
    with pytest.raises(ContentError, match="no answers were kept"):
        clinic_data.worst_groups("reranker", "as it comes")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("accuracy", 0.7129, "71.3%"), ("validation_accuracy", 0.7129, "71.3%"), ("ece", 0.0312, "0.031"),
        ("mrr", 0.6571, "0.657"), ("megabytes", 4.681, "4.68 MB"), ("megabytes", 90.15, "90.2 MB"),
        ("megabytes", 217.9, "218 MB"), ("p50_ms", 0.362, "0.362 ms"), ("texts_per_second", 1913.4, "1,913"),
        ("updates", 1200.0, "1,200"), ("parameters", 4372504.0, "4,372,504"), ("ece", float("nan"), "not measured"),
    ],
)  # fmt: skip
def test_figures_are_written_with_their_units(column, value, said):
    assert clinic_words.put(column, value) == said


def test_the_worst_group_is_a_share_or_a_reciprocal_rank():
    assert clinic_words.put("worst_group", 0.5) == "50.0%" and clinic_words.put("worst_group", 0.5, "mrr") == "0.500"
    budget = ShippingBudget(worst_group=0.57, texts_per_second=2000)
    assert clinic_words.limits(budget) == {"texts_per_second": "at least 2,000", "worst_group": "at least 57%"}
    assert clinic_words.limits(budget, "mrr")["worst_group"] == "at least 0.57"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{soft|accuracy}", "no option 'soft'"),
        ("{soft, int8|acuracy}", "'acuracy' was not measured"),
        ("{soft, int8}", "must be"),
        ("{soft, int8 > soft}", "no option 'soft'"),
    ],
)
def test_a_place_that_cannot_be_filled_is_named(clinic, text, named):
    with pytest.raises(ContentError, match=named):
        clinic_words.fill(text, "mail")


# --- widgets ----------------------------------------------------------------------------------------------------------


def decide(key: str, name: str | None, budget: ShippingBudget | None = None):
    widget = case(key, budget)
    widget.options.value = name
    widget.button.click()
    return widget.said.value


def test_nothing_is_decided_before_an_option_is_chosen(clinic):
    assert "Choose an option first" in decide("mail", None) and record.load()["quizzes"] == {}


def test_a_choice_that_breaks_the_budget_hears_which_limit(clinic):
    said = decide("mail", "teacher")
    assert "It breaks 1 limit" in said and "megabytes</code> is 23" in said and "at most 5" in said
    assert "remark of the teacher" in said and "accuracy 80.0%" in said and "The test set is for reporting" in said
    assert record.load()["quizzes"]["12.mail"]["chosen"] == "teacher"
    assert not record.load()["quizzes"]["12.mail"]["correct"]


def test_the_best_that_fits_is_right(clinic):
    said = decide("mail", "soft, 64 pieces")
    assert "no other one that does is better on validation" in said and "Correct" not in said
    kept = record.load()["quizzes"]["12.mail"]
    assert kept["correct"] and kept["first_try"]


def test_a_choice_that_is_not_told_apart_from_the_best_is_right(clinic):
    said = decide("mail", "soft, int8")
    assert "INCONCLUSIVE" in said and "not told apart" in said and "71.2% against 71.0%" in said
    assert record.load()["quizzes"]["12.mail"]["correct"]


def test_a_choice_that_fits_and_is_beaten_is_wrong(clinic):
    said = decide("mail", "weak, int8")
    assert "another one that does is better" in said and "HELPS" in said
    assert not record.load()["quizzes"]["12.mail"]["correct"]
    decide("mail", "soft, int8")
    kept = record.load()["quizzes"]["12.mail"]
    assert kept["correct"] and not kept["first_try"] and kept["attempts"] == 2


def test_where_no_answers_were_kept_it_is_said_that_nothing_is_tested(clinic):
    said = decide("reranker", "as it comes", ShippingBudget(mrr=0.2))
    assert "better on validation" in said and "is not tested here" in said


def test_none_of_these_is_right_where_nothing_fits_and_only_there(clinic):
    assert "nothing keeps the budget" in decide("reranker", cases.NONE)
    assert "3 options keep every limit" in decide("mail", cases.NONE)
    kept = record.load()["quizzes"]
    assert kept["12.reranker"]["correct"] and not kept["12.mail"]["correct"]


def test_a_budget_of_ones_own_is_shown_and_not_recorded(clinic):
    widget = case("mail", ShippingBudget(peak_megabytes=100, megabytes=30))
    assert "Your own budget: MB on disk at most 30; MB of memory at most 100." in repr(widget)
    widget.options.value = "teacher"
    widget.button.click()
    assert "not recorded" in widget.said.value and "it keeps every limit" in widget.said.value.lower()
    assert record.load()["quizzes"] == {}


def test_the_card_counts_decisions_among_the_quizzes(clinic):
    decide("mail", "teacher")
    decide("reranker", cases.NONE)
    assert "quizzes: 1 of 3" in repr(progress()) and "the quiz 12.mail" in repr(progress())


def test_a_memo_shows_its_model_with_figures_only_after_writing(clinic):
    widget = memo("mail")
    assert "70.0%" not in widget._repr_mimebundle_()["text/html"]
    widget.text.value = "I ship the soft one, because it keeps every limit that you set."
    widget.button.click()
    model = widget.after.children[-1].value
    for piece in ("70.0% right", "71.0% on validation", "4.50 MB", "0.820 ms", "ECE 0.020", "HELPS: +"):
        assert piece in model
    assert record.load()["reflections"]["12.mail"]["text"].startswith("I ship")


def test_a_review_counts_what_is_found_and_hints_without_the_place(clinic):
    document = review("design")
    document.button.click()
    assert "Tick a paragraph first" in document.said.value

    for box in document.options[:3]:
        box.value = True
    document.button.click()
    assert "3 are ticked, and 2 have a mistake" in document.said.value and "feedback" not in document.said.value
    assert record.load()["quizzes"] == {}

    document.options[2].value = False  # an innocent one, and one of the two
    document.button.click()
    assert "1 of 2 found, 1 innocent one marked" in document.said.value
    assert "feedback 1" in document.said.value and "chosen on test" in document.said.value
    assert "no T squared" not in document.said.value
    assert record.load()["quizzes"]["12.design"]["chosen"] == [1, 2]

    document.button.click()
    assert "A hint." in document.said.value and "no T squared" in document.said.value
    assert "feedback 3" not in document.said.value and "3:" not in document.said.value

    document.options[0].value, document.options[2].value = False, True
    document.button.click()
    assert "2 of 2 found" in document.said.value and "feedback 4" in document.said.value
    assert record.load()["quizzes"]["12.design"]["correct"]


@pytest.mark.parametrize(
    ("make", "asked", "answers"),
    [
        (
            lambda: case("mail"),
            [
                "Sort the mail",
                "Nothing may leave",
                "Posts stand in",
                "at most 5",
                "17.5",
                "over",
                "71.0% ± 0.3",
                "none of",
            ],
            ["remark", "70.0%", "60.0%", "80.0%", "recommended"],
        ),
        (lambda: review("design"), ["Please read", "4. Five seeds.", "2 of these 4"], ["feedback", "chosen on test"]),
        (lambda: memo("mail"), ["Write the memo."], ["says the figure", "Ship it"]),
    ],
    ids=["case", "review", "memo"],
)
def test_without_a_kernel_a_case_reads_well_and_leaks_nothing(clinic, make, asked, answers):
    bundle = make()._repr_mimebundle_()
    assert_reads_well(bundle, asked, answers)


def test_a_table_has_headers_for_those_who_hear_it(clinic):
    table = clinic_words.table("mail")
    assert table.count('scope="col"') == 5 and table.count('scope="row"') == 5
    assert table.count("</strong> over") == 2 and "</strong> over" not in clinic_words.table("mail", marks=False)
    assert "81.0%" in table and "80.0%" in clinic_words.table("mail", test=True)


# --- pages to print ---------------------------------------------------------------------------------------------------


def test_a_page_has_the_request_the_figures_and_the_questions_and_no_answer(clinic):
    page = handout(["mail", "design"])
    assert page.count("<section") == 2 and "<script" not in page
    for piece in (
        "Nothing may leave",
        "Head of a bank",
        "71.0% ± 0.3",
        "at most 5",
        "Which limit binds?",
        "Five seeds.",
    ):
        assert piece in page
    for piece in ("remark of", "70.0%", "feedback 2", "Ten minutes.", "says the figure"):
        assert piece not in page


def test_the_instructor_gets_a_page_more(clinic):
    page = handout(["mail", "design"], notes=True)
    assert page.count("<section") == 4
    for piece in (
        "soft, 64 pieces; soft, int8; weak, int8",
        "70.0% right",
        "Ten minutes.",
        "says the figure",
        "feedback 2",
    ):
        assert piece in page
    assert handout().count("<section") == 3


def test_the_command_writes_the_pages(clinic, tmp_path):
    file = tmp_path / "out" / "pages.html"
    result = CliRunner().invoke(cli.app, ["handout", "mail", "--to", str(file), "--notes"])
    assert result.exit_code == 0 and "2 pages" in result.stdout and "Sort the mail" in file.read_text(encoding="utf8")
    result = CliRunner().invoke(cli.app, ["handout", "male", "--to", str(file)])
    assert result.exit_code == 1 and "did you mean 'mail'" in result.stderr and "Traceback" not in result.output
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(cli.app, ["handout", "mail", "--to", str(tmp_path / "file" / "x.html")])
    assert result.exit_code == 1 and "could not be written" in result.stderr
