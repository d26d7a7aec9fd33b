"""Checks for the exercises of the chapter key."""

import numpy as np

from attnbook.exercises.judge import judge


def queries_for_bare_words(answer):
    """Check answer(X, W_Q, W_K): queries (N, d_model) for X as keys, with the same scores."""
    n, d_model, d_k = 7, 6, 3  # with N > d_model the scores allow these queries and no others
    rng = np.random.default_rng(0)
    X, W_Q, W_K = (rng.normal(size=s) for s in ((n, d_model), (d_model, d_k), (d_model, d_k)))
    asks, asks_back = X @ W_Q @ W_K.T, X @ W_K @ W_Q.T  # (N, d_model) each
    wider = np.sqrt(d_model / d_k)
    turned = "That is the score from the word that is asked to the one that asks: which matrix "
    turned += "meets the row of the asker first?"
    return judge(
        answer(X, W_Q, W_K),
        asks * wider,
        {
            "Each score is too small by one factor: what does scores divide by, then and now?": (
                asks
            ),
            "You divide by √d_k, and scores divides once more: compare with scores(Q, K).": asks
            / np.sqrt(d_k),
            "The ratio of the widths is inverted: compare with scores(Q, K).": asks / wider,
            turned: asks_back * wider,
            f"{turned} The size of the scores is off, too.": asks_back,
            "These queries are as narrow as before, and cannot meet a row of X.": X @ W_Q,
            "These are the scores themselves: queries are wanted, (N, d_model).": X
            @ W_Q
            @ (X @ W_K).T
            / np.sqrt(d_k),
        },
    )
