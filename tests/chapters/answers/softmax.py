"""Answers to the exercises of softmax: a right one, and wrong ones with a part of their hint."""

import numpy as np


def stable(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def in_place(s, T):
    s /= T
    return stable(s)


ANSWERS = {
    "with_temperature": {
        "right": lambda s, T: stable(s / T),
        "wrong": [
            (lambda s, T: stable(s * T), "multiply by T"),
            (lambda s, T: stable(s) / T, "divide the scores"),
            (lambda s, T: stable(s.T / T).T, "columns sum to 1"),
            (lambda s, T: np.exp(s / T) / np.exp(s / T).sum(), "All rows together"),
            (
                lambda s, T: np.exp(s / T) / np.exp(s / T).sum(axis=-1, keepdims=True),
                "exp overflows",
            ),
            (lambda s, T: stable(s), "changes nothing"),
            (lambda s, T: stable(s) ** (1 / T), "to a power"),
            (lambda s, T: np.exp(s / T), "not divided by their sum"),
            (in_place, "s has changed"),
            (lambda s, T: None, "returns None"),
        ],
    },
}
