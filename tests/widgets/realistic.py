"""Logits, affinities and batches that look like a trained teacher's, for tests that need no trained teacher."""

import numpy as np

from softlabels.tasks.wordnet import CLASSES
from softlabels.widgets.palette import GROUPS

# Real glosses with the leading probabilities that a teacher gave them; the rest of each row is drawn.
GLOSSES = {
    "a small hill rising up from the African veld": {"object": 0.47, "location": 0.45},
    "a congenital cleft in the middle of the upper lip": {"state": 0.62, "body": 0.32},
    "the speech act of negating": {"communication": 0.73, "act": 0.20},
    "the central bank of England and Wales": {"group": 0.77, "location": 0.16},
    "any of several long-billed wading birds found chiefly near water, with long legs and a slender bill": {
        "animal": 0.985
    },
}


def soft_labels(seed: int = 3):
    """Return (logits (5, 24), classes, texts)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-6.2, 1.1, (len(GLOSSES), len(CLASSES)))
    for row, leaders in zip(logits, GLOSSES.values(), strict=True):
        for name, probability in leaders.items():
            row[CLASSES.index(name)] = np.log(probability)
    return logits.round(4), list(CLASSES), list(GLOSSES)


def affinity(seed: int = 0):
    """Return (affinity (24, 24), classes): rows sum to 1, relatives of the same group leak more."""
    rng = np.random.default_rng(seed)
    group = {name: key for key, names in GROUPS.items() for name in names}
    table = rng.gamma(0.5, 0.004, (24, 24))
    kin = np.array([[group[a] == group[b] for b in CLASSES] for a in CLASSES])
    table += kin * rng.gamma(1.0, 0.012, (24, 24))
    np.fill_diagonal(table, 0.0)
    np.fill_diagonal(table, 1 - table.sum(axis=1))
    return table.round(6), list(CLASSES)


def batch(examples: int = 32, classes: int = 24, seed: int = 0):
    """Return (student_logits, teacher_logits, labels, names): a sure teacher and a student half-way there."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, examples)
    teacher = rng.normal(0, 1.5, (examples, classes))
    teacher[np.arange(examples), labels] += 6
    student = 0.5 * teacher + rng.normal(0, 1, teacher.shape)
    names = list(CLASSES) if classes == len(CLASSES) else [f"class {i}" for i in range(classes)]
    return student.round(4), teacher.round(4), labels, names
