"""Who may attend to whom: boolean masks (N, M), True where query i may attend to key j."""

from attnlib import _checks
from attnlib._arrays import Array, dtype_name, home


def causal_mask(
    num_queries: int, num_keys: int, *, offset: int = 0, like: Array | None = None
) -> Array:
    """Let query i see keys 0 to i + offset.

    Args:
        num_queries: N, 0 or more.
        num_keys: M, 0 or more.
        offset: How far query 0 is to the right of key 0; M - N aligns the last two.
        like: An array whose kind and device the mask takes; NumPy if None.

    Returns:
        A bool mask (num_queries, num_keys).

    Raises:
        TypeError: If a number is not an integer.
        ValueError: If a size is negative.

    Source:
        Vaswani et al. 2017, section 3.2.3.

    Example:
        >>> causal_mask(2, 3).astype(int).tolist()
        [[1, 0, 0], [1, 1, 0]]
    """
    return window_mask(num_queries, num_keys, window=(-1, 0), offset=offset, like=like)


def window_mask(
    num_queries: int,
    num_keys: int,
    *,
    window: tuple[int, int],
    offset: int = 0,
    like: Array | None = None,
) -> Array:
    """Let query i see keys i + offset - left to i + offset + right; -1 leaves a side open.

    Args:
        num_queries: N, 0 or more.
        num_keys: M, 0 or more.
        window: (left, right), each -1 or more.
        offset: How far query 0 is to the right of key 0.
        like: An array whose kind and device the mask takes; NumPy if None.

    Returns:
        A bool mask (num_queries, num_keys).

    Raises:
        TypeError: If a number is not an integer, or window not a tuple of two.
        ValueError: If a size is negative or a side of the window is below -1.

    Source:
        Beltagy et al. 2020, section 3.1.

    Example:
        >>> window_mask(3, 3, window=(1, 0)).astype(int).tolist()
        [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    _checks.require_integer("num_queries", num_queries, least=0)
    _checks.require_integer("num_keys", num_keys, least=0)
    _checks.require_integer("offset", offset)
    _checks.require_window(window)
    left, right = window
    xp, where = home(like)
    place = xp.arange(num_queries, device=where)[:, None] + offset  # (N, 1), counted in keys
    key = xp.arange(num_keys, device=where)[None, :]  # (1, M)
    mask = xp.ones((num_queries, num_keys), dtype=xp.bool, device=where)
    if left >= 0:
        mask = mask & (key >= place - left)
    if right >= 0:
        mask = mask & (key <= place + right)
    return mask


def dilated_mask(
    length: int,
    *,
    segment_length: int,
    dilation_rate: int,
    num_heads: int = 1,
    is_causal: bool = False,
    like: Array | None = None,
) -> Array:
    """Let the kept words of a segment see one another: one branch of dilated attention as a mask.

    In each segment of w words, head h of H keeps the word at offset h // ⌈H / r⌉ and every r-th
    word from there. Attention with this mask saves no work, as every pair is scored before it is
    hidden; dilated_attention scores the open pairs only.

    Args:
        length: N, 0 or more.
        segment_length: w, 1 or more.
        dilation_rate: r, 1 or more.
        num_heads: H, 1 or more.
        is_causal: Whether a word sees no later word.
        like: An array whose kind and device the mask takes; NumPy if None.

    Returns:
        A bool mask (num_heads, length, length).

    Raises:
        TypeError: If a number is not an integer, or is_causal not a bool.
        ValueError: If length is negative or another number is below 1.

    Source:
        Ding et al. 2023, sections 2.2 and 2.3; the offsets are those of the authors' code.

    Example:
        >>> dilated_mask(4, segment_length=4, dilation_rate=2)[0].astype(int).tolist()
        [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    """
    _checks.require_integer("length", length, least=0)
    _checks.require_integer("segment_length", segment_length, least=1)
    _checks.require_integer("dilation_rate", dilation_rate, least=1)
    _checks.require_integer("num_heads", num_heads, least=1)
    _checks.require_flag("is_causal", is_causal)
    xp, where = home(like)
    place = xp.arange(length, device=where)
    heads_per_offset = -(-num_heads // dilation_rate)
    offset = xp.arange(num_heads, device=where)[:, None] // heads_per_offset  # (H, 1)
    segment = place // segment_length  # (N,)
    is_kept = place % segment_length % dilation_rate == offset  # (H, N)
    mask = is_kept[:, :, None] & is_kept[:, None, :] & (segment[:, None] == segment[None, :])
    return mask & (place[None, :] <= place[:, None]) if is_causal else mask


def padding_mask(lengths: Array, num_keys: int) -> Array:
    """Hide the keys after each sequence's end, where a batch is padded to one length.

    Args:
        lengths: (B,) integers, NumPy or torch: how many keys each sequence has.
        num_keys: M, 0 or more.

    Returns:
        A bool mask (B, 1, 1, num_keys), of the kind of lengths, for scores (B, H, N, num_keys).

    Raises:
        TypeError: If lengths is not an array of integers, or num_keys not an integer.
        ValueError: If lengths does not have one axis, or num_keys is negative.

    Source:
        Vaswani et al. 2017, section 3.2.3, for masking by -inf.

    Example:
        >>> import numpy as np
        >>> padding_mask(np.array([1, 3]), 3)[:, 0, 0].astype(int).tolist()
        [[1, 0, 0], [1, 1, 1]]
    """
    _checks.require_array("lengths", lengths)
    if "int" not in dtype_name(lengths):
        raise TypeError(f"lengths: got dtype {dtype_name(lengths)}, expected integers")
    if lengths.ndim != 1:
        raise ValueError(f"lengths: got shape {_checks.shape(lengths)}, expected (B,)")
    _checks.require_integer("num_keys", num_keys, least=0)
    xp, where = home(lengths)
    return xp.arange(num_keys, device=where) < lengths[:, None, None, None]


def allowed_pairs(num_queries, num_keys, *, is_causal, causal_offset, window, like):
    """Combine is_causal and window into one (N, M) mask, or None where every pair may meet.

    Args:
        num_queries: N, 0 or more.
        num_keys: M, 0 or more.
        is_causal: Whether query i sees no key after i + causal_offset, however far the window
            reaches.
        causal_offset: How far query 0 is to the right of key 0.
        window: (left, right) as in window_mask, or None.
        like: An array whose kind and device the mask takes; NumPy if None.

    Returns:
        A bool mask (num_queries, num_keys), or None.
    """
    if not is_causal and window in (None, (-1, -1)):
        return None
    left, right = window or (-1, -1)
    if is_causal:
        right = 0
    return window_mask(num_queries, num_keys, window=(left, right), offset=causal_offset, like=like)
