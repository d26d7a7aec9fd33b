"""Notebooks are stored in one form, which saving in JupyterLab keeps to the byte."""

import json
import os
import shutil

import pytest
from jupyter_server.services.contents.filemanager import FileContentsManager

from tests.support.notebooks import CHAPTERS, ROOT, SOLUTIONS
from website.scripts import stored_form

FROM_LAB = {  # what JupyterLab puts into a notebook when it opens it
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python", "version": "3.13.0", "file_extension": ".py"},
}


@pytest.mark.parametrize("chapter", CHAPTERS + SOLUTIONS)
def test_opening_and_saving_a_chapter_in_lab_changes_nothing(chapter, tmp_path):
    stored = ROOT / "chapters" / f"{chapter}.ipynb"
    copy = shutil.copy(stored, tmp_path / "chapter.ipynb")
    manager = FileContentsManager(
        root_dir=str(tmp_path), pre_save_hook="website.scripts.stored_form.tidy_on_saving"
    )
    opened = manager.get("chapter.ipynb")
    opened["content"] = through_javascript(opened["content"])
    opened["content"]["metadata"].update(FROM_LAB)
    manager.save(opened, "chapter.ipynb")
    assert copy.read_bytes() == stored.read_bytes()


def through_javascript(value):
    """Return a value as JavaScript sends it back: 1.0 comes as 1."""
    if isinstance(value, dict):
        return {key: through_javascript(item) for key, item in value.items()}
    if isinstance(value, list):
        return [through_javascript(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def small_notebook():
    cell = {"cell_type": "markdown", "id": "a", "metadata": {"execution": {}}, "source": "√ d"}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def test_writing_leaves_out_times_and_keeps_letters(tmp_path):
    path = tmp_path / "a.ipynb"
    stored_form.write(small_notebook(), path)
    text = path.read_text(encoding="utf-8")
    assert "√ d" in text and text.endswith("}\n") and "execution" not in text
    assert json.loads(text)["metadata"] == stored_form.METADATA


def test_a_full_disk_leaves_the_old_notebook_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "a.ipynb"
    path.write_text("old", encoding="utf-8")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        stored_form.write(small_notebook(), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.ipynb"]
