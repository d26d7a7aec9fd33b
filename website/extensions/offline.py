"""Serve what the pages load, MathJax and Vega, from the site itself: no page asks another site."""

from importlib.util import find_spec
from pathlib import Path
from shutil import copytree

import vl_convert


def copy_mathjax(app):
    """Put MathJax and its fonts under _static/mathjax."""
    if app.builder.format != "html":
        return
    package = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    fonts = Path("output", "chtml", "fonts", "woff-v2")
    copytree(package / fonts, target / fonts, dirs_exist_ok=True)
    (target / "tex-chtml.js").write_bytes((package / "tex-chtml.js").read_bytes())


def write_vega(app):
    """Put Vega under _static; live.js loads it once a live figure comes into view."""
    if app.builder.format == "html":
        vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
        static = Path(app.outdir) / "_static"
        static.mkdir(parents=True, exist_ok=True)
        its_own_names = f"(() => {{{vega}}})();"
        (static / "vega.js").write_text(its_own_names, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", copy_mathjax)
    app.connect("builder-inited", write_vega)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
