"""Answers to the exercises of multi_head."""

import numpy as np


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attend(Q, K, V, width=None):
    return softmax(Q @ np.swapaxes(K, -1, -2) / np.sqrt(width or Q.shape[-1])) @ V


def split(P, num_heads):
    return P.reshape(len(P), num_heads, -1).transpose(1, 0, 2)


def rows(W_O, num_heads):
    return W_O.reshape(num_heads, -1, W_O.shape[1])


def right(X, W_Q, W_K, W_V, W_O, num_heads):
    Q, K, V = (split(X @ W, num_heads) for W in (W_Q, W_K, W_V))
    return attend(Q, K, V) @ rows(W_O, num_heads)


def by_zeros(X, W_Q, W_K, W_V, W_O, num_heads):
    heads = attend(*(split(X @ W, num_heads) for W in (W_Q, W_K, W_V)))
    alone = np.zeros((num_heads, len(X), len(W_O)))
    d = len(W_O) // num_heads
    for h in range(num_heads):
        alone[h, :, h * d : (h + 1) * d] = heads[h]
    return alone @ W_O


def whole_width(X, W_Q, W_K, W_V, W_O, num_heads):
    Q, K, V = (split(X @ W, num_heads) for W in (W_Q, W_K, W_V))
    return attend(Q, K, V, width=len(W_O)) @ rows(W_O, num_heads)


def cut_afterwards(X, W_Q, W_K, W_V, W_O, num_heads):
    return split(attend(X @ W_Q, X @ W_K, X @ W_V), num_heads) @ rows(W_O, num_heads)


def no_transpose(X, W_Q, W_K, W_V, W_O, num_heads):
    Q, K, V = ((X @ W).reshape(num_heads, len(X), -1) for W in (W_Q, W_K, W_V))
    return attend(Q, K, V) @ rows(W_O, num_heads)


def interleaved(X, W_Q, W_K, W_V, W_O, num_heads, also_rows=True):
    shares = []
    for h in range(num_heads):
        own = slice(h, None, num_heads)
        W = W_O[own] if also_rows else rows(W_O, num_heads)[h]
        shares.append(attend(X @ W_Q[:, own], X @ W_K[:, own], X @ W_V[:, own]) @ W)
    return np.stack(shares)


def same_rows(X, W_Q, W_K, W_V, W_O, num_heads):
    Q, K, V = (split(X @ W, num_heads) for W in (W_Q, W_K, W_V))
    return attend(Q, K, V) @ rows(W_O, num_heads)[0]


ANSWERS = {
    "share_of_each_head": {
        "right": by_zeros,
        "wrong": [
            (whole_width, "root of the whole width"),
            (cut_afterwards, "before you attend"),
            (no_transpose, "needs a transpose"),
            (interleaved, "not every third one"),
            (lambda *a: interleaved(*a, also_rows=False), "is another head's"),
            (same_rows, "same rows of W_O"),
            (lambda *a: right(*a) / a[-1], "why divide"),
            (lambda *a: right(*a).sum(axis=0), "before you add"),
            (
                lambda *a: attend(*(split(a[0] @ W, a[-1]) for W in a[1:4])),
                "what does W_O make",
            ),
            (lambda *a: right(*a).transpose(1, 0, 2), "comes before the head's"),
        ],
    },
}
