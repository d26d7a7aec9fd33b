"""What stands on every page: the theme's HTML, mended, with what a reader and a search engine ask.

That is how long a page takes to read, its description, and, where the website's address is known,
a site map and a page for addresses that lead nowhere.
"""

import re
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes

# What the theme writes, and what stands there instead: each with the reason.
HEAD = [
    # 543 kB to draw a dozen icons, which static/book.css draws itself
    (re.compile(r'<script src="[^"]*fontawesome\.js[^"]*"></script>'), ""),
]
BODY = [
    # the book's name must lie in a landmark, for those who jump from one to the next
    (re.compile(r'<div (id="pst-primary-sidebar")'), r'<div role="region" aria-label="Book" \1'),
    # the arrow that opens a part of the contents has no words
    (re.compile(r'<summary>(<span class="toctree-toggle")'), r'<summary aria-label="Its pages">\1'),
    # a role that ARIA has given up, and a list whose parts are not all list items
    (re.compile(r' role="doc-biblioentry"'), ""),
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
    # a figure's size as attributes, from which the browser knows its shape before it loads it
    (re.compile(r'style="width: (\d+)px; height: (\d+)px;?"'), r'width="\1" height="\2"'),
]


def mend(html, rules):
    for wrong, right in rules:
        html = wrong.sub(right, html)
    return html


WORDS_A_MINUTE, LINES_A_MINUTE = 200, 40  # prose; code


def know_address(app, config):
    """Take the website's address from html.baseurl, else from GitHub's rule for its pages."""
    repository = urlsplit(config.html_theme_options.get("repository_url") or "")
    if not config.html_baseurl and repository.netloc == "github.com":
        owner, name = repository.path.strip("/").split("/")[:2]
        config.html_baseurl = f"https://{owner}.github.io/{name.removesuffix('.git')}/"


def describe(doctree):
    """Return a page's first paragraph, and the next where that is short, in 200 letters or less."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if len(text) < 80 and paragraph.parent.tagname == "section":
            text += " " + " ".join(paragraph.astext().split())
    text = text.strip()
    return text if len(text) <= 200 else text[:199].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def minutes(doctree):
    """Return the minutes that a page takes to read: its words, and the lines of its cells.

    The exercises are not read but done; their time is the reader's own.
    """
    prose = (p.astext() for p in doctree.findall(nodes.paragraph) if not is_exercise(p))
    cells = doctree.findall(nodes.literal_block)
    cells = (c.astext() for c in cells if is_input(c) and not is_exercise(c))
    words = sum(len(text.split()) for text in prose)
    lines = sum(len(text.splitlines()) for text in cells)
    return max(1, round(words / WORDS_A_MINUTE + lines / LINES_A_MINUTE))


def is_exercise(node):
    """Say whether a node stands in the section of exercises."""
    while node.parent is not None:
        if "exercises" in node.get("ids", []):
            return True
        node = node.parent
    return False


def is_input(block):
    return "cell_input" in block.parent.get("classes", [])


def complete(app, page, template, context, doctree):
    """Add to a page what its template or its head asks for."""
    context["mend_head"] = lambda html: mend(html, HEAD)
    context["mend_body"] = lambda html: mend(html, BODY)
    if doctree is None:
        return
    context["metatags"] += f'<meta name="description" content="{escape(describe(doctree))}" />'
    if any(map(is_input, doctree.findall(nodes.literal_block))):
        time = f'<p class="reading-time">{minutes(doctree)} minutes to read</p>'
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{time}", 1)


def add_lost_page(app):
    """Make 404.html, whose links start from the website's root: it may answer for any address."""
    if app.config.html_baseurl:
        home = app.builder.get_target_uri(app.config.root_doc)
        body = f"""<h1>There is no such page</h1>
        <p>The address may have a slip of the pen, or the page has moved. The book starts at
        <a href="{home}">{escape(app.config.project)}</a>; its contents are in the side bar, and the
        search box finds any word.</p>"""
        base = f'<base href="{urlsplit(app.config.html_baseurl).path or "/"}" />'
        yield "404", {"title": "No such page", "body": body, "metatags": base}, "page.html"


def write_site_map(app, exception):
    """Name every page of the book to the search engines, where the website's address is known."""
    if exception or app.builder.format != "html" or not app.config.html_baseurl:
        return
    root = app.config.html_baseurl.rstrip("/")
    pages = [f"{root}/{app.builder.get_target_uri(page)}" for page in sorted(app.env.found_docs)]
    entries = "".join(f"  <url><loc>{escape(page)}</loc></url>\n" for page in pages)
    (Path(app.outdir) / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</urlset>\n',
        encoding="utf-8",
    )


def setup(app):
    app.connect("config-inited", know_address)
    app.connect("html-page-context", complete)
    app.connect("html-collect-pages", add_lost_page)
    app.connect("build-finished", write_site_map)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
