"""Answers to the exercises of generation."""

import numpy as np

from attnlib import attention, softmax


def by_loop(Q, K, V):
    n = len(K) - len(Q)
    out = []
    for i, q in enumerate(Q):
        s = K[: n + i + 1] @ q / np.sqrt(len(q))
        out.append(softmax(s) @ V[: n + i + 1])
    return np.array(out)


def with_offset(extra):
    def answer(Q, K, V):
        return attention(Q, K, V, is_causal=True, causal_offset=len(K) - len(Q) + extra)

    return answer


def visible(Q, K):
    return np.arange(len(K)) <= len(K) - len(Q) + np.arange(len(Q))[:, None]


def mask_after(Q, K, V):
    return softmax(Q @ K.T / np.sqrt(Q.shape[1])) * visible(Q, K) @ V


def mask_by_zero(Q, K, V):
    return softmax(Q @ K.T / np.sqrt(Q.shape[1]) * visible(Q, K)) @ V


def unscaled(Q, K, V):
    return softmax(np.where(visible(Q, K), Q @ K.T, -np.inf)) @ V


def needs_a_cache(Q, K, V):
    return by_loop(Q, K, V) if len(K) > len(Q) else attention(Q, K, V)


ANSWERS = {
    "attend_piece": {
        "right": by_loop,
        "wrong": [
            (lambda Q, K, V: attention(Q, K, V), "for a single query only"),
            (lambda Q, K, V: attention(Q, K, V, is_causal=True), "counts as word 0"),
            (with_offset(-1), "one key too few"),
            (with_offset(1), "one key too many"),
            (
                lambda Q, K, V: attention(Q, K[-len(Q) :], V[-len(Q) :], is_causal=True),
                "see each other only",
            ),
            (lambda Q, K, V: attention(Q, K[: -len(Q)], V[: -len(Q)]), "the cache only"),
            (mask_after, "after the softmax"),
            (mask_by_zero, "a score like others"),
            (unscaled, "not divided by"),
            (needs_a_cache, "With an empty cache"),
        ],
    },
}
