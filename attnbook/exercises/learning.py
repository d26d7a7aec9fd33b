"""Checks for the exercises of the chapter learning."""

import numpy as np

from attnbook.exercises.judge import judge


def slope_by_nudging(answer):
    """Check answer(f, x, h): the slope of f at each entry of x, from nudges of h up and down."""
    rng = np.random.default_rng(0)
    c, w, x = rng.normal(size=(3, 2, 4))  # (2, 4) each
    h = 0.25  # so large that each mistake shows

    def f(x):
        return (c * x**3).sum() + (w * x).sum() ** 2

    right = c * (3 * x**2 + h**2) + 2 * w * (w * x).sum()  # what nudges both ways give
    one_way = h * (3 * c * x + w**2)  # what nudges one way add
    given = x.copy()
    result = answer(f, given, h)
    if not np.array_equal(given, x):
        return "Your function leaves x changed, so later slopes start elsewhere: put it back."
    return judge(
        result,
        right,
        {
            "Between up and down there are two nudges: divide by 2h.": 2 * right,
            "You nudge up only: an error as large as h is left. Nudge down as well.": right
            + one_way,
            "You nudge down only: an error as large as h is left. Nudge up as well.": right
            - one_way,
            "You divide by 2h, but nudge one way only.": (right + one_way) / 2,
            "All entries are nudged at once: the slope at each needs a nudge of its own.": (
                f(x + h) - f(x - h)
            )
            / (2 * h),
            "The sign is reversed: up minus down, not down minus up.": -right,
        },
    )
