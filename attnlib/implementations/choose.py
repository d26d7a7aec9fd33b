"""The implementations of attention: what is available on this machine, and which "auto" takes.

All share one signature and are called after every argument has been checked::

    f(query, key, value, attn_mask, is_causal, causal_offset, window, scale) -> (out, lse)

query: (..., H, N, d_k). key: (..., H_kv, M, d_k). value: (..., H_kv, M, d_v). H_kv divides H, and
query head h uses head h // (H / H_kv); where H_kv = H the leading axes may be missing altogether.
attn_mask: None, or bool or query's dtype, not yet broadcast to (..., H, N, M).
window: None or (left, right). scale: a float, never None.
out: (..., H, N, d_v) in query's dtype or float32. lse: (..., H, N), float32 for low precision, -inf
for a row that may attend to nothing. Both carry gradients for torch tensors.

Each is imported when it is first called, so that torch and triton are needed only where they run.
"""

import os
from importlib.util import find_spec

from array_api_compat import is_torch_array

from attnlib._arrays import dtype_name
from attnlib._checks import kind

# From this many pairs N · M, "auto" takes blockwise. One thread, float32, 1 and 8 heads of d = 64:
# from N = 256 to 724 the two are level; at 1,024 blockwise takes 0.4 to 1.1 of the formula's time,
# at 2,048 0.2 to 0.8. Below, the formula stays, which has second derivatives.
BLOCKWISE_FROM = 1024**2

WIDEST = 128  # columns of a head that the Triton kernel takes


def implementations() -> dict[str, str]:
    """Say for each implementation of attention whether it can run here, and if not, why.

    Returns:
        By name, "available" or the reason.

    Example:
        >>> implementations()["formula"], implementations()["blockwise"]
        ('available', 'available')
    """
    return {
        "formula": "available",
        "blockwise": "available",
        "triton": why_triton_is_missing() or "available",
    }


def choose(query, key, value):
    """Return the name that "auto" stands for where the weights are not wanted.

    Args:
        query: (..., H, N, d_k).
        key: (..., H_kv, M, d_k).
        value: (..., H_kv, M, d_v).

    Returns:
        "triton" for CUDA tensors that it takes, "blockwise" from BLOCKWISE_FROM pairs on, "formula"
        below that.
    """
    on_gpu = is_torch_array(query) and query.is_cuda
    if on_gpu and not why_triton_is_missing() and not why_triton_refuses(query, value):
        return "triton"
    is_long = query.shape[-2] * key.shape[-2] >= BLOCKWISE_FROM
    return "blockwise" if is_long else "formula"


def load(name, query, value):
    """Return the function of an implementation other than the formula.

    Args:
        name: "blockwise" or "triton".
        query: (..., H, N, d_k).
        value: (..., H_kv, M, d_v).

    Returns:
        A function of the signature above.

    Raises:
        RuntimeError: If triton cannot run here.
        TypeError: If triton does not take arrays of this kind, dtype or device.
        ValueError: If the heads are too wide for triton.
    """
    if name == "triton":
        reason = why_triton_is_missing()
        if reason:
            raise RuntimeError(
                f"implementation: got 'triton', expected one that runs here: {reason}"
            )
        refusal = why_triton_refuses(query, value)
        if refusal:
            raise refusal
        from attnlib.implementations.triton_kernel import triton_attention

        return triton_attention
    if is_torch_array(query):
        from attnlib.implementations.blockwise_torch import blockwise_attention
    else:
        from attnlib.implementations.blockwise import blockwise_attention
    return blockwise_attention


def why_triton_is_missing():
    """Return what this machine lacks for the Triton kernel, and what to use instead.

    Returns:
        The reason, or None where nothing is missing.
    """
    instead = "use implementation='blockwise'"
    for package in ("torch", "triton"):
        if find_spec(package) is None:
            return f"the package {package} is not installed; {instead}"
    import torch

    if not torch.cuda.is_available() and not _is_interpreted():
        return f"torch finds no CUDA device; {instead}"
    return None


def why_triton_refuses(query, value):
    """Return the error that says why the Triton kernel does not take these arrays.

    Args:
        query: (..., H, N, d_k).
        value: (..., H_kv, M, d_v).

    Returns:
        A TypeError or ValueError to raise, or None where it takes them.
    """
    instead = "for implementation 'triton'; use 'blockwise'"
    if not is_torch_array(query):
        return TypeError(f"query: got {kind(query)}, expected a torch tensor {instead}")
    if not query.is_cuda and not _is_interpreted():
        return TypeError(f"query: got device {query.device}, expected cuda {instead}")
    if dtype_name(query) == "float64":
        return TypeError(
            f"query: got dtype float64, expected float32, float16 or bfloat16 {instead}"
        )
    for name, array in (("query", query), ("value", value)):
        if array.shape[-1] > WIDEST:
            return ValueError(
                f"{name}: got {array.shape[-1]} columns, expected at most {WIDEST} {instead}"
            )
    return None


def _is_interpreted():
    """Say whether Triton runs its kernels in its interpreter, on CPU tensors."""
    return os.environ.get("TRITON_INTERPRET") == "1"
