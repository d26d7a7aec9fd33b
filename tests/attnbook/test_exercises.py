"""Each check of an exercise accepts a right answer and names the mistake of typical wrong ones."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from attnbook import exercises
from attnbook.exercises.judge import judge

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # wrong answers overflow


def answers(name):
    chapter, exercise = name.split(".")
    return importlib.import_module(f"tests.chapters.answers.{chapter}").ANSWERS[exercise]


def test_every_chapter_with_answers_has_its_checks_in_the_list():
    folder = Path(exercises.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "judge"}
    assert modules == {name.split(".")[0] for name in exercises.names()}


@pytest.mark.parametrize("name", exercises.names())
def test_a_right_answer_is_right(name, capsys):
    exercises.check(name, answers(name)["right"])
    assert capsys.readouterr().out == f"{name}: right\n"


@pytest.mark.parametrize("name", exercises.names())
def test_wrong_answers_get_a_hint_that_names_the_mistake(name, capsys):
    wrong = answers(name)["wrong"]
    assert len(wrong) >= 2
    for answer, hint in wrong:
        exercises.check(name, answer)
        said = capsys.readouterr().out
        assert said.startswith(f"{name}: not yet. ") and hint in said


def test_an_answer_that_fails_is_told_how(capsys):
    exercises.check("softmax.with_temperature", lambda s, T: s + [1, 2])
    assert "not yet. Your function raises ValueError" in capsys.readouterr().out


def test_what_is_no_exercise_or_no_function_is_refused():
    with pytest.raises(ValueError, match="name: got 'softmax.nothing', expected one of"):
        exercises.check("softmax.nothing", print)
    with pytest.raises(TypeError, match="answer: got float, expected your function"):
        exercises.check("softmax.with_temperature", 0.5)


@pytest.mark.parametrize(
    "result, hint",
    [
        (np.ones((2, 3)), None),
        (np.ones((2, 3)) + 1e-9, None),
        (np.ones((3, 2)), "shape (3, 2), expected (2, 3)"),
        (np.full((2, 3), np.nan), "holds NaN"),
        (np.ones((2, 3)) + np.eye(2, 3), "at (0, 0): 2, expected 1"),
        (None, "returns None"),
    ],
)
def test_judge(result, hint):
    said = judge(result, np.ones((2, 3)))
    assert said is None if hint is None else hint in said
