"""The heat map: every weight as a cell with its number, one row for each word that asks."""

from attnbook.live.settings import HIT, HIT_ROWS
from attnbook.live.style import DARK_FROM, LABELS, ON_DARK, ON_PALE, QUIET, ROW, WIDTH
from attnbook.live.vega import Plane, either, keep, narrow_or_wide
from attnbook.plots.style import COLOURS, INK, TEXT_COLOURS


def heat_map(length: int, of: str) -> dict:
    """Draw every weight as a cell with its number, and outline the rows of the chosen words.

    Args:
        length: The number of words that there is room for.
        of: Suffix of the layer names, one per head.
    """
    plane = Plane(-LABELS, length - 0.5, length - 0.5, -0.5)
    first = [keep("datum.j === 0")]
    seen = {"test": "datum.seen", "field": "a", "type": "quantitative", "scale": None}
    shade = [{"test": "datum.mute", "value": 0.12}, seen]
    layers = [
        plane.cell(
            f"cells{of}",
            "datum.i",
            "datum.j",
            {"stroke": QUIET, "strokeOpacity": 0.3, "strokeWidth": 0.5},
            fill=either(("datum.mute", COLOURS["other"]), otherwise=COLOURS["weights"]),
            fillOpacity={"condition": shade, "value": 0},
        ),
        plane.text(
            f"numbers_in_cells{of}",
            "text",
            [keep("datum.seen")],
            x="datum.j",
            y="datum.i",
            color=either(
                ("datum.mute || datum.a < 0.02", QUIET),
                (f"datum.a > {DARK_FROM}", ON_DARK),
                otherwise=ON_PALE,
            ),
            fontSize=narrow_or_wide(9.5, 11.5),
        ),
        plane.text(
            f"names{of}",
            "asking",
            first,
            x=-0.7,
            y="datum.i",
            color=either(("word", TEXT_COLOURS["query"]), ("datum.mute", QUIET), otherwise=INK),
            align="right",
            fontSize=narrow_or_wide(10.5, 13),
        ),
        _frame(plane, length, "frozen", of, TEXT_COLOURS["key"], [5, 4]),
        _frame(plane, length, "word", of, TEXT_COLOURS["query"], [1, 0]),
        plane.cell(f"{HIT_ROWS}{of}", "datum.i", 0, HIT, first, x=-LABELS, x2=length - 0.5),
    ]
    return {"layer": layers, "width": WIDTH, "height": ROW * length}


def _frame(plane, length, kind, of, colour, dash):
    """Outline the row of a selected word."""
    return plane.cell(
        f"frame_of_{kind}{of}",
        "datum.i",
        "datum.j",
        {"fill": None, "stroke": colour, "strokeWidth": 2, "strokeDash": dash},
        [keep("datum.j === 0"), keep({"param": kind})],
        x=-0.5,
        x2=length - 0.5,
    )
