"""What others install: what is in the wheel and the source archive, and what they ask for."""

import shutil
import subprocess
import sys
import tarfile
from email import message_from_bytes
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

import attnlib
from tests.support.notebooks import ROOT

DATA = [
    f"attnbook/{path.relative_to(ROOT / 'attnbook')}".replace("\\", "/")
    for path in sorted((ROOT / "attnbook").rglob("*"))
    if path.is_file() and path.suffix not in (".py", ".pyc")
]
BUILD = """
import sys
from setuptools import build_meta
folder = sys.argv[1]  # setuptools writes its own arguments there
build_meta.build_sdist(folder)
build_meta.build_wheel(folder)
"""


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Build both from a copy of the packages alone; return the wheel and the source archive."""
    source = tmp_path_factory.mktemp("source")
    for package in ("attnlib", "attnbook"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    made = tmp_path_factory.mktemp("made")
    command = [sys.executable, "-c", BUILD, made]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [wheel], [archive] = made.glob("*.whl"), made.glob("*.tar.gz")
    return wheel, archive


def test_both_hold_the_code_and_its_data(archives):
    wheel, archive = archives
    with ZipFile(wheel) as packed:
        in_wheel = set(packed.namelist())
    with tarfile.open(archive) as packed:
        in_archive = {name.partition("/")[2] for name in packed.getnames()}
    code = {
        path.relative_to(ROOT).as_posix()
        for package in ("attnlib", "attnbook")
        for path in (ROOT / package).rglob("*.py")
    }
    assert any(name.endswith(".safetensors") for name in DATA)
    assert any("/records/" in name for name in DATA)
    for held in (in_wheel, in_archive):
        assert code | set(DATA) <= held, sorted((code | set(DATA)) - held)
    assert {name.split("/")[0] for name in in_wheel} == {
        "attnlib",
        "attnbook",
        f"attnlib-{attnlib.__version__}.dist-info",
    }


def test_attention_needs_numpy_alone_and_the_extras_bring_the_rest(archives):
    with ZipFile(archives[0]) as packed:
        [name] = [name for name in packed.namelist() if name.endswith("METADATA")]
        metadata = message_from_bytes(packed.read(name))
    assert metadata["Version"] == attnlib.__version__
    wanted = [Requirement(line) for line in metadata.get_all("Requires-Dist")]

    def names(extra):
        return {r.name for r in wanted if "extra" in str(r.marker or "") and extra in str(r.marker)}

    always = {r.name for r in wanted if "extra" not in str(r.marker or "")}
    assert always == {"array-api-compat", "numpy", "threadpoolctl"}
    assert names('"torch"') == {"torch", "triton"}
    assert {"attnlib", "matplotlib", "vl-convert-python"} <= names('"book"')
    assert {"attnlib", "pytest", "nbval"} <= names('"test"')
