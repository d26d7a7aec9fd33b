"""`make check` finds the tests of what has changed."""

import pytest

from tests.support.notebooks import ROOT
from website.scripts import check


@pytest.mark.parametrize(
    "changed, tests",
    [
        ("attnlib/nn.py", ["attnlib/nn.py", "tests/attnlib/test_nn.py"]),
        ("attnlib/_checks.py", ["attnlib/_checks.py", "tests/attnlib/test_checks.py"]),
        ("attnlib/_arrays.py", ["attnlib/_arrays.py", "tests/attnlib"]),
        (
            "attnlib/distributed/messages.py",
            ["attnlib/distributed/messages.py", "tests/attnlib/distributed"],
        ),
        (
            "attnbook/exercises/key.py",
            ["attnbook/exercises/key.py", "tests/attnbook/test_exercises.py"],
        ),
        ("tests/attnlib/test_nn.py", ["tests/attnlib/test_nn.py"]),
        ("tests/chapters/answers/key.py", ["tests/attnbook/test_exercises.py"]),
        (
            "tests/chapters/worlds/key.py",
            [f"tests/chapters/test_claims.py::{check.CLAIM_TEST}[key]"],
        ),
        ("chapters/key.ipynb", ["chapters/key.ipynb", "tests/chapters/test_notebooks.py"]),
        ("website/scripts/check.py", ["tests/website/scripts/test_check.py"]),
        ("website/static/book.css", ["tests/website"]),
        ("api/index.md", ["tests/website/test_reference.py"]),
        ("LICENSE", []),
    ],
)
def test_tests_of(changed, tests):
    assert check.tests_of(changed) == tests
    assert all((ROOT / test.partition("::")[0]).exists() for test in tests)
