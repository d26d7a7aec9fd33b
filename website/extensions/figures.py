"""Figures: live ones become HTML with a script, still ones get their size."""

import json
from pathlib import Path

from docutils import nodes
from PIL import Image

from website.extensions.absent import mocked

with mocked():
    from attnbook import live


def draw_live(app, page, source):
    """Turn the Vega-Lite in a notebook's outputs into HTML before the notebook is read."""
    if live.MIME_TYPE not in source[0]:
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            spec = output.get("data", {}).pop(live.MIME_TYPE, None)
            if spec is not None:
                output["data"]["text/html"] = live.page(spec)
    source[0] = json.dumps(notebook)


def say_where_it_is_live(app, page, source):
    """In print, end the caption of a live figure's picture with the address of the live one."""
    if app.builder.name not in ("latex", "epub") or live.MIME_TYPE not in source[0]:
        return
    notebook = json.loads(source[0])
    base = app.config.html_baseurl
    where = f"at {base.rstrip('/')}/{page}.html" if base else f"on the website, {page}.html"
    for cell in notebook["cells"]:
        if any(live.MIME_TYPE in output.get("data", {}) for output in cell.get("outputs", [])):
            image = cell["metadata"].setdefault("mystnb", {}).setdefault("image", {})
            image["alt"] = f"{image.get('alt', '')} You can change this figure {where}.".strip()
    source[0] = json.dumps(notebook)


def add_script(app, page, template, context, doctree):
    """Give live.js to the pages that hold a live figure, and to no other."""
    if '<div class="live-figure"' in context.get("body", ""):
        app.add_js_file("live.js", loading_method="defer")


def set_size(app, doctree, page):
    """Show a figure at the size in inches that matplotlib gave it, and load it when it comes near.

    The first figure of a page is at once in sight, or nearly so, and is loaded with the page.
    """
    if app.builder.format != "html":
        return
    for i, image in enumerate(doctree.findall(nodes.image)):
        if i > 0:
            image["loading"] = "lazy"
        path = Path(app.srcdir) / image["uri"]
        if path.suffix == ".png" and "width" not in image and path.is_file():
            with Image.open(path) as png:
                dots_per_inch = png.info.get("dpi", (96, 96))[0]
                image["width"] = f"{round(png.width / dots_per_inch * 96)}px"
                image["height"] = f"{round(png.height / dots_per_inch * 96)}px"


def setup(app):
    app.connect("source-read", say_where_it_is_live, priority=400)  # before draw_live
    app.connect("source-read", draw_live)
    app.connect("html-page-context", add_script)
    app.connect("doctree-resolved", set_size)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
