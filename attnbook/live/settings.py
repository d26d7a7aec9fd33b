"""What the reader sets: lists, sliders, switches, and the word that is picked with the mouse."""

from collections.abc import Iterable, Sequence

WEIGHT_SETTINGS = ("scaled", "temperature", "causal", "threshold")
HIT_WORDS, HIT_ROWS = "hit_words", "hit_rows"  # layers that lie on top and take the clicks
HIT = {"type": "rect", "opacity": 0, "cursor": "pointer"}  # their marks


def choice(options: Iterable, name: str, labels: Iterable[str] | None = None) -> dict:
    """Return a list to choose from; labels are what the reader sees instead of the options."""
    more = {} if labels is None else {"labels": list(labels)}
    return {"input": "select", "options": list(options), "name": name, **more}


def slider(low: float, high: float, step: float, name: str) -> dict:
    """Return a slider."""
    return {"input": "range", "min": low, "max": high, "step": step, "name": name}


def switch(name: str) -> dict:
    """Return a box to tick."""
    return {"input": "checkbox", "name": name}


def width_of_page(narrow: bool = False) -> dict:
    """Return the parameter narrow, which every figure has: live.js sets it to suit the page."""
    return {"name": "narrow", "value": narrow}


def weight_settings(narrow: bool = False) -> list[dict]:
    """Return what decides how raw scores become weights, and which of these are shown."""
    return [
        {"name": "scaled", "value": True, "bind": switch("divide by √d_k ")},
        {"name": "temperature", "value": 1, "bind": slider(0.01, 5, 0.01, "temperature ")},
        {"name": "causal", "value": False, "bind": switch("causal mask ")},
        {"name": "threshold", "value": 0, "bind": slider(0, 0.5, 0.01, "hide below ")},
        width_of_page(narrow),
    ]


def of_head(h: int | None) -> str:
    """Return the suffix of the names of a head's layers; None where there is one panel only."""
    return "" if h is None else f"_{h}"


def pickers(
    field: str, options: Iterable, labels: Iterable[str], pick, heads: Sequence[int | None]
) -> list[dict]:
    """Return the selections word (a list, or a click) and frozen (a list, or a click with shift).

    The word picked is drawn in full; the frozen one, if any, is drawn beside it in dashes. Layers
    filter and colour by these two names.

    Args:
        field: The field of the data that tells the words apart.
        options: Its values.
        labels: What the reader sees instead of them.
        pick: The value to begin with.
        heads: One for each panel, whose layers HIT_WORDS and HIT_ROWS take the clicks.

    Returns:
        Two parameters of Vega-Lite.
    """
    options, labels = list(options), list(labels)
    views = [f"{layer}{of_head(h)}" for layer in (HIT_WORDS, HIT_ROWS) for h in heads]
    selections = []
    for name, value, event, bind in (
        ("frozen", -1, "event.shiftKey", choice([-1, *options], "compare with ", ["–", *labels])),
        ("word", pick, "!event.shiftKey", choice(options, "word ", labels)),  # Vega draws it first
    ):
        clicked = f"click[{event} && item() && item().datum && isValid(item().datum.{field})]"
        select = {"type": "point", "fields": [field], "on": clicked, "clear": False}
        start = {"value": [{field: value}], "bind": {field: bind}}
        selections.append({"name": name, "select": select, "views": views, **start})
    return selections
