"""The checks are held to a standard: each wrong answer is told its own mistake, no honest answer is accused."""

import time
from collections import Counter

import pytest
import torch

from softlabels.course import examine
from softlabels.course.exercises import all_exercises, find
from softlabels.course.exercises.base import same
from tests.answers import all_honest, all_wrong

EXERCISES = all_exercises()
WRONG, HONEST = all_wrong(), all_honest()
SEEDS = (0, 1, 2)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Thousands of tiny tensors: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def name(thing) -> str:
    return f"{thing.exercise}-{thing.fn.__name__}"


@pytest.mark.parametrize("wrong", WRONG, ids=name)
def test_a_wrong_answer_is_told_its_mistake(wrong):
    outcome = examine(find(wrong.exercise), wrong.fn)
    assert (outcome.kind, outcome.mistake) == ("wrong", wrong.mistake), f"\n{outcome}"
    assert outcome.question


@pytest.mark.parametrize("honest", HONEST, ids=name)
def test_an_honest_answer_is_never_accused(honest):
    for seed in SEEDS:
        outcome = examine(find(honest.exercise), honest.fn, seed)
        assert outcome.kind == "correct", f"seed {seed}\n{outcome}"


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
class TestEveryExercise:
    def test_its_reference_passes(self, exercise):
        for seed in SEEDS:
            outcome = examine(exercise, exercise.reference, seed)
            assert outcome.kind == "correct", f"seed {seed}\n{outcome}"

    def test_each_imitation_differs_from_the_reference(self, exercise):
        for mistake in exercise.mistakes:
            if mistake.imitation is None:
                continue
            pairs = zip(exercise.expected(), exercise.imitated(mistake), strict=True)
            differs = [not same(theirs, right, probe, exercise.tolerance) for (probe, right), theirs in pairs]
            assert any(differs), f"{mistake.name}: no probe shows it"

    def test_each_imitation_is_told_its_own_mistake(self, exercise):
        for mistake in exercise.mistakes:
            if mistake.imitation is not None:
                outcome = examine(exercise, mistake.imitation)
                assert (outcome.kind, outcome.mistake) == ("wrong", mistake.name), f"{mistake.name}\n{outcome}"

    def test_each_mistake_has_a_wrong_answer(self, exercise):
        told = {wrong.mistake for wrong in WRONG if wrong.exercise == exercise.name}
        untold = [mistake.name for mistake in exercise.mistakes if mistake.name not in told]
        assert not untold, f"no wrong answer in tests/answers for: {untold}"

    def test_four_honest_answers_at_least(self, exercise):
        assert sum(honest.exercise == exercise.name for honest in HONEST) >= 4

    def test_messages_are_distinct(self, exercise):
        told = Counter(mistake.symptom for mistake in exercise.mistakes)  # two of them may lead to the same question
        assert max(told.values(), default=1) == 1, f"two mistakes share a message: {told.most_common(1)}"

    def test_a_check_takes_less_than_half_a_second(self, exercise):
        times = []
        for _ in range(3):
            start = time.process_time()
            examine(exercise, exercise.reference)
            times.append(time.process_time() - start)
        assert min(times) < 0.5  # of the processor's seconds: the machine may be busy with something else

    def test_it_helps_without_giving_the_answer_away(self, exercise):
        assert all(hint.strip() for hint in exercise.hints)
        assert "?" in exercise.hints[0], "the first hint is a question"


def test_no_two_exercises_share_a_name():
    names = [exercise.name for exercise in EXERCISES]
    assert len(names) == len(set(names))


def test_every_answer_belongs_to_an_exercise():
    assert {answer.exercise for answer in [*WRONG, *HONEST]} <= {exercise.name for exercise in EXERCISES}
