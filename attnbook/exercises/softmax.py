"""Checks for the exercises of the chapter softmax."""

import numpy as np

from attnbook.exercises.judge import judge
from attnlib.formula import softmax


def with_temperature(answer):
    """Check answer(s, T): softmax of scores s (N, M) at temperature T, each row summing to 1."""
    s, T = np.random.default_rng(0).normal(size=(3, 5)), 4.0
    given = s.copy()
    hint = judge(
        answer(given, T),
        softmax(s / T),
        {
            "You multiply by T: a high temperature should flatten the row.": softmax(s * T),
            "T divides the weights, so a row no longer sums to 1: divide the scores.": softmax(s)
            / T,
            "The columns sum to 1, not the rows: keep to the last axis.": softmax(s / T, axis=0),
            "All rows together sum to 1: sum over the last axis only.": np.exp(s / T)
            / np.exp(s / T).sum(),
            "T changes nothing here.": softmax(s),
            "A row no longer sums to 1: raise weights to a power and you must divide again.": (
                softmax(s) ** (1 / T)
            ),
            "The exponentials are not divided by their sum.": np.exp(s / T),
        },
    )
    if hint is None and not np.array_equal(given, s):
        return "Right, but s has changed, too: /= and -= write into it."
    return hint or judge(
        answer(s + 800.0, 0.5),
        softmax(s / 0.5),
        {"Right for small scores, but exp overflows for large ones.": np.full_like(s, np.nan)},
    )
