"""Runs the tests of what has changed since the branch left main:

python -m website.scripts.check

On main itself, where nothing has left it, what has changed since the last commit counts. Tests lie
where the code lies: those of attnlib/nn.py are tests/attnlib/test_nn.py, or, where there are none
of its own, those of the folder. A chapter is run and compared with what it stores.
"""

import subprocess
import sys
from pathlib import Path, PurePosixPath
from shutil import which

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("attnlib", "attnbook", "website", "benchmarks")
CLAIM_TEST = "test_claim_cells_fail_when_the_claim_is_false"
CLAIMS = "tests/chapters/test_claims.py"
LEDGER_TEST = f"{CLAIMS}::test_the_ledger_names_every_cell_and_quotes_what_it_prints"
OTHERS = {
    "_config.yml": ["tests/website/test_site.py"],
    "_toc.yml": ["tests/website/test_site.py"],
    "api": ["tests/website/test_reference.py"],
    "claims.yml": [
        f"{CLAIMS}::test_each_claim_has_a_cell",
        LEDGER_TEST,
        f"{CLAIMS}::test_the_page_of_claims_is_made_from_the_ledger",
    ],
    "pyproject.toml": ["tests/test_setup.py"],
    "constraints.txt": ["tests/test_setup.py"],
    "requirements": ["tests/test_setup.py"],
    "do.py": ["tests/test_setup.py"],
    "Makefile": ["tests/test_setup.py"],
}


def git(*arguments):
    """Return the lines that git prints, none where it fails or is not installed."""
    if not which("git"):
        return []
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def start():
    """Return the commit to compare with, and its name in a sentence; (None, "") without history."""
    [head] = git("rev-parse", "HEAD") or [None]
    [left] = git("merge-base", "HEAD", "main") or [head]
    if head is None:
        return None, ""
    return left, "the last commit" if left == head else "this branch left main"


def changed(commit):
    """Return the files that differ from a commit, new ones too."""
    tracked = git("diff", "--name-only", "--diff-filter=d", commit)
    return [*tracked, *git("ls-files", "--others", "--exclude-standard")]


def tests_of(name, root=ROOT):
    """Return what pytest has to run when a file has changed: paths, perhaps none."""
    path = PurePosixPath(name)
    first = path.parts[0]
    if first in PACKAGES:
        doctests = [name] if path.suffix == ".py" and first.startswith("attn") else []
        return doctests + tests_beside(path, root)
    if name.startswith("tests/chapters/answers/"):
        return ["tests/attnbook/test_exercises.py"]
    if name.startswith("tests/chapters/worlds/"):
        return [f"{CLAIMS}::{CLAIM_TEST}[{path.stem}]"]
    if first == "tests" and path.name.startswith("test_"):
        return [name]
    if first == "chapters" and path.suffix == ".ipynb":
        return [name, "tests/chapters/test_notebooks.py", LEDGER_TEST]
    return OTHERS.get(first, [])


def tests_beside(path, root):
    """Return the tests that mirror a module: its own, else those of the nearest folder with any."""
    own = PurePosixPath("tests", path.with_name(f"test_{path.stem.lstrip('_')}.py"))
    folders = [PurePosixPath("tests", folder) for folder in path.parents[:-1]]
    of_folders = [folder.with_name(f"test_{folder.name}.py") for folder in folders]
    nearest = [place for pair in zip(of_folders, folders, strict=True) for place in pair]
    return [str(place) for place in [own, *nearest] if (root / place).exists()][:1]


def main():
    commit, since = start()
    if commit is None:
        print("Without git history there is nothing to compare with, so no tests are chosen.")
        return
    wanted = list(dict.fromkeys(test for name in changed(commit) for test in tests_of(name)))
    if not wanted:
        print(f"Nothing has changed since {since} that has tests of its own.")
        return
    pytest = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadscope"]
    notebooks = [test for test in wanted if test.endswith(".ipynb")]
    others = [test for test in wanted if test not in notebooks]
    failed = False
    for tests, options in ((notebooks, ["--slow"]), (others, [])):  # solutions are among the slow
        if tests:
            print("pytest", *options, *tests, flush=True)
            failed |= subprocess.run([*pytest, *options, *tests], cwd=ROOT).returncode != 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
