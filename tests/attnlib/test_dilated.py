"""Dilated attention against a loop over words that shares nothing with attnlib."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from attnlib import attention, dilated_attention, dilated_mask
from attnlib.implementations import choose
from tests.support.kinds import (
    DOUBLE_KINDS,
    KINDS,
    as_torch,
    assert_as_exact_as_torch,
    draw,
    float64,
    make,
)

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

each_double = pytest.mark.parametrize("kind", DOUBLE_KINDS)
each_causal = pytest.mark.parametrize("is_causal", [False, True], ids=["plain", "causal"])
SETTINGS = [  # heads, words, segment lengths, dilation rates
    (1, 8, (4,), (1,)),
    (2, 8, (4, 8), (1, 2)),
    (4, 32, (8, 16, 32), (1, 2, 4)),
    (3, 13, (4, 8, 13), (1, 2, 3)),  # neither 4 nor 8 divides 13
    (5, 17, (7, 12), (3, 2)),  # no rate divides its segment or the heads
    (8, 19, (6, 40), (4, 9)),  # a segment over N, a rate over the heads
    (2, 11, (3, 5), (7, 4)),  # a rate over its segment
    (6, 10, (4,), (4,)),  # more heads than offsets, two heads per offset
    (3, 1, (4, 1), (1, 2)),
    (2, 9, (5, 5), (2, 2)),  # the same branch twice
]
each_setting = pytest.mark.parametrize("setting", SETTINGS, ids=str)


def inputs_of(setting, seed=0):
    heads, length = setting[:2]
    return draw((2, heads, length, 3), (2, heads, length, 3), (2, heads, length, 5), seed=seed)


def dilated(setting, is_causal=False):
    """Return dilated attention with the branches of a setting."""
    segments, rates = setting[2:]
    return lambda *x: dilated_attention(
        *x, segment_lengths=segments, dilation_rates=rates, is_causal=is_causal
    )


def keys_of(h, i, heads, length, segment, rate, is_causal):
    """Return the keys that one branch shows to word i in head h, walking through its segment."""
    segment = min(segment, length)
    start = i
    while start % segment:
        start -= 1
    kept = []
    place = start + h // math.ceil(heads / rate)
    while place < min(start + segment, length):
        kept.append(place)
        place += rate
    return [j for j in kept if j <= i or not is_causal] if i in kept else []


def counts_of(setting, is_causal=False):
    """Return how many branches show key j to word i in head h, (H, N, N)."""
    heads, length, segments, rates = setting
    counts = np.zeros((heads, length, length))
    for h, i in itertools.product(range(heads), range(length)):
        for branch in zip(segments, rates, strict=True):
            for j in keys_of(h, i, heads, length, *branch, is_causal):
                counts[h, i, j] += 1
    return counts


def by_loop(query, key, value, setting, is_causal=False):
    """Return the mixture, one word at a time: each branch's output by its softmax denominator."""
    heads, length, segments, rates = setting
    out = np.zeros(value.shape)
    for b, h, i in itertools.product(range(len(query)), range(heads), range(length)):
        branches = []
        for branch in zip(segments, rates, strict=True):
            keys = keys_of(h, i, heads, length, *branch, is_causal)
            if not keys:
                continue
            e = [math.exp(query[b, h, i] @ key[b, h, j] / math.sqrt(query.shape[-1])) for j in keys]
            mixed = sum(w * value[b, h, j] for w, j in zip(e, keys, strict=True)) / math.fsum(e)
            branches.append((math.fsum(e), mixed))
        total = math.fsum(denominator for denominator, _ in branches)
        for denominator, mixed in branches:
            out[b, h, i] += denominator / total * mixed
    return out


@each_setting
@each_causal
@each_double
def test_the_mixture_is_that_of_the_loop(setting, is_causal, kind):
    inputs = inputs_of(setting)
    out = dilated(setting, is_causal)(*make(kind, *inputs))
    assert kind.holds(out)
    expected = by_loop(*inputs, setting, is_causal)
    np.testing.assert_allclose(float64(out), expected, atol=1e-13)


@each_setting
@each_causal
def test_each_branch_alone_is_masked_attention(setting, is_causal):
    heads, length, segments, rates = setting
    for w, r in zip(segments, rates, strict=True):
        mask = dilated_mask(
            length, segment_length=w, dilation_rate=r, num_heads=heads, is_causal=is_causal
        )
        single = (heads, length, (w,), (r,))
        assert np.array_equal(mask, counts_of(single, is_causal) > 0)
        inputs = inputs_of(setting)
        np.testing.assert_allclose(
            dilated(single, is_causal)(*inputs), attention(*inputs, attn_mask=mask), atol=1e-13
        )


@each_setting
@each_causal
@pytest.mark.parametrize("pairs", [1, 10**9], ids=["blockwise", "formula"])
def test_gradients_are_those_of_the_formula_with_counted_keys(
    setting, is_causal, pairs, monkeypatch
):
    monkeypatch.setattr(choose, "BLOCKWISE_FROM", pairs)
    counts = torch.tensor(counts_of(setting, is_causal))

    def counted(query, key, value):
        e = counts * (query @ key.mT / math.sqrt(query.shape[-1])).exp()
        total = e.sum(-1, keepdim=True)
        return (e / torch.where(total == 0, 1, total)) @ value

    leaves = [torch.tensor(x, requires_grad=True) for x in inputs_of(setting)]
    direction = torch.tensor(inputs_of(setting, seed=1)[2])
    ours, theirs = dilated(setting, is_causal)(*leaves), counted(*leaves)
    torch.testing.assert_close(ours, theirs, atol=1e-13, rtol=0)
    for mine, their in zip(
        torch.autograd.grad(ours, leaves, direction),
        torch.autograd.grad(theirs, leaves, direction),
        strict=True,
    ):
        torch.testing.assert_close(mine, their, atol=1e-12, rtol=0)


@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_gradients_by_differences(check):
    setting = (2, 5, (3, 5), (1, 2))
    leaves = [torch.tensor(x[0, ..., :2], requires_grad=True) for x in inputs_of(setting)]
    assert check(dilated(setting, is_causal=True), leaves)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale, shift", [(1, 0), (8, 0), (1, 10)])
@each_causal
def test_every_kind_as_exact_as_torch(kind, scale, shift, is_causal):
    """With the shift every score is 58 larger: a log-sum-exp in low precision would be far off."""
    setting = (4, 50, (8, 16, 50), (1, 2, 4))  # the first branch covers every word
    query, key, value = inputs_of(setting)
    query *= scale
    if shift:
        query[..., 0] = key[..., 0] = shift
    inputs = make(kind, query, key, value)
    out = dilated(setting, is_causal)(*inputs)
    assert kind.holds(out)
    wide = list(map(float64, inputs))
    with np.errstate(divide="ignore"):
        log_counts = np.log(counts_of(setting, is_causal))
    tensors = [as_torch(x) for x in inputs]
    torchs = torch.nn.functional.scaled_dot_product_attention(
        *tensors, attn_mask=torch.tensor(log_counts).to(tensors[0])
    )
    assert_as_exact_as_torch(out, torchs, by_loop(*wide, setting, is_causal))


@each_double
def test_a_word_that_no_branch_keeps_gets_zeros(kind):
    setting = (2, 9, (4, 9), (2, 4))
    covered = counts_of(setting).any(-1)  # (H, N)
    assert covered.any() and not covered.all()
    out = float64(dilated(setting)(*make(kind, *inputs_of(setting))))
    assert not out[:, ~covered].any() and (out[:, covered] != 0).all()


@each_double
def test_no_zero_is_counted_as_a_key(kind):
    """Beside true keys whose scores are -200, a zero key with its score 0 would take everything."""
    for setting in SETTINGS:
        query, key, value = inputs_of(setting)
        query[:], key[:] = 20, -10 - np.abs(key)
        out = float64(dilated(setting)(*make(kind, query, key, value + 5)))
        kept = counts_of(setting).any(-1)
        assert (out[:, kept] > 0.9).all()


@each_double
def test_nothing_that_is_not_kept_is_looked_at(kind):
    """NaN behind the end of the arrays, and in every word that a head does not keep."""
    setting = (4, 14, (6, 14), (2, 4))
    inputs = inputs_of(setting)
    expected = by_loop(*inputs, setting)
    kept = counts_of(setting).any(-1)
    around = [np.full((2, 4, 20, x.shape[-1]), np.nan) for x in inputs]
    for wide, x in zip(around, inputs, strict=True):
        wide[:, :, :14] = np.where(kept[..., None], x, np.nan)
    out = dilated(setting)(*(x[:, :, :14] for x in make(kind, *around)))
    np.testing.assert_allclose(float64(out), expected, atol=1e-13)


@each_double
def test_leading_axes_are_optional(kind):
    setting = (3, 13, (4, 13), (1, 3))
    inputs = make(kind, *inputs_of(setting))
    out = float64(dilated(setting)(*inputs))
    np.testing.assert_array_equal(float64(dilated(setting)(*(x[1] for x in inputs))), out[1])
    five = dilated(setting)(*(x[:, None] for x in inputs))
    np.testing.assert_array_equal(float64(five)[:, 0], out)
    one = (1, *setting[1:])
    alone = dilated(one)(*(x[0, 0] for x in inputs))
    np.testing.assert_array_equal(
        float64(alone), float64(dilated(one)(*(x[:1, :1] for x in inputs)))[0, 0]
    )


@each_double
@pytest.mark.parametrize("shape", [(2, 0, 3), (0, 4, 3), (0, 2, 4, 3)], ids=str)
def test_nothing_in_nothing_out(kind, shape):
    out = dilated_attention(
        *make(kind, *[np.ones(shape)] * 3), segment_lengths=[2, 3], dilation_rates=[1, 2]
    )
    assert tuple(out.shape) == shape and kind.holds(out)


def test_one_segment_without_gaps_is_attention():
    inputs = draw((3, 9, 4), (3, 9, 4), (3, 9, 2))
    one = dilated_attention(*inputs, segment_lengths=[9], dilation_rates=[1])
    np.testing.assert_array_equal(one, attention(*inputs))
    twice = dilated_attention(*inputs, segment_lengths=[9, 100], dilation_rates=[1, 1])
    np.testing.assert_allclose(twice, one, atol=1e-15)


def test_the_products_are_those_of_the_kept_pairs():
    for setting in SETTINGS:
        inputs = [torch.tensor(x) for x in inputs_of(setting)]
        with FlopCounterMode(display=False) as counter:
            dilated(setting)(*inputs)
        pairs = 2 * counts_of(setting).sum()  # 2 sequences
        assert counter.get_total_flops() == 2 * pairs * (3 + 5)


@pytest.mark.parametrize(
    "changed, error, message",
    [
        ({"query": np.ones((2, 5, 3))}, ValueError, "key: got 4 rows, expected query's 5"),
        ({"query": np.ones(3)}, ValueError, r"query: got shape \(3,\), expected \(..., N, d_k\)"),
        ({"key": np.ones((3, 4, 3))}, ValueError, r"key: got leading axes \(3,\), expected query"),
        ({"value": np.ones((2, 5, 3))}, ValueError, "value: got 5 rows, expected key's 4"),
        (
            {"value": np.ones((2, 4, 3), "f4")},
            TypeError,
            "value: got dtype float32, expected query",
        ),
        ({"segment_lengths": 4}, TypeError, "segment_lengths: got 4, expected a sequence of int"),
        ({"segment_lengths": []}, ValueError, r"segment_lengths: got \[\], expected one or more"),
        ({"segment_lengths": [0]}, ValueError, r"segment_lengths: got \[0\], expected one or more"),
        ({"segment_lengths": [2.0]}, TypeError, r"segment_lengths: got \[2.0\], expected a seq"),
        ({"dilation_rates": [True]}, TypeError, r"dilation_rates: got \[True\], expected a seq"),
        ({"dilation_rates": [-1]}, ValueError, r"dilation_rates: got \[-1\], expected one or more"),
        ({"dilation_rates": "1"}, TypeError, "dilation_rates: got '1', expected a sequence of int"),
        ({"dilation_rates": [1, 2]}, ValueError, "dilation_rates: got 2 entries, expected 1"),
        ({"is_causal": 1}, TypeError, "is_causal: got 1, expected True or False"),
    ],
)
def test_errors_name_the_argument_and_what_came(changed, error, message):
    arguments = {name: np.ones((2, 4, 3)) for name in ("query", "key", "value")}
    arguments |= {"segment_lengths": [4], "dilation_rates": [2]}
    with pytest.raises(error, match=f"^{message}"):
        dilated_attention(**(arguments | changed))
