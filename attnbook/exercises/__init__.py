"""Checks that a reader runs on an answer: right, or what is wrong with it.

Each chapter's checks are in the module of its name. A check is a function that calls the reader's
function and returns None where the answer is right, else a hint that names the mistake.
"""

import importlib
import pkgutil
from collections.abc import Callable

import numpy as np

from attnbook.show import to_numpy


def check(name: str, answer: Callable) -> None:
    """Print "right", or a hint that says what is wrong with the answer.

    name: "chapter.exercise", as the exercise gives it. answer: the reader's function.
    Raises: ValueError where there is no such exercise; TypeError where answer is no function.

    >>> check("softmax.with_temperature", lambda s, T: None)
    softmax.with_temperature: not yet. Your function returns None: does it end in return?
    """
    if name not in names():
        raise ValueError(f"name: got {name!r}, expected one of {', '.join(names())}")
    if not callable(answer):
        raise TypeError(f"answer: expected your function, got {type(answer).__name__}")
    chapter, exercise = name.split(".")
    find_mistake = getattr(importlib.import_module(f"{__name__}.{chapter}"), exercise)
    try:
        hint = find_mistake(answer)
    except Exception as error:  # the reader's function failed: that is a hint as well
        hint = f"Your function raises {type(error).__name__}: {error}"
    print(f"{name}: right" if hint is None else f"{name}: not yet. {hint}")


def names() -> list[str]:
    """Return the names of all checks, "chapter.exercise".

    >>> "softmax.with_temperature" in names()
    True
    """
    found = []
    for module in pkgutil.iter_modules(__path__):
        checks = importlib.import_module(f"{__name__}.{module.name}")
        found += [f"{module.name}.{exercise}" for exercise in checks.__all__]
    return found


def judge(result, right, mistakes: dict | None = None) -> str | None:
    """Return None where a result equals the right one to 1e-6 of its size, else a hint.

    result, right: numbers or arrays. mistakes: hint -> the result that this mistake would give.

    >>> judge(np.ones(2), np.zeros(2), {"You added 1.": np.ones(2)})
    'You added 1.'
    """
    if result is None:
        return "Your function returns None: does it end in return?"
    result, right = (np.asarray(to_numpy(x), dtype=float) for x in (result, right))
    for hint, wrong in (mistakes or {}).items():
        if _same(result, np.asarray(to_numpy(wrong), dtype=float)):
            return hint
    if result.shape != right.shape:
        return f"The result has shape {result.shape}, expected {right.shape}."
    if np.isnan(result).any() and not np.isnan(right).any():
        return "The result holds NaN."
    if _same(result, right):
        return None
    place = np.unravel_index(np.abs(result - right).argmax(), right.shape)
    at = f" at {tuple(int(i) for i in place)}" if place else ""
    return f"The largest error is{at}: {result[place]:.4g}, expected {right[place]:.4g}."


def _same(a, b):
    scale = np.abs(b[np.isfinite(b)]).max(initial=1e-300)
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=1e-6 * scale, equal_nan=True)
