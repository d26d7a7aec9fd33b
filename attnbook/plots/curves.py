"""Lines over an axis of numbers."""

from collections.abc import Sequence

from attnbook.plots.style import INK, SERIES, Picture, styled
from attnbook.show import to_numpy

DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))  # one for each colour of SERIES


@styled
def curves(
    x,
    lines: dict,
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    log_x: bool = False,
    log_y: bool = False,
    marks: Sequence[tuple[float, str]] = (),
    x_ticks: Sequence | None = None,
) -> Picture:
    """Draw one line for each entry of lines; where there are several, a legend below names them.

    Args:
        x: (N,), for every line.
        lines: {name: y} with y of shape (N,). NaN leaves a gap. A line of 12 points or fewer shows
            them.
        title: The title.
        x_label: What x is.
        y_label: What y is.
        log_x: Whether x is drawn on a logarithmic scale.
        log_y: The same for y.
        marks: (x, text) of each dotted vertical line.
        x_ticks: The numbers to write along x.

    Returns:
        The picture.
    """
    picture = Picture(figsize=(6.2, 3.6), layout="constrained")
    ax = picture.subplots()
    x = to_numpy(x)
    for i, (name, y) in enumerate(lines.items()):
        look = {"color": SERIES[i], "linestyle": DASHES[i], "marker": "o" if len(y) <= 12 else None}
        ax.plot(x, to_numpy(y), label=name, **look)
    for place, text in marks:
        _mark(ax, place, text)
    if log_x:
        ax.set_xscale("log")
    if log_y:
        ax.set_yscale("log")
    if x_ticks is not None:
        ax.set_xticks(x_ticks, [f"{tick:,}" for tick in x_ticks])
        ax.minorticks_off()
    ax.grid(True)
    ax.set(title=title, xlabel=x_label, ylabel=y_label)
    if len(lines) > 1:
        picture.legend(loc="outside lower center", ncols=min(3, len(lines)))
    return picture


def _mark(ax, place, text):
    """Draw a dotted vertical line with its text at the top."""
    ax.axvline(place, color=INK, linewidth=0.8, linestyle=":")
    top = {"xycoords": ("data", "axes fraction"), "va": "top", "fontsize": 9}
    ax.annotate(text, (place, 1), xytext=(4, -2), textcoords="offset points", **top)
