"""The kinds of arrays that attnlib accepts, and the one rule by which results are judged."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


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


NUMPY_KINDS = [Kind("numpy", dtype) for dtype in ("float64", "float32", "float16")]
CPU_KINDS = [Kind("cpu", dtype) for dtype in ("float64", "float32", "float16", "bfloat16")]
CUDA_KINDS = [
    pytest.param(Kind("cuda", kind.dtype), marks=needs_cuda, id=f"cuda-{kind.dtype}")
    for kind in CPU_KINDS
]
TORCH_KINDS = [pytest.param(kind, id="-".join(kind)) for kind in CPU_KINDS] + CUDA_KINDS
KINDS = [pytest.param(kind, id="-".join(kind)) for kind in NUMPY_KINDS] + TORCH_KINDS
TRITON_IDS = ("cuda-float32", "cuda-float16", "cuda-bfloat16")
WAYS = [  # every implementation with every kind that it takes
    pytest.param(
        *param.values, implementation, marks=param.marks, id=f"{implementation}-{param.id}"
    )
    for implementation in ("formula", "blockwise", "triton")
    for param in KINDS
    if implementation != "triton" or param.id in TRITON_IDS
]
TORCH_WAYS = [param for param in WAYS if param.values[0].home != "numpy"]
DOUBLE_KINDS = [
    pytest.param(Kind("numpy", "float64"), id="numpy"),
    pytest.param(Kind("cpu", "float64"), id="cpu"),
    pytest.param(Kind("cuda", "float64"), marks=needs_cuda, id="cuda"),
]


def float64(array):
    """Return any array or tensor as NumPy float64."""
    if isinstance(array, torch.Tensor):
        array = array.detach().cpu().double().numpy()
    return np.asarray(array, dtype=np.float64)


def as_torch(array):
    """Return a NumPy array as a tensor of its dtype; a tensor stays what it is."""
    return array if isinstance(array, torch.Tensor) else torch.tensor(np.array(array))


def assert_as_exact_as_torch(ours, torchs, exact, among=0.0):
    """Check the error against float64: at most twice torch's own, plus twice the dtype's rounding.

    Rounding is max|(x + 0.3 - 0.3) - x| in that dtype, over the results and over numbers spread
    evenly through their range, so that a short array is not judged by luck. float64 has no higher
    precision to be judged by: there it is 1e-12 of the largest entry, as in show.agree.
    Results that are 0 everywhere are differences of numbers like those in among, and judged so.
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
    """Draw one standard normal NumPy array a shape."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def make(kind, *arrays):
    """Return several NumPy arrays as one kind."""
    return [kind.make(array) for array in arrays]
