"""Answers to the exercises of key."""

import numpy as np


def asks(X, W_Q, W_K):
    return X @ (W_Q @ W_K.T)


def wider(W_Q):
    d_model, d_k = W_Q.shape
    return np.sqrt(d_model / d_k)


ANSWERS = {
    "queries_for_bare_words": {
        "right": lambda X, W_Q, W_K: X @ W_Q @ W_K.T * wider(W_Q),
        "wrong": [
            (asks, "then and now"),
            (lambda X, W_Q, W_K: asks(X, W_Q, W_K) / W_Q.shape[1] ** 0.5, "divides once more"),
            (lambda X, W_Q, W_K: asks(X, W_Q, W_K) / wider(W_Q), "is inverted"),
            (lambda X, W_Q, W_K: asks(X, W_K, W_Q) * wider(W_Q), "row of the asker first?"),
            (lambda X, W_Q, W_K: asks(X, W_K, W_Q), "is off, too"),
            (lambda X, W_Q, W_K: X @ W_Q, "narrow as before"),
            (
                lambda X, W_Q, W_K: (X @ W_Q) @ (X @ W_K).T / W_Q.shape[1] ** 0.5,
                "scores themselves",
            ),
        ],
    },
}
