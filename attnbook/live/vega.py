"""Short names for what the figures say in Vega-Lite: transforms, encodings, and layers of marks.

A transform works on rows of data; datum.x is the field x of a row, and a bare name is a parameter,
which the reader sets or which holds an array.
"""

from typing import NamedTuple

import numpy as np

from attnbook.plots.style import INK
from attnbook.show import to_numpy


def rows(name: str, count: int) -> dict:
    """Return data of count rows, numbered by a field."""
    return {"sequence": {"start": 0, "stop": count, "as": name}}


def constant(name: str, array) -> dict:
    """Return a parameter that holds an array.

    Its 8 decimals leave out the last bits, which differ between processors.
    """
    return {"name": name, "value": (np.round(to_numpy(array), 8) + 0.0).tolist()}


def calculate(name: str, expression) -> dict:
    """Add a field to each row."""
    return {"calculate": str(expression), "as": name}


def keep(test) -> dict:
    """Keep the rows that pass a test: an expression, or {"param": the name of a selection}."""
    return {"filter": test}


def each(name: str, count) -> list[dict]:
    """Turn each row into several, numbered by a new field."""
    return [calculate(name, f"sequence({count})"), {"flatten": [name]}]


def joined(op: str, field: str, name: str, groupby=()) -> dict:
    """Aggregate a field over all rows, or over those of each group, and add that to each row."""
    groups = {"groupby": list(groupby)} if groupby else {}
    return {"joinaggregate": [{"op": op, "field": field, "as": name}], **groups}


def softmax(score: str, weight: str, groupby=()) -> list[dict]:
    """Turn the field score into shares that sum to 1 over all rows, or over those of each group.

    A score of null gives 0.
    """
    return [
        joined("max", score, "top", groupby),
        calculate("e", f"datum.{score} === null ? 0 : exp(datum.{score} - datum.top)"),
        joined("sum", "e", "total", groupby),
        calculate(weight, "datum.e / datum.total"),
    ]


def ramp(field: str, low: float, high: float) -> dict:
    """Encode a share between 0 and 1."""
    scale = {"domain": [0, 1], "range": [low, high]}
    return {"field": field, "type": "quantitative", "scale": scale, "legend": None}


def either(*cases, otherwise) -> dict:
    """Encode a value that depends on the first of the (test, value) that holds.

    A test is an expression, or the name of a selection: word or frozen.
    """
    key = lambda test: "param" if test in ("word", "frozen") else "test"  # noqa: E731
    return {"condition": [{key(t): t, "value": v} for t, v in cases], "value": otherwise}


def narrow_or_wide(narrow, wide) -> dict:
    """Return a property of a mark that depends on the width of the page."""
    return {"expr": f"narrow ? {narrow} : {wide}"}


class Plane(NamedTuple):
    """The coordinates of a view. Places in it are expressions of the data."""

    left: float
    right: float
    bottom: float
    top: float

    def draw(self, name, mark, steps=(), *, x, y, x2=None, y2=None, **encoding):
        """Return a layer of marks."""
        steps, domains = list(steps), {"x": [self.left, self.right], "y": [self.bottom, self.top]}
        for channel, place in {"x": x, "y": y, "x2": x2, "y2": y2}.items():
            if place is None:
                continue
            steps.append(calculate(f"at_{channel}", place))
            encoding[channel] = {"field": f"at_{channel}"}
            if channel in domains:
                scale = {"domain": domains[channel], "nice": False, "zero": False}
                encoding[channel] |= {"type": "quantitative", "scale": scale, "axis": None}
        return {"name": name, "mark": mark, "transform": steps, "encoding": encoding}

    def text(self, name, field, steps=(), *, x, y, color=INK, **mark):
        """Return a layer that writes a field of the data."""
        fill = color if isinstance(color, dict) else {"value": color}
        mark = {"type": "text", **mark}
        return self.draw(name, mark, steps, x=x, y=y, text={"field": field}, color=fill)

    def cell(self, name, i, j, mark, steps=(), **encoding):
        """Return a layer of squares of side 1 around row i and column j."""
        edges = {"x": f"{j} - 0.5", "x2": f"{j} + 0.5", "y": f"{i} - 0.5", "y2": f"{i} + 0.5"}
        return self.draw(name, {"type": "rect", **mark}, steps, **edges | encoding)
