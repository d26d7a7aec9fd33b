"""Figures that a reader can change: pick a word, turn a setting, and the weights follow.

A figure is a specification of Vega-Lite. It holds raw scores q·k; scale, mask, temperature,
softmax and even the sentence below it are transforms, which the reader's browser runs again at
every change. It shows itself as this specification (JupyterLab draws it; the website makes HTML of
it, by page), as a PNG (print) and as a text.

Each figure has a module of its own. What they are made of: arcs, heat_map and bars draw, panels
puts arcs and heat map together; weights turns scores into weights, status into sentences; settings
has the controls, style the colours, vega the words of Vega-Lite, figure the class and its HTML.
live.js brings the HTML to life.
"""

from attnbook.live.be_the_head import be_the_head
from attnbook.live.dilated_pattern import dilated_pattern
from attnbook.live.explore import explore
from attnbook.live.figure import MIME_TYPE, LiveFigure, page
from attnbook.live.own_sentence import own_sentence
from attnbook.live.sampled_head import sampled_head

__all__ = [
    "MIME_TYPE",
    "LiveFigure",
    "be_the_head",
    "dilated_pattern",
    "explore",
    "own_sentence",
    "page",
    "sampled_head",
]
