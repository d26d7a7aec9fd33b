"""The seed wall: the same row from many models, one above the other."""

from collections.abc import Sequence

import numpy as np
from matplotlib.patches import Rectangle

from attnbook.plots.style import INK, SHADES, Picture, name_columns, styled
from attnbook.show import to_numpy

DARKEST_FROM = 0.6  # at least: a wall of small weights looks pale


@styled
def wall(
    rows, columns: Sequence[str], *, titles: Sequence[str], ring: int | None = None, title: str = ""
) -> Picture:
    """Draw many one-row heat maps above each other.

    Args:
        rows: (S, N), one row for each seed or model.
        columns: N names.
        titles: S texts, at the left of the rows.
        ring: The index of the row to outline.
        title: The title.

    Returns:
        The picture.
    """
    rows = to_numpy(rows)
    picture = Picture(figsize=(5.6, 0.22 * len(rows) + 1.3), layout="constrained")
    ax = picture.subplots()
    ax.imshow(rows, cmap=SHADES, vmin=0, vmax=max(rows.max(), DARKEST_FROM), aspect="auto")
    ax.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    ax.grid(which="minor", axis="y", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0)
    name_columns(ax, columns)
    ax.set_yticks(range(len(rows)), titles, fontsize=8)
    if ring is not None:
        row = Rectangle((-0.5, ring - 0.5), rows.shape[1], 1, zorder=3)
        row.set(fill=False, edgecolor=INK, linewidth=2, clip_on=False)
        ax.add_patch(row)
    ax.set_title(title, pad=8)
    ax.spines[:].set_visible(False)
    return picture
