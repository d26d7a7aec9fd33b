"""The website, built as `make book` does and read page by page; and the checks, on bad pages."""

import base64
import importlib
import inspect
import json
import pkgutil
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup

import attnbook
import attnlib
from tests.support.notebooks import ROOT
from website.extensions import book_reference

NOTES = """self_attention words query key value score softmax weighted_sum learning multi_head
benefits quadratic_cost""".split()  # the order in which the book teaches
FETCHED = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "manifest"}  # link rel=
RAW_MARKUP = re.compile(
    r"\{[a-z][\w:.-]*\}`|```|:::|\$\$|\[\^[^\]]+\]|\{[a-z]+\}\s*$", re.MULTILINE
)


def contents(toc):
    """Return the page names of a _toc.yml in reading order."""
    return re.findall(r"^[ -]*(?:root|file): (\S+)", toc.read_text(), re.MULTILINE)


PAGES = contents(ROOT / "_toc.yml")


def build(source, output):
    """Build a book as `make book` does, and return the folder of its pages and the finished run."""
    [flags] = re.findall(r"jupyter-book build (.*--all) \.$", (ROOT / "Makefile").read_text(), re.M)
    command = [Path(sys.executable).with_name("jupyter-book"), "build", *flags.split()]
    run = subprocess.run(
        [*command, "--path-output", output, source], capture_output=True, text=True, timeout=300
    )
    return output / "_build" / "html", run


# The checks. Each takes a site's folder and one page, and yields a line for every fault.


@cache
def parsed(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def is_foreign(address):
    return bool(urlsplit(address).netloc) or urlsplit(address).scheme not in ("", "data")


def target_of(page, address):
    """Return the file that a relative address on a page names."""
    path = unquote(urlsplit(address).path)
    return (page.parent / path).resolve() if path else page


def heading_and_text(folder, page):
    article = parsed(page).select_one("article")
    if article is None:
        yield "no article"
        return
    if len(article.select("h1")) != 1:
        yield f"{len(article.select('h1'))} headings h1, expected 1"
    if len(article.get_text(" ", strip=True)) < 100:
        yield "the page is as good as empty"


def links(folder, page):
    for link in parsed(page).select("a[href]"):
        address = link["href"]
        if is_foreign(address) or address in ("", "#"):
            continue
        target, anchor = target_of(page, address), unquote(urlsplit(address).fragment)
        if not target.is_file():
            yield f"link to {address}: no such file"
        elif anchor and target.suffix == ".html" and not parsed(target).find(id=anchor):
            yield f"link to {address}: no such anchor"


def fetched_files(folder, page):
    """Scripts, styles, images, fonts and frames: they exist, and none is on another site."""
    soup = parsed(page)
    addresses = [e["src"] for e in soup.select("[src]")]
    addresses += [
        part.split()[0] for e in soup.select("[srcset]") for part in e["srcset"].split(",")
    ]
    addresses += [e["data"] for e in soup.select("object[data]")]
    addresses += [e["href"] for e in soup.select("link[href]") if FETCHED & set(e.get("rel", []))]
    styles = [(page, style.get_text()) for style in soup.select("style")]
    styles += [(page, e["style"]) for e in soup.select("[style]")]
    for address in addresses:
        if is_foreign(address):
            yield f"{address} is fetched from another site"
        elif not address.startswith("data:") and not target_of(page, address).is_file():
            yield f"{address}: no such file"
        elif urlsplit(address).path.endswith(".css"):
            sheet = target_of(page, address)
            styles.append((sheet, sheet.read_text(encoding="utf-8")))
    for place, style in styles:
        named = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", style)
        for address in named:
            if address.startswith(("data:", "#")):
                continue
            if is_foreign(address):
                yield f"{place.name}: {address} is fetched from another site"
            elif not target_of(place, address).is_file():
                yield f"{place.name}: {address}: no such file"


def image_texts(folder, page):
    for image in parsed(page).select("img"):
        alt, name = image.get("alt"), Path(urlsplit(image["src"]).path).name
        if "logo__image" in image.get("class", []):
            continue  # the title beside it says the same
        if not alt or not alt.strip():
            yield f"{name}: no alt text"
        elif name in alt or re.fullmatch(r"\S+\.\w{3,4}|[0-9a-f]{8,}", alt.strip()):
            yield f"{name}: its alt text is a file name"


def unresolved_markup(folder, page):
    article = BeautifulSoup(str(parsed(page).select_one("article") or ""), "html.parser")
    for fault in article.select(".problematic, .system-message"):
        yield f"Sphinx could not resolve {fault.get_text()!r}"
    for fault in article.select(".xref"):
        if not fault.find_parent("a"):
            yield f"unresolved reference {fault.get_text()!r}"
    for verbatim in article.select("pre, code, .math, script, style"):
        verbatim.decompose()
    text = article.get_text()
    for fault in RAW_MARKUP.findall(text):
        yield f"markup stands in the text: {fault!r}"
    for fault in re.findall(r"\(\([^()]*\d{4}\w?\)\)", text):
        yield f"brackets around a citation that brings its own: {fault!r}"


CHECKS = [heading_and_text, links, fetched_files, image_texts, unresolved_markup]


def faults(folder, page):
    """Return every fault of a page."""
    return [f"{page.name}: {line}" for check in CHECKS for line in check(folder, page)]


# The book.


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    folder, run = build(ROOT, tmp_path_factory.mktemp("book"))
    assert run.returncode == 0, "the book does not build:\n" + report(run)
    return folder


def report(run):
    text = re.sub(r"\x1b\[[0-9;]*m", "", run.stdout + run.stderr)
    warnings = [line for line in text.splitlines() if "WARNING" in line or "ERROR" in line]
    return "\n".join(warnings or text.splitlines()[-20:])


def source(page):
    """Return the Markdown of a page of the book."""
    path = ROOT / f"{page}.ipynb"
    if not path.exists():
        return (ROOT / f"{page}.md").read_text()
    cells = json.loads(path.read_text())["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def test_contents_hold_every_chapter_in_the_order_of_the_notes():
    assert [Path(page).name for page in PAGES[: len(NOTES)]] == NOTES
    assert {page for page in PAGES if (ROOT / f"{page}.ipynb").exists()} == {
        str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "chapters").rglob("*.ipynb")
    }, "_toc.yml and chapters/ differ"
    assert len(PAGES) == len(set(PAGES))


@pytest.mark.parametrize("page", PAGES)
def test_page(site, page):
    path = site / f"{page}.html"
    assert path.is_file(), "the page was not built"
    assert not faults(site, path)


@pytest.mark.parametrize("page", PAGES)
def test_formulas_and_citations(site, page):
    text, html = source(page), parsed(site / f"{page}.html")
    if re.search(r"\$[^$]+\$", text):
        assert html.select("article .math"), "the formulas are missing"
        assert html.select('script[src*="mathjax/tex-chtml.js"]'), "nothing sets the formulas"
    cited = [key for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", text) for key in keys.split(",")]
    known = re.findall(r"^@\w+\{([^,]+),", (ROOT / "references.bib").read_text(), re.MULTILINE)
    assert set(map(str.strip, cited)) <= set(known)
    assert len(html.select('article a[href*="bibliography.html#"]')) >= len(cited)


def test_formulas_are_counted_through_the_book_and_each_number_is_used(site):
    numbers, labelled, used = [], set(), set()
    for page in PAGES:
        article = parsed(site / f"{page}.html").select_one("article")
        numbers += [re.search(r"\d+", n.get_text())[0] for n in article.select(".math .eqno")]
        labelled |= {formula["id"] for formula in article.select(".math:has(.eqno)")}
        links = article.select('a[href*="#equation-"]:not(.headerlink)')
        used |= {urlsplit(link["href"]).fragment for link in links}
    assert len(numbers) >= 10 and numbers == [str(n + 1) for n in range(len(numbers))]
    assert used == labelled


def test_first_page_opens(site):
    [refresh] = parsed(site / "index.html").select("meta[http-equiv=Refresh]")
    assert refresh["content"].endswith(f"url={PAGES[0]}.html")


def test_every_notebook_can_be_downloaded(site):
    for page in PAGES[: len(NOTES)]:
        [button] = parsed(site / f"{page}.html").select("a.btn-download-source-button")
        assert target_of(site / f"{page}.html", button["href"]).suffix == ".ipynb"


def test_every_page_has_a_description_of_its_own(site):
    found = [parsed(site / f"{page}.html").select_one("meta[name=description]") for page in PAGES]
    texts = [meta["content"] for meta in found]
    assert all(40 <= len(text) <= 200 for text in texts), texts
    assert len(set(texts)) == len(PAGES)


def test_every_chapter_says_how_long_it_takes(site):
    for page in PAGES[: len(NOTES)]:
        [line] = parsed(site / f"{page}.html").select("h1 + .reading-time")
        words = len(source(page).split())
        minutes = int(re.fullmatch(r"(\d+) minutes to read", line.get_text())[1])
        assert words / 250 <= minutes <= words / 70, (page, minutes, words)


def test_the_path_of_an_hour_takes_an_hour(site):
    page = site / "chapters" / "how_to_read.html"
    links = parsed(page).select("#an-hour-the-idea li a")
    paths = [target_of(page, link["href"]) for link in links]
    times = [parsed(path).select_one(".reading-time").get_text() for path in paths]
    assert 45 <= sum(int(time.split()[0]) for time in times) <= 60
    assert PAGES[0] in str(paths[0]) and "how_to_read" in source(PAGES[0])


# The reference of the package, and its source in the chapters.


NOT_FOR_READERS = {  # what the public functions use
    "attnlib.distributed.messages",
    "attnbook.models.experiment",
    "attnbook.notebook.compile_kernel",
}


def entries(site):
    """Return every name that a page of the reference describes, and its entry there."""
    pages = [parsed(site / f"{page}.html") for page in PAGES if page.startswith("api/")]
    return {term["id"]: term.parent for page in pages for term in page.select("dl.py > dt[id]")}


def test_the_reference_has_every_public_function(site):
    found = entries(site)
    packages = [pkgutil.walk_packages(p.__path__, f"{p.__name__}.") for p in (attnlib, attnbook)]
    for name in (module.name for package in packages for module in package):
        if "._" in name or name in NOT_FOR_READERS or name.startswith("attnbook.exercises."):
            continue
        module = importlib.import_module(name)
        for name, thing in vars(module).items():
            here = getattr(thing, "__module__", "") == module.__name__
            if here and not name.startswith("_") and inspect.isroutine(thing) and thing.__doc__:
                entry = found[f"{module.__name__}.{name}"].get_text()
                assert inspect.getsource(thing).strip() in entry
    for name in attnlib.__all__:
        thing = getattr(attnlib, name)
        assert inspect.ismodule(thing) or f"{thing.__module__}.{name}" in found


def test_the_reference_keeps_commands_as_they_are_and_skips_what_says_nothing(site):
    page = parsed(site / "api" / "models.html")
    assert any("minilm --hub [FOLDER]" in pre.get_text() for pre in page.select("pre"))
    assert "Alias for field number" not in page.get_text()


def test_the_solutions_are_listed(site):
    links = parsed(site / "chapters" / "solutions" / "index.html").select("article .toctree-l1 a")
    assert len(links) == sum("solutions/" in page for page in PAGES) - 1


def test_chapters_show_the_source_of_each_step_from_the_package(site):
    for page, names in book_reference.BUILT.items():
        boxes = parsed(site / f"{page}.html").select("article details.source")
        titled = {box.select_one("summary").get_text(): box for box in boxes}
        assert titled.keys() == {f"Source of attnlib.{name}" for name in names}
        for name in names:
            step, box = getattr(attnlib, name), titled[f"Source of attnlib.{name}"]
            assert box.select_one("pre").get_text().strip() == inspect.getsource(step).strip()
            [link] = box.select("a")
            assert link["href"].endswith(f"#{step.__module__}.{name}")


# Small copies of the book.


def small_book(folder, text, address="", figures=None):
    """Make a book of one chapter and the bibliography, with the settings of this one.

    figures: {name: bundle of mime types}; each becomes the output of a chapter of that name.
    """
    figures = figures or {}
    for part in ("static", "templates", "tools"):
        shutil.copytree(ROOT / part, folder / part)
    (folder / "references.bib").write_text((ROOT / "references.bib").read_text())
    config = (ROOT / "_config.yml").read_text()
    assert config.count('\n  url: ""\n') == 1, "the repository's address is one key, empty today"
    (folder / "_config.yml").write_text(config.replace('\n  url: ""\n', f'\n  url: "{address}"\n'))
    (folder / "_toc.yml").write_text(
        "format: jb-article\nroot: chapters/first\nsections:\n"
        + "".join(f"  - file: chapters/{name}\n" for name in ["bibliography", *figures])
    )
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# First\n\n" + text}
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (folder / "chapters").mkdir()
    for name, bundle in figures.items():
        data = bundle | {"image/png": base64.b64encode(bundle["image/png"]).decode()}
        output = {"output_type": "execute_result", "execution_count": 1, "metadata": {}}
        code = {"cell_type": "code", "id": "b", "metadata": {}, "source": "figure"}
        code |= {"execution_count": 1, "outputs": [output | {"data": data}]}
        title = cell | {"source": f"# {name}\n\nA figure."}
        written = json.dumps(notebook | {"cells": [title, code]})
        (folder / "chapters" / f"{name}.ipynb").write_text(written)
    (folder / "chapters" / "first.ipynb").write_text(json.dumps(notebook))
    shutil.copy(ROOT / "chapters" / "bibliography.md", folder / "chapters")
    return build(folder, folder)


def buttons(page):
    """Return the addresses of a page's buttons that lead to the repository or launch the page."""
    found = parsed(page).select(".article-header-buttons a[href]")
    return [a["href"] for a in found if is_foreign(a["href"])]


def test_what_needs_the_repository_address_appears_with_it_and_not_without(site, tmp_path):
    address = "https://github.com/some-owner/some-book"
    folder, run = small_book(tmp_path, "A chapter with a source, {cite:p}`Vaswani2017`.", address)
    assert run.returncode == 0, report(run)
    repository, issue, binder = sorted(buttons(folder / "chapters" / "first.html"), key=len)
    assert repository == address
    if "issues" not in issue:
        issue, binder = binder, issue
    assert issue.startswith(f"{address}/issues/new")
    assert binder.startswith("https://mybinder.org/v2/gh/some-owner/some-book/main")
    assert binder.endswith("chapters/first.ipynb")

    root = "https://some-owner.github.io/some-book"
    first = parsed(folder / "chapters" / "first.html")
    assert first.select_one("link[rel=canonical]")["href"] == f"{root}/chapters/first.html"
    site_map = ElementTree.parse(folder / "sitemap.xml").getroot()
    named = [place.text for place in site_map.iter() if place.tag.endswith("}loc")]
    assert named == [f"{root}/chapters/{page}.html" for page in ("bibliography", "first")]
    lost = parsed(folder / "404.html")
    assert lost.select_one("base")["href"] == "/some-book/"
    assert lost.select_one("article a[href]")["href"] == "chapters/first.html"
    assert not list(fetched_files(folder, folder / "404.html"))

    assert not (site / "sitemap.xml").exists() and not (site / "404.html").exists()
    for page in PAGES:
        assert not buttons(site / f"{page}.html")
        assert not parsed(site / f"{page}.html").select("link[rel=canonical]")
        assert "executablebooks/jupyter-book" not in str(parsed(site / f"{page}.html"))


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("[a link](nowhere.ipynb)", "nowhere.ipynb"),
        ("A source that nobody wrote, {cite:p}`Nobody1900`.", "Nobody1900"),
    ],
)
def test_a_broken_reference_stops_the_build(tmp_path, text, complaint):
    run = small_book(tmp_path, text)[1]
    assert run.returncode != 0
    assert complaint in report(run)


# The checks see what they are there to see.

GOOD = """<html><head><link rel="stylesheet" href="style.css"></head><body><article><h1>Title</h1>
<p>Enough words to make a page that nobody would call empty: it says that the sentence has eleven
words and that each of them has a row.</p><img src="cat.png" alt="The row of sat is dark at cat.">
<a href="other.html#there">on</a> <a href="https://arxiv.org/abs/1706.03762">paper</a>%s</article>
</body></html>"""


@pytest.fixture
def small_site(tmp_path):
    (tmp_path / "style.css").write_text("p { background: url(cat.png) }")
    (tmp_path / "cat.png").write_bytes(b"")
    (tmp_path / "other.html").write_text('<p id="there">here</p>')

    def page_with(fragment):
        page = tmp_path / "page.html"
        page.write_text(GOOD % fragment)
        parsed.cache_clear()
        return faults(tmp_path, page)

    yield page_with
    parsed.cache_clear()


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
    page.write_text("<article><h1>Title</h1></article>")
    assert "empty" in faults(tmp_path, page)[0]
