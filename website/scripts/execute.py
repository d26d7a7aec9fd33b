"""Runs chapters and their solutions from a fresh kernel and stores their outputs:

python -m website.scripts.execute [CHAPTER...]

Without a name it runs all that _toc.yml names. One that fails stays as it was; the others go on.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from website.scripts import stored_form

ROOT = Path(__file__).resolve().parents[2]


def execute(path):
    """Run one notebook. The file changes only when every cell has run without an error."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as anywhere:  # a chapter must not depend on where it runs
        NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=600,
            record_timing=False,
            resources={"metadata": {"path": anywhere}},
            extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
            coalesce_streams=True,  # the kernel sends what is printed in pieces
        ).execute()
    stored_form.write(notebook, path)


def notebooks(names):
    """Return the notebooks of these chapters and their solutions, or all, in the book's order."""
    if names:
        pages = [f"chapters/{folder}{name}" for name in names for folder in ("", "solutions/")]
    else:
        toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
        pages = re.findall(r"(?:root|file): (chapters/\S+)", toc)
    found = [path for page in pages if (path := ROOT / f"{page}.ipynb").exists()]
    missing = [name for name in names if ROOT / f"chapters/{name}.ipynb" not in found]
    if missing:
        sys.exit(f"There is no chapter {', '.join(missing)} in chapters/.")
    return found


def main(names):
    failed = []
    for path in notebooks(names):
        name, start = path.relative_to(ROOT), time.monotonic()
        try:
            execute(path)
            print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)
        except (CellExecutionError, CellTimeoutError, DeadKernelError, OSError) as error:
            print(f"{name}: failed, and stays as it was\n{error}", flush=True)
            failed.append(str(name))
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1:])
