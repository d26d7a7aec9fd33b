"""Every figure of the book: heat maps, arcs, shapes, curves, points and the seed wall.

Each function returns a Picture, which a notebook shows as a PNG. Query is blue, key vermilion,
value green (Okabe and Ito 2008); weights are shades of ink. A letter or label always says the same.
"""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from attnbook.show import to_numpy

COLOURS = {
    "query": "#0072B2",
    "key": "#D55E00",
    "value": "#009E73",
    "weights": "#3B3054",
    "other": "#8A8F98",
}
TEXT_COLOURS = {"query": "#0072B2", "key": "#B34E00", "value": "#007A59"}
SERIES = (
    "#3B3054",
    "#E69F00",
    "#CC79A7",
    "#7A8794",
    "#8C564B",
    "#5AA9A0",
)  # beside query, key and value
INK, FAINT = "#22252B", "#D9DCE1"
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


class Picture(Figure):
    """A matplotlib figure that a notebook shows as a PNG, with the same bytes every time."""

    def _repr_png_(self):
        png = io.BytesIO()
        with rc_context(STYLE):
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


SHADES = LinearSegmentedColormap.from_list("weights", ["white", COLOURS["weights"]])
DIVERGING = LinearSegmentedColormap.from_list("signed", ["#B97A00", "white", COLOURS["weights"]])


def heat_map(array, rows, columns, *, title: str = "", **options: object) -> Picture:
    """Draw a matrix as coloured cells with its numbers in them.

    options: those of heat_maps.
    """
    return heat_maps([array], rows, columns, titles=[title], **options)


def heat_maps(
    arrays,
    rows,
    columns,
    *,
    titles: Sequence[str],
    signed: bool = False,
    grey_rows: Sequence[int] = (),
    ring: Sequence[tuple[int, int]] = (),
    digits: int | None = 2,
    row_label: str = "",
    column_label: str = "",
) -> Picture:
    """Draw several matrices of one shape with one colour scale.

    signed: white at 0, violet above, amber below. grey_rows: rows drawn without colour.
    ring: (row, column) cells to outline. digits: decimals in the cells, None for none.

    Small maps and maps without numbers stand side by side, others below each other, so that the
    numbers stay readable on a phone.
    """
    arrays = [np.atleast_2d(to_numpy(array)) for array in arrays]
    across = 1 if digits is not None and arrays[0].shape[1] > 6 else min(2, len(arrays))
    down = -(-len(arrays) // across)
    num_rows, num_columns = arrays[0].shape
    cell = 0.42 if digits is not None and num_columns <= 16 else 0.3
    if digits is not None and (digits > 2 or signed):
        cell = 0.52
    with rc_context(STYLE):
        picture = Picture(
            figsize=(across * (num_columns * cell + 1.1), down * (num_rows * cell + 1.0)),
            layout="constrained",
        )
        picture.get_layout_engine().set(hspace=0.08)  # a title stands nearer its own map
        axes = np.atleast_1d(picture.subplots(down, across, squeeze=False)).ravel()
        finite = [a[np.isfinite(a)] for a in arrays]
        top = max(np.abs(a).max(initial=0) for a in finite) or 1
        for ax, array, title in zip(axes, arrays, titles, strict=False):
            _draw_cells(ax, array, top, DIVERGING if signed else SHADES, signed, grey_rows, digits)
            for row, column in ring:  # ink on white, so that it shows on any cell
                for colour, width in (("white", 4), (INK, 2)):
                    square = Rectangle((column - 0.5, row - 0.5), 1, 1, zorder=3)
                    square.set(fill=False, edgecolor=colour, linewidth=width, clip_on=False)
                    ax.add_patch(square)
            ax.set_xticks(
                range(num_columns), columns, rotation=45, ha="left", rotation_mode="anchor"
            )
            ax.set_yticks(range(num_rows), rows)
            ax.xaxis.tick_top()
            ax.xaxis.set_label_position("top")
            ax.set_xlabel(column_label)
            ax.set_ylabel(row_label)
            ax.set_title(title, pad=8)
            ax.spines[:].set_visible(False)
        for ax in axes[len(arrays) :]:
            ax.set_visible(False)
    return picture


def _draw_cells(ax, array, top, colours, signed, grey_rows, digits):
    image = ax.imshow(array, cmap=colours, vmin=-top if signed else 0, vmax=top)
    ax.set_xticks(np.arange(array.shape[1] + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(array.shape[0] + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=1.5)
    ax.tick_params(which="minor", length=0)
    for row, line in enumerate(array):
        if row in grey_rows:
            ax.add_patch(Rectangle((-0.5, row - 0.5), len(line), 1, color="#F1F2F4", zorder=1.5))
        for column, x in enumerate(line):
            if digits is None:
                continue
            if not np.isfinite(x):
                text, colour = ("−∞" if x < 0 else "∞" if x > 0 else "NaN"), INK
            else:
                red, green, blue, _ = image.cmap(image.norm(x))
                dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
                colour = "white" if dark else INK
                text = f"{x + 0.0:.{digits}f}".replace("-", "−")
                if text.strip("−0.") == "":
                    text = "0"
                elif abs(x) < 1:
                    text = text.replace("0.", ".", 1)
            ax.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=8,
                zorder=2,
                color="#7A808A" if row in grey_rows else colour,
            )


def all_heads(weights, *, top: float = 1, ring: Sequence[tuple[int, int]] = ()) -> Picture:
    """Draw the weights of every head as small squares without numbers, one row a layer.

    weights: (L, H, N, N). top: weights from here on are darkest. ring: (layer, head) from 0, to
    outline. Layers and heads are named from 1.
    """
    weights = to_numpy(weights)
    num_layers, num_heads = weights.shape[:2]
    with rc_context(STYLE):
        picture = Picture(figsize=(0.62 * num_heads, 0.66 * num_layers + 0.3))
        axes = picture.subplots(num_layers, num_heads, squeeze=False)
        picture.subplots_adjust(wspace=0.08, hspace=0.08)
        for (layer, head), ax in np.ndenumerate(axes):
            ax.imshow(weights[layer, head], cmap=SHADES, vmin=0, vmax=top)
            ax.set_xticks([])
            ax.set_yticks([])
            ringed = (layer, head) in ring
            ax.spines[:].set(visible=True, color=INK if ringed else FAINT, linewidth=1 + ringed)
            if layer == 0:
                ax.set_title(
                    f"head {head + 1}" if head == 0 else head + 1, fontsize=9, loc="center"
                )
            if head == 0:
                ax.set_ylabel(f"layer {layer + 1}" if layer == 0 else layer + 1, fontsize=9)
    return picture


def patterns(arrays, *, titles: Sequence[str]) -> Picture:
    """Draw large matrices of one shape as small squares without numbers, darker where larger.

    arrays: (N, M) each, boolean or not negative; one colour scale from 0 to their largest entry.
    """
    arrays = [to_numpy(array).astype(float) for array in arrays]
    down = -(-len(arrays) // 2)
    with rc_context(STYLE):
        picture = Picture(figsize=(6.2, 3.2 * down), layout="constrained")
        axes = picture.subplots(down, 2, squeeze=False).ravel()
        top = max(array.max() for array in arrays)
        for ax, array, title in zip(axes, arrays, titles, strict=False):
            ax.imshow(array, cmap=SHADES, vmin=0, vmax=top, interpolation="none")
            ax.set_title(title)
            ax.set_xlabel("key")
            ax.set_ylabel("query")
        for ax in axes[len(arrays) :]:
            ax.set_visible(False)
    return picture


def arcs(weights, words: Sequence[str], query: int, *, title: str = "") -> Picture:
    """Draw one word's weights as arcs from it to every word, thicker and darker where larger.

    weights: (N,). words: N texts. query: the place of the word that asks.
    """
    weights = to_numpy(weights)
    with rc_context(STYLE):
        picture = Picture(figsize=(5.4, 1.9))
        ax = picture.add_axes((0, 0, 1, 1))
        widths = np.array([0.55 + 0.13 * len(word) for word in words])
        middle = np.cumsum(widths) - widths / 2
        largest = max(weights.max(), 1e-9)
        for j in np.argsort(weights):
            share = weights[j] / largest
            if j != query and weights[j] >= 0.005:
                height = 0.35 + 0.28 * abs(middle[j] - middle[query])
                ax.add_patch(
                    FancyArrowPatch(
                        (middle[query], 0.25),
                        (middle[j], 0.25),
                        arrowstyle="-",
                        connectionstyle=f"arc3,rad={'-' if j > query else ''}"
                        f"{min(0.6, height / max(abs(middle[j] - middle[query]), 0.1)):.3f}",
                        linewidth=0.6 + 5 * share,
                        color=COLOURS["weights"],
                        alpha=0.25 + 0.6 * share,
                    )
                )
            ax.text(
                middle[j],
                -0.55,
                f"{weights[j]:.2f}".lstrip("0"),
                ha="center",
                va="center",
                fontsize=9,
                color=COLOURS["weights"] if share > 0.1 else "#7A808A",
            )
        for j, word in enumerate(words):
            strong = j == query
            ax.text(
                middle[j],
                0,
                word,
                ha="center",
                va="center",
                fontsize=12,
                color=TEXT_COLOURS["query"] if strong else INK,
                fontweight="bold" if strong or weights[j] > 0.3 else "normal",
            )
        ax.set_xlim(0, widths.sum())
        ax.set_ylim(-0.85, 0.5 + 0.16 * max(abs(middle - middle[query])))
        ax.set_title(title)
        ax.axis("off")
    return picture


def shapes(blocks: Sequence, *, title: str = "") -> Picture:
    """Draw matrices as boxes in proportion to their shapes, with signs between them.

    blocks: a list of texts (signs such as "×", "=") and of (name, (rows, columns), role).
    """
    with rc_context(STYLE):
        unit = 0.16
        boxes = [b for b in blocks if not isinstance(b, str)]
        tall = max(rows for _, (rows, _), _ in boxes)
        width = sum(0.5 if isinstance(b, str) else b[1][1] * unit + 0.7 for b in blocks)
        picture = Picture(figsize=(width, tall * unit + 1.0))
        ax = picture.add_axes((0, 0, 1, 1))
        x = 0
        for block in blocks:
            if isinstance(block, str):
                ax.text(x + 0.25, 0, block, ha="center", va="center", fontsize=15)
                x += 0.5
                continue
            name, (rows, columns), role = block
            wide, high = columns * unit, rows * unit
            left = x + 0.35
            ax.add_patch(
                Rectangle(
                    (left, -high / 2),
                    wide,
                    high,
                    facecolor=COLOURS[role],
                    edgecolor="white",
                    alpha=0.25,
                )
            )
            for i in range(rows + 1):
                ax.plot(
                    [left, left + wide], [i * unit - high / 2] * 2, color="white", linewidth=0.8
                )
            for i in range(columns + 1):
                ax.plot([left + i * unit] * 2, [-high / 2, high / 2], color="white", linewidth=0.8)
            ax.add_patch(
                Rectangle(
                    (left, -high / 2),
                    wide,
                    high,
                    fill=False,
                    edgecolor=COLOURS[role],
                    linewidth=1.5,
                )
            )
            ax.text(
                left + wide / 2,
                high / 2 + 0.14,
                name,
                ha="center",
                va="bottom",
                fontsize=11,
                fontweight="bold",
                color=TEXT_COLOURS.get(role, INK),
            )
            ax.text(
                left + wide / 2,
                -high / 2 - 0.12,
                f"{rows} × {columns}",
                ha="center",
                va="top",
                fontsize=9,
            )
            x += wide + 0.7
        ax.set_xlim(0, width)
        ax.set_ylim(-tall * unit / 2 - 0.45, tall * unit / 2 + 0.55)
        ax.set_title(title)
        ax.axis("off")
    return picture


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
    """Draw one line for each entry of lines, named at its right end.

    lines: {name: y}, or {name: (x, y)} where a line has its own x. NaN leaves a gap.
    marks: (x, text) pairs, vertical hair lines with a text.
    """
    dashes = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
    with rc_context(STYLE):
        picture = Picture(figsize=(6.2, 3.6), layout="constrained")
        ax = picture.subplots()
        for i, (name, y) in enumerate(lines.items()):
            own_x, y = y if isinstance(y, tuple) else (x, y)
            own_x, y = to_numpy(own_x), to_numpy(y)
            ax.plot(
                own_x,
                y,
                color=SERIES[i % 6],
                linestyle=dashes[i % 6],
                marker="o" if len(y) <= 12 else None,
                label=name,
            )
        for place, text in marks:
            ax.axvline(place, color=INK, linewidth=0.8, linestyle=":")
            ax.annotate(
                text,
                (place, 1),
                xycoords=("data", "axes fraction"),
                xytext=(4, -2),
                textcoords="offset points",
                va="top",
                fontsize=9,
            )
        if log_x:
            ax.set_xscale("log")
        if log_y:
            ax.set_yscale("log")
        if x_ticks is not None:
            ax.set_xticks(x_ticks, [f"{tick:,}" for tick in x_ticks])
            ax.minorticks_off()
        ax.grid(True)
        ax.set_xlabel(x_label)
        ax.set_ylabel(y_label)
        ax.set_title(title)
        if len(lines) > 1:
            picture.legend(loc="outside lower center", ncols=min(3, len(lines)))
    return picture


def points(
    xy,
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
) -> Picture:
    """Draw named points in the plane; groups gives each point the name of its colour and marker."""
    xy = to_numpy(xy)
    names = list(dict.fromkeys(groups))
    with rc_context(STYLE):
        picture = Picture(figsize=(6.0, 4.6), layout="constrained")
        ax = picture.subplots()
        for i, name in enumerate(names):
            chosen = [g == name for g in groups]
            ax.scatter(*xy[chosen].T, color=SERIES[i % 6], marker="osD^vP"[i % 6], label=name, s=36)
        _name_points(ax, xy, labels)
        ax.grid(True)
        ax.set_xlabel(x_label)
        ax.set_ylabel(y_label)
        ax.set_title(title)
        picture.legend(loc="outside lower center", ncols=min(5, len(names)))
    return picture


def _name_points(ax, xy, labels):
    """Put each label where it covers least: near its point, clear of points and other labels."""
    ax.figure.draw_without_rendering()
    here = ax.transData.transform(xy) * 72 / ax.figure.dpi  # in typographic points
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in here]

    def overlap(box):
        wide = [min(box[2], b[2]) - max(box[0], b[0]) for b in taken]
        high = [min(box[3], b[3]) - max(box[1], b[1]) for b in taken]
        return sum(max(w, 0) * max(h, 0) for w, h in zip(wide, high, strict=True))

    for (x, y), point, label in zip(here, xy, labels, strict=True):
        width, height = 5.6 * len(label), 10
        places = []
        for far in (6, 14, 24, 36, 50):
            for turn in np.arange(8) * np.pi / 4:
                left = x + far * np.cos(turn) - width * (1 - np.cos(turn)) / 2
                low = y + far * np.sin(turn) - height * (1 - np.sin(turn)) / 2
                places.append((left, low, left + width, low + height))
        costs = [overlap(box) + 0.3 * i for i, box in enumerate(places)]
        box = places[int(np.argmin(costs))]
        taken.append(box)
        far_away = np.argmin(costs) >= 8
        ax.annotate(
            label,
            point,
            xytext=(box[0] - x, box[1] - y),
            textcoords="offset points",
            fontsize=9,
            arrowprops={"arrowstyle": "-", "color": "#8A8F98", "linewidth": 0.6}
            if far_away
            else None,
        )


def wall(
    rows, columns: Sequence[str], *, titles: Sequence, ring: int | None = None, title: str = ""
) -> Picture:
    """Draw many small one-row heat maps above each other: the seed wall.

    rows: (S, N), one row a seed. titles: S texts at the left. ring: the row to outline.
    """
    rows = to_numpy(rows)
    with rc_context(STYLE):
        picture = Picture(figsize=(5.6, 0.22 * len(rows) + 1.3), layout="constrained")
        ax = picture.subplots()
        ax.imshow(rows, cmap=SHADES, vmin=0, vmax=max(rows.max(), 0.6), aspect="auto")
        ax.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
        ax.grid(which="minor", axis="y", color="white", linewidth=2)
        ax.tick_params(which="minor", length=0)
        ax.set_xticks(range(len(columns)), columns, rotation=45, ha="left", rotation_mode="anchor")
        ax.xaxis.tick_top()
        ax.set_yticks(range(len(rows)), titles, fontsize=8)
        if ring is not None:
            ax.add_patch(
                Rectangle(
                    (-0.5, ring - 0.5),
                    rows.shape[1],
                    1,
                    fill=False,
                    clip_on=False,
                    edgecolor=INK,
                    linewidth=2,
                    zorder=3,
                )
            )
        ax.set_title(title, pad=8)
        ax.spines[:].set_visible(False)
    return picture
