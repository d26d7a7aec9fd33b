"""Fix the theme's HTML; add reading time and description."""

import re
from html import escape

from docutils import nodes

# What the theme writes wrongly, and what replaces it, each with the reason.
HEAD = [
    # 543 kB to draw a dozen icons, which static/book.css draws itself
    (re.compile(r'<script src="[^"]*fontawesome\.js[^"]*"></script>'), ""),
]
BODY = [
    # the book's name must lie in a landmark, for those who jump from one to the next
    (re.compile(r'<div (id="pst-primary-sidebar")'), r'<div role="region" aria-label="Book" \1'),
    # the arrow that opens a part of the contents has no words
    (re.compile(r'<summary>(<span class="toctree-toggle")'), r'<summary aria-label="Its pages">\1'),
    # a role that ARIA has deprecated, and a list whose parts are not all list items
    (re.compile(r' role="doc-biblioentry"'), ""),
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
    # a figure's size as attributes, from which the browser knows its shape before it loads it
    (re.compile(r'style="width: (\d+)px; height: (\d+)px;?"'), r'width="\1" height="\2"'),
]

WORDS_PER_MINUTE, LINES_PER_MINUTE = 200, 40  # prose; code


def fix(html, rules):
    for wrong, right in rules:
        html = wrong.sub(right, html)
    return html


def describe(doctree):
    """Return a page's first paragraph, and the next if that is short, in at most 200 letters."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if len(text) < 80 and paragraph.parent.tagname == "section":
            text += " " + " ".join(paragraph.astext().split())
    text = text.strip()
    return text if len(text) <= 200 else text[:199].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def minutes(doctree):
    """Return the minutes that a page takes to read: its words, and the lines of its cells.

    Exercises are left out: they are not read but done, and take as long as they take.
    """
    prose = (p.astext() for p in doctree.findall(nodes.paragraph) if not is_exercise(p))
    cells = doctree.findall(nodes.literal_block)
    cells = (c.astext() for c in cells if is_input(c) and not is_exercise(c))
    words = sum(len(text.split()) for text in prose)
    lines = sum(len(text.splitlines()) for text in cells)
    return max(1, round(words / WORDS_PER_MINUTE + lines / LINES_PER_MINUTE))


def is_exercise(node):
    """Say whether a node lies in the section of exercises."""
    while node.parent is not None:
        if "exercises" in node.get("ids", []):
            return True
        node = node.parent
    return False


def is_input(block):
    return "cell_input" in block.parent.get("classes", [])


def complete(app, page, template, context, doctree):
    """Give a page's template the functions that fix its HTML, its description, and its time."""
    context["fix_head"] = lambda html: fix(html, HEAD)
    context["fix_body"] = lambda html: fix(html, BODY)
    if doctree is None:
        return
    description = escape(describe(doctree))
    context["metatags"] += f'<meta name="description" content="{description}" />\n'
    context["meta"] = (context["meta"] or {}) | {"og:description": description}
    if any(map(is_input, doctree.findall(nodes.literal_block))):
        time = f'<p class="reading-time">{minutes(doctree)} minutes to read</p>'
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{time}", 1)


def setup(app):
    app.connect("html-page-context", complete, priority=400)  # before sphinxext.opengraph
    return {"parallel_read_safe": True, "parallel_write_safe": True}
