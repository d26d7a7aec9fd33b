"""Writes the ledger of claims, chapters/claims.md, from claims.yml:

python -m website.scripts.claims
"""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "chapters" / "claims.md"
TEST = "test_claim_cells_fail_when_the_claim_is_false"  # in tests/chapters/test_claims.py
OPENING = """\
# The claims, one by one

The notes that this book follows make {count} claims. You need not take one of them on trust: each
is shown by a cell that computes it, prints a figure and asserts the claim with a margin. This page
lists them in order, with the figure as the cell prints it.

A claim can be true by accident of how it is tested. So each cell is run again by the tests with
something broken on purpose, such as keys that no longer depend on the word or a softmax without its
sum; the assertion has to fail. A figure here that the cell no longer prints fails the tests too.

Some claims hold in part only. Where that is so, the figure says how far.
"""


def claims():
    """Return the ledger: a list of claims in order, each with the places that show it."""
    return yaml.safe_load((ROOT / "claims.yml").read_text(encoding="utf-8"))


def title(chapter):
    """Return a chapter's title, up to a colon or comma."""
    path = ROOT / "chapters" / f"{chapter}.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    line = "".join(cells[0]["source"]).splitlines()[0].removeprefix("# ")
    return re.split("[:,]", line)[0]


def anchor(heading):
    """Return the anchor of a heading, as MyST makes it."""
    words = re.sub(r"[^\w\s-]", "", heading.lower())
    return words.strip().replace(" ", "-")


def page():
    """Return the page as Markdown."""
    ledger = claims()
    lines = [OPENING.format(count=len(ledger))]
    for number, entry in enumerate(ledger, start=1):
        lines.append(f"## Claim {number}. {entry['claim'].rstrip('.')}\n")
        for place in entry["shown"]:
            chapter, section = place["chapter"], place["section"]
            says = re.sub(r"[{}]", "", place["says"])
            link = f"[{section}]({chapter}.ipynb#{anchor(section)})"
            lines.append(f"- {title(chapter)}, {link}: {says}.")
        chapters = dict.fromkeys(place["chapter"] for place in entry["shown"])
        guards = ", ".join(f"`{TEST}[{chapter}]`" for chapter in chapters)
        lines.append(f"\nGuarded by {guards}.\n")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
