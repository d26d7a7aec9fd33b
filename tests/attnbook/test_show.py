"""Numbers are printed in one way, and agree() is no rubber stamp."""

import numpy as np
import pytest
import torch

from attnbook import show

NUMBERS = [
    (0.5, "0.5000"),
    (-0.25, "-0.2500"),
    (0.0, "0.0000"),
    (-0.0, "0.0000"),
    (0.00005, "5.0e-5"),
    (-0.00012345, "-1.2e-4"),
    (1e-107, "1.0e-107"),
    (0.00099, "9.9e-4"),
    (0.0009949, "9.9e-4"),
    (0.0009951, "0.0010"),  # to 2 digits this is 0.001 already
    (np.nextafter(0.001, 0), "0.0010"),
    (0.001, "0.0010"),
    (-0.001, "-0.0010"),
    (1234.56789, "1,234.5679"),
    (float("inf"), "inf"),
    (float("-inf"), "-inf"),
    (float("nan"), "nan"),
    (0, "0"),
    (-7, "-7"),
    (12345, "12,345"),
    (True, "yes"),
    (False, "no"),
    (np.bool_(True), "yes"),
    (np.int64(12345), "12,345"),
    (np.float32(0.1), "0.1000"),
    (np.float16(-0.0), "0.0000"),
    (np.array([[2.5]]), "2.5000"),
    (torch.tensor(0.25, dtype=torch.bfloat16), "0.2500"),
    (torch.tensor(3), "3"),
    (torch.tensor(False), "no"),
    (torch.tensor(0.5, requires_grad=True), "0.5000"),
]


@pytest.mark.parametrize("value, text", NUMBERS, ids=[f"{v!r}" for v, _ in NUMBERS])
def test_a_number_has_one_text(value, text):
    assert show.number(value) == text


def printed(capsys, function, *arguments, **named):
    function(*arguments, **named)
    return capsys.readouterr().out


def test_in_a_notebook_tables_stand_apart_from_what_their_cell_prints_else(capsys, monkeypatch):
    monkeypatch.setattr(show, "_shell", "a notebook's")
    for _ in range(2):
        show._printed.clear()  # as a notebook does before it runs a cell
        show.table(None, [["a", 1]])
        show.matrix(np.eye(1))
        show.values(b=2, c=3)
        show.agree("d", np.ones(2), np.ones(2))
    lines = "a  1\n\n  1.0000\n\nb  2\nc  3\nd: equal to rounding, shape (2,)\n"
    assert capsys.readouterr().out == lines * 2


def test_a_table_puts_text_left_and_numbers_right(capsys):
    rows = [["one head", 0.5, 3, "20 of 20"], ["two", -12.25, 1000, "1"]]
    assert printed(capsys, show.table, ["model", "accuracy", "n", "seeds"], rows) == (
        "model     accuracy      n  seeds\n"
        "───────────────────────────────────\n"
        "one head    0.5000      3  20 of 20\n"
        "two       -12.2500  1,000  1\n"
    )


def test_a_table_needs_no_headers_and_ends_no_line_in_spaces(capsys):
    assert printed(capsys, show.table, None, [["a", 1], ["bc", 22]]) == "a    1\nbc  22\n"


@pytest.mark.parametrize("home", [np.array, torch.tensor])
def test_a_matrix_is_a_table_of_its_entries(capsys, home):
    named = {"rows": ["a", "bb"], "columns": ["x", "y"]}
    assert printed(capsys, show.matrix, home([[1.0, -0.0], [1e-5, 2.0]]), **named) == (
        "         x       y\n──────────────────\na   1.0000  0.0000\nbb  1.0e-5  2.0000\n"
    )


def test_a_vector_is_a_matrix_of_one_row(capsys):
    text = printed(capsys, show.matrix, np.array([1.0, 2.0]), columns=["x", "y"])
    assert [line.split() for line in text.splitlines()] == [
        ["x", "y"],
        ["─" * 16],
        ["1.0000", "2.0000"],
    ]


def test_a_row_or_column_without_a_name_is_refused():
    with pytest.raises(ValueError, match="^rows: got 1 names, expected 2"):
        show.matrix(np.ones((2, 3)), rows=["a"])
    with pytest.raises(ValueError, match="^columns: got 2 names, expected 3"):
        show.matrix(np.ones((2, 3)), columns=["x", "y"])


def test_values_and_shapes_align_their_names(capsys):
    values = {"a": 1, "longer_name": torch.tensor([0.5, -0.0])}
    assert printed(capsys, show.values, **values) == (
        "a            1\nlonger name  0.5000  0.0000\n"
    )
    arrays = {"Q": np.ones((11, 8)), "W_Q": torch.ones(16, 8)}
    assert printed(capsys, show.shapes, **arrays) == "Q    (11, 8)\nW_Q  (16, 8)\n"


AGREEING = [
    ([1.0, 2.0], [1.0, 2.0 + 1e-13]),
    ([0.0, 1e6], [1e-7, 1e6]),  # apart by less than 1e-12 of the largest entry
    ([np.inf, -np.inf, 1.0], [np.inf, -np.inf, 1.0]),
    ([], []),
    ([True, False], [1, 0]),
]
DIFFERING = [
    ([1.0, 2.0], [1.0, 2.0 + 1e-11]),
    ([0.0], [1e-300]),
    ([1.0, 2.0], [2.0, 1.0]),
    ([np.nan], [np.nan]),
    ([1.0], [np.nan]),
    ([np.inf], [-np.inf]),
    ([np.inf, 1.0], [5.0, 1.0]),
    ([-np.inf, 1.0], [-np.inf, 2.0]),
    ([1.0], [[1.0]]),
    ([1.0], [1.0, 1.0]),
]


@pytest.mark.parametrize("first, second", AGREEING)
@pytest.mark.parametrize("home", [np.array, torch.tensor])
def test_agree_accepts_rounding(capsys, home, first, second):
    text = printed(capsys, show.agree, "sums", np.array(first), home(second))
    assert text == f"sums: equal to rounding, shape {np.shape(first)}\n"


@pytest.mark.parametrize("first, second", DIFFERING)
@pytest.mark.parametrize("place", [1, 2])
def test_agree_fails_on_any_difference_of_any_array(first, second, place):
    arrays = [np.array(first)] * 2
    arrays.insert(place, np.array(second))
    with pytest.raises(AssertionError, match="^sums: "):
        show.agree("sums", *arrays)


def test_agree_says_how_far_apart():
    with pytest.raises(AssertionError, match=r"differ by up to 0.5, allowed 2e-12$"):
        show.agree("sums", np.array([2.0]), np.array([2.5]))


def test_agree_allows_float32_its_own_rounding():
    first = np.ones(3)
    show.agree("sums", first, np.float32(first + 1e-6))
    with pytest.raises(AssertionError):
        show.agree("sums", first, np.float32(first + 1e-4))


def test_agree_needs_two_arrays():
    with pytest.raises(TypeError, match="arrays: got 1, expected two or more"):
        show.agree("sums", np.ones(3))


def test_agree_refuses_what_is_too_coarse():
    with pytest.raises(TypeError, match="^arrays: got float16, expected float32 or float64"):
        show.agree("halves", np.ones(2, np.float16), np.ones(2, np.float16))


def example(x):
    """A function to be shown."""
    if x:
        y = x + 1  # one
        return y
    return 0


def test_source_shows_lines_as_they_stand(capsys):
    whole = printed(capsys, show.source, example)
    assert whole.startswith('def example(x):\n    """') and whole.endswith("    return 0\n")
    part = "y = x + 1  # one\nreturn y\n"
    assert printed(capsys, show.source, example, "y =", "return") == part
    assert printed(capsys, show.source, example, "# one", "# one") == "y = x + 1  # one\n"
    assert printed(capsys, show.source, example, "return 0") == "return 0\n"


def test_source_looks_into_a_kernel(capsys):
    kernel = type("Kernel", (), {"fn": staticmethod(example), "__name__": "example"})()
    assert printed(capsys, show.source, kernel, "return 0") == "return 0\n"


@pytest.mark.parametrize("name, texts", [("first", ("z =",)), ("last", ("return 0", "y ="))])
def test_source_refuses_a_text_that_is_not_there(name, texts):
    with pytest.raises(
        ValueError, match=f"^{name}: got .*, expected a text that is in example from line ."
    ):
        show.source(example, *texts)
