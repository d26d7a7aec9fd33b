"""Where the torch parts of the book run: on the CPU, or where ATTNLIB_DEVICE says."""

import os


def torch_device() -> "torch.device":  # noqa: F821
    """Return the torch.device named by ATTNLIB_DEVICE, and make torch repeatable on it.

    The name is "cpu" or "cuda", "cpu" if it is unset. On "cuda" TF32 is turned off and
    deterministic algorithms are turned on, for the whole process.

    Returns:
        A torch.device.

    Raises:
        RuntimeError: If there is no such device here.
        ValueError: If the name is unknown.

    Example:
        >>> torch_device().type in ("cpu", "cuda")
        True
    """
    import torch

    name = os.environ.get("ATTNLIB_DEVICE", "cpu")
    if name not in ("cpu", "cuda"):
        raise ValueError(f"ATTNLIB_DEVICE: got {name!r}, expected 'cpu' or 'cuda'")
    if name == "cuda":
        if not torch.cuda.is_available():
            raise RuntimeError(
                "ATTNLIB_DEVICE: got 'cuda', expected 'cpu' or unset: torch finds no CUDA device"
            )
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.use_deterministic_algorithms(True)
    return torch.device(name)


def processor() -> str:
    """Return the processor's name and its number of cores, for a table of times.

    Example:
        >>> ", " in processor()
        True
    """
    name = "unknown processor"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            name = next(x.split(":", 1)[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        import platform

        name = platform.processor() or platform.machine() or name
    return f"{name}, {os.cpu_count()} cores"
