"""Which implementation computes attention: what there is here, and which one "auto" takes.

Each one is a function of one signature, called after every argument was checked:

    f(query, key, value, attn_mask, is_causal, causal_offset, window, scale) -> (out, lse)

query: (..., H, N, d_k). key: (..., H_kv, M, d_k). value: (..., H_kv, M, d_v). H_kv divides H, and
query head h uses head h // (H / H_kv); where H_kv = H the leading axes may be missing altogether.
attn_mask: None, or bool or query's dtype, and broadcasts to (..., H, N, M) as it is.
window: None or (left, right). scale: a float, never None.
out: (..., H, N, d_v) in query's dtype or float32. lse: (..., H, N), float32 for low precision, -inf
for a row that may attend to nothing. Both carry gradients for torch tensors.
"""

import os
from importlib.util import find_spec

from array_api_compat import is_torch_array

from attnlib._arrays import dtype_name

# From LONG² pairs auto takes blockwise. One thread, float32, 1 and 8 heads of d = 64: the two are
# level from N = 256 to 724; at 1,024 blocks take 0.4 to 1.1 of the formula's time, at 2,048 0.2 to
# 0.8. Below it the formula stays, which has second derivatives.
LONG = 1024


def implementations() -> dict[str, str]:
    """Say for each implementation of attention whether it can run here, and if not, why.

    Returns: "available" or the reason, by name.

    >>> implementations()["formula"], implementations()["blockwise"]
    ('available', 'available')
    """
    return {
        "formula": "available",
        "blockwise": "available",
        "triton": triton_lacks() or "available",
    }


def load(name, query, value):
    """Return the function of an implementation that was asked for by name.

    Raises: ValueError where triton cannot take these arrays; RuntimeError where it is not here.
    """
    if name == "triton":
        reason = triton_lacks()
        if reason:
            raise RuntimeError(f"implementation: 'triton' is not available here: {reason}")
        reason = triton_refuses(query, value)
        if reason:
            raise ValueError(f"implementation: 'triton' takes {reason}")
        from attnlib.implementations.triton_kernel import triton_attention

        return triton_attention
    from attnlib.implementations.blockwise import blockwise_attention

    return blockwise_attention


def choose(query, key, value):
    """Return what "auto" takes: triton for CUDA tensors, blockwise for long sequences."""
    on_gpu = is_torch_array(query) and query.is_cuda
    if on_gpu and not triton_lacks() and not triton_refuses(query, value):
        return "triton"
    return "blockwise" if query.shape[-2] * key.shape[-2] >= LONG**2 else "formula"


def triton_lacks():
    """Return what this machine lacks for the Triton kernel, and what to use instead; or None."""
    import torch

    instead = "use implementation='blockwise', which needs neither"
    if find_spec("triton") is None:
        return f"the package triton is not installed; {instead}"
    if not torch.cuda.is_available() and not _interpreted():
        return f"torch finds no CUDA device; {instead}"
    return None


def triton_refuses(query, value):
    """Return what the Triton kernel takes and these arrays are not; or None."""
    name, widest = dtype_name(query), max(query.shape[-1], value.shape[-1])
    if not is_torch_array(query):
        return "torch tensors, query is a NumPy array; use 'blockwise'"
    if not query.is_cuda and not _interpreted():
        return f"CUDA tensors, query lies on {query.device}; use 'blockwise'"
    if name == "float64":
        return "float32, float16 or bfloat16, query has float64; use 'blockwise'"
    if widest > 128:
        return f"heads of up to 128 columns, these have {widest}; use 'blockwise'"
    return None


def _interpreted():
    return os.environ.get("TRITON_INTERPRET") == "1"
