"""What Triton compiles the kernels to for a GPU. No GPU is needed: nothing is run.

    python -m attnbook.notebook.compile_kernel forward,bfloat16,64,none,90 ...

prints one line of JSON per kernel and launch: the size of its blocks, its warps, its bytes of
shared memory, and how often each of INSTRUCTIONS occurs in its PTX, NVIDIA's assembly language.
If TRITON_INTERPRET is 1, Triton compiles nothing: set it to 0 for this.
"""

import json
import sys

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from attnlib.implementations import triton_kernel

INSTRUCTIONS = {
    "mma": "mma.sync",  # a product of small tiles on the tensor cores, by one warp
    "wgmma": "wgmma.mma_async",  # of larger ones by four warps at once, from Hopper on
    "fma": "fma.rn.f32",  # a multiplication and an addition, by one thread
    "exp2": "ex2.approx",  # a power of two
}
POINTERS = {"float32": "*fp32", "float16": "*fp16", "bfloat16": "*bf16"}


def compiled(order: str) -> dict:
    """Compile one kernel, launched as attention with a causal mask or a window launches it.

    Args:
        order: "kernel,dtype,width,mask,capability", such as "forward,bfloat16,64,none,90": a width
            d_k = d_v of 16, 32, 64 or 128; a mask "none", "boolean" or "additive"; and ten times
            the GPU's compute capability, 80 for Ampere, 90 for Hopper.

    Returns:
        The name of the kernel, BLOCK_N and BLOCK_M, its warps, its bytes of shared memory, and how
        often each of INSTRUCTIONS occurs.

    Raises:
        RuntimeError: If TRITON_INTERPRET is 1.
    """
    if triton_kernel.INTERPRETED:
        raise RuntimeError("TRITON_INTERPRET: got 1, which compiles nothing, expected 0 or unset")
    name, dtype, width, mask, capability = order.split(",")
    width, kernel = int(width), getattr(triton_kernel, name)
    options = triton_kernel.launch_settings(kernel, getattr(torch, dtype), width, mask != "none")
    blocks = {size: options.pop(size) for size in ("BLOCK_N", "BLOCK_M")}
    fixed = dict(D_K=width, K=width, D_V=width, V=width, MASK=mask, BAND=True) | blocks
    types = {argument: _type(argument, fixed, dtype, mask) for argument in kernel.arg_names}
    aligned = {  # torch's arrays begin at a multiple of 16 bytes
        (i,): [["tt.divisibility", 16]] for i, x in enumerate(types.values()) if x[0] == "*"
    }
    source = ASTSource(kernel, types, fixed, aligned)
    made = triton.compile(source, target=GPUTarget("cuda", int(capability), 32), options=options)
    counts = {x: made.asm["ptx"].count(text) for x, text in INSTRUCTIONS.items()}
    warps, shared = made.metadata.num_warps, made.metadata.shared
    return {"kernel": name, **blocks, "warps": warps, "shared": shared, **counts}


def _type(argument, fixed, dtype, mask):
    """Return the type of a kernel's argument as Triton writes it."""
    if argument in fixed:
        return "constexpr"
    if argument == "mask" and mask == "boolean":
        return "*u8"
    if argument in ("query", "key", "value", "mask", "out", "d_out", "d_query", "d_key", "d_value"):
        return POINTERS[dtype]
    if argument in ("lse", "d_lse", "delta"):
        return "*fp32"
    return "fp32" if argument == "scale" else "i32"


if __name__ == "__main__":
    for order in sys.argv[1:]:
        print(json.dumps(compiled(order)))
