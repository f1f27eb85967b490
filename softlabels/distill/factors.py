"""Two things changed at once: what each is worth, and whether one needs the other.

Papers often compare the two far corners: hard labels on the original texts, soft labels on augmented ones. That
difference mixes both changes. With all four corners measured they come apart: the arithmetic of a 2x2 factorial design.
"""

import numpy as np


def two_by_two(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the main effect of the first factor, that of the second, and their interaction.

    scores: float array (2, 2, ...), scores[i, j] measured with the first factor off (0) or on (1) and the second
    likewise. Further axes (seeds, examples) stay: each result has shape (...). A main effect is what switching that
    factor on adds, averaged over the two states of the other. The interaction is how much more the second factor adds
    when the first is on than when it is off.
    """
    (neither, second), (first, both) = scores
    of_first = (first - neither + both - second) / 2
    of_second = (second - neither + both - first) / 2
    interaction = (both - first) - (second - neither)
    return of_first, of_second, interaction
