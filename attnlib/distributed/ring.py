"""Attention over a sequence that is spread over several devices: key/value blocks go around a ring.

Every rank keeps its queries. In P steps it meets P blocks of keys and values, its own first; while
it computes with one, it passes it to the next rank and receives another from the one before. Each
block gives a partial result, and merge joins it to what is there. The backward pass goes around in
the same way, and the gradients of a block travel with it until they are back where it lives.

For is_causal the sequence is dealt out like cards: rank r holds rows r, r + P, r + 2P, ... Then
row i of rank r, which is row r + iP of the sequence, sees row j of rank s exactly where j ≤ i
(s ≤ r) or j < i (s > r), so that every rank has about the same work in every step.

Sources: Liu et al. 2023, section 3 (the ring); Brandon et al. 2023 (the stripes).
"""

import math
from collections.abc import Iterator, Sequence

import torch
import torch.distributed as dist
from array_api_compat import array_namespace
from torch.autograd.function import once_differentiable

from attnlib import _checks
from attnlib._arrays import Array, narrow, widen
from attnlib.distributed import messages
from attnlib.formula import attention, merge
from attnlib.implementations import blocks
from attnlib.implementations.blockwise_torch import gradients


def shard(array: Array, rank: int, size: int) -> Array:
    """Return the rows of one rank: rank, rank + size, rank + 2·size, ...

    Args:
        array: (..., N, d), NumPy or torch, of any dtype.
        rank: The rank, from 0.
        size: The number of ranks.

    Returns:
        (..., n, d), a view; n is N/size, rounded up for the first N mod size ranks.

    Raises:
        TypeError: If array is not an array, or a number not an integer.
        ValueError: If array has no rows, or rank is not among 0 to size - 1.

    Source:
        Brandon et al. 2023.

    Example:
        >>> shard(torch.arange(5)[:, None], 1, 2).ravel().tolist()
        [1, 3]
    """
    _checks.require_array("array", array)
    _checks.require_axes("array", array, 2, "(..., N, d)")
    _checks.require_integer("size", size, least=1)
    _checks.require_integer("rank", rank)
    if not 0 <= rank < size:
        raise ValueError(f"rank: got {rank}, expected 0 to {size - 1}")
    return array[..., rank::size, :]


def unshard(shards: Sequence[Array]) -> Array:
    """Put the rows of all ranks back in order: the inverse of shard.

    Args:
        shards: For each rank (..., n, d), NumPy or torch.

    Returns:
        (..., N, d).

    Raises:
        TypeError: If a shard is not an array.
        ValueError: If the numbers of rows are not those that shard gives.

    Source:
        Brandon et al. 2023.

    Example:
        >>> unshard([torch.tensor([[0], [2]]), torch.tensor([[1]])]).ravel().tolist()
        [0, 1, 2]
    """
    for part in shards:
        _checks.require_array("shards", part)
    _require_striped("shards", [part.shape[-2] for part in shards])
    xp = array_namespace(*shards)
    joined = xp.concat(list(shards), axis=-2)  # (..., N, d), rank by rank
    num_rows, size = joined.shape[-2], len(shards)
    order = [row for rank in range(size) for row in range(rank, num_rows, size)]
    back = sorted(range(num_rows), key=order.__getitem__)  # where each row of the sequence lies
    return joined[..., back, :]


def ring_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    group: dist.ProcessGroup | None,
    is_causal: bool = False,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Attend to the keys of every rank, where each holds a part of the sequence.

    Every rank of the group must call it, and must call backward if gradients are wanted. There are
    no second derivatives.

    Args:
        query: (..., H, n, d_k), this rank's rows: for is_causal as shard gives them, otherwise any
            division will do. float16 and bfloat16 are sent as they are and computed in float32.
        key: (..., H, m, d_k). Only n and m may differ between ranks.
        value: (..., H, m, d_v).
        group: A process group; the default one if None.
        is_causal: Whether row i of the whole sequence sees only rows 0 to i.
        enable_gqa: Whether there may be fewer key and value heads than query heads, as in
            attention.

    Returns:
        (..., H, n, d_v), this rank's rows of the attention over all.

    Raises:
        TypeError: Before any work and on every rank, if an argument has the wrong type, dtype or
            device; the message names the argument and the rank.
        ValueError: Likewise, if it has the wrong value or shape, or differs between ranks.
        RuntimeError: If a rank does not answer within the timeout of the group, which is then
            unusable.

    Source:
        Liu et al. 2023, section 3 and algorithm 1; Brandon et al. 2023.
    """
    told = messages.require_same(group, lambda: _describe(query, key, value, is_causal, enable_gqa))
    num_queries, num_keys = zip(*(theirs["rows"] for theirs in told), strict=True)
    if is_causal:
        _require_striped("query", num_queries)
        if num_keys != num_queries:
            raise ValueError(
                f"key: got {num_keys} rows on the ranks, expected query's {num_queries}"
            )
    return _Ring.apply(query, key, value, group, num_keys, is_causal, enable_gqa)


class _Ring(torch.autograd.Function):
    """The ring: a rank holds its own block, the one in use and the one on its way, and no other."""

    @staticmethod
    def forward(ctx, query, key, value, group, num_keys, is_causal, enable_gqa):
        wide = widen(query)
        out = wide.new_zeros(*query.shape[:-1], value.shape[-1])  # (..., H, n, d_v)
        lse = wide.new_full(query.shape[:-1], -torch.inf)  # (..., H, n)
        for source, k, v in _visits(key, value, group, num_keys):
            part = attention(
                *(wide, widen(k), widen(v)),
                is_causal=is_causal,
                causal_offset=_offset(group, source, is_causal),
                enable_gqa=enable_gqa,
                return_lse=True,
            )
            out, lse = merge(out, lse, *part)
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.settings = group, num_keys, is_causal
        return narrow(out, like=query)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_out):
        query, key, value, out, lse = ctx.saved_tensors
        group, num_keys, is_causal = ctx.settings
        _, size = messages.rank_and_size(group)
        grad_query = torch.zeros_like(widen(query))
        on_their_way = None
        for source, k, v in _visits(key, value, group, num_keys):
            offset = _offset(group, source, is_causal)
            grad_q, *grads = _block_gradients(query, k, v, out, lse, grad_out, is_causal, offset)
            grad_query += grad_q
            if on_their_way is not None:  # what the ranks before this one found for the block
                for grad, found in zip(grads, on_their_way(), strict=True):
                    grad += found
            on_their_way = _pass_on(group, grads, num_keys[(source - 1) % size])
        grad_key, grad_value = on_their_way()  # after P steps they are home
        grads = (grad_query, grad_key, grad_value)
        return *(narrow(grad, like=query) for grad in grads), None, None, None, None


def _visits(key, value, group, num_keys) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Yield each of the P blocks (source rank, keys, values) while the next is in transit."""
    rank, size = messages.rank_and_size(group)
    block = [key, value]
    for step in range(size):
        source, is_last = (rank - step) % size, step == size - 1
        if not is_last:
            arrive = _pass_on(group, block, num_keys[(source - 1) % size])
        yield source, *block
        if not is_last:
            block = arrive()


def _pass_on(group, tensors, num_rows):
    """Start sending tensors to the next rank and receiving as many, with num_rows rows.

    Returns a function that waits and returns what the rank before has sent.
    """
    rank, size = messages.rank_and_size(group)
    before, after = (rank - 1) % size, (rank + 1) % size
    coming = [x.new_empty(*x.shape[:-2], num_rows, x.shape[-1]) for x in tensors]
    arrive = messages.exchange(group, {after: tensors}, {before: coming})
    return lambda: arrive()[before]


def _block_gradients(query, key, value, out, lse, grad_out, is_causal, offset):
    """Return what one block adds to the gradient of query, and the block's own two, all wide.

    out and lse are those of the whole row, so that no other block is needed.
    """
    band = blocks.band(is_causal, offset, None)
    scale = 1 / math.sqrt(query.shape[-1])
    inputs = map(widen, (query, key, value))
    no_mask, grad_lse = None, torch.zeros_like(lse)
    return gradients(*inputs, no_mask, out, lse, widen(grad_out), grad_lse, band, scale)[:3]


def _offset(group, source, is_causal):
    """Return the causal_offset of this rank's queries to the block of another rank."""
    rank, _ = messages.rank_and_size(group)
    return -1 if is_causal and source > rank else 0


def _describe(query, key, value, is_causal, enable_gqa):
    """Check one rank's arguments by themselves, and say what those of the others must be."""
    arrays = {"query": query, "key": key, "value": value}
    _checks.require_tensors(**arrays)
    flags = {"is_causal": is_causal, "enable_gqa": enable_gqa}
    _checks.require_options(0, None, None, "auto", return_weights=False, **flags)
    if enable_gqa:
        _checks.require_heads_divide(query, key, value)
    _checks.require_scores_fit(query, key, enable_gqa)
    _checks.require_values_fit(key, value)
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in arrays.values())
    return {
        **{name: messages.description(array) for name, array in arrays.items()},
        **{name: str(bool(flag)) for name, flag in flags.items()},
        "requires_grad": str(wanted),
        "rows": [query.shape[-2], key.shape[-2]],
    }


def _require_striped(name, num_rows):
    """Check that these are the numbers of rows that shard gives to each rank."""
    total, size = sum(num_rows), len(num_rows)
    expected = tuple(len(range(rank, total, size)) for rank in range(size))
    if tuple(num_rows) != expected:
        raise ValueError(
            f"{name}: got {tuple(num_rows)} rows on the ranks, expected {expected}, as shard gives "
            "them"
        )
