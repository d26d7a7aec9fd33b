"""The position of a word: vectors to add to embeddings, and rotations of queries and keys."""

import numpy as np

from attnlib import _checks
from attnlib._arrays import Array, home

BASE = 10000.0  # the slowest wave is about 2π · BASE positions long


def sinusoidal_positions(num_positions: int, d_model: int, *, like: Array | None = None) -> Array:
    """Give each position a vector of sines and cosines, from fast waves to slow ones.

    Column 2i holds sin(p / BASE^(2i/d_model)), column 2i + 1 the cosine of the same angle.

    Args:
        num_positions: N, 0 or more.
        d_model: The width, a positive even number.
        like: An array whose kind, dtype and device the result takes; NumPy float64 if None.

    Returns:
        (num_positions, d_model), floating.

    Raises:
        TypeError: If a number is not an integer.
        ValueError: If num_positions is negative or d_model is odd or below 2.

    Source:
        Vaswani et al. 2017, section 3.5.

    Example:
        >>> sinusoidal_positions(2, 2).round(4).tolist()
        [[0.0, 1.0], [0.8415, 0.5403]]
    """
    _checks.require_integer("num_positions", num_positions, least=0)
    _checks.require_integer("d_model", d_model)
    if d_model < 2 or d_model % 2:
        raise ValueError(f"d_model: got {d_model}, expected an even number from 2")
    angles = _angles(num_positions, 0, d_model)  # (N, d_model / 2)
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1)  # (N, d_model / 2, 2)
    return _as(waves.reshape(num_positions, d_model), like)


def rotary(x: Array, *, offset: int = 0) -> Array:
    """Turn each pair of columns of a query or key by an angle that grows with its position.

    Columns 2i and 2i + 1 of row p turn by (p + offset) / BASE^(2i/d_k). The dot product of a turned
    query and a turned key then depends on their distance, not on where the two are.

    Args:
        x: (..., N, d_k), floating, with an even d_k.
        offset: How many positions came before the first row.

    Returns:
        (..., N, d_k), in the kind, dtype and device of x. Gradients flow for torch tensors.

    Raises:
        TypeError: If x is not a floating NumPy array or torch tensor, or offset not an integer.
        ValueError: If x has fewer than two axes, or d_k is odd or 0.

    Source:
        Su et al. 2021 (RoFormer), section 3.4.2, equation 34.

    Example:
        >>> rotary(np.array([[1.0, 0.0], [1.0, 0.0]])).round(4).tolist()
        [[1.0, 0.0], [0.5403, 0.8415]]
    """
    xp = _checks.require_arrays(x=x)
    _checks.require_axes("x", x, 2, "(..., N, d_k)")
    _checks.require_integer("offset", offset)
    length, d_k = x.shape[-2:]
    if d_k < 2 or d_k % 2:
        raise ValueError(f"x: got d_k = {d_k}, expected an even number from 2")
    angles = _angles(length, offset, d_k)  # (N, d_k / 2)
    cos, sin = _as(np.cos(angles), x), _as(np.sin(angles), x)
    even, odd = x[..., 0::2], x[..., 1::2]  # (..., N, d_k / 2)
    turned = xp.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1)
    return xp.reshape(turned, x.shape)


def _angles(length, offset, width):
    """Return the angle of each position and pair of columns, float64 (length, width / 2)."""
    speeds = BASE ** (-np.arange(0, width, 2) / width)  # (width / 2,)
    return (np.arange(length)[:, None] + offset) * speeds


def _as(array, like):
    """Return a NumPy array in the kind, dtype and device of another."""
    if like is None:
        return array
    xp, where = home(like)
    return xp.asarray(array, dtype=like.dtype, device=where)
