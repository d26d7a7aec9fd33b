"""Checks that a reader runs on an answer: right, or what is wrong with it.

Each chapter's check is in the module of its name. A check is a function that calls the reader's
function and returns None if the answer is right, else a hint that names the mistake.
"""

from collections.abc import Callable

from attnbook.exercises import (
    benefits,
    block,
    dilated_attention,
    generation,
    gpu_kernel,
    key,
    learning,
    linear_memory,
    many_devices,
    multi_head,
    quadratic_cost,
    query,
    score,
    softmax,
    trained_model,
    value,
    weighted_sum,
    words,
)

CHECKS = {  # "chapter.exercise": its check
    "benefits.weights_with_filler": benefits.weights_with_filler,
    "block.rotary_halves": block.rotary_halves,
    "dilated_attention.one_branch": dilated_attention.one_branch,
    "generation.attend_piece": generation.attend_piece,
    "gpu_kernel.key_offset": gpu_kernel.key_offset,
    "key.queries_for_bare_words": key.queries_for_bare_words,
    "learning.slope_by_nudging": learning.slope_by_nudging,
    "linear_memory.merge_all": linear_memory.merge_all,
    "many_devices.zigzag": many_devices.zigzag,
    "multi_head.share_of_each_head": multi_head.share_of_each_head,
    "quadratic_cost.pairs_in_window": quadratic_cost.pairs_in_window,
    "query.queries_of_linear": query.queries_of_linear,
    "score.additive": score.additive,
    "softmax.with_temperature": softmax.with_temperature,
    "trained_model.less_the_other_rows": trained_model.less_the_other_rows,
    "value.outputs_after": value.outputs_after,
    "weighted_sum.outputs_without": weighted_sum.outputs_without,
    "words.sum_by_word": words.sum_by_word,
}


def check(name: str, answer: Callable) -> None:
    """Print "right", or a hint that says what is wrong with the answer.

    Args:
        name: "chapter.exercise", as the exercise gives it.
        answer: The reader's function.

    Raises:
        TypeError: If answer is not a function.
        ValueError: If there is no such exercise.

    Example:
        >>> check("softmax.with_temperature", lambda s, T: None)
        softmax.with_temperature: not yet. Your function returns None: does it end in return?
    """
    if name not in CHECKS:
        raise ValueError(f"name: got {name!r}, expected one of {', '.join(CHECKS)}")
    if not callable(answer):
        raise TypeError(f"answer: got {type(answer).__name__}, expected your function")
    try:
        hint = CHECKS[name](answer)
    except Exception as error:  # the reader's function failed: that is a hint as well
        hint = f"Your function raises {type(error).__name__}: {error}"
    print(f"{name}: right" if hint is None else f"{name}: not yet. {hint}")


def names() -> list[str]:
    """Return the names of all checks.

    Returns:
        Texts "chapter.exercise".

    Example:
        >>> "softmax.with_temperature" in names()
        True
    """
    return list(CHECKS)
