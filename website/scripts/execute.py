"""Runs notebooks from a fresh kernel and stores their outputs:

python website/scripts/execute.py FILE...
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ExecutePreprocessor

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path):
    """Re-executes one notebook. The file changes only when every cell has run without an error."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.update(METADATA)
    runner = ExecutePreprocessor(
        kernel_name="python3",
        timeout=600,
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
        coalesce_streams=True,  # the kernel sends what is printed in pieces, five times a second
    )
    with tempfile.TemporaryDirectory() as anywhere:  # a chapter must not depend on where it runs
        runner.preprocess(notebook, {"metadata": {"path": anywhere}})
    notebook.metadata.update(METADATA)  # the kernel wrote its versions there
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    beside = path.with_suffix(".ipynb.new")
    beside.write_text(nbformat.writes(notebook, indent=1).rstrip("\n") + "\n", encoding="utf-8")
    os.replace(beside, path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        start = time.monotonic()
        execute(Path(name))
        print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)
