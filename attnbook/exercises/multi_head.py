"""Checks for the exercises of the chapter multi_head."""

import numpy as np

from attnbook.exercises.judge import judge
from attnlib.formula import attention


def share_of_each_head(answer):
    """Check answer(X, W_Q, W_K, W_V, W_O, num_heads): what each head adds, (H, N, d_out)."""
    n, d_model, H, d, d_out = 5, 7, 3, 2, 4
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d_model))
    W_Q, W_K, W_V = rng.normal(size=(3, d_model, H * d))
    W_O = rng.normal(size=(H * d, d_out))
    projected = [X @ W for W in (W_Q, W_K, W_V)]  # (n, H·d) each
    next_to = [slice(h * d, (h + 1) * d) for h in range(H)]  # the columns of each head
    every_third = [slice(h, None, H) for h in range(H)]

    def attend(columns, **options):
        return [attention(*(P[:, own] for P in projected), **options) for own in columns]

    def read(heads, rows):
        return np.stack([head @ W_O[own] for head, own in zip(heads, rows, strict=True)])

    heads = attend(next_to)  # (n, d) each
    reshaped = [attention(*(P.reshape(H, n, d)[h] for P in projected)) for h in range(H)]
    joint = attention(*projected)  # (n, H·d)
    right = read(heads, next_to)  # (H, n, d_out)
    interleaved = attend(every_third)
    return judge(
        answer(X, W_Q, W_K, W_V, W_O, H),
        right,
        {
            "You divide by the root of the whole width: a head's own width is what it sums over.": (
                read(attend(next_to, scale=1 / np.sqrt(H * d)), next_to)
            ),
            "Each head has weights of its own: cut the columns before you attend, not after.": read(
                [joint[:, own] for own in next_to], next_to
            ),
            "Words and heads are mixed: a reshape to (H, N, d) needs a transpose.": read(
                reshaped, next_to
            ),
            "Head h owns neighbouring columns, not every third one.": read(
                interleaved, every_third
            ),
            "Every third column is another head's: a head owns neighbouring ones.": read(
                interleaved, next_to
            ),
            "All heads are read by the same rows of W_O: each has rows of its own.": read(
                heads, [slice(0, d)] * H
            ),
            "The answers of the heads add up: why divide by their number?": right / H,
            "That is the sum over the heads: it is wanted before you add.": right.sum(axis=0),
            "Those are the heads: what does W_O make of each?": np.stack(heads),
            "The word's axis comes before the head's: (H, N, d_out) is wanted.": right.swapaxes(
                0, 1
            ),
        },
    )
