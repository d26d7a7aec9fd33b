"""Joining two partial results of attention over disjoint keys into the result over all of them."""

import math

from array_api_compat import array_namespace

from attnlib import checks
from attnlib.steps import Array, _narrow, _widen


def merge(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> tuple[Array, Array]:
    """Join two partial results: the same queries over two sets of keys that share none.

    Each part weighs as much as its sum of exponentials, exp(lse):
    out = (exp(lse_a) out_a + exp(lse_b) out_b) / (exp(lse_a) + exp(lse_b)). The larger lse is
    subtracted first, so that exp does not overflow. A part of lse -inf is empty and counts nothing,
    whatever its out holds; where both are, out is zeros and lse -inf.

    out_a, out_b: (..., N, d_v). lse_a, lse_b: (..., N), in the dtype of the outs or in float32,
    which keeps more of them where the outs are float16 or bfloat16.
    Returns: out (..., N, d_v) and lse (..., N), each in the dtype in which it came; computed in
    float32 where that is lower. Gradients flow to all four.
    Raises: ValueError where shapes differ; TypeError where kinds, dtypes or devices do.
    Source: Dao et al. 2022, section 3.1; Liu et al. 2023 (the same between devices).

    >>> import numpy as np
    >>> a, b = (np.array([[2.0]]), np.array([0.0])), (np.array([[6.0]]), np.array([0.0]))
    >>> merge(*a, *b)[0].tolist()
    [[4.0]]
    """
    checks.require_parts_fit(out_a, lse_a, out_b, lse_b)
    xp = array_namespace(out_a)
    wide_a, wide_b = _widen(lse_a), _widen(lse_b)  # (..., N)
    largest = xp.maximum(wide_a, wide_b)
    if hasattr(largest, "detach"):
        largest = largest.detach()  # it cancels out, so it carries no gradient
    largest = xp.where(largest == -math.inf, xp.zeros_like(largest), largest)
    sum_a, sum_b = xp.exp(wide_a - largest), xp.exp(wide_b - largest)  # 0 for an empty part
    is_empty = sum_a + sum_b == 0
    total = xp.where(is_empty, xp.ones_like(largest), sum_a + sum_b)
    lse = xp.where(is_empty, xp.full_like(largest, -math.inf), largest + xp.log(total))

    def share(lse, part_sum, out):
        """Return a part's addend (..., N, d_v); zeros for an empty part, even if it holds NaN."""
        out = _widen(out)
        out = xp.where(xp.expand_dims(lse == -math.inf, axis=-1), xp.zeros_like(out), out)
        return xp.expand_dims(part_sum / total, axis=-1) * out

    out = share(lse_a, sum_a, out_a) + share(lse_b, sum_b, out_b)  # (..., N, d_v)
    return _narrow(out, like=out_a), _narrow(lse, like=lse_a)
