"""Self-attention, one function per step: project, scores, softmax, weighted sum, and all of it.

Every function takes NumPy arrays or torch tensors, on any device, and returns the same kind, dtype
and device. float16 and bfloat16 are computed in float32 and rounded once, at the end (under
torch.autocast, torch decides).
"""

import math

from array_api_compat import array_namespace
from array_api_compat import device as device_of

from attnlib import _checks
from attnlib._arrays import Array, dtype_name, narrow, widen
from attnlib.implementations import choose
from attnlib.masks import allowed_pairs


def project(embeddings: Array, W: Array) -> Array:
    """Multiply every row by one matrix.

    Args:
        embeddings: (..., N, d_in), floating.
        W: (d_in, d_out), of the same kind, dtype and device.

    Returns:
        embeddings @ W, (..., N, d_out).

    Raises:
        TypeError: If the two are not floating arrays of one kind, dtype and device.
        ValueError: If W is not a matrix with d_in rows.

    Source:
        Vaswani et al. 2017, section 3.2.2.

    Example:
        >>> import numpy as np
        >>> project(np.ones((2, 3)), np.ones((3, 1))).ravel().tolist()
        [3.0, 3.0]
    """
    _checks.require_arrays(embeddings=embeddings, W=W)
    _checks.require_matrix_fits("W", W, "embeddings", embeddings)
    return narrow(widen(embeddings) @ widen(W), like=embeddings)


def scores(query: Array, key: Array, *, scale: float | None = None) -> Array:
    """Compare every query with every key by a scaled dot product: query @ keyᵀ · scale.

    Args:
        query: (..., N, d_k), floating.
        key: (..., M, d_k), of the same kind, dtype and device.
        scale: The factor; 1/√d_k if None.

    Returns:
        (..., N, M); row i holds query i against all M keys.

    Raises:
        TypeError: If the two are not floating arrays of one kind, dtype and device, or scale is
            not a number.
        ValueError: If widths or leading axes differ.

    Source:
        Vaswani et al. 2017, section 3.2.1, equation 1.

    Example:
        >>> import numpy as np
        >>> scores(np.array([[3.0, 4.0, 0.0, 0.0]]), np.eye(4)).tolist()
        [[1.5, 2.0, 0.0, 0.0]]
    """
    _checks.require_arrays(query=query, key=key)
    _checks.require_scores_fit(query, key)
    _checks.require_scale(scale)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    return narrow(widen(query) @ _transpose(widen(key)) * scale, like=query)


def softmax(scores: Array, *, axis: int = -1) -> Array:
    """Turn scores into weights that are positive and sum to 1 along the axis.

    The largest score is subtracted first, which changes no weight and keeps exp from overflowing.

    Args:
        scores: (..., N, M), or any other shape with at least one axis; floating.
        axis: The axis along which the weights sum to 1.

    Returns:
        Weights in the shape of scores; zeros, not NaN, where every score is -inf.

    Raises:
        TypeError: If scores is not a floating NumPy array or torch tensor.
        ValueError: If scores has no such axis.

    Source:
        Bridle 1990; Goodfellow et al. 2016, section 4.1.

    Example:
        >>> import numpy as np
        >>> softmax(np.array([1000.0, 1000.0])).tolist()
        [0.5, 0.5]
    """
    _checks.require_arrays(scores=scores)
    _checks.require_axis(axis, "scores", scores)
    _, exponentials, total = _exponentials(widen(scores), axis)
    return narrow(exponentials / total, like=scores)


def log_sum_exp(scores: Array, *, axis: int = -1) -> Array:
    """Return log Σ exp(scores) along an axis, without overflow.

    Args:
        scores: (..., N, M), or any other shape with at least one axis; floating.
        axis: The axis that is summed over.

    Returns:
        The shape of scores without the axis; -inf where every score is -inf.

    Raises:
        TypeError: If scores is not a floating NumPy array or torch tensor.
        ValueError: If scores has no such axis.

    Source:
        Goodfellow et al. 2016, section 4.1; Milakov and Gimelshein 2018, section 3.

    Example:
        >>> import numpy as np
        >>> round(float(log_sum_exp(np.array([1000.0, 1000.0]))), 4)
        1000.6931
    """
    xp = _checks.require_arrays(scores=scores)
    _checks.require_axis(axis, "scores", scores)
    largest, exponentials, _ = _exponentials(widen(scores), axis)
    total = xp.sum(exponentials, axis=axis)
    empty = total == 0
    log_total = xp.log(xp.where(empty, xp.ones_like(total), total)) + xp.squeeze(largest, axis=axis)
    return narrow(xp.where(empty, xp.full_like(total, -math.inf), log_total), like=scores)


def weighted_sum(weights: Array, value: Array) -> Array:
    """Mix the values, each by its weight.

    Args:
        weights: (..., N, M), floating.
        value: (..., M, d_v), of the same kind, dtype and device.

    Returns:
        weights @ value, (..., N, d_v).

    Raises:
        TypeError: If the two are not floating arrays of one kind, dtype and device.
        ValueError: If the M of the two or their leading axes differ.

    Source:
        Vaswani et al. 2017, section 3.2.1, equation 1.

    Example:
        >>> import numpy as np
        >>> weighted_sum(np.array([[0.25, 0.75]]), np.array([[0.0], [4.0]])).tolist()
        [[3.0]]
    """
    _checks.require_arrays(weights=weights, value=value)
    _checks.require_axes("weights", weights, 2, "(..., N, M)")
    expected = (*weights.shape[:-2], weights.shape[-1])  # (..., M)
    if value.shape[:-1] != expected:
        raise ValueError(
            f"value: got shape {_checks.shape(value)}, expected ({', '.join(map(str, expected))}, "
            f"d_v) for weights {_checks.shape(weights)}"
        )
    return narrow(widen(weights) @ widen(value), like=value)


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

    A query that may attend to nothing gets zeros (log-sum-exp -inf) and passes no gradient. Any
    other masked key has weight 0; 0 · NaN is NaN, as in torch, unless the key lies in a block that
    is_causal or window hides entirely from an implementation in blocks.

    Args:
        query: (..., H, N, d_k), floating. Every leading axis is optional, in all three.
        key: (..., H, M, d_k), with the same leading axes: nothing is broadcast.
        value: (..., H, M, d_v).
        attn_mask: Broadcasts to (..., H, N, M); bool (True = may attend) or the dtype of query
            (added to the scores). It combines with is_causal and window.
        is_causal: Whether row i sees only keys 0 to i + causal_offset, from the top left as in
            torch.
        causal_offset: How far query 0 is to the right of key 0, for is_causal and window;
            M - N aligns the bottom right.
        window: (left, right): row i sees keys i + causal_offset - left to
            i + causal_offset + right; -1 leaves a side open.
        scale: The factor of the dot products; 1/√d_k if None.
        enable_gqa: Whether key and value may have fewer heads than query, when their number divides
            it: query head h uses head h // (H / H_kv).
        return_weights: Whether to return the weights too, which only the formula holds.
        return_lse: Whether to return the natural log-sum-exp of the scores too.
        implementation: "formula" computes the N × M matrix; "blockwise" the same block by block, in
            memory that grows with N + M; "triton" likewise in one kernel on a GPU; "auto" takes the
            formula where return_weights asks for the matrix, otherwise triton for CUDA tensors that
            it accepts, blockwise from about a million pairs N · M, and the formula below that.

    Returns:
        The output (..., H, N, d_v); then, if asked for, the weights (..., H, N, M) and the
        log-sum-exp (..., H, N), in this order.

    Raises:
        TypeError: If an argument has the wrong type, dtype or device.
        ValueError: If an argument has the wrong value or shape.
        RuntimeError: If implementation is "triton" and that cannot run here.

    Source:
        Vaswani et al. 2017, equation 1; Ainslie et al. 2023 (grouped heads).

    Example:
        >>> import numpy as np
        >>> attention(np.ones((1, 4)), np.ones((2, 4)), np.array([[0.0], [1.0]])).tolist()
        [[0.5]]
    """
    _checks.require_arrays(query=query, key=key, value=value)
    _checks.require_options(
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
        _checks.require_heads_divide(query, key, value)
    _checks.require_scores_fit(query, key, enable_gqa)
    _checks.require_values_fit(key, value)
    if attn_mask is not None:
        _checks.require_mask_fits(attn_mask, query, (*query.shape[:-1], key.shape[-2]))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    if implementation == "auto":
        implementation = "formula" if return_weights else choose.choose(query, key, value)

    arguments = (query, key, value, attn_mask, is_causal, causal_offset, window, scale)
    if implementation == "formula":
        out, weights, s = _formula(*arguments)
        lse = log_sum_exp(s) if return_lse else None
    else:
        out, lse = choose.load(implementation, query, value)(*arguments)
    results = [narrow(out, like=query)]
    if return_weights:
        results.append(narrow(weights, like=query))
    if return_lse:
        results.append(narrow(lse, like=query))
    return results[0] if len(results) == 1 else tuple(results)


def merge(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> tuple[Array, Array]:
    """Join two partial results: the same queries over two sets of keys that share none.

    Each part counts in proportion to its sum of exponentials, exp(lse):
    out = (exp(lse_a) out_a + exp(lse_b) out_b) / (exp(lse_a) + exp(lse_b)). The larger lse is
    subtracted first, so that exp does not overflow. A part of lse -inf is empty and counts for
    nothing, whatever its out holds; where both are, out is zeros and lse -inf.

    Args:
        out_a: (..., N, d_v), floating.
        lse_a: (..., N), in the dtype of out_a or in float32, which loses less where out_a is
            float16 or bfloat16.
        out_b: Like out_a.
        lse_b: Like lse_a.

    Returns:
        out (..., N, d_v) and lse (..., N), each in its own dtype, computed in float32 where that is
        lower. Gradients flow to all four.

    Raises:
        TypeError: If kinds, dtypes or devices do not match.
        ValueError: If shapes do not match.

    Source:
        Dao et al. 2022, section 3.1; Liu et al. 2023 (the same between devices).

    Example:
        >>> import numpy as np
        >>> a, b = (np.array([[2.0]]), np.array([0.0])), (np.array([[6.0]]), np.array([0.0]))
        >>> merge(*a, *b)[0].tolist()
        [[4.0]]
    """
    _checks.require_parts_fit(out_a, lse_a, out_b, lse_b)
    xp = array_namespace(out_a)
    wide_a, wide_b = widen(lse_a), widen(lse_b)  # (..., N)
    largest = xp.maximum(wide_a, wide_b)
    if hasattr(largest, "detach"):
        largest = largest.detach()  # it cancels out, so it carries no gradient
    largest = xp.where(largest == -math.inf, xp.zeros_like(largest), largest)
    sum_a, sum_b = xp.exp(wide_a - largest), xp.exp(wide_b - largest)  # 0 for an empty part
    is_empty = sum_a + sum_b == 0
    total = xp.where(is_empty, xp.ones_like(largest), sum_a + sum_b)
    lse = xp.where(is_empty, xp.full_like(largest, -math.inf), largest + xp.log(total))

    def share(lse, part_sum, out):
        """Return what a part adds (..., N, d_v); zeros for an empty part, even if it holds NaN."""
        out = widen(out)
        out = xp.where(xp.expand_dims(lse == -math.inf, axis=-1), xp.zeros_like(out), out)
        return xp.expand_dims(part_sum / total, axis=-1) * out

    out = share(lse_a, sum_a, out_a) + share(lse_b, sum_b, out_b)  # (..., N, d_v)
    return narrow(out, like=out_a), narrow(lse, like=lse_a)


def _formula(query, key, value, attn_mask, is_causal, causal_offset, window, scale):
    """Return out (..., H, N, d_v), and weights and masked scores (..., H, N, M), all wide."""
    xp = array_namespace(query)
    if key.ndim > 2 and key.shape[-3] != query.shape[-3]:
        group = query.shape[-3] // key.shape[-3]
        key, value = (xp.repeat(array, group, axis=-3) for array in (key, value))
    s = scores(widen(query), widen(key), scale=scale)  # (..., H, N, M)
    allowed = allowed_pairs(
        query.shape[-2],
        key.shape[-2],
        is_causal=is_causal,
        causal_offset=causal_offset,
        window=window,
        like=query,
    )  # (N, M), or None where every pair may meet
    if attn_mask is not None and dtype_name(attn_mask) == "bool":
        allowed = attn_mask if allowed is None else allowed & attn_mask
    elif attn_mask is not None:
        s = s + widen(attn_mask)
        open_pairs = attn_mask != -math.inf
        allowed = open_pairs if allowed is None else allowed & open_pairs
    if allowed is not None:
        s = xp.where(allowed, s, xp.full_like(s, -math.inf))

    weights = softmax(s)  # (..., H, N, M), rows sum to 1 or are zeros
    out = weighted_sum(weights, widen(value))  # (..., H, N, d_v)
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
