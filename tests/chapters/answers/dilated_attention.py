"""Answers to the exercises of dilated_attention."""

import numpy as np


def attend(Q, K, V):
    e = np.exp(Q @ K.T / np.sqrt(Q.shape[1]))
    return e / e.sum(axis=1, keepdims=True) @ V


def one_branch(Q, K, V, w, r, offset):
    out = np.zeros((len(Q), V.shape[1]))
    for start in range(0, len(Q), w):
        kept = np.arange(start + offset, min(start + w, len(Q)), r)
        out[kept] = attend(Q[kept], K[kept], V[kept])
    return out


def every_word_asks(Q, K, V, w, r, offset):
    out = np.zeros((len(Q), V.shape[1]))
    for start in range(0, len(Q), w):
        segment = slice(start, start + w)
        kept = np.arange(start + offset, min(start + w, len(Q)), r)
        out[segment] = attend(Q[segment], K[kept], V[kept])
    return out


def own_value(Q, K, V, w, r, offset):
    kept = np.arange(len(Q)) % w % r == offset
    return np.where(kept[:, None], one_branch(Q, K, V, w, r, offset), V)


def one_comb(Q, K, V, w, r, offset):
    out = np.zeros((len(Q), V.shape[1]))
    for start in range(0, len(Q), w):
        segment = np.arange(start, min(start + w, len(Q)))
        kept = segment[segment % r == offset]
        out[kept] = attend(Q[kept], K[kept], V[kept])
    return out


def all_segments(Q, K, V, w, r, offset):
    out = np.zeros((len(Q), V.shape[1]))
    kept = np.arange(len(Q)) % w % r == offset
    out[kept] = attend(Q[kept], K[kept], V[kept])
    return out


def padded(Q, K, V, w, r, offset):
    n = len(Q)
    Q, K, V = (np.pad(x, ((0, -n % w), (0, 0))) for x in (Q, K, V))
    return one_branch(Q, K, V, w, r, offset)[:n]


def whole_segments_only(Q, K, V, w, r, offset):
    n = len(Q) // w * w
    out = np.zeros((len(Q), V.shape[1]))
    out[:n] = one_branch(Q[:n], K[:n], V[:n], w, r, offset)
    return out


ANSWERS = {
    "one_branch": {
        "right": one_branch,
        "wrong": [
            (every_word_asks, "one that is not kept gets zeros"),
            (own_value, "not its own value"),
            (lambda Q, K, V, w, r, o: one_branch(Q, K, V, w, r, 0), "where does this head start"),
            (one_comb, "anew in each segment"),
            (lambda Q, K, V, w, r, o: one_branch(Q, K, V, w * r, r, o), "yours has w after"),
            (all_segments, "do not meet"),
            (lambda Q, K, V, w, r, o: one_branch(Q, K, V, w, 1, 0), "dropped no word"),
            (padded, "filled it with zeros"),
            (whole_segments_only, "a short segment is a segment"),
            (lambda Q, K, V, w, r, o: one_branch(Q, K, V, w, r, o)[o::r], "has shape"),
        ],
    },
}
