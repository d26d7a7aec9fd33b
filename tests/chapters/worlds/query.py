"""Mutations that make the claims of the chapter query false."""

import numpy as np

from tests.chapters.worlds.common import attention_with, equal


def one_matrix_for_all_three(namespace, replace):
    "Queries, keys and values are the same vectors."
    W = namespace["model"].W_Q
    replace("project", lambda embeddings, _: embeddings @ W)


def one_query_for_all_words(namespace, replace):
    "Every word asks with the mean of all queries, so a changed query moves every row."
    plain = namespace["attention"]

    def attention(query, key, value, **options):
        return plain(np.tile(query.mean(0), (len(query), 1)), key, value, **options)

    replace("attention", attention)


def equal_weights(namespace, replace):
    "All words get equal weight, whatever the query."
    replace("attention", attention_with(equal))


MUTATIONS = {5: [one_matrix_for_all_three], 6: [one_query_for_all_words, equal_weights]}
