"""A made-up clinic: two decisions and a document, with results that are made up, too."""

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

CLINIC = """
[mail]
number = 1
title = "Sort the mail"
sender = "Head of a bank"
letter = "Nothing may leave the laptop, and it must be small."
stands_in = "Posts stand in for mail."
task = "newsgroups"
measure = "accuracy"
columns = ["accuracy", "fitted_ece", "megabytes", "p50_ms"]
questions = ["Which limit binds?", "Who loses?", "What is not shown?"]
notes = "Ten minutes."
recommended = "soft, int8"
budget = {megabytes = 5, accuracy = 0.5}
[[mail.options]]
name = "hard"
results = ["clinic-mail", "hard labels", "fp32"]
speed = ["clinic-speed", "mail: soft labels", "fp32"]
remark = "remark of hard"
[[mail.options]]
name = "soft, int8"
results = ["clinic-mail", "soft labels", "int8"]
speed = ["clinic-speed", "mail: soft labels", "int8"]
remark = "remark of soft"
[[mail.options]]
name = "soft, 64 pieces"
results = ["clinic-mail", "soft labels, first 64 pieces", "int8"]
speed = ["clinic-speed", "mail: soft labels", "int8"]
remark = "remark of 64"
[[mail.options]]
name = "weak, int8"
results = ["clinic-mail", "weak", "int8"]
speed = ["clinic-speed", "mail: soft labels", "int8"]
remark = "remark of weak"
[[mail.options]]
name = "teacher"
results = ["clinic-teachers", "newsgroups", "int8"]
speed = ["clinic-speed", "mail: teacher", "int8"]
remark = "remark of the teacher"

[reranker]
number = 2
title = "Re-rank"
sender = "Search"
letter = "No domain may be lost."
stands_in = "Definitions stand in."
task = "reverse_dictionary"
measure = "mrr"
columns = ["mrr", "worst_group", "p50_ms"]
questions = ["Which domain?"]
notes = "Five minutes."
recommended = "none of these"
budget = {worst_group = 0.9}
[[reranker.options]]
name = "as it comes"
results = ["teacher-reverse_dictionary", "as it comes", ""]
remark = "remark of MiniLM"
[[reranker.options]]
name = "soft"
results = ["clinic-reranker", "soft labels", "fp32"]
remark = "remark of soft"
[[reranker.options]]
name = "six domains"
results = ["clinic-reranker", "soft labels, six domains", "fp32"]
remark = "remark of six"

[design]
number = 3
title = "Review"
sender = "A colleague"
letter = "Please read my document."
questions = ["What matters most?"]
notes = "Fifteen minutes."
[[design.document]]
text = "The teacher is MiniLM."
feedback = "nothing wrong here: feedback 1"
mistake = ""
[[design.document]]
text = "We chose the temperature on the test set."
feedback = "feedback 2"
mistake = "chosen on test"
[[design.document]]
text = "The loss has no T squared, and the weights are as before."
feedback = "feedback 3"
mistake = "no T squared"
[[design.document]]
text = "Five seeds."
feedback = "nothing wrong here: feedback 4"
"""

LESSON = """
[header]
title = "Case clinic"
goals = ["g"]
needs = "n"

[reflect.mail]
question = "Write the memo."
rubric = ["says the figure"]
model = "Ship it: {soft, int8|accuracy} right, {soft, int8|validation_accuracy} on validation, {soft, int8|megabytes}, \
{soft, int8|p50_ms}, ECE {soft, int8|fitted_ece}. {soft, int8 > weak, int8}."

[reflect.design]
question = "Write to the colleague."
rubric = ["is kind"]
model = "Dear colleague."
"""

SEEDS, TEXTS = 5, 400


def right(share: float, seeds: int = SEEDS) -> np.ndarray:
    """Which of the texts are right: the first share of them, and one more or less by seed."""
    return np.stack([np.arange(TEXTS) < round(share * TEXTS) + seed - seeds // 2 for seed in range(seeds)])


def write(folder) -> None:
    """Write the made-up results into a folder."""
    rows, arrays = [], {}
    shares = {"hard labels": 0.60, "soft labels": 0.70, "soft labels, first 64 pieces": 0.7025, "weak": 0.55}
    for arm, share in shares.items():
        for form in ("fp32", "int8"):
            name = "correct" if form == "fp32" else f"correct, {form}"
            scattered = (
                np.random.default_rng(0).random((SEEDS, TEXTS)) < share
            )  # the mean is near, the texts are others
            for seed, answers in enumerate(scattered if arm.endswith("pieces") else right(share)):
                arrays[f"{arm}/{seed}/{name}"] = answers
                rows.append(quality(arm, seed, form, share + 0.002 * (seed - SEEDS // 2)))
    pd.DataFrame(rows).to_csv(folder / "clinic-mail.csv", index=False)
    save_file(arrays, folder / "clinic-mail.safetensors")

    teacher = [quality("newsgroups", 0, form, 0.8) for form in ("fp32", "int8")]
    pd.DataFrame(teacher).to_csv(folder / "clinic-teachers.csv", index=False)
    save_file({"newsgroups/0/correct, int8": right(0.8, 1)[0]}, folder / "clinic-teachers.safetensors")

    speed = []
    for round_ in range(5):
        for arm, form, megabytes, p50 in (
            ("mail: soft labels", "fp32", 17.5, 1.0),
            ("mail: soft labels", "int8", 4.5, 0.8),
            ("mail: teacher", "int8", 23.0, 9.0),
        ):
            times = dict(p50_ms=p50 + 0.01 * round_, p95_ms=2 * p50, texts_per_second=1000 / p50)
            speed.append(dict(arm=arm, seed=round_, form=form, megabytes=megabytes, peak_megabytes=90.0, **times))
    pd.DataFrame(speed).to_csv(folder / "clinic-speed.csv", index=False)

    ranker, ranks = [], {}
    for arm, mrr in (("soft labels", 0.7), ("soft labels, six domains", 0.6)):
        for seed in range(SEEDS):
            found = dict(mrr=mrr, validation_mrr=mrr + 0.01 * seed, worst_group=0.5, validation_worst_group=0.4)
            ranker.append(dict(arm=arm, seed=seed, form="fp32", **found))
            ranks[f"{arm}/{seed}/ranks"] = np.array([1, 2, 4, 20], dtype=np.uint8)
    pd.DataFrame(ranker).to_csv(folder / "clinic-reranker.csv", index=False)
    save_file(ranks, folder / "clinic-reranker.safetensors")
    plain = [dict(arm="as it comes", seed=0, split=s, mrr=m) for s, m in (("validation", 0.3), ("test", 0.31))]
    pd.DataFrame(plain).to_csv(folder / "teacher-reverse_dictionary.csv", index=False)


def quality(arm: str, seed: int, form: str, share: float) -> dict:
    figures = dict(accuracy=share, nll=1.0, ece=0.05, agreement=0.8, fitted_ece=0.02, mean_recall=share)
    return dict(arm=arm, seed=seed, form=form, updates=1200, threads=1, commit="x", **figures) | {
        f"validation_{name}": value + (0.01 if name == "accuracy" else 0) for name, value in figures.items()
    }
