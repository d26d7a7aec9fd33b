"""The checks of tests/support/page_faults.py, each shown a page with its fault."""

import pytest

from tests.support.page_faults import anchors, faults, parsed

GOOD = """<html><head><link rel="stylesheet" href="style.css"></head><body><article><h1>Title</h1>
<p>Enough words to make a page that nobody would call empty: it says that the sentence has eleven
words and that each of them has a row.</p><img src="cat.png" alt="The row of sat is dark at cat.">
<a href="other.html#there">on</a> <a href="https://arxiv.org/abs/1706.03762">paper</a>%s</article>
</body></html>"""


@pytest.fixture
def small_site(tmp_path):
    (tmp_path / "style.css").write_text("p { background: url(cat.png) }", encoding="utf-8")
    (tmp_path / "cat.png").write_bytes(b"")
    (tmp_path / "other.html").write_text('<p id="there">here</p>', encoding="utf-8")

    def forget():
        parsed.cache_clear()
        anchors.cache_clear()

    def page_with(fragment):
        page = tmp_path / "page.html"
        page.write_text(GOOD % fragment, encoding="utf-8")
        forget()
        return faults(tmp_path, page)

    yield page_with
    forget()


def test_a_good_page_has_no_faults(small_site):
    assert small_site("<code>{cite}`in code`</code>") == []


@pytest.mark.parametrize(
    "fragment, fault",
    [
        ("<h1>Second title</h1>", "2 headings"),
        ('<a href="gone.html">x</a>', "gone.html: no such file"),
        ('<a href="other.html#gone">x</a>', "other.html#gone: no such anchor"),
        ('<a href="#gone">x</a>', "#gone: no such anchor"),
        ('<img src="gone.png" alt="A cat sits.">', "gone.png: no such file"),
        ('<script src="gone.js"></script>', "gone.js: no such file"),
        ('<script src="https://cdn.example/x.js"></script>', "another site"),
        ('<script src="//cdn.example/x.js"></script>', "another site"),
        ('<img src="https://cdn.example/x.png" alt="A cat sits.">', "another site"),
        ('<link rel="stylesheet" href="https://cdn.example/x.css">', "another site"),
        ('<link rel="stylesheet" href="gone.css">', "gone.css: no such file"),
        ("<style>@font-face { src: url(https://cdn.example/x.woff2) }</style>", "another site"),
        ("<style>@import 'gone.css';</style>", "gone.css: no such file"),
        ('<img src="cat.png">', "no alt text"),
        ('<img src="cat.png" alt=" ">', "no alt text"),
        ('<img src="cat.png" alt="_images/3f2a.png">', "file name"),
        ('<img src="cat.png" alt="../cat.png">', "file name"),
        ("<p>as in {cite:p}`Vaswani2017`</p>", "markup"),
        ("<p>``` note</p>", "markup"),
        ("<p>the mass $$x^2</p>", "markup"),
        ("<p>((Vaswani et al., 2017))</p>", "brackets"),
        ('<span class="xref myst">query</span>', "unresolved reference 'query'"),
        ('<span class="problematic">`x`</span>', "could not resolve"),
    ],
)
def test_the_checks_see(small_site, fragment, fault):
    [found] = small_site(fragment)
    assert fault in found


def test_the_checks_see_an_empty_page(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<article><h1>Title</h1></article>", encoding="utf-8")
    assert "empty" in faults(tmp_path, page)[0]
