"""Checks for the exercises of the chapter score."""

import numpy as np

from attnbook.exercises.judge import judge


def additive(answer):
    """Check answer(Q, K, W, U, v): vᵀ tanh(W q + U k) for each query and key, (N, M)."""
    d_k, h = 4, 6
    for n, m in ((5, 5), (3, 5)):  # with as many queries as keys more mistakes run
        rng = np.random.default_rng(n)
        Q, K, W, U, v = (rng.normal(size=s) for s in ((n, d_k), (m, d_k), (h, d_k), (h, d_k), h))
        q, k = (Q @ W.T)[:, None], (K @ U.T)[None]  # (n, 1, h), (1, m, h)
        right = np.tanh(q + k) @ v  # (n, m)
        swapped = np.tanh((Q @ U.T)[:, None] + (K @ W.T)[None]) @ v
        no_v = np.tanh(q + k).sum(axis=-1)
        mistakes = {
            "Each tanh sees one of the two words alone: add W q and U k first.": np.tanh(q) @ v
            + np.tanh(k) @ v,
            "The tanh is missing.": (q + k) @ v,
            "W q and U k are multiplied: add them.": np.tanh(q * k) @ v,
            "W is for the query and U for the key.": swapped,
            "v is missing: each of the h numbers counts by its own entry of v.": no_v,
            "Here nothing is divided by √d_k: the tanh keeps each of the h numbers small.": right
            / np.sqrt(d_k),
            "Columns ask and rows are asked: row i is for query i.": right.T,
        }
        if n == m:
            pairs = "Query i meets key i alone: give queries and keys an axis each, and every "
            mistakes[f"{pairs}query meets every key."] = np.diag(right)
        hint = judge(answer(Q, K, W, U, v), right, mistakes)
        if hint:
            return hint
    return None
