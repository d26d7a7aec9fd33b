"""Mutations that make the claims of the chapter weighted_sum false."""

import numpy as np

from tests.chapters.worlds.common import attention_with, equal, right


def all_words_count_alike(namespace, replace):
    "The mixture ignores the weights, so a heavy word moves the output no more than a light one."
    replace("attention", attention_with(right, lambda weights, value: equal(weights) @ value))


def light_words_count_most(namespace, replace):
    "The mixture uses the weights upside down."

    def upside_down(weights, value):
        flipped = 1 / weights
        return flipped / flipped.sum(axis=-1, keepdims=True) @ value

    replace("attention", attention_with(right, upside_down))


def weights_that_are_no_probabilities(namespace, replace):
    "The output mixes by the roots of the weights, which the draws do not follow."
    replace("weighted_sum", lambda weights, value: np.sqrt(weights) @ value)


MUTATIONS = {
    11: [weights_that_are_no_probabilities],
    12: [all_words_count_alike, light_words_count_most],
}
