"""Mutations that make the claims of the chapter quadratic_cost false."""

import numpy as np
import torch

from attnlib import attention


def join(parts, axis):
    """Put arrays of either kind one below the other."""
    return torch.cat(parts, axis) if hasattr(parts[0], "detach") else np.concatenate(parts, axis)


def attention_in_blocks(size, see_all):
    """Return an attention that takes `size` queries at a time, with all keys or only their own."""

    def blocks(query, key, value, *, return_weights=False, **_):
        outs, weights = [], []
        for start in range(0, query.shape[-2], size):
            own = slice(start, start + size)
            seen = slice(None) if see_all else own
            parts = query[own], key[seen], value[seen]
            if return_weights:
                out, block = attention(*parts, return_weights=True)
                weights.append(block)
            else:
                out = attention(*parts)
            outs.append(out)
        out = join(outs, -2)
        return (out, join(weights, -2)) if return_weights else out

    return blocks


def only_the_own_block(namespace, replace):
    "Every word sees the 64 words of its own block: operations and bytes are linear."
    replace("attention", attention_in_blocks(64, see_all=False))


def only_the_first_keys(namespace, replace):
    "Every word sees the first 16 words and no other."
    replace(
        "attention",
        lambda query, key, value, **options: attention(query, key[:16], value[:16], **options),
    )


def never_hold_the_matrix(namespace, replace):
    "All pairs are scored, 64 rows at a time: the operations stay, the peak is linear."
    replace("attention", attention_in_blocks(64, see_all=True))


def one_row_for_everybody(namespace, replace):
    "One query is scored and its output copied to every word: linear in the length."

    def constant(query, key, value, *, return_weights=False, **_):
        out, weights = attention(query[:1], key, value, return_weights=True)
        out = join([out] * query.shape[-2], -2)
        return (out, weights) if return_weights else out

    replace("attention", constant)


MUTATIONS = {
    19: [only_the_own_block, only_the_first_keys, never_hold_the_matrix, one_row_for_everybody],
}
