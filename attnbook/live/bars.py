"""Horizontal bars for a few shares."""

from attnbook.live.vega import Plane


def bars(name: str, plane: Plane, row: str, share: str, label: str, colour: str, steps=()):
    """Draw bars from 0 to a share, with a label before and a number after each.

    Args:
        name: Prefix of the names of the three layers.
        plane: Where they are drawn.
        row: The expression of a bar's place, from top to bottom.
        share: The expression of its length, from 0 to 1.
        label: The field that says what it is. The field text holds its number.
        colour: The colour of the bars.
        steps: Transforms that are applied first.

    Returns:
        The layers.
    """
    bar = {"type": "rect", "color": colour}
    across = {"x": 0, "x2": share, "y": f"{row} - 0.36", "y2": f"{row} + 0.36"}
    return [
        plane.draw(f"{name}_bars", bar, steps, **across),
        plane.text(f"{name}_words", label, steps, x=-0.02, y=row, align="right"),
        plane.text(f"{name}_numbers", "text", steps, x=f"{share} + 0.02", y=row, align="left"),
    ]
