"""Set W_Q and W_K by hand until the verb finds its animal and its place."""

from attnbook.live.bars import bars
from attnbook.live.figure import LiveFigure
from attnbook.live.panels import panel, side_by_side
from attnbook.live.settings import pickers, slider, width_of_page
from attnbook.live.status import OF_FROZEN, OF_WORD, said
from attnbook.live.style import WIDTH
from attnbook.live.vega import Plane, calculate, each, keep, rows
from attnbook.live.weights import short, weights
from attnbook.models.grammar import (
    ANIMALS,
    FUNCTION_WORDS,
    MAX_LENGTH,
    PLACES,
    SENTENCE,
    SLOTS,
    VOCABULARY,
    ids,
)
from attnbook.plots.style import COLOURS

KINDS = {"animal": "ANIMAL", "place": "PLACE", "colour": "COLOUR", "action": "VERB"}
FEATURES = (*KINDS, "cat", "mat")  # a query is made from the first four, a key from all six
SLIDERS = {
    **{f"q_{name}": f"W_Q {name} " for name in KINDS},
    **{f"k_{name}": f"W_K {name} " for name in FEATURES},
}
OF_MARKS = "status_of_marks"  # the name of a layer


def be_the_head() -> LiveFigure:
    """Let the reader set W_Q and W_K, of width 1, until sat finds cat and mat.

    Words have six readable features: animal, place, colour, action, and to be cat or to be mat. The
    result is scored on this sentence, on the pairs of training and on pairs never seen together, by
    twice the smaller of the verb's weights on its animal and its place: 1 is half and half.

    Returns:
        The figure.
    """
    fixed = {"scaled": False, "temperature": 1, "causal": False, "threshold": 0}
    labels = [f"{word} ({i + 1})" for i, word in enumerate(SENTENCE)]
    params = [
        *pickers("i", range(MAX_LENGTH), labels, SENTENCE.index("sat"), [None]),
        *(
            {"name": name, "value": 0, "bind": slider(-3, 3, 0.5, label)}
            for name, label in SLIDERS.items()
        ),
        *({"name": name, "value": value} for name, value in fixed.items()),
        width_of_page(),
        {"name": "sentence", "value": ids(SENTENCE).tolist()},
        {"name": "vocabulary", "value": list(VOCABULARY)},
        {"name": "features", "value": [_features(word) for word in VOCABULARY]},  # (29, 6)
    ]
    transform = [
        *each("j", MAX_LENGTH),
        calculate("h", 0),
        calculate("u", "sentence[datum.i]"),
        calculate("v", "sentence[datum.j]"),
        calculate("asking", "vocabulary[datum.u]"),
        calculate("asked", "vocabulary[datum.v]"),
        calculate("mute", f"datum.u < {len(FUNCTION_WORDS)}"),
        _raw_score(),
        *weights(d_k=1),
    ]
    head = panel(MAX_LENGTH)
    side_by_side([head], columns=1)
    head |= {"data": rows("i", MAX_LENGTH), "transform": transform}
    return LiveFigure(
        {"params": params, "concat": [head, _marks()], "columns": 1, "spacing": 16},
        "All entries of W_Q and W_K are 0, so sat takes .09 of every word: "
        "twice the smaller of its weights on cat and mat is .18.",
        status=(OF_WORD, OF_FROZEN, OF_MARKS),
    )


def _features(word):
    """Return the six features of a word, each 0 or 1."""
    return [int(word == name or word in SLOTS.get(KINDS.get(name), ())) for name in FEATURES]


def _raw_score():
    """Return the step that makes q·k from the sliders, for words u and v of the vocabulary."""
    dot = lambda letter, word, names: " + ".join(  # noqa: E731
        f"features[datum.{word}][{n}] * {letter}_{name}" for n, name in enumerate(names)
    )
    return calculate("raw", f"({dot('q', 'u', KINDS)}) * ({dot('k', 'v', FEATURES)})")


def _marks():
    """Draw how well the verb finds its animal and its place: here, in training, on unseen pairs."""
    cat, sat, mat = (SENTENCE.index(word) for word in ("cat", "sat", "mat"))
    first_animal, first_place = ids([ANIMALS[0], PLACES[0]])
    steps = [
        *each("animal", len(ANIMALS)),
        calculate("h", f"datum.place + {len(PLACES)} * datum.animal"),  # a softmax for each pair
        calculate("i", sat),
        *each("j", MAX_LENGTH),
        calculate("u", "sentence[datum.i]"),
        calculate(
            "v",
            f"datum.j === {cat} ? {first_animal} + datum.animal : "
            f"datum.j === {mat} ? {first_place} + datum.place : sentence[datum.j]",
        ),
        _raw_score(),
        *weights(d_k=1),
        keep(f"datum.j === {cat} || datum.j === {mat}"),
        {
            "aggregate": [{"op": "min", "field": "a", "as": "smaller"}],
            "groupby": ["animal", "place"],
        },
        calculate("unseen", f"datum.place === (datum.animal + 1) % {len(PLACES)}"),
        calculate("g", "datum.unseen ? [2] : datum.animal + datum.place ? [1] : [0, 1]"),
        {"flatten": ["g"]},
        {"aggregate": [{"op": "mean", "field": "smaller", "as": "smaller"}], "groupby": ["g"]},
        calculate("a", "2 * datum.smaller"),
        calculate("text", short("datum.a")),
        calculate("name", "['This sentence', 'Pairs of training', 'Unseen pairs'][datum.g]"),
    ]
    plane = Plane(-0.5, 1.15, 2.6, -0.6)
    layers = [
        *bars("mark", plane, "datum.g", "datum.a", "name", COLOURS["weights"]),
        said(OF_MARKS, [calculate("said", "datum.name + ': ' + datum.text + '.'")]),
    ]
    data = rows("place", len(PLACES))
    return {"data": data, "transform": steps, "layer": layers, "width": WIDTH, "height": 90}
