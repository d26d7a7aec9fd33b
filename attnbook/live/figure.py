"""What a notebook and a page make of a live figure: its picture, its HTML and its words."""

import html
import io
import json
import re
from collections.abc import Sequence
from xml.etree import ElementTree

import vl_convert
from PIL import Image

from attnbook.live.style import CONFIG, THEMED

MIME_TYPE = "application/vnd.vegalite.v5+json"
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name; JupyterLab draws version 5


class LiveFigure:
    """A figure that a notebook shows live where scripts run, and as a picture where they do not.

    Args:
        spec: Its Vega-Lite specification, without what all figures have in common.
        description: What it shows at first, in words; by default what its first status says.
        status: Names of the layers whose texts, in this order, are the status line of the page.
            All begin with "status", by which book.css hides them in the drawing there. A name
            also stands for those that continue it, such as one for each head.
        more: Names of the settings that a page folds away.
        is_open: Whether the page shows them at once.
    """

    def __init__(
        self,
        spec: dict,
        description: str | None = None,
        *,
        status: Sequence[str],
        more: Sequence[str] = (),
        is_open: bool = True,
    ):
        self.spec = {
            "$schema": SCHEMA,
            "config": CONFIG,
            "padding": 4,
            "description": description,
            # What live.js reads beyond the drawing itself, of which it reads concat, columns,
            # spacing, padding, the views' widths, the bound parameters and the one named narrow.
            "usermeta": {"status": list(status), "more": list(more), "isOpen": is_open},
            **spec,
        }
        if description is None:
            self.spec["description"] = " ".join(_texts(self.spec, status[0]))

    def _repr_mimebundle_(self, include=None, exclude=None):
        """Return what IPython stores: the specification, a PNG for print, and the description."""
        return {
            MIME_TYPE: self.spec,
            "image/png": _smaller(vl_convert.vegalite_to_png(self.spec, scale=2)),
            "text/plain": repr(self),
        }

    def __repr__(self):
        return self.spec["description"]


def page(spec: dict) -> str:
    """Turn a stored specification into the HTML that live.js brings to life.

    Args:
        spec: The specification of a LiveFigure, as a notebook stores it.

    Returns:
        A static SVG, for readers without scripts, and the specification, with the colours as
        variables of CSS.
    """
    spec = spec | {"config": spec["config"] | {"background": None}}
    svg = vl_convert.vegalite_to_svg(spec)
    svg = re.sub(r"(\.\d\d)\d+(?=[^<>]*>)", r"\1", svg)  # two decimals are enough for coordinates
    del spec["$schema"]  # the page's Vega-Lite is newer than JupyterLab's, and draws the same
    data = json.dumps(spec, separators=(",", ":"), ensure_ascii=False)
    data = data.replace("<", r"\u003c")  # nothing in it may end the script element
    text = (
        '<div class="live-figure">\n<div class="live-picture">'
        f'<svg role="img" aria-label="{html.escape(spec["description"])}"{svg[4:]}</div>\n'
        f'<script type="application/json">{data}</script>\n</div>'
    )
    for colour, name in THEMED.items():
        text = text.replace(colour, f"var({name},{colour})")
    return text


def _texts(spec, layer):
    """Return the texts that a layer writes at first."""
    drawn = ElementTree.fromstring(vl_convert.vegalite_to_svg(spec))
    groups = (g for g in drawn.iterfind(".//{*}g") if f" {layer}" in g.get("class", ""))
    return ["".join(group.itertext()) for group in groups]


def _smaller(png):
    """Compress a PNG again, without its alpha channel, and say that it has 192 dots an inch."""
    packed = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(packed, "PNG", optimize=True, dpi=(192, 192))
    return packed.getvalue()
