"""Attention in float64, one query and one key at a time: what every implementation must give.

It shares nothing with attnlib, so that a mistake there cannot hide here.
"""

import itertools
import math

import numpy as np


def attention(
    query,
    key,
    value,
    *,
    attn_mask=None,
    is_causal=False,
    causal_offset=0,
    window=None,
    scale=None,
    enable_gqa=False,
):
    """Return the output (..., N, d_v), the weights (..., N, M) and the log-sum-exp (..., N).

    query (..., N, d_k), key (..., M, d_k) and value (..., M, d_v) are NumPy arrays of any float
    dtype.
    """
    query, key, value = (np.asarray(array, dtype=np.float64) for array in (query, key, value))
    *lead, num_queries, d_k = query.shape
    num_keys, d_v = value.shape[-2:]
    if scale is None:
        scale = 1 / math.sqrt(d_k)
    if attn_mask is not None:
        attn_mask = np.broadcast_to(attn_mask, (*lead, num_queries, num_keys))
    out = np.zeros((*lead, num_queries, d_v))
    weights = np.zeros((*lead, num_queries, num_keys))
    lse = np.full((*lead, num_queries), -math.inf)
    for place in itertools.product(*map(range, lead)):
        source = place
        if enable_gqa:  # consecutive query heads share one key head
            source = (*place[:-1], place[-1] * key.shape[-3] // query.shape[-3])
        for i in range(num_queries):
            row = {}  # key: score, for the keys that query i may attend to
            for j in range(num_keys):
                added = True if attn_mask is None else attn_mask[place][i, j]
                is_boolean = isinstance(added, bool | np.bool_)
                if not may_meet(i, j, is_causal, causal_offset, window):
                    continue
                if (is_boolean and not added) or (not is_boolean and added == -math.inf):
                    continue
                products = (query[place][i, c] * key[source][j, c] for c in range(d_k))
                row[j] = math.fsum(products) * scale + (0 if is_boolean else float(added))
            if not row:
                continue
            largest = max(row.values())
            total = math.fsum(math.exp(s - largest) for s in row.values())
            lse[place][i] = largest + math.log(total)
            for j, s in row.items():
                weights[place][i, j] = math.exp(s - largest) / total
            for c in range(d_v):
                out[place][i, c] = math.fsum(
                    weights[place][i, j] * value[source][j, c] for j in row
                )
    return out, weights, lse


def may_meet(i, j, is_causal=False, causal_offset=0, window=None):
    """Say whether query i may look at key j."""
    left, right = window or (-1, -1)
    if is_causal and j > i + causal_offset:
        return False
    if left != -1 and j < i + causal_offset - left:
        return False
    return not (right != -1 and j > i + causal_offset + right)


def softmax(row):
    """Return the weights of one row of finite scores."""
    largest = max(row)
    total = math.fsum(math.exp(s - largest) for s in row)
    return [math.exp(s - largest) / total for s in row]
