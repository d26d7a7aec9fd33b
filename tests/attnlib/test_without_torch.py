"""attnlib needs NumPy alone: torch and triton are imported for tensors only, matplotlib never."""

import subprocess
import sys

import pytest

HIDE = """
import sys
from importlib.machinery import PathFinder

class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] not in ("torch", "triton", "matplotlib"):
            return PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""

USE = """
import numpy as np
import attnlib
from attnlib.implementations import choose

rng = np.random.default_rng(0)
for dtype, exactness in ((np.float64, 1e-12), (np.float32, 1e-5), (np.float16, 1e-2)):
    shapes = (2, 7, 4), (2, 9, 4), (2, 9, 3)
    query, key, value = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    wide = [x.astype(np.float64) for x in (query, key, value)]
    scores = wide[0] @ wide[1].swapaxes(-1, -2) / 2
    scores[:, np.arange(7)[:, None] + 1 < np.arange(9)] = -np.inf
    weights = np.exp(scores)
    weights /= weights.sum(-1, keepdims=True)
    for pairs in (1, 10**9):  # "auto" takes blocks, and the formula
        choose.BLOCKWISE_FROM = pairs
        for implementation in ("formula", "blockwise", "auto"):
            out, lse = attnlib.attention(
                query, key, value, is_causal=True, causal_offset=1, return_lse=True,
                implementation=implementation,
            )
            assert out.dtype == lse.dtype == dtype
            np.testing.assert_allclose(out, weights @ wide[2], atol=exactness)
            np.testing.assert_allclose(lse, np.log(np.exp(scores).sum(-1)), atol=5 * exactness)

    choose.BLOCKWISE_FROM = 64
    X, W = rng.normal(size=(11, 6)).astype(dtype), np.eye(6, dtype=dtype)
    out = attnlib.multi_head_attention(X, X, X, W, W, W, W, num_heads=3, window=(2, 0))
    assert out.shape == (11, 6) and out.dtype == dtype
    heads = attnlib.split_heads(X, 3)
    branches = {"segment_lengths": [4, 11], "dilation_rates": [1, 2]}
    out = attnlib.dilated_attention(heads, heads, heads, **branches)
    assert out.shape == (3, 11, 2) and out.dtype == dtype
    assert attnlib.rotary(X).dtype == attnlib.sinusoidal_positions(3, 4, like=X).dtype == dtype

long = np.ones((1500, 2))
np.testing.assert_allclose(attnlib.attention(long, long, long), long)
assert attnlib.causal_mask(2, 3, like=long).tolist() == [[True, False, False], [True, True, False]]
assert attnlib.padding_mask(np.array([1, 2]), 2).shape == (2, 1, 1, 2)
assert attnlib.dilated_mask(4, segment_length=2, dilation_rate=1).sum() == 8

here = attnlib.implementations()
assert here["formula"] == here["blockwise"] == "available"
assert here["triton"] == "the package torch is not installed; use implementation='blockwise'", here
try:
    attnlib.attention(long, long, long, implementation="triton")
except RuntimeError as error:
    assert str(error).startswith("implementation: got 'triton', expected"), error
else:
    raise AssertionError("triton ran")
"""


def run(code):
    """Run code in a Python of its own, and fail with what it says on its way out."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_attention_runs_on_numpy_where_torch_is_not_installed():
    run(HIDE + USE)


def test_importing_attnlib_imports_neither_torch_nor_matplotlib():
    run("import sys, attnlib; assert not {'torch', 'matplotlib', 'triton'} & set(sys.modules)")


@pytest.mark.parametrize("module", ["nn", "distributed.ring", "implementations.blockwise_torch"])
def test_what_needs_torch_says_so(module):
    with pytest.raises(AssertionError, match="No module named 'torch'"):
        run(HIDE + f"import attnlib.{module}")


def test_implementations_is_a_function_and_a_package():
    run(
        "import attnlib\n"
        "from attnlib.implementations import blockwise, choose\n"
        "assert attnlib.implementations is choose.implementations\n"
        "assert attnlib.implementations()['formula'] == 'available'\n"
    )
