"""Notebook hygiene: what nbval does not see, since it only compares the outputs that are there."""

import ast
import re

import pytest

import attnlib
from attnbook import exercises
from tests.support.notebooks import (
    CHAPTERS,
    ROOT,
    SOLUTIONS,
    code_cells,
    pictures,
    printed,
    read,
    tags,
)

AFTER_THE_ROOT = [c for c in CHAPTERS if c != "self_attention"]
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*\.\d+(?:e-?\d+)?")


def each_code_cell(check):
    """Run check(cell) on every code cell of every chapter and its solutions, one test each."""

    @pytest.mark.parametrize("chapter", CHAPTERS + SOLUTIONS)
    def test(chapter):
        for i, cell in enumerate(code_cells(chapter), start=1):
            complaint = check(cell)
            assert not complaint, f"{chapter}, code cell {i}: {complaint}\n{cell['source']}"

    return test


@pytest.mark.parametrize("chapter", CHAPTERS + SOLUTIONS)
def test_executed_from_top_to_bottom(chapter):
    counts = [cell["execution_count"] for cell in code_cells(chapter)]
    assert counts == list(range(1, len(counts) + 1)), "run `make notebooks`"


@each_code_cell
def test_no_error_no_stderr(cell):
    for output in cell["outputs"]:
        if output["output_type"] == "error" or output.get("name") == "stderr":
            return "an error or stderr is stored"


@each_code_cell
def test_what_prints_has_an_output(cell):
    prints = re.search(r"\bshow\.(?!to_numpy|number)\w+\(|\b(?:plots|live)\.\w+\(", cell["source"])
    if prints and not cell["outputs"]:
        return "its output is missing; run `make notebooks`"


@each_code_cell
def test_no_address_or_path_in_outputs(cell):
    text = printed(cell) + "".join(
        str(output.get("data", {}).get("text/plain", "")) for output in cell["outputs"]
    )
    if re.search(r"0x[0-9a-f]{6}|/(home|root|tmp|work|Users)/|\bcuda\b|device=", text):
        return "an address, a device or a machine's path is printed"


@each_code_cell
def test_figures_have_alt_text(cell):
    alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
    if pictures(cell) and len(alt.split()) < 6:
        return "the figure has no alt text that says what is to be seen (mystnb.image.alt)"


@each_code_cell
def test_only_timed_cells_go_uncompared(cell):
    skipped = [tag for tag in tags(cell) if tag.startswith("nbval") or tag == "raises-exception"]
    if "timed" in tags(cell) and skipped != ["nbval-ignore-output"]:
        return "a timed cell carries nbval-ignore-output"
    if "timed" not in tags(cell) and skipped:
        return f"{skipped} without the tag timed"
    if "timed" in tags(cell) and re.search(r"\bassert\b|show\.agree", cell["source"]):
        return "a time is asserted"


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
    again = defined & set(attnlib.__all__)
    if again:
        return f"{sorted(again)} is defined again"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_imports_attnlib_and_shows_a_figure(chapter):
    cells = code_cells(chapter)
    assert any("attnlib" in cell["source"] for cell in cells)
    assert any(pictures(cell) for cell in cells), "no figure"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_few_cells_go_uncompared(chapter):
    if chapter not in ("benefits", "quadratic_cost"):
        assert sum("timed" in tags(cell) for cell in code_cells(chapter)) <= 3


@pytest.mark.parametrize("chapter", AFTER_THE_ROOT)
def test_at_least_twelve_numbers_are_compared(chapter):
    compared = [printed(cell) for cell in code_cells(chapter) if "timed" not in tags(cell)]
    assert len({number for text in compared for number in NUMBER.findall(text)}) >= 12


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_length_of_the_prose(chapter):
    cells = read(chapter)["cells"]
    prose = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    words = len(prose.split("\n## Exercises")[0].split())
    assert 1200 <= words <= 2500, f"{words} words of prose"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_reads_as_one_book(chapter):
    text = "\n".join(c["source"] for c in read(chapter)["cells"] if c["cell_type"] == "markdown")
    assert text.startswith("# "), "a chapter opens with its title"
    assert len(re.findall(r"^# ", text, flags=re.M)) == 1
    assert "{cite" in text, "no source is cited"


@pytest.mark.parametrize("chapter", [c for c in AFTER_THE_ROOT if c != "words"])
def test_refers_to_the_control_ladder(chapter):
    assert any("ladder" in cell["source"] for cell in read(chapter)["cells"])


def exercises_of(chapter):
    """Return the exercises of a chapter: number, kind, and the page that its link leads to."""
    text = "\n".join(c["source"] for c in read(chapter)["cells"] if c["cell_type"] == "markdown")
    form = r"^\*\*Exercise (\d) \((.+?)\)\.\*\* .*\[Solution\]\((.+?)\)$"
    found = re.findall(form, text.partition("\n## Exercises")[2], re.M)
    assert len(found) == text.count("**Exercise "), "an exercise has another form, or no solution"
    return found


@pytest.mark.parametrize("chapter", [s.removeprefix("solutions/") for s in SOLUTIONS])
def test_each_exercise_has_a_solution_and_they_link_both_ways(chapter):
    found = exercises_of(chapter)
    assert 3 <= len(found) <= 5 and {"predict", "write", "break"} <= {kind for _, kind, _ in found}
    solved = "\n".join(
        c["source"] for c in read(f"solutions/{chapter}")["cells"] if c["cell_type"] == "markdown"
    )
    assert re.findall(r"^## Exercise (\d)$", solved, re.M) == [number for number, _, _ in found]
    assert f"(../{chapter}.ipynb#exercises)" in solved
    for number, _, link in found:
        assert link == f"solutions/{chapter}.ipynb#exercise-{number}"


@pytest.mark.parametrize("chapter", [s.removeprefix("solutions/") for s in SOLUTIONS])
def test_each_check_is_asked_in_the_chapter_and_right_in_the_solution(chapter):
    wanted = {name for name in exercises.names() if name.split(".")[0] == chapter}
    asked = "".join(map(printed, code_cells(chapter)))
    solved = "".join(map(printed, code_cells(f"solutions/{chapter}")))
    assert set(re.findall(r"^([\w.]+): not yet", asked, re.M)) == wanted
    assert set(re.findall(r"^([\w.]+): right$", solved, re.M)) == wanted


def test_no_stray_files_beside_the_chapters():
    kinds = {path.suffix for path in (ROOT / "chapters").iterdir() if path.is_file()}
    assert kinds <= {".ipynb", ".md"}


def package_lines():
    """Return every run of four code lines in attnlib, as one text a run."""
    runs = set()
    for path in [*(ROOT / "attnlib").rglob("*.py"), *(ROOT / "attnbook").rglob("*.py")]:
        runs |= set(runs_of_four(path.read_text()))
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
        return f"these lines stand in attnlib; import them:\n{copied.pop()}"
