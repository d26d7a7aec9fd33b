"""What stands on every page: the theme's HTML, made lighter and open to every reader."""

import re

# What the theme writes, and what stands there instead: each with the reason.
HEAD = [
    # 543 kB to draw a dozen icons, which static/book.css draws itself
    (re.compile(r'<script src="[^"]*fontawesome\.js[^"]*"></script>'), ""),
]
BODY = [
    # the book's name must lie in a landmark, for those who jump from one to the next
    (re.compile(r'<div (id="pst-primary-sidebar")'), r'<div role="region" aria-label="Book" \1'),
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


def add_menders(app, page, template, context, doctree):
    """Give templates/layout.html the two functions that it calls."""
    context["mend_head"] = lambda html: mend(html, HEAD)
    context["mend_body"] = lambda html: mend(html, BODY)


def setup(app):
    app.connect("html-page-context", add_menders)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
