"""Answers to the exercises of many_devices."""

import numpy as np


def by_split(rank, size, n):
    pieces = np.split(np.arange(n), 2 * size)
    return [*pieces[rank], *pieces[-1 - rank]]


def pieces_of(second):
    def answer(rank, size, n):
        piece = np.arange(n // (2 * size))
        return np.concatenate([p * len(piece) + piece for p in (rank, second(rank, size))])

    return answer


def backwards(rank, size, n):
    return np.concatenate([np.split(np.arange(n), 2 * size)[rank], by_split(rank, size, n)[:2:-1]])


def too_large(rank, size, n):
    pieces = np.split(np.arange(n), size)
    return np.concatenate([pieces[rank], pieces[-1 - rank]])


def back_and_forth(rank, size, n):
    return [i for i in range(n) if i % (2 * size) in (rank, 2 * size - 1 - rank)]


ANSWERS = {
    "zigzag": {
        "right": by_split,
        "wrong": [
            (lambda rank, size, n: np.split(np.arange(n), size)[rank], "contiguous pieces"),
            (lambda rank, size, n: np.arange(rank, n, size), "These are stripes"),
            (pieces_of(lambda rank, size: rank + size), "count it from the back"),
            (pieces_of(lambda rank, size: 2 * size - rank), "numbered from 0"),
            (back_and_forth, "dealt back and forth"),
            (backwards, "not in ascending order"),
            (too_large, "expected 6 each"),
            (lambda rank, size, n: None, "returns None"),
        ],
    },
}
