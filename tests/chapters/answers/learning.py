"""Answers to the exercises of learning."""

import numpy as np


def nudging(slope_between):
    """Make an answer of slope_between(f, x, nudge, h), which nudges one entry."""

    def answer(f, x, h):
        slope = np.zeros(x.shape)
        for place in np.ndindex(x.shape):
            nudge = np.zeros(x.shape)
            nudge[place] = h
            slope[place] = slope_between(f, x, nudge, h)
        return slope

    return answer


def not_put_back(f, x, h):
    slope = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        x[place] += h
        up = f(x)
        x[place] -= 2 * h
        slope[place] = (up - f(x)) / (2 * h)
    return slope


ANSWERS = {
    "slope_by_nudging": {
        "right": nudging(lambda f, x, e, h: (f(x + e) - f(x - e)) / (2 * h)),
        "wrong": [
            (nudging(lambda f, x, e, h: (f(x + e) - f(x - e)) / h), "divide by 2h"),
            (nudging(lambda f, x, e, h: (f(x + e) - f(x)) / h), "up only"),
            (nudging(lambda f, x, e, h: (f(x) - f(x - e)) / h), "down only"),
            (nudging(lambda f, x, e, h: (f(x + e) - f(x)) / (2 * h)), "one way only"),
            (nudging(lambda f, x, e, h: (f(x - e) - f(x + e)) / (2 * h)), "sign is reversed"),
            (lambda f, x, h: (f(x + h) - f(x - h)) / (2 * h), "nudged at once"),
            (not_put_back, "leaves x changed"),
        ],
    },
}
