"""A word table from narrower parts: the best approximation of a given rank, and students that begin with it."""

import torch
from torch import Tensor

from .bert import SmallBert


def factorise_table(table: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return a narrower table and a matrix that widens it again, whose product is as near to the table as can be.

    table: float (words, width). rank: 1 to width. Returns narrow (words, rank) and widen (rank, width). Of all products
    of that rank, narrow @ widen has the smallest sum of squared differences from the table (Eckart and Young 1936); the
    rows of widen are orthonormal, so the rows of narrow are as far from each other as those of the product.
    """
    if not 1 <= rank <= min(table.shape):
        raise ValueError(f"a table of {tuple(table.shape)} has no approximation of rank {rank}")
    u, s, vh = torch.linalg.svd(table, full_matrices=False)
    return u[:, :rank] * s[:rank], vh[:rank]


@torch.no_grad()
def narrow_embeddings(student: SmallBert, teacher: SmallBert) -> SmallBert:
    """Begin a student with its teacher's embeddings in fewer dimensions: those in which the word table varies most.

    A student with a table_width gets the teacher's word table as a product, and positions and norm as they are, so its
    width must be the teacher's. Any other student is narrower as a whole: words and positions are turned into the same
    few directions, and its norm is left as it is. Returns the student, changed in place.
    """
    rank = student.config.table_width or student.config.width
    narrow, widen = factorise_table(teacher.words.weight + teacher.segments.weight[0], rank)
    student.words.weight.copy_(narrow)
    student.segments.weight.zero_()  # the teacher's is in the words now
    if student.config.table_width:
        student.widen.weight.copy_(widen.T)
        student.positions.load_state_dict(teacher.positions.state_dict())
        student.embedding_norm.load_state_dict(teacher.embedding_norm.state_dict())
    else:
        student.positions.weight.copy_(teacher.positions.weight[: student.config.max_length] @ widen.T)
    return student
