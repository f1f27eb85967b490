"""Distillation from scratch: the functions that the lessons build, and what it takes to run them for real.

    from softlabels.distill import soften, distillation_loss, train

Nothing here needs a notebook, a data set of the course or a network; texts come in as ragged token ids, (values,
offsets).
"""

from .batching import best_device, best_precision, length_buckets, pad
from .bert import Levels, SmallBert, SmallBertConfig, attention
from .losses import distillation_loss, kl_divergence, soft_cross_entropy, soft_gradient
from .metrics import (
    accuracy,
    agreement,
    class_affinity,
    correct,
    expected_calibration_error,
    negative_log_likelihood,
)
from .student import SIZES, make_student
from .teacher import Teacher, TeacherMismatch, finetune_teacher, load_teacher, teacher_logits
from .temperature import entropy_bits, soften, temperature_for_entropy
from .training import Batch, Budget, HardLabelLoss, Run, SoftLabelLoss, predict, train
from .transfer import DamagedSoftLabels, Manifest, ManifestMismatch, SoftLabelCache, TransferSet, UnknownIds
from .verdict import Verdict, verdict

__all__ = [
    "SIZES", "Batch", "Budget", "DamagedSoftLabels", "HardLabelLoss", "Levels", "Manifest", "ManifestMismatch", "Run",
    "SmallBert", "SmallBertConfig", "SoftLabelCache", "SoftLabelLoss", "Teacher", "TeacherMismatch", "TransferSet",
    "UnknownIds", "Verdict", "accuracy", "agreement", "attention", "best_device", "best_precision", "class_affinity",
    "correct", "distillation_loss", "entropy_bits", "expected_calibration_error", "finetune_teacher", "kl_divergence",
    "length_buckets", "load_teacher", "make_student", "negative_log_likelihood", "pad", "predict", "soft_cross_entropy",
    "soft_gradient", "soften", "teacher_logits", "temperature_for_entropy", "train", "verdict",
]  # fmt: skip
