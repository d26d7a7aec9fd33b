"""Figures that a reader can change: pick a word, turn a setting, and the weights follow.

Only raw scores q·k are stored in a figure. Scale, mask, temperature and softmax are written as
transforms of Vega-Lite, which the reader's browser runs again at every change. A figure shows
itself as a Vega-Lite specification (JupyterLab draws it; the website makes HTML of it, by page), as
a PNG (print) and as a text. Import this module by name.
"""

import html
import io
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import vl_convert
from PIL import Image

from attnbook.models.grammar import (
    ANIMALS,
    FORMS,
    FUNCTION_WORDS,
    MAX_LENGTH,
    PLACES,
    SENTENCE,
    SLOTS,
    UNSEEN_PAIRS,
    VOCABULARY,
    ids,
)
from attnbook.models.partners import Model
from attnbook.plots.style import COLOURS, INK, TEXT_COLOURS
from attnbook.show import to_numpy
from attnlib.formula import scores, softmax
from attnlib.heads import split_heads

WIDTH, ROW = 700, 25  # pixels: of a figure on a wide page, of a row of the heat map
LABELS = 1.9  # the room for the names of the rows, in columns
QUIET = "#646A74"  # the ink of what matters less, and of words that were never asked
ON_PALE, ON_DARK = "#010101", "#FEFEFE"  # numbers in the cells
DARK_FROM = 0.675  # the weight from which on a white number is easier to read than a black one
THEMED = {  # colours that the page may replace, by the name of its CSS variable
    COLOURS["weights"]: "--weights",
    TEXT_COLOURS["query"]: "--query",
    TEXT_COLOURS["key"]: "--key",
    TEXT_COLOURS["value"]: "--value",
    INK: "--ink",
    QUIET: "--quiet",
    COLOURS["other"]: "--other",
    ON_PALE: "--on-pale",
    ON_DARK: "--on-dark",
}
MIME_TYPE = "application/vnd.vegalite.v5+json"
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name; JupyterLab draws version 5
DRAWS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
START = DRAWS.index(10)
SETTINGS = ("scaled", "temperature", "causal", "threshold")
CONFIG = {
    "background": "white",
    "font": "DejaVu Sans, system-ui, sans-serif",
    "view": {"stroke": None},
    "text": {"color": INK, "fontSize": {"expr": "narrow ? 10 : 12"}, "baseline": "middle"},
    "mark": {"aria": False},  # the page describes the figure as a whole
}
HIT = {"type": "rect", "opacity": 0, "cursor": "pointer"}  # lies on top and takes the clicks
SHORT = "datum.a < 0.005 ? '0' : datum.a >= 0.995 ? '1' : slice(format(datum.a, '.2f'), 1)"


class Explorer:
    """A figure that a notebook shows live where scripts run, and as a picture where they do not.

    spec: its Vega-Lite specification. description: what it shows at first, in words. more: the
    settings that a page folds away, unless is_open.
    """

    def __init__(self, spec: dict, description: str, more: Sequence[str] = (), is_open=True):
        self.spec = {
            "$schema": SCHEMA,
            "config": CONFIG,
            "padding": 4,
            "description": description,
            "usermeta": {"more": list(more), "isOpen": is_open},
            **spec,
        }

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {
            MIME_TYPE: self.spec,
            "image/png": _smaller(vl_convert.vegalite_to_png(self.spec, scale=2)),
            "text/plain": repr(self),
        }

    def __repr__(self):
        return self.spec["description"]


def page(spec: dict) -> str:
    """Return the HTML of a figure: a static SVG, and its specification for live.js."""
    spec = spec | {"config": spec["config"] | {"background": None}}
    svg = re.sub(r"(\.\d\d)\d+", r"\1", vl_convert.vegalite_to_svg(spec))
    del spec["$schema"]  # the page's Vega-Lite is newer than JupyterLab's, and draws the same
    data = json.dumps(spec, separators=(",", ":"), ensure_ascii=False)
    data = data.replace("<", r"\u003c")  # nothing in it may end the script element
    text = (
        '<div class="explorer">\n<div class="explorer-picture">'
        f'<svg role="img" aria-label="{html.escape(spec["description"])}"{svg[4:]}</div>\n'
        f'<script type="application/json">{data}</script>\n</div>'
    )
    for colour, name in THEMED.items():
        text = text.replace(colour, f"var({name},{colour})")
    return text


def _smaller(png):
    """Compress a PNG again, without its alpha channel, and say that it has 192 dots an inch."""
    packed = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(packed, "PNG", optimize=True, dpi=(192, 192))
    return packed.getvalue()


def explore(
    query,
    key,
    words: Sequence[str],
    *,
    pick: int,
    unasked: Sequence[int] = (),
    side_by_side: bool = False,
    is_open: bool = True,
) -> Explorer:
    """Let the reader pick a word and see its weights; head, temperature, scale and mask are set.

    query, key: (N, d_k), or (H, N, d_k) with a choice of heads, or (L, H, N, d_k) with a choice of
    layers too, both then named from 1. words: N texts. pick: the word to begin with. unasked: words
    whose rows mean nothing and are greyed. side_by_side: draw all heads, not the chosen one.
    is_open: show the settings beyond the word at once.
    Raises: ValueError where the shapes of query, key and words do not fit, or pick is none of them.
    """
    query, key = to_numpy(query), to_numpy(key)
    if query.ndim not in (2, 3, 4) or query.shape != key.shape:
        raise ValueError(
            f"key: shape is {key.shape}, query has {query.shape}; "
            "expected (N, d_k), (H, N, d_k) or (L, H, N, d_k), both alike"
        )
    if len(words) != query.shape[-2]:
        raise ValueError(f"words: got {len(words)}, query has {query.shape[-2]} rows")
    if pick not in range(len(words)):
        raise ValueError(f"pick: got {pick!r}, expected a place among {len(words)} words")
    raw = scores(query, key, scale=1.0)
    raw = raw.reshape((1,) * (4 - raw.ndim) + raw.shape)  # (L, H, N, N)
    (layers, heads), d_k = raw.shape[:2], query.shape[-1]
    several = heads > 1 and side_by_side
    choices = [("layer", layers)] if several else [("layer", layers), ("head", heads)]
    shown = range(heads) if several else [None]
    named = lambda count: [str(n + (layers > 1)) for n in range(count)]  # noqa: E731
    labels = [f"{word} ({i + 1})" for i, word in enumerate(words)]
    params = [
        *_pickers("i", range(len(words)), labels, pick, shown),
        *(
            {"name": name, "value": 0}
            | ({"bind": _list(range(count), f"{name} ", named(count))} if count > 1 else {})
            for name, count in choices
        ),
        *_settings(narrow=several),
        {"name": "words", "value": list(words)},
        {"name": "unasked", "value": list(unasked)},
        _constant("raw", raw),
    ]
    transform = [
        *_each("j", len(words)),
        *(_each("h", heads) if several else [_calculate("h", "head")]),
        _calculate("asking", "words[datum.i]"),
        _calculate("asked", "words[datum.j]"),
        _calculate("mute", "indexof(unasked, datum.i) >= 0"),
        _calculate("raw", "raw[layer][datum.h][datum.i][datum.j]"),
        *_weights(d_k),
    ]
    drawing = _side_by_side(_panels(len(words), shown))
    said = [
        in_words(
            words[pick], words, softmax(raw[0, h, pick] / np.sqrt(d_k)), h if several else None
        )
        for h in range(heads if several else 1)
    ]
    return Explorer(
        {"data": _rows("i", len(words)), "params": params, "transform": transform, **drawing},
        " ".join(said),
        more=("layer", "head", *SETTINGS),
        is_open=is_open,
    )


def own_sentence(model: Model, sentence: Sequence[str], *, form: int = 0) -> Explorer:
    """Let the reader write any sentence of the grammar; see each head's weights and the answer.

    model: one of partners.load(). sentence: the animal, colour, verb and place to begin with.
    form: the place of its word order in grammar.FORMS.
    A score of the model depends on two words alone, so one table of raw scores over the vocabulary
    holds the weights of every sentence. A table of votes does the same for the answers: what the
    value of a word adds, per unit of weight, to each of the 29 scores that W_O reads out.
    Raises: ValueError where a word stands in the wrong place.
    """
    for kind, word in zip(SLOTS, sentence, strict=True):
        if word not in SLOTS[kind]:
            raise ValueError(f"sentence: got {word!r}, expected one of {', '.join(SLOTS[kind])}")
    heads, d_k = model.num_heads, model.W_Q.shape[1] // model.num_heads
    Q, K, V = (split_heads(model.E @ W, heads) for W in (model.W_Q, model.W_K, model.W_V))
    votes = V @ model.W_O.reshape(heads, -1, len(VOCABULARY))  # (H, V, d_v) @ (H, d_v, V)
    kinds = [kind.lower() for kind in SLOTS]
    orders = [order.lower().replace(" ,", ",") for order in FORMS]
    params = [
        *_pickers("role", range(4), [f"the {kind}" for kind in kinds], 2, range(heads)),
        *(
            {"name": kind, "value": int(ids([word])[0]), "bind": _words_of(kind)}
            for kind, word in zip(kinds, sentence, strict=True)
        ),
        {"name": "form", "value": form, "bind": _list(range(len(FORMS)), "order ", orders)},
        *_settings(narrow=heads > 1),
        {"name": "forms", "value": [_tokens(order) for order in FORMS]},
        {"name": "vocabulary", "value": list(VOCABULARY)},
        {"name": "chosen", "expr": f"[{', '.join(kinds)}]"},
        {"name": "apart", "value": [int(ids([place])[0]) for _, place in UNSEEN_PAIRS]},
        _constant("raw", scores(Q, K, scale=1.0)),
        _constant("votes", votes),
    ]
    token = "forms[form][datum.{0}]"
    word = f"({token} < 0 ? chosen[-1 - {token}] : {token})"
    transform = [
        {"filter": "datum.i < forms[form].length"},
        *_each("j", "forms[form].length"),
        *_each("h", heads),
        _calculate("u", word.format("i")),
        _calculate("v", word.format("j")),
        _calculate("role", f"{token.format('i')} < 0 ? -1 - {token.format('i')} : null"),
        _calculate("mute", "datum.role === null"),
        _calculate("asking", "vocabulary[datum.u]"),
        _calculate("asked", "vocabulary[datum.v]"),
        _calculate("raw", "raw[datum.h][datum.u][datum.v]"),
        *_weights(d_k),
    ]
    drawing = _side_by_side([*_panels(MAX_LENGTH, range(heads)), _answers()], columns=heads)
    words = [dict(zip(SLOTS, sentence, strict=True)).get(w, w) for w in FORMS[form].split()]
    verb, u = words.index(sentence[2]), ids(words)
    said = [
        in_words(words[verb], words, softmax(scores(Q[h, u], K[h, u]))[verb], h)
        for h in range(heads)
    ]
    return Explorer(
        {"data": _rows("i", MAX_LENGTH), "params": params, "transform": transform, **drawing},
        " ".join(said),
        more=SETTINGS,
        is_open=False,
    )


def _tokens(form):
    """Return a form as ids of the vocabulary; -1, -2, ... stand for the words to choose."""
    kinds = list(SLOTS)
    return [-1 - kinds.index(w) if w in kinds else int(ids([w])[0]) for w in form.split()]


def _words_of(kind):
    words = SLOTS[kind.upper()]
    return _list(ids(words).tolist(), f"{kind} ", words)


def in_words(asker: str, words: Sequence[str], weights, head: int | None = None) -> str:
    """Say a row of weights as a sentence, the largest first, as a figure's status line does.

    >>> in_words("sat", ["cat", "black", "mat"], [0.5, 0.004, 0.496])
    'sat takes .50 of cat, .50 of mat; less than .005 of any other word.'
    """
    order = sorted(range(len(words)), key=lambda j: -weights[j])
    name = lambda word: "comma" if word == "," else word  # noqa: E731
    share = lambda a: "1" if a >= 0.995 else f"{a:.2f}"[1:]  # noqa: E731
    large = [f"{share(weights[j])} of {name(words[j])}" for j in order if weights[j] >= 0.005]
    rest = "" if len(large) == len(words) else "; less than .005 of any other word"
    which = "" if head is None else f"Head {head}: "
    return f"{which}{name(asker)} takes {', '.join(large)}{rest}."


# From raw scores to weights, as Vega-Lite transforms.


def _rows(name, count):
    return {"sequence": {"start": 0, "stop": count, "as": name}}


def _calculate(name, expression):
    return {"calculate": str(expression), "as": name}


def _each(name, count):
    """Turn each row into several, numbered by a new field."""
    return [_calculate(name, f"sequence({count})"), {"flatten": [name]}]


def _constant(name, array):
    """Store an array. 8 decimals, because the last bits differ between processors."""
    return {"name": name, "value": (np.round(to_numpy(array), 8) + 0.0).tolist()}


def _weights(d_k):
    """Turn raw into the weight a: scale, temperature and mask, then a softmax over each row."""
    over_row = lambda op, field, name: {  # noqa: E731
        "joinaggregate": [{"op": op, "field": field, "as": name}],
        "groupby": ["h", "i"],
    }
    return [
        _calculate("hidden", "causal && datum.j > datum.i"),
        _calculate(
            "score", f"datum.hidden ? null : datum.raw / (scaled ? sqrt({d_k}) : 1) / temperature"
        ),
        over_row("max", "score", "top"),
        _calculate("e", "datum.hidden ? 0 : exp(datum.score - datum.top)"),
        over_row("sum", "e", "total"),
        _calculate("a", "datum.e / datum.total"),
        _calculate("text", SHORT),
        _calculate("seen", "!datum.hidden && datum.a >= threshold"),
    ]


# What the reader sets.


def _list(options, name, labels=None):
    more = {} if labels is None else {"labels": list(labels)}
    return {"input": "select", "options": list(options), "name": name, **more}


def _slider(low, high, step, name):
    return {"input": "range", "min": low, "max": high, "step": step, "name": name}


def _checkbox(name):
    return {"input": "checkbox", "name": name}


def _settings(narrow=False):
    """Return what every figure of weights lets the reader set."""
    return [
        {"name": "scaled", "value": True, "bind": _checkbox("divide by √d_k ")},
        {"name": "temperature", "value": 1, "bind": _slider(0.01, 5, 0.01, "temperature ")},
        {"name": "causal", "value": False, "bind": _checkbox("causal mask ")},
        {"name": "threshold", "value": 0, "bind": _slider(0, 0.5, 0.01, "hide below ")},
        {"name": "narrow", "value": narrow},  # the page sets it to suit its width
    ]


def _suffix(h):
    return "" if h is None else f"_{h}"


def _pickers(field, options, labels, pick, heads):
    """Return the selections word (a list, or a click) and frozen (a list, or a click with shift).

    Both live in the transparent top layers named hit_..., one in each view.
    """
    options, labels = list(options), list(labels)
    views = [f"hit_{part}{_suffix(h)}" for part in ("words", "rows") for h in heads]
    selections = []
    for name, value, event, bind in (
        ("frozen", -1, "event.shiftKey", _list([-1, *options], "compare with ", ["–", *labels])),
        ("word", pick, "!event.shiftKey", _list(options, "word ", labels)),  # Vega draws it first
    ):
        clicked = f"click[{event} && item() && item().datum && isValid(item().datum.{field})]"
        select = {"type": "point", "fields": [field], "on": clicked, "clear": False}
        start = {"value": [{field: value}], "bind": {field: bind}}
        selections.append({"name": name, "select": select, "views": views, **start})
    return selections


# The drawing: the words in a row, arcs above them, their numbers and the heat map below.


class _Plane(NamedTuple):
    """The coordinates of a view. Places in it are Vega expressions of the data."""

    left: float
    right: float
    bottom: float
    top: float

    def draw(self, name, mark, steps=(), *, x, y, x2=None, y2=None, **encoding):
        """Return a layer of marks; the page and the tests find them by the layer's name."""
        steps, domains = list(steps), {"x": [self.left, self.right], "y": [self.bottom, self.top]}
        for channel, place in {"x": x, "y": y, "x2": x2, "y2": y2}.items():
            if place is None:
                continue
            steps.append(_calculate(f"at_{channel}", place))
            encoding[channel] = {"field": f"at_{channel}"}
            if channel in domains:
                scale = {"domain": domains[channel], "nice": False, "zero": False}
                encoding[channel] |= {"type": "quantitative", "scale": scale, "axis": None}
        return {"name": name, "mark": mark, "transform": steps, "encoding": encoding}

    def text(self, name, field, steps=(), *, x, y, color=INK, **mark):
        """Return a layer that writes a field of the data."""
        fill = color if isinstance(color, dict) else {"value": color}
        mark = {"type": "text", **mark}
        return self.draw(name, mark, steps, x=x, y=y, text={"field": field}, color=fill)

    def cell(self, name, i, j, mark, steps=(), **encoding):
        """Return a layer of squares of side 1 around row i and column j."""
        edges = {"x": f"{j} - 0.5", "x2": f"{j} + 0.5", "y": f"{i} - 0.5", "y2": f"{i} + 0.5"}
        return self.draw(name, {"type": "rect", **mark}, steps, **edges | encoding)


def _panels(length, heads):
    """Return a panel a head, or one panel where heads is [None]."""
    panels = []
    for h in heads:
        of = _suffix(h)
        panel = {"vconcat": [_sentence(length, of), _heat_map(length, of)], "spacing": 4}
        if h is not None:
            panel |= {
                "title": {"text": f"head {h}", "anchor": "start", "color": INK},
                "transform": [{"filter": f"datum.h === {h}"}],
            }
        panels.append(panel)
    return panels


def _side_by_side(panels, columns=None):
    """Put panels in a row, or in rows of so many columns; WIDTH is for all."""
    columns = columns or len(panels)
    for view in (view for panel in panels for view in panel.get("vconcat", [panel])):
        view["width"] = (WIDTH - 24 * (columns - 1)) // columns
    return {"concat": panels, "columns": columns, "spacing": 24}


def _ramp(field, low, high):
    """Return the encoding of a share between 0 and 1."""
    scale = {"domain": [0, 1], "range": [low, high]}
    return {"field": field, "type": "quantitative", "scale": scale, "legend": None}


def _either(*cases, otherwise):
    """Return a value that depends on the first test that holds: (test or selection, value)."""
    key = lambda test: "param" if test in ("word", "frozen") else "test"  # noqa: E731
    return {"condition": [{key(t): t, "value": v} for t, v in cases], "value": otherwise}


def _narrow(small, large):
    return {"expr": f"narrow ? {small} : {large}"}


def _sentence(length, of):
    """Draw the words in a row, arcs from the chosen ones above, their weights below as numbers."""
    plane = _Plane(-LABELS, length - 0.5, -3.2, 6.2)
    itself = [{"filter": "datum.i === datum.j"}]
    first = [{"filter": "datum.j === 0"}]
    along = [_calculate("t", "sequence(0, 1.001, 0.04)"), {"flatten": ["t"]}]
    reach = f"5 * pow(abs(datum.j - datum.i) / {length - 1}, 0.6)"
    layers = []
    for kind, colour, dash, row in (
        ("frozen", TEXT_COLOURS["key"], [5, 4], -2.7),
        ("word", COLOURS["weights"], [1, 0], -1.7),
    ):
        chosen = [{"filter": {"param": kind}}]
        worth = [{"filter": "datum.seen && datum.a >= 0.005 && datum.i !== datum.j"}]
        seen = [{"filter": "datum.seen"}]
        layers += [
            plane.draw(
                f"arcs_of_{kind}{of}",
                {"type": "line", "color": colour, "strokeDash": dash},
                chosen + worth + along,
                x="datum.i + (datum.j - datum.i) * (1 - cos(PI * datum.t)) / 2",
                y=f"0.8 + {reach} * sin(PI * datum.t)",
                detail={"field": "j"},
                order={"field": "t"},
                strokeWidth=_ramp("a", 0.6, 9),
                strokeOpacity=_ramp("a", 0.3, 1),
            ),
            plane.text(
                f"numbers_of_{kind}{of}", "text", chosen + seen, x="datum.j", y=row, color=colour
            ),
            plane.text(
                f"name_of_{kind}{of}",
                "asking",
                chosen + first,
                x=-0.7,
                y=row,
                color=colour,
                align="right",
            ),
        ]
    layers += [
        plane.text(
            f"words{of}",
            "asking",
            itself,
            x="datum.i",
            y=0,
            color=_either(("word", TEXT_COLOURS["query"]), otherwise=INK),
            fontSize=_narrow(11, 15),
            angle=_narrow(315, 0),
        ),
        plane.draw(
            f"hit_words{of}",
            HIT,
            itself,
            x="datum.i - 0.5",
            x2="datum.i + 0.5",
            y=plane.bottom,
            y2=plane.top,
        ),
    ]
    return {"layer": layers, "width": WIDTH, "height": 170}


def _heat_map(length, of):
    """Draw every weight as a cell with its number, and outline the rows of the chosen words."""
    plane = _Plane(-LABELS, length - 0.5, length - 0.5, -0.5)
    first = [{"filter": "datum.j === 0"}]
    whole_row = {"x": -0.5, "x2": length - 0.5}
    frame = lambda kind, colour, dash: plane.cell(  # noqa: E731
        f"frame_of_{kind}{of}",
        "datum.i",
        "datum.j",
        {"fill": None, "stroke": colour, "strokeWidth": 2, "strokeDash": dash},
        [*first, {"filter": {"param": kind}}],
        **whole_row,
    )
    seen = {"test": "datum.seen", "field": "a", "type": "quantitative", "scale": None}
    shade = [{"test": "datum.mute", "value": 0.12}, seen]
    layers = [
        plane.cell(
            f"cells{of}",
            "datum.i",
            "datum.j",
            {"stroke": QUIET, "strokeOpacity": 0.3, "strokeWidth": 0.5},
            fill=_either(("datum.mute", COLOURS["other"]), otherwise=COLOURS["weights"]),
            fillOpacity={"condition": shade, "value": 0},
        ),
        plane.text(
            f"numbers_in_cells{of}",
            "text",
            [{"filter": "datum.seen"}],
            x="datum.j",
            y="datum.i",
            color=_either(
                ("datum.mute || datum.a < 0.02", QUIET),
                (f"datum.a > {DARK_FROM}", ON_DARK),
                otherwise=ON_PALE,
            ),
            fontSize=_narrow(9.5, 11.5),
        ),
        plane.text(
            f"names{of}",
            "asking",
            first,
            x=-0.7,
            y="datum.i",
            color=_either(("word", TEXT_COLOURS["query"]), ("datum.mute", QUIET), otherwise=INK),
            align="right",
            fontSize=_narrow(10.5, 13),
        ),
        frame("frozen", TEXT_COLOURS["key"], [5, 4]),
        frame("word", TEXT_COLOURS["query"], [1, 0]),
        plane.cell(f"hit_rows{of}", "datum.i", 0, HIT, first, x=-LABELS, x2=length - 0.5),
    ]
    return {"layer": layers, "width": WIDTH, "height": ROW * length}


def _bars(name, plane, row, share, label, colour, steps=()):
    """Draw horizontal bars from 0 to a share, its name before and its number behind each."""
    return [
        plane.draw(
            f"{name}_bars",
            {"type": "rect", "color": colour},
            steps,
            x=0,
            x2=share,
            y=f"{row} - 0.36",
            y2=f"{row} + 0.36",
        ),
        plane.text(f"{name}_words", label, steps, x=-0.02, y=row, align="right"),
        plane.text(f"{name}_numbers", "text", steps, x=f"{share} + 0.02", y=row, align="left"),
    ]


def _answers():
    """Draw the four answers that the picked word finds likeliest: every head votes, by weight."""
    over_all = lambda op, field, name: {  # noqa: E731
        "joinaggregate": [{"op": op, "field": field, "as": name}]
    }
    steps = [
        {"filter": {"param": "word"}},
        *_each("t", len(VOCABULARY)),
        _calculate("vote", "datum.a * votes[datum.h][datum.v][datum.t]"),
        {"aggregate": [{"op": "sum", "field": "vote", "as": "logit"}], "groupby": ["asking", "t"]},
        over_all("max", "logit", "top"),
        _calculate("e", "exp(datum.logit - datum.top)"),
        over_all("sum", "e", "total"),
        _calculate("a", "datum.e / datum.total"),
        _calculate("text", SHORT),
        _calculate("answer", "vocabulary[datum.t]"),
        {
            "window": [{"op": "row_number", "as": "place"}],
            "sort": [{"field": "a", "order": "descending"}],
        },
    ]
    plane = _Plane(-0.4, 1.15, 5.6, -0.5)
    best, four = [{"filter": "datum.place === 1"}], [{"filter": "datum.place <= 4"}]
    apart = f"apart[animal - {int(ids(ANIMALS)[0])}] === place"
    met = f"({apart} ? ' never met in training.' : ' met in training.')"
    pair = f"'The ' + vocabulary[animal] + ' and the ' + vocabulary[place] + {met}"
    left = {"x": plane.left, "align": "left"}
    title = [*best, _calculate("said", "datum.asking + ' answers'")]
    layers = [
        plane.text("answer_title", "said", title, y=0, **left),
        *_bars("answer", plane, "datum.place", "datum.a", "answer", COLOURS["value"], four),
        plane.text("status_pair", "said", [*best, _calculate("said", pair)], y=5.1, **left),
    ]
    return {"transform": steps, "layer": layers, "width": WIDTH, "height": 140}


# Other figures.


def sampled_head(weights, value, words: Sequence[str], *, seed: int = 1) -> Explorer:
    """Draw words with probability a_j, up to 1,000 of them; the mean of their values is shown.

    weights: (N,), one row. value: (N, d_v). words: N texts. seed: of the draws, which are made once
    and stored as counts, so that the figure is the same for every reader.
    Raises: ValueError where the three do not fit.
    """
    weights, value = to_numpy(weights), to_numpy(value)
    if weights.shape != (len(words),) or value.shape[:-1] != weights.shape:
        raise ValueError(
            f"weights: shape is {weights.shape}, value has {value.shape} and words {len(words)}; "
            "expected (N,), (N, d_v) and N"
        )
    drawn = np.random.default_rng(seed).choice(len(words), size=DRAWS[-1], p=weights)
    counts = [np.bincount(drawn[:n], minlength=len(words)).tolist() for n in DRAWS]
    params = [
        {"name": "k", "value": START, "bind": _list(range(len(DRAWS)), "words drawn ", DRAWS)},
        {"name": "narrow", "value": False},
        {"name": "draws", "value": list(DRAWS)},
        {"name": "counts", "value": counts},
        {"name": "words", "value": list(words)},
        _constant("weights", weights),
        _constant("values", value),
        _constant("output", weights @ value),  # (d_v,)
    ]
    transform = [
        _calculate("word", "words[datum.j]"),
        _calculate("share", "counts[k][datum.j] / draws[k]"),
        _calculate("a", "weights[datum.j]"),
    ]
    share = [f"{word} {n}" for word, n in zip(words, counts[START], strict=True) if n]
    return Explorer(
        {
            "data": _rows("j", len(words)),
            "params": params,
            "transform": transform,
            "concat": [_shares(len(words)), _means(value)],
            "columns": 1,
            "spacing": 12,
        },
        f"{DRAWS[START]} words drawn by their weights: {', '.join(share)}. Below, the columns of "
        "the output as bars and the mean of the values drawn as dots.",
    )


def _shares(length):
    """Draw each word's weight as a broad bar and its share of the draws as a slim one in it."""
    plane = _Plane(-LABELS, length - 0.5, -0.42, 1.02)
    layers = []
    for name, label, field, colour, half, opacity, row in (
        ("weights", "weight", "a", COLOURS["weights"], 0.4, 0.35, -0.23),
        ("shares", "drawn", "share", TEXT_COLOURS["value"], 0.2, 1, -0.35),
    ):
        value, first = f"datum.{field}", [{"filter": "datum.j === 0"}]
        layers += [
            plane.draw(
                name,
                {"type": "rect", "color": colour, "opacity": opacity},
                x=f"datum.j - {half}",
                x2=f"datum.j + {half}",
                y=0,
                y2=value,
            ),
            plane.text(
                f"numbers_of_{name}",
                "text",
                [_calculate("text", SHORT.replace("datum.a", value))],
                x="datum.j",
                y=row,
                color=colour,
            ),
            plane.text(
                f"name_of_{name}",
                "label",
                [*first, _calculate("label", f"'{label}'")],
                x=-0.7,
                y=row,
                color=colour,
                align="right",
            ),
        ]
    layers.append(plane.text("words", "word", x="datum.j", y=-0.09, angle=_narrow(315, 0)))
    return {"layer": layers, "width": WIDTH, "height": 240}


def _means(value):
    """Draw the columns of the output as bars and the mean of the values drawn as dots."""
    width, low, high = value.shape[1], value.min() - 0.5, value.max() + 0.5
    up = lambda share: float(np.round(low + share * (high - low), 2))  # noqa: E731
    plane = _Plane(-1.4, width - 0.5, up(0), up(1.3))
    steps = [
        *_each("c", width),
        _calculate("part", "datum.share * values[datum.j][datum.c]"),
        {"aggregate": [{"op": "sum", "field": "part", "as": "mean"}], "groupby": ["c"]},
        _calculate("output", "output[datum.c]"),
    ]
    distance = [
        _calculate("square", "pow(datum.mean - datum.output, 2)"),
        {"aggregate": [{"op": "sum", "field": "square", "as": "square"}]},
        _calculate(
            "said",
            "'After ' + format(draws[k], ',') + (k ? ' words' : ' word') + ' the mean is '"
            " + format(sqrt(datum.square), '.3f') + ' away from the output.'",
        ),
        _calculate("key", "'Bars: the columns of the output. Dots: the mean of the values drawn.'"),
    ]
    thick = up(1 / 60) - up(0)
    left = {"x": plane.left, "align": "left"}
    layers = [
        plane.draw(
            "outputs",
            {"type": "rect", "color": TEXT_COLOURS["value"], "opacity": 0.45},
            x="datum.c - 0.38",
            x2="datum.c + 0.38",
            y=f"datum.output - {thick}",
            y2=f"datum.output + {thick}",
        ),
        plane.draw(
            "means",
            {"type": "point", "filled": True, "color": INK, "size": 60, "opacity": 1},
            x="datum.c",
            y="datum.mean",
        ),
        plane.text("status_distance", "said", distance, y=up(1.24), **left),
        plane.text("key", "key", distance, y=up(1.1), color=QUIET, **left),
    ]
    return {"transform": steps, "layer": layers, "width": WIDTH, "height": 190}


def be_the_head() -> Explorer:
    """Let the reader set W_Q and W_K, of width 1, until sat finds cat and mat.

    Words have six readable features: animal, place, colour, action, and to be cat or to be mat. The
    result is scored on this sentence, on the pairs of training and on pairs never seen together, by
    twice the smaller of the verb's weights on its animal and its place: 1 is half and half.
    """
    kinds = {"animal": "ANIMAL", "place": "PLACE", "colour": "COLOUR", "action": "VERB"}
    features = (*kinds, "cat", "mat")
    X = [
        [int(word == f or word in SLOTS.get(kinds.get(f), ())) for f in features]
        for word in VOCABULARY
    ]  # (29, 6)
    dot = lambda letter, word, names: " + ".join(  # noqa: E731
        f"features[datum.{word}][{n}] * {letter}_{name}" for n, name in enumerate(names)
    )
    score = _calculate("raw", f"({dot('q', 'u', kinds)}) * ({dot('k', 'v', features)})")
    sliders = [
        {"name": f"{letter}_{name}", "value": 0, "bind": _slider(-3, 3, 0.5, f"{matrix} {name} ")}
        for letter, matrix, names in (("q", "W_Q", kinds), ("k", "W_K", features))
        for name in names
    ]
    labels = [f"{word} ({i + 1})" for i, word in enumerate(SENTENCE)]
    fixed = {"scaled": False, "temperature": 1, "causal": False, "threshold": 0, "narrow": False}
    params = [
        *_pickers("i", range(MAX_LENGTH), labels, SENTENCE.index("sat"), [None]),
        *sliders,
        *({"name": name, "value": value} for name, value in fixed.items()),
        {"name": "sentence", "value": ids(SENTENCE).tolist()},
        {"name": "vocabulary", "value": list(VOCABULARY)},
        {"name": "features", "value": X},
    ]
    transform = [
        *_each("j", MAX_LENGTH),
        _calculate("h", 0),
        _calculate("u", "sentence[datum.i]"),
        _calculate("v", "sentence[datum.j]"),
        _calculate("asking", "vocabulary[datum.u]"),
        _calculate("asked", "vocabulary[datum.v]"),
        _calculate("mute", f"datum.u < {len(FUNCTION_WORDS)}"),
        score,
        *_weights(1),
    ]
    [panel] = _side_by_side(_panels(MAX_LENGTH, [None]))["concat"]
    panel |= {"data": _rows("i", MAX_LENGTH), "transform": transform}
    return Explorer(
        {"params": params, "concat": [panel, _marks(score)], "columns": 1, "spacing": 16},
        "All entries of W_Q and W_K are 0, so sat takes .09 of every word: "
        "twice the smaller of its weights on cat and mat is .18.",
    )


def _marks(score):
    """Draw how well the verb finds its animal and its place: here, in training, on unseen pairs."""
    cat, sat, mat = (SENTENCE.index(word) for word in ("cat", "sat", "mat"))
    animals, places = (
        int(ids(SLOTS[kind])[0]) for kind in ("ANIMAL", "PLACE")
    )  # the first of each
    steps = [
        *_each("animal", len(ANIMALS)),
        _calculate("h", f"datum.place + {len(PLACES)} * datum.animal"),  # a softmax for each pair
        _calculate("i", sat),
        *_each("j", MAX_LENGTH),
        _calculate("u", "sentence[datum.i]"),
        _calculate(
            "v",
            f"datum.j === {cat} ? {animals} + datum.animal : "
            f"datum.j === {mat} ? {places} + datum.place : sentence[datum.j]",
        ),
        score,
        *_weights(1),
        {"filter": f"datum.j === {cat} || datum.j === {mat}"},
        {
            "aggregate": [{"op": "min", "field": "a", "as": "smaller"}],
            "groupby": ["animal", "place"],
        },
        _calculate("unseen", f"datum.place === (datum.animal + 1) % {len(PLACES)}"),
        _calculate("g", "datum.unseen ? [2] : datum.animal + datum.place ? [1] : [0, 1]"),
        {"flatten": ["g"]},
        {"aggregate": [{"op": "mean", "field": "smaller", "as": "smaller"}], "groupby": ["g"]},
        _calculate("a", "2 * datum.smaller"),
        _calculate("text", SHORT),
        _calculate("name", "['This sentence', 'Pairs of training', 'Unseen pairs'][datum.g]"),
        _calculate("said", "datum.name + ': ' + datum.text + '.'"),
    ]
    plane = _Plane(-0.5, 1.15, 2.6, -0.6)
    layers = [
        *_bars("mark", plane, "datum.g", "datum.a", "name", COLOURS["weights"]),
        plane.text("status_marks", "said", x=0, y="datum.g", opacity=0),
    ]
    data = _rows("place", len(PLACES))
    return {"data": data, "transform": steps, "layer": layers, "width": WIDTH, "height": 90}


def dilated_pattern(length: int = 32, *, num_heads: int = 4) -> Explorer:
    """Draw which pairs dilated attention keeps, for a segment length and a rate that are set.

    length: N, a power of 2. num_heads: heads to choose from; head h keeps every rate-th word of a
    segment from offset h // ⌈num_heads / rate⌉ on.
    Raises: ValueError where length is no power of 2 from 8 on.
    Source: Ding et al. 2023, section 2.2; the offsets are those of the authors' code.
    """
    if length < 8 or length & (length - 1):
        raise ValueError(f"length: got {length}, expected a power of 2 from 8 on")
    segments = [2**n for n in range(2, length.bit_length())]
    params = [
        {"name": "segment", "value": length // 2, "bind": _list(segments, "segment length ")},
        {"name": "rate", "value": 2, "bind": _list([1, 2, 4, 8], "rate ")},
        {"name": "head", "value": 0, "bind": _list(range(num_heads), "head ")},
        {"name": "causal", "value": False, "bind": _checkbox("causal mask ")},
        {"name": "narrow", "value": False},
    ]
    offset = f"floor(head / ceil({num_heads} / rate))"
    kept = [
        *_each("j", length),
        {"filter": "floor(datum.i / segment) === floor(datum.j / segment)"},
        *({"filter": f"datum.{n} % segment % rate === {offset}"} for n in ("i", "j")),
        {"filter": "!causal || datum.j <= datum.i"},
    ]
    said = (
        f"format(datum.pairs, ',') + ' of {length**2:,} pairs are kept, '"
        f" + format(100 * datum.pairs / {length**2}, '.1f') + ' %.'"
    )
    count = [{"aggregate": [{"op": "count", "as": "pairs"}]}, _calculate("said", said)]
    plane = _Plane(-0.5, length - 0.5, length - 0.5, -3.5)
    frame = {"type": "rect", "fill": None, "stroke": QUIET, "strokeOpacity": 0.6}
    whole = {"x": -0.5, "x2": length - 0.5, "y": -0.5, "y2": length - 0.5}
    layers = [
        plane.draw("frame", frame, [{"filter": "datum.i === 0"}], **whole),
        plane.cell("pairs", "datum.i", "datum.j", {"color": COLOURS["weights"]}, kept),
        plane.text("status_pairs", "said", kept + count, x=-0.5, y=-2, align="left"),
    ]
    view = {"layer": layers, "width": 320, "height": round(320 * (length + 3) / length)}
    return Explorer(
        {"data": _rows("i", length), "params": params, "concat": [view], "columns": 1},
        f"Of {length**2:,} pairs of {length} words {length**2 // 8} are kept: in each of two "
        "segments every second word sees every second word.",
    )
