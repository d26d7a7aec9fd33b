"""Mutations that make the claims of the chapter key false."""

import numpy as np


def keys_are_queries(namespace, replace):
    "One matrix makes queries and keys alike."
    W = namespace["model"].W_Q
    replace("project", lambda embeddings, _: embeddings @ W)


def scores_compare_with_the_mean_key(namespace, replace):
    "Keys are centred first, so one changed key moves every column of scores."

    def scores(query, key, **_):
        return query @ (key - key.mean(axis=0)).T / np.sqrt(key.shape[-1])

    replace("scores", scores)


def weights_of_their_own(namespace, replace):
    "Each weight depends on its own score alone, so no other weight moves."
    replace("softmax", lambda scores, **_: 1 / (1 + np.exp(-scores)))


MUTATIONS = {
    5: [keys_are_queries],
    7: [scores_compare_with_the_mean_key, weights_of_their_own],
}
