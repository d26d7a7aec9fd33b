"""`make notebooks` runs what it is asked to, goes on after a failure and ends with the list."""

import json

import pytest

from website.scripts import execute, stored_form


def write_chapter(root, name, source):
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": source}
    cell |= {"execution_count": None, "outputs": []}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path = root / "chapters" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    stored_form.write(notebook, path)
    return path


def test_without_a_name_the_book_in_its_order_and_with_one_its_solutions_too():
    names = [path.stem for path in execute.notebooks([])]
    assert names.index("query") < names.index("key") < names.index("score")
    score = execute.ROOT / "chapters" / "score.ipynb"
    assert execute.notebooks(["score"]) == [score, score.parent / "solutions" / "score.ipynb"]
    with pytest.raises(SystemExit, match="no chapter no_such"):
        execute.notebooks(["no_such"])


def test_the_others_go_on_after_a_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    wrong = write_chapter(tmp_path, "wrong", "assert 1 == 2, 'they differ'")
    right = write_chapter(tmp_path, "right", "print(6 * 7)")
    before = wrong.read_bytes()
    with pytest.raises(SystemExit, match=r"^Failed: chapters.wrong.ipynb$"):
        execute.main(["wrong", "right"])
    assert wrong.read_bytes() == before
    assert "they differ" in capsys.readouterr().out
    [cell] = json.loads(right.read_text(encoding="utf-8"))["cells"]
    assert cell["execution_count"] == 1 and cell["outputs"][0]["text"] == ["42\n"]
