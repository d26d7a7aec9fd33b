"""be_the_head: weights and marks for any entries of W_Q and W_K, against attnlib."""

from itertools import product

import numpy as np
import pytest

from attnbook.models import grammar
from tests.attnbook.live.figures import SAT, WORDS, expected
from tests.attnbook.live.reading import check_views, choice, marks, set_to, short, status

KINDS = ("ANIMAL", "PLACE", "COLOUR", "VERB")
SLIDERS = [f"q_{f}" for f in ("animal", "place", "colour", "action")] + [
    f"k_{f}" for f in ("animal", "place", "colour", "action", "cat", "mat")
]


def weights_of(entries, words):
    """Return the weights (N, N) of words for these entries of W_Q and W_K."""
    X = np.array(
        [[w in grammar.SLOTS[k] for k in KINDS] + [w == "cat", w == "mat"] for w in words], float
    )
    W_K = np.array([entries[name] for name in SLIDERS[4:]])[:, None]
    W_Q = np.array([entries[name] for name in SLIDERS[:4]] + [0, 0])[:, None]
    return expected(X @ W_Q, X @ W_K, scaled=False)


def marks_of(entries):
    """Return twice the smaller weight: of the sentence, over training pairs, over unseen pairs."""
    of = {}
    for animal, place in product(grammar.ANIMALS, grammar.PLACES):
        words = [{"cat": animal, "mat": place}.get(w, w) for w in WORDS]
        row = weights_of(entries, words)[SAT]
        of[animal, place] = 2 * min(row[1], row[10])
    unseen = [of[pair] for pair in grammar.UNSEEN_PAIRS]
    seen = [mark for pair, mark in of.items() if pair not in grammar.UNSEEN_PAIRS]
    assert (len(seen), len(unseen)) == (56, 8)
    return [of["cat", "mat"], np.mean(seen), np.mean(unseen)]


@pytest.mark.parametrize("count", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_be_the_head(opened, count):
    page = opened("be_the_head")
    rng = np.random.default_rng(4)
    trials = [{name: rng.integers(-6, 7) / 2 for name in SLIDERS} for _ in range(count)]
    nothing = dict.fromkeys(SLIDERS, 0)
    by_kind = nothing | {"q_action": 3, "k_animal": 2, "k_place": 2, "k_colour": -1, "k_action": -1}
    by_name = nothing | {"q_action": 3, "k_cat": 2, "k_mat": 2}
    for n, entries in enumerate([by_kind, by_name, *trials]):
        i = SAT if n < 2 else n % 11
        set_to(page, word_i=choice(WORDS, i), **entries)
        check_views(page, weights_of(entries, WORDS), WORDS, i)
        right = marks_of(entries)
        check_marks(page, right)
        if n == 0:
            assert min(right) > 0.9, "asking for kinds serves pairs never looked at"
        if n == 1:
            assert right[0] > 0.9 and max(right[1:]) < 0.2, "asking by name does not"
    assert not page.faults


def check_marks(page, right):
    """Hold the three bars, their numbers and their sentences against the right marks."""
    for view in ("mark_bars", "mark_numbers"):
        items = sorted(marks(page, view), key=lambda item: item["g"])
        assert np.abs([item["a"] for item in items] - np.array(right)).max() < 1e-6
        if view == "mark_bars":
            drawn = [i["drawn"]["width"] / i["drawn"]["across"] * 1.65 for i in items]
            assert np.abs(np.array(drawn) - right).max() < 1e-6
    for name, mark in zip(
        ("This sentence", "Pairs of training", "Unseen pairs"), right, strict=True
    ):
        assert f"{name}: {short(mark)}." in status(page)


def test_at_first_all_words_are_alike(opened):
    assert status(opened("be_the_head")).startswith("sat takes .09 of the, .09 of cat, ")
