"""The colours and the style of the book's figures, and the class that a notebook shows.

Query is blue, key vermilion and value green (Okabe and Ito 2008); weights are shades of violet.
Colour is never the only sign: a letter, a label, a dash or a marker always says the same.
"""

import io

from matplotlib import rc_context
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

COLOURS = {
    "query": "#0072B2",
    "key": "#D55E00",
    "value": "#009E73",
    "weights": "#3B3054",
    "other": "#8A8F98",
}
TEXT_COLOURS = {"query": "#0072B2", "key": "#B34E00", "value": "#007A59"}  # dark enough to read
SERIES = ("#3B3054", "#E69F00", "#CC79A7", "#7A8794", "#8C564B", "#5AA9A0")  # lines and groups
INK, FAINT = "#22252B", "#D9DCE1"
SHADES = LinearSegmentedColormap.from_list("weights", ["white", COLOURS["weights"]])
DIVERGING = LinearSegmentedColormap.from_list("signed", ["#B97A00", "white", COLOURS["weights"]])
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.markersize": 5,
}

styled = rc_context(STYLE)  # decorates each function that draws


class Picture(Figure):
    """A matplotlib figure that a notebook shows as a PNG, with the same bytes every time."""

    @styled
    def _repr_png_(self):
        """Return the bytes of the PNG; IPython calls this to show the figure."""
        png = io.BytesIO()
        self.savefig(
            png,
            format="png",
            dpi=180,
            bbox_inches="tight",
            pad_inches=0.12,
            facecolor="white",
            metadata={"Software": None},
        )
        return png.getvalue()

    def __repr__(self):
        return f"<Picture with {len(self.axes)} axes>"


def name_columns(ax, names):
    """Write the names of the columns above a matrix, at a slant so that long ones fit."""
    ax.set_xticks(range(len(names)), names, rotation=45, ha="left", rotation_mode="anchor")
    ax.xaxis.tick_top()
