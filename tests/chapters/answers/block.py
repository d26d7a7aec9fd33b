"""Answers to the exercises of block."""

import numpy as np

from attnlib import rotary


def halves(x, offset=0, speed=2, sign=1, first=True, growing=True):
    half = x.shape[1] // 2
    places = offset * first + np.arange(len(x)) * growing
    angle = sign * places[:, None] * 10000.0 ** (-speed * np.arange(half) / x.shape[1])
    a, b = x[:, :half], x[:, half:]
    turned = [a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)]
    return np.concatenate(turned, axis=1)


def by_neighbours(x, offset=0):
    order = [*range(0, x.shape[1], 2), *range(1, x.shape[1], 2)]
    turned = rotary(x[:, np.argsort(order)], offset=offset)
    return turned[:, order]


def side_by_side(x, offset=0):
    order = [*range(0, x.shape[1], 2), *range(1, x.shape[1], 2)]
    return rotary(x[:, np.argsort(order)], offset=offset)


def in_place(x, offset=0):
    half = x.shape[1] // 2
    angle = (offset + np.arange(len(x)))[:, None] * 10000.0 ** (-np.arange(half) / half)
    x[:, :half] = x[:, :half] * np.cos(angle) - x[:, half:] * np.sin(angle)
    x[:, half:] = x[:, :half] * np.sin(angle) + x[:, half:] * np.cos(angle)
    return x


ANSWERS = {
    "rotary_halves": {
        "right": by_neighbours,
        "wrong": [
            (lambda x, offset: rotary(x, offset=offset), "Neighbours are paired"),
            (side_by_side, "side by side"),
            (lambda x, offset: halves(x, offset, sign=-1), "the other way"),
            (lambda x, offset: halves(x, offset, first=False), "not at 0"),
            (lambda x, offset: halves(x, offset, growing=False), "the same angle"),
            (lambda x, offset: halves(x, offset, speed=1), "other speeds"),
            (lambda x, offset: halves(x, offset, speed=0), "one speed"),
            (in_place, "x has changed"),
            (lambda x, offset: halves(x, offset)[:, :3], "expected (5, 6)"),
        ],
    },
}
