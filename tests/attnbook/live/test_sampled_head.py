"""sampled_head: counts, shares and means at every number of draws."""

import numpy as np
import pytest

from attnbook import live
from attnbook.live.sampled_head import DRAWS
from attnlib import attention
from tests.attnbook.live.figures import SAT, WEIGHTS, WORDS, K, Q, V
from tests.attnbook.live.reading import marks, set_to, short, status


def test_every_number_of_draws(opened):
    page = opened("sampled")
    a = WEIGHTS[SAT]
    drawn = np.random.default_rng(1).choice(11, size=1000, p=a)
    output = attention(Q, K, V)[SAT]
    away = []
    for n in DRAWS:
        set_to(page, k=str(n))
        shares = np.bincount(drawn[:n], minlength=11) / n
        mean = V[drawn[:n]].mean(axis=0)
        check_shares(page, a, shares)
        for item in marks(page, "outputs"):
            assert abs(item["output"] - output[item["c"]]) < 1e-6
        for item in marks(page, "means"):
            assert abs(item["mean"] - mean[item["c"]]) < 1e-6
        assert len(marks(page, "outputs")) == len(marks(page, "means")) == 8
        away.append(np.linalg.norm(mean - output))
        words = "1 word" if n == 1 else f"{n:,} words"
        assert status(page) == f"After {words} the mean is {away[-1]:.3f} away from the output."
    assert away[-1] < away[0] / 20
    assert not page.faults


def check_shares(page, a, shares):
    """Hold the bars and their numbers against the weights and the shares of the draws."""
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


@pytest.mark.parametrize(
    "weights, value, complaint",
    [
        (WEIGHTS, V, r"weights: got shape \(11, 11\), expected \(11,\)"),
        (WEIGHTS[SAT], V[:5], r"value: got shape \(5, 8\), expected \(11, d_v\)"),
        (WEIGHTS[SAT], V[:, 0], r"value: got shape \(11,\), expected \(11, d_v\)"),
    ],
)
def test_bad_input_is_named(weights, value, complaint):
    with pytest.raises(ValueError, match=f"^{complaint}"):
        live.sampled_head(weights, value, WORDS)
