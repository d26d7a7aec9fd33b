"""From raw scores to weights and to their texts, in the reader's browser.

The rows of data are pairs: h is the head, i the word that asks, j the word that is asked.
"""

from attnbook.live.vega import calculate, softmax

LEAST = 0.005  # a smaller weight is written as 0, has no arc, and is not mentioned


def short(share: str) -> str:
    """Return the expression that writes a share: ".50", or "0" or "1" where it rounds to that.

    Args:
        share: The expression of a number from 0 to 1.
    """
    return (
        f"{share} < {LEAST} ? '0' : {share} >= {1 - LEAST} ? '1' : slice(format({share}, '.2f'), 1)"
    )


def weights(d_k: int) -> list[dict]:
    """Turn the field raw into the weight a: scale, temperature and mask, then a softmax over j.

    The field text is the weight as a text. The field seen says whether it is shown: it is not where
    the causal mask hides it, or where it is below the reader's threshold.
    """
    return [
        calculate("hidden", "causal && datum.j > datum.i"),
        calculate(
            "score", f"datum.hidden ? null : datum.raw / (scaled ? sqrt({d_k}) : 1) / temperature"
        ),
        *softmax("score", "a", ["h", "i"]),
        calculate("text", short("datum.a")),
        calculate("seen", "!datum.hidden && datum.a >= threshold"),
    ]
