"""Checks for the exercises of the chapter dilated_attention."""

import numpy as np

from attnbook.exercises.judge import judge
from attnlib.formula import attention


def one_branch(answer):
    """Check answer(Q, K, V, w, r, offset): one head's outputs (N, d_v) from one branch."""
    # a text that divides into segments, one that does not, a segment that does not divide by r,
    # an end too short for the offset, and a segment longer than the text
    for n, w, r, offset in (
        (12, 4, 2, 1),
        (10, 4, 2, 0),
        (13, 5, 2, 1),
        (11, 5, 3, 2),
        (6, 9, 2, 1),
    ):
        rng = np.random.default_rng(n)
        Q, K, V = (rng.normal(size=(n, d)) for d in (4, 4, 3))
        right = _masked(Q, K, V, w, r, offset)
        mistakes = {
            "Every word asks in your branch: one that is not kept gets zeros.": attention(
                Q, K, V, attn_mask=_near(n, w) & _kept(n, w, r, offset)
            ),
            "A word that is not kept gets zeros, not its own value.": np.where(
                _kept(n, w, r, offset)[:, None], right, V
            ),
            "You start at the first word of a segment: where does this head start?": _masked(
                Q, K, V, w, r, 0
            ),
            "Your comb runs through the whole text: it starts anew in each segment.": _masked(
                Q, K, V, w, r, offset, kept=np.arange(n) % r == offset
            ),
            "A segment has w words before any is dropped: yours has w after.": _masked(
                Q, K, V, w * r, r, offset
            ),
            "Kept words of different segments do not meet.": _masked(
                Q, K, V, n, r, offset, kept=_kept(n, w, r, offset)
            ),
            "You dropped no word: keep every r-th.": _masked(Q, K, V, w, 1, 0),
            "The last segment is short, and you filled it with zeros: those count as keys.": (
                _masked(*(np.pad(x, ((0, -n % w), (0, 0))) for x in (Q, K, V)), w, r, offset)[:n]
            ),
            "The last words are missing: a short segment is a segment, too.": np.where(
                np.arange(n)[:, None] < n - n % w, right, 0
            ),
        }
        told_apart = {h: wrong for h, wrong in mistakes.items() if not np.allclose(wrong, right)}
        hint = judge(answer(Q, K, V, w, r, offset), right, told_apart)
        if hint:
            return hint
    return None


def _near(n, w):
    """Which words share a segment, (N, N)."""
    segment = np.arange(n) // w
    return segment[:, None] == segment


def _kept(n, w, r, offset):
    """Which words the branch keeps, (N,)."""
    return np.arange(n) % w % r == offset


def _masked(Q, K, V, w, r, offset, kept=None):
    """The branch by a mask: every pair is scored, and most are hidden."""
    kept = _kept(len(Q), w, r, offset) if kept is None else kept
    return attention(Q, K, V, attn_mask=kept[:, None] & kept & _near(len(Q), w))
