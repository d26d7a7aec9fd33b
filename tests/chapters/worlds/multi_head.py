"""Mutations that make the claims of the chapter multi_head false."""

import copy
from types import SimpleNamespace

import numpy as np


def one_question_for_both_heads(namespace, replace):
    "Head 1 asks and offers with the matrices of head 0."
    two = namespace["two"]
    W_Q, W_K = (np.tile(W[:, :4], 2) for W in (two.W_Q, two.W_K))
    namespace["two"] = two._replace(W_Q=W_Q, W_K=W_K)
    if "matrices" in namespace:
        namespace["matrices"] = (W_Q, W_K, *namespace["matrices"][2:])


def split_without_transpose(namespace, replace):
    "The width is folded into heads by a reshape alone, so a head sees parts of other words."

    def split_heads(array, num_heads):
        *lead, positions, width = array.shape
        return array.reshape(*lead, num_heads, positions, width // num_heads)

    replace("split_heads", split_heads)


def merge_without_transpose(namespace, replace):
    "The heads are joined by a reshape alone, which passes every check of shapes."

    def merge_heads(array):
        *lead, num_heads, positions, width = array.shape
        return array.reshape(*lead, positions, num_heads * width)

    replace("merge_heads", merge_heads)


def average_the_heads(namespace, replace):
    "Each head's place is taken by the mean of the heads."

    def merge_heads(array):
        mean = array.sum(-3) / array.shape[-3]  # (..., N, d)
        return mean[..., [i % mean.shape[-1] for i in range(array.shape[-3] * mean.shape[-1])]]

    replace("merge_heads", merge_heads)


def leave_out_the_last_matrix(namespace, replace):
    "The concatenated heads are handed on without W_O."
    plain = namespace["multi_head_attention"]

    def multi_head_attention(query, key, value, W_Q, W_K, W_V, W_O, **options):
        unchanged = W_O * 0
        for i in range(min(W_O.shape)):
            unchanged[i, i] = 1
        return plain(query, key, value, W_Q, W_K, W_V, unchanged, **options)

    replace("multi_head_attention", multi_head_attention)


def one_head_does_as_well(namespace, replace):
    "The ladder's two-head models get the unseen pairs right as seldom as the one-head models."
    ladder = copy.deepcopy(namespace["partners"].ladder())
    ladder["two_heads"]["unseen_pairs"] = ladder["one_head"]["unseen_pairs"]
    _with_ladder(namespace, ladder)


def heads_that_do_not_split(namespace, replace):
    "In half of the seeds both heads of sat look at the same word."
    ladder = copy.deepcopy(namespace["partners"].ladder())
    for row in ladder["two_heads"]["sat"][::2]:
        row[1] = row[0]
    _with_ladder(namespace, ladder)


def _with_ladder(namespace, ladder):
    names = vars(namespace["partners"]) | {"ladder": lambda: ladder}
    namespace["partners"] = SimpleNamespace(**names)


MUTATIONS = {
    13: [one_question_for_both_heads, split_without_transpose],
    14: [merge_without_transpose, average_the_heads, leave_out_the_last_matrix],
    15: [one_question_for_both_heads, one_head_does_as_well, heads_that_do_not_split],
}
