"""The reference of the packages, and their source in the chapters."""

import importlib
import inspect
import os
import pkgutil
import shutil
import subprocess
import sys
from copy import copy

import pytest

import attnbook.live
import attnbook.plots
import attnlib
from tests.support.book import PAGES
from tests.support.notebooks import ROOT
from tests.support.page_faults import parsed
from website.extensions import reference

NOT_FOR_READERS = (  # what the public functions use
    "attnlib.distributed.messages",
    "attnbook.exercises.",
    "attnbook.live.",  # but for what its __all__ names
    "attnbook.models.experiment",
    "attnbook.models.fetch",
    "attnbook.notebook.compile_kernel",
)


def entries(site):
    """Return every name that a page of the reference describes, and its entry there."""
    pages = [parsed(site / f"{page}.html") for page in PAGES if page.startswith("api/")]
    return {term["id"]: term.parent for page in pages for term in page.select("dl.py > dt[id]")}


def test_the_reference_has_every_public_function(site):
    found = entries(site)
    packages = [pkgutil.walk_packages(p.__path__, f"{p.__name__}.") for p in (attnlib, attnbook)]
    for name in (module.name for package in packages for module in package):
        if "._" in name or name.startswith(NOT_FOR_READERS):
            continue
        module = importlib.import_module(name)
        for name, thing in vars(module).items():
            here = getattr(thing, "__module__", "") == module.__name__
            if here and not name.startswith("_") and inspect.isroutine(thing) and thing.__doc__:
                entry = found[f"{module.__name__}.{name}"].get_text()
                assert inspect.getsource(thing).strip() in entry
    for package in (attnlib, attnbook.live, attnbook.plots):
        for name, thing in vars(package).items():
            if name in package.__all__ and callable(thing):
                assert f"{thing.__module__}.{name}" in found


def test_the_reference_keeps_commands_as_they_are_and_skips_what_says_nothing(site):
    page = parsed(site / "api" / "models.html")
    assert any("minilm --hub [FOLDER]" in pre.get_text() for pre in page.select("pre"))
    assert "Alias for field number" not in page.get_text()


def test_chapters_show_the_source_of_each_step_from_the_package(site):
    for page, names in reference.BUILT.items():
        boxes = parsed(site / f"{page}.html").select("article details.source")
        titled = {box.select_one("summary").get_text(): box for box in boxes}
        assert titled.keys() == {f"Source of attnlib.{name}" for name in names}
        for name in names:
            step, box = getattr(attnlib, name), titled[f"Source of attnlib.{name}"]
            assert box.select_one("pre").get_text().strip() == inspect.getsource(step).strip()
            [link] = box.select("a")
            assert link["href"].endswith(f"#{step.__module__}.{name}")


@pytest.mark.slow
def test_make_book_needs_no_torch_and_gives_the_same_but_for_signatures(site, tmp_path):
    """In a copy of the repository, with the environment that `make book` makes there."""
    ignored = shutil.ignore_patterns(".git", ".venv", "_build", ".*_cache", "__pycache__")
    folder = shutil.copytree(ROOT, tmp_path / "copy", ignore=ignored)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "do.py", "book"], cwd=folder, env=clean, capture_output=True, text=True
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    installed = {path.name for path in (folder / ".venv").rglob("site-packages/*")}
    assert "sphinx" in installed and not installed & {"torch", "triton", "transformers"}
    there, here = entries(folder / "_build" / "html"), entries(site)
    assert there.keys() == here.keys()
    for name, entry in here.items():
        assert told(there[name]) == told(entry)


def told(entry):
    """Return what an entry says beside its signature and those of its methods."""
    entry = copy(entry)
    for signature in entry.select("dt.sig"):
        signature.decompose()
    return entry.get_text()
