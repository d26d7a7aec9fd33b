"""Named points in the plane."""

from collections.abc import Sequence

import numpy as np

from attnbook.plots.style import SERIES, Picture, styled
from attnbook.show import to_numpy

MARKERS = "osD^vP"  # one for each colour of SERIES
LETTER, LINE = 5.6, 10  # the width of a letter and the height of a label, in typographic points
DISTANCES = (6, 14, 24, 36, 50)  # of a label from its point, in typographic points; nearest first
TURNS = np.arange(8) * np.pi / 4  # directions from a point to its label


@styled
def points(xy, labels: Sequence[str], groups: Sequence[str]) -> Picture:
    """Draw named points in the plane, each group with its own colour and marker.

    Args:
        xy: (N, 2).
        labels: N names, written beside the points where they cover least.
        groups: N names of groups, which a legend below explains.

    Returns:
        The picture.
    """
    xy = to_numpy(xy)
    names = list(dict.fromkeys(groups))
    picture = Picture(figsize=(6.0, 4.6), layout="constrained")
    ax = picture.subplots()
    for i, name in enumerate(names):
        chosen = [group == name for group in groups]
        ax.scatter(*xy[chosen].T, color=SERIES[i], marker=MARKERS[i], label=name, s=36)
    _name_points(ax, xy, labels)
    ax.grid(True)
    picture.legend(loc="outside lower center", ncols=min(5, len(names)))
    return picture


def _name_points(ax, xy, labels):
    """Put each label where it covers least: near its point, clear of points and other labels."""
    ax.figure.draw_without_rendering()
    here = ax.transData.transform(xy) * 72 / ax.figure.dpi  # in typographic points
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in here]
    line = {"arrowstyle": "-", "color": "#8A8F98", "linewidth": 0.6}
    for (x, y), point, label in zip(here, xy, labels, strict=True):
        places = _places(x, y, LETTER * len(label))
        best = np.argmin([_overlap(box, taken) + 0.3 * i for i, box in enumerate(places)])
        left, low, *_ = places[best]
        taken.append(places[best])
        ax.annotate(
            label,
            point,
            xytext=(left - x, low - y),
            textcoords="offset points",
            fontsize=9,
            arrowprops=line if best >= len(TURNS) else None,  # one that is not near its point
        )


def _places(x, y, width):
    """Return the boxes (left, low, right, high) where a label may go, the nearest first."""
    boxes = []
    for far in DISTANCES:
        for turn in TURNS:
            left = x + far * np.cos(turn) - width * (1 - np.cos(turn)) / 2
            low = y + far * np.sin(turn) - LINE * (1 - np.sin(turn)) / 2
            boxes.append((left, low, left + width, low + LINE))
    return boxes


def _overlap(box, others):
    """Return the area that a box shares with other boxes."""
    wide = [min(box[2], other[2]) - max(box[0], other[0]) for other in others]
    high = [min(box[3], other[3]) - max(box[1], other[1]) for other in others]
    return sum(max(w, 0) * max(h, 0) for w, h in zip(wide, high, strict=True))
