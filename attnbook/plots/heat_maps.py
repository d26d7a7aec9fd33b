"""Matrices as coloured cells with their numbers in them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.patches import Rectangle

from attnbook.plots.style import DIVERGING, INK, SHADES, Picture, name_columns, styled
from attnbook.show import to_numpy

GREYED = "#7A808A"  # the ink of rows without colour
DARK_BELOW = 0.55  # the luma of a cell below which a white number is easier to read than ink


def heat_map(array, rows, columns, *, title: str = "", **options: object) -> Picture:
    """Draw a matrix as coloured cells with its numbers in them.

    Args:
        array: (N, M), or (M,) for one row; numbers or booleans.
        rows: N names.
        columns: M names.
        title: The title.
        options: The other options of heat_maps.

    Returns:
        The picture.
    """
    return heat_maps([array], rows, columns, titles=[title], **options)


@styled
def heat_maps(
    arrays,
    rows,
    columns,
    *,
    titles: Sequence[str],
    signed: bool = False,
    grey_rows: Sequence[int] = (),
    ring: Sequence[tuple[int, int]] = (),
    digits: int | None = 2,
    row_label: str = "",
    column_label: str = "",
) -> Picture:
    """Draw several matrices of one shape with one colour scale.

    Small maps and maps without numbers go side by side, others below each other, so that the
    numbers stay readable on a phone.

    Args:
        arrays: Matrices of shape (N, M), or (M,) for one row; numbers or booleans.
        rows: N names.
        columns: M names.
        titles: One for each matrix.
        signed: Whether colours run from amber through white at 0 to violet, not from white at 0.
        grey_rows: Indices of rows to draw without colour.
        ring: (row, column) of each cell to outline.
        digits: Decimals of the numbers in the cells; None for no numbers.
        row_label: What the rows are.
        column_label: What the columns are.

    Returns:
        The picture.
    """
    arrays = [np.atleast_2d(to_numpy(array)) for array in arrays]
    num_rows, num_columns = arrays[0].shape
    across = 1 if digits is not None and num_columns > 6 else min(2, len(arrays))
    down = -(-len(arrays) // across)
    cell = _cell_size(num_columns, digits, signed)
    picture = Picture(
        figsize=(across * (num_columns * cell + 1.1), down * (num_rows * cell + 1.0)),
        layout="constrained",
    )
    picture.get_layout_engine().set(hspace=0.08)  # a title is nearer its own map
    axes = picture.subplots(down, across, squeeze=False).ravel()
    top = max(np.abs(a[np.isfinite(a)]).max(initial=0) for a in arrays) or 1
    for ax, array, title in zip(axes, arrays, titles, strict=False):
        image = _draw_cells(ax, array, top, signed)
        _grey_out(ax, grey_rows, num_columns)
        if digits is not None:
            _write_numbers(ax, image, array, digits, grey_rows)
        _outline(ax, ring)
        name_columns(ax, columns)
        ax.set_yticks(range(num_rows), rows)
        ax.xaxis.set_label_position("top")
        ax.set(xlabel=column_label, ylabel=row_label)
        ax.set_title(title, pad=8)
        ax.spines[:].set_visible(False)
    for ax in axes[len(arrays) :]:
        ax.set_visible(False)
    return picture


def _cell_size(num_columns, digits, signed):
    """Return the side of a cell in inches: enough for its number."""
    if digits is not None and (digits > 2 or signed):
        return 0.52
    return 0.42 if digits is not None and num_columns <= 16 else 0.3


def _draw_cells(ax, array, top, signed):
    """Colour the cells, with white lines between them."""
    low, shades = (-top, DIVERGING) if signed else (0, SHADES)
    image = ax.imshow(array, cmap=shades, vmin=low, vmax=top)
    ax.set_xticks(np.arange(array.shape[1] + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(array.shape[0] + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=1.5)
    ax.tick_params(which="minor", length=0)
    return image


def _grey_out(ax, rows, num_columns):
    """Cover whole rows with a pale grey."""
    for row in rows:
        ax.add_patch(Rectangle((-0.5, row - 0.5), num_columns, 1, color="#F1F2F4", zorder=1.5))


def _write_numbers(ax, image, array, digits, grey_rows):
    """Write each number into its cell, in ink or white, whichever is easier to read there."""
    for (row, column), x in np.ndenumerate(array):
        colour = INK
        if row in grey_rows:
            colour = GREYED
        elif np.isfinite(x):
            red, green, blue, _ = image.cmap(image.norm(x))
            if 0.299 * red + 0.587 * green + 0.114 * blue < DARK_BELOW:
                colour = "white"
        style = {"ha": "center", "va": "center", "fontsize": 8, "zorder": 2}
        ax.text(column, row, cell_text(x, digits), color=colour, **style)


def cell_text(x: float, digits: int) -> str:
    """Write a number as short as a cell needs it: no 0 before the point, no -0.

    Args:
        x: The number; it may be infinite or NaN.
        digits: Decimals.

    Returns:
        The text, with a true minus sign.

    Example:
        >>> cell_text(0.25, 2), cell_text(-0.004, 2), cell_text(-1.5, 1), cell_text(-np.inf, 2)
        ('.25', '0', '−1.5', '−∞')
    """
    if not np.isfinite(x):
        return "−∞" if x < 0 else "∞" if x > 0 else "NaN"
    text = f"{x + 0.0:.{digits}f}".replace("-", "−")
    if text.strip("−0.") == "":
        return "0"
    return text.replace("0.", ".", 1) if abs(x) < 1 else text


def _outline(ax, cells):
    """Outline cells in ink on white, so that it shows on any colour."""
    for row, column in cells:
        for colour, width in (("white", 4), (INK, 2)):
            square = Rectangle((column - 0.5, row - 0.5), 1, 1, zorder=3)
            square.set(fill=False, edgecolor=colour, linewidth=width, clip_on=False)
            ax.add_patch(square)
