import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from softlabels.distill import DamagedSoftLabels, Manifest, ManifestMismatch, SoftLabelCache, TransferSet, UnknownIds
from softlabels.distill.transfer import rows_of

MANIFEST = Manifest(
    task="toy",
    task_fingerprint="f" * 64,
    tokenizer_sha256="a" * 64,
    classes=("animal", "food", "person"),
    teacher_sha256="b" * 64,
    base_sha256="c" * 64,
    precision="fp32",
    created_by="a test",
)
IDS = np.array([40, 7, 1_000_000_007, 12])
LOGITS = np.random.default_rng(0).normal(size=(4, 3)) * 5


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "deep" / "toy.safetensors"
    SoftLabelCache(IDS, LOGITS, MANIFEST).save(path)
    return path


def test_logits_come_back_by_id_in_the_order_asked_for(path):
    cache = SoftLabelCache.load(path)
    assert len(cache) == 4
    for order in (IDS, IDS[::-1], IDS[[2, 2, 0]]):
        rows = [list(IDS).index(i) for i in order]
        logits = cache.logits_for(order)
        assert logits.dtype == torch.float32
        np.testing.assert_allclose(logits, LOGITS[rows], rtol=1e-3)
    assert not list(path.parent.glob(".*"))  # nothing left over from the atomic write


def test_the_order_of_the_rows_does_not_matter():
    shuffled = [2, 0, 3, 1]
    assert SoftLabelCache(IDS[shuffled], LOGITS[shuffled], MANIFEST).manifest == (
        SoftLabelCache(IDS, torch.from_numpy(LOGITS), MANIFEST).manifest
    )


def test_unknown_ids_are_named(path):
    cache = SoftLabelCache.load(path)
    for ids in ([7, 8], [99, 2_000_000_000], [-1]):
        with pytest.raises(UnknownIds, match=f"of {len(ids)} ids have no soft label") as caught:
            cache.logits_for(ids)
        assert str(max(set(ids) - set(IDS))) in str(caught.value)
    assert isinstance(caught.value, KeyError) and not str(caught.value).startswith("'")


@pytest.mark.parametrize(
    "field, value",
    [
        ("task", "another"),
        ("task_fingerprint", "0" * 64),
        ("tokenizer_sha256", "0" * 64),
        ("classes", ("food", "animal", "person")),
        ("teacher_sha256", "0" * 64),
        ("base_sha256", "0" * 64),
        ("precision", "bf16"),
        ("count", 5),
    ],
)
def test_a_mismatch_is_refused_with_both_values_and_a_mend(path, field, value):
    SoftLabelCache.load(path, expect={field: getattr(SoftLabelCache.load(path).manifest, field)})
    with pytest.raises(ManifestMismatch) as caught:
        SoftLabelCache.load(path, expect={field: value})
    message = str(caught.value)
    assert (
        field in message
        and repr(value) in message
        and repr(getattr(SoftLabelCache.load(path).manifest, field)) in message
    )
    assert "soft labels" in message.split(";")[-1]


def test_a_task_can_be_expected(path):
    task = SimpleNamespace(
        name="toy", fingerprint="f" * 64, tokenizer_sha256="a" * 64, classes=["animal", "food", "person"]
    )
    assert len(SoftLabelCache.load(path, expect=task)) == 4
    task.fingerprint = "0" * 64
    with pytest.raises(ManifestMismatch, match="texts or splits have changed"):
        SoftLabelCache.load(path, expect=task)
    with pytest.raises(ValueError, match="no field 'colour'"):
        SoftLabelCache.load(path, expect={"colour": "red"})


def test_a_file_cut_off_anywhere_is_refused(path):
    whole = path.read_bytes()
    for length in (0, 4, 60, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedSoftLabels, match="no whole soft-label file"):
            SoftLabelCache.load(path)
    with pytest.raises(FileNotFoundError):
        SoftLabelCache.load(path.with_name("none.safetensors"))


def test_a_changed_byte_of_the_data_is_refused(path):
    whole = bytearray(path.read_bytes())
    for place in (-1, -30):  # among the logits, among the ids
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(DamagedSoftLabels, match="changed since it was written"):
            SoftLabelCache.load(path)


def test_a_file_without_a_manifest_is_refused(path):
    path.write_bytes(save(load(path.read_bytes())))
    with pytest.raises(DamagedSoftLabels, match="manifest"):
        SoftLabelCache.load(path)


@pytest.mark.parametrize(
    "ids, logits, message",
    [
        ([1, 2, 2], np.zeros((3, 3)), "id 2 is there twice"),
        ([1, 2], np.zeros((3, 3)), "2 ids and 3 classes need logits"),
        ([1, 2], np.zeros((2, 4)), "2 ids and 3 classes need logits"),
        ([1, 2], np.full((2, 3), 1e6), "not finite in float16"),
        ([1, 2], np.full((2, 3), np.nan), "not finite in float16"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_a_cache_that_does_not_pair_up_is_refused(ids, logits, message):
    with pytest.raises(ValueError, match=message):
        SoftLabelCache(ids, logits, MANIFEST)


@pytest.mark.parametrize(
    ("ids", "logits", "message"),
    [
        ([1.5, 2], np.zeros((2, 3)), "ids must be whole numbers, and 1.5 is none"),
        ([True, False], np.zeros((2, 3)), "ids must be whole numbers, one for each example, not torch.bool"),
        ([[1, 2]], np.zeros((2, 3)), "ids must be whole numbers, one for each example"),
        (["a", "b"], np.zeros((2, 3)), "ids must be an array of numbers"),
        ([1, 2], np.zeros((2, 3), dtype=complex), "logits must be real numbers, not torch.complex128"),
        ([1, 2], np.zeros((2, 3), dtype=object), "logits must be an array of numbers"),
        ([1, 2], [[1.0, 2.0, 3.0], [1.0]], "logits must be an array of numbers"),
        ([1, 2], np.zeros((2, 3), dtype=bool), "logits must be real numbers"),
        ([1, 2], np.zeros(2), "logits must be real numbers"),
    ],
)
def test_numbers_of_another_kind_are_refused(ids, logits, message):
    with pytest.raises(ValueError, match=message):
        SoftLabelCache(ids, logits, MANIFEST)


def test_logits_of_any_real_type_are_kept():
    for kind in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64):
        logits = torch.from_numpy(LOGITS).round().to(kind)
        kept = SoftLabelCache(IDS, logits, MANIFEST).logits_for(IDS)
        assert torch.equal(kept, logits.float())
    with pytest.raises(ValueError, match=r"ids must be whole numbers, and 7\.5 is none"):
        SoftLabelCache(IDS, LOGITS, MANIFEST).logits_for([7.5])
    assert SoftLabelCache(IDS, LOGITS, MANIFEST).logits_for([]).shape == (0, 3)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("labels", np.full(90, 0.7), "labels must be whole numbers, and 0.7 is none"),
        ("labels", np.full(90, np.nan), "labels must be whole numbers, and nan is none"),
        ("labels", np.full((90, 3), 1 / 3), "labels must be whole numbers, one for each example"),
        ("labels", ["food"] * 90, "labels must be an array of numbers"),
        ("teacher_logits", np.zeros((90, 3), dtype=np.complex64), "teacher_logits must be real numbers"),
        ("teacher_logits", np.zeros(90), "teacher_logits must be real numbers"),
    ],
)
def test_a_transfer_set_refuses_columns_of_another_kind(tokens, column, values, message):
    with pytest.raises(ValueError, match=message):
        TransferSet(tokens, **{column: values})


@pytest.mark.parametrize("change", [lambda v: v.astype(np.float32), lambda v: v - 300])
def test_a_transfer_set_refuses_what_is_no_token_id(tokens, change):
    with pytest.raises(ValueError, match="token ids must be whole numbers from 0 up"):
        TransferSet((change(tokens[0]), tokens[1]))


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30, unique=True), st.lists(st.integers(-50, 50)))
def test_rows_of_is_what_a_search_would_find(known, wanted):
    known_ids, ids = np.array(known), np.array(wanted, dtype=np.int64)
    if set(wanted) <= set(known):
        assert rows_of(ids, known_ids).tolist() == [known.index(i) for i in wanted]
    else:
        with pytest.raises(KeyError):
            rows_of(ids, known_ids)


def test_a_write_that_fails_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        SoftLabelCache(IDS, LOGITS + 1, MANIFEST).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_manifest_fills_in_what_the_data_say(path):
    manifest = SoftLabelCache.load(path).manifest
    assert manifest.count == 4 and len(manifest.sha256) == 64
    assert dataclasses.replace(manifest, count=0, sha256="") == MANIFEST
