"""Notebook hygiene: what nbval does not see, since it only compares the outputs that are there."""

import ast
import re
import shutil
import subprocess
from functools import cache

import pytest

import attnlib
from attnbook import exercises
from tests.support.notebooks import (
    CHAPTERS,
    ROOT,
    SOLUTIONS,
    code_cells,
    notebooks,
    pictures,
    printed,
    read,
    tags,
)

MOST_TIMED = 3  # cells of a chapter that nothing compares


def again(chapter):
    """Return what to type to run a chapter, or the one of these solutions, and store it anew."""
    return f"make notebooks CHAPTER={chapter.removeprefix('solutions/')}"


def each_code_cell(check):
    """Run check(cell) on every code cell of every chapter and its solutions, one test each.

    The check returns what is wrong and what to do, or None.
    """

    @pytest.mark.parametrize("chapter", CHAPTERS + SOLUTIONS)
    def test(chapter):
        for i, cell in enumerate(code_cells(chapter), start=1):
            complaint = check(cell)
            assert not complaint, f"chapters/{chapter}.ipynb, cell [{i}]: {complaint}"

    return test


@pytest.mark.parametrize("chapter", CHAPTERS + SOLUTIONS)
def test_executed_from_top_to_bottom(chapter):
    counts = [cell["execution_count"] for cell in code_cells(chapter)]
    message = f"chapters/{chapter}.ipynb was not run from its first cell to its last"
    assert counts == list(range(1, len(counts) + 1)), f"{message}: {again(chapter)}"


@each_code_cell
def test_no_error_no_stderr(cell):
    for output in cell["outputs"]:
        if output["output_type"] == "error" or output.get("name") == "stderr":
            return "an error or a warning is stored; mend the cell so that it prints none"


@each_code_cell
def test_what_prints_has_an_output(cell):
    prints = re.search(r"\bshow\.(?!to_numpy|number)\w+\(|\b(?:plots|live)\.\w+\(", cell["source"])
    if prints and not cell["outputs"]:
        return "its output is missing; run it and save, or `make notebooks`"


@each_code_cell
def test_no_address_or_path_in_outputs(cell):
    text = printed(cell) + "".join(
        str(output.get("data", {}).get("text/plain", "")) for output in cell["outputs"]
    )
    if re.search(r"0x[0-9a-f]{6}|/(home|root|tmp|work|Users)/|\bcuda\b|device=", text):
        return "an address, a device or a path is printed, which differs on another machine"


@each_code_cell
def test_figures_have_alt_text(cell):
    alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
    if pictures(cell) and len(alt.split()) < 6:
        return (
            f"the figure's alt text is {alt!r}; say in six words or more what is to be seen, "
            'in the metadata of the cell: {"mystnb": {"image": {"alt": "..."}}}'
        )


@each_code_cell
def test_only_timed_cells_go_uncompared(cell):
    skipped = [tag for tag in tags(cell) if tag.startswith("nbval") or tag == "raises-exception"]
    if "timed" in tags(cell) and skipped != ["nbval-ignore-output"]:
        return "it is tagged timed and prints what no other run does; add nbval-ignore-output"
    if "timed" not in tags(cell) and skipped:
        return f"{skipped} hides it from comparison; only a cell tagged timed may be hidden"
    if "timed" in tags(cell) and re.search(r"\bassert\b|show\.agree", cell["source"]):
        return "a time is asserted, which fails on another machine; assert a count"


@each_code_cell
def test_numbers_are_printed_through_show(cell):
    tree = ast.parse(cell["source"])
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if any(isinstance(call, ast.Name) and call.id in ("print", "display") for call in calls):
        return "print or display is called; use attnbook.show"
    data = [output["data"] for output in cell["outputs"] if "data" in output]
    if any("image/png" not in d for d in data):
        return "a bare expression is shown; use attnbook.show"


@each_code_cell
def test_no_name_of_attnlib_is_defined_again(cell):
    tree = ast.parse(cell["source"])
    defined = {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    defined |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    defined |= {
        a.asname
        for n in ast.walk(tree)
        if isinstance(n, (ast.Import, ast.ImportFrom))
        for a in n.names
        if a.asname
    }
    defined &= set(attnlib.__all__)
    if defined:
        return f"it defines {sorted(defined)}, which attnlib exports; choose another name"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_few_cells_go_uncompared(chapter):
    timed = sum("timed" in tags(cell) for cell in code_cells(chapter))
    message = f"chapters/{chapter}.ipynb has {timed} cells tagged timed, which nothing compares"
    assert timed <= MOST_TIMED, f"{message}; at most {MOST_TIMED}: count, do not time"


def prose(chapter):
    cells = read(chapter)["cells"]
    return "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_opens_with_its_only_title(chapter):
    text = prose(chapter)
    titles = re.findall(r"^# .*", text, flags=re.M)
    message = f"chapters/{chapter}.ipynb opens with {text[:40]!r} and has the titles {titles}"
    assert text.startswith("# ") and len(titles) == 1, f"{message}; expected one title, at the top"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_cites_a_source(chapter):
    message = f"chapters/{chapter}.ipynb cites nothing"
    assert "{cite" in prose(chapter), message + "; name a source, e.g. {cite:p}`Vaswani2017`"


def exercises_of(chapter):
    """Return the exercises of a chapter: number, kind, and the page that its link leads to."""
    text = prose(chapter).partition("\n## Exercises")[2]
    form = r"^\*\*Exercise (\d) \((.+?)\)\.\*\* .*\[Solution\]\((.+?)\)$"
    found = re.findall(form, text, re.M)
    named = text.count("**Exercise ")
    assert len(found) == named, (
        f"chapters/{chapter}.ipynb has {named} exercises, {len(found)} of them in the form, on one "
        f"line, **Exercise 1 (predict).** ... [Solution](solutions/{chapter}.ipynb#exercise-1)"
    )
    return found


@pytest.mark.parametrize("chapter", [s.removeprefix("solutions/") for s in SOLUTIONS])
def test_each_exercise_has_a_solution_and_they_link_both_ways(chapter):
    found = exercises_of(chapter)
    kinds = {kind for _, kind, _ in found}
    missing = {"predict", "write", "break"} - kinds
    assert not missing, f"chapters/{chapter}.ipynb has no exercise of the kinds {sorted(missing)}"
    solved = prose(f"solutions/{chapter}")
    page = f"chapters/solutions/{chapter}.ipynb"
    numbers = re.findall(r"^## Exercise (\d)$", solved, re.M)
    wanted = [number for number, _, _ in found]
    assert numbers == wanted, f"{page} solves the exercises {numbers}, expected {wanted}"
    back = f"(../{chapter}.ipynb#exercises)"
    assert back in solved, f"{page} has no link back to the exercises: [...]{back}"
    for number, _, link in found:
        wanted = f"solutions/{chapter}.ipynb#exercise-{number}"
        assert link == wanted, f"exercise {number} links to {link}, expected {wanted}"


@pytest.mark.parametrize("chapter", [s.removeprefix("solutions/") for s in SOLUTIONS])
def test_each_check_is_asked_in_the_chapter_and_right_in_the_solution(chapter):
    wanted = {name for name in exercises.names() if name.split(".")[0] == chapter}
    asked = "".join(map(printed, code_cells(chapter)))
    solved = "".join(map(printed, code_cells(f"solutions/{chapter}")))
    not_yet = set(re.findall(r"^([\w.]+): not yet", asked, re.M))
    right = set(re.findall(r"^([\w.]+): right$", solved, re.M))
    home = f"attnbook/exercises/{chapter}.py"
    assert not_yet == wanted, f"the chapter prints 'not yet' for {not_yet}, {home} has {wanted}"
    assert right == wanted, f"the solutions print 'right' for {right}, {home} has {wanted}"


def test_no_stray_files_beside_the_chapters():
    files = (path for path in (ROOT / "chapters").iterdir() if path.is_file())
    stray = [path.name for path in files if path.suffix not in (".ipynb", ".md")]
    assert not stray, f"chapters/ holds {stray}; keep notebooks and Markdown there"


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_scratch_notebooks_are_not_counted(tmp_path):
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".gitignore").write_text("mine*\n", encoding="utf-8")
    for name in ("score", "Untitled", "Untitled1", "mine", ".ipynb_checkpoints/score-checkpoint"):
        (tmp_path / f"{name}.ipynb").write_text("{}", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert notebooks(tmp_path) == [tmp_path / "score.ipynb"]


@cache
def package_lines():
    """Return every run of four code lines in the packages, each as one text."""
    runs = set()
    for path in [*(ROOT / "attnlib").rglob("*.py"), *(ROOT / "attnbook").rglob("*.py")]:
        runs |= set(runs_of_four(path.read_text(encoding="utf-8")))
    return runs


def runs_of_four(source):
    """Return each run of four consecutive lines that hold code, stripped and joined."""
    lines = [line.split("  #")[0].strip() for line in source.splitlines()]
    lines = [
        line for line in lines if len(line) > 3 and not line.startswith(("#", '"""', "import"))
    ]
    return ["\n".join(lines[i : i + 4]) for i in range(len(lines) - 3)]


@each_code_cell
def test_no_code_of_the_package_is_copied(cell):
    copied = package_lines() & set(runs_of_four(cell["source"]))
    if copied:
        return f"these lines are in the packages; import what they define:\n{copied.pop()}"
