"""Distillation from scratch: the functions that the lessons build, and what it takes to run them for real.

    from softlabels.distill import soften, distillation_loss, train

Nothing here needs a notebook, a data set of the course or a network; texts come in as ragged token ids, (values,
offsets).
"""

from .augment import augment, augment_texts
from .batching import best_device, best_precision, length_buckets, pad
from .bert import Levels, SmallBert, SmallBertConfig, attention
from .bias import best_bias, with_bias
from .factors import two_by_two
from .losses import distillation_loss, kl_divergence, soft_cross_entropy, soft_gradient
from .metrics import (
    accuracy,
    agreement,
    class_affinity,
    correct,
    expected_calibration_error,
    negative_log_likelihood,
)
from .selection import choose_on_validation, optimism_of_the_maximum, standard_error_of_difference
from .student import SIZES, make_student
from .teacher import Teacher, TeacherMismatch, finetune_teacher, load_teacher, teacher_logits
from .temperature import entropy_bits, soften, temperature_for_entropy
from .topk import TopK, restore_soft_labels, top_k_soft_labels
from .training import Batch, Budget, HardLabelLoss, Run, SoftLabelLoss, predict, train, training_step
from .transfer import DamagedSoftLabels, Manifest, ManifestMismatch, SoftLabelCache, TransferSet, UnknownIds
from .verdict import Verdict, verdict

__all__ = [
    "SIZES", "Batch", "Budget", "DamagedSoftLabels", "HardLabelLoss", "Levels", "Manifest", "ManifestMismatch", "Run",
    "SmallBert", "SmallBertConfig", "SoftLabelCache", "SoftLabelLoss", "Teacher", "TeacherMismatch", "TopK",
    "TransferSet", "UnknownIds", "Verdict", "accuracy", "agreement", "attention", "augment", "augment_texts",
    "best_bias", "best_device", "best_precision", "choose_on_validation", "class_affinity", "correct",
    "distillation_loss", "entropy_bits", "expected_calibration_error", "finetune_teacher", "kl_divergence",
    "length_buckets", "load_teacher", "make_student", "negative_log_likelihood", "optimism_of_the_maximum", "pad",
    "predict", "restore_soft_labels", "soft_cross_entropy", "soft_gradient", "soften", "standard_error_of_difference",
    "teacher_logits", "temperature_for_entropy", "top_k_soft_labels", "train", "training_step", "two_by_two", "verdict",
    "with_bias",
]  # fmt: skip
