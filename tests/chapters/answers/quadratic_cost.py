"""Answers to the exercises of quadratic_cost."""


def pairs(n, left, right):
    left, right = min(left, n - 1), min(right, n - 1)
    return n * (left + 1 + right) - left * (left + 1) // 2 - right * (right + 1) // 2


ANSWERS = {
    "pairs_in_window": {
        "right": pairs,
        "wrong": [
            (lambda n, left, right: n * (left + 1 + right), "two ends"),
            (lambda n, left, right: pairs(n, left, right) - n, "sees itself"),
            (lambda n, left, right: n * n, "every pair"),
            (
                lambda n, left, right: (
                    n * (left + 1 + right) - left * (left + 1) // 2 - right * (right + 1) // 2
                ),
                "wider than the text",
            ),
        ],
    },
}
