"""Draw words by their weights: the mean of their values tends to the output."""

from collections.abc import Sequence

import numpy as np

from attnbook.live.figure import LiveFigure
from attnbook.live.settings import choice, width_of_page
from attnbook.live.style import LABELS, QUIET, WIDTH
from attnbook.live.vega import Plane, calculate, constant, each, keep, narrow_or_wide, rows
from attnbook.live.weights import short
from attnbook.plots.style import COLOURS, INK, TEXT_COLOURS
from attnbook.show import to_numpy

DRAWS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
START = DRAWS.index(10)
SEED = 1
OF_DISTANCE = "status_of_distance"  # the name of a layer


def sampled_head(weights, value, words: Sequence[str]) -> LiveFigure:
    """Draw words with probability a_j, up to 1,000 of them; the mean of their values is shown.

    The draws are made once and stored as counts, so that the figure is the same for every reader.

    Args:
        weights: (N,), one row of weights.
        value: (N, d_v).
        words: N texts.

    Returns:
        The figure.

    Raises:
        ValueError: If the shapes do not fit.
    """
    weights, value = to_numpy(weights), to_numpy(value)
    length = len(words)
    if weights.shape != (length,):
        raise ValueError(f"weights: got shape {weights.shape}, expected ({length},), one each word")
    if value.ndim != 2 or len(value) != length:
        raise ValueError(f"value: got shape {value.shape}, expected ({length}, d_v)")
    drawn = np.random.default_rng(SEED).choice(length, size=DRAWS[-1], p=weights)
    counts = [np.bincount(drawn[:n], minlength=length).tolist() for n in DRAWS]
    params = [
        {"name": "k", "value": START, "bind": choice(range(len(DRAWS)), "words drawn ", DRAWS)},
        width_of_page(),
        {"name": "draws", "value": list(DRAWS)},
        {"name": "counts", "value": counts},
        {"name": "words", "value": list(words)},
        constant("weights", weights),
        constant("values", value),
        constant("output", weights @ value),  # (d_v,)
    ]
    transform = [
        calculate("word", "words[datum.j]"),
        calculate("share", "counts[k][datum.j] / draws[k]"),
        calculate("a", "weights[datum.j]"),
    ]
    share = [f"{word} {n}" for word, n in zip(words, counts[START], strict=True) if n]
    return LiveFigure(
        {
            "data": rows("j", length),
            "params": params,
            "transform": transform,
            "concat": [_shares(length), _means(value)],
            "columns": 1,
            "spacing": 12,
        },
        f"{DRAWS[START]} words drawn by their weights: {', '.join(share)}. Below, the columns of "
        "the output as bars and the mean of the values drawn as dots.",
        status=[OF_DISTANCE],
    )


def _shares(length):
    """Draw each word's weight as a broad bar and its share of the draws as a slim one in it."""
    plane = Plane(-LABELS, length - 0.5, -0.42, 1.02)
    layers = [
        *_columns(plane, "weights", "weight", "datum.a", COLOURS["weights"], 0.4, 0.35, -0.23),
        *_columns(plane, "shares", "drawn", "datum.share", TEXT_COLOURS["value"], 0.2, 1, -0.35),
        plane.text("words", "word", x="datum.j", y=-0.09, angle=narrow_or_wide(315, 0)),
    ]
    return {"layer": layers, "width": WIDTH, "height": 240}


def _columns(plane, name, label, share, colour, half, opacity, row):
    """Draw upright bars for a share of each word, its numbers in a row below, and a label there."""
    numbers = [calculate("text", short(share))]
    labels = [keep("datum.j === 0"), calculate("label", f"'{label}'")]
    return [
        plane.draw(
            name,
            {"type": "rect", "color": colour, "opacity": opacity},
            x=f"datum.j - {half}",
            x2=f"datum.j + {half}",
            y=0,
            y2=share,
        ),
        plane.text(f"numbers_of_{name}", "text", numbers, x="datum.j", y=row, color=colour),
        plane.text(f"name_of_{name}", "label", labels, x=-0.7, y=row, color=colour, align="right"),
    ]


def _means(value):
    """Draw the columns of the output as bars and the mean of the values drawn as dots."""
    width, low, high = value.shape[1], value.min() - 0.5, value.max() + 0.5
    up = lambda share: float(np.round(low + share * (high - low), 2))  # noqa: E731
    plane = Plane(-1.4, width - 0.5, up(0), up(1.3))
    steps = [
        *each("c", width),
        calculate("part", "datum.share * values[datum.j][datum.c]"),
        {"aggregate": [{"op": "sum", "field": "part", "as": "mean"}], "groupby": ["c"]},
        calculate("output", "output[datum.c]"),
    ]
    distance = [
        calculate("square", "pow(datum.mean - datum.output, 2)"),
        {"aggregate": [{"op": "sum", "field": "square", "as": "square"}]},
        calculate(
            "said",
            "'After ' + format(draws[k], ',') + (k ? ' words' : ' word') + ' the mean is '"
            " + format(sqrt(datum.square), '.3f') + ' away from the output.'",
        ),
        calculate("key", "'Bars: the columns of the output. Dots: the mean of the values drawn.'"),
    ]
    thick = up(1 / 60) - up(0)
    left = {"x": plane.left, "align": "left"}
    layers = [
        plane.draw(
            "outputs",
            {"type": "rect", "color": TEXT_COLOURS["value"], "opacity": 0.45},
            x="datum.c - 0.38",
            x2="datum.c + 0.38",
            y=f"datum.output - {thick}",
            y2=f"datum.output + {thick}",
        ),
        plane.draw(
            "means",
            {"type": "point", "filled": True, "color": INK, "size": 60, "opacity": 1},
            x="datum.c",
            y="datum.mean",
        ),
        plane.text(OF_DISTANCE, "said", distance, y=up(1.24), **left),
        plane.text("key", "key", distance, y=up(1.1), color=QUIET, **left),
    ]
    return {"transform": steps, "layer": layers, "width": WIDTH, "height": 190}
