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
    ({"query": [[1.0]]}, "query: got list, expected a NumPy array or a torch tensor"),
    ({"key": None}, "key: got NoneType, expected a NumPy array or a torch tensor"),
    ({"key": torch.ones(2, 5, 4)}, "key: got a torch tensor, expected a NumPy array like query"),
    ({"value": np.ones((2, 5, 6), int)}, "value: got dtype int64, expected float64, float32, floa"),
    ({"query": np.ones((2, 3, 4), complex)}, "query: got dtype complex128, expected float64"),
    ({"value": np.ones((2, 5, 6), bool)}, "value: got dtype bool, expected float64"),
    ({"value": np.ones((2, 5, 6), "f4")}, "value: got dtype float32, expected query's float64"),
    ({"attn_mask": np.ones((3, 5), int)}, "attn_mask: got dtype int64, expected bool or query's f"),
    ({"attn_mask": np.ones((3, 5), "f4")}, "attn_mask: got dtype float32, expected bool or query'"),
    ({"attn_mask": torch.ones(3, 5)}, "attn_mask: got a torch tensor, expected a NumPy array like"),
    ({"attn_mask": [[True]]}, "attn_mask: got list, expected a NumPy array like query"),
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
    ({"implementation": None}, "implementation: got None, expected a string"),
)
def test_attention_refuses_the_wrong_type(changed, message):
    refused(attention, ARRAYS | changed, TypeError, message)


@refusals(
    ({"query": np.array(1.0)}, "query: got shape (), expected at least one axis"),
    ({"query": np.ones(4)}, "query: got shape (4,), expected (..., N, d_k)"),
    ({"key": np.ones(4)}, "key: got shape (4,), expected (..., M, d_k)"),
    ({"value": np.ones(5)}, "value: got shape (5,), expected (..., M, d_v)"),
    ({"key": np.ones((2, 5, 7))}, "key: got d_k = 7, expected query's 4"),
    (
        {"query": np.ones((2, 3, 0)), "key": np.ones((2, 5, 0))},
        "query: got d_k = 0, expected 1 or more",
    ),
    (
        {"key": np.ones((1, 5, 4))},
        "key: got leading axes (1,), expected query's (2,): nothing is b",
    ),
    (
        {"key": np.ones((5, 4))},
        "key: got leading axes (), expected query's (2,): nothing is broadc",
    ),
    (
        {"value": np.ones((3, 5, 6))},
        "value: got leading axes (3,), expected key's (2,): nothing is",
    ),
    ({"value": np.ones((2, 8, 6))}, "value: got 8 rows, expected key's 5"),
    (
        {"attn_mask": np.ones((3, 4), bool)},
        "attn_mask: got shape (3, 4), expected one that broadcasts to (2, 3, 5)",
    ),
    ({"attn_mask": np.ones((7, 2, 3, 5), bool)}, "attn_mask: got shape (7, 2, 3, 5), expected one"),
    ({"attn_mask": np.ones((3, 3, 5))}, "attn_mask: got shape (3, 3, 5), expected one that broadc"),
    ({"window": (-2, 0)}, "window: got (-2, 0), expected -1 (open) or more on each side"),
    ({"implementation": "fast"}, "implementation: got 'fast', expected one of auto, formula"),
)
def test_attention_refuses_the_wrong_value(changed, message):
    refused(attention, ARRAYS | changed, ValueError, message)


@refusals(
    ({"key": META}, "key: got device meta, expected query's cpu"),
    ({"attn_mask": META[0, :3] > 0}, "attn_mask: got device meta, expected query's cpu"),
    ({"key": np.ones((2, 5, 4))}, "key: got a NumPy array, expected a torch tensor like query"),
    ({"value": torch.ones(2, 5, 6).half()}, "value: got dtype float16, expected query's float64"),
    ({"attn_mask": np.ones((3, 5), bool)}, "attn_mask: got a NumPy array, expected a torch tensor"),
    ({"attn_mask": [[True]]}, "attn_mask: got list, expected a torch tensor like query"),
)
def test_attention_refuses_mixed_tensors(changed, message):
    refused(attention, torch_arrays() | changed, TypeError, message)


@refusals(
    (
        {"query": np.ones((3, 4))},
        "query: got shape (3, 4), expected (..., heads, positions, width)",
    ),
    (
        {"key": np.ones((5, 4))},
        "key: got shape (5, 4), expected (..., heads, positions, width) for",
    ),
    ({"key": np.ones((3, 5, 4))}, "key: got 3 heads, expected a divisor of query's 2"),
    ({"key": np.ones((0, 5, 4))}, "key: got 0 heads, expected a divisor of query's 2"),
    ({"value": np.ones((1, 5, 6))}, "value: got 1 heads, expected key's 2"),
)
def test_grouped_heads_must_divide(changed, message):
    refused(attention, ARRAYS | {"enable_gqa": True} | changed, ValueError, message)


@refusals(
    ({"W_Q": np.ones((5, 6))}, "W_Q: got shape (5, 6), expected (4, d_out) for query (3, 4)"),
    ({"W_K": np.ones((5, 6))}, "W_K: got shape (5, 6), expected (4, d_out) for key (5, 4)"),
    ({"W_V": np.ones((9,))}, "W_V: got shape (9,), expected (4, d_out) for value (5, 4)"),
    ({"W_O": np.ones((8, 7))}, "W_O: got shape (8, 7), expected (9, d_out) for W_V (4, 9)"),
    ({"W_Q": np.ones((4, 5))}, "W_Q: got 5 columns, expected a multiple of num_heads = 3"),
    ({"W_K": np.ones((4, 9))}, "key: got d_k = 3, expected query's 2"),
    ({"num_heads": 0}, "num_heads: got 0, expected 1 or more"),
    ({"query": np.ones(4)}, "query: got shape (4,), expected (..., positions, d_model)"),
)
def test_multi_head_attention_refuses_what_does_not_fit(changed, message):
    refused(multi_head_attention, MULTI | MATRICES | changed, ValueError, message)


@refusals(
    ({"W_Q": [[1.0]]}, "W_Q: got list, expected a NumPy array or a torch tensor"),
    ({"W_O": np.ones((9, 7), "f4")}, "W_O: got dtype float32, expected query's float64"),
    ({"num_heads": 1.5}, "num_heads: got 1.5, expected an integer"),
)
def test_multi_head_attention_refuses_the_wrong_type(changed, message):
    refused(multi_head_attention, MULTI | MATRICES | changed, TypeError, message)


STEPS = [
    (
        project,
        (np.ones((3, 4)), np.ones((5, 2))),
        "W: got shape (5, 2), expected (4, d_out) for em",
    ),
    (
        project,
        (np.ones((3, 4)), np.ones(4)),
        "W: got shape (4,), expected (4, d_out) for embedding",
    ),
    (scores, (np.ones((3, 4)), np.ones((3, 5))), "key: got d_k = 5, expected query's 4"),
    (
        weighted_sum,
        (np.ones((3, 4)), np.ones((5, 2))),
        "value: got shape (5, 2), expected (4, d_v) for weights (3, 4)",
    ),
    (
        weighted_sum,
        (np.ones((2, 3, 4)), np.ones((4, 2))),
        "value: got shape (4, 2), expected (2, 4, d_v) for weights (2, 3, 4)",
    ),
    (weighted_sum, (np.ones(4), np.ones((4, 2))), "weights: got shape (4,), expected (..., N, M)"),
    (weighted_sum, (np.ones((3, 4)), np.ones(4)), "value: got shape (4,), expected (4, d_v) for w"),
    (split_heads, (np.ones((3, 4)), 3), "array: got 4 columns, expected a multiple of num_heads ="),
    (split_heads, (np.ones((3, 4)), -1), "num_heads: got -1, expected 1 or more"),
    (split_heads, (np.ones(4), 2), "array: got shape (4,), expected (..., N, H·d)"),
    (merge_heads, (np.ones((3, 4)),), "array: got shape (3, 4), expected (..., H, N, d)"),
]


@pytest.mark.parametrize("step, arguments, message", STEPS, ids=[step[2] for step in STEPS])
def test_the_steps_refuse_what_does_not_fit(step, arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        step(*arguments)


@pytest.mark.parametrize("step", [softmax, log_sum_exp])
def test_softmax_refuses_what_is_no_floating_array(step):
    with pytest.raises(TypeError, match="^scores: got dtype int64, expected float64"):
        step(np.arange(3))
    with pytest.raises(
        TypeError, match="^scores: got list, expected a NumPy array or a torch tens"
    ):
        step([1.0, 2.0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: softmax(np.ones((2, 3)), axis=2),
            ValueError,
            r"axis: got 2, expected -2 to 1 for scores \(2, 3\)",
        ),
        (
            lambda: log_sum_exp(np.ones(3), axis=-2),
            ValueError,
            r"axis: got -2, expected -1 to 0 for scores \(3,\)",
        ),
        (lambda: softmax(np.ones(3), axis=0.0), TypeError, "axis: got 0.0, expected an integer"),
        (
            lambda: split_heads(np.ones((2, 3)), 1.5),
            TypeError,
            "num_heads: got 1.5, expected an integer",
        ),
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
