"""The notebooks that the website offers run outside the repository."""

import json
import os
import re
import subprocess
import sys
from zipfile import ZipFile

import pytest

from tests.support.book import PAGES
from tests.support.notebooks import CHAPTERS, ROOT, SOLUTIONS
from tests.support.page_faults import parsed, target_of
from website.extensions import downloads
from website.extensions.downloads import ARCHIVE, EXTRA

FOLDER = ARCHIVE.removesuffix(".zip")
RUN_ALONE = ["self_attention", "words"]  # they need no torch, which would be gigabytes


def first_cell(notebook):
    cell = json.loads(notebook)["cells"][0]
    assert cell["cell_type"] == "code" and not cell["outputs"]
    return "".join(cell["source"])


def complaint_of(cell):
    """Run a cell where nothing is installed, and return the last line that Python says."""
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", cell], capture_output=True, encoding="utf-8"
    )
    return run.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def archive(site):
    with ZipFile(site / "_static" / ARCHIVE) as packed:
        yield packed


def test_a_page_offers_its_source_and_the_archive(site):
    for page in (PAGES[0], "chapters/solutions/words", "chapters/how_to_read", "api/index"):
        path = site / f"{page}.html"
        [button] = parsed(path).select("a.btn-download-source-button")
        is_notebook = (ROOT / f"{page}.ipynb").exists()
        assert target_of(path, button["href"]).suffix == (".ipynb" if is_notebook else ".md")
        [button] = parsed(path).select("a.btn-download-archive-button")
        assert target_of(path, button["href"]) == site / "_static" / ARCHIVE


def test_the_archive_holds_the_chapters_and_the_wheel_and_says_what_to_type(archive):
    names = [name.removeprefix(f"{FOLDER}/") for name in archive.namelist()]
    notebooks = {name for name in names if name.endswith(".ipynb")}
    assert notebooks == {f"chapters/{name}.ipynb" for name in [*CHAPTERS, *SOLUTIONS]}
    [wheel] = [name for name in names if name.endswith(".whl")]
    readme = archive.read(f"{FOLDER}/README.txt").decode()
    install, start = re.findall(r"^    (.+)$", readme, re.MULTILINE)
    assert install == f'pip install jupyterlab "{wheel}[{EXTRA}]"'
    assert start.removeprefix("jupyter lab ") in names


def test_the_wheel_holds_both_packages_as_they_are_here(site):
    [wheel] = (site / "_static").glob("*.whl")
    with ZipFile(wheel) as packed:
        modules = {name for name in packed.namelist() if name.endswith(".py")}
        here = [path for name in ("attnlib", "attnbook") for path in ROOT.glob(f"{name}/**/*.py")]
        assert modules == {path.relative_to(ROOT).as_posix() for path in here}
        for name in modules:
            assert packed.read(name) == (ROOT / name).read_bytes()


def test_a_notebook_begins_with_a_cell_that_says_what_is_missing(site, archive):
    [wheel] = (site / "_static").glob("*.whl")
    for name in [*CHAPTERS, *SOLUTIONS]:
        offered = (site / "_sources" / "chapters" / f"{name}.ipynb").read_text(encoding="utf-8")
        assert archive.read(f"{FOLDER}/chapters/{name}.ipynb").decode() == offered
        kept = (ROOT / "chapters" / f"{name}.ipynb").read_text(encoding="utf-8")
        assert json.loads(offered)["cells"][1:] == json.loads(kept)["cells"]
    complaint = complaint_of(first_cell(offered))
    assert complaint.startswith("ImportError: attnbook is not installed. ")
    assert ARCHIVE in complaint and f'pip install "{wheel.name}[{EXTRA}]"' in complaint


def test_with_an_address_the_first_cell_installs_the_packages_from_it():
    cell = "".join(downloads.first_cell("attnlib-1-py3-none-any.whl", "https://a.org/b/")["source"])
    wanted = f"attnlib[{EXTRA}] @ https://a.org/b/_static/attnlib-1-py3-none-any.whl"
    assert cell.splitlines()[-1] == f'    %pip install --quiet "{wanted}"'


def without_torch(wheel):
    """Return what a chapter needs beside the wheel, less torch."""
    with ZipFile(wheel) as files:
        [name] = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        lines = files.read(name).decode().splitlines()
    named = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ")]
    of_extra = [name.partition(";")[0].strip() for name in named if f'extra == "{EXTRA}"' in name]
    return [name for name in of_extra if not name.startswith("attnlib")]  # attnlib[torch]


@pytest.mark.slow
def test_chapters_of_the_archive_run_in_a_fresh_environment(archive, tmp_path):
    archive.extractall(tmp_path)
    folder, venv = tmp_path / FOLDER, tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = next(path for path in (venv / "bin", venv / "Scripts") if path.exists()) / "python"
    [wheel] = folder.glob("*.whl")
    install = [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"]
    needed = [wheel, "nbconvert", "ipykernel", *without_torch(wheel)]
    subprocess.run([*install, *needed], check=True)
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for chapter in RUN_ALONE:
        execute = [python, "-m", "nbconvert", "--to", "notebook", "--inplace", "--execute"]
        run = subprocess.run(
            [*execute, f"{chapter}.ipynb"], cwd=folder / "chapters", env=outside,
            capture_output=True, encoding="utf-8",
        )  # fmt: skip
        assert run.returncode == 0, run.stderr[-2000:]
