"""Several heads at once: split the width, attend in each part, put the parts side by side."""

from attnlib import _checks
from attnlib._arrays import Array
from attnlib.formula import attention, project


def split_heads(array: Array, num_heads: int) -> Array:
    """Cut the width into heads and move the head axis forward.

    Args:
        array: (..., N, H·d), floating.
        num_heads: H, which divides the width.

    Returns:
        (..., H, N, d); head h holds columns h·d to (h+1)·d.

    Raises:
        TypeError: If array is not a floating array, or num_heads not an integer.
        ValueError: If array has fewer than 2 axes or num_heads does not divide its width.

    Source:
        Vaswani et al. 2017, section 3.2.2.

    Example:
        >>> import numpy as np
        >>> split_heads(np.array([[1.0, 2.0], [3.0, 4.0]]), 2).tolist()
        [[[1.0], [3.0]], [[2.0], [4.0]]]
    """
    xp = _checks.require_arrays(array=array)
    _checks.require_axes("array", array, 2, "(..., N, H·d)")
    _checks.require_divisible("array", array.shape[-1], num_heads, " columns")
    width = array.shape[-1] // num_heads
    apart = xp.reshape(array, (*array.shape[:-1], num_heads, width))  # (..., N, H, d)
    return xp.swapaxes(apart, -2, -3)  # (..., H, N, d)


def merge_heads(array: Array) -> Array:
    """Put the heads side by side again: the inverse of split_heads.

    Args:
        array: (..., H, N, d), floating.

    Returns:
        (..., N, H·d).

    Raises:
        TypeError: If array is not a floating array.
        ValueError: If array has fewer than 3 axes.

    Source:
        Vaswani et al. 2017, section 3.2.2 (Concat).

    Example:
        >>> import numpy as np
        >>> merge_heads(np.array([[[1.0], [3.0]], [[2.0], [4.0]]])).tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """
    xp = _checks.require_arrays(array=array)
    _checks.require_axes("array", array, 3, "(..., H, N, d)")
    *lead, num_heads, positions, width = array.shape
    apart = xp.swapaxes(array, -2, -3)  # (..., N, H, d): without this, words and heads mix
    return xp.reshape(apart, (*lead, positions, num_heads * width))


def multi_head_attention(
    query: Array,
    key: Array,
    value: Array,
    W_Q: Array,
    W_K: Array,
    W_V: Array,
    W_O: Array,
    *,
    num_heads: int,
    return_weights: bool = False,
    **options: object,
) -> Array | tuple[Array, ...]:
    """Attend num_heads times in parallel, each head with its own columns of the matrices.

    Args:
        query: (..., N, d_model), floating.
        key: (..., M, d_model). The same array three times is self-attention.
        value: (..., M, d_model).
        W_Q: (d_model, H·d_k).
        W_K: (d_model, H·d_k).
        W_V: (d_model, H·d_v).
        W_O: (H·d_v, d_out).
        num_heads: H, which divides the width of W_Q, W_K and W_V.
        return_weights: Whether to return the weights too.
        **options: attn_mask, is_causal, causal_offset, window, scale, return_lse and
            implementation, all as in attention.

    Returns:
        (..., N, d_out); then, if asked for, the weights (..., H, N, M) and the log-sum-exp
        (..., H, N), in this order.

    Raises:
        TypeError: If num_heads is not an integer, or as in attention.
        ValueError: If a matrix does not fit or num_heads does not divide its width, or as in
            attention.

    Source:
        Vaswani et al. 2017, section 3.2.2.

    Example:
        >>> import numpy as np
        >>> X, W = np.ones((2, 4)), np.eye(4)
        >>> multi_head_attention(X, X, X, W, W, W, W, num_heads=2).tolist()
        [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    """
    _checks.require_heads_fit(
        {"query": query, "key": key, "value": value},
        {"W_Q": W_Q, "W_K": W_K, "W_V": W_V, "W_O": W_O},
        num_heads,
    )
    mixed = attention(
        split_heads(project(query, W_Q), num_heads),  # (..., H, N, d_k)
        split_heads(project(key, W_K), num_heads),  # (..., H, M, d_k)
        split_heads(project(value, W_V), num_heads),  # (..., H, M, d_v)
        return_weights=return_weights,
        **options,
    )
    heads_out, *more = mixed if isinstance(mixed, tuple) else (mixed,)
    out = project(merge_heads(heads_out), W_O)  # (..., N, H·d_v) @ (H·d_v, d_out)
    return (out, *more) if more else out
