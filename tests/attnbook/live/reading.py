"""Turn the controls of a live figure, and read what it shows: its marks and its status line.

Every view that shows a weight is read from Vega's own tree of marks, what is drawn and not only its
data.
"""

import json
from itertools import product

import numpy as np

SET = """(settings) => {
  for (const [name, value] of Object.entries(settings)) {
    const input = document.querySelector(`.live-figure [name="${name}"]`);
    if (input.type === "checkbox") { if (input.checked !== value) input.click(); continue; }
    if (input.tagName !== "SELECT") input.value = value;
    else {
      const labels = [...input.options].map((option) => option.textContent);
      if (!labels.includes(value)) throw Error(`${name}: no choice ${value} in ${labels}`);
      input.selectedIndex = labels.indexOf(value);
    }
    for (const event of ["input", "change"]) {
      input.dispatchEvent(new Event(event, { bubbles: true }));
    }
  }
}"""
READ = """async () => {  // when Vega has drawn and the status line has followed
  const figure = document.querySelector(".live-figure");
  const frame = () => new Promise(requestAnimationFrame);
  for (let i = 0; i < 2; i++) { await frame(); await figure.view.runAsync(); }
  const views = {};
  const walk = (node) => {
    if (node.marktype && node.marktype !== "group") {
      const items = node.marktype === "line" ? node.items.slice(0, 1) : node.items;
      (views[node.name?.replace(/_marks$/, "")] ??= []).push(...items.map((i) => ({
        ...Object.fromEntries(Object.entries(i.datum).filter(([, x]) => typeof x !== "object")),
        drawn: { text: i.text, opacity: i.fillOpacity, stroke: i.strokeWidth, x: i.x, y: i.y,
          width: i.width, height: i.height, across: i.mark.group.width, down: i.mark.group.height },
      })));
    } else for (const child of node.items ?? []) walk(child);
  };
  walk(figure.view.scenegraph().root);
  return JSON.stringify(views);  // as a text it travels faster
}"""


def wait_for_figure(page):
    """Scroll to the figure and wait until it is live."""
    page.locator(".live-figure").scroll_into_view_if_needed()
    page.locator(".live-ready").wait_for()
    settle(page)


def settle(page):
    """Wait until the figure has followed what was done to it, and read its marks."""
    page.views = json.loads(page.evaluate(READ))


def set_to(page, **settings):
    """Set controls by the name of their signal, a list by the text of its choice."""
    page.evaluate(SET, settings)
    settle(page)


def choice(words, i):
    """Return what the list of words calls word i."""
    return "–" if i < 0 else f"{words[i]} ({i + 1})"


def marks(page, name):
    """Return the data and the drawing of every item of one view."""
    return page.views.get(name, [])


def status(page):
    """Return the status line."""
    return page.locator("[role=status]").inner_text()


def short(a):
    """Return a share as the figures write it."""
    return "0" if a < 0.005 else "1" if a >= 0.995 else f"{a:.2f}"[1:]


def shorts(a):
    """Return the texts of a share, to its last bit: two where it lies on a border."""
    return {short(a - 1e-7), short(a + 1e-7)}


def sentence(A, words, i, *, causal=False, threshold=0.0, mute=False):
    """Say row i of the weights A (N, N) as the status line should."""
    name = lambda word: "comma" if word == "," else word  # noqa: E731
    row = np.round(A[i], 9)  # equal words have equal weights
    seen = [j for j in range(len(row)) if row[j] >= threshold and not (causal and j > i)]
    large = sorted((j for j in seen if row[j] >= 0.005), key=lambda j: (-row[j], j))
    said = ", ".join(f"{short(row[j])} of {name(words[j])}" for j in large)
    rest = "; less than .005 of any other word" if len(large) < len(seen) else ""
    off = f"; {len(row) - len(seen)} hidden" if len(seen) < len(row) else ""
    never = " (It was never asked anything, so its row means nothing.)" if mute else ""
    return f"{name(words[i])} takes {said or 'nothing that is shown'}{rest}{off}.{never}"


def on_a_border(row, threshold):
    """Say whether the last bit of a weight decides what the sentence of its row is."""
    tenths = row * 100 - 0.5
    close = np.abs(tenths - np.round(tenths)) < 1e-4
    return bool(close.any() or (np.abs(row - threshold) < 1e-6).any())


def check_views(page, A, words, picked, of="", *, frozen=-1, causal=False, threshold=0.0):
    """Hold every view that shows a weight against A (N, N), data and drawing, and the sentences."""
    check_heat_map(page, A, words, of, causal, threshold)
    for kind, i in (("word", picked), ("frozen", frozen)):
        frames = marks(page, f"frame_of_{kind}{of}")
        assert [frame["i"] for frame in frames] == ([] if i < 0 else [i])
        said = [s["drawn"]["text"] for s in marks(page, f"status_of_{kind}{of}")]
        assert len(said) == len(frames)
        if i < 0:
            assert not marks(page, f"numbers_of_{kind}{of}")
            assert not marks(page, f"arcs_of_{kind}{of}")
            continue
        check_row(page, A, kind, i, of, causal, threshold)
        if not on_a_border(A[i], threshold):
            more = {"causal": causal, "threshold": threshold, "mute": frames[0]["mute"]}
            opening = (
                "Beside it: " * (kind == "frozen") + of.replace("_", "Head ") + ": " * bool(of)
            )
            assert said == [opening + sentence(A, words, i, **more)]
        assert said[0] in status(page)


def is_seen(A, i, j, causal, threshold):
    return not (causal and j > i) and A[i, j] >= threshold


def check_heat_map(page, A, words, of, causal, threshold):
    """Hold the cells and their numbers against A (N, N)."""
    N = len(A)
    cells = marks(page, f"cells{of}")
    assert len(cells) == N * N
    assert {(c["i"], c["j"]) for c in cells} == set(product(range(N), range(N)))
    for c in cells:
        i, j = c["i"], c["j"]
        assert (c["asking"], c["asked"]) == (words[i], words[j])
        assert abs(c["a"] - A[i, j]) <= 1e-6, f"cell {i}, {j}: {c['a']} for {A[i, j]}"
        shade = 0.12 if c["mute"] else A[i, j] if is_seen(A, i, j, causal, threshold) else 0
        assert abs(c["drawn"]["opacity"] - shade) <= 1e-6 or abs(A[i, j] - threshold) < 1e-6
    numbers = {(n["i"], n["j"]): n for n in marks(page, f"numbers_in_cells{of}")}
    for i, j in product(range(N), range(N)):
        if abs(A[i, j] - threshold) >= 1e-6:
            assert ((i, j) in numbers) == is_seen(A, i, j, causal, threshold)
        if (i, j) in numbers:
            assert abs(numbers[i, j]["a"] - A[i, j]) <= 1e-6
            assert numbers[i, j]["drawn"]["text"] in shorts(A[i, j])


def check_row(page, A, kind, i, of, causal, threshold):
    """Hold the arcs and the numbers of a selected word against row i of A (N, N)."""
    row = {n["j"]: n for n in marks(page, f"numbers_of_{kind}{of}")}
    arcs = {a["j"]: a for a in marks(page, f"arcs_of_{kind}{of}")}
    for j in range(len(A)):
        seen = is_seen(A, i, j, causal, threshold)
        if abs(A[i, j] - threshold) < 1e-6:
            continue
        assert (j in row) == seen
        if abs(A[i, j] - 0.005) > 1e-6:
            assert (j in arcs) == (j != i and seen and A[i, j] >= 0.005)
    for j, n in row.items():
        assert n["i"] == i and abs(n["a"] - A[i, j]) <= 1e-6
        assert n["drawn"]["text"] in shorts(A[i, j])
    for j, arc in arcs.items():
        assert arc["i"] == i and abs(arc["a"] - A[i, j]) <= 1e-6
        assert abs(arc["drawn"]["stroke"] - 0.6 - 8.4 * A[i, j]) <= 1e-6
