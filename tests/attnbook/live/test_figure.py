"""The figures on their pages: no network, no script, both themes, small screens, axe."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from attnbook import live
from tests.attnbook.live.figures import FIGURES, figure
from tests.attnbook.live.reading import set_to, status
from tests.support.notebooks import CHAPTERS, code_cells

CONTRASTS = """() => {
  const colour = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const over = (top, alpha, below) => below.map((c, n) => alpha * top[n] + (1 - alpha) * c);
  const luminance = (rgb) => { const [r, g, b] = rgb.map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  let paper = [255, 255, 255];
  for (let e = document.querySelector(".live-figure"); e; e = e.parentElement) {
    const [r, g, b, a = 1] = colour(getComputedStyle(e).backgroundColor);
    if (a > 0) { paper = [r, g, b]; break; }
  }
  const svg = document.querySelector(".live-drawing svg");
  const fills = [...svg.querySelectorAll("g.mark-rect path")].filter((path) => {
    const style = getComputedStyle(path);
    return style.fill !== "none" && style.opacity > 0; });
  const boxes = fills.map((path) => [path.getBoundingClientRect(), getComputedStyle(path)]);
  const visible = (text) => text.textContent.trim()
    && getComputedStyle(text).visibility === "visible" && getComputedStyle(text).opacity > 0;
  return [...svg.querySelectorAll("text")].filter(visible).map((text) => {
    const own = text.getBoundingClientRect();
    const x = own.x + own.width / 2, y = own.y + own.height / 2;
    let ground = paper;
    for (const [box, style] of boxes) {
      if (box.left <= x && x <= box.right && box.top <= y && y <= box.bottom) {
        ground = over(colour(style.fill), style.fillOpacity * style.opacity, ground);
      }
    }
    const style = getComputedStyle(text);
    const pair = [over(colour(style.fill), style.opacity * style.fillOpacity, ground), ground];
    const [low, high] = pair.map(luminance).sort((p, q) => p - q);
    return { text: text.textContent, contrast: (high + 0.05) / (low + 0.05) };
  });
}"""


def test_a_page_without_a_figure_loads_no_vega(chromium, book):
    page = chromium.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((book / "first.html").as_uri())
    assert asked and not [url for url in asked if "vega" in url or "live" in url]
    page.close()


@pytest.mark.parametrize("name", FIGURES)
def test_without_scripts_a_picture_stands_there(opened, name):
    page = opened(name, java_script_enabled=False)
    picture = page.locator(".live-picture svg")
    assert picture.bounding_box()["width"] > 300
    assert len(picture.get_attribute("aria-label").split()) >= 8
    if name == "explore":
        assert "takes .49 of cat" in picture.get_attribute("aria-label")
        assert {"cat", "black", "sat", "mat"} <= set(picture.locator("text").all_text_contents())
    assert not page.locator(".live-controls").count()


LOOKS = [(390, "dark")]
ALL_LOOKS = [(width, theme) for width in (1280, 390) for theme in ("light", "dark")]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "width, theme",
    [look if look in LOOKS else pytest.param(*look, marks=pytest.mark.slow) for look in ALL_LOOKS],
)
def test_it_fits_can_be_read_asks_nobody_and_has_no_faults(opened, name, width, theme):
    page = opened(name, width=width, theme=theme)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    article = page.locator("article").first.bounding_box()
    for part in page.locator(".live-figure :is(.live-drawing svg, select, input)").all():
        box = part.bounding_box()
        if box:
            assert box["x"] >= article["x"] - 1
            assert box["x"] + box["width"] <= article["x"] + article["width"] + 1
    assert not page.locator(".live-picture").count()
    texts = page.evaluate(CONTRASTS)
    assert texts or name == "dilated"  # whose only text is its status
    assert not [text for text in texts if text["contrast"] < 4.5]
    assert page.faults == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert sum(url.endswith("/vega.js") for url in page.requests) == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "name",
    ["sampled", *(pytest.param(n, marks=pytest.mark.slow) for n in FIGURES if n != "sampled")],
)
def test_axe_finds_nothing(opened, name, theme):
    found = Axe().run(opened(name, theme=theme), context=".live-figure").response["violations"]
    assert not found, [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found]


@pytest.mark.parametrize("theme", [pytest.param("light", marks=pytest.mark.slow), "dark"])
def test_numbers_can_be_read_at_every_weight(opened, theme):
    page = opened("explore", theme=theme)
    for temperature in (0.3, 1, 1.5, 2, 2.5, 3, 4, 5):
        set_to(page, temperature=temperature)
        assert min(text["contrast"] for text in page.evaluate(CONTRASTS)) >= 4.5, temperature


@pytest.mark.parametrize("name", ["explore", "heads", "own_sentence"])
def test_the_first_status_begins_with_the_description(opened, name):
    assert status(opened(name)).startswith(repr(figure(name)))


@pytest.mark.parametrize("name", FIGURES)
def test_a_bundle_has_a_picture_and_a_text_and_its_page_names_no_other_site(bundles, name):
    bundle = bundles[name]
    assert set(bundle) == {live.MIME_TYPE, "image/png", "text/plain"}
    assert bundle["image/png"].startswith(b"\x89PNG") and bundle["text/plain"].endswith(".")
    page = live.page(bundle[live.MIME_TYPE])
    assert "http" not in re.sub(r"http://www\.w3\.org/[\w/]+", "", page)  # names of SVG
    assert "less than .005 of any other word" in page or name not in ("explore", "own_sentence")


def test_the_live_figures_stand_where_they_teach():
    made = {
        chapter: re.findall(r"\blive\.(\w+)\(", "".join(c["source"] for c in code_cells(chapter)))
        for chapter in CHAPTERS
    }
    for chapter, name in {
        "self_attention": "explore",
        "score": "be_the_head",
        "softmax": "explore",
        "weighted_sum": "sampled_head",
        "multi_head": "own_sentence",
        "dilated_attention": "dilated_pattern",
        "trained_model": "explore",
    }.items():
        assert made[chapter] == [name]
