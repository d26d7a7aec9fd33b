"""The checks that attention and its relatives share.

Every message has one form, `name: got WHAT CAME, expected WHAT IS WANTED`. A wrong type, kind of
array, dtype or device is a TypeError, a wrong value or shape a ValueError.
"""

import numbers
from collections.abc import Sequence

import numpy as np
from array_api_compat import array_namespace, is_numpy_array, is_torch_array
from array_api_compat import device as device_of

from attnlib._arrays import dtype_name

IMPLEMENTATIONS = ("auto", "formula", "blockwise", "triton")


def require_array(name, array):
    """Check a NumPy array or a torch tensor of any dtype."""
    if not (is_numpy_array(array) or is_torch_array(array)):
        raise TypeError(f"{name}: got {kind(array)}, expected a NumPy array or a torch tensor")


def require_arrays(**arrays):
    """Check that the arrays are floating and share kind, dtype, device; return their namespace."""
    first_name, first = next(iter(arrays.items()))
    for name, array in arrays.items():
        require_array(name, array)
        if is_numpy_array(array) != is_numpy_array(first):
            raise TypeError(f"{name}: got {kind(array)}, expected {kind(first)} like {first_name}")
        if dtype_name(array) not in ("float64", "float32", "float16", "bfloat16"):
            raise TypeError(
                f"{name}: got dtype {dtype_name(array)}, "
                "expected float64, float32, float16 or (torch) bfloat16"
            )
        if array.dtype != first.dtype:
            raise TypeError(
                f"{name}: got dtype {dtype_name(array)}, "
                f"expected {first_name}'s {dtype_name(first)}"
            )
        require_same_device(name, array, first_name, first)
        if array.ndim == 0:
            raise ValueError(f"{name}: got shape (), expected at least one axis")
    return array_namespace(*arrays.values())


def require_tensors(**tensors):
    """Check torch tensors of one floating dtype and device."""
    for name, tensor in tensors.items():
        if not is_torch_array(tensor):
            raise TypeError(f"{name}: got {kind(tensor)}, expected a torch tensor")
    require_arrays(**tensors)


def require_same_device(name, array, other_name, other):
    """Check that two arrays are on one device."""
    if device_of(array) != device_of(other):
        raise TypeError(
            f"{name}: got device {device_of(array)}, expected {other_name}'s {device_of(other)}"
        )


def require_axes(name, array, number, expected):
    """Check that an array has at least this number of axes."""
    if array.ndim < number:
        raise ValueError(f"{name}: got shape {shape(array)}, expected {expected}")


def require_matrix_fits(name, W, array_name, array):
    """Check that array (..., N, d_in) @ W (d_in, d_out) can be formed."""
    if W.ndim != 2 or W.shape[0] != array.shape[-1]:
        raise ValueError(
            f"{name}: got shape {shape(W)}, expected ({array.shape[-1]}, d_out) "
            f"for {array_name} {shape(array)}"
        )


def require_scores_fit(query, key, grouped=False):
    """Check that every query can meet every key: same width d_k, same leading axes.

    grouped: the number of heads, axis -3, may differ; require_heads_divide checks it.
    """
    require_axes("query", query, 2, "(..., N, d_k)")
    require_axes("key", key, 2, "(..., M, d_k)")
    if query.shape[-1] == 0:
        raise ValueError("query: got d_k = 0, expected 1 or more")
    if key.shape[-1] != query.shape[-1]:
        raise ValueError(f"key: got d_k = {key.shape[-1]}, expected query's {query.shape[-1]}")
    _require_same_lead("key", key, "query", query, -3 if grouped else -2)


def require_values_fit(key, value):
    """Check that there is one value for each key."""
    require_axes("value", value, 2, "(..., M, d_v)")
    _require_same_lead("value", value, "key", key)
    require_same_rows("value", value, "key", key)


def require_same_rows(name, array, other_name, other):
    """Check that two arrays (..., N, d) have the same number of rows N."""
    if array.shape[-2] != other.shape[-2]:
        raise ValueError(
            f"{name}: got {array.shape[-2]} rows, expected {other_name}'s {other.shape[-2]}"
        )


def require_heads_divide(query, key, value):
    """Check that the key heads divide the query heads."""
    for name, array in (("query", query), ("key", key), ("value", value)):
        require_axes(name, array, 3, "(..., heads, positions, width) for enable_gqa")
    num_heads, num_kv_heads = query.shape[-3], key.shape[-3]
    if num_kv_heads == 0 or num_heads % num_kv_heads:
        raise ValueError(
            f"key: got {num_kv_heads} heads, expected a divisor of query's {num_heads}"
        )
    if value.shape[-3] != num_kv_heads:
        raise ValueError(f"value: got {value.shape[-3]} heads, expected key's {num_kv_heads}")


def require_mask_fits(attn_mask, query, target):
    """Check a boolean or additive mask that must broadcast to target = (..., N, M)."""
    if kind(attn_mask) != kind(query):
        raise TypeError(f"attn_mask: got {kind(attn_mask)}, expected {kind(query)} like query")
    if dtype_name(attn_mask) != "bool" and attn_mask.dtype != query.dtype:
        raise TypeError(
            f"attn_mask: got dtype {dtype_name(attn_mask)}, "
            f"expected bool or query's {dtype_name(query)}"
        )
    require_same_device("attn_mask", attn_mask, "query", query)
    fits = attn_mask.ndim <= len(target) and all(
        have in (1, want) for have, want in zip(attn_mask.shape[::-1], target[::-1], strict=False)
    )
    if not fits:
        raise ValueError(
            f"attn_mask: got shape {shape(attn_mask)}, expected one that broadcasts to {target}"
        )


def require_parts_fit(out_a, lse_a, out_b, lse_b):
    """Check two partial results: out (..., N, d_v) twice and lse (..., N) twice."""
    require_arrays(out_a=out_a, out_b=out_b)
    require_arrays(lse_a=lse_a, lse_b=lse_b)
    require_axes("out_a", out_a, 2, "(..., N, d_v)")
    if out_b.shape != out_a.shape:
        raise ValueError(f"out_b: got shape {shape(out_b)}, expected out_a's {shape(out_a)}")
    if kind(lse_a) != kind(out_a):
        raise TypeError(f"lse_a: got {kind(lse_a)}, expected {kind(out_a)} like out_a")
    if dtype_name(lse_a) not in (dtype_name(out_a), "float32"):
        raise TypeError(
            f"lse_a: got dtype {dtype_name(lse_a)}, expected out_a's {dtype_name(out_a)} or float32"
        )
    require_same_device("lse_a", lse_a, "out_a", out_a)
    for name, lse in (("lse_a", lse_a), ("lse_b", lse_b)):
        if lse.shape != out_a.shape[:-1]:
            raise ValueError(
                f"{name}: got shape {shape(lse)}, expected {shape(out_a)[:-1]} "
                f"for out_a {shape(out_a)}"
            )


def require_options(causal_offset, window, scale, implementation, *, return_weights, **flags):
    """Check the options that are not arrays."""
    for name, flag in {"return_weights": return_weights, **flags}.items():
        require_flag(name, flag)
    require_integer("causal_offset", causal_offset)
    if window is not None:
        require_window(window)
    require_scale(scale)
    if not isinstance(implementation, str):
        raise TypeError(f"implementation: got {implementation!r}, expected a string")
    if implementation not in IMPLEMENTATIONS:
        raise ValueError(
            f"implementation: got {implementation!r}, expected one of {', '.join(IMPLEMENTATIONS)}"
        )
    if return_weights and implementation not in ("auto", "formula"):
        raise ValueError(
            f"return_weights: got True with implementation {implementation!r}, which never holds "
            "the weights; expected 'formula' or 'auto'"
        )


def require_flag(name, flag):
    """Check True or False, Python's or NumPy's."""
    if not isinstance(flag, (bool, np.bool_)):
        raise TypeError(f"{name}: got {flag!r}, expected True or False")


def require_integer(name, number, least=None):
    """Check an integer, Python's or NumPy's but not a bool, that is not below least."""
    if not _is_integer(number):
        raise TypeError(f"{name}: got {number!r}, expected an integer")
    if least is not None and number < least:
        raise ValueError(f"{name}: got {number}, expected {least} or more")


def require_window(window):
    """Check (left, right), each -1 (open) or more."""
    if not (isinstance(window, tuple) and len(window) == 2 and all(map(_is_integer, window))):
        raise TypeError(f"window: got {window!r}, expected a tuple of two integers")
    if min(window) < -1:
        raise ValueError(f"window: got {window!r}, expected -1 (open) or more on each side")


def require_segments(segment_lengths, dilation_rates):
    """Check two equally long sequences of positive integers, with at least one entry."""
    named = {"segment_lengths": segment_lengths, "dilation_rates": dilation_rates}
    for name, entries in named.items():
        if not isinstance(entries, Sequence) or not all(map(_is_integer, entries)):
            raise TypeError(f"{name}: got {entries!r}, expected a sequence of integers")
        if not entries or min(entries) < 1:
            raise ValueError(f"{name}: got {entries!r}, expected one or more integers from 1")
    if len(segment_lengths) != len(dilation_rates):
        raise ValueError(
            f"dilation_rates: got {len(dilation_rates)} entries, "
            f"expected {len(segment_lengths)}, one for each of segment_lengths"
        )


def require_scale(scale):
    """Check a factor for the scores: a real number, Python's or NumPy's, or None."""
    if scale is not None and (isinstance(scale, bool) or not isinstance(scale, numbers.Real)):
        raise TypeError(f"scale: got {scale!r}, expected a number or None")


def require_axis(axis, name, array):
    """Check that the array has this axis, counted from either end."""
    require_integer("axis", axis)
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(
            f"axis: got {axis}, expected {-array.ndim} to {array.ndim - 1} "
            f"for {name} {shape(array)}"
        )


def require_divisible(name, size, num_heads, unit=""):
    """Check that num_heads divides a size, which the message states with its unit."""
    require_integer("num_heads", num_heads, least=1)
    if size % num_heads:
        raise ValueError(
            f"{name}: got {size}{unit}, expected a multiple of num_heads = {num_heads}"
        )


def require_heads_fit(arrays, matrices, num_heads):
    """Check that query, key and value fit W_Q, W_K and W_V, and that their heads fit W_O."""
    require_arrays(**arrays, **matrices)
    for name, array in arrays.items():
        require_axes(name, array, 2, "(..., positions, d_model)")
    for (array_name, array), (name, W) in zip(arrays.items(), matrices.items(), strict=False):
        require_matrix_fits(name, W, array_name, array)
        require_divisible(name, W.shape[-1], num_heads, " columns")
    W_V, W_O = matrices["W_V"], matrices["W_O"]
    if W_O.ndim != 2 or W_O.shape[0] != W_V.shape[-1]:
        raise ValueError(
            f"W_O: got shape {shape(W_O)}, expected ({W_V.shape[-1]}, d_out) for W_V {shape(W_V)}"
        )


def shape(array):
    """Return the shape as a plain tuple."""
    return tuple(array.shape)


def kind(array):
    """Say what an argument is: a NumPy array, a torch tensor, or the name of another type."""
    if is_numpy_array(array):
        return "a NumPy array"
    return "a torch tensor" if is_torch_array(array) else type(array).__name__


def _require_same_lead(name, array, other_name, other, end=-2):
    """Check that the axes before end are the same."""
    if array.shape[:end] != other.shape[:end]:
        raise ValueError(
            f"{name}: got leading axes {tuple(array.shape[:end])}, "
            f"expected {other_name}'s {tuple(other.shape[:end])}: nothing is broadcast"
        )


def _is_integer(number):
    return isinstance(number, numbers.Integral) and not isinstance(number, bool)
