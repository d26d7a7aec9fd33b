"""Who may look at whom: boolean masks (N, M), True where query i may attend to key j."""

from array_api_compat import is_numpy_array, is_torch_array

from attnlib import _checks
from attnlib._arrays import Array, dtype_name, home


def causal_mask(
    num_queries: int, num_keys: int, *, offset: int = 0, like: Array | None = None
) -> Array:
    """Let query i see keys 0 to i + offset.

    like: an array whose kind and device the mask takes; NumPy where None.
    Returns: bool (num_queries, num_keys).
    Raises: ValueError where a size is negative.
    Source: Vaswani et al. 2017, section 3.2.3.

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

    window: (left, right). like: an array whose kind and device the mask takes; NumPy where None.
    Returns: bool (num_queries, num_keys).
    Raises: ValueError where a size is negative or a side of the window is under -1.
    Source: Beltagy et al. 2020, section 3.1.

    >>> window_mask(3, 3, window=(1, 0)).astype(int).tolist()
    [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    _require_size("num_queries", num_queries)
    _require_size("num_keys", num_keys)
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

    In segments of segment_length words, head h keeps the word at offset h // ⌈num_heads /
    dilation_rate⌉ and every dilation_rate-th from there. is_causal: a word sees no later word.
    like: an array whose kind and device the mask takes; NumPy where None.
    Returns: bool (num_heads, length, length). Computing attention with it saves nothing: every pair
    is scored before it is hidden. dilated_attention scores the open pairs only.
    Raises: ValueError where length is negative or another number is under 1.
    Source: Ding et al. 2023, sections 2.2 and 2.3; the offsets are those of the authors' code.

    >>> dilated_mask(4, segment_length=4, dilation_rate=2)[0].astype(int).tolist()
    [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    """
    _require_size("length", length)
    named = {"segment_length": segment_length, "dilation_rate": dilation_rate}
    for name, number in {**named, "num_heads": num_heads}.items():
        _checks.require_integer(name, number)
        if number < 1:
            raise ValueError(f"{name}: got {number}, expected 1 or more")
    _checks.require_flag("is_causal", is_causal)
    xp, where = home(like)
    place = xp.arange(length, device=where)
    heads_an_offset = -(-num_heads // dilation_rate)
    offset = xp.arange(num_heads, device=where)[:, None] // heads_an_offset  # (H, 1)
    segment = place // segment_length  # (N,)
    is_kept = place % segment_length % dilation_rate == offset  # (H, N)
    mask = is_kept[:, :, None] & is_kept[:, None, :] & (segment[:, None] == segment[None, :])
    return mask & (place[None, :] <= place[:, None]) if is_causal else mask


def padding_mask(lengths: Array, num_keys: int) -> Array:
    """Hide the keys behind each sequence's end, where a batch was filled up to one length.

    lengths: (B,) integers, NumPy or torch.
    Returns: bool (B, 1, 1, num_keys), of the kind of lengths, for scores (B, H, N, num_keys).
    Raises: ValueError where lengths has not one axis.
    Source: Vaswani et al. 2017, section 3.2.3, for masking by -inf.

    >>> import numpy as np
    >>> padding_mask(np.array([1, 3]), 3)[:, 0, 0].astype(int).tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    if not (is_numpy_array(lengths) or is_torch_array(lengths)):
        raise TypeError(
            f"lengths: expected a NumPy array or a torch tensor, got {type(lengths).__name__}"
        )
    if "int" not in dtype_name(lengths):
        raise TypeError(f"lengths: dtype is {dtype_name(lengths)}, expected integers")
    if lengths.ndim != 1:
        raise ValueError(f"lengths: shape is {tuple(lengths.shape)}, expected (B,)")
    _require_size("num_keys", num_keys)
    xp, where = home(lengths)
    return xp.arange(num_keys, device=where) < lengths[:, None, None, None]


def allowed_pairs(num_queries, num_keys, *, is_causal, offset, window, like):
    """Combine is_causal and window into one (N, M) mask, or None where every pair may meet."""
    if not is_causal and window in (None, (-1, -1)):
        return None
    left, right = window or (-1, -1)
    if is_causal:
        right = 0  # no key after i + offset, however far the window reaches
    return window_mask(num_queries, num_keys, window=(left, right), offset=offset, like=like)


def _require_size(name, size):
    _checks.require_integer(name, size)
    if size < 0:
        raise ValueError(f"{name}: got {size}, expected 0 or more")
