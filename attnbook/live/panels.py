"""The panel of a head: the words with their arcs, the heat map below, and their sentences."""

from collections.abc import Sequence

from attnbook.live.arcs import words_and_arcs
from attnbook.live.heat_map import heat_map
from attnbook.live.settings import of_head
from attnbook.live.status import rows_in_words
from attnbook.live.style import WIDTH
from attnbook.live.vega import keep
from attnbook.plots.style import INK

GAP = 24  # pixels between panels


def panel(length: int, h: int | None = None) -> dict:
    """Draw the weights of one head.

    Args:
        length: The number of words that there is room for.
        h: The head, named above the panel; None where it is the only panel.
    """
    above, below = words_and_arcs(length, of_head(h)), heat_map(length, of_head(h))
    below["layer"] += rows_in_words(h)
    panel = {"vconcat": [above, below], "spacing": 4}
    if h is not None:
        panel["title"] = {"text": f"head {h}", "anchor": "start", "color": INK}
        panel["transform"] = [keep(f"datum.h === {h}")]
    return panel


def side_by_side(panels: Sequence[dict], columns: int) -> dict:
    """Put panels in rows of the given number of columns, which share the width of a figure."""
    for view in (view for panel in panels for view in panel.get("vconcat", [panel])):
        view["width"] = (WIDTH - GAP * (columns - 1)) // columns
    return {"concat": list(panels), "columns": columns, "spacing": GAP}
