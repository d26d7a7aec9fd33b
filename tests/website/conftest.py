import pytest

from tests.support.book import build, report
from tests.support.notebooks import ROOT
from tests.support.once import once


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the website's pages."""

    def make(folder):
        _, run = build(ROOT, folder)
        return report(run) if run.returncode else ""

    return once(tmp_path_factory, "website", make) / "_build" / "html"
