"""Answers to the exercises of benefits."""

import numpy as np


def by_softmax(a, f, k):
    e = np.append(a, np.full(k, a[f]))
    return e / e.sum()


ANSWERS = {
    "weights_with_filler": {
        "right": lambda a, f, k: a / (1 + k * a[f]),
        "wrong": [
            (lambda a, f, k: a / (1 + k), "not as much as a whole row"),
            (lambda a, f, k: a / (1 + (k - 1) * a[f]), "k + 1"),
            (lambda a, f, k: a * (1 - k * a[f]), "turns negative"),
            (lambda a, f, k: a - k * a[f], "subtract the same"),
            (lambda a, f, k: a / (1 + a[f]) ** k, "all at once"),
            (lambda a, f, k: a, "have not changed"),
            (by_softmax, "only the weights of the M words"),
        ],
    },
}
