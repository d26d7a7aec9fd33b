"""The PDF: a book for paper, with parts, numbered figures that the text refers to, and an index."""

import re
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

PREAMBLE = Path(__file__).parent.parent / "print" / "preamble.tex"
PAGE = "textwidth=150mm,textheight=238mm,headheight=14pt"
LONG_TABLE, LINE = 12, 80  # rows; characters on a line
WIDEST, HIGHEST = 5.9, 7.8  # inches: a figure, so that its caption has room
# Bold is for terms where they are explained, for questions and for emphasis. A term is a few words
# in small letters; these are small words that are only stressed.
TERM = re.compile(r"[a-z][a-z-]*( [a-z-]+){0,2}")
STRESSED = {"all", "columns", "hard", "may", "not", "one", "query in blue"}


def configure(app, config):
    """Set the PDF's options over those of sphinx_jupyterbook_latex."""
    title, author = config.html_title, config.author
    config.latex_documents = [(config.root_doc, "attention.tex", title, author, "manual")]
    config.latex_toplevel_sectioning = "part"
    config.jblatex_captions_to_parts = False  # Parts, below, numbers the root page too
    config.jblatex_show_tocs = False
    config.latex_use_xindy = False
    config.latex_domain_indices = False
    config.latex_show_pagerefs = True
    config.numfig_format = config.numfig_format | {"figure": "Figure %s"}
    config.latex_elements = {
        "papersize": "a4paper",
        "pointsize": "11pt",
        "extraclassoptions": "openany,oneside",
        "geometry": rf"\usepackage[a4paper,{PAGE}]{{geometry}}",
        "fncychap": "",
        "fontpkg": "",
        "fvset": r"\fvset{fontsize=auto}",
        "figure_align": "H",
        "sphinxsetup": "TitleColor={HTML}{1A1A1A}, InnerLinkColor={HTML}{00527F}, "
        "OuterLinkColor={HTML}{00527F}, verbatimforcewraps=true, verbatimhintsturnover=false",
        "preamble": PREAMBLE.read_text(encoding="utf-8"),
    }


class Parts(SphinxPostTransform):
    """Make a part of each caption in _toc.yml, and of the root page a chapter before the first."""

    builders = ("latex",)
    default_priority = 650  # before sphinx_jupyterbook_latex, which would lift the root page out

    def run(self):
        root = next(self.document.findall(nodes.section))
        for section in root.findall(nodes.section):
            if section is not root:
                section.attributes.pop("header_level", None)
        book = nodes.section("", nodes.title("", self.config.html_title))
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
    """Number the figures that cells draw, and give each its alt text as a caption.

    The paragraph beside the cell names the number, since a page may end between the two.
    """

    builders = ("latex",)
    default_priority = 660

    def run(self):
        for n, image in enumerate(list(self.document.findall(nodes.image))):
            if image.get("alt") and not isinstance(image.parent, nodes.figure):
                image["width"] = self.width(Path(self.app.srcdir) / image["uri"])
                self.refer(self.paragraph_beside(image), f"figure-{n}")
                label = nodes.raw("", rf"\label{{figure-{n}}}", format="latex")
                caption = nodes.caption("", "", nodes.Text(image["alt"]), label)
                image.replace_self(nodes.figure("", image.deepcopy(), caption))

    def paragraph_beside(self, image):
        """Return the paragraph right before the cell that draws the image, or the next, or any."""
        cell = image.parent
        while "cell" not in cell.get("classes", []):
            cell = cell.parent
        section, place = cell.parent, cell.parent.index(cell)
        beside = [
            *section[place - 1 : place],
            *section[place + 1 : place + 2],
            *reversed(section[:place]),
        ]
        return next(part for part in beside if isinstance(part, nodes.paragraph))

    def refer(self, paragraph, label):
        """Put the figure's number at the paragraph's end, within its last stop."""
        link = rf" (\hyperref[{label}]{{Figure~\ref*{{{label}}}}})"
        number, last = nodes.raw("", link, format="latex"), paragraph[-1]
        if isinstance(last, nodes.Text) and last.endswith((".", ":", "?")):
            paragraph.replace(last, [nodes.Text(last[:-1]), number, nodes.Text(last[-1])])
        else:
            paragraph += number

    def width(self, path):
        """Return the width in print: 0.8 of matplotlib's, for text of 8 pt, or what a page has."""
        with Image.open(path) as png:
            inches = png.width / png.info.get("dpi", (96, 96))[0]
            return f"{min(0.8 * inches, WIDEST, HIGHEST * png.width / png.height):.2f}in"


class Tables(SphinxPostTransform):
    """Let a long table break across pages, with columns as wide as their texts need."""

    builders = ("latex",)
    default_priority = 660

    def run(self):
        for table in list(self.document.findall(nodes.table)):
            rows = [[self.text(cell) for cell in row] for row in table.findall(nodes.row)]
            if len(rows) > LONG_TABLE:
                table["classes"].append("longtable")
                columns = list(zip(*rows, strict=True))
                words = [max(map(len, " ".join(column).split()), default=1) for column in columns]
                texts = [sum(map(len, column)) / len(column) for column in columns]
                left = (LINE - sum(words) - 2 * len(words)) / sum(texts)
                spec = "".join(
                    r">{\raggedright\arraybackslash}p{%.3f\linewidth}"
                    % ((word + left * text) / LINE)
                    for word, text in zip(words, texts, strict=True)
                )
                table.replace_self([addnodes.tabular_col_spec(spec=spec), table.deepcopy()])

    def text(self, cell):
        """Return roughly what a cell prints: a formula's letters, a link with its page."""
        page = " (page 100)" * bool(list(cell.findall(nodes.reference)))
        return re.sub(r"\\[a-z]+|[{}_^$]", "", cell.astext()) + page


class Code(SphinxPostTransform):
    """Choose the size of each block of code or output by its longest line."""

    builders = ("latex",)
    default_priority = 660

    def run(self):
        for block in list(self.document.findall(nodes.literal_block)):
            lines = block.astext().splitlines()
            fit = f"\\begingroup\\fitcode{{{max(map(len, lines), default=1)}}}{{{len(lines)}}}%\n"
            begin = nodes.raw("", fit, format="latex")
            end = nodes.raw("", "\\par\\endgroup\n", format="latex")
            block.replace_self([begin, block.deepcopy(), end])


class Index(SphinxPostTransform):
    """Put the terms into the index that a chapter explains, and prints in bold there."""

    builders = ("latex",)
    default_priority = 660

    def run(self):
        for strong in list(self.document.findall(nodes.strong)):
            term = strong.astext()
            if TERM.fullmatch(term) and term not in STRESSED:
                entry = addnodes.index(entries=[("single", term, "", "", None)], inline=True)
                strong.replace_self([entry, strong.deepcopy()])


def number_figures_in_chapters(app):
    """Number figures within chapters, and chapters through the parts; only the PDF has parts."""
    if app.builder.name == "latex":
        app.config.numfig_secnum_depth = 2


def setup(app):
    app.connect("config-inited", configure, priority=900)
    app.connect("builder-inited", number_figures_in_chapters)
    for transform in (Parts, Figures, Tables, Code, Index):
        app.add_post_transform(transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
