"""The masks against a loop over pairs, on every kind of array that can carry one."""

import itertools
import math

import numpy as np
import pytest
import torch

from attnlib import causal_mask, dilated_mask, padding_mask, window_mask
from tests.support.kinds import HAS_CUDA, KINDS
from tests.support.reference import may_meet

SIZES = [(3, 5), (5, 3), (4, 4), (1, 6), (6, 1), (0, 3), (3, 0)]
OFFSETS = [0, 2, -2, 7, -7]


def by_loop(num_queries, num_keys, **pairs):
    return [[may_meet(i, j, **pairs) for j in range(num_keys)] for i in range(num_queries)]


@pytest.mark.parametrize("n, m", SIZES)
def test_causal_mask_shows_what_came_before(n, m):
    for offset in OFFSETS:
        expected = by_loop(n, m, is_causal=True, causal_offset=offset)
        assert causal_mask(n, m, offset=offset).tolist() == expected


@pytest.mark.parametrize("n, m", SIZES)
@pytest.mark.parametrize("window", [(0, 0), (1, 2), (-1, 1), (1, -1), (-1, -1), (9, 9)])
def test_window_mask_shows_the_neighbours(n, m, window):
    for offset in OFFSETS:
        expected = by_loop(n, m, causal_offset=offset, window=window)
        assert window_mask(n, m, window=window, offset=offset).tolist() == expected


@pytest.mark.parametrize("heads", [1, 2, 5])
@pytest.mark.parametrize("is_causal", [False, True])
def test_dilated_mask_shows_the_kept_words_of_the_own_segment(heads, is_causal):
    for n, segment, rate in itertools.product((0, 1, 5, 12), (1, 4, 5, 20), (1, 2, 3, 7)):
        mask = dilated_mask(
            n, segment_length=segment, dilation_rate=rate, num_heads=heads, is_causal=is_causal
        )
        assert mask.shape == (heads, n, n)
        for h, i, j in itertools.product(range(heads), range(n), range(n)):
            offset = h // math.ceil(heads / rate)
            first, second = i % segment - offset, j % segment - offset
            are_kept = first >= 0 == first % rate and second >= 0 == second % rate
            together = are_kept and i // segment == j // segment
            assert mask[h, i, j] == (together and (j <= i or not is_causal)), (n, segment, rate)


def test_dilated_mask_by_hand():
    mask = dilated_mask(5, segment_length=3, dilation_rate=2, num_heads=2)
    assert np.argwhere(mask[0]).tolist() == [[0, 0], [0, 2], [2, 0], [2, 2], [3, 3]]
    assert np.argwhere(mask[1]).tolist() == [[1, 1], [4, 4]]


def test_causal_mask_by_hand():
    assert causal_mask(2, 3, offset=1).tolist() == [[True, True, False], [True, True, True]]


@pytest.mark.parametrize("kind", KINDS)
def test_masks_lie_where_their_example_lies(kind):
    mask = causal_mask(2, 3, like=kind.make(np.ones(1)))
    assert kind._replace(dtype="bool").holds(mask)
    assert mask.tolist() == causal_mask(2, 3).tolist()
    mask = dilated_mask(5, segment_length=3, dilation_rate=2, like=kind.make(np.ones(1)))
    assert kind._replace(dtype="bool").holds(mask)
    assert mask.tolist() == dilated_mask(5, segment_length=3, dilation_rate=2).tolist()


HOMES = {"numpy": np.array, "cpu": torch.tensor}
if HAS_CUDA:
    HOMES["cuda"] = lambda x: torch.tensor(x, device="cuda")


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
def test_padding_mask_hides_what_lies_behind_the_end(home):
    lengths = home([0, 2, 3])
    mask = padding_mask(lengths, 4)
    assert type(mask) is type(lengths) and tuple(mask.shape) == (3, 1, 1, 4)
    assert mask[:, 0, 0].tolist() == [[j < length for j in range(4)] for length in (0, 2, 3)]


TWO = {"segment_length": 2, "dilation_rate": 2}


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: causal_mask(-1, 2), "num_queries: got -1, expected 0 or more"),
        (lambda: window_mask(1, -2, window=(0, 0)), "num_keys: got -2, expected 0 or more"),
        (lambda: window_mask(1, 2, window=(-2, 0)), r"window: got \(-2, 0\), expected -1"),
        (lambda: window_mask(1, 2, window=(0, -3)), r"window: got \(0, -3\), expected -1"),
        (
            lambda: padding_mask(np.ones((2, 3), dtype=int), 4),
            r"lengths: got shape \(2, 3\), expected",
        ),
        (lambda: padding_mask(np.ones(2, dtype=int), -3), "num_keys: got -3, expected 0 or more"),
        (lambda: causal_mask(2, 2, offset=0.5), "offset: got 0.5, expected an integer"),
        (lambda: causal_mask(2.0, 2), "num_queries: got 2.0, expected an integer"),
        (lambda: window_mask(1, 2, window=(1, 2, 3)), r"window: got \(1, 2, 3\), expected a tuple"),
        (lambda: padding_mask([1, 2], 3), "lengths: got list, expected a NumPy array or a torch t"),
        (lambda: dilated_mask(-1, **TWO), "length: got -1, expected 0 or more"),
        (lambda: dilated_mask(3, **TWO | {"segment_length": 0}), "segment_length: got 0, expected"),
        (lambda: dilated_mask(3, **TWO | {"dilation_rate": 0}), "dilation_rate: got 0, expected 1"),
        (lambda: dilated_mask(3, **TWO, num_heads=0), "num_heads: got 0, expected 1 or more"),
        (lambda: dilated_mask(3, **TWO, num_heads=1.5), "num_heads: got 1.5, expected an integer"),
        (lambda: dilated_mask(3, **TWO, is_causal=1), "is_causal: got 1, expected True or False"),
        (lambda: padding_mask(np.ones(2), 3), "lengths: got dtype float64, expected integers"),
    ],
)
def test_errors_name_the_argument_and_what_came(call, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        call()
