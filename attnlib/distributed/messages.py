"""What the ranks of a process group tell each other: tensors, and what each was given.

A rank is one process of P, numbered from 0 within the group. Everything here is sends and receives
between two ranks, which gloo (CPU) and NCCL (GPU) both have.
"""

import json
from collections.abc import Callable

import torch
import torch.distributed as dist

from attnlib import _checks
from attnlib._arrays import dtype_name

NOTE = 4096  # bytes in which a rank describes what it was given


def place(group: dist.ProcessGroup | None) -> tuple[int, int]:
    """Return this process's rank in the group and the number of ranks.

    group: None for the default group.
    Raises: RuntimeError where there is no group yet; ValueError where this process is not in it.
    """
    if not (dist.is_available() and dist.is_initialized()):
        raise RuntimeError(
            "group: this process is in none; start it by torchrun and call "
            "torch.distributed.init_process_group first"
        )
    rank = dist.get_rank(group)
    if rank < 0:
        raise ValueError("group: this process is not in it")
    return rank, dist.get_world_size(group)


def exchange(
    group: dist.ProcessGroup | None,
    outgoing: dict[int, list[torch.Tensor]],
    incoming: dict[int, list[torch.Tensor]],
) -> Callable[[], dict[int, list[torch.Tensor]]]:
    """Start to send tensors to some ranks and to receive from some, and return at once.

    outgoing: {rank: tensors}; leave them alone until the end. incoming: {rank: tensors to fill}.
    Returns: a function that waits for both directions and returns incoming, filled.
    Raises: RuntimeError, then, that names the rank that did not answer: it ended, or the timeout of
    the group is over. The group is of no use any more after that.
    """
    rank, _ = place(group)
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

    # NCCL has to be given all messages together; elsewhere one by one tells which rank is missing.
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


def agree(group: dist.ProcessGroup | None, describe: Callable[[], dict]) -> list[dict]:
    """Let every rank describe what it was given; where one may not go on, none does.

    describe: checks this rank's arguments and returns {argument: text}, which has to be the same on
    every rank, and under "rows" a list of numbers that may differ.
    Returns: every rank's description.
    Raises: on every rank, what describe raised on one of them, with the number of that rank;
    ValueError that names the first argument and rank that differs from rank 0; RuntimeError as in
    exchange.
    """
    rank, size = place(group)
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
                    f"{name}: rank {r} has {theirs[name]}, rank 0 has {told[0][name]}; "
                    "expected the same on every rank"
                )
    return told


def description(tensor: torch.Tensor) -> str:
    """Say what has to be the same on every rank: dtype, device, and every axis but the rows.

    >>> description(torch.zeros(4, 5, 2))
    'float32 (4, N, 2) on cpu'
    """
    *lead, _, width = map(str, tensor.shape)
    axes = ", ".join([*lead, "N", width])
    return f"{dtype_name(tensor)} ({axes}) on {tensor.device.type}"


def require_tensors(**tensors: torch.Tensor):
    """Check that all are torch tensors of one floating dtype and device."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name}: expected a torch tensor, got {type(tensor).__name__}")
    _checks.require_arrays(**tensors)
