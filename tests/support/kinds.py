"""The kinds of arrays that attnlib accepts, and the one rule by which results are judged."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

HAS_CUDA = torch.cuda.is_available()
needs_cuda = pytest.mark.skipif(not HAS_CUDA, reason="no CUDA device here")  # for a whole test


class Kind(NamedTuple):
    """Where an array lives ("numpy", "cpu" or "cuda") and its dtype."""

    home: str
    dtype: str

    def make(self, array):
        """Return a NumPy array as this kind; booleans and integers keep their dtype."""
        array = np.asarray(array)
        floating = array.dtype.kind == "f"
        if self.home == "numpy":
            return array.astype(self.dtype) if floating else array
        tensor = torch.tensor(array, device=self.home)
        return tensor.to(getattr(torch, self.dtype)) if floating else tensor

    def holds(self, array):
        """Say whether an array is of this kind."""
        home = array.device.type if isinstance(array, torch.Tensor) else "numpy"
        return (home, str(array.dtype).removeprefix("torch.")) == (self.home, self.dtype)


def parameters(kinds):
    """Return kinds as parameters of a test, without those that lie on a GPU where there is none."""
    return [
        pytest.param(kind, id="-".join(kind)) for kind in kinds if kind.home != "cuda" or HAS_CUDA
    ]


DTYPES = ("float64", "float32", "float16", "bfloat16")
NUMPY_KINDS = [Kind("numpy", dtype) for dtype in DTYPES[:3]]
CPU_KINDS = [Kind("cpu", dtype) for dtype in DTYPES]
CUDA_KINDS = [Kind("cuda", dtype) for dtype in DTYPES]
TORCH_KINDS = parameters(CPU_KINDS + CUDA_KINDS)
KINDS = parameters(NUMPY_KINDS + CPU_KINDS + CUDA_KINDS)
DOUBLE_KINDS = parameters(Kind(home, "float64") for home in ("numpy", "cpu", "cuda"))
WAYS = [  # the implementations for any kind; the Triton kernel has tests of its own
    pytest.param(*param.values, implementation, id=f"{implementation}-{param.id}")
    for implementation in ("formula", "blockwise")
    for param in KINDS
]
TORCH_WAYS = [param for param in WAYS if param.values[0].home != "numpy"]


def float64(array):
    """Return any array or tensor as NumPy float64."""
    if isinstance(array, torch.Tensor):
        array = array.detach().cpu().double().numpy()
    return np.asarray(array, dtype=np.float64)


def as_torch(array):
    """Return a NumPy array as a tensor of its dtype, and a tensor as it is."""
    return array if isinstance(array, torch.Tensor) else torch.tensor(np.array(array))


def assert_as_exact_as_torch(ours, torchs, exact, among=0.0):
    """Check the error against float64: at most twice torch's own, plus twice the dtype's rounding.

    Rounding is max|(x + 0.3 - 0.3) - x| in that dtype, over the results and over numbers spread
    evenly through their range, so that the verdict on a short array does not depend on luck.
    float64 has no higher precision to compare with: there it is 1e-12 of the largest entry, as in
    show.agree. Where the results should all be 0, the numbers in among, of which they are the
    differences, set the scale.
    """
    exact = float64(exact)
    assert tuple(ours.shape) == exact.shape
    reach = largest(exact) or largest(float64(among))
    if as_torch(ours).dtype == torch.float64:
        rounding = 1e-12 * reach
    else:
        x = np.append(exact, reach * np.linspace(-1, 1, 201))
        x = torch.tensor(x).to(as_torch(ours).dtype)
        rounding = largest(float64(x + 0.3 - 0.3) - float64(x))
    allowed = 2 * largest(float64(torchs) - exact) + 2 * rounding
    error = largest(float64(ours) - exact)
    assert error <= allowed, f"error {error:.3g}, allowed {allowed:.3g}"


def largest(array):
    """Return the largest absolute entry, 0 where there is none."""
    return np.abs(array).max(initial=0)


def draw(*shapes, seed=0):
    """Draw a standard normal NumPy array for each shape."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def make(kind, *arrays):
    """Return several NumPy arrays as one kind."""
    return [kind.make(array) for array in arrays]
