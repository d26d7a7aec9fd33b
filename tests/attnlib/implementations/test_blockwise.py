"""What only blocks can get wrong: their borders, the blocks left out, the threads, the memory."""

import functools
import gc
import itertools
import tracemalloc

import numpy as np
import pytest
import torch

from attnlib import attention
from attnlib.implementations import blocks, blockwise, blockwise_torch
from tests.support.kinds import DOUBLE_KINDS, assert_as_exact_as_torch, draw, float64, make

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

each_double = pytest.mark.parametrize("kind", DOUBLE_KINDS)
fused = functools.partial(attention, implementation="blockwise")
formula = functools.partial(attention, implementation="formula")


@pytest.fixture
def blocks_of_four(monkeypatch):
    """8 queries and 8 keys or, under is_causal or window, 4 and 4."""
    monkeypatch.setattr(blocks, "BLOCK", (8, 8))
    monkeypatch.setattr(blocks, "BAND_BLOCK", (4, 4))
    monkeypatch.setattr(blocks, "PAIRS", 64)


def same(ours, theirs):
    for mine, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(float64(mine), float64(their), atol=1e-13)


LENGTHS_AROUND = 1, 3, 4, 5, 8, 9


@each_double
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"is_causal": True, "causal_offset": 3},
        {"is_causal": True, "causal_offset": -4},
        {"window": (3, 0)},
        {"window": (4, 4), "causal_offset": 1},
        {"window": (-1, 3)},
        {"window": (2, -1)},
    ],
    ids=str,
)
def test_lengths_around_the_border_of_a_block(blocks_of_four, kind, options):
    for n, m in itertools.product(LENGTHS_AROUND, LENGTHS_AROUND):
        inputs = make(kind, *draw((2, n, 3), (2, m, 3), (2, m, 5)))
        options = options | {"return_lse": True}
        same(fused(*inputs, **options), formula(*inputs, **options))
        if kind.home != "numpy":
            directions = make(kind, *draw((2, n, 5), (2, n), seed=1))
            directions[1][formula(*inputs, **options)[1].isinf()] = 0  # lse is -inf there
            leaves = [x.requires_grad_() for x in inputs]
            ours, theirs = (
                torch.autograd.grad(function(*leaves, **options), leaves, directions)
                for function in (fused, formula)
            )
            same(ours, theirs)


@each_double
@pytest.mark.parametrize("options", [{"is_causal": True}, {"window": (2, 1)}], ids=str)
def test_a_block_that_nobody_may_see_is_never_looked_at(blocks_of_four, kind, options):
    query, key, value = draw((12, 3), (12, 3), (12, 5))
    expected = formula(query, key, value, **options)
    key[8:] = value[8:] = np.nan  # hidden from all of queries 0 to 3, and from some of the others
    inputs = make(kind, query, key, value)
    with np.errstate(invalid="ignore"):
        out = float64(fused(*inputs, **options))
        assert np.isnan(float64(formula(*inputs, **options))[:4]).all()  # 0 · NaN
    np.testing.assert_allclose(out[:4], expected[:4], atol=1e-13)
    assert np.isnan(out[8:]).all()


@each_double
def test_a_larger_score_in_a_later_block_rescales_what_came_before(blocks_of_four, kind):
    query, value = np.ones((1, 1)), np.arange(12.0)[:, None]
    for key in (np.linspace(-2000, 2000, 12), np.linspace(2000, -2000, 12), np.full(12, 1e4)):
        inputs = make(kind, query, key[:, None], value)
        same(fused(*inputs, return_lse=True), formula(*inputs, return_lse=True))


def test_numpy_gives_each_thread_a_block_and_keeps_the_callers_errstate(
    blocks_of_four, monkeypatch
):
    inputs = draw((2, 3, 9, 3), (2, 3, 10, 3), (2, 3, 10, 5))
    one = fused(*inputs, return_lse=True)
    monkeypatch.setattr(blockwise, "_num_threads", lambda array: 3)
    for mine, theirs in zip(fused(*inputs, return_lse=True), one, strict=True):
        assert np.array_equal(mine, theirs)
    inputs[1][:] = np.inf  # inf - inf in every thread
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        fused(*inputs)
    with np.errstate(invalid="ignore"):
        fused(*inputs)


def test_threads_are_as_many_as_blas_has():
    from threadpoolctl import threadpool_info, threadpool_limits

    with threadpool_limits(limits=2, user_api="blas"):
        most = max(x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas")
        assert blockwise._num_threads(np.empty(0)) == most
    assert blockwise._num_threads(torch.empty(0)) == 1


@pytest.mark.parametrize("scale", [0.02, 0.2, 2.0])
@pytest.mark.parametrize("gradient", [False, True])
def test_bfloat16_stays_as_exact_as_torch_in_long_rows(scale, gradient):
    arrays = draw((2, 70, 32), (2, 3000, 32), (2, 3000, 32))
    inputs = [torch.tensor(x).bfloat16() for x in arrays]
    exact = formula(*[x.double() for x in inputs], scale=scale)
    torchs = torch.nn.functional.scaled_dot_product_attention(*inputs, scale=scale)
    ours = fused(*[x.requires_grad_(gradient) for x in inputs], scale=scale).detach()
    assert_as_exact_as_torch(ours, torchs, exact)


@pytest.mark.parametrize("size", [1e3, 1e8, 1e30])
def test_bfloat16_finds_the_largest_of_enormous_scores(monkeypatch, size):
    monkeypatch.setattr(blockwise_torch, "is_bfloat16_fast", lambda tensor: True)
    query, key, value = [torch.tensor(x).bfloat16() for x in draw((70, 8), (1100, 8), (1100, 4))]
    out, lse = fused(query * size**0.5, key * size**0.5, value, return_lse=True)
    scores = (query * size**0.5).double() @ (key * size**0.5).double().mT / 8**0.5
    first, second = scores.topk(2).values.mT
    is_clear = first - second > 1e-5 * first + 30  # beyond the rounding of float32: one weight is 1
    assert is_clear.sum() > 35
    largest = value[scores.argmax(-1)]
    torch.testing.assert_close(out[is_clear], largest[is_clear], rtol=2**-7, atol=0)
    torch.testing.assert_close(lse[is_clear].double(), first[is_clear], rtol=2**-8, atol=0)


def test_bfloat16_tells_close_scores_apart_across_blocks_however_large_they_are(monkeypatch):
    monkeypatch.setattr(blockwise_torch, "is_bfloat16_fast", lambda tensor: True)
    sizes = torch.arange(200.0, 328, 2)  # their squares are scores, to which 5 is added in block 2
    query = torch.stack([sizes, torch.ones(64)], -1)[:, None]  # (64, 1, 2)
    key, value = torch.zeros(64, 1024, 2), torch.zeros(1024, 1).expand(64, -1, -1).clone()
    key[:, 0, 0] = key[:, 600, 0] = sizes
    key[:, 600, 1], value[:, 0] = 5, 1
    out = fused(query.bfloat16(), key.bfloat16(), value.bfloat16(), scale=1.0)
    expected = torch.full_like(out, 1 / (1 + np.exp(5))).float()
    torch.testing.assert_close(out.float(), expected, rtol=0.03, atol=0)


def test_bfloat16_weights_are_rounded_only_where_no_gradient_is_asked(monkeypatch):
    monkeypatch.setattr(blockwise_torch, "is_bfloat16_fast", lambda tensor: True)
    inputs = [torch.tensor(x).bfloat16() for x in draw((50, 8), (300, 8), (300, 8))]
    exact = fused(*[x.double() for x in inputs])
    rounded, kept = fused(*inputs), fused(*[x.requires_grad_() for x in inputs])
    assert not torch.equal(rounded, kept.detach())
    torch.testing.assert_close(kept, exact.bfloat16(), rtol=2**-8, atol=0)


# --- memory

LENGTHS = 2048, 4096


def assert_grows_linearly(shorter, longer):
    """Check that each further row adds five rows of four numbers, and that no matrix is stored."""
    row = 4 * 4  # bytes of a row of four float32
    assert longer - shorter <= 5 * row * (LENGTHS[1] - LENGTHS[0])
    assert longer < LENGTHS[1] ** 2 * 4 / 20


@pytest.mark.parametrize("options", [{"is_causal": True}, {"window": (64, 64)}], ids=str)
def test_the_extra_memory_of_numpy_grows_linearly(options):
    def peak(length):
        inputs = [np.ones((length, 4), dtype=np.float32) for _ in range(3)]
        gc.collect()
        tracemalloc.start()
        try:
            fused(*inputs, **options)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert_grows_linearly(*map(peak, LENGTHS))


def torch_peak(function):
    """Return the most bytes that torch's allocator held at once while the function ran."""
    gc.collect()
    with torch.profiler.profile(profile_memory=True) as profiler:
        function()
    changes = [
        event.nbytes()
        for event in profiler.profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    return max(itertools.accumulate(changes))


@pytest.mark.parametrize(
    "options",
    [{"is_causal": True}, pytest.param({"window": (64, 64)}, marks=pytest.mark.slow)],
    ids=str,
)
def test_the_extra_memory_of_torch_grows_linearly_forward_and_backward(options):
    def peaks(length):
        inputs = [torch.ones(length, 4, requires_grad=True) for _ in range(3)]
        forward = torch_peak(lambda: fused(*inputs, **options))
        out = fused(*inputs, **options)
        return forward, torch_peak(out.sum().backward)

    for of_one_pass in zip(*map(peaks, LENGTHS), strict=True):
        assert_grows_linearly(*of_one_pass)


def test_the_allocator_count_sees_a_matrix_of_scores():
    inputs = [torch.ones(1024, 4) for _ in range(3)]
    assert torch_peak(lambda: formula(*inputs)) > 1024**2 * 4
