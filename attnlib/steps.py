"""Self-attention, one function a step: project, score, softmax, weighted sum, and all of it.

Every function takes NumPy arrays or torch tensors, on any device, and gives back the same kind,
dtype and device. float16 and bfloat16 are computed in float32 and rounded once, at the end (under
torch.autocast, torch decides).
"""

import math

from array_api_compat import array_namespace
from array_api_compat import device as device_of

from attnlib import checks, dispatch
from attnlib.masks import Array, allowed_pairs


def project(embeddings: Array, W: Array) -> Array:
    """Multiply every row by one matrix: embeddings (..., N, d_in) @ W (d_in, d_out).

    Returns: (..., N, d_out).
    Raises: ValueError where W is not a matrix or its rows do not match d_in; TypeError where the
    two differ in kind, dtype or device.
    Source: Vaswani et al. 2017, section 3.2.2.

    >>> import numpy as np
    >>> project(np.ones((2, 3)), np.ones((3, 1))).ravel().tolist()
    [3.0, 3.0]
    """
    checks.require_arrays(embeddings=embeddings, W=W)
    checks.require_matrix_fits("W", W, "embeddings", embeddings)
    return _narrow(_widen(embeddings) @ _widen(W), like=embeddings)


def scores(query: Array, key: Array, *, scale: float | None = None) -> Array:
    """Compare every query with every key by a scaled dot product: query @ keyᵀ · scale.

    query: (..., N, d_k). key: (..., M, d_k). scale: 1/√d_k where None.
    Returns: (..., N, M); row i holds query i against all M keys.
    Raises: ValueError where widths or leading axes differ; TypeError as in project.
    Source: Vaswani et al. 2017, section 3.2.1, equation 1.

    >>> import numpy as np
    >>> scores(np.array([[3.0, 4.0, 0.0, 0.0]]), np.eye(4)).tolist()
    [[1.5, 2.0, 0.0, 0.0]]
    """
    checks.require_arrays(query=query, key=key)
    checks.require_scores_fit(query, key)
    checks.require_scale(scale)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    return _narrow(_widen(query) @ _transpose(_widen(key)) * scale, like=query)


def softmax(scores: Array, *, axis: int = -1) -> Array:
    """Turn scores into weights that are positive and sum to 1 along the axis.

    The largest score is subtracted first, which changes no weight and keeps exp from overflowing.
    Where every score is -inf there is nothing to weigh: the weights are zeros, not NaN.
    Returns: the shape of scores.
    Raises: TypeError where scores is no floating array; ValueError where it has no such axis.
    Source: Bridle 1990; Goodfellow et al. 2016, section 4.1.

    >>> import numpy as np
    >>> softmax(np.array([1000.0, 1000.0])).tolist()
    [0.5, 0.5]
    """
    checks.require_arrays(scores=scores)
    checks.require_axis(axis, scores)
    _, exponentials, total = _exponentials(_widen(scores), axis)
    return _narrow(exponentials / total, like=scores)


def log_sum_exp(scores: Array, *, axis: int = -1) -> Array:
    """Return log Σ exp(scores) along the axis, which it removes; -inf where all scores are -inf.

    Returns: the shape of scores without the axis.
    Raises: TypeError where scores is no floating array; ValueError where it has no such axis.
    Source: Goodfellow et al. 2016, section 4.1; Milakov and Gimelshein 2018, section 3.

    >>> import numpy as np
    >>> round(float(log_sum_exp(np.array([1000.0, 1000.0]))), 4)
    1000.6931
    """
    xp = checks.require_arrays(scores=scores)
    checks.require_axis(axis, scores)
    largest, exponentials, _ = _exponentials(_widen(scores), axis)
    total = xp.sum(exponentials, axis=axis)
    empty = total == 0
    log_total = xp.log(xp.where(empty, xp.ones_like(total), total)) + xp.squeeze(largest, axis=axis)
    return _narrow(xp.where(empty, xp.full_like(total, -math.inf), log_total), like=scores)


def weighted_sum(weights: Array, value: Array) -> Array:
    """Mix the values, each by its weight: weights (..., N, M) @ value (..., M, d_v).

    Returns: (..., N, d_v).
    Raises: ValueError where the M of the two or their leading axes differ; TypeError as in project.
    Source: Vaswani et al. 2017, section 3.2.1, equation 1.

    >>> import numpy as np
    >>> weighted_sum(np.array([[0.25, 0.75]]), np.array([[0.0], [4.0]])).tolist()
    [[3.0]]
    """
    checks.require_arrays(weights=weights, value=value)
    if weights.ndim < 2 or value.ndim < 2 or weights.shape[:-2] != value.shape[:-2]:
        raise ValueError(
            f"value: shape is {checks.shape(value)}, weights have {checks.shape(weights)}; "
            "expected (..., N, M) and (..., M, d_v) with the same leading axes"
        )
    if weights.shape[-1] != value.shape[-2]:
        raise ValueError(
            f"value: has {value.shape[-2]} rows, weights have {weights.shape[-1]} columns"
        )
    return _narrow(_widen(weights) @ _widen(value), like=value)


def attention(
    query: Array,
    key: Array,
    value: Array,
    *,
    attn_mask: Array | None = None,
    is_causal: bool = False,
    causal_offset: int = 0,
    window: tuple[int, int] | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_weights: bool = False,
    return_lse: bool = False,
    implementation: str = "auto",
) -> Array | tuple[Array, ...]:
    """Let every query mix the values by how well it matches their keys: softmax(Q Kᵀ/√d_k) V.

    query: (..., H, N, d_k). key: (..., H, M, d_k). value: (..., H, M, d_v); every leading axis is
    optional, and they must be equal: nothing is broadcast.
    attn_mask: broadcasts to (..., H, N, M); bool (True = may attend) or query's dtype (added to the
    scores). It combines with is_causal and window.
    is_causal: row i sees keys 0 to i + causal_offset, from the top left as in torch;
    causal_offset = M - N aligns the bottom right.
    window: (left, right): row i sees keys i + causal_offset - left to i + causal_offset + right;
    -1 leaves a side open.
    scale: 1/√d_k where None.
    enable_gqa: key and value may have fewer heads than query, when they divide: query head h uses
    head h // (H / H_kv).
    return_weights, return_lse: also give the weights (..., H, N, M) and the natural log-sum-exp of
    the scores (..., H, N), in this order.
    implementation: "formula" computes the N × M matrix; "blockwise" the same block by block, in
    memory that grows with N + M; "triton" likewise in one kernel on a GPU; "auto" takes the formula
    where return_weights asks for the matrix, else triton for CUDA tensors where it can, blockwise
    where N · M is a million or more, and the formula below that. See implementations().

    Returns: (..., H, N, d_v). A query that may attend to nothing gets zeros (log-sum-exp -inf) and
    passes no gradient. Any other masked key has weight 0; 0 · NaN is NaN, as in torch, unless the
    key lies in a block that is_causal or window hides as a whole from an implementation in blocks.
    Raises: ValueError or TypeError that names the argument, what came and what was expected.
    Source: Vaswani et al. 2017, equation 1; Ainslie et al. 2023 (grouped heads).

    >>> import numpy as np
    >>> attention(np.ones((1, 4)), np.ones((2, 4)), np.array([[0.0], [1.0]])).tolist()
    [[0.5]]
    """
    checks.require_arrays(query=query, key=key, value=value)
    checks.require_options(
        causal_offset,
        window,
        scale,
        implementation,
        is_causal=is_causal,
        enable_gqa=enable_gqa,
        return_weights=return_weights,
        return_lse=return_lse,
    )
    if enable_gqa:
        checks.require_heads_divide(query, key, value)
    checks.require_scores_fit(query, key, enable_gqa)
    checks.require_values_fit(key, value)
    if attn_mask is not None:
        checks.require_mask_fits(attn_mask, query, (*query.shape[:-1], key.shape[-2]))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    if implementation == "auto":
        implementation = "formula" if return_weights else dispatch.choose(query, key, value)

    arguments = (query, key, value, attn_mask, is_causal, causal_offset, window, scale)
    if implementation == "formula":
        out, weights, s = _formula(*arguments)
        lse = log_sum_exp(s) if return_lse else None
    else:
        out, lse = dispatch.load(implementation, query, value)(*arguments)
    results = [_narrow(out, like=query)]
    if return_weights:
        results.append(_narrow(weights, like=query))
    if return_lse:
        results.append(_narrow(lse, like=query))
    return results[0] if len(results) == 1 else tuple(results)


def _formula(query, key, value, attn_mask, is_causal, causal_offset, window, scale):
    """Return out (..., H, N, d_v), and weights and masked scores (..., H, N, M), all wide."""
    xp = array_namespace(query)
    if key.ndim > 2 and key.shape[-3] != query.shape[-3]:
        group = query.shape[-3] // key.shape[-3]
        key, value = (xp.repeat(array, group, axis=-3) for array in (key, value))
    s = scores(_widen(query), _widen(key), scale=scale)  # (..., H, N, M)
    allowed = allowed_pairs(
        query.shape[-2],
        key.shape[-2],
        is_causal=is_causal,
        offset=causal_offset,
        window=window,
        like=query,
    )  # (N, M), or None where every pair may meet
    if attn_mask is not None and checks.dtype_name(attn_mask) == "bool":
        allowed = attn_mask if allowed is None else allowed & attn_mask
    elif attn_mask is not None:
        s = s + _widen(attn_mask)
        open_pairs = attn_mask != -math.inf
        allowed = open_pairs if allowed is None else allowed & open_pairs
    if allowed is not None:
        s = xp.where(allowed, s, xp.full_like(s, -math.inf))

    weights = softmax(s)  # (..., H, N, M), rows sum to 1 or are zeros
    out = weighted_sum(weights, _widen(value))  # (..., H, N, d_v)
    if allowed is not None:  # 0 · NaN is NaN: a row that may attend to nothing ignores the values
        row_is_open = xp.any(allowed, axis=-1, keepdims=True)
        out = xp.where(row_is_open, out, xp.zeros_like(out))
    return out, weights, s


def _exponentials(scores, axis):
    """Return the largest score, exp(scores - largest) and its sum (1 for an empty row)."""
    xp = array_namespace(scores)
    if scores.shape[axis] == 0:
        rest = [size for i, size in enumerate(scores.shape) if i != axis % scores.ndim]
        one = xp.ones(rest, dtype=scores.dtype, device=device_of(scores))
        one = xp.expand_dims(one, axis=axis)
        return xp.zeros_like(one), scores, one
    largest = xp.max(scores, axis=axis, keepdims=True)
    if hasattr(largest, "detach"):
        largest = largest.detach()  # it cancels out, so it carries no gradient
    largest = xp.where(largest == -math.inf, xp.zeros_like(largest), largest)
    exponentials = xp.exp(scores - largest)
    total = xp.sum(exponentials, axis=axis, keepdims=True)
    return largest, exponentials, xp.where(total == 0, xp.ones_like(total), total)


def _transpose(matrix):
    """Swap the last two axes."""
    return array_namespace(matrix).swapaxes(matrix, -1, -2)


def _widen(array):
    """Lift float16 and bfloat16 to float32, in which sums are kept."""
    if checks.dtype_name(array) in ("float16", "bfloat16"):
        xp = array_namespace(array)
        return xp.astype(array, xp.float32)
    return array


def _narrow(array, like):
    """Round back to the dtype of the array that came in."""
    return array_namespace(array).astype(array, like.dtype, copy=False)
