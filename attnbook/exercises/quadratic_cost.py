"""Checks for the exercises of the chapter quadratic_cost."""

from attnbook.exercises.judge import judge
from attnlib.masks import window_mask


def pairs_in_window(answer):
    """Check answer(n, left, right): how many pairs of n words a window allows."""
    for n, left, right in ((50, 7, 4), (50, 7, 0), (5, 9, 9)):
        right_count = int(window_mask(n, n, window=(left, right)).sum())
        hint = judge(
            answer(n, left, right),
            right_count,
            {
                "You forgot that a word sees itself, too.": right_count - n,
                "Words at the two ends have fewer neighbours: subtract what sticks out.": n
                * (left + 1 + right),
                "That is every pair: the window leaves most of them out.": n * n
                if n > left + right
                else None,
            },
        )
        if hint:
            return hint if n > left + right else f"Wrong for a window wider than the text. {hint}"
    return None
