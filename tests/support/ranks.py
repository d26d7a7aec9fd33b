"""Start a function in several processes that form one group, and see how each of them ends.

The processes are forked from a server that has imported attnlib, so that starting them is
cheap. The group is set up through a file and talks over the loopback interface: no port is chosen.
"""

import datetime
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import torch
import torch.distributed as dist

if sys.platform == "linux":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
PATIENCE = 100  # seconds
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["attnlib.distributed.ring", "attnlib.distributed.dilated", "pytest"])


def start(function, size, *arguments, halted=()):
    """Run function(rank, size, *arguments) in each of size processes.

    The ranks in halted are not waited for but killed, as is any that still runs after PATIENCE.
    Returns the exit code of each rank, and what it returned or the text of its error, or None.
    """
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            SERVER.Process(target=_one, args=(function, rank, size, folder, arguments))
            for rank in range(size)
        ]
        for process in processes:
            process.start()
        deadline = time.monotonic() + PATIENCE
        for rank, process in enumerate(processes):
            if rank not in halted:
                process.join(max(0, deadline - time.monotonic()))
        for process in processes:  # none is left running
            process.kill()
            process.join()
        files = [Path(folder) / f"{rank}.pt" for rank in range(size)]
        words = [torch.load(file) if file.exists() else None for file in files]
        return [process.exitcode for process in processes], words


def _one(function, rank, size, folder, arguments):
    """Run the function in one process of the group, and save what it returns or raises."""
    sys.stderr = open(os.devnull, "w", encoding="utf-8")
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/group",
        rank=rank,
        world_size=size,
        timeout=datetime.timedelta(seconds=PATIENCE / 2),
    )
    try:
        result, code = function(rank, size, *arguments), 0
    except Exception as error:
        result, code = f"{type(error).__name__}: {error}\n{traceback.format_exc()}", 1
    torch.save(result, f"{folder}/{rank}.new")
    os.replace(f"{folder}/{rank}.new", f"{folder}/{rank}.pt")
    if code == 0:
        dist.destroy_process_group()
    os._exit(code)  # without waiting for the others
