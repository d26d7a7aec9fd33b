"""Imports run one way, and a name with a leading underscore stays in its module."""

import ast

import pytest

from tests.support.notebooks import CHAPTERS, ROOT, SOLUTIONS, code_cells

MAY_IMPORT = {
    "attnlib": ["attnlib"],
    "attnbook": ["attnlib", "attnbook"],
    "website": ["attnlib", "attnbook", "website"],
    "chapters": ["attnlib", "attnbook"],
}
OURS = {*MAY_IMPORT, "benchmarks", "tests"}
LAYERS = """_arrays; _checks; masks; implementations; formula; heads positions dilated distributed;
nn"""  # of attnlib, the lowest first; a module may import from its own and from lower ones
LOADERS = ("import_module", "__import__")
LAYER = {name: i for i, names in enumerate(LAYERS.split(";")) for name in names.split()}


def faults(module, source):
    """Yield a line for every import or use of a name that breaks a rule."""
    package, tree = module.split(".")[0], ast.parse(source)
    names = list(imported(tree))
    for name, _ in names:
        top, *parts = name.split(".")
        if top not in MAY_IMPORT[package]:
            yield f"{package} imports {name}"
        if package == top == "attnlib" and layer(name) > layer(module):
            yield f"imports {name}, which is above it"
        shared = package == "attnlib" and parts[0] in LAYER  # _arrays and _checks
        if any(part.startswith("_") for part in parts[shared:]):
            yield f"imports {name}, which is private"
    ours = {local for _, local in names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ours and node.attr.startswith("_") and not node.attr.endswith("__"):
                yield f"uses {node.value.id}.{node.attr}, which is private"
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(LOADERS):
            named_here = isinstance(node.args[0], ast.Constant)
            if named_here or not module.startswith("website.extensions"):  # Sphinx names modules
                yield f"loads a module by its name in a string: {ast.unparse(node)}"


def imported(tree):
    """Yield each name of ours that is imported, as module.name, and what it is called here."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}" if hasattr(node, "module") else alias.name
                if name.split(".")[0] in OURS:
                    yield name, (alias.asname or alias.name).split(".")[0]


def layer(name):
    """Return how high a module of attnlib is; the package itself, which imports all, is highest."""
    return LAYER.get(f"{name}.".split(".")[1], len(LAYER))


@pytest.mark.parametrize("package", ["attnlib", "attnbook", "website"])
def test_modules(package):
    paths = sorted((ROOT / package).rglob("*.py"))
    sources = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in paths}
    found = [
        f"{module}: {line}"
        for module, path in sources.items()
        for line in faults(module.removesuffix(".__init__"), path.read_text(encoding="utf-8"))
    ]
    assert paths and not found, "\n".join(found)


@pytest.mark.parametrize("chapter", CHAPTERS + SOLUTIONS)
def test_chapters(chapter):
    source = "\n".join(cell["source"] for cell in code_cells(chapter))
    assert not list(faults("chapters", source))


@pytest.mark.parametrize(
    "module, source, fault",
    [
        ("attnlib.heads", "from attnlib.formula import attention", None),
        ("attnlib.heads", "from attnlib import _checks\n_checks.check_heads(1)", None),
        ("attnlib.heads", "from attnlib._arrays import widen", None),
        ("attnlib.formula", "from attnlib.heads import split_heads", "above it"),
        ("attnlib.formula", "def f():\n  from attnlib import nn", "above it"),
        ("attnlib.masks", "import attnlib.formula", "above it"),
        ("attnlib.masks", "from attnlib import attention", "above it"),
        ("attnlib.heads", "from attnbook import show", "attnlib imports attnbook.show"),
        ("attnbook.show", "from website.extensions import pages", "attnbook imports website"),
        ("website.extensions.pages", "import tests.support", "website imports tests"),
        ("chapters", "from website.scripts import claims", "chapters imports website"),
        ("attnlib.nn", "from attnlib.formula import _weigh", "is private"),
        ("attnlib.nn", "from attnlib._arrays import _inner", "is private"),
        ("attnlib.nn", "from attnlib import _checks\n_checks._say(1)", "is private"),
        ("attnbook.show", "from attnlib import _arrays", "is private"),
        ("attnbook.live", "from attnbook.plots import _draw", "is private"),
        ("attnbook.live", "from attnbook import plots\nplots._draw()", "is private"),
        ("attnbook.exercises", "importlib.import_module(f'{__name__}.{x}')", "in a string"),
        ("attnlib.formula", "__import__('attnlib.nn')", "in a string"),
        ("website.extensions.pages", "import_module('attnlib')", "in a string"),
        ("website.extensions.pages", "import_module(documented)", None),
    ],
)
def test_the_rules_see(module, source, fault):
    found = list(faults(module, source))
    assert fault in found[0] if fault else not found
