"""Checks for the exercises of the chapter words."""

import numpy as np

from attnbook.exercises.judge import judge


def sum_by_word(answer):
    """Check answer(numbers, rows, V): the sum of the rows of each word, (V, d).

    numbers (N,) are the ids of the words, rows is (N, d), V the size of the vocabulary.
    """
    numbers, V = np.array([4, 1, 4, 0, 4, 1]), 7  # words 2, 3, 5 and 6 do not occur
    rows = np.random.default_rng(0).normal(size=(6, 3))  # (N, d)
    place = np.eye(V)[numbers]  # (N, V)
    total, counts = place.T @ rows, place.sum(axis=0)[:, None]  # (V, d), (V, 1)
    last, first = np.zeros((V, 3)), np.zeros((V, 3))
    last[numbers] = rows
    first[numbers[::-1]] = rows[::-1]
    seen_only = total[np.unique(numbers)]
    return judge(
        answer(numbers, rows, V),
        total,
        {
            "A word that occurs twice keeps its last row only: out[numbers] += rows writes each "
            "word once. Look at a word by its one-hot column.": last,
            "A word that occurs twice keeps its first row only: add the others.": first,
            "That is the mean of each word's rows: add them, do not divide.": total
            / np.maximum(counts, 1),
            "Words that do not occur need a row too, of zeros. The result has V rows.": seen_only,
            "You have the sum at each place, (N, d): gather it by word, (V, d).": total[numbers],
        },
    )
