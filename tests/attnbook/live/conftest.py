"""A small book with a page for each figure, and how to open one."""

import base64

import pytest

from attnbook import live
from tests.attnbook.live.figures import FIGURES, figure
from tests.attnbook.live.reading import wait_for_figure
from tests.support.book import report, small_book
from tests.support.notebooks import code_cells
from tests.support.once import once


@pytest.fixture(scope="session")
def bundles():
    """Return what a notebook stores of each figure, by mime type."""
    return {name: figure(name)._repr_mimebundle_() for name in FIGURES}


@pytest.fixture(scope="session")
def book(tmp_path_factory, bundles):
    """Build a book with a chapter for each figure, and one without; return its folder."""
    figures = bundles | {"trained_model": stored("trained_model")}

    def make(folder):
        _, run = small_book(folder, "No figure here.", figures=figures)
        return report(run) if run.returncode else ""

    return once(tmp_path_factory, "book_of_figures", make) / "_build" / "html" / "chapters"


def stored(chapter):
    """Return the bundle of the one live figure that a chapter stores."""
    outputs = [output for cell in code_cells(chapter) for output in cell["outputs"]]
    [bundle] = [o["data"] for o in outputs if live.MIME_TYPE in o.get("data", {})]
    return bundle | {"image/png": base64.b64decode("".join(bundle["image/png"]))}


@pytest.fixture
def opened(chromium, book):
    """Return a function that opens a figure's page and waits until it is live."""
    contexts = []

    def open_page(name, *, width=1280, theme="light", **options):
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.faults, page.requests = [], []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda m: m.type == "error" and page.faults.append(m.text))
        page.on("request", lambda request: page.requests.append(request.url))
        page.add_init_script(f"localStorage.mode = '{theme}'; localStorage.theme = '{theme}'")
        page.goto((book / f"{name}.html").as_uri())
        if options.get("java_script_enabled", True):
            wait_for_figure(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
