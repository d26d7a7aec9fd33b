"""Checks for the exercises of the chapter linear_memory."""

import numpy as np

from attnbook.exercises.judge import judge
from attnlib.formula import attention


def merge_all(answer):
    """Check answer(outs, lses): the whole output (N, d_v).

    The parts are outs (P, N, d_v), with log-sum-exps (P, N).
    """
    rng = np.random.default_rng(0)
    Q, K, V = (rng.normal(size=(n, 4)) for n in (3, 9, 9))  # (N, d), (M, d), (M, d)
    V = V[:, :2]  # (M, d_v)
    cuts = slice(0, 1), slice(1, 3), slice(3, 8), slice(8, 9)
    parts = [attention(Q, K[cut], V[cut], return_lse=True) for cut in cuts]
    outs, lses = (np.stack(x) for x in zip(*parts, strict=True))  # (P, N, d_v), (P, N)
    right = attention(Q, K, V)

    def shared_by(share):
        return (share[..., None] * outs).sum(axis=0)

    e = np.exp(lses)
    hint = judge(
        answer(outs, lses),
        right,
        {
            "That is the mean of the parts: a part counts by its sum of exponentials.": outs.mean(
                axis=0
            ),
            "Parts count by exp(lse), not by lse itself.": shared_by(lses / lses.sum(axis=0)),
            "Add over the parts, axis 0: your shares sum to 1 over the words.": shared_by(
                e / e.sum(axis=1, keepdims=True)
            ),
            "All shares together sum to 1: each row needs shares of its own.": shared_by(
                e / e.sum()
            ),
            "The shares do not sum to 1 over the parts: divide by the sum of exp(lse).": shared_by(
                e
            ),
            "Each part is there once for each word: (N, d_v) is wanted, added over the parts.": (
                e / e.sum(axis=0)
            )[..., None]
            * outs,
        },
    )
    overflow = np.full((3, 2), np.nan)
    return hint or judge(
        answer(outs, lses + 800.0),  # a constant in all log-sum-exps changes no share
        right,
        {"Right for small log-sum-exps, but exp overflows for large ones.": overflow},
    )
