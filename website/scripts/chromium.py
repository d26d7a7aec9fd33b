"""Headless Chromium without a network, for the tests of the pages and for their screenshots."""

import contextlib
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ABSENT = "there is no Chromium here: install it first, for example Debian's package chromium"
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
--disable-background-networking --disable-component-update""".split()
NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def where():
    """Return the path of the installed Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def launched():
    """Start Chromium, yield Playwright's browser, and close it at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=where(), args=[*FLAGS, NO_NETWORK], timeout=60_000
        )
        yield browser
        browser.close()
