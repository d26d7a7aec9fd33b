"""Make nbval compare pictures too: by itself it compares texts and passes any changed PNG.

And skip what needs the pretrained model where its weights are not, except in CI.
"""

import base64
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

# Two workers on two cores: one thread each, in this process and in the notebooks' kernels.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

# Without a GPU the Triton kernel runs in Triton's interpreter; triton reads this when imported.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
HAS_TRITON = find_spec("triton") is not None  # Linux only
collect_ignore_glob = (
    []
    if HAS_TRITON
    else ["attnlib/implementations/triton_*.py", "attnbook/notebook/compile_kernel.py"]
)

import pytest
from matplotlib.testing.compare import compare_images
from matplotlib.testing.exceptions import ImageComparisonFailure
from nbval.plugin import IPyNbCell

from attnbook.live import MIME_TYPE
from attnbook.models import minilm

# RMS over 0 to 255. The same numbers give the same bytes; one digit in a large heat map gives 0.8.
PICTURE_TOLERANCE = 0.3
LIVE_TOLERANCE = 1e-7  # live figures store 8 decimals, of which the last differs between processors

READS_THE_WEIGHTS = "trained_model.ipynb"  # and what is marked minilm


def pytest_collection_modifyitems(items):
    """Skip, and say why, what needs triton where there is none, or weights that are not fetched.

    Where CI is set, missing weights are a failure: nothing is skipped.
    """
    no_triton = "triton is not installed; it exists for Linux only"
    no_weights = f"{minilm.FILES.name} is not in {minilm.FILES.where()}: "
    no_weights += "run `python -m attnbook.models.minilm`"
    may_skip = not os.environ.get("CI") and not minilm.FILES.is_here()
    for item in items:
        if item.path.name == "gpu_kernel.ipynb" and not HAS_TRITON:
            item.add_marker(pytest.mark.skip(reason=no_triton))
        if item.path.name == READS_THE_WEIGHTS or item.get_closest_marker("minilm"):
            if may_skip:
                item.add_marker(pytest.mark.skip(reason=no_weights))


compare_texts = IPyNbCell.compare_outputs


def compare_outputs(cell, new, stored, skip_compare=None):
    """Compare the texts as nbval does, then every PNG by its pixels, then live figures."""
    if not compare_texts(
        cell, new, stored, (*(skip_compare or cell.parent.skip_compare), MIME_TYPE)
    ):
        return False
    apart = picture_difference(_pngs(new), _pngs(stored))
    if not apart and not is_same_figure(_live(new), _live(stored)):
        apart = "the specification of a live figure differs from the stored one"
    if apart:
        cell.comparison_traceback.append(apart)
    return not apart


def picture_difference(new, stored):
    """Say how two lists of PNGs (bytes) differ, or return None."""
    if len(new) != len(stored):
        return f"{len(new)} pictures were made, {len(stored)} are stored"
    for i, (made, kept) in enumerate(zip(new, stored, strict=True)):
        if made == kept:
            continue
        folder = Path(tempfile.mkdtemp(prefix="picture-"))
        paths = [folder / f"{i}-stored.png", folder / f"{i}-new.png"]
        for path, png in zip(paths, (kept, made), strict=True):
            path.write_bytes(png)
        try:
            apart = compare_images(*map(str, paths), tol=PICTURE_TOLERANCE)
        except ImageComparisonFailure as sizes_differ:
            apart = f"{sizes_differ}\n{paths}"
        if apart:
            return f"picture {i} differs from the stored one:\n{apart}"
    return None


def is_same_figure(new, stored):
    """Say whether two specifications hold the same, numbers to LIVE_TOLERANCE."""
    if isinstance(new, float | int) and isinstance(stored, float | int):
        return abs(new - stored) <= LIVE_TOLERANCE
    if isinstance(new, dict) and isinstance(stored, dict):
        return new.keys() == stored.keys() and all(is_same_figure(new[k], stored[k]) for k in new)
    if isinstance(new, list) and isinstance(stored, list):
        return len(new) == len(stored) and all(map(is_same_figure, new, stored))
    return new == stored


def _live(outputs):
    data = (output.get("data", {}) for output in outputs)
    return [d[MIME_TYPE] for d in data if MIME_TYPE in d]


def _pngs(outputs):
    data = (output.get("data", {}) for output in outputs)
    return [base64.b64decode(d["image/png"]) for d in data if "image/png" in d]


IPyNbCell.compare_outputs = compare_outputs
