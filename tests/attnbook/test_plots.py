"""The still figures show the numbers that they are given, and can be read."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from attnbook import plots
from attnbook.plots.heat_maps import cell_text
from attnbook.plots.style import SERIES


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def texts(ax):
    """Return the numbers in a heat map's cells by their place (row, column)."""
    return {(t.get_position()[1], t.get_position()[0]): t for t in ax.texts}


@pytest.mark.parametrize(
    "x, digits, text",
    [
        (0.25, 2, ".25"),
        (-0.25, 1, "−.2"),
        (0.004, 2, "0"),
        (-0.004, 2, "0"),
        (0.999, 2, "1.00"),
        (1.0, 0, "1"),
        (10.5, 1, "10.5"),
        (-12.25, 2, "−12.25"),
        (np.inf, 2, "∞"),
        (-np.inf, 2, "−∞"),
        (np.nan, 2, "NaN"),
    ],
)
def test_a_cell_writes_its_number_short(x, digits, text):
    assert cell_text(x, digits) == text


@pytest.mark.parametrize("home", [np.array, torch.tensor])
def test_each_number_stands_in_its_cell(rng, home):
    A = rng.standard_normal((3, 5)) * 2
    picture = plots.heat_map(home(A), list("abc"), list("vwxyz"), signed=True, digits=1)
    [ax] = picture.axes
    assert [t.get_text() for t in ax.get_yticklabels()] == list("abc")
    assert [t.get_text() for t in ax.get_xticklabels()] == list("vwxyz")
    written = texts(ax)
    assert set(written) == set(np.ndindex(3, 5))
    for (i, j), text in written.items():
        assert (
            abs(float("0" + text.get_text().replace("−", "-").lstrip("-")) - abs(A[i, j])) < 0.051
        )
        assert text.get_text().startswith("−") == (A[i, j] <= -0.05)


def test_maps_share_one_scale_which_is_symmetric_where_signed():
    maps = [np.full((2, 3), 0.5), np.full((2, 3), -4.0), np.array([[np.inf, 1, 2]] * 2)]
    for signed, low in ((True, -4), (False, 0)):
        picture = plots.heat_maps(maps, "ab", "xyz", titles=["1", "2", "3"], signed=signed)
        shown = [ax for ax in picture.axes if ax.get_visible()]
        assert [ax.get_title(loc="left") for ax in shown] == ["1", "2", "3"]
        assert [ax.images[0].get_clim() for ax in shown] == [(low, 4)] * 3


def luminance(colour):
    return np.dot(
        [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]],
        [0.2126, 0.7152, 0.0722],
    )


@pytest.mark.parametrize("signed", [False, True])
def test_numbers_stand_out_on_every_shade(signed):
    A = np.linspace(-1 if signed else 0, 1, 41)
    [ax] = plots.heat_map(A, ["a"], A, signed=signed).axes
    for (_, column), text in texts(ax).items():
        ground = ax.images[0].cmap(ax.images[0].norm(A[column]))
        low, high = sorted([luminance(ground), luminance(to_rgb(text.get_color()))])
        assert (high + 0.05) / (low + 0.05) >= 3, A[column]


def test_rings_and_grey_rows_lie_on_their_cells(rng):
    ring, grey = [(1, 4), (2, 0)], [0, 2]
    [ax] = plots.heat_map(rng.random((3, 5)), "abc", "vwxyz", ring=ring, grey_rows=grey).axes
    squares = {(p.get_y() + 0.5, p.get_x() + 0.5) for p in ax.patches if p.get_width() == 1}
    whole_rows = {p.get_y() + 0.5 for p in ax.patches if p.get_width() == 5}
    assert squares == set(ring) and whole_rows == set(grey)


def test_heads_are_drawn_in_their_places(rng):
    weights = rng.random((2, 3, 4, 4))
    axes = plots.all_heads(weights, top=0.5, ring=[(1, 2)]).axes
    for (layer, head), ax in zip(np.ndindex(2, 3), axes, strict=True):
        assert np.array_equal(ax.images[0].get_array(), weights[layer, head])
        assert ax.images[0].get_clim() == (0, 0.5)
    assert [ax.spines["top"].get_linewidth() for ax in axes] == [1, 1, 1, 1, 1, 2]


def test_lines_are_named_below_and_never_told_by_colour_alone(rng):
    lines = {str(i): rng.random(5) for i in range(len(SERIES))}
    picture = plots.curves(range(1, 6), lines, log_x=True, x_ticks=(1, 2000))
    drawn = picture.axes[0].lines
    assert [text.get_text() for text in picture.legends[0].get_texts()] == list(lines)
    for line, y in zip(drawn, lines.values(), strict=True):
        assert np.array_equal(line.get_ydata(), y)
    assert len({line.get_color() for line in drawn}) == len(SERIES)
    assert len({str(line._dash_pattern) for line in drawn}) == len(SERIES)
    assert [t.get_text() for t in picture.axes[0].get_xticklabels()] == ["1", "2,000"]
    assert not plots.curves([1, 2], {"alone": [1, 2]}).legends


def test_names_of_points_cover_neither_points_nor_each_other(rng):
    xy, names = rng.uniform(size=(12, 2)), [f"word{i}" for i in range(12)]
    xy[6:] = xy[:6] + 0.01  # pairs, so that a label at its first place would cover a point
    picture = plots.points(xy, names, [str(i % 3) for i in range(12)])
    ax = picture.axes[0]
    picture.draw_without_rendering()
    assert [text.get_text() for text in ax.texts] == names
    boxes = [text.get_window_extent() for text in ax.texts]
    places = ax.transData.transform(xy)
    for i, box in enumerate(boxes):
        assert not any(box.contains(*place) for place in places), names[i]
        assert not any(box.overlaps(other) for other in boxes[:i]), names[i]


def test_boxes_are_as_large_as_their_matrices():
    [ax] = plots.shapes([("A", (3, 5), "query"), "×", ("B", (5, 2), "key")]).axes
    sizes = [(p.get_height() / 0.16, p.get_width() / 0.16) for p in ax.patches[1::2]]
    assert np.allclose(sizes, [(3, 5), (5, 2)])
    assert [t.get_text() for t in ax.texts] == ["A", "3 × 5", "×", "B", "5 × 2"]


def test_a_wall_has_a_row_for_each_seed(rng):
    rows = rng.random((7, 4))
    [ax] = plots.wall(rows, "wxyz", titles=[f"seed {s}" for s in range(7)], ring=5).axes
    assert np.array_equal(ax.images[0].get_array(), rows)
    assert [t.get_text() for t in ax.get_yticklabels()] == [f"seed {s}" for s in range(7)]
    assert [(p.get_y() + 0.5, p.get_width()) for p in ax.patches] == [(5, 4)]


def test_the_same_bytes_every_time(rng):
    A = rng.random((3, 4))
    first, again = (plots.heat_map(A, "abc", "wxyz")._repr_png_() for _ in range(2))
    assert first == again and first.startswith(b"\x89PNG")
