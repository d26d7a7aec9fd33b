"""Mutations that make the claims of the chapter softmax false."""

import numpy as np

from tests.chapters.worlds.common import attention_with, right


def wrong_axis(namespace, replace):
    "The softmax runs down the columns."
    plain = namespace["softmax"]
    replace("softmax", lambda scores, axis=-1: plain(scores, axis=0))


def sigmoid(namespace, replace):
    "Each score is squashed alone: within 0 and 1, but rows do not sum to 1."
    replace("softmax", lambda scores, **_: 1 / (1 + np.exp(-np.clip(scores, -700, 700))))


def divide_by_the_sum(namespace, replace):
    "Scores are divided by their sum: rows sum to 1, but leave the range from 0 to 1."

    def softmax(scores, **_):
        with np.errstate(invalid="ignore"):
            return scores / scores.sum(axis=-1, keepdims=True)

    replace("softmax", softmax)


def mask_is_ignored(namespace, replace):
    "attention looks at the forbidden words all the same."
    replace("attention", attention_with(right))


MUTATIONS = {11: [wrong_axis, sigmoid, divide_by_the_sum, mask_is_ignored]}
