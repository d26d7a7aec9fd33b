"""A reader's hands: keyboard, mouse, finger, and a screen that is turned."""

import re

import pytest

from tests.attnbook.live.figures import FIGURES, SAT, WEIGHTS, WORDS, K, Q, expected
from tests.attnbook.live.reading import check_views, choice, set_to, settle, status


def test_a_word_is_picked_by_keyboard(opened):
    page = opened("explore", width=390)
    page.locator("[name=word_i]").focus()
    assert status(page).startswith("sat takes .49 of cat, .48 of mat")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    settle(page)
    assert status(page).startswith("mat takes .83 of cat")
    check_views(page, WEIGHTS, WORDS, 10)
    page.keyboard.press("Home")
    page.keyboard.press("c")
    settle(page)
    assert status(page).startswith("cat takes .89 of black")


@pytest.mark.parametrize(
    "name",
    [
        n if n in ("own_sentence", "sampled") else pytest.param(n, marks=pytest.mark.slow)
        for n in FIGURES
    ],
)
def test_every_control_is_reached_by_tab_with_visible_focus(opened, name):
    page = opened(name)
    fold = page.locator("summary")
    if fold.count() and not page.locator("details[open]").count():
        fold.press("Enter")
    controls = page.locator(".live-figure :is(select, input, summary)")
    controls.first.focus()
    for n in range(controls.count()):
        assert controls.nth(n).evaluate("e => e === document.activeElement")
        if n:  # after a key has been pressed the browser shows the focus
            assert controls.nth(n).evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
        page.keyboard.press("Tab")


def test_a_slider_and_a_switch_by_keyboard(opened):
    page = opened("explore")
    page.locator("[name=temperature]").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.locator("[name=causal]").focus()
    page.keyboard.press("Space")
    settle(page)
    check_views(page, expected(Q, K, temperature=1.05, causal=True), WORDS, SAT, causal=True)
    assert "3 hidden" in status(page)


def centre(page, mark, n):
    """Return the middle of the nth drawn text of a view, in pixels of the window."""
    box = page.locator(f".live-drawing g.{mark}_marks text").nth(n).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_words_and_rows_answer_a_click(opened):
    page = opened("explore")
    page.mouse.click(*centre(page, "words", 1))
    settle(page)
    assert status(page).startswith("cat takes") and "Beside" not in status(page)
    assert page.locator("[name=word_i]").evaluate("e => e.selectedIndex") == 1
    page.keyboard.down("Shift")
    page.mouse.click(*centre(page, "words", 7))
    page.keyboard.up("Shift")
    page.mouse.click(*centre(page, "names", 5))
    settle(page)
    assert re.match(r"black takes .94 of cat.* Beside it: sat takes .49 of cat", status(page))
    check_views(page, WEIGHTS, WORDS, 5, frozen=7)


def test_words_answer_a_tap(opened):
    page = opened("explore", width=390, has_touch=True)
    page.touchscreen.tap(*centre(page, "words", 10))
    settle(page)
    assert status(page).startswith("mat takes .83 of cat")


def test_settings_survive_a_turn_of_the_screen(opened):
    page = opened("explore")
    set_to(page, temperature=2, causal=True, word_i=choice(WORDS, 10))
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("document.querySelector('.live-figure').drawnAt < 400")
    settle(page)
    A = expected(Q, K, temperature=2, causal=True)
    check_views(page, A, WORDS, 10, causal=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
