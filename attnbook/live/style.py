"""The sizes and colours of the live figures, in print and on the page."""

from attnbook.plots.style import COLOURS, INK, TEXT_COLOURS

WIDTH = 700  # pixels, of a figure on a wide page
ROW = 25  # pixels, the height of a row of the heat map
LABELS = 1.9  # the room for the names of the rows, in columns
QUIET = "#646A74"  # the ink of what matters less, and of words that were never asked
ON_PALE, ON_DARK = "#010101", "#FEFEFE"  # numbers in the cells
DARK_FROM = 0.675  # the weight above which a white number is easier to read than a black one
THEMED = {  # colours that the page replaces in its dark theme, by the name of the CSS variable
    COLOURS["weights"]: "--weights",
    TEXT_COLOURS["query"]: "--query",
    TEXT_COLOURS["key"]: "--key",
    TEXT_COLOURS["value"]: "--value",
    INK: "--ink",
    QUIET: "--quiet",
    COLOURS["other"]: "--other",
    ON_PALE: "--on-pale",
    ON_DARK: "--on-dark",
}
CONFIG = {
    "background": "white",
    "font": "DejaVu Sans, system-ui, sans-serif",
    "view": {"stroke": None},
    "text": {"color": INK, "fontSize": {"expr": "narrow ? 10 : 12"}, "baseline": "middle"},
    "mark": {"aria": False},  # the page describes the figure as a whole
}
