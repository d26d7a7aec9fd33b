"""Every refusal names the argument, what came and what was expected."""

import re

import numpy as np
import pytest
import torch

from attnlib import (
    attention,
    log_sum_exp,
    merge_heads,
    multi_head_attention,
    project,
    scores,
    softmax,
    split_heads,
    weighted_sum,
)

ARRAYS = {"query": np.ones((2, 3, 4)), "key": np.ones((2, 5, 4)), "value": np.ones((2, 5, 6))}
MATRICES = {
    "W_Q": np.ones((4, 6)),
    "W_K": np.ones((4, 6)),
    "W_V": np.ones((4, 9)),
    "W_O": np.ones((9, 7)),
}
MULTI = {"query": np.ones((3, 4)), "key": np.ones((5, 4)), "value": np.ones((5, 4)), "num_heads": 3}
META = torch.ones((2, 5, 4), device="meta", dtype=torch.float64)  # a second device everywhere


def torch_arrays():
    return {name: torch.tensor(array) for name, array in ARRAYS.items()}


def refused(function, arguments, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        function(**arguments)


def refusals(*cases):
    """Parametrise over (changed arguments, message), named by the message."""
    return pytest.mark.parametrize("changed, message", cases, ids=[case[1] for case in cases])


@refusals(
    ({"query": [[1.0]]}, "query: expected a NumPy array or a torch tensor, got list"),
    ({"key": None}, "key: expected a NumPy array or a torch tensor, got NoneType"),
    ({"key": torch.ones(2, 5, 4)}, "key: is a torch tensor, query is a NumPy array; expected one"),
    ({"value": np.ones((2, 5, 6), int)}, "value: dtype is int64, expected float64, float32, float"),
    ({"query": np.ones((2, 3, 4), complex)}, "query: dtype is complex128, expected float64"),
    ({"value": np.ones((2, 5, 6), bool)}, "value: dtype is bool, expected float64"),
    ({"value": np.ones((2, 5, 6), "f4")}, "value: dtype is float32, query has float64; expected"),
    ({"attn_mask": np.ones((3, 5), int)}, "attn_mask: dtype is int64, expected bool or query's f"),
    ({"attn_mask": np.ones((3, 5), "f4")}, "attn_mask: dtype is float32, expected bool or query'"),
    ({"attn_mask": torch.ones(3, 5)}, "attn_mask: is a torch tensor, query is a NumPy array"),
    ({"attn_mask": [[True]]}, "attn_mask: is a list, query is a NumPy array"),
    ({"is_causal": 1}, "is_causal: got 1, expected True or False"),
    ({"enable_gqa": "no"}, "enable_gqa: got 'no', expected True or False"),
    ({"return_weights": "no"}, "return_weights: got 'no', expected True or False"),
    ({"return_lse": None}, "return_lse: got None, expected True or False"),
    ({"causal_offset": 1.0}, "causal_offset: got 1.0, expected an integer"),
    ({"causal_offset": True}, "causal_offset: got True, expected an integer"),
    ({"window": 3}, "window: got 3, expected a tuple of two integers"),
    ({"window": (1, 2, 3)}, "window: got (1, 2, 3), expected a tuple of two integers"),
    ({"window": (1, 0.5)}, "window: got (1, 0.5), expected a tuple of two integers"),
    ({"scale": "1"}, "scale: got '1', expected a number or None"),
    ({"scale": True}, "scale: got True, expected a number or None"),
)
def test_attention_refuses_the_wrong_type(changed, message):
    refused(attention, ARRAYS | changed, TypeError, message)


@refusals(
    ({"query": np.array(1.0)}, "query: has no axis, expected at least one"),
    ({"query": np.ones(4)}, "query: shape is (4,), expected (..., positions, width)"),
    ({"key": np.ones(4)}, "key: shape is (4,), expected (..., positions, width)"),
    ({"value": np.ones(5)}, "value: shape is (5,), expected (..., positions, width)"),
    ({"key": np.ones((2, 5, 7))}, "key: last axis is 7, query has d_k = 4"),
    (
        {"query": np.ones((2, 3, 0)), "key": np.ones((2, 5, 0))},
        "query: d_k is 0, expected at least 1",
    ),
    ({"key": np.ones((1, 5, 4))}, "key: leading axes are (1,), query has (2,); nothing is broadc"),
    ({"key": np.ones((5, 4))}, "key: leading axes are (), query has (2,); nothing is broadcast"),
    ({"value": np.ones((3, 5, 6))}, "value: leading axes are (3,), key has (2,); nothing is broa"),
    ({"value": np.ones((2, 8, 6))}, "value: has 8 rows, key has 5"),
    (
        {"attn_mask": np.ones((3, 4), bool)},
        "attn_mask: shape is (3, 4), expected one that broadcasts to (2, 3, 5)",
    ),
    ({"attn_mask": np.ones((7, 2, 3, 5), bool)}, "attn_mask: shape is (7, 2, 3, 5), expected one"),
    ({"attn_mask": np.ones((3, 3, 5))}, "attn_mask: shape is (3, 3, 5), expected one that broadc"),
    ({"window": (-2, 0)}, "window: got (-2, 0), expected -1 (open) or more on each side"),
    ({"implementation": "fast"}, "implementation: got 'fast', expected one of auto, formula"),
)
def test_attention_refuses_the_wrong_value(changed, message):
    refused(attention, ARRAYS | changed, ValueError, message)


@refusals(
    ({"key": META}, "key: lies on meta, query on cpu; expected one device"),
    ({"attn_mask": META[0, :3] > 0}, "attn_mask: lies on meta, query on cpu"),
    ({"key": np.ones((2, 5, 4))}, "key: is a NumPy array, query is a torch tensor; expected one"),
    ({"value": torch.ones(2, 5, 6).half()}, "value: dtype is float16, query has float64; expecte"),
    ({"attn_mask": np.ones((3, 5), bool)}, "attn_mask: is a NumPy array, query is a torch tensor"),
    ({"attn_mask": [[True]]}, "attn_mask: is a list, query is a torch tensor"),
)
def test_attention_refuses_mixed_tensors(changed, message):
    refused(attention, torch_arrays() | changed, TypeError, message)


@refusals(
    ({"query": np.ones((3, 4))}, "query: shape is (3, 4), enable_gqa expects (..., heads, positio"),
    ({"key": np.ones((5, 4))}, "key: shape is (5, 4), enable_gqa expects (..., heads, positions, "),
    ({"key": np.ones((3, 5, 4))}, "key: has 3 heads, which do not divide query's 2"),
    ({"key": np.ones((0, 5, 4))}, "key: has 0 heads, which do not divide query's 2"),
    ({"value": np.ones((1, 5, 6))}, "value: has 1 heads, key has 2"),
)
def test_grouped_heads_must_divide(changed, message):
    refused(attention, ARRAYS | {"enable_gqa": True} | changed, ValueError, message)


@refusals(
    ({"W_Q": np.ones((5, 6))}, "W_Q: shape is (5, 6), expected (4, d_out) for query (3, 4)"),
    ({"W_K": np.ones((5, 6))}, "W_K: shape is (5, 6), expected (4, d_out) for key (5, 4)"),
    ({"W_V": np.ones((9,))}, "W_V: shape is (9,), expected (4, d_out) for value (5, 4)"),
    ({"W_O": np.ones((8, 7))}, "W_O: shape is (8, 7), expected (9, d_out) for W_V (4, 9)"),
    ({"W_Q": np.ones((4, 5))}, "W_Q: last axis is 5, which num_heads = 3 does not divide"),
    ({"W_K": np.ones((4, 9))}, "key: last axis is 3, query has d_k = 2"),
    ({"num_heads": 0}, "num_heads: got 0, expected a whole number from 1"),
    ({"num_heads": 1.5}, "num_heads: got 1.5, expected a whole number from 1"),
    ({"query": np.ones(4)}, "query: shape is (4,), expected (..., positions, d_model)"),
)
def test_multi_head_attention_refuses_what_does_not_fit(changed, message):
    refused(multi_head_attention, MULTI | MATRICES | changed, ValueError, message)


@refusals(
    ({"W_Q": [[1.0]]}, "W_Q: expected a NumPy array or a torch tensor, got list"),
    (
        {"W_O": np.ones((9, 7), "f4")},
        "W_O: dtype is float32, query has float64; expected one dtype",
    ),
)
def test_multi_head_attention_refuses_the_wrong_type(changed, message):
    refused(multi_head_attention, MULTI | MATRICES | changed, TypeError, message)


STEPS = [
    (
        project,
        (np.ones((3, 4)), np.ones((5, 2))),
        "W: shape is (5, 2), expected (4, d_out) for emb",
    ),
    (
        project,
        (np.ones((3, 4)), np.ones(4)),
        "W: shape is (4,), expected (4, d_out) for embeddings",
    ),
    (scores, (np.ones((3, 4)), np.ones((3, 5))), "key: last axis is 5, query has d_k = 4"),
    (
        weighted_sum,
        (np.ones((3, 4)), np.ones((5, 2))),
        "value: has 5 rows, weights have 4 columns",
    ),
    (
        weighted_sum,
        (np.ones((2, 3, 4)), np.ones((4, 2))),
        "value: shape is (4, 2), weights have (2, 3, 4); expected (..., N, M) and (..., M, d_v)",
    ),
    (weighted_sum, (np.ones(4), np.ones((4, 2))), "value: shape is (4, 2), weights have (4,); exp"),
    (split_heads, (np.ones((3, 4)), 3), "array: last axis is 4, which num_heads = 3 does not div"),
    (split_heads, (np.ones((3, 4)), -1), "num_heads: got -1, expected a whole number from 1"),
    (split_heads, (np.ones(4), 2), "array: shape is (4,), expected (..., N, H·d)"),
    (merge_heads, (np.ones((3, 4)),), "array: shape is (3, 4), expected (..., H, N, d)"),
]


@pytest.mark.parametrize("step, arguments, message", STEPS, ids=[step[2] for step in STEPS])
def test_the_steps_refuse_what_does_not_fit(step, arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        step(*arguments)


@pytest.mark.parametrize("step", [softmax, log_sum_exp])
def test_softmax_refuses_what_is_no_floating_array(step):
    with pytest.raises(TypeError, match="^scores: dtype is int64, expected float64"):
        step(np.arange(3))
    with pytest.raises(TypeError, match="^scores: expected a NumPy array or a torch tensor, got l"):
        step([1.0, 2.0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: softmax(np.ones((2, 3)), axis=2), ValueError, "axis: got 2, scores have 2 axes"),
        (lambda: log_sum_exp(np.ones(3), axis=-2), ValueError, "axis: got -2, scores have 1 axes"),
        (lambda: softmax(np.ones(3), axis=0.0), TypeError, "axis: got 0.0, expected an integer"),
        (
            lambda: scores(np.ones((2, 3)), np.ones((2, 3)), scale="a"),
            TypeError,
            "scale: got 'a', expected a number or None",
        ),
    ],
)
def test_the_steps_refuse_what_attention_refuses(call, error, message):
    with pytest.raises(error, match=f"^{message}"):
        call()
