"""Every still figure of the book.

Each function returns a Picture, which a notebook shows as a PNG. The colours of the book and the
class Picture are in style, the functions in one module for each kind of figure.
"""

from attnbook.plots.curves import curves
from attnbook.plots.heat_maps import heat_map, heat_maps
from attnbook.plots.points import points
from attnbook.plots.shapes import shapes
from attnbook.plots.small_maps import all_heads, patterns
from attnbook.plots.style import Picture
from attnbook.plots.wall import wall

__all__ = [
    "Picture",
    "all_heads",
    "curves",
    "heat_map",
    "heat_maps",
    "patterns",
    "points",
    "shapes",
    "wall",
]
