"""Which implementation runs: by name, by "auto", and what is said where one cannot."""

import numpy as np
import pytest
import torch

import attnlib
from attnlib import attention
from attnlib.implementations import blockwise, blockwise_torch, choose
from tests.support.kinds import draw

INPUTS = draw((2, 4, 3), (2, 5, 3), (2, 5, 3))
LONG = draw((9, 3), (8, 3), (8, 3))


@pytest.fixture
def blocks_seen(monkeypatch):
    """Count the calls of the blockwise implementation, which "auto" takes from 64 pairs here."""
    calls = []
    monkeypatch.setattr(choose, "BLOCKWISE_FROM", 64)
    for module in (blockwise, blockwise_torch):
        original = module.blockwise_attention

        def counted(*arguments, original=original):
            calls.append(arguments)
            return original(*arguments)

        monkeypatch.setattr(module, "blockwise_attention", counted)
    return calls


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_auto_takes_blocks_for_long_sequences(blocks_seen, kind):
    attention(*map(kind, INPUTS))
    assert not blocks_seen  # 4 × 5 pairs are few
    out = attention(*map(kind, LONG))
    assert len(blocks_seen) == 1
    np.testing.assert_allclose(out, attention(*LONG, implementation="formula"), atol=1e-14)
    assert len(blocks_seen) == 1


def test_auto_takes_the_formula_where_its_weights_are_wanted(blocks_seen):
    weights = attention(*LONG, return_weights=True)[1]
    assert weights.shape == (9, 8) and not blocks_seen


def test_the_name_decides(blocks_seen):
    attention(*INPUTS, implementation="blockwise")
    assert len(blocks_seen) == 1


@pytest.mark.parametrize("name", ["blockwise", "triton"])
def test_only_the_formula_holds_weights(name):
    with pytest.raises(ValueError, match=f"^return_weights: got True with implementation '{name}'"):
        attention(*INPUTS, return_weights=True, implementation=name)


def test_implementations_names_each_with_a_reason():
    here = attnlib.implementations()
    assert list(here) == ["formula", "blockwise", "triton"]
    assert here["formula"] == here["blockwise"] == "available"
    assert here["triton"] == "available" or "use implementation='blockwise'" in here["triton"]


def test_a_machine_without_triton_says_so(monkeypatch):
    monkeypatch.setattr(choose, "find_spec", lambda name: None if name == "triton" else name)
    assert attnlib.implementations()["triton"].startswith("the package triton is not installed")
    with pytest.raises(
        RuntimeError, match="^implementation: got 'triton', .* the package triton is"
    ):
        attention(*map(torch.tensor, INPUTS), implementation="triton")


def test_a_machine_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setattr(choose, "find_spec", lambda name: name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(RuntimeError, match="torch finds no CUDA device; use implementation='block"):
        attention(*map(torch.tensor, INPUTS), implementation="triton")


@pytest.mark.parametrize(
    "inputs, error, message",
    [
        (INPUTS, TypeError, "query: got a NumPy array, expected a torch tensor for implementation"),
        (
            list(map(torch.tensor, INPUTS)),
            TypeError,
            "query: got dtype float64, expected float32, float16 or bfloat16 for",
        ),
        ([torch.ones(2, 129)] * 3, ValueError, "query: got 129 columns, expected at most 128 for"),
        (
            [torch.ones(2, 3), torch.ones(2, 3), torch.ones(2, 130)],
            ValueError,
            "value: got 130 columns, expected at most 128 for",
        ),
    ],
    ids=["numpy", "float64", "wide query", "wide value"],
)
def test_triton_refuses_what_it_cannot_take(monkeypatch, inputs, error, message):
    monkeypatch.setattr(choose, "why_triton_is_missing", lambda: None)
    monkeypatch.setattr(choose, "_is_interpreted", lambda: True)
    with pytest.raises(error, match=f"^{message}.*; use 'blockwise'"):
        attention(*inputs, implementation="triton")
    monkeypatch.setattr(choose, "_is_interpreted", lambda: False)
    if not isinstance(inputs[0], np.ndarray):
        with pytest.raises(TypeError, match="^query: got device cpu, expected cuda for impl"):
            attention(*inputs, implementation="triton")
