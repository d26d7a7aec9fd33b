"""Attention block by block: the formula's result in memory that grows with N + M, not with N · M.

A block of queries meets the keys a block at a time and keeps three things a row: m, the largest
score so far, l = Σ exp(s - m), and a = Σ exp(s - m) v, both sums over the keys so far. When a block
brings a larger score m', what was summed under m is rescaled by exp(m - m'): the online softmax.

    m' = max(m, max s)
    l' = exp(m - m') l + Σ exp(s - m')
    a' = exp(m - m') a + exp(s - m') V

At the end the output is a / l and the log-sum-exp is m + log l. The backward pass keeps no weights:
it computes each block's scores again and has its weights from exp(s - lse).

Sources: Milakov & Gimelshein 2018, algorithm 3 (online softmax); Rabe & Staats 2021 (attention in
this way); Dao et al. 2022, algorithms 1 and 4 (blocks of queries, and the backward pass).
"""

import contextvars
import functools
import math
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import torch
from array_api_compat import array_namespace, is_numpy_array
from array_api_compat import device as device_of
from threadpoolctl import ThreadpoolController

from attnlib._arrays import dtype_name, narrow, widen
from attnlib.masks import window_mask

BLOCK = 1024, 512  # queries and keys a block
BAND_BLOCK = 128, 1024  # under is_causal or window: few queries, to waste less at the edges
PAIRS = 1024 * 1024  # scores at once: heads of a few words share a job
MOST_ABOVE = 4.0  # how far a score rounded to bfloat16 may lie above m, in powers of two
LOG2_E = math.log2(math.e)


def blockwise_attention(query, key, value, attn_mask, is_causal, causal_offset, window, scale):
    """Return the output and the log-sum-exp: the signature and the shapes are in dispatch.py.

    lse comes in float32 for float16 and bfloat16, and so does out where a gradient may be asked
    for: the backward pass needs it before it is rounded. Blocks that is_causal or
    window hides altogether are never looked at, so that NaN among their keys and values does not
    spread, as it does from other hidden keys (0 · NaN is NaN). There are no second derivatives and
    no torch.func.vmap: the formula has both.
    """
    left, right = (-1, -1) if window is None else window
    band = (left, 0 if is_causal else right, causal_offset)
    if is_numpy_array(query):
        return _forward(query, key, value, attn_mask, band, scale, exact=False)
    tensors = [x for x in (query, key, value, attn_mask) if x is not None]
    exact = torch.is_grad_enabled() and any(x.requires_grad for x in tensors)
    return _Blockwise.apply(query, key, value, attn_mask, band, scale, exact)


def _forward(query, key, value, attn_mask, band, scale, exact):
    """Return out (..., H, N, d_v) and lse (..., H, N), some heads and one block of queries a job.

    exact: low precision is not rounded anywhere, not even in out.
    """
    xp = array_namespace(query)
    wide = {"dtype": widen(query[..., :0, :]).dtype, "device": device_of(query)}
    dtype = wide["dtype"] if exact else query.dtype
    out = xp.empty((*query.shape[:-1], value.shape[-1]), dtype=dtype, device=wide["device"])
    lse = xp.empty((*query.shape[:-1], 1), **wide)
    *grouped, out_, lse_ = _grouped(key, query, key, value, attn_mask, out, lse)
    is_rounded = not exact and _rounds_scores(query, attn_mask, scale)
    add_block = _add_rounded_block if is_rounded else _add_block
    unit = scale if is_rounded else 1.0  # of m
    jobs = list(_jobs(grouped[0], grouped[1], band))
    most = max((_pairs(job) for job in jobs), default=0)

    def work(jobs):
        dtype = query.dtype if is_rounded else wide["dtype"]
        scratch = xp.empty(most, dtype=dtype, device=wide["device"])
        for heads, rows, blocks in jobs:
            at = (*heads, rows)
            size = out_[at].shape[:-1]  # c key heads, g of their queries, n
            m = xp.full((*size, 1), 0.0 if is_rounded else -math.inf, **wide)
            l = xp.zeros((*size, 1), **wide)
            a = xp.zeros((*size, value.shape[-1]), **wide)
            for columns in blocks:
                q, k, v, mask = _block(*grouped, heads, rows, columns)
                s = scratch[: math.prod(size) * k.shape[-2]].reshape((*size, k.shape[-2]))
                hidden = mask, _edges(band, rows, columns, like=q)
                add_block(q, k, v, hidden, scale, m, l, a, s)
            is_empty = l == 0
            l = xp.where(is_empty, xp.ones_like(l), l)
            out_[at] = narrow(xp.where(is_empty, xp.zeros_like(a), a / l), like=out)
            lse_[at] = xp.where(is_empty, -math.inf, m * unit + xp.log(l))

    _run(work, jobs, _threads(query))
    return out, lse[..., 0]


def _add_block(q, k, v, hidden, scale, m, l, a, s):
    """Add the keys of one block to m (c, g, n, 1), l (c, g, n, 1) and a (c, g, n, d_v), in place.

    c key heads, g queries' heads to each: q is (c, g, n, d_k), k (c, 1, m, d_k), v (c, 1, m, d_v).
    s: (c, g, n, m) is memory for the scores.
    """
    xp = array_namespace(q)
    _write_scores(q, k, hidden, scale, s)
    m_new = xp.maximum(m, xp.max(s, axis=-1, keepdims=True))  # (c, g, n, 1)
    shift = _finite(m_new)
    s -= shift
    p = _exp_in_place(s)  # (c, g, n, m)
    rescale = xp.exp(m - shift)  # (c, g, n, 1)
    l *= rescale
    l += xp.sum(p, axis=-1, keepdims=True)
    a *= rescale
    a += p @ widen(v)  # (c, g, n, m) @ (c, 1, m, d_v)
    m[...] = m_new


def _add_rounded_block(q, k, v, hidden, scale, m, l, a, s):
    """Add the keys of one block as _add_block does, by bfloat16's own matrix products.

    Such a product is summed in float32 and then rounded to 8 bits: too coarse for scores, fine for
    scores less the largest. So m, in units of q · k, is subtracted within the product: its three
    bytes are three more columns of q, against ones in k. Where m turns out too small the product
    is made again; after the third time nothing is left but the rounding of float32.
    """
    alpha = scale * LOG2_E  # p = 2^(alpha (q · k - m))
    ones = k.new_ones((*k.shape[:-1], 3))
    k_and_ones = torch.cat([k, ones], -1).expand(*q.shape[:2], -1, -1).flatten(0, 1)
    is_new = l == 0  # (c, g, n, 1): rows whose m says nothing yet
    most = torch.where(is_new, 0.0, MOST_ABOVE)
    for _ in range(3):
        q_and_m = torch.cat([q, *_three_bytes(-m)], -1).flatten(0, 1)
        product = s.flatten(0, 1)  # the same memory
        torch.baddbmm(product, q_and_m, k_and_ones.mT, beta=0, alpha=alpha, out=product)
        _hide(s, *hidden)
        if s.max() <= MOST_ABOVE and not is_new.any():
            break
        top = s.amax(-1, keepdim=True).float()  # (c, g, n, 1)
        is_off = top.isfinite() & (torch.where(is_new, top.abs(), top) > most)
        if not is_off.any():
            break
        raised = torch.where(is_off, top, 0.0)
        before = m.clone()
        m += raised / alpha
        rescale = torch.exp2((alpha * (before - m)).clamp(max=100.0))  # of 0 where it is so large
        l *= rescale
        a *= rescale
        is_new |= is_off  # m may be too large by the rounding of top
        most[...] = MOST_ABOVE
    else:
        s -= raised
    p = s.exp2_()
    l += p.sum(-1, keepdim=True, dtype=l.dtype)
    a += p @ v  # (c, g, n, m) @ (c, 1, m, d_v)


def _backward(query, key, value, attn_mask, out, lse, grad_out, grad_lse, band, scale, mask_too):
    """Return the gradients of query, key, value and attn_mask (None where not mask_too).

    With the weights P of a block, dV = Pᵀ dO, dP = dO Vᵀ, and by the softmax's derivative
    dS = P · (dP - Σ dO · O + d lse); then dQ = dS K · scale and dK = dSᵀ Q · scale.
    """
    wide = {"dtype": lse.dtype, "device": lse.device}
    D = (grad_out * out).sum(-1) - grad_lse  # (..., H, N)
    gradients = [torch.zeros(x.shape, **wide) for x in (query, key, value)]
    gradients.append(torch.zeros(attn_mask.shape, **wide) if mask_too else None)
    grouped = _grouped(key, query, key, value, attn_mask)
    grouped_gradients = _grouped(key, *gradients)
    more = _grouped(key, grad_out, lse[..., None], D[..., None])
    for heads, rows, blocks in _jobs(*grouped[:2], band):
        dO, lse_, D_ = (x[(*heads, rows)] for x in more)  # (c, g, n, d_v or 1)
        for columns in blocks:
            q, k, v, mask = _block(*grouped, heads, rows, columns)
            grad_q, grad_k, grad_v, grad_mask = _block(*grouped_gradients, heads, rows, columns)
            s = dO.new_empty((*q.shape[:-1], k.shape[-2]))  # (c, g, n, m)
            _write_scores(q, k, (mask, _edges(band, rows, columns, like=q)), scale, s)
            P = _exp_in_place(s.sub_(_finite(lse_)))  # (c, g, n, m)
            grad_v += (P.mT @ dO).sum(1, keepdim=True)  # (c, 1, m, d_v)
            dS = (dO @ widen(v).mT).sub_(D_).mul_(P)  # (c, g, n, m)
            grad_q += dS @ widen(k) * scale  # (c, g, n, d_k)
            grad_k += (dS.mT @ widen(q)).sum(1, keepdim=True) * scale  # (c, 1, m, d_k)
            if mask_too:
                grad_mask += dS.sum_to_size(grad_mask.shape)
    return tuple(
        None if grad is None else grad.to(x.dtype)
        for grad, x in zip(gradients, (query, key, value, attn_mask), strict=True)
    )


class _Blockwise(torch.autograd.Function):
    """Attention that keeps the log-sum-exp for its backward pass, and no weights."""

    @staticmethod
    def forward(*arguments):
        return _forward(*arguments)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.band, ctx.scale, _ = inputs
        ctx.save_for_backward(*tensors, *output)

    @staticmethod
    def backward(ctx, grad_out, grad_lse):
        more = (grad_out, grad_lse, ctx.band, ctx.scale, ctx.needs_input_grad[3])
        return *_Gradients.apply(*ctx.saved_tensors, *more), None, None, None


class _Gradients(torch.autograd.Function):
    """The backward pass, which says so when it is asked for a derivative of its own."""

    @staticmethod
    def forward(*arguments):
        return _backward(*arguments)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, *gradients):
        raise RuntimeError(
            "blockwise attention has no second derivative; use implementation='formula'"
        )


def _grouped(key, *arrays):
    """Return views (..., H_k, g, rows, columns): g consecutive query heads share one key head.

    An axis of heads that is missing, and the g of a key, has size 1. None stays None.
    """
    key_heads = key.shape[-3] if key.ndim > 2 else 1
    return [x if x is None else _split_heads(x, key_heads) for x in arrays]


def _split_heads(x, key_heads):
    lead, heads = (x.shape[:-3], x.shape[-3]) if x.ndim > 2 else ((), 1)
    c = 1 if heads == 1 else key_heads
    return x.reshape((*lead, c, heads // max(c, 1), *x.shape[-2:]))


def _jobs(query, key, band):
    """Yield some key heads, a block of their queries, and the blocks of keys that these may see.

    query, key: grouped. The heads come as indices of the leading axes, a slice of key heads and one
    of their groups, as many as keep the pairs at once under PAIRS; the rest are slices.
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


def _pairs(job):
    """Return how many scores the largest block of a job has."""
    heads, rows, blocks = job
    slices = *heads[-2:], rows, max(blocks, key=lambda x: x.stop - x.start, default=slice(0, 0))
    return math.prod(x.stop - x.start for x in slices)


def _block(query, key, value, mask, heads, rows, columns):
    """Return views of one block: q (c, g, n, d_k), k (c, 1, m, d_k), v (c, 1, m, d_v), mask.

    Where the mask has size 1 its part has size 1; it is (c, g, n, m) elsewhere, or None.
    """
    at, there = (*heads, rows), (*heads[:-1], slice(None), columns)
    if mask is not None:
        place = (*heads, rows, columns)
        place = place[len(place) - mask.ndim :]
        shared = [slice(0, 1) if isinstance(i, slice) else 0 for i in place]
        sizes = zip(mask.shape, place, shared, strict=True)
        mask = mask[tuple(one if size == 1 else i for size, i, one in sizes)]
    return query[at], key[there], value[there], mask


def _edges(band, rows, columns, like):
    """Return the columns of a block that is_causal or window hides in part, and what they show.

    Each is a slice and a bool array (n, columns): at most one at the left and one at the right.
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


def _write_scores(q, k, hidden, scale, s):
    """Write the scores of one block to s (c, g, n, m), -inf where a pair may not meet."""
    array_namespace(q).matmul(widen(q), widen(k).mT, out=s)  # (c, g, n, d_k) @ (c, 1, d_k, m)
    s *= scale
    mask, edges = hidden
    if mask is not None and dtype_name(mask) != "bool":
        s += widen(mask)
    _hide(s, mask, edges)


def _hide(s, mask, edges):
    """Put -inf where a pair may not meet, whatever stands there."""
    if mask is not None:
        shown = mask if dtype_name(mask) == "bool" else mask != -math.inf
        edges = [(slice(None), shown), *edges]
    for columns, shown in edges:
        part = s[..., columns]
        part[...] = array_namespace(s).where(shown, part, -math.inf)


def _run(work, jobs, threads):
    """Do every job, each in one of the threads, where BLAS then has one thread as well."""
    if threads == 1:
        work(jobs)
        return
    shared = iter(jobs)
    with _blas().limit(limits=1), ThreadPoolExecutor(threads) as pool:
        contexts = [contextvars.copy_context() for _ in range(threads)]  # they take errstate along
        for done in [pool.submit(context.run, work, shared) for context in contexts]:
            done.result()


def _threads(array):
    """Return how many jobs to do at once: as many as BLAS has threads, for NumPy arrays.

    NumPy's exp has one thread, so it is faster to give each thread a job of its own. torch spreads
    every operation over its threads by itself.
    """
    if not is_numpy_array(array):
        return 1
    return max((library["num_threads"] for library in _blas().info()), default=1)


@functools.cache
def _blas():
    """Return the handle on the threads of NumPy's matrix products."""
    return ThreadpoolController().select(user_api="blas")


def _rounds_scores(query, attn_mask, scale):
    """Say whether a bfloat16 query's blocks can be, and had better be, bfloat16 as well."""
    is_additive = attn_mask is not None and dtype_name(attn_mask) != "bool"
    is_bfloat16 = dtype_name(query) == "bfloat16"
    return is_bfloat16 and not is_additive and scale != 0 and _is_bfloat16_fast(query)


def _is_bfloat16_fast(tensor):
    """Say whether its device multiplies bfloat16 faster than float32."""
    return tensor.is_cuda or torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def _three_bytes(m):
    """Return three bfloat16 tensors of 8 bits each, whose sum is m in float32."""
    high = m.bfloat16()
    middle = (m - high).bfloat16()
    return high, middle, (m - high - middle).bfloat16()


def _finite(m):
    """Put 0 for -inf, the largest score of a row that has seen no key: exp(-inf - 0) is 0."""
    xp = array_namespace(m)
    return xp.where(m == -math.inf, xp.zeros_like(m), m)


def _exp_in_place(s):
    """Return exp(s) = 2^(s · log2 e) in the memory of s: exp2 takes half of exp's time or less."""
    s *= LOG2_E
    return array_namespace(s).exp2(s, out=s)
