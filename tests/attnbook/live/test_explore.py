"""explore: every word, every switch, every layer and head, the sliders; against attnlib."""

from itertools import product

import numpy as np
import pytest

from attnbook import live
from attnbook.models import minilm
from attnlib import split_heads
from tests.attnbook.live.figures import (
    K_4,
    Q_4,
    SAT,
    SWITCHES,
    UNASKED,
    WORDS,
    K,
    Q,
    expected,
    figure,
    random_sliders,
)
from tests.attnbook.live.reading import check_views, choice, set_to, status


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_every_word_at_every_switch(opened, every):
    page = opened("explore")
    for setting, i in product(SWITCHES, range(0, 11, every)):
        A = expected(Q, K, **setting)
        frozen = (3 * i + 2) % 12 - 1
        set_to(page, **setting, word_i=choice(WORDS, i), frozen_i=choice(WORDS, frozen))
        check_views(page, A, WORDS, i, frozen=frozen, causal=setting["causal"])
    assert not page.faults


@pytest.mark.parametrize("count", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_random_positions_of_the_sliders(opened, count):
    page = opened("explore")
    for n, sliders in enumerate(random_sliders(0, count)):
        setting = SWITCHES[n % 4]
        set_to(page, **sliders, **setting, frozen_i=choice(WORDS, 1))
        A = expected(Q, K, temperature=sliders["temperature"], **setting)
        more = {"frozen": 1, "causal": setting["causal"], "threshold": sliders["threshold"]}
        check_views(page, A, WORDS, SAT, **more)


@pytest.mark.parametrize(
    "switches", [SWITCHES[1:2], pytest.param(SWITCHES, marks=pytest.mark.slow)]
)
def test_each_layer_and_head_by_their_lists(opened, switches):
    page = opened("heads")
    page.locator("summary").click()
    for layer, h, setting in product(range(2), range(2), switches):
        set_to(page, layer=str(layer + 1), head=str(h + 1), **setting)  # named from 1
        A = expected(Q_4[layer, h], K_4[layer, h], **setting)
        check_views(page, A, WORDS, SAT, causal=setting["causal"])


@pytest.fixture(scope="module")
def sentence_of_minilm():
    """Return the model, the words, the ids, and the weights of every head (L, H, N, N)."""
    model = minilm.load()
    [words], ids, lengths = minilm.tokenize(["The cat, which was black, sat on the mat"])
    _, A = model(ids, lengths, return_weights=True)  # (1, L, H, N, N)
    return model, words, ids, A[0].numpy()


@pytest.mark.minilm
@pytest.mark.parametrize("every", [17, pytest.param(1, marks=pytest.mark.slow)])
def test_every_head_of_the_trained_model(opened, sentence_of_minilm, every):
    """The chapter's figure, as it is stored: each head against the model's own weights."""
    _, words, _, A = sentence_of_minilm
    page = opened("trained_model")
    page.locator("summary").click()
    for layer, h in list(product(range(6), range(12)))[::every]:
        i = (12 * layer + h) % len(words)
        set_to(page, layer=str(layer + 1), head=str(h + 1), word_i=choice(words, i))
        check_views(page, A[layer, h], words, i)
    assert not page.faults


@pytest.mark.minilm
@pytest.mark.slow
def test_random_settings_of_the_trained_model(opened, sentence_of_minilm):
    model, words, ids, _ = sentence_of_minilm
    page = opened("trained_model")
    page.locator("summary").click()
    streams = [model.embed(ids)]
    for layer in model.layers:
        streams.append(layer(streams[-1]))
    rng = np.random.default_rng(6)
    for n, sliders in enumerate(random_sliders(seed=6)):
        layer, h, i = (int(rng.integers(size)) for size in (6, 12, len(words)))
        W = model.layers[layer].self_attention
        q, k = (split_heads(part(streams[layer]), 12)[0, h].numpy() for part in (W.W_Q, W.W_K))
        setting = SWITCHES[n % 4]
        named = {"layer": str(layer + 1), "head": str(h + 1), "word_i": choice(words, i)}
        set_to(page, **named, **sliders, **setting)
        A = expected(q, k, temperature=sliders["temperature"], **setting)
        more = {"causal": setting["causal"], "threshold": sliders["threshold"]}
        check_views(page, A, words, i, **more)
    assert not page.faults


def test_a_row_that_means_nothing_says_so(opened):
    page = opened("explore")
    set_to(page, word_i=choice(WORDS, 3), frozen_i=choice(WORDS, 2))
    assert status(page).startswith("which takes ") and "Beside it: comma takes " in status(page)
    assert status(page).count("(It was never asked anything, so its row means nothing.)") == 2


def test_only_raw_scores_are_stored():
    values = {param["name"]: param.get("value") for param in figure("explore").spec["params"]}
    assert np.abs(np.array(values["raw"])[0, 0] - Q @ K.T).max() < 1e-8


def test_the_same_bytes_every_time(bundles):
    again = live.explore(Q, K, WORDS, pick=SAT, unasked=UNASKED)
    assert again._repr_mimebundle_() == bundles["explore"]


def test_the_last_bit_of_a_score_changes_nothing():
    wiggle = 1 + 1e-15 * np.random.default_rng(5).standard_normal(Q.shape)
    again = live.explore(Q * wiggle, K, WORDS, pick=SAT, unasked=UNASKED)
    assert again.spec == figure("explore").spec


@pytest.mark.parametrize(
    "query, key, words, pick, complaint",
    [
        (Q[0], K[0], WORDS, 0, r"query: got shape \(8,\), expected \(N, d_k\)"),
        (Q, K[:5], WORDS, 0, r"key: got shape \(5, 8\), expected that of query, \(11, 8\)"),
        (Q, K, WORDS[:4], 0, "words: got 4, expected 11"),
        (Q, K, WORDS, 11, "pick: got 11, expected an index from 0 to 10"),
    ],
)
def test_bad_input_is_named(query, key, words, pick, complaint):
    with pytest.raises(ValueError, match=f"^{complaint}"):
        live.explore(query, key, words, pick=pick)
