"""Which pairs dilated attention keeps."""

from attnbook.live.figure import LiveFigure
from attnbook.live.settings import choice, switch, width_of_page
from attnbook.live.style import QUIET
from attnbook.live.vega import Plane, calculate, each, keep, rows
from attnbook.plots.style import COLOURS

HEADS = 4
SIDE = 320  # pixels
OF_PAIRS = "status_of_pairs"  # the name of a layer


def dilated_pattern(length: int = 32) -> LiveFigure:
    """Draw which pairs dilated attention keeps, for a length and a rate chosen by the reader.

    There are 4 heads to choose from; head h keeps every rate-th word of a segment, starting at
    offset h // ⌈4 / rate⌉.

    Args:
        length: N, a power of 2.

    Returns:
        The figure.

    Raises:
        ValueError: If length is not a power of 2, or is below 8.

    Source:
        Ding et al. 2023, section 2.2; the offsets are those of the authors' code.
    """
    if length < 8 or length & (length - 1):
        raise ValueError(f"length: got {length}, expected a power of 2 of at least 8")
    segments = [2**n for n in range(2, length.bit_length())]
    params = [
        {"name": "segment", "value": length // 2, "bind": choice(segments, "segment length ")},
        {"name": "rate", "value": 2, "bind": choice([1, 2, 4, 8], "rate ")},
        {"name": "head", "value": 0, "bind": choice(range(HEADS), "head ")},
        {"name": "causal", "value": False, "bind": switch("causal mask ")},
        width_of_page(),
    ]
    offset = f"floor(head / ceil({HEADS} / rate))"
    kept = [
        *each("j", length),
        keep("floor(datum.i / segment) === floor(datum.j / segment)"),
        *(keep(f"datum.{n} % segment % rate === {offset}") for n in ("i", "j")),
        keep("!causal || datum.j <= datum.i"),
    ]
    counted = [
        {"aggregate": [{"op": "count", "as": "pairs"}]},
        calculate(
            "said",
            f"format(datum.pairs, ',') + ' of {length**2:,} pairs are kept, '"
            f" + format(100 * datum.pairs / {length**2}, '.1f') + ' %.'",
        ),
    ]
    plane = Plane(-0.5, length - 0.5, length - 0.5, -3.5)
    frame = {"type": "rect", "fill": None, "stroke": QUIET, "strokeOpacity": 0.6}
    whole = {"x": -0.5, "x2": length - 0.5, "y": -0.5, "y2": length - 0.5}
    layers = [
        plane.draw("frame", frame, [keep("datum.i === 0")], **whole),
        plane.cell("pairs", "datum.i", "datum.j", {"color": COLOURS["weights"]}, kept),
        plane.text(OF_PAIRS, "said", kept + counted, x=-0.5, y=-2, align="left"),
    ]
    view = {"layer": layers, "width": SIDE, "height": round(SIDE * (length + 3) / length)}
    return LiveFigure(
        {"data": rows("i", length), "params": params, "concat": [view], "columns": 1},
        f"Of {length**2:,} pairs of {length} words {length**2 // 8} are kept: in each of two "
        "segments every second word sees every second word.",
        status=[OF_PAIRS],
    )
