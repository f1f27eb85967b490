import numpy as np
import pytest
import torch

from softlabels.course.exercises.base import Exercise, Mistake, Probe, call, close, to_array


@pytest.mark.parametrize(
    "value", [1.5, np.float64(1.5), np.array(1.5), torch.tensor(1.5), [1.5], torch.tensor([1.5]).bfloat16()]
)
def test_a_scalar_in_any_form_agrees(value):
    assert close(value, torch.tensor(1.5))


@pytest.mark.parametrize("value", [None, "1.5", [1.5, 1.5], [[1.5], [1.5, 2]], object(), len])
def test_what_is_not_the_same_number_does_not(value):
    assert not close(value, torch.tensor(1.5))


@pytest.mark.parametrize(
    ("dtype", "agrees", "differs"),
    [
        (torch.float64, 5e-6, 1e-4),
        (torch.float32, 5e-5, 1e-3),
        (torch.float16, 5e-3, 5e-2),
        (torch.bfloat16, 2e-2, 0.1),
    ],
)
def test_tolerance_follows_the_coarsest_type(dtype, agrees, differs):
    right = torch.tensor([2.0, 3.0], dtype=torch.float64)
    assert close((right * (1 + agrees)).to(dtype), right)
    assert not close((right * (1 + differs)).to(dtype), right)


def test_inputs_in_half_precision_loosen_too():
    assert close(1.005, 1.0, inputs=(torch.tensor(1.0).half(),))
    assert not close(1.005, 1.0, inputs=(torch.tensor(1.0),))


def test_structures_are_compared_part_by_part():
    right = (torch.ones(2), {"a": torch.tensor(1.0), "name": "x"})
    assert close([[1.0, 1.0], {"a": 1, "name": "x"}], right)
    assert not close((torch.ones(2), {"a": torch.tensor(2.0), "name": "x"}), right)
    assert not close((torch.ones(2),), right)


def test_nan_and_infinity_agree_only_with_themselves():
    assert close([np.nan, np.inf], np.array([np.nan, np.inf]))
    assert not close([np.nan, -np.inf], np.array([np.nan, np.inf]))


def test_a_shape_of_one_too_many_axes_does_not_agree():
    assert not close(torch.ones(3, 1), torch.ones(3))


def test_every_call_gets_copies_and_changes_are_seen():
    values = torch.ones(3, requires_grad=True)
    result = call(lambda v, n: v.data.add_(n) if v.requires_grad else None, (values, 1))
    assert result.changed == (0,) and values.eq(1).all()


def test_to_array_refuses_what_is_not_numeric():
    for value in (None, "text", [1, [2, 3]], [None], object()):
        assert to_array(value) is None


def _exercise(**changes):
    fields = dict(
        name="f", lesson="02", title="t", points=1, minutes=1, difficulty=1, reference=lambda x: x,
        probes=[Probe((1.0,))], hints=("a?", "b", "c"),
    )  # fmt: skip
    return Exercise(**{**fields, **changes})


TWICE = [Mistake("m", "s", "q?", abs), Mistake("m", "s2", "q2?", abs)]


@pytest.mark.parametrize(
    "changes",
    [{"lesson": "2"}, {"difficulty": 6}, {"points": 0}, {"minutes": 0}, {"hints": ("a", "", "c")}, {"mistakes": TWICE}],
    ids=lambda c: next(iter(c)),
)
def test_a_broken_exercise_is_refused_by_name(changes):
    with pytest.raises(ValueError, match="exercise 'f'"):
        _exercise(**changes)


def test_a_mistake_needs_a_question():
    with pytest.raises(ValueError, match="question"):
        Mistake("name", "symptom", "no question mark", abs)


def test_probes_may_be_made_from_a_seed():
    seeded = _exercise(probes=lambda seed: [Probe((float(seed),))])
    assert seeded.make_probes(3)[0].args == (3.0,)
    assert _exercise(probes=lambda: [Probe((7.0,))]).make_probes(3)[0].args == (7.0,)
