"""Pick a word and see its weights, in one head or in any of a model's."""

from collections.abc import Sequence

from attnbook.live.figure import LiveFigure
from attnbook.live.panels import panel, side_by_side
from attnbook.live.settings import WEIGHT_SETTINGS, choice, pickers, weight_settings
from attnbook.live.status import OF_FROZEN, OF_WORD
from attnbook.live.vega import calculate, constant, each, rows
from attnbook.live.weights import weights
from attnbook.show import to_numpy
from attnlib.formula import scores


def explore(
    query,
    key,
    words: Sequence[str],
    *,
    pick: int,
    unasked: Sequence[int] = (),
    is_open: bool = True,
) -> LiveFigure:
    """Let the reader pick a word and see its weights; head, temperature, scale and mask are set.

    Args:
        query: (N, d_k); or (H, N, d_k) with a choice of heads, named from 0; or (L, H, N, d_k) with
            a choice of layers too, both then named from 1.
        key: In the shape of query.
        words: N texts.
        pick: The index of the word to begin with.
        unasked: Indices of words whose rows mean nothing and are greyed.
        is_open: Whether the settings beyond the word show at once.

    Returns:
        The figure. It holds only the raw scores; the reader's browser does the rest.

    Raises:
        ValueError: If the shapes of query, key and words do not fit, or pick is not the index of a
            word.
    """
    query, key = to_numpy(query), to_numpy(key)
    if query.ndim not in (2, 3, 4):
        raise ValueError(
            f"query: got shape {query.shape}, expected (N, d_k), (H, N, d_k) or (L, H, N, d_k)"
        )
    if key.shape != query.shape:
        raise ValueError(f"key: got shape {key.shape}, expected that of query, {query.shape}")
    length, d_k = query.shape[-2:]
    if len(words) != length:
        raise ValueError(f"words: got {len(words)}, expected {length}, one for each query")
    if pick not in range(length):
        raise ValueError(f"pick: got {pick!r}, expected an index from 0 to {length - 1}")

    raw = scores(query, key, scale=1.0)
    raw = raw.reshape((1,) * (4 - raw.ndim) + raw.shape)  # (L, H, N, N)
    labels = [f"{word} ({i + 1})" for i, word in enumerate(words)]
    params = [
        *pickers("i", range(length), labels, pick, [None]),
        *_layer_and_head(*raw.shape[:2]),
        *weight_settings(),
        {"name": "words", "value": list(words)},
        {"name": "unasked", "value": list(unasked)},
        constant("raw", raw),
    ]
    transform = [
        *each("j", length),
        calculate("h", "head"),
        calculate("asking", "words[datum.i]"),
        calculate("asked", "words[datum.j]"),
        calculate("mute", "indexof(unasked, datum.i) >= 0"),
        calculate("raw", "raw[layer][datum.h][datum.i][datum.j]"),
        *weights(d_k),
    ]
    drawing = side_by_side([panel(length)], columns=1)
    return LiveFigure(
        {"data": rows("i", length), "params": params, "transform": transform, **drawing},
        status=(OF_WORD, OF_FROZEN),
        more=("layer", "head", *WEIGHT_SETTINGS),
        is_open=is_open,
    )


def _layer_and_head(layers, heads):
    """Return the parameters layer and head; the reader sets those of which there are several."""
    params = []
    for name, count in (("layer", layers), ("head", heads)):
        param = {"name": name, "value": 0}
        if count > 1:
            labels = [str(n + (layers > 1)) for n in range(count)]
            param["bind"] = choice(range(count), f"{name} ", labels)
        params.append(param)
    return params
