"""Checks for the exercises of the chapter value."""

import numpy as np

from attnbook.exercises.judge import judge
from attnlib.formula import softmax


def outputs_after(answer):
    """Check answer(out, A, j, change): the outputs (N, d_v) once value j has moved.

    out (N, d_v) are the outputs before, A (N, M) the weights, change (d_v,) the movement.
    """
    for n, m in ((4, 4), (3, 5)):  # with as many queries as keys a row of A passes for a column
        rng = np.random.default_rng(m)
        A, V, change, j = softmax(rng.normal(size=(n, m))), *rng.normal(size=(2, m, 2)), 1
        out, change = A @ V, change[j]  # (n, d_v), (d_v,)
        only_j = np.eye(n)[:, [j]]  # (n, 1)
        mistakes = {
            "Every word gets the whole change: each gets it by its weight on word j.": out + change,
            "Only word j's output moves: whose outputs hold a share of value j?": out
            + only_j * A[j, j] * change,
            "Only word j's output moves, and by all of the change: who looks at word j?": out
            + only_j * change,
            "That is the movement alone: add it to the old outputs.": np.outer(A[:, j], change),
            "The outputs move the other way: add the change.": out - np.outer(A[:, j], change),
        }
        if n == m:
            mistakes["Row j of A is what word j looks at. Who looks at word j?"] = out + np.outer(
                A[j], change
            )
        before = out.copy()
        hint = judge(answer(out, A, j, change), before + np.outer(A[:, j], change), mistakes)
        if hint:
            return hint
        if not np.array_equal(out, before):
            return "Right, but the old outputs have changed, too: += writes into them."
    return None
