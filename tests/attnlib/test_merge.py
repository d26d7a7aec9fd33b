"""merge: partial results over disjoint keys, joined, are the result over all of them."""

import functools

import numpy as np
import pytest
import torch

from attnlib import attention, merge
from tests.support.kinds import DOUBLE_KINDS, KINDS, assert_as_exact_as_torch, draw, float64, make

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

H, N, M, D_K, D_V = 2, 4, 9, 3, 5
each_kind = pytest.mark.parametrize("kind", KINDS)
each_double = pytest.mark.parametrize("kind", DOUBLE_KINDS)
INPUTS = draw((H, N, D_K), (H, M, D_K), (H, M, D_V))


def part(query, key, value, start, end, **options):
    """Attend to keys start to end only; a causal row i sees keys 0 to i + 2 of all of them."""
    if options.get("is_causal"):
        options["causal_offset"] = 2 - start
    key, value = key[:, start:end], value[:, start:end]
    return attention(query, key, value, return_lse=True, **options)


@each_kind
@pytest.mark.parametrize("border", [0, 1, 4, 9])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}], ids=["plain", "causal"])
def test_two_parts_make_the_whole(kind, border, options):
    inputs = make(kind, *INPUTS)
    out, lse = merge(
        *part(*inputs, 0, border, **options),
        *part(*inputs, border, M, **options),
    )
    assert kind.holds(out) and kind.holds(lse)
    wide = list(map(float64, inputs))
    exact_out, exact_lse = part(*wide, 0, M, **options)
    if kind.dtype in ("float16", "bfloat16"):  # each part's lse is rounded already
        step = 2 * {"float16": 2**-11, "bfloat16": 2**-8}[kind.dtype]
        np.testing.assert_allclose(float64(out), exact_out, atol=4 * step)
        np.testing.assert_allclose(float64(lse), exact_lse, atol=4 * step)
    else:
        theirs_out, theirs_lse = part(*inputs, 0, M, **options)
        assert_as_exact_as_torch(out, theirs_out, exact_out)
        assert_as_exact_as_torch(lse, theirs_lse, exact_lse)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_is_computed_in_float32(dtype):
    outs = draw((N, D_V), (N, D_V))
    low = [torch.tensor(out).to(getattr(torch, dtype)) for out in outs]
    lses = [torch.tensor(lse).float() for lse in draw((N,), (N,), seed=1)]
    out, lse = merge(low[0], lses[0], low[1], lses[1])
    assert out.dtype == low[0].dtype and lse.dtype == torch.float32
    wide, wide_lse = merge(low[0].double(), lses[0].double(), low[1].double(), lses[1].double())
    assert torch.equal(out, wide.to(out.dtype))  # rounded once
    torch.testing.assert_close(lse, wide_lse.float())


@each_double
def test_the_order_of_the_parts_does_not_matter(kind):
    inputs = make(kind, *INPUTS)
    a, b, c = (part(*inputs, *ends) for ends in ((0, 2), (2, 3), (3, 9)))
    left = merge(*merge(*a, *b), *c)
    for other in (merge(*a, *merge(*b, *c)), merge(*merge(*c, *a), *b), part(*inputs, 0, 9)):
        for mine, theirs in zip(left, other, strict=True):
            np.testing.assert_allclose(float64(mine), float64(theirs), atol=1e-14)


@each_kind
@pytest.mark.parametrize("junk", [np.nan, np.inf, 7.0])
def test_an_empty_part_changes_nothing_whatever_it_holds(kind, junk):
    out, lse, empty, nothing = make(
        kind, *draw((N, D_V), (N,)), np.full((N, D_V), junk), np.full(N, -np.inf)
    )
    for joined in (merge(out, lse, empty, nothing), merge(empty, nothing, out, lse)):
        assert np.array_equal(float64(joined[0]), float64(out))
        assert np.array_equal(float64(joined[1]), float64(lse))
    both_out, both_lse = merge(empty, nothing, empty, nothing)
    assert not float64(both_out).any() and np.isneginf(float64(both_lse)).all()


@each_double
def test_log_sum_exps_of_ten_thousand(kind):
    a, b = draw((1, D_V), (1, D_V))
    for lse_a, lse_b, share in ((1e4, 1e4, 0.5), (-1e4, 1e4, 0), (1e4, -1e4, 1)):
        out, lse = merge(*make(kind, a, np.array([lse_a]), b, np.array([lse_b])))
        np.testing.assert_allclose(float64(out), share * a + (1 - share) * b, rtol=1e-12)
        np.testing.assert_allclose(float64(lse), np.logaddexp(lse_a, lse_b))


@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_gradients_flow_to_all_four(check):
    shapes = (N, D_V), (N,), (N, D_V), (N,)
    assert check(merge, [torch.tensor(x).requires_grad_() for x in draw(*shapes)])


@pytest.mark.parametrize("implementation", ["formula", "blockwise"])
def test_gradients_through_parts_are_those_of_the_whole(implementation):
    def gradients(function):
        inputs = [torch.tensor(x).requires_grad_() for x in INPUTS]
        return torch.autograd.grad(function(*inputs)[0].square().sum(), inputs)

    cut = functools.partial(part, is_causal=True, implementation=implementation)
    whole = gradients(lambda *x: cut(*x, 0, M))
    parts = gradients(
        lambda *x: merge(*cut(*x, 0, 4), *cut(*x, 4, M))
    )  # some rows of the second are empty
    for mine, theirs in zip(parts, whole, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-13, rtol=0)


GOOD = np.ones((3, 4)), np.ones(3), np.ones((3, 4)), np.ones(3)


@pytest.mark.parametrize(
    "place, wrong, error, message",
    [
        (0, [1.0], TypeError, "out_a: got list, expected a NumPy array or a torch tensor"),
        (0, np.ones(3), ValueError, r"out_a: got shape \(3,\), expected \(..., N, d_v\)"),
        (2, np.ones((3, 5)), ValueError, r"out_b: got shape \(3, 5\), expected out_a's \(3, 4\)"),
        (2, torch.ones(3, 4), TypeError, "out_b: got a torch tensor, expected a NumPy array like"),
        (1, np.ones((3, 1)), ValueError, r"lse_a: got shape \(3, 1\), expected \(3,\) for out_a"),
        (3, np.ones(4), ValueError, r"lse_b: got shape \(4,\), expected \(3,\) for out_a"),
        (3, np.ones(3, "f4"), TypeError, "lse_b: got dtype float32, expected lse_a's float64"),
    ],
)
def test_merge_refuses(place, wrong, error, message):
    arguments = [*GOOD[:place], wrong, *GOOD[place + 1 :]]
    with pytest.raises(error, match=f"^{message}"):
        merge(*arguments)


def test_merge_refuses_lses_of_another_kind_or_dtype():
    tensors = [torch.ones(3), torch.ones(3)]
    with pytest.raises(
        TypeError, match="^lse_a: got a torch tensor, expected a NumPy array like out_a"
    ):
        merge(GOOD[0], tensors[0], GOOD[2], tensors[1])
    halves = [np.ones(3, "f2")] * 2
    with pytest.raises(TypeError, match="^lse_a: got dtype float16, expected out_a's float64 or f"):
        merge(GOOD[0], halves[0], GOOD[2], halves[1])
