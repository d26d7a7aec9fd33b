"""The page of notation: each symbol and term is first used in the chapter that the page names.

A symbol is looked for in formulas, a term in prose. One that stands in an earlier chapter is used
before it is introduced; a capital or Greek letter that the page lacks is not explained anywhere.
"""

import re
from pathlib import Path

import pytest

from tests.support.notebooks import ROOT, read

PAGE = (ROOT / "chapters" / "notation.md").read_text(encoding="utf-8")
ORDER = [
    Path(page).name
    for page in re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text())
    if (ROOT / "chapters" / f"{Path(page).name}.ipynb").exists() and "solutions" not in page
]
SYMBOLS, TERMS = PAGE.split("## Terms")
# The root page shows the whole formula as a promise, before any of it is explained.
PROMISED = {"self_attention"}
# Letters that one chapter alone uses and explains where they stand.
LOCAL = {
    "words": {"Y"},
    "score": {r"\theta", "U"},
    "quadratic_cost": {r"\varepsilon"},
    "linear_memory": {"D"},
    "block": {"P", "R", r"\beta", r"\gamma", r"\omega", r"\varepsilon"},
    "gpu_kernel": {"D", "P"},
    "many_devices": {"F", "P"},
}
# Chapters in which a word of everyday use is not yet the term that the page explains.
OTHERWISE = {
    "block": {"multi_head"},
    "exponent": {"softmax"},
    "merge": {"multi_head"},
}


def rows(part, first):
    """Return the cells of each row of a table whose last cell is a link; `first`: its header."""
    found = [line.strip("| \n").split(" | ") for line in part.splitlines() if "](" in line]
    assert found, f"no table of {first}"
    return found


def chapter_of(cells):
    return re.search(r"\((\w+)\.ipynb\)", cells[-1])[1]


def prose(chapter):
    return "\n".join(c["source"] for c in read(chapter)["cells"] if c["cell_type"] == "markdown")


def letters(text):
    """Return the letters of the formulas in a text, those with a telling subscript with it."""
    found = set()
    for display, inline in re.findall(r"\$\$(.+?)\$\$|\$(.+?)\$", text, re.S):
        formula = re.sub(r"\\text(?:it|bf)?\{model\}", "model", display + inline)
        formula = re.sub(r"\\mathsf T|\{\\mathsf T\}|\\mathcal\{?O\}?", " ", formula)
        formula = re.sub(r"\\(?:text\w*|begin|end|operatorname)\{[^}]*\}", " ", formula)
        greek = r"\\(?:phi|theta|delta|varepsilon|alpha|beta|gamma|lambda|mu|sigma|tau|omega)\b"
        found |= set(re.findall(greek, formula))
        formula = re.sub(r"\\[a-zA-Z]+", " ", formula)
        formula = re.sub(r"W_i?\^?\{?([QKVO])\}?|W_i\^([QKVO])", r" W_\1 ", formula)
        found |= set(re.findall(r"d_\{?(?:k|v|model)|W_[QKVO]|(?<![A-Za-z_])[A-Za-z]", formula))
    return {letter.replace("{", "") for letter in found}


def names(cell):
    """Return the letters that a cell of the table explains."""
    return letters(cell)


EXPLAINED = {
    letter: chapter_of(cells) for cells in rows(SYMBOLS, "symbol") for letter in names(cells[0])
}


def used_in(chapter):
    return {letter for letter in letters(prose(chapter)) if letter in EXPLAINED}


@pytest.mark.parametrize("chapter", [c for c in ORDER if c not in PROMISED])
def test_no_symbol_is_used_before_it_is_introduced(chapter):
    place = ORDER.index(chapter)
    early = {
        letter
        for letter in used_in(chapter)
        if not letter.islower() or letter.startswith("d_")  # small letters are indices too
        if ORDER.index(EXPLAINED[letter]) > place
    }
    assert not early, f"{sorted(early)}: used before the chapter that the page of notation names"


def test_each_symbol_is_used_in_the_chapter_that_introduces_it():
    for letter, chapter in EXPLAINED.items():
        if letter != "B":  # in shapes only
            assert letter in letters(prose(chapter)), f"{letter} is not in {chapter}"


@pytest.mark.parametrize("chapter", ORDER)
def test_every_capital_or_greek_letter_is_explained(chapter):
    known = set(EXPLAINED) | LOCAL.get(chapter, set())
    unknown = {x for x in letters(prose(chapter)) if x not in known and not x.islower()}
    unknown |= {x for x in letters(prose(chapter)) if x.startswith("\\") and x not in known}
    assert not unknown, f"not on the page of notation: {sorted(unknown)}"


@pytest.mark.parametrize("cells", rows(TERMS, "term"), ids=lambda cells: cells[0])
def test_each_term_is_first_used_where_the_page_says(cells):
    pattern = re.compile(rf"\b{re.escape(cells[0])}s?\b", re.I)
    chapters = [chapter for chapter in ORDER if chapter not in OTHERWISE.get(cells[0], ())]
    using = [chapter for chapter in chapters if pattern.search(prose(chapter))]
    assert using and using[0] == chapter_of(cells), f"first used in {using[:1]}"
