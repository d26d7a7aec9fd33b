"""Dilated attention over a sequence that is spread over several devices.

Here the parts are contiguous: rank r of P holds rows r·L to (r + 1)·L, L = N / P. A segment of at
most L rows lies on one rank, which needs no other rank for it. A longer one lies on w / L ranks;
each of these keeps every r-th of its own rows and sends no others: w / r rows of keys and values
meet on every rank, and where w / r is the same for each branch, that number does not grow with N.

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

    Every rank of the group must call it, and must call backward if gradients are wanted. There are
    no second derivatives.

    Args:
        query: (..., H, L, d_k), this rank's rows. float16 and bfloat16 are sent as they are and
            computed in float32.
        key: (..., H, L, d_k). Every shape is the same on every rank.
        value: (..., H, L, d_v).
        group: A process group; the default one if None.
        segment_lengths: w for each branch, as in dilated_attention. Each divides L or is a multiple
            of L.
        dilation_rates: r for each branch. Each divides L and its segment length.
        is_causal: Whether row i of the whole sequence sees no later row.

    Returns:
        (..., H, L, d_v), this rank's rows of dilated_attention over all.

    Raises:
        TypeError: Before any work and on every rank, if an argument has the wrong type, dtype or
            device; the message names the argument and the rank.
        ValueError: Likewise, if it has the wrong value or shape, or differs between ranks.
        RuntimeError: If a rank does not answer within the timeout of the group, which is then
            unusable.

    Source:
        Ding et al. 2023, section 3.1.
    """
    branches = (segment_lengths, dilation_rates)
    messages.require_same(group, lambda: _describe(query, key, value, *branches, is_causal))
    rank, size = messages.rank_and_size(group)
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
        out, lse = merge(out, lse, out_b, lse_b)  # a branch counts by its exp(lse)
    return narrow(out, like=query)


class _Gather(torch.autograd.Function):
    """Put the kept keys and values of several ranks side by side, on each of them, in float32.

    Backward, every rank sends each other rank the gradients of the rows that came from it, and adds
    up what it receives for its own.
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
    """Return the rows of a shard that each head keeps, int (H, L/r); see dilated_attention."""
    offset = torch.arange(num_heads) // -(-num_heads // r)  # (H,)
    return offset[:, None] + torch.arange(0, num_rows, r)


def _describe(query, key, value, segment_lengths, dilation_rates, is_causal):
    """Check one rank's arguments by themselves, and say what those of the others must be."""
    arrays = {"query": query, "key": key, "value": value}
    _checks.require_tensors(**arrays)
    _checks.require_scores_fit(query, key)
    _checks.require_values_fit(key, value)
    _checks.require_axes("query", query, 3, "(..., H, L, d_k)")
    _checks.require_same_rows("key", key, "query", query)
    L = query.shape[-2]
    _checks.require_segments(segment_lengths, dilation_rates)
    _checks.require_flag("is_causal", is_causal)
    for w, r in zip(segment_lengths, dilation_rates, strict=True):
        if L == 0 or (w % L and L % w):
            raise ValueError(
                f"segment_lengths: got {w}, expected a divisor or a multiple of a shard's {L} rows"
            )
        if min(w, L) % r:
            raise ValueError(
                f"dilation_rates: got {r}, expected a divisor of the {min(w, L)} rows that a "
                "segment has on one rank"
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
