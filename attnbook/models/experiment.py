"""What the small models' experiments share: runs over processes, and files that are written whole.

Weights are what load() of a model reads; records are the figures that a longer run measured.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from attnbook.device import processor

WEIGHTS = Path(__file__).parent / "weights"
RECORDS = Path(__file__).parent / "records"


def run(measure: Callable[[dict], dict], rows: list[dict]) -> list[dict]:
    """Measure the rows in a pool of processes, one thread each, with a progress bar.

    Args:
        measure: A top-level function that takes a row and returns it with its figures.
        rows: What is to be measured; longest first keeps all cores busy to the end.

    Returns:
        What measure returned, in the order of rows.
    """
    import torch
    from tqdm import tqdm

    with ProcessPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(tqdm(pool.map(measure, rows), total=len(rows), disable=None))


def write_record(name: str, found: Mapping) -> None:
    """Write the record of a run, and with it the processor that it ran on.

    Args:
        name: The record's name; its file is records/NAME.json.
        found: What was measured: texts, numbers, lists and dictionaries.
    """
    content = {"processor": processor(), **found}
    with written_whole(RECORDS / f"{name}.json") as beside:
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_record(name: str) -> dict:
    """Return the record of a run, as write_record() was given it.

    Args:
        name: The record's name; its file is records/NAME.json.

    Example:
        >>> sorted(read_record("recall"))
        ['processor', 'rows']
    """
    return json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))


def recorded_column(name: str, column: str, **wanted) -> np.ndarray:
    """Return one figure of every recorded row that holds what is wanted.

    Args:
        name: The record's name.
        column: The key of the figure in a row.
        wanted: Keys and values that a row must hold.

    Returns:
        (n,) or, where the figure is a list, (n, ...), in the order of the record.

    Example:
        >>> len(recorded_column("recall", "accuracy", task="pairs", network="rnn", pairs=4, seed=0))
        2
    """
    rows = read_record(name)["rows"]
    return np.array([row[column] for row in rows if wanted.items() <= row.items()])


def write_weights(name: str, weights: Mapping) -> None:
    """Write the weights of a model.

    Args:
        name: The model's name; its file is weights/NAME.safetensors.
        weights: NumPy arrays or torch tensors on the CPU without gradients, by name.
    """
    from safetensors.numpy import save_file

    with written_whole(WEIGHTS / f"{name}.safetensors") as beside:
        save_file({key: np.asarray(array) for key, array in weights.items()}, beside)


def read_weights(name: str) -> dict[str, np.ndarray]:
    """Return the weights of a model by name, as NumPy arrays.

    Args:
        name: The model's name; its file is weights/NAME.safetensors.

    Example:
        >>> read_weights("one_head")["E"].shape
        (29, 16)
    """
    from safetensors.numpy import load_file

    return load_file(WEIGHTS / f"{name}.safetensors")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Replace a file only once its successor is complete.

    Args:
        path: The file to replace.

    Returns:
        A path beside it to write to. It takes the name of the old file when the block ends; if
        the block raises, it is removed and the old file stays.
    """
    beside = path.with_name(f"{path.name}.new")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread until the block ends; also a decorator.

    The small models' matrices gain nothing from a second thread, and threads that wait for each
    other on a busy machine cost minutes. With one thread no sum depends on the number of cores.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def made_with() -> dict:
    """Return what the last bits of trained weights depend on.

    Returns:
        The names of the processor and of the instructions that torch uses on it, and the version
        of torch.

    Example:
        >>> sorted(made_with())
        ['instructions', 'processor', 'torch']
    """
    import torch

    return {
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__.split("+")[0],
    }
