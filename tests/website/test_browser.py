"""The website in a real browser, headless Chromium, with the network cut.

A page of each kind is opened over http and asked in one theme at one width. The slow tests ask
every page in both themes at both widths, and by axe, and open one of each kind from its file.
The checks that look at what is on the page are in page_checks.js; each is shown a page
with its fault below.
"""

import functools
import gzip
import http.server
import os
import re
import threading
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.book import PAGES

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS = list(product((WIDE, NARROW), ("light", "dark")))
CHECKS = (Path(__file__).parents[1] / "support" / "page_checks.js").read_text(encoding="utf-8")
EVERY_PAGE = [*PAGES, "search"]
ONE_OF_EACH_KIND = """chapters/self_attention chapters/softmax chapters/learning chapters/multi_head
chapters/gpu_kernel chapters/how_to_read chapters/claims chapters/notation chapters/bibliography
chapters/solutions/block api/formula search""".split()
LIMIT, LIMIT_WITH_EXPLORER = 600_000, 900_000  # bytes, each file compressed by gzip


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Visitor:
    """A browser's tab, the folders that it is shown over http, and what the open page did."""

    def __init__(self, browser):
        self.context = browser.new_context(viewport=WIDE, reduced_motion="reduce")
        self.context.add_init_script(CHECKS)
        self.servers = {}
        self.requests, self.errors = [], []
        self.page = None

    def address(self, folder):
        if folder not in self.servers:
            handler = functools.partial(Silent, directory=str(folder))
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            self.servers[folder] = server
        return f"http://127.0.0.1:{self.servers[folder].server_port}"

    def open(self, folder, name, by_file=False):
        """Open one page of a site and wait until it has all that it asks for."""
        if self.page is None:  # one tab for all: a new one costs more than a page
            self.page = self.context.new_page()
            self.page.on("request", lambda request: self.requests.append(request.url))
            self.page.on(
                "requestfailed", lambda request: self.errors.append(f"failed: {request.url}")
            )
            self.page.on("pageerror", lambda error: self.errors.append(str(error)))
            self.page.on("console", lambda x: x.type == "error" and self.errors.append(x.text))
        self.page.goto("about:blank")
        self.show(WIDE, "light")
        self.requests, self.errors = [], []
        self.origin = folder.as_uri() if by_file else self.address(folder)
        self.folder = folder
        self.page.goto(f"{self.origin}/{name}.html")
        self.ask("settled")
        return self

    def show(self, size, theme):
        self.page.set_viewport_size(size)
        self.page.emulate_media(color_scheme=theme)

    def ask(self, check):
        return self.page.evaluate(f"checks.{check}()")

    def close(self):
        self.context.close()
        for server in self.servers.values():
            server.shutdown()


@pytest.fixture(scope="module")
def visitor(chromium):
    visitor = Visitor(chromium)
    yield visitor
    visitor.close()


# What the visitor alone can tell. Each yields a line for every fault, as those in JavaScript do.


def own_requests_only(visitor):
    for address in visitor.requests:
        if not address.startswith((f"{visitor.origin}/", "data:", "blob:")):
            yield f"asks for {address}"


def console(visitor):
    yield from visitor.errors


def weights(visitor):
    """Return the bytes of each file that the page has asked for, its own figures aside."""
    names = {unquoted(address, visitor.origin) for address in visitor.requests}
    files = [visitor.folder / name for name in names if not name.startswith("_images/")]
    return {str(f): compressed(f) for f in files if f.is_file()}


@functools.cache
def compressed(file):
    return len(gzip.compress(file.read_bytes()))


def unquoted(address, origin):
    return urlsplit(address.removeprefix(origin)).path.lstrip("/")


def weight(visitor):
    found = weights(visitor)
    total = sum(found.values())
    explorer = sum(size for name, size in found.items() if re.search("explorer|vega", name))
    if total - explorer > LIMIT:
        yield f"weighs {total - explorer:,} bytes without the explorer"
    if total > LIMIT_WITH_EXPLORER:
        yield f"weighs {total:,} bytes"


def figures_put_off(visitor):
    images = "[...document.querySelectorAll('article img')].slice(1)"
    eager = f"{images}.filter((x) => x.loading !== 'lazy').map((x) => x.getAttribute('src'))"
    for source in visitor.page.evaluate(eager):
        yield f"{source} is loaded before it is near"


def axe(visitor):
    """Ask all of axe's rules but contrast, which every text is asked in both themes.

    Code is shown to axe without the spans that colour it: thousands, that say nothing to it.
    """
    visitor.page.evaluate(
        "document.querySelectorAll('pre').forEach((code) => (code.textContent = code.textContent))"
    )
    options = {"rules": {"color-contrast": {"enabled": False}}, "resultTypes": ["violations"]}
    options |= {"preload": False}  # of style sheets, for rules that it leaves out by default
    for rule in Axe().run(visitor.page, options=options).response["violations"]:
        for node in rule["nodes"]:
            yield f"axe: {rule['help']}: {node['html'][:100]}"


ONCE = [own_requests_only, console, weight, figures_put_off]
ONCE_IN_SCRIPT = ["headings", "formulas", "keyboard", "motion"]
IN_EVERY_LOOK = ["sideways", "overlap", "contrast", "figures"]


def faults_once(visitor):
    """Return the faults that the open page has in any look; open what is folded."""
    found = [line for check in ONCE for line in check(visitor)]
    visitor.page.evaluate(
        "document.querySelectorAll('details').forEach((box) => (box.open = true))"
    )
    return found + [f"{check}: {line}" for check in ONCE_IN_SCRIPT for line in visitor.ask(check)]


def faults_in(visitor, size, theme):
    """Return the faults that the open page has at this width in this theme."""
    visitor.show(size, theme)
    where = f"{size['width']} px, {theme}"
    return [f"{where}: {c}: {line}" for c in IN_EVERY_LOOK for line in visitor.ask(c)]


def faults(visitor):
    """Return every fault of the open page."""
    found = faults_once(visitor)
    for size, theme in LOOKS:
        found += faults_in(visitor, size, theme)
    found += [f"390 px: {line}" for line in visitor.ask("keyboard")]
    visitor.show(WIDE, "light")
    return found + list(axe(visitor))


# The book.


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_page(visitor, site, name, record_property):  # noqa: F811
    visitor.open(site, name)
    paint = visitor.ask("largestPaint")
    record_property("largest_contentful_paint_ms", paint)
    record_property("gzip_bytes", sum(weights(visitor).values()))
    print(f"{name}: largest contentful paint {paint} ms, {sum(weights(visitor).values()):,} bytes")
    look = LOOKS[EVERY_PAGE.index(name) % len(LOOKS)]  # in turn
    assert not faults_once(visitor) + faults_in(visitor, *look)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY_PAGE)
def test_page_in_all_its_looks(visitor, site, name):  # noqa: F811
    visitor.open(site, name)
    assert not faults(visitor)


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_page_from_its_file(visitor, site, name):  # noqa: F811
    visitor.open(site, name, by_file=True)
    assert not faults_once(visitor) + faults_in(visitor, NARROW, "dark")


def test_the_tab_key_reaches_every_control_in_order(visitor, site):  # noqa: F811
    visitor.open(site, PAGES[0])
    mark = "checks.controls().map((control, i) => (control.dataset.stop = i))"
    reached = []
    for _ in visitor.page.evaluate(mark):
        visitor.page.keyboard.press("Tab")
        reached.append(visitor.page.evaluate("Number(document.activeElement.dataset.stop)"))
    assert reached == list(range(len(reached)))
    assert visitor.page.get_attribute("[data-stop='0']", "href") == "#main-content"


def test_the_contents_and_the_search_open_and_close_by_keyboard(visitor, site):  # noqa: F811
    page = visitor.open(site, PAGES[1]).page
    visitor.show(NARROW, "light")
    for button, box in [
        (".primary-toggle", "#pst-primary-sidebar-modal"),
        (".secondary-toggle", "#pst-secondary-sidebar-modal"),
        (".article-header-buttons .search-button", "#pst-search-dialog"),
    ]:
        assert not page.is_visible(box)
        page.focus(button)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"{box}[open]")
        opened = [f"{c}: {line}" for c in ("sideways", "contrast") for line in visitor.ask(c)]
        assert not opened + list(axe(visitor))
        page.keyboard.press("Escape")
        page.wait_for_selector(box, state="hidden")


@pytest.mark.parametrize("by_file", [False, True], ids=["http", "file"])
@pytest.mark.parametrize(
    "word, chapter", [("sqrt", "score"), ("causal", "softmax"), ("LSTM", "benefits")]
)
def test_search_finds(visitor, site, word, chapter, by_file):  # noqa: F811
    page = visitor.open(site, "search", by_file).page
    page.fill("main form.bd-search input", word)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#search-results li a[href*='chapters/{chapter}.html']")
    page.wait_for_load_state("networkidle")
    assert not [*own_requests_only(visitor), *console(visitor), *visitor.ask("contrast")]


def test_a_theme_is_kept_from_page_to_page(visitor, site):  # noqa: F811
    page = visitor.open(site, PAGES[0]).page
    theme = "document.documentElement.dataset.theme"
    for _ in range(3):  # system, light, dark
        if page.evaluate(theme) == "dark":
            break
        page.focus(".theme-switch-button")
        page.keyboard.press("Enter")
    assert page.evaluate(theme) == "dark"
    assert visitor.open(site, PAGES[1]).page.evaluate(theme) == "dark"
    visitor.page.evaluate("localStorage.clear()")


# The checks see what they are there to see.

GOOD = """<!DOCTYPE html><html lang="en"><head><title>A page</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"></head>
<body><main><article><h1>Title</h1>%s</article></main></body></html>"""


def test_a_good_page_has_no_faults(visitor, tmp_path):
    (tmp_path / "page.html").write_text(
        GOOD % "<p>Words. <a href='#'>A link</a></p>", encoding="utf-8"
    )
    assert faults(visitor.open(tmp_path, "page")) == []


@pytest.mark.parametrize(
    "fragment, fault",
    [
        ('<img alt="A cat sits." src="https://cdn.example/a.png">', "asks for https://cdn.example"),
        ("<script src='gone.js'></script>", "404"),
        ("<script>console.error('oh')</script>", "oh"),
        ("<script>nobody()</script>", "nobody is not defined"),
        ("<script>fetch('heavy.bin')</script>", "bytes without the explorer"),
        ("<script>fetch('explorer.bin')</script>", "weighs 950"),
        ("<img alt='A cat' src='data:,'><img alt='A cat' src='data:,'>", "before it is near"),
        ("<img src='data:,'>", "axe: Images must have alternative text"),
        ("<button style='width: 9em'></button>", "axe: Buttons must have discernible text"),
        ("<p>a</p><h3>Deep</h3>", "headings"),
        ("<p class='math'>\\(x^2\\)</p>", "formulas: not set"),
        ("<p data-mjx-error='x'>x</p>", "formulas: not understood"),
        ("<style>:focus { outline: 0 }</style><a href='#'>x</a>", "does not show its focus"),
        ("<style>a { opacity: 0 }</style><a href='#'>x</a>", "has the focus and is hidden"),
        ("<p role='button' onclick='x()'>x</p>", "for a mouse only"),
        ("<a href='#' tabindex='2'>x</a>", "jumps the queue"),
        ("<p style='transition: color 1s'>x</p>", "would move"),
        ("<p style='width: 500px; background: #eee'>x</p>", "390 px, light: sideways"),
        ("<p>one</p><p style='margin-top: -2em'>two</p>", "lies on"),
        ("<p style='color: #888'>x</p>", "contrast 3.54"),
        ("<p style='opacity: .5'>x</p>", "contrast 3.9"),
        ("<svg><text y='20' fill='#888'>x</text></svg>", "contrast 3.54"),
        ("<svg><rect width='99' height='99'/><text x='9' y='20'>x</text></svg>", "contrast 1.00"),
        (
            "<style>@media (prefers-color-scheme: dark) { p { color: #999 } }</style><p>x</p>",
            "1280 px, dark: contrast",
        ),
        ("<details><summary>x</summary><p style='color: #888'>x</p></details>", "contrast 3.54"),
        ("<img alt='A cat' src='data:,' style='filter: invert(1)'>", "figures: A cat"),
    ],
)
def test_the_checks_see(visitor, tmp_path, fragment, fault):
    noise = os.urandom(LIMIT_WITH_EXPLORER + 50_000)  # gzip cannot make it smaller
    if "heavy" in fragment:
        (tmp_path / "heavy.bin").write_bytes(noise[: LIMIT + 1])
    if "explorer" in fragment:
        (tmp_path / "explorer.bin").write_bytes(noise)
    (tmp_path / "page.html").write_text(GOOD % fragment, encoding="utf-8")
    found = faults(visitor.open(tmp_path, "page"))
    assert any(fault in line for line in found), found
