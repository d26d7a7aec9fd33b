"""Checks for the exercises of the chapter many_devices."""

import numpy as np

from attnbook.exercises.judge import judge


def zigzag(answer):
    """Check answer(rank, size, n): the positions (n / size,) that a rank holds.

    Of 2P pieces, rank r of P holds pieces r and 2P - 1 - r.
    """
    size, n = 4, 24
    given = [answer(rank, size, n) for rank in range(size)]
    if any(places is None for places in given):
        return judge(None, None)
    counts = [len(places) for places in given]
    if counts != [n // size] * size:
        return (
            f"The ranks hold {counts} of {n} places, expected {n // size} each: two of 2P pieces."
        )
    pieces = np.arange(n).reshape(2 * size, -1)  # (2P, n / 2P)
    front, back = pieces[:size], pieces[size:]  # (P, n / 2P) each
    cards = np.arange(n).reshape(-1, 2 * size)  # (n / 2P, 2P), one round per row
    right = np.concatenate([front, back[::-1]], axis=1)  # (P, n / P), one rank per row
    hint = judge(
        given,
        right,
        {
            "These are contiguous pieces: a rank holds one from the front and one from the back.": (
                np.arange(n).reshape(size, -1)
            ),
            "These are stripes: pieces are runs of neighbours.": np.arange(n).reshape(-1, size).T,
            "The second piece is counted from the middle: count it from the back.": np.concatenate(
                [front, back], axis=1
            ),
            "Cards dealt back and forth, one by one: a rank holds two runs of neighbours.": (
                np.sort(np.concatenate([cards[:, :size], cards[:, : -size - 1 : -1]]), axis=0).T
            ),
            "The back piece is one piece too close to the end: pieces are numbered from 0.": (
                np.concatenate([front, back[::-1] + n // (2 * size)], axis=1)
            ),
        },
    )
    if hint and np.array_equal(np.sort(given, axis=1), right):
        return "The right places, but not in ascending order, so the rows no longer match."
    return hint
