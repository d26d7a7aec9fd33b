"""The reference of the packages, and their source in the chapters."""

import importlib
import inspect
import os
import pkgutil
from copy import copy

import pytest

import attnbook.live
import attnbook.plots
import attnlib
from tests.support.book import PAGES, build, report
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


HIDE = """import sys
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in {names!r}
        return None if hidden else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
"""


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
def test_without_torch_the_reference_is_the_same_but_for_signatures(site, tmp_path):
    names = {"torch", "triton", "tokenizers", "transformers", "huggingface_hub", "safetensors"}
    (tmp_path / "sitecustomize.py").write_text(HIDE.format(names=names), encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", str(ROOT))])
    folder, run = build(ROOT, tmp_path, {"PYTHONPATH": path})
    assert run.returncode == 0, report(run)
    there, here = entries(folder), entries(site)
    assert there.keys() == here.keys()
    for name, entry in here.items():
        assert told(there[name]) == told(entry)


def told(entry):
    """Return what an entry says beside its signature and those of its methods."""
    entry = copy(entry)
    for signature in entry.select("dt.sig"):
        signature.decompose()
    return entry.get_text()
