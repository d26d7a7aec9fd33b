"""Writes the skeleton of a chapter, which passes `make check` as it stands:

python -m website.scripts.chapter NAME [CLAIM]

It holds one figure, one number and three exercises, one of them with a check, with answers and
solutions; if there is a claim, also a cell that shows it and a change that makes it false. It
comes last before the appendix; move its two lines in _toc.yml to where they belong.
"""

import re
import sys
from pathlib import Path

import yaml

from website.scripts import claims, execute, stored_form

ROOT = Path(__file__).resolve().parents[2]

TITLE = """\
# {title}

**The question that this chapter answers.**

What the reader has by now, and why it does not answer the question."""

FIGURE = """\
from attnbook import plots, show
from attnbook.models import grammar, partners
from attnlib import project, scores, softmax

model = partners.load("one_head")
words = grammar.SENTENCE
X = model.E[grammar.ids(words)]  # (N, d_model) = (11, 16)

A = softmax(scores(project(X, model.W_Q), project(X, model.W_K)))  # (N, N)
plots.heat_map(A, words, words)"""

ALT = "A heat map of eleven rows and columns; the row of sat is dark at cat and at mat."

PROSE = """\
What the figure shows, and what {{cite:t}}`Vaswani2017` say about it.

## {section}"""

NUMBER = """\
sums = A.sum(axis=-1)  # (N,)
assert abs(sums - 1).max() < 1e-12, "each row of weights sums to 1"
show.values(smallest_sum_of_a_row=sums.min(), largest_sum_of_a_row=sums.max())"""

SECTION = "What the numbers say"

EXERCISES = """\
What the reader has now, and the question that is open.

## Exercises

**Exercise 1 (predict).** What will change? Write it down, then run it. \
[Solution](solutions/{name}.ipynb#exercise-1)

**Exercise 2 (write).** Turn rows of positive numbers into shares. \
[Solution](solutions/{name}.ipynb#exercise-2)"""

ASKED = '''\
from attnbook import exercises


def shares(x):
    """x: (N, M), positive. Return each row divided by its sum."""
    ...  # your code


exercises.check("{name}.shares", shares)'''

LAST_EXERCISE = """\
**Exercise 3 (break).** What must you break to change the numbers above? \
[Solution](solutions/{name}.ipynb#exercise-3)"""

SOLUTIONS = """\
# Solutions: {title}

[Back to the exercises](../{name}.ipynb#exercises)

## Exercise 1

What changes, and why.

## Exercise 2"""

SOLVED = """\
from attnbook import exercises


def shares(x):
    return x / x.sum(axis=-1, keepdims=True)


exercises.check("{name}.shares", shares)"""

LAST_SOLUTION = """\
## Exercise 3

What breaks, and why."""

CHECKS = '''\
"""Checks for the exercises of the chapter {name}."""

import numpy as np

from attnbook.exercises.judge import judge


def shares(answer):
    """Check answer(x): each row of x (N, M) divided by its sum."""
    x = np.random.default_rng(0).uniform(1, 2, size=(3, 4))  # (N, M)
    by_column = {{"These are shares of the columns.": x / x.sum(axis=0)}}
    return judge(answer(x), x / x.sum(axis=-1, keepdims=True), by_column)
'''

ANSWERS = '''\
"""Answers to the exercises of {name}."""

ANSWERS = {{
    "shares": {{
        "right": lambda x: x / x.sum(axis=-1, keepdims=True),
        "wrong": [
            (lambda x: x / x.sum(axis=0), "shares of the columns"),
            (lambda x: x, "largest error"),
        ],
    }},
}}
'''

WORLD = '''\
"""Mutations that make the claims of the chapter {name} false."""


def rows_that_do_not_sum_to_1(namespace, replace):
    "Each weight is doubled."
    namespace["A"] = 2 * namespace["A"]


MUTATIONS = {{
    {number}: [rows_that_do_not_sum_to_1],
}}
'''


def notebook(name, cells):
    """Return a notebook of cells, each (kind, source, metadata), with names for them."""
    nodes = []
    for i, (kind, source, metadata) in enumerate(cells):
        cell = {"cell_type": kind, "id": f"{name}-{i:02}", "metadata": metadata, "source": source}
        nodes.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    return {"cells": nodes, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def chapter_cells(name, title, claim_number):
    tags = {"tags": [f"claim-{claim_number}"]} if claim_number else {}
    texts = {"name": name, "title": title, "section": SECTION}
    return [
        ("markdown", TITLE.format(**texts), {}),
        ("code", FIGURE, {"mystnb": {"image": {"alt": ALT}}}),
        ("markdown", PROSE.format(**texts), {}),
        ("code", NUMBER, tags),
        ("markdown", EXERCISES.format(**texts), {}),
        ("code", ASKED.format(**texts), {}),
        ("markdown", LAST_EXERCISE.format(**texts), {}),
    ]


def solution_cells(name, title):
    texts = {"name": name, "title": title}
    return [
        ("markdown", SOLUTIONS.format(**texts), {}),
        ("code", SOLVED.format(**texts), {}),
        ("markdown", LAST_SOLUTION.format(**texts), {}),
    ]


def with_entries(toc, name):
    """Return the text of _toc.yml with the chapter before the appendix and its solutions last."""
    chapters, appendix, rest = toc.partition("  - caption: Appendix\n")
    *_, last = re.finditer(r"^ *- file: chapters/solutions/\w+\n", rest, re.M)
    entry = re.sub(r"solutions/\w+", f"solutions/{name}", last[0])
    rest = rest[: last.end()] + entry + rest[last.end() :]
    return f"{chapters}      - file: chapters/{name}\n{appendix}{rest}"


def with_check(text, name):
    """Return the text of attnbook/exercises/__init__.py with the chapter's check in its place."""
    text = with_line(text, r"import \(\n", f"    {name},\n")
    return with_line(text, r"CHECKS = {.*\n", f'    "{name}.shares": {name}.shares,\n')


def with_line(text, start, line):
    """Return the text with a line among the indented ones after the start, in their order."""
    block = re.search(rf"{start}((?:    .*\n)+)", text)
    lines = sorted([*block[1].splitlines(keepends=True), line])
    return text[: block.start(1)] + "".join(lines) + text[block.end(1) :]


def claim_entry(name, claim, number):
    place = {"chapter": name, "section": SECTION, "says": "every row sums to {1.0000}"}
    entry = [{"claim": claim, "shown": [place]}]
    text = yaml.safe_dump(entry, allow_unicode=True, sort_keys=False, width=90)
    return f"# {number}\n{text}"


def main(name, claim=""):
    """Write everything and store the outputs of the chapter and of its solutions."""
    page = ROOT / "chapters" / f"{name}.ipynb"
    if not re.fullmatch("[a-z][a-z_]*", name):
        sys.exit(f"NAME: got {name!r}, expected small letters and _, as in linear_memory")
    if page.exists():
        sys.exit(f"NAME: got {name!r}, which exists already")
    title, number = name.replace("_", " ").capitalize(), None
    if claim:
        number = len(claims.claims()) + 1
        with (ROOT / "claims.yml").open("a", encoding="utf-8") as ledger:
            ledger.write(claim_entry(name, claim, number))
        write(f"tests/chapters/worlds/{name}.py", WORLD.format(name=name, number=number))
    write(f"attnbook/exercises/{name}.py", CHECKS.format(name=name))
    write(f"tests/chapters/answers/{name}.py", ANSWERS.format(name=name))
    change("attnbook/exercises/__init__.py", with_check, name)
    change("_toc.yml", with_entries, name)
    solutions = ROOT / "chapters" / "solutions" / f"{name}.ipynb"
    stored_form.write(notebook(name, chapter_cells(name, title, number)), page)
    stored_form.write(notebook(name, solution_cells(name, title)), solutions)
    execute.main([name])
    if claim:
        write("chapters/claims.md", claims.page())
    print("_toc.yml: move the two new lines to where they belong")


def change(path, edit, name):
    write(path, edit((ROOT / path).read_text(encoding="utf-8"), name))


def write(path, text):
    (ROOT / path).write_text(text, encoding="utf-8")
    print(f"{path}: written")


if __name__ == "__main__":
    main(*sys.argv[1:])
