"""Make the book for paper or for e-readers:

    python -m website.scripts.to_print pdf|epub [FOLDER]

Without FOLDER the result lies in _build. The same sources give the same bytes.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copyfile, rmtree, which
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = "xelatex latexmk makeindex kpsewhich".split()
FILES = """LibertinusSerif-Regular.otf LibertinusMath-Regular.otf InconsolataN-Regular.otf
DejaVuSansMono.ttf DejaVuSans.ttf unicode-math.sty newunicodechar.sty titlesec.sty
truncate.sty""".split()
INSTALL = """  Debian, Ubuntu: sudo apt-get install texlive-xetex texlive-latex-recommended \\
                      texlive-latex-extra texlive-fonts-recommended texlive-fonts-extra \\
                      latexmk fonts-dejavu-core
  macOS:          brew install --cask mactex-no-gui   (and open a new terminal)"""
FAULT = re.compile("^!|Missing character|(reference|Reference|Citation) .* undefined|undefined ref")
OVERFULL = re.compile(r"^Overfull .*?\((\d+\.?\d*)pt too (wide|high)\)")
TOLERANCE = 10  # pt; less over the edge is not seen
NO_GIT_DATE = "1767225600"  # of a copy without its history: 1 January 2026


def missing_tex():
    """Return the programs and files of TeX that the PDF needs and this machine lacks."""
    missing = [program for program in PROGRAMS if not which(program)]
    if not missing:
        found = subprocess.run(["kpsewhich", *FILES], capture_output=True, text=True).stdout
        missing = sorted(set(FILES) - {Path(line).name for line in found.splitlines()})
    return missing


def faults(log):
    """Return the lines of a LaTeX log that tell of something a reader would see."""
    return [
        line
        for line in log.splitlines()
        if FAULT.search(line)
        or ((over := OVERFULL.search(line)) and float(over.group(1)) > TOLERANCE)
    ]


def environment():
    """Return the environment of a build whose dates are those of the last commit."""
    git = ["git", "-C", ROOT, "log", "-1", "--format=%ct"]
    date = subprocess.run(git, capture_output=True, text=True) if which("git") else None
    stamp = (date and date.stdout.strip()) or NO_GIT_DATE
    return {
        "SOURCE_DATE_EPOCH": stamp,
        "FORCE_SOURCE_DATE": "1",  # \today follows it too
        "max_print_line": "1000",  # one line of the log for each fault
    } | dict(os.environ)


def sphinx(folder, name, *builder):
    """Run Jupyter Book as `make book` does, with warnings as errors; return where its files lie."""
    made = folder / "_build" / name
    rmtree(made, ignore_errors=True)
    book = Path(sys.executable).with_name("jupyter-book")
    command = [book, "build", "-q", "-W", "-n", "--keep-going", "--all", "--path-output", folder]
    if subprocess.run([*command, *builder, ROOT], env=environment()).returncode:
        sys.exit("The book does not build; see above what Jupyter Book says.")
    return made


def pdf(folder):
    """Build FOLDER/_build/attention.pdf."""
    if missing := missing_tex():
        here = f"Missing here: {', '.join(missing)}."
        sys.exit(f"The PDF needs TeX Live. {here} Install it:\n{INSTALL}")
    latex = sphinx(folder, "latex", "--builder", "latex")
    command = ["latexmk", "-silent", "-xelatex", "-interaction=nonstopmode", "-halt-on-error"]
    run = subprocess.run(
        [*command, "attention.tex"], cwd=latex, env=environment(), capture_output=True, text=True
    )
    log = latex / "attention.log"
    found = faults(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else []
    if run.returncode or found:
        said = "\n".join(found[:40]) or (run.stdout + run.stderr)[-2000:]
        sys.exit(f"The PDF has faults; all of them are in {log}:\n{said}")
    return Path(copyfile(latex / "attention.pdf", folder / "_build" / "attention.pdf"))


def epub(folder):
    """Build FOLDER/_build/attention.epub."""
    made = sphinx(folder, "epub", "--builder", "custom", "--custom-builder", "epub")
    target = folder / "_build" / "attention.epub"
    with ZipFile(made / "attention.epub") as source, ZipFile(target, "w") as packed:
        # The same files in one order and without dates; the first, by the standard, uncompressed.
        for name in sorted(source.namelist(), key=lambda name: (name != "mimetype", name)):
            method = ZIP_STORED if name == "mimetype" else ZIP_DEFLATED
            packed.writestr(ZipInfo(name), source.read(name), compress_type=method)
    return target


if __name__ == "__main__":
    kind, *folder = sys.argv[1:]
    target = {"pdf": pdf, "epub": epub}[kind](Path(*folder or [ROOT]).resolve())
    print(f"Open {os.path.relpath(target)}")
