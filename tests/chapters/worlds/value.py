"""Mutations that make the claims of the chapter value false."""

import numpy as np

from tests.chapters.worlds.common import attention_with, equal, right


def one_matrix_for_all_three(namespace, replace):
    "Queries, keys and values are the same vectors."
    W = namespace["model"].W_V
    replace("project", lambda embeddings, _: embeddings @ W)


def values_take_part_in_the_weights(namespace, replace):
    "Long values draw more weight."

    def attention(query, key, value, **options):
        longer = right(query @ key.T / np.sqrt(8) + 0.1 * np.linalg.norm(value, axis=-1))
        return longer @ value, longer

    replace("attention", attention)


def nothing_is_aggregated(namespace, replace):
    "Each word keeps its own value."
    replace("attention", attention_with(right, lambda weights, value: value))


def all_words_count_alike(namespace, replace):
    "The mixture ignores the weights."
    replace("attention", attention_with(right, lambda weights, value: equal(weights) @ value))


MUTATIONS = {
    5: [one_matrix_for_all_three],
    8: [values_take_part_in_the_weights, nothing_is_aggregated, all_words_count_alike],
}
