"""Answers to the exercises of score."""

import numpy as np


def parts(Q, K, W, U):
    return (Q @ W.T)[:, None, :], (K @ U.T)[None, :, :]  # (N, 1, h), (1, M, h)


def additive(Q, K, W, U, v):
    q, k = parts(Q, K, W, U)
    return np.tanh(q + k) @ v


def by_loop(Q, K, W, U, v):
    return np.array([[v @ np.tanh(W @ q + U @ k) for k in K] for q in Q])


def apart(Q, K, W, U, v):
    q, k = parts(Q, K, W, U)
    return np.tanh(q) @ v + np.tanh(k) @ v


def no_tanh(Q, K, W, U, v):
    return (Q @ W.T @ v)[:, None] + K @ U.T @ v


def multiplied(Q, K, W, U, v):
    q, k = parts(Q, K, W, U)
    return np.tanh(q * k) @ v


def no_v(Q, K, W, U, v):
    q, k = parts(Q, K, W, U)
    return np.tanh(q + k).sum(axis=-1)


ANSWERS = {
    "additive": {
        "right": by_loop,
        "wrong": [
            (apart, "one of the two words alone"),
            (no_tanh, "tanh is missing"),
            (multiplied, "add them"),
            (lambda Q, K, W, U, v: additive(Q, K, U, W, v), "W is for the query"),
            (no_v, "v is missing"),
            (lambda *given: additive(*given) / given[0].shape[1] ** 0.5, "nothing is divided"),
            (lambda Q, K, W, U, v: additive(K, Q, U, W, v), "Columns ask"),
            (lambda Q, K, W, U, v: np.tanh(Q @ W.T + K @ U.T) @ v, "key i alone"),
            (lambda Q, K, W, U, v: np.tanh(Q @ W + K @ U) @ v, "raises ValueError"),
        ],
    },
}
