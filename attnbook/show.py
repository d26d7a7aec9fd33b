"""The one way a chapter prints numbers, so that they come out the same on every machine.

Floats are shown in float64 with 4 decimals, or with 2 significant digits where they are smaller
than 0.001; there is no -0 and no trace of the device. Rounding residue is never printed: two
results that should be equal are compared by agree().
"""

import inspect
import math
import numbers
import sys
import textwrap
from collections.abc import Callable, Sequence

import numpy as np


def number(value) -> str:
    """Return one number as text.

    Args:
        value: A number or a boolean; also a NumPy array or torch tensor that holds one.

    Returns:
        The text; "yes" or "no" for a boolean.

    Example:
        >>> number(0.5), number(-0.0), number(0.00012345), number(12345)
        ('0.5000', '0.0000', '1.2e-4', '12,345')
    """
    value = getattr(value, "item", lambda: value)()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{value:,}"
    if not math.isfinite(value):
        return str(value)
    short = f"{value:.1e}"  # 2 significant digits
    if value == 0 or abs(float(short)) >= 0.001:
        return f"{value + 0.0:,.4f}"
    digits, exponent = short.split("e")
    return f"{digits}e{int(exponent)}"


_shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
_printed = []  # what the running cell of a notebook has printed
if _shell is not None:
    _shell.events.register("pre_run_cell", lambda info: _printed.clear())


def _keep_apart(what):
    """Print a blank line between a table and whatever else the same cell of a notebook prints."""
    if _shell is not None:
        if _printed and "table" in (what, _printed[-1]):
            print()
        _printed.append(what)


def shapes(**arrays) -> None:
    """Print each array's name and shape.

    Args:
        arrays: The arrays by name.

    Example:
        >>> shapes(Q=np.ones((11, 8)), K=np.ones((11, 8)))
        Q  (11, 8)
        K  (11, 8)
    """
    _keep_apart("text")
    width = max(map(len, arrays))
    for name, array in arrays.items():
        print(f"{name:{width}}  {tuple(array.shape)}")


def values(**named) -> None:
    """Print named numbers or short vectors, one on each line.

    Args:
        named: The numbers or vectors by name; an underscore in a name becomes a space.

    Example:
        >>> values(largest_weight=0.5, row=np.array([0.25, 0.75]))
        largest weight  0.5000
        row             0.2500  0.7500
    """
    _keep_apart("text")
    width = max(map(len, named))
    for name, value in named.items():
        text = "  ".join(number(x) for x in np.ravel(to_numpy(value)))
        print(f"{name.replace('_', ' '):{width}}  {text}")


def matrix(array, rows: Sequence | None = None, columns: Sequence | None = None) -> None:
    """Print a matrix, or a vector as one row, with names for its rows and columns.

    Args:
        array: (N, M) or (M,).
        rows: N names.
        columns: M names.

    Raises:
        ValueError: If there are more or fewer names than rows or columns.

    Example:
        >>> matrix(np.eye(2), rows=["a", "b"], columns=["x", "y"])
                x       y
        ─────────────────
        a  1.0000  0.0000
        b  0.0000  1.0000
    """
    array = np.atleast_2d(to_numpy(array))
    for name, names, count in (("rows", rows, len(array)), ("columns", columns, array.shape[1])):
        if names is not None and len(names) != count:
            raise ValueError(f"{name}: got {len(names)} names, expected {count}")
    rows = [""] * len(array) if rows is None else rows
    table(
        None if columns is None else ["", *columns],
        [[name, *row] for name, row in zip(rows, array, strict=True)],
    )


def table(headers: Sequence[str] | None, rows: Sequence[Sequence]) -> None:
    """Print a table: text flush left, numbers flush right.

    Args:
        headers: One text for each column, or None.
        rows: Sequences of texts and numbers, all of one length.

    Example:
        >>> table(["model", "accuracy"], [["one head", 0.5], ["two heads", 1]])
        model      accuracy
        ───────────────────
        one head     0.5000
        two heads         1
    """
    lines = [[x if isinstance(x, str) else number(x) for x in row] for row in rows]
    flush_left = [all(isinstance(row[c], str) for row in rows) for c in range(len(lines[0]))]
    if headers is not None:
        lines.insert(0, list(headers))
    widths = [max(len(line[c]) for line in lines) for c in range(len(lines[0]))]
    _keep_apart("table")
    for i, line in enumerate(lines):
        cells = [
            x.ljust(width) if left else x.rjust(width)
            for x, width, left in zip(line, widths, flush_left, strict=True)
        ]
        print("  ".join(cells).rstrip())
        if i == 0 and headers is not None:
            print("─" * (sum(widths) + 2 * len(widths) - 2))


def agree(what: str, *arrays) -> None:
    """Check that two or more arrays are equal to rounding, and print that they are.

    Equal means: of one shape, and apart by at most 1e-12 of the largest finite entry for float64
    (1e-5 for float32); an infinity equals itself and nothing else, and
    NaN equals nothing.

    Args:
        what: What is compared, for the line that is printed.
        arrays: Two or more arrays, in float32 or float64, on any device.

    Raises:
        AssertionError: If they are not equal, with the largest difference.
        TypeError: If there are fewer than two arrays, or one is float16 or bfloat16.

    Example:
        >>> agree("sum and product", np.array([0.1 + 0.2]), np.array([0.3]))
        sum and product: equal to rounding, shape (1,)
    """
    if len(arrays) < 2:
        raise TypeError(f"arrays: got {len(arrays)}, expected two or more to compare")
    for dtype in (str(getattr(x, "dtype", "")) for x in arrays):
        if dtype.endswith("float16"):
            raise TypeError(f"arrays: got {dtype}, expected float32 or float64; it is too coarse")
    single = any("float32" in str(x.dtype) for x in arrays if hasattr(x, "dtype"))
    first, *others = (np.asarray(to_numpy(array), dtype=np.float64) for array in arrays)
    largest = np.abs(first[np.isfinite(first)]).max(initial=1e-300)
    tolerance = (1e-5 if single else 1e-12) * largest
    for other in others:
        if first.shape != other.shape:
            raise AssertionError(f"{what}: shapes {first.shape} and {other.shape}")
        unequal = first != other  # so that an infinity is not subtracted from itself
        apart = np.abs(first[unequal] - other[unequal]).max(initial=0)
        if not apart <= tolerance:
            raise AssertionError(f"{what}: differ by up to {apart:.3g}, allowed {tolerance:.3g}")
    _keep_apart("text")
    print(f"{what}: equal to rounding, shape {first.shape}")


def source(function: Callable, first: str = "", last: str = "") -> None:
    """Print a function's source, or its lines from the one that holds first to one that holds last.

    Args:
        function: A function, or a Triton kernel, whose Python is printed.
        first: A text in the first line to print; by default the source begins where it does.
        last: A text in the last line, searched from the first on; by default it ends where it does.

    Raises:
        ValueError: If no line holds the text.

    Example:
        >>> source(number, "value == 0", "return")
        if value == 0 or abs(float(short)) >= 0.001:
            return f"{value + 0.0:,.4f}"
    """
    lines = inspect.getsource(getattr(function, "fn", function)).splitlines()

    def find(name, text, start):
        for i in range(start, len(lines)):
            if text in lines[i]:
                return i
        where = f"{function.__name__} from line {start} on"
        raise ValueError(f"{name}: got {text!r}, expected a text that is in {where}")

    begin = find("first", first, 0)
    end = find("last", last, begin) if last else len(lines) - 1
    _keep_apart("text")
    print(textwrap.dedent("\n".join(lines[begin : end + 1])))


def to_numpy(value) -> np.ndarray:
    """Return an array, a tensor on any device or a number as a NumPy array.

    Args:
        value: Anything with a shape and a dtype, or that np.asarray accepts.

    Returns:
        The array, in float64 if the value is floating.

    Example:
        >>> to_numpy(np.float32([0.5, 2])).dtype
        dtype('float64')
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.double().numpy() if value.is_floating_point() else value.numpy()
    value = np.asarray(value)
    return value.astype(np.float64) if value.dtype.kind == "f" else value
