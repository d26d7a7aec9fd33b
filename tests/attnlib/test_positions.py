"""Positions, against loops over single numbers and against what they are for: distances."""

import math

import numpy as np
import pytest
import torch

from attnlib import rotary, scores, sinusoidal_positions


def test_sinusoidal_positions_are_the_papers_sines_and_cosines():
    wanted = np.zeros((7, 10))
    for p in range(7):
        for i in range(5):
            wanted[p, 2 * i] = math.sin(p / 10000 ** (2 * i / 10))
            wanted[p, 2 * i + 1] = math.cos(p / 10000 ** (2 * i / 10))
    np.testing.assert_allclose(sinusoidal_positions(7, 10), wanted, atol=1e-12)


def test_rotary_is_the_papers_matrix_of_two_by_two_rotations():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 6))  # (B, H, N, d_k)
    wanted = np.zeros_like(x)
    for p in range(5):
        R = np.zeros((6, 6))
        for i in range(3):
            angle = (p + 4) * 10000 ** (-2 * i / 6)
            c, s = math.cos(angle), math.sin(angle)
            R[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[c, -s], [s, c]]
        wanted[:, :, p] = x[:, :, p] @ R.T
    np.testing.assert_allclose(rotary(x, offset=4), wanted, atol=1e-12)


def test_turned_queries_and_keys_meet_by_their_distance_alone():
    rng = np.random.default_rng(1)
    query, key = rng.normal(size=(9, 8)), rng.normal(size=(9, 8))
    here = scores(rotary(query), rotary(key))
    far_away = scores(rotary(query, offset=1000), rotary(key, offset=1000))
    np.testing.assert_allclose(here, far_away, atol=1e-10)
    assert np.abs(here - scores(rotary(query, offset=1), rotary(key))).max() > 0.1


def test_a_cached_row_is_turned_as_in_the_whole():
    x = np.random.default_rng(2).normal(size=(3, 6, 4))
    np.testing.assert_array_equal(rotary(x)[:, 4:], rotary(x[:, 4:], offset=4))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_kind_and_dtype_are_kept_and_gradients_flow(dtype):
    x = torch.randn(2, 3, 4, dtype=torch.float64).to(dtype).requires_grad_()
    turned = rotary(x)
    assert turned.dtype == dtype and sinusoidal_positions(3, 4, like=x).dtype == dtype
    assert sinusoidal_positions(3, 4).dtype == np.float64
    # a rotation keeps lengths: the gradient of half the squared length is x itself
    (turned.double() ** 2 / 2).sum().backward()
    tolerance = 4 * torch.finfo(dtype).eps * x.abs().max().item()
    torch.testing.assert_close(x.grad, x.detach(), atol=tolerance, rtol=0)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: sinusoidal_positions(3, 5), ValueError, "d_model: got 5, expected an even"),
        (lambda: sinusoidal_positions(3, 0), ValueError, "d_model: got 0, expected an even"),
        (
            lambda: sinusoidal_positions(-1, 4),
            ValueError,
            "num_positions: got -1, expected 0 or more",
        ),
        (
            lambda: sinusoidal_positions(1.5, 4),
            TypeError,
            "num_positions: got 1.5, expected an integer",
        ),
        (lambda: rotary(np.ones((2, 3))), ValueError, "x: got d_k = 3, expected an even"),
        (lambda: rotary(np.ones(4)), ValueError, "x: got shape"),
        (lambda: rotary([[1.0, 2.0]]), TypeError, "x: got list, expected a NumPy array"),
        (
            lambda: rotary(np.ones((2, 4)), offset=0.5),
            TypeError,
            "offset: got 0.5, expected an integer",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=f"^{message}"):
        call()
