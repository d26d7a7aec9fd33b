"""own_sentence: weights and answers of any sentence of the grammar, against attnlib."""

from itertools import product

import numpy as np
import pytest

from attnbook import live
from attnbook.models import grammar
from attnlib import multi_head_attention, project, softmax
from tests.attnbook.live.figures import SWITCHES, TWO, expected, figure, random_sliders
from tests.attnbook.live.reading import check_views, marks, set_to, short, status

KINDS = grammar.SLOTS
ROLES = [kind.lower() for kind in KINDS]  # animal, colour, verb, place
ORDERS = [form.lower().replace(" ,", ",") for form in grammar.FORMS]
AS_IT_IS = {"temperature": 1, "threshold": 0, "scaled": True, "causal": False}
W = (TWO.W_Q, TWO.W_K, TWO.W_V, TWO.W_O)


def cases():
    """Return (form, role, four words, settings): every choice of each list, unseen pairs, chance.

    The last 20 are drawn at random, settings and all.
    """
    rng = np.random.default_rng(2)
    each = [(f, r, ("cat", "black", "sat", "mat")) for f, r in product(range(4), range(4))]
    pairs = [(n % 4, 2, (a, "white", "lay", p)) for n, (a, p) in enumerate(grammar.UNSEEN_PAIRS)]
    pairs += [
        (0, 0, (a, c, v, "bed"))
        for a, c, v in zip(KINDS["ANIMAL"][:4], KINDS["COLOUR"], KINDS["VERB"], strict=True)
    ]
    plain = [(*one, AS_IT_IS) for one in each + pairs]
    drawn = [
        (*rng.integers(4, size=2).tolist(), tuple(str(rng.choice(k)) for k in KINDS.values()))
        for _ in range(20)
    ]
    sliders = random_sliders(seed=3)
    return plain + [(*one, sliders[n] | SWITCHES[n % 4]) for n, one in enumerate(drawn)]


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_own_sentence_is_exact(opened, every):
    page = opened("own_sentence")
    page.locator("summary").click()
    for form, role, chosen, settings in cases()[::every]:
        set_to(
            page,
            form=ORDERS[form],
            word_role=f"the {ROLES[role]}",
            **dict(zip(ROLES, chosen, strict=True)),
            **settings,
        )
        named = dict(zip(KINDS, chosen, strict=True))
        words = [named.get(w, w) for w in grammar.FORMS[form].split()]
        i = words.index(chosen[role])
        x = TWO.E[grammar.ids(words)]
        heads = []
        for h in range(2):
            own = slice(4 * h, 4 * h + 4)
            q, k, v = (project(x, M[:, own]) for M in W[:3])
            some = {key: settings[key] for key in ("scaled", "temperature", "causal")}
            A = expected(q, k, **some)
            more = {"causal": settings["causal"], "threshold": settings["threshold"]}
            check_views(page, A, words, i, f"_{h}", **more)
            heads.append(A @ v)
        shares = softmax(np.concatenate(heads, axis=-1)[i] @ TWO.W_O)  # (29,)
        check_answers(page, shares, chosen[role])
        met = "never met" if (chosen[0], chosen[3]) in grammar.UNSEEN_PAIRS else "met"
        assert status(page).endswith(f"The {chosen[0]} and the {chosen[3]} {met} in training.")
    assert not page.faults


def check_answers(page, shares, asking):
    """Hold the four bars, their names and numbers, and the sentence against the shares (29,)."""
    four = np.sort(np.argsort(shares)[-4:])  # in the order of the vocabulary, as they are told
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
    assert marks(page, "answer_title")[0]["said"] == f"{asking} answers"
    said = ", ".join(f"{grammar.VOCABULARY[t]} {short(shares[t])}" for t in four)
    assert f"{asking} answers {said}." in status(page)


def test_two_words_are_compared_head_by_head(opened):
    page = opened("own_sentence")
    set_to(page, frozen_role="the animal")
    sat, cat = (["Head 0: ", "Head 1: "], ["Beside it: Head 0: ", "Beside it: Head 1: "])
    places = [status(page).find(f"{head}sat takes") for head in sat]
    places += [status(page).find(f"{head}cat takes") for head in cat]
    assert -1 not in places and places == sorted(places)


def test_its_tables_hold_every_sentence_of_the_grammar():
    tables = {param["name"]: param.get("value") for param in figure("own_sentence").spec["params"]}
    raw, votes = np.array(tables["raw"]), np.array(tables["votes"])  # (H, V, V), (H, V, V)
    filled, lengths, _ = grammar.fill_forms(grammar.all_sentences())
    assert filled.shape[:2] == (4, 1024)
    for sentences, length in zip(filled, lengths, strict=True):
        numbers = sentences[:, :length]  # (1024, N)
        A = softmax(raw[:, numbers[:, :, None], numbers[:, None, :]] / 2)  # (H, 1024, N, N)
        logits = sum(A[h] @ votes[h][numbers] for h in range(2))  # (1024, N, V)
        X = TWO.E[numbers]
        assert np.abs(logits - multi_head_attention(X, X, X, *W, num_heads=2)).max() < 1e-6


def test_the_model_that_it_shows_is_attnlibs():
    words = "the cat , which was black , sat on the rug".split()
    x = TWO.E[grammar.ids(words)]
    logits = multi_head_attention(x, x, x, *W, num_heads=2)
    two = np.argsort(logits[words.index("sat")])[-2:]
    assert {grammar.VOCABULARY[t] for t in two} == {"cat", "rug"}
    said = repr(figure("own_sentence"))
    assert "Head 0: sat takes .96 of rug" in said and "Head 1: sat takes .95 of cat" in said
    assert "answers" not in said


@pytest.mark.parametrize(
    "sentence, complaint",
    [
        (["mat", "black", "sat", "mat"], "got 'mat', expected one of cat, dog"),
        (["cat", "black", "sat"], "got 3 words, expected animal, colour, verb, place"),
    ],
)
def test_bad_input_is_named(sentence, complaint):
    with pytest.raises(ValueError, match=f"^sentence: {complaint}"):
        live.own_sentence(TWO, sentence)
