"""What only torch needs of attention in blocks: its gradients, and products in bfloat16.

The backward pass keeps no weights. It computes the scores of each block again, and the weights are
exp(s - lse). The gradients follow from the weights block by block, as the output did.

bfloat16 has products of its own, several times as fast as float32's, but they round every score to
8 bits. attend_rounded subtracts the largest score before that rounding instead of after it.

Source: Dao et al. 2022, algorithm 4 (the backward pass).
"""

import torch

from attnlib._arrays import dtype_name, widen
from attnlib.implementations import blocks, blockwise
from attnlib.implementations.blockwise import LOG2_E

MOST_ABOVE = 4.0  # powers of two by which a score may exceed m in attend_rounded


def blockwise_attention(query, key, value, attn_mask, is_causal, causal_offset, window, scale):
    """Return the output and the log-sum-exp of torch tensors, both with gradients.

    Blocks that is_causal or window hides entirely are never read, so that NaN among their keys
    and values does not spread, as it does from other hidden keys (0 · NaN is NaN). There are no
    second derivatives and no torch.func.vmap: the formula has both.

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
        out (..., H, N, d_v) and lse (..., H, N). For float16 and bfloat16 lse is float32, and so is
        out where a gradient may be asked for, as the backward pass needs it before it is rounded.

    Source:
        Dao et al. 2022, algorithms 1 and 4.
    """
    tensors = [x for x in (query, key, value, attn_mask) if x is not None]
    with_gradient = torch.is_grad_enabled() and any(x.requires_grad for x in tensors)
    band = blocks.band(is_causal, causal_offset, window)
    return _Blockwise.apply(query, key, value, attn_mask, band, scale, with_gradient)


class _Blockwise(torch.autograd.Function):
    """Attention that keeps the log-sum-exp for its backward pass, and no weights."""

    @staticmethod
    def forward(query, key, value, attn_mask, band, scale, with_gradient):
        options = {}
        if with_gradient:  # nothing is rounded, not even the output
            options = {"out_dtype": widen(query[..., :0, :]).dtype}
        elif _rounds_scores(query, attn_mask, scale):
            options = {"attend": attend_rounded, "scores_dtype": query.dtype}
        return blockwise.forward(query, key, value, attn_mask, band, scale, **options)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.band, ctx.scale, _ = inputs
        ctx.save_for_backward(*tensors, *output)

    @staticmethod
    def backward(ctx, grad_out, grad_lse):
        more = (grad_out, grad_lse, ctx.band, ctx.scale, ctx.needs_input_grad[3])
        return *_Gradients.apply(*ctx.saved_tensors, *more), None, None, None


class _Gradients(torch.autograd.Function):
    """The backward pass, which cannot be differentiated again."""

    @staticmethod
    def forward(*arguments):
        return gradients(*arguments)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError(
            "blockwise attention has no second derivative; use implementation='formula'"
        )


def gradients(
    query, key, value, attn_mask, out, lse, grad_out, grad_lse, band, scale, wants_mask=False
):
    """Return the gradients of attention's inputs from those of its output and log-sum-exp.

    With the weights P of a block, dV = Pᵀ dO, dP = dO Vᵀ, and by the softmax's derivative
    dS = P · (dP - Σ dO · O + d lse); then dQ = dS K · scale and dK = dSᵀ Q · scale. The keys may be
    a part of all keys: out and lse of the whole row give that part's share of the gradients.

    Args:
        query: (..., H, N, d_k).
        key: (..., H_kv, M, d_k).
        value: (..., H_kv, M, d_v).
        attn_mask: Broadcasts to (..., H, N, M), or None.
        out: (..., H, N, d_v), not rounded to low precision.
        lse: (..., H, N), in the dtype in which the gradients are summed.
        grad_out: (..., H, N, d_v).
        grad_lse: (..., H, N).
        band: (left, right, offset), as in blocks.
        scale: A float.
        wants_mask: Whether attn_mask needs a gradient.

    Returns:
        The gradients of query, key, value and attn_mask, each in its shape and dtype; the last is
        None unless it is wanted.

    Source:
        Dao et al. 2022, algorithm 4.
    """
    wide = {"dtype": lse.dtype, "device": lse.device}
    D = (grad_out * out).sum(-1) - grad_lse  # (..., H, N)
    grads = [torch.zeros(x.shape, **wide) for x in (query, key, value)]
    grads.append(torch.zeros(attn_mask.shape, **wide) if wants_mask else None)
    inputs = blocks.group_heads(key, query, key, value, attn_mask)
    grads_ = blocks.group_heads(key, *grads)
    of_rows = blocks.group_heads(key, grad_out, lse[..., None], D[..., None])
    jobs = list(blocks.jobs(*inputs[:2], band))
    memory = torch.empty(blocks.most_scores(jobs), **wide)
    for heads, rows, list_of_columns in jobs:
        dO, lse_, D_ = (x[(*heads, rows)] for x in of_rows)  # (c, g, n, d_v or 1)
        for columns in list_of_columns:
            q, k, v, mask = blocks.block(*inputs, heads, rows, columns)
            grad_q, grad_k, grad_v, grad_mask = blocks.block(*grads_, heads, rows, columns)
            hidden = mask, blocks.edges(band, rows, columns, like=q)
            s = blockwise.block_scores(q, k, hidden, scale, memory)  # (c, g, n, m)
            P = blockwise.exp_in_place(s, blockwise.zero_if_empty(lse_))  # (c, g, n, m)
            grad_v += (P.mT @ dO).sum(1, keepdim=True)  # (c, 1, m, d_v)
            dS = (dO @ widen(v).mT).sub_(D_).mul_(P)  # (c, g, n, m)
            grad_q += dS @ widen(k) * scale  # (c, g, n, d_k)
            grad_k += (dS.mT @ widen(q)).sum(1, keepdim=True) * scale  # (c, 1, m, d_k)
            if wants_mask:
                grad_mask += dS.sum_to_size(grad_mask.shape)
    return tuple(
        None if grad is None else grad.to(x.dtype)
        for grad, x in zip(grads, (query, key, value, attn_mask), strict=True)
    )


def attend_rounded(q, key_blocks, d_v, scale, memory):
    """Do what blockwise.attend does, by bfloat16's own matrix products.

    Such a product is summed in float32 and then rounded to bfloat16, which keeps 8 bits. A score of
    100 could be off by a quarter, and its exponential by 28 percent. A score minus the largest,
    s - m, may be rounded: where exp(s - m) is large, s - m is near 0 and its error small, and where
    the error is large, exp(s - m) is next to nothing. So m is subtracted within the product::

        (q, -m₁, -m₂, -m₃) · (k, 1, 1, 1) = q · k - m

    where m₁ + m₂ + m₃ = m, three bfloat16 numbers that together hold the 24 bits of a float32.

    But m, the largest score so far, must be known before the product and not after it. It is taken
    from the blocks before; _add_rounded_block computes the product again where it was too small.
    Here m counts in units of q · k, before the scale.

    Args:
        q: (c, g, n, d_k), bfloat16.
        key_blocks: As in blockwise.attend.
        d_v: The width of the values.
        scale: A float other than 0.
        memory: One axis, bfloat16, at least c · g · n · m long.

    Returns:
        out (c, g, n, d_v) and lse (c, g, n, 1), float32.
    """
    wide = {"dtype": torch.float32, "device": q.device}
    m = torch.zeros((*q.shape[:-1], 1), **wide)
    l = torch.zeros((*q.shape[:-1], 1), **wide)
    a = torch.zeros((*q.shape[:-1], d_v), **wide)
    for k, v, hidden in key_blocks:
        s = blockwise.in_memory(memory, (*q.shape[:-1], k.shape[-2]))
        _add_rounded_block(q, k, v, hidden, scale * LOG2_E, m, l, a, s)
    return blockwise.finish(m * scale, l, a)


def _add_rounded_block(q, k, v, hidden, alpha, m, l, a, s):
    """Add one block of keys to m, l and a in place, with weights p = 2^(alpha (q · k - m)).

    m need not be the largest score, only close: it stays while no score exceeds it by more than
    MOST_ABOVE, as p is then at most 16. Where it is too small, or says nothing since the row has
    seen no key, it is raised to the largest score found and the product made again. That score was
    rounded, so a second correction may follow; after the third product only the rounding of float32
    is left, and the rest is subtracted from the rounded scores.
    """
    ones = k.new_ones((*k.shape[:-1], 3))
    k_and_ones = torch.cat([k, ones], -1).expand(*q.shape[:2], -1, -1).flatten(0, 1)
    is_new = l == 0  # (c, g, n, 1): rows whose m says nothing yet
    most = torch.where(is_new, 0.0, MOST_ABOVE)
    for _ in range(3):
        q_and_m = torch.cat([q, *_three_parts(-m)], -1).flatten(0, 1)  # (c·g, n, d_k + 3)
        product = s.flatten(0, 1)  # the same memory
        torch.baddbmm(product, q_and_m, k_and_ones.mT, beta=0, alpha=alpha, out=product)
        blockwise.hide(s, hidden)
        if s.max() <= MOST_ABOVE and not is_new.any():
            break
        top = s.amax(-1, keepdim=True).float()  # (c, g, n, 1)
        is_off = top.isfinite() & (torch.where(is_new, top.abs(), top) > most)
        if not is_off.any():
            break
        raised = torch.where(is_off, top, 0.0)
        before = m.clone()
        m += raised / alpha
        rescale = torch.exp2((alpha * (before - m)).clamp(max=100.0))  # of l = 0 where m was new
        l *= rescale
        a *= rescale
        is_new |= is_off  # m may now be too large, by the rounding of top
        most[...] = MOST_ABOVE
    else:
        s -= raised
    p = s.exp2_()
    l += p.sum(-1, keepdim=True, dtype=l.dtype)
    a += p @ v  # (c, g, n, m) @ (c, 1, m, d_v)


def _three_parts(m):
    """Return three bfloat16 tensors whose sum is the float32 tensor m: 8 bits of it each."""
    high = m.bfloat16()
    middle = (m - high).bfloat16()
    return high, middle, (m - high - middle).bfloat16()


def _rounds_scores(query, attn_mask, scale):
    """Say whether bfloat16 products are possible here and faster."""
    is_additive = attn_mask is not None and dtype_name(attn_mask) != "bool"
    is_bfloat16 = dtype_name(query) == "bfloat16"
    return is_bfloat16 and not is_additive and scale != 0 and is_bfloat16_fast(query)


def is_bfloat16_fast(tensor):
    """Say whether a tensor's device multiplies bfloat16 faster than float32.

    Args:
        tensor: Any tensor.

    Returns:
        True on a GPU and on a processor with AVX-512.
    """
    return tensor.is_cuda or torch.backends.cpu.get_cpu_capability().startswith("AVX512")
