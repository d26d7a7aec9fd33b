"""Checks for the exercises of the chapter benefits."""

import numpy as np

from attnbook.exercises.judge import judge
from attnlib.formula import softmax


def weights_with_filler(answer):
    """Check answer(a, f, k): the weights (M,) once k more copies of word f are in the sentence."""
    f, k = 2, 7
    s = np.random.default_rng(0).normal(size=5)  # (M,)
    a = softmax(s)  # (M,)
    with_copies = softmax(np.append(s, np.full(k, s[f])))  # (M + k,)
    a_f = a[f]
    return judge(
        answer(a, f, k),
        with_copies[:5],
        {
            "A copy counts as much as the filler does, not as much as a whole row.": a / (1 + k),
            "k copies join the one that was there already: that makes k + 1.": a
            / (1 + (k - 1) * a_f),
            "You take the copies' share away from each weight, which a long filler turns "
            "negative: ask what each weight is divided by.": a * (1 - k * a_f),
            "You subtract the same from every weight: ask what each is divided by.": a - k * a_f,
            "Your copies come one by one, each with the old weight: let them come all at once.": a
            / (1 + a_f) ** k,
            "The weights have not changed: the copies take their share from every word.": a,
            "The copies are there, too: return only the weights of the M words.": with_copies,
        },
    )
