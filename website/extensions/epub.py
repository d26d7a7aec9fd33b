"""The EPUB: pages for e-readers, without scripts, with formulas in MathML."""

import posixpath
import re
from importlib.metadata import version
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.builders.epub3 import Epub3Builder
from sphinx.transforms.post_transforms import SphinxPostTransform

STYLE = Path(__file__).parent.parent / "print" / "epub.css"
STYLES = ["pygments.css", "epub.css"]  # Sphinx makes the first


def configure(app, config):
    """Set the options of Sphinx's EPUB."""
    title, author = config.html_title, config.author
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


def leave_out_module_index(app):
    if app.builder.name == "epub":
        app.config.html_domain_indices = False


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
    """Return a formula as MathML. latex2mathml knows aligned only as split."""
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
        (static / "epub.css").write_bytes(STYLE.read_bytes())
        super().build_content()
        contents = Path(self.outdir, "content.opf")
        page = re.compile(r'<item [^>]*href="([^"]+\.xhtml)"')
        text = page.sub(self.declare, contents.read_text(encoding="utf-8"))
        contents.write_text(text, encoding="utf-8")

    def declare(self, item):
        """Say of a page in the list of contents that it has formulas, as the standard asks."""
        page = Path(self.outdir, item.group(1))
        has_formulas = page.exists() and "<math" in page.read_text(encoding="utf-8")
        return item.group() + (' properties="mathml"' if has_formulas else "")


def drop_scripts(app, page, template, context, doctree):
    """Leave an e-book's pages its two style sheets, whatever extensions add for a website."""
    if app.builder.name == "epub":
        context["script_files"] = []
        context["css_files"] = [
            sheet for sheet in context["css_files"] if Path(sheet.filename).name in STYLES
        ]


def setup(app):
    app.connect("config-inited", configure, priority=900)
    app.connect("builder-inited", leave_out_module_index)
    app.connect("html-page-context", drop_scripts, priority=900)
    app.add_builder(Epub, override=True)
    for transform in (NoButtons, Formulas):
        app.add_post_transform(transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
