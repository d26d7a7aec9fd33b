"""The PDF and the EPUB, built as `make pdf` and `make epub` do, and read by other programs.

What needs TeX, poppler or Java is skipped where they are missing, and fails there where CI is set.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from tests.support.book import PAGES, source
from tests.support.notebooks import ROOT, read
from website.extensions import figures
from website.scripts import to_print

EPUBCHECK = Path("/usr/share/java/epubcheck.jar")
EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}  # 14 November 2023
NOTEBOOKS = [page.removeprefix("chapters/") for page in PAGES if (ROOT / f"{page}.ipynb").exists()]


def need(missing):
    """Skip where something is missing, and say what; where CI is set fail."""
    if missing:
        why = f"not installed: {', '.join(missing)}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def make(kind, folder):
    """Build a PDF or EPUB from the sources into an empty folder, and return its path."""
    run = subprocess.run(
        [sys.executable, ROOT / "website" / "scripts" / "to_print.py", kind, folder],
        capture_output=True, encoding="utf-8", timeout=600, env=os.environ | EPOCH,
    )  # fmt: skip
    assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]
    return folder / "_build" / f"attention.{kind}"


@pytest.fixture(scope="session")
def pdf(tmp_path_factory):
    need(to_print.missing_tex())
    return make("pdf", tmp_path_factory.mktemp("pdf"))


@pytest.fixture(scope="session")
def epub(tmp_path_factory):
    return make("epub", tmp_path_factory.mktemp("epub"))


def poppler(*command):
    need([command[0]] if shutil.which(command[0]) is None else [])
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout


def plain(text):
    """Keep letters and digits: a line may break and a word be divided anywhere."""
    return re.sub(r"[\W_]", "", text)


def title(page):
    return re.search(r"^# (.+)$", source(page), re.MULTILINE).group(1)


def last_words(page):
    """Return the end of a page's last sentence, after its last formula, citation or cell."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", source(page).strip())  # links as their words
    text = re.split(r"\{[\w:]+\}`[^`]+`|\$[^$]+\$|```.*?```|\|", text, flags=re.DOTALL)
    text = [part for part in text if len(plain(part)) > 15][-1]
    return re.split(r"(?<=[.?!:])\s", text.strip())[-1]


def pictures(chapter):
    """Return the PNGs that a notebook stores, decoded."""
    outputs = [o for cell in read(chapter)["cells"] for o in cell.get("outputs", [])]
    stored = [o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {})]
    return [base64.b64decode("".join(png)) for png in stored]


# Before TeX is asked, and after it.


def test_a_missing_tex_is_one_clear_error():
    run = subprocess.run(
        [sys.executable, ROOT / "website" / "scripts" / "to_print.py", "pdf"],
        capture_output=True, encoding="utf-8", env=os.environ | {"PATH": ""},
    )  # fmt: skip
    assert run.returncode == 1 and not run.stdout
    assert "Missing here: xelatex" in run.stderr and "Traceback" not in run.stderr
    assert "sudo apt-get install texlive-xetex" in run.stderr
    assert "brew install --cask mactex-no-gui" in run.stderr


@pytest.mark.parametrize(
    "line",
    [
        "! Undefined control sequence.",
        "Missing character: There is no ⊙ in font InconsolataN!",
        "LaTeX Warning: Hyper reference `chapters/x::doc' on page 1 undefined on input line 216.",
        "LaTeX Warning: Citation `Vaswani2017' on page 1 undefined on input line 216.",
        "Overfull \\hbox (57.84499pt too wide) in paragraph at lines 9844--9844",
        "Overfull \\vbox (28.0pt too high) has occurred while \\output is active []",
    ],
)
def test_a_fault_in_the_log_is_seen(line):
    harmless = "Overfull \\hbox (3.1pt too wide) in paragraph at lines 1--2\nOutput written."
    assert to_print.faults(f"{harmless}\n{line}\n{harmless}") == [line]


@pytest.mark.parametrize(
    "address, where",
    [
        ("https://example.org/book/", "at https://example.org/book/chapters/score.html"),
        ("", "on the website, chapters/score.html"),
    ],
)
def test_a_picture_of_a_live_figure_says_where_it_lives(address, where):
    figure = {"data": {"application/vnd.vegalite.v5+json": {}, "image/png": ""}}
    still = {"data": {"image/png": ""}}
    cells = [
        {"metadata": {"mystnb": {"image": {"alt": "Arcs."}}}, "outputs": [output]}
        for output in (figure, still)
    ]
    app = SimpleNamespace(
        builder=SimpleNamespace(name="latex"), config=SimpleNamespace(html_baseurl=address)
    )
    text = [json.dumps({"cells": cells})]
    figures.say_where_it_is_live(app, "chapters/score", text)
    first, second = [c["metadata"]["mystnb"]["image"]["alt"] for c in json.loads(text[0])["cells"]]
    assert first == f"Arcs. You can change this figure {where}." and second == "Arcs."


# The PDF.


@pytest.mark.slow
def test_log_has_no_fault(pdf):
    log = (pdf.parent / "latex" / "attention.log").read_text(encoding="utf-8", errors="replace")
    assert "Output written on attention" in log
    assert not to_print.faults(log)


@pytest.fixture(scope="session")
def words(pdf):
    """The text of the pages without their heads and feet, and without "(page 12)" after a link."""
    body = ["-x", "0", "-y", "70", "-W", "596", "-H", "705"]
    return plain(re.sub(r"\(page\s+\d+\)", "", poppler("pdftotext", *body, str(pdf), "-")))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_pdf_holds_the_whole_chapter(words, page):
    assert plain(title(page)) in words
    assert plain(last_words(page)) in words


@pytest.mark.slow
def test_pdf_names_itself(pdf):
    about = dict(re.findall(r"^(\w+): +(.*)$", poppler("pdfinfo", str(pdf)), re.MULTILINE))
    assert about["Title"] == "Self-attention, number by number"
    assert about["Author"] == "The attnlib authors"
    assert re.search(r"Nov 1[45] .* 2023", about["CreationDate"])
    assert b"/Lang(en)" in objects(pdf).replace(b" ", b"")


def objects(pdf):
    """Return the objects that a PDF packs into streams."""
    packed = re.findall(rb"/ObjStm.*?stream\r?\n(.*?)endstream", pdf.read_bytes(), re.DOTALL)
    return b"\n".join(zlib.decompressobj().decompress(stream) for stream in packed)


@pytest.mark.slow
def test_fonts_are_embedded(pdf):
    rows = [line.split() for line in poppler("pdffonts", str(pdf)).splitlines()[2:]]
    assert len(rows) >= 5
    for row in rows:
        assert row[-5:-2] == ["yes"] * 3, row  # embedded, a subset, with its letters known
        assert "Type 3" not in " ".join(row), "a bitmap font"


@pytest.mark.slow
def test_pdf_holds_every_figure_at_print_resolution(pdf):
    rows = [line.split() for line in poppler("pdfimages", "-list", str(pdf)).splitlines()[2:]]
    sizes = sorted((int(row[3]), int(row[4])) for row in rows if row[2] == "image")
    stored = [Image.open(BytesIO(png)).size for chapter in NOTEBOOKS for png in pictures(chapter)]
    assert sizes == sorted(stored)
    assert min(int(row[12]) for row in rows) >= 150  # dots per inch


@pytest.mark.slow
def test_contents_and_bookmarks(pdf):
    """Each page of the book is a chapter, or a section of one, once; so are the parts."""
    latex = pdf.parent / "latex"
    lines = (latex / "attention.toc").read_text(encoding="utf-8").splitlines()
    listed = [plain(re.sub(r"\\\w+ ?", "", line)) for line in lines]
    for page in PAGES:
        entry = re.compile(rf"\d{re.escape(plain(title(page)))}\d")
        assert sum(bool(entry.search(line)) for line in listed) == 1, page
    assert sum("Bibliography" in line for line in listed) == 1
    bookmarks = (latex / "attention.out").read_text(encoding="utf-8", errors="replace")
    assert bookmarks.count("\\BOOKMARK") == sum("contentsline" in line for line in lines)
    chapters = [line for line in lines if line.startswith("\\contentsline {chapter}{\\numberline")]
    assert [re.search(r"numberline \{(\d+)", line).group(1) for line in chapters] == [
        str(n + 1) for n in range(len(chapters))
    ]
    assert plain("Self-attention, number by number") in plain(
        chapters[0].replace("sphinxhyphen", "")
    )


@pytest.mark.slow
def test_each_figure_is_referred_to_by_its_number(pdf):
    text = poppler("pdftotext", "-layout", str(pdf), "-")
    captions = re.findall(r"^ *Figure (\d+\.\d+)\. ", text, re.MULTILINE)
    assert len(captions) >= 50 and len(set(captions)) == len(captions)
    assert sorted(re.findall(r"\(Figure\s+(\d+\.\d+)\)", text)) == sorted(captions)


@pytest.mark.slow
def test_formulas_have_the_same_numbers_in_both(pdf, epub):
    told = (pdf.parent / "latex" / "attention.aux").read_text(encoding="utf-8")
    in_pdf = dict(re.findall(r"newlabel\{equation:[\w/]+:([\w-]+)\}\{\{(\d+)\}", told))
    with ZipFile(epub) as book:
        text = "".join(book.read(name).decode() for name in book.namelist() if "xhtml" in name)
    in_epub = re.findall(r'id="equation-([\w-]+)"></span><span class="eqno">\((\d+)\)', text)
    assert len(in_pdf) >= 10 and in_pdf == dict(in_epub)


@pytest.mark.slow
def test_index_lists_the_terms(pdf):
    entries = (pdf.parent / "latex" / "attention.ind").read_text(encoding="utf-8")
    for term in ("query", "key", "value", "softmax", "causal mask", "embedding matrix"):
        assert re.search(rf"\\spxentry\{{{term}\}}, ", entries), term
    assert len(re.findall(r"\\item", entries)) >= 30


@pytest.mark.slow
def test_same_sources_same_bytes(pdf, tmp_path):
    """The last of TeX's steps, which writes dates and ids, repeats itself and stores no path."""
    again = tmp_path / "attention.pdf"
    dates = EPOCH | {"FORCE_SOURCE_DATE": "1"}
    command = ["xdvipdfmx", "-q", "-E", "-o", "attention.pdf", "attention.xdv"]
    for path in (pdf.parent / "latex").iterdir():
        if path.suffix in (".xdv", ".png"):
            shutil.copy(path, tmp_path)
    subprocess.run(command, cwd=tmp_path, env=os.environ | dates, check=True, capture_output=True)
    assert again.read_bytes() == pdf.read_bytes()
    assert str(pdf.parent.parent).encode() not in pdf.read_bytes() + objects(pdf)


# The EPUB.


@pytest.fixture(scope="session")
def pages(epub):
    """The pages of the EPUB by name."""
    with ZipFile(epub) as book:
        names = [name for name in book.namelist() if name.endswith(".xhtml")]
        return {name: BeautifulSoup(book.read(name), "html.parser") for name in names}


@pytest.mark.slow
def test_epubcheck_finds_nothing(epub):
    need([] if shutil.which("java") else ["java"])
    need([] if EPUBCHECK.exists() else [str(EPUBCHECK)])
    command = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-jar", EPUBCHECK, epub]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)
    assert run.returncode == 0 and "0 errors / 0 warnings" in run.stdout, run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_epub_page(pages, page):
    soup = pages[f"{page}.xhtml"]
    text = plain(soup.get_text())
    assert plain(title(page)) in text and plain(last_words(page)) in text
    assert not soup.select("script, iframe, [onclick]")
    assert soup.html["lang"] == "en"
    raw = str(soup)
    assert "\\(" not in raw and "\\[" not in raw and "$$" not in raw
    formulas = soup.find_all("math")
    assert len(formulas) >= len(re.findall(r"\$\$.+?\$\$", source(page), re.DOTALL))
    assert bool(formulas) == bool(re.search(r"\$[^$]+\$", source(page)))
    for formula in formulas:
        assert "\\" not in formula.get_text(), "a command that latex2mathml does not know"
    for image in soup.find_all("img"):
        assert len(image["alt"].split()) >= 8, "the alt text is missing"
    if page.removeprefix("chapters/") in NOTEBOOKS:
        assert len(soup.find_all("img")) == len(pictures(page.removeprefix("chapters/")))


@pytest.mark.slow
def test_epub_contents_follow_the_book(pages):
    links = [a["href"] for a in pages["nav.xhtml"].select("nav a")]
    assert [link for link in links if "#" not in link] == [f"{page}.xhtml" for page in PAGES]


@pytest.mark.slow
def test_epub_names_itself_and_holds_no_date_of_its_own(epub):
    with ZipFile(epub) as book:
        about = book.read("content.opf").decode()
        assert {entry.date_time for entry in book.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert not [name for name in book.namelist() if name.endswith((".js", ".woff2", ".map"))]
    assert re.search("<dc:title[^>]*>Self-attention, number by number</dc:title>", about)
    assert ">The attnlib authors</dc:creator>" in about
    assert "<dc:language>en</dc:language>" in about
    assert about.count("2023-11-14T22:13:20Z") == 2
