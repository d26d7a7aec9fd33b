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
        (
            "chapters/key.ipynb",
            ["chapters/key.ipynb", "tests/chapters/test_notebooks.py", check.LEDGER_TEST],
        ),
        (
            "claims.yml",
            [
                f"{check.CLAIMS}::test_each_claim_has_a_cell",
                check.LEDGER_TEST,
                f"{check.CLAIMS}::test_the_page_of_claims_is_made_from_the_ledger",
            ],
        ),
        ("website/scripts/check.py", ["tests/website/scripts/test_check.py"]),
        ("website/static/book.css", ["tests/website"]),
        ("api/index.md", ["tests/website/test_reference.py"]),
        ("LICENSE", []),
    ],
)
def test_tests_of(changed, tests):
    assert check.tests_of(changed) == tests
    for test in tests:
        path, _, function = test.partition("[")[0].partition("::")
        assert (ROOT / path).exists()
        assert not function or f"def {function}(" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "commits, said",
    [
        ({"rev-parse": ["b"], "merge-base": ["a"]}, "Nothing has changed since this branch left"),
        ({"rev-parse": ["b"], "merge-base": ["b"]}, "Nothing has changed since the last commit"),
        ({"rev-parse": ["b"]}, "Nothing has changed since the last commit"),  # there is no main
        ({}, "Without git history there is nothing to compare with"),
    ],
)
def test_where_nothing_has_changed_it_says_since_when(commits, said, monkeypatch, capsys):
    monkeypatch.setattr(check, "git", lambda command, *_: commits.get(command, []))
    check.main()
    assert capsys.readouterr().out.startswith(said)
