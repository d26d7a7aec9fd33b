"""Tell a right result from a wrong one, and name the mistake that gives the wrong one."""

import numpy as np

from attnbook.show import to_numpy


def judge(result, right, mistakes: dict | None = None) -> str | None:
    """Compare a result with the right one, to 1e-6 of its size.

    Args:
        result: What the reader's function returned: a number or an array.
        right: The right result.
        mistakes: For each hint, the result that its mistake would give.

    Returns:
        None if the result is right, else a hint.

    Example:
        >>> judge(np.ones(2), np.zeros(2), {"You added 1.": np.ones(2)})
        'You added 1.'
    """
    if result is None:
        return "Your function returns None: does it end in return?"
    result, right = (np.asarray(to_numpy(x), dtype=float) for x in (result, right))
    for hint, wrong in (mistakes or {}).items():
        if _same(result, np.asarray(to_numpy(wrong), dtype=float)):
            return hint
    if result.shape != right.shape:
        return f"The result has shape {result.shape}, expected {right.shape}."
    if np.isnan(result).any() and not np.isnan(right).any():
        return "The result holds NaN."
    if _same(result, right):
        return None
    place = np.unravel_index(np.abs(result - right).argmax(), right.shape)
    at = f" at {tuple(int(i) for i in place)}" if place else ""
    return f"The largest error is{at}: {result[place]:.4g}, expected {right[place]:.4g}."


def _same(a, b):
    """Say whether two arrays agree to 1e-6 of the largest number in the second."""
    scale = np.abs(b[np.isfinite(b)]).max(initial=1e-300)
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=1e-6 * scale, equal_nan=True)
