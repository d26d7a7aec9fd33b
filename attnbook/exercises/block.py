"""Checks for the exercises of the chapter block."""

import numpy as np

from attnbook.exercises.judge import judge
from attnlib.positions import BASE, rotary


def rotary_halves(answer):
    """Check answer(x, offset): rows (N, d_k) turned by position, column i with column i + d_k/2."""
    N, d_k, offset = 5, 6, 3
    x = np.random.default_rng(0).normal(size=(N, d_k))
    half, side_by_side = d_k // 2, [0, 3, 1, 4, 2, 5]
    places, speeds = offset + np.arange(N), BASE ** (-2 * np.arange(half) / d_k)  # (N,), (half,)

    def turned(places, speeds):
        z = (x[:, :half] + 1j * x[:, half:]) * np.exp(1j * np.outer(places, speeds))  # (N, half)
        return np.concatenate([z.real, z.imag], axis=1)  # (N, d_k)

    right = turned(places, speeds)
    mistakes = {
        "Neighbours are paired, 2i with 2i + 1: pair the first half with the second.": rotary(
            x, offset=offset
        ),
        "The rotation is right, but you put each pair side by side: i belongs in column i.": right[
            :, side_by_side
        ],
        "The arrows turn the other way: which of the two sines has the minus?": turned(
            -places, speeds
        ),
        "The first row is at place offset, not at 0.": turned(np.arange(N), speeds),
        "All rows turn by the same angle: the place grows by one per row.": turned(
            np.full(N, offset), speeds
        ),
        "The hands turn at other speeds: 10000^(-2i/d_k), with i from 0 to d_k/2 - 1.": turned(
            places, np.sqrt(speeds)
        ),
        "All pairs turn at one speed: each pair has its own.": turned(places, np.ones(half)),
    }
    before = x.copy()
    hint = judge(answer(x, offset), right, mistakes)
    if not np.array_equal(x, before):
        return "x has changed: the second line then reads what the first has written."
    return hint
