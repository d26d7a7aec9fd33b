"""What the website needs and _config.yml alone cannot say. Sphinx loads it for every build."""

import json
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree

import vl_convert
from docutils import nodes
from PIL import Image
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

from attnbook import live

BINDER = "https://mybinder.org"


class RoundAuthorYear(AuthorYearReferenceStyle):
    """Citations as "(Vaswani et al., 2017)" and "Vaswani et al. (2017)"."""

    def __init__(self):
        round_brackets = BracketStyle(left="(", right=")")
        super().__init__(
            bracket_textual=round_brackets,
            bracket_parenthetical=round_brackets,
            bracket_author=round_brackets,
            bracket_label=round_brackets,
            bracket_year=round_brackets,
        )


def add_repository_buttons(app, config):
    """Turn on what needs the repository's address when `repository.url` holds one, else nothing."""
    options = config.html_theme_options
    known = bool(options.get("repository_url"))
    options["use_repository_button"] = known
    options["use_issues_button"] = known
    options["launch_buttons"] = (
        {"binderhub_url": BINDER, "notebook_interface": "jupyterlab"} if known else {}
    )


def copy_mathjax(app):
    """Put MathJax and its fonts under _static/mathjax, so that no page asks another site for it."""
    if app.builder.format != "html":
        return
    package = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    fonts = Path("output", "chtml", "fonts", "woff-v2")
    copytree(package / fonts, target / fonts, dirs_exist_ok=True)
    (target / "tex-chtml.js").write_bytes((package / "tex-chtml.js").read_bytes())


def write_vega(app):
    """Put Vega under _static, where live.js loads it from once a reader meets a live figure."""
    if app.builder.format == "html":
        vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
        static = Path(app.outdir) / "_static"
        static.mkdir(parents=True, exist_ok=True)
        its_own_names = f"(() => {{{vega}}})();"
        (static / "vega.js").write_text(its_own_names, encoding="utf-8")


def draw_explorers(app, page, source):
    """Turn the Vega-Lite in a notebook's outputs into HTML before it is read."""
    if live.MIME_TYPE not in source[0]:
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            spec = output.get("data", {}).pop(live.MIME_TYPE, None)
            if spec is not None:
                output["data"]["text/html"] = live.page(spec)
    source[0] = json.dumps(notebook)


def add_explorer(app, page, template, context, doctree):
    """Give live.js to the pages that hold a figure of attnbook.live, and to no other."""
    if '<div class="live-figure"' in context.get("body", ""):
        app.add_js_file("live.js", loading_method="defer")


def size_figures(app, doctree, page):
    """Show a figure at the size that matplotlib gave it in inches, and load it when it comes near.

    The first figure of a page is in sight or nearly so, and is not put off.
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
    register_plugin("sphinxcontrib.bibtex.style.referencing", "author_year_round", RoundAuthorYear)
    app.connect("config-inited", add_repository_buttons)
    app.connect("builder-inited", copy_mathjax)
    app.connect("builder-inited", write_vega)
    app.connect("source-read", draw_explorers)
    app.connect("html-page-context", add_explorer)
    app.connect("doctree-resolved", size_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
