"""The faults of a built page, found without a browser.

Each check takes a site's folder and one page, and yields a line for every fault.
"""

import re
from copy import copy
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

FETCHED = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "manifest"}  # link rel=
RAW_MARKUP = re.compile(
    r"\{[a-z][\w:.-]*\}`|```|:::|\$\$|\[\^[^\]]+\]|\{[a-z]+\}\s*$", re.MULTILINE
)


@cache
def parsed(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(path):
    return {element["id"] for element in parsed(path).select("[id]")}


def is_foreign(address):
    return bool(urlsplit(address).netloc) or urlsplit(address).scheme not in ("", "data")


def target_of(page, address, folder=None):
    """Return the file that an address on a page names; folder: what "/" means, a site's root."""
    path = unquote(urlsplit(address).path)
    if path.startswith("/") and folder is not None:
        return (folder / path.lstrip("/")).resolve()
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
        target, anchor = target_of(page, address, folder), unquote(urlsplit(address).fragment)
        if not target.is_file():
            yield f"link to {address}: no such file"
        elif anchor and target.suffix == ".html" and anchor not in anchors(target):
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
        elif not address.startswith("data:") and not target_of(page, address, folder).is_file():
            yield f"{address}: no such file"
        elif urlsplit(address).path.endswith(".css"):
            sheet = target_of(page, address, folder)
            styles.append((sheet, sheet.read_text(encoding="utf-8")))
    for place, style in styles:
        named = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", style)
        for address in named:
            if address.startswith(("data:", "#")):
                continue
            if is_foreign(address):
                yield f"{place.name}: {address} is fetched from another site"
            elif not target_of(place, address, folder).is_file():
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
    article = copy(parsed(page).select_one("article") or BeautifulSoup("", "html.parser"))
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
