"""Matrices as boxes in proportion to their shapes."""

from collections.abc import Sequence

from matplotlib.patches import Rectangle

from attnbook.plots.style import COLOURS, INK, TEXT_COLOURS, Picture, styled

ENTRY, SIGN, GAP = 0.16, 0.5, 0.35  # inches: one entry, a sign, the room on each side of a box


@styled
def shapes(blocks: Sequence) -> Picture:
    """Draw matrices as boxes in proportion to their shapes, with signs between them.

    Args:
        blocks: A list of signs such as "×" and "=" and of matrices (name, (rows, columns), role);
            the role names the colour: query, key, value, weights or other.

    Returns:
        The picture.
    """
    tall = ENTRY * max(block[1][0] for block in blocks if not isinstance(block, str))
    widths = [SIGN if isinstance(b, str) else b[1][1] * ENTRY + 2 * GAP for b in blocks]
    picture = Picture(figsize=(sum(widths), tall + 1.0))
    ax = picture.add_axes((0, 0, 1, 1))
    x = 0
    for block, width in zip(blocks, widths, strict=True):
        if isinstance(block, str):
            ax.text(x + SIGN / 2, 0, block, ha="center", va="center", fontsize=15)
        else:
            _draw_matrix(ax, x + GAP, *block)
        x += width
    ax.set(xlim=(0, x), ylim=(-tall / 2 - 0.45, tall / 2 + 0.55))
    ax.axis("off")
    return picture


def _draw_matrix(ax, left, name, shape, role):
    """Draw one box, ruled into its entries, with its name above and its shape below."""
    rows, columns = shape
    high, wide = rows * ENTRY, columns * ENTRY
    low, middle = -high / 2, left + wide / 2
    colour = COLOURS[role]
    ax.add_patch(
        Rectangle((left, low), wide, high, facecolor=colour, edgecolor="white", alpha=0.25)
    )
    for i in range(rows + 1):
        ax.plot([left, left + wide], [i * ENTRY + low] * 2, color="white", linewidth=0.8)
    for i in range(columns + 1):
        ax.plot([left + i * ENTRY] * 2, [low, -low], color="white", linewidth=0.8)
    ax.add_patch(Rectangle((left, low), wide, high, fill=False, edgecolor=colour, linewidth=1.5))
    named = {"fontsize": 11, "fontweight": "bold", "color": TEXT_COLOURS.get(role, INK)}
    ax.text(middle, -low + 0.14, name, ha="center", va="bottom", **named)
    ax.text(middle, low - 0.12, f"{rows} × {columns}", ha="center", va="top", fontsize=9)
