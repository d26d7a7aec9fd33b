"""Dilated attention: long segments are seen through wide gaps, so the work stays near-linear.

Each pair of a segment length w and a dilation rate r is one branch. It cuts the sequence into
segments of w words, keeps every r-th word of a segment, from an offset that differs from head to
head, and lets the kept words of a segment attend to one another: N w / r² pairs of words per head
instead of N². Several branches, from short and dense to long and sparse, are mixed word by word.

The kept words are strided views, so nothing is copied. A last segment shorter than w is a segment
of its own, so nothing is padded and no zero is ever counted as a key.
"""

import math
from collections.abc import Sequence

from array_api_compat import array_namespace
from array_api_compat import device as device_of

from attnlib import _checks
from attnlib._arrays import Array, narrow, widen
from attnlib.formula import attention, softmax


def dilated_attention(
    query: Array,
    key: Array,
    value: Array,
    *,
    segment_lengths: Sequence[int],
    dilation_rates: Sequence[int],
    is_causal: bool = False,
) -> Array:
    """Attend within dilated segments, one branch per pair (w, r), and mix the branches.

    Head h of H keeps the word at offset h // ⌈H / r⌉ of each segment, and every r-th from there.
    A branch counts in proportion to its softmax denominator, exp(lse): with o_b and lse_b the
    output and log-sum-exp of branch b for one word, out = Σ_b exp(lse_b) o_b / Σ_b exp(lse_b). So a
    key that two branches show to a word counts twice. A word that no branch keeps gets zeros.

    Args:
        query: (..., H, N, d_k), floating. Every axis before N is optional, in all three.
        key: (..., H, N, d_k).
        value: (..., H, N, d_v).
        segment_lengths: w for each branch: one or more positive integers. A length above N
            counts as N.
        dilation_rates: r for each branch: as many positive integers.
        is_causal: Whether a word sees no later word.

    Returns:
        (..., H, N, d_v) in the dtype of query; float16 and bfloat16 are computed in float32.
        Gradients flow for torch tensors, through the proportions of the branches as well.

    Raises:
        TypeError: If an argument has the wrong type, dtype or device.
        ValueError: If an argument has the wrong value or shape.

    Source:
        Ding et al. 2023, sections 2.2 and 2.3; the offsets are those of the authors' code, which
        stops the gradient at the proportions of the branches.

    Example:
        >>> import numpy as np
        >>> words = np.array([[1.0], [2.0], [3.0], [4.0]])
        >>> same = np.zeros_like(words)
        >>> dilated_attention(same, same, words, segment_lengths=[4], dilation_rates=[2]).tolist()
        [[2.0], [0.0], [2.0], [0.0]]
    """
    xp = _checks.require_arrays(query=query, key=key, value=value)
    _checks.require_scores_fit(query, key)
    _checks.require_values_fit(key, value)
    _checks.require_same_rows("key", key, "query", query)
    _checks.require_segments(segment_lengths, dilation_rates)
    _checks.require_flag("is_causal", is_causal)
    if query.ndim == 2:  # one head without its axis
        query, key, value = (array[None] for array in (query, key, value))
        options = {"segment_lengths": segment_lengths, "dilation_rates": dilation_rates}
        return dilated_attention(query, key, value, is_causal=is_causal, **options)[0]

    lead, (H, N) = query.shape[:-3], query.shape[-3:-1]
    wide = {"dtype": widen(query[..., :0, :]).dtype, "device": device_of(query)}
    lse = xp.full((len(segment_lengths), *lead, H, N), -math.inf, **wide)
    seen = []  # for each stack of segments: its branch, where its words are, their outputs
    for b, (w, r) in enumerate(zip(segment_lengths, dilation_rates, strict=True)):
        for place in _places(H, N, w, r):
            kept = (widen(_view(array, len(lead), place)) for array in (query, key, value))
            out_b, lse_b = attention(*kept, is_causal=is_causal, return_lse=True)
            _view(lse[b], len(lead), place)[...] = lse_b  # (..., c, S, n)
            seen.append((b, place, out_b))  # (..., c, S, n, d_v)

    weights = softmax(lse, axis=0)  # (branches, ..., H, N), zeros where no branch keeps the word
    out = xp.zeros((*lead, H, N, value.shape[-1]), **wide)
    for b, place, out_b in seen:
        part = _view(out, len(lead), place)
        part += _view(weights[b], len(lead), place)[..., None] * out_b
    return narrow(out, like=query)


def _places(num_heads, length, w, r):
    """Yield where one branch's kept words are: heads, rows, segment length, offset and rate.

    Heads that share an offset come together, and so do the segments of full length; a shorter
    segment at the end comes by itself.
    """
    heads_per_offset = max(1, math.ceil(num_heads / r))
    whole = length - length % w
    for first in range(0, num_heads, heads_per_offset):
        heads, offset = slice(first, first + heads_per_offset), first // heads_per_offset
        for rows, segment in ((slice(0, whole), w), (slice(whole, length), length - whole)):
            if rows.start < rows.stop and offset < segment:
                yield heads, rows, segment, slice(offset, None, r)


def _view(array, num_leading, place):
    """Return a view (..., c, S, n, ...) of (..., H, N, ...): c heads, S segments, n kept words."""
    heads, rows, segment, kept = place
    everything = (slice(None),) * num_leading
    part = array[(*everything, heads, rows)]  # (..., c, S · segment, ...)
    before, after = part.shape[: num_leading + 1], part.shape[num_leading + 2 :]
    segments = (rows.stop - rows.start) // segment
    part = array_namespace(array).reshape(part, (*before, segments, segment, *after))
    return part[(*everything, slice(None), slice(None), kept)]
