"""Answers to the exercises of linear_memory."""

import numpy as np


def shared(outs, share):
    return (share[..., None] * outs).sum(axis=0)


def stable(lses, axis):
    e = np.exp(lses - lses.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


ANSWERS = {
    "merge_all": {
        "right": lambda outs, lses: shared(outs, stable(lses, 0)),
        "wrong": [
            (lambda outs, lses: outs.mean(axis=0), "mean of the parts"),
            (lambda outs, lses: shared(outs, lses / lses.sum(axis=0)), "not by lse itself"),
            (lambda outs, lses: shared(outs, stable(lses, 1)), "over the words"),
            (lambda outs, lses: shared(outs, np.exp(lses) / np.exp(lses).sum()), "All shares"),
            (lambda outs, lses: shared(outs, np.exp(lses)), "divide by the sum"),
            (lambda outs, lses: stable(lses, 0)[..., None] * outs, "added over the parts"),
            (lambda outs, lses: shared(outs, np.exp(lses) / np.exp(lses).sum(0)), "overflows"),
        ],
    },
}
