"""The figures under test, and what attnlib says that they should show."""

from functools import cache
from itertools import product

import numpy as np

from attnbook import live
from attnbook.models import grammar, partners
from attnlib import attention

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
    "explore": lambda: live.explore(Q, K, WORDS, pick=SAT, unasked=UNASKED),
    "heads": lambda: live.explore(Q_4, K_4, WORDS, pick=SAT, is_open=False),
    "own_sentence": lambda: live.own_sentence(TWO, ["cat", "black", "sat", "rug"]),
    "sampled": lambda: live.sampled_head(WEIGHTS[SAT], V, WORDS),
    "be_the_head": live.be_the_head,
    "dilated": live.dilated_pattern,
}


@cache
def figure(name):
    """Return a figure by its name in FIGURES."""
    return FIGURES[name]()


SWITCHES = [
    dict(zip(("scaled", "causal"), both, strict=True)) for both in product((True, False), repeat=2)
]


def expected(query, key, *, scaled=True, temperature=1.0, causal=False):
    """Return the weights by attention: (N, N)."""
    scale = (query.shape[-1] ** -0.5 if scaled else 1.0) / temperature
    zeros = np.zeros((len(key), 1))
    return attention(query, key, zeros, is_causal=causal, scale=scale, return_weights=True)[1]


def random_sliders(seed, count=20):
    """Return random positions of temperature and threshold, on the steps of the sliders."""
    rng = np.random.default_rng(seed)
    return [
        {"temperature": round(rng.integers(1, 501) / 100, 2), "threshold": rng.integers(51) / 100}
        for _ in range(count)
    ]
