"""Checks for the exercises of the chapter trained_model."""

import numpy as np

from attnbook.exercises.judge import judge
from attnlib.formula import softmax


def less_the_other_rows(answer):
    """Check answer(A): each row of the weights (N, M) minus the mean of the N - 1 other rows."""
    n = 4
    A = softmax(np.random.default_rng(0).normal(size=(n, 6)))  # (N, M)
    others = np.array([np.delete(A, i, axis=0).mean(axis=0) for i in range(n)])  # (N, M)
    before = A.copy()
    hint = judge(
        answer(A),
        before - others,
        {
            "The row itself is in the mean that you subtract: take only the other rows.": before
            - before.mean(axis=0),
            "You subtract the mean of the row itself, along the words: average over the rows.": (
                before - before.mean(axis=1, keepdims=True)
            ),
            "The row is left out of the sum, but the sum is divided by N: N - 1 rows are left.": (
                before - (before.sum(axis=0) - before) / n
            ),
            "That is the mean of the others: subtract it from the row.": others,
            "The sign is reversed: the row minus the mean of the others.": others - before,
            "You subtract the sum of the others, not their mean.": before - others * (n - 1),
        },
    )
    if hint is None and not np.array_equal(A, before):
        return "Right, but A has changed, too: -= writes into it."
    return hint
