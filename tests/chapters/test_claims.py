"""Every claim of the notes is shown by a cell, and each such cell fails when its claim is false.

A chapter's code cells are executed in this process, in order, up to the last that shows a claim.
Before a cell tagged claim-N runs, it is run once under each of the chapter's mutations of claim N,
on a copy of the names it would see. Each such cell has to fail by an assertion under one of them,
and each mutation has to be noticed by one such cell.
"""

import importlib
import re
import sys

import pytest

import attnlib
from tests.support.notebooks import CHAPTERS, claims_of, code_cells, printed, read, tags
from website.scripts import claims

LEDGER = claims.claims()
CLAIMS = range(1, len(LEDGER) + 1)
MARKS = {
    "trained_model": [pytest.mark.minilm],
    # Their cells train models or count long sequences, once for each mutation.
    "benefits": [pytest.mark.slow],
    "dilated_attention": [pytest.mark.slow],
    "learning": [pytest.mark.slow],
}
WITH_CLAIMS = [c for c in CHAPTERS if any(claims_of(cell) for cell in code_cells(c))]


def test_each_claim_has_a_cell():
    shown = {
        claim for chapter in CHAPTERS for cell in code_cells(chapter) for claim in claims_of(cell)
    }
    assert shown == set(CLAIMS), f"claims without a cell: {set(CLAIMS) - shown}"


def evidence():
    """Return what the cells of each (claim, chapter, section) print, by these three."""
    shown = {}
    for chapter in CHAPTERS:
        section = None
        for cell in read(chapter)["cells"]:
            if cell["cell_type"] == "markdown":
                section = (re.findall(r"^#+ (.*)$", cell["source"], re.M) or [section])[-1]
                continue
            for claim in claims_of(cell):
                key = claim, chapter, section
                shown[key] = shown.get(key, "") + printed(cell)
    return shown


def test_the_ledger_names_every_cell_and_quotes_what_it_prints():
    shown, wanted = evidence(), {}
    for number, entry in enumerate(LEDGER, start=1):
        for place in entry["shown"]:
            wanted[number, place["chapter"], place["section"]] = place["says"]
    assert set(wanted) == set(shown), "places in claims.yml and places of tagged cells differ"
    for place, says in wanted.items():
        for figure in re.findall(r"{(.*?)}", says):
            whole = rf"(?<![\w.,-]){re.escape(figure)}(?![\w.]|,\d)"
            assert re.search(whole, shown[place]), f"{place}: the cell does not print {figure}"


def test_the_page_of_claims_is_made_from_the_ledger():
    assert claims.PAGE.read_text(encoding="utf-8") == claims.page(), "run `make notebooks`"


@pytest.mark.parametrize("chapter", [pytest.param(c, marks=MARKS.get(c, [])) for c in WITH_CLAIMS])
def test_claim_cells_fail_when_the_claim_is_false(chapter, monkeypatch):
    mutations = importlib.import_module(f"tests.chapters.worlds.{chapter}").MUTATIONS
    cells = code_cells(chapter)
    tagged = {claim for cell in cells for claim in claims_of(cell)}
    assert set(mutations) == tagged, "claims with a cell and claims with a mutation differ"

    monkeypatch.setattr("builtins.print", lambda *args, **kwargs: None)
    namespace = {"__name__": "__main__"}
    idle = {mutation for claim in mutations for mutation in mutations[claim]}
    last = max(i for i, cell in enumerate(cells, start=1) if claims_of(cell))
    for i, cell in enumerate(cells[:last], start=1):
        for claim in claims_of(cell):
            caught = {
                mutation
                for mutation in mutations[claim]
                if fails_under(mutation, cell["source"], dict(namespace))
            }
            assert caught, f"code cell {i}: claim {claim} holds under each of its mutations"
            idle -= caught
        if "timed" not in tags(cell) and i < last:
            exec(compile(cell["source"], f"<{chapter}>", "exec"), namespace)
    assert not idle, f"mutations that no cell notices: {[m.__name__ for m in idle]}"


def fails_under(mutation, source, namespace):
    """Say whether the cell fails by an assertion once the mutation is made; undo the mutation."""
    with pytest.MonkeyPatch.context() as patch:
        mutation(namespace, replacer(namespace, patch))
        try:
            exec(compile(source, f"<{mutation.__name__}>", "exec"), namespace)
        except AssertionError:
            return True
    return False


def replacer(namespace, patch):
    """Return replace(name, new), which puts new in the place of a function that attnlib exports.

    It does so in every module of attnlib and attnbook, and among the names of the chapter.
    """

    def replace(name, new):
        old = getattr(attnlib, name)
        modules = [
            m for key, m in sys.modules.items() if key.split(".")[0] in ("attnlib", "attnbook")
        ]
        for place in modules:
            if getattr(place, name, None) is old:
                patch.setattr(place, name, new)
        for key, kept in list(namespace.items()):
            if kept is old:
                namespace[key] = new

    return replace


def test_a_mutation_that_changes_nothing_survives():
    def change_nothing(namespace, replace):
        replace("softmax", attnlib.softmax)

    def break_the_softmax(namespace, replace):
        replace("softmax", lambda scores, **_: scores)

    source = "assert abs(softmax(np.zeros(4)).sum() - 1) < 1e-9"
    names = {"np": importlib.import_module("numpy"), "softmax": attnlib.softmax}
    assert not fails_under(change_nothing, source, dict(names))
    assert fails_under(break_the_softmax, source, dict(names))
    assert attnlib.softmax is names["softmax"], "the mutation is undone"
