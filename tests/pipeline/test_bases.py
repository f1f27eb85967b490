"""The teacher's base: a folder, or a name on the hub (here: a stand-in for the hub that hands out a local folder)."""

import json
import shutil

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from softlabels import tasks
from softlabels.pipeline import bases
from softlabels.pipeline.bases import BaseError, find_base, open_tokenizer


def test_a_local_folder_and_the_usual_one(small_base, monkeypatch, tmp_path):
    assert find_base(str(small_base)) == small_base
    monkeypatch.setattr(tasks, "base_model", lambda: tmp_path)
    assert find_base(None) == tmp_path


def test_a_name_is_fetched_from_the_hub(small_base, monkeypatch):
    asked = []
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **more: asked.append((name, more)) or str(small_base)
    )
    assert find_base("google-bert/bert-base-uncased") == small_base
    assert asked == [("google-bert/bert-base-uncased", {"allow_patterns": bases.FILES})]


def test_a_hub_that_cannot_be_reached(monkeypatch):
    def refuse(name, **more):
        raise LocalEntryNotFoundError("no line")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(BaseError, match="the hub cannot be reached"):
        find_base("someone/some-model")
    with pytest.raises(BaseError, match=r"there is no folder \./nowhere"):
        find_base("./nowhere")


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda f: (f / "model.safetensors").unlink(), "has no model.safetensors"),
        (lambda f: (f / "tokenizer.json").unlink(), "neither tokenizer.json nor vocab.txt"),
        (lambda f: (f / "config.json").write_text('{"model_type": "roberta"}'), "must be a BERT"),
    ],
)
def test_what_cannot_be_a_base(small_base, tmp_path, spoil, words):
    folder = shutil.copytree(small_base, tmp_path / "base")
    spoil(folder)
    with pytest.raises(BaseError, match=words):
        find_base(str(folder))


def test_a_vocabulary_in_a_text_file(small_base, tmp_path):
    folder = shutil.copytree(small_base, tmp_path / "base")
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)))
    text = "the old dog, near"
    assert open_tokenizer(find_base(str(folder))).encode(text).ids == open_tokenizer(small_base).encode(text).ids
