"""Take a picture of every built page, in both themes, on a wide screen and on a phone.

    python -m website.scripts.screenshots [page ...]

writes _build/screenshots/PAGE-THEME-WIDTH.png

The pages are opened from their files, after `make book`.
"""

import sys
from pathlib import Path

from tqdm import tqdm

from website.scripts import chromium

ROOT = Path(__file__).resolve().parents[2]
HTML, PICTURES = ROOT / "_build" / "html", ROOT / "_build" / "screenshots"
WIDTHS = (1280, 390)


def built_pages():
    """Return the names of the pages that the site has, with their folder."""
    pages = (path.relative_to(HTML).with_suffix("") for path in HTML.rglob("*.html"))
    return sorted(str(page) for page in pages if page.parts[0] not in ("_static", "index"))


def take(pages):
    if chromium.where() is None:
        sys.exit(f"screenshots: {chromium.ABSENT}")
    with chromium.launched() as browser:
        for page in tqdm(pages, disable=None):
            for theme in ("light", "dark"):
                for width in WIDTHS:
                    tab = browser.new_page(
                        viewport={"width": width, "height": 900}, color_scheme=theme
                    )
                    tab.goto((HTML / f"{page}.html").as_uri())
                    tab.wait_for_load_state("networkidle")
                    for image in tab.query_selector_all("img[loading=lazy]"):
                        image.scroll_into_view_if_needed()
                    tab.evaluate("scrollTo(0, 0)")
                    path = PICTURES / f"{page}-{theme}-{width}.png"
                    tab.screenshot(path=path, full_page=True)
                    tab.close()


if __name__ == "__main__":
    take(sys.argv[1:] or built_pages())
    print(f"Look at {PICTURES}")
