"""Mutations that make the claims of the chapter trained_model false; A is (B, L, H, N, N)."""

import numpy as np


def colour_and_place_change_columns(namespace, replace):
    "Every row finds the colour where the place was, and the place where the colour was."
    A, place, each = namespace["A"].copy(), namespace["place"], np.arange(256)
    colours, places = (namespace["A"][each, ..., place[:, k]] for k in (1, 3))  # (B, L, H, N)
    A[each, ..., place[:, 1]], A[each, ..., place[:, 3]] = places, colours
    namespace["A"] = A


def every_row_alike(namespace, replace):
    "All tokens of a sentence ask the same question."
    A = namespace["A"]
    namespace["A"] = np.broadcast_to(A.mean(axis=-2, keepdims=True), A.shape)


def the_verb_asks_for_the_colour(namespace, replace):
    "In each head the verb gives half of its weight to the colour."
    A, place, each = namespace["A"].copy(), namespace["place"], np.arange(256)
    A[each, :, :, place[:, 2]] /= 2
    A[each, :, :, place[:, 2], place[:, 1]] += 0.5
    namespace["A"] = A


def one_head_twelve_times(namespace, replace):
    "The heads of a layer all give the mean of their weights."
    A = namespace["A"]
    namespace["A"] = np.broadcast_to(A.mean(axis=2, keepdims=True), A.shape)


def heads_dealt_anew_in_each_sentence(namespace, replace):
    "Which head does what is drawn again for each sentence."
    A, rng = namespace["A"], np.random.default_rng(0)
    order = rng.permuted(np.tile(np.arange(12), (len(A), 1)), axis=1)  # (B, H)
    namespace["A"] = np.take_along_axis(A, order[:, None, :, None, None], axis=2)


MUTATIONS = {
    2: [colour_and_place_change_columns, every_row_alike, the_verb_asks_for_the_colour],
    15: [one_head_twelve_times, heads_dealt_anew_in_each_sentence],
}
