"""Write a sentence of the grammar and see what every head of a model makes of it."""

from collections.abc import Sequence

from attnbook.live.bars import bars
from attnbook.live.figure import LiveFigure
from attnbook.live.panels import panel, side_by_side
from attnbook.live.settings import WEIGHT_SETTINGS, choice, pickers, weight_settings
from attnbook.live.status import OF_FROZEN, OF_WORD, listed, said
from attnbook.live.style import WIDTH
from attnbook.live.vega import Plane, calculate, constant, each, keep, rows, softmax
from attnbook.live.weights import short, weights
from attnbook.models.grammar import (
    ANIMALS,
    FORMS,
    MAX_LENGTH,
    SLOTS,
    UNSEEN_PAIRS,
    VOCABULARY,
    ids,
)
from attnbook.models.partners import Model
from attnbook.plots.style import COLOURS
from attnlib.formula import scores
from attnlib.heads import split_heads

KINDS = [kind.lower() for kind in SLOTS]  # animal, colour, verb, place
OF_ANSWERS, OF_PAIR = "status_of_answers", "status_of_pair"  # names of layers


def own_sentence(model: Model, sentence: Sequence[str]) -> LiveFigure:
    """Let the reader write any sentence of the grammar; see each head's weights and the answer.

    A score of the model depends on two words alone, so one table of raw scores over the vocabulary
    holds the weights of every sentence. A table of votes does the same for the answers: what the
    value of a word adds, per unit of weight, to each of the 29 scores that W_O reads out.

    Args:
        model: One of partners.load().
        sentence: The animal, colour, verb and place to begin with.

    Returns:
        The figure.

    Raises:
        ValueError: If there are not four words, or one is in the wrong place.
    """
    _check(sentence)
    heads, d_k = model.num_heads, model.W_Q.shape[1] // model.num_heads
    Q, K, V = (split_heads(model.E @ W, heads) for W in (model.W_Q, model.W_K, model.W_V))
    votes = V @ model.W_O.reshape(heads, -1, len(VOCABULARY))  # (H, V, d_v) @ (H, d_v, V)
    orders = [form.lower().replace(" ,", ",") for form in FORMS]
    params = [
        *pickers("role", range(4), [f"the {kind}" for kind in KINDS], 2, range(heads)),
        *(
            {"name": kind, "value": int(ids([word])[0]), "bind": _words_of(kind)}
            for kind, word in zip(KINDS, sentence, strict=True)
        ),
        {"name": "form", "value": 0, "bind": choice(range(len(FORMS)), "order ", orders)},
        *weight_settings(narrow=heads > 1),
        {"name": "forms", "value": [_tokens(form) for form in FORMS]},
        {"name": "vocabulary", "value": list(VOCABULARY)},
        {"name": "chosen", "expr": f"[{', '.join(KINDS)}]"},
        {"name": "apart", "value": [int(ids([place])[0]) for _, place in UNSEEN_PAIRS]},
        constant("raw", scores(Q, K, scale=1.0)),
        constant("votes", votes),
    ]
    token = "forms[form][datum.{0}]"
    word = f"({token} < 0 ? chosen[-1 - {token}] : {token})"
    transform = [
        keep("datum.i < forms[form].length"),
        *each("j", "forms[form].length"),
        *each("h", heads),
        calculate("u", word.format("i")),
        calculate("v", word.format("j")),
        calculate("role", f"{token.format('i')} < 0 ? -1 - {token.format('i')} : null"),
        calculate("mute", "datum.role === null"),
        calculate("asking", "vocabulary[datum.u]"),
        calculate("asked", "vocabulary[datum.v]"),
        calculate("raw", "raw[datum.h][datum.u][datum.v]"),
        *weights(d_k),
    ]
    panels = [panel(MAX_LENGTH, h) for h in range(heads)]
    drawing = side_by_side([*panels, _answers()], columns=heads)
    return LiveFigure(
        {"data": rows("i", MAX_LENGTH), "params": params, "transform": transform, **drawing},
        status=(OF_WORD, OF_FROZEN, OF_ANSWERS, OF_PAIR),
        more=WEIGHT_SETTINGS,
        is_open=False,
    )


def _check(sentence):
    """Refuse words that are in the wrong place."""
    if len(sentence) != len(SLOTS):
        raise ValueError(f"sentence: got {len(sentence)} words, expected {', '.join(KINDS)}")
    for options, word in zip(SLOTS.values(), sentence, strict=True):
        if word not in options:
            raise ValueError(f"sentence: got {word!r}, expected one of {', '.join(options)}")


def _tokens(form):
    """Return a form as ids of the vocabulary; -1, -2, ... stand for the words to choose."""
    kinds = list(SLOTS)
    return [-1 - kinds.index(w) if w in kinds else int(ids([w])[0]) for w in form.split()]


def _words_of(kind):
    """Return the list from which the reader chooses a word."""
    words = SLOTS[kind.upper()]
    return choice(ids(words).tolist(), f"{kind} ", words)


def _answers():
    """Draw the four answers that the picked word finds likeliest: every head votes, by weight."""
    steps = [
        keep({"param": "word"}),
        *each("t", len(VOCABULARY)),
        calculate("vote", "datum.a * votes[datum.h][datum.v][datum.t]"),
        {"aggregate": [{"op": "sum", "field": "vote", "as": "logit"}], "groupby": ["asking", "t"]},
        *softmax("logit", "a"),
        calculate("text", short("datum.a")),
        calculate("answer", "vocabulary[datum.t]"),
        {
            "window": [{"op": "row_number", "as": "place"}],
            "sort": [{"field": "a", "order": "descending"}],
        },
    ]
    plane = Plane(-0.4, 1.15, 5.6, -0.5)
    best, four = keep("datum.place === 1"), keep("datum.place <= 4")
    title = [best, calculate("said", "datum.asking + ' answers'")]
    answers = [
        four,
        *listed("datum.answer + ' ' + datum.text", "4", [{"field": "t", "order": "ascending"}]),
        calculate("said", "datum.asking + ' answers ' + datum.list + '.'"),
    ]
    apart = f"apart[animal - {int(ids(ANIMALS)[0])}] === place"
    met = f"({apart} ? ' never met in training.' : ' met in training.')"
    pair = [
        best,
        calculate("said", f"'The ' + vocabulary[animal] + ' and the ' + vocabulary[place] + {met}"),
    ]
    left = {"x": plane.left, "align": "left"}
    layers = [
        plane.text("answer_title", "said", title, y=0, **left),
        *bars("answer", plane, "datum.place", "datum.a", "answer", COLOURS["value"], [four]),
        said(OF_ANSWERS, answers),
        plane.text(OF_PAIR, "said", pair, y=5.1, **left),
    ]
    return {"transform": steps, "layer": layers, "width": WIDTH, "height": 140}
