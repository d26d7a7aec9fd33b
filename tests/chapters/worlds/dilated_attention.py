"""Mutations that make the claims of the chapter dilated_attention false."""

import numpy as np

from attnlib import attention


def every_pair_is_scored(namespace, replace):
    "Dilated attention is dense attention under another name: the operations are quadratic."
    replace(
        "dilated_attention",
        lambda query, key, value, **_: attention(query, key, value, implementation="formula"),
    )


def the_window_is_ignored(namespace, replace):
    "Every word is scored with every word, window or not."

    def open_wide(*arrays, window=None, **options):
        return attention(*arrays, **(options | {"implementation": "formula"}))

    replace("attention", open_wide)


def nothing_is_given_up(namespace, replace):
    "The pattern shows every pair to every head."
    replace(
        "dilated_mask",
        lambda length, *, num_heads, **_: np.ones((num_heads, length, length), dtype=bool),
    )


MUTATIONS = {
    20: [
        every_pair_is_scored,
        the_window_is_ignored,
        nothing_is_given_up,
    ],
}
