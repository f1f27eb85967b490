"""Classify texts:  python predict.py "a text" "another"   or one text a line on standard input.

Needs onnxruntime, tokenizers and numpy, and the files that lie beside it.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class Classifier:
    def __init__(self, folder=Path(__file__).parent):
        options, folder = onnxruntime.SessionOptions(), Path(folder)
        options.intra_op_num_threads = 1  # the model card's times are one thread's
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))

    def logits(self, texts):  # one batch: float32 (texts, classes)
        rows = [self.tokenizer.encode(text).ids for text in texts]
        mask = np.arange(max(map(len, rows))) < np.array([len(row) for row in rows])[:, None]
        input_ids = np.zeros(mask.shape, dtype=np.int64)
        input_ids[mask] = np.concatenate(rows)
        return self.session.run(["logits"], {"input_ids": input_ids, "attention_mask": mask})[0]

    def __call__(self, text):  # one text at a time: in int8, its neighbours in a batch would change the rounding
        z = self.logits([text])[0].astype(float)
        probabilities = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        return self.labels[z.argmax()], probabilities.max()


if __name__ == "__main__":
    classify = Classifier()
    for line in sys.argv[1:] or sys.stdin:
        print("{}\t{:.4f}".format(*classify(line.strip())), line.strip(), sep="\t")
