import os

import pytest
from filelock import FileLock

from tests.support.book import build, report
from tests.support.notebooks import ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the website's pages, built once for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "website"
    complaint = folder / "complaint.txt"  # of the build; empty where it went well
    with FileLock(f"{folder}.lock"):
        if not complaint.exists():
            _, run = build(ROOT, folder)
            complaint.write_text(report(run) if run.returncode else "", encoding="utf-8")
    text = complaint.read_text(encoding="utf-8")
    assert not text, f"the book does not build:\n{text}"
    return folder / "_build" / "html"
