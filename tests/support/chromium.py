"""A pytest plugin: one browser for all tests that look at pages."""

import os

import pytest

from website.scripts.chromium import ABSENT, launched, where


@pytest.fixture(scope="session")
def chromium():
    """Return Playwright's browser; where there is none, skip the test, or fail if CI is set."""
    if where() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(ABSENT)
    with launched() as browser:
        yield browser
