"""The checks of the notebooks can fail: a changed digit, a changed picture, a changed shape."""

import base64
import io
import os
import re
import subprocess
import sys

import matplotlib.image
import nbformat
import numpy as np
import pytest

from attnbook import live, plots
from tests.support.nbval_pictures import is_same_figure, picture_difference
from tests.support.notebooks import ROOT, code_cells, pictures

SOURCE = """
from attnbook import plots, show
show.values(weight=0.5)
plots.heat_map([[0.25, 0.75]], ["sat"], ["cat", "mat"])
"""


def png(values):
    """Return the picture that SOURCE makes, for these values."""
    return plots.heat_map([values], ["sat"], ["cat", "mat"])._repr_png_()


def cell(source, bundle, *streams):
    """Return a cell that stores these streams and, last, a bundle by mime type."""
    data = bundle | {"image/png": base64.b64encode(bundle["image/png"]).decode()}
    outputs = [*streams, nbformat.v4.new_output("execute_result", data, execution_count=1)]
    return nbformat.v4.new_code_cell(source, execution_count=1, outputs=outputs)


def printing(*, printed="weight  0.5000\n", values=(0.25, 0.75)):
    """Return a cell of SOURCE that stores these outputs."""
    bundle = {"image/png": png(values), "text/plain": "<Picture with 1 axes>"}
    return cell(SOURCE, bundle, nbformat.v4.new_output("stream", name="stdout", text=printed))


def live_figure(*, length=8, **changed):
    """Return a cell of a live figure that stores it with another picture or specification."""
    bundle = live.dilated_pattern(8)._repr_mimebundle_()
    bundle["image/png"] = live.dilated_pattern(length)._repr_mimebundle_()["image/png"]
    bundle[live.MIME_TYPE] = bundle[live.MIME_TYPE] | changed
    return cell("from attnbook import live\nlive.dilated_pattern(8)", bundle)


CASES = {  # each is a cell of one notebook
    "as_stored": ("PASSED", printing),
    "a_digit_changed": ("FAILED", lambda: printing(printed="weight  0.5001\n")),
    "the_picture_changed": ("FAILED", lambda: printing(values=(0.25, 0.70))),
    "a_live_figure_as_stored": ("PASSED", live_figure),
    "its_specification_changed": ("FAILED", lambda: live_figure(padding=5)),
    "its_picture_changed": ("FAILED", lambda: live_figure(length=16)),
    "an_error": ("FAILED", lambda: nbformat.v4.new_code_cell("1 / 0", execution_count=1)),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Run nbval on the notebook, and return what it prints."""
    folder = tmp_path_factory.mktemp("notebooks")
    notebook = nbformat.v4.new_notebook(cells=[make() for _, make in CASES.values()])
    nbformat.write(notebook, folder / "cat.ipynb")
    command = [sys.executable, "-m", "pytest", "-v", "-p", "tests.support.nbval_pictures"]
    command += ["-p", "no:cacheprovider", "--color=no", "-o", "addopts=", "-o", "markers=slow"]
    command += ["--nbval", "--nbval-current-env", "."]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_nbval_compares_numbers_pictures_and_live_figures(report, case):
    verdicts = re.findall(r"^cat::ipynb::Cell \d (PASSED|FAILED)", report, re.M)
    assert verdicts[list(CASES).index(case)] == CASES[case][0]


def test_a_failing_cell_says_what_to_do(report):
    reports = re.split(r"^_+ .* _+$", report, flags=re.M)
    place, todo, *rest = reports[1].strip().splitlines()
    assert place == "cat.ipynb, cell [2] does not give the output that is stored."
    assert todo == "If the new output is right: make notebooks CHAPTER=cat"
    assert rest.index("- weight  0.5001") < rest.index("+ weight  0.5000")
    assert reports[-1].strip().startswith("cat.ipynb, cell [7]: Cell execution caused an exception")


@pytest.mark.slow
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
