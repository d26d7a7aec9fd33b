"""Checks for the exercises of the chapter generation."""

import numpy as np

from attnbook.exercises.judge import judge
from attnlib.formula import attention, softmax


def attend_piece(answer):
    """Check answer(Q, K, V): the attention (m, d_v) of m new words after n cached ones.

    K is (n + m, d_k) and V (n + m, d_v): cached words first.
    """
    for n, m in ((5, 3), (0, 4), (6, 1)):
        rng = np.random.default_rng(m)
        Q, K, V = (rng.normal(size=s) for s in ((m, 4), (n + m, 4), (n + m, 2)))
        right = attention(Q, K, V, is_causal=True, causal_offset=n)  # (m, d_v)
        mistakes = {}
        if n and m > 1:  # otherwise some mistakes are none
            visible = np.arange(n + m) <= n + np.arange(m)[:, None]  # (m, n + m)
            S = Q @ K.T / np.sqrt(4)  # (m, n + m)
            mistakes = {
                "A new word sees new words behind it: no mask is right for a single query only.": (
                    attention(Q, K, V)
                ),
                "Your first new word counts as word 0 and sees only key 0: how many came before "
                "it?": attention(Q, K, V, is_causal=True),
                "Each new word sees one key too few: its own counts, too.": attention(
                    Q, K, V, is_causal=True, causal_offset=n - 1
                ),
                "Each new word sees one key too many: the next word is still to come.": attention(
                    Q, K, V, is_causal=True, causal_offset=n + 1
                ),
                "The new words see each other only: the n keys before them count, too.": attention(
                    Q, K[n:], V[n:], is_causal=True
                ),
                "The new words see the cache only: each sees itself and new words before it.": (
                    attention(Q, K[:n], V[:n])
                ),
                "The mask comes after the softmax, so rows of weights sum to less than 1.": (
                    np.where(visible, softmax(S), 0) @ V
                ),
                "A hidden word has a score of 0, and that is a score like others: give it -inf.": (
                    softmax(np.where(visible, S, 0)) @ V
                ),
                "Right mask, but the scores are not divided by √d_k.": attention(
                    Q, K, V, is_causal=True, causal_offset=n, scale=1
                ),
            }
        hint = judge(answer(Q, K, V), right, mistakes)
        if hint:
            return hint if n else f"With an empty cache, n = 0: {hint}"
    return None
