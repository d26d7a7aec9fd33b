"""Dilated attention over a sequence that lies in parts on several devices.

Here the parts are contiguous: rank r of P holds rows r·L to (r + 1)·L, L = N / P. A segment of at
most L rows lies on one rank, which needs nobody else for it. A longer one lies on w / L ranks; each
of these keeps every r-th of its own rows and sends no others: w / r rows of keys and values meet on
every rank, and where w / r is the same for each branch, that number does not grow with N.

Source: Ding et al. 2023, section 3.
"""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch.autograd.function import once_differentiable

from attnlib import _checks
from attnlib._arrays import narrow, widen
from attnlib.distributed import messages
from attnlib.formula import attention, merge


def sharded_dilated_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    group: dist.ProcessGroup | None,
    segment_lengths: Sequence[int],
    dilation_rates: Sequence[int],
    is_causal: bool = False,
) -> torch.Tensor:
    """Compute dilated_attention where each rank holds L = N / P consecutive rows.

    Every rank of the group has to call it, and to call backward where gradients are wanted.

    query, key: (..., H, L, d_k). value: (..., H, L, d_v): the same shapes on every rank. float16
    and bfloat16 are sent as they are and computed in float32.
    group: a process group, None for the default one.
    segment_lengths, dilation_rates: as in dilated_attention. A segment length divides L or is a
    multiple of L, and its rate divides both.
    is_causal: row i of the whole sequence sees no later row.

    Returns: (..., H, L, d_v), this rank's rows of dilated_attention over all.
    Raises: before any work and on every rank, ValueError or TypeError that names the argument and
    the rank. RuntimeError where a rank does not answer within the timeout of the group; the group
    is of no use any more then. There are no second derivatives.
    Source: Ding et al. 2023, section 3.1.
    """
    branches = (segment_lengths, dilation_rates)
    messages.agree(group, lambda: _describe(query, key, value, *branches, is_causal))
    rank, size = messages.place(group)
    H, L = query.shape[-3:-1]
    out = widen(query).new_zeros(*query.shape[:-1], value.shape[-1])  # (..., H, L, d_v)
    lse = out.new_full(query.shape[:-1], -torch.inf)  # (..., H, L)
    for w, r in zip(*branches, strict=True):
        kept = _kept(H, L, r).to(query.device)  # (H, L/r): which rows each head keeps
        heads = torch.arange(H, device=query.device)[:, None]  # (H, 1)
        q, k, v = (x[..., heads, kept, :] for x in (query, key, value))  # (..., H, L/r, d)
        offset = 0
        if w > L:  # one segment on several ranks
            first = rank // (w // L) * (w // L)
            members = range(first, min(first + w // L, size))
            k, v = _Gather.apply(k, v, group, members)  # (..., H, w/r, d)
            offset = (rank - first) * L // r
        elif w < L:  # several segments on one rank: they become one more leading axis
            q, k, v = (x.unflatten(-2, (L // w, w // r)) for x in (q, k, v))
        part, part_lse = attention(
            *map(widen, (q, k, v)), is_causal=is_causal, causal_offset=offset, return_lse=True
        )
        out_b, lse_b = torch.zeros_like(out), torch.full_like(lse, -torch.inf)
        out_b[..., heads, kept, :] = part.reshape(*query.shape[:-2], L // r, value.shape[-1])
        lse_b[..., heads, kept] = part_lse.reshape(*query.shape[:-2], L // r)
        out, lse = merge(out, lse, out_b, lse_b)  # a branch weighs exp(lse)
    return narrow(out, like=query)


class _Gather(torch.autograd.Function):
    """Put the kept keys and values of several ranks side by side, on each of them, in float32.

    Backward, every rank sends each other one the gradients of that one's rows and adds up what it
    gets for its own.
    """

    @staticmethod
    def forward(ctx, key, value, group, members):
        ctx.settings = group, members, key.dtype
        mine = [key, value]
        coming = {member: [torch.empty_like(x.contiguous()) for x in mine] for member in members}
        parts = messages.exchange(group, {member: mine for member in members}, coming)()
        return tuple(
            torch.cat([widen(x) for x in of_all], dim=-2)
            for of_all in zip(*(parts[member] for member in members), strict=True)
        )

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_key, grad_value):
        group, members, dtype = ctx.settings
        grads = [x.chunk(len(members), dim=-2) for x in (grad_key, grad_value)]
        theirs = {
            member: [x.contiguous() for x in both]
            for member, both in zip(members, zip(*grads, strict=True), strict=True)
        }
        coming = {member: [torch.empty_like(x) for x in both] for member, both in theirs.items()}
        parts = messages.exchange(group, theirs, coming)()
        sums = (sum(found) for found in zip(*parts.values(), strict=True))
        return *(grad.to(dtype) for grad in sums), None, None


def _kept(num_heads, num_rows, r):
    """Return which rows of its shard each head keeps, int (H, L/r); see dilated_attention."""
    offset = torch.arange(num_heads) // -(-num_heads // r)  # (H,)
    return offset[:, None] + torch.arange(0, num_rows, r)


def _describe(query, key, value, segment_lengths, dilation_rates, is_causal):
    """Check one rank's arguments by themselves and say what the others' have to be."""
    arrays = {"query": query, "key": key, "value": value}
    messages.require_tensors(**arrays)
    _checks.require_scores_fit(query, key)
    _checks.require_values_fit(key, value)
    if query.ndim < 3:
        raise ValueError(f"query: shape is {_checks.shape(query)}, expected (..., H, L, d_k)")
    L = query.shape[-2]
    if key.shape[-2] != L:
        raise ValueError(f"key: has {key.shape[-2]} rows, query has {L}")
    _checks.require_segments(segment_lengths, dilation_rates)
    _checks.require_flag("is_causal", is_causal)
    for w, r in zip(segment_lengths, dilation_rates, strict=True):
        if L == 0 or (w % L and L % w):
            raise ValueError(
                f"segment_lengths: {w} neither divides a shard's {L} rows nor is a multiple of them"
            )
        if min(w, L) % r:
            raise ValueError(
                f"dilation_rates: {r} does not divide the {min(w, L)} rows of a segment on one rank"
            )
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in arrays.values())
    return {
        **{name: messages.description(array) for name, array in arrays.items()},
        "query rows": str(L),
        "segment_lengths": str(list(segment_lengths)),
        "dilation_rates": str(list(dilation_rates)),
        "is_causal": str(bool(is_causal)),
        "requires_grad": str(wanted),
    }
