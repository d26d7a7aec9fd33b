"""Attention in one fused kernel for the GPU: no N × M matrix is ever stored, forward or backward.

One program holds a block of queries and walks over the blocks of keys that they may see. For each
row it keeps the largest score, the sum of the exponentials and the mixed values so far; a larger
score rescales the last two (online softmax, Milakov and Gimelshein 2018, algorithm 3; in blocks,
Dao et al. 2022, algorithm 1). The backward pass computes the weights again from the log-sum-exp
(Dao et al. 2022, algorithm 4). Sums are float32; the operands of the products keep the dtype of the
inputs.

There are N queries and M keys of width d_k, and M values of width d_v. Tiles are n × m, and widths
are padded to K and V::

    q (n, K)   k (m, K)   v (m, V)   s, p (n, m)   out (n, V)

Triton compiles for a GPU. TRITON_INTERPRET=1, set before triton is imported, runs the same lines on
CPU tensors instead, slowly.
"""

import math

import torch

try:
    import triton
    import triton.language as tl
except ImportError as error:
    raise ImportError(
        "implementation: got 'triton', expected 'blockwise' or 'formula' (the package triton is "
        "not installed; on Linux: pip install triton)"
    ) from error

INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)


@triton.jit
def load(array, rows, ROWS, WIDTH: tl.constexpr, PADDED: tl.constexpr):
    """Read rows of an array (ROWS, WIDTH): (rows, PADDED), zeros where nothing exists."""
    row, column = rows[:, None], tl.arange(0, PADDED)[None, :]  # (rows, 1), (1, PADDED)
    exist = (row < ROWS) & (column < WIDTH)  # (rows, PADDED)
    return tl.load(array + row * WIDTH + column, mask=exist, other=0.0)  # (rows, PADDED)


@triton.jit
def store(array, tile, rows, ROWS, WIDTH: tl.constexpr, PADDED: tl.constexpr):
    """Round a tile (rows, PADDED) to the array's dtype and write it to rows of (ROWS, WIDTH)."""
    row, column = rows[:, None], tl.arange(0, PADDED)[None, :]  # (rows, 1), (1, PADDED)
    exist = (row < ROWS) & (column < WIDTH)  # (rows, PADDED)
    tl.store(array + row * WIDTH + column, round_to(tile, array.dtype.element_ty), mask=exist)


@triton.jit
def round_to(tile, dtype: tl.constexpr):
    """Round float32 to the nearest in dtype; the interpreter alone rounds bfloat16 towards zero."""
    if INTERPRETED and dtype == tl.bfloat16:
        bits = tile.to(tl.int32, bitcast=True)
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & -0x10000  # to nearest, ties to even
        tile = bits.to(tl.float32, bitcast=True)
    return tile.to(dtype)


@triton.jit
def dot(a, b, total):
    """Return total + a @ b in float32; the interpreter cannot multiply bfloat16."""
    if INTERPRETED and a.dtype == tl.bfloat16:
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, total, input_precision="ieee")  # (n, m) + (n, K) @ (K, m)


@triton.jit
def scores(q, k, rows, keys, mask, stride_n, stride_m, N, M, low, high, scale,
            MASK: tl.constexpr, BAND: tl.constexpr):  # fmt: skip
    """Score queries q (n, K) against keys k (m, K): (n, m), -inf where hidden."""
    zeros = tl.zeros((q.shape[0], k.shape[0]), tl.float32)  # (n, m)
    s = dot(q, tl.trans(k), zeros) * scale  # (n, K) @ (K, m) -> (n, m)
    row, key = rows[:, None], keys[None, :]  # (n, 1), (1, m)
    seen = (row < N) & (key < M)  # (n, m): the last block may be partial
    if BAND:
        seen &= (key >= row + low) & (key <= row + high)  # (n, m)
    if MASK != "none":
        places = mask + row.to(tl.int64) * stride_n + key.to(tl.int64) * stride_m  # (n, m)
        added = tl.load(places, mask=seen, other=0)  # (n, m)
        if MASK == "boolean":
            seen &= added != 0
        else:
            s += added.to(tl.float32)
            seen &= added != float("-inf")
    return tl.where(seen, s, float("-inf"))


@triton.jit
def place(LENGTH, BLOCK: tl.constexpr):
    """Return this program's head, and the first row of its block."""
    program, blocks = tl.program_id(0), tl.cdiv(LENGTH, BLOCK)  # blocks per head
    return (program // blocks).to(tl.int64), program % blocks * BLOCK  # offsets pass 2**31


@triton.jit
def bounds(start, low, high, LENGTH, BLOCK: tl.constexpr, STEP: tl.constexpr):
    """Return the range of keys that any row of this block may see, from a whole STEP on.

    The block's rows are start to start + BLOCK; row i sees i + low to i + high, of LENGTH.
    """
    first = tl.maximum(start + low, 0) // STEP * STEP  # down to a whole step
    return first, tl.minimum(start + BLOCK + high, LENGTH)


@triton.jit
def forward(
    query, key, value, mask, out, lse,
    stride_b, stride_h, stride_n, stride_m, H, GROUP, N, M, low, high, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, K: tl.constexpr, V: tl.constexpr,
    MASK: tl.constexpr, BAND: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_M: tl.constexpr,
):  # fmt: skip
    """Compute out (n, V) and lse (n,) for one block of queries of one head."""
    head, start_n = place(N, BLOCK_N)  # b·H + h
    kv_head = head // GROUP  # b·H_kv + h // GROUP: consecutive query heads share one
    key, value = key + kv_head * M * D_K, value + kv_head * M * D_V
    mask += head // H * stride_b + head % H * stride_h

    rows = start_n + tl.arange(0, BLOCK_N)  # (n,)
    q = load(query + head * N * D_K, rows, N, D_K, K)  # (n, K)
    largest = tl.full((BLOCK_N,), float("-inf"), tl.float32)  # (n,)
    total = tl.zeros((BLOCK_N,), tl.float32)  # (n,)
    mixed = tl.zeros((BLOCK_N, V), tl.float32)  # (n, V)
    first, last = bounds(start_n, low, high, M, BLOCK_N, BLOCK_M)
    for start_m in range(first, last, BLOCK_M):
        keys = start_m + tl.arange(0, BLOCK_M)  # (m,)
        k = load(key, keys, M, D_K, K)  # (m, K)
        v = load(value, keys, M, D_V, V)  # (m, V)
        s = scores(q, k, rows, keys, mask, stride_n, stride_m, N, M, low, high, scale, MASK, BAND)
        new_largest = tl.maximum(largest, tl.max(s, 1))  # (n,)
        subtracted = tl.where(new_largest == float("-inf"), 0.0, new_largest)  # nothing seen yet
        p = tl.exp(s - subtracted[:, None])  # (n, m)
        rescale = tl.exp(largest - subtracted)  # (n,): 1 where the largest score stays
        total = total * rescale + tl.sum(p, 1)
        mixed = dot(round_to(p, v.dtype), v, mixed * rescale[:, None])  # (n, m) @ (m, V) -> (n, V)
        largest = new_largest

    open_row = largest != float("-inf")  # (n,): the others have seen no key
    total = tl.where(open_row, total, 1.0)
    result = tl.where(open_row[:, None], mixed / total[:, None], 0.0)  # (n, V)
    store(out + head * N * D_V, result, rows, N, D_V, V)
    tl.store(lse + head * N + rows, largest + tl.log(total), mask=rows < N)  # (n,)


@triton.jit
def d_scores(s, v, d_out, lse, delta):
    """Return weights p and ds, the gradient of the scores, both (n, m), from s (n, m) and v (m, V).

    d_out (n, V) is the gradient of the output, lse (n,) the log-sum-exp, and delta (n,) the row sum
    of out · d_out less the gradient of lse.
    """
    p = tl.exp(s - tl.where(lse == float("-inf"), 0.0, lse)[:, None])  # (n, m)
    dp = dot(d_out, tl.trans(v), tl.zeros_like(s))  # (n, V) @ (V, m) -> (n, m)
    return p, p * (dp - delta[:, None])


@triton.jit
def backward_query(
    query, key, value, mask, out, lse, d_out, d_lse, delta, d_query,
    stride_b, stride_h, stride_n, stride_m, H, GROUP, N, M, low, high, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, K: tl.constexpr, V: tl.constexpr,
    MASK: tl.constexpr, BAND: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_M: tl.constexpr,
):  # fmt: skip
    """Compute d_query (n, K) for one block of queries, and delta (n,), which backward_key reads."""
    head, start_n = place(N, BLOCK_N)  # b·H + h
    kv_head = head // GROUP
    key, value = key + kv_head * M * D_K, value + kv_head * M * D_V
    mask += head // H * stride_b + head % H * stride_h

    rows = start_n + tl.arange(0, BLOCK_N)  # (n,)
    q = load(query + head * N * D_K, rows, N, D_K, K)  # (n, K)
    do = load(d_out + head * N * D_V, rows, N, D_V, V)  # (n, V)
    o = load(out + head * N * D_V, rows, N, D_V, V)  # (n, V)
    row_lse = tl.load(lse + head * N + rows, mask=rows < N, other=0.0)  # (n,)
    row_delta = tl.sum(o.to(tl.float32) * do.to(tl.float32), 1)  # (n,)
    row_delta -= tl.load(d_lse + head * N + rows, mask=rows < N, other=0.0)  # (n,)
    tl.store(delta + head * N + rows, row_delta, mask=rows < N)  # (n,)

    dq = tl.zeros((BLOCK_N, K), tl.float32)  # (n, K)
    first, last = bounds(start_n, low, high, M, BLOCK_N, BLOCK_M)
    for start_m in range(first, last, BLOCK_M):
        keys = start_m + tl.arange(0, BLOCK_M)  # (m,)
        k = load(key, keys, M, D_K, K)  # (m, K)
        v = load(value, keys, M, D_V, V)  # (m, V)
        s = scores(q, k, rows, keys, mask, stride_n, stride_m, N, M, low, high, scale, MASK, BAND)
        _, ds = d_scores(s, v, do, row_lse, row_delta)  # (n, m)
        dq = dot(round_to(ds, k.dtype), k, dq)  # (n, m) @ (m, K) -> (n, K)
    store(d_query + head * N * D_K, dq * scale, rows, N, D_K, K)


@triton.jit
def backward_key(
    query, key, value, mask, lse, d_out, delta, d_key, d_value,
    stride_b, stride_h, stride_n, stride_m, H, GROUP, N, M, low, high, scale,
    D_K: tl.constexpr, D_V: tl.constexpr, K: tl.constexpr, V: tl.constexpr,
    MASK: tl.constexpr, BAND: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_M: tl.constexpr,
):  # fmt: skip
    """Compute d_key (m, K) and d_value (m, V) for one block of keys of one key head."""
    kv_head, start_m = place(M, BLOCK_M)  # b·H_kv + h_kv
    keys = start_m + tl.arange(0, BLOCK_M)  # (m,)
    k = load(key + kv_head * M * D_K, keys, M, D_K, K)  # (m, K)
    v = load(value + kv_head * M * D_V, keys, M, D_V, V)  # (m, V)

    dk = tl.zeros((BLOCK_M, K), tl.float32)  # (m, K)
    dv = tl.zeros((BLOCK_M, V), tl.float32)  # (m, V)
    # row i sees keys i + low to i + high, so key j is seen by rows j - high to j - low
    first, last = bounds(start_m, -high, -low, N, BLOCK_M, BLOCK_N)
    for head in range(kv_head * GROUP, (kv_head + 1) * GROUP):  # the query heads that share it
        head_mask = mask + head // H * stride_b + head % H * stride_h
        for start_n in range(first, last, BLOCK_N):
            rows = start_n + tl.arange(0, BLOCK_N)  # (n,)
            q = load(query + head * N * D_K, rows, N, D_K, K)  # (n, K)
            do = load(d_out + head * N * D_V, rows, N, D_V, V)  # (n, V)
            row_lse = tl.load(lse + head * N + rows, mask=rows < N, other=0.0)  # (n,)
            row_delta = tl.load(delta + head * N + rows, mask=rows < N, other=0.0)  # (n,)
            s = scores(q, k, rows, keys, head_mask, stride_n, stride_m, N, M, low, high, scale,
                        MASK, BAND)  # fmt: skip
            p, ds = d_scores(s, v, do, row_lse, row_delta)  # (n, m)
            dv = dot(tl.trans(round_to(p, do.dtype)), do, dv)  # (m, n) @ (n, V) -> (m, V)
            dk = dot(tl.trans(round_to(ds, q.dtype)), q, dk)  # (m, n) @ (n, K) -> (m, K)
    store(d_key + kv_head * M * D_K, dk * scale, keys, M, D_K, K)
    store(d_value + kv_head * M * D_V, dv, keys, M, D_V, V)


class _Attention(torch.autograd.Function):
    """The kernels as one differentiable function of query, key and value."""

    @staticmethod
    def forward(ctx, query, key, value, mask, low, high, scale):
        B, H, N, _ = query.shape
        out = query.new_empty(B, H, N, value.shape[-1])
        lse = query.new_empty(B, H, N, dtype=torch.float32)
        arguments = query, key, value, mask, out, lse
        _launch(forward, arguments, B * H, N, query, key, value, mask, low, high, scale)
        ctx.save_for_backward(*arguments)
        ctx.options = low, high, scale
        return out, lse

    @staticmethod
    def backward(ctx, d_out, d_lse):
        gradients = _Gradients.apply(*ctx.saved_tensors, d_out, d_lse, *ctx.options)
        return *gradients, None, None, None, None


class _Gradients(torch.autograd.Function):
    """The backward kernels, which cannot be differentiated again."""

    @staticmethod
    def forward(ctx, query, key, value, mask, out, lse, d_out, d_lse, *options):
        d_query, d_key, d_value = map(torch.empty_like, (query, key, value))
        d_out, d_lse, delta = d_out.contiguous(), d_lse.contiguous(), torch.empty_like(lse)
        B, H, N, _ = query.shape
        _, H_kv, M, _ = key.shape
        rest = query, key, value, mask, *options
        arguments = query, key, value, mask, out, lse, d_out, d_lse, delta, d_query
        _launch(backward_query, arguments, B * H, N, *rest)  # first: it fills delta
        arguments = query, key, value, mask, lse, d_out, delta, d_key, d_value
        _launch(backward_key, arguments, B * H_kv, M, *rest)
        return d_query, d_key, d_value

    @staticmethod
    def backward(ctx, *gradients):
        raise RuntimeError(
            "the Triton kernel has no second derivative; use implementation='formula'"
        )


def _launch(kernel, arguments, heads, rows, query, key, value, mask, low, high, scale):
    """Start one program for each block of rows of each head."""
    _, H, N, d_k = query.shape
    _, H_kv, M, d_v = value.shape
    settings = launch_settings(kernel, query.dtype, max(d_k, d_v), mask is not None)
    block = settings["BLOCK_M" if kernel is backward_key else "BLOCK_N"]
    if heads * rows == 0:
        return  # a grid must have a program
    with torch.cuda.device_of(query):
        kernel[(heads * triton.cdiv(rows, block),)](
            *(query if x is None else x for x in arguments),  # placeholder; never read
            *((0, 0, 0, 0) if mask is None else mask.stride()),
            *(H, H // H_kv, N, M, low, high, scale),
            **{"D_K": d_k, "K": _padded(d_k), "D_V": d_v, "V": _padded(d_v)},
            MASK="none" if mask is None else "boolean" if mask.dtype == torch.uint8 else "additive",
            BAND=low > -N or high < M,
            **settings,
        )


def _padded(width):
    """Return the next power of two, at least 16, as tl.dot requires."""
    return max(16, triton.next_power_of_2(width))


def launch_settings(kernel, dtype, width, masked):
    """Return the sizes of the blocks, and the warps and stages of the pipeline.

    They fit in the 99 KiB of shared memory that every GPU since Ampere has, and almost in its
    registers.

    Args:
        kernel: forward, backward_query or backward_key.
        dtype: That of the inputs.
        width: The larger of d_k and d_v, up to 128.
        masked: Whether there is an attn_mask.

    Returns:
        BLOCK_N and BLOCK_M; for a GPU also num_warps and num_stages.
    """
    if INTERPRETED:  # small and unequal, so that short sequences fill several
        return {"BLOCK_N": 32, "BLOCK_M": 16}
    n, m, warps, stages = SETTINGS[kernel][dtype.itemsize, 64 if width <= 64 else 128]
    if masked:  # a tile of the mask needs room too: take shorter steps
        n, m = (max(n // 2, 16), m) if kernel is backward_key else (n, max(m // 2, 16))
    return {"BLOCK_N": n, "BLOCK_M": m, "num_warps": warps, "num_stages": stages}


SETTINGS = {  # kernel: (bytes of a number, width): BLOCK_N, BLOCK_M, warps, stages
    forward: {
        (2, 64): (128, 64, 8, 3),
        (2, 128): (128, 64, 8, 2),
        (4, 64): (64, 32, 8, 2),
        (4, 128): (64, 16, 8, 2),
    },
    backward_query: {
        (2, 64): (64, 64, 4, 2),
        (2, 128): (64, 64, 4, 2),
        (4, 64): (64, 32, 8, 2),
        (4, 128): (32, 32, 8, 2),
    },
    backward_key: {
        (2, 64): (64, 64, 8, 2),
        (2, 128): (32, 64, 8, 2),
        (4, 64): (32, 32, 8, 2),
        (4, 128): (16, 32, 4, 1),
    },
}


def triton_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None,
    is_causal: bool,
    causal_offset: int,
    window: tuple[int, int] | None,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute attention in one kernel; attention checks the arguments and calls it.

    A block of keys that is_causal or window hides entirely is never read, so a NaN there does not
    spread. The extra memory grows with N + M.

    Args:
        query: (..., H, N, d_k), float32, float16 or bfloat16, d_k and d_v up to 128.
        key: (..., H_kv, M, d_k); H_kv divides H.
        value: (..., H_kv, M, d_v).
        attn_mask: Broadcasts to (..., H, N, M), or None; bool or the dtype of query.
        is_causal: As in attention, like the other options.
        causal_offset: As in attention.
        window: (left, right) or None.
        scale: A float.

    Returns:
        out (..., H, N, d_v) in the dtype of query, and the natural log-sum-exp (..., H, N) in
        float32. Both can be differentiated once with respect to query, key and value.

    Raises:
        ValueError: If attn_mask needs a gradient, which the kernel does not compute.

    Source:
        Dao et al. 2022, algorithms 1 and 4; Dao 2024, section 3.1; Tillet et al. 2019 (Triton).
    """
    if attn_mask is not None and attn_mask.requires_grad and torch.is_grad_enabled():
        raise ValueError(
            "attn_mask: got one that needs a gradient, expected none for implementation 'triton'; "
            "use 'formula' or 'blockwise', or attn_mask.detach()"
        )
    lead, N, M = query.shape[:-2], query.shape[-2], key.shape[-2]
    H = lead[-1] if lead else 1
    H_kv = key.shape[-3] if lead else 1
    B = math.prod(lead[:-1])
    if attn_mask is not None:  # a view with stride 0 where it is broadcast
        attn_mask = attn_mask.detach().expand(*lead, N, M).reshape(B, H, N, M)
        attn_mask = attn_mask.view(torch.uint8) if attn_mask.dtype == torch.bool else attn_mask

    left, right = window or (-1, -1)  # row i sees keys i + low to i + high
    low = -N if left == -1 else causal_offset - left
    high = M if right == -1 else causal_offset + right
    high = min(high, causal_offset) if is_causal else high
    low, high = (min(max(side, -N), M) for side in (low, high))  # at -N and M nothing more changes

    query, key, value = (
        x.reshape(B, heads, *x.shape[-2:]).contiguous()
        for x, heads in ((query, H), (key, H_kv), (value, H_kv))
    )
    out, lse = _Attention.apply(query, key, value, attn_mask, low, high, scale)
    return out.reshape(*lead, *out.shape[-2:]), lse.reshape(*lead, N)
