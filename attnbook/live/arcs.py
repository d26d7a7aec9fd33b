"""The words in a row with arcs above them: from the word that asks to those that it asks."""

from attnbook.live.settings import HIT, HIT_WORDS
from attnbook.live.style import LABELS, WIDTH
from attnbook.live.vega import Plane, calculate, either, keep, narrow_or_wide, ramp
from attnbook.live.weights import LEAST
from attnbook.plots.style import COLOURS, INK, TEXT_COLOURS


def words_and_arcs(length: int, of: str) -> dict:
    """Draw the words in a row, arcs from the chosen ones above, their weights below as numbers.

    Args:
        length: The number of words that there is room for.
        of: Suffix of the layer names, one per head.
    """
    plane = Plane(-LABELS, length - 0.5, -3.2, 6.2)
    itself = [keep("datum.i === datum.j")]
    layers = [
        *_chosen_word(plane, length, "frozen", of, TEXT_COLOURS["key"], [5, 4], -2.7),
        *_chosen_word(plane, length, "word", of, COLOURS["weights"], [1, 0], -1.7),
        plane.text(
            f"words{of}",
            "asking",
            itself,
            x="datum.i",
            y=0,
            color=either(("word", TEXT_COLOURS["query"]), otherwise=INK),
            fontSize=narrow_or_wide(11, 15),
            angle=narrow_or_wide(315, 0),
        ),
        plane.draw(
            f"{HIT_WORDS}{of}",
            HIT,
            itself,
            x="datum.i - 0.5",
            x2="datum.i + 0.5",
            y=plane.bottom,
            y2=plane.top,
        ),
    ]
    return {"layer": layers, "width": WIDTH, "height": 170}


def _chosen_word(plane, length, kind, of, colour, dash, row):
    """Draw the arcs of a selected word, the numbers of its weights in a row, and its name there."""
    chosen, seen = keep({"param": kind}), keep("datum.seen")
    worth_an_arc = keep(f"datum.seen && datum.a >= {LEAST} && datum.i !== datum.j")
    along = [calculate("t", "sequence(0, 1.001, 0.04)"), {"flatten": ["t"]}]  # 26 points of an arc
    height = f"5 * pow(abs(datum.j - datum.i) / {length - 1}, 0.6)"
    return [
        plane.draw(
            f"arcs_of_{kind}{of}",
            {"type": "line", "color": colour, "strokeDash": dash},
            [chosen, worth_an_arc, *along],
            x="datum.i + (datum.j - datum.i) * (1 - cos(PI * datum.t)) / 2",
            y=f"0.8 + {height} * sin(PI * datum.t)",
            detail={"field": "j"},
            order={"field": "t"},
            strokeWidth=ramp("a", 0.6, 9),
            strokeOpacity=ramp("a", 0.3, 1),
        ),
        plane.text(
            f"numbers_of_{kind}{of}", "text", [chosen, seen], x="datum.j", y=row, color=colour
        ),
        plane.text(
            f"name_of_{kind}{of}",
            "asking",
            [chosen, keep("datum.j === 0")],
            x=-0.7,
            y=row,
            color=colour,
            align="right",
        ),
    ]
