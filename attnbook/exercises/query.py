"""Checks for the exercises of the chapter query."""

import numpy as np

from attnbook.exercises.judge import judge


def queries_of_linear(answer):
    """Check answer(X, weight, bias): the queries (N, d_k) of a torch Linear.

    X is (N, d_model), weight (d_k, d_model), bias (d_k,).
    """
    for n, d_model, d_k in ((3, 5, 5), (4, 6, 2)):  # a square weight hides the mistake
        rng = np.random.default_rng(d_model)
        X, weight, bias = (rng.normal(size=s) for s in ((n, d_model), (d_k, d_model), d_k))
        right = X @ weight.T + bias  # (n, d_k)
        mistakes = {
            "The bias is missing: every query gets it, too.": X @ weight.T,
            "The bias is subtracted: add it.": X @ weight.T - bias,
            "Each word has a column, not a row: keep one word per row, as in X.": right.T,
            "Columns again, and no bias: keep one word per row, as in X.": weight @ X.T,
        }
        if d_k == d_model:
            turn = "Which way is weight stored? Each of its rows makes one number of the query."
            mistakes[turn] = X @ weight + bias
            mistakes[f"{turn} The bias is missing, too."] = X @ weight
        hint = judge(answer(X, weight, bias), right, mistakes)
        if hint:
            return hint
    return None
