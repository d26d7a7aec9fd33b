"""Checks for the exercises of the chapter gpu_kernel."""

import numpy as np

from attnbook.exercises.judge import judge


def key_offset(answer):
    """Check answer(h, j, c, H, H_kv, M, d): the offset of number c of key j for query head h."""
    H, H_kv, M, d = 6, 2, 5, 3
    places = np.arange(H_kv * M * d).reshape(H_kv, M, d)  # each number's own offset
    rng = np.random.default_rng(0)
    asked = np.column_stack([rng.permutation(H), rng.integers(M, size=H), rng.integers(d, size=H)])
    h, j, c = asked.T  # (H,) each: every query head once
    kv = h // (H // H_kv)  # (H,)
    given = [answer(*map(int, one), H, H_kv, M, d) for one in asked]
    return judge(
        None if any(x is None for x in given) else given,
        places[kv, j, c],
        {
            "There are fewer key heads than query heads: which one does head h use?": (h * M + j)
            * d
            + c,
            "Consecutive query heads share a key head: 0, 1, 2 the first, 3, 4, 5 the next.": (
                h % H_kv * M + j
            )
            * d
            + c,
            "h // H_kv is not the key head: how many query heads share one?": (h // H_kv * M + j)
            * d
            + c,
            "A key head has M rows: each head further on is M · d numbers away.": (kv + j) * d + c,
            "A row holds d numbers: row j begins j · d after row 0.": kv * M * d + j + c,
            "Numbers of a row lie side by side, and rows one after the other: j · d + c.": (
                kv * M * d + c * M + j
            ),
            "The head is missing: that is key j of the first head.": j * d + c,
        },
    )
