"""The doctor for losses: every known mistake by its own name, no honest loss accused, and no combination of either."""

import math

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from softlabels.course import buglab
from softlabels.course.diagnose import Diagnosis, catalogue, diagnose
from softlabels.course.exercises.lesson03 import EXERCISES
from softlabels.distill import distillation_loss
from tests.answers import lesson03 as answers

torch.set_num_threads(1)  # tiny tensors: more threads only wait for each other
SEEDS = st.integers(0, 5)  # of the logits: their reference gradients are computed once each
QUICK = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def keys(loss, seed=0):
    return [finding.key for finding in diagnose(loss, seed=seed).findings]


def certain(loss, seed=0):
    return [finding.key for finding in diagnose(loss, seed=seed).findings if finding.kind != "condition"]


# --- the two lists ------------------------------------------------------------


def test_the_lists_are_as_long_as_promised():
    assert len({loss for loss, _ in answers.WRONG_LOSSES}) >= 26
    assert len(set(answers.HONEST_LOSSES)) >= 26


@pytest.mark.parametrize(("loss", "key"), answers.WRONG_LOSSES, ids=lambda x: getattr(x, "__name__", ""))
def test_a_wrong_loss_is_told_its_own_mistake_and_no_other(loss, key):
    for seed in (0, 1):
        found = keys(loss, seed)
        assert found[0] == key
        also = {k for k in found[1:] if catalogue()[k].get("kind") != "condition"}
        assert also == answers.ALSO_FOUND.get(loss.__name__, set())


@pytest.mark.parametrize("loss", [*answers.HONEST_LOSSES, answers.cross_entropy_form], ids=lambda x: x.__name__)
def test_an_honest_loss_is_not_accused(loss):
    for seed in (0, 1):
        diagnosis = diagnose(loss, seed=seed)
        assert diagnosis.findings == () and diagnosis.sound


@pytest.mark.parametrize(("loss", "key"), answers.REMARKED_LOSSES, ids=lambda x: getattr(x, "__name__", ""))
def test_what_is_conditional_leaves_a_loss_sound(loss, key):
    diagnosis = diagnose(loss)
    assert [finding.key for finding in diagnosis.findings] == [key] and diagnosis.sound


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_a_remark_and_hides_no_wrong_scale(dtype):
    def halved(loss):
        return lambda s, t, y, T, a, b: loss(s.to(dtype), t.to(dtype), y, T, a, b)

    for seed in (0, 1, 2):
        assert keys(halved(distillation_loss), seed) == ["low-precision"]
        assert "t2-missing" in keys(halved(answers.no_t_squared), seed)
    assert keys(distillation_loss) == []


@pytest.mark.parametrize("bug", buglab.BUGS, ids=lambda bug: bug.key)
def test_every_bug_of_the_lab_is_found_and_its_mend_is_sound(bug):
    assert keys(bug.loss) == [bug.key]
    if bug.number <= 8:
        assert keys(getattr(buglab, f"mend_{bug.number}")) == []


# --- losses that cannot be asked ------------------------------------------------------------


def one_row_of_losses(s, t, y, T, a, b):
    return F.cross_entropy(s, y, reduction="none")


def through_numpy(s, t, y, T, a, b):
    return (s.numpy() ** 2).sum()


def stumbles(s, t, y, T, a, b):
    return s[:, 60].sum()


def without_an_answer(s, t, y, T, a, b):
    return None


def divides_by_zero(s, t, y, T, a, b):
    return distillation_loss(s, t, y, T, a, b) / (s - s).sum()


def by_chance(s, t, y, T, a, b):
    return distillation_loss(F.dropout(s, 0.5), t, y, T, a, b)


def writes_into_the_teacher(s, t, y, T, a, b):
    t /= T
    return a * T**2 * F.cross_entropy(s / T, t.softmax(-1).detach()) + b * F.cross_entropy(s, y)


def another_value(s, t, y, T, a, b):
    loss = distillation_loss(s, t, y, T, a, b)
    return loss + (3 * loss).detach()


def a_constant(s, t, y, T, a, b):
    return a * 2.0 + b * F.cross_entropy(s, y)


def labels_judge_the_teacher(s, t, y, T, a, b):
    return distillation_loss(s, t, None, T, a, 0.0) + b * F.cross_entropy(t.detach(), y)


def weights_squared(s, t, y, T, a, b):
    return distillation_loss(s, t, y, T, a * a, b)


def weights_shared(s, t, y, T, a, b):
    return distillation_loss(s, t, y, T, a / (a + b), b / (a + b))


@pytest.mark.parametrize(
    ("loss", "key"),
    [
        (one_row_of_losses, "not-scalar"), (without_an_answer, "not-scalar"), (through_numpy, "leaves-torch"),
        (stumbles, "raises"), (lambda s, t: s.sum(), "raises"), (divides_by_zero, "not-finite"),
        (by_chance, "not-repeatable"), (writes_into_the_teacher, "changes-its-inputs"),
        (another_value, "value-disagrees"), (a_constant, "soft-absent"), (labels_judge_the_teacher, "hard-on-teacher"),
        (weights_squared, "weights-tangled"), (weights_shared, "normalised-weights"),
    ],
)  # fmt: skip
def test_a_finding_of_its_own(loss, key):
    assert keys(loss) == [key]


def test_every_entry_of_the_catalogue_can_be_read():
    facts = {"match": 0.1, "lowest": -1.0, "evidence": "x", "beside": "", "T": 2, "factor": 2.0, "law": "",
             "hidden": 0.5, "first": 1.0, "second": 2.0, "error": 0.01}  # fmt: skip
    for key, entry in catalogue().items():
        assert entry["symptom"].format_map(facts).endswith((".", "x")) and entry["question"].endswith(("?", ".")), key
        assert entry.get("kind", "bug") in ("bug", "objective", "condition"), key


# --- what is shown ------------------------------------------------------------


def test_a_diagnosis_prints_displays_and_has_no_truth_value():
    diagnosis = diagnose(answers.total_variation)
    text, page = repr(diagnosis), diagnosis._repr_html_()
    for finding in diagnosis.findings:
        assert finding.name in text and finding.question in text and finding.name in page
    assert "your gradient" in text and "expected" in page and "0x" not in text
    assert "sound" in repr(Diagnosis()) and Diagnosis().sound
    with pytest.raises(TypeError, match=r"\.sound"):
        bool(diagnosis)


def test_a_diagnosis_changes_nothing_around_it():
    state, grad = torch.get_rng_state(), torch.is_grad_enabled()
    with torch.no_grad():
        assert diagnose(distillation_loss).sound
    assert torch.equal(state, torch.get_rng_state()) and torch.is_grad_enabled() == grad


# --- generated variations ------------------------------------------------------------

LOG_SOFTMAX = {
    "torch": lambda z: F.log_softmax(z, -1),
    "method": lambda z: z.log_softmax(dim=1),
    "logsumexp": lambda z: z - torch.logsumexp(z, -1, keepdim=True),
    "shifted": lambda z: (z - z.amax(1, True)) - (z - z.amax(1, True)).exp().sum(1, keepdim=True).log(),
    "twice": lambda z: F.log_softmax(F.log_softmax(z, -1), -1),
    "double": lambda z: F.log_softmax(z.double(), -1),
    "loop": lambda z: torch.stack([F.log_softmax(row, 0) for row in z]),
}
SOFT_TERM = {
    "kl": lambda q, p: (p.exp() * (p - q)).sum() / len(q),
    "ce": lambda q, p: -(p.exp() * q).sum(-1).mean(),
    "kl_div": lambda q, p: F.kl_div(q, p.exp(), reduction="batchmean"),
    "log_target": lambda q, p: F.kl_div(q, p, reduction="batchmean", log_target=True),
    "sum": lambda q, p: F.kl_div(q, p, reduction="sum", log_target=True) / q.size(0),
    "none": lambda q, p: F.kl_div(q, p, reduction="none", log_target=True).sum(1).mean(0),
    "einsum": lambda q, p: torch.einsum("nc,nc->n", p.exp(), p - q).mean(),
}
HARD_TERM = {
    "cross_entropy": lambda s, y: F.cross_entropy(s, y),
    "nll": lambda s, y: F.nll_loss(s.log_softmax(-1), y),
    "gather": lambda s, y: -s.log_softmax(1).gather(1, y[:, None]).mean(),
    "one_hot": lambda s, y: -(F.one_hot(y, s.shape[1]) * s.log_softmax(1)).sum() / len(y),
    "rows": lambda s, y: F.cross_entropy(s, y, reduction="none").sum() / len(y),
}


@st.composite
def honest_losses(draw):
    log_softmax = LOG_SOFTMAX[draw(st.sampled_from(sorted(LOG_SOFTMAX)))]
    soft_term = SOFT_TERM[draw(st.sampled_from(sorted(SOFT_TERM)))]
    hard_term = HARD_TERM[draw(st.sampled_from(sorted(HARD_TERM)))]
    constant = draw(st.floats(-50, 50))
    skip, shift = draw(st.booleans()), draw(st.floats(-5, 5))

    def loss(s, t, y, T, soft_weight, hard_weight):
        q, p = log_softmax((s + shift) / T), log_softmax(t.detach() / T)
        value = constant + soft_weight * T * T * soft_term(q, p)
        if skip and hard_weight == 0:
            return value
        return value + hard_weight * hard_term(s, y)

    return loss


@QUICK
@given(honest_losses(), SEEDS)
def test_no_generated_honest_loss_is_accused(loss, seed):
    assert keys(loss, seed) == []


CORES = {  # the soft term, summed over rows and classes
    "": lambda s, t, T: F.kl_div(F.log_softmax(s / T, -1), F.softmax(t / T, -1), reduction="sum"),
    "probabilities-as-input": lambda s, t, T: F.kl_div(F.softmax(s / T, -1), F.softmax(t / T, -1), reduction="sum"),
    "reverse": lambda s, t, T: F.kl_div(F.log_softmax(t / T, -1), F.softmax(s / T, -1), reduction="sum"),
    "double-softmax": lambda s, t, T: F.cross_entropy(F.softmax(s / T, -1), F.softmax(t / T, -1), reduction="sum"),
    "log-targets": lambda s, t, T: -(F.log_softmax(t / T, -1) * F.log_softmax(s / T, -1)).sum(),
}
POWERS = {0: "t2-missing", 1: "t-not-squared", 2: "", 4: "t2-twice"}
REDUCTIONS = {
    "": lambda s: len(s), "mean-over-classes": lambda s: s.numel(), "sum-over-batch": lambda s: 1,
    "batch-mean-twice": lambda s: len(s) ** 2,
}  # fmt: skip
WEIGHTS = {
    "": lambda a, b: (a, b), "weights-reversed": lambda a, b: (b, a), "one-minus-soft-weight": lambda a, b: (a, 1 - a),
    "hard-weight-not-applied": lambda a, b: (a, 1.0), "hidden-hard-term": lambda a, b: (a, b or 0.5),
}  # fmt: skip
HARDS = {
    "": lambda s, y, T: F.cross_entropy(s, y),
    "softened-hard-term": lambda s, y, T: F.cross_entropy(s / T, y),
    "t2-on-hard-term": lambda s, y, T: T * T * F.cross_entropy(s, y),
    "hard-double-softmax": lambda s, y, T: F.cross_entropy(s.softmax(-1), y),
}


@QUICK
@given(
    st.sampled_from(sorted(CORES)), st.sampled_from(sorted(POWERS)), st.sampled_from(sorted(REDUCTIONS)),
    st.sampled_from(sorted(WEIGHTS)), st.sampled_from(sorted(HARDS)), SEEDS,
)  # fmt: skip
def test_several_mistakes_at_once_are_all_named(core, power, reduction, weights, hard, seed):
    def loss(s, t, y, T, soft_weight, hard_weight):
        w, v = WEIGHTS[weights](soft_weight, hard_weight)
        return w * T**power * CORES[core](s, t.detach(), T) / REDUCTIONS[reduction](s) + v * HARDS[hard](s, y, T)

    expected = {core, POWERS[power], reduction, weights, hard} - {""}
    assume(expected)
    assert set(certain(loss, seed)) == expected


@QUICK
@given(st.floats(0.05, 20), st.booleans(), SEEDS)
def test_a_factor_of_any_size_is_measured(factor, on_hard, seed):
    assume(abs(math.log(factor)) > 0.03)

    def loss(s, t, y, T, a, b):
        return distillation_loss(s, t, y, T, a if on_hard else factor * a, factor * b if on_hard else b)

    (finding,) = diagnose(loss, seed=seed).findings
    assert finding.key == ("size-of-hard-term" if on_hard else "size-of-soft-term")
    assert f"{factor:.2g}"[:3] in finding.symptom or f"{factor:.3g}" in finding.symptom


# --- the exercises ------------------------------------------------------------


def test_the_exercises_are_those_of_the_lesson():
    names = [exercise.name for exercise in EXERCISES]
    assert names[:4] == ["soft_cross_entropy", "kl_divergence", "soft_gradient", "distillation_loss"]
    assert names[4:] == [f"mend_{n}" for n in range(1, 9)]
