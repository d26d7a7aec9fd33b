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

from attnlib import checks
from attnlib.masks import window_mask
from attnlib.steps import _narrow, _widen

QUERY_BLOCK = 1024  # queries a block
KEY_BLOCK = 1024  # keys a block
BAND_KEY_BLOCK = 256  # keys a block under is_causal or window, to waste less at their edges


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
    """Return out (..., H, N, d_v) and lse (..., H, N), one head and one block of queries a job.

    exact: low precision is not rounded anywhere, not even in out.
    """
    xp = array_namespace(query)
    wide = {"dtype": _widen(query[..., :0, :]).dtype, "device": device_of(query)}
    dtype = wide["dtype"] if exact else query.dtype
    out = xp.zeros((*query.shape[:-1], value.shape[-1]), dtype=dtype, device=wide["device"])
    lse = xp.full(query.shape[:-1], -math.inf, **wide)

    def one_block(job):
        head, kv_head, rows, blocks = job
        q = _widen(query[head][rows])  # (n, d_k)
        m = xp.full((q.shape[0], 1), -math.inf, **wide)
        l = xp.zeros((q.shape[0], 1), **wide)
        a = xp.zeros((q.shape[0], value.shape[-1]), **wide)
        for part, columns in blocks:
            k, v = _widen(key[kv_head][columns]), value[kv_head][columns]
            at = slice(rows.start + part.start, rows.start + part.stop)
            mask = _part(attn_mask, head, at, columns)
            s = _masked_scores(q[part], k, scale, mask, band, at, columns)  # (n, m)
            _add_block(s, v, m[part], l[part], a[part], exact)
            del s  # before the next block's are made
        is_empty = l == 0
        l = xp.where(is_empty, xp.ones_like(l), l)
        out[head][rows] = _narrow(xp.where(is_empty, xp.zeros_like(a), a / l), like=out)
        lse[head][rows] = (m + xp.log(l))[:, 0]

    _run(one_block, _jobs(query, key, band), _threads(query))
    return out, lse


def _add_block(s, v, m, l, a, exact):
    """Add the keys of one block to m (n, 1), l (n, 1) and a (n, d_v), in place.

    s: (n, m) is overwritten. v: (m, d_v).
    """
    xp = array_namespace(s)
    m_new = xp.maximum(m, xp.max(s, axis=-1, keepdims=True))  # (n, 1)
    shift = _finite(m_new)
    s -= shift
    p = _exp_in_place(s)  # (n, m)
    rescale = xp.exp(m - shift)  # (n, 1)
    l *= rescale
    l += xp.sum(p, axis=-1, keepdims=True)
    a *= rescale
    if not exact and _is_bfloat16_fast(v):
        a += p.to(v.dtype) @ v  # rounds the weights to bfloat16, as torch's own kernel does
    else:
        a += p @ _widen(v)  # (n, m) @ (m, d_v)
    m[...] = m_new


def _backward(query, key, value, attn_mask, out, lse, grad_out, grad_lse, band, scale, mask_too):
    """Return the gradients of query, key, value and attn_mask (None where not mask_too).

    With the weights P of a block, dV = Pᵀ dO, dP = dO Vᵀ, and by the softmax's derivative
    dS = P · (dP - Σ dO · O + d lse); then dQ = dS K · scale and dK = dSᵀ Q · scale.
    """
    wide = {"dtype": lse.dtype, "device": lse.device}
    D = (grad_out * out).sum(-1) - grad_lse  # (..., H, N)
    grad_query = torch.zeros(query.shape, **wide)
    grad_key = torch.zeros(key.shape, **wide)
    grad_value = torch.zeros(value.shape, **wide)
    grad_mask = torch.zeros(attn_mask.shape, **wide) if mask_too else None
    for head, kv_head, rows, blocks in _jobs(query, key, band):
        for part, columns in blocks:
            at = slice(rows.start + part.start, rows.start + part.stop)
            q, dO = _widen(query[head][at]), grad_out[head][at]  # (n, d_k), (n, d_v)
            k, v = _widen(key[kv_head][columns]), _widen(value[kv_head][columns])
            mask = _part(attn_mask, head, at, columns)
            s = _masked_scores(q, k, scale, mask, band, at, columns)  # (n, m)
            P = _exp_in_place(s.sub_(_finite(lse[head][at])[:, None]))  # (n, m)
            grad_value[kv_head][columns] += P.mT @ dO  # (m, d_v)
            dS = (dO @ v.mT).sub_(D[head][at][:, None]).mul_(P)  # (n, m)
            grad_query[head][at] += dS @ k * scale  # (n, d_k)
            grad_key[kv_head][columns] += dS.mT @ q * scale  # (m, d_k)
            if mask_too:
                shared = _part(grad_mask, head, at, columns)
                shared += dS.sum_to_size(shared.shape)
    narrow = (grad.to(query.dtype) for grad in (grad_query, grad_key, grad_value))
    return *narrow, grad_mask.to(attn_mask.dtype) if mask_too else None


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


def _jobs(query, key, band):
    """Yield each head, its key head, a block of its queries, and the blocks of keys they may see.

    With each block of keys comes the part of the queries that may see any of them: under a band
    the first or the last queries of the block may not. Heads are tuples of indices, the rest are
    slices.
    """
    left, right, offset = band
    num_queries, num_keys = query.shape[-2], key.shape[-2]
    key_block = KEY_BLOCK if left < 0 and right < 0 else BAND_KEY_BLOCK
    for head in product(*map(range, query.shape[:-2])):
        kv_head = head
        if head:  # consecutive query heads share one key head
            kv_head = (*head[:-1], head[-1] * key.shape[-3] // query.shape[-3])
        for i in range(0, num_queries, QUERY_BLOCK):
            end = min(i + QUERY_BLOCK, num_queries)
            first = 0 if left < 0 else max(0, i + offset - left)
            last = num_keys if right < 0 else min(num_keys, end + offset + right)
            blocks = []
            for j in range(first, last, key_block):
                columns = slice(j, min(j + key_block, last))
                low = i if right < 0 else max(i, j - offset - right)
                high = end if left < 0 else min(end, columns.stop - offset + left)
                blocks.append((slice(low - i, high - i), columns))
            yield head, kv_head, slice(i, end), blocks


def _masked_scores(q, k, scale, mask, band, rows, columns):
    """Return the scores (n, m) of one block, -inf where a pair may not meet."""
    xp = array_namespace(q)
    s = q @ k.T  # (n, d_k) @ (d_k, m)
    s *= scale
    left, right, offset = band
    offset += rows.start - columns.start  # the block's first query, counted from its first key
    cut_left = left >= 0 and offset + s.shape[0] - 1 - left > 0
    cut_right = right >= 0 and offset + right < s.shape[1] - 1
    allowed = None
    if cut_left or cut_right:
        allowed = window_mask(*s.shape, window=(left, right), offset=offset, like=q)
    if mask is not None:
        open_pairs = mask
        if checks.dtype_name(mask) != "bool":
            s += _widen(mask)
            open_pairs = mask != -math.inf
        allowed = open_pairs if allowed is None else allowed & open_pairs
    return s if allowed is None else xp.where(allowed, s, -math.inf)


def _part(mask, head, rows, columns):
    """Return a view of a mask's part for one block; where the mask has size 1 it has size 1."""
    if mask is None:
        return None
    place = (*head, rows, columns)
    place = place[len(place) - mask.ndim :]
    shared = [slice(0, 1) if isinstance(i, slice) else 0 for i in place]
    sizes = zip(mask.shape, place, shared, strict=True)
    return mask[tuple(one if size == 1 else i for size, i, one in sizes)]


def _run(function, jobs, threads):
    """Do every job, each in one of the threads, where BLAS then has one thread as well."""
    if threads == 1:
        for job in jobs:
            function(job)
        return
    with _blas().limit(limits=1), ThreadPoolExecutor(threads) as pool:
        # a copied context takes numpy.errstate along
        waiting = [pool.submit(contextvars.copy_context().run, function, job) for job in jobs]
        for done in waiting:
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


def _is_bfloat16_fast(v):
    """Say whether v is bfloat16 on a device that multiplies it faster than float32."""
    if checks.dtype_name(v) != "bfloat16":
        return False
    return v.is_cuda or torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def _finite(m):
    """Put 0 for -inf, the largest score of a row that has seen no key: exp(-inf - 0) is 0."""
    xp = array_namespace(m)
    return xp.where(m == -math.inf, xp.zeros_like(m), m)


def _exp_in_place(s):
    """Return exp(s) = 2^(s · log2 e) in the memory of s: exp2 takes half of exp's time or less."""
    s *= math.log2(math.e)
    return array_namespace(s).exp2(s, out=s)
