"""What the ranks of a process group send each other: tensors, and a note of what each was given.

A rank is one process of P, numbered from 0 within the group. Everything here is sends and receives
between two ranks, which gloo (CPU) and NCCL (GPU) both have.
"""

import json
from collections.abc import Callable

import torch
import torch.distributed as dist

from attnlib._arrays import dtype_name

NOTE = 4096  # bytes of the note in which a rank describes what it was given


def rank_and_size(group: dist.ProcessGroup | None) -> tuple[int, int]:
    """Return this process's rank in the group and the number of ranks.

    Args:
        group: A process group; the default one if None.

    Returns:
        rank, from 0, and size.

    Raises:
        RuntimeError: If there is no process group yet.
        ValueError: If this process is not in the group.
    """
    if not (dist.is_available() and dist.is_initialized()):
        raise RuntimeError(
            "group: got a process outside any group, expected one started by torchrun that has "
            "called torch.distributed.init_process_group"
        )
    rank = dist.get_rank(group)
    if rank < 0:
        raise ValueError("group: got one without this process, expected one that it belongs to")
    return rank, dist.get_world_size(group)


def exchange(
    group: dist.ProcessGroup | None,
    outgoing: dict[int, list[torch.Tensor]],
    incoming: dict[int, list[torch.Tensor]],
) -> Callable[[], dict[int, list[torch.Tensor]]]:
    """Start sending to some ranks and receiving from others; return immediately.

    Args:
        group: A process group; the default one if None.
        outgoing: {rank: tensors} to send, which must not change before the end.
        incoming: {rank: tensors} to fill.

    Returns:
        A function that waits for both directions and returns incoming, filled. It raises
        RuntimeError, naming the rank, if one did not answer: it has ended, or the timeout of the
        group has passed. The group is then unusable.
    """
    rank, _ = rank_and_size(group)
    if rank in incoming:  # a message to oneself
        incoming = incoming | {rank: outgoing[rank]}
    operations, peers = [], []
    for direction, messages in ((dist.isend, outgoing), (dist.irecv, incoming)):
        for peer, tensors in messages.items():
            for tensor in tensors:
                if peer != rank and tensor.numel():
                    tensor = tensor.contiguous()
                    operations.append(dist.P2POp(direction, tensor, group=group, group_peer=peer))
                    peers.append(peer)

    # NCCL must be given all messages together; elsewhere, one by one tells which rank is missing.
    if dist.get_backend(group) == "nccl":
        batches = [(peers, operations)] if operations else []
    else:
        batches = [([peer], [one]) for peer, one in zip(peers, operations, strict=True)]
    started, missing = [], {}
    for who, what in batches:  # the others get their messages even where one rank is gone
        try:
            started.append((who, dist.batch_isend_irecv(what)))
        except RuntimeError as error:
            missing |= dict.fromkeys(who, error)

    def finish():
        for who, works in started:
            try:
                for work in works:
                    work.wait()
            except RuntimeError as error:
                missing.update(dict.fromkeys(who, error))
                break  # the others may wait for the same rank
        if missing:
            names = " or ".join(f"rank {peer}" for peer in sorted(missing))
            raise RuntimeError(
                f"rank {rank}: {names} did not answer: it has ended, or takes longer than the "
                "timeout of the group"
            ) from next(iter(missing.values()))
        return incoming

    return finish


def require_same(group: dist.ProcessGroup | None, describe: Callable[[], dict]) -> list[dict]:
    """Check that every rank was given arguments that fit; if one rank must stop, all stop.

    Args:
        group: A process group; the default one if None.
        describe: Checks this rank's arguments and returns {argument: text}, which must be the same
            on every rank, and may add under "rows" a list of numbers that may differ.

    Returns:
        Every rank's description.

    Raises:
        TypeError: On every rank, if describe raises it on one; the message names that rank.
        ValueError: Likewise, or if a rank's description differs from that of rank 0.
        RuntimeError: As in exchange.
    """
    rank, size = rank_and_size(group)
    try:
        mine = describe()
    except (TypeError, ValueError) as error:
        mine = {"error": [type(error).__name__, str(error)]}
    note = json.dumps(mine).encode()[:NOTE].ljust(NOTE)
    device = "cuda" if dist.get_backend(group) == "nccl" else "cpu"
    note = torch.frombuffer(bytearray(note), dtype=torch.uint8).to(device)  # (NOTE,)
    everyone = range(size)
    notes = exchange(
        group, {r: [note] for r in everyone}, {r: [torch.empty_like(note)] for r in everyone}
    )()
    told = [json.loads(bytes(notes[r][0].tolist())) for r in everyone]
    for r, theirs in enumerate(told):
        if "error" in theirs:
            kind, message = theirs["error"]
            raise {"TypeError": TypeError}.get(kind, ValueError)(f"{message} (on rank {r})")
    for r, theirs in enumerate(told):
        for name in theirs:
            if name != "rows" and theirs[name] != told[0][name]:
                raise ValueError(
                    f"{name}: got {theirs[name]} on rank {r}, expected {told[0][name]} as on rank 0"
                )
    return told


def description(tensor: torch.Tensor) -> str:
    """Say what must be the same on every rank: dtype, device, and every axis but the rows.

    Args:
        tensor: (..., N, d).

    Returns:
        One line of text.

    Example:
        >>> description(torch.zeros(4, 5, 2))
        'float32 (4, N, 2) on cpu'
    """
    *lead, _, width = map(str, tensor.shape)
    axes = ", ".join([*lead, "N", width])
    return f"{dtype_name(tensor)} ({axes}) on {tensor.device.type}"
