"""What the PDF and the EPUB need and _config.yml alone cannot say. Sphinx loads it for every build."""

import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

PREAMBLE = Path(__file__).parent / "print" / "preamble.tex"
# Bold is for terms where they are explained, for questions and for emphasis. A term is a few words
# in small letters; these are small words that are only stressed.
TERM = re.compile(r"[a-z][a-z-]*( [a-z-]+){0,2}")
STRESSED = set("all columns direction hard may not one".split())


def configure(app, config):
    """Set what depends on nothing but the book; runs after sphinx_jupyterbook_latex has set its own."""
    title, author = config.project, config.author
    config.latex_documents = [(config.root_doc, "attention.tex", title, author, "manual")]
    config.latex_toplevel_sectioning = "part"
    config.jblatex_captions_to_parts = False  # Parts, below, numbers the root page too
    config.jblatex_show_tocs = False
    config.latex_use_xindy = False
    config.latex_show_pagerefs = True
    config.latex_elements = {
        "papersize": "a4paper",
        "pointsize": "11pt",
        "extraclassoptions": "openany,oneside",
        "geometry": r"\usepackage[a4paper,textwidth=150mm,textheight=238mm,headheight=14pt]{geometry}",
        "fncychap": "",
        "fontpkg": "",
        "fvset": r"\fvset{fontsize=auto}",
        "figure_align": "H",
        "sphinxsetup": "TitleColor={HTML}{1A1A1A}, InnerLinkColor={HTML}{00527F}, "
        "OuterLinkColor={HTML}{00527F}, verbatimforcewraps=true",
        "preamble": PREAMBLE.read_text(),
    }


def number_figures_by_chapter(app):
    if app.builder.format == "latex":
        app.config.numfig_secnum_depth = 2  # parts, then chapters


class Parts(SphinxPostTransform):
    """Make a part of each caption in _toc.yml, and of the root page a chapter before the first."""

    builders = ("latex",)
    default_priority = 650  # before sphinx_jupyterbook_latex lifts the root page out of the chapters

    def run(self):
        root = next(self.document.findall(nodes.section))
        for section in root.findall(nodes.section):
            if section is not root:
                section.attributes.pop("header_level", None)
        book = nodes.section("", nodes.title("", self.config.project))
        front = addnodes.start_of_file("", docname=self.config.root_doc)
        self.document.replace(root, book)
        front += root
        book += nodes.section("", front)
        for contents in list(root.findall(nodes.compound)):
            if contents.get("docname") == self.config.root_doc:
                contents.parent.remove(contents)
                del contents["docname"]
                book += nodes.section("", nodes.title("", contents["caption"]), contents)


class Figures(SphinxPostTransform):
    """Number the figures that cells draw; what their alt text says stands under them."""

    builders = ("latex",)
    default_priority = 660

    def run(self):
        for image in list(self.document.findall(nodes.image)):
            if image.get("alt") and not isinstance(image.parent, nodes.figure):
                caption = nodes.caption("", image["alt"])
                image.replace_self(nodes.figure("", image.deepcopy(), caption))


class Code(SphinxPostTransform):
    """Choose the size of each block of code or output by its longest line."""

    builders = ("latex",)
    default_priority = 660

    def run(self):
        for block in list(self.document.findall(nodes.literal_block)):
            columns = max(map(len, block.astext().splitlines()), default=1)
            begin = nodes.raw("", f"\\begingroup\\fitcode{{{columns}}}%\n", format="latex")
            end = nodes.raw("", "\\par\\endgroup\n", format="latex")
            block.replace_self([begin, block.deepcopy(), end])


class Index(SphinxPostTransform):
    """List the terms that stand in bold where a chapter explains them."""

    builders = ("latex",)
    default_priority = 660

    def run(self):
        for strong in list(self.document.findall(nodes.strong)):
            term = strong.astext()
            if TERM.fullmatch(term) and term not in STRESSED:
                entry = addnodes.index(entries=[("single", term, "", "", None)], inline=True)
                strong.replace_self([entry, strong.deepcopy()])


def setup(app):
    app.connect("config-inited", configure, priority=900)
    app.connect("builder-inited", number_figures_by_chapter)
    for transform in (Parts, Figures, Code, Index):
        app.add_post_transform(transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
