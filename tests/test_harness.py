"""The checks of the notebooks can fail: a changed digit, a changed picture, a changed shape."""

import base64
import io
import os
import subprocess
import sys

import matplotlib.image
import nbformat
import numpy as np
import pytest
from notebooks import ROOT, code_cells, pictures

from attnlib import explorer, plots
from conftest import is_same_figure, picture_difference

SOURCE = """
from attnlib import plots, show
show.values(weight=0.5)
plots.heat_map([[0.25, 0.75]], ["sat"], ["cat", "mat"])
"""


def png(values):
    """Return the picture that SOURCE makes, for these values."""
    return plots.heat_map([values], ["sat"], ["cat", "mat"])._repr_png_()


def run_nbval(folder, *, printed="weight  0.5000\n", values=(0.25, 0.75)):
    """Run nbval on a notebook of one cell with these stored outputs; return pytest's exit code."""
    bundle = {"image/png": png(values), "text/plain": "<Picture with 1 axes>"}
    stream = nbformat.v4.new_output("stream", name="stdout", text=printed)
    return run_cell(folder, SOURCE, [stream], bundle)


def run_cell(folder, source, streams, bundle):
    """Run nbval on a cell that stores these streams and, last, a bundle by mime type."""
    picture = base64.b64encode(bundle["image/png"]).decode()
    data = bundle | {"image/png": picture}
    outputs = [*streams, nbformat.v4.new_output("execute_result", data, execution_count=1)]
    cell = nbformat.v4.new_code_cell(source, execution_count=1, outputs=outputs)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "one.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider"]
    command += ["-o", "addopts=", "--nbval", "--nbval-current-env", str(folder / "one.ipynb")]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert b"1 passed" in done.stdout or b"1 failed" in done.stdout, done.stdout.decode()
    return done.returncode


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({}, 0),
        ({"printed": "weight  0.5001\n"}, 1),
        ({"values": (0.25, 0.70)}, 1),
    ],
    ids=["as stored", "a digit changed", "the picture changed"],
)
def test_nbval_compares_numbers_and_pictures(stored, expected, tmp_path):
    assert run_nbval(tmp_path, **stored) == expected


def test_nbval_compares_live_figures(tmp_path):
    source = "from attnlib import explorer\nexplorer.dilated_pattern(8)"
    bundle = explorer.dilated_pattern(8)._repr_mimebundle_()
    assert run_cell(tmp_path, source, [], bundle) == 0
    changed = bundle[explorer.MIME_TYPE] | {"padding": 5}
    assert run_cell(tmp_path, source, [], bundle | {explorer.MIME_TYPE: changed}) == 1
    other = explorer.dilated_pattern(16)._repr_mimebundle_()["image/png"]
    assert run_cell(tmp_path, source, [], bundle | {"image/png": other}) == 1


def test_one_digit_in_a_large_heat_map_is_noticed():
    weights = np.random.default_rng(0).uniform(0.1, 0.9, size=(11, 11)).round(2)
    names = [f"word{i}" for i in range(11)]
    kept = plots.heat_map(weights, names, names)._repr_png_()
    again = plots.heat_map(weights, names, names)._repr_png_()
    weights[7, 3] += 0.01
    changed = plots.heat_map(weights, names, names)._repr_png_()
    assert picture_difference([again], [kept]) is None
    assert "differs" in picture_difference([changed], [kept])
    wider = plots.heat_map(weights, names, [*names[:-1], "a longer word"])._repr_png_()
    assert "differs" in picture_difference([wider], [kept])
    assert "2 pictures" in picture_difference([kept, kept], [kept])


@pytest.mark.parametrize("chapter", ["self_attention", "softmax"])
def test_stored_pictures_are_sharp_and_not_blank(chapter):
    for cell in code_cells(chapter):
        for picture in pictures(cell):
            pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(picture)), format="png")
            assert pixels.shape[1] >= 700, "at least 700 pixels wide"
            assert pixels[..., :3].std() > 0.02, "something is drawn"


def test_a_live_figure_is_compared_number_by_number():
    stored = {"raw": [[1.0, 2.0]], "title": "sat"}
    assert is_same_figure({"raw": [[1.0 + 1e-8, 2.0]], "title": "sat"}, stored)
    assert not is_same_figure({"raw": [[1.0 + 1e-6, 2.0]], "title": "sat"}, stored)
    assert not is_same_figure({"raw": [[1.0, 2.0]], "title": "cat"}, stored)
    assert not is_same_figure({"raw": [[1.0]], "title": "sat"}, stored)
    assert not is_same_figure({"raw": [[1.0, 2.0]]}, stored)
