"""Answers to the exercises of value."""

import numpy as np


def moved(out, A, j, change):
    return out + np.outer(A[:, j], change)


def by_loop(out, A, j, change):
    out = out.copy()
    for i in range(len(A)):
        out[i] += A[i, j] * change
    return out


def only_word_j(out, A, j, change):
    out = out.copy()
    out[j] += change
    return out


def only_word_j_by_weight(out, A, j, change):
    out = out.copy()
    out[j] += A[j, j] * change
    return out


def in_place(out, A, j, change):
    out += np.outer(A[:, j], change)
    return out


ANSWERS = {
    "outputs_after": {
        "right": by_loop,
        "wrong": [
            (lambda out, A, j, change: out + np.outer(A[j], change), "Row j of A"),
            (lambda out, A, j, change: out + change, "by its weight on word j"),
            (only_word_j, "by all of the change"),
            (only_word_j_by_weight, "hold a share of value j"),
            (lambda out, A, j, change: np.outer(A[:, j], change), "movement alone"),
            (lambda out, A, j, change: moved(out, A, j, -change), "the other way"),
            (in_place, "have changed, too"),
        ],
    },
}
