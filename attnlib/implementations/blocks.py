"""How attention is cut into blocks: which ones there are, and which part of each array they read.

A job is some heads and one block of their queries, which meets the keys one block at a time. Inside
a job, heads have shape (c, g): c key heads, each shared by g query heads. So a block has queries q
(c, g, n, d_k), keys k (c, 1, m, d_k) and values v (c, 1, m, d_v).

is_causal, window and causal_offset together are one band (left, right, offset): query i may see the
keys i + offset - left to i + offset + right, and -1 leaves a side open.
"""

import functools
import math
from itertools import product

from attnlib.masks import window_mask

BLOCK = 1024, 512  # queries and keys in a block
BAND_BLOCK = 128, 1024  # the same under a band: few queries, so that less is wasted at its edges
PAIRS = 1024 * 1024  # the most scores in a job; short sequences put several heads in one


def band(is_causal, causal_offset, window):
    """Combine is_causal and window into one band.

    Args:
        is_causal: Whether query i sees no key after i + causal_offset.
        causal_offset: How far query 0 is to the right of key 0.
        window: (left, right), or None.

    Returns:
        (left, right, offset).
    """
    left, right = (-1, -1) if window is None else window
    return left, 0 if is_causal else right, causal_offset


def group_heads(key, *arrays):
    """View arrays (..., H, rows, columns) as (..., c, g, rows, columns), with c key heads.

    Args:
        key: (..., H_kv, M, d_k), ungrouped.
        *arrays: Arrays whose axis of heads has size H, H_kv or 1, or is missing; or None.

    Returns:
        A list of views: g is H / H_kv for H heads and 1 for H_kv. A missing axis of heads becomes
        (1, 1), and None stays None.
    """
    key_heads = key.shape[-3] if key.ndim > 2 else 1
    return [x if x is None else _group(x, key_heads) for x in arrays]


def _group(x, key_heads):
    lead, heads = (x.shape[:-3], x.shape[-3]) if x.ndim > 2 else ((), 1)
    c = 1 if heads == 1 else key_heads
    return x.reshape((*lead, c, heads // max(c, 1), *x.shape[-2:]))


def jobs(query, key, band):
    """Yield every job and the blocks of keys that its queries may see.

    Args:
        query: (..., c, g, N, d_k), grouped.
        key: (..., c, 1, M, d_k), grouped.
        band: (left, right, offset).

    Yields:
        heads, rows, and a list of columns. heads are an index for each leading axis, a slice of the
        c key heads and one of the g in a group, as many as keep the scores below PAIRS; rows is a
        slice of the queries, and columns are slices of the keys.
    """
    left, right, offset = band
    *lead, key_heads, group, num_queries, _ = query.shape
    num_keys = key.shape[-2]
    n, m = BLOCK if left < 0 and right < 0 else BAND_BLOCK
    n, m = max(1, min(n, num_queries)), max(1, min(m, num_keys))
    g = max(1, min(group, PAIRS // (n * m)))
    c = max(1, PAIRS // (n * m * g))
    for index in product(*map(range, lead)):
        for x, y, i in product(*map(range, (0, 0, 0), (key_heads, group, num_queries), (c, g, n))):
            heads = (*index, slice(x, min(x + c, key_heads)), slice(y, min(y + g, group)))
            rows = slice(i, min(i + n, num_queries))
            first = 0 if left < 0 else max(0, i + offset - left)
            last = num_keys if right < 0 else min(num_keys, rows.stop + offset + right)
            yield heads, rows, [slice(j, min(j + m, last)) for j in range(first, last, m)]


def most_scores(jobs):
    """Return how many scores the largest block of these jobs has.

    Args:
        jobs: A list of what jobs yields.

    Returns:
        c · g · n · m, the most of any block; 0 where there is none.
    """

    def size(heads, rows, columns):
        return math.prod(x.stop - x.start for x in (*heads[-2:], rows, columns))

    return max((size(heads, rows, x) for heads, rows, blocks in jobs for x in blocks), default=0)


def block(query, key, value, attn_mask, heads, rows, columns):
    """Return the part of each array that one block reads.

    Args:
        query: (..., c, g, N, d_k), grouped like the rest.
        key: (..., c, 1, M, d_k).
        value: (..., c, 1, M, d_v).
        attn_mask: Broadcasts to (..., c, g, N, M), or None.
        heads: Indices and slices of the leading axes, from jobs.
        rows: A slice of the queries.
        columns: A slice of the keys.

    Returns:
        Views q (c, g, n, d_k), k (c, 1, m, d_k), v (c, 1, m, d_v) and mask: (c, g, n, m), but of
        size 1 where attn_mask has size 1, or None.
    """
    at, there = (*heads, rows), (*heads[:-1], slice(None), columns)
    if attn_mask is not None:
        place = (*heads, rows, columns)
        place = place[len(place) - attn_mask.ndim :]
        shared = [slice(0, 1) if isinstance(i, slice) else 0 for i in place]
        sizes = zip(attn_mask.shape, place, shared, strict=True)
        attn_mask = attn_mask[tuple(one if size == 1 else i for size, i, one in sizes)]
    return query[at], key[there], value[there], attn_mask


def edges(band, rows, columns, like):
    """Return the parts of a block that the band hides partly, and what it shows there.

    Args:
        band: (left, right, offset).
        rows: A slice of the queries.
        columns: A slice of the keys.
        like: An array whose kind and device the masks take.

    Returns:
        A list of pairs: a slice of the block's m keys, and a bool mask (n, keys in the slice). All
        other keys are seen by every query. There is at most one pair at the left and one at the
        right.
    """
    left, right, offset = band
    offset += rows.start - columns.start  # the block's first query, counted from its first key
    n, m = rows.stop - rows.start, columns.stop - columns.start
    low = min(m, max(0, offset + n - 1 - left)) if left >= 0 else 0  # all see the keys from here
    high = max(0, min(m, offset + right + 1)) if right >= 0 else m  # to here
    parts = [slice(0, low), slice(high, m)] if low < high else [slice(0, m)]
    mask = functools.partial(window_mask, n, window=(left, right), like=like)
    return [
        (part, mask(part.stop - part.start, offset=offset - part.start))
        for part in parts
        if part.start < part.stop
    ]
