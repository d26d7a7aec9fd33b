"""Mutations that make the claims of the chapter score false."""

import numpy as np


def drop_the_scale(namespace, replace):
    "Scores are not divided at all."
    replace("scores", lambda query, key, **_: query @ np.swapaxes(key, -1, -2))


def divide_by_the_width(namespace, replace):
    "Scores are divided by d_k instead of its root."
    replace(
        "scores",
        lambda query, key, scale=None: (
            query @ np.swapaxes(key, -1, -2) * (scale or 1 / query.shape[-1])
        ),
    )


def cosine(namespace, replace):
    "Scores are cosines, whose spread does not grow with the width."

    def scores(query, key, **_):
        query, key = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (query, key))
        return query @ np.swapaxes(key, -1, -2)

    replace("scores", scores)


MUTATIONS = {10: [drop_the_scale, divide_by_the_width, cosine]}
