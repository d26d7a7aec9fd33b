"""Number the formulas that have a label, in reading order, alike on the website and in print."""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


def reading_order(env, page):
    """Yield a page and, after it, the pages that its tables of contents name."""
    yield page
    for part in env.toctree_includes.get(page, []):
        yield from reading_order(env, part)


def number(app, env):
    """Give every label its number, for those who refer to it; Sphinx counts each page anew."""
    formulas = env.get_domain("math").equations  # {label: (page, number)}
    pages = list(reading_order(env, app.config.root_doc))
    order = sorted(
        formulas, key=lambda label: (pages.index(formulas[label][0]), formulas[label][1])
    )
    for n, label in enumerate(order, start=1):
        formulas[label] = (formulas[label][0], n)


class Numbers(SphinxPostTransform):
    """Write the numbers beside the formulas. LaTeX counts them itself, and comes to the same."""

    default_priority = 5

    def run(self):
        formulas = self.env.get_domain("math").equations
        for formula in self.document.findall(nodes.math_block):
            if formula.get("label"):
                formula["number"] = formulas[formula["label"]][1]


def setup(app):
    app.connect("env-updated", number)
    app.add_post_transform(Numbers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
