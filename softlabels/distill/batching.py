"""Batches that waste no work: texts of like length together, cut from ragged token ids without a Python loop over
texts.
"""

import time
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

POOL = 50  # batches per pool: large enough that a batch's texts are of like length, small enough to stay well mixed


def length_buckets(lengths: np.ndarray, batch_size: int, seed: int | None = None) -> list[np.ndarray]:
    """Share examples out into batches of like length, so that little is padded.

    lengths: int array (examples,). Returns a list of int arrays: the rows of each batch; every row is in exactly one,
    and only the last batch cut may be smaller than batch_size. Without a seed: from shortest to longest, for inference.
    With one (an int, or a sequence such as (seed, epoch)): shuffled, then sorted inside pools of 50 batches, and the
    batches shuffled, so that each epoch sees other neighbours; the same seed gives the same batches.
    """
    lengths = np.asarray(lengths)
    if seed is None:
        return cut_by_length(np.arange(len(lengths)), lengths, batch_size, pool_size=max(1, len(lengths)))
    rng = np.random.default_rng(seed)
    batches = cut_by_length(rng.permutation(len(lengths)), lengths, batch_size, POOL * batch_size)
    return [batches[i] for i in rng.permutation(len(batches))]


def cut_by_length(order: np.ndarray, lengths: np.ndarray, batch_size: int, pool_size: int) -> list[np.ndarray]:
    """Cut an order of examples into batches of like length.

    order: int array (examples,), each row once. lengths: int array (examples,); row r has lengths[r]. The first
    pool_size rows of the order are a pool, the next pool_size another, and so on. Each pool is sorted, shortest first,
    rows of one length as they stood; then all is cut into batches of batch_size, the last of which may be smaller.
    Returns a list of int arrays, the rows of each batch; order and lengths stay as they are.
    """
    pool = np.arange(len(order)) // pool_size
    by_length = order[np.lexsort((lengths[order], pool))]  # by pool first, then by length
    return [by_length[i : i + batch_size] for i in range(0, len(order), batch_size)]


def pad(tokens: tuple[np.ndarray, np.ndarray], rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Make one batch: gather the rows' token ids from a ragged array and pad them with 0 to the longest of them.

    tokens: (values, offsets); text i is values[offsets[i]:offsets[i + 1]]. rows: int array (batch,).
    Returns input_ids, int64 (batch, longest), and attention_mask, bool, True at real tokens.
    """
    values, offsets = tokens
    starts, lengths = offsets[rows], offsets[np.asarray(rows) + 1] - offsets[rows]
    columns = np.arange(lengths.max())
    mask = columns < lengths[:, None]
    input_ids = np.zeros(mask.shape, dtype=np.int64)
    input_ids[mask] = values[(starts[:, None] + columns)[mask]]
    return torch.from_numpy(input_ids), torch.from_numpy(mask)


def best_device() -> torch.device:
    """Return the fastest device there is: an NVIDIA or AMD card, else Apple's, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@lru_cache
def best_precision(device: torch.device | None = None) -> torch.dtype:
    """Return the faster of bfloat16 and float32 for inference on this machine, measured once a process.

    Many processors accept bfloat16 and emulate it, slowly, so asking what is supported is not enough. float32 is the
    answer unless bfloat16 wins clearly (by a quarter), and when bfloat16 fails.
    """
    try:
        return (
            torch.bfloat16 if seconds(torch.bfloat16, device) * 1.25 < seconds(torch.float32, device) else torch.float32
        )
    except (RuntimeError, TypeError):  # TypeError: MPS, on systems that do not know the type
        return torch.float32


def seconds(dtype: torch.dtype, device: torch.device | None, repeats: int = 15) -> float:
    """Time one matrix product of a BERT's size: the quickest of several, as other programs only ever slow it down."""
    device = device or best_device()
    a = torch.ones(512, 384, device=device, dtype=dtype)
    b = torch.ones(384, 1536, device=device, dtype=dtype)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        (a @ b).sum().item()  # item() waits for the device
        times.append(time.perf_counter() - start)
    return min(times)
