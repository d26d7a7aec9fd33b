"""The figures that a reader changes, in a real browser without a network, against attnlib.

Each figure lies on a page of a small book, built as the book is. Every view that shows a weight is
read from Vega's own tree of marks, what is drawn and not only its data, and so is the status line.
"""

import base64
import json
import os
import re
import shutil
from itertools import product

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from attnbook import live
from attnbook.models import grammar, minilm, partners
from attnlib import attention, multi_head_attention, project, softmax, split_heads
from tests.support.book import report, small_book
from tests.support.notebooks import CHAPTERS, code_cells

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
--disable-background-networking --disable-component-update""".split()
NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

ONE, TWO = partners.load("one_head"), partners.load("two_heads")
WORDS = grammar.SENTENCE
SAT = WORDS.index("sat")
X = ONE.E[grammar.ids(WORDS)]  # (N, d_model)
Q, K, V = (X @ W for W in (ONE.W_Q, ONE.W_K, ONE.W_V))  # (N, 8) each
X_2 = TWO.E[grammar.ids(WORDS)]
Q_2, K_2 = (  # (H, N, 4) each
    (X_2 @ W).reshape(11, 2, 4).swapaxes(0, 1) for W in (TWO.W_Q, TWO.W_K)
)
Q_4, K_4 = np.stack([Q_2, K_2]), np.stack([K_2, 2 * Q_2])  # (L, H, N, 4): two made-up layers
UNASKED = [i for i, word in enumerate(WORDS) if word in grammar.FUNCTION_WORDS]
WEIGHTS = attention(Q, K, V, return_weights=True)[1]
FIGURES = {
    "explore": live.explore(Q, K, WORDS, pick=SAT, unasked=UNASKED),
    "heads": live.explore(Q_4, K_4, WORDS, pick=SAT, is_open=False),
    "side_by_side": live.explore(Q_2, K_2, WORDS, pick=SAT, side_by_side=True),
    "own_sentence": live.own_sentence(TWO, ["cat", "black", "sat", "rug"]),
    "sampled": live.sampled_head(WEIGHTS[SAT], V, WORDS),
    "be_the_head": live.be_the_head(),
    "dilated": live.dilated_pattern(),
}
OF_WEIGHTS = ["explore", "heads", "side_by_side", "own_sentence", "be_the_head"]

READ = """(name) => {
  const found = [];
  const walk = (node) => {
    if (node.marktype && node.marktype !== "group") {
      if (node.name === name + "_marks") {
        found.push(...(node.marktype === "line" ? node.items.slice(0, 1) : node.items));
      }
    } else for (const child of node.items ?? []) walk(child);
  };
  walk(document.querySelector(".explorer").view.scenegraph().root);
  return JSON.stringify(found.map((i) => ({ ...i.datum, drawn: {  // as a text it travels faster
    text: i.text, opacity: i.fillOpacity, stroke: i.strokeWidth, x: i.x, y: i.y,
    width: i.width, height: i.height, across: i.mark.group.width, down: i.mark.group.height } })));
}"""
SET = """(settings) => {
  for (const [name, value] of Object.entries(settings)) {
    const input = document.querySelector(`.explorer [name="${name}"]`);
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
SETTLE = """async () => {
  const { view } = document.querySelector(".explorer");
  const frame = () => new Promise(requestAnimationFrame);
  for (let i = 0; i < 3; i++) { await view.runAsync(); await frame(); }
}"""


# The browser and the small book.


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "Chromium is missing: apt-get install chromium"
        pytest.skip("no Chromium here: the live figures go untested (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, NO_NETWORK])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """Build a book with one chapter a figure, and a chapter without one."""
    bundles = {name: figure._repr_mimebundle_() for name, figure in FIGURES.items()}
    bundles["trained_model"] = stored("trained_model")
    folder, run = small_book(tmp_path_factory.mktemp("book"), "No figure here.", figures=bundles)
    assert run.returncode == 0, report(run)
    return folder / "chapters"


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
            page.locator(".explorer").scroll_into_view_if_needed()
            page.locator(".explorer-ready").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()


def set_to(page, **settings):
    """Set controls by the name of their signal, a list by the text of its choice."""
    page.evaluate(SET, settings)
    page.evaluate(SETTLE)  # Vega has drawn and the status line has followed


def marks(page, name):
    """Return the data and the drawing of every item of one view."""
    return json.loads(page.evaluate(READ, name))


def status(page):
    return page.locator("[role=status]").inner_text()


def short(a):
    return "0" if a < 0.005 else "1" if a >= 0.995 else f"{a:.2f}"[1:]


# What the weights should be, by attnlib.


def expected(query, key, *, scaled=True, temperature=1.0, causal=False):
    """Return the weights by attention: (N, N)."""
    scale = (query.shape[-1] ** -0.5 if scaled else 1.0) / temperature
    zeros = np.zeros((len(key), 1))
    return attention(query, key, zeros, is_causal=causal, scale=scale, return_weights=True)[1]


def check_views(page, A, words, picked, of="", *, frozen=-1, causal=False, threshold=0.0):
    """Hold every view that shows a weight against A (N, N), data and drawing."""
    N = len(A)
    hidden = lambda i, j: causal and j > i  # noqa: E731
    seen = lambda i, j: not hidden(i, j) and A[i, j] >= threshold  # noqa: E731
    close = lambda found, right: abs(found - right) <= 1e-6  # noqa: E731

    cells = marks(page, f"cells{of}")
    assert {(c["i"], c["j"]) for c in cells} == set(product(range(N), range(N)))
    for c in cells:
        i, j = c["i"], c["j"]
        assert (c["asking"], c["asked"]) == (words[i], words[j])
        assert close(c["a"], A[i, j]), f"cell {i}, {j}: {c['a']} for {A[i, j]}"
        shade = 0.12 if c["mute"] else A[i, j] if seen(i, j) else 0
        assert close(c["drawn"]["opacity"], shade)
    numbers = {(n["i"], n["j"]): n for n in marks(page, f"numbers_in_cells{of}")}
    borderline = lambda i, j: abs(A[i, j] - threshold) < 1e-6  # noqa: E731
    for i, j in product(range(N), range(N)):
        if not borderline(i, j):
            assert ((i, j) in numbers) == seen(i, j)
        if (i, j) in numbers:
            assert close(numbers[i, j]["a"], A[i, j])
            assert numbers[i, j]["drawn"]["text"] in (short(A[i, j] - 1e-7), short(A[i, j] + 1e-7))
    for kind, i in (("word", picked), ("frozen", frozen)):
        frames = marks(page, f"frame_of_{kind}{of}")
        assert [frame["i"] for frame in frames] == ([] if i < 0 else [i])
        if i < 0:
            assert not marks(page, f"numbers_of_{kind}{of}")
            continue
        row = {n["j"]: n for n in marks(page, f"numbers_of_{kind}{of}")}
        assert all((j in row) == seen(i, j) for j in range(N) if not borderline(i, j))
        for j, n in row.items():
            assert n["i"] == i and close(n["a"], A[i, j])
            assert n["drawn"]["text"] in (short(A[i, j] - 1e-7), short(A[i, j] + 1e-7))
        arcs = {a["j"]: a for a in marks(page, f"arcs_of_{kind}{of}")}
        for j in range(N):
            if not borderline(i, j) and abs(A[i, j] - 0.005) > 1e-6:
                assert (j in arcs) == (j != i and seen(i, j) and A[i, j] >= 0.005)
        for j, arc in arcs.items():
            assert arc["i"] == i and close(arc["a"], A[i, j])
            assert close(arc["drawn"]["stroke"], 0.6 + 8.4 * A[i, j])


def choice(words, i):
    """Return what the list of words calls word i."""
    return "–" if i < 0 else f"{words[i]} ({i + 1})"


SETTINGS = [
    dict(zip(("scaled", "causal"), both, strict=True)) for both in product((True, False), repeat=2)
]


def random_sliders(seed):
    """Return 20 random positions of temperature and threshold, on the steps of the sliders."""
    rng = np.random.default_rng(seed)
    return [
        {"temperature": round(rng.integers(1, 501) / 100, 2), "threshold": rng.integers(51) / 100}
        for _ in range(20)
    ]


# Values: every view that shows a weight, at every discrete setting and 20 slider positions.


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_every_word_at_every_switch(opened, setting):
    page = opened("explore")
    set_to(page, **setting)
    A = expected(Q, K, **setting)
    for i in range(11):
        frozen = (3 * i + 2) % 12 - 1
        set_to(page, word_i=choice(WORDS, i), frozen_i=choice(WORDS, frozen))
        check_views(page, A, WORDS, i, frozen=frozen, causal=setting["causal"])
        assert not page.faults


def test_random_positions_of_the_sliders(opened):
    page = opened("explore")
    for n, sliders in enumerate(random_sliders(seed=0)):
        setting = SETTINGS[n % 4]
        set_to(page, **sliders, **setting, frozen_i=choice(WORDS, 1))
        A = expected(Q, K, temperature=sliders["temperature"], **setting)
        more = {"frozen": 1, "causal": setting["causal"], "threshold": sliders["threshold"]}
        check_views(page, A, WORDS, SAT, **more)


def test_each_layer_and_head_by_their_lists(opened):
    page = opened("heads")
    page.locator("summary").click()
    for layer, h, setting in product(range(2), range(2), SETTINGS):
        set_to(page, layer=str(layer + 1), head=str(h + 1), **setting)  # named from 1
        A = expected(Q_4[layer, h], K_4[layer, h], **setting)
        check_views(page, A, WORDS, SAT, causal=setting["causal"])


@pytest.mark.minilm
def test_every_head_of_the_trained_model(opened):
    """The chapter's figure: each head against the model's own weights, then 20 random settings."""
    model = minilm.load()
    [words], ids, lengths = minilm.tokenize(["The cat, which was black, sat on the mat"])
    _, A = model(ids, lengths, return_weights=True)  # (1, L, H, N, N)
    page = opened("trained_model")
    page.locator("summary").click()
    for n, (layer, h) in enumerate(product(range(6), range(12))):
        i = n % len(words)
        set_to(page, layer=str(layer + 1), head=str(h + 1), word_i=choice(words, i))
        check_views(page, A[0, layer, h].numpy(), words, i)

    streams = [model.embed(ids)]
    for layer in model.layers:
        streams.append(layer(streams[-1]))
    rng = np.random.default_rng(6)
    for n, sliders in enumerate(random_sliders(seed=6)):
        layer, h, i = (int(rng.integers(size)) for size in (6, 12, len(words)))
        W = model.layers[layer].self_attention
        q, k = (split_heads(part(streams[layer]), 12)[0, h].numpy() for part in (W.W_Q, W.W_K))
        setting = SETTINGS[n % 4]
        named = {"layer": str(layer + 1), "head": str(h + 1), "word_i": choice(words, i)}
        set_to(page, **named, **sliders, **setting)
        A = expected(q, k, temperature=sliders["temperature"], **setting)
        more = {"causal": setting["causal"], "threshold": sliders["threshold"]}
        check_views(page, A, words, i, **more)
    assert not page.faults


def test_heads_side_by_side(opened):
    page = opened("side_by_side")
    for n, sliders in enumerate(random_sliders(seed=1)):
        i, setting = n % 11, SETTINGS[n % 4]
        set_to(page, word_i=choice(WORDS, i), **sliders, **setting)
        for h in range(2):
            A = expected(Q_2[h], K_2[h], temperature=sliders["temperature"], **setting)
            more = {"causal": setting["causal"], "threshold": sliders["threshold"]}
            check_views(page, A, WORDS, i, f"_{h}", **more)


KINDS = grammar.SLOTS
ROLES = [kind.lower() for kind in KINDS]  # animal, colour, verb, place
ORDERS = [form.lower().replace(" ,", ",") for form in grammar.FORMS]


def own_sentences():
    """Return (form, role, four words): every choice of each list, unseen pairs, 20 at random."""
    rng = np.random.default_rng(2)
    each = [(f, r, ("cat", "black", "sat", "mat")) for f, r in product(range(4), range(4))]
    pairs = [(n % 4, 2, (a, "white", "lay", p)) for n, (a, p) in enumerate(grammar.UNSEEN_PAIRS)]
    pairs += [
        (0, 0, (a, c, v, "bed"))
        for a, c, v in zip(KINDS["ANIMAL"][:4], KINDS["COLOUR"], KINDS["VERB"], strict=True)
    ]
    drawn = [
        (
            int(rng.integers(4)),
            int(rng.integers(4)),
            tuple(str(rng.choice(k)) for k in KINDS.values()),
        )
        for _ in range(20)
    ]
    return each + pairs + drawn


def test_own_sentence_is_exact(opened):
    page = opened("own_sentence")
    page.locator("summary").click()
    sliders = random_sliders(seed=3)
    for n, (form, role, chosen) in enumerate(own_sentences()):
        settings = {"temperature": 1, "threshold": 0, "scaled": True, "causal": False}
        if n >= 28:  # the random ones
            settings = sliders[n - 28] | SETTINGS[n % 4]
        set_to(
            page,
            form=ORDERS[form],
            word_role=f"the {ROLES[role]}",
            **dict(zip(ROLES, chosen, strict=True)),
            **settings,
        )
        words = [
            dict(zip(KINDS, chosen, strict=True)).get(w, w) for w in grammar.FORMS[form].split()
        ]
        i = words.index(chosen[role])
        x = TWO.E[grammar.ids(words)]
        heads = []
        for h in range(2):
            own = slice(4 * h, 4 * h + 4)
            q, k, v = (project(x, W[:, own]) for W in (TWO.W_Q, TWO.W_K, TWO.W_V))
            some = {key: settings[key] for key in ("scaled", "temperature", "causal")}
            A = expected(q, k, **some)
            more = {"causal": settings["causal"], "threshold": settings["threshold"]}
            check_views(page, A, words, i, f"_{h}", **more)
            heads.append(A @ v)
        shares = softmax(np.concatenate(heads, axis=-1)[i] @ TWO.W_O)  # (29,)
        check_answers(page, shares)
        met = "never met" if (chosen[0], chosen[3]) in grammar.UNSEEN_PAIRS else "met in"
        assert f"The {chosen[0]} and the {chosen[3]} {met}" in status(page)
        assert marks(page, "answer_title")[0]["said"] == f"{chosen[role]} answers"


def test_its_tables_hold_every_sentence_of_the_grammar():
    spec = FIGURES["own_sentence"]._repr_mimebundle_()[live.MIME_TYPE]
    tables = {param["name"]: param.get("value") for param in spec["params"]}
    raw, votes = np.array(tables["raw"]), np.array(tables["votes"])  # (H, V, V), (H, V, V)
    W = (TWO.W_Q, TWO.W_K, TWO.W_V, TWO.W_O)
    filled, lengths, _ = grammar.fill_forms(grammar.all_sentences())
    assert filled.shape[:2] == (4, 1024)
    for sentences, length in zip(filled, lengths, strict=True):
        numbers = sentences[:, :length]  # (1024, N)
        A = softmax(raw[:, numbers[:, :, None], numbers[:, None, :]] / 2)  # (H, 1024, N, N)
        logits = sum(A[h] @ votes[h][numbers] for h in range(2))  # (1024, N, V)
        X = TWO.E[numbers]
        assert np.abs(logits - multi_head_attention(X, X, X, *W, num_heads=2)).max() < 1e-6


def check_answers(page, shares):
    best = np.sort(shares)[::-1][:4]
    for view in ("answer_bars", "answer_words", "answer_numbers"):
        items = sorted(marks(page, view), key=lambda item: item["place"])
        assert len(items) == 4
        for item, share in zip(items, best, strict=True):
            assert abs(item["a"] - share) < 1e-6
            assert abs(shares[grammar.VOCABULARY.index(item["answer"])] - share) < 1e-6
            if view == "answer_bars":
                drawn = item["drawn"]["width"] / item["drawn"]["across"] * 1.55
                assert abs(drawn - share) < 1e-6


def test_the_model_that_own_sentence_shows_is_attnlibs():
    words = "the cat , which was black , sat on the rug".split()
    x = TWO.E[grammar.ids(words)]
    W = (TWO.W_Q, TWO.W_K, TWO.W_V, TWO.W_O)
    logits = multi_head_attention(x, x, x, *W, num_heads=2)
    two = np.argsort(logits[words.index("sat")])[-2:]
    assert {grammar.VOCABULARY[t] for t in two} == {"cat", "rug"}
    said = repr(FIGURES["own_sentence"])
    assert "Head 0: sat takes .96 of rug" in said and "Head 1: sat takes .95 of cat" in said


def test_sampled_head_at_every_number_of_draws(opened):
    page = opened("sampled")
    a = WEIGHTS[SAT]
    drawn = np.random.default_rng(1).choice(11, size=1000, p=a)
    output = attention(Q, K, V)[SAT]
    away = []
    for n in live.DRAWS:
        set_to(page, k=str(n))
        shares = np.bincount(drawn[:n], minlength=11) / n
        mean = V[drawn[:n]].mean(axis=0)
        for view, field, right in (
            ("weights", "a", a),
            ("numbers_of_weights", "a", a),
            ("shares", "share", shares),
            ("numbers_of_shares", "share", shares),
        ):
            items = marks(page, view)
            assert len(items) == 11
            for item in items:
                assert abs(item[field] - right[item["j"]]) < 1e-6
                if view.startswith("numbers"):
                    assert item["drawn"]["text"] == short(right[item["j"]])
                else:
                    height = item["drawn"]["height"] / item["drawn"]["down"] * 1.44
                    assert abs(height - right[item["j"]]) < 1e-6
        for item in marks(page, "outputs"):
            assert abs(item["output"] - output[item["c"]]) < 1e-6
        for item in marks(page, "means"):
            assert abs(item["mean"] - mean[item["c"]]) < 1e-6
        away.append(np.linalg.norm(mean - output))
        assert f"mean is {away[-1]:.3f} away" in status(page)
    assert away[-1] < away[0] / 20


HEAD_SLIDERS = [f"q_{f}" for f in ("animal", "place", "colour", "action")] + [
    f"k_{f}" for f in ("animal", "place", "colour", "action", "cat", "mat")
]


def head_of(entries):
    """Return a function from words to weights (N, N) for the entries of W_Q and W_K."""
    kinds = ("ANIMAL", "PLACE", "COLOUR", "VERB")

    def weights(words):
        X = np.array(
            [[w in KINDS[k] for k in kinds] + [w == "cat", w == "mat"] for w in words], float
        )
        W_K = np.array([entries[name] for name in HEAD_SLIDERS[4:]])[:, None]
        W_Q = np.array([entries[name] for name in HEAD_SLIDERS[:4]] + [0, 0])[:, None]
        return expected(X @ W_Q, X @ W_K, scaled=False)

    return weights


def marks_of(weights):
    """Return twice the smaller weight: of the sentence, over training pairs, over unseen pairs."""
    of = {}
    for animal, place in product(KINDS["ANIMAL"], KINDS["PLACE"]):
        words = [{"cat": animal, "mat": place}.get(w, w) for w in WORDS]
        row = weights(words)[SAT]
        of[animal, place] = 2 * min(row[1], row[10])
    unseen = [of[pair] for pair in grammar.UNSEEN_PAIRS]
    seen = [mark for pair, mark in of.items() if pair not in grammar.UNSEEN_PAIRS]
    assert (len(seen), len(unseen)) == (56, 8)
    return [of["cat", "mat"], np.mean(seen), np.mean(unseen)]


def test_be_the_head(opened):
    page = opened("be_the_head")
    rng = np.random.default_rng(4)
    trials = [{name: rng.integers(-6, 7) / 2 for name in HEAD_SLIDERS} for _ in range(20)]
    nothing = dict.fromkeys(HEAD_SLIDERS, 0)
    by_kind = nothing | {"q_action": 3, "k_animal": 2, "k_place": 2, "k_colour": -1, "k_action": -1}
    by_name = nothing | {"q_action": 3, "k_cat": 2, "k_mat": 2}
    for n, entries in enumerate([by_kind, by_name, *trials]):
        i = SAT if n < 2 else n % 11
        set_to(page, word_i=choice(WORDS, i), **entries)
        weights = head_of(entries)
        check_views(page, weights(WORDS), WORDS, i)
        right = marks_of(weights)
        for view in ("mark_bars", "mark_numbers"):
            items = sorted(marks(page, view), key=lambda item: item["g"])
            assert np.abs([item["a"] for item in items] - np.array(right)).max() < 1e-6
            if view == "mark_bars":
                drawn = [i["drawn"]["width"] / i["drawn"]["across"] * 1.65 for i in items]
                assert np.abs(np.array(drawn) - right).max() < 1e-6
        assert f"Unseen pairs: {short(right[2])}." in status(page)
        if n == 0:
            assert min(right) > 0.9, "asking for kinds serves pairs never looked at"
        if n == 1:
            assert right[0] > 0.9 and max(right[1:]) < 0.2, "asking by name does not"


def test_dilated_pattern_at_every_setting(opened):
    page = opened("dilated")
    for w, r, h, causal in product((4, 8, 16, 32), (1, 2, 4, 8), range(4), (False, True)):
        set_to(page, segment=str(w), rate=str(r), head=str(h), causal=causal)
        kept = {
            (i, j)
            for i, j in product(range(32), range(32))
            if i // w == j // w
            and i % w % r == j % w % r == h // -(-4 // r)
            and not (causal and j > i)
        }
        pairs = marks(page, "pairs")
        assert {(p["i"], p["j"]) for p in pairs} == kept and len(pairs) == len(kept)
        for pair in pairs[:: len(pairs) // 3 + 1]:
            cell = pair["drawn"]["across"] / 32
            assert abs(pair["drawn"]["x"] / cell - pair["j"]) < 1e-6
            assert abs(pair["drawn"]["y"] / cell - pair["i"] - 3) < 0.5
        assert f"{len(kept):,} of 1,024 pairs" in status(page)


# A reader's hands: keyboard, mouse, finger.


def test_a_word_is_picked_by_keyboard(opened):
    page = opened("explore", width=390)
    page.locator("[name=word_i]").focus()
    assert status(page).startswith("sat takes .49 of cat, .48 of mat")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.evaluate(SETTLE)
    assert status(page).startswith("mat takes .83 of cat")
    check_views(page, WEIGHTS, WORDS, 10)
    page.keyboard.press("Home")
    page.keyboard.press("c")
    page.evaluate(SETTLE)
    assert status(page).startswith("cat takes .89 of black")


def test_every_control_is_reached_by_tab_with_visible_focus(opened):
    for name in FIGURES:
        page = opened(name)
        fold = page.locator("summary")
        if fold.count() and not page.locator("details[open]").count():
            fold.press("Enter")
        controls = page.locator(".explorer :is(select, input, summary)")
        controls.first.focus()
        for n in range(controls.count()):
            assert controls.nth(n).evaluate("e => e === document.activeElement")
            # after a key has been pressed the browser shows the focus
            if n:
                style = controls.nth(n).evaluate("e => getComputedStyle(e).outlineStyle")
                assert style == "solid"
            page.keyboard.press("Tab")


def test_a_slider_and_a_switch_by_keyboard(opened):
    page = opened("explore")
    page.locator("[name=temperature]").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.locator("[name=causal]").focus()
    page.keyboard.press("Space")
    page.evaluate(SETTLE)
    check_views(page, expected(Q, K, temperature=1.05, causal=True), WORDS, SAT, causal=True)
    assert "hidden" in status(page)


def centre(page, mark, n):
    """Return the middle of the nth drawn text of a view, in pixels of the window."""
    box = page.locator(f".explorer-live g.{mark}_marks text").nth(n).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_words_and_rows_answer_a_click_and_a_tap(opened):
    page = opened("explore")
    page.mouse.click(*centre(page, "words", 1))
    page.evaluate(SETTLE)
    assert status(page).startswith("cat takes") and "Beside" not in status(page)
    assert page.locator("[name=word_i]").evaluate("e => e.selectedIndex") == 1
    page.keyboard.down("Shift")
    page.mouse.click(*centre(page, "words", 7))
    page.keyboard.up("Shift")
    page.mouse.click(*centre(page, "names", 5))
    page.evaluate(SETTLE)
    assert re.match(r"black takes .94 of cat.* Beside it: sat takes .49 of cat", status(page))
    check_views(page, WEIGHTS, WORDS, 5, frozen=7)

    phone = opened("explore", width=390, has_touch=True)
    phone.touchscreen.tap(*centre(phone, "words", 10))
    phone.evaluate(SETTLE)
    assert status(phone).startswith("mat takes .83 of cat")


# The page: no network, no script, both themes, small screens, axe.


def test_a_page_without_a_figure_loads_no_vega(chromium, book):
    page = chromium.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((book / "first.html").as_uri())
    assert not [url for url in asked if "vega" in url or "explorer" in url]
    page.close()


@pytest.mark.parametrize("name", FIGURES)
def test_without_scripts_a_picture_stands_there(opened, name):
    page = opened(name, java_script_enabled=False)
    picture = page.locator(".explorer-picture svg")
    assert picture.bounding_box()["width"] > 300
    assert len(picture.get_attribute("aria-label").split()) >= 8
    if name in OF_WEIGHTS[:3]:
        assert "takes .49 of cat" in picture.get_attribute("aria-label") or name != "explore"
        assert {"cat", "black", "sat", "mat"} <= set(picture.locator("text").all_text_contents())
    assert not page.locator(".explorer-controls").count()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", FIGURES)
def test_it_fits_can_be_read_asks_nobody_and_has_no_faults(opened, name, width, theme):
    page = opened(name, width=width, theme=theme)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    article = page.locator("article").first.bounding_box()
    for part in page.locator(".explorer :is(.explorer-live svg, select, input)").all():
        box = part.bounding_box()
        if box:
            assert box["x"] >= article["x"] - 1
            assert box["x"] + box["width"] <= article["x"] + article["width"] + 1
    assert not page.locator(".explorer-picture").count()
    pale = [text for text in page.evaluate(CONTRASTS) if text["contrast"] < 4.5]
    assert not pale
    assert page.faults == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert sum(url.endswith("/vega.js") for url in page.requests) == 1
    if width == 1280:  # last, since axe asks for files of its own
        found = Axe().run(page, context=".explorer").response["violations"]
        assert not found, [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found]


CONTRASTS = """() => {
  const colour = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const over = (top, alpha, below) => below.map((c, n) => alpha * top[n] + (1 - alpha) * c);
  const luminance = (rgb) => { const [r, g, b] = rgb.map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  let paper = [255, 255, 255];
  for (let e = document.querySelector(".explorer"); e; e = e.parentElement) {
    const [r, g, b, a = 1] = colour(getComputedStyle(e).backgroundColor);
    if (a > 0) { paper = [r, g, b]; break; }
  }
  const svg = document.querySelector(".explorer-live svg");
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


def test_numbers_can_be_read_at_every_weight(opened):
    for theme in ("light", "dark"):
        page = opened("explore", theme=theme)
        for temperature in (0.3, 1, 1.5, 2, 2.5, 3, 4, 5):
            set_to(page, temperature=temperature)
            assert min(text["contrast"] for text in page.evaluate(CONTRASTS)) >= 4.5, temperature


def test_the_first_status_is_the_description(opened):
    for name in ("explore", "side_by_side"):
        assert status(opened(name)) == repr(FIGURES[name])


def test_settings_survive_a_turn_of_the_screen(opened):
    page = opened("explore")
    set_to(page, temperature=2, causal=True, word_i=choice(WORDS, 10))
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("document.querySelector('.explorer').drawnAt < 400")
    page.evaluate(SETTLE)
    A = expected(Q, K, temperature=2, causal=True)
    check_views(page, A, WORDS, 10, causal=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


# Without a browser: bundles, bytes, errors, and the chapters.


def test_the_same_bytes_every_time():
    again = live.explore(Q, K, WORDS, pick=SAT, unasked=UNASKED)
    assert again._repr_mimebundle_() == FIGURES["explore"]._repr_mimebundle_()


@pytest.mark.parametrize("name", FIGURES)
def test_only_raw_scores_are_stored(name):
    bundle = FIGURES[name]._repr_mimebundle_()
    assert set(bundle) == {live.MIME_TYPE, "image/png", "text/plain"}
    values = {p["name"]: p.get("value") for p in bundle[live.MIME_TYPE]["params"]}
    if name == "explore":
        assert np.abs(np.array(values["raw"])[0, 0] - Q @ K.T).max() < 1e-8
    page = live.page(bundle[live.MIME_TYPE])
    assert "http" not in re.sub(r"http://www\.w3\.org/[\w/]+", "", page)  # names of SVG


def test_the_last_bit_of_a_score_changes_nothing():
    wiggle = 1 + 1e-15 * np.random.default_rng(5).standard_normal(Q.shape)
    again = live.explore(Q * wiggle, K, WORDS, pick=SAT, unasked=UNASKED)
    assert again.spec == FIGURES["explore"].spec


@pytest.mark.parametrize(
    "wrong, complaint",
    [
        (lambda: live.explore(Q, K[:5], WORDS, pick=0), r"key: shape is \(5, 8\)"),
        (lambda: live.explore(Q[0], K[0], WORDS, pick=0), r"key: shape is \(8,\)"),
        (lambda: live.explore(Q, K, WORDS[:4], pick=0), "words: got 4"),
        (lambda: live.explore(Q, K, WORDS, pick=11), "pick: got 11"),
        (lambda: live.own_sentence(TWO, ["mat", "black", "sat", "mat"]), "sentence: got 'mat'"),
        (lambda: live.sampled_head(WEIGHTS, V, WORDS), r"weights: shape is \(11, 11\)"),
        (lambda: live.dilated_pattern(24), "length: got 24"),
    ],
)
def test_bad_input_is_named(wrong, complaint):
    with pytest.raises(ValueError, match=complaint):
        wrong()


def test_the_explorer_stands_where_it_teaches():
    made = {
        chapter: re.findall(r"explorer\.(\w+)\(", "".join(c["source"] for c in code_cells(chapter)))
        for chapter in CHAPTERS
    }
    for chapter, figure in {
        "self_attention": "explore",
        "score": "be_the_head",
        "softmax": "explore",
        "weighted_sum": "sampled_head",
        "multi_head": "own_sentence",
    }.items():
        assert made[chapter] == [figure]
