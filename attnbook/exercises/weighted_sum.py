"""Checks for the exercises of the chapter weighted_sum."""

import numpy as np

from attnbook.exercises.judge import judge
from attnlib.formula import attention, softmax


def outputs_without(answer):
    """Check answer(A, V, gone): the outputs (N, d_v) over the words that are not gone (M,)."""
    for n, m in ((5, 5), (3, 6)):  # with as many queries as keys a row passes for a column
        rng = np.random.default_rng(m)
        Q, K, V = (rng.normal(size=s) for s in ((n, 4), (m, 4), (m, 2)))
        gone = np.arange(m) % 3 == 1  # (m,), two of them
        out, A = attention(Q, K, V, return_weights=True)  # (n, d_v), (n, m)
        right = attention(Q, K[~gone], V[~gone])  # (n, d_v)
        kept = np.where(gone, 0, A)  # (n, m)
        left = kept.sum(axis=1, keepdims=True)  # (n, 1), what the others hold
        alone = A[..., None] / (1 - A[..., None]) * (out[:, None] - V)  # (n, m, d_v), the moves
        mistakes = {
            "The rows no longer sum to 1: who gets the share of the words that are gone?": kept @ V,
            "The moves of single words do not add up: once one has gone, the next weighs more.": out
            + alone[:, gone].sum(axis=1),
            "The words that are left share in proportion to what they have, not equally.": kept @ V
            + (1 - left) * V[~gone].mean(axis=0),
            "You kept the words that are gone.": A[:, gone]
            @ V[gone]
            / A[:, gone].sum(axis=1, keepdims=True),
            "All rows together sum to 1: each row has its own.": kept @ V / kept.sum(),
            "A holds weights, not scores: no second softmax.": softmax(np.where(gone, -np.inf, A))
            @ V,
            "That is a plain mean: the words that are left keep their weights.": np.tile(
                V[~gone].mean(axis=0), (n, 1)
            ),
        }
        if n == m:
            mistakes["You divide column j by the sum of row j: does the sum keep its axis?"] = (
                kept / left.T
            ) @ V
            mistakes["A word that hands nothing over still asks: N rows are wanted."] = right[~gone]
        before = A.copy()
        hint = judge(answer(A, V, gone), right, mistakes)
        if hint:
            return hint
        if not np.array_equal(A, before):
            return "Right, but A has changed, too: A[:, gone] = 0 writes into it."
    return None
