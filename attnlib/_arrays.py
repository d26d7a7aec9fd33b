"""What NumPy arrays and torch tensors share: dtype names, namespaces, and the precision of sums."""

from typing import TypeVar

import numpy as np
from array_api_compat import array_namespace, is_numpy_array
from array_api_compat import device as device_of

# A function that takes NumPy arrays returns NumPy arrays, and the same for torch tensors.
Array = TypeVar("Array", "numpy.ndarray", "torch.Tensor")  # noqa: F821


def dtype_name(array):
    """Return 'float32' for torch.float32 and for numpy.float32 alike."""
    return str(array.dtype).removeprefix("torch.")


def home(like):
    """Return the namespace and device of an array; NumPy's where it is None."""
    like = np.empty(0) if like is None else like
    return array_namespace(like), None if is_numpy_array(like) else device_of(like)


def widen(array):
    """Convert float16 and bfloat16 to float32, in which sums are accumulated."""
    if dtype_name(array) in ("float16", "bfloat16"):
        xp = array_namespace(array)
        return xp.astype(array, xp.float32)
    return array


def narrow(array, like):
    """Round back to the dtype of the array that came in."""
    return array_namespace(array).astype(array, like.dtype, copy=False)
