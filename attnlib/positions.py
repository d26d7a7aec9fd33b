"""Where a word stands: vectors to add to embeddings, and rotations of queries and keys."""

import numpy as np

from attnlib import _checks
from attnlib._arrays import Array, home

BASE = 10000.0  # the slowest wave is about 2π · BASE positions long


def sinusoidal_positions(num_positions: int, d_model: int, *, like: Array | None = None) -> Array:
    """Give each position a vector of sines and cosines, from fast waves to slow ones.

    Column 2i holds sin(p / BASE^(2i/d_model)), column 2i + 1 the cosine of the same angle.
    like: an array whose kind, dtype and device the result takes; NumPy float64 where None.
    Returns: (num_positions, d_model).
    Raises: ValueError where num_positions is negative or d_model is odd or under 2.
    Source: Vaswani et al. 2017, section 3.5.

    >>> sinusoidal_positions(2, 2).round(4).tolist()
    [[0.0, 1.0], [0.8415, 0.5403]]
    """
    angles = _angles("num_positions", num_positions, 0, "d_model", d_model)  # (N, d_model / 2)
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1)  # (N, d_model / 2, 2)
    return _as(waves.reshape(num_positions, d_model), like)


def rotary(x: Array, *, offset: int = 0) -> Array:
    """Turn each pair of columns of a query or key by an angle that grows with its position.

    Columns 2i and 2i + 1 of row p turn by (p + offset) / BASE^(2i/d_k). The dot product of a turned
    query and a turned key then depends on their distance, not on where the two stand.
    x: (..., N, d_k). offset: how many positions came before the first row.
    Returns: (..., N, d_k), in x's kind, dtype and device. Gradients flow for torch tensors.
    Raises: ValueError where x has fewer than two axes or an odd last axis; TypeError where it is
    no floating NumPy array or torch tensor.
    Source: Su et al. 2021 (RoFormer), section 3.4.2, equation 34.

    >>> rotary(np.array([[1.0, 0.0], [1.0, 0.0]])).round(4).tolist()
    [[1.0, 0.0], [0.5403, 0.8415]]
    """
    xp = _checks.require_arrays(x=x)
    if x.ndim < 2:
        raise ValueError(f"x: shape is {tuple(x.shape)}, expected (..., N, d_k)")
    angles = _angles("N", x.shape[-2], offset, "d_k", x.shape[-1])  # (N, d_k / 2)
    cos, sin = _as(np.cos(angles), x), _as(np.sin(angles), x)
    even, odd = x[..., 0::2], x[..., 1::2]  # (..., N, d_k / 2)
    turned = xp.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1)
    return xp.reshape(turned, x.shape)


def _angles(length_name, length, offset, width_name, width):
    """Return the angle of each position and pair of columns, float64 (length, width / 2)."""
    _checks.require_integer(length_name, length)
    _checks.require_integer("offset", offset)
    _checks.require_integer(width_name, width)
    if length < 0:
        raise ValueError(f"{length_name}: got {length}, expected 0 or more")
    if width < 2 or width % 2:
        raise ValueError(f"{width_name}: got {width}, expected an even number")
    speeds = BASE ** (-np.arange(0, width, 2) / width)  # (width / 2,)
    return (np.arange(length)[:, None] + offset) * speeds


def _as(array, like):
    """Return a NumPy array in the kind, dtype and device of another."""
    if like is None:
        return array
    xp, where = home(like)
    return xp.asarray(array, dtype=like.dtype, device=where)
