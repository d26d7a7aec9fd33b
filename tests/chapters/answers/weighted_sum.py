"""Answers to the exercises of weighted_sum."""

import numpy as np


def right(A, V, gone):
    return A[:, ~gone] @ V[~gone] / A[:, ~gone].sum(axis=1, keepdims=True)


def one_by_one(A, V, gone):
    out = total = A @ V
    for j in np.flatnonzero(gone):
        total = total + A[:, [j]] / (1 - A[:, [j]]) * (out - V[j])
    return total


def in_turn(A, V, gone):
    A, out = A.copy(), A @ V
    for j in np.flatnonzero(gone):
        out = out + A[:, [j]] / (1 - A[:, [j]]) * (out - V[j])
        A /= 1 - A[:, [j]]
    return out


def shared_equally(A, V, gone):
    lost = A[:, gone].sum(axis=1, keepdims=True)
    return (A[:, ~gone] + lost / (~gone).sum()) @ V[~gone]


def second_softmax(A, V, gone):
    e = np.exp(A[:, ~gone])
    return e / e.sum(axis=1, keepdims=True) @ V[~gone]


def in_place(A, V, gone):
    A[:, gone] = 0
    A /= A.sum(axis=1, keepdims=True)
    return A @ V


def lost_axis(A, V, gone):
    kept = np.where(gone, 0, A)
    return kept / kept.sum(axis=1) @ V


ANSWERS = {
    "outputs_without": {
        "right": in_turn,
        "wrong": [
            (lambda A, V, gone: A[:, ~gone] @ V[~gone], "no longer sum to 1"),
            (one_by_one, "do not add up"),
            (shared_equally, "not equally"),
            (lambda A, V, gone: right(A, V, ~gone), "kept the words that are gone"),
            (lambda A, V, gone: A[:, ~gone] @ V[~gone] / A[:, ~gone].sum(), "All rows together"),
            (second_softmax, "no second softmax"),
            (lambda A, V, gone: np.ones((len(A), 1)) * V[~gone].mean(axis=0), "plain mean"),
            (lost_axis, "keep its axis"),
            (lambda A, V, gone: right(A, V, gone)[~gone], "still asks"),
            (in_place, "has changed, too"),
        ],
    },
}
