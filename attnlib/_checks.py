"""What attention accepts: every argument is looked at here, before any work is done."""

import numbers
from collections.abc import Sequence

import numpy as np
from array_api_compat import array_namespace, is_numpy_array, is_torch_array
from array_api_compat import device as device_of

from attnlib._arrays import dtype_name

IMPLEMENTATIONS = ("auto", "formula", "blockwise", "triton")


def require_arrays(**arrays):
    """Return the array namespace that all the arrays share.

    TypeError: an array is neither NumPy nor torch, is not floating, or differs from the first in
    kind, dtype or device. ValueError: an array has no axis.
    """
    first_name, first = next(iter(arrays.items()))
    for name, array in arrays.items():
        if not (is_numpy_array(array) or is_torch_array(array)):
            raise TypeError(
                f"{name}: expected a NumPy array or a torch tensor, got {type(array).__name__}"
            )
        if is_numpy_array(array) != is_numpy_array(first):
            raise TypeError(
                f"{name}: is a {_kind(array)}, {first_name} is a {_kind(first)}; expected one kind"
            )
        if dtype_name(array) not in ("float64", "float32", "float16", "bfloat16"):
            raise TypeError(
                f"{name}: dtype is {dtype_name(array)}, "
                "expected float64, float32, float16 or (torch) bfloat16"
            )
        if array.dtype != first.dtype:
            raise TypeError(
                f"{name}: dtype is {dtype_name(array)}, {first_name} has {dtype_name(first)}; "
                "expected one dtype"
            )
        if device_of(array) != device_of(first):
            raise TypeError(
                f"{name}: lies on {device_of(array)}, {first_name} on {device_of(first)}; "
                "expected one device"
            )
        if array.ndim == 0:
            raise ValueError(f"{name}: has no axis, expected at least one")
    return array_namespace(*arrays.values())


def require_matrix_fits(name, W, array_name, array):
    """Check that array (..., N, d_in) @ W (d_in, d_out) can be formed."""
    if W.ndim != 2 or W.shape[0] != array.shape[-1]:
        raise ValueError(
            f"{name}: shape is {shape(W)}, expected ({array.shape[-1]}, d_out) "
            f"for {array_name} {shape(array)}"
        )


def require_scores_fit(query, key, grouped=False):
    """Check that every query can meet every key: same width d_k, same leading axes.

    grouped: the number of heads, axis -3, may differ; require_heads_divide looks at it.
    """
    for name, array in (("query", query), ("key", key)):
        if array.ndim < 2:
            raise ValueError(
                f"{name}: shape is {shape(array)}, expected (..., positions, width), 2 axes or more"
            )
    if key.shape[-1] != query.shape[-1]:
        raise ValueError(f"key: last axis is {key.shape[-1]}, query has d_k = {query.shape[-1]}")
    if query.shape[-1] == 0:
        raise ValueError("query: d_k is 0, expected at least 1")
    _require_same_lead("key", key, "query", query, -3 if grouped else -2)


def require_values_fit(key, value):
    """Check that there is one value for each key."""
    if value.ndim < 2:
        raise ValueError(
            f"value: shape is {shape(value)}, expected (..., positions, width), 2 axes or more"
        )
    _require_same_lead("value", value, "key", key)
    if value.shape[-2] != key.shape[-2]:
        raise ValueError(f"value: has {value.shape[-2]} rows, key has {key.shape[-2]}")


def require_heads_divide(query, key, value):
    """Check that the key heads divide the query heads."""
    for name, array in (("query", query), ("key", key), ("value", value)):
        if array.ndim < 3:
            raise ValueError(
                f"{name}: shape is {shape(array)}, "
                "enable_gqa expects (..., heads, positions, width)"
            )
    num_heads, num_kv_heads = query.shape[-3], key.shape[-3]
    if num_kv_heads == 0 or num_heads % num_kv_heads:
        raise ValueError(f"key: has {num_kv_heads} heads, which do not divide query's {num_heads}")
    if value.shape[-3] != num_kv_heads:
        raise ValueError(f"value: has {value.shape[-3]} heads, key has {num_kv_heads}")


def require_mask_fits(attn_mask, query, target):
    """Check a boolean or additive mask that must broadcast to target = (..., N, M)."""
    if is_numpy_array(attn_mask) != is_numpy_array(query) or not hasattr(attn_mask, "dtype"):
        raise TypeError(f"attn_mask: is a {_kind(attn_mask)}, query is a {_kind(query)}")
    if dtype_name(attn_mask) != "bool" and attn_mask.dtype != query.dtype:
        raise TypeError(
            f"attn_mask: dtype is {dtype_name(attn_mask)}, "
            f"expected bool or query's {dtype_name(query)}"
        )
    if device_of(attn_mask) != device_of(query):
        raise TypeError(f"attn_mask: lies on {device_of(attn_mask)}, query on {device_of(query)}")
    fits = attn_mask.ndim <= len(target) and all(
        have in (1, want) for have, want in zip(attn_mask.shape[::-1], target[::-1], strict=False)
    )
    if not fits:
        raise ValueError(
            f"attn_mask: shape is {shape(attn_mask)}, expected one that broadcasts to {target}"
        )


def require_parts_fit(out_a, lse_a, out_b, lse_b):
    """Check two partial results: out (..., N, d_v) twice and lse (..., N) twice."""
    require_arrays(out_a=out_a, out_b=out_b)
    require_arrays(lse_a=lse_a, lse_b=lse_b)
    if out_a.ndim < 2:
        raise ValueError(f"out_a: shape is {shape(out_a)}, expected (..., N, d_v)")
    if out_b.shape != out_a.shape:
        raise ValueError(f"out_b: shape is {shape(out_b)}, out_a has {shape(out_a)}")
    if is_numpy_array(lse_a) != is_numpy_array(out_a):
        raise TypeError(f"lse_a: is a {_kind(lse_a)}, out_a is a {_kind(out_a)}; expected one kind")
    if dtype_name(lse_a) not in (dtype_name(out_a), "float32"):
        raise TypeError(
            f"lse_a: dtype is {dtype_name(lse_a)}, expected out_a's {dtype_name(out_a)} or float32"
        )
    if device_of(lse_a) != device_of(out_a):
        raise TypeError(f"lse_a: lies on {device_of(lse_a)}, out_a on {device_of(out_a)}")
    for name, lse in (("lse_a", lse_a), ("lse_b", lse_b)):
        if lse.shape != out_a.shape[:-1]:
            raise ValueError(
                f"{name}: shape is {shape(lse)}, expected {shape(out_a)[:-1]} for out_a "
                f"{shape(out_a)}"
            )


def require_options(causal_offset, window, scale, implementation, *, return_weights, **flags):
    """Check the options that are no arrays."""
    for name, flag in {"return_weights": return_weights, **flags}.items():
        require_flag(name, flag)
    require_integer("causal_offset", causal_offset)
    if window is not None:
        require_window(window)
    require_scale(scale)
    if implementation not in IMPLEMENTATIONS:
        raise ValueError(
            f"implementation: got {implementation!r}, expected one of {', '.join(IMPLEMENTATIONS)}"
        )
    if return_weights and implementation not in ("auto", "formula"):
        raise ValueError(
            f"return_weights: {implementation!r} never holds the weights; "
            "expected implementation 'formula' or 'auto'"
        )


def require_flag(name, flag):
    """Check True or False, Python's or NumPy's."""
    if not isinstance(flag, (bool, np.bool_)):
        raise TypeError(f"{name}: got {flag!r}, expected True or False")


def require_integer(name, number):
    """Check a whole number, Python's or NumPy's; a bool is none."""
    if not _is_integer(number):
        raise TypeError(f"{name}: got {number!r}, expected an integer")


def require_window(window):
    """Check (left, right), each -1 (open) or more."""
    if not (isinstance(window, tuple) and len(window) == 2 and all(map(_is_integer, window))):
        raise TypeError(f"window: got {window!r}, expected a tuple of two integers")
    if min(window) < -1:
        raise ValueError(f"window: got {window!r}, expected -1 (open) or more on each side")


def require_segments(segment_lengths, dilation_rates):
    """Check two equally long sequences of integers from 1, with at least one entry."""
    named = {"segment_lengths": segment_lengths, "dilation_rates": dilation_rates}
    for name, entries in named.items():
        if not isinstance(entries, Sequence) or not all(map(_is_integer, entries)):
            raise TypeError(f"{name}: got {entries!r}, expected a sequence of integers")
        if not entries or min(entries) < 1:
            raise ValueError(f"{name}: got {entries!r}, expected one or more integers from 1")
    if len(segment_lengths) != len(dilation_rates):
        raise ValueError(
            f"dilation_rates: has {len(dilation_rates)} entries, "
            f"segment_lengths has {len(segment_lengths)}; expected a rate for each length"
        )


def require_scale(scale):
    """Check a factor for the scores: a real number, Python's or NumPy's, or None."""
    if scale is not None and (isinstance(scale, bool) or not isinstance(scale, numbers.Real)):
        raise TypeError(f"scale: got {scale!r}, expected a number or None")


def require_axis(axis, array):
    """Check that the array has this axis, counted from either end."""
    require_integer("axis", axis)
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"axis: got {axis}, scores have {array.ndim} axes")


def require_divisible(name, size, num_heads):
    """Check that an axis of this size splits into num_heads equal parts."""
    if not _is_integer(num_heads) or num_heads < 1:
        raise ValueError(f"num_heads: got {num_heads!r}, expected a whole number from 1")
    if size % num_heads:
        raise ValueError(
            f"{name}: last axis is {size}, which num_heads = {num_heads} does not divide"
        )


def require_heads_fit(arrays, matrices, num_heads):
    """Check that query, key and value fit W_Q, W_K and W_V, and that their heads fit W_O."""
    require_arrays(**arrays, **matrices)
    for name, array in arrays.items():
        if array.ndim < 2:
            raise ValueError(f"{name}: shape is {shape(array)}, expected (..., positions, d_model)")
    for (array_name, array), (name, W) in zip(arrays.items(), matrices.items(), strict=False):
        require_matrix_fits(name, W, array_name, array)
        require_divisible(name, W.shape[-1], num_heads)
    W_V, W_O = matrices["W_V"], matrices["W_O"]
    if W_O.ndim != 2 or W_O.shape[0] != W_V.shape[-1]:
        raise ValueError(
            f"W_O: shape is {shape(W_O)}, expected ({W_V.shape[-1]}, d_out) for W_V {shape(W_V)}"
        )


def shape(array):
    """Return the shape as a plain tuple."""
    return tuple(array.shape)


def _require_same_lead(name, array, other_name, other, end=-2):
    if array.shape[:end] != other.shape[:end]:
        raise ValueError(
            f"{name}: leading axes are {tuple(array.shape[:end])}, "
            f"{other_name} has {tuple(other.shape[:end])}; nothing is broadcast"
        )


def _kind(array):
    if is_numpy_array(array):
        return "NumPy array"
    return "torch tensor" if is_torch_array(array) else type(array).__name__


def _is_integer(number):
    return isinstance(number, numbers.Integral) and not isinstance(number, bool)
