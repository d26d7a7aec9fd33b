"""What a figure says: "sat takes .50 of cat, .50 of mat; less than .005 of any other word."

A sentence is the text of an invisible mark. So Vega writes it anew at every change, live.js only
reads it into the status line of the page, and the figure's first description is read the same way.
"""

from attnbook.live.settings import of_head
from attnbook.live.vega import calculate, joined, keep
from attnbook.live.weights import LEAST

OF_WORD, OF_FROZEN = "status_of_word", "status_of_frozen"


def said(name: str, steps: list[dict]) -> dict:
    """Return a layer whose text is the field said and which takes no room in the drawing."""
    unseen = {"type": "text", "fontSize": 0, "opacity": 0}
    return {
        "name": name,
        "mark": unseen,
        "transform": steps,
        "encoding": {"text": {"field": "said"}},
    }


def listed(part: str, many: str, by: list[dict]) -> list[dict]:
    """Return the steps that leave one row of data, with the parts of many in its field list.

    Args:
        part: The expression of a row's part.
        many: The expression of how many parts to list.
        by: The order of the rows, as Vega-Lite sorts them.
    """
    # The first row is kept, so the window counts rows as well; a window that only collects values
    # would lose its order, because Vega-Lite makes a joinaggregate of it.
    return [
        calculate("part", part),
        {
            "window": [
                {"op": "row_number", "as": "place"},
                {"op": "values", "field": "part", "as": "rows"},
            ],
            "sort": by,
            "frame": [None, None],
        },
        keep("datum.place === 1"),
        calculate("list", f"join(slice(pluck(datum.rows, 'part'), 0, {many}), ', ')"),
    ]


def rows_in_words(h: int | None) -> list[dict]:
    """Return the layers that describe the row of the picked word and of the one beside it, if any.

    Args:
        h: The head, named in the sentence; None where only one is drawn.
    """
    head = "" if h is None else f"Head {h}: "
    return [
        said(f"{OF_WORD}{of_head(h)}", _row_in_words("word", head)),
        said(f"{OF_FROZEN}{of_head(h)}", _row_in_words("frozen", f"Beside it: {head}")),
    ]


def _row_in_words(kind, opening):
    """Describe a selected word's row: its weights, largest first, and how many are hidden."""
    spoken = lambda word: f"(datum.{word} === ',' ? 'comma' : datum.{word})"  # noqa: E731
    small = str(LEAST).lstrip("0")
    sentence = " + ".join(
        (
            f"'{opening}' + {spoken('asking')} + ' takes '",
            "(datum.large ? datum.list : 'nothing that is shown')",
            f"(datum.large < datum.shown ? '; less than {small} of any other word' : '')",
            "(datum.shown < datum.all ? '; ' + (datum.all - datum.shown) + ' hidden' : '') + '.'",
            "(datum.mute ? ' (It was never asked anything, so its row means nothing.)' : '')",
        )
    )
    return [
        keep({"param": kind}),
        calculate("is_large", f"datum.seen && datum.a >= {LEAST}"),
        joined("sum", "is_large", "large"),
        joined("sum", "seen", "shown"),
        joined("count", "j", "all"),
        *listed(
            f"datum.text + ' of ' + {spoken('asked')}",
            "datum.large",
            [{"field": "a", "order": "descending"}, {"field": "j", "order": "ascending"}],
        ),
        calculate("said", sentence),
    ]
