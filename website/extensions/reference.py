"""The reference: docstrings become its pages, and chapters show the source of what they call."""

import inspect
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging

from website.extensions.absent import ABSENT, mocked

with mocked():
    import attnlib

# What each chapter builds by hand before it calls the package for it. A box with the source, from
# the package, closes the section that makes the first call.
BUILT = {
    "chapters/query": ["project"],
    "chapters/score": ["scores"],
    "chapters/softmax": ["softmax", "causal_mask"],
    "chapters/weighted_sum": ["weighted_sum", "attention"],
    "chapters/multi_head": ["split_heads", "merge_heads", "multi_head_attention"],
    "chapters/linear_memory": ["merge"],
    "chapters/dilated_attention": ["dilated_attention"],
    "chapters/block": ["sinusoidal_positions", "rotary"],
}


def keep_as_typed(app, what, name, thing, options, lines):
    """Show what is indented under a line that ends in a colon as it is: commands and formulas."""
    for i, line in enumerate(lines[:-2]):
        indented = re.match(" *", lines[i + 2]).end() > re.match(" *", line).end()
        if line.endswith(":") and not lines[i + 1] and indented:
            lines[i] += ":"


def add_source(app, what, name, thing, options, lines):
    """Put the source of a function or class under what its docstring says, behind a click."""
    if what in ("function", "class"):
        lines += ["", ".. only:: html", "", "   .. raw:: html", ""]
        lines += ['      <details class="source"><summary>Source code</summary>', ""]
        lines += ["   .. code-block:: python", ""]
        lines += ["      " + line for line in inspect.getsource(thing).splitlines()]
        lines += ["", "   .. raw:: html", "", "      </details>", ""]


def leave_out(app, what, name, thing, skip, options):
    """Leave out what others add to a class, a NamedTuple's fields, and what runs only in a kernel.

    With triton, a kernel is no Python function, and Sphinx leaves it out by itself.
    """
    if callable(thing) and not thing.__module__.startswith(("attnlib", "attnbook")):
        return True
    if str(thing.__doc__).startswith("Alias for field"):
        return True
    if inspect.isfunction(thing) and inspect.getsource(thing).startswith("@triton.jit"):
        return True


def show_sources(app, doctree):
    """Put a closed box with its source below the section of a chapter that first calls a step."""
    page = app.env.docname
    for name in BUILT.get(page, []):
        step = getattr(attnlib, name)
        call = re.compile(rf"(?<!def )\b{name}\(")
        cells = (c for c in doctree.findall(nodes.literal_block) if call.search(c.astext()))
        cell = next(cells, None)
        if cell is None:
            logging.getLogger(__name__).warning("no cell calls attnlib.%s", name, location=page)
            continue
        section = cell.parent
        while not isinstance(section, nodes.section):
            section = section.parent
        below = [i for i, part in enumerate(section) if isinstance(part, nodes.section)]
        section.insert(below[0] if below else len(section), source_box(page, name, step))


def source_box(page, name, step):
    summary = f"<summary>Source of <code>attnlib.{name}</code></summary>"
    target, source = f"{step.__module__}.{name}", inspect.getsource(step)
    link = addnodes.pending_xref(
        "", nodes.Text("its entry in the reference"), refdomain="py", reftype="func",
        reftarget=target, refdoc=page, refexplicit=True, refwarn=True,
    )  # fmt: skip
    return addnodes.only(
        "",
        nodes.raw("", f'<details class="source">{summary}', format="html"),
        nodes.literal_block(source, source, language="python"),
        nodes.paragraph(
            "", "", nodes.Text("Shapes, errors and an example: "), link, nodes.Text(".")
        ),
        nodes.raw("", "</details>", format="html"),
        expr="html",
    )


def configure(app, config):
    """Read docstrings in Google's style, with a section for the source in the literature."""
    config.autodoc_mock_imports = ABSENT
    config.napoleon_numpy_docstring = False
    config.napoleon_custom_sections = ["Source"]  # its text stays whole: addresses have colons
    config.napoleon_use_rtype = False  # "(..., N, d_k): the rows" is a shape, not a type to look up


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("config-inited", configure)
    app.connect("autodoc-process-docstring", keep_as_typed, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", add_source)  # after napoleon
    app.connect("autodoc-skip-member", leave_out)
    app.connect("doctree-read", show_sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
