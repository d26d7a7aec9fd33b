"""The chapters as the tests see them: their cells, tags and outputs."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))
SOLUTIONS = sorted(
    f"solutions/{path.stem}" for path in (ROOT / "chapters/solutions").glob("*.ipynb")
)


def read(chapter):
    """Return a chapter's notebook as nested dictionaries, its sources joined to one text a cell."""
    notebook = json.loads((ROOT / "chapters" / f"{chapter}.ipynb").read_text())
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def code_cells(chapter):
    """Return the code cells of a chapter, in order."""
    return [cell for cell in read(chapter)["cells"] if cell["cell_type"] == "code"]


def tags(cell):
    """Return a cell's tags."""
    return cell["metadata"].get("tags", [])


def claims_of(cell):
    """Return the numbers N of a cell's claim-N tags."""
    return [int(tag.removeprefix("claim-")) for tag in tags(cell) if tag.startswith("claim-")]


def printed(cell):
    """Return what a cell printed, as stored."""
    return "".join("".join(o["text"]) for o in cell["outputs"] if o["output_type"] == "stream")


def pictures(cell):
    """Return the base64 PNGs stored in a cell's outputs."""
    data = (output.get("data", {}) for output in cell["outputs"])
    return ["".join(d["image/png"]) for d in data if "image/png" in d]
