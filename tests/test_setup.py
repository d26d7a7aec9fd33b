"""The lists of what is installed, and the commands that install and use it."""

import ast
import http.server
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import do
from tests.support.notebooks import ROOT

LISTS = {path.stem: path for path in (ROOT / "requirements").glob("*.txt")}
OURS = {"attnlib", "attnbook", "website", "tests", "benchmarks", "conftest", "do"}
FILES = [file for name in OURS for file in [ROOT / f"{name}.py", *(ROOT / name).rglob("*.py")]]
FILES = [file for file in FILES if file.exists()]


def entries(path):
    """Return (name, version, reason) of each package that a list pins."""
    form = re.compile(r"([\w.-]+)==(\S+?)(?:;[^#]*)?\s*(?:# (.+))?")
    lines = path.read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith(("#", "-"))]
    assert all(form.fullmatch(line) for line in lines), path
    found = [form.fullmatch(line).groups() for line in lines]
    return [(canonicalize_name(name), version, reason) for name, version, reason in found]


DIRECT = [entry for path in LISTS.values() for entry in entries(path)]
NAMES = {name for name, _, _ in DIRECT}


def test_each_direct_dependency_stands_once_with_its_reason():
    transitive = [name for name, _, _ in entries(ROOT / "constraints.txt")]
    everything = [name for name, _, _ in DIRECT] + transitive
    assert sorted(everything) == sorted(set(everything)), "a package stands twice"
    assert not [name for name, _, reason in DIRECT if not reason], "packages without a reason"


def test_pyproject_asks_for_what_the_lists_pin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    assert {canonicalize_name(Requirement(line).name) for line in asked} <= NAMES | {"attnlib"}


def imports(path):
    """Return the first names of all modules that a file imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module)
    return {name.split(".")[0] for name in names}


def test_each_package_that_the_code_imports_is_named():
    imported = set().union(*map(imports, FILES)) - OURS - set(sys.stdlib_module_names)
    distributions = packages_distributions()
    assert {"numpy", "torch", "sphinx"} <= imported
    unnamed = {
        name
        for name in imported
        if not NAMES & set(map(canonicalize_name, distributions.get(name, [name])))
    }
    assert not unnamed


def test_every_file_is_opened_with_an_encoding():
    """Ruff sees this for open() and Path(...); for other expressions it cannot know."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") in ("read_text", "write_text")
        and "encoding" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not found


def test_make_has_every_command():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [listed] = re.findall(r"^COMMANDS := help (.*)", makefile, re.M)
    alone = re.findall(r"PYTHON\) do\.py (\w+)", makefile)
    assert {*listed.split(), *alone} == {command.__name__ for command in do.COMMANDS}


def test_an_unknown_command_lists_those_that_there_are(capsys):
    with pytest.raises(SystemExit, match="no command bok"):
        do.main("bok")
    assert "  book " in capsys.readouterr().out
    with pytest.raises(SystemExit, match="book: too many"):
        do.main("book", "more")


def test_a_taken_port_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr(do, "book", lambda: None)
    handler = http.server.SimpleHTTPRequestHandler
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        port = other.server_port
        with pytest.raises(SystemExit, match=rf"Port {port}: .*make serve PORT={port + 1}$"):
            do.serve(str(port))
