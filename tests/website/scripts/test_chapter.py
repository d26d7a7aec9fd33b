"""The skeleton of a chapter passes the checks as it stands."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.notebooks import ROOT
from website.scripts import chapter, claims


@pytest.mark.slow
def test_the_skeleton_passes_the_checks(tmp_path):
    ignored = shutil.ignore_patterns(".git*", ".venv", "_build", "__pycache__", ".pytest_cache")
    copy = shutil.copytree(ROOT, tmp_path / "copy", ignore=ignored)
    here = {**os.environ, "PYTHONPATH": str(copy)}
    here.pop("PYTEST_XDIST_WORKER", None)

    def run(*command):
        command = [sys.executable, "-m", *command]
        return subprocess.run(command, cwd=copy, env=here, capture_output=True, text=True)

    made = run("website.scripts.chapter", "one_more", "Rows of weights sum to 1.")
    assert made.returncode == 0, made.stdout + made.stderr
    written = [*copy.rglob("one_more.py"), *copy.rglob("one_more.ipynb")]
    assert len(written) == 5
    style = run("ruff", "check", *map(str, written))
    assert style.returncode == 0, style.stdout
    style = run("ruff", "format", "--check", *map(str, written))
    assert style.returncode == 0, style.stdout

    tests = ["tests/chapters/test_notebooks.py", "tests/chapters/test_notation.py"]
    tests += ["tests/chapters/test_claims.py", "tests/attnbook/test_exercises.py"]
    chosen = "one_more or ledger or page_of or has_a_cell or stray"
    tested = run("pytest", "-n", "0", "-k", chosen, *tests, *map(str, written[3:]))
    assert tested.returncode == 0, tested.stdout[-4000:]


def test_an_entry_stands_before_the_appendix_and_solutions_come_last():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    new = chapter.with_entries(toc, "one_more")
    before, after = new.split("- caption: Appendix")
    assert before.rstrip().endswith("- file: chapters/one_more")
    added = [line for line in new.splitlines() if "one_more" in line]
    assert len(added) == 2 and added[1] in after
    assert "".join(f"{line}\n" for line in new.splitlines() if line not in added) == toc


@pytest.mark.parametrize("name", ["Score", "1_more", "one-more", "score"])
def test_a_name_that_cannot_be_is_refused_before_anything_is_written(name):
    before = claims.page()
    with pytest.raises(SystemExit, match="^NAME: got"):
        chapter.main(name, "A claim.")
    assert claims.page() == before
