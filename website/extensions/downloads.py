"""Offer notebooks that run outside the repository, and all of them in one archive.

The copies that the website offers begin with a cell that installs the packages, or says how to.
"""

import json
import subprocess
import sys
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = "attention-notebooks.zip"
EXTRA = "book"  # the optional dependencies that the chapters need
INSTALL = """# The chapters use the book's packages. This installs them where they are missing.
try:
    import attnbook
except ImportError:
    %pip install --quiet "attnlib[{extra}] @ {address}_static/{wheel}"
"""
EXPLAIN = """# The chapters use the book's packages.
try:
    import attnbook
except ImportError:
    raise ImportError(
        'attnbook is not installed. Download {archive} with the download button of any page, '
        'unpack it, then: pip install "{wheel}[{extra}]"'
    ) from None
"""
README = """The chapters of "{title}", and the packages that they use.

    pip install jupyterlab "{wheel}[{extra}]"
    jupyter lab {first}
"""


def build_wheel(folder):
    """Build the wheel of this checkout's packages into the folder, and return its path.

    pip leaves files behind where it builds, so it builds from a copy.
    """
    with TemporaryDirectory() as copied:
        for name in ("pyproject.toml", "LICENSE"):
            copy(ROOT / name, copied)
        for name in ("attnlib", "attnbook"):
            copytree(ROOT / name, Path(copied, name), ignore=ignore_patterns("__pycache__"))
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
        options = ["--no-deps", "--no-build-isolation", "--wheel-dir", folder]
        subprocess.run([*pip, *options, copied], check=True)
    [wheel] = Path(folder).glob("attnlib-*.whl")
    return wheel


def first_cell(wheel, address):
    """Return the cell that installs the packages or says how; address: the website's, or empty."""
    text = INSTALL if address else EXPLAIN
    text = text.format(extra=EXTRA, address=address, wheel=wheel, archive=ARCHIVE)
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": "packages",
        "metadata": {},
        "outputs": [],
        "source": text.strip().splitlines(keepends=True),
    }


def offer_notebooks(app, exception):
    """Give the website's copies of the notebooks their first cell, and pack them with the wheel."""
    if exception or app.builder.name != "html":
        return
    static, sources = Path(app.outdir, "_static"), Path(app.outdir, "_sources")
    wheel = build_wheel(static)
    for path in sources.rglob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["cells"].insert(0, first_cell(wheel.name, app.config.html_baseurl))
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")
    first = f"{app.config.root_doc}.ipynb"
    readme = README.format(title=app.config.html_title, wheel=wheel.name, extra=EXTRA, first=first)
    with ZipFile(static / ARCHIVE, "w", ZIP_DEFLATED) as archive:
        add(archive, "README.txt", readme.encode())
        add(archive, wheel.name, wheel.read_bytes())
        for path in sorted(sources.glob("chapters/**/*.*")):
            add(archive, path.relative_to(sources).as_posix(), path.read_bytes())


def add(archive, name, data):
    """Add a file without its date, under the one folder that unpacking makes."""
    entry = ZipInfo(f"{ARCHIVE.removesuffix('.zip')}/{name}")
    archive.writestr(entry, data, compress_type=ZIP_DEFLATED)


def link_archive(app, page, template, context, doctree):
    """Offer the archive in the menu of the download button."""
    for button in context.get("header_buttons", []):
        if button["label"] == "download-buttons":
            button["buttons"].append(
                {
                    "type": "link",
                    "url": context["pathto"](f"_static/{ARCHIVE}", 1),
                    "text": "all chapters (.zip)",
                    "tooltip": "Download every notebook with the packages that they use",
                    "icon": "fas fa-box-archive",
                    "label": "download-archive-button",
                }
            )


def setup(app):
    app.connect("html-page-context", link_archive, priority=900)  # after the theme's buttons
    app.connect("build-finished", offer_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
