"""Attention block by block: the formula's result in memory that grows with N + M, not with N · M.

A block of queries meets the keys one block at a time and keeps three things for each row: m, the
largest score so far, l = Σ exp(s - m), and a = Σ exp(s - m) v, both sums over the keys so far. When
a block brings a larger score m', what was summed under m is rescaled by exp(m - m'). This is the
online softmax::

    m' = max(m, max s)
    l' = exp(m - m') l + Σ exp(s - m')
    a' = exp(m - m') a + exp(s - m') V

At the end the output is a / l and the log-sum-exp is m + log l.

All of this is for NumPy arrays and torch tensors alike. Gradients and bfloat16, which only torch
has, are in blockwise_torch, and the cutting into blocks is in blocks.

Sources: Milakov & Gimelshein 2018, algorithm 3 (online softmax); Rabe & Staats 2021 (attention in
this way); Dao et al. 2022, algorithm 1 (blocks of queries).
"""

import contextvars
import functools
import math
from concurrent.futures import ThreadPoolExecutor

from array_api_compat import array_namespace, is_numpy_array
from array_api_compat import device as device_of
from threadpoolctl import ThreadpoolController

from attnlib._arrays import dtype_name, widen
from attnlib.implementations import blocks

LOG2_E = math.log2(math.e)


def blockwise_attention(query, key, value, attn_mask, is_causal, causal_offset, window, scale):
    """Return the output and the log-sum-exp of NumPy arrays.

    Blocks that is_causal or window hides entirely are never read, so that NaN among their keys
    and values does not spread, as it does from other hidden keys (0 · NaN is NaN).

    Args:
        query: (..., H, N, d_k).
        key: (..., H_kv, M, d_k).
        value: (..., H_kv, M, d_v).
        attn_mask: Broadcasts to (..., H, N, M), or None.
        is_causal: As in attention, like the other options.
        causal_offset: As in attention.
        window: (left, right) or None.
        scale: A float.

    Returns:
        out (..., H, N, d_v) in the dtype of query, and lse (..., H, N), float32 for float16.

    Source:
        Rabe & Staats 2021; Dao et al. 2022, algorithm 1.
    """
    band = blocks.band(is_causal, causal_offset, window)
    return forward(query, key, value, attn_mask, band, scale)


def attend(q, key_blocks, d_v, scale, memory):
    """Let one block of queries meet its keys, one block at a time: the online softmax.

    Args:
        q: (c, g, n, d_k): c key heads, g query heads for each.
        key_blocks: Yields k (c, 1, m, d_k), v (c, 1, m, d_v) and what is hidden, as in hide.
        d_v: The width of the values.
        scale: A float.
        memory: One axis, at least c · g · n · m long, in which the scores are computed.

    Returns:
        out (c, g, n, d_v) and lse (c, g, n, 1), in the dtype of memory.

    Source:
        Milakov & Gimelshein 2018, algorithm 3.
    """
    xp = array_namespace(q)
    wide = {"dtype": memory.dtype, "device": device_of(memory)}
    m = xp.full((*q.shape[:-1], 1), -math.inf, **wide)  # (c, g, n, 1)
    l = xp.zeros((*q.shape[:-1], 1), **wide)  # (c, g, n, 1)
    a = xp.zeros((*q.shape[:-1], d_v), **wide)  # (c, g, n, d_v)
    for k, v, hidden in key_blocks:
        s = block_scores(q, k, hidden, scale, memory)  # (c, g, n, m)
        m_new = xp.maximum(m, xp.max(s, axis=-1, keepdims=True))
        shift = zero_if_empty(m_new)
        p = exp_in_place(s, shift)  # (c, g, n, m)
        rescale = xp.exp(m - shift)  # 0 before the first key
        l *= rescale
        l += xp.sum(p, axis=-1, keepdims=True)
        a *= rescale
        a += p @ widen(v)  # (c, g, n, m) @ (c, 1, m, d_v)
        m = m_new
    return finish(m, l, a)


def finish(m, l, a):
    """Divide by the sum of the exponentials, which is the last step of the online softmax.

    Args:
        m: (c, g, n, 1), the largest score of each row.
        l: (c, g, n, 1), the sum of exp(s - m).
        a: (c, g, n, d_v), the sum of exp(s - m) v.

    Returns:
        out (c, g, n, d_v) and lse (c, g, n, 1); zeros and -inf for a row that has seen no key.
    """
    xp = array_namespace(m)
    is_empty = l == 0
    l = xp.where(is_empty, xp.ones_like(l), l)
    out = xp.where(is_empty, xp.zeros_like(a), a / l)
    return out, xp.where(is_empty, -math.inf, m + xp.log(l))


def forward(
    query, key, value, attn_mask, band, scale, *, attend=attend, out_dtype=None, scores_dtype=None
):
    """Compute attention, one block of queries per job.

    Args:
        query: (..., H, N, d_k).
        key: (..., H_kv, M, d_k).
        value: (..., H_kv, M, d_v).
        attn_mask: Broadcasts to (..., H, N, M), or None.
        band: (left, right, offset), as in blocks.
        scale: A float.
        attend: A function like attend, which computes one job.
        out_dtype: The dtype of the output; that of query if None.
        scores_dtype: The dtype in which scores are computed; if None that of query, but float32 for
            low precision.

    Returns:
        out (..., H, N, d_v) and lse (..., H, N), float32 for low precision.
    """
    xp = array_namespace(query)
    wide, device = widen(query[..., :0, :]).dtype, device_of(query)
    out = xp.empty(
        (*query.shape[:-1], value.shape[-1]), dtype=out_dtype or query.dtype, device=device
    )
    lse = xp.empty((*query.shape[:-1], 1), dtype=wide, device=device)
    *inputs, out_, lse_ = blocks.group_heads(key, query, key, value, attn_mask, out, lse)
    jobs = list(blocks.jobs(inputs[0], inputs[1], band))
    most = blocks.most_scores(jobs)

    def key_blocks(heads, rows, list_of_columns):
        for columns in list_of_columns:
            q, k, v, mask = blocks.block(*inputs, heads, rows, columns)
            yield k, v, (mask, blocks.edges(band, rows, columns, like=q))

    def work(jobs):
        memory = xp.empty(most, dtype=scores_dtype or wide, device=device)
        for heads, rows, list_of_columns in jobs:
            at = (*heads, rows)
            seen = key_blocks(heads, rows, list_of_columns)
            out_[at], lse_[at] = attend(inputs[0][at], seen, value.shape[-1], scale, memory)

    _run(work, jobs, _num_threads(query))
    return out, lse[..., 0]


def block_scores(q, k, hidden, scale, memory):
    """Return the scores of one block, -inf where a pair may not meet.

    Args:
        q: (c, g, n, d_k).
        k: (c, 1, m, d_k).
        hidden: As in hide.
        scale: A float.
        memory: One axis, at least c · g · n · m long.

    Returns:
        (c, g, n, m), a view of memory.
    """
    s = in_memory(memory, (*q.shape[:-1], k.shape[-2]))
    array_namespace(q).matmul(widen(q), widen(k).mT, out=s)  # (c, g, n, d_k) @ (c, 1, d_k, m)
    s *= scale
    mask, _ = hidden
    if mask is not None and dtype_name(mask) != "bool":
        s += widen(mask)
    hide(s, hidden)
    return s


def hide(s, hidden):
    """Write -inf where a pair may not meet, whatever score is there.

    Args:
        s: Scores (c, g, n, m), which are changed.
        hidden: A pair: the block's part of attn_mask, or None, and the list from blocks.edges.
    """
    mask, edges = hidden
    if mask is not None:
        shown = mask if dtype_name(mask) == "bool" else mask != -math.inf
        edges = [(slice(None), shown), *edges]
    for columns, shown in edges:
        part = s[..., columns]
        part[...] = array_namespace(s).where(shown, part, -math.inf)


def in_memory(memory, shape):
    """Return the beginning of a one-dimensional array as a view of this shape.

    Args:
        memory: One axis, at least as long as the view has entries.
        shape: The shape of the view.

    Returns:
        The view.
    """
    return memory[: math.prod(shape)].reshape(shape)


def zero_if_empty(m):
    """Replace -inf by 0: the largest score of a row that has seen no key, where exp(-inf - 0) is 0.

    Args:
        m: Largest scores or log-sum-exps, of any shape.

    Returns:
        The same, finite wherever m is not inf or NaN.
    """
    xp = array_namespace(m)
    return xp.where(m == -math.inf, xp.zeros_like(m), m)


def exp_in_place(s, shift):
    """Compute exp(s - shift) in the memory of s.

    It is taken as 2^((s - shift) · log2 e), because exp2 takes at most half the time
    of exp.

    Args:
        s: Scores (c, g, n, m), which are overwritten.
        shift: (c, g, n, 1).

    Returns:
        s, which now holds the exponentials.
    """
    s -= shift
    s *= LOG2_E
    return array_namespace(s).exp2(s, out=s)


def _run(work, jobs, threads):
    """Share the jobs among threads, each with single-threaded BLAS."""
    if threads == 1:
        work(jobs)
        return
    shared = iter(jobs)
    with _blas().limit(limits=1), ThreadPoolExecutor(threads) as pool:
        contexts = [contextvars.copy_context() for _ in range(threads)]  # they hold np.errstate
        for done in [pool.submit(context.run, work, shared) for context in contexts]:
            done.result()


def _num_threads(array):
    """Return how many jobs to do at once: for NumPy as many as BLAS has threads, for torch one.

    NumPy's exp uses one thread, so it is faster to give each thread a job of its own. torch spreads
    every operation over its threads by itself.
    """
    if not is_numpy_array(array):
        return 1
    return max((library["num_threads"] for library in _blas().info()), default=1)


@functools.cache
def _blas():
    """Return the handle on the threads of NumPy's matrix products."""
    return ThreadpoolController().select(user_api="blas")
