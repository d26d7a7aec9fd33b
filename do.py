"""The commands of the book, in plain Python, so that nobody needs make: python do.py COMMAND

They make the environment .venv themselves. `make COMMAND` does the same.
"""

import functools
import http.server
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BIN = ROOT / ".venv" / ("Scripts" if os.name == "nt" else "bin")
HTML = ROOT / "_build" / "html"
BUILD = "jupyter-book build -q -W -n --keep-going --all".split()  # warnings are errors
SOURCES = "_config.yml _toc.yml references.bib api attnbook attnlib chapters website".split()


def setup(name="test"):
    """Makes .venv and installs what requirements/NAME.txt names (the others do it for you)"""
    if sys.version_info < (3, 11):
        newer = "python3.11 do.py book, or make PYTHON=python3.11 book"
        sys.exit(f"This book needs Python 3.11 or newer, for example: {newer}")
    lists = ROOT.glob("requirements/*.txt")
    texts = [*sorted(lists), ROOT / "constraints.txt", ROOT / "pyproject.toml"]
    wanted = "".join(path.read_text(encoding="utf-8") for path in texts)
    installed = ROOT / ".venv" / f"{name}.installed"
    if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
        return
    suffix = ".exe" if os.name == "nt" else ""
    if not all((BIN / f"{program}{suffix}").exists() for program in ("python", "pip")):
        run(sys.executable, "-m", "venv", ".venv")
    pip = ["python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run(*pip, "-r", f"requirements/{name}.txt")
    run(*pip, "--no-build-isolation", "--no-deps", "-e", ".")  # asks no registry for setuptools
    installed.write_text(wanted, encoding="utf-8")


def book():
    """Builds the website from the stored outputs"""
    setup("book")
    built = ROOT / "_build" / "built"
    if not built.exists() or built.stat().st_mtime < newest(SOURCES):
        shutil.rmtree(HTML, ignore_errors=True)
        run(*BUILD, ".")
        built.touch()
    print("Open _build/html/index.html")


def test(*options):
    """Runs all but the slow tests (with CI set, or --slow, those too)"""
    setup()
    minilm()
    # three workers on two cores, since one often waits for a notebook's kernel or the browser
    workers = ["-n", "3", "--dist", "loadscope", "--no-loadscope-reorder"]
    run("python", "-m", "pytest", *workers, *options)


def check():
    """Runs the linter and the tests of what you have changed, in under a minute"""
    lint()
    run("python", "-m", "website.scripts.check")


def minilm():
    """Fetches the pretrained model of one chapter, 90 MB, unless it is there"""
    setup()
    run("python", "-m", "attnbook.models.minilm", may_fail=True)


def bench():
    """Times attention beside torch's and writes benchmarks/attention.md and dilated.md"""
    setup()
    run("python", "-m", "benchmarks.attention")
    run("python", "-m", "benchmarks.dilated")


def notebooks(*chapters):
    """Runs the chapters again, or those you name, with their solutions, and stores the outputs"""
    setup()
    if not chapters:
        minilm()
    run("python", "-m", "website.scripts.execute", *chapters)
    run("python", "-m", "website.scripts.claims")


def chapter(name, claim=""):
    """Writes the skeleton of a chapter NAME, and of a cell that shows a claim, if you give one"""
    setup()
    run("python", "-m", "website.scripts.chapter", name, *filter(None, [claim]))


def lab():
    """Opens the first page in JupyterLab"""
    setup()
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    tidy = "--FileContentsManager.pre_save_hook=website.scripts.stored_form.tidy_on_saving"
    run("python", "-m", "jupyterlab", *root, tidy, "chapters/self_attention.ipynb")


def serve(port="8000"):
    """Shows the website at http://127.0.0.1:8000, or at another PORT"""
    book()
    pages = functools.partial(http.server.SimpleHTTPRequestHandler, directory=HTML)
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), pages)
    except OSError as error:
        other = int(port) + 1
        another = f"Try another: python do.py serve {other}, or make serve PORT={other}"
        sys.exit(f"Port {port}: {error.strerror}. {another}")
    print(f"Open http://127.0.0.1:{port}; Ctrl-C ends it", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


def screenshots(*pages):
    """Takes a picture of every page, wide and narrow, light and dark (needs Chromium)"""
    setup()
    book()
    run("python", "-m", "website.scripts.screenshots", *pages)


def pdf():
    """Builds _build/attention.pdf (needs TeX Live; says how to install it)"""
    setup("book")
    run("python", "-m", "website.scripts.to_print", "pdf")


def epub():
    """Builds _build/attention.epub, for e-readers"""
    setup("book")
    run("python", "-m", "website.scripts.to_print", "epub")


def lint():
    """Checks style and spelling"""
    setup()
    run("ruff", "check", "--quiet", ".")
    run("ruff", "format", "--quiet", "--check", ".")
    run("codespell")


def clean():
    """Removes what was built (keeps .venv)"""
    shutil.rmtree(ROOT / "_build", ignore_errors=True)


COMMANDS = [setup, book, test, check, notebooks, chapter, lab, serve, pdf, epub, lint]
COMMANDS += [minilm, bench, screenshots, clean]


def run(program, *arguments, may_fail=False):
    """Run a program, from .venv if it has no path, in this folder; end with its exit code."""
    if not os.path.dirname(program):
        program = BIN / program
    code = subprocess.run([program, *arguments], cwd=ROOT).returncode
    if code and not may_fail:
        sys.exit(code)


def newest(names):
    """Return when the newest file of these files and folders was changed."""
    paths = [path for name in names for path in [ROOT / name, *(ROOT / name).rglob("*")]]
    return max(path.stat().st_mtime for path in paths if path.is_file() and path.suffix != ".pyc")


def main(name="help", *arguments):
    """Carry out a command, or list them all."""
    commands = {command.__name__: command for command in COMMANDS}
    if name not in commands:
        for command in COMMANDS:
            print(f"  {command.__name__:11} {command.__doc__}")
        sys.exit(0 if name == "help" else f"There is no command {name}.")
    try:
        inspect.signature(commands[name]).bind(*arguments)
    except TypeError as error:
        sys.exit(f"{name}: {error}")
    commands[name](*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
