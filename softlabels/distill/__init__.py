"""Distillation from scratch: the functions that the lessons build, and what it takes to run them for real.

    from softlabels.distill import soften, distillation_loss, train

Nothing here needs a notebook, a data set of the course or a network; texts come in as ragged token ids, (values,
offsets).
"""

from .augment import augment, augment_texts
from .batching import best_device, best_precision, length_buckets, pad
from .bert import Levels, SmallBert, SmallBertConfig, attention, share_layers
from .bias import best_bias, with_bias
from .contrasts import fold_classes, shuffle_dark_knowledge
from .early_exit import Exits, early_exit, exits_loss
from .encoder import CandidateLoss, Encoder, candidate_scores, finetune_ranker, make_encoder
from .factors import two_by_two
from .frontier import ShippingBudget, pareto_front
from .levels import (
    attention_loss,
    copy_embeddings,
    copy_layers,
    hidden_state_loss,
    layer_map,
    make_projections,
    matched_levels,
    relation_loss,
    teacher_levels,
)
from .losses import distillation_loss, kl_divergence, soft_cross_entropy, soft_gradient
from .low_rank import factorise_table, narrow_embeddings
from .metrics import (
    CASES,
    accuracy,
    accuracy_interval,
    agreement,
    class_affinity,
    compare_answers,
    correct,
    expected_calibration_error,
    negative_log_likelihood,
    recall_by_class,
)
from .multilevel import LevelStudent, MultiLevelLoss, TeacherLevels
from .pruning import head_importance, keep_pruned, magnitude_mask, prune_heads, prune_weights
from .ranking import rank_of_target, recall_at_k, reciprocal_rank
from .rounding import quantize_rows, round_weights
from .selection import best_that_fits, choose_on_validation, optimism_of_the_maximum, standard_error_of_difference
from .student import SIZES, make_student, student_from_teacher
from .teacher import Teacher, TeacherMismatch, finetune_teacher, load_teacher, teacher_logits
from .temperature import calibration_temperature, entropy_bits, soften, temperature_for_entropy
from .topk import TopK, restore_soft_labels, top_k_soft_labels
from .training import Batch, Budget, HardLabelLoss, Run, SoftLabelLoss, predict, train, training_step
from .transfer import DamagedSoftLabels, Manifest, ManifestMismatch, SoftLabelCache, TransferSet, UnknownIds
from .verdict import Verdict, verdict

__all__ = [
    "CASES", "SIZES", "Batch", "Budget", "CandidateLoss", "DamagedSoftLabels", "Encoder", "Exits", "HardLabelLoss",
    "LevelStudent", "Levels", "Manifest", "ManifestMismatch", "MultiLevelLoss", "Run", "ShippingBudget", "SmallBert",
    "SmallBertConfig", "SoftLabelCache", "SoftLabelLoss", "Teacher", "TeacherLevels", "TeacherMismatch", "TopK",
    "TransferSet", "UnknownIds", "Verdict", "accuracy", "accuracy_interval", "agreement", "attention", "attention_loss",
    "augment", "augment_texts", "best_bias", "best_device", "best_precision", "best_that_fits",
    "calibration_temperature", "candidate_scores", "choose_on_validation", "class_affinity", "compare_answers",
    "copy_embeddings", "copy_layers", "correct", "distillation_loss", "early_exit", "entropy_bits", "exits_loss",
    "expected_calibration_error", "factorise_table", "finetune_ranker", "finetune_teacher", "fold_classes",
    "head_importance", "hidden_state_loss", "keep_pruned", "kl_divergence", "layer_map", "length_buckets",
    "load_teacher", "magnitude_mask", "make_encoder", "make_projections", "make_student", "matched_levels",
    "narrow_embeddings", "negative_log_likelihood", "optimism_of_the_maximum", "pad", "pareto_front", "predict",
    "prune_heads", "prune_weights", "quantize_rows", "rank_of_target", "recall_at_k", "recall_by_class",
    "reciprocal_rank", "relation_loss", "restore_soft_labels", "round_weights", "share_layers",
    "shuffle_dark_knowledge", "soft_cross_entropy", "soft_gradient", "soften", "standard_error_of_difference",
    "student_from_teacher", "teacher_levels", "teacher_logits", "temperature_for_entropy", "top_k_soft_labels", "train",
    "training_step", "two_by_two", "verdict", "with_bias",
]  # fmt: skip
