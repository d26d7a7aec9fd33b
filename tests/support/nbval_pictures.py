"""A pytest plugin on top of nbval, which runs the notebooks and compares what their cells print.

nbval alone compares text and lets any changed picture pass. With this plugin a cell also fails when
a PNG differs from the stored one by more than a trace, or when the specification of a live figure
differs. It also marks the solutions and the timed cells as slow. A failing cell first says which
cell it is and what to do, then shows what has changed in the usual direction: `-` before a stored
line, `+` before a new one.

nbval offers no hooks for this, so three methods of its class for cells are replaced at the end.
"""

import base64
import difflib
import tempfile
from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images
from matplotlib.testing.exceptions import ImageComparisonFailure
from nbval.plugin import IPyNbCell, NbCellError

from attnbook.live import MIME_TYPE
from tests.support.notebooks import tags

# Root mean square over pixels from 0 to 255. The same numbers give the same picture; one changed
# digit in a large heat map gives 0.8.
PICTURE_TOLERANCE = 0.3
LIVE_TOLERANCE = 1e-7  # live figures store 8 decimals; the last one differs between processors

# Here later cells draw the random numbers that follow those of the timed cells.
TIMED_BUT_NEEDED = {"quadratic_cost.ipynb"}


def pytest_itemcollected(item):
    """Mark the solutions as slow, and the cells that print times, which nothing compares."""
    if isinstance(item, IPyNbCell):
        is_timed = "timed" in tags(item.cell) and item.path.name not in TIMED_BUT_NEEDED
        if is_timed or item.path.parent.name == "solutions":
            item.add_marker(pytest.mark.slow)


def compare_outputs(cell, new, stored, skip_compare=None):
    """Compare the texts as nbval does, then every PNG, then every live figure."""
    skip_compare = (*(skip_compare or cell.parent.skip_compare), MIME_TYPE)
    if not compare_texts(cell, new, stored, skip_compare):
        return False
    difference = picture_difference(_pngs(new), _pngs(stored))
    if not difference and not is_same_figure(_live_figures(new), _live_figures(stored)):
        difference = "the specification of a live figure differs from the stored one"
    if difference:
        cell.comparison_traceback.append(difference)
    return not difference


def picture_difference(new, stored):
    """Say how two lists of PNGs (bytes) differ, or return None."""
    if len(new) != len(stored):
        return f"the cell draws {len(new)} pictures, and {len(stored)} are stored"
    for i, (made, kept) in enumerate(zip(new, stored, strict=True)):
        if made == kept:
            continue
        folder = Path(tempfile.mkdtemp(prefix="picture-"))
        paths = [folder / f"{i}-stored.png", folder / f"{i}-new.png"]
        for path, png in zip(paths, (kept, made), strict=True):
            path.write_bytes(png)
        try:
            difference = compare_images(*map(str, paths), tol=PICTURE_TOLERANCE)
        except ImageComparisonFailure as sizes_differ:
            difference = f"{sizes_differ}\n{paths}"
        if difference:
            return f"picture {i} differs from the stored one:\n{difference}"
    return None


def is_same_figure(new, stored):
    """Say whether two specifications are equal, their numbers to within LIVE_TOLERANCE."""
    if isinstance(new, float | int) and isinstance(stored, float | int):
        return abs(new - stored) <= LIVE_TOLERANCE
    if isinstance(new, dict) and isinstance(stored, dict):
        return new.keys() == stored.keys() and all(is_same_figure(new[k], stored[k]) for k in new)
    if isinstance(new, list) and isinstance(stored, list):
        return len(new) == len(stored) and all(map(is_same_figure, new, stored))
    return new == stored


def _pngs(outputs):
    return [base64.b64decode(data) for data in _data(outputs, "image/png")]


def _live_figures(outputs):
    return _data(outputs, MIME_TYPE)


def _data(outputs, mime_type):
    """Return what the outputs hold of one MIME type, in order."""
    bundles = (output.get("data", {}) for output in outputs)
    return [bundle[mime_type] for bundle in bundles if mime_type in bundle]


def show_difference(cell, kind, stored, new):
    """Keep what has changed in one output for the report: - is stored, + is new."""
    lines = difflib.ndiff(str(stored).splitlines(), str(new).splitlines())
    cell.comparison_traceback += [f"{kind} (- stored, + new):", *lines]


def describe_failure(cell, failure):
    """Return the report on a failing cell; what to do comes first."""
    error = failure.value
    if not isinstance(error, NbCellError):
        return describe_by_nbval(cell, failure)
    path = cell.path.relative_to(cell.config.rootpath)
    place = f"{path}, cell [{cell.cell_num + 1}]"  # as JupyterLab numbers it
    if str(error) == "Cell outputs differ":
        head = [
            f"{place} does not give the output that is stored.",
            f"If the new output is right: make notebooks CHAPTER={path.stem}",
            "If not, find out what has changed it.",
        ]
    else:
        head = [f"{place}: {error}."]
    return "\n".join([*head, "", error.inner_traceback or "", "", "The cell:", error.source])


compare_texts, IPyNbCell.compare_outputs = IPyNbCell.compare_outputs, compare_outputs
describe_by_nbval, IPyNbCell.repr_failure = IPyNbCell.repr_failure, describe_failure
IPyNbCell.format_output_compare = show_difference
