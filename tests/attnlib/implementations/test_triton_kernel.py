"""The Triton kernel, in its interpreter on the CPU and compiled on a GPU, against the float64 loop.

conftest.py asks for the interpreter where there is no GPU. Its blocks are 32 queries × 16 keys.
"""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from attnlib import attention
from tests.attnlib.test_formula import as_kind, torch_attention, torch_log_sum_exp
from tests.support import reference
from tests.support.kinds import (
    HAS_CUDA,
    Kind,
    as_torch,
    assert_as_exact_as_torch,
    draw,
    float64,
    make,
)
from tests.support.notebooks import ROOT

pytest.importorskip("triton", reason="triton is not installed; it exists for Linux only")

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
needs_interpreter = pytest.mark.skipif(
    not INTERPRETED, reason="the kernel is compiled here; one test runs the interpreter apart"
)
DTYPES = ("float32", "float16", "bfloat16")
KINDS = []
if INTERPRETED:
    KINDS = [pytest.param(Kind("cpu", dtype), id=f"interpreter-{dtype}") for dtype in DTYPES]
elif HAS_CUDA:
    KINDS = [pytest.param(Kind("cuda", dtype), id=f"cuda-{dtype}") for dtype in DTYPES]
each_kind = pytest.mark.parametrize("kind", KINDS)
each_exact_kind = pytest.mark.parametrize("kind", KINDS[:1])  # float32

N, M, D_K, D_V = 35, 19, 6, 7  # two blocks of queries and two of keys, the last ones partial
rng = np.random.default_rng(1)
BOOLEAN = rng.random((N, M)) < 0.5
BOOLEAN[1] = False  # the second query may attend to nothing
ADDITIVE = np.where(BOOLEAN, rng.normal(size=BOOLEAN.shape), -np.inf)
OPTIONS = {
    "plain": {},
    "scale": {"scale": 0.3},
    "negative scale": {"scale": -1},
    "boolean": {"attn_mask": BOOLEAN},
    "additive": {"attn_mask": ADDITIVE},
    "one mask of keys": {"attn_mask": BOOLEAN[0]},
    "one mask of queries": {"attn_mask": ADDITIVE[:, :1]},
    "one number": {"attn_mask": np.array(0.5)},
    "causal": {"is_causal": True},
    "causal from the bottom right": {"is_causal": True, "causal_offset": M - N},
    "causal after cached keys": {"is_causal": True, "causal_offset": 4},
    "window": {"window": (1, 2)},
    "window on itself": {"window": (0, 0)},
    "window open to the left": {"window": (-1, 1)},
    "window open to the right": {"window": (0, -1), "causal_offset": 1},
    "window past the end": {"window": (1, 0), "causal_offset": 4 * M},
    "window before the start": {"window": (1, 0), "causal_offset": -4 * N},
    "causal window": {"window": (3, 3), "is_causal": True, "causal_offset": 1},
    "boolean, causal": {"attn_mask": BOOLEAN, "is_causal": True},
    "all": {
        "attn_mask": ADDITIVE,
        "is_causal": True,
        "window": (9, 1),
        "causal_offset": 1,
        "scale": 0.7,
    },
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


def triton(*inputs, **options):
    """Call attention with the kernel."""
    return attention(*inputs, implementation="triton", **options)


def check_results(query, key, value, **options):
    """Hold output and log-sum-exp against the loop, with torch's error as the measure."""
    out, lse = triton(query, key, value, return_lse=True, **options)
    assert (out.dtype, out.device) == (lse.dtype, lse.device) == (query.dtype, query.device)
    mask = options.get("attn_mask")
    if mask is not None:
        mask = mask.cpu().numpy() if mask.dtype == torch.bool else float64(mask)
    in_float64 = map(float64, (query, key, value))
    exact, _, true = reference.attention(*in_float64, **options | {"attn_mask": mask})
    assert_as_exact_as_torch(out, torch_attention(query, key, value, **options), exact)
    seen = np.isfinite(true)
    assert np.isneginf(float64(lse)[~seen]).all() and not float64(out)[~seen].any()
    assert_as_exact_as_torch(lse[seen], torch_log_sum_exp(query, key, **options)[seen], true[seen])


def check_gradients(query, key, value, **options):
    """Hold the gradients against torch's in float64, with torch's own error as the measure.

    The three are judged as one, beside the row sums of output · direction: the gradients of query
    and key hold differences to these, which are 0 but for their rounding where one key is left.
    """
    direction = as_torch(draw((*query.shape[:-1], value.shape[-1]), seed=5)[0]).to(query)

    def gradient(function, cast=lambda x: x):
        leaves = [cast(x).detach().clone().requires_grad_() for x in (query, key, value)]
        mask = options.get("attn_mask")
        if mask is not None and mask.is_floating_point():
            mask = cast(mask)
        out = function(*leaves, **options | ({} if mask is None else {"attn_mask": mask}))
        gradients = torch.autograd.grad(out, leaves, cast(direction))
        for x, d_x in zip(leaves, gradients, strict=True):
            assert (d_x.shape, d_x.dtype, d_x.device) == (x.shape, x.dtype, x.device)
        sums = (out.double() * direction.double()).sum(-1).to(out)
        return torch.cat([d_x.flatten() for d_x in (*gradients, sums)])

    exact = gradient(torch_attention, cast=torch.Tensor.double)
    assert_as_exact_as_torch(gradient(triton), gradient(torch_attention), exact)


def check(*inputs, **options):
    """Hold everything that the kernel computes."""
    check_results(*inputs, **options)
    check_gradients(*inputs, **options)


# --- the results


@each_kind
@each_option
def test_the_kernel_equals_the_loop(kind, options):
    check(
        *make(kind, *draw((1, 1, N, D_K), (1, 1, M, D_K), (1, 1, M, D_V))), **as_kind(kind, options)
    )


B, H, FEW, SOME = 2, 4, 5, 3  # batches and heads, with short sequences: each head is a program


@each_exact_kind
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_query_heads_share_key_heads_in_order(kind, kv_heads):
    shapes = (B, H, FEW, D_K), (B, kv_heads, SOME, D_K), (B, kv_heads, SOME, D_V)
    check(*make(kind, *draw(*shapes)), enable_gqa=True)


@each_exact_kind
@pytest.mark.parametrize(
    "shape", [(2, 2, FEW, SOME), (2, 1, 1, SOME), (2, FEW, 1), (1, 2, 1, 1), (FEW, SOME)], ids=str
)
@pytest.mark.parametrize("additive", [False, True], ids=["boolean", "additive"])
def test_a_mask_is_broadcast_over_any_axis(kind, shape, additive):
    mask = draw(shape, seed=2)[0]
    inputs = draw((2, 2, FEW, D_K), (2, 1, SOME, D_K), (2, 1, SOME, D_V))
    mask = kind.make(mask if additive else mask > -0.3)
    check(*make(kind, *inputs), attn_mask=mask, enable_gqa=True)


@each_exact_kind
@pytest.mark.parametrize("lead", [(3,), (1, 3), (2, 1, 3)], ids=str)
def test_every_leading_axis_is_optional(kind, lead):
    shapes = (*lead, FEW, D_K), (*lead, SOME, D_K), (*lead, SOME, D_V)
    mask = kind.make(draw((3, FEW, 1), seed=2)[0] > -1)
    check(*make(kind, *draw(*shapes)), is_causal=True, attn_mask=mask)


@each_exact_kind
@pytest.mark.parametrize("d_k, d_v", [(1, 1), (16, 3), (17, 64), (64, 17), (128, 100), (3, 128)])
def test_any_width_up_to_128(kind, d_k, d_v):
    check(*make(kind, *draw((FEW, d_k), (SOME, d_k), (SOME, d_v))))


BORDERS = [(1, 1), (1, 33), (33, 1), (31, 15), (32, 16), (33, 17), (16, 32), (64, 48), (17, 49)]


@each_exact_kind
@pytest.mark.parametrize("n, m", BORDERS)
@pytest.mark.parametrize("is_causal", [False, True], ids=["plain", "causal"])
def test_lengths_around_the_borders_of_the_blocks(kind, n, m, is_causal):
    check(*make(kind, *draw((n, D_K), (m, D_K), (m, D_V))), is_causal=is_causal)


@each_exact_kind
@pytest.mark.parametrize(
    "window, offset",
    [
        ((1, 1), 0),
        ((15, 0), 0),
        ((16, 0), 1),
        ((17, 1), -1),
        ((0, 15), 0),
        ((0, 16), -16),
        ((31, 33), 16),
    ],
)
def test_bands_around_the_borders_of_the_blocks(kind, window, offset):
    inputs = make(kind, *draw((34, 2), (35, 2), (35, 1)))
    check(*inputs, window=window, causal_offset=offset)


@each_kind
@pytest.mark.parametrize("n, m", [(0, 5), (4, 0), (0, 0)])
def test_no_queries_or_no_keys(kind, n, m):
    check(*make(kind, *draw((2, n, D_K), (2, m, D_K), (2, m, D_V))))


@each_exact_kind
def test_views_give_what_their_copies_give(kind):
    query, key, value = make(kind, *draw((B, FEW, H, D_K), (B, H, D_K, SOME), (1, H, 6, D_V)))
    mask = kind.make(np.array([[True], [False], [True], [True], [True]]))
    check(
        query.swapaxes(1, 2),  # not contiguous
        key.swapaxes(2, 3),
        value.expand(B, H, 6, D_V)[:, :, ::2],  # stride 0 and a step
        attn_mask=mask.expand(FEW, SOME),
    )


@each_exact_kind
def test_inputs_stay_as_they_were_and_results_repeat(kind):
    inputs = make(kind, *draw((N, D_K), (M, D_K), (M, D_V)))
    before = [x.clone() for x in inputs]
    first, second = (triton(*inputs, is_causal=True) for _ in range(2))
    assert torch.equal(first, second) and all(map(torch.equal, before, inputs))


# --- rows that may attend to nothing, and numbers at the edge

EMPTY_ROWS = {
    "boolean": {"attn_mask": np.arange(N)[:, None] != np.full(M, 1)},
    "additive": {"attn_mask": np.where(np.arange(N)[:, None] == np.full(M, 1), -np.inf, 0.0)},
    "causal": {"is_causal": True, "causal_offset": -2},
    "window": {"window": (0, 0), "causal_offset": -2},
}
each_empty_row = pytest.mark.parametrize("options", EMPTY_ROWS.values(), ids=EMPTY_ROWS)
quietly = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the interpreter is NumPy's


@quietly
@each_kind
@each_empty_row
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_row_that_sees_nothing_gives_zeros_whatever_keys_and_values_hold(kind, options, poison):
    query, key, value = draw((N, D_K), (M, D_K), (M, D_V))
    key[:], value[:] = poison, poison
    out, lse = triton(*make(kind, query, key, value), return_lse=True, **as_kind(kind, options))
    assert not float64(out)[1].any() and np.isneginf(float64(lse)[1])


@each_kind
@each_empty_row
def test_a_row_that_sees_nothing_passes_no_gradient(kind, options):
    inputs = [x.requires_grad_() for x in make(kind, *draw((N, D_K), (M, D_K), (M, D_V)))]
    out, lse = triton(*inputs, return_lse=True, **as_kind(kind, options))
    gradients = torch.autograd.grad(out[1].sum() + lse[1], inputs)
    assert not any(gradient.any() for gradient in gradients)


@quietly
@each_kind
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_other_rows_follow_torch_where_a_hidden_value_is_not_finite(kind, poison):
    query, key, value = draw((N, D_K), (M, D_K), (M, D_V))
    value[2, 3] = poison
    inputs = make(kind, query, key, value, np.arange(M) != 2)
    with sdpa_kernel(SDPBackend.MATH):
        theirs = scaled_dot_product_attention(*inputs[:3], attn_mask=inputs[3])
    ours = triton(*inputs[:3], attn_mask=inputs[3])
    assert ours[..., 3].isnan().all() and torch.equal(ours.isnan(), theirs.isnan())


@each_kind
@pytest.mark.parametrize("name", ["plain", "all"])
def test_scores_of_ten_thousand(kind, name):
    query, key, value = draw((N, D_K), (M, D_K), (M, D_V))
    query, key = 100 * np.sign(query[..., :1]), 100 * np.sign(key[..., :1])
    inputs = make(kind, query, key, value)
    check_results(*inputs, **{"scale": 1.0} | as_kind(kind, OPTIONS[name]))
    leaves = [x.requires_grad_() for x in inputs]
    gradients = torch.autograd.grad(triton(*leaves, scale=1.0).sum(), leaves)
    assert all(gradient.isfinite().all() for gradient in gradients)


@each_kind
@pytest.mark.parametrize("place", [0, 17])
def test_one_enormous_score_among_zeros(kind, place):
    query, key, value = np.ones((N, 1)), np.zeros((M, 1)), draw((M, D_V))[0]
    key[place] = 10_000
    inputs = make(kind, query, key, value)
    check_results(*inputs)
    expected = inputs[2][place].expand(N, D_V)
    assert torch.equal(triton(*inputs), expected)


@each_kind
def test_the_least_float16_as_an_additive_mask(kind):
    least = float(np.finfo(np.float16).min)
    mask = np.where(BOOLEAN, 0, least)  # a row that is all least is weighed as if unmasked
    inputs = make(kind, *draw((N, D_K), (M, D_K), (M, D_V)))
    check_results(*inputs, attn_mask=kind.make(mask))


# --- gradients


@each_kind
def test_the_log_sum_exp_has_gradients(kind):
    inputs = make(kind, *draw((N, D_K), (M, D_K), (M, D_V)))
    direction = kind.make(draw((N,), seed=3)[0])

    def gradients(function, cast=lambda x: x):
        query, key = (cast(x).clone().requires_grad_() for x in inputs[:2])
        return torch.autograd.grad(function(query, key), (query, key), cast(direction))

    options = {"is_causal": True, "scale": 0.7}
    theirs = lambda q, k: torch_log_sum_exp(q, k, **options)  # noqa: E731
    ours = gradients(lambda q, k: triton(q, k, inputs[2], return_lse=True, **options)[1])
    exact = gradients(theirs, cast=torch.Tensor.double)
    for mine, torchs, true in zip(ours, gradients(theirs), exact, strict=True):
        assert_as_exact_as_torch(mine, torchs, true)


@each_exact_kind
def test_a_gradient_that_does_not_exist_is_refused(kind):
    inputs = make(kind, *draw((FEW, D_K), (SOME, D_K), (SOME, D_V)))
    mask = kind.make(draw((FEW, SOME))[0]).requires_grad_()
    with pytest.raises(
        ValueError, match="^attn_mask: got one that needs a gradient, .* use 'formula'"
    ):
        triton(*inputs, attn_mask=mask)
    with torch.no_grad():
        triton(*inputs, attn_mask=mask)


@each_exact_kind
@pytest.mark.parametrize("result", ["out", "lse"])
@pytest.mark.parametrize("name", ["query", "key", "value", "direction"])
def test_a_second_derivative_is_refused_and_says_what_to_use(kind, result, name):
    inputs = [x.requires_grad_() for x in make(kind, *draw((FEW, D_K), (SOME, D_K), (SOME, D_V)))]
    out = triton(*inputs, return_lse=True)[result == "lse"]
    direction = torch.ones_like(out, requires_grad=True)
    gradients = torch.autograd.grad(out, inputs[:2], direction, create_graph=True)
    named = dict(zip(("query", "key", "value", "direction"), [*inputs, direction], strict=True))
    with pytest.raises(RuntimeError, match="Triton .* no second derivative; use .*'formula'"):
        torch.autograd.grad(sum(x.sum() for x in gradients), named[name])


# --- causality, and blocks that nobody may see


@each_kind
@pytest.mark.parametrize("place", [1, 15, 16, 33])
def test_nothing_before_a_word_moves_by_one_bit_when_the_word_changes(kind, place):
    X = draw((N, D_K))[0]
    changed = X.copy()
    changed[place] = 50
    before, after = (triton(*[kind.make(x)] * 3, is_causal=True) for x in (X, changed))
    assert torch.equal(before[:place], after[:place])
    assert (before[place] != after[place]).any()


@each_kind
@pytest.mark.parametrize("place", [1, 15, 16, 33])
def test_nothing_outside_the_window_moves_by_one_bit_when_a_word_changes(kind, place):
    query, *X = draw((N, D_K), (N, D_K), (N, D_V))
    changed = [x.copy() for x in X]
    changed[0][place] *= -1
    changed[1][place] += 5
    before, after = (triton(*make(kind, query, *x), window=(2, 3)) for x in (X, changed))
    seen = np.array([reference.may_meet(i, place, window=(2, 3)) for i in range(N)])
    assert torch.equal(before[~seen], after[~seen])
    assert (before[seen] != after[seen]).any(-1).all()


@quietly
@needs_interpreter
@pytest.mark.parametrize(
    "options", [{"is_causal": True}, {"window": (3, 3)}], ids=["causal", "window"]
)
def test_blocks_that_a_whole_block_may_not_see_are_never_read(options):
    query, key, value, direction = map(
        torch.tensor, (x.astype(np.float32) for x in draw((64, 4), (96, 4), (96, 4), (64, 4)))
    )
    key[48:], value[48:] = np.nan, np.nan  # rows 0 to 31 see none of them
    inputs = [x.requires_grad_() for x in (query, key, value)]
    out = triton(*inputs, **options)
    assert out[:32].isfinite().all() and out[48:].isnan().any()
    with torch.no_grad():
        query[:16], direction[:16] = np.nan, np.nan  # keys from 48 on see none of rows 0 to 31
        key.nan_to_num_(), value.nan_to_num_()
    out = triton(*inputs, **options)
    d_query, d_key, d_value = torch.autograd.grad(out, inputs, direction)
    assert d_query[32:].isfinite().all() and d_key[:16].isnan().any()
    assert d_key[48:].isfinite().all() and d_value[48:].isfinite().all()


# --- what the kernel needs and takes


def test_a_machine_without_triton_is_told_what_to_use():
    code = """
import sys
sys.modules["triton"] = None
import torch, attnlib
X = torch.ones(2, 2)
assert attnlib.attention(X, X, X).tolist() == X.tolist()
try:
    import attnlib.implementations.triton_kernel
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("implementation: got 'triton', expected 'blockwise' or 'formula'")


@pytest.mark.slow
def test_a_machine_without_triton_skips_the_chapter_and_says_why():
    code = """
import sys
sys.modules["triton"] = None
import pytest
pytest.main(["-q", "-rs", "--nbval", "--nbval-current-env", "-o", "addopts=", sys.argv[1]])
"""
    chapter = ROOT / "chapters" / "gpu_kernel.ipynb"
    done = subprocess.run([sys.executable, "-c", code, chapter], cwd=ROOT, capture_output=True)
    assert re.search(rb"^\d+ skipped in", done.stdout, re.MULTILINE), done.stdout.decode()
    assert b"triton is not installed; it exists for Linux only" in done.stdout


@each_exact_kind
@pytest.mark.parametrize(
    "shape, dtype, error, words",
    [((2, 129), "float32", ValueError, "129"), ((2, 3), "float64", TypeError, "float64")],
)
def test_what_the_kernel_does_not_take_is_refused(kind, shape, dtype, error, words):
    X = torch.ones(shape, dtype=getattr(torch, dtype), device=kind.home)
    with pytest.raises(error, match=f"^query: got .*{words}.*'triton'; use 'blockwise'"):
        triton(X, X, X)


# --- its compilation


@pytest.mark.parametrize(
    "dtype, width, mask, capability",
    [
        ("float16", 128, "additive", 80),
        ("float16", 128, "additive", 90),
        ("bfloat16", 64, "none", 90),
        ("float32", 128, "boolean", 90),
    ],
)
@pytest.mark.slow  # the chapter gpu_kernel compiles some, too
def test_the_kernels_compile_for_gpus_and_fit_their_shared_memory(
    tmp_path, dtype, width, mask, capability
):
    kernels = "forward", "backward_query", "backward_key"
    orders = [f"{kernel},{dtype},{width},{mask},{capability}" for kernel in kernels]
    command = [sys.executable, "-m", "attnbook.notebook.compile_kernel", *orders]
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert [of_one["kernel"] for of_one in made] == list(kernels)
    for of_one in made:
        assert 0 < of_one["shared"] <= 99 * 1024, of_one
        if dtype == "float32":
            assert of_one["mma"] == of_one["wgmma"] == 0 < of_one["fma"], of_one
        else:  # the tensor cores of each generation
            assert of_one[{80: "mma", 90: "wgmma"}[capability]] > 0, of_one


def test_what_cannot_be_compiled_is_refused_in_words():
    order = "forward,float32,64,none,80"
    code = f"from attnbook.notebook import compile_kernel as c; c.compiled('{order}')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode and "RuntimeError: TRITON_INTERPRET: got 1" in done.stderr


# --- on a GPU

if HAS_CUDA:

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("d_k, d_v", [(64, 64), (128, 128), (80, 40)])
    @pytest.mark.parametrize("name", ["plain", "causal", "window", "boolean", "additive"])
    def test_long_sequences_on_cuda(dtype, d_k, d_v, name):
        n, m = 1000, 1303
        mask = rng.random((1, 4, n, m)) < 0.5
        options = {
            "plain": {},
            "causal": {"is_causal": True, "causal_offset": m - n},
            "window": {"window": (200, 30)},
            "boolean": {"attn_mask": mask},
            "additive": {"attn_mask": np.where(mask, 1.0, -np.inf)},
        }[name]
        kind = Kind("cuda", dtype)
        inputs = make(kind, *draw((2, 4, n, d_k), (2, 2, m, d_k), (2, 2, m, d_v)))
        options = as_kind(kind, options) | {"enable_gqa": True}
        exact = torch_attention(*[x.double() for x in inputs], **options)
        assert_as_exact_as_torch(
            triton(*inputs, **options), torch_attention(*inputs, **options), exact
        )
        check_gradients(*inputs, **options)

    def test_the_interpreter_runs_beside_cuda():
        environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-m", "pytest", "-q", __file__, "-k", "interpreter"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and " passed" in done.stdout, done.stdout
