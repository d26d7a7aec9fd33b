"""Start a function in several processes by torchrun, and collect what each of them returns."""

import inspect
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import torch

PROGRAM = """
import datetime, os, torch, torch.distributed

{source}

timeout = datetime.timedelta(seconds={timeout})
torch.distributed.init_process_group({backend!r}, timeout=timeout)
rank = torch.distributed.get_rank()
result = {name}()
torch.save(result, f"{{rank}}.new")
os.replace(f"{{rank}}.new", f"{{rank}}.pt")
torch.distributed.destroy_process_group()
"""


def torchrun(
    function: Callable[[], dict], processes: int, *, backend: str = "gloo", timeout: float = 60
) -> list[dict]:
    """Run a function in several processes of this machine, which form one process group.

    Args:
        function: Takes no arguments, imports what it needs in its body (only its source is copied
            to the processes), and returns a dictionary of tensors, numbers and texts.
        processes: The number of processes.
        backend: The backend of the process group, "gloo" or "nccl".
        timeout: Seconds that a rank waits for another. After twice that time all are ended.

    Returns:
        What each rank returned, in the order of the ranks.

    Raises:
        RuntimeError: If a rank fails, with the error of each such rank, or if time runs out.

    Source:
        https://docs.pytorch.org/docs/stable/elastic/run.html
    """
    source = textwrap.dedent(inspect.getsource(function))
    program = PROGRAM.format(
        source=source, name=function.__name__, backend=backend, timeout=timeout
    )
    environment = dict(os.environ)
    if sys.platform == "linux":
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")  # only this machine
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--local-addr", "127.0.0.1", "--nproc-per-node", str(processes), "program.py"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "program.py").write_text(program, encoding="utf-8")
        with subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as started:
            try:
                _, stderr = started.communicate(timeout=2 * timeout)
            except subprocess.TimeoutExpired as error:
                started.terminate()  # it ends its processes before itself
                raise RuntimeError(f"torchrun: not done after {2 * timeout} seconds") from error
        if started.returncode:
            raise RuntimeError(f"torchrun: a rank failed\n{_errors(stderr)}")
        return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(processes)]


def _errors(stderr):
    """Return the error of each rank, or the end of what was printed if there is none."""
    errors = dict(re.findall(r"^\[rank(\d+)\]: (\w*Error: .*)", stderr, flags=re.M))
    return "\n".join(f"rank {rank}: {errors[rank]}" for rank in sorted(errors)) or stderr[-2000:]
