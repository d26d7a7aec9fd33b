"""What the PDF and the EPUB need and _config.yml alone cannot say. Sphinx loads it always."""

import json
import posixpath
import re
from importlib.metadata import version
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from PIL import Image
from sphinx import addnodes
from sphinx.builders.epub3 import Epub3Builder
from sphinx.transforms.post_transforms import SphinxPostTransform

PREAMBLE = Path(__file__).parent.parent / "print" / "preamble.tex"
EPUB_STYLE = Path(__file__).parent.parent / "print" / "epub.css"
EPUB_STYLES = ["pygments.css", "epub.css"]  # Sphinx makes the first
PAGE = "textwidth=150mm,textheight=238mm,headheight=14pt"
LONG_TABLE, LINE = 12, 80  # rows; characters on a line
WIDEST, HIGHEST = 5.9, 7.8  # inches: a figure, so that its caption has room
# Bold is for terms where they are explained, for questions and for emphasis. A term is a few words
# in small letters; these are small words that are only stressed.
TERM = re.compile(r"[a-z][a-z-]*( [a-z-]+){0,2}")
STRESSED = {"all", "columns", "hard", "may", "not", "one", "query in blue"}


def configure(app, config):
    """Set what the two need, over what sphinx_jupyterbook_latex has set for the PDF."""
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
        "preamble": PREAMBLE.read_text(),
    }

    config.version = version("attnlib")
    config.epub_basename = "attention"
    config.epub_title = title
    config.epub_author = config.epub_publisher = config.epub_contributor = author
    config.epub_description = "Self-attention in one sentence and one small trained model."
    config.epub_copyright = "Text and figures: CC BY 4.0. Code: MIT."
    config.epub_language = "en"
    config.epub_identifier = config.epub_uid = "attnlib-book"
    config.epub_scheme = "name"
    config.epub_show_urls = "no"  # the links themselves work
    config.epub_tocscope = "includehidden"
    config.epub_tocdepth = 2
    config.epub_use_index = False
    config.epub_css_files = []  # the theme asks for epub.css already
    config.nb_mime_priority_overrides = [("epub", "text/html", None)]  # a picture instead


def configure_one(app):
    """Set what would change the website if it held there too."""
    if app.builder.name == "latex":
        app.config.numfig_secnum_depth = 2  # figures are numbered in chapters, chapters in parts
    if app.builder.name == "epub":
        app.config.html_domain_indices = False


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
    """Number the figures that cells draw; what their alt text says stands under them.

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
    """Let a long table go over the page's end, with columns as wide as their texts ask for."""

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
        """Return what a cell prints, nearly: a formula's letters, a link with its page."""
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
    """List the terms that stand in bold where a chapter explains them."""

    builders = ("latex",)
    default_priority = 660

    def run(self):
        for strong in list(self.document.findall(nodes.strong)):
            term = strong.astext()
            if TERM.fullmatch(term) and term not in STRESSED:
                entry = addnodes.index(entries=[("single", term, "", "", None)], inline=True)
                strong.replace_self([entry, strong.deepcopy()])


class NoButtons(SphinxPostTransform):
    """Leave out the code of a cell that hides it, as the PDF does; only a website has buttons."""

    builders = ("epub",)
    default_priority = 1  # before myst_nb makes the button

    def run(self):
        for cell in list(self.document.findall(nodes.container)):
            if cell.attributes.pop("hide_mode", None) == "input":
                for part in list(cell.children):
                    if "cell_input" in part["classes"]:
                        cell.remove(part)


def mathml(tex, display="inline"):
    """Return a formula as MathML. latex2mathml knows aligned lines by the name of split only."""
    return convert(tex.replace("{aligned}", "{split}"), display=display)


class Formulas(SphinxPostTransform):
    """Write formulas as MathML, which e-readers set without a script."""

    builders = ("epub",)
    default_priority = 660

    def run(self):
        for math in list(self.document.findall(nodes.math)):
            math.replace_self(nodes.raw("", mathml(math.astext()), format="html"))
        numbers = self.env.toc_fignumbers.get(self.env.docname, {}).get("displaymath", {})
        for block in list(self.document.findall(nodes.math_block)):
            counted = numbers.get(block["ids"][0]) if block["ids"] else None  # through the book
            number = f'<span class="eqno">({counted[-1]})</span>' if counted else ""
            anchors = "".join(f'<span id="{i}"></span>' for i in block["ids"])
            formula = mathml(block.astext(), display="block")
            page = f'<div class="math">{anchors}{number}{formula}</div>'
            block.replace_self(nodes.raw("", page, format="html"))


class Epub(Epub3Builder):
    """Sphinx's EPUB without what only a website uses: scripts, fonts, the themes' styles."""

    html_tag = Epub3Builder.html_tag.replace(">", ' lang="en" xml:lang="en">')

    def get_toc(self):
        super().get_toc()
        for entry in self.refnodes:  # such as chapters/../api/index.xhtml
            entry["refuri"] = posixpath.normpath(entry["refuri"])

    def build_content(self):
        static = Path(self.outdir, "_static")
        for path in Path(self.outdir).rglob("*"):
            if path.is_file() and "static" in path.relative_to(self.outdir).parts[0]:
                if path.parent != static or path.name != "pygments.css":
                    path.unlink()
        (static / "epub.css").write_bytes(EPUB_STYLE.read_bytes())
        super().build_content()
        contents = Path(self.outdir, "content.opf")
        page = re.compile(r'<item [^>]*href="([^"]+\.xhtml)"')
        contents.write_text(page.sub(self.declare, contents.read_text()))

    def declare(self, item):
        """Say of a page in the list of contents that it has formulas, as the standard asks."""
        page = Path(self.outdir, item.group(1))
        has_formulas = page.exists() and "<math" in page.read_text()
        return item.group() + (' properties="mathml"' if has_formulas else "")


def drop_scripts(app, page, template, context, doctree):
    """Leave an e-book's pages its two style sheets, whatever extensions add for a website."""
    if app.builder.name == "epub":
        context["script_files"] = []
        context["css_files"] = [
            sheet for sheet in context["css_files"] if Path(sheet.filename).name in EPUB_STYLES
        ]


def say_where_it_is_live(app, page, source):
    """Tell readers of a still picture where the figure answers to them."""
    name = app.builder.name
    if name not in ("latex", "epub") or "vegalite" not in source[0]:
        return
    notebook = json.loads(source[0])
    base = app.config.html_baseurl
    where = f"at {base.rstrip('/')}/{page}.html" if base else f"on the website, {page}.html"
    for cell in notebook["cells"]:
        kinds = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
        if any("vegalite" in kind for kind in kinds):
            image = cell["metadata"].setdefault("mystnb", {}).setdefault("image", {})
            image["alt"] = f"{image.get('alt', '')} You can change this figure {where}.".strip()
    source[0] = json.dumps(notebook)


def setup(app):
    app.connect("config-inited", configure, priority=900)
    app.connect("source-read", say_where_it_is_live, priority=400)  # before book_site
    app.connect("html-page-context", drop_scripts, priority=900)
    app.add_builder(Epub, override=True)
    app.connect("builder-inited", configure_one)
    for transform in (Parts, Figures, Tables, Code, Index, NoButtons, Formulas):
        app.add_post_transform(transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
