"""The teacher: a pretrained BERT, fine-tuned with LoRA, kept as an adapter of a few megabytes, and asked for its
logits.

LoRA (Hu et al. 2021) leaves a weight matrix W as it is and learns a low-rank change to it, W + (alpha / rank) · B · A.
For inference the change is added to W once, so a teacher costs no more than its base model; and because it then is a
plain BERT, it runs as a SmallBert, without the seconds that importing transformers takes.
"""

import copy
import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save
from torch import Tensor, nn

from .batching import best_device, best_precision
from .bert import SmallBert, SmallBertConfig, build_empty, hub_name
from .rounding import quantize_rows
from .temperature import soften
from .training import Budget, HardLabelLoss, Run, forked_random_state, predict, train
from .transfer import TransferSet, write_atomically

PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}
TARGETS = [
    "query",
    "key",
    "value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
]  # every matrix of a layer
ADAPTER, CONFIG = "adapter_model.safetensors", "teacher.json"  # peft can read the adapter too: it has peft's names
PEFT = "base_model.model."  # what peft puts before the base model's names
# In the adapter of a teacher with word pieces of its own: its whole word table, in eight bits, and each row's scale.
WORDS, SCALES = PEFT + "embeddings.word_embeddings.weight", "word_scales"


class TeacherMismatch(ValueError):
    """The adapter does not belong to this base model, or its files have changed."""


class Teacher:
    """A fine-tuned BERT: model, a SmallBert with the adapter merged in; classes; config, how it was made.

    Without classes it has no classifier: it is an encoder, such as a re-ranker's.
    """

    def __init__(self, base_dir: Path, adapter: dict[str, Tensor], config: dict):
        self.adapter, self.config, self.classes = adapter, config, tuple(config["classes"])
        own = dict(vocab_size=len(adapter[WORDS])) if WORDS in adapter else {}  # word pieces other than the base's
        shape = dict(classes=len(self.classes) or None, pooling=config["pooling"], **own)
        self.model = build_empty(SmallBertConfig.from_folder(base_dir, **shape))
        self.model.load_bert_weights(base_dir, words=not own).requires_grad_(False).eval()
        self.by_precision = {}
        scale = config["alpha"] / config["rank"]
        if own:
            self.model.words.weight.copy_(adapter[WORDS] * adapter[SCALES])
        for name, parameter in self.model.named_parameters():
            if name.startswith("head."):
                parameter.copy_(adapter[name])
                continue
            matrix = PEFT + hub_name(name).removesuffix(".weight")
            if f"{matrix}.lora_A.weight" in adapter:
                a, b = adapter[f"{matrix}.lora_A.weight"].float(), adapter[f"{matrix}.lora_B.weight"].float()
                parameter += scale * b @ a

    def __repr__(self) -> str:
        size = sum(p.numel() for p in self.model.parameters()) / 1e6
        return f"Teacher({size:.1f}M parameters, {len(self.classes)} classes)"

    @property
    def sha256(self) -> str:
        """The adapter's hash: what soft labels made by this teacher name as their origin."""
        return hashlib.sha256(save(self.adapter)).hexdigest()

    def in_precision(self, precision: str) -> SmallBert:
        """Return the model in "bf16", "fp32" or "auto" (the faster here), its classifier always in fp32."""
        name = resolve_precision(precision)
        if name not in self.by_precision:
            model = copy.deepcopy(self.model).to(best_device(), PRECISIONS[name])
            if model.head:
                model.head.float()  # logits rounded to bf16 would tie where the teacher does not
            self.by_precision[name] = model
        return self.by_precision[name]

    def classify(self, texts: Sequence[str] | str, tokenizer: Any) -> Tensor:
        """Return the probabilities at T = 1 of new texts, float32 (texts, classes), or (classes,) for one string.

        tokenizer: a tokenizers.Tokenizer without padding, the one that the teacher was trained with.
        """
        several = [texts] if isinstance(texts, str) else list(texts)
        encoded = [tokenizer.encode(text).ids for text in several]
        tokens = np.concatenate(encoded), np.cumsum([0, *map(len, encoded)])
        probs = soften(teacher_logits(self, tokens), temperature=1.0)
        return probs[0] if isinstance(texts, str) else probs

    def save(self, folder: Path) -> None:
        """Write the adapter (float16 safetensors) and how it was made (JSON). The JSON goes last and holds the
        adapter's hash, so that a save cut off in the middle is noticed when it is loaded.
        """
        folder, content = Path(folder), save(self.adapter)
        config = {**self.config, "sha256": hashlib.sha256(content).hexdigest()}
        peft = dict(peft_type="LORA", r=config["rank"], lora_alpha=config["alpha"], target_modules=TARGETS)
        write_atomically(folder / ADAPTER, content)
        write_atomically(folder / "adapter_config.json", (json.dumps(peft, indent=1) + "\n").encode())
        write_atomically(folder / CONFIG, (json.dumps(config, indent=1) + "\n").encode())


def load_teacher(base_dir: Path, adapter_dir: Path) -> Teacher:
    """Load a saved teacher onto its base model.

    base_dir: the base model in the hub's layout. adapter_dir: what Teacher.save wrote. Raises FileNotFoundError when
    there is no teacher, TeacherMismatch when base or adapter are not those that were saved.
    """
    base_dir, adapter_dir = Path(base_dir), Path(adapter_dir)
    if not (adapter_dir / CONFIG).is_file():
        raise FileNotFoundError(f"there is no teacher in {adapter_dir}")
    config = json.loads((adapter_dir / CONFIG).read_text(encoding="utf-8"))
    content = (adapter_dir / ADAPTER).read_bytes()
    if hashlib.sha256(content).hexdigest() != config.pop("sha256"):
        raise TeacherMismatch(
            f"{adapter_dir / ADAPTER} has changed since it was saved, or its copy was cut off: get it again"
        )
    if (found := weights_sha256(base_dir)) != config["base_sha256"]:
        wanted = config["base_sha256"]
        raise TeacherMismatch(
            f"the teacher stands on a base model with sha256 {wanted}, and {base_dir} has {found}: fetch that one"
        )
    try:
        return Teacher(base_dir, load(content), config)
    except (SafetensorError, KeyError) as error:
        raise TeacherMismatch(f"{adapter_dir / ADAPTER} lacks a tensor of the teacher: {error}") from error


def teacher_logits(
    teacher: Teacher, tokens: tuple, batch_size: int = 32, precision: str = "auto", progress: bool = False
) -> Tensor:
    """Return the teacher's logits for ragged texts, float32 (texts, classes), in the order of the texts.

    tokens: (values, offsets). precision: "bf16", "fp32" or "auto", the faster of the two on this machine. The batches
    are cut by length; the teacher is in eval mode and gets no gradient. ValueError, before any of it is computed, when
    the texts were cut by a tokenizer that is not the teacher's, as far as that shows: an id that it does not know, or
    a text longer than it can read.
    """
    vocabulary, longest = teacher.model.config.vocab_size, teacher.model.config.max_length
    if (largest := int(np.max(tokens[0], initial=0))) >= vocabulary:
        raise ValueError(
            f"token id {largest} is outside the teacher's vocabulary of {vocabulary}: cut the texts with its tokenizer"
        )
    if (length := int(np.diff(tokens[1]).max(initial=0))) > longest:
        raise ValueError(f"a text has {length} tokens, and the teacher reads {longest}: cut it shorter")
    return predict(teacher.in_precision(precision), tokens, batch_size, progress)


def finetune_teacher(
    base_dir: Path,
    tokens: tuple,
    labels: np.ndarray,
    classes: Sequence[str],
    *,
    rank: int = 32,
    alpha: int = 64,
    learning_rate: float = 1e-3,
    epochs: int = 4,
    batch_size: int = 32,
    pooling: str = "mean",
    dropout: float = 0.1,
    label_smoothing: float = 0.0,
    seed: int = 0,
    precision: str = "auto",
    words: Tensor | None = None,
    validation: tuple | None = None,
    progress: Any = True,
) -> Teacher:
    """Fine-tune a base model on hard labels, with LoRA on every matrix of every layer and a linear classifier.

    base_dir: a BERT in the hub's layout. tokens: (values, offsets). labels: int (texts,). classes: their names.
    precision: of the frozen base; the adapter is always trained in fp32. words: a word table (pieces, width) to begin
    with instead of the base's, for texts cut into other word pieces; it is trained as a whole, and kept with the
    adapter (see first_word_table). validation: (tokens, labels), measured after
    each epoch into teacher.config["history"]. progress: as for train. Training is train, with HardLabelLoss (smoothed,
    if asked): the loop that students use. Returns the teacher as it would be loaded again: its adapter rounded to
    float16.
    """
    labels, device = np.asarray(labels), best_device()
    shape = SmallBertConfig.from_folder(base_dir, classes=len(classes), pooling=pooling, dropout=dropout)
    if words is not None:
        shape, precision = replace(shape, vocab_size=len(words)), "fp32"  # a table in bf16 would round its updates away
    recipe = dict(rank=rank, alpha=alpha, learning_rate=learning_rate, epochs=epochs, batch_size=batch_size)
    updates_per_epoch = -(-len(labels) // batch_size)
    budget = Budget(updates_per_epoch * epochs, batch_size, learning_rate, warmup=0.06)
    precision = resolve_precision(precision)

    with forked_random_state(device):
        torch.manual_seed(seed)
        trainee = Trainee(base_dir, shape, rank, alpha, PRECISIONS[precision], words)
        data = TransferSet(tokens, labels=labels)
        every = updates_per_epoch if validation is not None else None
        run: Run = train(
            trainee,
            data,
            HardLabelLoss(label_smoothing),
            budget,
            seed=seed,
            validation=validation,
            evaluate_every=every,
            progress=progress,
        )
    config = dict(
        classes=list(classes),
        pooling=pooling,
        **recipe,
        dropout=dropout,
        seed=seed,
        examples=len(labels),
        precision=precision,
        base_sha256=weights_sha256(base_dir),
        budget=asdict(budget),
        history=run.history,
        seconds=round(run.seconds),
    )
    return Teacher(base_dir, trainee.adapter(), config)


class Trainee(nn.Module):
    """transformers' own BERT under peft's LoRA, with our pooling and classifier: what a teacher is while it learns."""

    def __init__(
        self,
        base_dir: Path,
        config: SmallBertConfig,
        rank: int,
        alpha: int,
        dtype: torch.dtype,
        words: Tensor | None = None,
    ):
        from peft import LoraConfig, get_peft_model  # slow imports, and only fine-tuning needs them
        from transformers import BertConfig, BertModel

        super().__init__()
        self.config = config
        shape = dict(hidden_dropout_prob=config.dropout, attention_probs_dropout_prob=config.dropout)
        shape |= dict(vocab_size=config.vocab_size)
        base = BertModel(BertConfig.from_pretrained(base_dir, **shape), add_pooling_layer=False).to(dtype)
        weights = {name.removeprefix("bert."): w for name, w in load_file(Path(base_dir) / "model.safetensors").items()}
        if words is not None:
            weights["embeddings.word_embeddings.weight"] = words
        if missing := base.load_state_dict(weights, strict=False).missing_keys:  # BERT's own pooler may be left over
            raise ValueError(f"{base_dir} lacks weights of a BERT: {', '.join(missing[:3])}, ...")
        with warnings.catch_warnings():  # peft asks for attributes that transformers is about to rename
            warnings.simplefilter("ignore", FutureWarning)
            self.encoder = get_peft_model(base, LoraConfig(r=rank, lora_alpha=alpha, target_modules=TARGETS))
        if words is not None:
            self.encoder.get_input_embeddings().requires_grad_(True)
        self.words_of_its_own = words is not None
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.width, config.classes) if config.classes else None

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask.long()).last_hidden_state
        return SmallBert.classify(self, hidden, attention_mask) if self.head else hidden

    def adapter(self) -> dict[str, Tensor]:
        """Return what was learned, in float16: half the bytes, and a relative error of at most 0.0005.

        A word table is far larger than all the rest, so it is kept in eight bits, with a float32 scale for each row.
        """
        from peft import get_peft_model_state_dict

        # Left to find out by itself whether the word table is trained, peft asks the hub for the base's vocabulary.
        learned = get_peft_model_state_dict(self.encoder, save_embedding_layers=False)
        if self.head:
            learned |= {"head.weight": self.head.weight, "head.bias": self.head.bias}
        adapter = {name: w.detach().cpu().half().contiguous() for name, w in learned.items()}
        if self.words_of_its_own:
            adapter[WORDS], adapter[SCALES] = quantize_rows(self.encoder.get_input_embeddings().weight.detach().cpu())
        return dict(sorted(adapter.items()))


def first_word_table(base_dir: Path, base_tokenizer: Any, tokenizer: Any, seed: int = 0) -> Tensor:
    """Return a word table for other word pieces than the base's, float32 (pieces, width), to begin fine-tuning with.

    base_tokenizer, tokenizer: tokenizers.Tokenizer, the base's and the new one. A piece that both know keeps its
    vector; the others are drawn at random, with the mean and the spread of the base's.
    """
    base = SmallBertConfig.from_folder(base_dir)
    known = build_empty(base).load_bert_weights(base_dir).words.weight.detach()
    pieces, generator = tokenizer.get_vocab(), torch.Generator().manual_seed(seed)
    drawn = torch.randn(len(pieces), base.width, generator=generator)
    table = known.mean(dim=0) + known.std(dim=0) * drawn
    for piece, row in base_tokenizer.get_vocab().items():
        if piece in pieces:
            table[pieces[piece]] = known[row]
    return table


def resolve_precision(precision: str) -> str:
    """Turn "auto" into "bf16" or "fp32", whichever is faster on this machine; ValueError for any other name."""
    if precision == "auto":
        return "bf16" if best_precision() == torch.bfloat16 else "fp32"
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be auto, bf16 or fp32, not {precision!r}")
    return precision


def weights_sha256(folder: Path) -> str:
    """Return the hash of a base model's weights."""
    with open(Path(folder) / "model.safetensors", "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
