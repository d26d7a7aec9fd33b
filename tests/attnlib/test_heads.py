"""Heads: cut apart and put together as slices of the width, and equal to torch's module."""

import numpy as np
import pytest
import torch

from attnlib import causal_mask, merge_heads, multi_head_attention, split_heads
from tests.support import reference
from tests.support.kinds import (
    KINDS,
    TORCH_KINDS,
    as_torch,
    assert_as_exact_as_torch,
    draw,
    float64,
    make,
)

B, H, N, M, D_MODEL, D_K, D_V, D_OUT = 2, 3, 4, 5, 6, 2, 7, 8
SHAPES = (B, N, D_MODEL), (B, M, D_MODEL), (B, M, D_MODEL)
MATRICES = (D_MODEL, H * D_K), (D_MODEL, H * D_K), (D_MODEL, H * D_V), (H * D_V, D_OUT)

each_kind = pytest.mark.parametrize("kind", KINDS)
each_lead = pytest.mark.parametrize("lead", [(), (2,), (1, 2)], ids=str)


@each_kind
@each_lead
def test_head_h_holds_its_own_columns(kind, lead):
    X = kind.make(draw((*lead, N, H * D_V))[0])
    parts = split_heads(X, H)
    assert kind.holds(parts) and tuple(parts.shape) == (*lead, H, N, D_V)
    for h in range(H):
        assert (parts[..., h, :, :] == X[..., h * D_V : (h + 1) * D_V]).all()


@each_kind
@each_lead
def test_merging_puts_the_heads_side_by_side(kind, lead):
    parts = kind.make(draw((*lead, H, N, D_V))[0])
    merged = merge_heads(parts)
    side_by_side = np.concatenate([float64(parts)[..., h, :, :] for h in range(H)], axis=-1)
    assert kind.holds(merged)
    assert np.array_equal(float64(merged), side_by_side)


@each_kind
def test_merging_undoes_splitting(kind):
    X = kind.make(draw((B, N, H * D_V))[0])
    assert (merge_heads(split_heads(X, H)) == X).all()


def by_loop(query, key, value, W_Q, W_K, W_V, W_O, **options):
    """Attend head by head with the loop of reference.py, each on its slice of the matrices."""
    heads = []
    for h in range(H):
        k, v = slice(h * D_K, (h + 1) * D_K), slice(h * D_V, (h + 1) * D_V)
        heads.append(
            reference.attention(query @ W_Q[:, k], key @ W_K[:, k], value @ W_V[:, v], **options)
        )
    out = np.concatenate([out for out, _, _ in heads], axis=-1) @ W_O
    return out, *(np.stack([head[i] for head in heads], axis=1) for i in (1, 2))


def in_torch(query, key, value, W_Q, W_K, W_V, W_O):
    """Compute the same in torch, in the dtype of the inputs."""
    parts = [
        (X @ W).unflatten(-1, (H, -1)).transpose(-2, -3)
        for X, W in ((query, W_Q), (key, W_K), (value, W_V))
    ]
    out = torch.nn.functional.scaled_dot_product_attention(*parts)
    return out.transpose(-2, -3).flatten(-2) @ W_O


@each_kind
def test_multi_head_attention_is_a_loop_over_heads(kind):
    inputs = make(kind, *draw(*SHAPES, *MATRICES))
    out = multi_head_attention(*inputs, num_heads=H)
    assert kind.holds(out)
    assert_as_exact_as_torch(
        out, in_torch(*map(as_torch, inputs)), by_loop(*map(float64, inputs))[0]
    )


@pytest.mark.parametrize(
    "options",
    [{"is_causal": True}, {"window": (1, 0), "causal_offset": 1}, {"scale": 0.2}],
    ids=str,
)
def test_options_reach_every_head(options):
    inputs = draw(*SHAPES, *MATRICES)
    out = multi_head_attention(*inputs, num_heads=H, **options)
    np.testing.assert_allclose(out, by_loop(*inputs, **options)[0], atol=1e-12)


def test_a_mask_may_differ_by_head():
    inputs = draw(*SHAPES, *MATRICES)
    mask = np.stack([causal_mask(N, M, offset=h) for h in range(H)])  # (H, N, M)
    out, weights = multi_head_attention(*inputs, num_heads=H, attn_mask=mask, return_weights=True)
    assert ((weights > 0) == mask).all()
    each = [by_loop(*inputs, is_causal=True, causal_offset=h)[1] for h in range(H)]
    np.testing.assert_allclose(
        weights, np.stack([each[h][:, h] for h in range(H)], axis=1), atol=1e-12
    )
    assert out.shape == (B, N, D_OUT)


@pytest.mark.parametrize("wanted", ["weights", "lse", "weights lse"])
def test_extras_come_in_one_order(wanted):
    inputs = draw(*SHAPES, *MATRICES)
    expected = dict(zip(("out", "weights", "lse"), by_loop(*inputs), strict=True))
    extras = {f"return_{extra}": True for extra in wanted.split()}
    results = multi_head_attention(*inputs, num_heads=H, **extras)
    for name, result in zip(["out", *wanted.split()], results, strict=True):
        np.testing.assert_allclose(result, expected[name], atol=1e-12)


@pytest.mark.parametrize("kind", TORCH_KINDS)
def test_gradients_equal_torch(kind):
    inputs = make(kind, *draw(*SHAPES, *MATRICES))

    def gradients(function, cast=lambda x: x):
        leaves = [cast(x).clone().requires_grad_() for x in inputs]
        return torch.autograd.grad(function(*leaves).square().sum(), leaves)

    ours = gradients(lambda *x: multi_head_attention(*x, num_heads=H))
    exact = gradients(in_torch, cast=torch.Tensor.double)
    for mine, theirs, true in zip(ours, gradients(in_torch), exact, strict=True):
        assert_as_exact_as_torch(mine, theirs, true)
