import numpy as np
import pytest
import torch

from softlabels import distill, tasks


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def made_up_soft_labels(tmp_path, monkeypatch):
    """Soft labels that know the hard labels: what the students of a test learn from, in place of an hour's work."""
    task = tasks.load("wordnet")
    everything = task.split("all", show_labels=True)
    logits = 4 * np.eye(24, dtype=np.float32)[everything.labels]
    hashes = dict(teacher_sha256="0" * 64, base_sha256="0" * 64, precision="fp32", created_by="a test")
    about = dict(task=task.name, task_fingerprint=task.fingerprint, tokenizer_sha256=task.tokenizer_sha256)
    path = tmp_path / "made_up.safetensors"
    distill.SoftLabelCache(everything.ids, logits, distill.Manifest(classes=task.classes, **about, **hashes)).save(path)
    monkeypatch.setattr(tasks.home, "soft_labels_file", lambda name: path)
    return path
