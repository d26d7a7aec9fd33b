"""The book and small copies of it, built as `make book` does."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import do
from tests.support.notebooks import ROOT


def contents(toc):
    """Return the page names of a _toc.yml in reading order."""
    return re.findall(r"^[ -]*(?:root|file): (\S+)", toc.read_text(encoding="utf-8"), re.MULTILINE)


PAGES = contents(ROOT / "_toc.yml")


def build(source, output, environment=None):
    """Build a book as `make book` does, and return the folder of its pages and the finished run.

    environment: variables that the build gets beside this process's own.
    """
    command = [Path(sys.executable).with_name(do.BUILD[0]), *do.BUILD[1:]]
    run = subprocess.run(
        [*command, "--path-output", output, source],
        capture_output=True, encoding="utf-8", errors="replace", timeout=300,
        env=os.environ | (environment or {}),
    )  # fmt: skip
    return output / "_build" / "html", run


def report(run):
    text = re.sub(r"\x1b\[[0-9;]*m", "", run.stdout + run.stderr)
    warnings = [line for line in text.splitlines() if "WARNING" in line or "ERROR" in line]
    return "\n".join(warnings or text.splitlines()[-20:])


def source(page):
    """Return the Markdown of a page of the book."""
    path = ROOT / f"{page}.ipynb"
    if not path.exists():
        return (ROOT / f"{page}.md").read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def small_book(folder, text, address="", figures=None):
    """Make a book of one chapter and the bibliography, with the settings of this one.

    figures: {name: bundle of mime types}; each becomes the output of a chapter of that name.
    """
    figures = figures or {}
    for part in ("website", "attnbook", "references.bib"):
        (folder / part).symlink_to(ROOT / part)
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    assert config.count('\n  url: ""\n') == 1, "the repository's address is one key, empty today"
    config = config.replace('\n  url: ""\n', f'\n  url: "{address}"\n')
    toc = "format: jb-article\nroot: chapters/first\nsections:\n"
    toc += "".join(f"  - file: chapters/{name}\n" for name in ["bibliography", *figures])
    (folder / "_config.yml").write_text(config, encoding="utf-8")
    (folder / "_toc.yml").write_text(toc, encoding="utf-8")
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# First\n\n" + text}
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (folder / "chapters").mkdir()
    for name, bundle in figures.items():
        data = bundle | {"image/png": base64.b64encode(bundle["image/png"]).decode()}
        output = {"output_type": "execute_result", "execution_count": 1, "metadata": {}}
        code = {"cell_type": "code", "id": "b", "metadata": {}, "source": "figure"}
        code |= {"execution_count": 1, "outputs": [output | {"data": data}]}
        title = cell | {"source": f"# {name}\n\nA figure."}
        written = json.dumps(notebook | {"cells": [title, code]})
        (folder / "chapters" / f"{name}.ipynb").write_text(written, encoding="utf-8")
    (folder / "chapters" / "first.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (folder / "chapters" / "bibliography.md").symlink_to(ROOT / "chapters" / "bibliography.md")
    return build(folder, folder)
