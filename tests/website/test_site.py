"""The website, built as `make book` does and read page by page."""

import re
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from tests.support.book import PAGES, report, small_book, source
from tests.support.notebooks import CHAPTERS, ROOT, SOLUTIONS
from tests.support.page_faults import faults, fetched_files, is_foreign, links, parsed, target_of

NOTES = """self_attention words query key value score softmax weighted_sum learning multi_head
benefits quadratic_cost""".split()  # the order in which the book teaches


def test_contents_hold_every_chapter_in_the_order_of_the_notes():
    assert [Path(page).name for page in PAGES[: len(NOTES)]] == NOTES
    assert {page for page in PAGES if (ROOT / f"{page}.ipynb").exists()} == {
        f"chapters/{name}" for name in [*CHAPTERS, *SOLUTIONS]
    }, "_toc.yml and chapters/ differ"
    assert len(PAGES) == len(set(PAGES))


@pytest.mark.parametrize(
    "page", [pytest.param(p, marks=pytest.mark.slow if "solutions/" in p else []) for p in PAGES]
)
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
    known = re.findall(
        r"^@\w+\{([^,]+),", (ROOT / "references.bib").read_text(encoding="utf-8"), re.MULTILINE
    )
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


def test_the_solutions_are_listed(site):
    links = parsed(site / "chapters" / "solutions" / "index.html").select("article .toctree-l1 a")
    assert len(links) == sum("solutions/" in page for page in PAGES) - 1


# Small copies of the book.


def buttons(page):
    """Return the addresses of a page's buttons that lead to the repository or launch the page."""
    found = parsed(page).select(".article-header-buttons a[href]")
    return [a["href"] for a in found if is_foreign(a["href"])]


@pytest.mark.slow
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
    shared = {meta["property"]: meta["content"] for meta in first.select("meta[property^=og]")}
    assert shared["og:url"] == f"{root}/chapters/first.html"
    [description] = first.select("meta[name=description]")
    assert shared["og:description"] == description["content"]
    assert "og:image" not in shared
    site_map = ElementTree.parse(folder / "sitemap.xml").getroot()
    named = [place.text for place in site_map.iter() if place.tag.endswith("}loc")]
    assert sorted(named) == [f"{root}/chapters/{page}.html" for page in ("bibliography", "first")]
    offered = (folder / "_sources" / "chapters" / "first.ipynb").read_text(encoding="utf-8")
    assert f"attnlib[book] @ {root}/_static/attnlib-" in offered
    lost = parsed(folder / "404.html").select_one("article a[href]")
    assert lost["href"] == "/some-book/chapters/first.html"

    assert not (site / "sitemap.xml").exists()
    for page in PAGES:
        assert not buttons(site / f"{page}.html")
        assert not parsed(site / f"{page}.html").select("link[rel=canonical]")
        assert "executablebooks/jupyter-book" not in str(parsed(site / f"{page}.html"))


def test_the_page_for_a_lost_reader_works_from_any_address(site):
    page = site / "404.html"
    assert not list(links(site, page)) and not list(fetched_files(site, page))
    addresses = [a["href"] for a in parsed(page).select("a[href], link[href]")]
    addresses += [e["src"] for e in parsed(page).select("[src]")]
    assert all(a.startswith(("/", "#")) or is_foreign(a) for a in addresses)
    assert parsed(page).select_one("article a[href]")["href"] == f"/{PAGES[0]}.html"


@pytest.mark.slow
def test_a_broken_reference_stops_the_build(tmp_path):
    text = "[A link](nowhere.ipynb), and a source that nobody wrote, {cite:p}`Nobody1900`."
    run = small_book(tmp_path, text)[1]
    assert run.returncode != 0
    assert "nowhere.ipynb" in report(run) and "Nobody1900" in report(run)
