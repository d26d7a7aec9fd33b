"""The form in which notebooks are stored, whoever runs or saves them, with whichever Python."""

import os

import nbformat

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},  # without the version of the Python that ran it last
}


def tidy(notebook):
    """Put a notebook's metadata, a nested dictionary, into the form in which they are stored."""
    notebook["metadata"].update(METADATA)
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)  # the times at which it ran


def tidy_on_saving(model, **_):
    """Tidy what JupyterLab is about to save; `make lab` passes this to Jupyter's pre_save_hook."""
    if model["type"] == "notebook":
        tidy(model["content"])


def write(notebook, path):
    """Write a notebook beside its path, then move it there: a full disk spares the old one."""
    tidy(notebook)
    text = nbformat.writes(nbformat.from_dict(notebook)).rstrip("\n") + "\n"
    beside = path.with_suffix(".ipynb.new")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
